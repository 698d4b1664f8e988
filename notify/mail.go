package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

	Config  *tls.Config // nil: the machine's certificates are trusted
	Timeout time.Duration
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

// Send sends a mail, within the timeout. An error that wraps errAway is that of the server, not of
// the mail.
func (m *Mailer) Send(ctx context.Context, one Mail) error {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(m.o.From), msg.To(one.To)); err != nil {
		return fmt.Errorf("write the mail to %s: %w", one.To, err)
	}
	msg.Subject(one.Text.Subject)
	msg.SetMessageIDWithValue(one.ID + "@lagerd")
	msg.SetDateWithValue(one.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no vacation replies
	msg.SetBodyString(mail.TypeTextPlain, one.Text.Body)
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	conn, err := m.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("%s:%d: %w: %w", m.o.Host, m.o.Port, errAway, err)
	}
	err = m.client.SendWithSMTPClient(conn, msg)
	// Once the server has taken the mail, what goes wrong then is no reason to send it again.
	_ = m.client.CloseWithSMTPClient(conn)
	if err != nil && !msg.IsDelivered() {
		return fmt.Errorf("%s:%d: %w", m.o.Host, m.o.Port, err)
	}
	return nil
}
