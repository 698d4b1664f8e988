package plan_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
)

// TestUnknownFieldsStay: what of an answer could not be understood stays as it is
// stored, whatever it is, and is no difference by itself.
func TestUnknownFieldsStay(t *testing.T) {
	t.Parallel()
	stored := plan.Item{Number: "a", Name: "Vare", BarCode: "57", Barred: true, InventoryEnabled: true, UpdatedAt: noon.Add(-time.Hour),
		Figures: plan.Figures{InStock: figure("5"), Available: figure("4"), OrderedByCustomers: figure("1"), OrderedFromSuppliers: figure("2")}}
	other := plan.Item{Number: "a", Name: "Other", BarCode: "58", UpdatedAt: noon.Add(-time.Minute),
		Figures: plan.Figures{InStock: figure("7"), Available: figure("6"), OrderedByCustomers: figure("3"), OrderedFromSuppliers: figure("9")}}
	all := []struct {
		name  string
		field plan.Fields
		clear func(*plan.Item)                   // as an answer is read in which it is unknown
		keep  func(to *plan.Item, of *plan.Item) // what is to be stored then
	}{
		{"name", plan.FieldName, func(i *plan.Item) { i.Name = "" }, func(to, of *plan.Item) { to.Name = of.Name }},
		{"bar code", plan.FieldBarCode, func(i *plan.Item) { i.BarCode = "" }, func(to, of *plan.Item) { to.BarCode = of.BarCode }},
		{"barred", plan.FieldBarred, func(i *plan.Item) { i.Barred = false }, func(to, of *plan.Item) { to.Barred = of.Barred }},
		{"group", plan.FieldInventoryEnabled, func(i *plan.Item) { i.InventoryEnabled = false }, func(to, of *plan.Item) { to.InventoryEnabled = of.InventoryEnabled }},
		{"available", plan.FieldAvailable, func(i *plan.Item) { i.Figures.Available = figure("") }, func(to, of *plan.Item) { to.Figures.Available = of.Figures.Available }},
		{"customers", plan.FieldOrderedByCustomers, func(i *plan.Item) { i.Figures.OrderedByCustomers = figure("") }, func(to, of *plan.Item) { to.Figures.OrderedByCustomers = of.Figures.OrderedByCustomers }},
		{"suppliers", plan.FieldOrderedFromSuppliers, func(i *plan.Item) { i.Figures.OrderedFromSuppliers = figure("") }, func(to, of *plan.Item) { to.Figures.OrderedFromSuppliers = of.Figures.OrderedFromSuppliers }},
		{"time", plan.FieldUpdatedAt, func(i *plan.Item) { i.UpdatedAt = time.Time{} }, func(to, of *plan.Item) { to.UpdatedAt = of.UpdatedAt }},
	}
	// Each alone, and several together.
	for mask := 1; mask < 1<<len(all); mask++ {
		equal, next, want := seen(stored), seen(other), other
		for n, f := range all {
			if mask&(1<<n) == 0 {
				continue
			}
			for _, o := range []*plan.Observation{&equal, &next} {
				o.Unknown |= f.field
				f.clear(&o.Item)
			}
			f.keep(&want, &stored)
		}
		if p := plan.Items(input(equal, row(stored, plan.StateBarred))); len(p.Rows)+len(p.Changes)+len(p.Suspected) > 0 {
			t.Fatalf("%x of an equal item: %+v", equal.Unknown, p)
		}
		if d := plan.Diff([]plan.Observation{equal}, map[string]plan.Row{"a": row(stored, plan.StateBarred)}, plan.FigureInStock); len(d) > 0 {
			t.Fatalf("%x of an equal item differs: %+v", equal.Unknown, d)
		}
		p := plan.Items(input(next, row(stored, plan.StateBarred)))
		if len(p.Rows) != 1 || len(p.Changes) != 1 {
			t.Fatalf("%x: %+v", next.Unknown, p)
		}
		if diff := cmp.Diff(want, p.Rows[0].Item); diff != "" {
			t.Fatalf("%x: %s", next.Unknown, diff)
		}
		state := plan.StateOK
		if want.Barred {
			state = plan.StateBarred
		}
		if p.Rows[0].State != state || !same(p.Rows[0].Stock, figure("7")) {
			t.Fatalf("%x: state %s, stock %v", next.Unknown, p.Rows[0].State, p.Rows[0].Stock)
		}
		if at := p.Changes[0].EconomicAt; next.Unknown.Has(plan.FieldUpdatedAt) != at.IsZero() {
			t.Fatalf("%x: e-conomic is said to have changed it at %s", next.Unknown, at)
		}
	}
}

