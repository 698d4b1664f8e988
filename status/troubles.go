package status

import (
	"fmt"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Pace is what a running lagerd is expected to keep up with.
type Pace struct {
	NextTick   func(time.Time) time.Time // of reconcile.schedule: the first after a time
	SweepEvery time.Duration             // reconcile.sweep_every
}

const (
	// ticksLate is how many ticks may fail to be good, and tickGrace how long one may
	// take besides, until people are told.
	ticksLate = 3
	tickGrace = 2 * time.Minute

	// hintLate is how long a hint may wait without having failed. Those that are read
	// again, or put off with a failure, are due before.
	hintLate = time.Hour

	// firstSweepLate is how long a new shop may take for its first whole listing.
	firstSweepLate = time.Hour
)

// Troubles returns what is wrong with a shop although nothing holds it: what is late,
// by what a lagerd is expected to do, and what fails again and again, a line to each.
// Of a shop that a person has paused nothing is expected.
func Troubles(st store.ShopStatus, p Pace, now time.Time) []string {
	if st.Shop.Paused() {
		return nil
	}
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	held := len(st.Shop.InForce(st.Progress.Holds)) > 0
	if st.Holder != "" && !held {
		if since := later(st.Progress.TickAt.Time, st.Shop.CreatedAt.Time); tickIsLate(since, p.NextTick, now) {
			say("no good tick since %s, although one is due at %s: lagerd's log says why not", ago(since, now), p.NextTick(since).UTC().Format(clock)+" UTC")
		}
		if st.Shop.StockOn && st.Shop.StockSource == store.SourceEconomic {
			switch swept := st.Progress.SweptAt.Time; {
			case swept.IsZero() && now.Sub(st.Shop.CreatedAt.Time) > firstSweepLate:
				say("its items have not been listed whole yet (%d are stored): a listing that is cut short, or a day's calls that are spent, begins anew; lagerd's log says which", st.ItemsStored)
			// A shop of one page is listed whole by every good tick; nothing is noted of one
			// that showed nothing new.
			case !swept.IsZero() && st.Progress.Items > plan.PageSize && now.Sub(swept) > 2*p.SweepEvery:
				say("its items were last listed whole %s, and reconcile.sweep_every is %s: a listing that is cut short, or a day's calls that are spent, begins anew; lagerd's log says which", ago(swept, now), p.SweepEvery)
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

// AddTroubles shows them in the shop's reason.
func (s *Shop) AddTroubles(troubles []string) {
	s.Reason = reasons(append([]string{s.Reason}, troubles...)...)
}
