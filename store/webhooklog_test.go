package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// TestWebhookLog: a shop's log has its calls and those with a wrong code, newest first, and says of
// which numbers the source knows nothing, and which invoices are from before the shop's start.
func TestWebhookLog(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		call := func(shop string, slot int, kind plan.Kind, number, outcome string, after time.Duration) store.WebhookCall {
			return store.WebhookCall{Shop: shop, Slot: slot, CalledAt: store.At(noon.Add(after)), Method: "POST", Remote: "192.0.2.7", Kind: kind, Number: number, Status: 200, Outcome: outcome}
		}
		must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{
			call("shop1", 7, plan.KindStock, "known", "recorded", 0), call("shop1", 8, plan.KindStock, "none", "recorded", time.Second),
			call("shop1", 9, plan.KindInvoice, "none", "recorded", 2*time.Second), call("shop1", -1, plan.KindStock, "", "refused", 3*time.Second),
			call("shop1", 0, plan.KindStock, "open", "recorded", 4*time.Second), call("shop2", 1, plan.KindStock, "none", "recorded", 0),
			call("shop1", 1, plan.KindStock, "again", "recorded", 5*time.Second),
		}))
		old := hint("shop1", "none", plan.CauseWebhook, noon)
		old.Kind = plan.KindInvoice
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "known", plan.CauseWebhook, noon), hint("shop1", "none", plan.CauseWebhook, noon), hint("shop1", "open", plan.CauseWebhook, noon), hint("shop1", "again", plan.CauseWebhook, noon), old}))
		answered := func(number string, reason plan.HintReason) plan.Answer {
			return plan.Answer{Kind: plan.KindStock, Number: number, Gen: 1, Reason: reason}
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1},
			store.Applied{Answered: []plan.Answer{answered("known", ""), answered("none", plan.HintUnknown), answered("open", plan.HintUnknown), {Kind: plan.KindInvoice, Number: "none", Gen: 1, Reason: plan.HintBeforeStart}},
				Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "again", Gen: 1, DueAt: noon, Tries: 1, Reason: plan.HintUnknown}}}, noon)) // it may come yet
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "open", plan.CauseWebhook, noon)})) // asked for again
		list, err := s.WebhookLog(t.Context(), "shop1")
		must(t, err)
		var got []string
		for _, c := range list {
			got = append(got, fmt.Sprintf("%d %s %s %s %d %t %t %s", c.Slot, c.Kind, c.Number, c.Outcome, c.Status, c.Unknown, c.BeforeStart, c.CalledAt.Sub(noon)))
		}
		want := []string{"1 stock again recorded 200 false false 5s", "0 stock open recorded 200 false false 4s", "-1 stock  refused 200 false false 3s", "9 invoice none recorded 200 false true 2s", "8 stock none recorded 200 true false 1s", "7 stock known recorded 200 false false 0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
		if list, err := s.WebhookLog(t.Context(), "none"); err != nil || len(list) != 0 {
			t.Errorf("of no shop: %d calls, %v", len(list), err)
		}
	})
}

