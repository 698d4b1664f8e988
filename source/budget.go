package source

import "time"

// Service is where accounts are read: one for all of them.
type Service interface {
	// Budget counts an account's calls on from those that have been made.
	Budget(made BudgetState) Budget
}

// Budget is what is left of an account's calls. It is safe for concurrent use.
type Budget interface {
	// Spare returns how many calls the priority may make now.
	Spare(p Priority) int

	// Spent reports whether the priority may make no more calls today.
	Spent(p Priority) bool

	// State returns the budget as it is now.
	State() BudgetState

	// Account returns the account that the token gives access to. Its reads are
	// counted.
	Account(token string) Account
}

// BudgetState is a Budget at one moment.
type BudgetState struct {
	Day          string // UTC date (YYYY-MM-DD) on which Calls were made
	Calls        int
	BucketUsed   int       // of the source's own limit for a short while, as it said last
	BucketLimit  int       // 0 if it has not said
	BlockedUntil time.Time // by a 429; zero or past if not blocked
}
