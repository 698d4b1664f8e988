package engine

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/economic"
	"lagerd/notify"
	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Shops caches the shops and their settings, which whoever is given them shares and does not change.
type Shops interface {
	Shop(name string) (*store.Shop, bool)
	Generation() int64                 // of the cached shops, see store.ShopsGeneration
	Refresh(ctx context.Context) error // rereads the shops if any has changed
}

// Options are an Engine's dependencies. All except Transport and PageOf are required.
type Options struct {
	Store        *store.Store
	Open         func(shop string, sealed []byte) (grantToken string, err error)
	OpenRackbeat func(shop string, sealed []byte) (key string, err error)
	OpenHook     func(shop string, sealed []byte) (hook string, err error) // for notifications
	Shops        Shops
	Metrics      *status.Metrics
	Log          logrus.FieldLogger
	Instance     func() store.Instance // a new one with each call
	Now          func() time.Time
	Jitter       func(most time.Duration) time.Duration // a random time from 0 to most
	Transport    http.RoundTripper                      // for calls to e-conomic; nil: the client's own
	Pace         Pace

	// Recorded is called after each write of webhooks, with its error. Default: no-op.
	Recorded func(error)

	// PageOf makes a link to a shop's page, for mail to its owner. nil: there is no page.
	PageOf func(ctx context.Context, shop string) (notify.Page, error)

	// EconomicConnections and RackbeatConnections limit the connections to each. 0: the client's
	// own limit.
	EconomicConnections, RackbeatConnections int
}

// Pace holds tuning values that are not configurable. Usual returns lagerd's.
type Pace struct {
	PageSize     int           // items per page: 1 to plan.PageSize
	UnpackAtOnce int           // see reconcile.Options
	HintCaps     plan.HintCaps // see reconcile.Options
	Batched      int64         // webhooks of one shop in batches at which the oldest are compacted
	Writers      int           // see webhook.CommitterOptions
	ListingTurn  time.Duration // how long a listing reads pages before its shop's hints get their turn
	LookForFree  time.Duration // interval of checks for released leases
	Poll         time.Duration // interval of polling the database
}

// Usual returns the pace of a production lagerd.
func Usual() Pace {
	return Pace{PageSize: plan.PageSize, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(), Batched: store.BatchedHints, Writers: 1,
		ListingTurn: time.Second, LookForFree: 400 * time.Millisecond, Poll: time.Second}
}

// recordTimeout limits one transaction that records webhooks, because no others are
// recorded meanwhile.
const recordTimeout = 8 * time.Second

// Engine records webhooks' hints and reconciles the shops whose lease it holds.
type Engine struct {
	o         Options
	committer *webhook.Committer
	current   atomic.Pointer[instance]
	next      chan *instance // replaces the current one
	ended     chan struct{}  // closed when Run has returned
}

// New returns an engine that holds no shop yet, or an error if the configuration is
// invalid.
func New(cfg config.Config, o Options) (*Engine, error) {
	e := &Engine{o: o, next: make(chan *instance), ended: make(chan struct{})}
	first, err := newInstance(cfg, o)
	if err != nil {
		return nil, err
	}
	e.current.Store(first)
	e.committer = webhook.NewCommitter(webhook.CommitterOptions{
		Write: e.record, Queue: cfg.Webhook.Queue, Batch: cfg.Webhook.Batch, Writers: o.Pace.Writers,
		DrainTimeout: cfg.ShutdownTimeout / 2, Wake: e.hinted,
	})
	return e, nil
}

// NewClient returns an e-conomic client. cfg determines how it connects; more supplies
// the other options.
func NewClient(cfg config.Config, more economic.Options) (*economic.Client, error) {
	more.RESTURL, more.AppSecretToken = cfg.Economic.RESTURL, cfg.Economic.AppSecretToken.Reveal()
	more.Timeout, more.CallsPerSecond = cfg.Economic.Timeout, cfg.Economic.CallsPerSecond
	more.Wait, more.Patience = source.Waiting, source.Patience
	more.MaxURLBytes, more.MaxPDFBytes = cfg.Economic.MaxURLBytes, int64(cfg.PDF.MaxBytes)
	return economic.New(more)
}

