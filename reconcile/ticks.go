package reconcile

import "time"

// A source without a change query is listed at each tick, over as many passes as that takes. Such
// a tick has read everything only when its listing has ended. That is when it is reported, and
// what was visible when it began is then stored.

// ticks are when the ticks began that listings cover; zero: none.
type ticks struct {
	running time.Time // covered by the running listing
	next    time.Time // by the one that follows it
	ended   time.Time // by the one that has ended in this pass
}

// begin notes that a listing begins in a pass, which is the tick that began at the given time if
// it is one.
func (t *ticks) begin(tick time.Time) {
	if t.running = tick; tick.IsZero() {
		t.running = t.next
	}
	t.next = time.Time{}
}

// end notes that the running listing has been stored in full.
func (t *ticks) end() { t.ended, t.running = t.running, time.Time{} }

// drop forgets a tick that has failed: no listing makes up for what else it did not read.
func (t *ticks) drop(tick time.Time) {
	for _, covered := range []*time.Time{&t.running, &t.next} {
		if covered.Equal(tick) {
			*covered = time.Time{}
		}
	}
}

// ticked returns when the tick began that comes to its end with this pass; zero if none does.
// failed reports that something that the pass was to read could not be read.
func (s *sweep) ticked(failed bool) time.Time {
	ended := s.ticks.ended
	s.ticks.ended = time.Time{}
	switch {
	case failed:
		s.ticks.drop(s.tick)
		return time.Time{}
	case !s.isCurrent():
		return time.Time{}
	case s.listsEachTick():
		return ended
	}
	return s.tick
}
