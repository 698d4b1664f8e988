package engine

import (
	"context"
	"sync"
	"time"

	"lagerd/config"
	"lagerd/economic"
	"lagerd/lease"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/store"
)

// instance reconciles the shops whose lease it holds, under one configuration and one
// name among the lease holders.
type instance struct {
	Options
	cfg       config.Config
	info      store.Instance
	client    *economic.Client
	reconcile reconcile.Options
	scheduler *schedule.Scheduler
	keeper    *lease.Keeper
	begun     chan struct{}   // closed when it runs
	ctx       context.Context // of the work on shops, set by run

	gaugedAt, prunedAt time.Time
}

// newInstance returns an instance that holds no shop yet, or an error where the
// configuration is bad.
func newInstance(cfg config.Config, o Options) (*instance, error) {
	i := &instance{Options: o, cfg: cfg, info: o.Instance(), begun: make(chan struct{})}
	ticks, err := schedule.ParseSchedule(cfg.Reconcile.Schedule)
	if err != nil {
		return nil, err
	}
	i.client, err = NewClient(cfg, economic.Options{Transport: o.Transport, UserAgent: "lagerd/" + i.info.Version, Now: o.Now, Observe: o.Metrics.Called})
	if err != nil {
		return nil, err
	}
	i.reconcile = i.reconcileOptions()
	i.scheduler = schedule.NewScheduler(schedule.Options{
		Reconcile: i.reconcile, Observer: o.Metrics, Workers: cfg.Reconcile.Workers, Instance: i.info.Instance,
		Schedule: ticks, Ticked: func(at time.Time) { o.Metrics.LastTick.Set(float64(at.UnixNano()) / 1e9) },
	})
	i.keeper = lease.New(lease.Options{
		Leases: o.Store, Holder: i, Instance: i.info, Beat: cfg.Lease.Beat, TTL: cfg.Lease.TTL, LookForFree: o.Pace.LookForFree, Log: o.Log, Now: o.Now,
	})
	return i, nil
}

func (i *instance) reconcileOptions() reconcile.Options {
	return reconcile.Options{
		Store: i.Store, Source: i.source(), Open: i.Open, Log: i.Log, Observer: i.Metrics, Now: i.Now, Jitter: i.Jitter,
		Policy:         i.cfg.Reconcile.Policy,
		PDFConcurrency: i.cfg.PDF.Concurrency, DailyCalls: i.cfg.Economic.DailyCalls,
		PageSize: i.Pace.PageSize, ListingTurn: i.Pace.ListingTurn, UnpackAtOnce: i.Pace.UnpackAtOnce,
		KeepHistory: i.cfg.Retention.History, KeepHints: i.cfg.Retention.Hints,
	}
}

// patience is how long a call may wait for its agreement's tokens: while it waits,
// its pass is one of those that may be under way.
const patience = 3 * time.Second

func (i *instance) source() source.Service {
	return &economicsource.Service{Client: i.client, PageSize: i.Pace.PageSize, Budgets: economic.BudgetOptions{
		DailyCalls: i.cfg.Economic.DailyCalls, Concurrency: i.cfg.Economic.Concurrency, Patience: patience, Now: i.Now,
	}}
}

func (i *instance) held() int { return len(i.scheduler.Held()) }

// run works until ctx is done and everything it started has ended.
func (i *instance) run(ctx context.Context) {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	defer i.client.Close()
	i.ctx = work
	var running sync.WaitGroup
	running.Go(func() { i.scheduler.Run(work) })
	running.Go(func() { i.poll(ctx) })
	i.keeper.Run(ctx) // ends by dropping every shop, which breaks off its pass
	stopWork()
	running.Wait()
}

// Taken implements lease.Holder.
func (i *instance) Taken(l store.Lease) bool {
	shop, ok := i.Shops.Shop(l.Shop)
	if !ok || shop.Generation < l.Generation { // added or changed since the shops were read
		if err := i.Shops.Refresh(i.ctx); err != nil {
			i.Log.WithError(err).WithField("shop", l.Shop).Warn("a shop's settings could not be read")
			return false
		}
		if shop, ok = i.Shops.Shop(l.Shop); !ok {
			return false
		}
	}
	i.scheduler.Take(i.ctx, shop, l.Token)
	return true
}

// Holds implements lease.Holder.
func (i *instance) Holds(name string) bool { return i.scheduler.Holds(name) }

// Dropped implements lease.Holder.
func (i *instance) Dropped(name string) { i.scheduler.Drop(name) }

// Releasing implements lease.Holder: it saves the last ticks and calls of the shops that
// were dropped, which nobody can once their leases are given back.
func (i *instance) Releasing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := i.scheduler.FlushTicks(ctx, true); err != nil {
		i.Log.WithError(err).Warn("the last ticks could not be noted")
	}
}

const gaugeEvery = 15 * time.Second

// pruneEvery returns how often what is kept for so long is pruned.
func pruneEvery(keep time.Duration) time.Duration { return min(time.Hour, keep/10) }

// poll looks again and again for what others have left in the database: changed
// shops, hints recorded by another lagerd or due to be read again, requests.
func (i *instance) poll(ctx context.Context) {
	i.gaugedAt = i.Now()
	// Also a lagerd that is often started anew prunes now and then.
	i.prunedAt = i.Now().Add(-i.reconcile.Jitter(pruneEvery(i.cfg.Retention.Requests)))
	ticker := time.NewTicker(i.Pace.Poll)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := i.look(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			i.Log.WithError(err).Error("the database does not answer")
		case err == nil && failing:
			i.Log.Info("the database answers again")
		}
		failing = err != nil
	}
}

func (i *instance) look(ctx context.Context) error {
	now := i.Now()
	news, err := i.Store.News(ctx, i.reconcile.DueBy(now))
	if err != nil {
		return err
	}
	if news.ShopsGeneration != i.Shops.Generation() {
		if err := i.Shops.Refresh(ctx); err != nil {
			return err
		}
	}
	i.scheduler.Sync(i.Shops.Shop)
	i.scheduler.Asked(news.Requests)
	i.scheduler.Wake(news.Work)
	if err := i.scheduler.FlushTicks(ctx, false); err != nil {
		return err
	}
	if now.Sub(i.prunedAt) >= pruneEvery(i.cfg.Retention.Requests) {
		i.prunedAt = now
		if err := i.Store.PruneRequests(ctx, now.Add(-i.cfg.Retention.Requests)); err != nil {
			return err
		}
	}
	if now.Sub(i.gaugedAt) >= gaugeEvery {
		i.gaugedAt = now
		return i.gauge(ctx)
	}
	return nil
}

func (i *instance) gauge(ctx context.Context) error {
	i.Metrics.Leases.Set(float64(i.held()))
	i.Metrics.Shops(i.scheduler.States())
	i.Metrics.ShopsWaiting.Set(float64(i.scheduler.Waiting()))
	i.Metrics.StuckWorkers.Set(float64(i.scheduler.Stuck()))
	open, oldest, err := i.Store.OpenHintsTotal(ctx)
	if err != nil {
		return err
	}
	i.Metrics.OpenHints.Set(float64(open))
	i.Metrics.OldestHint.Set(0)
	if !oldest.IsZero() {
		i.Metrics.OldestHint.Set(float64(oldest.UnixNano()) / 1e9)
	}
	return nil
}
