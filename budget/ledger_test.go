package budget_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
)

// books is a Ledger that writes down what is done, and takes a millisecond.
type books struct {
	mu      sync.Mutex
	calls   int // booked, by anybody
	did     []string
	blocked time.Duration
	until   time.Time // of a block that is stored
	day     string    // "": as requested
	err     error
}

func (l *books) Book(_ context.Context, b budget.Booking) (budget.Booked, error) {
	time.Sleep(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did = append(l.did, fmt.Sprintf("book %d on %s for %d after %d", b.Calls, b.Day, b.Account, b.Made))
	if l.err != nil {
		return budget.Booked{}, l.err
	}
	granted := max(min(b.Calls, b.Most-l.calls), 0)
	l.calls += granted
	day := b.Day
	if l.day != "" {
		day = l.day
	}
	return budget.Booked{Day: day, Calls: l.calls, Granted: granted, Blocked: l.blocked}, nil
}

func (l *books) Block(ctx context.Context, account int64, lasts time.Duration) (until time.Time) {
	l.did = append(l.did, fmt.Sprintf("block %d for %s: %v", account, lasts, ctx.Err()))
	return l.until
}

func (l *books) expect(t *testing.T, step string, want ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if got := strings.Join(l.did, "; "); got != strings.Join(want, "; ") {
		t.Errorf("%s: it did %s, expected %s", step, got, strings.Join(want, "; "))
	}
	l.did = nil
}

// call makes a person's call as a client does, and returns the error of the Budget or of a 429.
func call(ctx context.Context, b *budget.Budget, answer func() budget.Answer) error {
	if err := b.Acquire(ctx, budget.PriorityPerson, nil); err != nil {
		return err
	}
	a := answer()
	blocked := b.Release(a)
	b.StoreBlock(ctx, blocked)
	if a.Limited {
		return &budget.Error{Kind: budget.KindLimited, RetryAfter: blocked}
	}
	return nil
}

// kindOf returns the Kind of an error of a Budget, "" if it is none.
func kindOf(err error) budget.Kind {
	if e, ok := errors.AsType[*budget.Error](err); ok {
		return e.Kind
	}
	return ""
}

// TestCallsAreBookedFirst: no call is made that is not booked, and of those that are booked at
// most 1 % of the day's are not made.
func TestCallsAreBookedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &books{calls: 100}
		b := budget.New(budget.Options{DailyCalls: 1000, Ledger: l, Account: 7, Concurrency: 4})
		b.Restore(budget.State{Day: "2000-01-01", Calls: 90})
		call := func(n int) {
			t.Helper()
			for range n {
				if err := b.Acquire(t.Context(), budget.PriorityPerson, nil); err != nil {
					t.Fatal(err)
				}
				b.Release(budget.Answer{})
			}
		}
		made := func(step string, want int) {
			t.Helper()
			if got := b.State().Calls; got != want {
				t.Errorf("%s: %d calls count, expected %d", step, got, want)
			}
		}
		if _, ok := b.Unbooked(); !ok {
			t.Error("nothing to book, although none is booked")
		} else {
			b.Booked(budget.Booked{}, errors.New("oops"))
		}
		var together sync.WaitGroup
		for range 4 {
			together.Go(func() { call(1) })
		}
		together.Wait()
		l.expect(t, "four at once", "book 10 on 2000-01-01 for 7 after 90")
		made("four at once", 104)
		b.Restore(budget.State{Day: "2000-01-01", Calls: 500})
		made("restored again", 104)
		if _, ok := b.Unbooked(); ok {
			t.Error("more is to be booked when less than half is used")
		}
		call(1)
		more, ok := b.Unbooked()
		if want := (budget.Booking{Account: 7, Day: "2000-01-01", Calls: 5, Most: 1000, Made: 105}); !ok || more != want {
			t.Errorf("to be booked: %+v, %t, expected %+v", more, ok, want)
		}
		if _, ok := b.Unbooked(); ok {
			t.Error("to be booked twice")
		}
		b.Booked(l.Book(t.Context(), more))
		call(10)
		l.expect(t, "ahead", "book 5 on 2000-01-01 for 7 after 105")
		call(1)
		l.expect(t, "another", "book 10 on 2000-01-01 for 7 after 115")
		l.calls += 30 // by a command
		call(9)
		made("beside a command", 125)
		call(1)
		l.expect(t, "after a command", "book 10 on 2000-01-01 for 7 after 125")
		made("after a command", 156)
		b.Owe("2000-01-01", 3)
		b.Owe("1999-12-31", 100)
		made("with calls made elsewhere", 159)
		call(6)
		l.expect(t, "they count as booked")
		call(1)
		l.expect(t, "then", "book 10 on 2000-01-01 for 7 after 165")
		b.Owe("2000-01-01", 20)
		call(1)
		l.expect(t, "more of them than are booked", "book 21 on 2000-01-01 for 7 after 175")
		made("more of them than are booked", 187)

		left, ok := b.Unused()
		if want := (budget.Booking{Account: 7, Day: "2000-01-01", Calls: 9}); !ok || left != want {
			t.Errorf("unused: %+v, %t", left, ok)
		}
		if left, ok := b.Unused(); ok {
			t.Errorf("unused once more: %+v", left)
		}
		l.err = errors.New("the database is down")
		err := b.Acquire(t.Context(), budget.PriorityPerson, nil)
		if !errors.Is(err, budget.ErrUnbooked) || !errors.Is(err, l.err) {
			t.Errorf("unbooked: %v", err)
		}
		l.err, l.did = nil, nil
		l.calls = 985
		call(15)
		l.expect(t, "the last", "book 10 on 2000-01-01 for 7 after 187", "book 5 on 2000-01-01 for 7 after 995")
		if _, ok := b.Unbooked(); ok {
			t.Error("more is to be booked than there is")
		}
		if err := b.Acquire(t.Context(), budget.PriorityPerson, nil); kindOf(err) != budget.KindSpent {
			t.Errorf("one too many: %v", err)
		}
		l.expect(t, "one too many")
		time.Sleep(24 * time.Hour)
		l.calls = 0
		if _, ok := b.Unbooked(); ok {
			t.Error("booked ahead on a day without calls")
		}
		call(1)
		l.expect(t, "the next day", "book 10 on 2000-01-02 for 7 after 0")
		l.day = "2000-01-03" // another clock is ahead
		call(10)
		if s := b.State(); s.Day != l.day || s.Calls != 11 {
			t.Errorf("by a clock that is ahead: %+v", s)
		}
	})
}

