package cli

import (
	"fmt"
	"strings"
	"testing"

	"lagerd/rackbeat"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	many := make([]rackbeat.Place, 25)
	for i := range many {
		many[i] = rackbeat.Place{Number: fmt.Sprint(i + 1)}
	}
	for _, c := range []struct {
		all        []rackbeat.Place
		tree, list string
	}{
		{nil, "none\n", "none"},
		{[]rackbeat.Place{{Number: "11", Name: "Reol\x1b", Parent: "1"}, {Number: "4"}, {Number: "1", Name: "Lager"}, {Number: "111", Parent: "11"}, {Number: "12", Parent: "1"}},
			"PLACE    NAME        CHOSEN\n4        -           -\n1        Lager       chosen\n  11     Reol\\u001b  -\n    111  -           -\n  12     -           -\n", "4, 1 (11 (111), 12)"},
		{[]rackbeat.Place{{Number: "1"}, {Number: "11", Parent: "1"}, {Number: "111", Parent: "11"}, {Number: "4"}}, "PLACE    NAME  CHOSEN\n1        -     chosen\n  11     -     -\n    111  -     -\n4        -     -\n", "1 (11 (111)), 4"},
		{many, "", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 and 5 more"},
	} {
		var out strings.Builder
		if err := writePlaces(&out, nested(c.all, []string{"1"}), 40); err != nil || len(c.all) < 25 && out.String() != c.tree {
			t.Errorf("%v: %v, got %q, want %q", c.all, err, out.String(), c.tree)
		}
		if got := placeList(c.all); got != c.list {
			t.Errorf("%v: got %s, want %s", c.all, got, c.list)
		}
	}
}
