package status_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/status"
)

func TestWriteLosses(t *testing.T) {
	figure := func(text string) decimal.NullDecimal {
		return decimal.NewNullDecimal(decimal.RequireFromString(text))
	}
	var items []reconcile.ItemDifference
	add := func(what plan.What, stored, now decimal.NullDecimal, loss bool) {
		items = append(items, reconcile.ItemDifference{Difference: plan.Difference{Number: fmt.Sprintf("N%02d", len(items)+1), Name: strings.Repeat("x", 27+len(items)), What: what, Loss: loss,
			Stored: plan.Side{Stock: stored}, Economic: plan.Side{Stock: now}}})
	}
	add(plan.WhatStock, figure("2.50"), figure("0.00"), true)
	add(plan.WhatStock, figure("7"), figure("3"), false)
	add(plan.WhatStock, figure("4"), decimal.NullDecimal{}, true)
	for range 12 {
		add(plan.WhatGone, figure("1"), decimal.NullDecimal{}, true)
	}
	var out strings.Builder
	d := status.DiffOf(reconcile.Differences{Shop: "shop1234", Stock: &reconcile.StockDiff{Items: items}})
	if err := d.WriteLosses(&out, 80); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for n, want := range map[int]string{
		0:  "shop1234 would lose the stock of 14 items: 12 gone, 1 zero, 1 no figure",
		2:  "N01 " + strings.Repeat("x", 27) + " 2.5 zero",
		3:  "N03 " + strings.Repeat("x", 29) + " 4 no figure",
		4:  "N04 " + strings.Repeat("x", 30) + " 1 gone",
		5:  "N05 " + strings.Repeat("x", 29) + "… 1 gone",
		12: "and 4 more: `lagerd diff shop1234` shows them all",
	} {
		if n >= len(lines) || strings.Join(strings.Fields(lines[n]), " ") != want {
			t.Errorf("line %d is not %q:\n%s", n, want, out.String())
		}
	}
	if len(lines) != 13 || len(d.Stock) != 15 {
		t.Errorf("%d lines, and %d differences left:\n%s", len(lines), len(d.Stock), out.String())
	}
	out.Reset()
	d.Stock = d.Stock[:11] // ten losses
	if err := d.WriteLosses(&out, 80); err != nil || strings.Contains(out.String(), "more") || strings.Count(out.String(), "\n") != 12 {
		t.Errorf("ten losses: %v\n%s", err, out.String())
	}
}
