package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/robfig/cron/v3"
	"github.com/sirupsen/logrus"

	"lagerd/secret"
	"lagerd/store/dsn"
)

// networks checks a list of addresses and networks.
func (l *loader) networks(key string, list []string) {
	for i, text := range list {
		if _, err := parseNetwork(text); err != nil {
			l.badKey(fmt.Sprintf("%s[%d]", key, i), "expected an address such as 203.0.113.7, or a network such as 203.0.113.0/24, got %q", shown("", text))
		}
	}
	if len(list) > 100 {
		l.badKey(key, "expected at most 100 addresses and networks, got %d", len(list))
	}
}

// listener checks a listener's address: host:port, or a Unix socket.
func (l *loader) listener(key, listen, example string) {
	path, is := UnixSocket(listen)
	if !is {
		l.address(key, listen, false)
		return
	}
	// Linux has room for 107 bytes (unix(7)).
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || len(path) > 107 {
		l.badKey(key, "expected an absolute path of at most 107 bytes such as unix:/run/lagerd/%s.sock, got %q", example, shown("", listen))
	}
}

// validate checks each value, and values that depend on each other.
func (l *loader) validate(c *Config) {
	l.database(c)
	l.url("economic.rest_url", c.Economic.RESTURL, true)
	l.encrypted("economic.rest_url", c.Economic.RESTURL, "both tokens")
	l.appPublicToken(c.Economic)
	l.url("economic.webhooks_url", c.Economic.WebhooksURL, true)
	l.encrypted("economic.webhooks_url", c.Economic.WebhooksURL, "both tokens")
	l.rackbeat(c.Rackbeat)
	l.url("webhook.public_url", c.Webhook.PublicURL, false)
	l.address("webhook.listen", c.Webhook.Listen, true)
	l.networks("webhook.proxies", c.Webhook.Proxies)
	l.proxyHeader("webhook.proxy_header", c.Webhook.ProxyHeader)
	l.listener("admin.listen", c.Admin.Listen, "admin")
	l.web(c.Web)
	l.notify(c.Notify)
	l.apart(c)
	if what := badSchedule(c.Reconcile.Schedule); what != "" {
		l.badKey("reconcile.schedule", "expected a cron expression with five fields (UTC) or @every 1m, got %q: %s", shown("", c.Reconcile.Schedule), what)
	}
	if _, err := logrus.ParseLevel(c.Log.Level); err != nil {
		l.badKey("log.level", "expected panic, fatal, error, warn, info, debug or trace, got %q", shown("", c.Log.Level))
	}
	l.oneOf("log.format", c.Log.Format, "text", "json")
	for _, n := range []struct {
		key            string
		is, least, top int
	}{
		{"database.max_connections", c.Database.MaxConnections, 2, 256},
		{"economic.daily_calls", c.Economic.DailyCalls, 100, 10_000_000},
		{"economic.concurrency", c.Economic.Concurrency, 1, 64},
		{"economic.calls_per_second", c.Economic.CallsPerSecond, 1, 100_000},
		{"economic.max_url_bytes", c.Economic.MaxURLBytes, 500, 32_000},
		{"rackbeat.calls_per_minute", c.Rackbeat.CallsPerMinute, 1, 10_000},
		{"rackbeat.daily_calls", c.Rackbeat.DailyCalls, 100, 10_000_000},
		{"webhook.queue", c.Webhook.Queue, 1, 10_000_000},
		{"webhook.batch", c.Webhook.Batch, 1, 500},
		{"webhook.max_body_bytes", c.Webhook.MaxBodyBytes, 256, 1 << 20},
		{"webhook.log_per_shop", c.Webhook.LogPerShop, 1, 100_000},
		{"reconcile.workers", c.Reconcile.Workers, 1, 1024},
		{"reconcile.loss_percent", c.Reconcile.LossPercent, 1, 100},
		{"reconcile.loss_min", c.Reconcile.LossMin, 1, 1_000_000},
		{"reconcile.loss_window_percent", c.Reconcile.LossWindowPercent, 1, 100},
		{"reconcile.loss_window_min", c.Reconcile.LossWindowMin, 1, 1_000_000},
		{"notify.smtp_port", c.Notify.SMTPPort, 1, 65535},
		{"pdf.max_bytes", c.PDF.MaxBytes, 1 << 10, 16<<20 - 1},
		{"pdf.concurrency", c.PDF.Concurrency, 1, 64},
	} {
		if n.is < n.least || n.is > n.top {
			l.badKey(n.key, "expected a number from %d to %d, got %d", n.least, n.top, n.is)
		}
	}
	l.durations(c)
	if !c.Key.IsZero() {
		if _, err := secret.Load([]byte(c.Key.Reveal())); err != nil {
			l.badKey("key_file", "%v", err)
		}
	}
}

