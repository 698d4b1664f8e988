package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// obstacles formats what kept lagerd from reading a number.
func obstacles(t *testing.T, s *store.Store, kind plan.Kind, number string, limit int) []string {
	t.Helper()
	list, err := s.Obstacles(t.Context(), "shop1", kind, number, noon, limit)
	must(t, err)
	var texts []string
	for _, o := range list {
		texts = append(texts, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s %dx %s-%s %s", o.What, o.Kind, o.Number, o.Scope, o.Reason, o.Times, o.BeganAt.Format("15:04"), o.LastAt.Format("15:04"), o.Detail)), " "))
	}
	return texts
}

// TestObstacles: failed reads are kept with their hint, failed passes with the good tick before
// them, and holds when they end, whoever ends them. What succeeds leaves nothing.
func TestObstacles(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token, seq, minute := addShop(t, s, "shop1"), int64(0), 0
		at := func() time.Time { minute++; return noon.Add(time.Duration(minute) * time.Minute) }
		fence := func() store.Fence {
			seq++
			shop, err := s.Shop(t.Context(), "shop1")
			must(t, err)
			return store.Fence{Shop: "shop1", Dataset: shop.Dataset, StockDataset: shop.StockDataset, Generation: shop.Generation, Token: token, Seq: seq}
		}
		apply := func(a store.Applied) {
			t.Helper()
			known, err := s.Progress(t.Context(), "shop1")
			must(t, err)
			a.Known = known
			must(t, commit(t.Context(), s, fence(), a, at()))
		}
		again := func(gen int64, failures int, reason plan.HintReason, note string) store.Applied {
			return store.Applied{Rereads: []plan.Reread{{Kind: plan.KindStock, Number: "7", Gen: gen, DueAt: noon, Failures: failures, Reason: reason, Note: note}}}
		}
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "7", plan.CauseWebhook, noon), hint("shop1", "8", plan.CauseWebhook, noon)}))
		apply(again(1, 0, plan.HintUnconfirmed, ""))             // a read that showed nothing new
		apply(again(1, 0, plan.HintFailed, "its service waits")) // not read at all
		if n := s.Count(t.Context(), "obstacles", "shop1"); n != 0 {
			t.Errorf("%d obstacles without a failure", n)
		}
		apply(again(1, 1, plan.HintFailed, "status 500"))
		apply(again(1, 1, plan.HintFailed, "its service waits")) // postponed again, not read
		apply(again(1, 1, plan.HintPartHeld, "held"))            // the same
		apply(again(1, 2, plan.HintForbidden, "status 403"))
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "7", plan.CauseWebhook, noon.Add(time.Hour))})) // counts its own failures
		apply(again(2, 1, plan.HintFailed, "status 502"))
		apply(store.Applied{Answered: []plan.Answer{{Kind: plan.KindStock, Number: "7", Gen: 2}}})
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "7", plan.CauseWebhook, noon.Add(2*time.Hour))}))
		apply(again(3, 1, plan.HintFailed, "status 503"))
		apply(store.Applied{Hints: []store.HintRecord{{Shop: "shop1", Kind: plan.KindInvoice, Number: "7", Cause: plan.CauseTick, At: noon, Failures: 1, Reason: plan.HintFailed, Note: "unreadable"}},
			Work: []store.WorkResult{{Number: 7, DueAt: noon, Tries: 1, Error: "no PDF yet"}, {Number: 8, DueAt: noon, Keep: true}, {Number: 9, DueAt: noon}}})
		apply(store.Applied{Work: []store.WorkResult{{Number: 7, DueAt: noon, Tries: 2, Error: "still none"}}})
		must(t, s.MarkFailure(t.Context(), fence(), "refused", store.DayCalls{}, at()))
		must(t, s.MarkFailure(t.Context(), fence(), "hangs", store.DayCalls{}, at()))
		must(t, s.MarkTicks(t.Context(), "me", []store.TickMark{{Shop: "shop1", Generation: 1, DayCalls: store.DayCalls{CallsDay: "2026-11-23"}}}, at()))
		must(t, s.MarkFailure(t.Context(), fence(), "hangs again", store.DayCalls{}, at()))
		for _, h := range []plan.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "5 of 10", Since: at()}, {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Since: at()}} {
			apply(store.Applied{Holds: []plan.Hold{h}})
		}
		apply(store.Applied{EndHolds: []plan.Scope{plan.ScopeStock}})
		must(t, s.AcceptAgreement(t.Context(), "shop1", 100002, at()))

		want := []string{
			"reads stock 7 3x 12:03-12:07 status 502", "reads stock 7 1x 12:09-12:09 status 503", "passes 2x 12:12-12:13 hangs", "passes 1x 12:15-12:15 hangs again",
			"hold stock losses 1x 12:16-12:20 5 of 10", "hold pdf forbidden 1x 12:17-12:21",
		}
		if diff := cmp.Diff(want, obstacles(t, s, plan.KindStock, "7", 100)); diff != "" {
			t.Errorf("of the item (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(append([]string{"pdf invoice 7 2x 12:10-12:11 still none", "reads invoice 7 1x 12:10-12:10 unreadable"}, want[2:]...), obstacles(t, s, plan.KindInvoice, "7", 100)); diff != "" {
			t.Errorf("of the invoice (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want[4:], obstacles(t, s, plan.KindStock, "8", 2)); diff != "" {
			t.Errorf("the latest two (-want +got):\n%s", diff)
		}

		if more, err := s.Prune(t.Context(), fence(), store.Ages{History: noon.Add(13 * time.Minute)}); err != nil || more {
			t.Errorf("more: %t, %v", more, err)
		}
		if diff := cmp.Diff(want[2:], obstacles(t, s, plan.KindStock, "8", 100)); diff != "" {
			t.Errorf("pruned (-want +got):\n%s", diff)
		}
		must(t, s.RemoveShop(t.Context(), "shop1"))
		if n := s.Count(t.Context(), "obstacles", "shop1"); n != 0 {
			t.Errorf("%d obstacles are left of a removed shop", n)
		}
	})
}

// TestCallsKept: of the ring of calls in order, not of that of calls with a wrong code.
func TestCallsKept(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		if calls, oldest, err := s.CallsKept(t.Context(), "shop1"); err != nil || calls != 0 || !oldest.IsZero() {
			t.Errorf("of none: %d, %s, %v", calls, oldest, err)
		}
		var list []store.WebhookCall
		for slot, after := range map[int]time.Duration{0: time.Minute, 1: 0, -1: -time.Hour} {
			list = append(list, store.WebhookCall{Shop: "shop1", Slot: slot, CalledAt: store.At(noon.Add(after)), Outcome: "recorded"})
		}
		must(t, s.PutWebhookCalls(t.Context(), list))
		if calls, oldest, err := s.CallsKept(t.Context(), "shop1"); err != nil || calls != 2 || !oldest.Equal(noon) {
			t.Errorf("%d calls since %s, %v", calls, oldest, err)
		}
	})
}