// TestAnnouncements: changes that webhooks should announce are counted by kind, time and source, and
// the latest are listed.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		fence := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", StockSource: store.SourceEconomic, Generation: 1, Token: addShop(t, s, "shop1")}
		for n, c := range []struct {
			kind    plan.Kind
			webhook plan.Webhook
		}{{plan.KindStock, plan.WebhookCame}, {plan.KindStock, plan.WebhookMissed}, {plan.KindInvoice, plan.WebhookMissed}, {plan.KindStock, plan.WebhookNone}, {plan.KindStock, plan.WebhookLate}, {plan.KindStock, plan.WebhookMissed}} {
			fence.Seq = int64(n + 1)
			must(t, commit(t.Context(), s, fence, store.Applied{Changes: []plan.Change{{Kind: c.kind, Number: fmt.Sprint(n), What: plan.WhatStock, Webhook: c.webhook, ObservedAt: noon}}}, noon.Add(time.Duration(n)*time.Minute)))
		}
		at := func(minute int, webhook plan.Webhook) store.Announced {
			return store.Announced{CommittedAt: noon.Add(time.Duration(minute) * time.Minute), Webhook: webhook}
		}
		for _, c := range []struct {
			what   string
			kind   plan.Kind
			source store.StockSource
			since  time.Time
			latest int
			want   store.Announcements
		}{
			{"all", plan.KindStock, store.SourceEconomic, noon, 10, store.Announcements{Came: 1, Late: 1, Missed: 2, Ever: true,
				Latest: []store.Announced{at(5, plan.WebhookMissed), at(4, plan.WebhookLate), at(1, plan.WebhookMissed), at(0, plan.WebhookCame)}}},
			{"the last two", plan.KindStock, store.SourceEconomic, noon, 2, store.Announcements{Came: 1, Late: 1, Missed: 2, Ever: true, Latest: []store.Announced{at(5, plan.WebhookMissed), at(4, plan.WebhookLate)}}},
			{"of late", plan.KindStock, store.SourceEconomic, noon.Add(5 * time.Minute), 10, store.Announcements{Missed: 1, Ever: true, Latest: []store.Announced{at(5, plan.WebhookMissed)}}},
			{"invoices", plan.KindInvoice, store.SourceEconomic, noon, 10, store.Announcements{Missed: 1, Latest: []store.Announced{at(2, plan.WebhookMissed)}}},
			{"of Rackbeat", plan.KindStock, store.SourceRackbeat, noon, 10, store.Announcements{}},
		} {
			got, err := s.Announcements(t.Context(), "shop1", c.kind, c.source, c.since, c.latest)
			must(t, err)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.what, diff)
			}
		}
	})
}

// TestHeaderCodes: a shop's webhooks that lagerd has set up have codes apart from those that people
// enter. While one is replaced, the one in use stays; they go with their shop.
func TestHeaderCodes(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		addShop(t, s, "shop1")
		is := func(when string, want ...string) {
			t.Helper()
			names := map[string]string{}
			for _, name := range []string{"a", "b", "c", "d", "pdf"} {
				names[string(hashOf(name))] = name
			}
			list, err := s.HeaderCodesOf(ctx, "shop1")
			must(t, err)
			var got []string
			for _, c := range list {
				got = append(got, fmt.Sprintf("%s %s", c.Kind, names[string(c.CodeHash)]))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			entered, err := s.CodesOf(ctx, "shop1")
			all, err2 := s.Codes(ctx)
			if err != nil || err2 != nil || len(entered) != 1 || len(all) != 1+len(want) {
				t.Errorf("%s: %d entered codes of %d: %v, %v", when, len(entered), len(all), err, err2)
			}
		}
		add := func(name string, kind plan.Kind, minute int) {
			t.Helper()
			before, err := s.ShopsGeneration(ctx)
			must(t, err)
			must(t, s.AddHeaderCode(ctx, "shop1", kind, hashOf(name), noon.Add(time.Duration(minute)*time.Minute)))
			if after, err := s.ShopsGeneration(ctx); err != nil || after <= before {
				t.Errorf("%s: lagerds do not learn of it: %v", name, err)
			}
		}
		is("at first")
		add("a", plan.KindStock, 1)
		add("pdf", plan.KindInvoice, 2)
		add("b", plan.KindStock, 3)
		is("one is to replace another", "stock a", "invoice pdf", "stock b")
		must(t, s.RecordCodeUses(ctx, []store.CodeUse{{Shop: "shop1", CodeHash: hashOf("a")}}, noon))
		add("c", plan.KindStock, 4)
		is("the one in use stays", "stock a", "invoice pdf", "stock c")
		add("c", plan.KindStock, 5) // the answer to the commit was lost
		is("again", "stock a", "invoice pdf", "stock c")
		must(t, s.DropHeaderCode(ctx, "shop1", hashOf("c")))
		is("it came to nothing", "stock a", "invoice pdf")
		add("d", plan.KindStock, 6)
		must(t, s.KeepHeaderCode(ctx, "shop1", plan.KindStock, hashOf("d")))
		is("replaced", "invoice pdf", "stock d")
		// Rotating the code that people enter leaves them alone, and they are in nobody's way.
		must(t, s.AddCode(ctx, "shop1", hashOf("second"), noon.Add(7*time.Minute)))
		if n, err := s.RetireOldCodes(ctx, "shop1", true, noon.Add(8*time.Minute)); n != 1 || err != nil {
			t.Errorf("%d codes retired: %v", n, err)
		}
		is("the entered code was rotated", "invoice pdf", "stock d")
		if err := s.DropHeaderCode(ctx, "shop1", hashOf("second")); err != nil {
			t.Error(err)
		}
		is("an entered code is no header code", "invoice pdf", "stock d")
		must(t, s.RemoveShop(ctx, "shop1"))
		if all, err := s.Codes(ctx); err != nil || len(all) != 0 {
			t.Errorf("%d codes are left of a removed shop: %v", len(all), err)
		}
	})
}

