package reconcile

import (
	"context"
	"sync"
	"time"
)

// slots limit concurrency. A slot held for long, because somebody else is slow, does not block
// everyone: after wait, acquire goes ahead without one.
type slots struct {
	taken chan struct{}
	wait  time.Duration
}

func newSlots(most int, wait time.Duration) slots {
	return slots{taken: make(chan struct{}, most), wait: wait}
}

// acquire waits for a slot and returns a function that releases it, which may be called more than
// once. The error is ctx's.
func (s slots) acquire(ctx context.Context) (release func(), err error) {
	waited := time.NewTimer(s.wait)
	defer waited.Stop()
	select {
	case s.taken <- struct{}{}:
		return sync.OnceFunc(func() { <-s.taken }), nil
	case <-waited.C:
		return func() {}, nil
	case <-ctx.Done():
		return func() {}, ctx.Err()
	}
}
