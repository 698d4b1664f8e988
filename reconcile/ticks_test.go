package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// ticking is a shop whose stock is listed at each tick, a page to a pass.
type ticking struct {
	*shelf
	*reconcile.Shop
	f *fixture

	fails map[int]error // reads of pages
	ticks []time.Time   // when the passes of ticks began
}

func newTicking(t *testing.T) *ticking {
	t.Helper()
	x := &ticking{shelf: &shelf{stock: []int{10, 11, 12, 13, 14}, paged: true}, f: newFixture(t), fails: map[int]error{}}
	x.f.Shop.InvoicesOn = false
	x.failsAt = x.fails
	x.Shop = x.shelf.shop(t, x.f, plan.FigureInStock)
	return x
}

// pass runs a pass, and returns which tick has come to its end with it: 1 is the first; 0: none.
func (x *ticking) pass(t *testing.T, due reconcile.Due) (ended int, err error) {
	t.Helper()
	if due.Tick {
		x.ticks = append(x.ticks, time.Now())
	}
	report, err := x.RunOnce(t.Context(), due)
	if report.Ticked.IsZero() {
		return 0, err
	}
	n := len(x.ticks)
	for n > 0 && report.Ticked.Before(x.ticks[n-1]) {
		n--
	}
	return n, err
}

// TestTickEndsWithItsListing: where a tick is a listing, it has come to its end once the listing
// that covers it has been stored, as of its own begin.
func TestTickEndsWithItsListing(t *testing.T) {
	t.Parallel()
	broken := &source.Error{Class: plan.ClassNumber, Err: errors.New("it cannot be understood")}
	tick, work := reconcile.Due{Tick: true}, reconcile.Due{Work: true}
	type step struct {
		due   reconcile.Due
		fails int // the page whose read fails; 0: none
		ended int // the tick that has come to its end
	}
	for name, steps := range map[string][]step{
		"the first": {{due: tick}, {due: work}, {due: work, ended: 1}, {due: work}},
		"another":   {{due: tick}, {due: work}, {due: work, ended: 1}, {due: tick}, {due: work}, {due: work, ended: 2}},
		"ticks while its listing runs": {
			{due: tick}, {due: tick}, {due: tick, ended: 1}, // its own
			{due: work}, {due: work}, {due: work, ended: 3}, // the listing that follows covers both
			{due: work},
		},
		"a page cannot be read": {
			{due: tick}, {due: work}, {due: work, ended: 1},
			{due: tick}, {due: work, fails: 1}, {due: work}, {due: work}, // the listing is given up
			{due: tick}, {due: work}, {due: work, ended: 3},
		},
		"a tick fails while the listing of another runs": {
			{due: tick}, {due: work}, {due: work, ended: 1},
			{due: tick}, {due: tick, fails: 1},
			{due: work}, {due: work}, {due: work}, // what follows makes up for neither
			{due: tick}, {due: work}, {due: work, ended: 4},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newTicking(t)
			for n, s := range steps {
				clear(x.fails)
				if s.fails > 0 {
					x.fails[s.fails] = broken
				}
				ended, err := x.pass(t, s.due)
				if ended != s.ended || (err != nil) != (s.fails > 0) {
					t.Errorf("pass %d: tick %d has come to its end, expected %d (%v)", n, ended, s.ended, err)
				}
			}
		})
	}
}

// TestTickFailsBesideItsListing: a listing does not make up for invoices that its tick did not read.
func TestTickFailsBesideItsListing(t *testing.T) {
	t.Parallel()
	x := newTicking(t)
	x.invoices.booked = map[int64]bool{1: true}
	x.f.Shop.InvoicesOn = true
	x.Change(new(x.f.Shop))
	tick, work := reconcile.Due{Tick: true}, reconcile.Due{Work: true}
	x.invoices.fails = &source.Error{Class: plan.ClassInterrupted, Err: errors.New("reset")}
	if _, err := x.pass(t, tick); err == nil {
		t.Fatal("invoices did not fail")
	}
	x.invoices.fails = nil
	for range 3 {
		if ended, err := x.pass(t, work); ended != 0 || err != nil {
			t.Errorf("tick %d has come to its end (%v)", ended, err)
		}
	}
	var ended []int
	for _, due := range []reconcile.Due{tick, work, work} {
		n, err := x.pass(t, due)
		must(t, err)
		ended = append(ended, n)
	}
	if want := []int{0, 0, 2}; !slices.Equal(ended, want) {
		t.Errorf("then ticks %v, expected %v", ended, want)
	}
}

