package reconcile

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// Options is what reconciling shops needs. All of it is required.
type Options struct {
	Store    *store.Store
	Source   source.Service // where the shops are read
	Open     func(shop string, sealed []byte) (grantToken string, err error)
	Log      logrus.FieldLogger
	Observer Observer
	Now      func() time.Time
	Jitter   func(most time.Duration) time.Duration // a random time from 0 to most

	plan.Policy

	PDFConcurrency int           // PDFs fetched at once, per shop
	DailyCalls     int           // calls a day and agreement
	PageSize       int           // items asked for on a page: 1 to plan.PageSize
	ListingTurn    time.Duration // how long pages of a listing are read before its shop's hints get their turn: one page at least
	UnpackAtOnce   int           // hints that a transaction makes of a shop's webhooks, at least, if there are as many
	KeepHistory    time.Duration
	KeepHints      time.Duration // answered ones
}

// Observer is told what is stored, for metrics. Its methods must not block.
type Observer interface {
	Changed(shop string, changes []plan.Change, committed time.Time)
	PDFStored(shop string, size int)
	BadItem(shop string)
	Warned(shop string, kind plan.Kind) // fields of an item or invoice could not be understood, and the rest was taken
}

// Backoff returns how long to wait before what failed so many times is tried
// again: exponential with full jitter, so that many shops that failed together
// do not come back together.
func (o *Options) Backoff(failures int) time.Duration {
	longest := min(o.RetryMin<<min(max(failures-1, 0), 20), o.RetryMax)
	if longest <= 0 {
		longest = o.RetryMax
	}
	return o.RetryMin/2 + o.Jitter(longest)
}

// DueBy returns what is due at a time.
func (o *Options) DueBy(now time.Time) store.Due {
	longest := max(o.RetryMin+o.RetryMax, o.HeldRetry)
	for _, d := range o.Rereads {
		longest = max(longest, d)
	}
	return store.Due{By: now, Beyond: now.Add(longest + time.Minute)}
}

// Reconciler is what the shops of one lagerd share: its options, the slots in which
// pages are stored, and what e-conomic has said of the app's token. It is safe for
// concurrent use.
type Reconciler struct {
	Options
	pages    slots
	refusals refusals
}

// New returns a Reconciler.
func New(o Options) *Reconciler {
	return &Reconciler{Options: o, pages: newSlots(pagesAtOnce, pageWait)}
}

// Shop returns what reconciles a shop under the lease that token fences.
func (r *Reconciler) Shop(shop store.Shop, token int64) *Shop {
	return &Shop{
		Reconciler: r, shop: shop, token: token, log: r.Log.WithField("shop", shop.Shop),
		inbox: inbox.New(r.Store, shop.Shop, r.UnpackAtOnce),
	}
}

// Due says what RunOnce is to do beside what is due anyway.
type Due struct {
	Tick  bool // the minute's reconciliation
	Sweep bool // a pass over everything the agreement holds
	Work  bool // something may be due: hints, invoices to fetch, requests
	Asked bool // a person asked: what lagerd holds is tried at once
}

// Merge returns what is due by either.
func (d Due) Merge(o Due) Due {
	return Due{Tick: d.Tick || o.Tick, Sweep: d.Sweep || o.Sweep, Work: d.Work || o.Work, Asked: d.Asked || o.Asked}
}

// Report is what a RunOnce came to.
type Report struct {
	Ticked  bool // a tick was due and everything it covers was read and stored
	Changes int
	Again   bool  // there is more to do at once
	Listing bool  // a listing is under way, and goes on with the next pass
	Idle    bool  // the shop is paused, by a person or by lagerd
	Stopped bool  // an error kept it from all that was left to do
	Tried   bool  // it got as far as to do what it was asked for
	Short   error // not all that was due could be read: by the day's budget, or since e-conomic refuses what is held for another reason
}

// RunOnce does for the shop what is due; cron, signals, commands and tests call it
// alike. Its parts fail apart from each other; the errors are joined. A panic is an
// error of its own shop.
func (w *Shop) RunOnce(ctx context.Context, due Due) (report Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.forgetStored()
			w.log.WithField("stack", string(debug.Stack())).Error("a pass panicked")
			err = fmt.Errorf("shop %s: internal error: %v", w.shop.Shop, p)
		}
		w.failed = err != nil
		report.Short, report.Listing = w.cutShort(report.Short), w.sweep != nil
	}()
	return w.pass(ctx, due)
}

// Settings returns the settings that the shop is reconciled with.
func (w *Shop) Settings() store.Shop { return w.shop }

// Token returns the fencing token of the shop's lease.
func (w *Shop) Token() int64 { return w.token }

// Holds returns what lagerd has stopped of the shop, as far as it is known.
func (w *Shop) Holds() plan.Holds { return w.progress.Holds }

// Calls returns the shop's calls of the day, as far as its budget is known.
func (w *Shop) Calls() store.DayCalls {
	if w.budget == nil {
		return store.DayCalls{}
	}
	b := w.budget.State()
	return store.DayCalls{CallsDay: b.Day, Calls: w.others.own(b)}
}

// NoteFailure stores why the shop could not be reconciled, with its calls. Where the
// lease is lost, or the settings are others, the failure is of what is no more, and nil
// is returned.
func (w *Shop) NoteFailure(ctx context.Context, failure error) error {
	err := w.Store.MarkFailure(ctx, w.fence(), failure.Error(), w.Calls())
	if outdated(err) {
		return nil
	}
	return err
}
