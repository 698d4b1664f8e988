package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/lease"
	"lagerd/notify"
	"lagerd/rackbeat"
	"lagerd/reconcile"
	"lagerd/rest"
	"lagerd/schedule"
	economicsource "lagerd/source/economic"
	rackbeatsource "lagerd/source/rackbeat"
	"lagerd/source/remote"
	"lagerd/store"
)

// instance reconciles the shops whose lease it holds, with one configuration and one
// lease holder's name.
type instance struct {
	Options
	cfg       config.Config
	info      store.Instance
	client    *economic.Client
	source    *economicsource.Service
	rackbeat  *rackbeat.Client
	stock     *rackbeatsource.Service
	reconcile reconcile.Options
	scheduler *schedule.Scheduler
	keeper    *lease.Keeper
	notifier  *notify.Notifier
	living    atomic.Pointer[map[string]bool] // the lagerds that are alive; nil: not known yet
	away      atomic.Pointer[time.Time]       // since when the database has not answered; nil: it answers
	begun     chan struct{}                   // closed when it has started
	ctx       context.Context                 // for work on shops, set by run

	gaugedAt, prunedAt time.Time
	odd                oddHeaders // e-conomic's
	oddRackbeat        oddHeaders
}

// newInstance returns an instance that holds no shop yet, or an error if the
// configuration is invalid.
func newInstance(cfg config.Config, o Options) (*instance, error) {
	i := &instance{Options: o, cfg: cfg, info: o.Instance(), begun: make(chan struct{})}
	ticks, err := schedule.ParseSchedule(cfg.Reconcile.Schedule)
	if err != nil {
		return nil, err
	}
	room := rest.NewRoom() // one for all answers
	i.client, err = NewClient(cfg, economic.Options{Room: room, Transport: o.Transport, UserAgent: "lagerd/" + i.info.Version, Now: o.Now, Observe: i.called, MaxConnections: o.EconomicConnections})
	if err != nil {
		return nil, err
	}
	i.rackbeat, err = NewRackbeat(cfg, rackbeat.Options{Room: room, Transport: o.Transport, Now: o.Now, Observe: i.calledRackbeat, MaxConnections: o.RackbeatConnections})
	if err != nil {
		return nil, err
	}
	i.source, i.stock = i.newSource(), i.newRackbeatSource()
	i.reconcile = i.reconcileOptions()
	i.scheduler = schedule.NewScheduler(schedule.Options{
		Reconcile: i.reconcile, Observer: o.Metrics, Workers: cfg.Reconcile.Workers, Instance: i.info.Instance,
		Schedule: ticks, Ticked: func(at time.Time) { o.Metrics.LastTick.Set(float64(at.UnixNano()) / 1e9) },
	})
	i.keeper = lease.New(lease.Options{
		Leases: o.Store, Holder: i, Instance: i.info, Beat: cfg.Lease.Beat, TTL: cfg.Lease.TTL, LookForFree: o.Pace.LookForFree, Log: o.Log, Now: o.Now,
		Living: func(instances map[string]bool) {
			i.living.Store(&instances)
			o.Metrics.Instances.Set(float64(len(instances)))
		},
	})
	if i.notifier, err = i.newNotifier(); err != nil {
		return nil, err
	}
	return i, nil
}

func (i *instance) reconcileOptions() reconcile.Options {
	return reconcile.Options{
		Store: i.Store, Source: i.source, Open: i.open, Rackbeat: i.stock, OpenRackbeat: i.OpenRackbeat,
		Log: i.Log, Observer: i.Metrics, Now: i.Now, Jitter: i.Jitter,
		Policy: i.cfg.Reconcile.Policy,
		Limits: reconcile.Limits{
			DailyCalls: i.cfg.Economic.DailyCalls, RackbeatDailyCalls: i.cfg.Rackbeat.DailyCalls,
			PageSize: i.Pace.PageSize, ListingTurn: i.Pace.ListingTurn, PDFConcurrency: i.cfg.PDF.Concurrency,
			UnpackAtOnce: i.Pace.UnpackAtOnce, HintCaps: i.Pace.HintCaps,
			KeepHistory: i.cfg.Retention.History, KeepHints: i.cfg.Retention.Hints,
		},
	}
}

