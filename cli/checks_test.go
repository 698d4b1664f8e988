package cli

import (
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/store"
)

func TestCheckClock(t *testing.T) {
	t.Parallel()
	before := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	after := before.Add(3 * time.Second)
	for _, c := range []struct {
		theirs time.Time
		says   string
	}{
		{time.Time{}, ""}, // not known
		{before, ""}, {after, ""},
		{before.Add(-time.Minute), ""}, {after.Add(time.Minute), ""},
		{before.Add(-61 * time.Second), "this machine's is 1m1s ahead of e-conomic's"},
		{after.Add(2 * time.Hour), "this machine's is 2h0m0s behind e-conomic's"},
	} {
		var out strings.Builder
		r := report{w: &out}
		checkClock(&r, "e-conomic's", c.theirs, before, after)
		checkClock(&r, "e-conomic's", c.theirs, before, after) // of another shop
		if says := out.String(); c.says == "" && says != "" || !strings.Contains(says, c.says) || strings.Count(says, "FAILED") > 1 {
			t.Errorf("%s: %q", c.theirs, says)
		}
	}
}

func TestCheckState(t *testing.T) {
	t.Parallel()
	added := store.At(now().Add(-48 * time.Hour))
	fresh := store.At(now())
	well := func(change func(*store.ShopStatus)) store.ShopStatus {
		st := store.ShopStatus{Shop: store.Shop{Shop: "s", StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true, CreatedAt: added}, Holder: "mine",
			Progress: store.Progress{TickAt: fresh, SweptAt: fresh}}
		change(&st)
		return st
	}
	cfg := config.Default()
	mine := map[string]store.Instance{"mine": {}}
	for _, c := range []struct {
		name   string
		st     store.ShopStatus
		alive  map[string]store.Instance
		failed []string
		says   string
	}{
		{"all is well", well(func(*store.ShopStatus) {}), mine, nil, ""},
		{"no lagerd, which is said once for all", well(func(*store.ShopStatus) {}), nil, nil, ""},
		{"its lagerd has died", well(func(st *store.ShopStatus) { st.Holder = "other" }), mine, []string{"the lagerd that had the shop has died"}, ""},
		{"not taken", well(func(st *store.ShopStatus) { st.Holder = "" }), mine, []string{"no running lagerd has taken the shop"}, ""},
		{"paused", well(func(st *store.ShopStatus) {
			st.Shop.PausedAt, st.Shop.PauseReason = fresh, "stocktaking"
			st.Progress = store.Progress{Failures: 3, Failure: "x"}
		}), nil, nil, "is paused by a person: stocktaking"},
		{"held", well(func(st *store.ShopStatus) {
			st.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "150 of 300"}, {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Detail: "403"}}
		}), mine, []string{"held: stock: losses", "held: pdf: forbidden"}, ""},
		{"failing", well(func(st *store.ShopStatus) { st.Progress.Failures, st.Progress.Failure = 2, "connection refused" }), mine, []string{"the last 2 pass(es) failed: connection refused"}, ""},
		{"no tick for long", well(func(st *store.ShopStatus) { st.Progress.TickAt = store.At(now().Add(-time.Hour)) }), mine, []string{"no good tick since 1h0m0s ago"}, ""},
		{"no tick ever", well(func(st *store.ShopStatus) { st.Progress.TickAt = store.Time{} }), mine, []string{"no good tick since 2d ago"}, ""},
		{"just added", well(func(st *store.ShopStatus) { st.Progress, st.Shop.CreatedAt = store.Progress{}, fresh }), mine, nil, ""},
		{"just added, not taken", well(func(st *store.ShopStatus) {
			st.Progress, st.Shop.CreatedAt, st.Holder = store.Progress{}, fresh, ""
		}), mine, nil, "WARNING shop s: no running lagerd has taken the shop yet"},
		{"never listed whole", well(func(st *store.ShopStatus) { st.Progress.SweptAt = store.Time{} }), mine, []string{"its items have not been listed in full yet: a listing"}, ""},
		{"of one page, listed by every tick", well(func(st *store.ShopStatus) { st.Progress.SweptAt = store.At(now().Add(-72 * time.Hour)) }), mine, nil, ""},
		{"listed whole long ago", well(func(st *store.ShopStatus) {
			st.Progress.Items, st.Progress.SweptAt = 5000, store.At(now().Add(-72*time.Hour))
		}), mine, []string{"its items were last listed in full 3d ago"}, ""},
		{"listed whole long ago, stock off", well(func(st *store.ShopStatus) {
			st.Shop.StockOn, st.Progress.Items, st.Progress.SweptAt = false, 5000, store.At(now().Add(-72*time.Hour))
		}), mine, nil, ""},
		{"a hint waits", well(func(st *store.ShopStatus) { st.OldestHint = now().Add(-2 * time.Hour) }), mine, []string{"a hint has waited since 2h0m0s ago"}, ""},
		{"PDFs fail", well(func(st *store.ShopStatus) {
			st.FailingPDFs = []store.Notice{{Kind: plan.KindInvoice, Count: 2, Number: "17", Text: "status 500"}}
		}), mine, []string{"2 invoices cannot be fetched with lines and PDF, e.g. 17: status 500; `lagerd why s 17 --invoice` shows it"}, ""},
		{"set aside", well(func(st *store.ShopStatus) { st.SetAside = 1 }), mine, nil, "WARNING shop s: 1 batch(es) of webhooks could not be read"},
	} {
		var out strings.Builder
		r := report{w: &out}
		checkState(&r, c.st, c.alive, cfg)
		ok := r.failed == len(c.failed) && strings.Contains(out.String(), c.says)
		for _, part := range c.failed {
			ok = ok && strings.Contains(out.String(), "FAILED  shop s: "+part)
		}
		if !ok {
			t.Errorf("%s: %d failed:\n%s", c.name, r.failed, out.String())
		}
	}
}