// TestWebhookSetupIsASetting: it is off unless a shop turns it on, and read with the shops.
func TestWebhookSetupIsASetting(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		for _, on := range []bool{false, true, false} {
			must(t, s.SetShop(t.Context(), "shop1", noon, func(shop *store.Shop) error { shop.WebhookSetup = on; return nil }))
			one, err := s.Shop(t.Context(), "shop1")
			must(t, err)
			all, err := s.Shops(t.Context())
			must(t, err)
			if one.WebhookSetup != on || len(all) != 1 || all[0].WebhookSetup != on {
				t.Errorf("set to %t: %t, %+v", on, one.WebhookSetup, all)
			}
		}
	})
}

// TestWebhooksOfMany: what the logs of several shops have in groups, and when each had its last call
// with an outcome.
func TestWebhooksOfMany(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		call := func(shop string, slot int, kind plan.Kind, status int, outcome string, minute int) store.WebhookCall {
			return store.WebhookCall{Shop: shop, Slot: slot, CalledAt: store.At(noon.Add(time.Duration(minute) * time.Minute)), Method: "POST", Kind: kind, Status: status, Outcome: outcome}
		}
		must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{
			call("shop1", 1, plan.KindStock, 200, "recorded", 1), call("shop1", 2, plan.KindStock, 200, "recorded", 3), call("shop1", 3, plan.KindInvoice, 200, "recorded", 2),
			call("shop1", 4, "", 400, "bad_type", 4), call("shop1", -1, plan.KindStock, 403, "refused", 5), call("shop2", 1, plan.KindStock, 400, "merge_field", 6), call("shop3", 1, plan.KindStock, 200, "recorded", 7),
			call("", 1, plan.KindStock, 403, "refused", 9),
		}))
		groups, err := s.CallGroups(t.Context(), []string{"shop1", "shop2", "none"})
		must(t, err)
		var got []string
		for shop, list := range groups {
			for _, g := range list {
				got = append(got, fmt.Sprintf("%s %s %s %d: %d, %s to %s", shop, g.Kind, g.Outcome, g.Status, g.Count, g.First.Sub(noon), g.Last.Sub(noon)))
			}
		}
		slices.Sort(got)
		want := []string{"shop1  bad_type 400: 1, 4m0s to 4m0s", "shop1 invoice recorded 200: 1, 2m0s to 2m0s", "shop1 stock recorded 200: 2, 1m0s to 3m0s", "shop1 stock refused 403: 1, 5m0s to 5m0s", "shop2 stock merge_field 400: 1, 6m0s to 6m0s"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the groups (-want +got):\n%s", diff)
		}
		last, err := s.LastCalls(t.Context(), []string{"refused", "bad_type", "merge_field"})
		must(t, err)
		if len(last) != 2 || !last["shop1"].Equal(noon.Add(5*time.Minute)) || !last["shop2"].Equal(noon.Add(6*time.Minute)) {
			t.Errorf("the last calls: %v", last)
		}
		for name, read := range map[string]func() (int, error){
			"groups": func() (int, error) { list, err := s.CallGroups(t.Context(), nil); return len(list), err },
			"last":   func() (int, error) { list, err := s.LastCalls(t.Context(), nil); return len(list), err },
		} {
			if n, err := read(); n != 0 || err != nil {
				t.Errorf("%s of nothing: %d, %v", name, n, err)
			}
		}
	})
}

