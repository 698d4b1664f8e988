package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/daemon"
	"lagerd/reload"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/systemd"
)

type runCmd struct{}

func (runCmd) Help() string {
	return "SIGUSR1 reconciles every shop now, SIGUSR2 sweeps every shop now, SIGHUP reloads the configuration, SIGTERM and SIGINT shut down gracefully; a second one exits immediately."
}

func (runCmd) Run(c *call) error {
	ctx, signals := c.listen()
	defer signals.stop()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log := logrus.New()
	log.SetOutput(c.unescapedErr)
	notifier := systemd.Notifier{}
	listeners, err := systemd.Listeners("webhook")
	if err != nil {
		return err
	}
	var journal daemon.Journal
	if j := systemd.NewJournal(); j != nil {
		log.AddHook(j)
		journal = j
	}
	if err := daemon.SetLog(log, cfg.Log, journal); err != nil {
		return err
	}
	warn(log, cfg)
	signals.started()
	err = daemon.Run(ctx, daemon.Options{
		Config: cfg,
		Reload: func() (config.Config, error) {
			cfg, err := c.load()
			if err == nil {
				warn(log, cfg)
			}
			return cfg, err
		},
		Keys: func(ctx context.Context, cfg config.Config, s *store.Store) (*secret.Keys, error) {
			if s.Created() {
				log.WithField("path", s.Path()).Warn("the embedded database did not exist and has been created: it is empty (to use a MySQL or MariaDB server, set database.dsn)")
			}
			return masterKey(ctx, cfg, s, true)
		},
		Log: log, Version: version(), Now: time.Now,
		Signals: signals.asked, Notifier: notifier, WebhookListeners: listeners, Journal: journal, Verdicts: reload.FileIn(c.variable("RUNTIME_DIRECTORY")),
		Place: daemon.PlaceOf(c.variable, os.ReadFile),
	})
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // stopped during startup: not a failure
	}
	return err
}

// warn logs configuration problems that do not prevent a start.
func warn(log *logrus.Logger, cfg config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w.String())
	}
	if cfg.Webhook.PublicURL == "" {
		return // `shops add` and `check` warn about the default URL when they show it
	}
	for _, what := range webhookURLWarnings(cfg) {
		log.Warn("configuration: " + what)
	}
}
