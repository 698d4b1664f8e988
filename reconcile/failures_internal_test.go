package reconcile

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// TestEndsPass: which errors of a part end the pass, and after which the next pass starts with
// the part after it, so that no part starves.
func TestEndsPass(t *testing.T) {
	t.Parallel()
	of := func(class plan.Class) error { return &source.Error{Class: class, Err: errors.New(string(class))} }
	for name, c := range map[string]struct {
		err        error
		self       plan.Self
		ends, next bool
	}{
		"none":                           {nil, plan.SelfUnasked, false, false},
		"the database":                   {errors.New("database is locked"), plan.SelfUnasked, false, false},
		"the lease is lost":              {fmt.Errorf("store: %w", store.ErrFenced), plan.SelfUnasked, true, false},
		"another lagerd's agreement":     {fmt.Errorf("book calls: %w", store.ErrAccountHeld), plan.SelfUnasked, true, false},
		"other settings":                 {fmt.Errorf("store: %w", store.ErrSettingsChanged), plan.SelfUnasked, true, false},
		"a number":                       {of(plan.ClassNumber), plan.SelfUnasked, false, false},
		"the part is refused":            {of(plan.ClassPart), plan.SelfUnasked, false, false},
		"the day is spent":               {of(plan.ClassDay), plan.SelfUnasked, false, false},
		"interrupted":                    {of(plan.ClassInterrupted), plan.SelfUnasked, false, false},
		"busy":                           {of(plan.ClassBusy), plan.SelfUnasked, true, true},
		"hanging":                        {of(plan.ClassHanging), plan.SelfUnasked, true, true},
		"hanging, after another failure": {errors.Join(of(plan.ClassInterrupted), of(plan.ClassHanging)), plan.SelfUnasked, true, true},
		"a wrong token":                  {of(plan.ClassShop), plan.SelfRefused, true, false},
		"a wrong token, perhaps":         {of(plan.ClassShop), plan.SelfUnknown, true, false},
		"and who it is hangs":            {errors.Join(of(plan.ClassShop), of(plan.ClassHanging)), plan.SelfUnknown, true, true},
	} {
		i := &identity{self: c.self}
		if ends, next := i.endsPass(t.Context(), c.err); ends != c.ends || next != c.next {
			t.Errorf("%s: ends %t, next %t", name, ends, next)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if ends, next := (&identity{}).endsPass(ended, nil); !ends || next {
		t.Errorf("after the pass was canceled: ends %t, next %t", ends, next)
	}
}

// TestSpentDayFailsNoPage: a listing that waits for the budget has not failed, however often it
// waits. A single failure after that does not restart it.
func TestSpentDayFailsNoPage(t *testing.T) {
	t.Parallel()
	s := &Shop{Reconciler: &Reconciler{}, holder: holder{shop: new(store.Shop)}, inbox: inbox.New(nil, "shop1234", inbox.Options{AtOnce: 1})}
	s.components = newComponents(s, &calls{})
	of := func(class plan.Class) error { return &source.Error{Class: class, Err: errors.New(string(class))} }
	l := &listing{}
	s.stock.sweep.listing = l
	for range plan.FailedPages {
		_ = s.stock.sweep.interrupted(l, of(plan.ClassDay))
	}
	if s.stock.sweep.listing == nil || l.failures != 0 {
		t.Fatalf("the day was spent: %d pages have failed, ended %t", l.failures, s.stock.sweep.listing == nil)
	}
	for n := range plan.FailedPages {
		if s.stock.sweep.listing == nil {
			t.Fatalf("the listing ended with the failure of page %d", n)
		}
		_ = s.stock.sweep.interrupted(l, of(plan.ClassInterrupted))
	}
	if s.stock.sweep.listing != nil {
		t.Error("it goes on for ever")
	}
}

// TestFailuresInARow: numbers without a usable answer in a row stop the reads, and refused ones the
// part. What the source says of one number ends the row; only a read number ends the streak.
func TestFailuresInARow(t *testing.T) {
	t.Parallel()
	interrupted, odd, refused, hangs := plan.ClassInterrupted, plan.ClassNumber, plan.ClassPart, plan.ClassHanging
	for name, c := range map[string]struct {
		classes []plan.Class
		before  bool // each was refused before
		stop    plan.Stop
		again   plan.Again
	}{
		"two are interrupted":            {[]plan.Class{interrupted, interrupted}, false, plan.StopNumber, plan.AgainLater},
		"three are":                      {[]plan.Class{interrupted, interrupted, interrupted}, false, plan.StopReads, plan.AgainDue},
		"one between is odd":             {[]plan.Class{interrupted, interrupted, odd, interrupted, interrupted}, false, plan.StopNumber, plan.AgainLater},
		"one between is refused":         {[]plan.Class{interrupted, interrupted, refused, interrupted, interrupted}, false, plan.StopNumber, plan.AgainLater},
		"one between hangs":              {[]plan.Class{interrupted, interrupted, hangs, interrupted, interrupted}, false, plan.StopNumber, plan.AgainLater},
		"three after one that is odd":    {[]plan.Class{interrupted, odd, interrupted, interrupted, interrupted}, false, plan.StopReads, plan.AgainDue},
		"two are refused":                {[]plan.Class{refused, refused}, false, plan.StopNumber, plan.AgainLater},
		"three are refused":              {[]plan.Class{refused, refused, refused}, false, plan.StopPart, plan.AgainLater},
		"three that always are":          {[]plan.Class{refused, refused, refused}, true, plan.StopNumber, plan.AgainLater},
		"others fail between":            {[]plan.Class{refused, interrupted, refused, odd, refused}, false, plan.StopPart, plan.AgainLater},
		"many are odd":                   {[]plan.Class{odd, odd, odd, odd}, false, plan.StopNumber, plan.AgainLater},
		"it hangs, which ends each pass": {[]plan.Class{hangs}, false, plan.StopPass, plan.AgainLater},
	} {
		g, row := &gate{by: &identity{}}, 0
		var stop plan.Stop
		var again plan.Again
		for n, class := range c.classes {
			stop, again = g.stopsForNumber(fmt.Sprint("n", n), c.before, &source.Error{Class: class, Err: errors.New(string(class))}, &row)
		}
		if stop != c.stop || again != c.again {
			t.Errorf("%s: it stops %s, again %s", name, stop, again)
		}
	}
}
