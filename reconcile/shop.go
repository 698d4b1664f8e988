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
	"lagerd/store"
)

// Shop reconciles one shop under its lease. It is used by one goroutine at a time.
// There are thousands, mostly idle: its maps are nil until something is put into them.
//
// Its parts have their own state, and each fails alone. What they share is here: how far
// the shop has got, its holds, and the one road by which anything is written (apply).
type Shop struct {
	*Reconciler
	holder
	log *logrus.Entry

	// Loaded at the first pass and kept while the lease is held: nobody else writes it.
	loaded   bool
	progress store.Progress
	warnings warnings
	inbox    *inbox.Inbox

	calls
	pass
	pruned time.Time

	*parts
}

// parts are what a shop is made of.
type parts struct {
	requests requests
	identity identity
	invoices *invoices
	stock    *stock
	pdfs     *pdfs
}

// part is stock, invoices or PDFs. Run reads what is due, plans, and stores; more reports
// that there is more to do at once.
type part interface {
	Run(ctx context.Context, due Due) (more bool, err error)
}

// pass is what is known from one pass to the next, and what the one under way has come to.
type pass struct {
	first  int  // the part with which the next pass begins
	failed bool // the last pass did
	found  int  // changes that this pass has stored
	hinted bool // it has recorded hints
}

// newParts returns the parts of a shop of which nothing has been read.
func newParts(s *Shop) *parts {
	of := func(scope plan.Scope, kind plan.Kind) gate { return gate{hints: hints{s, kind}, scope: scope} }
	return &parts{
		requests: requests{Shop: s},
		identity: identity{gate: of(plan.ScopeShop, "")},
		invoices: &invoices{gate: of(plan.ScopeInvoices, plan.KindInvoice)},
		stock:    newStock(of(plan.ScopeStock, plan.KindStock)),
		pdfs:     &pdfs{gate: of(plan.ScopePDFs, plan.KindInvoice)},
	}
}

// Due says what RunOnce is to do beside what is due anyway.
type Due struct {
	Tick      bool // the minute's reconciliation
	Sweep     bool // a pass over everything the agreement holds
	Work      bool // something may be due: hints, invoices to fetch, requests
	Requested bool // a person asked: what lagerd holds is tried at once
}

// Merge returns what is due by either.
func (d Due) Merge(o Due) Due {
	return Due{Tick: d.Tick || o.Tick, Sweep: d.Sweep || o.Sweep, Work: d.Work || o.Work, Requested: d.Requested || o.Requested}
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
	Short   error // not all that was due could be read: by the day's budget, or since the source refuses what is held for another reason
}

// RunOnce does for the shop what is due; cron, signals, commands and tests call it
// alike. Its parts fail apart from each other; the errors are joined. A panic is an
// error of its own shop.
//
//	unpack    webhooks that have come get their rows; a burst's rest waits for a listing
//	identity  is the token good, is it still the same agreement
//	parts     invoices, stock, PDFs: read ─▶ plan ─▶ apply, each in its Run
//	requests  people are told what came of what they asked for
func (s *Shop) RunOnce(ctx context.Context, due Due) (report Report, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.forget()
			s.log.WithField("stack", string(debug.Stack())).Error("a pass panicked")
			err = fmt.Errorf("shop %s: internal error: %v", s.shop.Shop, p)
		}
		s.failed = err != nil
		report.Short, report.Listing = s.identity.cutShort(report.Short), s.stock.sweep.listing != nil
	}()
	s.found, s.hinted, s.identity.self = 0, false, plan.SelfUnasked
	s.stock.losses.guard.Age(s.Now())
	asked, waiting, err := s.requests.open(ctx, &due)
	if err != nil {
		return Report{}, err
	}
	s.inbox.Begin(due.Work)
	unpacked := s.unpack(ctx, due.Requested)
	if outdated(unpacked) {
		return Report{}, unpacked
	}
	if err = s.load(ctx); err == nil {
		report, err = s.runParts(ctx, due)
		report.Tried = true
	}
	err = errors.Join(unpacked, err)
	if ctx.Err() != nil || outdated(err) {
		return report, err // the next pass, or whoever has the shop then, sees to the requests
	}
	if due.Tick && s.loaded {
		// Also where the tick failed: it may fail for weeks.
		err = errors.Join(err, s.prune(ctx))
	}
	report.Changes = s.found
	return report, errors.Join(err, s.requests.answer(ctx, &report, asked, waiting, err))
}

