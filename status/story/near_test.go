package story_test

import (
	"testing"

	"lagerd/status/story"
)

func TestIsNear(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		asked, number string
		near          bool
	}{
		{"A-17", "A-17", false}, // it is the number
		{"a-17", "A-17", true},
		{"571527051", "0571527051", true},
		{"0571527051", "571527051", true},
		{"A-017", "A-17", true},
		{"A-107", "A-17", false},
		{"A-170", "A-17", false},
		{"00", "0", true},
		{"0", "000", true},
		{"0", "1", false},
		{" A-17 ", "A-17", true},
		{"A 17", "A17", true},
		{"A\u00a017", "A17", true},
		{"A\u200b17", "A17", true},
		{"A_17", "A-17", true},
		{"A_17", "A 17", true},
		{"A_17", "A--17", false},
		{"A-17", "A_17", true},
		{"a_017", "A-17", true},
		{"ÆBLE", "æble", true},
		{"A-17", "A-18", false},
		{"A-17", "A17", false},
		{"", " ", true},
		{"A%", "A-17", false},
	} {
		if got := story.IsNear(c.asked, c.number); got != c.near {
			t.Errorf("%q for %q: %t, expected %t", c.asked, c.number, got, c.near)
		}
	}
}
