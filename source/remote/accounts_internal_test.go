package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
	"lagerd/source"
)

// shelf is a database of bookings, which writes down what is done.
type shelf struct {
	mu    sync.Mutex
	calls map[int64]int
	held  map[int64]bool // by another lagerd
	err   error
	did   []string
}

var errHeld = errors.New("held by another")

func (s *shelf) Book(ctx context.Context, list []budget.Booking) (map[int64]BookResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		s.did = append(s.did, "without a time limit")
	}
	results, texts := map[int64]BookResult{}, []string(nil)
	for _, b := range list {
		texts = append(texts, fmt.Sprintf("%d for %d", b.Calls, b.Account))
		switch {
		case s.held[b.Account]:
			results[b.Account] = BookResult{Err: errHeld}
		case b.Account != 13: // which the database does not know
			s.calls[b.Account] += b.Calls
			results[b.Account] = BookResult{Booked: budget.Booked{Day: b.Day, Calls: s.calls[b.Account], Granted: b.Calls}}
		}
	}
	slices.Sort(texts)
	s.did = append(s.did, "book "+strings.Join(texts, ", "))
	return results, s.err
}

func (s *shelf) Return(_ context.Context, list []budget.Booking) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	texts := []string(nil)
	for _, b := range list {
		texts = append(texts, fmt.Sprintf("%d of %s for %d", b.Calls, b.Day, b.Account))
	}
	slices.Sort(texts)
	s.did = append(s.did, "return "+strings.Join(texts, ", "))
	return s.err
}

func (s *shelf) Block(_ context.Context, account int64, lasts time.Duration) (until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, fmt.Sprintf("block %d for %s", account, lasts))
	return until
}

// fails makes bookings fail from now on; nil: they succeed.
func (s *shelf) fails(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	return err
}

func (s *shelf) hold(account int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[account] = true
}

// take returns what was done, and forgets it.
func (s *shelf) take() (did []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	did, s.did = s.did, nil
	return did
}

