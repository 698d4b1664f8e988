package reconcile

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// invoiceReader reads invoices by number.
type invoiceReader struct{ *invoices }

// read reads the hinted invoices that no listing has shown.
func (i invoiceReader) read(ctx context.Context, requested bool, hints inbox.Hints) error {
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
	known, unknown, old := i.sort(numbers, hints, stored)
	if err := i.leaveOld(ctx, old); err != nil {
		return err
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

// sort separates hinted invoices into those that are stored, those to be read, and the hints of those
// that are left, since their numbers are from before the shop's start.
func (i invoiceReader) sort(numbers []int64, hints inbox.Hints, stored map[int64]bool) (known, unknown []int64, old inbox.Hints) {
	start := startOf(i.shop, i.progress)
	old = inbox.Hints{}
	for _, n := range numbers {
		number := strconv.FormatInt(n, 10)
		switch {
		case stored[n] && !i.warnings.incomplete(n): // booked invoices are immutable: only the PDF may be missing
			known = append(known, n)
		case !stored[n] && start.Leaves(hints[number], ""):
			old[number] = hints[number]
		default:
			unknown = append(unknown, n)
		}
	}
	return known, unknown, old
}

// leaveOld answers webhooks of invoices that are from before the shop's start by their numbers,
// without a read.
func (i invoiceReader) leaveOld(ctx context.Context, old inbox.Hints) error {
	for piece := range old.Pieces(func(plan.Hint) bool { return true }) {
		var o inbox.Outcome
		var webhooks int64
		for _, h := range piece {
			o.Answered, webhooks = append(o.Answered, h.Answer(plan.HintBeforeStart, "")), webhooks+h.Webhooks
		}
		w := i.inbox.Writes(old, o)
		if err := i.apply(ctx, store.Applied{Answered: w.Answered, Overflow: store.Overflow{TooOld: webhooks}}); err != nil {
			return err
		}
		i.inbox.Wrote(old, o)
		i.unpacker.leftOld(webhooks)
	}
	return nil
}

// readUnknown reads hinted invoices that are not stored, those that a person asks for first. The
// others it reads while their small allowance lasts, and postpones the rest: ticks list new
// invoices anyway.
func (i invoiceReader) readUnknown(ctx context.Context, requested bool, numbers []int64, hints inbox.Hints) error {
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

// readMany reads invoices by number in as few calls as possible.
func (i invoiceReader) readMany(ctx context.Context, p source.Priority, numbers []int64, hints inbox.Hints) error {
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

// readOne reads one invoice with its lines.
func (i invoiceReader) readOne(ctx context.Context, p source.Priority, n int64, hints inbox.Hints) error {
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

// readRanges reads the invoices in some ranges, and counts others that came. whole is false if
// fewer came than were announced.
func (i invoiceReader) readRanges(ctx context.Context, p source.Priority, ranges []plan.Range) (all invoicesPage, whole bool, strays plan.Strays, err error) {
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

// try tries invoices held as forbidden by the hinted numbers that are not stored, the highest
// first. open is that of probe.
func (i invoiceReader) try(ctx context.Context, hints inbox.Hints) (open bool, err error) {
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