// appPublicToken checks the form of the app's public token, which is part of an address. Its exact
// form is not documented.
func (l *loader) appPublicToken(c Economic) {
	const shortest, longest = 8, 200
	const key, token = "economic.app_public_token", "expected your app's public token: letters and digits"
	switch is := c.AppPublicToken; {
	case is == "":
	case is == c.AppSecretToken.Reveal():
		l.badKey(key, "this is the app's secret token: anybody with it and a grant token reads the agreement; %s", token)
	case strings.ContainsAny(is, ":?&"):
		l.badKey(key, "%s, without the address around it: the part after appPublicToken=, up to the next &, got %q", token, shown("", is))
	case len(is) < shortest || len(is) > longest:
		l.badKey(key, "%s, %d to %d of them, got %d", token, shortest, longest, len(is))
	case strings.ContainsFunc(is, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'`<>\\", r) }):
		l.badKey(key, "%s, without blanks, quotes and other characters, got %q", token, shown("", is))
	}
}

func (l *loader) rackbeat(c Rackbeat) {
	l.url("rackbeat.url", c.URL, true)
	l.encrypted("rackbeat.url", c.URL, "the key")
	if c.Contact != "" && !IsMailAddress(c.Contact) {
		l.badKey("rackbeat.contact", "expected an e-mail address such as drift@example.dk, got %q", shown("", c.Contact))
	}
}

// IsMailAddress reports whether a text is a plain e-mail address, which can be sent in a header and
// within parentheses.
func IsMailAddress(text string) bool {
	const longest = 254 // RFC 5321, 4.5.3.1.3, without its angle brackets
	address, err := mail.ParseAddress(text)
	return err == nil && address.Address == text && len(text) <= longest &&
		!strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"()<>\`, r) })
}

func (l *loader) database(c *Config) {
	l.oneOf("database.migrate", string(c.Database.Migrate), string(MigrateAuto), string(MigrateManual))
	if c.Database.DSN.IsZero() {
		if c.Database.Path == "" {
			l.badKey("database.path", "expected the embedded database's file, got nothing")
		}
		return
	}
	text := c.Database.DSN.Reveal()
	parsed, err := dsn.Parse(text)
	refused, isRefused := errors.AsType[*dsn.RefusedError](err)
	switch {
	case isRefused:
		l.badKey("database.dsn", "%v", refused)
	case err != nil:
		// The driver's message can quote the DSN with its password.
		what := "expected user:password@tcp(host:3306)/database, got something else"
		if end := strings.LastIndexByte(text, '/'); end >= 0 {
			name, _, parameters := strings.Cut(text[end:], "?")
			if _, err := mysql.ParseDSN(text[:end] + name); err == nil && parameters {
				what = "expected parameters after the ? that the MySQL driver knows, such as tls=true, got others"
			}
		}
		l.badKey("database.dsn", "%s", what)
	case parsed.DBName == "":
		l.badKey("database.dsn", "expected the name of a database at the end: …/lagerd")
	default:
		l.dsnIsPrivate(parsed)
		l.dsnIsEncrypted(parsed)
	}
}

func (l *loader) durations(c *Config) {
	r := c.Reconcile
	type bound struct {
		key         string
		is          time.Duration
		least, most time.Duration
	}
	bounds := []bound{
		{"economic.timeout", c.Economic.Timeout, time.Second, 10 * time.Minute},
		{"rackbeat.timeout", c.Rackbeat.Timeout, time.Second, 10 * time.Minute},
		{"reconcile.overlap", r.Overlap, 2 * time.Minute, 24 * time.Hour},
		{"reconcile.sweep_every", r.SweepEvery, time.Minute, 30 * 24 * time.Hour},
		{"reconcile.retry_min", r.RetryMin, 10 * time.Millisecond, time.Hour},
		{"reconcile.retry_max", r.RetryMax, 10 * time.Millisecond, 24 * time.Hour},
		{"reconcile.held_retry", r.HeldRetry, time.Second, 24 * time.Hour},
		{"reconcile.gap_window", r.GapWindow, time.Hour, 365 * 24 * time.Hour},
		{"reconcile.late_webhook", r.LateWithin, time.Second, 24 * time.Hour},
		{"reconcile.loss_window", r.LossWindow, time.Minute, 7 * 24 * time.Hour},
		{"lease.beat", c.Lease.Beat, 100 * time.Millisecond, time.Minute},
		{"lease.ttl", c.Lease.TTL, time.Second, 10 * time.Minute},
		{"retention.history", c.Retention.History, time.Minute, 100 * 365 * 24 * time.Hour},
		{"retention.hints", c.Retention.Hints, time.Minute, 100 * 365 * 24 * time.Hour},
		{"retention.requests", c.Retention.Requests, time.Minute, 100 * 365 * 24 * time.Hour},
		{"notify.after", c.Notify.After, time.Second, 24 * time.Hour},
		{"notify.owners_after", c.Notify.OwnersAfter, time.Second, 30 * 24 * time.Hour},
		{"notify.every", c.Notify.Every, time.Second, 24 * time.Hour},
		{"web.session", c.Web.Session, time.Minute, 30 * 24 * time.Hour},
		{"web.link", c.Web.Link, time.Minute, 365 * 24 * time.Hour},
		{"shutdown_timeout", c.ShutdownTimeout, time.Second, 10 * time.Minute},
	}
	for i, d := range r.Rereads {
		bounds = append(bounds, bound{fmt.Sprintf("reconcile.rereads[%d]", i), d, 100 * time.Millisecond, time.Hour})
	}
	for _, b := range bounds {
		if b.is < b.least || b.is > b.most {
			l.badKey(b.key, "expected a duration from %s to %s, got %s", b.least, b.most, b.is)
		}
	}
	if len(r.Rereads) > 10 {
		l.badKey("reconcile.rereads", "expected at most 10 durations, got %d", len(r.Rereads))
	}
	if r.RetryMin > r.RetryMax {
		l.badPair("reconcile.retry_min", "reconcile.retry_max", "%s is more than reconcile.retry_max (%s)", r.RetryMin, r.RetryMax)
	}
	if c.Lease.TTL < 3*c.Lease.Beat {
		l.badPair("lease.ttl", "lease.beat", "expected at least three times lease.beat (%s), got %s: one slow beat must not cost a lagerd its shops", c.Lease.Beat, c.Lease.TTL)
	}
}

func (l *loader) oneOf(key, is string, allowed ...string) {
	if !slices.Contains(allowed, is) {
		l.badKey(key, "expected %s, got %q", strings.Join(allowed, " or "), shown("", is))
	}
}

func (l *loader) url(key, is string, required bool) {
	if is == "" && !required {
		return
	}
	u, err := url.Parse(is)
	switch {
	case err != nil || u.User != nil || strings.Contains(is, "@"):
		// Not shown: the part before the @ may be a password.
		l.badKey(key, "expected a URL such as https://example.dk, without user and password")
	case strings.ContainsFunc(is, func(r rune) bool { return r <= ' ' || r > '~' }):
		l.badKey(key, "expected a URL such as https://example.dk, without blanks and other invalid characters, got %q", shown("", is))
	case u.RawQuery != "" || u.Fragment != "":
		// Not shown: a webhook's query has the integration code.
		l.badKey(key, "expected a URL such as https://example.dk, without parameters")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		l.badKey(key, "expected a URL such as https://example.dk, got %q", shown("", is))
	}
}

func (l *loader) address(key, is string, required bool) {
	if is == "" && !required {
		return
	}
	host, port, err := net.SplitHostPort(is)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/@?#", r) }) {
		l.badKey(key, "expected host:port such as 127.0.0.1:8480, got %q", shown("", is))
		return
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		l.badKey(key, "expected a port from 0 to 65535, got %q", shown("", port))
	}
}

// badSchedule returns what is wrong with a cron expression, or "".
func badSchedule(expression string) string {
	if strings.Contains(expression, "TZ=") { // the parser would panic on some
		return "a time zone is not supported, it is UTC"
	}
	if every, ok := strings.CutPrefix(expression, "@every "); ok {
		// The parser rounds anything shorter up to a second.
		if d, err := time.ParseDuration(every); err == nil && d < time.Second {
			return "shorter than a second"
		}
	}
	schedule, err := cron.ParseStandard(expression)
	switch {
	case err != nil:
		return shown("", err.Error())
	case schedule.Next(time.Unix(0, 0).UTC()).IsZero():
		return "it never occurs"
	}
	return ""
}
