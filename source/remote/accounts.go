package remote

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lagerd/budget"
	"lagerd/source"
)

// Books stores the calls to a service's accounts, and how long it takes none.
type Books interface {
	// Book books calls for several accounts, at most once for each. The result by account has
	// an error if the account's calls are another process's to make.
	Book(ctx context.Context, list []budget.Booking) (map[int64]BookResult, error)

	// Return returns booked calls that were not made, or adds those made and not booked (below
	// 0), at most once for each account.
	Return(ctx context.Context, list []budget.Booking) error

	// Block stores that the service takes no calls to the account for a while.
	Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time)
}

// BookResult is the result of booking an account's calls.
type BookResult struct {
	budget.Booked
	Err error
}

// Accounts are the budgets of a service's accounts: all shops of an account share one. It is safe
// for concurrent use.
type Accounts struct {
	Budgets budget.Options // for each account
	Books   Books          // Run must run; nil: budgets count alone

	mu     sync.Mutex
	shared map[int64]*budget.Budget // by account, those of this lagerd's shops
	unused map[accountDay]int       // calls of accounts without a shop of this lagerd, for Return
	desk   *desk                    // nil: not used yet
}

type accountDay struct {
	account int64
	day     string // UTC date
}

// desk is where calls that wait for a booking meet Run.
type desk struct {
	requests chan bookRequest
	closed   chan struct{} // when Run has returned
}

// bookRequest is a call that waits for more to be booked.
type bookRequest struct {
	budget.Booking
	done chan BookResult // capacity 1
}

func (a *Accounts) openDesk() *desk {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.desk == nil {
		a.desk = &desk{make(chan bookRequest), make(chan struct{})}
	}
	return a.desk
}

// Join returns a shop's part in the budget of the account with that number, as source.Service's
// Budget does. former is the shop's part in its former budget, nil if it has none.
func (a *Accounts) Join(shop string, number int64, made source.Made, former *Part) Part {
	a.mu.Lock()
	defer a.mu.Unlock()
	b, known := a.shared[number]
	if !known {
		o := a.Budgets
		if number != 0 && a.Books != nil {
			o.Ledger, o.Account = ledger{a}, number
		}
		b = budget.New(o)
	}
	if number != 0 {
		if a.shared == nil {
			a.shared = map[int64]*budget.Budget{}
		}
		a.shared[number] = b
	}
	p := join(b, number, shop, made, former, known)
	if former == nil {
		p.Restore(made)
	}
	return p
}

// Leave ends a shop's part in a budget. last reports that no shop of this lagerd has the account
// any more: what was booked for it and not made goes with the next Return.
func (a *Accounts) Leave(p *Part) (last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.By.Leave() > 0 || p.Number == 0 || a.shared[p.Number] != p.All {
		return false
	}
	delete(a.shared, p.Number)
	if left, ok := p.All.Unused(); ok {
		if a.unused == nil {
			a.unused = map[accountDay]int{}
		}
		a.unused[accountDay{left.Account, left.Day}] += left.Calls
	}
	return true
}

// Block makes the calls to an account wait, if shops of this lagerd have it: another process was
// told to. until is what it stored.
func (a *Accounts) Block(account int64, until time.Time, lasts time.Duration) {
	a.mu.Lock()
	b := a.shared[account]
	a.mu.Unlock()
	if b != nil {
		b.Block(until, lasts)
	}
}

// Return returns the booked calls of accounts that have no shop here any more. After an error
// they count as made.
func (a *Accounts) Return(ctx context.Context) error {
	a.mu.Lock()
	unused := a.unused
	a.unused = nil
	a.mu.Unlock()
	days := map[string][]budget.Booking{}
	for of, calls := range unused {
		days[of.day] = append(days[of.day], budget.Booking{Account: of.account, Day: of.day, Calls: calls})
	}
	var errs []error
	for _, day := range slices.Sorted(maps.Keys(days)) { // two about midnight
		errs = append(errs, a.Books.Return(ctx, days[day]))
	}
	return errors.Join(errs...)
}

