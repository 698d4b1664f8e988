package store_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// BenchmarkNews polls for news, reads one shop's due invoices, and counts over all shops, among 150,000 invoices
// of 50 shops: with nothing due; with 100,000 due for a held PDF; and with 100,000 due of
// a former agreement.
func BenchmarkNews(b *testing.B) {
	for name, options := range map[string]func(b *testing.B) store.Options{
		"SQLite":  func(b *testing.B) store.Options { return store.Options{Path: filepath.Join(b.TempDir(), "lagerd.db")} },
		"MariaDB": func(b *testing.B) store.Options { return store.Options{DSN: mariadbtest.New(b)} },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b, options(b))
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			manyInvoices(b, s, 103_000)
			for _, situation := range situations {
				b.Run(situation.name, func(b *testing.B) {
					for _, statement := range situation.statements {
						if err := s.Exec(b.Context(), statement); err != nil {
							b.Fatal(err)
						}
					}
					b.Run("News", func(b *testing.B) {
						for b.Loop() {
							if news, err := s.News(b.Context(), due(noon), due(noon)); err != nil || len(news.Work) != 0 {
								b.Fatal(news.Work, err)
							}
						}
					})
					b.Run("InvoicesToFetch", func(b *testing.B) {
						for b.Loop() {
							if list, err := s.InvoicesToFetch(b.Context(), situation.dataset, due(noon), true, situation.pdfs, 100); err != nil || len(list) != 0 {
								b.Fatal(list, err)
							}
						}
					})
					b.Run("Totals", func(b *testing.B) {
						for b.Loop() {
							if _, err := s.Totals(b.Context()); err != nil {
								b.Fatal(err)
							}
						}
					})
					b.Run("Status", func(b *testing.B) {
						for b.Loop() {
							if list, err := s.Status(b.Context(), "s2"); err != nil || len(list) != 1 {
								b.Fatal(list, err)
							}
						}
					})
				})
			}
		})
	}
}

// situations build on each other: each starts from the state the previous one left.
var situations = []struct {
	name       string
	statements []string
	dataset    store.Dataset // of s1
	pdfs       bool          // are not held
}{
	{"nothing due", nil, "s1", true},
	{"100000 held", []string{
		"INSERT INTO holds (shop, scope, reason, since) VALUES ('s1', '" + string(plan.ScopePDFs) + "', '" + string(plan.HeldForbidden) + "', '2026-11-23 12:00:00')",
		"UPDATE invoices SET pdf_state = 'pending', work_due_at = '2026-11-22 12:00:00.000000', work_error = 'no', work_tries = 5 WHERE shop = 's1' AND number > 3000",
	}, "s1", false},
	{"100000 former", []string{
		"DELETE FROM holds",
		"UPDATE shops SET dataset = '@1' WHERE shop = 's1'",
	}, "@1", true},
}

// manyInvoices stores that many invoices of s1 (less than 200,000), and 1,000 each of 49
// other shops, all with their lines and PDFs.
func manyInvoices(tb testing.TB, s *store.Store, ofFirst int) {
	tb.Helper()
	exec := func(query string) {
		if err := s.Exec(tb.Context(), query); err != nil {
			tb.Fatal(err)
		}
	}
	for shop := range 50 {
		addShop(tb, s, fmt.Sprintf("s%d", shop+1))
	}
	exec("CREATE TABLE digits (n INTEGER)")
	exec("INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
	const number = "1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n + 100000 * f.n"
	const insert = "INSERT INTO invoices (shop, number, credit_note, currency, recipient_name, other_reference, order_number, found_at, committed_at, cause, lines_read, pdf_link, pdf_state)" +
		" SELECT s.shop, " + number + ", 0, 'DKK', 'A customer of the shop ApS', 'order 1234567', '1234567'," +
		" '2026-11-22 12:00:00.000000', '2026-11-22 12:00:00.000000', 'tick', 1, 'https://restapi.e-conomic.com/invoices/booked/1234567/pdf', 'stored'" +
		" FROM shops s, digits a, digits b, digits c, digits d, digits e, digits f WHERE "
	exec(insert + "s.shop <> 's1' AND d.n = 0 AND e.n = 0 AND f.n = 0")
	exec(insert + "s.shop = 's1' AND f.n < 2 AND " + number + " <= " + fmt.Sprint(ofFirst))
}
