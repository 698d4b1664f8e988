package reconcile

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlots(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wait time.Duration
		last time.Duration // when the last of five goes on that hold one of two slots for a minute
	}{
		{"given back", time.Hour, 2 * time.Minute},
		{"waited for long enough", 10 * time.Second, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, began := newSlots(2, c.wait), time.Now()
				taken := make(chan time.Duration, 5)
				for range cap(taken) {
					go func() {
						give, err := s.acquire(t.Context())
						if err != nil {
							t.Error(err)
						}
						taken <- time.Since(began)
						time.Sleep(time.Minute)
						give()
						give()
					}()
				}
				var last time.Duration
				for range cap(taken) {
					last = max(last, <-taken)
				}
				if last != c.last {
					t.Errorf("the last goes on after %s, expected %s", last, c.last)
				}
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if n := len(s.taken); n != 0 {
					t.Errorf("%d are taken when all have been given back", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, time.Hour)
		if _, err := s.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if give, err := s.acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took a second one of one: %v", err)
		} else {
			give()
		}
		if len(s.taken) != 1 {
			t.Error("who has got none gave one back")
		}
	})
}
