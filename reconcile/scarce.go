package reconcile

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
)

// A shop's calls are limited, and anybody who knows its webhook address may hint at numbers.
// So hinted numbers are asked for alone in this order:
//
//	the hint                        is asked for
//	a person's                      always
//	of a number that is stored      while the day's calls for hints last; then it waits for a quarter of an hour at most
//	of one that is not              within a small allowance (source.PriorityUnknown); beyond it, it waits for the next listing
//	lagerd's own                    as if it were stored: a read has shown it
//
// If the source's answers cannot be understood, reads of single numbers are in vain: after a
// handful in a row the others wait for the next listing too.
//
// What waits is answered by the listings and change queries of ticks and sweeps, for which the
// budget has reserves.

// allowance decides which hinted numbers are asked for alone.
type allowance struct {
	*stock
	unknown map[string]struct{} // hinted numbers of this pass that are not stored
}

// known returns those of the hinted items that are stored. It stops once it has found more than
// enough.
func (s *allowance) known(ctx context.Context, enough int, lists ...iter.Seq[string]) (found map[string]struct{}, err error) {
	found = map[string]struct{}{}
	var numbers []string
	look := func() error {
		slices.Sort(numbers)
		some, err := s.Store.KnownItems(ctx, s.shop.StockDataset, numbers)
		maps.Copy(found, some)
		numbers = numbers[:0]
		return err
	}
	for _, hinted := range lists {
		for number := range hinted {
			if numbers = append(numbers, number); len(numbers) < knownAtOnce {
				continue
			}
			if err := look(); err != nil || len(found) > enough {
				return found, err
			}
		}
	}
	if len(numbers) > 0 {
		err = look()
	}
	return found, err
}

// knownAtOnce is how many numbers known looks up in one statement.
const knownAtOnce = 1000

// leaveToListing removes from list the hints that are to wait for the next listing, since more
// numbers that are not stored are hinted at than may be asked for alone, and notes which of
// the others are not stored.
func (s *allowance) leaveToListing(ctx context.Context, list inbox.Hints) (left inbox.Hints, err error) {
	s.unknown = nil
	if len(list) == 0 {
		return inbox.Hints{}, nil
	}
	if err := s.unread.fail(ctx, list, s.unread.hinted(list)); err != nil {
		return nil, err
	}
	known, err := s.known(ctx, len(list), maps.Keys(list))
	if err != nil {
		return nil, err
	}
	var unknown []string
	for number, h := range list {
		_, stored := known[number]
		_, seen := s.losses.guard.Suspects()[number] // it is there, and not stored yet
		if told := h.Cause == plan.CauseWebhook || h.Cause == plan.CauseInvoice; told && !stored && !seen {
			unknown = append(unknown, number)
		}
	}
	if len(unknown) == 0 {
		return inbox.Hints{}, nil
	}
	slices.SortFunc(unknown, func(a, b string) int {
		return cmp.Or(list[a].FirstAt.Compare(list[b].FirstAt), strings.Compare(a, b))
	})
	allowed := min(s.budget.Spare(source.PriorityUnknown), len(unknown))
	s.unknown = make(map[string]struct{}, allowed)
	for _, number := range unknown[:allowed] {
		s.unknown[number] = struct{}{}
	}
	left = make(inbox.Hints, len(unknown)-allowed)
	for _, number := range unknown[allowed:] {
		left[number] = list[number]
		delete(list, number)
	}
	return left, nil
}

// awaitListing postpones hints to the next listing, which it brings forward. They are looked at
// again after a while in any case.
func (s *allowance) awaitListing(ctx context.Context, left inbox.Hints) error {
	if len(left) == 0 {
		return nil
	}
	s.sweep.wanted = true
	s.log().WithField("hints", len(left)).Debug("hints wait for the next listing")
	return s.postponeAll(ctx, left, s.Now().Add(s.HeldRetry), plan.HintAwaitsListing, "")
}

// priorityOf returns the priority with which a hinted number is read.
func (s *allowance) priorityOf(hints inbox.Hints, number string) source.Priority {
	if hints[number].Cause == plan.CauseOperator {
		return source.PriorityPerson
	}
	if _, unknown := s.unknown[number]; unknown {
		return source.PriorityUnknown
	}
	return source.PriorityHint
}

// keptTo postpones the hints that a read has left if the budget ended it, which is no
// failure of the pass: ticks go on. A person who waits is told.
func (s *allowance) keptTo(ctx context.Context, requested bool, list inbox.Hints, err error) error {
	if stop, _ := s.by.stops(err, plan.ReadNumber, 0); stop != plan.StopDay || requested {
		return err
	}
	for _, h := range list {
		if h.Cause == plan.CauseOperator { // they are read first: not even one of these was allowed
			return err
		}
	}
	s.sweep.wanted = true
	wait := min(max(source.RetryAfter(err), time.Second), s.RetryMax)
	return s.postponeAll(ctx, list, s.Now().Add(wait), plan.HintShort, "")
}
