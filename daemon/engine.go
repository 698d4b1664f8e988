package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/lease"
	"lagerd/reconcile"
	"lagerd/status"
	"lagerd/store"
)

// engine reconciles the shops whose lease it holds. A reload replaces it.
type engine struct {
	*process
	scheduler *reconcile.Scheduler
	keeper    *lease.Keeper
	cron      *cron.Cron
	ctx       context.Context // of the work on shops, set by run

	keepRequests time.Duration
}

func newEngine(p *process, s Settings) (*engine, error) {
	client, err := economic.New(economic.Options{
		RESTURL: s.RESTURL, AppSecretToken: s.AppSecretToken.Reveal(), Timeout: s.Timeout, MaxURLBytes: s.MaxURLBytes,
		MaxPDFBytes: s.MaxPDFBytes, UserAgent: "lagerd/" + p.version, Now: p.now, Observe: p.metrics.Called,
	})
	if err != nil {
		return nil, err
	}
	e := &engine{process: p, keepRequests: s.KeepRequests}
	instance := newInstance(p.version, p.now())
	o := s.Reconcile
	o.Store, o.Client, o.Open, o.Log = p.store, client, p.keys.Open, p.log
	o.Observer, o.Now, o.Instance = p.metrics, p.now, instance.Instance
	e.scheduler = reconcile.NewScheduler(o)
	e.keeper = lease.New(lease.Options{
		Leases: p.store, Holder: e, Instance: instance, Beat: s.LeaseBeat, TTL: s.LeaseTTL, Log: p.log, Now: p.now,
	})
	// Skip must be outermost: with Recover around it, one panic would keep the
	// tick from ever running again.
	e.cron = cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger), recoverTo(p.log)))
	if _, err := e.cron.AddFunc(s.Schedule, e.tick); err != nil {
		return nil, err
	}
	return e, nil
}

// recoverTo keeps a panic in a tick from ending the process.
func recoverTo(log logrus.FieldLogger) cron.JobWrapper {
	return func(j cron.Job) cron.Job {
		return cron.FuncJob(func() {
			defer func() {
				if p := recover(); p != nil {
					log.WithField("panic", p).Error("a tick panicked")
				}
			}()
			j.Run()
		})
	}
}

func (e *engine) tick() {
	e.metrics.LastTick.Set(float64(e.now().UnixNano()) / 1e9)
	e.scheduler.Tick()
}

// run works until ctx is done and everything it started has ended.
func (e *engine) run(ctx context.Context) {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	e.ctx = work
	var running sync.WaitGroup
	running.Go(func() { e.scheduler.Run(work) })
	running.Go(func() { e.poll(ctx) })
	e.cron.Start()
	e.keeper.Run(ctx) // ends by dropping every shop, which breaks off its pass
	<-e.cron.Stop().Done()
	stopWork()
	running.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := e.scheduler.FlushTicks(last); err != nil {
		e.log.WithError(err).Warn("the last ticks could not be noted")
	}
}

// Taken implements lease.Holder.
func (e *engine) Taken(name string, token int64) bool {
	shop, ok := e.index.shop(name)
	if !ok { // added since the index was read
		if err := e.index.refresh(e.ctx); err != nil {
			e.log.WithError(err).WithField("shop", name).Warn("a shop's settings could not be read")
		}
		if shop, ok = e.index.shop(name); !ok {
			return false
		}
	}
	e.scheduler.Take(e.ctx, shop, token)
	return true
}

// Holds implements lease.Holder.
func (e *engine) Holds(name string) bool { return e.scheduler.Holds(name) }

// Dropped implements lease.Holder.
func (e *engine) Dropped(name string) { e.scheduler.Drop(name) }

const (
	pollEvery  = time.Second
	gaugeEvery = 15 // polls
	pruneEvery = 3600
)

// poll looks every second for what others have left in the database: changed
// shops, hints recorded by another lagerd or due to be read again, requests.
func (e *engine) poll(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	failing := false
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := e.look(ctx, n)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			e.log.WithError(err).Error("the database does not answer")
		case err == nil && failing:
			e.log.Info("the database answers again")
		}
		failing = err != nil
	}
}

func (e *engine) look(ctx context.Context, n int) error {
	if err := e.index.refresh(ctx); err != nil {
		return err
	}
	e.scheduler.Sync(e.index.shop)
	asked, err := e.store.ShopsWithRequests(ctx)
	if err != nil {
		return err
	}
	e.scheduler.Wake(asked, true)
	due, err := e.store.ShopsWithWork(ctx, e.now())
	if err != nil {
		return err
	}
	e.scheduler.Wake(due, false)
	if err := e.scheduler.FlushTicks(ctx); err != nil {
		return err
	}
	if n%pruneEvery == 0 {
		if err := e.store.PruneRequests(ctx, e.now().Add(-e.keepRequests)); err != nil {
			return err
		}
	}
	if n%gaugeEvery == 0 {
		return e.gauge(ctx)
	}
	return nil
}

func (e *engine) gauge(ctx context.Context) error {
	e.metrics.Leases.Set(float64(len(e.scheduler.Held())))
	e.metrics.ShopsWaiting.Set(float64(e.scheduler.Waiting()))
	open, oldest, err := e.store.OpenHintsTotal(ctx)
	if err != nil {
		return err
	}
	e.metrics.OpenHints.Set(float64(open))
	e.metrics.OldestHint.Set(0)
	if !oldest.IsZero() {
		e.metrics.OldestHint.Set(float64(oldest.UnixNano()) / 1e9)
	}
	return nil
}

// process is what lives as long as the process, shared by all engines.
type process struct {
	store   *store.Store
	keys    keys
	index   *index
	metrics *status.Metrics
	log     *logrus.Logger
	now     func() time.Time
	version string
}

// keys opens sealed grant tokens.
type keys interface {
	Open(shop string, sealed []byte) (string, error)
}