// open decrypts a shop's grant token. Without the app's token there is nothing to use it for.
func (i *instance) open(shop string, sealed []byte) (string, error) {
	if do := i.cfg.Economic.TokenMissing(); do != "" {
		return "", fmt.Errorf("%w: %s", reconcile.ErrNoAppToken, do)
	}
	return i.Open(shop, sealed)
}

// patience is how long a call may wait for its agreement's tokens. While it waits, its
// pass counts against the limit on running passes.
const patience = 3 * time.Second

func (i *instance) newSource() *economicsource.Service {
	return &economicsource.Service{Client: i.client, PageSize: i.Pace.PageSize, Accounts: remote.Accounts{Books: i.books(store.ServiceEconomic), Budgets: budget.Options{
		DailyCalls: i.cfg.Economic.DailyCalls, Concurrency: i.cfg.Economic.Concurrency, Patience: patience, Now: i.Now,
	}}}
}

func (i *instance) books(of store.Service) Books {
	return Books{Store: i.Store, Service: of, Instance: i.info.Instance, Log: i.Log, Now: i.Now}
}

// alive returns the lagerds that are alive, nil if that is not known yet.
func (i *instance) alive() map[string]bool {
	if living := i.living.Load(); living != nil {
		return *living
	}
	return nil
}

// accounts returns the accounts of all services.
func (i *instance) accounts() []*remote.Accounts {
	return []*remote.Accounts{&i.source.Accounts, &i.stock.Accounts}
}

// blocked makes the calls to an account wait, as another process was told to.
func (i *instance) blocked(b store.Blocked) {
	at := &i.source.Accounts
	if b.Service == store.ServiceRackbeat {
		at = &i.stock.Accounts
	}
	at.Block(b.Account, b.Until, b.Lasts)
}

// rackbeatPatience is the same for Rackbeat's calls a minute: a listing right after a start, or
// after a few hints, waits for some seconds.
const rackbeatPatience = 10 * time.Second

func (i *instance) newRackbeatSource() *rackbeatsource.Service {
	return &rackbeatsource.Service{Client: i.rackbeat, Accounts: remote.Accounts{Books: i.books(store.ServiceRackbeat), Budgets: budget.Options{
		DailyCalls: i.cfg.Rackbeat.DailyCalls, PerMinute: i.cfg.Rackbeat.CallsPerMinute, Patience: rackbeatPatience, Now: i.Now,
	}}}
}

// called observes a call to e-conomic.
func (i *instance) called(c economic.Call) {
	i.Metrics.Called(c)
	if c.OddHeader != "" && i.odd.tell(i.Now()) {
		i.logOdd(store.ServiceEconomic, c.Endpoint, c.OddHeader)
	}
}

// calledRackbeat observes a call to Rackbeat.
func (i *instance) calledRackbeat(c rackbeat.Call) {
	i.Metrics.CalledRackbeat(c)
	if c.OddHeader != "" && i.oddRackbeat.tell(i.Now()) {
		i.logOdd(store.ServiceRackbeat, c.Endpoint, c.OddHeader)
	}
}

func (i *instance) logOdd(of store.Service, endpoint, header string) {
	i.Log.WithFields(logrus.Fields{"endpoint": endpoint, "header": header}).Warnf("%s's header about its rate limit makes no sense and is ignored", of)
}

// oddHeaders limits how often a service's headers that make no sense are logged.
type oddHeaders struct {
	last atomic.Int64 // when one was logged; 0: none yet
}

// oddEvery is how often such a header of a service is logged.
const oddEvery = 10 * time.Minute

