package store_test

import (
	"testing"
	"time"

	"lagerd/store"
)

func TestClock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		before := time.Now()
		at, ok, err := s.Clock(t.Context())
		must(t, err)
		if ok == s.Embedded() {
			t.Errorf("embedded %v, reports a clock: %v", s.Embedded(), ok)
		}
		if ok && (at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second))) {
			t.Errorf("the clock of a server on this machine is %s, expected about %s", at, before.UTC())
		}
	})
}
