package budget_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
)

const (
	person  = budget.PriorityPerson
	tick    = budget.PriorityTick
	hint    = budget.PriorityHint
	invoice = budget.PriorityInvoice
	unknown = budget.PriorityUnknown
	pdf     = budget.PriorityPDF
	sweep   = budget.PrioritySweep
)

func bucket(used int) budget.Answer {
	return budget.Answer{Bucket: budget.Bucket{Used: used, Limit: 10_000, Window: time.Minute}}
}

func TestDailyBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{DailyCalls: 10_000})
		spend := func(p budget.Priority) (n int) {
			for b.Acquire(t.Context(), p, nil) == nil {
				b.Release(budget.Answer{})
				n++
			}
			return n
		}
		time.Sleep(23 * time.Hour) // 120 calls are kept for ticks, 1,000 for new invoices, and 41 for sweeps
		for _, step := range []struct {
			p    budget.Priority
			want int
		}{{sweep, 8000}, {pdf, 83}, {unknown, 5}, {hint, 8380 - 41 - 8088}, {sweep, 0}, {pdf, 0}, {unknown, 0}, {invoice, 1041}, {hint, 0}, {tick, 120}, {invoice, 0}, {person, 500}} {
			if got := spend(step.p); got != step.want {
				t.Errorf("priority %d made %d calls, expected %d", step.p, got, step.want)
			}
			if paced := step.p == pdf || step.p == unknown; !paced && !b.Spent(step.p) {
				t.Errorf("%v: the day's share is not spent", step.p)
			}
			if left := b.Spare(step.p); left != 0 {
				t.Errorf("priority %d has %d to spare after all were spent", step.p, left)
			}
		}
		time.Sleep(30 * time.Minute)
		e, ok := errors.AsType[*budget.Error](b.Acquire(t.Context(), person, nil))
		if !ok || e.Kind != budget.KindSpent || e.RetryAfter != 30*time.Minute {
			t.Errorf("got %+v", e)
		}
		time.Sleep(e.RetryAfter)
		if b.Spent(sweep) || b.Spent(hint) {
			t.Error("a new day's share is spent")
		}
		if s := b.State(); s.Calls != 0 || s.Day != "2000-01-02" || b.Spare(person) != 10_000 {
			t.Errorf("a new day begins with %+v", s)
		}
	})
}

// TestReserves: what hints and new invoices must leave follows from how long the day still is.
func TestReserves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		daily         int
		at            time.Duration
		ticks         int // measured, per minute
		hint, invoice int // may be made at most
	}{
		{50_000, 0, 0, 50_000*85/100 - 2880 - 5000, 50_000*95/100 - 2880},
		{50_000, 12 * time.Hour, 0, 50_000*85/100 - 1440 - 2500, 50_000*95/100 - 1440},
		{50_000, 24*time.Hour - time.Minute, 0, 50_000*85/100 - 2 - 3, 50_000*95/100 - 2},
		{50_000, 12 * time.Hour, 1, 50_000*85/100 - 1440 - 2500, 50_000*95/100 - 1440}, // two a minute at least
		{50_000, 12 * time.Hour, 6, 50_000*85/100 - 6*720 - 2500, 50_000*95/100 - 6*720},
		{5000, 0, 0, 4250 - 2880 - 500, 4750 - 2880},
		{3000, 0, 0, 2550 - 1800 - 300, 2850 - 1800}, // six tenths of an even day
		{3000, 23 * time.Hour, 0, 2550 - 75 - 12, 2850 - 75},
		{100, 0, 0, 85 - 61 - 10, 95 - 61}, // rounded up
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Options{DailyCalls: c.daily})
			var made int
			if c.ticks > 0 {
				time.Sleep(c.at - 20*time.Minute)
				for range 20 {
					for range c.ticks {
						if err := b.Acquire(t.Context(), tick, nil); err != nil {
							t.Fatal(err)
						}
						b.Release(budget.Answer{})
						made++
					}
					time.Sleep(time.Minute)
				}
			} else {
				time.Sleep(c.at)
			}
			const tolerated = 60 // the measured spans end between two minutes
			for p, want := range map[budget.Priority]int{hint: c.hint, invoice: c.invoice, tick: c.daily * 95 / 100, person: c.daily} {
				if got := b.Spare(p) + made; got > want+made || got < want-tolerated*min(c.ticks, 1)*c.ticks {
					t.Errorf("%+v: priority %d may make %d calls in the day, expected %d", c, p, got, want)
				}
			}
		})
	}
}

