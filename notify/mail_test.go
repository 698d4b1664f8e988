package notify_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"lagerd/notify"
	"lagerd/test/mailtest"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func mailer(t *testing.T, s *mailtest.Server, how notify.TLS, trusting *tls.Config) *notify.Mailer {
	t.Helper()
	m, err := notify.NewMailer(notify.MailOptions{Host: "127.0.0.1", Port: s.Port(), TLS: how, From: "lagerd@example.dk", Config: trusting, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMailIsEncrypted(t *testing.T) {
	t.Parallel()
	s, trusting := mailtest.New(t, true)
	one := notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "shop1234: æøå\r\nBcc: all@example.dk", Body: "Rød grød\n.\nmed fløde\n"}}
	if err := mailer(t, s, notify.TLSStart, trusting).Send(t.Context(), one); err != nil {
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
		err := mailer(t, s, notify.TLSStart, nil).Send(t.Context(), notify.Mail{ID: "id1", To: "mette@example.dk", At: noon, Text: notify.Text{Subject: "s", Body: "b"}})
		if err == nil || len(s.Mails()) > 0 {
			t.Errorf("%s: %v, %d mails", name, err, len(s.Mails()))
		}
	}
}
