package store

import (
	"context"
	"fmt"

	"lagerd/reconcile/plan"
)

// News is what others have left in the database, or time has made due.
type News struct {
	ShopsGeneration int64     // see ShopsGeneration
	Asked           []Request // operators' open requests, of each its id and its shop alone
	Work            []string  // shops that have something due: an open hint, webhooks to unpack, an invoice's lines or PDF to fetch
}

func notHeld(scope plan.Scope) string {
	return "NOT EXISTS (SELECT 1 FROM holds h WHERE h.shop = s.shop AND h.scope = '" + string(scope) + "')"
}

// News returns what there is, in one statement: every lagerd asks each second,
// also where nothing happens.
func (s *Store) News(ctx context.Context, due Due) (News, error) {
	var n News
	rows, err := s.conn.QueryContext(ctx, "SELECT value AS generation, '' AS request, '' AS shop FROM meta WHERE name = ?"+
		" UNION ALL SELECT 0, request, shop FROM requests WHERE done_at IS NULL"+
		" UNION ALL SELECT 0, '', shop FROM ("+
		// Grouped, the index tells a shop's first and last: a shop's 100,000 hints,
		// or batches, are not read to learn that it has some.
		"SELECT shop FROM hints WHERE open = 1 GROUP BY shop HAVING MIN(due_at) <= ? OR MAX(due_at) > ?"+
		" UNION SELECT shop FROM hint_batches GROUP BY shop HAVING MIN(set_aside) = 0"+
		" UNION SELECT DISTINCT s.shop FROM invoices i JOIN shops s ON s.dataset = i.shop WHERE s.invoices_on = 1 AND (i.work_due_at <= ? OR i.work_due_at > ?)"+
		// What is held is tried by a tick.
		" AND (i.lines_read = 0 AND "+notHeld(plan.ScopeInvoices)+" OR i.pdf_state <> 'stored' AND "+notHeld(plan.ScopePDFs)+")"+
		") AS work",
		shopsGeneration, At(due.By), At(due.Beyond), At(due.By), At(due.Beyond))
	fail := func(err error) (News, error) { return News{}, fmt.Errorf("look for news: %w", err) }
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var generation int64
		var request, shop string
		if err := rows.Scan(&generation, &request, &shop); err != nil {
			return fail(err)
		}
		switch {
		case shop == "":
			n.ShopsGeneration = generation
		case request != "":
			n.Asked = append(n.Asked, Request{Request: request, Shop: shop})
		default:
			n.Work = append(n.Work, shop)
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return n, nil
}
