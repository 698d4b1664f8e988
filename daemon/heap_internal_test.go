package daemon

import "testing"

func TestCollectorPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 200}, {1 << 20, 200}, {6 << 20, 200}, {8 << 20, 150}, {12 << 20, 100}, {16 << 20, 70}, {32 << 20, 50}, {1 << 40, 50}} {
		if got := collectorPercent(c.live); got != c.want {
			t.Errorf("%d bytes in use: %d %%, expected %d", c.live, got, c.want)
		}
	}
}