// TestCheckContact: Rackbeat is to be told who calls, once it is called.
func TestCheckContact(t *testing.T) {
	t.Parallel()
	const warning = "WARNING rackbeat.contact: no e-mail address is set"
	reads := store.ShopStatus{Shop: store.Shop{Shop: "s", StockSource: store.SourceRackbeat, RackbeatKey: []byte("k")}}
	keyless := store.ShopStatus{Shop: store.Shop{Shop: "s", StockSource: store.SourceRackbeat}}
	for _, c := range []struct {
		contact string
		list    []store.ShopStatus
		says    string
	}{
		{"", []store.ShopStatus{keyless, reads}, warning}, {"", []store.ShopStatus{keyless}, ""}, {"", nil, ""},
		{"drift@example.dk", []store.ShopStatus{reads}, ""},
	} {
		var out strings.Builder
		cfg := config.Default()
		cfg.Rackbeat.Contact = c.contact
		r := report{w: &out}
		cfg.Rackbeat.CallsPerMinute, cfg.Rackbeat.DailyCalls = 60, 86400
		checkRackbeat(&r, cfg.Rackbeat, c.list)
		if says := out.String(); (says == "") != (c.says == "") || !strings.HasPrefix(says, c.says) || r.failed > 0 {
			t.Errorf("contact %q, %d shops: %q", c.contact, len(c.list), says)
		}
	}
}

// TestCallsOfADay: the calls of a day to Rackbeat are to last a day at the calls a minute, if a shop is
// read there; otherwise check says what follows.
func TestCallsOfADay(t *testing.T) {
	t.Parallel()
	there := []store.ShopStatus{{Shop: store.Shop{StockSource: store.SourceRackbeat, RackbeatKey: []byte("sealed")}}}
	for _, c := range []struct {
		list          []store.ShopStatus
		minute, daily int
		says          string
	}{
		{there, 60, 86400, ""},
		{there, 60, 100_000, ""},
		{there, 60, 86399, "WARNING rackbeat.daily_calls: 86399 calls a day are fewer than 60 a minute make (86400): listings are spread over the day, so that stock whose webhook is lost comes later. Set it to 86400 or more\n"},
		{there, 1, 1000, "WARNING rackbeat.daily_calls: 1000 calls a day are fewer than 1 a minute make (1440): listings are spread over the day, so that stock whose webhook is lost comes later. Set it to 1440 or more\n"},
		{nil, 60, 86399, ""},
	} {
		var out strings.Builder
		r := report{w: &out}
		checkRackbeat(&r, config.Rackbeat{Contact: "drift@example.dk", CallsPerMinute: c.minute, DailyCalls: c.daily}, c.list)
		if out.String() != c.says {
			t.Errorf("%d a minute, %d a day, %d shops: %q, expected %q", c.minute, c.daily, len(c.list), out.String(), c.says)
		}
	}
}
