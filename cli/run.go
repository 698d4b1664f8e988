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
	if err := daemon.SetLog(log, cfg.Log); err != nil {
		return err
	}
	warn(log, cfg)
	signals.started()
	err = daemon.Run(ctx, daemon.Options{
		Config: cfg,
		Reload: func() (config.Config, error) {
			cfg, err := c.load()
			if err == nil && cfg.Economic.AppSecretToken.IsZero() {
				err = noAppToken()
			}
			if err == nil {
				warn(log, cfg)
			}
			return cfg, err
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

// noAppToken is what is wrong with a configuration without the app's token.
func noAppToken() error {
	return &config.Errors{Problems: []config.Problem{{Key: "economic.app_secret_token_file",
		What: "no app secret token: put the token of your e-conomic app into a file that only lagerd can read, and name it here"}}}
}