// TestDayOfAWrongClock: the day of a process whose clock is days ahead ends when the day of this
// one's clock does not follow it.
func TestDayOfAWrongClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{Ledger: &books{}, Account: 7, DailyCalls: 100})
		is := func(step, day string, calls int) {
			t.Helper()
			if s := b.State(); s.Day != day || s.Calls != calls {
				t.Errorf("%s: %d calls on %s, expected %d on %s", step, s.Calls, s.Day, calls, day)
			}
		}
		b.Booked(budget.Booked{Day: "2000-01-02", Calls: 50}, nil)
		is("a clock that is a day ahead", "2000-01-02", 50)
		b.Booked(budget.Booked{Day: "2001-01-01", Calls: 60}, nil)
		is("a year ahead", "2000-01-01", 0)
	})
}

// TestBlocksAreLearnedOnce: a stored block that is read again, as each poll does, lasts no longer.
// Otherwise it would last until a clock that was set back has caught up.
func TestBlocksAreLearnedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		until := time.Now().Add(time.Hour)
		l := &books{until: until}
		b := budget.New(budget.Options{Ledger: l, Account: 7, DailyCalls: 100, Patience: time.Second})
		left := func(want time.Duration) {
			t.Helper()
			if got := max(time.Until(b.State().BlockedUntil), 0).Round(time.Second); got != want {
				t.Errorf("blocked for %s, expected %s", got, want)
			}
		}
		_ = call(t.Context(), b, func() budget.Answer { return budget.Answer{Limited: true, RetryAfter: 20 * time.Second} })
		time.Sleep(15 * time.Second)
		b.Block(until, 20*time.Second) // its own
		left(5 * time.Second)
		other := until.Add(time.Minute)
		b.Block(other, 30*time.Second)
		left(30 * time.Second)
		time.Sleep(20 * time.Second)
		b.Block(other, 30*time.Second)
		b.Booked(budget.Booked{Day: "2000-01-01", Blocked: 30 * time.Second, BlockedUntil: other}, nil)
		left(10 * time.Second)
		b.Booked(budget.Booked{Day: "2000-01-01", Blocked: 40 * time.Second, BlockedUntil: other.Add(time.Second)}, nil)
		left(40 * time.Second)
	})
}

