package reconcile_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// TestWaits: while e-conomic has a request to answer, and its pass has nothing else to
// do, the pass says that it waits, once; and it waits for nothing any more when it ends.
func TestWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, number := range []string{"a", "b", "c"} {
		f.stock[number] = "1"
	}
	f.remote.invoices = []string{booked(1, "2026-11-20"), booked(2, "2026-11-20"), booked(3, "2026-11-20")}
	var waiting, most atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for deadline := time.Now().Add(10 * time.Second); waiting.Load() != 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%d wait for %s", waiting.Load(), r.URL.Path)
				break
			}
		}
		f.remote.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client, err := economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app", Wait: source.Waiting})
	must(t, err)
	log := logrus.New()
	log.SetOutput(t.Output())
	o := reconcile.Options{
		Store: f.Store, Open: func(string, []byte) (string, error) { return "grant", nil }, Log: log, Observer: make(passes, 1),
		Now: time.Now, Jitter: func(most time.Duration) time.Duration { return most / 2 },
		Limits: reconcile.Limits{PDFConcurrency: 4, DailyCalls: 50_000, PageSize: 3, ListingTurn: time.Minute, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 24 * time.Hour, KeepHints: time.Hour},
		Policy: plan.Policy{Overlap: 5 * time.Minute, SweepEvery: 24 * time.Hour, RetryMin: time.Second, RetryMax: time.Minute, HeldRetry: time.Minute, GapWindow: time.Hour,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	}
	o.Source = service(client, o)
	shops := reconcile.New(o)
	must(t, f.Store.TakeLeases(t.Context(), []string{"shop1234"}, "", "me", time.Now()))
	leases, err := f.Store.Leases(t.Context())
	must(t, err)
	ctx := source.OnWait(t.Context(), func() func() {
		if n := waiting.Add(1); n > most.Load() {
			most.Store(n)
		}
		return func() { waiting.Add(-1) }
	})
	shop := shops.Shop(new(f.Shop), leases[0].Token)
	run := func(ctx context.Context) {
		if _, err := shop.RunOnce(ctx, reconcile.Due{Tick: true, Work: true}); err != nil {
			t.Log(err)
		}
	}
	run(ctx)
	run(ctx) // what the first has found is fetched now at the latest
	if waiting.Load() != 0 || most.Load() != 1 {
		t.Errorf("%d wait in the end, %d did at once", waiting.Load(), most.Load())
	}
	for _, path := range []string{"/self", "/products", "/invoices/booked", "/invoices/booked/1/pdf"} {
		if !slices.Contains(f.remote.asked, path) {
			t.Errorf("%s is not asked for", path)
		}
	}
}
