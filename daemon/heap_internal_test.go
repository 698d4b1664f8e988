package daemon

import (
	"testing"
	"time"
)

func TestCollectorPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live   uint64
		passed time.Duration
		want   int
	}{
		{0, 0, 200}, {1 << 20, 0, 200}, {6 << 20, 0, 200}, {8 << 20, 0, 150}, {12 << 20, 0, 100}, {16 << 20, 0, 70}, {32 << 20, 0, 40}, {1 << 40, 0, 40},
		{48 << 20, gcSeldom - 1, 40}, {48 << 20, gcSeldom, 20}, {64 << 20, time.Minute, 20}, {1 << 40, time.Minute, 20}, {12 << 20, time.Minute, 100},
	} {
		if got := collectorPercent(c.live, c.passed); got != c.want {
			t.Errorf("%d bytes in use, %s after the last collection: %d %%, expected %d", c.live, c.passed, got, c.want)
		}
	}
}
