// Package remote has what the sources that read a service over its REST API share: a shop's part
// in the budget of an account (part.go), the budgets of all accounts, whose calls are booked before
// they are made (accounts.go), and what a failed call means to whoever reads (class.go).
//
// It makes no calls and knows no service: source/economic and source/rackbeat do.
package remote
