package reconcile_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// TestCursorOfOnePage: if each tick lists the whole shop, the cursor is stored when it has
// moved far enough, not with each tick.
func TestCursorOfOnePage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.stock["a"] = "100"
	clock := time.Now()
	now := func() time.Time { return clock }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", clock.UTC().Format(http.TimeFormat))
		f.remote.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client, err := economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app", Now: now})
	must(t, err)
	log := logrus.New()
	log.SetOutput(t.Output())
	const overlap = 5 * time.Minute
	o := reconcile.Options{
		Store: f.Store, Open: func(string, []byte) (string, error) { return "grant", nil }, Log: log, Observer: make(passes, 100),
		Now: now, Jitter: func(time.Duration) time.Duration { return 0 },
		Limits: reconcile.Limits{PDFConcurrency: 4, DailyCalls: 50_000, PageSize: 1000, ListingTurn: time.Minute, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 24 * time.Hour, KeepHints: time.Hour},
		Policy: plan.Policy{Overlap: overlap, SweepEvery: 24 * time.Hour, RetryMin: time.Second, RetryMax: time.Minute, HeldRetry: time.Minute, GapWindow: time.Hour,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	}
	o.Source = service(client, o)
	shops := reconcile.New(o)
	must(t, f.Store.TakeLeases(t.Context(), []string{"shop1234"}, "", "me", clock))
	leases, err := f.Store.Leases(t.Context())
	must(t, err)
	shop := shops.Shop(new(f.Shop), leases[0].Token)
	cursors := map[time.Time]bool{}
	const minutes = 20
	for minute := range minutes {
		f.mu.Lock()
		f.stock["a"] = fmt.Sprint(100 + minute)
		f.mu.Unlock()
		report, err := shop.RunOnce(t.Context(), reconcile.Due{Tick: true})
		must(t, err)
		if report.Ticked.IsZero() || minute > 0 && report.Changes != 1 {
			t.Fatalf("minute %d: %+v", minute, report)
		}
		p, err := f.Store.Progress(t.Context(), "shop1234")
		must(t, err)
		if behind := clock.Sub(p.ItemsCursor.Time); behind > 2*overlap+time.Second {
			t.Fatalf("minute %d: the stored cursor is %s behind", minute, behind)
		}
		cursors[p.ItemsCursor.Time] = true
		clock = clock.Add(time.Minute)
	}
	if most := minutes*int(time.Minute)/int(overlap) + 1; len(cursors) > most {
		t.Errorf("the cursor was stored %d times in %d minutes, expected %d at most", len(cursors), minutes, most)
	}
}
