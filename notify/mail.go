package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wneessen/go-mail"

	"lagerd/secret"
)

// TLS is how the connection to the mail server is encrypted.
type TLS string

// The values of TLS.
const (
	TLSStart    TLS = "starttls" // required: without it nothing is sent
	TLSImplicit TLS = "tls"      // from the first byte
	TLSNone     TLS = "none"     // for a server on this machine
)

// MailOptions are how mail is sent.
type MailOptions struct {
	Host     string
	Port     int
	TLS      TLS
	User     string // "": without authentication
	Password secret.Text
	From     string // address

	Config  *tls.Config   // nil: the machine's certificates are trusted
	Timeout time.Duration // to connect, and then for everything up to the mail's text
	Answer  time.Duration // for the answer to it
}

// Mailer sends mail.
type Mailer struct {
	o      MailOptions
	client *mail.Client
}

// NewMailer returns a Mailer, or an error if the options are invalid.
func NewMailer(o MailOptions) (*Mailer, error) {
	policy := map[TLS]mail.TLSPolicy{TLSStart: mail.TLSMandatory, TLSImplicit: mail.NoTLS, TLSNone: mail.NoTLS}
	options := []mail.Option{mail.WithPort(o.Port), mail.WithTimeout(o.Timeout), mail.WithTLSPolicy(policy[o.TLS])}
	if o.TLS == TLSImplicit {
		options = append(options, mail.WithSSL())
	}
	if o.Config != nil {
		options = append(options, mail.WithTLSConfig(o.Config))
	}
	if o.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(o.User), mail.WithPassword(o.Password.Reveal()))
	}
	client, err := mail.NewClient(o.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("send mail by %s: %w", o.Host, err)
	}
	return &Mailer{o, client}, nil
}

// Mail is a mail to one address.
type Mail struct {
	ID   string // of which the Message-ID is made
	To   string
	At   time.Time // its date
	Text Text
}

// errAway is the error of a server that was not reached: other messages would not get there either.
var errAway = errors.New("not reached")

// errUnsure is the error of a message whose text was sent and not answered: it may have arrived.
var errUnsure = errors.New("it was sent and not answered: it may have arrived")

// permanent is from which answer on a mail server does not want to see the mail again.
const permanent = 500

// refusal is the error of a message that its receiver refused for good. It is tried again, should somebody
// set that right, and holds up no later one.
type refusal struct{ error }

// Unwrap returns what it answered.
func (r refusal) Unwrap() error { return r.error }

// Send sends a mail. It calls start before the mail's text is sent: until then, and if that fails, the
// mail has not arrived. An error that wraps errAway is that of the server, not of the mail; one that
// wraps errUnsure leaves open whether the mail has arrived. With a deadline ctx shortens the wait for
// the answer; once the text is sent, the end of ctx does not.
func (m *Mailer) Send(ctx context.Context, one Mail, start func() error) error {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(m.o.From), msg.To(one.To)); err != nil {
		return fmt.Errorf("write the mail to %s: %w", one.To, err)
	}
	msg.Subject(one.Text.Subject)
	msg.SetMessageIDWithValue(one.ID + "@lagerd")
	msg.SetDateWithValue(one.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation replies
	dial, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	conn, err := m.client.DialToSMTPClientWithContext(dial)
	if err != nil {
		return fmt.Errorf("%s:%d: %w: %w", m.o.Host, m.o.Port, errAway, err)
	}
	started := false
	msg.SetBodyWriter(mail.TypeTextPlain, func(w io.Writer) (int64, error) {
		if err := start(); err != nil {
			return 0, err
		}
		started = true
		if err := conn.UpdateDeadline(m.patience(ctx)); err != nil {
			return 0, err
		}
		n, err := io.WriteString(w, one.Text.Body)
		return int64(n), err
	})
	err = m.client.SendWithSMTPClient(conn, msg)
	if err == nil || msg.IsDelivered() {
		// Once the server has taken the mail, what goes wrong then is no reason to send it again.
		_ = m.client.CloseWithSMTPClient(conn)
		return nil
	}
	// Not with QUIT: that would end the text first, and the server would take a part of it for the mail.
	_ = conn.Close()
	failed, is := errors.AsType[*mail.SendError](err)
	switch {
	case is && failed.ErrorCode() >= permanent && (!started || failed.Reason == mail.ErrSMTPDataClose):
		err = refusal{err}
	case started && !(is && failed.ErrorCode() != 0 && failed.Reason == mail.ErrSMTPDataClose):
		err = fmt.Errorf("%w: %w", errUnsure, err)
	}
	return fmt.Errorf("%s:%d: %w", m.o.Host, m.o.Port, err)
}

// patience returns how long the answer to a mail's text is awaited.
func (m *Mailer) patience(ctx context.Context) time.Duration {
	if end, ends := ctx.Deadline(); ends {
		return min(m.o.Answer, time.Until(end))
	}
	return m.o.Answer
}
