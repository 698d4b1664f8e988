package reconcile

import (
	"testing"
	"time"

	"lagerd/budget"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/source/remote"
	"lagerd/store"
)

// TestSpentCallsCountOn: reloading a shop forgets no calls, whoever made them, and neither does
// the next process. Only those of lagerd count as the shop's own.
func TestSpentCallsCountOn(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		stored store.Progress
		spent  int // by this worker, today; -1: it is new
		own    int
		all    int
	}{
		"a new worker":               {store.Progress{CallsDay: "2026-11-28", Calls: 7}, -1, 7, 7},
		"more than is stored":        {store.Progress{CallsDay: "2026-11-28", Calls: 7}, 9, 9, 9},
		"less than is stored":        {store.Progress{CallsDay: "2026-11-28", Calls: 7}, 3, 7, 7},
		"beside commands, anew":      {store.Progress{CallsDay: "2026-11-28", Calls: 7, CommandCallsDay: "2026-11-28", CommandCalls: 5}, -1, 7, 12},
		"beside commands":            {store.Progress{CallsDay: "2026-11-28", Calls: 7, CommandCallsDay: "2026-11-28", CommandCalls: 5}, 7, 7, 12},
		"stored yesterday":           {store.Progress{CallsDay: "2026-11-27", Calls: 700}, 9, 9, 9},
		"stored yesterday, and anew": {store.Progress{CallsDay: "2026-11-27", Calls: 700}, -1, 0, 0},
		"by commands yesterday":      {store.Progress{CommandCallsDay: "2026-11-27", CommandCalls: 700}, 9, 9, 9},
	} {
		// The first number that is too small for another call tells how many count.
		for limit, spent := range map[int]bool{c.all: true, c.all + 1: false} {
			if limit == 0 {
				continue
			}
			service := &economicsource.Service{Accounts: remote.Accounts{Budgets: budget.Options{DailyCalls: limit, Now: func() time.Time { return noon }}}}
			var w calls
			if c.spent >= 0 {
				w.budget = service.Budget("shop", 0, source.Made{Day: "2026-11-28", Calls: c.spent}, nil)
			}
			joinAgreement(&w, service, c.stored)
			if got := w.Calls(); got != (store.DayCalls{CallsDay: "2026-11-28", Calls: c.own}) || w.budget.Spent(source.PriorityPerson) != spent {
				t.Errorf("%s: of its own %+v, want %d; of %d they are all used: %t", name, got, c.own, limit, !spent)
			}
		}
	}
}

// TestBudgetOfTheAgreement: shops of an agreement share its budget as soon as its number is
// known, with the calls made before, and leave it for that of another one.
func TestBudgetOfTheAgreement(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	service := &economicsource.Service{Accounts: remote.Accounts{Budgets: budget.Options{DailyCalls: 10, Now: func() time.Time { return noon }}}}
	var a, b calls
	joins := func(w *calls, p store.Progress) { joinAgreement(w, service, p) }
	expect := func(step string, w *calls, own int, spent bool) {
		t.Helper()
		if got := w.Calls(); got.Calls != own || w.budget.Spent(source.PriorityPerson) != spent {
			t.Errorf("%s: %d calls are its own, expected %d; all are used: %t, expected %t", step, got.Calls, own, !spent, spent)
		}
	}
	if a.Calls() != (store.DayCalls{}) {
		t.Errorf("before anything is known: %+v", a.Calls())
	}
	joins(&a, store.Progress{CallsDay: "2026-11-28", Calls: 6})
	joins(&b, store.Progress{CallsDay: "2026-11-28", Calls: 4})
	expect("not known yet", &a, 6, false)
	joins(&a, store.Progress{CallsDay: "2026-11-28", Calls: 6, AgreementNumber: 7})
	expect("alone", &a, 6, false)
	joins(&b, store.Progress{CallsDay: "2026-11-28", Calls: 4, AgreementNumber: 7})
	expect("with the other", &b, 4, true)
	expect("the first, with the other", &a, 6, true)
	joins(&b, store.Progress{CallsDay: "2026-11-28", Calls: 3, AgreementNumber: 8})
	expect("at another agreement", &b, 4, false)
	b.close()
	if b.budget != nil || b.Calls() != (store.DayCalls{}) {
		t.Errorf("after its end: %+v", b.Calls())
	}
	b.close()
}

// joinAgreement joins the budget of the shop's agreement, as a Shop does.
func joinAgreement(w *calls, service source.Service, p store.Progress) {
	w.join(p.AgreementNumber, madeFor(p), func(made source.Made, former source.StockBudget) source.StockBudget {
		return service.Budget("shop", p.AgreementNumber, made, former)
	})
}
