package cli

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

// patience is how long a command waits for the token bucket to refill, or for a 429 to pass.
const patience = time.Minute

// commandAdvance is how many calls a command books at once.
const commandAdvance = 10

// commandCalls are a command's calls to a service, within the budgets of its accounts: beside the
// lagerd that works on them. It is the Ledger of these budgets.
type commandCalls struct {
	budgets budget.Options
	books   engine.Books
	shared  map[int64]*budget.Budget // by account
}

func newCommandCalls(s *store.Store, to store.Service, budgets budget.Options) commandCalls {
	log := logrus.New()
	log.SetOutput(io.Discard) // what cannot be stored is reported by giveBack
	budgets.Patience, budgets.Advance, budgets.Now = patience, commandAdvance, now
	return commandCalls{budgets, engine.Books{Store: s, Service: to, Log: log, Now: now}, map[int64]*budget.Budget{}}
}

// Book implements budget.Ledger. A database that cannot be written stops no person who looks
// for the reason; what it says of the account still holds, above all until when it takes no calls.
func (c commandCalls) Book(ctx context.Context, b budget.Booking) (budget.Booked, error) {
	results, err := c.books.Book(ctx, []budget.Booking{b})
	got, ok := results[b.Account]
	if err == nil && ok || ctx.Err() != nil {
		return got.Booked, err
	}
	granted := budget.Booked{Day: b.Day, Calls: b.Made + b.Calls, Granted: b.Calls}
	stored, err := c.books.Booked(ctx, b.Account)
	if err != nil { // nor can it be read
		return granted, nil
	}
	granted.Blocked, granted.BlockedUntil = stored.Blocked, stored.BlockedUntil
	if stored.Day == b.Day {
		granted.Calls = max(granted.Calls, stored.Calls+b.Calls)
	}
	return granted, nil
}

// Block implements budget.Ledger.
func (c commandCalls) Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time) {
	return c.books.Block(ctx, account, lasts)
}

// budget returns the budget of an account, 0 if that is not known yet. made are the calls made
// for the shop.
func (c commandCalls) budget(account int64, made budget.State) *budget.Budget {
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
func (c commandCalls) learned(account int64, unknown *budget.Budget) *budget.Budget {
	b, made := c.budget(account, budget.State{}), unknown.State()
	if b != unknown {
		b.Owe(made.Day, made.Calls)
	}
	return b
}

// giveBack returns the calls that were booked and not made, and books those that were made before
// their account was known.
func (c commandCalls) giveBack(ctx context.Context) error {
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
