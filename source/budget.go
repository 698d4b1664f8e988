package source

import "time"

// Service gives access to accounts. One Service serves all of them.
type Service interface {
	// Budget returns an account's budget, with the calls in made already counted.
	Budget(made BudgetState) Budget
}

// Budget tracks how many calls an account has left. It is safe for concurrent use.
type Budget interface {
	// Spare returns how many calls may be made now at the given priority.
	Spare(p Priority) int

	// Spent reports whether the priority's calls for today are used up.
	Spent(p Priority) bool

	// State returns the budget's current state.
	State() BudgetState

	// Account returns the account that the token gives access to. Its reads count
	// against the budget.
	Account(token string) Account
}

// BudgetState is a snapshot of a Budget.
type BudgetState struct {
	Day          string // UTC date (YYYY-MM-DD) on which Calls were made
	Calls        int
	BucketUsed   int       // of the source's short-term rate limit, as last reported
	BucketLimit  int       // 0: not reported yet
	BlockedUntil time.Time // after a 429; zero or past: not blocked
}
