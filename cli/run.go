package cli

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/daemon"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/systemd"
)

type runCmd struct{}

func (runCmd) Help() string {
	return "SIGUSR1 reconciles every shop now, SIGUSR2 sweeps every shop now, SIGHUP reloads the configuration, SIGTERM and SIGINT stop it; a second one stops it at once."
}

func (runCmd) Run(c *call) error {
	ctx, signals := c.listen()
	defer signals.stop()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if cfg.Economic.AppSecretToken.IsZero() {
		return noAppToken()
	}
	log := logrus.New()
	log.SetOutput(c.log)
	notifier := systemd.Notifier{}
	listener, err := systemd.Listener("webhook")
	if err != nil {
		return err
	}
	settings := settingsOf(cfg)
	if err := daemon.SetLog(log, settings); err != nil {
		return err
	}
	warn(log, cfg)
	signals.started()
	err = daemon.Run(ctx, daemon.Options{
		Settings: settings,
		Reload: func() (daemon.Settings, error) {
			cfg, err := c.load()
			if err == nil && cfg.Economic.AppSecretToken.IsZero() {
				err = noAppToken()
			}
			if err == nil {
				warn(log, cfg)
			}
			return settingsOf(cfg), err
		},
		Keys: func(ctx context.Context, s *store.Store) (*secret.Keys, error) {
			if s.Created() {
				log.WithField("path", s.Path()).Warn("the embedded database was not there and has been created: it is empty. (database.dsn names a MySQL or MariaDB server instead.)")
			}
			return masterKey(ctx, cfg, s, true)
		},
		Log: log, Version: version(), Now: time.Now,
		Signals: signals.asked, Notifier: notifier, WebhookListener: listener,
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // what it was told to stop at while it started is no failure
	}
	return err
}

// warn logs what the configuration can do without, and a person should know.
func warn(log *logrus.Logger, cfg config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w.String())
	}
	if cfg.Webhook.PublicURL == "" {
		return // whoever adds a shop, or checks, is told of the address that is shown then
	}
	for _, what := range webhookURLWarnings(cfg) {
		log.Warn("configuration: " + what)
	}
}

// settingsOf takes from the configuration what the daemon needs.
func settingsOf(cfg config.Config) daemon.Settings {
	s := daemon.Settings{
		DSN: cfg.Database.DSN.Reveal(), DatabasePath: cfg.Database.Path, MaxConnections: cfg.Database.MaxConnections,
		MigrateAtStart: cfg.Database.Migrate == config.MigrateAuto, MasterKey: cfg.Key,
		WebhookListen: cfg.Webhook.Listen, AdminListen: cfg.Admin.Listen, MaxBodyBytes: int64(cfg.Webhook.MaxBodyBytes),
		Queue: cfg.Webhook.Queue, Batch: cfg.Webhook.Batch, LogPerShop: cfg.Webhook.LogPerShop,
		Shutdown: cfg.ShutdownTimeout,

		Schedule: cfg.Reconcile.Schedule, RESTURL: cfg.Economic.RESTURL, AppSecretToken: cfg.Economic.AppSecretToken,
		Workers: cfg.Reconcile.Workers, Timeout: cfg.Economic.Timeout, CallsPerSecond: cfg.Economic.CallsPerSecond, MaxURLBytes: cfg.Economic.MaxURLBytes, MaxPDFBytes: int64(cfg.PDF.MaxBytes),
		LeaseBeat: cfg.Lease.Beat, LeaseTTL: cfg.Lease.TTL,
		KeepRequests: cfg.Retention.Requests, LogLevel: cfg.Log.Level, LogFormat: cfg.Log.Format,
	}
	r := &s.Reconcile
	r.Concurrency, r.PDFConcurrency, r.DailyCalls = cfg.Economic.Concurrency, cfg.PDF.Concurrency, cfg.Economic.DailyCalls
	r.Overlap, r.SweepEvery = cfg.Reconcile.Overlap, cfg.Reconcile.SweepEvery
	r.Rereads = cfg.Reconcile.Rereads
	r.RetryMin, r.RetryMax = cfg.Reconcile.RetryMin, cfg.Reconcile.RetryMax
	r.HeldRetry, r.GapWindow = cfg.Reconcile.HeldRetry, cfg.Reconcile.GapWindow
	r.LateWithin = cfg.Reconcile.LateWebhook
	r.LossPercent, r.LossMin = cfg.Reconcile.LossPercent, cfg.Reconcile.LossMin
	r.LossWindow = cfg.Reconcile.LossWindow
	r.LossWindowPercent, r.LossWindowMin = cfg.Reconcile.LossWindowPercent, cfg.Reconcile.LossWindowMin
	r.KeepHistory, r.KeepHints = cfg.Retention.History, cfg.Retention.Hints
	return s
}

// noAppToken is what is wrong with a configuration without the app's token.
func noAppToken() error {
	return &config.Errors{Problems: []config.Problem{{Key: "economic.app_secret_token_file",
		What: "no app secret token: put the token of your e-conomic app into a file that only lagerd can read, and name it here"}}}
}
