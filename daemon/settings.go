package daemon

import (
	"time"

	"lagerd/reconcile"
	"lagerd/secret"
)

// Settings is what a running lagerd needs of its configuration, secrets read.
type Settings struct {
	// Only a restart changes these.
	DSN            string
	DatabasePath   string // SQLite file, used when DSN is empty
	MaxConnections int
	MigrateAtStart bool
	MasterKey      secret.Text // as it stands in its file; empty: still to be made
	WebhookListen  string
	AdminListen    string // "": none
	MaxBodyBytes   int64
	Queue          int
	Batch          int
	LogPerShop     int
	Shutdown       time.Duration // a stop takes at most this long

	// A reload changes these.
	Schedule       string // cron expression of the tick, UTC
	RESTURL        string
	AppSecretToken secret.Text
	Timeout        time.Duration // of one call to e-conomic
	CallsPerSecond int           // to e-conomic, of all shops
	MaxURLBytes    int
	MaxPDFBytes    int64
	LeaseBeat      time.Duration
	LeaseTTL       time.Duration
	KeepRequests   time.Duration
	LogLevel       string
	LogFormat      string            // "text" or "json"
	Workers        int               // shops reconciled at once
	Reconcile      reconcile.Options // its numbers; the daemon adds the parts
}

// needsRestart returns the keys in which o differs from s that only a restart
// changes.
func (s Settings) needsRestart(o Settings) []string {
	var keys []string
	differ := func(key string, differs bool) {
		if differs {
			keys = append(keys, key)
		}
	}
	differ("database", s.DSN != o.DSN || s.DatabasePath != o.DatabasePath || s.MaxConnections != o.MaxConnections)
	differ("key_file", s.MasterKey.Reveal() != o.MasterKey.Reveal() && !s.MasterKey.IsZero())
	differ("database.migrate", s.MigrateAtStart != o.MigrateAtStart)
	differ("shutdown_timeout", s.Shutdown != o.Shutdown)
	differ("webhook.listen", s.WebhookListen != o.WebhookListen)
	differ("admin.listen", s.AdminListen != o.AdminListen)
	differ("webhook.max_body_bytes", s.MaxBodyBytes != o.MaxBodyBytes)
	differ("webhook.queue", s.Queue != o.Queue)
	differ("webhook.batch", s.Batch != o.Batch)
	differ("webhook.log_per_shop", s.LogPerShop != o.LogPerShop)
	return keys
}
