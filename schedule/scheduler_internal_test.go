package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// TestShortOf: only what waits for the day's calls is told as that.
func TestShortOf(t *testing.T) {
	t.Parallel()
	for class, word := range map[plan.Class]string{plan.ClassDay: "the budget is short", plan.ClassPart: "e-conomic refuses"} {
		if got := shortOf(fmt.Errorf("read: %w", &source.Error{Class: class})); !strings.HasPrefix(got, word) {
			t.Errorf("%v is told as %q", class, got)
		}
	}
}

// lostNotes is a store to which no tick can be noted while it is down.
type lostNotes struct {
	shopStore
	down  bool
	noted []store.TickMark
}

func (l *lostNotes) MarkCalls(_ context.Context, _ string, marks []store.TickMark) error {
	if l.down {
		return errors.New("the database is down")
	}
	l.noted = append(l.noted, marks...)
	return nil
}

// TestCallsThatCouldNotBeNoted: they are noted after the next tick, although that makes no
// more of them.
func TestCallsThatCouldNotBeNoted(t *testing.T) {
	t.Parallel()
	notes := &lostNotes{down: true}
	e := &entry{shop: &fakeShop{settings: store.Shop{Shop: "shop1"}, count: 3}}
	s := &Scheduler{now: time.Now, store: notes, shops: map[string]*entry{"shop1": e}}
	tick := func() error {
		s.mark(e, time.Now(), false)
		return s.FlushTicks(t.Context(), true)
	}
	if err := tick(); err == nil {
		t.Error("nothing is told of calls that could not be noted")
	}
	notes.down = false
	for range 2 { // the second has no news
		if err := tick(); err != nil {
			t.Error(err)
		}
	}
	if len(notes.noted) != 1 || notes.noted[0].Calls != 3 {
		t.Errorf("noted are %+v, want the 3 calls once", notes.noted)
	}
}
