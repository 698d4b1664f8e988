package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

var errNotNow = errors.New("not now")

// acted formats actions, oldest first.
func acted(t *testing.T, s *store.Store, shop string) []string {
	t.Helper()
	var list []store.Action
	for _, which := range []store.WhichActions{store.Done(), store.AskedForShop(), store.AskedFor(plan.KindStock, "A 17"), store.AskedFor(plan.KindStock, "C")} {
		some, err := s.Actions(t.Context(), shop, which, noon, 100)
		must(t, err)
		list = append(list, some...)
	}
	slices.SortStableFunc(list, func(a, b store.Action) int { return a.ActedAt.Compare(b.ActedAt.Time) })
	var texts []string
	for _, a := range list {
		texts = append(texts, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s %s by %s with %s", a.ActedAt.Format("15:04"), a.What, a.Kind, a.Number, a.Detail, a.Account, a.Command)), " "))
	}
	return texts
}

// TestActions: what a person does by a command is recorded with who did it, without secrets; what
// lagerd does is not.
func TestActions(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		minute := 0
		at := func() time.Time { minute++; return noon.Add(time.Duration(minute) * time.Minute) }
		by := store.By(t.Context(), store.Actor{Account: "mette", Command: "lagerd shops set"})
		set := func(change func(x *store.Shop)) {
			t.Helper()
			must(t, s.SetShop(by, "shop1", at(), func(x *store.Shop) error { change(x); return nil }))
		}
		shop := store.Shop{Shop: "shop1", GrantToken: []byte("a secret"), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
			InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference}
		must(t, s.AddShop(by, shop, []byte("01234567890123456789012345678901"), at()))
		set(func(*store.Shop) {}) // nothing
		set(func(x *store.Shop) {
			x.StockFigure, x.GrantToken, x.OrderPattern, x.InvoicesFrom, x.InvoicesFromNumber = plan.FigureAvailable, []byte("another"), `#(\d+)`, "", 17
		})
		set(func(x *store.Shop) { x.PausedAt, x.PauseReason = store.At(noon), "stocktaking" })
		set(func(x *store.Shop) { x.InvoicesOn = false }) // it stays paused
		set(func(x *store.Shop) { x.PausedAt, x.PauseReason = store.Time{}, "" })
		must(t, s.ChangeStockSource(by, "shop1", store.StockChange{Source: store.SourceRackbeat, Key: []byte("a key"), Places: "1,4"}, at()))
		must(t, s.AcceptAgreement(by, "shop1", 100002, at()))
		must(t, s.AddCode(by, "shop1", []byte("11234567890123456789012345678901"), at()))
		must(t, s.ReplaceNewCode(by, "shop1", []byte("21234567890123456789012345678901"), at()))
		_, err := s.RetireOldCodes(by, "shop1", true, at())
		must(t, err)
		_, err = s.RetireOldCodes(by, "shop1", true, at()) // there is none left
		must(t, err)
		must(t, s.AddRequests(by, []store.Request{{Request: "r1", Shop: "shop1", What: store.WantSweep, RequestedAt: store.At(at())}}))
		must(t, s.AddRequests(store.ByNobody(by), []store.Request{{Request: "r2", Shop: "shop1", What: store.WantTick, RequestedAt: store.At(at())}}))
		must(t, s.RecordHints(by, []store.HintRecord{hint("shop1", "A 17", plan.CauseOperator, at()), hint("shop1", "B", plan.CauseTick, at())}))
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "C", plan.CauseOperator, at())}))
		must(t, s.Exec(t.Context(), "INSERT INTO holds (shop, scope, reason, since) VALUES ('shop1', 'stock', 'losses', '2026-11-23 12:00:00')"))
		current, err := s.Shop(t.Context(), "shop1")
		must(t, err)
		must(t, s.Approve(by, current, 7, at()))

		const who = " by mette with lagerd shops set"
		if diff := cmp.Diff([]string{
			"12:01 added" + who,
			`12:03 set grant-token: (new); figure: in_stock → available; invoices-from: 2026-11-01 → number 17; order-pattern: - → #(\d+)` + who,
			"12:04 paused stocktaking" + who,
			"12:05 set invoices: on → off" + who,
			"12:06 resumed" + who,
			"12:07 set stock-source: economic → rackbeat; rackbeat-key: (new); places: - → 1,4" + who,
			"12:08 accepted 100002" + who,
			"12:09 code_added" + who,
			"12:10 code_replaced" + who,
			"12:11 code_retired" + who,
			"12:13 asked sweep" + who,
			"12:15 asked stock A 17" + who,
			"12:18 approved 7" + who,
		}, acted(t, s, "shop1")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if hints, err := s.Hints(t.Context(), "shop1", plan.KindStock, []string{"A 17", "B", "C"}); err != nil || len(hints) != 3 {
			t.Errorf("hints: %+v, %v", hints, err)
		}
		if list, err := s.Actions(t.Context(), "shop1", store.Done(), noon.Add(9*time.Minute), 2); err != nil || len(list) != 2 || list[1].What != store.ActionApproved || list[0].What != store.ActionCodeRetired {
			t.Errorf("the latest two: %+v, %v", list, err)
		}

		if err := s.SetShop(by, "shop1", noon, func(*store.Shop) error { return errNotNow }); err == nil {
			t.Error("a change that fails is no error")
		}
		before := len(acted(t, s, "shop1"))
		if before != 13 {
			t.Errorf("a change that failed is recorded: %d", before)
		}
		must(t, s.RemoveShop(by, "shop1"))
		if n := s.Count(t.Context(), "actions", "shop1"); n != 0 {
			t.Errorf("%d actions are left of a removed shop", n)
		}
	})
}

