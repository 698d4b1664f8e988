package plan_test

import (
	"errors"
	"fmt"
	"testing"

	"lagerd/plan"
)

// TestComplete: a listing is short if it sends fewer than it announced, and more are no fault.
func TestComplete(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		announced, came int
		want            string // "": complete
	}{
		{0, 0, ""}, {3, 3, ""}, {3, 4, ""}, {3, 2, "announced 3 items and sent 2"}, {1, 0, "announced 1 items and sent 0"},
	} {
		err := plan.Complete("items", c.announced, c.came)
		if got := fmt.Sprint(err); c.want != "" && got != c.want || (err != nil) != (c.want != "") || plan.IsShort(err) != (c.want != "") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if !plan.IsShort(fmt.Errorf("e-conomic %w", plan.Complete("items", 2, 1))) || plan.IsShort(errors.New("announced 2 items and sent 1")) {
		t.Error("a short listing is told by its text")
	}
}

func TestClip(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text       string
		characters int
		want       string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"abc", 0, ""},
		{"æøå", 3, "æøå"}, {"æøåx", 3, "æøå"}, {"æøå", 2, "æø"},
	} {
		if got := plan.Clip(c.text, c.characters); got != c.want {
			t.Errorf("%q to %d: %q, expected %q", c.text, c.characters, got, c.want)
		}
	}
}
