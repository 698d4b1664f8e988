package reconcile

import (
	"context"
	"sync"
	"time"
)

// slots bound how many do something at once. What holds one for long because
// somebody else is slow must not hold up all others: a slot is waited for, and lent,
// for a bounded time.
type slots struct {
	taken chan struct{}
	wait  time.Duration // after which whoever waits goes on without a slot; 0: it does not
	lend  time.Duration // after which a slot is given on, done or not; 0: it is not
}

func newSlots(most int, wait, lend time.Duration) slots {
	return slots{taken: make(chan struct{}, most), wait: wait, lend: lend}
}

// take waits for a slot and returns what gives it back, which may be called more
// than once. The error is ctx's.
func (s slots) take(ctx context.Context) (give func(), err error) {
	var waited <-chan time.Time
	if s.wait > 0 {
		timer := time.NewTimer(s.wait)
		defer timer.Stop()
		waited = timer.C
	}
	select {
	case s.taken <- struct{}{}:
	case <-waited:
		return func() {}, nil
	case <-ctx.Done():
		return func() {}, ctx.Err()
	}
	free := sync.OnceFunc(func() { <-s.taken })
	if s.lend == 0 {
		return free, nil
	}
	over := time.AfterFunc(s.lend, free)
	return func() {
		over.Stop()
		free()
	}, nil
}
