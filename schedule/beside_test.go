package schedule

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/reconcile"
)

// answered is a call that takes a while.
func answered(after time.Duration, ended *atomic.Int64) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-time.After(after):
		case <-ctx.Done():
		}
		ended.Add(1)
	}
}

// TestBeside: a call beside the passes delays none of them, its shop is due when it has ended, even
// if the pass failed, and it ends with the lease.
func TestBeside(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"a pass": nil, "a failed pass": errors.New("oops")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newScripted(t)
				e := w.take("shop1")
				var ended atomic.Int64
				report := reconcile.Report{Beside: &reconcile.Beside{Calls: []func(context.Context){answered(10*time.Second, &ended), answered(time.Hour, &ended)}}}
				w.pass = func(reconcile.Due) (reconcile.Report, error) { return report, failure }
				w.queue.add("shop1", work, true)
				w.run()
				report.Beside, failure = nil, nil
				w.queue.forget("shop1") // the retry of the failed one
				w.queue.add("shop1", tick, true)
				w.run()
				if ended.Load() != 0 {
					t.Error("a pass has waited for what is asked beside it")
				}
				if next := w.upcoming(); next != "work after 10s" || ended.Load() != 1 {
					t.Errorf("next: %s, %d have ended", next, ended.Load())
				}
				w.Drop("shop1")
				if ended.Load() != 2 || w.closed != 1 {
					t.Errorf("%d calls have ended with the lease, and the shop was closed %d times", ended.Load(), w.closed)
				}
				if next := w.upcoming(); next != "nothing" || e.beside.ctx.Err() == nil {
					t.Errorf("then: %s", next)
				}
			})
		})
	}
}

// TestBesideAtOnce: so many calls beside the passes are made at once; the others wait, and end with
// their leases like them.
func TestBesideAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newScripted(t)
		w.take("shop1")
		var begun atomic.Int64
		calls := &reconcile.Beside{}
		for range asksAtOnce + 1 {
			calls.Calls = append(calls.Calls, func(ctx context.Context) {
				if begun.Add(1); ctx.Err() == nil {
					<-ctx.Done()
				}
			})
		}
		w.pass = func(reconcile.Due) (reconcile.Report, error) { return reconcile.Report{Beside: calls}, nil }
		w.queue.add("shop1", work, true)
		w.run()
		synctest.Wait()
		if begun.Load() != asksAtOnce {
			t.Errorf("%d are made at once", begun.Load())
		}
		w.Drop("shop1")
		if begun.Load() != asksAtOnce+1 {
			t.Errorf("%d of %d have ended", begun.Load(), asksAtOnce+1)
		}
	})
}
