package economic

import (
	"testing"
	"time"

	"lagerd/economic"
	"lagerd/source"
)

// TestPriorities: each priority has the share of the day's calls that the client keeps for
// it: 80 % for sweeps, 95 % for ticks, all of them for invoices and hints.
func TestPriorities(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	s := &Service{Budgets: economic.BudgetOptions{DailyCalls: 100, Now: func() time.Time { return noon }}}
	for most, p := range map[int]source.Priority{80: source.PrioritySweep, 95: source.PriorityTick, 100: source.PriorityInvoice} {
		for _, q := range []source.Priority{p, source.PriorityHint} {
			for made, spent := range map[int]bool{most - 1: false, most: q == p || most == 100} {
				if got := s.Budget(source.BudgetState{Day: "2026-11-28", Calls: made}).Spent(q); got != spent {
					t.Errorf("priority %d after %d of 100 calls: spent %t, expected %t", q, made, got, spent)
				}
			}
		}
	}
}
