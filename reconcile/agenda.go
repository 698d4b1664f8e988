package reconcile

import (
	"context"
	"iter"
	"maps"
	"slices"

	"lagerd/inbox"
	"lagerd/plan"
)

// agenda decides what a pass reads of the shop's stock.
type agenda struct{ *stock }

// stockWork is what a pass reads of the shop's stock.
type stockWork struct {
	plan.Reads
	hints   inbox.Hints // to be read by number
	backlog inbox.Backlog
	burst   bool // the hints alone are worth a listing
}

// filtersPerPass is how many filtered listings of hinted numbers a pass reads before the reads
// are planned again: by then there may be so many hints that a full listing costs less. A
// request is answered only once all have been read.
const filtersPerPass = 10

// filters returns the maximum number of filtered listings, 0 for none.
func (w stockWork) filters(due Due) int {
	switch {
	case w.Filters && due.Requested:
		return len(w.hints)
	case w.Filters:
		return filtersPerPass
	}
	return 0
}

// plan decides what to read. What unpack left of a burst stays in its batches if a listing
// follows and it names no more numbers than the shop has, with those that the caps admit;
// otherwise plan unpacks it. Only numbers that are stored are worth a listing of their own:
// anybody can invent the others.
func (a agenda) plan(ctx context.Context, due Due, list inbox.Hints) (w stockWork, err error) {
	w.hints = list
	if w.backlog, err = a.inbox.Backlog(ctx, int(a.progress.Items)+a.HintCaps.Unknown+a.HintCaps.Invoices); err != nil {
		return w, err
	}
	situation := a.situation(due, w.hints, w.backlog.Items())
	if situation.Burst() {
		known, err := a.allowance.known(ctx, situation.MostWithoutListing(), maps.Keys(w.hints), w.backlog.Items().Numbers())
		if err != nil {
			return w, err
		}
		situation.Hinted = len(known)
	}
	if !w.backlog.Empty() && (w.backlog.More() || !situation.Burst()) {
		if err = a.unpacker.unpack(ctx, true); err != nil {
			return w, err
		}
		if w.hints, err = a.load(ctx, due.Requested); err != nil {
			return w, err
		}
		w.backlog = inbox.Backlog{}
	}
	var left inbox.Hints
	if !situation.Burst() {
		if left, err = a.allowance.leaveToListing(ctx, w.hints); err != nil {
			return w, err
		}
		situation = a.situation(due, w.hints, nil)
	}
	w.Reads, w.burst = plan.PlanReads(situation), situation.Burst()
	if !w.Listing { // otherwise it answers them
		err = a.allowance.awaitListing(ctx, left)
	}
	if a.losses.holdBack() {
		// Nothing that a change query shows may be stored, so it is pointless.
		w.Changes = false
	}
	return w, err
}

// mostDue returns how many due hints are loaded at once: if there are more, those that are stored
// are worth a listing.
func (a agenda) mostDue(some inbox.Hints) int {
	return a.situation(Due{}, some, nil).MostWithoutListing() + a.HintCaps.Unknown + 1
}

func (a agenda) situation(due Due, list inbox.Hints, waiting *inbox.Open) plan.Situation {
	numbers := make([]string, 0, min(len(list)+waiting.Len(), fewHints))
	for _, hinted := range []iter.Seq[string]{maps.Keys(list), waiting.Numbers()} {
		for number := range hinted {
			if len(numbers) == cap(numbers) {
				break
			}
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers) // the first ones serve to estimate how many fit
	changes := a.source.Can().Changes
	every, awaited := plan.SweepInterval(int(a.progress.Items), a.PageSize, a.dailyCalls(), a.SweepEvery)
	return plan.Situation{
		Items: int(a.progress.Items), PageSize: a.PageSize, NoChanges: !changes,
		Swept:  !a.progress.SweptAt.IsZero() && (!a.progress.ItemsCursor.IsZero() || !changes),
		Hinted: len(list) + waiting.Len(), PerFilter: a.source.Together(numbers),
		Tick: due.Tick, Sweep: due.Sweep, Listing: a.sweep.listing != nil, SinceSweep: min(a.since(a.progress.SweptAt.Time), a.since(a.sweep.dryRunAt)),
		SweepEvery: every, Awaited: a.sweep.wanted || a.inbox.Marked(plan.KindStock), SweepSoon: awaited,
	}
}

// dueForListing reports whether stock held as unreadable is due for a try: a listing, as often
// as the sweeps' share of calls allows.
func (a agenda) dueForListing(requested bool) bool {
	_, soon := plan.SweepInterval(int(a.progress.Items), a.PageSize, a.dailyCalls(), a.SweepEvery)
	return a.triedAt.IsZero() || requested || a.since(a.triedAt) >= soon
}
