package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestManyHintsAreWrittenInPieces: whatever happens to thousands of hints at once, no
// transaction writes all of their rows: it would block a Galera cluster.
func TestManyHintsAreWrittenInPieces(t *testing.T) {
	const many = 2*store.RowsPerPiece + 500
	held := func(f *forbids, scope plan.Scope, path string) {
		f.swept()
		f.refuse(403, path)
		f.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', ?, ?, 'status 403', ?)", scope, plan.HeldForbidden, store.At(time.Now()))
	}
	for name, c := range map[string]struct {
		kind    plan.Kind
		number  string // a format
		prepare func(f *forbids)
	}{
		"stock is forbidden":     {plan.KindStock, "item-%d", func(f *forbids) { held(f, plan.ScopeStock, "/products") }},
		"invoices are":           {plan.KindInvoice, "%d", func(f *forbids) { held(f, plan.ScopeInvoices, "/invoices") }},
		"stock is off":           {plan.KindStock, "item-%d", func(f *forbids) { f.Shop.StockOn = false }},
		"invoices are off":       {plan.KindInvoice, "%d", func(f *forbids) { f.Shop.InvoicesOn = false }},
		"no items":               {plan.KindStock, "item-%d", func(*forbids) {}},
		"no numbers of invoices": {plan.KindInvoice, "order-%d", func(f *forbids) { f.swept() }},
		"known invoices": {plan.KindInvoice, "%d", func(f *forbids) {
			f.swept()
			f.exec("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"+
				" INSERT INTO invoices (shop, number, credit_note, currency, found_at, committed_at, cause, lines_read, pdf_state)"+
				" SELECT 'shop1234', i, 0, 'DKK', '2026-11-01', '2026-11-01', 'tick', 1, 'stored' FROM n", many)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				c.prepare(f)
				numbers := make([]string, many)
				for i := range numbers {
					numbers[i] = fmt.Sprintf(c.number, i+1)
				}
				f.hints(c.kind, plan.CauseWebhook, numbers...)
				f.exec("CREATE TABLE written (seq INTEGER)")
				f.exec("CREATE TRIGGER hint_written AFTER UPDATE ON hints BEGIN INSERT INTO written SELECT applied_seq FROM leases; END")
			}, asIs)
			began := time.Now()
			for due := -1; due != 0; {
				f.scheduler.Wake([]string{"shop1234"}) // as whoever looks at the database does while something is due
				f.settles(1)
				must(t, f.db.QueryRow("SELECT COUNT(*) FROM hints WHERE open = 1 AND due_at <= ?", store.At(time.Now())).Scan(&due))
				if time.Since(began) > 60*time.Second {
					t.Fatalf("%d hints are due still", due)
				}
			}
			var rows, most int
			must(t, f.db.QueryRow("SELECT SUM(n), MAX(n) FROM (SELECT COUNT(*) AS n FROM written GROUP BY seq)").Scan(&rows, &most))
			if rows < many || most > store.RowsPerPiece {
				t.Errorf("%d rows were written, %d of them in one transaction, expected %d at most", rows, most, store.RowsPerPiece)
			}
		})
	}
}
