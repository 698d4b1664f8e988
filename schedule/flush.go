package schedule

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"lagerd/store"
)

// tickMark is a tick to be written.
type tickMark struct {
	store.TickMark

	began time.Time
}

// without returns the marks of all shops but one.
func without(marks []tickMark, shop string) []tickMark {
	return slices.DeleteFunc(marks, func(m tickMark) bool { return m.Shop == shop })
}

// recordTick buffers a successful tick that began then, or if began is zero the calls of another
// one: while a part of the shop is held no tick is successful, and the other parts may go on for
// days.
func (s *Scheduler) recordTick(e *entry, began time.Time) {
	settings := e.shop.Settings()
	m := tickMark{store.TickMark{Shop: settings.Shop, Generation: settings.Generation, DayCalls: e.shop.Calls()}, began}
	s.mu.Lock()
	defer s.mu.Unlock()
	if began.IsZero() && e.savedCalls == m.DayCalls {
		return
	}
	e.savedCalls = m.DayCalls
	if len(s.pendingTicks)+len(s.pendingCalls) == 0 {
		s.pendingSince = s.now()
	}
	// MarkTicks and MarkCalls take the first of two marks of a shop, and FlushTicks writes
	// calls after ticks.
	s.pendingCalls = without(s.pendingCalls, m.Shop)
	if began.IsZero() {
		s.pendingCalls = append(s.pendingCalls, m)
		return
	}
	s.pendingTicks = append(without(s.pendingTicks, m.Shop), m)
}

// flushAfter limits how long a tick waits for others to be written with it.
const flushAfter = 2 * time.Second

// FlushTicks writes the ticks recorded since the last call, in a few statements for all shops
// together, once there are enough of them or one has waited long enough; with force, always.
func (s *Scheduler) FlushTicks(ctx context.Context, force bool) error {
	s.mu.Lock()
	marks, counts := s.pendingTicks, s.pendingCalls
	if len(marks)+len(counts) < store.MarksPerStatement && s.now().Sub(s.pendingSince) < flushAfter && !force {
		marks, counts = nil, nil
	} else {
		s.pendingTicks, s.pendingCalls = nil, nil
	}
	s.mu.Unlock()
	err := errors.Join(
		together(marks, func(marks []store.TickMark, from time.Time) error {
			return s.store.MarkTicks(ctx, s.o.Instance, marks, from)
		}),
		together(counts, func(counts []store.TickMark, _ time.Time) error { return s.store.MarkCalls(ctx, s.o.Instance, counts) }),
	)
	if err != nil {
		s.discardSaved(counts)
	}
	return err
}

// discardSaved makes the shops' next ticks be written even if they make no more calls, since it
// is unknown whether these were. Successful ticks are always written.
func (s *Scheduler) discardSaved(counts []tickMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range counts {
		if e := s.shops[m.Shop]; e != nil {
			e.savedCalls = store.DayCalls{}
		}
	}
}

// together calls write with marks of one day of which none began much later than the first, and
// with when that began. A tick that has taken long is among them, and has one of its own.
func together(marks []tickMark, write func(marks []store.TickMark, from time.Time) error) error {
	slices.SortStableFunc(marks, func(a, b tickMark) int {
		return cmp.Or(strings.Compare(a.CallsDay, b.CallsDay), a.began.Compare(b.began))
	})
	var errs []error
	for len(marks) > 0 {
		first := marks[0]
		n := slices.IndexFunc(marks, func(m tickMark) bool { return m.CallsDay != first.CallsDay || m.began.Sub(first.began) > 2*flushAfter })
		if n < 0 {
			n = len(marks)
		}
		batch := make([]store.TickMark, n)
		for i, m := range marks[:n] {
			batch[i] = m.TickMark
		}
		errs = append(errs, write(batch, first.began))
		marks = marks[n:]
	}
	return errors.Join(errs...)
}