// TestFew: whatever is kept for others, few calls leave hints and ticks some.
func TestFew(t *testing.T) {
	t.Parallel()
	for _, daily := range []int{100, 301, 3000, 50_000, 86_400} {
		most := 0
		for n := range daily {
			if budget.Few(n, daily) {
				most = n
			}
		}
		if most < daily/8 && daily > 100 || budget.Few(daily/5, daily) {
			t.Errorf("of %d calls %d are few", daily, most)
		}
		for _, at := range []time.Duration{0, time.Minute, 7 * time.Hour, 24*time.Hour - time.Minute} {
			for _, minute := range []int{0, 1, 60} {
				now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC).Add(at)
				b := budget.New(budget.Options{DailyCalls: daily, PerMinute: minute, Now: func() time.Time { return now }})
				for range 20 { // whose ticks need more than is kept for them
					b.Join("", "2026-11-30", 0)
				}
				b.Restore(budget.State{Day: "2026-11-30", Calls: most})
				if b.Spent(hint) || b.Spent(tick) {
					t.Errorf("%d of %d calls are few, and %s after midnight none are left", most, daily, at)
				}
			}
		}
	}
	if budget.Few(0, 0) {
		t.Error("a limit that is not known has few calls")
	}
}

// TestStrictPace: numbers that may not exist, and PDFs that did not come, have some calls at
// once and then a few a minute, and what they do not use they do not save up. Of unknown
// numbers a new budget has a handful, or each restart would give all of them.
func TestStrictPace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p              budget.Priority
		daily          int
		atOnce, inTwoH int
	}{
		{unknown, 50_000, 36, 416},
		{unknown, 5000, 20, 41},
		{unknown, 100, 1, 0},
		{pdf, 50_000, 416, 833},
		{pdf, 1500, 12, 25},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Options{DailyCalls: c.daily})
			if got := b.Spare(c.p); c.p == unknown && got != min(5, c.atOnce) || c.p == pdf && got < c.atOnce/2 {
				t.Errorf("%+v: a new budget has %d calls at once", c, got)
			}
			time.Sleep(20 * time.Hour)
			var e *budget.Error
			spend := func() (n int) {
				for {
					err := b.Acquire(t.Context(), c.p, nil)
					if errors.As(err, &e) {
						return n
					}
					b.Release(budget.Answer{})
					n++
				}
			}
			if got := spend(); got != c.atOnce {
				t.Errorf("%+v: %d calls at once", c, got)
			}
			if pace := time.Duration(float64(2*time.Hour) / max(float64(c.inTwoH), 0.8)); e.Kind != budget.KindSpent || e.RetryAfter > pace+pace/10 || e.RetryAfter <= 0 {
				t.Errorf("%+v: then %v", c, e)
			}
			later := 0
			for range 2 * 60 {
				time.Sleep(time.Minute)
				later += spend()
			}
			if later < c.inTwoH-1 || later > c.inTwoH+1 {
				t.Errorf("%+v: %d calls in two hours", c, later)
			}
			if b.Spent(c.p) || b.Spare(c.p) != 0 || b.Spare(person) == 0 {
				t.Errorf("%+v: spent %t, %d to spare", c, b.Spent(c.p), b.Spare(c.p))
			}
			time.Sleep(e.RetryAfter)
			if got := spend(); got != 1 {
				t.Errorf("%+v: %d calls after the wait", c, got)
			}
		})
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		blocked := time.Now().Add(time.Minute)
		b.Restore(budget.State{Day: "2000-01-01", Calls: 7, BucketUsed: 50, BucketLimit: 100, BlockedUntil: blocked})
		want := budget.State{Day: "2000-01-01", Calls: 7, BucketUsed: 50, BucketLimit: 100, BlockedUntil: blocked}
		if got := b.State(); got != want {
			t.Errorf("got %+v", got)
		}
		b.Restore(budget.State{Day: "1999-12-31", Calls: 900})
		if got := b.State().Calls; got != 7 {
			t.Errorf("yesterday's calls count: %d", got)
		}
		b.Restore(budget.State{Day: "2000-01-01", Calls: 5})
		if got := b.State().Calls; got != 7 {
			t.Errorf("calls were taken back: %d", got)
		}
		b.Restore(budget.State{BlockedUntil: time.Now().AddDate(1, 0, 0)})
		if got := time.Until(b.State().BlockedUntil); got != time.Hour {
			t.Errorf("blocked for %s", got)
		}
	})
}

