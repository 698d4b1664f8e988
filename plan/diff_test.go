package plan_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// text is a figure's, or "" where there is none.
func text(d decimal.NullDecimal) string {
	if !d.Valid {
		return ""
	}
	return d.Decimal.String()
}

func TestDiff(t *testing.T) {
	onlyAvailable := item("a", "5")
	onlyAvailable.Figures.Available = figure("1")
	for name, c := range map[string]struct {
		obs    plan.Observation
		stored []plan.Row
		figure plan.Figure
		what   plan.What // "": equal
		before string    // the stock on either side; "": none
		after  string
		states [2]plan.State
		loss   bool
	}{
		"equal":                 {obs: seen(item("a", "5")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)}},
		"equal, written longer": {obs: seen(item("a", "5.00")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)}},
		"only the name differs": {obs: seen(renamed(item("a", "5"))), stored: []plan.Row{row(item("a", "5"), plan.StateOK)}},
		"neither has it":        {obs: notFound("a")},
		"gone before":           {obs: notFound("a"), stored: []plan.Row{row(item("a", "5"), plan.StateGone)}},
		"created": {obs: seen(item("a", "5")),
			what: plan.WhatCreated, after: "5", states: [2]plan.State{"", plan.StateOK}},
		"created without stock": {obs: seen(item("a", "0")),
			what: plan.WhatCreated, after: "0", states: [2]plan.State{"", plan.StateOK}},
		"another number, by its spaces": {obs: seen(item("a ", "5")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatCreated, after: "5", states: [2]plan.State{"", plan.StateOK}},
		"less": {obs: seen(item("a", "4.25")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatStock, before: "5", after: "4.25", states: [2]plan.State{plan.StateOK, plan.StateOK}},
		"negative": {obs: seen(item("a", "-2")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatStock, before: "5", after: "-2", states: [2]plan.State{plan.StateOK, plan.StateOK}},
		"sold out": {obs: seen(item("a", "0")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatStock, before: "5", after: "0", states: [2]plan.State{plan.StateOK, plan.StateOK}, loss: true},
		"zero becomes some": {obs: seen(item("a", "5")), stored: []plan.Row{row(item("a", "0"), plan.StateOK)},
			what: plan.WhatStock, before: "0", after: "5", states: [2]plan.State{plan.StateOK, plan.StateOK}},
		"its figure is gone": {obs: seen(item("a", "")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatStock, before: "5", states: [2]plan.State{plan.StateOK, plan.StateNoInventory}, loss: true},
		"its figure came": {obs: seen(item("a", "5")), stored: []plan.Row{row(item("a", ""), plan.StateNoInventory)},
			what: plan.WhatStock, after: "5", states: [2]plan.State{plan.StateNoInventory, plan.StateOK}},
		"only the other figure differs": {obs: seen(onlyAvailable), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatStock, before: "5", after: "5", states: [2]plan.State{plan.StateOK, plan.StateOK}},
		"the shop's figure was changed": {obs: seen(item("a", "5")), stored: []plan.Row{row(item("a", "5"), plan.StateOK)}, figure: plan.FigureAvailable,
			what: plan.WhatStock, before: "5", after: "4", states: [2]plan.State{plan.StateOK, plan.StateOK}},
		"barred": {obs: seen(barred(item("a", "5"))), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatState, before: "5", after: "5", states: [2]plan.State{plan.StateOK, plan.StateBarred}},
		"gone": {obs: notFound("a"), stored: []plan.Row{row(item("a", "5"), plan.StateOK)},
			what: plan.WhatGone, before: "5", states: [2]plan.State{plan.StateOK, plan.StateGone}, loss: true},
		"returned": {obs: seen(item("a", "5")), stored: []plan.Row{row(item("a", "5"), plan.StateGone)},
			what: plan.WhatReturned, after: "5", states: [2]plan.State{plan.StateGone, plan.StateOK}},
	} {
		t.Run(name, func(t *testing.T) {
			rows := map[string]plan.Row{}
			for _, r := range c.stored {
				rows[r.Number] = r
			}
			if c.figure == "" {
				c.figure = plan.FigureInStock
			}
			got := plan.Diff([]plan.Observation{c.obs}, rows, c.figure)
			if c.what == "" {
				if len(got) != 0 {
					t.Fatalf("expected no difference, got %+v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("expected one difference, got %+v", got)
			}
			d := got[0]
			wantAt := c.obs.Item.UpdatedAt
			want := []any{c.what, c.before, c.after, c.states, c.loss, c.obs.Item.Number, wantAt}
			if stored := c.stored; len(stored) > 0 && stored[0].Number == d.Number && !reflect.DeepEqual(d.Stored.Figures, stored[0].Figures) {
				t.Errorf("stored are said to be %+v", d.Stored.Figures)
			}
			if !reflect.DeepEqual(d.Economic.Figures, c.obs.Item.Figures) {
				t.Errorf("e-conomic's are said to be %+v", d.Economic.Figures)
			}
			have := []any{d.What, text(d.Stored.Stock), text(d.Economic.Stock), [2]plan.State{d.Stored.State, d.Economic.State}, d.Loss, d.Number, d.EconomicAt}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Error(diff)
			}
			if c.what == plan.WhatGone && (d.Name != "name of a" || !d.EconomicAt.Equal(time.Time{})) {
				t.Errorf("a gone item: %+v", d)
			}
		})
	}
}

func TestDiffIsInOrder(t *testing.T) {
	got := plan.Diff([]plan.Observation{seen(item("b", "1")), notFound("c"), seen(item("a", "1")), notFound("d")},
		map[string]plan.Row{"c": row(item("c", "3"), plan.StateOK)}, plan.FigureInStock)
	var numbers string
	for _, d := range got {
		numbers += d.Number
	}
	if numbers != "abc" {
		t.Errorf("got %q", numbers)
	}
	if got := plan.Diff(nil, nil, plan.FigureInStock); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
}
