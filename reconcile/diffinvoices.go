package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"lagerd/plan"
	"lagerd/source"
)

// invoicesDiff compares invoices: those that a person names, or all.
type invoicesDiff struct{ Diff }

func (d invoicesDiff) compare(ctx context.Context, out *Differences, numbers []int64) error {
	out.Invoices = &InvoicesDiff{}
	dates := map[int64]string{} // of those at e-conomic
	var gone []int64
	var err error
	if len(numbers) > 0 {
		gone, err = d.named(ctx, out, numbers, dates)
	} else {
		err = d.all(ctx, out, dates)
	}
	if err != nil {
		return err
	}
	// After e-conomic, so that invoices stored in between are no difference: a booked invoice
	// never changes.
	stored, err := d.Store.StoredInvoices(ctx, d.Shop.Dataset, slices.Concat(slices.Collect(maps.Keys(dates)), gone))
	if err != nil {
		return err
	}
	waiting, err := d.Store.InvoicesWithoutPDF(ctx, d.Shop.Dataset)
	if err != nil {
		return err
	}
	hints, err := d.openHints(ctx, plan.KindInvoice)
	if err != nil {
		return err
	}
	add := func(i InvoiceDifference) {
		i.HintSince = hints[strconv.FormatInt(i.Number, 10)].FirstAt
		out.Invoices.Invoices = append(out.Invoices.Invoices, i)
	}
	out.Invoices.AtEconomic = len(dates)
	for number, date := range dates {
		if stored[number] {
			out.Invoices.Stored++
			continue
		}
		add(InvoiceDifference{Number: number, What: plan.WhatBooked, Date: date, Note: d.beforeStart(number, date)})
	}
	for _, number := range gone {
		if stored[number] {
			out.Invoices.Stored++
			add(InvoiceDifference{Number: number, What: plan.WhatGone, Note: "e-conomic has no booked invoice of this number; what is stored stays"})
		} else {
			out.note("invoice %d is neither booked at e-conomic nor stored", number)
		}
	}
	for _, i := range waiting {
		if len(numbers) > 0 && !slices.Contains(numbers, i.Number) || slices.Contains(gone, i.Number) {
			continue
		}
		add(InvoiceDifference{Number: i.Number, What: WhatNoPDF, Date: string(i.InvoiceDate), Tries: i.WorkTries, Error: i.WorkError})
	}
	slices.SortFunc(out.Invoices.Invoices, func(a, b InvoiceDifference) int { return cmp.Compare(a.Number, b.Number) })
	return nil
}

func (d invoicesDiff) named(ctx context.Context, out *Differences, numbers []int64, dates map[int64]string) (gone []int64, err error) {
	for _, n := range numbers {
		number := strconv.FormatInt(n, 10)
		page, err := withRetry(ctx, func() (invoicesPage, error) {
			page, _, err := d.invoices().Invoice(ctx, source.PriorityPerson, n)
			return page, err
		})
		err = content(err)
		if bad, ok := errors.AsType[contentError](err); ok {
			out.unreadable(plan.KindInvoice, plan.Unreadable{Number: number, Err: bad.error})
			continue
		}
		if err != nil {
			return nil, err
		}
		if page.Size() == 0 {
			gone = append(gone, n)
		}
		out.unreadable(plan.KindInvoice, page.Unreadable...)
		for _, inv := range page.Observed {
			out.partial(plan.KindInvoice, number, inv.Warning, 0)
			dates[n] = inv.Date
		}
	}
	return gone, nil
}

// all reads all invoices since the shop's start, as a sweep does, and those booked
// above the highest number read so far, as a tick does: an invoice may be booked with a date
// before the start.
func (d invoicesDiff) all(ctx context.Context, out *Differences, dates map[int64]string) error {
	queries := []source.InvoicesQuery{{DateFrom: d.Shop.InvoicesFrom}}
	if d.Shop.InvoicesFrom == "" {
		queries[0] = source.InvoicesQuery{HasAfter: true, After: max(0, d.Shop.InvoicesFromNumber-1)}
	} else if d.Progress.InvoicesBegun {
		queries = append(queries, source.InvoicesQuery{HasAfter: true, After: d.Progress.InvoiceCursor})
	}
	bad := map[string]bool{}
	for _, q := range queries {
		if err := d.list(ctx, out, q, dates, bad); err != nil {
			return err
		}
	}
	return nil
}

func (d invoicesDiff) list(ctx context.Context, out *Differences, q source.InvoicesQuery, dates map[int64]string, bad map[string]bool) error {
	unreadable := func(b plan.Unreadable) {
		if b.Number == "" || !bad[b.Number] { // both queries may show it
			bad[b.Number] = true
			out.unreadable(plan.KindInvoice, b)
		}
	}
	came := 0
	for p, err := range source.Pages("invoices", func(link source.Link) (invoicesPage, error) {
		return withRetry(ctx, func() (invoicesPage, error) { return d.invoices().List(ctx, source.PriorityPerson, q, link) })
	}) {
		if err != nil {
			return cutShort("e-conomic", err)
		}
		came += p.Size()
		d.tell("invoices read at e-conomic", came, p.Announced)
		for _, b := range p.Unreadable {
			unreadable(b)
		}
		for _, inv := range p.Observed {
			number := strconv.FormatInt(inv.Number, 10)
			if inv.Warning != "" && !bad[number] {
				bad[number] = true
				out.partial(plan.KindInvoice, number, inv.Warning, 0)
			}
			dates[inv.Number] = inv.Date
		}
	}
	return nil
}

// beforeStart notes that a reconciliation does not look for the invoice.
func (d invoicesDiff) beforeStart(number int64, date string) string {
	if d.Progress.InvoicesBegun && number > d.Progress.InvoiceCursor {
		return ""
	}
	if date == "" && d.Shop.InvoicesFrom != "" {
		return "" // its date could not be understood
	}
	if d.Shop.InvoicesFrom != "" && date < d.Shop.InvoicesFrom || d.Shop.InvoicesFrom == "" && number < d.Shop.InvoicesFromNumber {
		return fmt.Sprintf("before the shop's start: `lagerd reconcile --shop %s --invoice %d` fetches it", d.Shop.Shop, number)
	}
	return ""
}