// TestEvenPace: a sweep that makes every call it may, as soon as it may, spends its share
// evenly over the day, and never the reserve.
func TestEvenPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{DailyCalls: 48_000})
		spend := func(p budget.Priority) (n int) {
			for ; b.Spare(p) > 0; n++ {
				if err := b.Acquire(t.Context(), p, nil); err != nil {
					t.Fatal(err)
				}
				b.Release(budget.Answer{})
			}
			return n
		}
		var first int
		for hour := range 24 {
			calls := 0
			for range 60 {
				calls += spend(sweep)
				time.Sleep(time.Minute)
			}
			if hour == 0 {
				first = calls
			} else if calls > 1600+30 {
				t.Errorf("hour %d: %d calls, a 24th of the share is 1,600", hour, calls)
			}
			// At noon a burst of hints takes a quarter of the day.
			if hour == 12 {
				for range 12_000 {
					if err := b.Acquire(t.Context(), hint, nil); err != nil {
						t.Fatal(err)
					}
					b.Release(budget.Answer{})
				}
			}
			if hour == 14 && b.Spare(tick) < 7_000 {
				t.Error("a burst of hints starves the ticks")
			}
			if hour == 23 && b.Spare(person) < 9_600 {
				t.Errorf("only %d of the reserve is left", b.Spare(person))
			}
		}
		if first < 1600 || first > 3300 {
			t.Errorf("%d calls in the first hour, expected what is saved up and an hour's pace", first)
		}
	})
}

// TestPaceSlowsDown: after many calls, the remainder is spread over the rest of the day.
func TestPaceSlowsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{DailyCalls: 50_000})
		time.Sleep(12 * time.Hour)
		b.Restore(budget.State{Day: "2000-01-01", Calls: 40_000 - 1200})
		if got := b.Spare(sweep); got != 100 {
			t.Errorf("%d to spare, expected an hour's worth of 1,200 calls in 12 hours", got)
		}
		if got := b.Spare(hint); got != 0 { // ticks need 1,440, and sweeps 2,500
			t.Errorf("%d to spare for hints", got)
		}
	})
}

func TestBucketMakesWait(t *testing.T) {
	t.Parallel()
	// The bucket of 10,000 is assumed to refill by a 60th of it each second.
	for _, test := range []struct {
		used                                             int
		sweep, pdf, unknown, invoice, hint, tick, person time.Duration
	}{
		{used: 7000},
		{used: 8200, sweep: 7200 * time.Millisecond, pdf: 4200 * time.Millisecond, unknown: 1200 * time.Millisecond},
		{used: 9100, sweep: 12600 * time.Millisecond, pdf: 9600 * time.Millisecond, unknown: 6600 * time.Millisecond, invoice: 3600 * time.Millisecond, hint: 600 * time.Millisecond},
		{used: 10_000, sweep: 18 * time.Second, pdf: 15 * time.Second, unknown: 12 * time.Second, invoice: 9 * time.Second, hint: 6 * time.Second, tick: 3 * time.Second},
		{used: 90_000, sweep: 18 * time.Second, pdf: 15 * time.Second, unknown: 12 * time.Second, invoice: 9 * time.Second, hint: 6 * time.Second, tick: 3 * time.Second},
	} {
		for p, want := range map[budget.Priority]time.Duration{sweep: test.sweep, pdf: test.pdf, unknown: test.unknown, invoice: test.invoice, hint: test.hint, tick: test.tick, person: test.person} {
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(budget.Options{})
				if err := b.Acquire(t.Context(), hint, nil); err != nil {
					t.Fatal(err)
				}
				b.Release(bucket(test.used))
				start := time.Now()
				if err := b.Acquire(t.Context(), p, nil); err != nil {
					t.Fatal(err)
				}
				if want > 0 {
					want += 10 * time.Millisecond
				}
				if waited := time.Since(start); waited != want {
					t.Errorf("%d used, priority %d: waited %s, expected %s", test.used, p, waited, want)
				}
			})
		}
	}
}

