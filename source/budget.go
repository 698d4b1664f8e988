package source

import "time"

// StockService gives access to accounts that have stock only. One StockService serves all of them.
type StockService interface {
	// Budget is Service.Budget.
	Budget(shop string, account int64, made Made, former StockBudget) StockBudget
}

// Service gives access to accounts. One Service serves all of them.
type Service interface {
	// Budget returns a shop's part in the budget of its agreement, which all shops of the
	// agreement share. If the agreement's number is not known yet (0), the budget is the
	// shop's own. made are the calls made before. What the source has said of its limits goes
	// over from the shop's former budget, if there is one; so do its calls if its agreement
	// was not known.
	Budget(shop string, agreement int64, made Made, former StockBudget) Budget
}

// Made is how many calls were made for a shop on a day.
type Made struct {
	Day    string // UTC date (YYYY-MM-DD)
	Calls  int    // by lagerd
	Others int    // by commands
}

// StockBudget tracks how many calls an account has left, for one of its shops. It is safe for
// concurrent use.
type StockBudget interface {
	// Spare returns how many calls may be made now at the given priority.
	Spare(p Priority) int

	// Pause returns how long lagerd's own limit of calls a minute lets a call at the
	// given priority wait; 0: not at all.
	Pause(p Priority) time.Duration

	// Spent reports whether the priority's calls for today are used up.
	Spent(p Priority) bool

	// Made returns the current day and how many calls have been made on it for the shop.
	Made() Made

	// Restore makes the count of the shop's calls at least that.
	Restore(made Made)

	// StockAccount returns the account that the token gives access to. Its reads count
	// against the budget.
	StockAccount(token string) StockAccount

	// Close ends the shop's part in the budget.
	Close()
}

// Budget is a StockBudget of an account that has invoices too.
type Budget interface {
	StockBudget

	// Account is StockAccount with the invoices.
	Account(token string) Account
}
