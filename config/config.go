package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"lagerd/forwarded"
	"lagerd/plan"
	"lagerd/secret"
)

// Config is lagerd's complete configuration. The comments in config.example.yaml
// document each key.
type Config struct {
	Database        Database      `yaml:"database"`
	KeyFile         string        `yaml:"key_file"`
	Economic        Economic      `yaml:"economic"`
	Rackbeat        Rackbeat      `yaml:"rackbeat"`
	Webhook         Webhook       `yaml:"webhook"`
	Admin           Admin         `yaml:"admin"`
	Web             Web           `yaml:"web"`
	Reconcile       Reconcile     `yaml:"reconcile"`
	Lease           Lease         `yaml:"lease"`
	Retention       Retention     `yaml:"retention"`
	Notify          Notify        `yaml:"notify"`
	PDF             PDF           `yaml:"pdf"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
	Log             Log           `yaml:"log"`

	// Key is the content of the master key's file, one key a line. It is empty if the embedded
	// database is used and the file, KeyFile, has yet to be created.
	Key secret.Text `yaml:"-"`

	// Credentials are the secrets that systemd passes (LoadCredential=). It reads their files when it
	// starts lagerd, not at a reload.
	Credentials []string `yaml:"-"`

	// Unseen are the secrets that this user may not read ([LoadOffline]).
	Unseen []Problem `yaml:"-"`

	// Warnings are what may be wrong: an empty key whose value comes from elsewhere, a
	// connection that is not encrypted.
	Warnings []Problem `yaml:"-"`
}

// Database configures where lagerd's tables are.
type Database struct {
	DSN            secret.Text `yaml:"dsn"` // empty: SQLite at Path
	DSNFile        string      `yaml:"dsn_file"`
	Path           string      `yaml:"path"`
	MaxConnections int         `yaml:"max_connections"`
	Migrate        Migrate     `yaml:"migrate"`
}

// Migrate is when the schema is migrated.
type Migrate string

// The values of Migrate.
const (
	MigrateAuto   Migrate = "auto"   // at start
	MigrateManual Migrate = "manual" // only by `lagerd migrate`
)

// Economic configures access to e-conomic.
type Economic struct {
	RESTURL            string        `yaml:"rest_url"`
	AppPublicToken     string        `yaml:"app_public_token"` // empty: not known
	WebhooksURL        string        `yaml:"webhooks_url"`
	AppSecretTokenFile string        `yaml:"app_secret_token_file"`
	Timeout            time.Duration `yaml:"timeout"`
	DailyCalls         int           `yaml:"daily_calls"`
	Concurrency        int           `yaml:"concurrency"`
	CallsPerSecond     int           `yaml:"calls_per_second"`
	MaxURLBytes        int           `yaml:"max_url_bytes"`

	AppSecretToken secret.Text `yaml:"-"` // empty: none yet

	// TokenPlace is the file in which the token is looked for; empty: no file is named.
	TokenPlace string `yaml:"-"`
}

// TokenMissing returns what to do if there is no app's token, "" if there is one.
func (e Economic) TokenMissing() string {
	switch {
	case !e.AppSecretToken.IsZero():
		return ""
	case e.TokenPlace == "":
		return "put your e-conomic app's secret token into a file that only lagerd can read, name it in economic.app_secret_token_file, then restart lagerd"
	}
	return "put your e-conomic app's secret token into " + e.TokenPlace + ", then run `systemctl restart lagerd`"
}

// Rackbeat configures access to Rackbeat, for shops whose stock is there.
type Rackbeat struct {
	URL            string        `yaml:"url"`
	Contact        string        `yaml:"contact"` // an e-mail address; empty: none
	Timeout        time.Duration `yaml:"timeout"`
	CallsPerMinute int           `yaml:"calls_per_minute"` // for each account
	DailyCalls     int           `yaml:"daily_calls"`      // for each account
}

// Webhook configures the endpoint that e-conomic calls.
type Webhook struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url"`

	// Proxies are addresses and networks (10.0.0.0/8) of proxies, beside those of this
	// machine and of private networks.
	Proxies []string `yaml:"proxies"`

	// ProxyHeader is the header in which those proxies name the address that they were called
	// from: X-Forwarded-For or Forwarded.
	ProxyHeader string `yaml:"proxy_header"`

	Queue        int `yaml:"queue"`
	Batch        int `yaml:"batch"`
	MaxBodyBytes int `yaml:"max_body_bytes"`
	LogPerShop   int `yaml:"log_per_shop"`
}

