package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestInvoicesThatAreDue: an invoice wakes its shop if any of its due work is not held,
// whatever else stays due forever.
func TestInvoicesThatAreDue(t *testing.T) {
	t.Parallel()
	past, later, never := noon.Add(-time.Hour), noon.Add(time.Hour), noon.Add(48*time.Hour)
	const lines, pdf = plan.ScopeInvoices, plan.ScopePDFs
	cases := []struct {
		name          string
		linesRead     bool
		pdfStored     bool
		at            time.Time
		held          []plan.Scope
		former, off   bool
		wakes         bool
		toFetch       bool // all that is wanted
		linesOrPDFsIn [2]bool
	}{
		{name: "both-due", at: past, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
		{name: "lines-due", pdfStored: true, at: past, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{true, false}},
		{name: "pdf-due", linesRead: true, at: past, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{false, true}},
		{name: "put-off", at: later},
		{name: "clock-ahead", linesRead: true, at: never, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{false, true}},
		{name: "done", linesRead: true, pdfStored: true},
		{name: "pdf-held", linesRead: true, at: past, held: []plan.Scope{pdf}, toFetch: true, linesOrPDFsIn: [2]bool{false, true}},
		{name: "pdf-held-lines-due", at: past, held: []plan.Scope{pdf}, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
		{name: "lines-held", pdfStored: true, at: past, held: []plan.Scope{lines}, toFetch: true, linesOrPDFsIn: [2]bool{true, false}},
		{name: "lines-held-pdf-due", at: past, held: []plan.Scope{lines}, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
		{name: "all-held", at: past, held: []plan.Scope{lines, pdf}, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
		{name: "stock-held", at: past, held: []plan.Scope{plan.ScopeStock}, wakes: true, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
		{name: "former", at: past, former: true},
		{name: "off", at: past, off: true, toFetch: true, linesOrPDFsIn: [2]bool{true, true}},
	}
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		var wake []string
		for _, c := range cases {
			addShop(t, s, c.name)
			state := "pending"
			if c.pdfStored {
				state = "stored"
			}
			at := "NULL"
			if !c.at.IsZero() {
				at = "'" + c.at.Format("2006-01-02 15:04:05.000000") + "'"
			}
			must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO invoices (shop, number, credit_note, currency, found_at, committed_at, cause, lines_read, pdf_state, work_due_at)"+
				" VALUES ('%s', 1, 0, 'DKK', '2026-11-22 12:00:00', '2026-11-22 12:00:00', 'tick', %d, '%s', %s)", c.name, map[bool]int{true: 1}[c.linesRead], state, at)))
			for _, scope := range c.held {
				must(t, s.Exec(ctx, fmt.Sprintf("INSERT INTO holds (shop, scope, reason, since) VALUES ('%s', '%s', 'forbidden', '2026-11-22 12:00:00')", c.name, scope)))
			}
			if c.former {
				must(t, s.AcceptAgreement(ctx, c.name, 1, noon))
				must(t, s.AcceptAgreement(ctx, c.name, 2, noon))
			}
			if c.off {
				must(t, s.SetShop(ctx, c.name, noon, func(shop *store.Shop) error { shop.InvoicesOn = false; return nil }))
			}
			if c.wakes {
				wake = append(wake, c.name)
			}
		}
		got := withWork(t, s, noon)
		slices.Sort(got)
		slices.Sort(wake)
		if !slices.Equal(got, wake) {
			t.Errorf("these have work: %v, expected %v", got, wake)
		}
		for _, c := range cases {
			shop, err := s.Shop(ctx, c.name)
			must(t, err)
			for wanted, expected := range map[[2]bool]bool{{true, true}: c.toFetch, {true, false}: c.linesOrPDFsIn[0], {false, true}: c.linesOrPDFsIn[1], {false, false}: false} {
				list, err := s.InvoicesToFetch(ctx, shop.Dataset, due(noon), wanted[0], wanted[1], 10)
				must(t, err)
				if (len(list) == 1) != expected {
					t.Errorf("%s, lines %t, PDFs %t: %d to fetch, expected %t", c.name, wanted[0], wanted[1], len(list), expected)
				}
			}
		}
	})
}

