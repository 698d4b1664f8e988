package reconcile

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// invoices is the part that stores booked invoices; pdfs reads their lines and PDFs.
type invoices struct {
	gate
	reader  invoiceReader
	source  source.Invoices
	rule    plan.OrderRule // which field of an invoice holds the shop's order number
	gapTurn int            // where the next tick continues in a long list of gaps
}

func newInvoices(g gate) *invoices {
	i := &invoices{gate: g}
	i.reader = invoiceReader{i}
	return i
}

// Run finds and stores newly booked invoices and answers the hints of invoices.
func (i *invoices) Run(ctx context.Context, due Due) (more bool, err error) {
	if !i.shop.InvoicesOn {
		return false, i.dismiss(ctx, due.Requested, plan.HintInvoicesOff, "")
	}
	if i.forbidden() && !i.dueForTry(due.Requested) {
		return false, i.postponeHeld(ctx, due.Requested)
	}
	return false, i.holdIfRefused(ctx, i.readDue(ctx, due))
}

func (i *invoices) readDue(ctx context.Context, due Due) error {
	hints, err := i.loadHints(ctx, due)
	if err != nil {
		return err
	}
	if i.forbidden() {
		if open, err := i.reader.try(ctx, hints); err != nil || !open {
			return err
		}
	}
	if !i.progress.InvoicesBegun {
		if err := i.begin(ctx, hints); err != nil {
			return err
		}
	} else if due.Tick || due.Sweep {
		if err := i.readBooked(ctx, hints); err != nil {
			return err
		}
	}
	if err := i.reader.read(ctx, due.Requested, hints); err != nil {
		return err
	}
	sweep, err := i.sweepDue(ctx, due)
	if sweep && err == nil {
		return i.sweep(ctx, due, hints)
	}
	return err
}

// sweepDue reports whether to sweep. A marked shop is swept more often, within the sweeps' share
// of calls.
func (i *invoices) sweepDue(ctx context.Context, due Due) (bool, error) {
	since, every := i.since(i.progress.InvoicesSweptAt.Time), i.SweepEvery
	if due.Sweep || due.Tick && since >= every {
		return true, nil
	}
	if !due.Tick || !i.inbox.Marked(plan.KindInvoice) {
		return false, nil
	}
	stored, err := i.Store.CountInvoices(ctx, i.shop.Dataset)
	usual, _ := plan.SweepInterval(stored, i.PageSize, i.DailyCalls, every)
	return since >= usual, err
}

// invoicesPage is one page of invoices.
type invoicesPage = source.Page[plan.Invoice]

// pages reads the result of q page by page. The first page records that e-conomic answers.
func (i *invoices) pages(ctx context.Context, p source.Priority, q source.InvoicesQuery) iter.Seq2[invoicesPage, error] {
	return source.Pages("invoices", func(link source.Link) (invoicesPage, error) {
		page, err := i.source.List(ctx, p, q, link)
		if err == nil && link == "" {
			err = i.readSucceeded(ctx, "")
		}
		return page, err
	})
}

// begin sets the starting point of a new shop and reads up to it: the invoices from its start
// date or start number on. From then on everything above the highest number booked at that time
// is read. Nothing older is downloaded unless hinted.
func (i *invoices) begin(ctx context.Context, hints inbox.Hints) error {
	if i.shop.InvoicesFrom == "" {
		window := plan.Window{Cursor: max(0, i.shop.InvoicesFromNumber-1)}
		return i.list(ctx, source.InvoicesQuery{HasAfter: true, After: window.Cursor},
			invoicesBatch{cause: plan.CauseSweep, first: true, hints: hints, window: &window}, invoicesBegun)
	}
	top, err := i.source.List(ctx, source.PriorityInvoice, source.InvoicesQuery{Descending: true}, "")
	if err == nil {
		err = i.readSucceeded(ctx, "")
	}
	if err != nil {
		return err
	}
	var numbers []int64
	for _, inv := range top.Observed {
		numbers = append(numbers, inv.Number)
	}
	announced := top.Announced
	if err := plan.TellsHighest(numbers, announced, top.Size(), top.Next != ""); err != nil {
		return fmt.Errorf("shop %s: e-conomic: %w: the invoices are asked for again", i.shop.Shop, err)
	}
	if top.Next != "" {
		announced = max(announced, top.Size()+1)
	}
	window := plan.StartWindow(append(numbers, numbersOfUnreadable(top.Unreadable)...), announced, i.Now(), i.GapWindow)
	return i.list(ctx, source.InvoicesQuery{DateFrom: i.shop.InvoicesFrom},
		invoicesBatch{cause: plan.CauseSweep, first: true, hints: hints}, func(began time.Time) store.Applied {
			a := invoicesBegun(began)
			a.Window = &window
			return a
		})
}

