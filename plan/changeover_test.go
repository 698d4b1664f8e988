package plan_test

import (
	"testing"

	"lagerd/plan"
)

// TestChangeOver is the table of ChangeOver's comment.
func TestChangeOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   plan.ChangeOverInput
		want plan.ChangeOverStep
	}{
		{plan.ChangeOverInput{}, plan.ChangeOverList},
		{plan.ChangeOverInput{Listings: 1}, plan.ChangeOverList},
		{plan.ChangeOverInput{Listings: 1, Suspects: 3}, plan.ChangeOverList},
		{plan.ChangeOverInput{Listings: 2, Suspects: 1}, plan.ChangeOverWait},
		{plan.ChangeOverInput{Listings: 3, Suspects: 9}, plan.ChangeOverWait},
		{plan.ChangeOverInput{Listings: 4, Suspects: 1}, plan.ChangeOverJudge},
		{plan.ChangeOverInput{Listings: 2}, plan.ChangeOverJudge},
		{plan.ChangeOverInput{Listings: 7}, plan.ChangeOverJudge},
	} {
		if got := plan.ChangeOver(c.in); got != c.want {
			t.Errorf("%+v: %s, expected %s", c.in, got, c.want)
		}
	}
}
