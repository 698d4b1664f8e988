package rest

import (
	"slices"
	"testing"
)

// TestLarger: a body grows in steps that cost little, at once to what the pages before it needed, and
// does not need a larger place than its bytes do.
func TestLarger(t *testing.T) {
	t.Parallel()
	const kib, mib, unknown = 1 << 10, 1 << 20, -1
	for _, c := range []struct {
		name                string
		most, length, usual int64
		bytes               int64 // that come
		steps               []int64
	}{
		{"one item", 2 * mib, unknown, 0, 300, []int64{kib}},
		{"one item, whatever is usual", 2 * mib, unknown, 600 * kib, 3000, []int64{kib, 4 * kib}},
		{"the first page", 32 * mib, unknown, 0, 550 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib}},
		{"another page", 32 * mib, unknown, 560 * kib, 550 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 630 * kib}},
		{"a longer one", 32 * mib, unknown, 80 * kib, 550 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 90 * kib, 360 * kib, mib}},
		{"of nearly a MiB", 32 * mib, unknown, 1000 * kib, 1020 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, mib}},
		{"a large answer", 32 * mib, unknown, 560 * kib, 20 * mib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 630 * kib, mib, 4 * mib, 12 * mib, 32*mib + 1}},
		{"announced", 32 * mib, 100 * kib, 560 * kib, 100 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 100*kib + 1}},
		{"more than announced", 2 * mib, 10, 0, 100, []int64{11, kib}},
		{"more than is allowed", 80 * kib, unknown, 560 * kib, 90 * kib, []int64{kib, 4 * kib, 16 * kib, 64 * kib, 80*kib + 1}},
	} {
		b := bodyReader{in: Limits{Most: c.most}, length: c.length, usual: c.usual}
		var steps []int64
		for is := int64(0); is <= min(c.bytes, c.most); {
			is = b.larger(is)
			steps = append(steps, is)
		}
		if !slices.Equal(steps, c.steps) {
			t.Errorf("%s: it grows to %d, expected %d", c.name, steps, c.steps)
		}
	}
}
