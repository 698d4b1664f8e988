package lagerdtest

import (
	"database/sql"
	"fmt"
	"testing"
)

// StoreShops stores that many shops (at most 10,000), named shop0000 and so on, each with 100
// items, 10 invoices and an open hint, all held by the instance "me". Every hundredth is held for
// losses, and of every thousandth a PDF fails. The database must be migrated and empty.
func StoreShops(tb testing.TB, db *sql.DB, shops int) {
	tb.Helper()
	const at = "'2026-11-23 12:00:00.000000'"
	const name = "CONCAT('shop', d.n, c.n, b.n, a.n)"
	for _, statement := range []string{
		"CREATE TABLE digits (n INTEGER)",
		"INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"INSERT INTO shops (shop, grant_token, dataset, stock_dataset, created_at, updated_at) SELECT " + name + ", 'sealed', " + name + ", " + name + ", " + at + ", " + at +
			" FROM digits a, digits b, digits c, digits d WHERE a.n + 10 * b.n + 100 * c.n + 1000 * d.n < " + fmt.Sprint(shops),
		"INSERT INTO progress (shop, items_dataset, items, agreement_number, tick_at, swept_at) SELECT shop, shop, 100, 1, " + at + ", " + at + " FROM shops",
		"INSERT INTO leases (shop, holder, token) SELECT shop, 'me', 1 FROM shops",
		"INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at)" +
			" SELECT s.shop, 10 * a.n + b.n, 'An item of the shop', 0, 1, 7, 7, 'ok', 1, " + at + ", " + at + ", " + at + " FROM shops s, digits a, digits b",
		"INSERT INTO invoices (shop, number, credit_note, currency, recipient_name, other_reference, order_number, found_at, committed_at, cause, lines_read, pdf_link, pdf_state)" +
			" SELECT s.shop, 1 + a.n, 0, 'DKK', 'A customer of the shop ApS', 'order 1234567', '1234567', " + at + ", " + at + ", 'tick', 1," +
			" 'https://restapi.e-conomic.com/invoices/booked/1234567/pdf', 'stored' FROM shops s, digits a",
		"INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at) SELECT shop, 'stock', '1', 1, 1, 'webhook', " + at + ", " + at + ", " + at + " FROM shops",
		"INSERT INTO holds (shop, scope, reason, detail, since) SELECT shop, 'stock', 'losses', '60 of 100 items', " + at + " FROM shops WHERE shop LIKE '%00'",
		"UPDATE invoices SET pdf_state = 'pending', work_due_at = " + at + ", work_error = 'status 500', work_tries = 5 WHERE number = 1 AND shop LIKE '%000'",
	} {
		if _, err := db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatalf("%.60s…: %v", statement, err)
		}
	}
}
