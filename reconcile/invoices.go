package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// invoicesPass finds and stores newly booked invoices and answers the hints of
// invoices. Their lines and PDFs are fetched by fetch.
func (w *Shop) invoicesPass(ctx context.Context, j Due) error {
	if !w.shop.InvoicesOn {
		return w.dismiss(ctx, j, plan.KindInvoice, plan.HintInvoicesOff, "")
	}
	if w.forbidden(plan.ScopeInvoices) && !w.dueForTry(plan.ScopeInvoices, j) {
		return w.putOffPart(ctx, j, plan.KindInvoice, plan.ScopeInvoices)
	}
	return w.endPart(ctx, plan.ScopeInvoices, w.readInvoicesDue(ctx, j))
}

func (w *Shop) readInvoicesDue(ctx context.Context, j Due) error {
	hints, err := w.invoiceHints(ctx, j)
	if err != nil {
		return err
	}
	if w.forbidden(plan.ScopeInvoices) {
		if open, err := w.tryInvoices(ctx, hints); err != nil || !open {
			return err
		}
	}
	if !w.progress.InvoicesBegun {
		if err := w.beginInvoices(ctx, hints); err != nil {
			return err
		}
	} else if j.Tick || j.Sweep {
		if err := w.readBooked(ctx, hints); err != nil {
			return err
		}
	}
	if err := w.readHintedInvoices(ctx, hints); err != nil {
		return err
	}
	sinceSweep := w.since(w.progress.InvoicesSweptAt.Time)
	if j.Sweep || j.Tick && sinceSweep >= w.SweepEvery {
		err := w.sweepInvoices(ctx, hints)
		if stop, _ := w.stops(err, plan.ReadListing, 0); stop == plan.StopDay && !j.Sweep {
			return nil // the day's share of sweeps is used up: the next tick tries
		}
		return err
	}
	return nil
}

// tryInvoices tries invoices that are held as forbidden by the hinted numbers that are
// not stored, the highest first. open reports that the rest may be read: see tryStock.
func (w *Shop) tryInvoices(ctx context.Context, hints inbox.Hints) (open bool, err error) {
	var newest []int64
	for number, h := range hints {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 && w.due().Includes(h.DueAt) {
			newest = append(newest, n)
		}
	}
	stored, err := w.Store.StoredInvoices(ctx, w.shop.Dataset, newest)
	if err != nil {
		return false, err
	}
	newest = slices.DeleteFunc(newest, func(n int64) bool { return stored[n] })
	slices.SortFunc(newest, func(a, b int64) int { return cmp.Compare(b, a) })
	refused := func(n int64) bool {
		number := strconv.FormatInt(n, 10)
		return hints[number].Refused || w.streaks[plan.ScopeInvoices].Known(number)
	}
	open = true
	for _, n := range plan.Probes(newest, refused) {
		fresh := !refused(n)
		if err := w.readInvoice(ctx, n, hints); err != nil || !w.forbidden(plan.ScopeInvoices) {
			return true, err
		}
		open = open && !fresh
	}
	if !open {
		w.noteTry(plan.ScopeInvoices)
	}
	return open, nil
}

// invoicesPage is one page of invoices.
type invoicesPage = source.Page[plan.Invoice]

// listedInvoices reads the invoices that q asks for, page by page. That e-conomic
// answers is noted with the first one.
func (w *Shop) listedInvoices(ctx context.Context, p source.Priority, q source.InvoicesQuery) iter.Seq2[invoicesPage, error] {
	return source.Pages("invoices", func(link source.Link) (invoicesPage, error) {
		page, err := w.invoices.List(ctx, p, q, link)
		if err == nil && link == "" {
			err = w.answered(ctx, plan.ScopeInvoices, "")
		}
		return page, err
	})
}

