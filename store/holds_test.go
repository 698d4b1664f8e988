package store_test

import (
	"slices"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestHoldsInForce: a hold on a part that the shop does not read is not in force; one on the shop is.
func TestHoldsInForce(t *testing.T) {
	t.Parallel()
	var holds plan.Holds
	for _, scope := range []plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs} {
		holds, _ = holds.With(plan.Hold{Scope: scope, Reason: plan.HeldForbidden, Since: noon})
	}
	all := store.Shop{StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true}
	for name, c := range map[string]struct {
		set  func(s *store.Shop)
		want []plan.Scope
	}{
		"all on":                  {func(*store.Shop) {}, []plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}},
		"stock off":               {func(s *store.Shop) { s.StockOn = false }, []plan.Scope{plan.ScopeShop, plan.ScopeInvoices, plan.ScopePDFs}},
		"stock at Rackbeat":       {func(s *store.Shop) { s.StockSource, s.RackbeatKey = store.SourceRackbeat, []byte("key") }, []plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}},
		"Rackbeat, without a key": {func(s *store.Shop) { s.StockSource = store.SourceRackbeat }, []plan.Scope{plan.ScopeShop, plan.ScopeInvoices, plan.ScopePDFs}},
		"invoices off":            {func(s *store.Shop) { s.InvoicesOn = false }, []plan.Scope{plan.ScopeShop, plan.ScopeStock}},
		"both off":                {func(s *store.Shop) { s.StockOn, s.InvoicesOn = false, false }, []plan.Scope{plan.ScopeShop}},
	} {
		shop := all
		c.set(&shop)
		var got []plan.Scope
		for _, h := range shop.InForce(holds) {
			got = append(got, h.Scope)
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: in force are %v, expected %v", name, got, c.want)
		}
	}
	if len(holds) != 4 {
		t.Errorf("InForce has changed its argument: %v", holds)
	}
}

// TestOpenHintsInOrder: of many open hints the earliest due come first, whenever they came.
func TestOpenHintsInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		var hints []store.HintRecord
		for n, due := range []int{4, 2, 5, 1, 3} { // "a" is due at 4
			h := hint("shop1", string(rune('a'+n)), plan.CauseWebhook, minute(n-9))
			h.DueAt = minute(due)
			hints = append(hints, h)
		}
		must(t, s.RecordHints(t.Context(), hints))
		for limit, want := range map[int]string{1: "d", 3: "dbe", 5: "dbeac", 9: "dbeac"} {
			got := ""
			for h, err := range s.EachOpenHint(t.Context(), "shop1", plan.KindStock, due(minute(9)), limit) {
				must(t, err)
				got += h.Number
			}
			if got != want {
				t.Errorf("%d hints: %s, expected %s", limit, got, want)
			}
		}
	})
}

// TestApprovalOfAMovedShop: losses of items that are stored in another dataset than the shop's first use
// up what a person approved, too.
func TestApprovalOfAMovedShop(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		token := addShop(t, s, "shop1")
		approve(t, s, "shop1", token, 1, 10, noon)
		f := fenceOf(t, s, "shop1", token, 2)
		f.StockDataset = "@9"
		must(t, commit(t.Context(), s, f, store.Applied{Losses: plan.LossChange{Approved: 7, Held: time.Hour, Lost: []plan.StoredLoss{{Number: "a", At: noon}}}}, noon))
		for dataset, held := range map[store.Dataset]time.Duration{"@9": time.Hour, "shop1": 0} {
			m, err := s.LossMemory(t.Context(), "shop1", dataset, noon.Add(-time.Hour))
			must(t, err)
			if m.Approved.Losses != 3 || m.Held != held || len(m.Losses) != int(held/time.Hour) {
				t.Errorf("of %s: %+v", dataset, m)
			}
		}
	})
}
