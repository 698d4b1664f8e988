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

// recordTick buffers a successful tick, or the calls of another one: while a part of the shop
// is held no tick is successful, and the other parts may go on for days.
func (s *Scheduler) recordTick(e *entry, began time.Time, good bool) {
	settings := e.shop.Settings()
	m := store.TickMark{Shop: settings.Shop, Generation: settings.Generation, DayCalls: e.shop.Calls()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !good && e.savedCalls == m.DayCalls {
		return
	}
	e.savedCalls = m.DayCalls
	if len(s.pendingTicks)+len(s.pendingCalls) == 0 {
		s.pendingSince = s.now()
	}
	// MarkTicks and MarkCalls take the first of two marks of a shop, and FlushTicks writes
	// calls after ticks.
	s.pendingCalls = without(s.pendingCalls, m.Shop)
	if !good {
		s.pendingCalls = append(s.pendingCalls, m)
		return
	}
	if len(s.pendingTicks) == 0 || began.Before(s.pendingFrom) {
		s.pendingFrom = began
	}
	s.pendingTicks = append(without(s.pendingTicks, m.Shop), m)
}

// flushAfter limits how long a tick waits for others to be written with it.
const flushAfter = 2 * time.Second

// FlushTicks writes the ticks recorded since the last call, in a few statements for all shops
// together, once there are enough of them or one has waited long enough; with force, always.
func (s *Scheduler) FlushTicks(ctx context.Context, force bool) error {
	s.mu.Lock()
	marks, counts, from := s.pendingTicks, s.pendingCalls, s.pendingFrom
	if len(marks)+len(counts) < store.MarksPerStatement && s.now().Sub(s.pendingSince) < flushAfter && !force {
		marks, counts = nil, nil
	} else {
		s.pendingTicks, s.pendingCalls = nil, nil
	}
	s.mu.Unlock()
	err := errors.Join(
		eachDay(marks, func(marks []store.TickMark) error { return s.store.MarkTicks(ctx, s.o.Instance, marks, from) }),
		eachDay(counts, func(counts []store.TickMark) error { return s.store.MarkCalls(ctx, s.o.Instance, counts) }),
	)
	if err != nil {
		s.discardSaved(counts)
	}
	return err
}

// discardSaved makes the shops' next ticks be written even if they make no more calls, since it
// is unknown whether these were. Successful ticks are always written.
func (s *Scheduler) discardSaved(counts []store.TickMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range counts {
		if e := s.shops[m.Shop]; e != nil {
			e.savedCalls = store.DayCalls{}
		}
	}
}

// eachDay calls write with the marks of each day.
func eachDay(marks []store.TickMark, write func(marks []store.TickMark) error) error {
	slices.SortStableFunc(marks, func(a, b store.TickMark) int { return strings.Compare(a.CallsDay, b.CallsDay) })
	var errs []error
	for len(marks) > 0 {
		n := slices.IndexFunc(marks, func(m store.TickMark) bool { return m.CallsDay != marks[0].CallsDay })
		if n < 0 {
			n = len(marks)
		}
		errs = append(errs, write(marks[:n]))
		marks = marks[n:]
	}
	return errors.Join(errs...)
}
