package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// TestFaultyEconomic trades while e-conomic shows every fault the sandbox knows. Once they stop
// everything converges, and nothing wrong was written meanwhile: no item is ever gone, and none
// loses its figure.
func TestFaultyEconomic(t *testing.T) { //nolint:tparallel // its parts follow one another
	t.Parallel()
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", "--products=1500", "--seed=3", "--read-lag=300ms")
		i := install(t, s, dsn, pace)
		i.start()
		i.addShop(s, "shop1234", first, "--invoices-from", "1")
		settled(t, i, s, "shop1234", first)
		s.send(http.MethodPut, "/sandbox/faults", map[string]any{
			"lose": 0.3, "double": 0.1, "late": 0.1, "lateBy": "2s",
			"rateLimit": 0.03, "serverError": 0.1, "cut": 0.05, "garbled": 0.05, "halfPage": 0.1, "emptyPage": 0.05,
			"slow": "300ms", "slowProbability": 0.1, "noLimitHeaders": true,
			"lateInvoice": 0.2, "invoiceLag": "3s", "pdfLag": "1s", "pdfHTML": 0.1, "pdfCut": 0.1,
		}, nil)
		for range 5 {
			s.post(first, "trade", map[string]int{"count": 40})
			time.Sleep(time.Second)
		}
		db := i.database()
		defer db.Close()
		var gone int
		if err := db.QueryRow("SELECT COUNT(*) FROM changes WHERE what IN ('gone', 'state') OR (old_stock IS NOT NULL AND new_stock IS NULL)").Scan(&gone); err != nil || gone != 0 {
			t.Errorf("%d items counted as gone because of faulty answers: %v", gone, err)
		}
		s.send(http.MethodDelete, "/sandbox/faults", nil, nil)
		i.equal(s, "shop1234", first, 40*time.Second)
		lagerdtest.Eventually(t, 20*time.Second, "no hint is left open", func() bool {
			st := i.status("shop1234")
			return st.OpenHints == 0 && st.State == "running"
		})
		var stats []struct {
			Violations []string `json:"violations"`
		}
		s.send(http.MethodGet, "/sandbox/stats", nil, &stats)
		if len(stats[0].Violations) > 0 {
			t.Errorf("real e-conomic would have refused: %q", stats[0].Violations)
		}
	})
}
