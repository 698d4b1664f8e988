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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/forwarded"
	"lagerd/reload"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Notifier reports the state of the process to the service manager (systemd's
// protocol, sd_notify(3)). Without one it does nothing.
type Notifier interface {
	Ready(status string) error
	Status(status string) error
	Reloading() error
	Stopping(status string) error
	// Extend asks for so much more time to start or to stop.
	Extend(by time.Duration) error
	// Watchdog sends keep-alives while alive returns true, until ctx is done.
	Watchdog(ctx context.Context, alive func() bool)
}

// Options are Run's dependencies. All except WebhookListeners, Journal and Verdicts are required.
type Options struct {
	Config   config.Config
	Reload   func() (config.Config, error) // rereads the configuration
	Keys     Keys
	Log      *logrus.Logger
	Version  string
	Now      func() time.Time
	Signals  Signals
	Notifier Notifier
	Journal  Journal     // nil: the log goes to standard error
	Verdicts reload.File // where the verdicts on reloads are told
	Place    Place       // where it runs, as far as it is known

	WebhookListeners []net.Listener // inherited from the service manager, or none
}

// Keys returns the keys of a configuration's key file, as far as they are those of an open database.
type Keys func(ctx context.Context, cfg config.Config, s *store.Store) (*secret.Keys, error)

// Signals are requests to the running process from a person or the service manager.
type Signals struct {
	ReconcileAll <-chan struct{} // SIGUSR1
	SweepAll     <-chan struct{} // SIGUSR2
	Reload       <-chan struct{} // SIGHUP
}

// Run runs the daemon until ctx is done and everything has ended. It returns an error if
// the daemon cannot start, or does not shut down within Config.ShutdownTimeout.
func Run(ctx context.Context, o Options) (err error) {
	database := o.Config.Database
	s, err := store.Open(ctx, store.Options{DSN: database.DSN.Reveal(), Path: database.Path, MaxConnections: database.MaxConnections, Logger: slogTo(o.Log)})
	if err != nil {
		return err
	}
	var reserved *store.Reservation
	defer func() {
		err = errors.Join(err, s.Close())
		reserved.Release()
	}()
	if reserved, err = s.Reserve(); err != nil {
		return err
	}
	if database.Migrate == config.MigrateAuto {
		err = migrate(ctx, s, o)
	} else {
		if err = s.CheckSchema(ctx); err == nil {
			err = s.CheckTables(ctx)
		}
	}
	if err != nil {
		return err
	}
	if err := reserved.Wanted(); err != nil { // a migration may have taken long
		return err
	}
	// Runs beside the start, which its findings do not stop. If the start fails, wait for
	// it: it may show why.
	var inspecting sync.WaitGroup
	inspecting.Go(func() { inspect(ctx, s, o) })
	defer inspecting.Wait()
	if s.Embedded() {
		// The database is ours alone, so any other lease holder has died.
		if err := s.ForgetInstances(ctx); err != nil {
			return err
		}
	}
	keys, err := o.Keys(ctx, o.Config, s)
	if err != nil {
		return err
	}
	mine := o.identify()
	defer mine.release()
	d := &daemon{Options: o, identity: mine, store: s, reserved: reserved, writes: newWrites(s.CanRecord, s.Probe), keys: keys, adopted: make(chan struct{}, 1), index: newIndex(s, keys), metrics: status.NewMetrics(o.Version, webhook.Outcomes()...), log: o.Log, now: o.Now}
	d.told.Store(keys)
	if err := d.index.Refresh(ctx); err != nil {
		return err
	}
	// To read many shops takes long, and a rekeying may have begun meanwhile: nobody has seen us yet.
	if err := d.followKeys(ctx); err != nil {
		return err
	}
	return d.run(ctx)
}

// inspect logs every problem it finds in the database's setup.
func inspect(ctx context.Context, s *store.Store, o Options) {
	for _, f := range s.Inspect(ctx, int64(o.Config.PDF.MaxBytes)) {
		if f.Err != nil && ctx.Err() == nil {
			o.Log.WithError(f.Err).WithField("check", f.What).Error("database check failed")
		}
	}
}

// migrate brings the schema up to date. The service manager gives it the time it needs.
func migrate(ctx context.Context, s *store.Store, o Options) error {
	const every, by = 10 * time.Second, time.Minute
	ctx, cancel := context.WithCancel(ctx)
	var extending sync.WaitGroup
	extending.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, err := range []error{o.Notifier.Status("migrating the database's schema"), o.Notifier.Extend(by)} {
				if err != nil {
					o.Log.WithError(err).Warn("cannot ask the service manager for time to migrate the schema")
				}
			}
		}
	})
	defer extending.Wait()
	defer cancel()
	return s.Migrate(ctx)
}

