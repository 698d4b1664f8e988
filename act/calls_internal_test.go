package act

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"lagerd/budget"
	"lagerd/store"
	"lagerd/test/storetest"
)

// TestCallsOfAReadOnlyDatabase: a person whose calls cannot be booked makes them all the same, but
// none while the service takes none, and counts those that are booked.
func TestCallsOfAReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	path := storetest.New(t)
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := Act{Store: s, Now: time.Now}.newCalls(store.ServiceEconomic, budget.Options{DailyCalls: 100})
	today := time.Now().UTC().Format(time.DateOnly)
	if _, err := s.BookCalls(t.Context(), store.ServiceEconomic, "", []store.CallBooking{{Account: 7, Day: today, Calls: 60, Most: 100}, {Account: 8, Day: today, Calls: 1, Most: 100}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BlockCalls(t.Context(), store.ServiceEconomic, 8, 30*time.Minute, time.Now()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, event := range []string{"INSERT", "UPDATE"} {
		if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER no_"+event+" BEFORE "+event+" ON agreement_calls BEGIN SELECT RAISE(ABORT, 'read-only'); END"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.books.Book(t.Context(), []budget.Booking{{Account: 7, Day: today, Calls: 1, Most: 100}}); err == nil {
		t.Fatal("the database can be written")
	}
	b := c.budget(7, budget.State{})
	if err := b.Acquire(t.Context(), budget.PriorityPerson, nil); err != nil {
		t.Fatalf("a call that cannot be booked: %v", err)
	}
	b.Release(budget.Answer{})
	if made := b.State().Calls; made != 61 {
		t.Errorf("%d calls count, expected 61", made)
	}
	err = c.budget(8, budget.State{}).Acquire(t.Context(), budget.PriorityPerson, nil)
	if e, ok := errors.AsType[*budget.Error](err); !ok || e.Kind != budget.KindLimited || e.RetryAfter < 29*time.Minute {
		t.Errorf("while the service takes no calls: %v", err)
	}
}

// TestCallsBeforeTheAccountIsKnown: the call that tells a command whose the token is counts too, and
// what was booked and not made does not.
func TestCallsBeforeTheAccountIsKnown(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	c := Act{Store: s, Now: time.Now}.newCalls(store.ServiceEconomic, budget.Options{DailyCalls: 100})
	call := func(b *budget.Budget) {
		t.Helper()
		if err := b.Acquire(t.Context(), budget.PriorityPerson, nil); err != nil {
			t.Fatal(err)
		}
		b.Release(budget.Answer{})
	}
	for n, want := range []int{1, 3} {
		unknown := c.budget(0, budget.State{})
		call(unknown)
		known := c.learned(7, unknown)
		if n == 1 { // the second command makes another call
			call(known)
		}
		if err := c.giveBack(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.shared = map[int64]*budget.Budget{}
		stored, err := c.books.Booked(t.Context(), 7)
		if err != nil || stored.Calls != want {
			t.Errorf("after command %d %d calls are booked, %v: expected %d", n+1, stored.Calls, err, want)
		}
	}
}
