package daemon

import (
	"slices"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/secret"
)

// TestNeedsRestart: a reload names exactly the keys that it cannot change.
func TestNeedsRestart(t *testing.T) {
	t.Parallel()
	with := func(change func(c *config.Config)) config.Config {
		c := config.Default()
		change(&c)
		return c
	}
	key := func(text string) config.Config {
		return with(func(c *config.Config) { c.Key = secret.NewText(text) })
	}
	for _, c := range []struct {
		name     string
		old, new config.Config
		want     []string
	}{
		{"nothing", key("a"), key("a"), nil},
		{"what a reload changes", config.Default(), with(func(c *config.Config) {
			c.Economic = config.Economic{RESTURL: "https://x", AppSecretToken: secret.NewText("x"), Timeout: time.Second}
			c.Reconcile = config.Reconcile{Schedule: "@every 2m", Workers: 1}
			c.Lease, c.Retention, c.PDF = config.Lease{Beat: 1}, config.Retention{History: 1}, config.PDF{MaxBytes: 1}
			c.Log = config.Log{Level: "debug", Format: "json"}
		}), nil},
		{"another master key, which is taken up", key("a"), key("b"), nil},
		{"the first start made it", key(""), key("a"), nil},
		{"another database", with(func(c *config.Config) { c.Database.DSN = secret.NewText("x") }), with(func(c *config.Config) { c.Database.Path = "y" }), []string{"database"}},
		{"another password", with(func(c *config.Config) { c.Database.DSN = secret.NewText("x") }), with(func(c *config.Config) { c.Database.DSN = secret.NewText("z") }), []string{"database"}},
		{"another path", config.Default(), with(func(c *config.Config) { c.Database.Path = "y" }), []string{"database"}},
		{"more connections", config.Default(), with(func(c *config.Config) { c.Database.MaxConnections++ }), []string{"database"}},
		{"the rest", config.Default(), with(func(c *config.Config) {
			c.Database.Migrate, c.ShutdownTimeout, c.Admin = config.MigrateManual, time.Second, config.Admin{PProf: true}
			c.Webhook = config.Webhook{}
		}), []string{"database.migrate", "shutdown_timeout", "webhook.listen", "webhook.proxy_header", "admin.listen", "admin.pprof",
			"webhook.max_body_bytes", "webhook.queue", "webhook.batch", "webhook.log_per_shop"}},
	} {
		if got := needsRestart(c.old, c.new); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