type daemon struct {
	Options
	identity *identity // nil: it holds no state directory
	reserved *store.Reservation
	store    *store.Store
	keys     *secret.Keys
	told     atomic.Pointer[secret.Keys] // those that the other instances are told of
	adopted  chan struct{}               // keys of another file were adopted
	index    *index
	metrics  *status.Metrics
	log      *logrus.Logger
	now      func() time.Time
	engine   *engine.Engine
	callers  *connections // of the webhook listener
	writes   *writes
	config   atomic.Pointer[config.Config] // the one in force, also after a reload
	others   func() []string               // the engine's loops that do not turn
	lastLoop atomic.Int64                  // when the main loop last ran, Unix seconds
	refusal  atomic.Pointer[refusal]       // of the last reload; nil: it succeeded
	ready    atomic.Bool
}

// watch adds metrics for how full the bounded resources are.
func (d *daemon) watch() {
	d.metrics.Watch("lagerd_webhook_queue", "Webhooks waiting for their commit; limited by webhook.queue and the connections of their listener.", func() float64 { return float64(d.engine.Queued()) })
	d.metrics.Watch("lagerd_webhook_connections", "Open connections of the webhook listener; limited to a share of the file limit.", func() float64 {
		open, _ := d.callers.counts()
		return float64(open)
	})
	d.metrics.WatchTotal("lagerd_webhook_connections_ended_total", "Connections of the webhook listener that were ended early, because their share of the file limit was nearly used.", func() float64 {
		_, early := d.callers.counts()
		return float64(early)
	})
	d.metrics.Watch("lagerd_database_connections_in_use", "Database connections in use; limited by database.max_connections.", func() float64 {
		inUse, _ := d.store.Connections()
		return float64(inUse)
	})
	d.metrics.WatchTotal("lagerd_database_waits_total", "Times that a statement waited for a database connection.", func() float64 {
		_, waits := d.store.Connections()
		return float64(waits)
	})
}