// tell reports whether one that came now is to be logged.
func (o *oddHeaders) tell(now time.Time) bool {
	at, last := now.UnixNano(), o.last.Load()
	return (last == 0 || at-last >= int64(oddEvery)) && o.last.CompareAndSwap(last, at)
}

func (i *instance) held() int { return len(i.scheduler.Held()) }

// run runs the instance until ctx is done and everything it started has ended.
func (i *instance) run(ctx context.Context) {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	defer i.client.Close()
	defer i.rackbeat.Close()
	i.ctx = work
	var running sync.WaitGroup
	for _, a := range i.accounts() {
		running.Go(func() { a.Run(work) })
	}
	running.Go(func() { i.scheduler.Run(work) })
	running.Go(func() { i.poll(ctx) })
	running.Go(func() { i.notifier.Run(ctx) })
	i.keeper.Run(ctx) // before it returns it drops every shop, which cancels its pass
	stopWork()
	running.Wait()
}

// Taken implements lease.Holder.
func (i *instance) Taken(l store.Lease) bool {
	shop, ok := i.Shops.Shop(l.Shop)
	if !ok || shop.Generation < l.Generation { // added or changed since the shops were read
		if err := i.Shops.Refresh(i.ctx); err != nil {
			i.Log.WithError(err).WithField("shop", l.Shop).Warn("cannot read shop settings")
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

// Releasing implements lease.Holder. It saves the last ticks and calls of dropped shops,
// which is impossible once their leases are released, and returns the calls that were booked
// and not made, before another lagerd books some.
func (i *instance) Releasing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := i.scheduler.FlushTicks(ctx, true); err != nil {
		i.Log.WithError(err).Warn("cannot save last ticks")
	}
	for _, a := range i.accounts() {
		_ = a.Return(ctx)
	}
}

const gaugeEvery = 15 * time.Second

// pruneEvery returns how often to prune rows that are kept that long.
func pruneEvery(keep time.Duration) time.Duration { return min(time.Hour, keep/10) }

// poll polls the database until ctx is done: for changed shops, for hints that another
// instance recorded or that are due for another read, and for requests.
func (i *instance) poll(ctx context.Context) {
	i.gaugedAt = i.Now()
	// The jitter makes an instance that is restarted often prune now and then, too.
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
		err := i.pollOnce(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			now := i.Now()
			i.away.Store(&now)
			i.Log.WithError(err).Error("database unavailable")
		case err == nil && failing:
			i.away.Store(nil)
			i.Log.Info("database available again")
		}
		failing = err != nil
	}
}

func (i *instance) pollOnce(ctx context.Context) error {
	now := i.Now()
	news, err := i.Store.News(ctx, i.reconcile.DueBy(now), i.reconcile.WorkDueBy(now))
	if err != nil {
		return err
	}
	if news.ShopsGeneration != i.Shops.Generation() {
		if err := i.Shops.Refresh(ctx); err != nil {
			return err
		}
	}
	for _, b := range news.Blocked {
		i.blocked(b)
	}
	i.scheduler.Sync(i.Shops.Shop)
	i.scheduler.Requested(news.Requests)
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
	i.Metrics.ShortOfCalls.Set(float64(i.scheduler.ShortOfCalls()))
	i.Metrics.ShopsWaiting.Set(float64(i.scheduler.Waiting()))
	i.Metrics.StuckWorkers.Set(float64(i.scheduler.Stuck()))
	compacted, err := i.Store.CompactBatches(ctx, i.Pace.Batched)
	if compacted > 0 {
		i.Log.WithField("webhooks", compacted).Warn("more webhooks wait for their shop's reconciliation than are kept: a sweep will cover them")
	}
	if err != nil {
		return err
	}
	totals, err := i.Store.Totals(ctx)
	if err != nil {
		return err
	}
	i.Metrics.Totals(totals)
	return nil
}
