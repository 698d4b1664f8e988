package store

import (
	"context"
	"fmt"
)

// Standings returns of every shop, by name, what says how it stands without its hints, items,
// invoices and history: the settings, progress, lease, holds and calls that a state and most needs
// follow from. Of a key at Rackbeat it returns only whether there is one. It takes three statements,
// whatever the number of shops.
func (s *Store) Standings(ctx context.Context) ([]ShopStatus, error) {
	fail := func(err error) ([]ShopStatus, error) { return nil, fmt.Errorf("read how the shops stand: %w", err) }
	holds, err := s.holds(ctx, everyShop())
	if err != nil {
		return fail(err)
	}
	var count int
	if err := s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM shops").Scan(&count); err != nil {
		return fail(err)
	}
	economic, rackbeat := ServiceEconomic.ledger(), ServiceRackbeat.ledger()
	at := s.dialect.timeOf
	rows, err := s.conn.QueryContext(ctx, "SELECT s.shop, s.stock_on, s.stock_source, COALESCE(LENGTH(s.rackbeat_key), 0) > 0, s.places, s.stock_dataset, s.invoices_on, "+at("s.paused_at")+", s.pause_reason, "+at("s.created_at")+","+
		" p.agreement_number, p.stock_account, p.items_dataset, p.items, "+at("p.swept_at")+", "+at("p.tick_at")+", p.failures, p.failure, p.suspicion,"+
		" p.calls_day, p.calls, p.command_calls_day, p.command_calls, p.stock_calls_day, p.stock_calls, COALESCE(l.holder, ''),"+
		" COALESCE(e.calls_day, ''), COALESCE(e.calls, 0), COALESCE(r.calls_day, ''), COALESCE(r.calls, 0)"+
		" FROM shops s JOIN progress p ON p.shop = s.shop LEFT JOIN leases l ON l.shop = s.shop"+
		" LEFT JOIN "+economic.table+" e ON e."+economic.account+" = p."+economic.ofShop+
		" LEFT JOIN "+rackbeat.table+" r ON r."+rackbeat.account+" = p."+rackbeat.ofShop+" ORDER BY s.shop")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	list := make([]ShopStatus, 0, count+count/16+1)          // growing copies a kilobyte for each again and again
	agreements, accounts := map[int64]int{}, map[int64]int{} // how many shops share each
	var hasKey bool
	for rows.Next() {
		list = append(list, ShopStatus{})
		st := &list[len(list)-1]
		x, p := &st.Shop, &st.Progress
		err := rows.Scan(&x.Shop, &x.StockOn, &x.StockSource, &hasKey, &x.Places, &x.StockDataset, &x.InvoicesOn, &x.PausedAt, &x.PauseReason, &x.CreatedAt,
			&p.AgreementNumber, &p.StockAccount, &p.ItemsDataset, &p.Items, &p.SweptAt, &p.TickAt, &p.Failures, &p.Failure, &p.Suspicion,
			&p.CallsDay, &p.Calls, &p.CommandCallsDay, &p.CommandCalls, &p.StockCallsDay, &p.StockCalls, &st.Holder,
			&st.AgreementCalls.Day, &st.AgreementCalls.Calls, &st.StockAccountCalls.Day, &st.StockAccountCalls.Calls)
		if err != nil {
			return fail(err)
		}
		if hasKey {
			x.RackbeatKey = []byte{0}
		}
		p.Shop, p.Holds = x.Shop, holds[x.Shop]
		agreements[p.AgreementNumber]++
		accounts[p.StockAccount]++
	}
	for i := range list {
		st := &list[i]
		if st.AgreementCalls.Day != "" {
			st.AgreementCalls.Shops = agreements[st.Progress.AgreementNumber]
		}
		if st.StockAccountCalls.Day != "" {
			st.StockAccountCalls.Shops = accounts[st.Progress.StockAccount]
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// ShopsWithIncidents returns the shops of which the operator is told that something needs a person.
func (s *Store) ShopsWithIncidents(ctx context.Context) (map[string]bool, error) {
	fail := func(err error) (map[string]bool, error) {
		return nil, fmt.Errorf("read the shops with incidents: %w", err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT DISTINCT shop FROM incidents WHERE audience = ? AND shop <> '' AND gone_at IS NULL", AudienceOperator)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	shops := map[string]bool{}
	for rows.Next() {
		var shop string
		if err := rows.Scan(&shop); err != nil {
			return fail(err)
		}
		shops[shop] = true
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return shops, nil
}
