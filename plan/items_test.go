package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"lagerd/plan"
)

var (
	noon    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rereads = []time.Duration{2 * time.Second, 10 * time.Second}
)

func figure(s string) decimal.NullDecimal {
	if s == "" {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.RequireFromString(s))
}

// item is an item with so much in stock and one less available; "" has no
// inventory block.
func item(number, inStock string) plan.Item {
	i := plan.Item{Number: number, Name: "name of " + number, UpdatedAt: noon.Add(-time.Minute)}
	if inStock != "" {
		i.InventoryEnabled = true
		i.Figures.InStock = figure(inStock)
		i.Figures.Available = decimal.NewNullDecimal(i.Figures.InStock.Decimal.Sub(decimal.New(1, 0)))
	}
	return i
}

func row(i plan.Item, state plan.State) plan.Row {
	r := plan.Row{Item: i, State: state, Stock: i.Figures.InStock, Version: plan.Version{Token: 1, At: noon.Add(-time.Hour)}, ChangedAt: noon.Add(-time.Hour)}
	if state == plan.StateGone {
		r.Stock, r.Figures = decimal.NullDecimal{}, plan.Figures{}
	}
	return r
}

func seen(i plan.Item) plan.Observation { return plan.Observation{Item: i, Found: true, Began: noon} }

func notFound(number string) plan.Observation {
	return plan.Observation{Item: plan.Item{Number: number}, Began: noon}
}

func barred(i plan.Item) plan.Item { i.Barred = true; return i }

func renamed(i plan.Item) plan.Item { i.Name += "!"; return i }

// input is what decides about an observation whose number a read before it
// showed in the same way.
func input(obs plan.Observation, stored ...plan.Row) plan.ItemsInput {
	in := plan.ItemsInput{Figure: plan.FigureInStock, Token: 1, Cause: plan.CauseTick, Observations: []plan.Observation{obs},
		Stored: map[string]plan.Row{}, Now: noon.Add(time.Second), Rereads: rereads, LateWithin: 15 * time.Minute, Suspects: suspected(obs.Item.Number)}
	for _, r := range stored {
		in.Stored[r.Number] = r
	}
	return in
}

func suspected(number string) map[string]plan.Suspect {
	return map[string]plan.Suspect{number: {Began: noon.Add(-time.Second), Loss: true, Cause: plan.CauseTick}}
}

// TestItemsTable is the table in the comment of Items.
func TestItemsTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		obs    plan.Observation
		stored []plan.Row
		what   plan.What // "": no change
		stock  string    // "" is absent
		state  plan.State
		row    bool // a row is written
	}{
		{"new", seen(item("a", "5")), nil, plan.WhatCreated, "5", plan.StateOK, true},
		{"new with zero", seen(item("a", "0")), nil, plan.WhatCreated, "0", plan.StateOK, true},
		{"new with less than nothing", seen(item("a", "-2.25")), nil, plan.WhatCreated, "-2.25", plan.StateOK, true},
		{"new without a figure", seen(item("a", "")), nil, plan.WhatCreated, "", plan.StateNoInventory, true},
		{"new and barred", seen(barred(item("a", "5"))), nil, plan.WhatCreated, "5", plan.StateBarred, true},
		{"barred without a figure", seen(barred(item("a", ""))), nil, plan.WhatCreated, "", plan.StateNoInventory, true},
		{"the same", seen(item("a", "5")), []plan.Row{row(item("a", "5"), plan.StateOK)}, "", "", "", false},
		{"the same, written otherwise", seen(item("a", "5.00")), []plan.Row{row(item("a", "5"), plan.StateOK)}, "", "", "", false},
		{"sold", seen(item("a", "4.5")), []plan.Row{row(item("a", "5"), plan.StateOK)}, plan.WhatStock, "4.5", plan.StateOK, true},
		{"sold out", seen(item("a", "0")), []plan.Row{row(item("a", "5"), plan.StateOK)}, plan.WhatStock, "0", plan.StateOK, true},
		{"from zero to a figure", seen(item("a", "1")), []plan.Row{row(item("a", "0"), plan.StateOK)}, plan.WhatStock, "1", plan.StateOK, true},
		{"the block goes", seen(item("a", "")), []plan.Row{row(item("a", "5"), plan.StateOK)}, plan.WhatStock, "", plan.StateNoInventory, true},
		{"the block comes", seen(item("a", "0")), []plan.Row{row(item("a", ""), plan.StateNoInventory)}, plan.WhatStock, "0", plan.StateOK, true},
		{"barred", seen(barred(item("a", "5"))), []plan.Row{row(item("a", "5"), plan.StateOK)}, plan.WhatState, "5", plan.StateBarred, true},
		{"renamed", seen(renamed(item("a", "5"))), []plan.Row{row(item("a", "5"), plan.StateOK)}, "", "5", plan.StateOK, true},
		{"gone", notFound("a"), []plan.Row{row(item("a", "5"), plan.StateOK)}, plan.WhatGone, "", plan.StateGone, true},
		{"gone already", notFound("a"), []plan.Row{row(item("a", "5"), plan.StateGone)}, "", "", "", false},
		{"never there", notFound("a"), nil, "", "", "", false},
		{"back", seen(item("a", "3")), []plan.Row{row(item("a", "5"), plan.StateGone)}, plan.WhatReturned, "3", plan.StateOK, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := plan.Items(input(c.obs, c.stored...))
			if (len(p.Rows) == 1) != c.row {
				t.Fatalf("rows: %+v", p.Rows)
			}
			what := plan.What("")
			if len(p.Changes) > 0 {
				what = p.Changes[0].What
			}
			if what != c.what {
				t.Errorf("change %q, expected %q", what, c.what)
			}
			if c.row && (!same(p.Rows[0].Stock, figure(c.stock)) || p.Rows[0].State != c.state) {
				t.Errorf("stock %v, state %s, expected %q, %s", p.Rows[0].Stock, p.Rows[0].State, c.stock, c.state)
			}
			if c.row && c.state == plan.StateGone && p.Rows[0].Figures != (plan.Figures{}) {
				t.Errorf("an item that is gone keeps figures: %+v", p.Rows[0].Figures)
			}
			if what != "" && !same(p.Changes[0].NewStock, figure(c.stock)) {
				t.Errorf("the change's new stock is %v", p.Changes[0].NewStock)
			}
		})
	}
}

