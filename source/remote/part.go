package remote

import (
	"time"

	"lagerd/budget"
	"lagerd/source"
)

// Part is a shop's part in the budget of an account. A source's own source.StockBudget embeds it.
type Part struct {
	Number int64 // of the account; 0: not known yet, and the budget is the shop's own
	All    *budget.Budget
	By     *budget.Caller
}

// join returns a shop's part in the budget of the account with that number. made are the calls made
// before. former is the shop's part in its former budget, nil if it has none: what the service has
// said of another account's limits says nothing of this one's. known says that the budget is one of
// other shops too, whose token bucket is newer.
func join(all *budget.Budget, number int64, shop string, made source.Made, former *Part, known bool) Part {
	if former != nil && (former.Number == 0 || former.Number == number) {
		state := former.All.State()
		if known {
			state.BucketLimit = 0
		}
		if former.Number == 0 && number != 0 {
			all.Owe(state.Day, state.Calls)
		}
		state.Day = ""
		all.Restore(state)
	}
	return Part{number, all, all.Join(shop, made.Day, made.Calls)}
}

// Spare implements source.StockBudget.
func (p *Part) Spare(at source.Priority) int { return p.By.Spare(at) }

// Pause implements source.StockBudget.
func (p *Part) Pause(at source.Priority) time.Duration { return p.All.Pause(at) }

// Spent implements source.StockBudget.
func (p *Part) Spent(at source.Priority) bool { return p.By.Spent(at) }

// Made implements source.StockBudget.
func (p *Part) Made() source.Made {
	day, calls := p.By.Made()
	return source.Made{Day: day, Calls: calls}
}

// Restore implements source.StockBudget.
func (p *Part) Restore(made source.Made) {
	p.By.Count(made.Day, made.Calls)
	p.All.Restore(budget.State{Day: made.Day, Calls: made.Calls + made.Others})
}
