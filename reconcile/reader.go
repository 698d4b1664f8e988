package reconcile

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// reader reads hinted items by number.
type reader struct {
	*stock
	alone bool        // the source may hang on one of the numbers: read them one by one
	bad   int         // items in a row that could not be understood
	left  inbox.Hints // of this pass, since there were so many of those
}

// read reads hinted numbers, in at most `most` filtered listings of several each, or one by one
// if most is 0. A number that cannot be read is postponed with its error and does not block the
// others; when several in a row fail, it is not the numbers' fault.
func (s *reader) read(ctx context.Context, hints inbox.Hints, most int) error {
	ctx = source.Since(ctx, s.Now())
	numbers := make([]string, 0, len(hints))
	for number := range hints {
		numbers = append(numbers, number)
	}
	slices.SortFunc(numbers, func(a, b string) int {
		// A person's first, and those that are not stored last. Failed ones late: e-conomic may
		// hang on them.
		return cmp.Or(cmp.Compare(s.allowance.priorityOf(hints, b), s.allowance.priorityOf(hints, a)), cmp.Compare(hints[a].Failures, hints[b].Failures),
			hints[a].FirstAt.Compare(hints[b].FirstAt), strings.Compare(a, b))
	})
	s.bad, s.left = 0, inbox.Hints{}
	row := 0 // numbers without a usable answer
	together := most > 0 && !s.alone
	for filters := 0; len(numbers) > 0; {
		n := 1
		if together {
			stored := slices.IndexFunc(numbers, func(number string) bool { return s.allowance.priorityOf(hints, number) == source.PriorityUnknown })
			if stored < 0 {
				stored = len(numbers)
			}
			n = max(1, s.source.Together(numbers[:stored]))
		}
		if n > 1 {
			if filters++; filters > most {
				s.inbox.Reopen(plan.KindStock)
				s.hinted = true
				break
			}
			err := s.by.classify(ctx, s.together(ctx, hints, numbers[:n], &row))
			if err == nil {
				numbers = numbers[n:]
				continue
			}
			stop, again := s.by.stops(err, plan.ReadItems, 0)
			if stop != plan.StopNothing {
				s.alone = again == plan.AgainAlone
				return err
			}
			together = false
			continue
		}
		number := numbers[0]
		numbers = numbers[1:]
		if _, open := hints[number]; !open {
			continue
		}
		if err := s.oneOfMany(ctx, hints, number, &row); err != nil {
			return err
		}
	}
	s.alone = false
	return s.allowance.awaitListing(ctx, s.left)
}

// oneOfMany is one, unless a handful of others in a row could not be understood.
func (s *reader) oneOfMany(ctx context.Context, hints inbox.Hints, number string, row *int) error {
	if s.bad >= plan.UnreadAlone && s.allowance.priorityOf(hints, number) != source.PriorityPerson {
		s.left[number] = hints[number]
		return nil
	}
	return s.one(ctx, hints, number, row)
}

func (s *reader) together(ctx context.Context, hints inbox.Hints, numbers []string, row *int) error {
	outstanding := make(map[string]struct{}, len(numbers))
	for _, number := range numbers {
		outstanding[number] = struct{}{}
	}
	var observations []plan.Observation
	for page, err := range s.pages(ctx, s.allowance.priorityOf(hints, numbers[0]), "items", source.ItemsQuery{Numbers: numbers}) {
		if err == nil || plan.IsShort(err) { // items that did not come are read alone
			err = s.readSucceeded(ctx, "")
		}
		if err != nil {
			return err
		}
		for _, o := range page.Observed {
			// e-conomic ignores case: others may come too.
			if _, ok := outstanding[o.Item.Number]; ok {
				observations = append(observations, o)
				delete(outstanding, o.Item.Number)
			}
		}
	}
	if _, err := s.store(ctx, itemsBatch{observations: observations, hints: hints, cause: plan.CauseWebhook}, store.Applied{}); err != nil {
		return err
	}
	// An item that did not come may be gone, or could not be understood. Reading it alone tells
	// which.
	for _, number := range numbers {
		if _, missing := outstanding[number]; missing {
			if err := s.oneOfMany(ctx, hints, number, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// one reads one number; row is that of stopsForNumber.
func (s *reader) one(ctx context.Context, hints inbox.Hints, number string, row *int) error {
	o, err := s.source.Item(ctx, s.allowance.priorityOf(hints, number), number)
	if err != nil {
		if s.bad++; source.ClassOf(err) == plan.ClassNumber {
			s.unread.last.Alone(number, err)
		} else {
			s.bad = 0
		}
		return s.readFailed(ctx, hints, number, err, row)
	}
	*row, s.bad = 0, 0
	if err := s.readSucceeded(ctx, number); err != nil {
		return err
	}
	_, err = s.store(ctx, itemsBatch{observations: []plan.Observation{o}, hints: hints, cause: plan.CauseWebhook}, store.Applied{})
	return err
}