func same(a, b decimal.NullDecimal) bool {
	return a.Valid == b.Valid && (!a.Valid || a.Decimal.Equal(b.Decimal))
}

// TestLossesNeedASecondRead: no zero is written, and nothing taken away, by the
// first read that shows it, nor while losses are held back.
func TestLossesNeedASecondRead(t *testing.T) {
	t.Parallel()
	five, none := row(item("a", "5"), plan.StateOK), row(item("a", ""), plan.StateNoInventory)
	for _, c := range []struct {
		name    string
		obs     plan.Observation
		stored  []plan.Row
		suspect bool // needs a second read
		loss    bool // and counts as a loss
	}{
		{"a figure that becomes zero", seen(item("a", "0")), []plan.Row{five}, true, true},
		{"a figure that goes", seen(item("a", "")), []plan.Row{five}, true, true},
		{"an item that goes", notFound("a"), []plan.Row{five}, true, true},
		{"an item without a figure that goes", notFound("a"), []plan.Row{none}, true, true},
		{"less than nothing that becomes zero", seen(item("a", "0")), []plan.Row{row(item("a", "-1"), plan.StateOK)}, true, true},
		{"a zero that goes", seen(item("a", "")), []plan.Row{row(item("a", "0"), plan.StateOK)}, true, true},
		{"a new item with zero", seen(item("a", "0")), nil, true, false},
		{"a first figure that is zero", seen(item("a", "0")), []plan.Row{none}, true, false},
		{"back with zero", seen(item("a", "0")), []plan.Row{row(item("a", "5"), plan.StateGone)}, true, false},
		{"zero as before", seen(renamed(item("a", "0"))), []plan.Row{row(item("a", "0"), plan.StateOK)}, false, false},
		{"less", seen(item("a", "1")), []plan.Row{five}, false, false},
		{"below zero", seen(item("a", "-1")), []plan.Row{five}, false, false},
		{"new", seen(item("a", "1")), nil, false, false},
		{"new without a figure", seen(item("a", "")), nil, false, false},
	} {
		hint := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Tries: 1, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}
		first := input(c.obs, c.stored...)
		first.Suspects, first.Hints = nil, map[string]plan.Hint{"a": hint}
		p := plan.Items(first)
		s, suspect := p.Suspected["a"]
		if suspect != c.suspect || s.Loss != c.loss || (len(p.Rows) == 0) != c.suspect {
			t.Errorf("%s: the first read: %+v", c.name, p)
			continue
		}
		if !c.suspect {
			continue
		}
		if len(p.Answered) != 0 || len(p.Rereads) != 1 || p.Rereads[0].Gen != 7 || p.Rereads[0].Tries != 1 || !p.Rereads[0].DueAt.Equal(first.Now) {
			t.Errorf("%s: its hint is not kept for a second read at once: %+v", c.name, p)
		}
		again := input(c.obs, c.stored...)
		again.Suspects, again.Hints = p.Suspected, first.Hints
		if p := plan.Items(again); len(p.Changes) != 0 {
			t.Errorf("%s: the same read confirmed itself: %+v", c.name, p)
		}
		again.Observations[0].Began = noon.Add(time.Second)
		held := again
		held.HeldBackTo = noon.Add(time.Hour)
		if p := plan.Items(held); c.loss && (len(p.Changes) != 0 || len(p.Rereads) != 1 || !p.Rereads[0].DueAt.Equal(held.HeldBackTo) || !p.Suspected["a"].Began.Equal(noon)) {
			t.Errorf("%s: held back: %+v", c.name, p)
		}
		if p := plan.Items(held); !c.loss && (len(p.Changes) != 1 || len(p.Suspected) != 0) {
			t.Errorf("%s: no loss, and held back: %+v", c.name, p)
		}
		if p := plan.Items(again); len(p.Changes) != 1 || len(p.Answered) != 1 || len(p.Suspected) != 0 {
			t.Errorf("%s: the second read: %+v", c.name, p)
		}
		if len(c.stored) == 0 {
			continue
		}
		between := c.stored[0]
		between.Version = plan.Version{Token: again.Token, At: noon.Add(time.Millisecond)}
		refuted := input(c.obs, between)
		refuted.Observations[0].Began, refuted.Hints = noon.Add(time.Second), first.Hints
		refuted.Suspects = p.Suspected
		if p := plan.Items(refuted); len(p.Changes) != 0 || !p.Suspected["a"].Began.Equal(noon.Add(time.Second)) {
			t.Errorf("%s: confirmed a read that what was stored since refutes: %+v", c.name, p)
		}
	}
}

