package reconcile_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/store"
)

// TestRequestCutShort: what a person asked for and the day's calls do not allow has
// failed, and says until when it waits; a sweep does so at once and goes on by itself.
func TestRequestCutShort(t *testing.T) {
	for name, c := range map[string]struct {
		what  string
		items int // so many are listed by a tick, or are not
	}{
		"a tick": {store.WantTick, 5000}, "a sweep": {store.WantSweep, 5000},
		"a tick of a small shop": {store.WantTick, 50}, "a sweep of a small shop": {store.WantSweep, 50},
	} {
		t.Run(name, func(t *testing.T) {
			f := newForbids(t, func(f *forbids) {
				f.swept()
				f.exec("UPDATE progress SET calls_day = ?, calls = 96, items = ?", time.Now().UTC().Format(time.DateOnly), c.items)
			}, func(o *reconcile.Options) { o.DailyCalls = 100 }) // sweeps stop at 80, ticks at 95
			f.settles(1)
			asked := store.Request{Request: "11111111-2222-3333-4444-555555555555", Shop: "shop1234", What: c.what, RequestedAt: store.At(time.Now())}
			must(t, f.Store.AddRequests(t.Context(), []store.Request{asked}))
			f.scheduler.Asked([]store.Request{{Request: "r1", Shop: "shop1234"}})
			done := store.Request{}
			for deadline := time.Now().Add(20 * time.Second); done.DoneAt.IsZero(); {
				if time.Now().After(deadline) {
					t.Fatal("the request is not done")
				}
				time.Sleep(20 * time.Millisecond)
				list, err := f.Store.Requests(t.Context(), []string{asked.Request})
				must(t, err)
				done = list[0]
			}
			midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
			if !strings.Contains(done.Failure, "cut short: it waits until ") || !regexp.MustCompile(midnight.Format("2006-01-02")+" 00:00:0|"+midnight.Add(-time.Second).Format("2006-01-02 15:04:05")).MatchString(done.Failure) {
				t.Errorf("it came to %q, expected it to wait until %s", done.Failure, midnight)
			}
			if asked := f.calls("/products"); len(asked) != 0 {
				t.Errorf("asked for %v", asked)
			}
		})
	}
}
