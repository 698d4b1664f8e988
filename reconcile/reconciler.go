package reconcile

import (
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// Options configures a Reconciler. Every field is required.
type Options struct {
	Store        *store.Store
	Source       source.Service // where shops are read from
	Open         func(shop string, sealed []byte) (grantToken string, err error)
	Rackbeat     source.StockService // where stock is read that is kept in Rackbeat
	OpenRackbeat func(shop string, sealed []byte) (key string, err error)
	Log          logrus.FieldLogger
	Observer     Observer
	Now          func() time.Time
	Jitter       func(most time.Duration) time.Duration // a random time from 0 to most

	plan.Policy
	Limits
}

// Limits are how much is read and stored at once, how many calls a day a shop's services allow,
// and for how long rows are kept.
type Limits struct {
	DailyCalls         int           // calls a day and agreement
	RackbeatDailyCalls int           // calls a day and account of Rackbeat
	PageSize           int           // items per page: 1 to plan.PageSize
	ListingTurn        time.Duration // how long a listing reads pages before its shop's hints get their turn: one page at least
	PDFConcurrency     int           // PDFs fetched at once, per shop
	UnpackAtOnce       int           // minimum number of webhooks unpacked per transaction, if there are that many
	HintCaps           plan.HintCaps // of a shop's open hints
	KeepHistory        time.Duration
	KeepHints          time.Duration // answered ones
}

// Observer is told what is stored, for metrics. Its methods must not block.
type Observer interface {
	Changed(shop string, changes []plan.Change, committed time.Time)
	PDFStored(shop string, size int)
	BadItem(shop string)
	Warned(shop string, kind plan.Kind)           // fields of an item or invoice could not be understood; the rest was stored
	Overflowed(shop string, marked, tooOld int64) // webhooks that no hint is kept for: a sweep covers them, or they are of invoices before the shop's start
}

// Backoff returns how long to wait after the given number of failures in a row. It grows
// exponentially with full jitter, so that shops that failed together do not retry together.
func (o *Options) Backoff(failures int) time.Duration { return o.backoff(failures, o.RetryMax) }

// LongBackoff is Backoff for what may never come, such as an invoice's PDF: in the end it is
// tried once a day.
func (o *Options) LongBackoff(failures int) time.Duration {
	return o.backoff(failures, max(longestBackoff, o.RetryMax))
}

const longestBackoff = 24 * time.Hour

func (o *Options) backoff(failures int, most time.Duration) time.Duration {
	longest := min(o.RetryMin<<min(max(failures-1, 0), 20), most)
	if longest <= 0 {
		longest = most
	}
	return o.RetryMin/2 + o.Jitter(longest)
}

// WorkDueBy is DueBy for what invoices lack.
func (o *Options) WorkDueBy(now time.Time) store.Due {
	due := o.DueBy(now)
	due.Beyond = due.Beyond.Add(longestBackoff)
	return due
}

// DueBy returns the range of due times of hints that are due at now.
func (o *Options) DueBy(now time.Time) store.Due {
	longest := max(o.RetryMin+o.RetryMax, o.HeldRetry)
	for _, d := range o.Rereads {
		longest = max(longest, d)
	}
	return store.Due{By: now, Beyond: now.Add(longest + time.Minute)}
}

// Reconciler is shared by all shops of one lagerd: the options, the slots for storing pages,
// and what e-conomic said of the app's token. It is safe for concurrent use.
type Reconciler struct {
	Options
	pageSlots slots
	refusals  refusals
}

// New returns a Reconciler.
func New(o Options) *Reconciler {
	return &Reconciler{Options: o, pageSlots: newSlots(pagesAtOnce, pageWait)}
}

// Shop returns a Shop that writes under the lease that token fences. The settings are kept and
// must not change.
func (r *Reconciler) Shop(shop *store.Shop, token int64) *Shop {
	s := &Shop{
		Reconciler: r,
		holder:     holder{shop: shop, token: token},
		inbox:      r.newInbox(shop),
	}
	s.components = newComponents(s, &calls{})
	return s
}

func (r *Reconciler) newInbox(shop *store.Shop) *inbox.Inbox {
	return inbox.New(r.Store, shop.Shop, inbox.Options{Datasets: shop.Datasets(), AtOnce: r.UnpackAtOnce, Caps: store.Caps{
		HintCaps: r.HintCaps, FirstInvoice: shop.InvoicesFromNumber, InvoicesFrom: shop.InvoicesFrom,
	}})
}

// farAway is later than any hint is due.
const farAway = 100 * 365 * 24 * time.Hour

// since returns how long ago a stored time is. A time in the future was stored by a clock that
// was ahead: it counts as long ago, so that nothing waits for it.
func (r *Reconciler) since(t time.Time) time.Duration {
	if d := r.Now().Sub(t); d >= 0 {
		return d
	}
	return farAway
}

func (r *Reconciler) due() store.Due { return r.DueBy(r.Now()) }

func (r *Reconciler) workDue() store.Due { return r.WorkDueBy(r.Now()) }

// retryAt returns when to retry after the given number of failures in a row.
func (r *Reconciler) retryAt(failures int) time.Time { return r.Now().Add(r.Backoff(failures)) }
