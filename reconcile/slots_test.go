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
		name       string
		wait, lend time.Duration
		held       time.Duration // by each
		last       time.Duration // when the fifth of five gets one of two slots
	}{
		{"given back", 0, 0, time.Minute, 2 * time.Minute},
		{"waited for long enough", 10 * time.Second, 0, time.Minute, 10 * time.Second},
		{"lent for long enough", 0, 15 * time.Second, time.Minute, 30 * time.Second},
		{"given back before that", 0, 15 * time.Second, time.Second, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, began := newSlots(2, c.wait, c.lend), time.Now()
				taken := make(chan time.Duration, 5)
				for range cap(taken) {
					go func() {
						give, err := s.take(t.Context())
						if err != nil {
							t.Error(err)
						}
						taken <- time.Since(began)
						time.Sleep(c.held)
						give()
						give()
					}()
				}
				var last time.Duration
				for range cap(taken) {
					last = max(last, <-taken)
				}
				if last != c.last {
					t.Errorf("the last gets one after %s, expected %s", last, c.last)
				}
				time.Sleep(2 * c.held)
				synctest.Wait()
				if n := len(s.taken); n != 0 {
					t.Errorf("%d are taken when all have been given back", n)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(1, 0, 0)
		if _, err := s.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if give, err := s.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("took a second one of one: %v", err)
		} else {
			give()
		}
		if len(s.taken) != 1 {
			t.Error("who has got none gave one back")
		}
	})
}
