package status_test

import (
	"slices"
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
	listedAtRackbeat := func(st *store.ShopStatus) {
		st.Shop.StockSource, st.Shop.RackbeatKey, st.Progress.Items = store.SourceRackbeat, []byte("sealed"), 49_900
	}
	ticked := func(before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { st.Progress.TickAt = ago(before) }
	}
	swept := func(items int64, before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) { st.Progress.Items, st.Progress.SweptAt = items, ago(before) }
	}
	added := func(before time.Duration) func(*store.ShopStatus) {
		return func(st *store.ShopStatus) {
			st.Shop.CreatedAt, st.Progress.SweptAt = ago(before), store.Time{}
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
		// 50 pages at 56 a minute: another listing may have begun after the one that ended last.
		{"while it is listed", both(ticked(6*time.Minute), listedAtRackbeat), ""},
		{"and a minute more", both(ticked(7*time.Minute), listedAtRackbeat), "no good tick since 7m0s ago"},
		{"no tick ever", both(ticked(0), func(st *store.ShopStatus) { st.Progress.TickAt = store.Time{} }), "no good tick since 3d ago"},
		{"late, and held", both(ticked(time.Hour), held), ""},
		{"late, and a part held that is off", both(ticked(time.Hour), both(held, stockOff)), "no good tick since 1h0m0s ago"},
		{"late, and paused", both(ticked(time.Hour), paused), ""},
		{"late, and nobody's", both(ticked(time.Hour), nobodys), ""},
		{"never listed whole for exactly an hour", added(time.Hour), ""},
		{"and a moment more", added(time.Hour + moment), "its items have not been listed in full yet"},
		{"never listed whole, stock off", both(added(2*time.Hour), stockOff), ""},
		{"listed whole exactly two days ago", swept(plan.PageSize+1, 48*time.Hour), ""},
		{"and a moment more", swept(plan.PageSize+1, 48*time.Hour+moment), "its items were last listed in full 2d ago, and reconcile.sweep_every is 24h0m0s"},
		{"as long ago, of one page", swept(plan.PageSize, 48*time.Hour+moment), ""},
		{"of many pages, in its first hour", both(added(time.Hour), func(st *store.ShopStatus) { st.Progress.Items = plan.PageSize + 1 }), ""},
		{"never listed whole, in Rackbeat", both(added(2*time.Hour), func(st *store.ShopStatus) { st.Shop.StockSource = store.SourceRackbeat }), ""},
		{"added again a minute ago", both(ticked(time.Hour), func(st *store.ShopStatus) { st.Shop.CreatedAt = ago(time.Minute) }), ""},
		{"no time is known", func(st *store.ShopStatus) { st.Progress.TickAt, st.Shop.CreatedAt = store.Time{}, store.Time{} }, ""},
		{"no hint is open", func(st *store.ShopStatus) { st.OldestHint, st.OpenHints = time.Time{}, 0 }, ""},
		{"a hint has waited for exactly an hour", hinted(time.Hour), ""},
		{"and a moment more", hinted(time.Hour + moment), "a hint has waited since 1h0m0s ago"},
		{"and fails, which is said elsewhere", both(hinted(time.Hour+moment), failing), ""},
		{"PDFs fail, and the shop is held", both(held, func(st *store.ShopStatus) {
			st.FailingPDFs = []store.Notice{{Kind: plan.KindInvoice, Count: 1, Number: "17", Text: "status 500"}}
		}), "1 invoice cannot be fetched with lines and PDF, e.g. 17: status 500; `lagerd why shop1234 17 --invoice` shows it; it is tried again ever more rarely, and at once with `lagerd reconcile --shop shop1234 --invoice 17`"},
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("west", -11*3600), time.FixedZone("east", 14*3600)} {
			pace := status.Pace{SweepEvery: 24 * time.Hour, Limits: status.CallLimits{RackbeatDaily: 86_400, RackbeatPerMinute: 60}, NextTick: func(at time.Time) time.Time { return at.Truncate(time.Minute).Add(time.Minute).In(zone) }}
			st := busy()
			c.change(&st)
			got := status.Troubles(st, pace, noon.In(zone))
			if c.says == "" && len(got) > 0 || c.says != "" && (len(got) != 1 || !strings.HasPrefix(got[0].Text(), c.says)) {
				t.Errorf("%s, in the %s: %+v, want %q", c.name, zone, got, c.says)
			}
		}
	}
}

