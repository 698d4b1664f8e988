package reconcile

import (
	"testing"

	"lagerd/economic"
)

// TestOwnCalls: what a lagerd writes are the calls that it made itself.
func TestOwnCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		others callsOfOthers
		budget economic.BudgetState
		want   int
	}{
		{callsOfOthers{}, economic.BudgetState{Day: "2026-11-28", Calls: 7}, 7},
		{callsOfOthers{"2026-11-28", 3}, economic.BudgetState{Day: "2026-11-28", Calls: 7}, 4},
		{callsOfOthers{"2026-11-28", 3}, economic.BudgetState{Day: "2026-11-29", Calls: 1}, 1},
	} {
		if got := c.others.own(c.budget); got != c.want {
			t.Errorf("%+v of %+v: %d, want %d", c.others, c.budget, got, c.want)
		}
	}
}
