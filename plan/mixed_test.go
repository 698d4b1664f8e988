package plan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
)

func amount(s string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

// TestMixedInvoices: only what never changes tells one agreement's invoice from
// another's, and what one side does not know tells nothing.
func TestMixedInvoices(t *testing.T) {
	t.Parallel()
	whole := plan.Invoice{Number: 1, Date: "2026-11-01", Currency: "DKK", Net: amount("100"), Gross: amount("125")}
	with := func(set func(*plan.Invoice)) plan.Invoice {
		i := whole
		set(&i)
		return i
	}
	for name, c := range map[string]struct {
		stored plan.Invoice
		want   string
	}{
		"equal":                  {whole, ""},
		"equal to the last zero": {with(func(i *plan.Invoice) { i.Net = amount("100.0000") }), ""},
		"what is paid since":     {with(func(i *plan.Invoice) { i.RecipientName, i.CustomerNumber = "x", 7 }), ""},
		"nothing is known":       {plan.Invoice{Number: 1}, ""},
		"nothing is known there": {with(func(i *plan.Invoice) { i.Number = 4 }), ""},
		"another date":           {with(func(i *plan.Invoice) { i.Date = "2026-11-02" }), "its date is 2026-11-02, and 2026-11-01 at e-conomic"},
		"another currency":       {with(func(i *plan.Invoice) { i.Currency = "EUR" }), "its currency is EUR, and DKK at e-conomic"},
		"another net":            {with(func(i *plan.Invoice) { i.Net = amount("-100") }), "its net amount is -100, and 100 at e-conomic"},
		"another gross":          {with(func(i *plan.Invoice) { i.Gross = amount("125.01") }), "its gross amount is 125.01, and 125 at e-conomic"},
		"another number":         {with(func(i *plan.Invoice) { i.Number = 2 }), "e-conomic does not list it"},
		"from before the start":  {with(func(i *plan.Invoice) { i.Number, i.Date = 2, "2026-09-30" }), ""},
		"of the start's day":     {with(func(i *plan.Invoice) { i.Number, i.Date = 2, "2026-10-01" }), "e-conomic does not list it"},
		"of an unknown date":     {with(func(i *plan.Invoice) { i.Number, i.Date = 2, "" }), ""},
		"listed, but unread":     {with(func(i *plan.Invoice) { i.Number = 3 }), ""},
	} {
		var want []plan.Mixed
		if c.want != "" {
			want = []plan.Mixed{{Number: c.stored.Number, Reason: c.want}}
		}
		if diff := cmp.Diff(want, plan.MixedInvoices([]plan.Invoice{whole, {Number: 4}}, []int64{3}, []plan.Invoice{c.stored}, "2026-10-01")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
