package schedule

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"lagerd/store"
)

// without returns the marks of all shops but one.
func without(marks []store.TickMark, shop string) []store.TickMark {
	return slices.DeleteFunc(marks, func(m store.TickMark) bool { return m.Shop == shop })
}

// mark has a good tick noted, or the calls of one that was not: none is while a part of
// the shop is held, and the others may go on for days.
func (s *Scheduler) mark(e *entry, began time.Time, good bool) {
	settings := e.shop.Settings()
	m := store.TickMark{Shop: settings.Shop, Generation: settings.Generation, DayCalls: e.shop.Calls()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !good && e.counted == m.DayCalls {
		return
	}
	e.counted = m.DayCalls
	if len(s.marks)+len(s.counts) == 0 {
		s.markedAt = s.now()
	}
	// Of two of one kind the statement takes the first, and counts are noted after marks.
	s.counts = without(s.counts, m.Shop)
	if !good {
		s.counts = append(s.counts, m)
		return
	}
	if len(s.marks) == 0 || began.Before(s.marksFrom) {
		s.marksFrom = began
	}
	s.marks = append(without(s.marks, m.Shop), m)
}

// marksWait is how long a tick may wait for others to be noted with it.
const marksWait = 2 * time.Second

// FlushTicks notes the ticks since the last call in the database, in a few
// statements for all shops together, when there are enough of them or one has
// waited for long. At once, it notes them anyway.
func (s *Scheduler) FlushTicks(ctx context.Context, atOnce bool) error {
	s.mu.Lock()
	marks, counts, from := s.marks, s.counts, s.marksFrom
	if len(marks)+len(counts) < store.MarksPerStatement && s.now().Sub(s.markedAt) < marksWait && !atOnce {
		marks, counts = nil, nil
	} else {
		s.marks, s.counts = nil, nil
	}
	s.mu.Unlock()
	err := errors.Join(
		eachDay(marks, func(marks []store.TickMark) error { return s.store.MarkTicks(ctx, s.o.Instance, marks, from) }),
		eachDay(counts, func(counts []store.TickMark) error { return s.store.MarkCalls(ctx, s.o.Instance, counts) }),
	)
	if err != nil {
		s.uncount(counts)
	}
	return err
}

// uncount has the shops' next ticks noted although they make no more calls: what was to
// be noted may not have been. A good tick always is.
func (s *Scheduler) uncount(counts []store.TickMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range counts {
		if e := s.shops[m.Shop]; e != nil {
			e.counted = store.DayCalls{}
		}
	}
}

// eachDay calls note with the marks of each day.
func eachDay(marks []store.TickMark, note func(marks []store.TickMark) error) error {
	slices.SortStableFunc(marks, func(a, b store.TickMark) int { return strings.Compare(a.CallsDay, b.CallsDay) })
	var errs []error
	for len(marks) > 0 {
		n := slices.IndexFunc(marks, func(m store.TickMark) bool { return m.CallsDay != marks[0].CallsDay })
		if n < 0 {
			n = len(marks)
		}
		errs = append(errs, note(marks[:n]))
		marks = marks[n:]
	}
	return errors.Join(errs...)
}
