package inbox_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// many is a database with so many open hints of items.
type many struct {
	*fake
	count int
}

func (m many) EachOpenHint(_ context.Context, _ string, _ plan.Kind, _ store.Due, limit int) iter.Seq2[plan.Hint, error] {
	return func(yield func(plan.Hint, error) bool) {
		for n := range m.count {
			h := plan.Hint{Kind: plan.KindStock, Number: fmt.Sprintf("item-%08d", n), Gen: 1, Cause: plan.CauseWebhook, FirstAt: noon, WebhookAt: noon, Webhooks: 1, DueAt: noon}
			if limit > 0 && n == limit || !yield(h, nil) {
				return
			}
		}
	}
}

// bytesPerHint returns the memory that each of so many open hints takes while a listing claims
// them.
func bytesPerHint(tb testing.TB, count int) float64 {
	b := inbox.New(many{newFake(), count}, "shop1", options)
	before := heap()
	if _, err := b.Claim(tb.Context(), inbox.Backlog{}); err != nil {
		tb.Fatal(err)
	}
	claim, _, err := b.Claimed(tb.Context())
	if err != nil || claim.Len() != count {
		tb.Fatalf("claimed %d, %v", claim.Len(), err)
	}
	after := heap()
	runtime.KeepAlive(b)
	return float64(after-before) / float64(count)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkOpenHints(b *testing.B) {
	for _, count := range []int{50_000, 200_000, 1_000_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(bytesPerHint(b, count), "bytes/hint")
			}
		})
	}
}

// TestOpenHintsAreSmall must not run beside other tests, whose heap would count too.
func TestOpenHintsAreSmall(t *testing.T) { //nolint:paralleltest // see above
	for _, count := range []int{20_000, 50_000, 120_000} { // maps grow in steps
		if got := bytesPerHint(t, count); got > 300 {
			t.Errorf("each of %d open hints takes %.0f bytes, expected at most 300", count, got)
		}
	}
}
