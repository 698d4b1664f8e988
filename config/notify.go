package config

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"lagerd/secret"
)

// shortestSecret is how long the secret that signs outgoing webhooks must be, in bytes.
const shortestSecret = 16

// notify checks whom lagerd tells, and how.
func (l *loader) notify(c Notify) {
	l.oneOf("notify.smtp_tls", c.SMTPTLS, "starttls", "tls", "none")
	l.mail(c)
	l.url("notify.webhook_url", c.WebhookURL, false)
	l.encrypted("notify.webhook_url", c.WebhookURL, "what it says")
	l.url("notify.heartbeat_url", c.HeartbeatURL, false)
	l.encrypted("notify.heartbeat_url", c.HeartbeatURL, "its address")
	switch key := c.WebhookSecret.Reveal(); {
	case c.WebhookURL != "" && key == "":
		l.badPair("notify.webhook_secret_file", "notify.webhook_url", "expected the file of the secret that signs webhooks to notify.webhook_url, got none: create one with `openssl rand -hex 32`")
	case key != "" && len(key) < shortestSecret:
		l.badKey("notify.webhook_secret_file", "expected a secret of at least %d characters, got %d: create one with `openssl rand -hex 32`", shortestSecret, len(key))
	}
}

func (l *loader) mail(c Notify) {
	for i, to := range c.To {
		l.mailAddress(fmt.Sprintf("notify.to[%d]", i), to)
	}
	const mostAddresses = 20
	if len(c.To) > mostAddresses {
		l.badKey("notify.to", "expected at most %d addresses, got %d: use a mailing list", mostAddresses, len(c.To))
	}
	if c.From != "" {
		l.mailAddress("notify.from", c.From)
	}
	if strings.ContainsFunc(c.SMTPUser, func(r rune) bool { return r < ' ' || r > '~' }) {
		l.badKey("notify.smtp_user", "expected a name of printable characters, got %q", shown("", c.SMTPUser))
	}
	switch {
	case c.SMTPHost != "":
		l.mailServer(c)
	case len(c.To) > 0:
		l.badPair("notify.smtp_host", "notify.to", "expected the mail server that sends to notify.to, got none")
	}
}

// mailServer checks how mail is sent.
func (l *loader) mailServer(c Notify) {
	if !validHost(c.SMTPHost) {
		l.badKey("notify.smtp_host", "expected a host such as mail.example.dk, without a port (notify.smtp_port), got %q", shown("", c.SMTPHost))
	}
	if c.From == "" {
		l.badPair("notify.from", "notify.smtp_host", "expected the address from which lagerd sends mail, got none")
	}
	if c.SMTPTLS == "none" && !loopback(c.SMTPHost) {
		l.badKey("notify.smtp_tls", "expected starttls or tls: without them anybody on the way to %s could read the mail and its password (none is allowed to this machine only)", c.SMTPHost)
	}
	switch {
	case c.SMTPUser != "" && c.SMTPPassword.IsZero():
		l.badPair("notify.smtp_password_file", "notify.smtp_user", "expected the file of the password of notify.smtp_user, got none")
	case c.SMTPUser == "" && !c.SMTPPassword.IsZero():
		l.badPair("notify.smtp_user", "notify.smtp_password_file", "expected the user whose password notify.smtp_password_file has, got none")
	}
}

func validHost(host string) bool {
	return net.ParseIP(host) != nil || !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(":/@[]", r) })
}

func (l *loader) mailAddress(key, is string) {
	if !IsMailAddress(is) {
		l.badKey(key, "expected an e-mail address such as drift@example.dk, got %q", shown("", is))
	}
}

// CheckNotifyURL returns why no signed webhooks can be sent to an address, nil if they can be.
func CheckNotifyURL(is string) error {
	const key = "notify-url"
	var l loader
	l.url(key, is, true)
	l.encrypted(key, is, "what it says")
	if len(l.problems) == 0 && len(is) > longestURL {
		return fmt.Errorf("expected a URL of at most %d characters, got %d", longestURL, len(is))
	}
	if len(l.problems) > 0 {
		return errors.New(l.problems[0].What)
	}
	return nil
}

// longestURL is how long the address of a shop's webhook may be, so that it fits its column sealed.
const longestURL = 2048

// Secrets returns the secrets that lagerd sends when it tells somebody something.
func (c Notify) Secrets() secret.Hidden {
	return secret.Hide(c.SMTPPassword.Reveal(), c.HeartbeatURL, c.WebhookURL)
}
