package plan_test

import (
	"reflect"
	"testing"
	"time"

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

func TestLacking(t *testing.T) {
	t.Parallel()
	v := plan.Version{Token: 7, At: noon}
	former := row(item("a", "3"), plan.StateOK)
	former.Name, former.FirstSeenAt = "Bottle", noon.Add(-time.Hour)
	gone := plan.Row{Item: plan.Item{Number: "a", Name: "Bottle"}, State: plan.StateGone, Version: v, FirstSeenAt: former.FirstSeenAt, ChangedAt: noon}
	unknown := plan.Row{Item: plan.Item{Number: "a"}, State: plan.StateNoInventory, Version: v, FirstSeenAt: former.FirstSeenAt, ChangedAt: noon}
	for is, want := range map[bool]plan.Row{false: gone, true: unknown} {
		if got := plan.Lacking(former, is, v); !reflect.DeepEqual(got, want) {
			t.Errorf("unknown %t: %+v, expected %+v", is, got, want)
		}
	}
}
