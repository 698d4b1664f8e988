package engine

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/sirupsen/logrus"

	"lagerd/lease"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/status"
	"lagerd/store"
)

// Shops are the shops and their settings, as they were read last.
type Shops interface {
	Shop(name string) (store.Shop, bool)
	Generation() int64                 // of what was read, see store.ShopsGeneration
	Refresh(ctx context.Context) error // reads them again if any has changed
}

// Options is what an Engine needs. All of it is required.
type Options struct {
	Reconcile reconcile.Options // its Observer is set by New
	Workers   int               // shops reconciled at once
	Shops     Shops
	Metrics   *status.Metrics
	Log       logrus.FieldLogger
	Instance  store.Instance // new with every engine

	Schedule     string        // of the tick: a cron expression, UTC
	Beat, TTL    time.Duration // of the leases
	LookForFree  time.Duration // how often it looks for leases that were given back
	Poll         time.Duration // how often it looks for what others have left
	KeepRequests time.Duration
}

// Engine reconciles the shops whose lease it holds.
type Engine struct {
	Options
	store     *store.Store
	now       func() time.Time
	scheduler *schedule.Scheduler
	keeper    *lease.Keeper
	cron      *cron.Cron
	ctx       context.Context // of the work on shops, set by Run

	gaugedAt, prunedAt time.Time
}

// New returns an engine that holds no shop yet, or an error where the schedule
// is bad.
func New(o Options) (*Engine, error) {
	e := &Engine{Options: o, store: o.Reconcile.Store, now: o.Reconcile.Now}
	o.Reconcile.Observer = o.Metrics
	e.scheduler = schedule.NewScheduler(schedule.Options{Reconcile: o.Reconcile, Observer: o.Metrics, Workers: o.Workers, Instance: o.Instance.Instance})
	e.keeper = lease.New(lease.Options{
		Leases: e.store, Holder: e, Instance: o.Instance, Beat: o.Beat, TTL: o.TTL, LookForFree: o.LookForFree, Log: o.Log, Now: e.now,
	})
	// Skip must be outermost: with Recover around it, one panic would keep the
	// tick from ever running again.
	e.cron = cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger), recoverTo(o.Log)))
	if _, err := e.cron.AddFunc(o.Schedule, e.tick); err != nil {
		return nil, fmt.Errorf("the tick's schedule %q: %w", o.Schedule, err)
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

func (e *Engine) tick() {
	e.Metrics.LastTick.Set(float64(e.now().UnixNano()) / 1e9)
	e.scheduler.Tick()
}

// Hinted has a shop looked at, if it is held: so many hints have come for it.
func (e *Engine) Hinted(shop string, hints int) { e.scheduler.Hinted(shop, hints) }

// ReconcileAll makes every shop due at once, also those that wait after a
// failure and those that lagerd paused.
func (e *Engine) ReconcileAll() { e.scheduler.ReconcileAll() }

// SweepAll makes a sweep of every shop due at once.
func (e *Engine) SweepAll() { e.scheduler.SweepAll() }

// Held returns how many shops are held.
func (e *Engine) Held() int { return len(e.scheduler.Held()) }

// Run works until ctx is done and everything it started has ended.
func (e *Engine) Run(ctx context.Context) {
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
}

// Taken implements lease.Holder.
func (e *Engine) Taken(l store.Lease) bool {
	shop, ok := e.Shops.Shop(l.Shop)
	if !ok || shop.Generation < l.Generation { // added or changed since the shops were read
		if err := e.Shops.Refresh(e.ctx); err != nil {
			e.Log.WithError(err).WithField("shop", l.Shop).Warn("a shop's settings could not be read")
			return false
		}
		if shop, ok = e.Shops.Shop(l.Shop); !ok {
			return false
		}
	}
	e.scheduler.Take(e.ctx, shop, l.Token)
	return true
}

// Holds implements lease.Holder.
func (e *Engine) Holds(name string) bool { return e.scheduler.Holds(name) }

// Dropped implements lease.Holder.
func (e *Engine) Dropped(name string) { e.scheduler.Drop(name) }

// Releasing implements lease.Holder: it saves the last ticks and calls of the shops that
// were dropped, which nobody can once their leases are given back.
func (e *Engine) Releasing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := e.scheduler.NoteTicks(ctx, true); err != nil {
		e.Log.WithError(err).Warn("the last ticks could not be noted")
	}
}

const gaugeEvery = 15 * time.Second

// pruneEvery returns how often what is kept for so long is pruned.
func pruneEvery(keep time.Duration) time.Duration { return min(time.Hour, keep/10) }

// poll looks again and again for what others have left in the database: changed
// shops, hints recorded by another lagerd or due to be read again, requests.
func (e *Engine) poll(ctx context.Context) {
	e.gaugedAt = e.now()
	// Also a lagerd that is often started anew prunes now and then.
	e.prunedAt = e.now().Add(-e.Reconcile.Jitter(pruneEvery(e.KeepRequests)))
	ticker := time.NewTicker(e.Poll)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := e.look(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			e.Log.WithError(err).Error("the database does not answer")
		case err == nil && failing:
			e.Log.Info("the database answers again")
		}
		failing = err != nil
	}
}

func (e *Engine) look(ctx context.Context) error {
	now := e.now()
	news, err := e.store.News(ctx, e.Reconcile.DueBy(now))
	if err != nil {
		return err
	}
	if news.ShopsGeneration != e.Shops.Generation() {
		if err := e.Shops.Refresh(ctx); err != nil {
			return err
		}
	}
	e.scheduler.Sync(e.Shops.Shop)
	e.scheduler.Asked(news.Asked)
	e.scheduler.Wake(news.Work)
	if err := e.scheduler.NoteTicks(ctx, false); err != nil {
		return err
	}
	if now.Sub(e.prunedAt) >= pruneEvery(e.KeepRequests) {
		e.prunedAt = now
		if err := e.store.PruneRequests(ctx, now.Add(-e.KeepRequests)); err != nil {
			return err
		}
	}
	if now.Sub(e.gaugedAt) >= gaugeEvery {
		e.gaugedAt = now
		return e.gauge(ctx)
	}
	return nil
}

func (e *Engine) gauge(ctx context.Context) error {
	e.Metrics.Leases.Set(float64(e.Held()))
	e.Metrics.Shops(e.scheduler.States())
	e.Metrics.ShopsWaiting.Set(float64(e.scheduler.Waiting()))
	e.Metrics.StuckWorkers.Set(float64(e.scheduler.Stuck()))
	open, oldest, err := e.store.OpenHintsTotal(ctx)
	if err != nil {
		return err
	}
	e.Metrics.OpenHints.Set(float64(open))
	e.Metrics.OldestHint.Set(0)
	if !oldest.IsZero() {
		e.Metrics.OldestHint.Set(float64(oldest.UnixNano()) / 1e9)
	}
	return nil
}
