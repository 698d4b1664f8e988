package status_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// TestTroubles: lateness is reported exactly when it begins, whatever the clock's time
// zone.
func TestTroubles(t *testing.T) {
	t.Parallel()
	const moment = time.Millisecond
	ticked := func(before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { st.Progress.TickAt = ago(before) }
	}
	swept := func(items int64, before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { st.Progress.Items, st.Progress.SweptAt = items, ago(before) }
	}
	added := func(before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) {
			st.Shop.CreatedAt, st.Progress.SweptAt, st.ItemsStored = ago(before), store.Time{}, 7
		}
	}
	hinted := func(before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { st.OldestHint = noon.Add(-before) }
	}
	both := func(a, b func(*store.ShopStatus)) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { a(st); b(st) }
	}
	held := func(st *store.ShopStatus) {
		st.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses}}
	}
	paused := func(st *store.ShopStatus) { st.Shop.PausedAt = ago(time.Hour) }
	nobodys := func(st *store.ShopStatus) { st.Holder = "" }
	stockOff := func(st *store.ShopStatus) { st.Shop.StockOn = false }
	failing := func(st *store.ShopStatus) { st.FailingHints = 1 }
	for _, c := range []struct {
		name   string
		change func(*store.ShopStatus)
		says   string // its beginning; "": no trouble
	}{
		{"all is well", func(*store.ShopStatus) {}, ""},
		// The third tick after the last good one may take two minutes.
		{"exactly three ticks and two minutes", ticked(5 * time.Minute), ""},
		{"and a moment more", ticked(5*time.Minute + moment), "no good tick since 5m0s ago, although one was due at 2026-11-23 11:55:00 UTC"},
		{"no tick ever", both(ticked(0), func(st *store.ShopStatus) { st.Progress.TickAt = store.Time{} }), "no good tick since 3d ago"},
		{"late, and held", both(ticked(time.Hour), held), ""},
		{"late, and a part held that is off", both(ticked(time.Hour), both(held, stockOff)), "no good tick since 1h0m0s ago"},
		{"late, and paused", both(ticked(time.Hour), paused), ""},
		{"late, and nobody's", both(ticked(time.Hour), nobodys), ""},
		{"never listed whole for exactly an hour", added(time.Hour), ""},
		{"and a moment more", added(time.Hour + moment), "its items have not been listed in full yet (7 are stored)"},
		{"never listed whole, stock off", both(added(2*time.Hour), stockOff), ""},
		{"listed whole exactly two days ago", swept(plan.PageSize+1, 48*time.Hour), ""},
		{"and a moment more", swept(plan.PageSize+1, 48*time.Hour+moment), "its items were last listed in full 2d ago, and reconcile.sweep_every is 24h0m0s"},
		{"as long ago, of one page", swept(plan.PageSize, 48*time.Hour+moment), ""},
		{"a hint has waited for exactly an hour", hinted(time.Hour), ""},
		{"and a moment more", hinted(time.Hour + moment), "a hint has waited since 1h0m0s ago"},
		{"and fails, which is said elsewhere", both(hinted(time.Hour+moment), failing), ""},
		{"PDFs fail, and the shop is held", both(held, func(st *store.ShopStatus) {
			st.FailingPDFs = []store.Notice{{Kind: plan.KindInvoice, Count: 1, Number: "17", Text: "status 500"}}
		}), "1 invoice cannot be fetched with lines and PDF: `lagerd why shop1234 17 --invoice` has the first: status 500"},
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("west", -11*3600), time.FixedZone("east", 14*3600)} {
			pace := status.Pace{SweepEvery: 24 * time.Hour, NextTick: func(at time.Time) time.Time { return at.Truncate(time.Minute).Add(time.Minute).In(zone) }}
			st := busy()
			c.change(&st)
			got := status.Troubles(st, pace, noon.In(zone))
			if c.says == "" && len(got) > 0 || c.says != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.says)) {
				t.Errorf("%s, in the %s: %q, want %q", c.name, zone, got, c.says)
			}
		}
	}
	v := status.Of(busy())
	v.Reason = "connection refused"
	v.AddTroubles([]string{"a", "b"})
	if v.Reason != "connection refused; a; b" {
		t.Errorf("the reason: %q", v.Reason)
	}
}
