package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Notifier tells the service manager how the process fares (systemd's
// protocol, sd_notify(3)); it does nothing where there is none.
type Notifier interface {
	Ready(status string) error
	Status(status string) error
	Reloading() error
	Stopping() error
	// Watchdog tells that the process lives while alive says so, until ctx is done.
	Watchdog(ctx context.Context, alive func() bool)
}

// Options is what Run needs. All but WebhookListener is required.
type Options struct {
	Settings        Settings
	Reload          func() (Settings, error)                                        // reads the configuration again
	Keys            func(ctx context.Context, s *store.Store) (*secret.Keys, error) // of the database that is open
	Log             *logrus.Logger
	Version         string
	Now             func() time.Time
	Signals         Signals
	Notifier        Notifier
	WebhookListener net.Listener // inherited from the service manager, or nil
}

// Signals is what a person or the service manager asks of the running process.
type Signals struct {
	ReconcileAll <-chan struct{} // SIGUSR1
	SweepAll     <-chan struct{} // SIGUSR2
	Reload       <-chan struct{} // SIGHUP
}

// Run is lagerd's life: it returns when ctx is done and everything has ended,
// or with an error when it cannot start. What is under way when ctx ends has
// Settings.Shutdown to end in.
func Run(ctx context.Context, o Options) (err error) {
	s, err := store.Open(ctx, store.Options{DSN: o.Settings.DSN, Path: o.Settings.DatabasePath, MaxConnections: o.Settings.MaxConnections, Logger: slogTo(o.Log)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	release, err := s.Reserve()
	if err != nil {
		return err
	}
	defer release()
	if o.Settings.MigrateAtStart {
		err = s.Migrate(ctx)
	} else {
		if err = s.CheckSchema(ctx); err == nil {
			err = s.CheckTables(ctx)
		}
	}
	if err != nil {
		return err
	}
	for _, f := range s.Inspect(ctx, o.Settings.MaxPDFBytes) {
		if f.Err != nil {
			o.Log.WithError(f.Err).WithField("check", f.What).Error("the database is not as lagerd needs it")
		}
	}
	if s.Embedded() {
		// It is ours alone: whoever else stands in the leases has died.
		if err := forgetAll(ctx, s); err != nil {
			return err
		}
	}
	keys, err := o.Keys(ctx, s)
	if err != nil {
		return err
	}
	d := &daemon{Options: o, store: s, keys: keys, index: newIndex(s, keys), metrics: status.NewMetrics(o.Version), log: o.Log, now: o.Now}
	if err := d.index.Refresh(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

func forgetAll(ctx context.Context, s *store.Store) error {
	instances, err := s.Instances(ctx)
	if err != nil {
		return err
	}
	for _, i := range instances {
		if err := s.ForgetInstance(ctx, i.Instance); err != nil {
			return err
		}
	}
	return nil
}

type daemon struct {
	Options
	store    *store.Store
	keys     *secret.Keys
	index    *index
	metrics  *status.Metrics
	log      *logrus.Logger
	now      func() time.Time
	engine   atomic.Pointer[engine.Engine]
	lastLoop atomic.Int64 // when the main loop last turned, Unix seconds
	ready    atomic.Bool
}

// watch has the metrics tell how full is what has a cap.
func (d *daemon) watch(c *webhook.Committer) {
	d.metrics.Watch("lagerd_webhook_queue", "Webhooks that wait for their commit, up to webhook.queue.", func() float64 { return float64(c.Queued()) })
	d.metrics.Watch("lagerd_database_connections_in_use", "Connections to the database in use, up to database.max_connections.", func() float64 {
		inUse, _ := d.store.Connections()
		return float64(inUse)
	})
	d.metrics.WatchTotal("lagerd_database_waits_total", "How often a connection to the database had to be waited for.", func() float64 {
		_, waits := d.store.Connections()
		return float64(waits)
	})
}

func (d *daemon) run(ctx context.Context) error {
	webhookListener, adminListener, err := d.listen()
	if err != nil {
		return err
	}
	j := newJournal(d.store, d.log, d.Settings.LogPerShop, d.metrics.WebhookLogDropped)
	committer := webhook.NewCommitter(webhook.CommitterOptions{
		Write: d.recordHints, Queue: d.Settings.Queue, Batch: d.Settings.Batch,
		DrainTimeout: d.Settings.Shutdown / 2, Wake: d.hinted,
	})
	d.watch(committer)
	webhooks := server(d.log, webhook.NewHandler(webhook.Options{
		Recorder: committer, Authenticator: d.index, Journal: j, Now: d.now, MaxBodyBytes: d.Settings.MaxBodyBytes,
		Observe:  d.metrics.Webhook,
		Panicked: func(stack []byte) { d.log.WithField("stack", string(stack)).Error("the webhook endpoint panicked") },
	}))
	admin := server(d.log, d.adminHandler())
	first, err := d.newEngine(d.Settings)
	if err != nil {
		return errors.Join(err, webhookListener.Close(), closeListener(adminListener))
	}

	// The parts end in the order in which nothing is lost: first webhooks are
	// no longer taken, then what is queued is committed, then work on shops ends.
	var parts, servers sync.WaitGroup
	failed := make(chan error, 2)
	serve := func(srv *http.Server, l net.Listener) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}
	servers.Go(func() { serve(webhooks, webhookListener) })
	if adminListener != nil {
		servers.Go(func() { serve(admin, adminListener) })
	}
	background := context.WithoutCancel(ctx)
	journalCtx, stopJournal := context.WithCancel(background)
	parts.Go(func() { j.Run(journalCtx) })
	parts.Go(func() { d.index.Run(journalCtx, d.log) })
	commitCtx, stopCommitter := context.WithCancel(background)
	parts.Go(func() {
		if err := committer.Run(commitCtx); err != nil {
			d.log.WithError(err).Error("queued hints could not be committed: their webhooks were not answered with success")
		}
	})
	stopEngine := d.start(background, first)
	d.noteSecrets(background, d.Settings, first)
	watchdogCtx, stopWatchdog := context.WithCancel(background)
	d.lastLoop.Store(d.now().Unix())
	parts.Go(func() { d.Notifier.Watchdog(watchdogCtx, d.alive) })
	if os.Getenv("GOGC") == "" {
		parts.Go(func() { paceCollector(watchdogCtx) })
	}

	d.ready.Store(true)
	d.metrics.ReloadOK.Set(1)
	d.metrics.ReloadSuccess.Set(float64(d.now().Unix()))
	d.log.WithFields(logrus.Fields{"version": d.Version, "webhook": webhookListener.Addr().String(), "admin": address(adminListener), "embedded": d.store.Embedded()}).Info("lagerd is ready")
	d.notify(d.Notifier.Ready(d.summary()))

	loopErr := d.loop(ctx, failed, &stopEngine)

	d.ready.Store(false)
	d.notify(d.Notifier.Stopping())
	d.log.Info("lagerd is stopping")
	deadline, cancel := context.WithTimeout(background, d.Settings.Shutdown)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.notify(webhooks.Shutdown(deadline))
		stopCommitter()
		stopEngine()
		stopJournal()
		stopWatchdog()
		parts.Wait()
		_ = admin.Close()
		servers.Wait()
	}()
	select {
	case <-ended:
		d.log.Info("lagerd has stopped")
	case <-deadline.Done():
		return errors.Join(loopErr, fmt.Errorf("not everything ended within shutdown_timeout (%s): what was under way is rolled back by the database", d.Settings.Shutdown))
	}
	return loopErr
}

const (
	pollEvery   = time.Second
	lookForFree = 400 * time.Millisecond
	listingTurn = time.Second
)

func (d *daemon) newEngine(s Settings) (*engine.Engine, error) {
	client, err := economic.New(economic.Options{
		RESTURL: s.RESTURL, AppSecretToken: s.AppSecretToken.Reveal(), Timeout: s.Timeout, CallsPerSecond: s.CallsPerSecond, MaxURLBytes: s.MaxURLBytes,
		MaxPDFBytes: s.MaxPDFBytes, UserAgent: "lagerd/" + d.Version, Now: d.now, Observe: d.metrics.Called,
	})
	if err != nil {
		return nil, err
	}
	o := s.Reconcile
	o.Store, o.Client, o.Open, o.Log, o.Now = d.store, client, d.keys.Open, d.log, d.now
	o.Jitter = func(most time.Duration) time.Duration { return mathrand.N(most) }
	o.PageSize, o.ListingTurn = plan.PageSize, listingTurn
	o.UnpackAtOnce = store.UnpackedHints
	return engine.New(engine.Options{
		Reconcile: o, Workers: s.Workers, Shops: d.index, Metrics: d.metrics, Log: d.log, Instance: newInstance(d.Version, d.now()),
		Schedule: s.Schedule, Beat: s.LeaseBeat, TTL: s.LeaseTTL, LookForFree: lookForFree, Poll: pollEvery, KeepRequests: s.KeepRequests,
	})
}

// start runs an engine and returns the function that stops it and waits.
func (d *daemon) start(ctx context.Context, e *engine.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	d.engine.Store(e)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

const loopEvery = 5 * time.Second

// loop turns signals into calls until ctx is done or a server fails.
func (d *daemon) loop(ctx context.Context, failed <-chan error, stopEngine *func()) error {
	ticker := time.NewTicker(loopEvery)
	defer ticker.Stop()
	for {
		d.lastLoop.Store(d.now().Unix())
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return fmt.Errorf("serve: %w", err)
		case <-ticker.C:
			d.notify(d.Notifier.Status(d.summary()))
		case <-d.Signals.ReconcileAll:
			d.log.Info("reconciling every shop now")
			d.engine.Load().ReconcileAll()
		case <-d.Signals.SweepAll:
			d.log.Info("sweeping every shop now")
			d.engine.Load().SweepAll()
		case <-d.Signals.Reload:
			d.reload(ctx, stopEngine)
		}
	}
}

// reload reads the configuration again; a bad one changes nothing.
func (d *daemon) reload(ctx context.Context, stopEngine *func()) {
	d.notify(d.Notifier.Reloading())
	defer func() { d.notify(d.Notifier.Ready(d.summary())) }()
	next, err := d.Reload()
	var e *engine.Engine
	if err == nil {
		err = SetLog(d.log, next)
	}
	if err == nil {
		e, err = d.newEngine(next)
	}
	if err != nil {
		d.metrics.ReloadOK.Set(0)
		d.log.WithError(err).Error("the new configuration is bad: the old one stays in force")
		return
	}
	if keys := d.Settings.needsRestart(next); len(keys) > 0 {
		d.log.WithField("keys", keys).Warn("these keys have changed too and take effect only after a restart")
	}
	(*stopEngine)()
	*stopEngine = d.start(context.WithoutCancel(ctx), e)
	d.noteSecrets(ctx, next, e)
	d.metrics.ReloadOK.Set(1)
	d.metrics.ReloadSuccess.Set(float64(d.now().Unix()))
	d.log.Info("the configuration has been reloaded")
}

// noteSecrets has commands see which app secret token an engine uses.
func (d *daemon) noteSecrets(ctx context.Context, s Settings, e *engine.Engine) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := d.store.NoteAppToken(ctx, e.Instance.Instance, d.keys.Fingerprint(s.AppSecretToken.Reveal()), d.now()); err != nil {
		d.log.WithError(err).Warn("`lagerd check` cannot compare the app secret tokens")
	}
}

// recordHints commits webhooks' hints.
func (d *daemon) recordHints(ctx context.Context, hints []webhook.Hint) error {
	records := make([]store.HintRecord, len(hints))
	for i, h := range hints {
		records[i] = store.HintRecord{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseWebhook, At: h.ReceivedAt}
	}
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	err := d.store.RecordWebhooks(ctx, records)
	if err != nil {
		d.log.WithError(err).WithField("hints", len(hints)).Error("webhooks are answered 503: their hints could not be committed")
	}
	return err
}

func (d *daemon) hinted(shop string, hints int) {
	if e := d.engine.Load(); e != nil {
		e.Hinted(shop, hints)
	}
}

// alive reports whether the main loop turns.
func (d *daemon) alive() bool {
	return d.now().Unix()-d.lastLoop.Load() < int64(4*loopEvery/time.Second)
}

// summary is the line that `systemctl status` shows.
func (d *daemon) summary() string {
	held := 0
	if e := d.engine.Load(); e != nil {
		held = e.Held()
	}
	return fmt.Sprintf("reconciling %d shops", held)
}

// notify logs what the service manager could not be told.
func (d *daemon) notify(err error) {
	if err != nil {
		d.log.WithError(err).Warn("the service manager could not be told, or a server not be stopped")
	}
}

func newInstance(version string, now time.Time) store.Instance {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return store.Instance{Instance: rand.Text(), Host: host, PID: os.Getpid(), Version: version, StartedAt: store.At(now)}
}