// runParts runs the parts of a shop that may be read.
func (s *Shop) runParts(ctx context.Context, due Due) (Report, error) {
	if s.shop.Paused() {
		return Report{Idle: true}, nil
	}
	if ready, err := s.identity.check(ctx, due); !ready || err != nil {
		return Report{Idle: true, Stopped: err != nil}, err
	}
	var report Report
	var errs []error
	parts := []part{s.invoices, s.stock, s.pdfs}
	for n := range parts {
		at := (s.first + n) % len(parts)
		more, err := parts[at].Run(ctx, due)
		report.Again = report.Again || more
		ends, next := s.identity.endsPass(ctx, err)
		if next {
			s.first = (at + 1) % len(parts)
		}
		if ends {
			report.Stopped = true
			return report, errors.Join(append(errs, err)...)
		}
		switch stop, _ := s.identity.stops(err, plan.ReadListing, 0); stop {
		case plan.StopDay:
			report.Short = err
		default:
			errs = append(errs, err)
		}
	}
	s.first = 0
	for _, g := range []*gate{&s.stock.gate, &s.invoices.gate, &s.pdfs.gate} {
		if report.Short == nil {
			report.Short = g.beside // no hold tells of it
		}
	}
	report.Again = report.Again || s.hinted
	err := errors.Join(errs...)
	report.Ticked = due.Tick && err == nil && report.Short == nil && s.stock.isTrue()
	return report, err
}

// load reads what is stored about the shop, once per lease and after each transaction of
// which it is not known whether it has been committed.
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
	s.calls.load(s.Source, s.progress)
	grant, err := s.Open(s.shop.Shop, s.shop.GrantToken)
	if err != nil {
		return errors.Join(err, s.identity.stop(ctx, plan.HeldBadToken, err.Error()))
	}
	account := s.budget.Account(grant)
	s.identity.account, s.stock.source = account, account.Stock(s.shop.StockFigure)
	s.invoices.source, s.invoices.rule = account.Invoices(s.shop.OrderField), rule
	if err = s.warnings.load(ctx, s.Store, s.shop.Shop); err != nil {
		return err
	}
	s.inbox.Forget()
	s.pdfs.waiting = true
	s.stock.changeover.restart()
	if s.base.IsZero() {
		s.base = s.Now()
	}
	s.loaded = true
	return nil
}

// Change takes over new settings. Nothing that was learnt with the former ones is
// kept, for it may be another agreement's, but what has been spent. So the token is
// asked whose it is before anything that it reads is stored, and those who have asked
// for a sweep under way get another.
func (s *Shop) Change(shop store.Shop) {
	*s = Shop{
		Reconciler: s.Reconciler, log: s.log,
		holder: holder{shop: shop, token: s.token, seq: s.seq, base: s.base},
		inbox:  inbox.New(s.Store, shop.Shop, s.UnpackAtOnce),
		calls:  s.calls, pruned: s.pruned,
	}
	s.parts = newParts(s)
}

// outdated reports whether nothing more can be written: the lease was lost, or the
// settings have been changed.
func outdated(err error) bool {
	return errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrSettingsChanged)
}

// forget has the next pass look at what is stored: whether a transaction that failed has
// been committed is not known.
func (s *Shop) forget() {
	s.stock.sweep.end()
	s.loaded, s.stock.sweep.settled = false, ""
}

// Holds returns what lagerd has stopped of the shop, as far as it is known.
func (s *Shop) Holds() plan.Holds { return s.progress.Holds }

// NoteFailure stores why the shop could not be reconciled, with its calls. Where the
// lease is lost, or the settings are others, the failure is of what is no more, and nil
// is returned.
func (s *Shop) NoteFailure(ctx context.Context, failure error) error {
	err := s.Store.MarkFailure(ctx, s.fence(), failure.Error(), s.Calls())
	if outdated(err) {
		return nil
	}
	return err
}
