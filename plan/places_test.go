package plan_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/plan"
)

// inPlaces returns what a text such as "1:3 4:2" says is in each place.
func inPlaces(text string) (list []plan.PlaceStock) {
	for part := range strings.FieldsSeq(text) {
		place, stock, _ := strings.Cut(part, ":")
		list = append(list, plan.PlaceStock{Place: place, InStock: figure(stock).Decimal})
	}
	return list
}

// TestPlaces: what is in the places is written with its item's row, and only then.
func TestPlaces(t *testing.T) {
	t.Parallel()
	at := func(i plan.Item, places string) plan.Observation {
		o := seen(i)
		o.Places = inPlaces(places)
		return o
	}
	stored := func(i plan.Item, state plan.State, places string) plan.Row {
		r := row(i, state)
		r.Places = inPlaces(places)
		return r
	}
	five := stored(item("a", "5"), plan.StateOK, "1:3 4:2")
	older := at(item("a", "5"), "1:2 4:3")
	older.Began = five.Version.At.Add(-time.Second)
	first := func(in *plan.ItemsInput) { in.Suspects = nil }
	held := func(in *plan.ItemsInput) { in.HeldBackTo = noon.Add(time.Hour) }
	for _, c := range []struct {
		name    string
		obs     plan.Observation
		stored  []plan.Row
		in      func(*plan.ItemsInput)
		what    plan.What // "": no change
		row     bool      // a row is written
		deleted bool      // its stored places are deleted
		writes  string    // what is written of its places
	}{
		{"new", at(item("a", "5"), "1:3 4:2"), nil, nil, plan.WhatCreated, true, false, "1:3 4:2"},
		{"new, with nothing in a place", at(item("a", "5"), "1:5 4:0"), nil, nil, plan.WhatCreated, true, false, "1:5 4:0"},
		{"the same", at(item("a", "5"), "1:3 4:2"), []plan.Row{five}, nil, "", false, false, ""},
		{"the same in another order, written otherwise", at(item("a", "5"), "4:2.00 1:3.0"), []plan.Row{five}, nil, "", false, false, ""},
		{"sold from a place", at(item("a", "4"), "1:2 4:2"), []plan.Row{five}, nil, plan.WhatStock, true, false, "1:2"},
		{"a transfer", at(item("a", "5"), "1:2 4:3"), []plan.Row{five}, nil, plan.WhatPlaces, true, false, "1:2 4:3"},
		{"a transfer of all that is in a place", at(item("a", "5"), "1:0 4:5"), []plan.Row{five}, first, plan.WhatPlaces, true, false, "1:0 4:5"},
		{"a transfer while losses are held back", at(item("a", "5"), "1:2 4:3"), []plan.Row{five}, held, plan.WhatPlaces, true, false, "1:2 4:3"},
		{"a transfer and barred", at(barred(item("a", "5")), "1:2 4:3"), []plan.Row{five}, nil, plan.WhatState, true, false, "1:2 4:3"},
		{"only renamed", at(renamed(item("a", "5")), "1:3 4:2"), []plan.Row{five}, nil, "", true, false, ""},
		{"none was stored", at(item("a", "5"), "1:3 4:2"), []plan.Row{row(item("a", "5"), plan.StateOK)}, nil, "", true, false, "1:3 4:2"},
		{"one was not stored", at(item("a", "5"), "1:3 4:2 5:0"), []plan.Row{five}, nil, plan.WhatPlaces, true, false, "5:0"},
		{"one is no longer chosen", at(item("a", "3"), "1:3"), []plan.Row{five}, nil, plan.WhatStock, true, true, "1:3"},
		{"none is chosen any more", at(item("a", "5"), ""), []plan.Row{five}, nil, plan.WhatPlaces, true, true, ""},
		{"sold out, read once", at(item("a", "0"), "1:0 4:0"), []plan.Row{five}, first, "", false, false, ""},
		{"sold out", at(item("a", "0"), "1:0 4:0"), []plan.Row{five}, nil, plan.WhatStock, true, false, "1:0 4:0"},
		{"sold out, held back", at(item("a", "0"), "1:0 4:0"), []plan.Row{five}, held, "", false, false, ""},
		{"without a figure, read once", at(item("a", ""), ""), []plan.Row{five}, first, "", false, false, ""},
		{"without a figure", at(item("a", ""), ""), []plan.Row{five}, nil, plan.WhatStock, true, true, ""},
		{"without a figure, held back", at(item("a", ""), ""), []plan.Row{five}, held, "", false, false, ""},
		{"gone, read once", notFound("a"), []plan.Row{five}, first, "", false, false, ""},
		{"gone", notFound("a"), []plan.Row{five}, nil, plan.WhatGone, true, true, ""},
		{"back", at(item("a", "5"), "1:3 4:2"), []plan.Row{row(item("a", "5"), plan.StateGone)}, nil, plan.WhatReturned, true, false, "1:3 4:2"},
		{"older than what is stored", older, []plan.Row{five}, nil, "", false, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := input(c.obs, c.stored...)
			if c.in != nil {
				c.in(&in)
			}
			p := plan.Items(in)
			what := plan.What("")
			if len(p.Changes) > 0 {
				what = p.Changes[0].What
			}
			if what != c.what || (len(p.Rows) == 1) != c.row || (len(p.Unplaced) == 1) != c.deleted {
				t.Errorf("change %q, rows %+v, deleted %q: expected %q, %t, %t", what, p.Rows, p.Unplaced, c.what, c.row, c.deleted)
			}
			var writes []string
			for _, w := range p.Places {
				if w.Number != "a" || !w.ChangedAt.Equal(c.obs.Began) {
					t.Errorf("written: %+v", w)
				}
				writes = append(writes, w.Place+":"+w.InStock.String())
			}
			if got := strings.Join(writes, " "); got != c.writes {
				t.Errorf("writes %q, expected %q", got, c.writes)
			}
			if what == plan.WhatPlaces && !p.Rows[0].ChangedAt.Equal(five.ChangedAt) {
				t.Errorf("a transfer moves the time of the figure's last change to %s", p.Rows[0].ChangedAt)
			}
		})
	}
}

