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
	// spread is the longest time over which the shops' moments in a tick are spread.
	spread = time.Minute
	// moments is how many different moments there are.
	moments = 600
	// takeover is how long it takes at most to take over a shop that was not lost by
	// a failure: by a reload, or from a lagerd that stops.
	takeover = 5 * time.Second
)

// ParseSchedule reads the schedule of ticks: a cron expression of five fields in UTC, or
// @every with a duration. Ticks of the latter begin at multiples of the duration, counted
// on the calendar, so that a reload does not move them.
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

// momentOf returns which of the moments of a tick is the shop's. It follows from the name
// alone, so that a shop's ticks are one period apart whoever makes them.
func momentOf(shop string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(shop))
	return int(h.Sum64() % moments)
}

// addMoment has the shop's ticks made. s.mu is held.
func (s *Scheduler) addMoment(shop string) {
	m := momentOf(shop)
	s.moments[m] = append(s.moments[m], shop)
}

func (s *Scheduler) removeMoment(shop string) {
	m := momentOf(shop)
	if n := slices.Index(s.moments[m], shop); n >= 0 {
		s.moments[m] = slices.Delete(s.moments[m], n, n+1)
	}
}

// wall returns the time by the wall clock alone, which schedules are about.
func (s *Scheduler) wall() time.Time { return s.now().Round(0).UTC() }

// latest returns when the latest tick began whose moments may not all have come; zero:
// there is none.
func (s *Scheduler) latest(now time.Time) (began time.Time) {
	for next := s.o.Schedule.Next(now.Add(-spread)); !next.IsZero() && !next.After(now); next = s.o.Schedule.Next(next) {
		began = next
	}
	return began
}

// length returns over how long a tick's moments are spread.
func (s *Scheduler) length(began time.Time) time.Duration {
	next := s.o.Schedule.Next(began)
	if next.IsZero() {
		return spread
	}
	return min(next.Sub(began), spread)
}

// missed reports whether the shop's moment has passed while it was taken over, so that
// nobody has made it due.
func (s *Scheduler) missed(shop string) bool {
	if s.o.Schedule == nil {
		return false
	}
	now := s.wall()
	// Its moment may be one of the tick before, too.
	for _, at := range []time.Time{now, now.Add(-takeover)} {
		if began := s.latest(at); !began.IsZero() {
			moment := began.Add(s.length(began) * time.Duration(momentOf(shop)) / moments)
			if ago := now.Sub(moment); ago >= 0 && ago < takeover {
				return true
			}
		}
	}
	return false
}

// runTicks makes the shops' ticks due until ctx is done. Of a tick that is under way when
// it begins it makes what is left: the shops whose moment has passed get their first
// pass as those that are taken do.
func (s *Scheduler) runTicks(ctx context.Context) {
	if s.o.Schedule == nil {
		return
	}
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

// awaitTick waits for the tick after the last one and returns when it began: zero, if ctx
// is done before. Where several have come meanwhile, since the machine was asleep, it
// is the latest of them.
func (s *Scheduler) awaitTick(ctx context.Context, last time.Time) time.Time {
	for ctx.Err() == nil {
		now := s.wall()
		setBack := last.Sub(now) > spread // the clock was
		if latest := s.latest(now); latest.After(last) || setBack && !latest.IsZero() {
			return latest
		}
		wait := spread // then it looks again: the clock may be set
		if next := s.o.Schedule.Next(now); !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		sleep(ctx, wait)
	}
	return time.Time{}
}

// tick makes the shops due whose moments in the tick are not before from, each at its
// moment. Of few shops all are due when the tick begins. Where the shops are being taken
// over, there may be more in a while.
func (s *Scheduler) tick(ctx context.Context, began, from time.Time, taking bool) {
	if _, few := s.shopsAt(0); few && !from.After(began) {
		if s.Tick(); !taking {
			return
		}
	}
	length := s.length(began)
	start := time.Now().Add(began.Sub(s.wall())) // from here on the clock may be set
	for m := range moments {
		at := length * time.Duration(m) / moments
		if began.Add(at).Before(from) {
			continue
		}
		if sleep(ctx, time.Until(start.Add(at))); ctx.Err() != nil {
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

// shopsAt returns the shops with a moment, and whether there are so few shops altogether
// that they need none.
func (s *Scheduler) shopsAt(moment int) (names []string, few bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.moments[moment]), len(s.shops) <= s.o.Workers
}

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
