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
	"lagerd/plan"
	"lagerd/source"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Shops are the shops and their settings, as they were read last.
type Shops interface {
	Shop(name string) (store.Shop, bool)
	Generation() int64                 // of what was read, see store.ShopsGeneration
	Refresh(ctx context.Context) error // reads them again if any has changed
}

// Options is what an Engine needs beside the configuration. All but Transport is
// required.
type Options struct {
	Store     *store.Store
	Open      func(shop string, sealed []byte) (grantToken string, err error)
	Shops     Shops
	Metrics   *status.Metrics
	Log       logrus.FieldLogger
	Instance  func() store.Instance // another with every call
	Now       func() time.Time
	Jitter    func(most time.Duration) time.Duration // a random time from 0 to most
	Transport http.RoundTripper                      // of the calls to e-conomic; nil: the client's own
	Pace      Pace
}

// Pace is what no configuration sets. Usual is what a lagerd has.
type Pace struct {
	PageSize     int           // items asked for on a page: 1 to plan.PageSize
	UnpackAtOnce int           // see reconcile.Options
	Writers      int           // see webhook.CommitterOptions
	ListingTurn  time.Duration // how long pages of a listing are read before its shop's hints get their turn
	LookForFree  time.Duration // how often it looks for leases that were given back
	Poll         time.Duration // how often it looks for what others have left
}

// Usual returns the pace of a lagerd.
func Usual() Pace {
	return Pace{PageSize: plan.PageSize, UnpackAtOnce: store.UnpackedHints, Writers: 1,
		ListingTurn: time.Second, LookForFree: 400 * time.Millisecond, Poll: time.Second}
}

// recordTimeout bounds one transaction that records webhooks: nothing else is
// recorded meanwhile.
const recordTimeout = 8 * time.Second

// Engine is a lagerd but its process: it records webhooks' hints and reconciles the
// shops whose lease it holds.
type Engine struct {
	o         Options
	committer *webhook.Committer
	current   atomic.Pointer[instance]
	next      chan *instance // that take the place of the current one
	ended     chan struct{}  // closed when Run has ended
}

// New returns an engine that holds no shop yet, or an error where the configuration
// is bad.
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

// NewClient returns a client that reaches e-conomic as the configuration says, with
// what else is given.
func NewClient(cfg config.Config, more economic.Options) (*economic.Client, error) {
	more.RESTURL, more.AppSecretToken = cfg.Economic.RESTURL, cfg.Economic.AppSecretToken.Reveal()
	more.Timeout, more.CallsPerSecond = cfg.Economic.Timeout, cfg.Economic.CallsPerSecond
	more.Wait = source.Waiting
	more.MaxURLBytes, more.MaxPDFBytes = cfg.Economic.MaxURLBytes, int64(cfg.PDF.MaxBytes)
	return economic.New(more)
}

// Run works until ctx is done, what is queued has been recorded and everything that it
// started has ended.
func (e *Engine) Run(ctx context.Context) {
	defer close(e.ended)
	var parts sync.WaitGroup
	defer parts.Wait()
	parts.Go(func() {
		if err := e.committer.Run(ctx); err != nil {
			e.o.Log.WithError(err).Error("queued hints could not be committed: their webhooks were not answered with success")
		}
	})
	for i := e.current.Load(); i != nil; i = e.runOne(ctx, i) {
		e.current.Store(i)
	}
}

// runOne runs an instance until ctx is done or another is to take its place, which it
// returns then.
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

// Reload takes over another configuration: the leases are given back and taken anew by
// another instance, while webhooks are recorded as before. It returns when that one
// runs, or an error where the configuration is bad, and then nothing has changed. How
// webhooks are recorded stays as it was.
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

// Instance returns the engine's name among the lease holders, which each reload changes.
func (e *Engine) Instance() string { return e.current.Load().info.Instance }

// ReconcileAll makes every shop due at once, also those that wait after a
// failure and those that lagerd paused.
func (e *Engine) ReconcileAll() { e.current.Load().scheduler.ReconcileAll() }

// SweepAll makes a sweep of every shop due at once.
func (e *Engine) SweepAll() { e.current.Load().scheduler.SweepAll() }

// Held returns how many shops are held.
func (e *Engine) Held() int { return e.current.Load().held() }

// hinted has a shop looked at, if it is held: so many hints have come for it.
func (e *Engine) hinted(shop string, hints int) { e.current.Load().scheduler.Hinted(shop, hints) }

// record commits webhooks' hints.
func (e *Engine) record(ctx context.Context, hints []webhook.Hint) error {
	records := make([]store.HintRecord, len(hints))
	for i, h := range hints {
		records[i] = store.HintRecord{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseWebhook, At: h.ReceivedAt}
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	err := e.o.Store.RecordWebhooks(ctx, records)
	if err != nil {
		e.o.Log.WithError(err).WithField("hints", len(hints)).Error("webhooks are answered 503: their hints could not be committed")
	}
	return err
}
