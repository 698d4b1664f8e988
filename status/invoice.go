package status

import (
	"fmt"
	"io"

	"github.com/shopspring/decimal"

	"lagerd/store"
	"lagerd/terminal"
)

// WriteInvoice writes what is stored of a shop's invoice, in lines of so many columns.
func WriteInvoice(w io.Writer, shop string, i store.Invoice, columns int) error {
	var fields []terminal.Field
	line := func(name, format string, args ...any) {
		fields = append(fields, terminal.Field{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	line("shop", "%s", shop)
	what := "invoice"
	if i.CreditNote {
		what = "credit note"
	}
	line(what, "%d of %s, due %s", i.Number, orDash(string(i.InvoiceDate)), orDash(string(i.DueDate)))
	line("order number", "%s", orDash(i.OrderNumber))
	line("customer", "%d, %s", i.CustomerNumber, orDash(i.RecipientName))
	line("net", "%s", amount(i.Net, i.Currency, i.NetBase))
	line("VAT", "%s", amount(i.VAT, i.Currency, decimal.NullDecimal{}))
	line("gross", "%s", amount(i.Gross, i.Currency, i.GrossBase))
	if i.Rounding.Valid && !i.Rounding.Decimal.IsZero() {
		line("rounding", "%s", amount(i.Rounding, i.Currency, decimal.NullDecimal{}))
	}
	line("found", "%s UTC by %s", i.FoundAt.Format(clock), i.Cause)
	switch {
	case i.PDFState == store.PDFStored:
		line("PDF", "stored %s UTC, %d bytes, sha256 %s", i.PDFStoredAt.Format(clock), i.PDFSize, i.PDFSHA256)
	case i.Failing():
		line("PDF", "%s, tried %d times, again at %s UTC: %s", i.PDFState, i.WorkTries, i.WorkDueAt.Format(clock), i.WorkError)
	default:
		line("PDF", "%s", i.PDFState)
	}
	return terminal.WriteFields(w, fields, columns)
}

// amount formats an amount in a currency and, if it differs, in the agreement's base currency.
func amount(d decimal.NullDecimal, currency string, base decimal.NullDecimal) string {
	if !d.Valid {
		return "-"
	}
	text := money(d.Decimal) + " " + currency
	if base.Valid && !base.Decimal.Equal(d.Decimal) {
		text += fmt.Sprintf(" (%s in the base currency)", money(base.Decimal))
	}
	return text
}

// money formats an amount with two decimals, or with more if it has more.
func money(d decimal.Decimal) string {
	const decimals = 2
	if d.Round(decimals).Equal(d) {
		return d.StringFixed(decimals)
	}
	return d.String()
}
