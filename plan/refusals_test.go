package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"lagerd/plan"
)

// TestStreak: refused is counted "a", refused before "(a)", read "+a", a listing "+".
func TestStreak(t *testing.T) {
	t.Parallel()
	for steps, want := range map[string]int{
		"a":              1,
		"a b c":          3,
		"a a a a":        1, // one number for ever
		"a b a b a b":    2, // two for ever
		"a b + c":        1,
		"a b +x c":       1,
		"(a) (b) (c)":    0, // refused before, and a new lagerd
		"(a) b (c) d":    2,
		"a b c +a b c":   0, // known ones do not count, whoever is read between
		"a +a a":         1, // it was good in between
		"a b (x) c":      3, // one that was refused before ends no row
		"a b +b +a a b":  2,
		"a b c d +d a b": 0,
	} {
		t.Run(steps, func(t *testing.T) {
			t.Parallel()
			var r plan.Streak
			got := 0
			for step := range strings.FieldsSeq(steps) {
				switch step[0] {
				case '+':
					r.Read(step[1:])
					got = 0
				case '(':
					got = r.Refused(step[1:2], true)
				default:
					got = r.Refused(step, false)
				}
			}
			if got != want {
				t.Errorf("%d in a row, expected %d", got, want)
			}
		})
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		newest []int
		want   []int
	}{
		{nil, nil},
		{[]int{9}, []int{9}},
		{[]int{-9}, []int{-9}}, // refused before, and the only one
		{[]int{9, 8, 7, 6}, []int{9, 8, 7}},
		{[]int{-9, -8, -7, 6, 5, 4}, []int{-9, 6, 5}}, // a good one behind those that never are
		{[]int{-9, -8, -7}, []int{-9}},
		{[]int{9, -8, 7, -6, 5}, []int{9, 7, 5}},
	} {
		if got := plan.Probes(c.newest, func(n int) bool { return n < 0 }); !slices.Equal(got, c.want) {
			t.Errorf("of %v: %v, expected %v", c.newest, got, c.want)
		}
	}
}

func TestStreakForgets(t *testing.T) {
	t.Parallel()
	var none *plan.Streak
	if none.Read("x"); none.Known("x") {
		t.Error("a streak that nobody has begun knows a number")
	}
	var r plan.Streak
	for n := range 100_000 {
		r.Refused(fmt.Sprint(n), true)
	}
	if r.Known("0") || !r.Known("99999") {
		t.Error("it remembers the first of many numbers, or not the last one")
	}
	if got := r.Refused("x", false); got != 1 {
		t.Errorf("%d in a row, expected 1", got)
	}
}