// invoicesBegun is stored with the last page of a listing of all invoices.
func invoicesBegun(began time.Time) store.Applied {
	return store.Applied{Progress: store.Patch{InvoicesBegun: new(true), InvoicesSweptAt: new(store.At(began))}}
}

// readBooked reads what was booked above the cursor, and as many of the gaps below it as fit in
// one call. If not all fit, the ticks take them in turn.
func (i *invoices) readBooked(ctx context.Context, hints inbox.Hints) error {
	window := i.progress.Window()
	gaps, next := window.Ask(i.gapTurn, i.source.Together)
	i.gapTurn = next
	q := source.InvoicesQuery{HasAfter: true, After: window.Cursor, Ranges: gaps}
	return i.list(ctx, q, invoicesBatch{cause: plan.CauseTick, hints: hints, window: &window}, nil)
}

// sweep lists all invoices since the shop's start. It finds those that no number, gap or
// webhook revealed.
func (i *invoices) sweep(ctx context.Context, due Due, hints inbox.Hints) error {
	q := source.InvoicesQuery{DateFrom: i.shop.InvoicesFrom}
	if i.shop.InvoicesFrom == "" {
		q = source.InvoicesQuery{HasAfter: true, After: max(0, i.shop.InvoicesFromNumber-1)}
	}
	marks, err := i.inbox.TakeMarks(ctx, plan.KindInvoice)
	if err != nil {
		return err
	}
	b := invoicesBatch{cause: plan.CauseSweep, hints: hints, compared: plan.NewComparison(q.After, q.DateFrom), marked: len(marks) > 0}
	err = i.list(ctx, q, b, func(began time.Time) store.Applied {
		a := invoicesBegun(began)
		a.Unmark = marks
		return a
	})
	if err != nil && len(marks) > 0 {
		i.inbox.Remark(plan.KindInvoice)
	}
	if stop, _ := i.by.stops(err, plan.ReadListing, 0); stop == plan.StopDay && !due.Sweep {
		return nil // the sweeps' share of the day is spent: the next tick tries again
	}
	return err
}

// invoicesBatch says how to store the invoices of a read.
type invoicesBatch struct {
	cause    plan.Cause
	asked    plan.Asked // what the read asked for
	first    bool
	hints    inbox.Hints
	window   *plan.Window       // the window before a read by number from its cursor on, which moves it; nil: any other read
	lines    map[int64][]string // the items on invoices that were read alone
	notFound []int64
	nameless []plan.Unreadable // requested numbers that did not come while one came whose number is unreadable
	left     *leftOut          // by the listing; nil: not a listing
	last     bool              // this is its last page
	compared *plan.Comparison  // with what is stored, for a listing of everything; else nil
	marked   bool              // it deals with webhooks that no hint was kept for
}

// list reads a listing of invoices to its end and stores it page by page; atEnd, if not nil,
// returns what the last page's transaction stores in addition.
func (i *invoices) list(ctx context.Context, q source.InvoicesQuery, b invoicesBatch, atEnd func(began time.Time) store.Applied) error {
	priority := source.PriorityTick
	switch {
	case b.first:
		priority = source.PriorityInvoice
	case b.cause == plan.CauseSweep:
		priority = source.PrioritySweep
	}
	var began time.Time
	b.left, b.asked = &leftOut{}, q.Asked()
	for page, err := range i.pages(ctx, priority, q) {
		if err != nil {
			return cameShort(i.shop.Shop, "e-conomic", err, "they are read again")
		}
		if began.IsZero() {
			began = page.Began
		}
		also := store.Applied{}
		if b.last = page.Next == ""; b.last && atEnd != nil {
			also = atEnd(began)
		}
		if err := i.store(ctx, page, b, also); err != nil {
			return err
		}
	}
	return nil
}

