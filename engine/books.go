package engine

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/budget"
	"lagerd/source/remote"
	"lagerd/store"
)

// Books keeps the calls to a service's accounts in the database. It is a remote.Books.
type Books struct {
	Store    *store.Store
	Service  store.Service
	Instance string // that works on the accounts; "": a command, which may call beside it
	Log      logrus.FieldLogger
	Now      func() time.Time
}

// Book implements remote.Books.
func (b Books) Book(ctx context.Context, list []budget.Booking) (map[int64]remote.BookResult, error) {
	got, err := b.Store.BookCalls(ctx, b.Service, b.Instance, callBookings(list), b.Now())
	if err != nil {
		return nil, err
	}
	results := make(map[int64]remote.BookResult, len(got))
	for account, one := range got {
		r := remote.BookResult{Booked: booked(one)}
		if one.Held {
			r.Err = store.ErrAccountHeld
		}
		results[account] = r
	}
	return results, nil
}

// Booked returns what is booked for an account, and until when the service takes no calls to it,
// without booking any.
func (b Books) Booked(ctx context.Context, account int64) (budget.Booked, error) {
	got, err := b.Store.CallsBooked(ctx, b.Service, account, b.Now())
	return booked(got), err
}

func booked(b store.BookedCalls) budget.Booked {
	return budget.Booked{Day: b.Day, Calls: b.Calls, Granted: b.Granted, Blocked: b.Blocked, BlockedUntil: b.BlockedUntil}
}

// Return implements remote.Books.
func (b Books) Return(ctx context.Context, list []budget.Booking) error {
	err := b.Store.ReturnCalls(ctx, b.Service, callBookings(list))
	if err != nil {
		b.Log.WithError(err).Warn("cannot return calls that were booked: they count as made")
	}
	return err
}

// callBookings returns bookings as the store has them.
func callBookings(list []budget.Booking) []store.CallBooking {
	stored := make([]store.CallBooking, len(list))
	for i, b := range list {
		stored[i] = store.CallBooking{Account: b.Account, Day: b.Day, Calls: b.Calls, Most: b.Most, Made: b.Made}
	}
	return stored
}

// Block implements remote.Books.
func (b Books) Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time) {
	until, err := b.Store.BlockCalls(ctx, b.Service, account, lasts, b.Now())
	if err != nil {
		b.Log.WithError(err).WithFields(logrus.Fields{"service": b.Service, "account": account}).Warn("cannot store until when the service takes no calls: other processes do not know")
	}
	return until
}
