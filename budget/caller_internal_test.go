package budget

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFair(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		left, used int
		others     []int
		want       bool
	}{
		"alone":                              {1, 1000, nil, true},
		"alone, nothing left":                {0, 0, nil, false},
		"the other has used nothing":         {10, 9, []int{0}, true},
		"half of it":                         {10, 10, []int{0}, false},
		"more than half":                     {10, 11, []int{0}, false},
		"the other has used as much":         {1, 10, []int{10}, true},
		"the other has used more":            {1, 10, []int{100}, true},
		"nothing used, and one call left":    {1, 0, []int{100}, true},
		"nothing left":                       {0, 0, []int{100}, false},
		"a third":                            {90, 30, []int{0, 0}, true},
		"a third of what was there is used":  {60, 30, []int{0, 0}, false},
		"and another third by another":       {30, 30, []int{30, 0}, false},
		"less than its third":                {30, 29, []int{30, 0}, true},
		"others have used more than theirs":  {10, 39, []int{100, 0}, true},
		"between those with less and more":   {10, 40, []int{60, 10}, false},
		"the last call, all have as much":    {1, 5, []int{5, 5}, true},
		"the last call is for the other two": {1, 6, []int{5, 5}, false},
	} {
		if got := fair(c.left, c.used, c.others); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestTicksOfEachShop: before any calls of ticks are measured, as after each restart, two a minute
// are kept for each shop that shares the budget.
func TestTicksOfEachShop(t *testing.T) {
	t.Parallel()
	for shops, want := range map[int]int{0: 2880, 1: 2880, 2: 2 * 2880, 5: 5 * 2880, 12: 50_000*60/100 + 1} { // at most six tenths of an even day, rounded up
		b := New(Options{DailyCalls: 50_000, Now: func() time.Time { return time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC) }})
		for range shops {
			b.Join("shop", "2026-11-23", 0)
		}
		if kept := 50_000*95/100 - b.Spare(PriorityInvoice); kept != want {
			t.Errorf("%d shops: %d calls are kept for ticks, expected %d", shops, kept, want)
		}
	}
}

// TestSharesOfHints: one shop's hints use all of the day's calls while no other shop's need any.
// When another's do, each has its share, and until an hour after its last call what it has not
// used is kept for it.
func TestSharesOfHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{DailyCalls: 10_000, Concurrency: 1})
		one, two := b.Join("shop", "2000-01-01", 7), b.Join("shop", "2000-01-01", 8)
		count := map[*Caller]int{one: 7, two: 8}
		call := func(c *Caller) error {
			if err := b.Acquire(t.Context(), PriorityHint, c); err != nil {
				return err
			}
			b.Release(Answer{})
			count[c]++
			return nil
		}
		many := func(c *Caller, n int) (made int) {
			for made < n && call(c) == nil {
				made++
			}
			return made
		}
		expect := func(step string, got, want int) {
			t.Helper()
			if want > 500 && got == want+1 || got == want { // the need of ticks shrinks as time passes
				return
			}
			t.Errorf("%s: %d calls, expected %d", step, got, want)
		}
		total := b.allowed(PriorityHint, time.Now())
		expect("alone", many(one, 100), 100)
		if two.Spent(PriorityHint) || one.Spent(PriorityHint) {
			t.Error("the share is used, and nobody needs the rest")
		}
		expect("the other begins", many(two, 1), 1)
		expect("the first goes on, up to its share", many(one, total), total/2-100)
		if two.Spent(PriorityHint) || !one.Spent(PriorityHint) {
			t.Error("the share of the first is not used, or that of the other is")
		}
		if one.Spent(PriorityTick) || !one.Spent(PriorityUnknown) {
			t.Error("ticks have the shares of hints, or unknown numbers have not")
		}
		if all, half := b.Spare(PriorityUnknown), one.Spare(PriorityUnknown); all != 5 || half != 3 || one.Spare(PriorityTick) != b.Spare(PriorityTick) {
			t.Errorf("of %d unknown numbers it may ask for %d", all, half)
		}
		time.Sleep(20 * time.Minute)
		many(one, total) // as many as ticks no longer need
		err := call(one)
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindShare || e.RetryAfter.Round(time.Second) != 40*time.Minute {
			t.Errorf("beyond its share: %v", err)
		}
		if err := one.turn(false); err != nil {
			t.Errorf("a call that is for no hint: %v", err)
		}
		expect("the other has all of its share", many(two, 50), 50)
		time.Sleep(time.Hour)
		expect("an hour after the other's last call", many(one, 200), 200)
		expect("the other, later", many(two, 1), 1)
		expect("then the first", many(one, 1), 0)
		if left := two.Leave(); left != 1 {
			t.Errorf("%d are left", left)
		}
		expect("when the other has gone", many(one, 1), 1)
		if day, calls := one.Made(); day != "2000-01-01" || calls != count[one] {
			t.Errorf("it has made %d calls on %s", calls, day)
		}
		if day, calls := two.Made(); day != "2000-01-01" || calls != 8+52 || calls != count[two] {
			t.Errorf("the other has made %d calls on %s", calls, day)
		}
		two = b.Join("shop", "1999-12-31", 900)
		if _, calls := two.Made(); calls != 0 {
			t.Errorf("%d calls of yesterday count", calls)
		}
		two.Count("2000-01-01", 5)
		two.Count("2000-01-01", 4)
		two.Count("1999-12-31", 40)
		if _, calls := two.Made(); calls != 5 {
			t.Errorf("%d calls, expected 5", calls)
		}
		time.Sleep(24 * time.Hour)
		expect("the next day", many(one, 3), 3)
		if day, calls := one.Made(); day != "2000-01-02" || calls != 3 {
			t.Errorf("it has made %d calls on %s", calls, day)
		}
	})
}