func (d *daemon) run(ctx context.Context) error { //nolint:funlen // startup reads best as one sequence
	listening, err := d.listen()
	if err != nil {
		return err
	}
	d.config.Store(&d.Config)
	share := d.shareFiles()
	d.callers = newConnections(share.webhooks, d.callersEnded())
	cfg := d.Config
	cfg.Webhook.Queue = min(cfg.Webhook.Queue, d.callers.nearly) // a flood is to be refused before it has all connections
	d.log.WithFields(logrus.Fields{"connections": share.webhooks, "queue": cfg.Webhook.Queue}).Debug("how many webhooks there may be at once")
	d.engine, err = engine.New(cfg, engine.Options{
		Store: d.store, Open: d.keys.OpenGrant, OpenRackbeat: d.keys.OpenRackbeat, OpenHook: d.keys.OpenHook, Shops: d.index, Metrics: d.metrics, Log: d.log, Now: d.now, Pace: engine.Usual(),
		Instance: func() store.Instance { return d.newInstance(d.now(), d.told.Load()) },
		Jitter:   mathrand.N[time.Duration], EconomicConnections: share.economic, RackbeatConnections: share.rackbeat,
		Recorded: d.writes.recorded, PageOf: d.pageOf(),
	})
	if err != nil {
		return errors.Join(err, listening.close())
	}
	d.others = d.engine.Hangs
	var page *pageServer // nil: there is none
	if listening.web != nil {
		if page, err = d.newPageServer(share.web); err != nil { //nolint:contextcheck // its visitors have contexts of their own
			return errors.Join(err, listening.close())
		}
	}
	knows := func(shop string) bool { _, known := d.index.Shop(shop); return known }
	alone := func() (yes, known bool) {
		living := d.engine.Living()
		return len(living) == 1, living != nil
	}
	j := newJournal(d.store, d.log, d.Config.Webhook.LogPerShop, knows, alone, d.metrics.WebhookLogDropped, d.metrics.WebhookLogSkipped)
	wrong := &refused{journal: j, observe: d.metrics.RefusedCall, save: d.store.AddRefusedCalls, shops: map[string]*refusedShop{}, knows: knows}
	d.watch()
	webhooks := server(d.log, webhook.NewHandler(webhook.Options{
		Recorder: recording{d.engine}, Authenticator: d.index, Journal: wrong, Now: d.now, MaxBodyBytes: int64(d.Config.Webhook.MaxBodyBytes),
		Proxy: d.Config.Webhook.IsProxy,
		Caller: func(peer string, h http.Header) string {
			return forwarded.Caller(peer, h, d.Config.Webhook.ProxyHeader, d.Config.Webhook.Trusts)
		},
		Observe:  d.metrics.Webhook,
		Panicked: func(stack []byte) { d.log.WithField("stack", string(stack)).Error("the webhook endpoint panicked") },
	}))
	d.callers.serve(webhooks)
	admin := server(d.log, working(d.adminHandler(listening.admin)))
	admins := newConnections(share.admin, func(int, int) {})
	admins.serve(admin)

	// Shut down in the order that loses nothing: first stop accepting webhooks, then
	// commit queued hints, then stop work on shops.
	var parts, servers, accepting sync.WaitGroup
	failed := make(chan error, 2+len(listening.webhook))
	serve := func(srv *http.Server, l net.Listener) {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			failed <- err
		}
	}
	var entrances []net.Listener
	for _, l := range listening.webhook {
		l = d.callers.listen(l)
		entrances = append(entrances, l)
		accepting.Go(func() { serve(webhooks, l) })
	}
	if listening.admin != nil {
		servers.Go(func() { serve(admin, admins.listen(listening.admin)) })
	}
	if page != nil {
		servers.Go(func() { serve(page.Server, page.visitors.listen(listening.web)) })
	}
	background := context.WithoutCancel(ctx)
	journalCtx, stopJournal := context.WithCancel(background)
	parts.Go(func() { j.Run(journalCtx) })
	parts.Go(func() { d.index.Run(journalCtx, d.log) })
	parts.Go(func() { wrong.Run(journalCtx, d.log) })
	parts.Go(func() { d.keepKeys(journalCtx) })
	stopEngine := d.start(background)
	d.saveFingerprint(background, d.Config)
	watchdogCtx, stopWatchdog := context.WithCancel(background)
	d.lastLoop.Store(d.now().Unix())
	parts.Go(func() { d.Notifier.Watchdog(watchdogCtx, d.alive) })
	if os.Getenv("GOGC") == "" {
		parts.Go(func() { paceCollector(watchdogCtx) })
	}

	d.ready.Store(true)
	d.metrics.ReloadOK.Set(1)
	d.metrics.ReloadSuccess.Set(float64(d.now().Unix()))
	d.log.WithFields(logrus.Fields{"version": d.Version, "webhook": strings.Join(addresses(listening.webhook), " "), "admin": address(listening.admin), "web": address(listening.web), "embedded": d.store.Embedded()}).Info("lagerd is ready")
	d.warnOfToken(d.Config)
	d.notify(d.Notifier.Ready(d.summary()))
	d.tellStarted()
	defer d.Verdicts.Remove()

	loopErr := d.loop(ctx, failed)

	d.ready.Store(false)
	d.notify(d.Notifier.Stopping("stopping: webhooks that came are committed, passes are cancelled, and shops are released"))
	d.notify(d.Notifier.Extend(d.Config.ShutdownTimeout + grace))
	d.log.Info("lagerd is stopping")
	deadline, cancel := context.WithTimeout(background, d.Config.ShutdownTimeout)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Calls that have arrived are answered; whoever only holds a connection, or sends
		// slowly, is not waited for.
		page.stop() //nolint:contextcheck // this one has ended
		d.notify(d.callers.shutdown(deadline, webhooks, &accepting, entrances...))
		stopEngine()
		stopJournal()
		stopWatchdog()
		parts.Wait()
		page.end()
		_ = admin.Close()
		servers.Wait()
	}()
	select {
	case <-ended:
		d.log.Info("lagerd has stopped")
	case <-deadline.Done():
		return errors.Join(loopErr, fmt.Errorf("shutdown did not finish within shutdown_timeout (%s): the database rolls back open transactions", d.Config.ShutdownTimeout))
	}
	return loopErr
}