// TestSuspectStays: while losses are held back, a suspect stays that of the first read; whether its webhook came, and
// whether the item is listed, is what the latest read says.
func TestSuspectStays(t *testing.T) {
	t.Parallel()
	first := noon.Add(-time.Hour)
	for _, c := range []struct {
		obs                   plan.Observation
		was                   plan.Suspect
		webhook               bool
		announced, isUnlisted bool
	}{
		{notFound("a"), plan.Suspect{Began: first, Loss: true, Cause: plan.CauseSweep, Unlisted: true}, false, false, true},
		{notFound("a"), plan.Suspect{Began: first, Loss: true, Cause: plan.CauseSweep}, true, true, false},
		{seen(item("a", "0")), plan.Suspect{Began: first, Loss: true, Cause: plan.CauseSweep, Announced: true, Unlisted: true}, false, false, false},
	} {
		old := row(item("a", "5"), plan.StateOK)
		old.Version.At = first.Add(-time.Hour)
		in := input(c.obs, old)
		in.Suspects, in.HeldBackTo = map[string]plan.Suspect{"a": c.was}, noon.Add(time.Hour)
		if c.webhook {
			in.Hints = map[string]plan.Hint{"a": {Number: "a", Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}}
		}
		want := map[string]plan.Suspect{"a": {Began: first, Loss: true, Cause: plan.CauseSweep, Announced: c.announced, Unlisted: c.isUnlisted}}
		if diff := cmp.Diff(want, plan.Items(in).Suspected); diff != "" {
			t.Errorf("%+v, %+v: %s", c.obs, c.was, diff)
		}
	}
}

