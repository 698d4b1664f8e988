package reconcile

import (
	"context"

	"lagerd/source"
	"lagerd/store"
)

// calls is the shop's part in the budget of calls of its agreement, or of the account that its
// stock is read from.
type calls struct {
	budget  source.StockBudget // nil: not known yet
	account int64              // whose it is; 0: not known yet, and the budget is the shop's own
}

// madeFor returns how many calls to e-conomic were made for the shop.
func madeFor(p store.Progress) source.Made {
	day, all, byCommands := p.CallsOf()
	return source.Made{Day: day, Calls: all - byCommands, Others: byCommands}
}

// stockMade returns how many calls to the stock's own source were made for the shop, or are about
// to be.
func stockMade(p store.Progress) source.Made {
	return source.Made{Day: p.StockCallsDay, Calls: int(p.StockCalls)}
}

// join joins the account's budget, or counts on from the stored calls. open returns the shop's part
// in it.
func (c *calls) join(account int64, made source.Made, open func(made source.Made, former source.StockBudget) source.StockBudget) {
	if c.budget != nil && c.account == account {
		c.budget.Restore(made)
		return
	}
	former := c.budget
	if former != nil {
		if own := former.Made(); own.Day > made.Day || own.Day == made.Day && own.Calls > made.Calls {
			made.Day, made.Calls = own.Day, own.Calls
		}
	}
	c.budget, c.account = open(made, former), account
	if former != nil {
		former.Close()
	}
}

// close ends the shop's part in the budget.
func (c *calls) close() {
	if c.budget != nil {
		c.budget.Close()
		c.budget = nil
	}
}

// shortOfCalls reports whether the calls of the day that hints may make are used up, as far as
// the budget is known.
func (c *calls) shortOfCalls() bool {
	return c.budget != nil && c.budget.Spent(source.PriorityHint)
}

// ShortOfCalls reports whether the calls of the day that hints may make are used up at either
// service that the shop is read from, as far as its budgets are known.
func (s *Shop) ShortOfCalls() bool { return s.calls.shortOfCalls() || s.stock.calls.shortOfCalls() }

// Calls returns the shop's calls of the day, as far as its budget is known.
func (c *calls) Calls() store.DayCalls {
	if c.budget == nil {
		return store.DayCalls{}
	}
	made := c.budget.Made()
	return store.DayCalls{CallsDay: made.Day, Calls: made.Calls}
}

// advance is the share of a day's calls that is stored before they are made: at most as many
// count as made, and are not, each time that lagerd starts anew.
const advance = 1000

// dailyCalls is how many calls a day the stock's source allows.
func (s *stock) dailyCalls() int {
	if s.by == s.identity {
		return s.DailyCalls
	}
	return s.RackbeatDailyCalls
}

// bookCalls stores, in advance, the shop's own calls to the stock's own source, which nothing else
// stores: what is booked is the account's.
func (s *stock) bookCalls(ctx context.Context) error {
	if s.by == s.identity {
		return nil
	}
	made, stored := s.budget.Made(), stockMade(s.progress)
	if made.Day == stored.Day && made.Calls < stored.Calls {
		return nil
	}
	calls := int64(made.Calls + s.dailyCalls()/advance)
	return s.apply(ctx, store.Applied{Progress: store.Patch{StockCallsDay: &made.Day, StockCalls: &calls}})
}