// IsProxy reports whether an address, without a port, is a proxy's: anybody's calls may come
// from it. An address of this machine or of a private network is, since no stranger has one.
func (w Webhook) IsProxy(remote string) bool {
	address, err := netip.ParseAddr(remote)
	if err != nil {
		return true // a Unix socket
	}
	address = address.Unmap().WithZone("")
	if address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast() {
		return true
	}
	return among(address, w.Proxies)
}

// Trusts reports whether what a proxy at that address, without a port, says of callers' addresses
// counts: only a named one's does, and what comes over a Unix socket.
func (w Webhook) Trusts(remote string) bool {
	address, err := netip.ParseAddr(remote)
	return err != nil || among(address.Unmap().WithZone(""), w.Proxies)
}

// among reports whether an address is in one of the networks.
func among(address netip.Addr, networks []string) bool {
	return slices.ContainsFunc(networks, func(text string) bool {
		network, err := parseNetwork(text)
		return err == nil && network.Contains(address)
	})
}

// parseNetwork parses a network, or an address as the network of that address alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Unmap().Prefix(address.Unmap().BitLen())
	}
	network, err := netip.ParsePrefix(text)
	if err == nil && network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96) // callers' addresses come as IPv4
	}
	return network.Masked(), err
}

// Admin configures the listener for operators and Prometheus.
type Admin struct {
	Listen string `yaml:"listen"` // host:port, or unix: and the path of a socket; empty: none
	PProf  bool   `yaml:"pprof"`  // whether it serves profiles
}

// UnixSocket returns the path of the Unix socket that a listener's address names, if it does.
func UnixSocket(listen string) (path string, is bool) { return strings.CutPrefix(listen, "unix:") }

// Web configures the page for operators and shops' owners.
type Web struct {
	Listen    string `yaml:"listen"`     // host:port, or unix: and the path of a socket; empty: no page
	PublicURL string `yaml:"public_url"` // empty: Address derives it

	// UserHeader is the header in which a trusted proxy names the operator whom it has signed in;
	// empty: none.
	UserHeader     string   `yaml:"user_header"`
	TrustedProxies []string `yaml:"trusted_proxies"` // addresses and networks
	ProxyHeader    string   `yaml:"proxy_header"`    // as webhook.proxy_header

	Session time.Duration `yaml:"session"` // how long one lasts
	Link    time.Duration `yaml:"link"`    // how long one can be opened
}

// On reports whether there is a page.
func (w Web) On() bool { return w.Listen != "" }

// Address returns the page's address, without a slash at the end.
func (w Web) Address() string {
	if w.PublicURL != "" || !w.On() {
		return strings.TrimSuffix(w.PublicURL, "/")
	}
	return "http://" + w.Listen
}

// Trusts reports whether an address, without a port, is a trusted proxy's. Over a Unix socket,
// where callers have no address, it is: whoever may open the socket is trusted.
func (w Web) Trusts(remote string) bool {
	address, err := netip.ParseAddr(remote)
	if err != nil {
		_, socket := UnixSocket(w.Listen)
		return socket
	}
	return among(address.Unmap().WithZone(""), w.TrustedProxies)
}

// Reconcile configures the pace of reconciliation.
type Reconcile struct {
	Schedule string `yaml:"schedule"`
	Workers  int    `yaml:"workers"`
	plan.Policy
}

// Lease configures how fast another lagerd takes over from a dead one.
type Lease struct {
	Beat time.Duration `yaml:"beat"`
	TTL  time.Duration `yaml:"ttl"`
}

