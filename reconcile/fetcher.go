package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// fetcher fetches what invoices lack, several at once. It stores nothing.
type fetcher struct{ *pdfs }

// fetched is the result of fetching one invoice.
type fetched struct {
	invoice store.InvoiceWork
	applied store.Applied // its lines, its PDF, or when to retry

	requestedLines, requestedPDF bool  // e-conomic was asked for its lines, for its PDF
	lines, pdf                   error // why they are missing from applied
	panicked                     error

	handled chan struct{} // closed when it has been judged and stored
}

func (f fetched) failed() bool { return f.lines != nil || f.pdf != nil || f.panicked != nil }

func (f fetched) size() (size int) {
	for _, pdf := range f.applied.PDFs {
		size += len(pdf.Data)
	}
	return size
}

// bytesPerTransaction is the size of PDFs at which a transaction takes no more.
const bytesPerTransaction = 4 << 20

// all fetches invoices and yields them in batches as they arrive. While a batch is being
// stored, each goroutine holds one finished invoice and fetches one more, except after a failure:
// then it waits for the judgement, which may stop the others. The goroutines have ended when the
// iterator returns.
func (p fetcher) all(ctx context.Context, list []store.InvoiceWork, draining *atomic.Bool) iter.Seq[[]fetched] {
	return func(yield func([]fetched) bool) {
		next := make(chan store.InvoiceWork, len(list))
		for _, inv := range list {
			next <- inv
		}
		close(next)
		done := make(chan fetched, p.PDFConcurrency)
		fetching := source.OnWait(ctx, nil)
		// Read now: the progress changes with what is stored while they are fetched.
		tell := p.linesTell()
		var working sync.WaitGroup
		for range min(p.PDFConcurrency, len(list)) {
			working.Go(func() {
				for inv := range next {
					if ctx.Err() != nil || draining.Load() {
						return
					}
					f := p.one(fetching, inv, tell)
					f.handled = make(chan struct{})
					done <- f
					if f.failed() {
						<-f.handled
					}
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
			// The loop body stops the fetches by canceling ctx or by setting draining: the
			// goroutines must end before this returns.
			yield(come)
			for _, f := range come {
				close(f.handled)
			}
		}
	}
}

func (p fetcher) one(ctx context.Context, inv store.InvoiceWork, linesTell bool) (f fetched) {
	f.invoice = inv
	defer func() { // a panic here would end the process for every shop
		if v := recover(); v != nil {
			f.panicked = fmt.Errorf("shop %s: fetch invoice %d: internal error: %v", p.shop.Shop, inv.Number, v)
		}
	}()
	f.requestedLines, f.lines = p.lines(ctx, inv, linesTell, &f.applied)
	// The state of /self does not matter here: judge checks it later.
	stop, _ := plan.Stops(plan.Failure{Class: source.ClassOf(f.lines), Read: plan.ReadNumber})
	if stop != plan.StopDay && stop != plan.StopPass && !p.ends(ctx, f.lines) {
		f.requestedPDF, f.pdf = !inv.PDFStored, p.pdf(ctx, inv, &f.applied)
	}
	return f
}

// lines reads the item numbers on an invoice's lines if they are useful. requested reports
// that it called e-conomic.
func (p fetcher) lines(ctx context.Context, inv store.InvoiceWork, tell bool, a *store.Applied) (requested bool, err error) {
	if inv.LinesRead {
		return false, nil
	}
	if tell {
		items, err := p.invoices.source.Lines(ctx, priorityOf(inv), inv.Number)
		if err != nil {
			return true, err
		}
		a.Hints, requested = p.lineHints(items, p.Now()), true
	}
	a.Lines = []int64{inv.Number}
	return requested, nil
}

// linesTell reports whether the items on invoice lines are useful as hints. They are not if
// every tick lists all items anyway.
func (p fetcher) linesTell() bool { return p.shop.StockOn && p.progress.Items > int64(p.PageSize) }

func (p fetcher) pdf(ctx context.Context, inv store.InvoiceWork, a *store.Applied) error {
	if inv.PDFStored {
		return nil
	}
	pdf, err := p.invoices.source.PDF(ctx, priorityOf(inv), inv.Number, inv.PDFLink)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(pdf)
	a.PDFs = []store.PDF{{Number: inv.Number, Data: pdf, SHA256: hex.EncodeToString(sum[:])}}
	return nil
}

// priorityOf returns the priority with which what an invoice lacks is read.
func priorityOf(inv store.InvoiceWork) source.Priority {
	if inv.Tries > 0 {
		return source.PriorityPDF
	}
	return source.PriorityInvoice
}