// NewRackbeat returns a Rackbeat client. cfg determines how it connects; more supplies the other
// options.
func NewRackbeat(cfg config.Config, more rackbeat.Options) (*rackbeat.Client, error) {
	more.URL, more.Contact, more.Timeout = cfg.Rackbeat.URL, cfg.Rackbeat.Contact, cfg.Rackbeat.Timeout
	more.Wait, more.Patience = source.Waiting, source.Patience
	return rackbeat.New(more)
}

// Run runs the engine until ctx is done. It returns when the queued hints have been
// recorded and everything it started has ended.
func (e *Engine) Run(ctx context.Context) {
	defer close(e.ended)
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() {
		if err := e.committer.Run(ctx); err != nil {
			e.o.Log.WithError(err).Error("cannot commit queued hints: their webhooks are answered 503")
		}
	})
	for i := e.current.Load(); i != nil; i = e.runOne(ctx, i) {
		e.current.Store(i)
	}
}

// runOne runs an instance until ctx is done or a reload replaces it. It returns the
// replacement, if any.
func (e *Engine) runOne(ctx context.Context, i *instance) (next *instance) {
	run, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		i.run(run)
	}()
	close(i.begun)
	select {
	case <-ctx.Done():
	case next = <-e.next:
	}
	stop()
	<-ended
	return next
}

var errEnded = errors.New("the engine has ended")

// Reload replaces the configuration: the current instance releases its leases and a new
// instance takes them. Recording of webhooks continues meanwhile, with the settings that
// it started with. Reload returns when the new instance runs. If the configuration is
// invalid it returns an error and changes nothing.
func (e *Engine) Reload(cfg config.Config) error {
	next, err := newInstance(cfg, e.o)
	if err != nil {
		return err
	}
	select {
	case e.next <- next:
	case <-e.ended:
		return errEnded
	}
	select {
	case <-next.begun:
	case <-e.ended:
		return errEnded
	}
	return nil
}

// Record implements webhook.Recorder.
func (e *Engine) Record(ctx context.Context, h webhook.Hint) error { return e.committer.Record(ctx, h) }

// Queued returns how many webhooks wait for their commit.
func (e *Engine) Queued() int { return e.committer.Queued() }

// Instance returns the engine's name as a lease holder. Each reload changes it.
func (e *Engine) Instance() string { return e.current.Load().info.Instance }

// Living returns the instances that are alive, this one among them, nil if that is not known yet.
func (e *Engine) Living() map[string]bool { return e.current.Load().alive() }

// ReconcileAll makes every shop due now, including those that are backing off or held.
func (e *Engine) ReconcileAll() { e.current.Load().scheduler.ReconcileAll() }

// SweepAll makes a sweep of every shop due now.
func (e *Engine) SweepAll() { e.current.Load().scheduler.SweepAll() }

// hinted schedules a shop that has new hints, if its lease is held.
func (e *Engine) hinted(shop string, hints int) { e.current.Load().scheduler.Hinted(shop, hints) }

// record commits webhooks' hints in one transaction.
func (e *Engine) record(ctx context.Context, hints []webhook.Hint) error {
	records := make([]store.HintRecord, len(hints))
	for i, h := range hints {
		records[i] = store.HintRecord{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseWebhook, At: h.ReceivedAt}
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := e.o.Store.RecordWebhooks(ctx, records)
	if e.o.Recorded != nil {
		e.o.Recorded(err)
	}
	if err != nil {
		e.o.Log.WithError(err).WithField("hints", len(hints)).Error("cannot commit hints: their webhooks are answered 503")
	}
	return err
}
