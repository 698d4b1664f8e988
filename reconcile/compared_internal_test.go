package reconcile

import "testing"

// TestListsAgain: a second listing is read only if it takes fewer calls.
func TestListsAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		differing, pages int
		want             bool
	}{
		{0, 1, false}, {5, 1, false}, {6, 1, true}, {150, 1, true}, {50, 50, false}, {51, 50, true},
		{100_000, 199, true}, {100_000, 200, false}, // of those, only 200 are read alone
	} {
		if got := listsAgain(c.differing, c.pages); got != c.want {
			t.Errorf("%d differences, %d pages: %t", c.differing, c.pages, got)
		}
	}
}
