package reconcile

import (
	"testing"
	"time"

	"lagerd/economic"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/store"
)

// TestOwnCalls: a lagerd stores only the calls that it made itself.
func TestOwnCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		others commandCalls
		budget source.BudgetState
		want   int
	}{
		{commandCalls{}, source.BudgetState{Day: "2026-11-28", Calls: 7}, 7},
		{commandCalls{"2026-11-28", 3}, source.BudgetState{Day: "2026-11-28", Calls: 7}, 4},
		{commandCalls{"2026-11-28", 3}, source.BudgetState{Day: "2026-11-29", Calls: 1}, 1},
	} {
		if got := c.others.own(c.budget); got != c.want {
			t.Errorf("%+v of %+v: %d, want %d", c.others, c.budget, got, c.want)
		}
	}
}

// TestSpentCallsCountOn: reloading a shop forgets neither the calls spent nor how long
// e-conomic said to wait.
func TestSpentCallsCountOn(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		stored store.Progress
		spent  int // by this worker, today; -1: it is new
		want   int
	}{
		"a new worker":               {store.Progress{CallsDay: "2026-11-28", Calls: 7}, -1, 7},
		"more than is stored":        {store.Progress{CallsDay: "2026-11-28", Calls: 7}, 9, 9},
		"less than is stored":        {store.Progress{CallsDay: "2026-11-28", Calls: 7}, 3, 7},
		"beside commands":            {store.Progress{CallsDay: "2026-11-28", Calls: 7, CommandCallsDay: "2026-11-28", CommandCalls: 5}, 9, 14},
		"stored yesterday":           {store.Progress{CallsDay: "2026-11-27", Calls: 700}, 9, 9},
		"stored yesterday, and anew": {store.Progress{CallsDay: "2026-11-27", Calls: 700}, -1, 0},
		"by commands yesterday":      {store.Progress{CommandCallsDay: "2026-11-27", CommandCalls: 700}, 9, 9},
	} {
		service := &economicsource.Service{Budgets: economic.BudgetOptions{DailyCalls: 1000, Now: func() time.Time { return noon }}}
		var w calls
		if c.spent >= 0 {
			w.budget = service.Budget(source.BudgetState{Day: "2026-11-28", Calls: c.spent, BlockedUntil: noon.Add(time.Minute)})
		}
		w.load(service, c.stored)
		if got := w.budget.State(); got.Calls != c.want || got.BlockedUntil.IsZero() != (c.spent < 0) {
			t.Errorf("%s: %+v, want %d calls", name, got, c.want)
		}
	}
}
