package economic

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// invoices reads the invoices booked at e-conomic.
type invoices struct {
	account Account
	order   plan.OrderField // required; "": references.other
}

// List reads one page of invoices.
func (s invoices) List(ctx context.Context, p source.Priority, q source.InvoicesQuery, link source.Link) (source.Page[plan.Invoice], error) {
	if link != "" {
		read, err := s.account.Agreement.NextInvoices(ctx, p, string(link))
		return s.page(read), failed(err)
	}
	asked := economic.InvoicesQuery{HasAfter: q.HasAfter, After: q.After, Ranges: ranges(q.Ranges), DateFrom: q.DateFrom, Descending: q.Descending}
	if !q.Descending {
		asked.PageSize = s.account.PageSize
	}
	read, err := s.account.Agreement.Invoices(ctx, p, asked)
	return s.page(read), failed(err)
}

// Invoice reads one invoice.
func (s invoices) Invoice(ctx context.Context, p source.Priority, number int64) (source.Page[plan.Invoice], []string, error) {
	read, err := s.account.Agreement.Invoice(ctx, p, number)
	page := economic.Page[economic.Invoice]{Began: read.Began, ServerDate: read.ServerDate}
	if economic.KindOf(err) == economic.KindNotFound {
		return s.page(page), nil, nil
	}
	if err == nil {
		page.Items, page.Results = []economic.Invoice{read.Value}, 1
	}
	return s.page(page), itemsOn(read.Value.Lines), failed(err)
}

// Lines reads the item numbers on an invoice's lines.
func (s invoices) Lines(ctx context.Context, p source.Priority, number int64) ([]string, error) {
	read, err := s.account.Agreement.Invoice(ctx, p, number)
	return itemsOn(read.Value.Lines), failed(err)
}

// PDF reads an invoice's PDF.
func (s invoices) PDF(ctx context.Context, p source.Priority, number int64, link string) ([]byte, error) {
	read, err := s.account.Agreement.InvoicePDF(ctx, p, economic.Invoice{Number: number, PDF: link})
	return read.Value, failed(err)
}

// Together returns how many of the ranges fit in one filter.
func (s invoices) Together(list []plan.Range) int { return s.account.Client.FitRanges(ranges(list)) }

func ranges(list []plan.Range) []economic.Range {
	out := make([]economic.Range, len(list))
	for i, r := range list {
		out[i] = economic.Range(r)
	}
	return out
}

// itemsOn returns the distinct item numbers on lines, without those too long to store.
func itemsOn(lines []economic.Line) []string {
	var numbers []string
	for _, l := range lines {
		if n := len([]rune(l.ProductNumber)); n > 0 && n <= source.LongestNumber {
			numbers = append(numbers, l.ProductNumber)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

func (s invoices) page(read economic.Page[economic.Invoice]) source.Page[plan.Invoice] {
	p := source.Page[plan.Invoice]{Unreadable: unreadable(read.Bad), Announced: read.Results, Next: source.Link(read.Next),
		Began: read.Began, ServerDate: read.ServerDate, Observed: make([]plan.Invoice, 0, len(read.Items))}
	for _, i := range read.Items {
		inv, err := toInvoice(i, s.order)
		if err != nil {
			p.Unreadable = append(p.Unreadable, plan.Unreadable{Number: strconv.FormatInt(i.Number, 10), Err: err})
			continue
		}
		p.Observed = append(p.Observed, inv)
	}
	return p
}

// toInvoice returns the invoice to store, or an error if a required field is unreadable:
// its number, whether it is a credit note, or the field that holds the shop's order
// number.
func toInvoice(i economic.Invoice, order plan.OrderField) (plan.Invoice, error) {
	inv := plan.Invoice{
		Number: i.Number, Date: i.Date, DueDate: i.DueDate, Currency: i.Currency,
		CustomerNumber: i.CustomerNumber, RecipientName: i.RecipientName, OtherReference: i.OtherReference,
		Heading: i.Heading, TextLine1: i.TextLine1, OrderNumber: i.OrderNumber, PDFLink: i.PDF,
	}
	var doubts source.Doubts
	for _, u := range i.Unsound {
		doubts.Add(invoiceField(u.Field, order), u.Err)
	}
	if len([]rune(i.Currency)) > 3 {
		inv.Currency = ""
		doubts.Add(invoiceOther, fmt.Errorf("currency: expected three letters, got %q", plan.Clip(i.Currency, 40)))
	}
	for _, f := range []struct {
		field plan.Fields
		name  string
		from  *decimal.Decimal
		to    *decimal.NullDecimal
	}{
		{invoiceAmount, "netAmount", i.Net, &inv.Net}, {invoiceAmount, "grossAmount", i.Gross, &inv.Gross},
		{invoiceOther, "vatAmount", i.VAT, &inv.VAT}, {invoiceOther, "roundingAmount", i.Rounding, &inv.Rounding},
		{invoiceOther, "netAmountInBaseCurrency", i.NetBase, &inv.NetBase}, {invoiceOther, "grossAmountInBaseCurrency", i.GrossBase, &inv.GrossBase},
	} {
		var err error
		if *f.to, err = source.Exact(f.from); err != nil {
			doubts.Add(f.field, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if doubts.Fields().Has(invoiceOrder) {
		return inv, doubts.Of(invoiceOrder)
	}
	if doubts.Fields().Has(invoiceAmount) && !inv.TellsKind() {
		return inv, doubts.Of(invoiceAmount)
	}
	inv.Warning = doubts.Text()
	return inv, nil
}

// The role of an invoice field.
const (
	invoiceOrder  plan.Fields = 1 << iota // holds the shop's order number
	invoiceAmount                         // distinguishes a credit note from an invoice
	invoiceOther
)

// invoiceField returns the role of the field at path in e-conomic's answer, for a shop
// whose order number is in the order field.
func invoiceField(path string, order plan.OrderField) plan.Fields {
	in := string(cmp.Or(order, plan.OrderInOtherReference))
	block, _, _ := strings.Cut(in, ".")
	switch path {
	case in, block:
		return invoiceOrder
	case "netAmount", "grossAmount":
		return invoiceAmount
	}
	return invoiceOther
}
