package daemon

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWritesArePossible: a webhook's write, or a probe's, says for ten seconds that the next will
// succeed; a failed one says so until a probe succeeds.
func TestWritesArePossible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full, readOnly := errors.New("the disk is full"), errors.New("read-only")
		var looks, probes int
		var look, probe error
		var mu sync.Mutex // of looks, where there are many requests
		w := newWrites(func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			looks++
			return look
		}, func(context.Context) error { probes++; return probe })
		for n, step := range []struct {
			what   string
			do     func()
			want   error
			probes int // so far
		}{
			{"at first", func() {}, nil, 1},
			{"at once again", func() {}, nil, 1},
			{"nine seconds later", func() { time.Sleep(9 * time.Second) }, nil, 1},
			{"after ten", func() { time.Sleep(time.Second) }, nil, 2},
			{"after a webhook's write", func() { time.Sleep(9 * time.Second); w.recorded(nil); time.Sleep(9 * time.Second) }, nil, 2},
			{"read-only", func() { look = readOnly }, readOnly, 2},
			{"writable again", func() { look = nil }, nil, 2},
			{"after a webhook's write that failed", func() { w.recorded(full) }, nil, 3},
			{"the disk is full", func() { w.recorded(full); probe = full }, full, 4},
			{"it still is", func() {}, full, 5},
			{"a webhook fits in", func() { w.recorded(nil) }, nil, 5},
			{"and no other", func() { time.Sleep(goodFor) }, full, 6},
			{"there is space", func() { probe = nil }, nil, 7},
		} {
			step.do()
			if err := w.possible(t.Context()); !errors.Is(err, step.want) || step.want == nil && err != nil || probes != step.probes || looks != n+1 {
				t.Errorf("%s: %v after %d looks and %d probes, expected %v after %d and %d", step.what, err, looks, probes, step.want, n+1, step.probes)
			}
		}
		// Many requests at once make one probe. One that the database does not answer is told so.
		time.Sleep(goodFor)
		w.probe = func(ctx context.Context) error { probes++; <-ctx.Done(); return ctx.Err() }
		probes = 0
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := w.possible(ctx); err == nil || !strings.Contains(err.Error(), "does not answer, or its disk is full") {
			t.Errorf("a probe without an answer: %v", err)
		}
		w.probe = func(context.Context) error { probes++; time.Sleep(time.Second); return nil }
		probes = 0
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if err := w.possible(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if probes != 1 {
			t.Errorf("%d probes", probes)
		}
	})
}
