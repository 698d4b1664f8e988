package status

import (
	"fmt"
	"time"

	"lagerd/budget"
	"lagerd/plan"
	"lagerd/store"
)

// Pace is the schedule that a running lagerd is expected to keep.
type Pace struct {
	NextTick   func(time.Time) time.Time // of reconcile.schedule: the first after a time
	SweepEvery time.Duration             // reconcile.sweep_every
	Limits     CallLimits                // how long a tick takes that is a listing
}

// listing returns how long a tick of a shop takes that lists all of its items.
func (p Pace) listing(st store.ShopStatus) time.Duration {
	if !st.Shop.ReadsRackbeat() {
		return 0
	}
	pages := int(st.Progress.Items)/plan.PageSize + 1
	return budget.TicksTake(pages, budget.Options{DailyCalls: p.Limits.RackbeatDaily, PerMinute: p.Limits.RackbeatPerMinute})
}

const (
	// A tick is reported as late after ticksLate ticks without success, plus tickGrace
	// for its duration.
	ticksLate = 3
	tickGrace = 2 * time.Minute

	// hintLate is how long a hint may wait without having failed. Rereads and deferred
	// failures are due earlier.
	hintLate = time.Hour

	// firstSweepLate is how long a new shop may take for its first complete listing.
	firstSweepLate = time.Hour
)

// Troubles returns each problem of a shop that is not a hold: what is late by lagerd's expected
// pace, and what fails repeatedly. It returns none for a paused shop.
func Troubles(st store.ShopStatus, p Pace, now time.Time) []Need {
	if st.Shop.Paused() {
		return nil
	}
	var list []Need
	if held := len(st.Shop.InForce(st.Progress.Holds)) > 0; st.Holder != "" && !held {
		list = lateOf(st, p, now)
	}
	for _, n := range st.FailingPDFs {
		list = append(list, needOf(st.Shop.Shop, n.Number, plan.ScopePDFs, NeedPDFFails, n.Since,
			fmt.Sprintf("%s cannot be fetched with lines and PDF, e.g. %s: %s", counted(int(n.Count), "invoice"), n.Number, n.Text),
			func(shop, number string) string {
				return fmt.Sprintf("`lagerd why %s %s --invoice` shows it; it is tried again ever more rarely, and at once with `lagerd reconcile --shop %[1]s --invoice %[2]s`", shop, number)
			}))
	}
	return list
}

// lateOf returns what is late of a shop that a lagerd works on and that is not held.
func lateOf(st store.ShopStatus, p Pace, now time.Time) []Need {
	var list []Need
	say := func(scope plan.Scope, reason NeedReason, since time.Time, format string, args ...any) {
		list = append(list, needOf(st.Shop.Shop, "", scope, reason, since, fmt.Sprintf(format, args...), func(string, string) string { return "see lagerd's log" }))
	}
	if since := later(st.Progress.TickAt.Time, st.Shop.CreatedAt.Time); p.tickIsLate(st, since, now) {
		say(plan.ScopeShop, NeedNoGoodTick, since, "no good tick since %s, although one was due at %s", ago(since, now), p.NextTick(since).UTC().Format(clock)+" UTC")
	}
	if st.Shop.ReadsStock() {
		switch swept := st.Progress.SweptAt.Time; {
		case swept.IsZero() && now.Sub(st.Shop.CreatedAt.Time) > firstSweepLate:
			say(plan.ScopeStock, NeedNoSweep, st.Shop.CreatedAt.Time, "its items have not been listed in full yet: a listing restarts if it is cut short or the day's calls run out")
		// Every good tick lists a shop of one page in full, but is not recorded as a
		// sweep if it showed nothing new.
		case !swept.IsZero() && st.Progress.Items > plan.PageSize && now.Sub(swept) > 2*p.SweepEvery:
			say(plan.ScopeStock, NeedNoSweep, swept, "its items were last listed in full %s, and reconcile.sweep_every is %s: a listing restarts if it is cut short or the day's calls run out", ago(swept, now), p.SweepEvery)
		}
	}
	if !st.OldestHint.IsZero() && st.FailingHints == 0 && now.Sub(st.OldestHint) > hintLate {
		say(plan.ScopeShop, NeedHintWaits, st.OldestHint, "a hint has waited since %s", ago(st.OldestHint, now))
	}
	return list
}

// wrongCodeFor is how long after a webhook call with a wrong code the status reports it.
const wrongCodeFor = time.Hour

