package status_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

func TestWriteInvoice(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	amount := func(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }
	for _, c := range []struct {
		what, want string
		i          store.Invoice
	}{
		{"a credit note in another currency", `shop:          shop1234
credit note:   41 of 2026-11-20, due 2026-12-04
order number:  10042
customer:      7, Ærø\u001b[2J
net:           -100.10 EUR (-747.50 in the base currency)
VAT:           -25.00 EUR
gross:         -125.1234 EUR (-934.38 in the base currency)
rounding:      0.01 EUR
found:         2026-11-23 12:00:00 UTC by webhook
PDF:           stored 2026-11-23 13:00:00 UTC, 4242 bytes, sha256 ab
`, store.Invoice{Number: 41, CreditNote: true, InvoiceDate: "2026-11-20", DueDate: "2026-12-04", Currency: "EUR", Net: amount("-100.1000"), VAT: amount("-25"), Gross: amount("-125.1234"), Rounding: amount("0.01"),
			NetBase: amount("-747.5"), GrossBase: amount("-934.38"), CustomerNumber: 7, RecipientName: "Ærø\x1b[2J", OrderNumber: "10042", PDFState: store.PDFStored, PDFSHA256: "ab", PDFSize: 4242,
			PDFStoredAt: store.At(noon.Add(time.Hour)), FoundAt: store.At(noon), Cause: plan.CauseWebhook}},
		{"one of which little is known", `shop:          shop1234
invoice:       42 of -, due -
order number:  -
customer:      0, -
net:           -
VAT:           -
gross:         100.00 DKK
found:         2026-11-23 12:00:00 UTC by tick
PDF:           pending
`, store.Invoice{Number: 42, Currency: "DKK", Gross: amount("100"), GrossBase: amount("100.0000"), Rounding: amount("0"), PDFState: store.PDFPending, FoundAt: store.At(noon), Cause: plan.CauseTick}},
		{"one whose PDF fails", `shop:          shop1234
invoice:       43 of 2026-11-20, due -
order number:  -
customer:      0, -
net:           -
VAT:           -
gross:         -
found:         2026-11-23 12:00:00 UTC by tick
PDF:           pending, tried 3 times, again at 2026-11-23 13:00:00 UTC: status
               500; again
`, store.Invoice{Number: 43, InvoiceDate: "2026-11-20", PDFState: store.PDFPending, WorkTries: 3, WorkError: "status 500\nagain", WorkDueAt: store.At(noon.Add(time.Hour)), FoundAt: store.At(noon), Cause: plan.CauseTick}},
	} {
		var b strings.Builder
		if err := status.WriteInvoice(&b, "shop1234", c.i, 80); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}