// beginInvoices makes a new shop's start: the invoices from its date on, or
// from its number on, and from then on everything above the highest number
// that was booked when it began. Nothing older is downloaded unasked.
func (w *Shop) beginInvoices(ctx context.Context, hints inbox.Hints) error {
	if w.shop.InvoicesFrom == "" {
		window := plan.Window{Cursor: max(0, w.shop.InvoicesFromNumber-1)}
		return w.listInvoices(ctx, source.InvoicesQuery{HasAfter: true, After: window.Cursor},
			invoicesBatch{cause: plan.CauseSweep, first: true, hints: hints, window: &window}, invoicesBegun)
	}
	top, err := w.invoices.List(ctx, source.PriorityInvoice, source.InvoicesQuery{Descending: true}, "")
	if err == nil {
		err = w.answered(ctx, plan.ScopeInvoices, "")
	}
	if err != nil {
		return err
	}
	// The highest numbers, with the gaps between them: an agreement may have
	// booked with a far higher number once, and go on below it.
	numbers := numbersOfUnreadable(top.Unreadable)
	for _, i := range top.Observed {
		numbers = append(numbers, i.Number)
	}
	window := plan.Window{}
	if len(numbers) > 0 && top.Announced > len(numbers) {
		window.Cursor = slices.Min(numbers) - 1
	}
	// Otherwise these are all there are, and one below the lowest may be booked
	// already and surface late: it is a gap as well.
	window = window.Advance(numbers, w.Now(), w.GapWindow)
	return w.listInvoices(ctx, source.InvoicesQuery{DateFrom: w.shop.InvoicesFrom},
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

// readBooked reads what was booked above the cursor and in the gaps below it.
func (w *Shop) readBooked(ctx context.Context, hints inbox.Hints) error {
	window := w.progress.Window()
	gaps := make([]plan.Range, len(window.Gaps))
	for i, g := range window.Gaps {
		gaps[i] = g.Range
	}
	q := source.InvoicesQuery{HasAfter: true, After: window.Cursor, Ranges: w.askedGaps(gaps)}
	return w.listInvoices(ctx, q, invoicesBatch{cause: plan.CauseTick, hints: hints, window: &window}, nil)
}

// askedGaps returns as many gaps as fit in one call. Where not all fit, each
// tick asks for others, in turn.
func (w *Shop) askedGaps(gaps []plan.Range) []plan.Range {
	if len(gaps) == 0 {
		return nil
	}
	turn := w.gapTurn % len(gaps)
	ranges := slices.Concat(gaps[turn:], gaps[:turn])
	n := w.invoices.Together(ranges)
	if n < len(ranges) {
		w.gapTurn = turn + n
	}
	return ranges[:n]
}

// sweepInvoices lists all invoices since the shop's start, and so finds one
// that no number, gap or webhook told of.
func (w *Shop) sweepInvoices(ctx context.Context, hints inbox.Hints) error {
	q := source.InvoicesQuery{DateFrom: w.shop.InvoicesFrom}
	if w.shop.InvoicesFrom == "" {
		q = source.InvoicesQuery{HasAfter: true, After: max(0, w.shop.InvoicesFromNumber-1)}
	}
	return w.listInvoices(ctx, q, invoicesBatch{cause: plan.CauseSweep, hints: hints, compared: &comparison{after: q.After, dateFrom: q.DateFrom}}, invoicesBegun)
}

// invoicesBatch says how the invoices of a read are stored.
type invoicesBatch struct {
	cause    plan.Cause
	first    bool
	hints    inbox.Hints
	window   *plan.Window       // before the read, which was by number from its cursor on and moves it; nil: it was not
	lines    map[int64][]string // the items on those that were read alone
	notFound []int64
	nameless []plan.Unreadable // numbers that did not come, since one that came could not be read
	left     *leftOut          // of a listing
	last     bool              // its last page
	compared *comparison
}

// listInvoices reads a listing of invoices to its end and stores it page by
// page; atEnd, if given, adds to what the last page's transaction carries.
func (w *Shop) listInvoices(ctx context.Context, q source.InvoicesQuery, b invoicesBatch, atEnd func(began time.Time) store.Applied) error {
	priority := source.PriorityInvoice
	if b.cause == plan.CauseSweep && !b.first {
		priority = source.PrioritySweep
	}
	var began time.Time
	b.left = &leftOut{}
	for page, err := range w.listedInvoices(ctx, priority, q) {
		if err != nil {
			return w.cameShort("e-conomic", err, "they are read again")
		}
		if began.IsZero() {
			began = page.Began
		}
		also := store.Applied{}
		if b.last = page.Next == ""; b.last && atEnd != nil {
			also = atEnd(began)
		}
		if err := w.storeInvoices(ctx, page, b, also); err != nil {
			return err
		}
	}
	return nil
}

// storeInvoices plans and applies one page of invoices.
func (w *Shop) storeInvoices(ctx context.Context, page invoicesPage, b invoicesBatch, also store.Applied) error {
	var numbers []int64
	incomplete := map[int64]bool{}
	for _, inv := range page.Observed {
		numbers = append(numbers, inv.Number)
		if w.incomplete(inv.Number) {
			incomplete[inv.Number] = true
		}
	}
	unread := numbersOfUnreadable(page.Unreadable)
	stored, err := w.Store.StoredInvoices(ctx, w.shop.Dataset, slices.Concat(numbers, unread))
	if err != nil {
		return err
	}
	if b.compared != nil {
		// Any that is stored may be one whose number cannot be read.
		b.compared.unsorted = b.compared.unsorted || slices.ContainsFunc(page.Unreadable, nameless)
		if err := w.compare(ctx, b.compared, page.Observed, unread, page.Began, b.last); err != nil {
			return err
		}
		if b.last && !b.compared.unsorted {
			also.Mixed = &b.compared.mixed
		}
	}
	now := w.Now()
	p := plan.Invoices(plan.InvoicesInput{
		Cause: b.cause, First: b.first, Began: page.Began, Observed: page.Observed, Stored: stored, Incomplete: incomplete,
		Hints: b.hints, NotFound: b.notFound, Rule: w.rule, Now: now, Rereads: w.Rereads,
	})
	a := also
	a.Invoices, a.Completed, a.Changes, a.Answered, a.Rereads = p.Rows, p.Completed, p.Changes, p.Answered, p.Rereads
	for _, row := range slices.Concat(p.Rows, p.Completed) {
		if row.Warning != "" {
			w.Observer.Warned(w.shop.Shop, plan.KindInvoice)
		}
		a.Warnings = w.warn(a.Warnings, subject{plan.KindInvoice, strconv.FormatInt(row.Number, 10)}, row.Warning)
	}
	// An invoice that could not be understood is not counted as seen: its number becomes
	// a gap as well, and is read again with each tick.
	w.unreadInvoices(&a, slices.Concat(page.Unreadable, b.nameless), stored, b)
	if b.left != nil {
		b.left.addNameless(page.Unreadable)
		if b.last {
			a.Warnings = append(a.Warnings, w.warnOfLeftOut(plan.KindInvoice, *b.left, b.cause == plan.CauseSweep)...)
		}
	}
	if len(p.Late) > 0 {
		a.Late = map[plan.Kind][]string{plan.KindInvoice: p.Late}
	}
	if b.window != nil {
		a.Window = new(b.window.Advance(numbers, now, w.GapWindow))
	}
	for n, lines := range b.lines {
		a.Lines = append(a.Lines, n)
		a.Hints = append(a.Hints, w.lineHints(lines, now)...)
	}
	if err := w.apply(ctx, a); err != nil {
		return err
	}
	if b.window != nil {
		*b.window = *a.Window
	}
	w.fetching = w.fetching || len(a.Invoices) > 0
	w.inbox.Wrote(b.hints, inbox.Outcome{Answered: a.Answered})
	w.keepUnread(a, b.hints)
	return nil
}

// nameless reports whether not even the number could be understood.
func nameless(u plan.Unreadable) bool { return u.Number == "" }

// numbersOfUnreadable returns the numbers of invoices that could not be understood, as
// far as those could be.
func numbersOfUnreadable(list []plan.Unreadable) []int64 {
	var numbers []int64
	for _, u := range list {
		if n, err := strconv.ParseInt(u.Number, 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// lineHints turns the item numbers on an invoice's lines into hints.
func (w *Shop) lineHints(items []string, now time.Time) []store.HintRecord {
	if !w.shop.StockOn {
		return nil
	}
	var hints []store.HintRecord
	for _, number := range items {
		hints = append(hints, store.HintRecord{Shop: w.shop.Shop, Kind: plan.KindStock, Number: number, Cause: plan.CauseInvoice, At: now})
	}
	return hints
}

// readHintedInvoices reads the hinted invoices that no listing has shown.
func (w *Shop) readHintedInvoices(ctx context.Context, hints inbox.Hints) error {
	var numbers []int64
	senseless := inbox.Hints{}
	due := w.due()
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
	if err := w.answerAll(ctx, senseless, plan.HintNoNumber, ""); err != nil {
		return err
	}
	stored, err := w.Store.StoredInvoices(ctx, w.shop.Dataset, numbers)
	if err != nil {
		return err
	}
	var known, unknown []int64
	for _, n := range numbers {
		if stored[n] && !w.incomplete(n) { // booked invoices are immutable: only its PDF may be missing
			known = append(known, n)
		} else {
			unknown = append(unknown, n)
		}
	}
	for piece := range slices.Chunk(known, store.RowsPerPiece) {
		page, work := invoicesPage{Began: w.Now()}, store.Applied{}
		for _, n := range piece {
			page.Observed = append(page.Observed, plan.Invoice{Number: n})
			work.Work = append(work.Work, store.WorkResult{Number: n, DueAt: page.Began})
		}
		if err := w.storeInvoices(ctx, page, invoicesBatch{cause: plan.CauseWebhook, hints: hints}, work); err != nil {
			return err
		}
		w.fetching = true
	}
	if len(unknown) == 1 {
		return w.readInvoice(ctx, unknown[0], hints)
	}
	return w.readInvoices(ctx, unknown, hints)
}

// readInvoice reads one invoice with its lines.
func (w *Shop) readInvoice(ctx context.Context, n int64, hints inbox.Hints) error {
	page, items, err := w.invoices.Invoice(ctx, source.PriorityHint, n)
	number := strconv.FormatInt(n, 10)
	if err != nil {
		return w.putOff(ctx, hints, number, err, new(int))
	}
	if err := w.answered(ctx, plan.ScopeInvoices, number); err != nil {
		return err
	}
	b := invoicesBatch{cause: plan.CauseWebhook, hints: hints}
	switch {
	case page.Size() == 0:
		b.notFound = []int64{n}
	case len(page.Observed) > 0:
		b.lines = map[int64][]string{n: items}
	}
	return w.storeInvoices(ctx, page, b, store.Applied{})
}

// readInvoices reads many invoices by number, as few calls as possible.
func (w *Shop) readInvoices(ctx context.Context, numbers []int64, hints inbox.Hints) error {
	slices.Sort(numbers)
	ranges := make([]plan.Range, len(numbers))
	for i, n := range numbers {
		ranges[i] = plan.Range{From: n, To: n}
	}
	for len(ranges) > 0 {
		fit := max(1, w.invoices.Together(ranges))
		asked := map[int64]bool{}
		for _, r := range ranges[:fit] {
			asked[r.From] = true
		}
		page, whole, err := w.invoicesIn(ctx, ranges[:fit])
		if err = w.judged(ctx, err); err != nil {
			if stop, _ := w.stops(err, plan.ReadInvoices, 0); stop == plan.StopNothing {
				return w.readEach(ctx, ranges, hints)
			}
			return err
		}
		for _, i := range page.Observed {
			delete(asked, i.Number)
		}
		for _, n := range numbersOfUnreadable(page.Unreadable) {
			delete(asked, n)
		}
		b := invoicesBatch{cause: plan.CauseWebhook, hints: hints}
		if n := slices.IndexFunc(page.Unreadable, nameless); n >= 0 {
			// Each that did not come may be one of those whose number cannot be read.
			for _, number := range slices.Sorted(maps.Keys(asked)) {
				b.nameless = append(b.nameless, plan.Unreadable{Number: strconv.FormatInt(number, 10), Err: page.Unreadable[n].Err})
			}
			clear(asked)
		}
		if whole {
			b.notFound = slices.Sorted(maps.Keys(asked))
		}
		if err := w.storeInvoices(ctx, page, b, store.Applied{}); err != nil {
			return err
		}
		ranges = ranges[fit:]
	}
	return nil
}

// invoicesIn reads the invoices of some ranges. whole is false where fewer came than
// were announced.
func (w *Shop) invoicesIn(ctx context.Context, ranges []plan.Range) (all invoicesPage, whole bool, err error) {
	for page, err := range w.listedInvoices(ctx, source.PriorityHint, source.InvoicesQuery{Ranges: ranges}) {
		whole = !plan.IsShort(err)
		if err != nil && whole {
			return all, false, err
		}
		if all.Began.IsZero() {
			all.Began = page.Began
		}
		all.Observed, all.Unreadable = append(all.Observed, page.Observed...), append(all.Unreadable, page.Unreadable...)
	}
	return all, whole, nil
}

// readEach reads invoices one by one, the highest number first.
func (w *Shop) readEach(ctx context.Context, ranges []plan.Range, hints inbox.Hints) error {
	for _, r := range slices.Backward(ranges) {
		if err := w.readInvoice(ctx, r.From, hints); err != nil {
			return err
		}
	}
	return nil
}

// fetchesPerPass bounds how long PDFs keep their shop from stock.
const fetchesPerPass = 40

// fetch reads what invoices still lack: the item numbers on their lines, which
// become hints, and their PDFs, several at a time. What has come while a
// transaction was under way goes into the next one together. One that fails is put
// off and holds up no other. more reports that there is more to fetch at once.
func (w *Shop) fetch(ctx context.Context, j Due) (more bool, err error) {
	if !w.shop.InvoicesOn {
		return false, nil
	}
	if w.forbidden(plan.ScopePDFs) && w.dueForTry(plan.ScopePDFs, j) {
		if err := w.tryPDFs(ctx); err != nil {
			return false, err
		}
	}
	lines, pdfs := !w.forbidden(plan.ScopeInvoices), !w.forbidden(plan.ScopePDFs)
	if !j.Work && !w.fetching || !lines && !pdfs {
		return false, nil
	}
	list, err := w.Store.InvoicesToFetch(ctx, w.shop.Dataset, w.due(), lines, pdfs, fetchesPerPass)
	if err != nil {
		return false, err
	}
	w.fetching = len(list) == fetchesPerPass
	for n := range list {
		// What is not wanted now is as if it were there.
		list[n].LinesRead, list[n].PDFStored = list[n].LinesRead || !lines, list[n].PDFStored || !pdfs
	}
	err = w.fetchAndStore(ctx, list)
	return w.fetching && err == nil, err
}

// fetchAndStore fetches invoices' lines and PDFs and stores them as they come. What
// e-conomic refuses or has no tokens for lets those end that are under way.
func (w *Shop) fetchAndStore(ctx context.Context, list []store.InvoiceWork) error {
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	var over atomic.Bool // no further fetch is begun
	lines, pdfs := w.forbidden(plan.ScopeInvoices), w.forbidden(plan.ScopePDFs)
	var errs, limited []error
	for come := range w.fetchAll(fetching, list, &over) {
		if fetching.Err() != nil {
			continue // they are due still
		}
		var good []fetched
		for _, f := range come {
			switch err := w.judgeFetched(ctx, &f); {
			case err == nil:
			case source.ClassOf(err) == plan.ClassBusy:
				limited = append(limited, err)
			default:
				errs = append(errs, err)
			}
			if !f.applied.Empty() {
				good = append(good, f)
			}
		}
		refused := w.forbidden(plan.ScopeInvoices) && !lines || w.forbidden(plan.ScopePDFs) && !pdfs
		if refused || len(errs)+len(limited) > 0 {
			over.Store(true)
		}
		err := w.storeFetched(ctx, good)
		if err != nil {
			errs = append(errs, err)
		}
		if err != nil || w.ends(ctx, errors.Join(errs...)) {
			stop()
		}
	}
	// A call that waited for the tokens that another had been refused is not what
	// e-conomic said.
	return errors.Join(append(limited, errs...)...)
}

// ends reports whether fetches under way are of no use any more, or cost the client's
// timeout each.
func (w *Shop) ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || outdated(err) || source.Has(err, plan.ClassHanging)
}

// tryPDFs tries PDFs that are held as forbidden, as many as hold them, until one can be
// read: that of the newest invoice first.
func (w *Shop) tryPDFs(ctx context.Context) error {
	list, err := w.Store.PDFsToTry(ctx, w.shop.Dataset, plan.RefusedInARow)
	if err != nil {
		return err
	}
	for _, inv := range list {
		inv.LinesRead = true
		if err := w.fetchAndStore(ctx, []store.InvoiceWork{inv}); err != nil {
			return err
		}
		if !w.forbidden(plan.ScopePDFs) {
			w.fetching = true
			return nil
		}
	}
	w.noteTry(plan.ScopePDFs)
	return nil
}

// fetched is what the fetching of one invoice came to.
type fetched struct {
	invoice store.InvoiceWork
	applied store.Applied // its lines, its PDF, or when it is tried again

	asked, askedPDF bool  // e-conomic was, for its lines and for its PDF
	lines, pdf      error // why they are not among what is applied
	panicked        error
}

func (f fetched) limited() bool {
	return source.ClassOf(f.lines) == plan.ClassBusy || source.ClassOf(f.pdf) == plan.ClassBusy
}

// judgeFetched takes note of how e-conomic answered for one invoice, and puts off what
// it lacks still. It returns an error that is not the invoice's own: no other need be
// tried.
func (w *Shop) judgeFetched(ctx context.Context, f *fetched) error {
	if f.panicked != nil {
		return f.panicked
	}
	number := strconv.FormatInt(f.invoice.Number, 10)
	var others, own []error
	refused := false
	for _, part := range []struct {
		scope plan.Scope
		asked bool
		err   *error
	}{{plan.ScopeInvoices, f.asked, &f.lines}, {plan.ScopePDFs, f.askedPDF, &f.pdf}} {
		if !part.asked {
			continue
		}
		err := w.judged(ctx, *part.err)
		*part.err = err
		if err == nil {
			others = append(others, w.answered(ctx, part.scope, number))
			continue
		}
		if ctx.Err() != nil {
			others = append(others, err)
			continue
		}
		stop, again := w.stopsForNumber(part.scope, number, f.invoice.Refused, err, new(int))
		if again == plan.AgainLater {
			own, refused = append(own, err), refused || source.ClassOf(err) == plan.ClassPart
		}
		switch stop {
		case plan.StopNumber:
		case plan.StopPart:
			others = append(others, w.endPart(ctx, part.scope, err))
		default:
			others = append(others, err)
		}
	}
	if err := errors.Join(own...); err != nil {
		f.applied.Work = w.putOffInvoice(f.invoice, err, refused)
	}
	return errors.Join(others...)
}

// bytesPerTransaction is how many bytes of PDFs a transaction needs to have enough.
const bytesPerTransaction = 4 << 20

func (f fetched) size() (size int) {
	for _, pdf := range f.applied.PDFs {
		size += len(pdf.Data)
	}
	return size
}

// fetchAll fetches invoices and yields them as they come, at each turn those that
// have come. While a transaction is under way, each goroutine fetches one more than
// it waits with. Its goroutines have ended when it has.
func (w *Shop) fetchAll(ctx context.Context, list []store.InvoiceWork, over *atomic.Bool) iter.Seq[[]fetched] {
	return func(yield func([]fetched) bool) {
		next := make(chan store.InvoiceWork, len(list))
		for _, inv := range list {
			next <- inv
		}
		close(next)
		done := make(chan fetched, w.PDFConcurrency)
		fetching := source.OnWait(ctx, nil)
		var working sync.WaitGroup
		for range min(w.PDFConcurrency, len(list)) {
			working.Go(func() {
				for inv := range next {
					if ctx.Err() != nil || over.Load() {
						return
					}
					f := w.fetchOne(fetching, inv)
					if f.limited() {
						over.Store(true) // the next would wait for tokens
					}
					done <- f
				}
			})
		}
		go func() {
			working.Wait()
			close(done)
		}()
		for {
			waited := source.Waiting(ctx)
			f, more := <-done
			waited()
			if !more {
				return
			}
			come, size := []fetched{f}, f.size()
			for waiting := true; waiting && size < bytesPerTransaction; {
				select {
				case f, waiting = <-done:
					if waiting {
						come, size = append(come, f), size+f.size()
					}
				default:
					waiting = false
				}
			}
			// Whoever has had enough says so, or cancels ctx: what is under way must end here.
			yield(come)
		}
	}
}

func (w *Shop) fetchOne(ctx context.Context, inv store.InvoiceWork) (f fetched) {
	f.invoice = inv
	defer func() { // a panic here would end the process for every shop
		if p := recover(); p != nil {
			f.panicked = fmt.Errorf("shop %s: fetch invoice %d: internal error: %v", w.shop.Shop, inv.Number, p)
		}
	}()
	f.asked, f.lines = w.fetchLines(ctx, inv, &f.applied)
	// Whether /self is well is of no matter here: it is asked later.
	stop, _ := plan.Stops(plan.Failure{Class: source.ClassOf(f.lines), Read: plan.ReadNumber})
	if stop != plan.StopDay && stop != plan.StopPass && !w.ends(ctx, f.lines) {
		f.askedPDF, f.pdf = !inv.PDFStored, w.fetchPDF(ctx, inv, &f.applied)
	}
	return f
}

// putOffInvoice has an invoice whose work has failed tried again later.
func (w *Shop) putOffInvoice(inv store.InvoiceWork, err error, refused bool) []store.WorkResult {
	tries, text := inv.Tries+1, err.Error()
	if refused {
		text = plan.HintForbidden.Note(plan.KindInvoice, text)
	}
	w.log.WithField("invoice", inv.Number).WithField("tries", tries).WithError(err).Warn("an invoice's PDF could not be fetched yet")
	return []store.WorkResult{{Number: inv.Number, DueAt: w.retryAt(tries), Tries: tries, Refused: refused, Error: text}}
}

// storeFetched stores what was fetched in one transaction; where the database
// refuses that, each invoice in its own, so that only the one it refuses waits.
func (w *Shop) storeFetched(ctx context.Context, list []fetched) error {
	var a store.Applied
	for _, f := range list {
		a.Lines = append(a.Lines, f.applied.Lines...)
		a.Hints = append(a.Hints, f.applied.Hints...)
		a.PDFs = append(a.PDFs, f.applied.PDFs...)
		a.Work = append(a.Work, f.applied.Work...)
	}
	if a.Empty() {
		return nil
	}
	err := w.apply(ctx, a)
	switch {
	case err == nil:
		for _, pdf := range a.PDFs {
			w.Observer.PDFStored(w.shop.Shop, len(pdf.Data))
		}
		return nil
	case ctx.Err() != nil || outdated(err):
		return err
	case len(list) == 1:
		return w.apply(ctx, store.Applied{Work: w.putOffInvoice(list[0].invoice, err, false)})
	}
	for _, f := range list {
		if err := w.storeFetched(ctx, []fetched{f}); err != nil {
			return err
		}
	}
	return nil
}

// fetchLines reads the item numbers on an invoice's lines. asked reports that it had to
// ask e-conomic.
func (w *Shop) fetchLines(ctx context.Context, inv store.InvoiceWork, a *store.Applied) (asked bool, err error) {
	if inv.LinesRead {
		return false, nil
	}
	// Where every tick lists all items anyway, the lines tell nothing new.
	if w.shop.StockOn && w.progress.Items > int64(w.PageSize) {
		items, err := w.invoices.Lines(ctx, source.PriorityInvoice, inv.Number)
		if err != nil {
			return true, err
		}
		a.Hints, asked = w.lineHints(items, w.Now()), true
	}
	a.Lines = []int64{inv.Number}
	return asked, nil
}

func (w *Shop) fetchPDF(ctx context.Context, inv store.InvoiceWork, a *store.Applied) error {
	if inv.PDFStored {
		return nil
	}
	pdf, err := w.invoices.PDF(ctx, source.PriorityInvoice, inv.Number, inv.PDFLink)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(pdf)
	a.PDFs = []store.PDF{{Number: inv.Number, Data: pdf, SHA256: hex.EncodeToString(sum[:])}}
	return nil
}
