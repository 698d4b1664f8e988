package plan_test

import (
	"testing"

	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// TestFate: the table at Fate, in its order.
func TestFate(t *testing.T) {
	t.Parallel()
	side := func(state plan.State, stock string) plan.Side {
		s := plan.Side{State: state}
		if stock != "" {
			s.Stock = decimal.NewNullDecimal(decimal.RequireFromString(stock))
		}
		return s
	}
	other := side(plan.StateOK, "5.0")
	other.Figures.Available = decimal.NewNullDecimal(decimal.NewFromInt(3))
	none := side(plan.StateNoInventory, "")
	none.Figures.Available = other.Figures.Available
	for name, c := range map[string]struct {
		what          plan.What
		stored, there plan.Side
		want          plan.Fate
	}{
		"not stored":          {plan.WhatCreated, plan.Side{}, side(plan.StateOK, "5"), plan.FateNew},
		"gone, and back":      {plan.WhatReturned, side(plan.StateGone, ""), side(plan.StateOK, "5"), plan.FateNew},
		"not there":           {plan.WhatGone, side(plan.StateOK, "5"), side(plan.StateGone, ""), plan.FateGone},
		"loses its figure":    {plan.WhatStock, side(plan.StateOK, "5"), side(plan.StateNoInventory, ""), plan.FateNoFigure},
		"loses a zero":        {plan.WhatStock, side(plan.StateOK, "0"), side(plan.StateNoInventory, ""), plan.FateNoFigure},
		"another figure":      {plan.WhatStock, side(plan.StateOK, "5"), side(plan.StateOK, "0"), plan.FateOther},
		"a first figure":      {plan.WhatStock, side(plan.StateNoInventory, ""), side(plan.StateOK, "5"), plan.FateOther},
		"no figure as before": {plan.WhatStock, side(plan.StateNoInventory, ""), none, plan.FateSame},
		"barred":              {plan.WhatState, side(plan.StateOK, "5"), side(plan.StateBarred, "5"), plan.FateOther},
		"other figures only":  {plan.WhatStock, side(plan.StateOK, "5"), other, plan.FateSame},
	} {
		d := plan.Difference{What: c.what, Stored: c.stored, Economic: c.there}
		if got := d.Fate(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestPreviewOf: every stored item is counted once, and a new one is none of them.
func TestPreviewOf(t *testing.T) {
	t.Parallel()
	five, zero := decimal.NewNullDecimal(decimal.NewFromInt(5)), decimal.NewNullDecimal(decimal.Zero)
	ok := func(stock decimal.NullDecimal) plan.Side { return plan.Side{State: plan.StateOK, Stock: stock} }
	differences := []plan.Difference{
		{What: plan.WhatCreated, Economic: ok(five)},
		{What: plan.WhatCreated, Economic: ok(zero)},
		{What: plan.WhatStock, Stored: ok(five), Economic: ok(zero), Loss: true},
		{What: plan.WhatStock, Stored: ok(zero), Economic: ok(five)},
		{What: plan.WhatStock, Stored: ok(five), Economic: plan.Side{State: plan.StateNoInventory}, Loss: true},
		{What: plan.WhatGone, Stored: ok(five), Economic: plan.Side{State: plan.StateGone}, Loss: true},
		{What: plan.WhatStock, Stored: ok(five), Economic: ok(five)},
	}
	want := plan.Preview{Same: 93, Other: 2, NoFigure: 1, Gone: 1, New: 2, Figures: 1, Unread: 3, Losses: 3}
	if got := plan.PreviewOf(differences, 100, 3); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := plan.PreviewOf(nil, 0, 0); got != (plan.Preview{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

// TestLossLimit: the larger of the share and the number.
func TestLossLimit(t *testing.T) {
	t.Parallel()
	p := plan.Policy{LossPercent: 25, LossMin: 20}
	for items, want := range map[int]int{0: 20, 80: 20, 84: 21, 300: 75} {
		if got := p.LossLimit(items); got != want {
			t.Errorf("%d items: %d, want %d", items, got, want)
		}
	}
}
