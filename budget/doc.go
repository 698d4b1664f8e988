// Package budget tracks the calls that an account of a service may still make: of the day, of
// the minute, of the token bucket that the service reports, and at once. All readers of the
// account share one Budget, and its shops are its Callers.
//
//	Acquire ──▶ line.go      the shops take turns
//	        ──▶ caller.go    each shop's hints have their share
//	        ──▶ budget.go    by priority: the day's calls, a 429, the service's bucket, calls in flight
//	        ──▶ minute.go    calls a minute, counted by lagerd itself
//	        ──▶ ledger.go    calls are booked before they are made
//	Release ──▶ budget.go    what the answer said of the service's limits
//
// A client makes its calls through Call, which does both.
//
// Guarantees:
//
//  1. A call is counted before it is made, failed ones too, and never more than once.
//  2. With Options.PerMinute, no more calls than that are granted within any 60 seconds.
//  3. While a 429 blocks the account, no call is granted.
//
// It makes no request, knows no service's headers except Retry-After, which is HTTP's, and imports
// nothing of lagerd.
package budget
