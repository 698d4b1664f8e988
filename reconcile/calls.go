package reconcile

import (
	"lagerd/source"
	"lagerd/store"
)

// calls counts the shop's calls to the source per day.
type calls struct {
	budget   source.Budget // nil: not known yet
	commands commandCalls  // included in the budget
}

// commandCalls are the calls that commands made for the shop on a day.
type commandCalls struct {
	day   string
	calls int
}

// own returns how many of a budget's calls are the shop's own.
func (o commandCalls) own(b source.BudgetState) int {
	if b.Day == o.day {
		return b.Calls - o.calls
	}
	return b.Calls
}

// load continues counting from the stored calls plus those made since they were stored. It
// keeps what the source has reported of its limits.
func (c *calls) load(from source.Service, stored store.Progress) {
	day, made, byCommands := stored.CallsOf()
	state := source.BudgetState{Day: day, Calls: made}
	if c.budget != nil {
		was := c.budget.State()
		own := c.commands.own(was)
		state = was
		state.Day, state.Calls = day, max(made, own+byCommands)
		if was.Day != day { // what is stored is of another day
			state.Day, state.Calls, byCommands = was.Day, own, 0
		}
	}
	c.budget = from.Budget(state)
	c.commands = commandCalls{}
	if c.budget.State().Day == state.Day { // otherwise they no longer count
		c.commands = commandCalls{state.Day, byCommands}
	}
}

// Calls returns the shop's calls of the day, as far as its budget is known.
func (c *calls) Calls() store.DayCalls {
	if c.budget == nil {
		return store.DayCalls{}
	}
	b := c.budget.State()
	return store.DayCalls{CallsDay: b.Day, Calls: c.commands.own(b)}
}