// TestShopsOfAnAccount: shops of an account have one budget, whose calls are booked before they
// are made, with those of other accounts in one go.
func TestShopsOfAnAccount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := &shelf{calls: map[int64]int{}, held: map[int64]bool{}}
		var answers atomic.Int64
		limited := false
		s := &Accounts{Books: db, Budgets: budget.Options{DailyCalls: 400, Patience: time.Second}}
		ctx, stop := context.WithCancel(t.Context())
		go s.Run(ctx)
		join := func(account int64, calls int) *Part {
			p := s.Join("shop", account, source.Made{Day: "2000-01-01", Calls: calls}, nil)
			return &p
		}
		call := func(of *Part) error {
			_, err := of.All.Call(t.Context(), source.PriorityHint, of.By, func() budget.Answer {
				answers.Add(1)
				return budget.Answer{Limited: limited, RetryAfter: 40 * time.Second}
			})
			return err
		}
		busy := func(err error) bool {
			e, ok := errors.AsType[*budget.Error](err)
			return ok && e.Kind == budget.KindLimited
		}
		leave := func(of *Part, last bool) {
			t.Helper()
			if s.Leave(of) != last {
				t.Errorf("the last shop has left: %t, expected %t", !last, last)
			}
		}
		expect := func(step string, want ...string) {
			t.Helper()
			synctest.Wait()
			if did := db.take(); !slices.Equal(did, want) {
				t.Errorf("%s: it did %q, expected %q", step, did, want)
			}
		}
		a, b, c := join(7, 3), join(7, 0), join(8, 0)
		for _, one := range []*Part{a, b, c} {
			go func() { _ = call(one) }()
		}
		time.Sleep(2 * bookDelay)
		expect("three shops at once", "book 4 for 7, 4 for 8")
		if got := [...]source.Made{a.Made(), b.Made(), c.Made()}; got != [...]source.Made{{Day: "2000-01-01", Calls: 4}, {Day: "2000-01-01", Calls: 1}, {Day: "2000-01-01", Calls: 1}} {
			t.Errorf("their own calls are %+v", got)
		}
		x, y := join(20, 0), join(21, 0)
		go func() { _ = call(x) }()
		time.Sleep(bookEvery / 2)
		go func() { _ = call(y) }()
		time.Sleep(bookEvery/2 - bookDelay - time.Millisecond)
		expect("two more, soon after")
		time.Sleep(bookDelay + time.Millisecond)
		expect("two more, later", "book 4 for 20, 4 for 21")
		leave(x, true)
		leave(y, true)
		time.Sleep(bookAheadEvery)
		expect("half of those of one are made", "return 3 of 2000-01-01 for 20, 3 of 2000-01-01 for 21", "book 2 for 7")
		time.Sleep(bookAheadEvery)
		expect("enough is booked")

		// A 429 to one shop binds the other of its account.
		limited = true
		_ = call(a)
		expect("a 429", "block 7 for 40s")
		before := answers.Load()
		if err := call(b); !busy(err) || answers.Load() != before {
			t.Errorf("the other shop: %v", err)
		}
		limited = false
		if _ = call(c); answers.Load() != before+1 {
			t.Error("a shop of another account waits, too")
		}
		s.Block(8, time.Time{}, time.Minute) // another process was told
		s.Block(9, time.Time{}, time.Minute)
		if err := call(c); !busy(err) {
			t.Errorf("another process was told to wait: %v", err)
		}

		// What nobody needs any more is returned, once the last shop of an account has left.
		leave(a, false)
		if err := s.Return(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("one of two shops has left")
		leave(b, true)
		time.Sleep(bookAheadEvery)
		expect("both have left", "return 3 of 2000-01-01 for 7", "book 2 for 8")
		leave(c, true)
		d := join(8, 0)
		_ = call(d)
		leave(d, true)
		oops := db.fails(errors.New("oops"))
		if err := s.Return(t.Context()); !errors.Is(err, oops) {
			t.Errorf("a return that failed: %v", err)
		}
		expect("two shops of an account, one after the other", "book 4 for 8", "return 7 of 2000-01-01 for 8")
		_ = db.fails(nil)
		if err := s.Return(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("nothing is returned twice")

		// Calls that cannot be booked are not made, and say nothing about the service.
		d = join(13, 0)
		before = answers.Load()
		if err := call(d); !errors.Is(err, errNotBooked) || !errors.Is(err, budget.ErrUnbooked) {
			t.Errorf("without a result: %v", err)
		}
		db.hold(10)
		e := join(10, 0)
		if err := call(e); !errors.Is(err, errHeld) || !errors.Is(err, budget.ErrUnbooked) || answers.Load() != before {
			t.Errorf("another lagerd's: %v", err)
		}
		down := db.fails(errors.New("the database is down"))
		if err := call(d); !errors.Is(err, down) {
			t.Errorf("without the database: %v", err)
		}
		_, _ = db.fails(nil), db.take()

		// A shop whose account is not known yet has a budget of its own, which goes over.
		f := join(0, 5)
		if err := call(f); err != nil || f.Made().Calls != 6 {
			t.Errorf("%d calls of its own: %v", f.Made().Calls, err)
		}
		expect("of its own")
		known := s.Join("shop", 11, f.Made(), f)
		leave(f, false)
		f = &known
		_ = call(f)
		expect("as its account is known", "book 10 for 11")
		if made := f.Made(); made.Calls != 7 {
			t.Errorf("its own calls are %+v", made)
		}
		f.Restore(source.Made{Day: "2000-01-01", Calls: 20, Others: 100})
		if made := f.Made(); made.Calls != 20 || f.Spent(source.PrioritySweep) {
			t.Errorf("restored: %+v", made)
		}
		stop()
		synctest.Wait()
		if err := call(d); !errors.Is(err, errEnded) {
			t.Errorf("after the end: %v", err)
		}
		for _, left := range slices.Sorted(maps.Keys(s.shared)) {
			if !slices.Contains([]int64{10, 11, 13}, left) {
				t.Errorf("the budget of %d is kept", left)
			}
		}
	})
}
