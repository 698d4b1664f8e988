package store

import (
	"context"
	"fmt"
	"time"

	"lagerd/plan"
)

// Totals are counts over all shops, whichever lagerd holds them.
type Totals struct {
	OpenHints      int64               // including those still in batches
	OldestHint     time.Time           // zero: none, except those that wait for a listing or are of a paused shop
	FailingHints   map[plan.Kind]int64 // open hints whose number could not be read
	WaitingForPDF  int64               // invoices without a PDF yet, of shops that are not paused
	OldestGoodTick time.Time           // of the shop whose last good tick is longest ago; zero: every shop is paused or held, or there is none
}

// totals has one row for each of the tables that it counts in. A shop without a good tick
// counts from when it was added.
const totals = "SELECT COALESCE(SUM(hints), 0), MIN(first_at), COALESCE(SUM(failing_items), 0), COALESCE(SUM(failing_invoices), 0), COALESCE(SUM(waiting), 0), MIN(tick_at) FROM (" +
	"SELECT COUNT(*) AS hints, MIN(CASE WHEN s.paused_at IS NULL THEN " + firstUnlessAwaiting + " END) AS first_at," +
	" SUM(CASE WHEN failures > 0 AND kind = '" + string(plan.KindStock) + "' THEN 1 ELSE 0 END) AS failing_items," +
	" SUM(CASE WHEN failures > 0 AND kind = '" + string(plan.KindInvoice) + "' THEN 1 ELSE 0 END) AS failing_invoices, 0 AS waiting, NULL AS tick_at" +
	" FROM hints JOIN shops s ON s.shop = hints.shop WHERE open = 1" +
	" UNION ALL SELECT SUM(hints), MIN(CASE WHEN s.paused_at IS NULL THEN first_at END), 0, 0, 0, NULL" +
	" FROM hint_batches b JOIN shops s ON s.shop = b.shop WHERE set_aside = 0" +
	// All of it is in the index invoices_due.
	" UNION ALL SELECT 0, NULL, 0, 0, SUM(i.waiting), NULL" +
	" FROM (SELECT shop AS dataset, COUNT(*) AS waiting FROM invoices WHERE pdf_state = 'pending' AND work_due_at IS NOT NULL GROUP BY pdf_state, lines_read, shop) AS i" +
	" JOIN shops s ON s.dataset = i.dataset WHERE s.invoices_on = 1 AND s.paused_at IS NULL" +
	" UNION ALL SELECT 0, NULL, 0, 0, 0, MIN(COALESCE(p.tick_at, s.created_at))" +
	" FROM shops s JOIN progress p ON p.shop = s.shop WHERE s.paused_at IS NULL AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.shop = s.shop AND " + inForce + ")" +
	") AS totals"

// inForce is the condition of Shop.InForce for a hold h of a shop s.
const inForce = "(h.scope = '" + string(plan.ScopeShop) + "' OR h.scope = '" + string(plan.ScopeStock) + "' AND s.stock_on = 1" +
	" OR h.scope IN ('" + string(plan.ScopeInvoices) + "', '" + string(plan.ScopePDFs) + "') AND s.invoices_on = 1)"

// Totals counts over all shops, in one statement.
func (s *Store) Totals(ctx context.Context) (Totals, error) {
	t := Totals{}
	var items, invoices int64
	var oldest, tick Time
	if err := s.conn.QueryRowContext(ctx, totals).Scan(&t.OpenHints, &oldest, &items, &invoices, &t.WaitingForPDF, &tick); err != nil {
		return Totals{}, fmt.Errorf("count over all shops: %w", err)
	}
	t.OldestHint, t.OldestGoodTick = oldest.Time, tick.Time
	t.FailingHints = map[plan.Kind]int64{plan.KindStock: items, plan.KindInvoice: invoices}
	return t, nil
}
