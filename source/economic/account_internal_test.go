package economic

import (
	"testing"
	"time"

	"lagerd/budget"
	"lagerd/source"
	"lagerd/source/remote"
)

// TestPriorities: each priority has the share of the day's calls that the client keeps for it.
func TestPriorities(t *testing.T) {
	t.Parallel()
	late := time.Date(2026, 11, 28, 23, 0, 0, 0, time.UTC) // 120 calls are kept for ticks
	s := &Service{Accounts: remote.Accounts{Budgets: budget.Options{DailyCalls: 10_000, Now: func() time.Time { return late }}}}
	for p, most := range map[source.Priority]int{source.PrioritySweep: 8000, source.PriorityPDF: 8339, source.PriorityUnknown: 8339, source.PriorityHint: 8339,
		source.PriorityInvoice: 9380, source.PriorityTick: 9500, source.PriorityPerson: 10_000} {
		for made, spent := range map[int]bool{most - 1: false, most: true} {
			if got := s.Budget("shop", 0, source.Made{Day: "2026-11-28", Calls: made}, nil).Spent(p); got != spent {
				t.Errorf("priority %d after %d calls: spent %t, expected %t", p, made, got, spent)
			}
		}
	}
	for p, spare := range map[source.Priority]int{source.PriorityUnknown: 5, source.PriorityPDF: 83, source.PriorityHint: 8339, source.PriorityInvoice: 9380} {
		if got := s.Budget("shop", 0, source.Made{}, nil).Spare(p); got != spare {
			t.Errorf("priority %d has %d calls to spare, expected %d", p, got, spare)
		}
	}
}
