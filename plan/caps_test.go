package plan_test

import (
	"testing"

	"lagerd/plan"
)

// TestAdmit runs the table of HintCaps.Admit, below each cap and at it.
func TestAdmit(t *testing.T) {
	t.Parallel()
	caps := plan.HintCaps{Unknown: 3, Invoices: 5, OldInvoices: 2}
	full := plan.OpenHints{Unknown: 3, Invoices: 5, OldInvoices: 2}
	for _, c := range []struct {
		what  string
		hint  plan.NewHint
		open  plan.OpenHints
		want  plan.Admission
		count plan.OpenHints
	}{
		{"a stored item, all full", plan.NewHint{Kind: plan.KindStock, Number: "a", Stored: true}, full, plan.AdmitRow, full},
		{"an item with an open hint, all full", plan.NewHint{Kind: plan.KindStock, Number: "a", Open: true}, full, plan.AdmitRow, full},
		{"an invoice with an open hint, all full", plan.NewHint{Kind: plan.KindInvoice, Number: "9", Open: true}, full, plan.AdmitRow, full},
		{"an unknown item, room for one", plan.NewHint{Kind: plan.KindStock, Number: "a"}, plan.OpenHints{Unknown: 2, Invoices: 5, OldInvoices: 2}, plan.AdmitRow, full},
		{"an unknown item, full", plan.NewHint{Kind: plan.KindStock, Number: "a"}, plan.OpenHints{Unknown: 3}, plan.AdmitMark, plan.OpenHints{Unknown: 3}},
		{"an item whose number is low, full", plan.NewHint{Kind: plan.KindStock, Number: "1"}, full, plan.AdmitMark, full},
		{"the first invoice, room for one", plan.NewHint{Kind: plan.KindInvoice, Number: "100"}, plan.OpenHints{Unknown: 3, Invoices: 4, OldInvoices: 2}, plan.AdmitRow, full},
		{"the first invoice, full", plan.NewHint{Kind: plan.KindInvoice, Number: "100"}, plan.OpenHints{Invoices: 5}, plan.AdmitMark, plan.OpenHints{Invoices: 5}},
		{"no invoice number, full", plan.NewHint{Kind: plan.KindInvoice, Number: "x"}, full, plan.AdmitMark, full},
		{"the one before, room for one", plan.NewHint{Kind: plan.KindInvoice, Number: "99"}, plan.OpenHints{Unknown: 3, Invoices: 5, OldInvoices: 1}, plan.AdmitRow, full},
		{"the one before, full", plan.NewHint{Kind: plan.KindInvoice, Number: "99"}, plan.OpenHints{OldInvoices: 2}, plan.AdmitTooOld, plan.OpenHints{OldInvoices: 2}},
	} {
		open := c.open
		if got := caps.Admit(&open, c.hint, 100); got != c.want || open != c.count {
			t.Errorf("%s: %s, then %+v; expected %s, %+v", c.what, got, open, c.want, c.count)
		}
	}
	var open plan.OpenHints
	if got := (plan.HintCaps{}).Admit(&open, plan.NewHint{Kind: plan.KindInvoice, Number: "1"}, 0); got != plan.AdmitMark {
		t.Errorf("an invoice of a shop whose first one is not known: %s", got)
	}
	for kind, numbers := range map[plan.Kind][]string{plan.KindStock: {"1", "a", "500"}, plan.KindInvoice: {"99", "100", "x", "1", "101", "1000", "0x1"}} {
		for _, number := range numbers {
			open.Count(kind, number, 100)
		}
	}
	if open != (plan.OpenHints{Unknown: 3, Invoices: 5, OldInvoices: 2}) {
		t.Errorf("counted %+v", open)
	}
}
