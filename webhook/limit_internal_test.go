package webhook

import (
	"fmt"
	"testing"
	"time"
)

// TestLimits: each wrong call counts against the shop that it names and against where it comes from,
// whichever of the two has had enough; of those from a proxy, only the shop is known.
func TestLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		shop, remote string // of the next call, after 60 that named one shop from one address
		proxied      bool   // all of them
		want         bool
	}{
		"another shop from the same address":  {"another", "192.0.2.7", false, false},
		"the same shop from another address":  {"shop", "192.0.2.8", false, false},
		"another shop from another address":   {"another", "192.0.2.8", false, true},
		"another shop behind the same proxy":  {"another", "192.0.2.7", true, true},
		"the same shop behind the same proxy": {"shop", "192.0.2.7", true, false},
	} {
		l := newLimits()
		allowed := 0
		for range mostFrom {
			if l.allow("shop", "192.0.2.7", c.proxied, now) {
				allowed++
			}
		}
		if allowed != mostRefused {
			t.Errorf("%s: %d of %d calls were within the limit of their shop, expected %d", name, allowed, mostFrom, mostRefused)
		}
		if got := l.allow(c.shop, c.remote, c.proxied, now); got != c.want {
			t.Errorf("%s: allowed %t, expected %t", name, got, c.want)
		}
	}
	l := newLimits()
	allowed := 0
	for n := range 10 * mostFrom {
		if l.allow(fmt.Sprint("shop", n), "192.0.2.7", false, now) {
			allowed++
		}
	}
	if allowed != mostFrom {
		t.Errorf("%d calls that each name another shop were allowed from one address, expected %d", allowed, mostFrom)
	}
}
