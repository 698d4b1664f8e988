package reconcile_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// TestMixedInvoicesAreFound: a sweep of the invoices lists exactly those that are not the
// agreement's, and no longer once they are fixed.
func TestMixedInvoicesAreFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.remote.invoices = []string{booked(1, "2026-11-10"), booked(2, "2026-11-11"), booked(4, "2026-11-12")}
	for number, date := range map[int64]string{1: "2026-11-10", 2: "2025-01-01", 3: "2026-11-12", 4: "2026-11-20", 5: "2026-11-21", 6: "2026-11-22"} {
		f.hasInvoice(number, date, "stored", "")
	}
	f.exec("UPDATE invoices SET net = '1.00', gross = '1.25', work_due_at = NULL, lines_read = 1, found_at = ? WHERE number <> 6", store.At(time.Now().Add(-time.Hour-time.Minute)))
	f.exec("UPDATE invoices SET found_at = ? WHERE number = 6", store.At(time.Now().Add(-59*time.Minute))) // listings may lag
	f.exec("UPDATE progress SET invoices_begun = 1, invoice_cursor = 6, agreement_number = 7, invoices_swept_at = ?", store.At(time.Now()))
	s, done := scheduler(t, f, f.remote, func(o *reconcile.Options) {})
	swept := func() time.Time {
		p, err := f.Store.Progress(t.Context(), "shop1234")
		must(t, err)
		return p.InvoicesSweptAt.Time
	}
	mixed := func() []plan.Mixed {
		before := swept()
		for s.SweepAll(); swept().Equal(before); {
			must(t, done.next(t))
		}
		list, err := f.Store.MixedInvoices(t.Context(), "shop1234")
		must(t, err)
		return list
	}
	want := []plan.Mixed{
		{Number: 2, Reason: "its date is 2025-01-01, and 2026-11-11 at e-conomic"},
		{Number: 3, Reason: "e-conomic does not list it"},
		{Number: 4, Reason: "its date is 2026-11-20, and 2026-11-12 at e-conomic"},
		{Number: 5, Reason: "e-conomic does not list it"},
	}
	if diff := cmp.Diff(want, mixed()); diff != "" {
		t.Error(diff)
	}
	f.exec("DELETE FROM invoices WHERE number IN (3, 5)")
	f.exec("UPDATE invoices SET invoice_date = '2026-11-12' WHERE number = 4")
	f.exec("UPDATE invoices SET invoice_date = '2026-11-11' WHERE number = 2")
	if got := mixed(); len(got) != 0 {
		t.Errorf("named still: %v", got)
	}
}