// TestWrongCodes: webhook calls with a wrong code are told of for an hour after the last.
func TestWrongCodes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	of := func(calls int64, ago time.Duration) store.ShopStatus {
		return store.ShopStatus{Shop: store.Shop{Shop: "shop1"}, Refused: store.RefusedCalls{Day: "2026-11-23", Calls: calls, LastAt: store.At(now.Add(-ago)), LastRemote: "192.0.2.7"}}
	}
	paused, atRackbeat := of(3, 0), of(3, 0)
	paused.Shop.PausedAt, atRackbeat.Shop.RackbeatTokenHash = store.At(now), []byte{1}
	for what, c := range map[string]struct {
		st   store.ShopStatus
		want string
	}{
		"none": {store.ShopStatus{}, ""}, "one": {of(1, time.Minute), "1 webhook call with a wrong code on 2026-11-23, the last 1m0s ago from 192.0.2.7: if e-conomic has an old code"},
		"some": {of(12, time.Hour), "12 webhook calls with a wrong code on 2026-11-23, the last 1h0m0s ago"}, "long ago": {of(12, time.Hour+time.Second), ""}, "of a paused shop": {paused, ""},
		"with a token": {atRackbeat, "3 webhook calls with a wrong code or token on 2026-11-23, the last 0s ago from 192.0.2.7: if its log has bad_token, store the tokens of its webhooks at Rackbeat (`lagerd shops set shop1 --rackbeat-webhook-token-file FILE`); if e-conomic has"},
	} {
		got := status.WrongCodes(c.st, now)
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, expected %q", what, got, c.want)
		}
	}
	if v := status.Of(of(12, 0)); v.RefusedCalls != 12 || !v.RefusedAt.Equal(now) {
		t.Errorf("in JSON: %d, %v", v.RefusedCalls, v.RefusedAt)
	}
}