// TestItemsTogether compares the whole plan of a batch of all kinds of observations. The shop sells by what is available.
func TestItemsTogether(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	in := input(plan.Observation{})
	in.Figure, in.Token, in.Cause, in.VisibleSince = plan.FigureAvailable, 7, plan.CauseSweep, noon.Add(-5*time.Minute)
	in.Observations, in.Suspects, in.Hints = nil, map[string]plan.Suspect{}, map[string]plan.Hint{}
	version := plan.Version{Token: 7, At: noon}
	stored := func(number, inStock string) plan.Row {
		r := row(item(number, inStock), plan.StateOK)
		r.Stock, r.FirstSeenAt, r.ChangedAt = r.Figures.Available, noon.Add(-9*day), noon.Add(-day)
		in.Stored[number] = r
		return r
	}
	hint := func(number string, cause plan.Cause, tries int) {
		h := plan.Hint{Kind: plan.KindStock, Number: number, Gen: 3, Cause: cause, FirstAt: noon.Add(-2 * time.Minute), Tries: tries}
		if cause == plan.CauseWebhook {
			h.WebhookAt, h.Webhooks = noon.Add(-time.Minute), 1
		}
		in.Hints[number] = h
	}
	confirmed := func(number string) {
		in.Suspects[number] = plan.Suspect{Began: noon.Add(-time.Second), Loss: true, Cause: plan.CauseTick}
	}
	show := func(o plan.Observation) { in.Observations = append(in.Observations, o) }
	old := func(o plan.Observation) plan.Observation { o.Item.UpdatedAt = noon.Add(-day); return o }
	now := func(r plan.Row, i plan.Item) plan.Row {
		r.Item, r.Stock, r.Version, r.ChangedAt = i, i.Figures.Available, version, noon
		return r
	}
	changed := func(what plan.What, from, to plan.Row, cause plan.Cause, webhook plan.Webhook) plan.Change {
		return plan.Change{Kind: plan.KindStock, Number: to.Number, What: what, OldStock: from.Stock, NewStock: to.Stock, OldFigures: from.Figures, NewFigures: to.Figures,
			OldState: from.State, NewState: to.State, Cause: cause, Webhook: webhook, EconomicAt: to.UpdatedAt, ObservedAt: noon}
	}
	answer := func(number string, reason plan.HintReason) plan.Answer {
		return plan.Answer{Kind: plan.KindStock, Number: number, Gen: 3, Reason: reason, Note: reason.Note(plan.KindStock, "")}
	}
	reread := func(number string, due time.Time, tries int, reason plan.HintReason) plan.Reread {
		return plan.Reread{Kind: plan.KindStock, Number: number, Gen: 3, DueAt: due, Tries: tries, Reason: reason, Note: reason.Note(plan.KindStock, "")}
	}
	var want plan.ItemsPlan

	older := stored("a stale one", "5")
	older.Version = plan.Version{Token: 8}
	in.Stored[older.Number] = older
	hint(older.Number, plan.CauseWebhook, 0)
	show(seen(item(older.Number, "4")))
	want.Stale = 1

	show(seen(item("b new", "5")))
	created := now(plan.Row{State: plan.StateOK, FirstSeenAt: noon, ChangedAt: noon}, item("b new", "5"))
	created.ChangedAt = noon
	want.Rows = append(want.Rows, created)
	want.Changes = append(want.Changes, changed(plan.WhatCreated, plan.Row{}, created, plan.CauseTick, plan.WebhookNone))

	sold := stored("c sold", "5")
	hint("c sold", plan.CauseWebhook, 1)
	show(seen(item("c sold", "4")))
	less := now(sold, item("c sold", "4"))
	want.Rows = append(want.Rows, less)
	byWebhook := changed(plan.WhatStock, sold, less, plan.CauseWebhook, plan.WebhookCame)
	byWebhook.HintedAt, byWebhook.Lagged = noon.Add(-2*time.Minute), true
	want.Changes = append(want.Changes, byWebhook)
	want.Answered = append(want.Answered, answer("c sold", ""))

	drifted := stored("d drifted", "5")
	show(old(seen(item("d drifted", "3"))))
	found := now(drifted, old(seen(item("d drifted", "3"))).Item)
	want.Rows = append(want.Rows, found)
	want.Changes = append(want.Changes, changed(plan.WhatStock, drifted, found, plan.CauseSweep, plan.WebhookMissed))

	stored("e doubted", "5")
	show(old(seen(item("e doubted", "1")))) // none are available
	hint("f doubted, hinted", plan.CauseWebhook, 1)
	stored("f doubted, hinted", "5")
	show(seen(item("f doubted, hinted", "1")))
	want.Suspected = map[string]plan.Suspect{"e doubted": {Began: noon, Loss: true, Cause: plan.CauseSweep}, "f doubted, hinted": {Began: noon, Loss: true, Cause: plan.CauseTick, Announced: true}}
	want.Rereads = append(want.Rereads, reread("f doubted, hinted", in.Now, 1, plan.HintUnconfirmed))

	lost := stored("g lost", "5")
	confirmed("g lost")
	show(seen(item("g lost", "1")))
	zero := now(lost, item("g lost", "1"))
	want.Rows = append(want.Rows, zero)
	want.Changes = append(want.Changes, changed(plan.WhatStock, lost, zero, plan.CauseTick, plan.WebhookMissed))
	want.Lost = append(want.Lost, plan.Lost{Number: "g lost"})

	gone := stored("h gone", "5")
	confirmed("h gone")
	hint("h gone", plan.CauseTick, 0)
	show(notFound("h gone"))
	left := gone
	left.State, left.Stock.Valid, left.Figures, left.Version, left.ChangedAt = plan.StateGone, false, plan.Figures{}, version, noon
	want.Rows = append(want.Rows, left)
	goneChange := changed(plan.WhatGone, gone, left, plan.CauseTick, plan.WebhookNone)
	goneChange.EconomicAt = time.Time{}
	want.Changes = append(want.Changes, goneChange)
	want.Answered = append(want.Answered, answer("h gone", plan.HintGone))
	want.Lost = append(want.Lost, plan.Lost{Number: "h gone", Gone: true})

	returned := stored("h returned", "5")
	returned.State, returned.Stock, returned.Figures, returned.RenumberedTo = plan.StateGone, figure(""), plan.Figures{}, "x"
	in.Stored[returned.Number] = returned
	show(seen(barred(item("h returned", "5"))))
	back := now(returned, barred(item("h returned", "5")))
	back.State, back.RenumberedTo = plan.StateBarred, ""
	want.Rows = append(want.Rows, back)
	want.Changes = append(want.Changes, changed(plan.WhatReturned, returned, back, plan.CauseTick, plan.WebhookNone))

	free := stored("h barred", "5")
	show(seen(barred(item("h barred", "5"))))
	refused := now(free, barred(item("h barred", "5")))
	refused.State = plan.StateBarred
	want.Rows = append(want.Rows, refused)
	want.Changes = append(want.Changes, changed(plan.WhatState, free, refused, plan.CauseTick, plan.WebhookNone))

	blockless := stored("h without its block", "5")
	confirmed("h without its block")
	show(seen(item("h without its block", "")))
	without := now(blockless, item("h without its block", ""))
	without.State = plan.StateNoInventory
	want.Rows = append(want.Rows, without)
	want.Changes = append(want.Changes, changed(plan.WhatStock, blockless, without, plan.CauseTick, plan.WebhookNone))
	want.Lost = append(want.Lost, plan.Lost{Number: "h without its block"})

	renamedRow := stored("i renamed", "5")
	show(seen(renamed(item("i renamed", "5"))))
	renamedRow.Name, renamedRow.Version = renamedRow.Name+"!", version
	want.Rows = append(want.Rows, renamedRow)

	stored("j equal", "5")
	show(seen(item("j equal", "5")))
	for number, cause := range map[string]plan.Cause{"k equal, asked for": plan.CauseOperator, "l equal, webhook": plan.CauseWebhook} {
		stored(number, "5")
		hint(number, cause, 0)
	}
	show(seen(item("k equal, asked for", "5")))
	want.Answered = append(want.Answered, answer("k equal, asked for", ""))
	show(seen(item("l equal, webhook", "5")))
	want.Rereads = append(want.Rereads, reread("l equal, webhook", in.Now.Add(rereads[0]), 1, ""))

	show(notFound("m unknown"))
	hint("n unknown", plan.CauseOperator, 0)
	show(notFound("n unknown"))
	want.Answered = append(want.Answered, answer("n unknown", plan.HintUnknown))

	several := stored("o several webhooks", "5")
	hint("o several webhooks", plan.CauseWebhook, 0)
	h := in.Hints["o several webhooks"]
	h.WebhookAt, h.Webhooks = noon.Add(-time.Second), 2
	in.Hints["o several webhooks"] = h
	show(seen(item("o several webhooks", "4")))
	first := now(several, item("o several webhooks", "4"))
	want.Rows = append(want.Rows, first)
	byWebhook = changed(plan.WhatStock, several, first, plan.CauseWebhook, plan.WebhookCame)
	byWebhook.HintedAt = noon.Add(-2 * time.Minute)
	want.Changes = append(want.Changes, byWebhook)
	want.Rereads = append(want.Rereads, reread("o several webhooks", h.WebhookAt.Add(rereads[1]), 2, ""))

	late := stored("p late webhook", "5")
	late.ChangedAt = noon.Add(-3 * time.Minute)
	in.Stored["p late webhook"] = late
	in.Recent = map[string]plan.Loss{"p late webhook": {At: noon}, "c sold": {At: noon}, "j equal": {At: noon}, "e doubted": {At: noon}}
	hint("p late webhook", plan.CauseWebhook, 2)
	show(seen(item("p late webhook", "5")))
	want.Answered = append(want.Answered, answer("p late webhook", ""))
	want.Late = []string{"p late webhook"}
	want.Restored = []string{"c sold", "j equal", "p late webhook"}

	if diff := cmp.Diff(want, plan.Items(in)); diff != "" {
		t.Error(diff)
	}
}

