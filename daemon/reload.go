package daemon

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"lagerd/config"
	"lagerd/reload"
	"lagerd/systemd"
)

// refusal is why a reload was refused, and when.
type refusal struct {
	at  time.Time
	err error
}

// reload rereads the configuration. An invalid one changes nothing. Whoever asked is told what
// became of it.
func (d *daemon) reload(ctx context.Context) {
	began, clockErr := systemd.Monotonic()
	d.notify(clockErr)
	d.notify(d.Notifier.Reloading())
	defer func() { d.notify(d.Notifier.Ready(d.summary())) }()
	notes, err := d.takeUp(ctx)
	verdict := reload.Verdict{PID: os.Getpid(), Began: began, Notes: notes}
	if err != nil {
		verdict.Error = err.Error()
		d.refusal.Store(&refusal{at: d.now(), err: err})
		d.metrics.ReloadOK.Set(0)
		d.log.WithError(err).Error("reload failed: the old configuration stays in force")
	} else {
		d.refusal.Store(nil)
		d.metrics.ReloadOK.Set(1)
		d.metrics.ReloadSuccess.Set(float64(d.now().Unix()))
		d.log.Info("configuration reloaded")
		d.warnOfToken(*d.config.Load())
	}
	d.notify(d.Verdicts.Tell(verdict))
}

// takeUp rereads the configuration and puts it in force. It returns what takes a restart.
func (d *daemon) takeUp(ctx context.Context) (notes []string, err error) {
	next, err := d.Reload()
	if err == nil {
		err = losesToken(*d.config.Load(), next)
	}
	if err == nil {
		err = SetLog(d.log, next.Log, d.Journal)
	}
	if err != nil {
		return nil, err
	}
	if err := d.reloadKeys(ctx, next); err != nil {
		return nil, errors.Join(err, SetLog(d.log, d.config.Load().Log, d.Journal))
	}
	if keys := needsRestart(d.Config, next); len(keys) > 0 {
		d.log.WithField("keys", keys).Warn("changed keys take effect only after a restart")
		notes = append(notes, "changed keys take effect only after a restart: "+strings.Join(keys, ", "))
	}
	if len(next.Credentials) > 0 {
		notes = append(notes, "secrets that systemd passes are those of the start, since it reads their files only then: if one of them has changed, restart lagerd: "+strings.Join(next.Credentials, ", "))
	}
	d.config.Store(&next)
	d.saveFingerprint(ctx, next)
	return notes, nil
}

// losesToken refuses a reload that would leave lagerd without the app's token that it has: every
// shop would be held.
func losesToken(inForce, next config.Config) error {
	if inForce.Economic.AppSecretToken.IsZero() || !next.Economic.AppSecretToken.IsZero() {
		return nil
	}
	return config.NoAppToken(next.Economic)
}

// warnOfToken logs that there is no app's token.
func (d *daemon) warnOfToken(cfg config.Config) {
	if do := cfg.Economic.TokenMissing(); do != "" {
		d.log.Error("no app secret token: webhooks are kept, and nothing is read from e-conomic: " + do)
	}
}

// tellStarted lets others ask for reloads.
func (d *daemon) tellStarted() {
	began, err := systemd.Monotonic()
	d.notify(err)
	d.notify(d.Verdicts.Tell(reload.Verdict{PID: os.Getpid(), Began: began}))
}
