package store_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// TestOverview: it is Status, without what AddStored adds.
func TestOverview(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]func(t *testing.T) store.Options{
		"SQLite":  func(t *testing.T) store.Options { return store.Options{Path: filepath.Join(t.TempDir(), "lagerd.db")} },
		"MariaDB": func(t *testing.T) store.Options { return store.Options{DSN: mariadbtest.New(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, options(t))
			must(t, s.Migrate(t.Context()))
			lagerdtest.StoreShops(t, s.Conn(), 101)
			must(t, s.Exec(t.Context(), "UPDATE leases SET holder = '' WHERE shop = 'shop0007'"))
			must(t, s.Exec(t.Context(), "UPDATE invoices SET pdf_state = 'stored', lines_read = 0, work_due_at = '2026-11-23 12:00:00.000000', work_error = 'no lines', work_tries = 3 WHERE number = 9 AND shop = 'shop0003'"))
			must(t, s.Exec(t.Context(), "INSERT INTO hint_batches (shop, hints, first_at, data, set_aside) VALUES ('shop0005', 1, '2026-11-23 12:00:00.123456', '', 1)"))
			all, err := s.Status(t.Context(), "")
			must(t, err)
			overview, err := s.Overview(t.Context())
			must(t, err)
			if len(overview) != 101 || overview[3].ItemsStored != 0 || overview[3].InvoicesStored != 0 || overview[0].WaitForPDF != 0 {
				t.Errorf("%d shops, %+v", len(overview), overview[3])
			}
			must(t, s.AddStored(t.Context(), overview))
			if diff := cmp.Diff(all, overview); diff != "" {
				t.Errorf("the overview is not the status (-status +overview):\n%s", diff)
			}
			if st := overview[0]; st.ItemsStored != 100 || st.InvoicesStored != 10 || st.WaitForPDF != 1 || st.OpenHints != 1 || !st.Progress.Holds.Has(plan.ScopeStock, plan.HeldLosses) ||
				len(st.FailingPDFs) != 1 || st.FailingPDFs[0] != (store.Notice{Kind: plan.KindInvoice, Count: 1, Number: "1", Text: "status 500"}) {
				t.Errorf("%+v", st)
			}
			if st := overview[3]; len(st.FailingPDFs) != 1 || st.FailingPDFs[0].Text != "no lines" || st.WaitForPDF != 0 {
				t.Errorf("an invoice without lines: %+v", st)
			}
			if st := overview[5]; st.SetAside != 1 || !st.SetAsideSince.Equal(noon) || len(st.FailingPDFs) > 0 {
				t.Errorf("webhooks that cannot be read: %+v", st)
			}
			held, err := s.Holdings(t.Context())
			must(t, err)
			if diff := cmp.Diff(map[string]int{"me": 100, "": 1}, held); diff != "" {
				t.Errorf("leases by holder (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOverviewIsFewStatements: as many for a thousand shops as for ten.
func TestOverviewIsFewStatements(t *testing.T) {
	t.Parallel()
	var counts []int
	for _, shops := range []int{10, 1000} {
		s := open(t, store.Options{DSN: mariadbtest.New(t), MaxConnections: 1}) // the server counts by session
		must(t, s.Migrate(t.Context()))
		lagerdtest.StoreShops(t, s.Conn(), shops)
		selects := func() int {
			n, err := strconv.Atoi(s.Strings(t.Context(), "SHOW SESSION STATUS LIKE 'Com_select'")[1])
			must(t, err)
			return n
		}
		before := selects()
		list, err := s.Overview(t.Context())
		must(t, err)
		if len(list) != shops {
			t.Fatalf("%d shops", len(list))
		}
		counts = append(counts, selects()-before)
	}
	if counts[0] != counts[1] || counts[1] > 20 || counts[1] == 0 {
		t.Errorf("%v statements", counts)
	}
}
