package status_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/status"
)

func preview(t *testing.T, p reconcile.Preview, columns int) string {
	t.Helper()
	var b strings.Builder
	if err := status.WritePreview(&b, p, "Rackbeat (account 7)", "the stock from there", columns); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPreview: the counts that are not zero, an item per fate, and what happens to the losses.
func TestPreview(t *testing.T) {
	t.Parallel()
	ok := func(stock string) plan.Side { return plan.Side{State: plan.StateOK, Stock: figure(stock)} }
	none := plan.Side{State: plan.StateNoInventory}
	p := reconcile.Preview{Shop: "shop1234", Source: "Rackbeat", Listed: 11, Stored: 10, Over: true, Stock: plan.VerdictOK,
		Preview: plan.Preview{Same: 4, Other: 3, NoFigure: 1, Gone: 1, New: 2, Unread: 1, Losses: 3},
		Items: []plan.Difference{
			{Number: " a", Name: "Zero", What: plan.WhatStock, Stored: ok("5.00"), Economic: ok("0"), Loss: true},
			{Number: "b", What: plan.WhatStock, Stored: ok("5"), Economic: none, Loss: true},
			{Number: "c", Name: "Evil\x1b[2J", What: plan.WhatGone, Stored: ok("1.5"), Economic: plan.Side{State: plan.StateGone}, Loss: true},
			{Number: "d", Name: "First", What: plan.WhatStock, Stored: none, Economic: ok("7")},
			{Number: "e", Name: "Barred", What: plan.WhatState, Stored: ok("7"), Economic: plan.Side{State: plan.StateBarred, Stock: figure("7")}},
		},
		Unreadable: []reconcile.Unreadable{{Kind: plan.KindStock, Number: "f", Reason: "stock_quantity:\nexpected a number"}},
		Guard:      plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 4, Items: 10}, Limit: 2,
	}
	want := strings.TrimPrefix(`
shop1234 shows 10 items; Rackbeat (account 7) lists 11. With the stock from
    there:
  the same:                                4 items
  changed:                                 3 items
  without a figure there:                  1 item
  not there:                               1 item
  not understood there, without a figure:  1 item
  new:                                     2 items
ITEM  NAME           NOW  THEN
" a"  Zero           5    0
b     -              5    no figure
c     Evil\u001b[2J  1.5  not there
d     First          -    7
e     Barred         7    7, barred
Not understood: item "f": stock_quantity:; expected a number
4 of 10 items would lose their stock; up to 2 may at once
    (reconcile.loss_percent, loss_min). It will be held back (losses): the
    shop's software goes on with what it has until you run
    `+"`lagerd approve shop1234`"+`.
`, "\n")
	if diff := cmp.Diff(want, preview(t, p, 80)); diff != "" {
		t.Error(diff)
	}
}

// TestPreviewOfMany: a large preview stays short, whatever is in it.
func TestPreviewOfMany(t *testing.T) {
	t.Parallel()
	p := reconcile.Preview{Shop: "shop1234", Stored: 100_000, Preview: plan.Preview{Other: 100_000}}
	for n := range 50_000 {
		p.Items = append(p.Items, plan.Difference{Number: fmt.Sprintf("%05d", n), What: plan.WhatStock, Stored: plan.Side{Stock: figure("1")}, Economic: plan.Side{Stock: figure("2")}})
		p.Unreadable = append(p.Unreadable, reconcile.Unreadable{Number: fmt.Sprint(n), Reason: errors.ErrUnsupported.Error()})
	}
	out := preview(t, p, 80)
	if lines := strings.Count(out, "\n"); lines > 40 || !strings.Contains(out, "\nand 49980 more\n") || !strings.Contains(out, "\nand 49995 more that are not understood\n") {
		t.Errorf("%d lines:\n%s", lines, out)
	}
	if strings.Contains(out, "without a figure") || strings.Contains(out, "new:") {
		t.Errorf("counts of nothing are listed:\n%s", out)
	}
}

// TestPreviewOfLosses: each decision of the guard has its own text, and only a held one names
// approve.
func TestPreviewOfLosses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guard plan.LossDecision
		stock plan.Verdict
		want  string
	}{
		"none": {guard: plan.LossDecision{Items: 10}, want: "No item would lose its stock."},
		"few":  {guard: plan.LossDecision{Losses: 2, Items: 10}, want: "2 of 10 items would lose their stock, which is not held back: up to 2 may at once (reconcile.loss_percent, loss_min)."},
		"at once": {guard: plan.LossDecision{Reason: plan.LossesAtOnce, Losses: 3, Items: 10},
			want: "3 of 10 items would lose their stock; up to 2 may at once (reconcile.loss_percent, loss_min). It will be held back (losses)"},
		"within": {guard: plan.LossDecision{Reason: plan.LossesWithin, Losses: 3, Taken: 60, Items: 100, Within: time.Hour},
			want: "3 more of 100 items would lose their stock, after 60 within 1h; together these are too many (reconcile.loss_window_percent, loss_window_min). It will be held back (losses)"},
		"empty":   {guard: plan.LossDecision{Reason: plan.LossesEmpty, Losses: 3, Items: 3}, want: "3 of 3 items would lose their stock: there is no item at all. It will be held back (losses)"},
		"no item": {guard: plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 1, Items: 3}, stock: plan.VerdictEmpty, want: "1 of 3 items would lose their stock: there is no item at all. It will be held back (losses)"},
		"zeroes":  {guard: plan.LossDecision{Items: 3}, stock: plan.VerdictAllZero, want: "No item would lose its stock. Every figure there is zero: is the stock really kept at Rackbeat?"},
		"no figures": {guard: plan.LossDecision{Reason: plan.LossesOfAgreement, Losses: 3, Items: 3}, stock: plan.VerdictNoInventory,
			want: "No item there carries a figure: stock will be held (no_inventory), and the shop's software goes on with what it has. Is the stock really kept at Rackbeat?"},
	} {
		out := preview(t, reconcile.Preview{Shop: "shop1234", Source: "Rackbeat", Guard: c.guard, Stock: c.stock, Limit: 2}, 1000)
		_, out, _ = strings.Cut(out, "the same:  0 items\n")
		if !strings.HasPrefix(out, c.want) {
			t.Errorf("%s: %q, want %q", name, out, c.want)
		}
		if approve := !c.guard.Stored() && c.stock != plan.VerdictNoInventory; strings.Contains(out, "lagerd approve shop1234") != approve {
			t.Errorf("%s: names approve: %t, want %t: %q", name, !approve, approve, out)
		}
	}
}
