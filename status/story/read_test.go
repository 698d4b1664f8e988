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