// TestTransferAnswersItsWebhook: a webhook of a transfer is answered by the read that shows it, as
// one of a sale is, and none is missed: whether a transfer is announced is not known.
func TestTransferAnswersItsWebhook(t *testing.T) {
	t.Parallel()
	was := row(item("a", "5"), plan.StateOK)
	was.Places = inPlaces("1:3 4:2")
	obs := seen(item("a", "5"))
	obs.Places = inPlaces("1:1 4:4")
	in := input(obs, was)
	if c := plan.Items(in).Changes; len(c) != 1 || c[0].Webhook != plan.WebhookNone || c[0].Cause != plan.CauseTick || !same(c[0].OldStock, c[0].NewStock) {
		t.Errorf("without a webhook: %+v", c)
	}
	in.Hints = map[string]plan.Hint{"a": {Kind: plan.KindStock, Number: "a", Gen: 1, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon, Webhooks: 1}}
	p := plan.Items(in)
	if len(p.Changes) != 1 || p.Changes[0].Webhook != plan.WebhookCame || len(p.Answered) != 1 || len(p.Rereads) != 0 {
		t.Errorf("with a webhook: %+v", p)
	}
}

// TestDiffOfPlaces: a difference of the places alone is one.
func TestDiffOfPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stored, now string
		differs     bool
	}{
		{"", "", false},
		{"1:3 4:2", "4:2 1:3.00", false},
		{"1:3 4:2", "1:2 4:3", true},
		{"", "1:3 4:2", true},
		{"1:3 4:2", "", true},
	} {
		was, obs := row(item("a", "5"), plan.StateOK), seen(item("a", "5"))
		was.Places, obs.Places = inPlaces(c.stored), inPlaces(c.now)
		d := plan.Diff([]plan.Observation{obs}, map[string]plan.Row{"a": was}, plan.FigureInStock)
		if (len(d) == 1) != c.differs {
			t.Errorf("%q and %q: %+v", c.stored, c.now, d)
			continue
		}
		if c.differs && (d[0].What != plan.WhatPlaces || d[0].Loss || len(d[0].Stored.Places) != len(was.Places) || len(d[0].Economic.Places) != len(obs.Places)) {
			t.Errorf("%q and %q: %+v", c.stored, c.now, d[0])
		}
	}
}
