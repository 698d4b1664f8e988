package reconcile

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// pdfs is the part that completes stored invoices: it reads the items on their lines, and their
// PDFs.
type pdfs struct {
	gate
	fetcher fetcher
	waiting bool // invoices may be incomplete
}

func newPDFs(g gate) *pdfs {
	p := &pdfs{gate: g}
	p.fetcher = fetcher{p}
	return p
}

// fetchesPerPass limits how long PDFs delay the stock of their shop.
const fetchesPerPass = 40

// Run reads what invoices still lack: the item numbers on their lines, which become hints, and
// their PDFs, several concurrently. Those that arrive during a transaction share the next one.
// A failed one is postponed and does not block the others. more reports that there is more to
// fetch immediately.
func (p *pdfs) Run(ctx context.Context, due Due) (more bool, err error) {
	if !p.shop.InvoicesOn {
		return false, nil
	}
	if p.forbidden() && p.dueForTry(due.Requested) {
		if err := p.try(ctx); err != nil {
			return false, err
		}
	}
	lines, pdfs := !p.invoices.forbidden(), !p.forbidden()
	if !due.Work && !p.waiting || !lines && !pdfs {
		return false, nil
	}
	list, err := p.toFetch(ctx, lines, pdfs)
	if err != nil {
		return false, err
	}
	err = p.fetchAndStore(ctx, list)
	if p.mayWait(due, err) {
		return false, nil
	}
	return p.waiting && err == nil, err
}

// toFetch returns the due invoices whose lines or PDF are to be fetched now. What is not counts as
// present.
func (p *pdfs) toFetch(ctx context.Context, lines, pdfs bool) ([]store.InvoiceWork, error) {
	list, err := p.Store.InvoicesToFetch(ctx, p.shop.Dataset, p.workDue(), lines, pdfs, fetchesPerPass)
	if err != nil {
		return nil, err
	}
	p.waiting = len(list) == fetchesPerPass
	if list, err = p.leaveRetries(ctx, list); err != nil {
		return nil, err
	}
	for n := range list {
		list[n].LinesRead, list[n].PDFStored = list[n].LinesRead || !lines, list[n].PDFStored || !pdfs
	}
	return list, nil
}

// mayWait reports whether the budget ended a fetch that nobody waits for: what is left of the
// day's calls is kept for ticks, and the invoices stay due.
func (p *pdfs) mayWait(due Due, err error) bool {
	stop, _ := p.by.stops(err, plan.ReadNumber, 0)
	return stop == plan.StopDay && !due.Requested
}

// leaveRetries postpones those retries that would exceed their share of the day's calls, and
// returns the others: PDFs that never come must not take the calls of the rest.
func (p *pdfs) leaveRetries(ctx context.Context, list []store.InvoiceWork) (rest []store.InvoiceWork, err error) {
	spare := p.budget.Spare(source.PriorityPDF)
	var left store.Applied
	for _, inv := range list {
		if inv.Tries > 0 {
			if spare--; spare < 0 {
				left.Work = append(left.Work, store.WorkResult{Number: inv.Number, DueAt: p.Now().Add(p.HeldRetry), Keep: true})
				continue
			}
		}
		rest = append(rest, inv)
	}
	if left.Empty() {
		return rest, nil
	}
	return rest, p.apply(ctx, left)
}

