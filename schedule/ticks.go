package schedule

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"lagerd/reconcile"
)

const (
	// spread is the maximum time over which a tick is spread.
	spread = time.Minute
	// offsets is the number of different offsets.
	offsets = 600
	// takeover is the maximum time to take over a shop in an orderly way: after a reload, or
	// from a lagerd that stops.
	takeover = 5 * time.Second
)

// ParseSchedule parses the schedule of ticks: a cron expression of five fields in UTC, or
// @every with a duration. The latter means multiples of the duration in absolute time, so that
// a reload does not shift them.
func ParseSchedule(expression string) (cron.Schedule, error) {
	schedule, err := cron.ParseStandard(expression)
	if err != nil {
		return nil, fmt.Errorf("the tick's schedule %q: %w", expression, err)
	}
	if every, ok := schedule.(cron.ConstantDelaySchedule); ok {
		return multiples(every.Delay), nil
	}
	return schedule, nil
}

// multiples is a schedule of all multiples of a duration.
type multiples time.Duration

func (m multiples) Next(t time.Time) time.Time {
	return t.Truncate(time.Duration(m)).Add(time.Duration(m))
}

// offsetOf returns the shop's offset in a tick. It depends on the name alone, so that a shop's
// ticks are one period apart whichever lagerd runs them.
func offsetOf(shop string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(shop))
	return int(h.Sum64() % offsets)
}

// addOffset makes the shop part of the ticks. s.mu must be held.
func (s *Scheduler) addOffset(shop string) {
	m := offsetOf(shop)
	s.byOffset[m] = append(s.byOffset[m], shop)
}

func (s *Scheduler) removeOffset(shop string) {
	m := offsetOf(shop)
	if n := slices.Index(s.byOffset[m], shop); n >= 0 {
		s.byOffset[m] = slices.Delete(s.byOffset[m], n, n+1)
	}
}

// wall returns the wall clock time, without the monotonic reading: schedules follow the wall
// clock.
func (s *Scheduler) wall() time.Time { return s.now().Round(0).UTC() }

// latest returns the start of the latest tick that may still have offsets to come; zero: there
// is none.
func (s *Scheduler) latest(now time.Time) (began time.Time) {
	for next := s.o.Schedule.Next(now.Add(-spread)); !next.IsZero() && !next.After(now); next = s.o.Schedule.Next(next) {
		began = next
	}
	return began
}

// length returns the time over which the tick that began then is spread.
func (s *Scheduler) length(began time.Time) time.Duration {
	next := s.o.Schedule.Next(began)
	if next.IsZero() {
		return spread
	}
	return min(next.Sub(began), spread)
}

// missed reports whether the shop's offset passed while the shop was being taken over, so that
// nobody made it due.
func (s *Scheduler) missed(shop string) bool {
	if s.o.Schedule == nil {
		return false
	}
	now := s.wall()
	// The offset may also be that of the previous tick.
	for _, at := range []time.Time{now, now.Add(-takeover)} {
		if began := s.latest(at); !began.IsZero() {
			due := began.Add(s.length(began) * time.Duration(offsetOf(shop)) / offsets)
			if ago := now.Sub(due); ago >= 0 && ago < takeover {
				return true
			}
		}
	}
	return false
}

// runTicks makes the shops' ticks due until ctx is done. If it starts during a tick, it runs
// the rest of that tick: the first pass of the shops whose offset has passed comes from Take.
func (s *Scheduler) runTicks(ctx context.Context) {
	if s.o.Schedule == nil {
		return
	}
	s.ticking.works()
	defer s.ticking.waits()
	from, started := s.wall(), time.Now()
	began := s.latest(from)
	if !began.IsZero() {
		s.tick(ctx, began, from, true)
	}
	for {
		if began = s.awaitTick(ctx, began); began.IsZero() {
			return
		}
		if s.o.Ticked != nil {
			s.o.Ticked(s.now())
		}
		s.tick(ctx, began, began, time.Since(started) < takeover)
	}
}

// awaitTick waits for the tick after last and returns when it began; zero if ctx is done first.
// If several have passed, because the machine was asleep, it returns the latest.
func (s *Scheduler) awaitTick(ctx context.Context, last time.Time) time.Time {
	for ctx.Err() == nil {
		now := s.wall()
		setBack := last.Sub(now) > spread // the clock was set back
		if latest := s.latest(now); latest.After(last) || setBack && !latest.IsZero() {
			return latest
		}
		wait := spread // then it checks again: the clock may be set
		if next := s.o.Schedule.Next(now); !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		s.ticking.sleep(ctx, wait)
	}
	return time.Time{}
}

// tick makes the shops due whose offset is not before from, each at its offset. If there are
// few shops, all become due at the start of the tick. While shops are still being taken over,
// their number may grow.
func (s *Scheduler) tick(ctx context.Context, began, from time.Time, taking bool) {
	if _, few := s.shopsAt(0); few && !from.After(began) {
		if s.Tick(); !taking {
			return
		}
	}
	length := s.length(began)
	start := time.Now().Add(began.Sub(s.wall())) // from here on it does not matter if the clock is set
	for m := range offsets {
		at := length * time.Duration(m) / offsets
		if began.Add(at).Before(from) {
			continue
		}
		if s.ticking.sleep(ctx, time.Until(start.Add(at))); ctx.Err() != nil {
			return
		}
		names, few := s.shopsAt(m)
		switch {
		case !few || !taking:
			for _, name := range names {
				s.queue.add(name, reconcile.Due{Tick: true}, false)
			}
		case began.Add(at).Sub(from) > takeover:
			return
		}
	}
}

// shopsAt returns the shops with an offset, and whether there are so few shops in total that
// offsets are not used.
func (s *Scheduler) shopsAt(offset int) (names []string, few bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.byOffset[offset]), len(s.shops) <= s.o.Workers
}

// sleep waits for d, or until ctx is done.
func (l *loop) sleep(ctx context.Context, d time.Duration) {
	l.waits()
	defer l.works()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