// TestRestoreKeepsWhatIsWorse: a restored state takes back neither calls nor a block, and what
// it does not know stays.
func TestRestoreKeepsWhatIsWorse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const today = "2000-01-01"
		b := budget.New(budget.Options{DailyCalls: 48_000, Concurrency: 1})
		began := time.Now()
		after := began.Add
		for _, c := range []struct {
			name          string
			restore, want budget.State
		}{
			{"nothing", budget.State{}, budget.State{Day: today}},
			{"a bucket that is too full", budget.State{BucketUsed: 80, BucketLimit: 60}, budget.State{Day: today, BucketUsed: 60, BucketLimit: 60}},
			{"another bucket", budget.State{BucketUsed: 30, BucketLimit: 60, BlockedUntil: after(2 * time.Second)},
				budget.State{Day: today, BucketUsed: 30, BucketLimit: 60, BlockedUntil: after(2 * time.Second)}},
			{"a shorter block", budget.State{Day: today, Calls: 1, BlockedUntil: after(time.Second)},
				budget.State{Day: today, Calls: 1, BucketUsed: 30, BucketLimit: 60, BlockedUntil: after(2 * time.Second)}},
			{"tomorrow's calls", budget.State{Day: "2000-01-02", Calls: 9},
				budget.State{Day: today, Calls: 1, BucketUsed: 30, BucketLimit: 60, BlockedUntil: after(2 * time.Second)}},
		} {
			b.Restore(c.restore)
			if got := b.State(); got != c.want {
				t.Errorf("%s: got %+v, expected %+v", c.name, got, c.want)
			}
		}
		time.Sleep(20 * time.Second) // the bucket refills by one a second
		if got := b.State().BucketUsed; got != 10 {
			t.Errorf("%d of the bucket are used, expected 10", got)
		}

		// A call that waits for the bucket makes use of a new state at once.
		b.Restore(budget.State{BucketUsed: 60, BucketLimit: 60})
		waits := time.Now()
		time.AfterFunc(time.Second, func() { b.Restore(budget.State{BucketUsed: 1, BucketLimit: 60}) })
		if err := b.Acquire(t.Context(), sweep, nil); err != nil || time.Since(waits) != time.Second {
			t.Errorf("%v after %s", err, time.Since(waits))
		}
	})
}

// TestPace: how many calls ticks and sweeps have to spare, by what they have made and when.
func TestPace(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, 1, 1, 1, 0, 0, 0, time.FixedZone("CET", 3600)) // midnight
	b := budget.New(budget.Options{DailyCalls: 48_000, Now: func() time.Time { return now }})
	for _, c := range []struct {
		name                       string
		after                      time.Duration
		p                          budget.Priority
		calls                      int // made then
		sweep, tick, invoice, hint int
	}{
		// Of the reserves, 4,800 are kept for invoices and 120 for each remaining hour's ticks.
		{"an hour's worth is saved up at first", 0, sweep, 0, 1580, 45_600, 42_720, 33_120},
		{"it has made those calls", 0, sweep, 1580, 0, 44_020, 41_140, 31_540},
		{"calls of ticks", 0, tick, 400, 0, 43_620, 40_740, 31_140},
		// What others spend slows it down; and ticks have made 800 calls an hour.
		{"half an hour later", 30 * time.Minute, sweep, 0, 425, 43_620, 24_820, 15_320},
		{"an hour's worth at most", 2 * time.Hour, sweep, 0, 1600, 43_620, 41_040, 31_940},
		{"the clock is set back", -time.Hour, sweep, 100, 1500, 43_520, 40_820, 31_520},
		{"and goes on from there", 30 * time.Minute, sweep, 0, 1600, 43_520, 40_880, 31_680},
		{"others have spent nearly all", 0, person, 45_000, 0, 0, 0, 0},
		{"in the last hour", 21*time.Hour + 30*time.Minute, person, 500, 0, 0, 0, 0},
		{"the last second", 30*time.Minute - time.Second, person, 0, 0, 0, 0, 0},
		{"the next day", time.Second, person, 0, 1580, 45_600, 42_720, 33_120},
		{"set back to the last one, which is over", -time.Second, person, 1, 1580, 45_599, 45_598, 40_798},
	} {
		now = now.Add(c.after)
		for range c.calls {
			if err := b.Acquire(t.Context(), c.p, nil); err != nil {
				t.Fatal(c.name, err)
			}
			b.Release(budget.Answer{})
		}
		got := [...]int{b.Spare(sweep), b.Spare(tick), b.Spare(invoice), b.Spare(hint)}
		if want := [...]int{c.sweep, c.tick, c.invoice, c.hint}; got != want {
			t.Errorf("%s: %v to spare, expected %v", c.name, got, want)
		}
	}
	if s := b.State(); s.Day != "2000-01-02" || s.Calls != 1 {
		t.Errorf("%d calls on %s", s.Calls, s.Day)
	}
}