// TestActionsOfOtherNumbers: whatever is asked for of other numbers or of the whole shop takes the
// place of nothing else.
func TestActionsOfOtherNumbers(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		by := store.By(t.Context(), store.Actor{Account: "mette"})
		must(t, s.SetShop(by, "shop1", noon, func(x *store.Shop) error {
			x.PausedAt, x.PauseReason = store.At(noon), "stocktaking"
			return nil
		}))
		ask := func(kind plan.Kind, number string) {
			h := hint("shop1", number, plan.CauseOperator, noon.Add(time.Minute))
			h.Kind = kind
			must(t, s.RecordHints(by, []store.HintRecord{h}))
		}
		ask(plan.KindStock, "7")
		for n := range 5 {
			ask(plan.KindStock, fmt.Sprint("other", n))
			ask(plan.KindInvoice, "7")
			must(t, s.AddRequests(by, []store.Request{{Request: fmt.Sprint("r", n), Shop: "shop1", What: store.WantTick, RequestedAt: store.At(noon.Add(time.Hour))}}))
		}
		for _, c := range []struct {
			which store.WhichActions
			want  string
		}{
			{store.Done(), "paused"},
			{store.AskedFor(plan.KindStock, "7"), "asked stock 7"},
			{store.AskedForShop(), "asked tick, asked tick, asked tick"},
		} {
			list, err := s.Actions(t.Context(), "shop1", c.which, noon, 3)
			must(t, err)
			var got []string
			for _, a := range list {
				got = append(got, strings.Join(strings.Fields(fmt.Sprint(a.What, " ", a.Kind, " ", a.Number, " ", strings.TrimPrefix(a.Detail, "stocktaking"))), " "))
			}
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("got %q, expected %q", got, c.want)
			}
		}
	})
}

// TestActionsArePruned: like the history, and those of removed shops too.
func TestActionsArePruned(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		by := store.By(t.Context(), store.Actor{Account: "mette"})
		for _, shop := range []string{"shop1", "removed"} {
			must(t, s.AddRequests(by, []store.Request{{Request: shop, Shop: shop, What: store.WantTick, RequestedAt: store.At(noon)}}))
		}
		f := store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}
		for _, c := range []struct {
			before time.Time
			left   int
		}{{noon, 1}, {noon.Add(time.Microsecond), 0}} {
			if more, err := s.Prune(t.Context(), f, store.Ages{History: c.before}); err != nil || more {
				t.Errorf("more: %t, %v", more, err)
			}
			if n := s.Count(t.Context(), "actions", "shop1"); n != c.left {
				t.Errorf("%d actions are left, expected %d", n, c.left)
			}
			f.Seq++
		}
		must(t, s.PruneRequests(t.Context(), noon.Add(time.Hour)))
		if n := s.Count(t.Context(), "actions", "removed"); n != 0 {
			t.Errorf("%d actions are left of a removed shop", n)
		}
	})
}

// TestCallsNaming: only calls about the number, of its kind and since a time, oldest first.
func TestCallsNaming(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		call := func(slot int, shop, number string, kind plan.Kind, after time.Duration) store.WebhookCall {
			return store.WebhookCall{Shop: shop, Slot: slot, CalledAt: store.At(noon.Add(after)), Kind: kind, Number: number, Status: 200, Outcome: "recorded"}
		}
		must(t, s.PutWebhookCalls(t.Context(), []store.WebhookCall{
			call(0, "shop1", "7", plan.KindStock, 2*time.Minute), call(1, "shop1", "7", plan.KindStock, time.Minute), call(2, "shop1", "7", plan.KindStock, -time.Minute),
			call(3, "shop1", "7", plan.KindInvoice, time.Minute), call(4, "shop1", "07", plan.KindStock, time.Minute), call(0, "shop2", "7", plan.KindStock, time.Minute),
		}))
		list, err := s.CallsNaming(t.Context(), "shop1", plan.KindStock, "7", noon)
		must(t, err)
		if len(list) != 2 || list[0].Slot != 1 || list[1].Slot != 0 {
			t.Errorf("got %+v", list)
		}
	})
}

func TestLease(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		l, err := s.Lease(t.Context(), "shop1")
		must(t, err)
		if l.Holder != "me" || l.Token != token || !l.TakenAt.Equal(noon) {
			t.Errorf("got %+v", l)
		}
		if _, err := s.Lease(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "none") {
			t.Errorf("of no shop: %v", err)
		}
	})
}

func TestOrderText(t *testing.T) {
	t.Parallel()
	i := store.Invoice{OtherReference: "a", Heading: "b", TextLine1: "c", EconomicOrder: 7}
	for field, want := range map[plan.OrderField]string{plan.OrderInOtherReference: "a", plan.OrderInHeading: "b", plan.OrderInTextLine1: "c", plan.OrderInOrderNumber: "7"} {
		if got := i.OrderText(field); got != want {
			t.Errorf("%s: %q, expected %q", field, got, want)
		}
	}
	if got := (store.Invoice{}).OrderText(plan.OrderInOrderNumber); got != "" {
		t.Errorf("no order: %q", got)
	}
}
