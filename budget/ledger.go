package budget

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ledger stores what outlives a Budget: the day's calls of an account, which are booked before
// they are made, and how long the service takes no calls. It must be safe for concurrent use.
type Ledger interface {
	// Book books calls, or returns an error if that is impossible, or if another process is to
	// make the account's calls.
	Book(ctx context.Context, b Booking) (Booked, error)

	// Block stores that the service takes no calls to the account for a while. It returns until
	// when, as a Booked will have it; zero if that is not known.
	Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time)
}

// Booking is a number of calls to book.
type Booking struct {
	Account int64
	Day     string // UTC date (YYYY-MM-DD) of the calls
	Calls   int    // how many
	Most    int    // on Day
	Made    int    // before, on Day, if none were ever booked
}

// Booked is what a Ledger has booked.
type Booked struct {
	Day     string        // later than that of the Booking if another clock is ahead
	Calls   int           // booked on Day so far, by all processes
	Granted int           // of those, by this Booking; the others can be made by whoever booked them
	Blocked time.Duration // how long the service takes no calls, from now

	BlockedUntil time.Time // until when, as it is stored
}

// Unbooked returns how many calls to book, if half of those booked have been made, and of the
// day's there are some left. The caller must call Booked with the result.
func (b *Budget) Unbooked() (more Booking, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	if b.booking || b.o.Ledger == nil || b.calls == 0 || b.booked > b.o.Advance/2 || b.calls+b.booked >= b.o.DailyCalls {
		return Booking{}, false
	}
	return b.startBooking(), true
}

// startBooking returns how many calls to book. b.mu is held.
func (b *Budget) startBooking() Booking {
	b.booking = true
	most := max(b.o.DailyCalls-b.calls, 1)
	return Booking{Account: b.o.Account, Day: b.today, Calls: max(min(b.o.Advance, most)-b.booked, 1), Most: b.o.DailyCalls, Made: b.calls + min(b.booked, 0)}
}

// Booked ends a booking of calls. An error leaves the Budget as it is.
func (b *Budget) Booked(got Booked, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.booking = false
	b.wake()
	now := b.now()
	if err != nil || got.Day < b.today { // midnight has passed
		return
	}
	if got.Day > b.today {
		b.today, b.booked = got.Day, 0
	}
	b.booked += got.Granted
	b.calls, b.anchored = got.Calls-b.booked, true
	if b.learn(got.BlockedUntil) {
		b.blockFor(got.Blocked, now)
	}
}

// Owe counts calls of a day that were made before it was known that they were this account's:
// they are booked with the next ones.
func (b *Budget) Owe(day string, calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now(); day == b.today {
		b.calls += calls
		b.booked -= calls
	}
}

// Block makes the account's calls wait, as another process was told to. until is what it stored.
func (b *Budget) Block(until time.Time, lasts time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.learn(until) {
		b.blockFor(lasts, b.now())
		b.wake()
	}
}

// learn reports whether a stored end of a block is new. Each is learned once: after the clock was
// set back, it would last longer with each time that it is read. b.mu is held.
func (b *Budget) learn(until time.Time) bool {
	if !until.IsZero() && until.Equal(b.learned) {
		return false
	}
	b.learned = until
	return true
}

// blockFor makes calls wait, at most longestBlock. b.mu is held.
func (b *Budget) blockFor(lasts time.Duration, now time.Time) {
	if until := now.Add(min(lasts, longestBlock)); lasts > 0 && until.After(b.blocked) {
		b.blocked = until
	}
}

// ErrUnbooked is wrapped by the Error of a call that was not made because the Ledger could not,
// or would not, book it.
var ErrUnbooked = errors.New("the call could not be booked")

var errPanicked = errors.New("booking calls panicked")

// book books calls, or waits until another call has.
func (b *Budget) book(ctx context.Context) error {
	b.mu.Lock()
	if b.booking {
		changed := b.change()
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		return nil // the next try decides
	}
	more := b.startBooking()
	b.mu.Unlock()
	got, err := Booked{}, errPanicked
	defer func() { b.Booked(got, err) }()
	if got, err = b.o.Ledger.Book(ctx, more); err != nil {
		return &Error{Kind: KindInterrupted, Err: fmt.Errorf("%w: %w", ErrUnbooked, err)}
	}
	return nil
}

// StoreBlock stores that a 429 blocks the account for as long as Release returned, even if the
// call's context has ended. 0 stores nothing.
func (b *Budget) StoreBlock(ctx context.Context, lasts time.Duration) {
	if lasts > 0 && b.o.Ledger != nil {
		until := b.o.Ledger.Block(context.WithoutCancel(ctx), b.o.Account, lasts)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.learn(until)
	}
}

// Unused returns the calls that are booked and not made, below 0 those made and not booked, and
// forgets them: the caller is to return them to the Ledger.
func (b *Budget) Unused() (left Booking, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	left = Booking{Account: b.o.Account, Day: b.today, Calls: b.booked}
	b.booked = 0
	return left, left.Calls != 0 && b.o.Ledger != nil
}
