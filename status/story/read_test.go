package story_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/status/story"
	"lagerd/store"
	"lagerd/test/storetest"
)

// history is a shop's database, for stories that are longer than what is told.
type history struct {
	*testing.T
	store *store.Store
	token int64
	seq   int64
}

func newHistory(t *testing.T) *history {
	t.Helper()
	s := storetest.Open(t)
	h := &history{T: t, store: s}
	h.must(s.AddShop(t.Context(), store.Shop{Shop: shop, GrantToken: []byte{1}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic, OrderField: plan.OrderInOtherReference},
		[]byte("01234567890123456789012345678901"), noon.Add(-40*24*time.Hour)))
	h.must(s.TakeLeases(t.Context(), []string{shop}, "", "a", noon.Add(-40*24*time.Hour)))
	l, err := s.Lease(t.Context(), shop)
	h.must(err)
	h.token = l.Token
	return h
}

func (h *history) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// applies writes what a transaction of lagerd's does.
func (h *history) applies(a store.Applied, at time.Time) {
	h.Helper()
	h.seq++
	settings, err := h.store.Shop(h.Context(), shop)
	h.must(err)
	_, err = h.store.Apply(h.Context(), store.Fence{Shop: shop, Dataset: shop, StockDataset: shop, StockSource: store.SourceEconomic, Generation: settings.Generation, Token: h.token, Seq: h.seq}, a, at)
	h.must(err)
}

// stock stores that the item's stock became a figure.
func (h *history) stock(figure int, at time.Time) {
	h.Helper()
	from, to := decimal.NewNullDecimal(decimal.New(int64(figure)-1, 0)), decimal.NewNullDecimal(decimal.New(int64(figure), 0))
	h.applies(store.Applied{Changes: []plan.Change{{Kind: plan.KindStock, Number: "7", What: plan.WhatStock, OldStock: from, NewStock: to,
		OldFigures: plan.Figures{InStock: from}, NewFigures: plan.Figures{InStock: to}, Cause: plan.CauseWebhook, Webhook: plan.WebhookCame, ObservedAt: at, HintedAt: at.Add(-time.Second)}}}, at)
}

// tells tells the item's story.
func (h *history) tells(change func(about *story.Subject)) story.Story {
	h.Helper()
	list, err := h.store.Status(h.Context(), shop)
	h.must(err)
	about := story.Subject{Shop: status.Of(list[0]), Status: list[0], Living: 1, Kind: plan.KindStock, Number: "7", Since: noon.Add(-30 * 24 * time.Hour), Now: noon}
	if change != nil {
		change(&about)
	}
	facts, err := story.Read(h.Context(), h.store, about, story.Ask(about.Kind, list[0].Shop, noon).Unasked("--offline"), status.Pace{})
	h.must(err)
	return story.Tell(facts)
}

func (h *history) says(told story.Story, en, da string) {
	h.Helper()
	for lang, want := range map[string]string{"en": en, "da": da} {
		if text := tells(h.T, told, lang); !strings.Contains(text, want) {
			h.Errorf("no %q in\n%s", want, text[:min(len(text), 2000)])
		}
	}
}

// TestLatestIsTold: of an item with too many changes the latest are told, the rest is said to be
// left out, and a webhook that led to the latest change is not said to have been for nothing.
func TestLatestIsTold(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	by := store.By(t.Context(), store.Actor{Account: "mette"})
	h.must(h.store.SetShop(by, shop, noon.Add(-1055*time.Minute), func(x *store.Shop) error {
		x.StockFigure = plan.FigureAvailable
		return nil
	}))
	h.must(h.store.SetShop(t.Context(), shop, noon.Add(-1055*time.Minute), func(x *store.Shop) error {
		x.StockFigure = plan.FigureInStock
		return nil
	}))
	const changes = 1050
	for n := range changes {
		h.stock(n+1, noon.Add(time.Duration(n-changes)*time.Minute))
	}
	latest := noon.Add(-time.Minute)
	h.must(h.store.RecordHints(t.Context(), []store.HintRecord{{Shop: shop, Kind: plan.KindStock, Number: "7", Cause: plan.CauseWebhook, At: latest.Add(-time.Second)}}))
	h.applies(store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "7", Gen: 1}}}, latest)

	told := h.tells(nil)
	var got []string
	for _, e := range told.Events {
		switch e.What {
		case story.EventChange:
			got = append(got, e.Change.NewStock.Decimal.String())
			if e.Change.NewSetting {
				t.Errorf("a figure that was set before the changes that are told explains the change to %s", got[len(got)-1])
			}
		case story.EventHint:
			t.Errorf("told of the hint that led to a change: %+v", e.Hint)
		default:
		}
	}
	if len(got) != 1000 || got[0] != "51" || got[999] != "1050" {
		t.Errorf("%d changes are told: %s to %s", len(got), got[0], got[len(got)-1])
	}
	if want := []story.LeftOut{{What: story.LeftOutChanges, Before: noon.Add(-1000 * time.Minute)}}; len(told.LeftOut) != 1 || told.LeftOut[0] != want[0] {
		t.Errorf("left out: %+v", told.LeftOut)
	}
	h.says(told, "Left out: changes before 22 November at 19:20:00 UTC. There are too many to tell them all: `lagerd export changes shop1234` has them.",
		"Udeladt: ændringer før den 22. november kl. 20:20:00 CET. Der er for mange til at fortælle dem alle: `lagerd export changes shop1234` har dem.")
}

