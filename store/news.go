package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
)

// News is what a lagerd polls for: changes by other processes, and work that is due.
type News struct {
	ShopsGeneration int64     // see ShopsGeneration
	Requests        []Request // operators' open requests, with only Request and Shop set
	Work            []string  // shops with something due: an open hint, webhooks to unpack, an invoice's lines or PDF
	Blocked         []Blocked // accounts to which their service takes no calls
}

// Blocked is an account to which its service takes no calls for a while.
type Blocked struct {
	Service Service
	Account int64
	Until   time.Time     // as it is stored
	Lasts   time.Duration // from now on
}

func notHeld(scope plan.Scope) string {
	return "NOT EXISTS (SELECT 1 FROM holds h WHERE h.shop = s.shop AND h.scope = '" + string(scope) + "')"
}

// dueInvoices returns a query for the datasets with due invoices, and those invoices'
// state. Its cost grows with the number of datasets, not of invoices: what is held, or
// left from a former agreement, stays due forever, and may be 100,000.
func (d dialect) dueInvoices(due Due) (query string, args []any) {
	var parts []string
	for _, state := range unfinished {
		if d.isSQLite() {
			// SQLite would read a whole group for MIN and MAX, but finds a single row directly.
			one := "EXISTS (SELECT 1 FROM invoices WHERE " + state.is() + " AND shop = shops.dataset AND work_due_at "
			parts = append(parts, fmt.Sprintf("SELECT dataset, '%s' AS pdf_state, %d AS lines_read FROM shops WHERE %s <= ?) OR %[3]s > ?)", state.pdf, state.lines, one))
		} else {
			parts = append(parts, "SELECT shop AS dataset, pdf_state, lines_read FROM invoices WHERE "+state.is()+
				" GROUP BY pdf_state, lines_read, shop HAVING MIN(work_due_at) <= ? OR MAX(work_due_at) > ?")
		}
		args = append(args, At(due.By), At(due.Beyond))
	}
	return strings.Join(parts, " UNION ALL "), args
}

// blocked returns the part of News's query that reads the blocked accounts: the account as the
// generation, and the service as the request.
func (s *Store) blocked(now time.Time) (query string, args []any) {
	clock, its := s.clock(now)
	var b strings.Builder
	for _, to := range services {
		in := to.ledger()
		b.WriteString(" UNION ALL SELECT " + in.account + ", '" + string(to) + "', '', blocked_until, blocked_for_us, " + clock + " FROM " + in.table + " WHERE blocked_until > " + clock)
		args = slices.Concat(args, its, its)
	}
	return b.String(), args
}

// News polls the database, in one statement: every lagerd calls it once a second, even
// when idle. due is that of hints, workDue that of what invoices lack.
func (s *Store) News(ctx context.Context, due, workDue Due) (News, error) {
	var n News
	invoices, args := s.dialect.dueInvoices(workDue)
	blocked, blockedArgs := s.blocked(due.By)
	rows, err := s.conn.QueryContext(ctx, "SELECT value AS generation, '' AS request, '' AS shop, NULL AS until, 0 AS for_us, NULL AS clock FROM meta WHERE name = ?"+
		blocked+
		" UNION ALL SELECT 0, request, shop, NULL, 0, NULL FROM requests WHERE done_at IS NULL"+
		" UNION ALL SELECT 0, '', shop, NULL, 0, NULL FROM ("+
		// With GROUP BY the index yields a shop's MIN and MAX: a shop's 100,000 hints, or
		// batches, are not read to learn that it has some.
		"SELECT shop FROM hints WHERE open = 1 GROUP BY shop HAVING MIN(due_at) <= ? OR MAX(due_at) > ?"+
		" UNION SELECT shop FROM hint_batches GROUP BY shop HAVING MIN(set_aside) = 0"+
		" UNION SELECT s.shop FROM ("+invoices+") AS i JOIN shops s ON s.dataset = i.dataset WHERE s.invoices_on = 1"+
		// Ticks retry what is held.
		" AND (i.lines_read = 0 AND "+notHeld(plan.ScopeInvoices)+" OR i.pdf_state <> 'stored' AND "+notHeld(plan.ScopePDFs)+")"+
		") AS work",
		slices.Concat([]any{shopsGeneration}, blockedArgs, []any{At(due.By), At(due.Beyond)}, args)...)
	fail := func(err error) (News, error) { return News{}, fmt.Errorf("poll for news: %w", err) }
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var generation int64
		var request, shop string
		var block block
		if err := rows.Scan(&generation, &request, &shop, &block.until, &block.forUS, &block.now); err != nil {
			return fail(err)
		}
		switch {
		case !block.until.IsZero():
			n.Blocked = append(n.Blocked, Blocked{Service: Service(request), Account: generation, Until: block.until.Time, Lasts: block.left()})
		case shop == "":
			n.ShopsGeneration = generation
		case request != "":
			n.Requests = append(n.Requests, Request{Request: request, Shop: shop})
		default:
			n.Work = append(n.Work, shop)
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return n, nil
}
