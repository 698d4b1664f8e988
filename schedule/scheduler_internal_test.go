package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// TestShortMessage: only an error of the day's budget is reported as one.
func TestShortMessage(t *testing.T) {
	t.Parallel()
	for class, word := range map[plan.Class]string{plan.ClassDay: "the budget is short", plan.ClassPart: "reads of a part are refused"} {
		if got := shortMessage(reconcile.Report{Short: fmt.Errorf("read: %w", &source.Error{Class: class})}); !strings.HasPrefix(got, word) {
			t.Errorf("%v is reported as %q", class, got)
		}
	}
}

// downStore is a store that saves no tick while it is down.
type downStore struct {
	shopStore
	down  bool
	saved []store.TickMark
}

func (l *downStore) MarkCalls(_ context.Context, _ string, marks []store.TickMark) error {
	if l.down {
		return errors.New("the database is down")
	}
	l.saved = append(l.saved, marks...)
	return nil
}

// TestUnsavedCalls: calls that could not be saved are saved after the next tick, even if it
// makes no more.
func TestUnsavedCalls(t *testing.T) {
	t.Parallel()
	db := &downStore{down: true}
	e := &entry{shop: &fakeShop{settings: &store.Shop{Shop: "shop1"}, count: 3}}
	s := &Scheduler{now: time.Now, store: db, shops: map[string]*entry{"shop1": e}}
	tick := func() error {
		s.recordTick(e, time.Time{})
		return s.FlushTicks(t.Context(), true)
	}
	if err := tick(); err == nil {
		t.Error("no error for calls that could not be saved")
	}
	db.down = false
	for range 2 { // the second has nothing to save
		if err := tick(); err != nil {
			t.Error(err)
		}
	}
	if len(db.saved) != 1 || db.saved[0].Calls != 3 {
		t.Errorf("saved %+v, want the 3 calls once", db.saved)
	}
}
