package reconcile_test

import (
	"net/http"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

func (f *fixture) webhook(number string) {
	f.t.Helper()
	must(f.t, f.Store.RecordWebhooks(f.t.Context(), []store.HintRecord{
		{Shop: "shop1234", Kind: plan.KindStock, Number: number, Cause: plan.CauseWebhook, At: time.Now()}}))
}

// counted waits until a pass leaves a query's count as it is expected.
func (f *fixture) counted(done passes, what string, want int, query string) {
	f.t.Helper()
	for began := time.Now(); ; {
		if err := done.next(f.t); err != nil {
			f.t.Errorf("a pass failed: %v", err)
		}
		var n int
		must(f.t, f.db.QueryRow(query).Scan(&n))
		if n == want {
			return
		}
		if time.Since(began) > 20*time.Second {
			f.t.Fatalf("%s: %d, expected %d", what, n, want)
		}
	}
}

// TestUnpackWhilePaused: the webhooks of a paused shop do not pile up: they become
// one hint, which stays open.
func TestUnpackWhilePaused(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.webhook("a")
	}
	f.Shop.PausedAt = store.At(time.Now())
	done := scheduled(t, f, f.remote, 1000)
	f.counted(done, "open hints, no batch", 1, "SELECT COUNT(*) FROM hints WHERE open = 1 AND seen_gen = 3 AND NOT EXISTS (SELECT 1 FROM hint_batches)")
}

// TestUnreadableBatch: what a batch that cannot be read has told of is found by a
// sweep, and the passes go on.
func TestUnreadableBatch(t *testing.T) {
	f := newFixture(t)
	f.stock = map[string]string{"a": "5", "b": "6"}
	f.has("a", "1")
	f.has("b", "1")
	// A shop that nothing makes read whole for a day.
	now := store.At(time.Now())
	f.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
	f.webhook("a")
	f.exec("UPDATE hint_batches SET data = '[{'")
	f.webhook("b")
	unchanging := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("filter") != "" && r.URL.Path == "/products" && r.URL.Query().Get("sort") != "" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"collection":[],"pagination":{"results":0}}`))
			return
		}
		f.remote.ServeHTTP(w, r)
	})
	done := scheduled(t, f, unchanging, 1000)
	f.counted(done, "items that are right, and batches that are kept with their error", 3,
		"SELECT (SELECT COUNT(*) FROM items WHERE number = 'a' AND stock IN ('5', 5) OR number = 'b' AND stock IN ('6', 6)) + (SELECT COUNT(*) FROM hint_batches WHERE set_aside = 1 AND error <> '')")
}
