package schedule

import (
	"sync/atomic"
	"time"
)

// turnAtMost is how long a loop may take between two waits. It starts passes and makes ticks due;
// whatever takes long (e-conomic, the database) is waited for elsewhere.
const turnAtMost = 20 * time.Second

// loop watches over a loop of the scheduler: whether it comes back to its waiting. Waiting itself
// takes as long as there is nothing to do.
type loop struct {
	since atomic.Pointer[time.Time] // when it stopped waiting; nil: it waits, or does not run
}

func (l *loop) works() {
	now := time.Now()
	l.since.Store(&now)
}

func (l *loop) waits() { l.since.Store(nil) }

func (l *loop) hangs() bool {
	since := l.since.Load()
	return since != nil && time.Since(*since) > turnAtMost
}

// Hangs returns the loops, by what they do, that have not come back to their waiting for longer than
// they may take. That is an error in lagerd, which only a restart ends.
func (s *Scheduler) Hangs() (loops []string) {
	if s.starting.hangs() {
		loops = append(loops, "starting passes")
	}
	if s.ticking.hangs() {
		loops = append(loops, "making ticks due")
	}
	return loops
}