func TestOlderObservationsChangeNothing(t *testing.T) {
	t.Parallel()
	hint := map[string]plan.Hint{"a": {Kind: plan.KindStock, Number: "a", Gen: 1, WebhookAt: noon, FirstAt: noon}}
	for _, c := range []struct {
		name    string
		version plan.Version
		token   int64
		stale   bool
	}{
		{"read before", plan.Version{Token: 1, At: noon.Add(time.Microsecond)}, 1, true},
		{"read at the same time", plan.Version{Token: 1, At: noon}, 1, false},
		{"by an earlier holder with a clock ahead", plan.Version{Token: 1, At: noon.Add(time.Hour)}, 2, false},
		{"by a later holder with a clock behind", plan.Version{Token: 3, At: noon.Add(-time.Hour)}, 2, true},
	} {
		r := row(item("a", "5"), plan.StateOK)
		r.Version = c.version
		in := input(seen(item("a", "4")), r)
		in.Token, in.Hints = c.token, hint
		p := plan.Items(in)
		if (p.Stale == 1) != c.stale || (len(p.Rows)+len(p.Changes)+len(p.Answered)+len(p.Rereads) == 0) != c.stale {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestHintsAreAnsweredOrReadAgain(t *testing.T) {
	t.Parallel()
	stored := row(item("a", "5"), plan.StateOK)
	recent := stored
	recent.ChangedAt = noon.Add(-time.Minute)
	webhook := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}
	operator := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Cause: plan.CauseOperator, FirstAt: noon}
	invoice := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Cause: plan.CauseInvoice, FirstAt: noon}
	tried := func(h plan.Hint, n int) plan.Hint { h.Tries = n; return h }
	for _, c := range []struct {
		name  string
		hint  plan.Hint
		obs   plan.Observation
		row   plan.Row
		again int // tries of the reread, 0: answered
		due   time.Duration
	}{
		{"a webhook whose read shows the change", webhook, seen(item("a", "4")), stored, 0, 0},
		{"a webhook whose read shows nothing new", webhook, seen(item("a", "5")), stored, 1, 2 * time.Second},
		{"for the second time", tried(webhook, 1), seen(item("a", "5")), stored, 2, 10 * time.Second},
		{"for the last time", tried(webhook, 2), seen(item("a", "5")), stored, 0, 0},
		{"also where the item changed before", webhook, seen(item("a", "5")), recent, 1, 2 * time.Second},
		{"an operator's", operator, seen(item("a", "5")), stored, 0, 0},
		{"an invoice's", invoice, seen(item("a", "5")), stored, 1, 2 * time.Second},
		{"an invoice's whose item changed before", invoice, seen(item("a", "5")), recent, 0, 0},
		{"an invoice's whose item changed too long before", invoice, seen(item("a", "5")), changedAt(stored, noon.Add(-15*time.Minute)), 1, 2 * time.Second},
		{"a webhook of an item that is gone", webhook, notFound("a"), stored, 0, 0},
		{"a webhook of an item that is neither there nor stored", webhook, notFound("b"), stored, 0, 0},
	} {
		in := input(c.obs, c.row)
		h := c.hint
		h.Number = c.obs.Item.Number
		in.Hints = map[string]plan.Hint{h.Number: h}
		p := plan.Items(in)
		switch {
		case c.again == 0 && (len(p.Answered) != 1 || len(p.Rereads) != 0 || p.Answered[0].Gen != 7):
			t.Errorf("%s: not answered: %+v", c.name, p)
		case c.again > 0 && (len(p.Rereads) != 1 || len(p.Answered) != 0 || p.Rereads[0].Tries != c.again || p.Rereads[0].Gen != 7 || !p.Rereads[0].DueAt.Equal(in.Now.Add(c.due))):
			t.Errorf("%s: %+v", c.name, p)
		}
	}
	in := input(notFound("b"))
	in.Hints = map[string]plan.Hint{"b": {Kind: plan.KindStock, Number: "b", Gen: 1, Cause: plan.CauseOperator}}
	if p := plan.Items(in); len(p.Answered) != 1 || !strings.Contains(p.Answered[0].Note, "no item with this number") {
		t.Errorf("an unknown number is answered without saying so: %+v", p)
	}
}

