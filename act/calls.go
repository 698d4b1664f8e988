package act

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/budget"
	"lagerd/engine"
	"lagerd/store"
)

// patience is how long a person waits for the token bucket to refill, or for a 429 to pass.
const patience = time.Minute

// advance is how many calls are booked at once.
const advance = 10

// accountCalls are a person's calls to a service, within the budgets of its accounts: beside the
// lagerd that works on them. It is the Ledger of these budgets.
type accountCalls struct {
	budgets budget.Options
	books   engine.Books
	shared  map[int64]*budget.Budget // by account
}

func (a Act) newCalls(to store.Service, budgets budget.Options) accountCalls {
	log := logrus.New()
	log.SetOutput(io.Discard) // what cannot be stored is reported by giveBack
	budgets.Patience, budgets.Advance, budgets.Now = patience, advance, a.Now
	return accountCalls{budgets, engine.Books{Store: a.Store, Service: to, Log: log, Now: a.Now}, map[int64]*budget.Budget{}}
}

// Book implements budget.Ledger. A database that cannot be written stops no person who looks
// for the reason; what it says of the account still holds, above all until when it takes no calls.
func (c accountCalls) Book(ctx context.Context, b budget.Booking) (budget.Booked, error) {
	results, err := c.books.Book(ctx, []budget.Booking{b})
	got, ok := results[b.Account]
	if err == nil && ok || ctx.Err() != nil {
		return got.Booked, err
	}
	granted := budget.Booked{Day: b.Day, Calls: b.Made + b.Calls, Granted: b.Calls}
	stored, err := c.books.Booked(ctx, b.Account)
	if err != nil {
		return granted, nil //nolint:nilerr // nor can it be read: the call is made all the same
	}
	granted.Blocked, granted.BlockedUntil = stored.Blocked, stored.BlockedUntil
	if stored.Day == b.Day {
		granted.Calls = max(granted.Calls, stored.Calls+b.Calls)
	}
	return granted, nil
}

// Block implements budget.Ledger.
func (c accountCalls) Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time) {
	return c.books.Block(ctx, account, lasts)
}

// budget returns the budget of an account, 0 if that is not known yet. made are the calls made
// for the shop.
func (c accountCalls) budget(account int64, made budget.State) *budget.Budget {
	if b := c.shared[account]; b != nil {
		return b
	}
	o := c.budgets
	if account != 0 {
		o.Ledger, o.Account = c, account
	}
	b := budget.New(o)
	b.Restore(made)
	if account != 0 {
		c.shared[account] = b
	}
	return b
}

// learned returns the budget of an account, to which the calls were made that unknown granted.
func (c accountCalls) learned(account int64, unknown *budget.Budget) *budget.Budget {
	b, made := c.budget(account, budget.State{}), unknown.State()
	if b != unknown {
		b.Owe(made.Day, made.Calls)
	}
	return b
}

// giveBack returns the calls that were booked and not made, and books those that were made before
// their account was known.
func (c accountCalls) giveBack(ctx context.Context) error {
	var unused, owed []budget.Booking
	for _, b := range c.shared {
		left, ok := b.Unused()
		switch {
		case ok && left.Calls > 0:
			unused = append(unused, left)
		case ok:
			left.Calls, left.Most = -left.Calls, c.budgets.DailyCalls
			owed = append(owed, left)
		}
	}
	_, err := c.books.Book(ctx, owed)
	return errors.Join(err, c.books.Return(ctx, unused))
}
