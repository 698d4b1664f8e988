package limit_test

import (
	"fmt"
	"testing"
	"time"

	"lagerd/limit"
)

// TestLimiter: so many events at once, then as many as pass with time, for each key.
func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	l := limit.New(30, time.Minute)
	allowed := func(key string, calls int) (n int) {
		for range calls {
			if l.Allow(key, now) {
				n++
			}
		}
		return n
	}
	for _, step := range []struct {
		after         time.Duration
		calls, expect int
	}{
		{0, 29, 29}, {0, 5, 1}, {time.Second, 5, 0}, {time.Second, 5, 1}, {10 * time.Second, 100, 5}, {time.Hour, 100, 30}, {-time.Hour, 1, 0},
	} {
		now = now.Add(step.after)
		if got := allowed("shop1", step.calls); got != step.expect {
			t.Errorf("after %s: %d of %d calls are within the limit, expected %d", step.after, got, step.calls, step.expect)
		}
	}
	now = now.Add(24 * time.Hour)
	// Keys share buckets, but few do.
	clean := 0
	for n := range 100 {
		if allowed(fmt.Sprint("shop", n), 31) == 30 {
			clean++
		}
	}
	if clean < 90 {
		t.Errorf("%d of 100 keys have a limit of their own", clean)
	}
}

// TestNetwork: what one caller can come from counts as one address.
func TestNetwork(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "@": "@",
	} {
		if got := limit.Network(remote); got != want {
			t.Errorf("%s: %s, expected %s", remote, got, want)
		}
	}
}