// WrongCodes returns a line about webhook calls with a wrong code, or a wrong token of
// Rackbeat's, within the last hour, or "".
// Anybody can make such calls, so they are no trouble of the shop's.
func WrongCodes(st store.ShopStatus, now time.Time) string {
	last := st.Refused.LastAt.Time
	if last.IsZero() || now.Sub(last) > wrongCodeFor || st.Shop.Paused() {
		return ""
	}
	what, whose := "code", ""
	if len(st.Shop.RackbeatTokenHash) > 0 {
		what, whose = "code or token", fmt.Sprintf("if its log has bad_token, store the tokens of its webhooks at Rackbeat (`lagerd shops set %s --rackbeat-webhook-token-file FILE`); ", st.Shop.Shop)
	}
	return fmt.Sprintf("%s with a wrong %s on %s, the last %s from %s: %sif e-conomic has an old code, enter the new one there (`lagerd shops show %s` has the codes' use); else somebody is guessing, and no code of lagerd's can be guessed",
		counted(int(st.Refused.Calls), "webhook call"), what, st.Refused.Day, ago(last, now), st.Refused.LastRemote, whose, st.Shop.Shop)
}

// CallLimits are how many calls the configuration allows.
type CallLimits struct {
	EconomicDaily                    int // economic.daily_calls
	RackbeatDaily, RackbeatPerMinute int // rackbeat.daily_calls, rackbeat.calls_per_minute
}

// ShortOfCalls returns a line for each service at which a shop has used up the calls of the day
// that hints or even ticks may make, together with the other shops of its agreement or account.
func ShortOfCalls(st store.ShopStatus, l CallLimits, now time.Time) []string {
	if st.Shop.Paused() {
		return nil
	}
	var list []string
	say := func(at store.Service, own budget.State, all store.AccountCalls, o budget.Options) {
		if booked := int(all.Calls); all.Day > own.Day || all.Day == own.Day && booked > own.Calls {
			own = budget.State{Day: all.Day, Calls: booked}
		}
		if budget.Few(own.Calls, o.DailyCalls) {
			return
		}
		o.Now = func() time.Time { return now }
		if line := shortAt(at, own, all.Shops, o); line != "" {
			list = append(list, line)
		}
	}
	day, calls, _ := st.Progress.CallsOf()
	say(store.ServiceEconomic, budget.State{Day: day, Calls: calls}, st.AgreementCalls, budget.Options{DailyCalls: l.EconomicDaily})
	if p := st.Progress; st.Shop.StockOn && st.Shop.ReadsRackbeat() {
		say(store.ServiceRackbeat, budget.State{Day: p.StockCallsDay, Calls: int(p.StockCalls)}, st.StockAccountCalls,
			budget.Options{DailyCalls: l.RackbeatDaily, PerMinute: l.RackbeatPerMinute})
	}
	return list
}

// shortAt returns a line if the calls to a service leave none for hints or even ticks of the shops
// that share the account, or "". It keeps for ticks what the daemon does at least.
func shortAt(at store.Service, made budget.State, shops int, o budget.Options) string {
	b := budget.New(o)
	for range shops {
		b.Join("", made.Day, 0)
	}
	b.Restore(made)
	rest := "ticks and sweeps"
	if at == store.ServiceEconomic {
		rest = "ticks, new invoices and sweeps"
	}
	switch calls := b.State().Calls; { // 0 if they are of another day
	case b.Spent(budget.PriorityTick):
		return fmt.Sprintf("short of calls to %s: %d of today's %d are made, and ticks wait until midnight UTC: people's requests may use the rest", at, calls, o.DailyCalls)
	case b.Spent(budget.PriorityHint):
		return fmt.Sprintf("short of calls to %s: %d of today's %d are made, and the rest is kept for %s: hints wait for those", at, calls, o.DailyCalls, rest)
	}
	return ""
}

// tickIsLate reports whether a shop's ticks are late, the last good one of which began then. One that
// is a listing has come to its end only with that, and another may be running.
func (p Pace) tickIsLate(st store.ShopStatus, since, now time.Time) bool {
	grace := tickGrace + 2*p.listing(st)
	if since.IsZero() || now.Sub(since) <= grace { // the schedule takes time to compute
		return false
	}
	for range ticksLate {
		since = p.NextTick(since)
	}
	return now.Sub(since) > grace
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func ago(t, now time.Time) string { return age(&t, now) + " ago" }

// addReasons appends texts to the shop's reason.
func (s *Shop) addReasons(texts ...string) {
	s.Reason = reasons(append([]string{s.Reason}, texts...)...)
}
