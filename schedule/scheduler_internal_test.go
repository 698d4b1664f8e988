package schedule

import (
	"fmt"
	"strings"
	"testing"

	"lagerd/plan"
	"lagerd/source"
)

// TestShortOf: only what waits for the day's calls is told as that.
func TestShortOf(t *testing.T) {
	t.Parallel()
	for class, word := range map[plan.Class]string{plan.ClassDay: "the budget is short", plan.ClassPart: "e-conomic refuses"} {
		if got := shortOf(fmt.Errorf("read: %w", &source.Error{Class: class})); !strings.HasPrefix(got, word) {
			t.Errorf("%v is told as %q", class, got)
		}
	}
}