// TestInvoicesToFetchInOrder: invoices are returned earliest due first, whichever part is
// missing, and at most limit.
func TestInvoicesToFetchInOrder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		for number, what := range []string{"'stored', 0", "'pending', 1", "'pending', 0", "'pending', 0", "'stored', 1"} {
			for second := range 3 {
				at := fmt.Sprintf("'2026-11-23 11:00:%02d.000000'", second)
				if what == "'stored', 1" {
					at = "NULL"
				}
				must(t, s.Exec(t.Context(), fmt.Sprintf("INSERT INTO invoices (shop, number, credit_note, currency, found_at, committed_at, cause, pdf_state, lines_read, work_due_at)"+
					" VALUES ('shop1', %d, 0, 'DKK', '2026-11-22 12:00:00', '2026-11-22 12:00:00', 'tick', %s, %s)", 10*number+9-second, what, at)))
			}
		}
		list, err := s.InvoicesToFetch(t.Context(), "shop1", due(noon), true, true, 10)
		must(t, err)
		var got []int64
		for _, i := range list {
			got = append(got, i.Number)
		}
		if want := []int64{9, 19, 29, 39, 8, 18, 28, 38, 7, 17}; !slices.Equal(got, want) {
			t.Errorf("%v, expected %v", got, want)
		}
	})
}

// TestDueInvoicesAreFoundByIndex: due invoices are found without reading all invoices, or
// all that are due.
func TestDueInvoicesAreFoundByIndex(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		manyInvoices(t, s, 10_000)
		must(t, s.Exec(ctx, "UPDATE invoices SET pdf_state = 'pending', work_due_at = '2026-11-22 12:00:00.000000' WHERE shop = 's1' AND number > 3000"))
		must(t, s.Exec(ctx, "UPDATE invoices SET lines_read = 0 WHERE shop = 's1' AND number > 6000"))
		must(t, s.Exec(ctx, "UPDATE invoices SET pdf_state = 'stored' WHERE shop = 's1' AND number > 9000"))
		if s.Embedded() {
			news, fetch := s.Plan(ctx, "s1", due(noon))
			for query, steps := range map[string][]string{"news": news, "fetch": fetch} {
				for _, step := range steps {
					if strings.Contains(step, "invoices") && !strings.Contains(step, "INDEX invoices_due (pdf_state=? AND lines_read=? AND shop=? AND work_due_at") &&
						!strings.HasSuffix(step, "(shop=? AND number=?)") {
						t.Errorf("%s: %s", query, step)
					}
				}
				if !strings.Contains(strings.Join(steps, "\n"), "invoices_due") {
					t.Errorf("%s: %v", query, steps)
				}
			}
			return
		}
		must(t, s.Exec(ctx, "ANALYZE TABLE invoices"))
		s.Conn().SetMaxOpenConns(1)
		reads := func(what func()) (rows int) {
			t.Helper()
			count := func() (n int) {
				for _, row := range s.Rows(ctx, "SHOW SESSION STATUS LIKE 'Handler_read%'") {
					var one int
					_, err := fmt.Sscan(row[1], &one)
					must(t, err)
					n += one
				}
				return n
			}
			before := count()
			what()
			return count() - before
		}
		if n := reads(func() { withWork(t, s, noon) }); n > 500 {
			t.Errorf("News read %d rows", n)
		}
		if n := reads(func() {
			list, err := s.InvoicesToFetch(ctx, "s1", due(noon), true, true, 100)
			if err != nil || len(list) != 100 {
				t.Errorf("%d invoices to fetch: %v", len(list), err)
			}
		}); n > 1500 {
			t.Errorf("InvoicesToFetch of 100 read %d rows", n)
		}
	})
}
