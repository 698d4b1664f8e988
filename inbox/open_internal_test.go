package inbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/plan"
)

// TestCompact: an open hint of an item is the same after it was kept in little memory, except that
// its counts are bounded.
func TestCompact(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 1000, time.UTC)
	whole := plan.Hint{Kind: plan.KindStock, Number: "a", Gen: 7, Cause: plan.CauseInvoice, FirstAt: noon, WebhookAt: noon.Add(time.Second), Webhooks: 3,
		DueAt: noon.Add(time.Minute), Tries: 4, Failures: 5, Refused: true}
	with := func(set func(*plan.Hint)) plan.Hint {
		h := whole
		set(&h)
		return h
	}
	for name, h := range map[string]plan.Hint{
		"whole":                         whole,
		"empty":                         {Kind: plan.KindStock, Number: "a"},
		"not refused":                   with(func(h *plan.Hint) { h.Refused = false }),
		"no webhook":                    with(func(h *plan.Hint) { h.WebhookAt, h.Webhooks = time.Time{}, 0 }),
		"a cause of another lagerd":     with(func(h *plan.Hint) { h.Cause = "new" }),
		"due since the epoch's first":   with(func(h *plan.Hint) { h.DueAt = time.Unix(0, 0).UTC() }),
		"as many tries as are counted":  with(func(h *plan.Hint) { h.Tries, h.Failures = 32767, 32767 }),
		"by a clock that was very slow": with(func(h *plan.Hint) { h.FirstAt = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) }),
	} {
		if diff := cmp.Diff(h, compacted(h).hint("a")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := compacted(with(func(h *plan.Hint) { h.Tries, h.Failures = 40_000, -1 })).hint("a"); got.Tries != 32767 || got.Failures != 0 {
		t.Errorf("%d tries and %d failures are kept", got.Tries, got.Failures)
	}
}