// TestAnnouncedOfMany: the latest changes of each kind and source, and whether a webhook ever came,
// are what Announcements has of each shop.
func TestAnnouncedOfMany(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		shops := []string{"shop1", "shop2", "shop3"}
		for _, shop := range shops {
			fence := store.Fence{Shop: shop, Dataset: store.Dataset(shop), StockDataset: store.Dataset(shop), StockSource: store.SourceEconomic, Generation: 1, Token: addShop(t, s, shop)}
			if rows := s.Strings(t.Context(), "SELECT generation FROM shops WHERE shop = '"+shop+"'"); len(rows) == 1 {
				_, _ = fmt.Sscan(rows[0], &fence.Generation)
			}
			for n := range 30 {
				c := plan.Change{Kind: plan.KindStock, Number: fmt.Sprint(n), What: plan.WhatStock, Webhook: []plan.Webhook{plan.WebhookMissed, plan.WebhookNone, plan.WebhookMissed, plan.WebhookLate, plan.WebhookCame}[n%5], ObservedAt: noon}
				if n%3 == 0 {
					c.Kind, c.Webhook = plan.KindInvoice, plan.WebhookMissed
				}
				if shop == "shop3" {
					c.Webhook = plan.WebhookNone
				}
				fence.Seq++
				must(t, commit(t.Context(), s, fence, store.Applied{Changes: []plan.Change{c}}, noon.Add(time.Duration(n/2)*time.Minute))) // two at once
			}
		}
		since := noon.Add(2 * time.Minute)
		latest, err := s.LatestAnnounced(t.Context(), shops[:2], since, 7)
		must(t, err)
		if len(latest) != 4 {
			t.Errorf("%d lists, expected two for each shop", len(latest))
		}
		for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
			ever, err := s.EverAnnounced(t.Context(), shops, kind, store.SourceEconomic)
			must(t, err)
			for _, shop := range shops {
				want, err := s.Announcements(t.Context(), shop, kind, store.SourceEconomic, since, 7)
				must(t, err)
				if shop != "shop3" {
					if diff := cmp.Diff(want.Latest, latest[store.AnnouncedBy{Shop: shop, Kind: kind, Source: store.SourceEconomic}]); diff != "" {
						t.Errorf("%s of %s (-want +got):\n%s", kind, shop, diff)
					}
				}
				if ever[shop] != want.Ever {
					t.Errorf("%s of %s: ever %t", kind, shop, ever[shop])
				}
			}
		}
		if ever, err := s.EverAnnounced(t.Context(), []string{"shop1"}, plan.KindStock, store.SourceRackbeat); err != nil || ever["shop1"] {
			t.Errorf("of another source: %v, %v", ever, err)
		}
	})
}

// TestLatestCalls: the latest call of each log, and the latest with a wrong code.
func TestLatestCalls(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		call := func(shop string, slot, minute int) store.WebhookCall {
			return store.WebhookCall{Shop: shop, Slot: slot, CalledAt: store.At(noon.Add(time.Duration(minute) * time.Minute)), Method: "GET", Status: 200, Outcome: "recorded"}
		}
		must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{
			call("a", 0, 9), call("a", 1, 3), call("a", 2, 8), call("a", -1, 4), call("a", -2, 7), call("b", 5, 1), call("", 0, 50), call("c", 0, 60)}))
		list, err := s.LatestCalls(t.Context(), []string{"a", "b", "none", ""})
		must(t, err)
		var got []string
		for _, c := range list {
			got = append(got, fmt.Sprint(c.Shop, " ", c.Slot, " ", c.CalledAt.Sub(noon)))
		}
		slices.Sort(got)
		if want := []string{" 0 50m0s", "a -2 7m0s", "a 0 9m0s", "b 5 1m0s"}; !slices.Equal(got, want) {
			t.Errorf("%q, expected %q", got, want)
		}
	})
}
