package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
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
	source  source.Invoices
	rule    plan.OrderRule // which field of an invoice holds the shop's order number
	gapTurn int            // where the next tick continues in a long list of gaps
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
		if open, err := i.try(ctx, hints); err != nil || !open {
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
	if err := i.readHinted(ctx, due.Requested, hints); err != nil {
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

// try tries invoices held as forbidden by the hinted numbers that are not stored, the highest
// first. open is that of probe.
func (i *invoices) try(ctx context.Context, hints inbox.Hints) (open bool, err error) {
	var newest []int64
	for number, h := range hints {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 && i.due().Includes(h.DueAt) {
			newest = append(newest, n)
		}
	}
	stored, err := i.Store.StoredInvoices(ctx, i.shop.Dataset, newest)
	if err != nil {
		return false, err
	}
	newest = slices.DeleteFunc(newest, func(n int64) bool { return stored[n] })
	slices.SortFunc(newest, func(a, b int64) int { return cmp.Compare(b, a) })
	refused := func(n int64) bool {
		number := strconv.FormatInt(n, 10)
		return hints[number].Refused || i.streak.Known(number)
	}
	return probe(&i.gate, newest, refused, func(n int64) error { return i.readOne(ctx, source.PriorityHint, n, hints) })
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
		Hints: b.hints, NotFound: b.notFound, Rule: i.rule, Now: now, Rereads: i.rereadsOf(b),
		Marked: b.marked || i.inbox.Marked(plan.KindInvoice),
	})
	a := also
	a.Invoices, a.Completed, a.Changes, a.Answered, a.Rereads = p.Rows, p.Completed, p.Changes, p.Answered, p.Rereads
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
	if err := i.apply(ctx, a); err != nil {
		return err
	}
	if b.window != nil {
		*b.window = *a.Window
	}
	i.pdfs.waiting = i.pdfs.waiting || len(a.Invoices) > 0
	i.inbox.Wrote(b.hints, inbox.Outcome{Answered: p.Answered, Rereads: p.Rereads})
	if unreadable.Wait(b.hints); len(unreadable.Postponed) > 0 {
		i.inbox.Reopen(plan.KindInvoice)
	}
	return nil
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
	i.log.WithFields(map[string]any{"kind": plan.KindInvoice, "invoices": s.Count, "number": s.Example.Number, "date": s.Example.Date}).
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

// readHinted reads the hinted invoices that no listing has shown.
func (i *invoices) readHinted(ctx context.Context, requested bool, hints inbox.Hints) error {
	var numbers []int64
	senseless := inbox.Hints{}
	due := i.due()
	for _, number := range slices.Sorted(maps.Keys(hints)) {
		if !due.Includes(hints[number].DueAt) {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 {
			senseless[number] = hints[number]
			continue
		}
		numbers = append(numbers, n)
	}
	if err := i.answerAll(ctx, senseless, plan.HintNoNumber, ""); err != nil {
		return err
	}
	stored, err := i.Store.StoredInvoices(ctx, i.shop.Dataset, numbers)
	if err != nil {
		return err
	}
	var known, unknown []int64
	for _, n := range numbers {
		if stored[n] && !i.warnings.incomplete(n) { // booked invoices are immutable: only the PDF may be missing
			known = append(known, n)
		} else {
			unknown = append(unknown, n)
		}
	}
	for piece := range slices.Chunk(known, store.RowsPerPiece) {
		page, work := invoicesPage{Began: i.Now()}, store.Applied{}
		for _, n := range piece {
			page.Observed = append(page.Observed, plan.Invoice{Number: n})
			// A webhook makes it due and no more: else a flood of them would repeat a try that is in vain.
			asked := hints[strconv.FormatInt(n, 10)].Cause == plan.CauseOperator
			work.Work = append(work.Work, store.WorkResult{Number: n, DueAt: page.Began, Keep: !asked})
		}
		if err := i.store(ctx, page, invoicesBatch{cause: plan.CauseWebhook, hints: hints}, work); err != nil {
			return err
		}
		i.pdfs.waiting = true
	}
	return i.readUnknown(ctx, requested, unknown, hints)
}

// readUnknown reads hinted invoices that are not stored, those that a person asks for first. The
// others it reads while their small allowance lasts, and postpones the rest: ticks list new
// invoices anyway.
func (i *invoices) readUnknown(ctx context.Context, requested bool, numbers []int64, hints inbox.Hints) error {
	var persons, others []int64
	for _, n := range numbers {
		number := strconv.FormatInt(n, 10)
		if hints[number].Cause == plan.CauseOperator {
			persons = append(persons, n)
			continue
		}
		others = append(others, n)
	}
	if err := i.readMany(ctx, source.PriorityPerson, persons, hints); err != nil {
		return err
	}
	err := i.readMany(ctx, source.PriorityUnknown, others, hints)
	if stop, _ := i.by.stops(err, plan.ReadNumber, 0); stop != plan.StopDay || requested {
		return err
	}
	// Each waits for its turn: they would all be looked at, and postponed, again and again.
	wait, turn := max(source.RetryAfter(err), time.Second), 0
	for piece := range slices.Chunk(others, store.RowsPerPiece) {
		left := inbox.Hints{}
		for _, n := range piece {
			number := strconv.FormatInt(n, 10)
			if h, open := hints[number]; open && i.due().Includes(h.DueAt) {
				left[number] = h
			}
		}
		if len(left) == 0 {
			continue
		}
		turn++
		if err := i.postponeAll(ctx, left, i.Now().Add(min(wait*time.Duration(turn), i.RetryMax)), plan.HintAwaitsListing, ""); err != nil {
			return err
		}
	}
	return nil
}

// readOne reads one invoice with its lines.
func (i *invoices) readOne(ctx context.Context, p source.Priority, n int64, hints inbox.Hints) error {
	page, items, err := i.source.Invoice(ctx, p, n)
	number := strconv.FormatInt(n, 10)
	if err != nil {
		return i.readFailed(ctx, hints, number, err, new(int))
	}
	if err := i.readSucceeded(ctx, number); err != nil {
		return err
	}
	b := invoicesBatch{cause: plan.CauseWebhook, hints: hints}
	switch {
	case page.Size() == 0:
		b.notFound = []int64{n}
	case len(page.Observed) > 0:
		b.lines = map[int64][]string{n: items}
	}
	return i.store(ctx, page, b, store.Applied{})
}

// readMany reads invoices by number in as few calls as possible.
func (i *invoices) readMany(ctx context.Context, p source.Priority, numbers []int64, hints inbox.Hints) error {
	if len(numbers) == 1 {
		return i.readOne(ctx, p, numbers[0], hints)
	}
	slices.Sort(numbers)
	ranges := make([]plan.Range, len(numbers))
	for at, n := range numbers {
		ranges[at] = plan.Range{From: n, To: n}
	}
	for len(ranges) > 0 {
		fit := max(1, i.source.Together(ranges))
		outstanding := map[int64]bool{}
		for _, r := range ranges[:fit] {
			outstanding[r.From] = true
		}
		page, whole, strays, err := i.readRanges(ctx, p, ranges[:fit])
		if err = i.by.classify(ctx, err); err != nil {
			if stop, _ := i.by.stops(err, plan.ReadInvoices, 0); stop == plan.StopNothing {
				for _, r := range slices.Backward(ranges) { // one by one
					if err := i.readOne(ctx, p, r.From, hints); err != nil {
						return err
					}
				}
				return nil
			}
			return err
		}
		i.leaveStrays(strays, invoicesBatch{})
		for _, inv := range page.Observed {
			delete(outstanding, inv.Number)
		}
		for _, n := range numbersOfUnreadable(page.Unreadable) {
			delete(outstanding, n)
		}
		b := invoicesBatch{cause: plan.CauseWebhook, hints: hints}
		if n := slices.IndexFunc(page.Unreadable, nameless); n >= 0 {
			// Each one that did not come may be the one whose number is unreadable.
			for _, number := range slices.Sorted(maps.Keys(outstanding)) {
				b.nameless = append(b.nameless, plan.Unreadable{Number: strconv.FormatInt(number, 10), Err: page.Unreadable[n].Err})
			}
			clear(outstanding)
		}
		if whole {
			b.notFound = slices.Sorted(maps.Keys(outstanding))
		}
		if err := i.store(ctx, page, b, store.Applied{}); err != nil {
			return err
		}
		ranges = ranges[fit:]
	}
	return nil
}

// readRanges reads the invoices in some ranges, and counts others that came. whole is false if
// fewer came than were announced.
func (i *invoices) readRanges(ctx context.Context, p source.Priority, ranges []plan.Range) (all invoicesPage, whole bool, strays plan.Strays, err error) {
	q, seen := source.InvoicesQuery{Ranges: ranges}, map[int64]bool{}
	for page, err := range i.pages(ctx, p, q) {
		whole = !plan.IsShort(err)
		if err != nil && whole {
			return all, false, strays, err
		}
		if all.Began.IsZero() {
			all.Began = page.Began
		}
		asked, bad, others := q.Asked().Sort(page.Observed, page.Unreadable, nil, nil)
		strays.Add(others)
		for _, inv := range asked { // each once, however often it came
			if !seen[inv.Number] {
				seen[inv.Number] = true
				all.Observed = append(all.Observed, inv)
			}
		}
		all.Unreadable = append(all.Unreadable, bad[:min(len(bad), max(0, len(ranges)-len(all.Unreadable)))]...)
	}
	return all, whole, strays, nil
}