// store plans and applies one page of invoices.
func (i *invoices) store(ctx context.Context, page invoicesPage, b invoicesBatch, also store.Applied) error {
	came, _ := i.shown(page)
	unread := numbersOfUnreadable(page.Unreadable)
	stored, err := i.Store.StoredInvoices(ctx, i.shop.Dataset, slices.Concat(came, unread))
	if err != nil {
		return err
	}
	if also.Mixed, err = i.compare(ctx, b.compared, page, unread, b.last); err != nil {
		return err
	}
	asked, bad, strays := b.asked.Sort(page.Observed, page.Unreadable, stored, b.hints)
	i.leaveStrays(strays, b)
	page.Observed, page.Unreadable = asked, bad
	numbers, incomplete := i.shown(page)
	now := i.Now()
	p := plan.Invoices(plan.InvoicesInput{
		Cause: b.cause, First: b.first, Began: page.Began, Observed: page.Observed, Stored: stored, Incomplete: incomplete,
		Start: startOf(i.shop, i.progress), Hints: b.hints, NotFound: b.notFound, Rule: i.rule, Now: now, Rereads: i.rereadsOf(b),
		Marked: b.marked || i.inbox.Marked(plan.KindInvoice),
	})
	a := also
	a.Invoices, a.Completed, a.Changes, a.Answered, a.Rereads = p.Rows, p.Completed, p.Changes, p.Answered, p.Rereads
	a.TooOld = p.TooOld
	a.Warnings = i.warnings.ofInvoices(a.Warnings, slices.Concat(p.Rows, p.Completed), i.warned)
	if len(p.Late) > 0 {
		a.Late = map[plan.Kind][]string{plan.KindInvoice: p.Late}
	}
	// An invoice that could not be understood does not count as seen: its number becomes a gap
	// too, and each tick reads it again.
	unreadable := i.keepUnread(&a, slices.Concat(page.Unreadable, b.nameless), stored, b)
	if b.left.addNameless(page.Unreadable); b.left != nil && b.last {
		a.Warnings = append(a.Warnings, i.warnings.ofLeftOut(plan.KindInvoice, *b.left, b.cause == plan.CauseSweep)...)
	}
	if b.window != nil {
		a.Window = new(b.window.Advance(numbers, now, i.GapWindow))
	}
	for n, lines := range b.lines {
		a.Lines = append(a.Lines, n)
		a.Hints = append(a.Hints, i.pdfs.lineHints(lines, now)...)
	}
	if err := i.unpacker.applyLines(ctx, a); err != nil {
		return err
	}
	if b.window != nil {
		*b.window = *a.Window
	}
	i.unpacker.leftOld(p.TooOld)
	i.pdfs.waiting = i.pdfs.waiting || len(a.Invoices) > 0
	i.inbox.Wrote(b.hints, inbox.Outcome{Answered: p.Answered, Rereads: p.Rereads})
	if unreadable.Wait(b.hints); len(unreadable.Postponed) > 0 {
		i.inbox.Reopen(plan.KindInvoice)
	}
	return nil
}

// startOf returns where a shop's invoices begin.
func startOf(shop *store.Shop, p store.Progress) plan.InvoicesStart {
	return plan.InvoicesStart{Date: shop.InvoicesFrom, Number: shop.InvoicesFromNumber, Window: p.Window()}
}

// shown returns the numbers of a page's invoices, and which of them are stored incomplete.
func (i *invoices) shown(page invoicesPage) (numbers []int64, incomplete map[int64]bool) {
	numbers, incomplete = make([]int64, 0, len(page.Observed)), map[int64]bool{}
	for _, inv := range page.Observed {
		numbers = append(numbers, inv.Number)
		if i.warnings.incomplete(inv.Number) {
			incomplete[inv.Number] = true
		}
	}
	return numbers, incomplete
}

// rereadsOf returns the delays between reads of the invoices that a read did not find. There are
// none while there is no call for unknown numbers: ticks list new invoices anyway.
func (i *invoices) rereadsOf(b invoicesBatch) []time.Duration {
	if len(b.notFound) > 0 && i.budget.Spare(source.PriorityUnknown) == 0 {
		return nil
	}
	return i.Rereads
}

// leaveStrays counts the invoices that came although they were not asked for, and warns of them.
func (i *invoices) leaveStrays(s plan.Strays, b invoicesBatch) {
	if s.Count == 0 {
		return
	}
	level := logrus.WarnLevel
	if b.left != nil { // a warning is stored, and logged once
		b.left.strays.Add(s)
		level = logrus.DebugLevel
	}
	i.log().WithFields(map[string]any{"kind": plan.KindInvoice, "invoices": s.Count, "number": s.Example.Number, "date": s.Example.Date}).
		Log(level, "e-conomic sent invoices that were not asked for: they are not stored")
}

// nameless reports whether even the number could not be understood.
func nameless(u plan.Unreadable) bool { return u.Number == "" }

// numbersOfUnreadable returns the numbers of invoices that could not be understood, omitting
// unreadable ones.
func numbersOfUnreadable(list []plan.Unreadable) []int64 {
	var numbers []int64
	for _, u := range list {
		if n, err := strconv.ParseInt(u.Number, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