// TestWhatPeopleDidStays: however much is asked for of other numbers and of the whole shop, what
// people did to the shop and asked for of the item is told.
func TestWhatPeopleDidStays(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	by := store.By(t.Context(), store.Actor{Account: "mette"})
	h.must(h.store.SetShop(by, shop, noon.Add(-10*time.Hour), func(x *store.Shop) error {
		x.StockFigure = plan.FigureAvailable
		return nil
	}))
	hints := []store.HintRecord{{Shop: shop, Kind: plan.KindStock, Number: "7", Cause: plan.CauseOperator, At: noon.Add(-9 * time.Hour)}}
	for n := range 300 {
		hints = append(hints, store.HintRecord{Shop: shop, Kind: plan.KindStock, Number: fmt.Sprint("other", n), Cause: plan.CauseOperator, At: noon.Add(-8 * time.Hour)})
	}
	h.must(h.store.RecordHints(by, hints))
	var asked []store.Request
	for n := range 60 {
		asked = append(asked, store.Request{Request: fmt.Sprint(n), Shop: shop, What: store.WantTick, RequestedAt: store.At(noon.Add(time.Duration(n-60) * time.Minute))})
	}
	h.must(h.store.AddRequests(by, asked))
	h.stock(17, noon.Add(-time.Minute))

	told := h.tells(nil)
	count := map[string]int{}
	for _, e := range told.Events {
		switch e.What {
		case story.EventAction:
			count[fmt.Sprint(e.Action.What, " ", e.Action.Number)]++
		case story.EventChange:
			if !e.Change.NewSetting {
				t.Error("the change is not said to follow from the setting")
			}
		default:
		}
	}
	if count["set "] != 1 || count["asked 7"] != 1 || count["asked "] != 50 || len(count) != 3 {
		t.Errorf("told of %v", count)
	}
	if len(told.LeftOut) != 1 || told.LeftOut[0] != (story.LeftOut{What: story.LeftOutChecks, Before: noon.Add(-50 * time.Minute)}) {
		t.Errorf("left out: %+v", told.LeftOut)
	}
	h.says(told, "Left out: requests for a check of the shop before 11:10:00 UTC. There are too many to tell them all.",
		"Udeladt: ønsker om en kontrol af butikken før kl. 12:10:00 CET. Der er for mange til at fortælle dem alle.")
}

// TestCallsReachBack: calls of the shop that are not kept any more are said to be left out; a log
// that is not full has lost none.
func TestCallsReachBack(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var calls []store.WebhookCall
	for slot := range 3 {
		calls = append(calls, store.WebhookCall{Shop: shop, Slot: slot, CalledAt: store.At(noon.Add(time.Duration(slot-3) * time.Hour)), Kind: plan.KindStock, Number: "other", Status: 200, Outcome: "recorded"})
	}
	h.must(h.store.PutWebhookCalls(t.Context(), calls))
	for kept, want := range map[int]int{0: 0, 3: 1, 4: 0} {
		told := h.tells(func(about *story.Subject) { about.KeptCalls = kept })
		if len(told.LeftOut) != want {
			t.Errorf("of at most %d calls: left out %+v", kept, told.LeftOut)
		}
		if want > 0 {
			h.says(told, "Left out: webhook calls before 09:00:00 UTC. Of a shop's calls lagerd keeps only the latest.",
				"Udeladt: webhooks før kl. 10:00:00 CET. Af en butiks kald gemmer lagerd kun de seneste.")
		}
	}
	if told := h.tells(func(about *story.Subject) { about.KeptCalls, about.Since = 3, noon.Add(-2*time.Hour) }); len(told.LeftOut) != 0 {
		t.Errorf("a log that reaches back far enough: %+v", told.LeftOut)
	}
}