// TestBlocksAreShared: a 429 is stored, and what other processes have stored binds.
func TestBlocksAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &books{}
		limited := true
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ends := false // the pass is cancelled while the answer comes
		b := budget.New(budget.Options{Ledger: l, Account: 7, DailyCalls: 100, Patience: time.Second})
		ask := func() error {
			return call(ctx, b, func() budget.Answer {
				if ends {
					cancel()
				}
				return budget.Answer{Limited: limited, RetryAfter: 20 * time.Second}
			})
		}
		if err := ask(); kindOf(err) != budget.KindLimited {
			t.Fatal(err)
		}
		l.expect(t, "a 429", "book 1 on 2000-01-01 for 7 after 0", "block 7 for 20s: <nil>")
		time.Sleep(20 * time.Second)
		limited = false
		_ = ask()
		l.expect(t, "a 503", "book 1 on 2000-01-01 for 7 after 1")
		b.Block(time.Time{}, 30*time.Second)
		b.Block(time.Time{}, 10*time.Second)
		b.Block(time.Time{}, -time.Hour)
		if err := ask(); kindOf(err) != budget.KindLimited {
			t.Errorf("another process was told: %v", err)
		}
		l.expect(t, "another process was told", "book 1 on 2000-01-01 for 7 after 2")
		if left := time.Until(b.State().BlockedUntil); left != 30*time.Second-time.Millisecond {
			t.Errorf("blocked for %s", left)
		}
		time.Sleep(30 * time.Second)
		if err := ask(); err != nil {
			t.Errorf("then: %v", err)
		}
		l.blocked = 40 * time.Second
		if err := ask(); kindOf(err) != budget.KindLimited {
			t.Errorf("what is stored: %v", err)
		}
		time.Sleep(40 * time.Second)
		l.blocked, l.did = 0, nil
		limited, ends = true, true
		_ = ask()
		l.expect(t, "a 429 for a pass that is cancelled", "block 7 for 20s: <nil>")
	})
}

// TestBookedYesterday: what was booked and not made by midnight is not made on another day's account.
func TestBookedYesterday(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &books{}
		b := budget.New(budget.Options{DailyCalls: 1000, Ledger: l, Account: 7})
		acquire := func() {
			t.Helper()
			if err := b.Acquire(t.Context(), budget.PriorityPerson, nil); err != nil {
				t.Fatal(err)
			}
			b.Release(budget.Answer{})
		}
		acquire()
		l.expect(t, "the first call", "book 10 on 2000-01-01 for 7 after 0")
		acquire()
		l.expect(t, "the second")
		time.Sleep(24 * time.Hour)
		l.calls = 0
		acquire()
		l.expect(t, "the next day", "book 10 on 2000-01-02 for 7 after 0")
		if got := b.State(); got.Day != "2000-01-02" || got.Calls != 1 {
			t.Errorf("counted are %d calls on %s", got.Calls, got.Day)
		}
	})
}