func TestCausesAndMissedWebhooks(t *testing.T) {
	t.Parallel()
	old := row(item("a", "5"), plan.StateOK)
	figureChosen := old
	figureChosen.Stock = old.Figures.Available
	hint := func(cause plan.Cause, webhook bool, tries int) map[string]plan.Hint {
		h := plan.Hint{Kind: plan.KindStock, Number: "a", Cause: cause, FirstAt: noon.Add(-time.Second), Tries: tries}
		if webhook {
			h.WebhookAt = noon
		}
		return map[string]plan.Hint{"a": h}
	}
	for _, c := range []struct {
		name    string
		obs     plan.Observation
		row     []plan.Row
		change  func(*plan.ItemsInput)
		cause   plan.Cause
		webhook plan.Webhook
		lagged  bool
	}{
		{"by a webhook", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Hints = hint(plan.CauseWebhook, true, 0) }, plan.CauseWebhook, plan.WebhookCame, false},
		{"by a later read of a webhook", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Hints = hint(plan.CauseWebhook, true, 1) }, plan.CauseWebhook, plan.WebhookCame, true},
		{"asked for, and the webhook came too", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Hints = hint(plan.CauseOperator, true, 0) }, plan.CauseWebhook, plan.WebhookCame, false},
		{"by a tick", seen(item("a", "4")), []plan.Row{old}, nil, plan.CauseTick, plan.WebhookMissed, false},
		{"by an operator", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Hints = hint(plan.CauseOperator, false, 0) }, plan.CauseOperator, plan.WebhookMissed, false},
		{"by an invoice", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Hints = hint(plan.CauseInvoice, false, 0) }, plan.CauseInvoice, plan.WebhookMissed, false},
		{"by a sweep, in the window of change queries", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Cause, in.VisibleSince = plan.CauseSweep, noon.Add(-5*time.Minute) }, plan.CauseTick, plan.WebhookMissed, false},
		{"by a sweep alone", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Cause, in.VisibleSince = plan.CauseSweep, noon }, plan.CauseSweep, plan.WebhookMissed, false},
		{"by a sweep, where every tick lists everything", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Cause, in.EachTick = plan.CauseSweep, true }, plan.CauseTick, plan.WebhookMissed, false},
		{"by a tick's listing, where no change query shows it", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.VisibleSince = noon }, plan.CauseSweep, plan.WebhookMissed, false},
		{"by the first sweep", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Cause, in.First = plan.CauseSweep, true }, plan.CauseSweep, plan.WebhookNone, false},
		{"a new item", seen(item("a", "4")), nil, nil, plan.CauseTick, plan.WebhookNone, false},
		{"a deleted item", notFound("a"), []plan.Row{old}, nil, plan.CauseTick, plan.WebhookNone, false},
		{"a barred item", seen(barred(item("a", "5"))), []plan.Row{old}, nil, plan.CauseTick, plan.WebhookNone, false},
		{"another figure was chosen", seen(item("a", "5")), []plan.Row{figureChosen}, nil, plan.CauseTick, plan.WebhookNone, false},
		{"a first figure", seen(item("a", "5")), []plan.Row{row(item("a", ""), plan.StateNoInventory)}, nil, plan.CauseTick, plan.WebhookNone, false},
		{"by a tick, while webhooks may have come unhinted", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Marked = true }, plan.CauseTick, plan.WebhookNone, false},
		{"by a webhook, while others may have come unhinted", seen(item("a", "4")), []plan.Row{old}, func(in *plan.ItemsInput) { in.Marked, in.Hints = true, hint(plan.CauseWebhook, true, 0) }, plan.CauseWebhook, plan.WebhookCame, false},
		{"what customers have ordered", seen(ordered(item("a", "5"))), []plan.Row{old}, nil, plan.CauseTick, plan.WebhookMissed, false},
	} {
		in := input(c.obs, c.row...)
		if c.change != nil {
			c.change(&in)
		}
		p := plan.Items(in)
		if len(p.Changes) != 1 {
			t.Errorf("%s: %d changes", c.name, len(p.Changes))
			continue
		}
		if got := p.Changes[0]; got.Cause != c.cause || got.Webhook != c.webhook || got.Lagged != c.lagged {
			t.Errorf("%s: cause %s, webhook %s, lagged %t", c.name, got.Cause, got.Webhook, got.Lagged)
		}
		var hintedAt time.Time // of its first webhook: how long the change has taken counts from there
		if c.webhook == plan.WebhookCame {
			hintedAt = noon.Add(-time.Second)
		}
		if got := p.Changes[0].HintedAt; !got.Equal(hintedAt) {
			t.Errorf("%s: hinted at %s, expected %s", c.name, got, hintedAt)
		}
	}
}

