package store_test

import (
	"path/filepath"
	"testing"

	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// BenchmarkStatus reads the state of 10,000 shops with 100 items and 10 invoices each: all that
// `lagerd status --json` shows of them, and what `lagerd status` needs.
func BenchmarkStatus(b *testing.B) {
	for name, options := range map[string]func(b *testing.B) store.Options{
		"SQLite":  func(b *testing.B) store.Options { return store.Options{Path: filepath.Join(b.TempDir(), "lagerd.db")} },
		"MariaDB": func(b *testing.B) store.Options { return store.Options{DSN: mariadbtest.New(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, options(b))
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			tenThousandShops(b, s)
			b.Run("Status", func(b *testing.B) {
				for b.Loop() {
					if list, err := s.Status(b.Context(), ""); err != nil || len(list) != 10_000 || list[17].ItemsStored != 100 {
						b.Fatal(len(list), err)
					}
				}
			})
			b.Run("Overview", func(b *testing.B) {
				for b.Loop() {
					if list, err := s.Overview(b.Context()); err != nil || len(list) != 10_000 || list[17].Holder == "" {
						b.Fatal(len(list), err)
					}
				}
			})
		})
	}
}

// tenThousandShops stores 10,000 shops with 100 items and 10 invoices each. All have open hints,
// every hundredth has a hold and every thousandth an invoice whose PDF fails.
func tenThousandShops(tb testing.TB, s *store.Store) {
	tb.Helper()
	const name = "'shop' , a.n, b.n, c.n, d.n"
	concat := "CONCAT(" + name + ")"
	if s.Embedded() {
		concat = "'shop' || a.n || b.n || c.n || d.n"
	}
	const at = "'2026-11-23 12:00:00.000000'"
	for _, statement := range []string{
		"CREATE TABLE digits (n INTEGER)",
		"INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)",
		"INSERT INTO shops (shop, grant_token, dataset, stock_dataset, created_at, updated_at)" +
			" SELECT " + concat + ", 'sealed', " + concat + ", " + concat + ", " + at + ", " + at + " FROM digits a, digits b, digits c, digits d",
		"INSERT INTO progress (shop, items_dataset, items, agreement_number, tick_at, swept_at) SELECT shop, shop, 100, 1, " + at + ", " + at + " FROM shops",
		"INSERT INTO leases (shop, holder, token) SELECT shop, 'me', 1 FROM shops",
		"INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at)" +
			" SELECT s.shop, 10 * a.n + b.n, 'An item of the shop', 0, 1, 7, 7, 'ok', 1, " + at + ", " + at + ", " + at + " FROM shops s, digits a, digits b",
		"INSERT INTO invoices (shop, number, credit_note, currency, recipient_name, other_reference, order_number, found_at, committed_at, cause, lines_read, pdf_link, pdf_state)" +
			" SELECT s.shop, 1 + a.n, 0, 'DKK', 'A customer of the shop ApS', 'order 1234567', '1234567', " + at + ", " + at + ", 'tick', 1, 'https://restapi.e-conomic.com/invoices/booked/1234567/pdf', 'stored'" +
			" FROM shops s, digits a",
		"INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at) SELECT shop, 'stock', '1', 1, 1, 'webhook', " + at + ", " + at + ", " + at + " FROM shops",
		"INSERT INTO holds (shop, scope, reason, detail, since) SELECT shop, 'stock', 'losses', '60 of 100 items', " + at + " FROM shops WHERE shop LIKE '%00'",
		"UPDATE invoices SET pdf_state = 'pending', work_due_at = " + at + ", work_error = 'status 500', work_tries = 5 WHERE number = 1 AND shop LIKE '%000'",
	} {
		if err := s.Exec(tb.Context(), statement); err != nil {
			tb.Fatal(err)
		}
	}
}
