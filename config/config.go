package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/secret"
	"lagerd/store/dsn"
)

// Config is lagerd's whole configuration. The comments of
// config.example.yaml say what each key does.
type Config struct {
	Database        Database  `yaml:"database"`
	KeyFile         string    `yaml:"key_file"`
	Economic        Economic  `yaml:"economic"`
	Webhook         Webhook   `yaml:"webhook"`
	Admin           Admin     `yaml:"admin"`
	Reconcile       Reconcile `yaml:"reconcile"`
	Lease           Lease     `yaml:"lease"`
	Retention       Retention `yaml:"retention"`
	PDF             PDF       `yaml:"pdf"`
	ShutdownTimeout Duration  `yaml:"shutdown_timeout"`
	Log             Log       `yaml:"log"`

	// Key is the master key as it stands in its file. It is empty where the
	// embedded database is used and the file is still to be made (KeyFile says where).
	Key secret.Text `yaml:"-"`

	// Warnings are keys with nothing in them that something else makes up for.
	Warnings []Problem `yaml:"-"`
}

// Database says where lagerd's tables are.
type Database struct {
	DSN            string  `yaml:"dsn"` // empty: SQLite at Path. Holds a password: see [Config.Redacted]
	DSNFile        string  `yaml:"dsn_file"`
	Path           string  `yaml:"path"`
	MaxConnections int     `yaml:"max_connections"`
	Migrate        Migrate `yaml:"migrate"`
}

// String returns the database's settings without its password, so that a
// configuration printed by mistake shows none.
func (d Database) String() string {
	type plain Database // without this method
	return fmt.Sprintf("%+v", plain(d.redacted()))
}

// GoString is String, for %#v.
func (d Database) GoString() string { return d.String() }

func (d Database) redacted() Database {
	if d.DSN == "" {
		return d
	}
	if _, err := dsn.Parse(d.DSN); err != nil {
		d.DSN = redacted
		return d
	}
	shown, err := mysql.ParseDSN(d.DSN)
	if err != nil {
		d.DSN = redacted
		return d
	}
	if shown.Passwd != "" {
		shown.Passwd = redacted
	}
	d.DSN = shown.FormatDSN()
	return d
}

// redacted stands where a secret would.
const redacted = "[redacted]"

// Redacted returns the configuration as it may be logged and shown: the
// database's DSN without its password. The other secrets never print.
func (c Config) Redacted() Config {
	c.Database = c.Database.redacted()
	c.Reconcile.Rereads = slices.Clone(c.Reconcile.Rereads)
	return c
}

// Migrate says when the schema is brought up to date.
type Migrate string

// When the schema is brought up to date.
const (
	MigrateAuto   Migrate = "auto"   // at start
	MigrateManual Migrate = "manual" // by `lagerd migrate`
)

// Economic says how e-conomic is reached.
type Economic struct {
	RESTURL            string   `yaml:"rest_url"`
	AppSecretTokenFile string   `yaml:"app_secret_token_file"`
	Timeout            Duration `yaml:"timeout"`
	DailyCalls         int      `yaml:"daily_calls"`
	Concurrency        int      `yaml:"concurrency"`
	CallsPerSecond     int      `yaml:"calls_per_second"`
	MaxURLBytes        int      `yaml:"max_url_bytes"`

	AppSecretToken secret.Text `yaml:"-"` // empty if there is none
}

// Webhook is the endpoint that e-conomic calls.
type Webhook struct {
	Listen       string `yaml:"listen"`
	PublicURL    string `yaml:"public_url"`
	Queue        int    `yaml:"queue"`
	Batch        int    `yaml:"batch"`
	MaxBodyBytes int    `yaml:"max_body_bytes"`
	LogPerShop   int    `yaml:"log_per_shop"`
}

// Admin is the listener for operators and Prometheus.
type Admin struct {
	Listen string `yaml:"listen"` // empty: none
}

// Reconcile sets the pace of reconciling.
type Reconcile struct {
	Schedule    string     `yaml:"schedule"`
	Workers     int        `yaml:"workers"`
	Overlap     Duration   `yaml:"overlap"`
	Rereads     []Duration `yaml:"rereads"`
	SweepEvery  Duration   `yaml:"sweep_every"`
	RetryMin    Duration   `yaml:"retry_min"`
	RetryMax    Duration   `yaml:"retry_max"`
	HeldRetry   Duration   `yaml:"held_retry"`
	GapWindow   Duration   `yaml:"gap_window"`
	LateWebhook Duration   `yaml:"late_webhook"`
	LossPercent int        `yaml:"loss_percent"`
	LossMin     int        `yaml:"loss_min"`

	LossWindow        Duration `yaml:"loss_window"`
	LossWindowPercent int      `yaml:"loss_window_percent"`
	LossWindowMin     int      `yaml:"loss_window_min"`
}

// Lease sets how fast a dead lagerd is replaced by another.
type Lease struct {
	Beat Duration `yaml:"beat"`
	TTL  Duration `yaml:"ttl"`
}

// Retention says how long things are kept.
type Retention struct {
	History  Duration `yaml:"history"`
	Hints    Duration `yaml:"hints"`
	Requests Duration `yaml:"requests"`
}

// PDF bounds the invoice PDFs.
type PDF struct {
	MaxBytes    int `yaml:"max_bytes"`
	Concurrency int `yaml:"concurrency"`
}

// Log says how much is logged, and how.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Duration is a time.Duration written as in Go: 90s, 5m, 24h.
type Duration time.Duration

// String returns the duration as it is written in the file.
func (d Duration) String() string { return time.Duration(d).String() }

// Default returns every key's default, as config.example.yaml shows it. Load
// fills in the paths that depend on where lagerd runs: Database.Path and KeyFile.
func Default() Config {
	return Config{
		Database: Database{MaxConnections: 16, Migrate: MigrateAuto},
		Economic: Economic{RESTURL: "https://restapi.e-conomic.com", Timeout: Duration(30 * time.Second),
			DailyCalls: 50_000, Concurrency: 2, CallsPerSecond: 1000, MaxURLBytes: 2000},
		Webhook: Webhook{Listen: "127.0.0.1:8480", Queue: 20_000, Batch: 500, MaxBodyBytes: 16 << 10, LogPerShop: 1000},
		Admin:   Admin{Listen: "127.0.0.1:8481"},
		Reconcile: Reconcile{
			Schedule: "* * * * *", Workers: 64, Overlap: Duration(5 * time.Minute),
			Rereads:    []Duration{Duration(2 * time.Second), Duration(10 * time.Second), Duration(45 * time.Second)},
			SweepEvery: Duration(24 * time.Hour), RetryMin: Duration(5 * time.Second), RetryMax: Duration(15 * time.Minute),
			HeldRetry: Duration(10 * time.Minute), GapWindow: Duration(48 * time.Hour), LateWebhook: Duration(15 * time.Minute),
			LossPercent: 25, LossMin: 20,
			LossWindow: Duration(time.Hour), LossWindowPercent: 50, LossWindowMin: 50,
		},
		Lease:           Lease{Beat: Duration(2 * time.Second), TTL: Duration(10 * time.Second)},
		Retention:       Retention{History: Duration(365 * 24 * time.Hour), Hints: Duration(30 * 24 * time.Hour), Requests: Duration(7 * 24 * time.Hour)},
		PDF:             PDF{MaxBytes: 10 << 20, Concurrency: 4},
		ShutdownTimeout: Duration(20 * time.Second),
		Log:             Log{Level: "info", Format: "text"},
	}
}
