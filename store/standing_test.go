package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
)

// TestStandings: they say of each shop what its status says, apart from what is open and secret.
func TestStandings(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		for _, name := range []string{"shop1", "shop2", "shop3"} {
			addShop(t, s, name)
		}
		must(t, s.SetShop(t.Context(), "shop2", noon, func(x *store.Shop) error {
			x.PausedAt, x.PauseReason, x.InvoicesOn = store.At(noon), "stocktaking", false
			return nil
		}))
		must(t, s.ChangeStockSource(t.Context(), "shop3", store.StockChange{Source: store.SourceRackbeat, Key: []byte("sealed"), Places: "1,4"}, noon))
		for _, statement := range []string{
			"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1', 'stock', 'losses', '60 of 100 items', '2026-11-23 12:00:00'), ('shop1', 'invoices', 'forbidden', 'x', '2026-11-23 12:00:00')",
			"UPDATE progress SET agreement_number = 17, items = 5, swept_at = '2026-11-23 11:00:00', tick_at = '2026-11-23 11:59:00', failures = 3, failure = 'status 500', suspicion = 'all_zero', calls_day = '2026-11-23', calls = 7, command_calls_day = '2026-11-23', command_calls = 2 WHERE shop = 'shop1'",
			"UPDATE progress SET stock_account = 70, stock_calls_day = '2026-11-23', stock_calls = 3 WHERE shop = 'shop3'",
			"INSERT INTO agreement_calls (agreement_number, calls_day, calls) VALUES (17, '2026-11-23', 40)",
			"INSERT INTO rackbeat_calls (account, calls_day, calls) VALUES (70, '2026-11-23', 50)",
			"DELETE FROM leases WHERE shop = 'shop2'",
		} {
			must(t, s.Exec(t.Context(), statement))
		}
		must(t, s.RecordHints(t.Context(), []store.HintRecord{hint("shop1", "A", plan.CauseWebhook, noon)}))
		full, err := s.Overview(t.Context())
		must(t, err)
		for i := range full {
			st := &full[i]
			x, p := st.Shop, st.Progress
			key := x.RackbeatKey
			if len(key) > 0 {
				key = []byte{0}
			}
			*st = store.ShopStatus{Holder: st.Holder, AgreementCalls: st.AgreementCalls, StockAccountCalls: st.StockAccountCalls,
				Shop: store.Shop{Shop: x.Shop, StockOn: x.StockOn, StockSource: x.StockSource, RackbeatKey: key, Places: x.Places, StockDataset: x.StockDataset, InvoicesOn: x.InvoicesOn,
					PausedAt: x.PausedAt, PauseReason: x.PauseReason, CreatedAt: x.CreatedAt},
				Progress: store.Progress{Shop: p.Shop, AgreementNumber: p.AgreementNumber, StockAccount: p.StockAccount, ItemsDataset: p.ItemsDataset, Items: p.Items, SweptAt: p.SweptAt, TickAt: p.TickAt,
					Failures: p.Failures, Failure: p.Failure, Suspicion: p.Suspicion, CallsDay: p.CallsDay, Calls: p.Calls, CommandCallsDay: p.CommandCallsDay, CommandCalls: p.CommandCalls,
					StockCallsDay: p.StockCallsDay, StockCalls: p.StockCalls, Holds: p.Holds}}
		}
		got, err := s.Standings(t.Context())
		must(t, err)
		if diff := cmp.Diff(full, got); diff != "" {
			t.Errorf("they differ from the status (-status +standings):\n%s", diff)
		}
	})
}

// TestStatusOf: the status of some shops is that of all, without the others.
func TestStatusOf(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		var hints []store.HintRecord
		for n := range 5 {
			addShop(t, s, fmt.Sprint("shop", n))
			hints = append(hints, hint(fmt.Sprint("shop", n), "A", plan.CauseWebhook, noon.Add(time.Duration(n)*time.Minute)))
		}
		must(t, s.RecordHints(t.Context(), hints))
		all, err := s.Overview(t.Context())
		must(t, err)
		some, err := s.StatusOf(t.Context(), "shop3", "shop1", "shop7")
		must(t, err)
		if diff := cmp.Diff([]store.ShopStatus{all[1], all[3]}, some); diff != "" || some[0].OpenHints != 1 {
			t.Errorf("(-of all +of some):\n%s", diff)
		}
		if none, err := s.StatusOf(t.Context()); err != nil || len(none) != 0 {
			t.Errorf("of none: %v, %v", none, err)
		}
	})
}

// TestShopsWithIncidents: those of the operator that are not over.
func TestShopsWithIncidents(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		must(t, s.Exec(t.Context(), "INSERT INTO incidents (audience, shop, what, seen_at, gone_at) VALUES ('operator', 'a', 'x', '2026-11-23 12:00:00', NULL), ('operator', 'a', 'y', '2026-11-23 12:00:00', NULL),"+
			" ('operator', 'b', 'x', '2026-11-23 12:00:00', '2026-11-23 13:00:00'), ('owner', 'c', 'x', '2026-11-23 12:00:00', NULL), ('operator', '', 'x', '2026-11-23 12:00:00', NULL)"))
		got, err := s.ShopsWithIncidents(t.Context())
		must(t, err)
		if diff := cmp.Diff(map[string]bool{"a": true}, got); diff != "" {
			t.Error(diff)
		}
	})
}