// start starts the engine and returns a function that stops it and waits for its end.
func (d *daemon) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.engine.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// grace is how long a shutdown waits for calls to arrive in full.
const grace = time.Second

// shareFiles divides the limit on open files, and logs if that leaves too few.
func (d *daemon) shareFiles() files {
	share := divide(fileLimit())
	if least := enough(d.Config.Database.MaxConnections); share.limit < least {
		d.log.WithFields(logrus.Fields{"limit": share.limit, "needed": least}).Warn("the limit on open files is low: raise it (LimitNOFILE=, ulimit -n), or lower database.max_connections")
	}
	return share
}

// callersEnded returns a function that logs, at most once a minute, that connections of the
// webhook listener are ended early.
func (d *daemon) callersEnded() func(open, limit int) {
	var mu sync.Mutex // for several listeners
	var logged time.Time
	return func(open, limit int) {
		mu.Lock()
		defer mu.Unlock()
		if now := d.now(); now.Sub(logged) >= time.Minute {
			logged = now
			d.log.WithFields(logrus.Fields{"open": open, "limit": limit}).Warn("many connections to the webhook listener: those that have been idle longest are ended early")
		}
	}
}

const loopEvery = 5 * time.Second

// loop handles signals until ctx is done, a server fails, or a move waits for the database.
func (d *daemon) loop(ctx context.Context, failed <-chan error) error {
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
			switch err := d.reserved.Wanted(); {
			case errors.Is(err, store.ErrMoving):
				return err
			case err != nil:
				d.log.WithError(err).Warn("cannot see whether a move waits for the embedded database")
			}
			d.notify(d.Notifier.Status(d.summary()))
		case <-d.Signals.ReconcileAll:
			d.log.Info("reconciling every shop now")
			d.engine.ReconcileAll()
		case <-d.Signals.SweepAll:
			d.log.Info("sweeping every shop now")
			d.engine.SweepAll()
		case <-d.Signals.Reload:
			d.reload(ctx)
		}
	}
}

// saveFingerprint stores the fingerprint of the engine's app secret token, for commands to
// compare: "" if it has none.
func (d *daemon) saveFingerprint(ctx context.Context, cfg config.Config) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	fingerprint := store.NoAppToken
	if token := cfg.Economic.AppSecretToken; !token.IsZero() {
		fingerprint = d.keys.Fingerprint(token.Reveal())
	}
	if err := d.store.SaveAppToken(ctx, d.engine.Instance(), fingerprint, d.now()); err != nil {
		d.log.WithError(err).Warn("cannot save app token fingerprint: `lagerd check` cannot compare app secret tokens")
	}
}

// notify logs the error of a notification or of a server's shutdown.
func (d *daemon) notify(err error) {
	if err != nil {
		d.log.WithError(err).Warn("cannot notify service manager or shut down server")
	}
}

func (d *daemon) newInstance(now time.Time, keys *secret.Keys) store.Instance {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	i := store.Instance{Instance: rand.Text(), Host: host, PID: os.Getpid(), Version: d.Version, StartedAt: store.At(now),
		Machine: d.Place.Machine, Boot: d.Place.Boot, MasterKeys: slices.Concat(keys.Checks()...)}
	if d.identity != nil {
		i.Identity = d.identity.name
	}
	return i
}
