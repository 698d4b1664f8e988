package reconcile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// Shop reconciles one shop under its lease. It is used by one goroutine at a time. There are
// thousands of them, mostly idle, so maps are nil until something is put into them.
//
// Each part has its own state and fails on its own. What they share is here: the shop's
// progress, its holds, and apply, which writes what they read. Unpacking, pruning, requests and
// failures have transactions of their own, under the same fence.
type Shop struct {
	*Reconciler
	holder

	// Loaded by the first pass and kept while the lease is held: nobody else writes it.
	loaded   bool
	progress store.Progress
	warnings warnings
	inbox    *inbox.Inbox

	calls
	agreement source.Budget // calls.budget, with e-conomic's way to open the agreement's account
	passState
	pruned

	*components
}

// components are what RunOnce runs: the parts, and what goes before and after them.
type components struct {
	unpacker unpacker
	requests requests
	accounts accounts
	identity *identity // e-conomic's
	invoices *invoices // finds and stores booked invoices
	stock    *stock    // the items' figures
	pdfs     *pdfs     // what stored invoices lack: lines and PDFs
}

// part is stock, invoices or PDFs. Run reads what is due, plans, and stores; more reports that
// there is more to do immediately. readBy returns the identity with whose token it reads.
type part interface {
	Run(ctx context.Context, due Due) (more bool, err error)
	readBy() *identity
}

// passState is what a pass leaves for the next one, and the result of the running one.
type passState struct {
	tick   time.Time // when the tick of this pass began; zero: this pass is no tick
	first  int       // index of the part that the next pass starts with
	failed bool      // the last pass failed
	found  int       // changes stored by this pass
	hinted bool      // this pass recorded hints
}

// newComponents returns the components of a shop that has not been read yet. If its stock has a
// source of its own, e-conomic's token reads only invoices and PDFs, and stockCalls are the calls to that
// source.
func newComponents(s *Shop, stockCalls *calls) *components {
	scope := plan.ScopeShop
	if s.shop.ReadsRackbeat() {
		scope = plan.ScopeInvoices
	}
	agreement := newIdentity(s, scope)
	account, made := agreement, &s.calls
	if s.shop.ReadsRackbeat() {
		account, made = newIdentity(s, plan.ScopeStock), stockCalls
	}
	of := func(scope plan.Scope, kind plan.Kind, by *identity) gate {
		return gate{hints: hints{s, kind}, scope: scope, by: by}
	}
	return &components{
		unpacker: unpacker{s},
		requests: requests{Shop: s},
		accounts: accounts{s},
		identity: agreement,
		invoices: newInvoices(of(plan.ScopeInvoices, plan.KindInvoice, agreement)),
		stock:    newStock(of(plan.ScopeStock, plan.KindStock, account), made),
		pdfs:     newPDFs(of(plan.ScopePDFs, plan.KindInvoice, agreement)),
	}
}

// Due says what RunOnce has to do in addition to what is due anyway.
type Due struct {
	Tick      bool // the minute's reconciliation
	Sweep     bool // a listing of everything the agreement holds
	Work      bool // something may be due: hints, invoices to fetch, requests
	Requested bool // a person asked: held parts are tried immediately
}

// Merge returns the union of both.
func (d Due) Merge(o Due) Due {
	return Due{Tick: d.Tick || o.Tick, Sweep: d.Sweep || o.Sweep, Work: d.Work || o.Work, Requested: d.Requested || o.Requested}
}

// Report is the result of a RunOnce.
type Report struct {
	Ticked     time.Time // when the tick began that has now come to its end: everything it covers has been read and stored; zero: none has
	Changes    int
	Again      bool          // there is more to do immediately
	Listing    bool          // a listing is running and continues in the next pass
	After      time.Duration // until the running listing may continue, unless there is something else to do before; 0: it does not pause
	Idle       bool          // nothing was read: the shop is paused or held, or /self could not be read
	Stopped    bool          // an error kept the pass from doing the rest
	Tried      bool          // the pass got as far as trying what was requested
	Beside     *Beside       // nil: nothing
	Short      error         // why not everything due was read: the budget, for the day or for now; a part is refused and held for another reason; or Partial
	RetryAfter time.Duration // with an error: until what is read with one of its tokens is tried again; 0: that is the caller's to decide
	Partial    bool          // what is read with one of the shop's tokens failed, or has not been answered yet, and the rest did not
}

// Beside are calls to be made at once, beside the passes, each until it ends or the lease is lost.
// When one has ended there may be work.
type Beside struct{ Calls []func(context.Context) }