// TestPaceInTheLastHour: in the last hour of a day the pace does not rise above an even one, and
// only that and what is left of the share limit it; the slowest pace still saves up one call.
func TestPaceInTheLastHour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		daily, used int
		at          string // of a sweep that has just used up what it may
		after       time.Duration
		want        int
	}{
		{48_000, 0, "22:30", 30 * time.Minute, 800},
		{48_000, 0, "23:10", 30 * time.Minute, 800},
		{48_000, 38_000, "22:00", 30 * time.Minute, 67},   // slower: of 400 it has made 199
		{48_000, 38_000, "22:00", time.Hour, 201},         // all that is left
		{48_000, 38_000, "23:10", 30 * time.Minute, 0},    // none is left
		{10, 0, "12:00", 2*time.Hour + 50*time.Minute, 0}, // a third of a call per hour
		{10, 0, "12:00", 3*time.Hour + time.Minute, 1},
		{10, 0, "12:00", 10 * time.Hour, 1},
	} {
		began, err := time.Parse(time.DateOnly+" 15:04", "2000-01-01 "+c.at)
		if err != nil {
			t.Fatal(err)
		}
		now := began
		b := budget.New(budget.Options{DailyCalls: c.daily, Now: func() time.Time { return now }})
		b.Restore(budget.State{Day: "2000-01-01", Calls: c.used})
		for b.Spare(sweep) > 0 {
			if err := b.Acquire(t.Context(), sweep, nil); err != nil {
				t.Fatal(err)
			}
			b.Release(budget.Answer{})
		}
		now = began.Add(c.after)
		if got := b.Spare(sweep); got != c.want {
			t.Errorf("%d of %d calls made at %s: %d to spare after %s, expected %d", c.used, c.daily, c.at, got, c.after, c.want)
		}
	}
}

// TestBudgetDefaults: without settings it keeps to e-conomic's fair use, with two requests at a
// time.
func TestBudgetDefaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []budget.Options{{}, {DailyCalls: -1, Concurrency: -1}} {
			b := budget.New(o)
			if got := b.Spare(person); got != 50_000 {
				t.Errorf("%+v: %d calls a day", o, got)
			}
			began := time.Now()
			time.AfterFunc(time.Second, func() { b.Release(budget.Answer{}) })
			for range 3 {
				if err := b.Acquire(t.Context(), hint, nil); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took != time.Second {
				t.Errorf("%+v: the third call waited %s for one to end", o, took)
			}
			b.Release(budget.Answer{})
			b.Release(budget.Answer{})
		}
	})
}

// TestUnknownPriorities: a priority below the lowest or above the highest counts as that.
func TestUnknownPriorities(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for p, want := range map[budget.Priority]int{sweep - 1: 80, person + 1: 100} {
			b, n := budget.New(budget.Options{DailyCalls: 100, Now: func() time.Time { return time.Now().Add(24*time.Hour - time.Second) }}), 0
			for ; b.Acquire(t.Context(), p, nil) == nil; n++ {
				b.Release(budget.Answer{})
			}
			if n != want {
				t.Errorf("priority %d made %d calls, expected %d", p, n, want)
			}
		}
	})
}

// TestCallsBeforeTheFirstLook: the pace also counts calls that were made before anybody asked
// what there is to spare.
func TestCallsBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{DailyCalls: 48_000})
		for range 100 {
			if err := b.Acquire(t.Context(), sweep, nil); err != nil {
				t.Fatal(err)
			}
			b.Release(budget.Answer{})
		}
		if got := b.Spare(sweep); got != 1479 { // of just below 1,580
			t.Errorf("%d to spare", got)
		}
	})
}

// TestBlockKeepsItsClock: a block ends by the monotonic clock. By the wall clock it would last longer
// if that were set back meanwhile.
func TestBlockKeepsItsClock(t *testing.T) {
	t.Parallel()
	b := budget.New(budget.Options{})
	if err := b.Acquire(t.Context(), budget.PriorityTick, nil); err != nil {
		t.Fatal(err)
	}
	b.Release(budget.Answer{Limited: true, RetryAfter: time.Minute})
	if until := b.State().BlockedUntil; !strings.Contains(until.String(), " m=") || time.Until(until) < 50*time.Second {
		t.Errorf("blocked until %s, expected a time with a monotonic reading, a minute from now", until)
	}
}