// TestShortOfCalls: a shop says so when the calls that hints may make are used up, and when those
// of ticks are; calls of another day do not count.
func TestShortOfCalls(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC) // 120 calls are kept for ticks, 41 for sweeps
	for _, c := range []struct {
		day                 string
		calls, commandCalls int
		paused              bool
		says                string
	}{
		{"2026-11-23", 8338, 0, false, ""},
		{"2026-11-23", 8339, 0, false, "short of calls to e-conomic: 8339 of today's 10000 are made, and the rest is kept for ticks, new invoices and sweeps: hints wait for those"},
		{"2026-11-23", 8000, 339, false, "short of calls to e-conomic: 8339 of today's 10000 are made, and the rest is kept for ticks, new invoices and sweeps: hints wait for those"},
		{"2026-11-23", 9499, 0, false, "short of calls to e-conomic: 9499 of today's 10000 are made, and the rest is kept for ticks, new invoices and sweeps: hints wait for those"},
		{"2026-11-23", 9500, 0, false, "short of calls to e-conomic: 9500 of today's 10000 are made, and ticks wait until midnight UTC: people's requests may use the rest"},
		{"2026-11-23", 9500, 0, true, ""},
		{"2026-11-22", 9500, 0, false, ""},
		{"", 8339, 0, false, "short of calls to e-conomic: 8339 of today's 10000 are made, and the rest is kept for ticks, new invoices and sweeps: hints wait for those"}, // by the agreement's shops
		{"", 8338, 0, false, ""},
	} {
		st := store.ShopStatus{Progress: store.Progress{CallsDay: c.day, Calls: int64(c.calls), CommandCallsDay: c.day, CommandCalls: int64(c.commandCalls)}}
		if c.day == "" {
			st.Progress = store.Progress{CallsDay: "2026-11-23", Calls: 1}
			st.AgreementCalls = store.AccountCalls{Day: "2026-11-23", Calls: int64(c.calls)}
		}
		if c.paused {
			st.Shop.PausedAt = store.At(now)
		}
		says := status.ShortOfCalls(st, status.CallLimits{EconomicDaily: 10_000, RackbeatDaily: 86_400, RackbeatPerMinute: 60}, now)
		if strings.Join(says, "") != c.says {
			t.Errorf("%+v: %q", c, says)
		}
		look := status.Look{Shops: []store.ShopStatus{st}, Living: map[string]store.Instance{"": {}}, Limits: status.CallLimits{EconomicDaily: 10_000, RackbeatDaily: 86_400, RackbeatPerMinute: 60}, Now: now}
		if v := look.Overview().Shops[0]; v.ShortOfCalls != (c.says != "") || !strings.HasSuffix(v.Reason, c.says) {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

// TestShortOfCallsToRackbeat: likewise of the calls to Rackbeat, which have a limit of their own,
// by the shop or by all of its account. Within the calls of its minutes a day cannot run short.
func TestShortOfCallsToRackbeat(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	const hints = "short of calls to Rackbeat: 8339 of today's 10000 are made, and the rest is kept for ticks and sweeps: hints wait for those"
	booked := func(calls int64) store.ShopStatus {
		return store.ShopStatus{StockAccountCalls: store.AccountCalls{Day: "2026-11-23", Calls: calls}}
	}
	for name, c := range map[string]struct {
		st        store.ShopStatus
		perMinute int
		elsewhere bool // its stock is not read at Rackbeat
		says      string
	}{
		"enough":               {booked(8338), 0, false, ""},
		"enough for one shop":  {store.ShopStatus{StockAccountCalls: store.AccountCalls{Day: "2026-11-23", Calls: 8218, Shops: 2}}, 0, false, ""},
		"not enough for two":   {store.ShopStatus{StockAccountCalls: store.AccountCalls{Day: "2026-11-23", Calls: 8219, Shops: 2}}, 0, false, strings.Replace(hints, "8339", "8219", 1)},
		"booked":               {booked(8339), 0, false, hints},
		"its own":              {store.ShopStatus{Progress: store.Progress{StockCallsDay: "2026-11-23", StockCalls: 8339}}, 0, false, hints},
		"yesterday":            {store.ShopStatus{Progress: store.Progress{StockCallsDay: "2026-11-22", StockCalls: 8339}}, 0, false, ""},
		"ticks, too":           {booked(9500), 0, false, "short of calls to Rackbeat: 9500 of today's 10000 are made, and ticks wait until midnight UTC: people's requests may use the rest"},
		"ample for the minute": {booked(8339), 20, false, ""},
		"few for the minute":   {booked(8339), 60, false, hints},
		"read elsewhere":       {booked(9500), 0, true, ""},
		"at both": {store.ShopStatus{AgreementCalls: store.AccountCalls{Day: "2026-11-23", Calls: 8339}, StockAccountCalls: booked(8339).StockAccountCalls}, 0, false,
			"short of calls to e-conomic: 8339 of today's 10000 are made, and the rest is kept for ticks, new invoices and sweeps: hints wait for those; " + hints},
	} {
		if c.st.Shop = (store.Shop{StockOn: true, StockSource: store.SourceRackbeat, RackbeatKey: []byte("sealed")}); c.elsewhere {
			c.st.Shop.StockSource = store.SourceEconomic
		}
		if says := strings.Join(status.ShortOfCalls(c.st, status.CallLimits{EconomicDaily: 10_000, RackbeatDaily: 10_000, RackbeatPerMinute: c.perMinute}, now), "; "); says != c.says {
			t.Errorf("%s: %q", name, says)
		}
	}
}

// TestSharing: hints that wait for calls are told of where other shops share those, unless the day's
// are spent, which is told anyway.
func TestSharing(t *testing.T) {
	t.Parallel()
	calls := func(of, shops int) store.AccountCalls {
		return store.AccountCalls{Day: noon.UTC().Format(time.DateOnly), Calls: int64(of), Shops: shops}
	}
	const economic, rackbeat = "2 hints waiting for calls, which other shops of agreement 7 use too", "2 hints waiting for calls, which other shops of account 9 at Rackbeat use too"
	for name, c := range map[string]struct {
		st   store.ShopStatus
		at   store.StockSource
		want string
	}{
		"alone":                    {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(3000, 1)}, store.SourceEconomic, ""},
		"none waits":               {store.ShopStatus{AgreementCalls: calls(3000, 2)}, store.SourceEconomic, ""},
		"two shops":                {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(3000, 2)}, store.SourceEconomic, economic},
		"paused":                   {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(3000, 2), Shop: store.Shop{PausedAt: store.At(noon), PauseReason: "a holiday"}}, store.SourceEconomic, "a holiday"},
		"two at Rackbeat":          {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(3000, 1), StockAccountCalls: calls(3000, 2)}, store.SourceRackbeat, rackbeat},
		"they share the agreement": {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(3000, 2), StockAccountCalls: calls(3000, 1)}, store.SourceRackbeat, ""},
		"all are spent": {store.ShopStatus{ShortHints: 2, AgreementCalls: calls(48_000, 2)}, store.SourceEconomic,
			"short of calls to e-conomic: 48000 of today's 50000 are made, and ticks wait until midnight UTC: people's requests may use the rest"},
	} {
		c.st.Shop.Shop, c.st.Shop.StockSource, c.st.Shop.StockOn, c.st.Shop.RackbeatKey, c.st.Holder = "shop1", c.at, true, []byte("sealed"), "a lagerd"
		c.st.Progress.AgreementNumber, c.st.Progress.StockAccount, c.st.Progress.SweptAt = 7, 9, store.At(noon)
		l := status.Look{Shops: []store.ShopStatus{c.st}, Limits: status.CallLimits{EconomicDaily: 50_000, RackbeatDaily: 50_000}, Now: noon,
			Living: map[string]store.Instance{"a lagerd": {}}, Pace: status.Pace{NextTick: func(at time.Time) time.Time { return at.Add(time.Minute) }}}
		v := l.Overview().Shops[0]
		if v.Reason != c.want || v.ShortHints != c.st.ShortHints {
			t.Errorf("%s: %q, expected %q", name, v.Reason, c.want)
		}
		if shared := strings.HasPrefix(c.want, "2 hints"); shared != slices.Contains(v.Notes, c.want) && c.want != "a holiday" {
			t.Errorf("%s: notes %q", name, v.Notes)
		}
	}
}

// TestAwaitingHints: hints that wait for a listing are told of.
func TestAwaitingHints(t *testing.T) {
	t.Parallel()
	v := status.Of(store.ShopStatus{Shop: store.Shop{Shop: "shop1"}, Holder: "a lagerd", OpenHints: 5, AwaitingHints: 3})
	if v.AwaitingHints != 3 || v.Reason != "3 hints waiting for the next listing: more numbers that are not stored, or that cannot be read, were hinted at than are asked for alone" {
		t.Errorf("%d: %q", v.AwaitingHints, v.Reason)
	}
}
