package plan

import "time"

// PageSize is the most items e-conomic puts on one page of a listing
// (restdocs, "Pagination": max 1000).
const PageSize = 1000

// Situation is what decides how a shop's stock is read in one pass.
type Situation struct {
	Items      int           // items at e-conomic
	PageSize   int           // of them, on a page of a listing
	NoChanges  bool          // the source cannot be asked for what has changed
	Swept      bool          // a first sweep has been completed
	Hinted     int           // due stock hints
	PerFilter  int           // hinted numbers that fit in one filtered listing
	Tick       bool          // the minute's reconciliation is due
	Sweep      bool          // an operator asked for a sweep
	Listing    bool          // a listing is under way, some pages each pass
	SinceSweep time.Duration // since the last sweep was begun
	SweepEvery time.Duration // see SweepInterval
}

// Reads says how a shop's stock is to be read in one pass, by cost in calls.
type Reads struct {
	Listing bool // everything the agreement holds, page by page, as a sweep or in its place
	Changes bool // what changed since the cursor
	Filters bool // hinted numbers together, in filtered listings
	Singles bool // hinted numbers one by one
}

// PlanReads chooses the cheapest reads that cover what is due:
//
//   - A first sweep, a sweep asked for or one that is due: the whole listing.
//   - A tick: the whole listing where it costs no more calls than a change
//     query (it also shows deletions and what lastUpdated hides), or where the
//     source answers none, else the change query.
//   - Hints not covered by a listing: one by one, several to a filtered
//     listing, or by the whole listing, whichever costs the fewest calls.
//     100,000 hints never become 100,000 calls.
//
// A listing takes several passes; meanwhile ticks and hints go on beside it.
func PlanReads(s Situation) Reads {
	pages := pagesOf(s.Items, s.PageSize)
	sweepDue := s.Tick && s.SinceSweep >= s.SweepEvery
	if !s.Listing && (!s.Swept || s.Sweep || sweepDue || s.Tick && (pages == 1 || s.NoChanges)) {
		return Reads{Listing: true}
	}
	r := Reads{Changes: s.Tick && s.Swept && !s.NoChanges}
	switch {
	case s.Hinted == 0:
	case s.Burst():
		// While a listing is under way they wait for the one after it.
		return Reads{Listing: !s.Listing, Changes: s.Listing && r.Changes}
	case s.Hinted == 1 || s.filters() >= s.Hinted:
		r.Singles = true
	default:
		r.Filters = true
	}
	return r
}

// Burst reports whether the hints alone are worth a listing of everything.
func (s Situation) Burst() bool { return s.filters() > pagesOf(s.Items, s.PageSize) }

// filters is how many filtered listings the hinted numbers take.
func (s Situation) filters() int {
	perFilter := max(1, s.PerFilter)
	return (s.Hinted + perFilter - 1) / perFilter
}

// Sweeps are paced so that they cost at most this share of a day's calls, and
// never come closer than the shortest interval: beyond that they would cost
// bandwidth without finding more.
const (
	sweepShare       = 0.2
	shortestInterval = 10 * time.Minute
)

// SweepInterval returns how often an agreement of so many items is swept when
// dailyCalls may be spent in a day: as often as a fifth of them allows, at
// most every ten minutes and at least every longest.
func SweepInterval(items, pageSize, dailyCalls int, longest time.Duration) time.Duration {
	pages := pagesOf(items, pageSize)
	share := float64(dailyCalls) * sweepShare
	if share < 1 {
		return longest
	}
	interval := time.Duration(float64(pages) / share * float64(24*time.Hour))
	return min(max(interval, shortestInterval), longest)
}

func pagesOf(items, pageSize int) int { return max(1, (items+pageSize-1)/pageSize) }