// TestUnknownFigureOfAnotherStock: where the shop sells by what is available, what is in stock stays
// too if it could not be understood.
func TestUnknownFigureOfAnotherStock(t *testing.T) {
	t.Parallel()
	stored := row(item("a", "5"), plan.StateOK)
	stored.Stock = stored.Figures.Available
	obs := seen(item("a", "5"))
	obs.Unknown, obs.Item.Figures.InStock, obs.Item.Figures.Available = plan.FieldInStock, figure(""), figure("3")
	in := input(obs, stored)
	in.Figure = plan.FigureAvailable
	p := plan.Items(in)
	if len(p.Rows) != 1 || !same(p.Rows[0].Figures.InStock, figure("5")) || !same(p.Rows[0].Stock, figure("3")) {
		t.Errorf("%+v", p.Rows)
	}
}

// TestUnknownFieldsOfANewItem: nothing is stored that could stay.
func TestUnknownFieldsOfANewItem(t *testing.T) {
	t.Parallel()
	obs := seen(plan.Item{Number: "a", Figures: plan.Figures{InStock: figure("5")}})
	obs.Unknown = plan.FieldName | plan.FieldBarCode | plan.FieldBarred | plan.FieldAvailable | plan.FieldUpdatedAt
	p := plan.Items(input(obs))
	if len(p.Rows) != 1 || !same(p.Rows[0].Stock, figure("5")) || p.Rows[0].State != plan.StateOK || p.Rows[0].Figures.Available.Valid {
		t.Fatalf("%+v", p)
	}
	// One that was gone keeps what was known of it.
	gone := row(barred(item("a", "5")), plan.StateGone)
	p = plan.Items(input(obs, gone))
	if len(p.Rows) != 1 || p.Rows[0].State != plan.StateBarred || p.Rows[0].Name != gone.Name || p.Changes[0].What != plan.WhatReturned {
		t.Fatalf("%+v", p)
	}
}

// TestUnknownTimeIsNoDrift: a change of which e-conomic's time cannot be understood is
// put down to the read that showed it.
func TestUnknownTimeIsNoDrift(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause   plan.Cause
		at      time.Time
		unknown plan.Fields
		want    plan.Cause
	}{
		{plan.CauseTick, noon, 0, plan.CauseTick},
		{plan.CauseTick, noon.Add(-time.Hour), 0, plan.CauseSweep},
		{plan.CauseTick, time.Time{}, 0, plan.CauseSweep},
		{plan.CauseTick, time.Time{}, plan.FieldUpdatedAt, plan.CauseTick},
		{plan.CauseSweep, time.Time{}, plan.FieldUpdatedAt, plan.CauseSweep},
		{plan.CauseTick, noon.Add(-time.Minute), 0, plan.CauseTick},
		{plan.CauseTick, noon.Add(-time.Minute - 1), 0, plan.CauseSweep},
		{plan.CauseWebhook, noon.Add(-time.Hour), 0, plan.CauseWebhook},
	} {
		obs := seen(item("a", "7"))
		obs.Item.UpdatedAt, obs.Unknown = c.at, c.unknown
		in := input(obs, row(item("a", "5"), plan.StateOK))
		in.Cause, in.VisibleSince = c.cause, noon.Add(-time.Minute)
		if p := plan.Items(in); len(p.Changes) != 1 || p.Changes[0].Cause != c.want {
			t.Errorf("%+v: %+v", c, p.Changes)
		}
		in.Observations[0] = notFound("a") // no change query shows that
		if p := plan.Items(in); len(p.Changes) != 1 || p.Changes[0].Cause != c.cause {
			t.Errorf("gone, %+v: %+v", c, p.Changes)
		}
	}
}

func TestKindOfAnInvoiceIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		net, gross string
		told, note bool
	}{
		{"80", "100", true, false}, {"-80", "-100", true, true}, {"", "100", true, false}, {"", "-100", true, true}, {"-80", "", true, true},
		{"80", "0", true, false}, {"-1", "0", true, true}, {"0", "", false, false}, {"", "0", false, false}, {"", "", false, false},
	} {
		inv := plan.Invoice{Net: figure(c.net), Gross: figure(c.gross)}
		if inv.TellsKind() != c.told || inv.IsCreditNote() != c.note {
			t.Errorf("%+v: told %t, credit note %t", c, inv.TellsKind(), inv.IsCreditNote())
		}
	}
}

// TestIncompleteInvoices: an invoice is rewritten only where it was stored without
// fields that could not be understood, and now all can be.
func TestIncompleteInvoices(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		stored, incomplete bool
		warning            string
		rows, completed    int
	}{
		{"new", false, false, "", 1, 0},
		{"new with a warning", false, false, "x", 1, 0},
		{"stored", true, false, "", 0, 0},
		{"stored, not understood now", true, false, "x", 0, 0},
		{"incomplete, still", true, true, "y", 0, 0},
		{"incomplete, understood now", true, true, "", 0, 1},
	} {
		p := plan.Invoices(plan.InvoicesInput{Began: noon, Observed: []plan.Invoice{{Number: 7, OtherReference: " W-1 ", Warning: c.warning}},
			Stored: map[int64]bool{7: c.stored}, Incomplete: map[int64]bool{7: c.incomplete}})
		if len(p.Rows) != c.rows || len(p.Completed) != c.completed || len(p.Changes) != c.rows {
			t.Errorf("%s: %+v", c.name, p)
		}
		for _, r := range p.Completed {
			if r.ShopOrder != "W-1" || r.Number != 7 {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
	}
}

// TestUnreadInvoiceIsNotMissed: of an invoice that was found before, and could not be
// understood, nothing is said of a webhook but what is known.
func TestUnreadInvoiceIsNotMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hint plan.Hint
		want plan.Webhook
	}{
		{plan.Hint{Cause: plan.CauseTick, Failures: 3}, plan.WebhookNone},
		{plan.Hint{Cause: plan.CauseWebhook, WebhookAt: noon, Failures: 3}, plan.WebhookCame},
		{plan.Hint{Cause: plan.CauseOperator}, plan.WebhookMissed},
	} {
		p := plan.Invoices(plan.InvoicesInput{Cause: plan.CauseTick, Began: noon, Observed: []plan.Invoice{{Number: 7}}, Hints: map[string]plan.Hint{"7": c.hint}})
		if len(p.Changes) != 1 || p.Changes[0].Webhook != c.want || p.Changes[0].Cause != c.hint.Cause {
			t.Errorf("%+v: %+v", c.hint, p.Changes)
		}
	}
}

// TestFieldOf: the field that the shop sells by is that of its figure.
func TestFieldOf(t *testing.T) {
	t.Parallel()
	for figure, want := range map[plan.Figure]plan.Fields{plan.FigureInStock: plan.FieldInStock, plan.FigureAvailable: plan.FieldAvailable, "": plan.FieldInStock} {
		if got := plan.FieldOf(figure); got != want {
			t.Errorf("%q is field %x, expected %x", figure, got, want)
		}
	}
}