const (
	// bookDelay is how long a booking waits for others, to be written with them. bookEvery is
	// how long it waits after the one before: at a start, or when a day begins, all accounts
	// need some.
	bookDelay = 5 * time.Millisecond
	bookEvery = 100 * time.Millisecond

	// bookAheadEvery is how often calls are booked for accounts that have made half of those
	// that were, so that hardly any call waits for that.
	bookAheadEvery = 30 * time.Second

	// bookTimeout limits a booking.
	bookTimeout = 10 * time.Second
)

var errEnded = errors.New("lagerd stops")

// ledger is the Ledger of all Budgets.
type ledger struct{ *Accounts }

// Book implements budget.Ledger.
func (l ledger) Book(ctx context.Context, b budget.Booking) (budget.Booked, error) {
	d, r := l.openDesk(), bookRequest{b, make(chan BookResult, 1)}
	select {
	case d.requests <- r:
	case <-d.closed:
		return budget.Booked{}, errEnded
	case <-ctx.Done():
		return budget.Booked{}, ctx.Err()
	}
	got := <-r.done // within bookTimeout
	return got.Booked, got.Err
}

// Block implements budget.Ledger.
func (l ledger) Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time) {
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	return l.Books.Block(ctx, account, lasts)
}

// Run books the calls of all accounts, those of many in a few statements, until ctx is done.
func (a *Accounts) Run(ctx context.Context) {
	d := a.openDesk()
	defer close(d.closed)
	ahead := time.NewTicker(bookAheadEvery)
	defer ahead.Stop()
	last := time.Now().Add(-bookEvery)
	for {
		select {
		case r := <-d.requests:
			list := d.collect(r, max(bookDelay, bookEvery-time.Since(last)))
			last = time.Now()
			a.bookAll(ctx, list)
		case <-ahead.C:
			a.bookAhead(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// collect returns the request with those that come within the given time.
func (d *desk) collect(r bookRequest, within time.Duration) []bookRequest {
	list, over := []bookRequest{r}, time.After(within)
	for {
		select {
		case r := <-d.requests:
			list = append(list, r)
		case <-over:
			return list
		}
	}
}

// bookAhead books calls for the accounts that are going to need some, and returns those of
// accounts that are gone.
func (a *Accounts) bookAhead(ctx context.Context) {
	_ = a.Return(ctx)
	budgets := map[int64]*budget.Budget{}
	var list []budget.Booking
	a.mu.Lock()
	for account, b := range a.shared {
		if more, ok := b.Unbooked(); ok {
			budgets[account], list = b, append(list, more)
		}
	}
	a.mu.Unlock()
	if len(list) == 0 {
		return
	}
	results := a.book(ctx, list)
	for account, b := range budgets {
		b.Booked(results[account].Booked, results[account].Err)
	}
}

// bookAll answers requests. An account has two only if its last shop has left and another come.
func (a *Accounts) bookAll(ctx context.Context, requests []bookRequest) {
	for len(requests) > 0 {
		var later []bookRequest
		var list []budget.Booking
		now := map[int64]bookRequest{}
		for _, r := range requests {
			if _, twice := now[r.Account]; twice {
				later = append(later, r)
				continue
			}
			now[r.Account], list = r, append(list, r.Booking)
		}
		results := a.book(ctx, list)
		for account, r := range now {
			r.done <- results[account]
		}
		requests = later
	}
}

var errNotBooked = errors.New("the database did not return what was booked")

// book returns a result for every booking.
func (a *Accounts) book(ctx context.Context, list []budget.Booking) map[int64]BookResult {
	ctx, cancel := context.WithTimeout(ctx, bookTimeout)
	defer cancel()
	got, err := a.Books.Book(ctx, list)
	results := make(map[int64]BookResult, len(list))
	for _, b := range list {
		one, ok := got[b.Account]
		switch {
		case err != nil:
			one.Err = err
		case !ok:
			one.Err = errNotBooked
		}
		results[b.Account] = one
	}
	return results
}