// TestObstaclesAreTold is the table of Facts.obstacles.
func TestObstaclesAreTold(t *testing.T) {
	t.Parallel()
	is := func(what store.ObstacleWhat, scope plan.Scope) func(f *story.Facts) {
		return func(f *story.Facts) {
			f.Rows.Obstacles = []store.Obstacle{{What: what, Scope: scope, Reason: plan.HeldForbidden, Detail: "status 500", Times: 2, OpenedAt: ago(time.Hour), BeganAt: ago(time.Hour), LastAt: ago(30 * time.Minute)}}
		}
	}
	change := func(hinted, committed time.Duration) func(f *story.Facts) {
		return func(f *story.Facts) {
			f.Rows.Changes = []store.Change{{Number: "7", What: plan.WhatStock, Cause: plan.CauseWebhook, Source: store.SourceEconomic, HintedAt: ago(hinted), ObservedAt: ago(committed), CommittedAt: ago(committed)}}
		}
	}
	work := func(f *story.Facts) { f.Rows.Invoice.WorkDueAt = ago(0) }
	const (
		reads  = "11:00:00 2 attempts to read the item failed, the last at 11:30:00 UTC. The error: status 500"
		pdf    = "11:00:00 2 attempts to fetch the invoice's lines and PDF failed, the last at 11:30:00 UTC. The error: status 500"
		passes = "11:00:00 2 passes of the shop failed, so that nothing was read, the last at 11:30:00 UTC. The error: status 500"
		hold   = "because the shop's token does not allow it (403). (status 500) That ended at 11:30:00 UTC."
	)
	for name, c := range map[string]struct {
		kind plan.Kind
		is   func(f *story.Facts)
		want string // "": it is not told
	}{
		"reads":                     {plan.KindStock, is(store.ObstacleReads, ""), reads},
		"reads, the hint is open":   {plan.KindStock, then(open(func(h *store.Hint) { h.FirstAt, h.Failures = ago(time.Hour), 2 }), is(store.ObstacleReads, "")), ""},
		"reads, of a former hint":   {plan.KindStock, then(open(func(h *store.Hint) { h.Failures = 2 }), is(store.ObstacleReads, "")), reads},
		"reads, before a webhook":   {plan.KindStock, then(open(func(h *store.Hint) { h.FirstAt = ago(time.Hour) }), is(store.ObstacleReads, "")), reads},
		"PDF":                       {plan.KindInvoice, is(store.ObstaclePDF, ""), pdf},
		"PDF, still missing":        {plan.KindInvoice, then(work, is(store.ObstaclePDF, "")), ""},
		"hold of the shop":          {plan.KindInvoice, is(store.ObstacleHold, plan.ScopeShop), hold},
		"hold of stock":             {plan.KindStock, is(store.ObstacleHold, plan.ScopeStock), hold},
		"hold of stock, an invoice": {plan.KindInvoice, is(store.ObstacleHold, plan.ScopeStock), ""},
		"hold of PDFs, an item":     {plan.KindStock, is(store.ObstacleHold, plan.ScopePDFs), ""},
		"passes, nothing waited":    {plan.KindStock, is(store.ObstaclePasses, ""), ""},
		"passes, a change waited":   {plan.KindStock, then(is(store.ObstaclePasses, ""), change(40*time.Minute, 20*time.Minute)), passes},
		"passes, a change before":   {plan.KindStock, then(is(store.ObstaclePasses, ""), change(80*time.Minute, 70*time.Minute)), ""},
		"passes, a change after":    {plan.KindStock, then(is(store.ObstaclePasses, ""), change(20*time.Minute, 10*time.Minute)), ""},
	} {
		told := tells(t, story.Tell(facts(c.kind, c.is)), "en")
		if c.want == "" && (strings.Contains(told, "11:00:00 2") || strings.Contains(told, "That ended")) || !strings.Contains(told, c.want) {
			t.Errorf("%s: expected %q in\n%s", name, c.want, told)
		}
	}
}

// TestObstaclesInDanish: the owner reads them too.
func TestObstaclesInDanish(t *testing.T) {
	t.Parallel()
	told := story.Tell(facts(plan.KindInvoice, func(f *story.Facts) {
		for n, what := range []store.ObstacleWhat{store.ObstacleReads, store.ObstaclePDF, store.ObstacleHold} {
			f.Rows.Obstacles = append(f.Rows.Obstacles, store.Obstacle{What: what, Scope: plan.ScopeShop, Reason: plan.HeldForbidden, Detail: "status 500", Times: n + 1, BeganAt: ago(time.Hour), LastAt: ago(30 * time.Minute)})
		}
		f.Rows.LeftOut = []story.LeftOut{{What: story.LeftOutObstacles, Before: noon}}
	}))
	for _, want := range []string{
		"1 forsøg på at læse fakturaen mislykkedes. Fejlen: status 500", "2 forsøg på at hente fakturaens linjer og PDF mislykkedes; senest kl. 12:30:00 CET. Fejlen: status 500",
		"lagerd stoppede læsningen for butikken, fordi butikkens token ikke giver adgang (403). Det endte kl. 12:30:00 CET.",
		"det, der mislykkedes eller blev holdt tilbage før kl. 13:00:00 CET.",
	} {
		if text := tells(t, told, "da"); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestLeftOut: each kind is said in both languages.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	for what, want := range map[story.LeftOutWhat][2]string{
		story.LeftOutActions:  {"what people did to the shop before 11:00:00 UTC.", "det, nogen gjorde ved butikken før kl. 12:00:00 CET."},
		story.LeftOutRequests: {"requests to read the item before 11:00:00 UTC.", "ønsker om at læse varen før kl. 12:00:00 CET."},
	} {
		told := story.Tell(facts(plan.KindStock, func(f *story.Facts) {
			f.Rows.LeftOut = []story.LeftOut{{What: story.LeftOutChanges, Before: noon}, {What: what, Before: noon.Add(-time.Hour)}}
		}))
		(&history{T: t}).says(told, want[0], want[1])
	}
}
