package notify_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/test/mailtest"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func mailer(t *testing.T, s *mailtest.Server, how notify.TLS, trusting *tls.Config) *notify.Mailer {
	t.Helper()
	m, err := notify.NewMailer(notify.MailOptions{Host: "127.0.0.1", Port: s.Port(), TLS: how, From: "lagerd@example.dk", Config: trusting, Timeout: 5 * time.Second, Answer: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// begun lets the text be sent.
func begun() error { return nil }

func TestMailIsEncrypted(t *testing.T) {
	t.Parallel()
	s, trusting := mailtest.New(t, true)
	one := notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "shop1234: æøå\r\nBcc: all@example.dk", Body: "Rød grød\n.\nmed fløde\n"}}
	if err := mailer(t, s, notify.TLSStart, trusting).Send(t.Context(), one, begun); err != nil {
		t.Fatal(err)
	}
	mails := s.Mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	if !m.Encrypted || m.To != "mette@example.dk" || m.ID != "<id1@lagerd>" || !strings.HasPrefix(m.Subject, "shop1234: æøå") || m.Body != one.Text.Body {
		t.Errorf("%+v", m)
	}
}

// TestMailIsNotSentInTheClear: neither to a server without STARTTLS, nor to one whose certificate
// nobody trusts.
func TestMailIsNotSentInTheClear(t *testing.T) {
	t.Parallel()
	for name, encrypted := range map[string]bool{"no STARTTLS": false, "an unknown certificate": true} {
		s, _ := mailtest.New(t, encrypted)
		err := mailer(t, s, notify.TLSStart, nil).Send(t.Context(), notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "s", Body: "b"}}, begun)
		if err == nil || len(s.Mails()) > 0 {
			t.Errorf("%s: %v, %d mails", name, err, len(s.Mails()))
		}
	}
}

// TestMailIsAnsweredLate: a server that takes its time with the text is waited for; if it does not answer,
// or ends the connection, the mail may have arrived; if it refuses, it has not.
func TestMailIsAnsweredLate(t *testing.T) {
	t.Parallel()
	const connect, answer = 500 * time.Millisecond, 2 * time.Second
	for name, c := range map[string]struct {
		takes  time.Duration
		answer string
		fails  string // "": it does not
		unsure bool
	}{
		"late": {connect + 500*time.Millisecond, "250 taken", "", false}, "too late": {answer + time.Second, "250 taken", "timeout", true},
		"the connection ends": {0, "", "EOF", true}, "refused": {0, "554 spam", "554 \"spam\"", false}, "refused for now": {0, "451 later", "451 \"later\"", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, trusting := mailtest.New(t, true)
			s.Answer = func(mailtest.Mail) string { time.Sleep(c.takes); return c.answer }
			m, err := notify.NewMailer(notify.MailOptions{Host: "127.0.0.1", Port: s.Port(), TLS: notify.TLSStart, From: "lagerd@example.dk", Config: trusting, Timeout: connect, Answer: answer})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Send(t.Context(), notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "s", Body: "b"}}, begun)
			if (err == nil) != (c.fails == "") || err != nil && (!strings.Contains(err.Error(), c.fails) || strings.Contains(err.Error(), "may have arrived") != c.unsure) {
				t.Errorf("%v", err)
			}
			if n := len(s.Mails()); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	}
}

// TestMailThatIsNotStarted: nothing is sent, not even a part of the text.
func TestMailThatIsNotStarted(t *testing.T) {
	t.Parallel()
	s, trusting := mailtest.New(t, true)
	err := mailer(t, s, notify.TLSStart, trusting).Send(t.Context(), notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "s", Body: "b"}}, func() error { return errors.New("the database is away") })
	if err == nil || !strings.Contains(err.Error(), "the database is away") || strings.Contains(err.Error(), "may have arrived") {
		t.Errorf("%v", err)
	}
	s.Stop() // the connection has ended
	time.Sleep(100 * time.Millisecond)
	if list := s.Mails(); len(list) > 0 {
		t.Errorf("taken: %+v", list)
	}
}