// TestCallsInLine: of calls that come at the same time, for which there is no room at once, the
// higher priority goes first, then the shop that has made fewer calls, then by the name.
func TestCallsInLine(t *testing.T) {
	t.Parallel()
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := New(Options{DailyCalls: 10_000, Concurrency: 1})
			shops := map[string]*Caller{}
			for name, made := range map[string]int{"a": 5, "b": 3, "c": 5, "d": 0} {
				shops[name] = b.Join(name, "2000-01-01", made)
			}
			var order []string
			var all sync.WaitGroup
			for name, c := range shops {
				for _, p := range []Priority{PriorityTick, PriorityPerson} {
					all.Go(func() {
						if err := b.Acquire(t.Context(), p, c); err != nil {
							t.Error(err)
						}
						order = append(order, name)
						time.Sleep(time.Second)
						b.Release(Answer{})
					})
				}
			}
			all.Wait()
			if got := strings.Join(order, " "); got != "d b a c d b a c" {
				t.Errorf("they go as %s", got)
			}
		})
	}
}

// TestSpareOfSharedCalls: of the calls for unknown numbers each shop whose hints need some has its
// part, rounded up: a single one is somebody's.
func TestSpareOfSharedCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{DailyCalls: 10_000})
		shops := []*Caller{b.Join("a", "2000-01-01", 0), b.Join("b", "2000-01-01", 0), b.Join("c", "2000-01-01", 0)}
		for saved, want := range map[float64]int{0: 0, 1: 1, 3: 1, 4: 2, 7: 3} {
			for _, c := range shops {
				if err := c.turn(true); err != nil {
					t.Fatal(err)
				}
			}
			b.paced[PriorityUnknown] = pace{saved, time.Now()}
			if got := shops[0].Spare(PriorityUnknown); got != want {
				t.Errorf("of %g calls each of three shops may make %d, expected %d", saved, got, want)
			}
		}
	})
}

// TestCallerOfYesterday: nothing that a shop did yesterday counts towards its share of today.
func TestCallerOfYesterday(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{DailyCalls: 10_000})
		c := b.Join("a", "2000-01-01", 7)
		if err := c.turn(true); err != nil {
			t.Fatal(err)
		}
		c.count(true)
		c.count(false)
		if c.calls != 9 || c.hints != 1 || c.needs.IsZero() {
			t.Errorf("today: %+v", c)
		}
		time.Sleep(24 * time.Hour)
		if day, calls := c.Made(); day != "2000-01-02" || calls != 0 || c.hints != 0 || !c.needs.IsZero() {
			t.Errorf("on %s it has made %d calls: %+v", day, calls, c)
		}
	})
}

// TestTicksAfterTheClockWasSetBack: what ticks need is measured anew, not only once the clock has
// caught up.
func TestTicksAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var m ticking
	m.measure(noon, 1)
	m.measure(noon.Add(ticksSpan-1), 99)
	if m.rate != 0 {
		t.Errorf("within the first span: %g an hour", m.rate)
	}
	if m.measure(noon.Add(ticksSpan), 1); m.rate != 400 {
		t.Errorf("after it: %g an hour, expected 400", m.rate)
	}
	back := noon.Add(-6 * time.Hour)
	m.measure(back, 20)
	if m.measure(back.Add(ticksSpan), 1); m.rate != 80 {
		t.Errorf("after the first span since the clock was set back: %g an hour, expected 80", m.rate)
	}
}
