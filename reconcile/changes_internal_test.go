package reconcile

import "testing"

// TestSkippedStays: once a change query became shorter between two pages, it may have left out an
// item, whatever its later pages say.
func TestSkippedStays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		announced []int
		skipped   bool
	}{{[]int{3, 3, 3}, false}, {[]int{3, 4, 4}, false}, {[]int{3, 3, 2}, true}, {[]int{3, 2, 2}, true}, {[]int{3, 2, 3}, true}} {
		var read changesRead
		for _, n := range c.announced {
			if err := read.add(itemsPage{Announced: n}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if read.skipped != c.skipped {
			t.Errorf("announced %v: skipped %t, expected %t", c.announced, read.skipped, c.skipped)
		}
	}
}
