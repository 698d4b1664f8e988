package status

import (
	"fmt"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Pace is the schedule that a running lagerd is expected to keep.
type Pace struct {
	NextTick   func(time.Time) time.Time // of reconcile.schedule: the first after a time
	SweepEvery time.Duration             // reconcile.sweep_every
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

// Troubles returns a line for each problem of a shop that is not a hold: what is late by
// lagerd's expected pace, and what fails repeatedly. It returns none for a paused shop.
func Troubles(st store.ShopStatus, p Pace, now time.Time) []string { //nolint:gocyclo // one check per kind of trouble
	if st.Shop.Paused() {
		return nil
	}
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	held := len(st.Shop.InForce(st.Progress.Holds)) > 0
	if st.Holder != "" && !held {
		if since := later(st.Progress.TickAt.Time, st.Shop.CreatedAt.Time); tickIsLate(since, p.NextTick, now) {
			say("no good tick since %s, although one was due at %s: see lagerd's log", ago(since, now), p.NextTick(since).UTC().Format(clock)+" UTC")
		}
		if st.Shop.StockOn && st.Shop.StockSource == store.SourceEconomic {
			switch swept := st.Progress.SweptAt.Time; {
			case swept.IsZero() && now.Sub(st.Shop.CreatedAt.Time) > firstSweepLate:
				say("its items have not been listed in full yet (%d are stored): a listing restarts if it is cut short or the day's calls run out; see lagerd's log", st.ItemsStored)
			// Every good tick lists a shop of one page in full, but is not recorded as a
			// sweep if it showed nothing new.
			case !swept.IsZero() && st.Progress.Items > plan.PageSize && now.Sub(swept) > 2*p.SweepEvery:
				say("its items were last listed in full %s, and reconcile.sweep_every is %s: a listing restarts if it is cut short or the day's calls run out; see lagerd's log", ago(swept, now), p.SweepEvery)
			}
		}
		if !st.OldestHint.IsZero() && st.FailingHints == 0 && now.Sub(st.OldestHint) > hintLate {
			say("a hint has waited since %s", ago(st.OldestHint, now))
		}
	}
	for _, n := range st.FailingPDFs {
		say("%s cannot be fetched with lines and PDF: `lagerd why %s %s --invoice` has the first: %s", counted(int(n.Count), "invoice"), st.Shop.Shop, n.Number, n.Text)
	}
	return list
}

func tickIsLate(since time.Time, next func(time.Time) time.Time, now time.Time) bool {
	if since.IsZero() {
		return false
	}
	for range ticksLate {
		since = next(since)
	}
	return now.Sub(since) > tickGrace
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func ago(t, now time.Time) string { return age(&t, now) + " ago" }

// AddTroubles appends the problems to the shop's reason.
func (s *Shop) AddTroubles(troubles []string) {
	s.Reason = reasons(append([]string{s.Reason}, troubles...)...)
}
