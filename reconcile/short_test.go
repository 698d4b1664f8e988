package reconcile_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// TestChangesCutShort: if a change query is cut short, the same pass does not reread what its
// pages have settled.
func TestChangesCutShort(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.stock["a"], f.remote.results = "1", 1
	f.has("a", "1")
	now := store.At(time.Now())
	f.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
	f.webhook("a")
	done := scheduled(t, f, f.remote, 1000)
	if err := done.next(t); err == nil || !strings.Contains(err.Error(), "announced 2 changed items and sent 1") {
		t.Errorf("the pass: %v", err)
	}
	if hint := f.hint(plan.KindStock, "a"); hint.Tries != 1 || !hint.Open {
		t.Errorf("the hint: %+v", hint)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Contains(f.remote.asked, "/products/a") {
		t.Errorf("asked for %v", f.remote.asked)
	}
}

// TestCursorWaitsForTheLastPage: the pages of a change query that were read are stored, but the
// cursor stays until its last one has been.
func TestCursorWaitsForTheLastPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.stock = map[string]string{"a": "1", "b": "1", "c": "1"}
	for number := range f.stock {
		f.has(number, "9")
	}
	before, now := store.At(time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)), store.At(time.Now()) // before the items changed
	f.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, before, now)
	var fails atomic.Bool
	fails.Store(true)
	broken := failing(http.StatusServiceUnavailable, func(r *http.Request) bool { return r.URL.Query().Get("skippages") == "1" && fails.Load() })
	_, done := scheduler(t, f, broken(f.remote), func(o *reconcile.Options) { o.PageSize = 2 })
	cursor := func() time.Time {
		p, err := f.Store.Progress(t.Context(), f.Shop.Shop)
		must(t, err)
		return p.ItemsCursor.Time
	}
	if err := done.next(t); err == nil || !cursor().Equal(before.Time) {
		t.Errorf("the second page fails (%v): the cursor is %s, expected %s", err, cursor(), before.Time)
	}
	f.counts(map[string]count{"items of the first page": {2, "SELECT COUNT(*) FROM items WHERE stock = '1'"}})
	fails.Store(false)
	for done.next(t) != nil { // one may have begun before
	}
	f.counts(map[string]count{"items": {3, "SELECT COUNT(*) FROM items WHERE stock = '1'"}})
	if !cursor().After(before.Time) {
		t.Error("all pages were read, and the cursor has not moved")
	}
}

// TestRequestCutShort: a request that exceeds the day's calls fails and says until when the
// reads wait; a request for a sweep does so immediately, and the sweep continues later.
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
			f.scheduler.Requested([]store.Request{{Request: "r1", Shop: "shop1234"}})
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
