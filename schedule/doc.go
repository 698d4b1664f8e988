// Package schedule decides which shop is reconciled when: each minute's tick, hints,
// requests, and what is to be tried again. A shop is reconciled by one goroutine at a
// time (reconcile.Shop.RunOnce), so many shops at once, and all of them fairly.
//
// It never reads e-conomic and never decides what differs. Of the database it writes
// only which ticks were good, with the calls they made.
package schedule