// Retention configures how long data is kept.
type Retention struct {
	History  time.Duration `yaml:"history"`
	Hints    time.Duration `yaml:"hints"`
	Requests time.Duration `yaml:"requests"`
}

// Notify configures whom lagerd tells what needs a person.
type Notify struct {
	SMTPHost         string `yaml:"smtp_host"` // empty: no mail
	SMTPPort         int    `yaml:"smtp_port"`
	SMTPTLS          string `yaml:"smtp_tls"`  // starttls, tls, none
	SMTPUser         string `yaml:"smtp_user"` // empty: without authentication
	SMTPPasswordFile string `yaml:"smtp_password_file"`

	From              string   `yaml:"from"` // of mail
	To                []string `yaml:"to"`   // the operator's addresses
	WebhookURL        string   `yaml:"webhook_url"`
	WebhookSecretFile string   `yaml:"webhook_secret_file"`
	HeartbeatURL      string   `yaml:"heartbeat_url"`

	After       time.Duration `yaml:"after"`
	OwnersAfter time.Duration `yaml:"owners_after"`
	Every       time.Duration `yaml:"every"`

	SMTPPassword  secret.Text `yaml:"-"` // empty: none
	WebhookSecret secret.Text `yaml:"-"` // empty: none
}

// PDF limits the invoice PDFs.
type PDF struct {
	MaxBytes    int `yaml:"max_bytes"`
	Concurrency int `yaml:"concurrency"`
}

// Log configures the log's level and format.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Default returns every key's default, as in config.example.yaml. Load fills in the
// paths that depend on where lagerd runs: Database.Path and KeyFile.
func Default() Config {
	return Config{
		Database: Database{MaxConnections: 16, Migrate: MigrateAuto},
		Economic: Economic{RESTURL: "https://restapi.e-conomic.com", WebhooksURL: "https://apis.e-conomic.com/webhooksapi/v1.0.0", Timeout: 30 * time.Second,
			DailyCalls: 50_000, Concurrency: 2, CallsPerSecond: 1000, MaxURLBytes: 2000},
		Rackbeat: Rackbeat{URL: "https://app.rackbeat.com/api/", Timeout: 30 * time.Second,
			CallsPerMinute: 60, DailyCalls: 24 * 60 * 60},
		Webhook: Webhook{Listen: "127.0.0.1:8480", ProxyHeader: forwarded.For, Queue: 20_000, Batch: 500, MaxBodyBytes: 16 << 10, LogPerShop: 1000},
		Admin:   Admin{Listen: "127.0.0.1:8481"},
		Web:     Web{ProxyHeader: forwarded.For, Session: 12 * time.Hour, Link: 7 * 24 * time.Hour},
		Reconcile: Reconcile{
			Schedule: "* * * * *", Workers: 64,
			Policy: plan.Policy{
				Overlap: 5 * time.Minute, Rereads: []time.Duration{2 * time.Second, 10 * time.Second, 45 * time.Second},
				SweepEvery: 24 * time.Hour, RetryMin: 5 * time.Second, RetryMax: 15 * time.Minute,
				HeldRetry: 10 * time.Minute, GapWindow: 48 * time.Hour, LateWithin: 15 * time.Minute,
				LossPercent: 25, LossMin: 20,
				LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50,
			},
		},
		Lease:           Lease{Beat: 2 * time.Second, TTL: 10 * time.Second},
		Retention:       Retention{History: 365 * 24 * time.Hour, Hints: 30 * 24 * time.Hour, Requests: 7 * 24 * time.Hour},
		Notify:          Notify{SMTPPort: 587, SMTPTLS: "starttls", After: 5 * time.Minute, OwnersAfter: time.Hour, Every: 15 * time.Minute},
		PDF:             PDF{MaxBytes: 10 << 20, Concurrency: 4},
		ShutdownTimeout: 20 * time.Second,
		Log:             Log{Level: "info", Format: "text"},
	}
}