// TestRowsWithoutAChange: nothing that the shop sells by differs, and the rest is kept up to date.
func TestRowsWithoutAChange(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*plan.Item){
		"name": func(i *plan.Item) { i.Name = "x" }, "bar code": func(i *plan.Item) { i.BarCode = "x" }, "barred": func(i *plan.Item) { i.Barred = true },
		"group": func(i *plan.Item) { i.InventoryEnabled = true }, "nothing": func(i *plan.Item) { i.UpdatedAt = noon },
	} {
		old := row(item("a", ""), plan.StateNoInventory)
		obs := seen(item("a", ""))
		change(&obs.Item)
		next := old
		next.Item, next.Version = obs.Item, plan.Version{Token: 1, At: noon}
		want := plan.ItemsPlan{Rows: []plan.Row{next}}
		if name == "nothing" {
			want = plan.ItemsPlan{}
		}
		if diff := cmp.Diff(want, plan.Items(input(obs, old))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestEachFigureCounts: a change of any figure is one of the stock, whichever the shop sells by.
func TestEachFigureCounts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*plan.Figures){
		"in stock":  func(f *plan.Figures) { f.InStock = figure("7") },
		"available": func(f *plan.Figures) { f.Available = figure("7") },
		"customers": func(f *plan.Figures) { f.OrderedByCustomers = figure("7") },
		"suppliers": func(f *plan.Figures) { f.OrderedFromSuppliers = figure("7") },
	} {
		obs := seen(item("a", "5"))
		change(&obs.Item.Figures)
		p := plan.Items(input(obs, row(item("a", "5"), plan.StateOK)))
		if len(p.Rows) != 1 || len(p.Changes) != 1 {
			t.Errorf("%s: %+v", name, p)
			continue
		}
		got := []any{p.Changes[0].What, p.Changes[0].OldFigures, p.Changes[0].NewFigures, p.Rows[0].Figures}
		if diff := cmp.Diff([]any{plan.WhatStock, item("a", "5").Figures, obs.Item.Figures, obs.Item.Figures}, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestLateWebhook(t *testing.T) {
	t.Parallel()
	for ago, late := range map[time.Duration]bool{time.Minute: true, 15*time.Minute - 1: true, 15 * time.Minute: false} {
		r := row(item("a", "5"), plan.StateOK)
		r.ChangedAt = noon.Add(-ago)
		in := input(seen(item("a", "5")), r)
		in.Hints = map[string]plan.Hint{"a": {Kind: plan.KindStock, Number: "a", Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon}}
		if p := plan.Items(in); (len(p.Late) == 1) != late {
			t.Errorf("a webhook %s after its change: late %v", ago, p.Late)
		}
	}
}

func TestRenumberedItemsPointToTheirLikeness(t *testing.T) {
	t.Parallel()
	code := func(i plan.Item, barCode string) plan.Item { i.BarCode = barCode; return i }
	named := func(i plan.Item, name string) plan.Item { i.Name = name; return i }
	for _, c := range []struct {
		name    string
		gone    plan.Item
		created []plan.Item
		to      string
	}{
		{"same bar code", code(item("a", "5"), "57"), []plan.Item{code(item("b", "5"), "57"), code(item("c", "5"), "58")}, "b"},
		{"same name", named(item("a", "5"), "Sko"), []plan.Item{named(item("b", "5"), "sko")}, "b"},
		{"same name, other bar code", code(named(item("a", "5"), "Sko"), "57"), []plan.Item{code(named(item("b", "5"), "Sko"), "58")}, ""},
		{"same name, and only one has a bar code", named(item("a", "5"), "Sko"), []plan.Item{code(named(item("b", "5"), "Sko"), "58")}, ""},
		{"same name, and only the gone one has a bar code", code(named(item("a", "5"), "Sko"), "57"), []plan.Item{named(item("b", "5"), "Sko")}, ""},
		{"without a name", named(item("a", "5"), ""), []plan.Item{named(item("b", "5"), "")}, ""},
		{"two alike", named(item("a", "5"), "Sko"), []plan.Item{named(item("b", "5"), "Sko"), named(item("c", "5"), "Sko")}, ""},
		{"none alike", item("a", "5"), []plan.Item{item("b", "5")}, ""},
	} {
		// Once found by the same batch, once by one before it.
		together := input(notFound("a"), row(c.gone, plan.StateOK))
		for _, i := range c.created {
			together.Observations = append(together.Observations, seen(i))
		}
		before := input(notFound("a"), row(c.gone, plan.StateOK))
		before.Created = [][]plan.Item{c.created[:1], c.created[1:]}
		for _, in := range []plan.ItemsInput{together, before} {
			p := plan.Items(in)
			if p.Rows[0].RenumberedTo != c.to || p.Changes[0].RenumberedTo != c.to {
				t.Errorf("%s: %q", c.name, p.Rows[0].RenumberedTo)
			}
		}
	}
}

// TestPlanningTwiceYieldsNothing: what was planned and stored is found equal
// by the same observations.
func TestPlanningTwiceYieldsNothing(t *testing.T) {
	t.Parallel()
	quantity := rapid.SampledFrom([]string{"", "0", "1", "-1", "2.5", "2.50", "100000"})
	rapid.Check(t, func(t *rapid.T) {
		in := input(plan.Observation{})
		in.Observations = nil
		in.Figure = rapid.SampledFrom([]plan.Figure{plan.FigureInStock, plan.FigureAvailable}).Draw(t, "figure")
		for n := range rapid.IntRange(0, 8).Draw(t, "items") {
			number := fmt.Sprint("item", n)
			obs := notFound(number)
			if rapid.Bool().Draw(t, "found") {
				i := item(number, quantity.Draw(t, "observed"))
				i.Barred = rapid.Bool().Draw(t, "barred")
				obs = seen(i)
			}
			in.Observations = append(in.Observations, obs)
			in.Suspects[number] = plan.Suspect{Began: noon.Add(-time.Second)}
			if rapid.Bool().Draw(t, "stored") {
				in.Stored[number] = row(item(number, quantity.Draw(t, "was")), rapid.SampledFrom([]plan.State{plan.StateOK, plan.StateBarred, plan.StateGone}).Draw(t, "state"))
			}
		}
		first := plan.Items(in)
		for _, r := range first.Rows {
			in.Stored[r.Number] = r
		}
		second := plan.Items(in)
		if diff := cmp.Diff(plan.ItemsPlan{}, second); diff != "" {
			t.Fatalf("the second time it plans\n%s", diff)
		}
		for _, r := range first.Rows {
			if r.Stock.Valid != (r.State == plan.StateOK || r.State == plan.StateBarred) {
				t.Fatalf("state %s with stock %v", r.State, r.Stock)
			}
		}
	})
}

// TestHintOfSeveralWebhooks: the change that a read shows may be what the first of them
// told of, and e-conomic may not show yet what the last did.
func TestHintOfSeveralWebhooks(t *testing.T) {
	t.Parallel()
	const last = 10 * time.Second // after the first webhook
	rereads := []time.Duration{2 * time.Second, 10 * time.Second, 45 * time.Second}
	five := row(item("a", "5"), plan.StateOK)
	for _, c := range []struct {
		name    string
		count   int64
		cause   plan.Cause
		began   time.Duration // after the first webhook
		tries   int
		listing time.Duration // when the last webhook came of all that the listing answers; 0: no listing
		rereads []time.Duration
		again   int           // tries then; 0: it is answered
		due     time.Duration // after the first webhook
	}{
		{"one webhook", 1, plan.CauseWebhook, last + time.Second, 0, 0, rereads, 0, 0},
		{"two webhooks, read at once", 2, plan.CauseWebhook, last, 0, 0, rereads, 1, last + 2*time.Second},
		{"read at once", 5, plan.CauseWebhook, last, 0, 0, rereads, 1, last + 2*time.Second},
		{"a reread that shows another change", 5, plan.CauseWebhook, last + 2*time.Second, 1, 0, rereads, 2, last + 10*time.Second},
		{"read so late that some are over", 5, plan.CauseWebhook, last + 30*time.Second, 0, 0, rereads, 3, last + 45*time.Second},
		{"read just before the last", 5, plan.CauseWebhook, last + 45*time.Second - 1, 2, 0, rereads, 3, last + 45*time.Second},
		{"read late enough", 5, plan.CauseWebhook, last + 45*time.Second, 0, 0, rereads, 0, 0},
		{"the rereads are over", 5, plan.CauseWebhook, last + time.Second, 3, 0, rereads, 0, 0},
		{"a listing is one of them", 5, plan.CauseWebhook, last + time.Second, 0, last, rereads, 2, last + 10*time.Second},
		{"a second one", 5, plan.CauseWebhook, last + 10*time.Second, 2, last, rereads, 3, last + 45*time.Second},
		{"all of a listing's are read again together", 5, plan.CauseWebhook, last + 5*time.Second, 0, last + 4*time.Second, rereads, 2, last + 14*time.Second},
		{"a listing whose webhooks came before", 5, plan.CauseWebhook, last + time.Second, 0, last - 2*time.Second, rereads, 2, last + 10*time.Second},
		{"a listing, and only one reread", 5, plan.CauseWebhook, last + time.Second, 0, last, []time.Duration{time.Minute}, 1, last + time.Minute},
		{"the longest comes first", 5, plan.CauseWebhook, last + time.Second, 1, 0, []time.Duration{time.Minute, time.Second}, 2, last + time.Minute},
		{"the last of a listing's", 5, plan.CauseWebhook, last + 21*time.Second, 2, last + 20*time.Second, rereads, 3, last + 65*time.Second},
		{"the last, by a clock that is ahead", 5, plan.CauseWebhook, last - 5*time.Second, 2, 0, rereads, 3, last + 40*time.Second},
		{"no rereads", 5, plan.CauseWebhook, last, 0, 0, nil, 0, 0},
		{"by a clock that is ahead", 5, plan.CauseWebhook, last - 5*time.Second, 0, 0, rereads, 1, last - 3*time.Second},
		{"several people, no webhook", 5, plan.CauseOperator, last, 0, 0, rereads, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			obs := seen(item("a", "3"))
			obs.Began = noon.Add(c.began)
			in := input(obs, five)
			in.Now, in.Rereads = obs.Began, c.rereads
			if c.listing > 0 {
				in.Listing = noon.Add(c.listing)
			}
			hint := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Tries: c.tries, Cause: c.cause, FirstAt: noon}
			if c.cause == plan.CauseWebhook {
				hint.WebhookAt, hint.Webhooks = noon, c.count
				if c.count > 1 {
					hint.WebhookAt = noon.Add(last)
				}
			}
			for _, gen := range []int64{7, 0} { // 0: packed
				hint.Gen = gen
				in.Hints = map[string]plan.Hint{"a": hint}
				p := plan.Items(in)
				if len(p.Changes) != 1 || len(p.Rows) != 1 {
					t.Fatalf("the change is not stored: %+v", p)
				}
				switch {
				case c.again == 0 && (len(p.Answered) != 1 || len(p.Rereads) != 0):
					t.Errorf("it is not answered: %+v", p.Rereads)
				case c.again > 0 && (len(p.Rereads) != 1 || len(p.Answered) != 0 || p.Rereads[0].Tries != c.again || p.Rereads[0].Gen != gen || p.Rereads[0].Note != "" || !p.Rereads[0].DueAt.Equal(noon.Add(c.due))):
					t.Errorf("answered %+v, to be read again %+v, expected try %d at %s", p.Answered, p.Rereads, c.again, noon.Add(c.due))
				}
			}
		})
	}
}

// TestSeveralWebhooksWithoutAChange: a read that shows nothing new is repeated after the next delay,
// counted from that read, however many webhooks have come.
func TestSeveralWebhooksWithoutAChange(t *testing.T) {
	t.Parallel()
	obs := seen(item("a", "5"))
	obs.Began = noon.Add(11 * time.Second)
	in := input(obs, row(item("a", "5"), plan.StateOK))
	in.Now = obs.Began
	in.Hints = map[string]plan.Hint{"a": {Kind: plan.KindStock, Number: "a", Gen: 7, Tries: 1, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon.Add(10 * time.Second), Webhooks: 5}}
	if p := plan.Items(in); len(p.Answered) != 0 || len(p.Rereads) != 1 || p.Rereads[0].Tries != 2 || !p.Rereads[0].DueAt.Equal(in.Now.Add(rereads[1])) {
		t.Errorf("answered %+v, to be read again %+v", p.Answered, p.Rereads)
	}
}

// TestFirstSweep: a new item is no change, unless it was hinted at. Nothing is told to have been
// found by a tick before there was one.
func TestFirstSweep(t *testing.T) {
	t.Parallel()
	hints := map[string]plan.Hint{"a": {Kind: plan.KindStock, Number: "a", Gen: 7, Cause: plan.CauseOperator, FirstAt: noon}}
	old := row(item("a", "5"), plan.StateOK)
	for name, c := range map[string]struct {
		hints   map[string]plan.Hint
		stored  []plan.Row
		changes int
		cause   plan.Cause
	}{
		"a new item":        {nil, nil, 0, ""},
		"one hinted at":     {hints, nil, 1, plan.CauseOperator},
		"a stored one":      {nil, []plan.Row{old}, 1, plan.CauseSweep},
		"a stored and hint": {hints, []plan.Row{old}, 1, plan.CauseOperator},
	} {
		in := input(seen(item("a", "4")), c.stored...)
		in.First, in.EachTick, in.Cause, in.Hints = true, true, plan.CauseSweep, c.hints
		p := plan.Items(in)
		if len(p.Rows) != 1 || len(p.Changes) != c.changes || c.changes > 0 && p.Changes[0].Cause != c.cause {
			t.Errorf("%s: %d rows, changes %+v", name, len(p.Rows), p.Changes)
		}
	}
}
