package plan

import "time"

// PageSize is the maximum page size of e-conomic's listings (restdocs, "Pagination": max 1000).
const PageSize = 1000

// Situation is the input of PlanReads: how to read a shop's stock in one pass.
type Situation struct {
	Items      int           // at e-conomic
	PageSize   int           // items on a page of a listing
	NoChanges  bool          // the source has no change query
	Swept      bool          // a first sweep has completed
	Hinted     int           // due stock hints
	PerFilter  int           // hinted numbers that fit in one filtered listing
	Tick       bool          // the minute's reconciliation is due
	Sweep      bool          // a sweep was requested
	Listing    bool          // a listing is running, some pages per pass
	SinceSweep time.Duration // since the start of the last sweep
	SweepEvery time.Duration // see SweepInterval
	Awaited    bool          // hints wait for the next listing
	SweepSoon  time.Duration // see SweepInterval: while hints wait for a listing
}

// Reads are the reads of a shop's stock in one pass.
type Reads struct {
	Listing bool // everything the agreement holds, page by page, as a sweep or instead of other reads
	Changes bool // changes since the cursor
	Filters bool // hinted numbers, several to a filtered listing
	Singles bool // hinted numbers one by one
	Next    bool // another listing as soon as the running one has ended
}

// PlanReads chooses the reads that cover what is due in the fewest calls:
//
//   - A first sweep, a requested sweep or a due one: the full listing. It is due sooner if
//     hints wait for it.
//   - A tick: the full listing if it costs no more calls than a change query (it also
//     shows deletions and what lastUpdated hides), or if the source has no change query;
//     otherwise the change query. Without one, a tick that comes while a listing is running
//     has its own follow at once: a listing may take longer than a tick, and what changes
//     after its page has been read must not wait for two.
//   - Hints not covered by a listing: one by one, several to a filtered listing, or by
//     the full listing, whichever costs the fewest calls. 100,000 hints never become
//     100,000 calls.
//
// A listing takes several passes; ticks and hints continue during it.
func PlanReads(s Situation) Reads { //nolint:gocyclo // one branch per row of its table
	pages := pagesOf(s.Items, s.PageSize)
	sweepDue := s.Tick && (s.SinceSweep >= s.SweepEvery || s.Awaited && s.SinceSweep >= s.SweepSoon)
	if !s.Listing && (!s.Swept || s.Sweep || sweepDue || s.Tick && (pages == 1 || s.NoChanges)) {
		return Reads{Listing: true}
	}
	r := Reads{Changes: s.Tick && s.Swept && !s.NoChanges, Next: s.Tick && s.NoChanges && s.Listing}
	switch {
	case s.Hinted == 0:
	case s.Burst():
		// During a listing they wait for the next one.
		return Reads{Listing: !s.Listing, Changes: s.Listing && r.Changes, Next: r.Next}
	case s.Hinted == 1 || s.filters() >= s.Hinted:
		r.Singles = true
	default:
		r.Filters = true
	}
	return r
}

// Burst reports whether the hints alone are worth a full listing.
func (s Situation) Burst() bool { return s.filters() > pagesOf(s.Items, s.PageSize) }

// MostWithoutListing returns how many hints are just not a burst.
func (s Situation) MostWithoutListing() int {
	return pagesOf(s.Items, s.PageSize) * max(1, s.PerFilter)
}

// filters returns how many filtered listings the hinted numbers take.
func (s Situation) filters() int {
	perFilter := max(1, s.PerFilter)
	return (s.Hinted + perFilter - 1) / perFilter
}

// Sweeps are paced to cost at most sweepShare of a day's calls, and are at least
// shortestInterval apart: more often they would cost bandwidth without finding more. While
// hints wait for one, they are shortestAwaited apart.
const (
	sweepShare       = 0.2
	shortestInterval = 10 * time.Minute
	shortestAwaited  = time.Minute
)

// SweepInterval returns how often to sweep an agreement with that many items and dailyCalls a
// day: as often as a fifth of the calls allows, but at most every ten minutes (every minute
// while hints wait for it) and at least every longest.
func SweepInterval(items, pageSize, dailyCalls int, longest time.Duration) (usual, awaited time.Duration) {
	pages := pagesOf(items, pageSize)
	share := float64(dailyCalls) * sweepShare
	if share < 1 {
		return longest, longest
	}
	interval := time.Duration(float64(pages) / share * float64(24*time.Hour))
	return min(max(interval, shortestInterval), longest), min(max(interval, shortestAwaited), longest)
}

func pagesOf(items, pageSize int) int { return max(1, (items+pageSize-1)/pageSize) }