// fetchAndStore fetches the lines and PDFs of invoices and stores them as they arrive. After a
// refusal, or when there are no tokens left, fetches in flight still finish.
func (p *pdfs) fetchAndStore(ctx context.Context, list []store.InvoiceWork) error {
	fetching, stop := context.WithCancel(ctx)
	defer stop()
	var draining atomic.Bool // start no further fetch
	lines, pdfs := p.invoices.forbidden(), p.forbidden()
	var errs, limited []error
	for come := range p.fetcher.all(fetching, list, &draining) {
		if fetching.Err() != nil {
			continue // they are still due
		}
		var good []fetched
		for _, f := range come {
			switch err := p.judge(ctx, &f); {
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
		refused := p.invoices.forbidden() && !lines || p.forbidden() && !pdfs
		if refused || len(errs)+len(limited) > 0 {
			draining.Store(true)
		}
		err := p.store(ctx, good)
		if err != nil {
			errs = append(errs, err)
		}
		if err != nil || p.ends(ctx, errors.Join(errs...)) {
			stop()
		}
	}
	// The 429 goes first: other calls may then have failed for lack of tokens, which is not
	// what e-conomic answered.
	return errors.Join(append(limited, errs...)...)
}

// ends reports whether the fetches in flight are useless, or would each cost the client's
// timeout.
func (p *pdfs) ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || outdated(err) || source.Has(err, plan.ClassHanging) || source.Has(err, plan.ClassSilent)
}

// try tries PDFs held as forbidden, the newest invoice first, until one can be read; at most as
// many as it takes to hold the part.
func (p *pdfs) try(ctx context.Context) error {
	list, err := p.Store.PDFsToTry(ctx, p.shop.Dataset, plan.RefusedInARow)
	if err != nil {
		return err
	}
	for _, inv := range list {
		inv.LinesRead = true
		if err := p.fetchAndStore(ctx, []store.InvoiceWork{inv}); err != nil {
			return err
		}
		if !p.forbidden() {
			p.waiting = true
			return nil
		}
	}
	p.markTried()
	return nil
}

// judge processes e-conomic's answer for one invoice and postpones what the invoice still
// lacks. It returns an error that is not specific to the invoice: the others need not be tried.
func (p *pdfs) judge(ctx context.Context, f *fetched) error {
	if f.panicked != nil {
		return f.panicked
	}
	number := strconv.FormatInt(f.invoice.Number, 10)
	var others, own []error
	refused := false
	for _, part := range []struct {
		gate      *gate
		requested bool
		err       *error
	}{{&p.invoices.gate, f.requestedLines, &f.lines}, {&p.gate, f.requestedPDF, &f.pdf}} {
		if !part.requested {
			continue
		}
		err := p.by.classify(ctx, *part.err)
		*part.err = err
		if err == nil {
			others = append(others, part.gate.readSucceeded(ctx, number))
			continue
		}
		if ctx.Err() != nil {
			others = append(others, err)
			continue
		}
		stop, again := part.gate.stopsForNumber(number, f.invoice.Refused, err, new(int))
		if again == plan.AgainLater {
			own, refused = append(own, err), refused || source.ClassOf(err) == plan.ClassPart
		}
		switch stop {
		case plan.StopNumber:
		case plan.StopPart:
			others = append(others, part.gate.holdIfRefused(ctx, err))
		default:
			others = append(others, err)
		}
	}
	if err := errors.Join(own...); err != nil {
		f.applied.Work = p.postponeWork(f.invoice, err, refused)
	}
	return errors.Join(others...)
}

// postponeWork schedules the retry of an invoice whose fetch failed.
func (p *pdfs) postponeWork(inv store.InvoiceWork, err error, refused bool) []store.WorkResult {
	tries, text := inv.Tries+1, err.Error()
	if refused {
		text = plan.HintForbidden.Note(plan.KindInvoice, text)
	}
	p.log().WithFields(map[string]any{"kind": plan.KindInvoice, "number": inv.Number, "failures": tries}).WithError(err).Warn("fetch of an invoice failed: postponed")
	return []store.WorkResult{{Number: inv.Number, DueAt: p.Now().Add(p.LongBackoff(tries)), Tries: tries, Refused: refused, Error: text}}
}

// store stores what was fetched in one transaction. If the database rejects it, each invoice
// gets its own, so that only the rejected one waits.
func (p *pdfs) store(ctx context.Context, list []fetched) error {
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
	err := p.unpacker.applyLines(ctx, a)
	switch {
	case err == nil:
		for _, pdf := range a.PDFs {
			p.Observer.PDFStored(p.shop.Shop, len(pdf.Data))
		}
		return nil
	case ctx.Err() != nil || outdated(err):
		return err
	case len(list) == 1:
		return p.apply(ctx, store.Applied{Work: p.postponeWork(list[0].invoice, err, false)})
	}
	for _, f := range list {
		if err := p.store(ctx, []fetched{f}); err != nil {
			return err
		}
	}
	return nil
}

// lineHints returns hints for the item numbers on an invoice's lines.
func (p *pdfs) lineHints(items []string, now time.Time) []store.HintRecord {
	if !p.shop.StockOn {
		return nil
	}
	var hints []store.HintRecord
	for _, number := range items {
		hints = append(hints, store.HintRecord{Shop: p.shop.Shop, Kind: plan.KindStock, Number: number, Cause: plan.CauseInvoice, At: now})
	}
	return hints
}