// RunOnce does what is due for the shop. The scheduler calls it, whether a tick, hints, a signal or a
// person's request made the shop due. Its parts fail independently, and it returns their errors
// joined. While what is read with one of two tokens goes on, the other's error is in Report.Short
// instead. A panic becomes an error of this shop.
//
//	unpack    recorded webhooks get their rows; the rest of a burst waits for a listing
//	identity  is the token valid, is it still the same agreement; likewise for the stock's own source
//	parts     invoices, stock, PDFs: read ─▶ plan ─▶ apply, each in its Run
//	prune     in a tick: rows past their retention are deleted
//	requests  report the outcome to whoever requested the run
func (s *Shop) RunOnce(ctx context.Context, due Due) (report Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.forget()
			s.log().WithField("stack", string(debug.Stack())).Error("pass panicked")
			err = fmt.Errorf("shop %s: internal error: %v", s.shop.Shop, p)
		}
		s.failed = err != nil
		report.Short, report.Listing, report.After = s.identity.cutShort(report.Short), s.stock.sweep.listing != nil, s.stock.sweep.pauses()
		report.Beside = s.identities().asks()
	}()
	s.found, s.hinted = 0, false
	for _, i := range s.identities() {
		i.begin()
	}
	s.stock.losses.guard.ExpireApproval(s.Now())
	ticks, waiting, err := s.requests.open(ctx, &due)
	if err != nil {
		return Report{}, err
	}
	if s.tick = (time.Time{}); due.Tick {
		s.tick = s.Now()
	}
	s.inbox.Begin(due.Work)
	unpacked := s.unpacker.unpack(ctx, due.Requested)
	if outdated(unpacked) {
		return Report{}, unpacked
	}
	if err = s.load(ctx); err == nil {
		report, err = s.runParts(ctx, due)
		report.Tried = true
	}
	err = errors.Join(unpacked, err)
	if ctx.Err() != nil || outdated(err) {
		return report, err // the next pass, or the next holder of the lease, answers the requests
	}
	if due.Tick && s.loaded {
		// Even if the tick failed: it may fail for weeks.
		err = errors.Join(err, s.prune(ctx, s))
	}
	report.Changes = s.found
	err = errors.Join(err, s.requests.answer(ctx, &report, ticks, waiting, err))
	return report, err
}

// load reads the stored state of the shop, once per lease and after each transaction whose
// outcome is unknown.
func (s *Shop) load(ctx context.Context) (err error) {
	if s.loaded {
		return nil
	}
	if s.progress, err = s.Store.Progress(ctx, s.shop.Shop); err != nil {
		return err
	}
	if err = s.stock.losses.load(ctx); err != nil {
		return err
	}
	rule := plan.OrderRule{Field: s.shop.OrderField}
	if s.shop.OrderPattern != "" {
		if rule.Pattern, err = regexp.Compile(s.shop.OrderPattern); err != nil {
			return fmt.Errorf("shop %s: order pattern: %w: correct it with `lagerd shops set %s --order-pattern …`", s.shop.Shop, err, s.shop.Shop)
		}
	}
	s.invoices.rule = rule
	if err = s.accounts.open(ctx); err != nil {
		return err
	}
	if err = s.warnings.load(ctx, s.Store, s.shop.Shop); err != nil {
		return err
	}
	// Items were left out of the last listing: until the next one, nobody knows how many.
	s.stock.unread.unclear = s.warnings.leavesOut(plan.KindStock)
	s.stock.sweep.wanted = s.stock.sweep.wanted || s.stock.unread.unclear
	s.inbox.Forget(s.progress.MarkedStock, s.progress.MarkedInvoices)
	s.pdfs.waiting = true // not known until they are read
	s.stock.changeover.restart()
	if s.base.IsZero() { // a reload keeps the clock that orders observations, see steady
		s.base = s.Now()
	}
	s.loaded = true
	return nil
}

// log returns the shop's log. It is not kept: most shops have nothing to say.
func (s *Shop) log() *logrus.Entry { return s.Log.WithField("shop", s.shop.Shop) }

// Close ends the work on the shop, once its last pass has ended.
func (s *Shop) Close() {
	s.calls.close()
	s.stock.calls.close()
}

// Change replaces the settings. It drops everything learnt under the old ones, which may belong
// to another agreement, except the calls spent. The next pass therefore checks whose the token
// is before it stores anything. A running sweep is dropped; requests that wait for it get a new one.
func (s *Shop) Change(shop *store.Shop) {
	stockCalls := &calls{}
	if s.stock.by != s.identity {
		stockCalls = s.stock.calls
	}
	*s = Shop{
		Reconciler: s.Reconciler,
		holder:     holder{shop: shop, token: s.token, seq: s.seq, base: s.base},
		inbox:      s.newInbox(shop),
		calls:      s.calls, agreement: s.agreement, pruned: s.pruned,
	}
	s.components = newComponents(s, stockCalls)
	if s.stock.by == s.identity {
		stockCalls.close()
	}
}

// outdated reports whether the pass can do nothing more: the lease is lost, the settings have
// changed, or another lagerd is to take the shop.
func outdated(err error) bool {
	return errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrSettingsChanged) || errors.Is(err, store.ErrAccountHeld)
}

// forget makes the next pass reload the stored state, after a transaction whose outcome is
// unknown.
func (s *Shop) forget() {
	s.stock.sweep.end()
	s.loaded, s.stock.sweep.lastContent = false, ""
}

// Holds returns the shop's holds, as of the last transaction.
func (s *Shop) Holds() plan.Holds { return s.progress.Holds }

// SaveFailure stores why the shop could not be reconciled, with its calls. It returns nil if
// the lease is lost or the settings have changed: the failure is then outdated.
func (s *Shop) SaveFailure(ctx context.Context, failure error) error {
	err := s.Store.MarkFailure(ctx, s.fence(), failure.Error(), s.Calls(), s.Now())
	if outdated(err) {
		return nil
	}
	return err
}