// TestRequestedTickIsListed: whoever asks for a tick of a shop that is listed at each is answered once
// a listing that began after the request has ended, with its changes.
func TestRequestedTickIsListed(t *testing.T) {
	t.Parallel()
	// What a listing finds that had begun before is not the request's.
	for during, want := range map[bool]struct {
		passes  int
		changes int64
	}{false: {3, 2}, true: {5, 1}} {
		t.Run(fmt.Sprint("during a listing: ", during), func(t *testing.T) {
			t.Parallel()
			x := newTicking(t)
			work := reconcile.Due{Work: true}
			for _, due := range []reconcile.Due{{Tick: true}, work, work} {
				if _, err := x.pass(t, due); err != nil {
					t.Fatal(err)
				}
			}
			if during {
				_, err := x.pass(t, reconcile.Due{Tick: true})
				must(t, err)
			}
			x.stock[0], x.stock[4] = 20, 24
			must(t, x.f.Store.AddRequests(t.Context(), []store.Request{{Request: "r", Shop: x.f.Shop.Shop, What: store.WantTick, RequestedAt: store.At(time.Now())}}))
			for n := 1; ; n++ {
				_, err := x.pass(t, work)
				must(t, err)
				list, err := x.f.Store.Requests(t.Context(), []string{"r"})
				must(t, err)
				done := !list[0].DoneAt.IsZero()
				if done != (n == want.passes) {
					t.Fatalf("after pass %d: answered %t", n, done)
				}
				if done {
					if list[0].Changes != want.changes || list[0].Failure != "" {
						t.Errorf("answered %d changes, %q: expected %d", list[0].Changes, list[0].Failure, want.changes)
					}
					return
				}
			}
		})
	}
}

// TestListedTicksAreSweeps: where each tick is a listing there is no other sweep, so it is noted as
// one, now and then.
func TestListedTicksAreSweeps(t *testing.T) {
	t.Parallel()
	x := newTicking(t)
	listing := []reconcile.Due{{Tick: true}, {Work: true}, {Work: true}}
	swept := func() time.Time {
		t.Helper()
		for _, due := range listing {
			_, err := x.pass(t, due)
			must(t, err)
		}
		p, err := x.f.Store.Progress(t.Context(), x.f.Shop.Shop)
		must(t, err)
		return p.SweptAt.Time
	}
	first := swept()
	if second := swept(); !second.Equal(first) {
		t.Errorf("noted at %s and again at %s", first, second)
	}
	long := store.At(time.Now().Add(-time.Hour))
	x.f.exec("UPDATE progress SET swept_at = ?", long)
	x.Change(new(x.f.Shop)) // reads it
	if third := swept(); time.Since(third) > time.Minute {
		t.Errorf("after an hour it is noted at %s", third)
	}
}

// TestEndlessListing: a listing that goes on after everything has come is given up, and no tick has
// come to its end with it.
func TestEndlessListing(t *testing.T) {
	t.Parallel()
	x := newTicking(t)
	x.endless = true
	_, err := x.pass(t, reconcile.Due{Tick: true})
	for n := 0; err == nil && n < 10; n++ {
		var ended int
		if ended, err = x.pass(t, reconcile.Due{Work: true}); ended != 0 {
			t.Errorf("tick %d has come to its end", ended)
		}
	}
	if want := "shop shop1234: the shelf: the listing does not end: 5 items of 5 had come, and there are more pages"; err == nil || err.Error() != want {
		t.Errorf("got %v, expected %s", err, want)
	}
	if len(x.asked) != 4 {
		t.Errorf("asked for %q", x.asked)
	}
}
