package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// TestTotals: what is counted over all shops, and of which shops it is not.
func TestTotals(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		expect := func(step string, want store.Totals) {
			t.Helper()
			got, err := s.Totals(ctx)
			must(t, err)
			if diff := cmp.Diff(want, got, exactly); diff != "" {
				t.Errorf("%s:\n%s", step, diff)
			}
		}
		failing := func(items, invoices int64) map[plan.Kind]int64 {
			return map[plan.Kind]int64{plan.KindStock: items, plan.KindInvoice: invoices}
		}
		expect("no shop", store.Totals{FailingHints: failing(0, 0)})

		fences := map[string]store.Fence{}
		for n, name := range []string{"shop1", "shop2"} {
			token := addShop(t, s, name)
			fences[name] = store.Fence{Shop: name, Dataset: store.Dataset(name), StockDataset: store.Dataset(name), Generation: int64(n + 1), Token: token, Seq: 1}
		}
		expect("no tick yet", store.Totals{FailingHints: failing(0, 0), OldestGoodTick: noon}) // when they were added
		tick := func(shop string, at time.Time) {
			must(t, s.MarkTicks(ctx, "me", []store.TickMark{{Shop: shop, Generation: fences[shop].Generation, DayCalls: store.DayCalls{CallsDay: "2026-11-23"}}}, at))
		}
		tick("shop1", minute(5))
		tick("shop2", minute(9))
		expect("both have ticked", store.Totals{FailingHints: failing(0, 0), OldestGoodTick: minute(5)})

		invoice := func(number string, at time.Time) store.HintRecord {
			return store.HintRecord{Shop: "shop1", Kind: plan.KindInvoice, Number: number, Cause: plan.CauseWebhook, At: at}
		}
		must(t, s.RecordHints(ctx, []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, minute(2)), hint("shop1", "b", plan.CauseWebhook, minute(3)), hint("shop1", "c", plan.CauseWebhook, minute(4)),
			invoice("1", minute(4)), hint("shop2", "a", plan.CauseWebhook, minute(6))}))
		must(t, s.RecordWebhooks(ctx, []store.HintRecord{hint("shop2", "b", plan.CauseWebhook, minute(1))}))
		a := store.Applied{Rereads: []plan.Reread{
			{Kind: plan.KindStock, Number: "a", Gen: 1, DueAt: noon, Failures: 1}, {Kind: plan.KindStock, Number: "b", Gen: 1, DueAt: noon, Failures: 7}, {Kind: plan.KindStock, Number: "c", Gen: 1, DueAt: noon, Tries: 1},
			{Kind: plan.KindInvoice, Number: "1", Gen: 1, DueAt: noon, Failures: 1},
		}}
		for n := range int64(4) {
			a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: n + 1, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon})
		}
		a.Lines = []int64{1, 2} // a PDF is waited for whether the lines are read or not
		a.PDFs = []store.PDF{{Number: 1, Data: []byte("x")}, {Number: 3, Data: []byte("x")}}
		must(t, commit(ctx, s, fences["shop1"], a, noon))
		all := store.Totals{OpenHints: 6, OldestHint: minute(1), FailingHints: failing(2, 1), WaitingForPDF: 2, OldestGoodTick: minute(5)}
		expect("hints and invoices", all)

		pause := func(shop string, at store.Time) {
			must(t, s.SetShop(ctx, shop, noon, func(s *store.Shop) error { s.PausedAt = at; return nil }))
		}
		pause("shop2", store.At(noon))
		paused := all
		paused.OldestHint = minute(2)
		expect("shop2 is paused", paused)
		pause("shop1", store.At(noon))
		expect("both are paused", store.Totals{OpenHints: 6, FailingHints: failing(2, 1)})
		pause("shop1", store.Time{})
		pause("shop2", store.Time{})
		expect("neither is paused any more", all)

		held := func(scope plan.Scope) {
			must(t, s.Exec(ctx, "DELETE FROM holds"))
			must(t, s.Exec(ctx, "INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1', '"+string(scope)+"', 'forbidden', '', '2026-11-23 12:00:00')"))
		}
		for _, scope := range []plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs} {
			held(scope)
			other := all
			other.OldestGoodTick = minute(9)
			expect("shop1 is held: "+string(scope), other)
		}
		must(t, s.SetShop(ctx, "shop1", noon, func(s *store.Shop) error { s.InvoicesOn = false; return nil }))
		off := all
		off.WaitingForPDF = 0
		expect("what is held is switched off", off)
		held(plan.ScopeStock)
		must(t, s.SetShop(ctx, "shop1", noon, func(s *store.Shop) error { s.InvoicesOn, s.StockOn = true, false; return nil }))
		expect("the same for stock", all)
	})
}
