package budget

import (
	"testing"
	"time"
)

// TestMinuteSizes: of the calls of a minute so many can be saved up, and what comes back besides
// makes no minute exceed them.
func TestMinuteSizes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ calls, size, back int }{
		{1, 1, 1},
		{2, 2, 1},
		{3, 2, 2},
		{10, 2, 9},
		{36, 3, 34},
		{60, 5, 56},
		{480, 40, 441},
		{100_000, 8333, 91_668},
	} {
		m := newMinute(c.calls, time.Time{})
		if exact := time.Minute / time.Duration(c.back); m.size != c.size || m.every <= exact || m.every > exact+exact/900 {
			t.Errorf("%d a minute: %d are saved up, one in %s, expected %d, in %s", c.calls, m.size, m.every, c.size, exact)
		}
		if wait := m.wait(100, time.Time{}); wait <= 0 {
			t.Errorf("%d a minute: a new bucket has calls saved up, which another process may have made", c.calls)
		}
		// From a full bucket, as fast as it allows.
		var made []time.Time
		now := m.full
		for range 3 * c.calls {
			now = now.Add(m.wait(100, now))
			m.take(now)
			made = append(made, now)
		}
		for i := c.calls; i < len(made); i++ {
			if took := made[i].Sub(made[i-c.calls]); took <= time.Minute {
				t.Fatalf("%d a minute: call %d comes %s after the one that is so many before it", c.calls, i, took)
			}
		}
	}
	if m := newMinute(0, time.Time{}); m != nil || m.wait(0, time.Time{}) != 0 {
		t.Error("none is a limit")
	}
	if m := newMinute(-1, time.Time{}); m != nil {
		t.Error("less than none is a limit")
	}
}

// TestMinuteByPriority: from an empty bucket the priorities get their first call one after another, and
// once it is full so many at once.
func TestMinuteByPriority(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for p, c := range map[Priority]struct{ waits, atOnce int }{
		PrioritySweep:   {4, 2},
		PriorityPDF:     {4, 2},
		PriorityUnknown: {3, 3},
		PriorityInvoice: {2, 4},
		PriorityHint:    {2, 4},
		PriorityTick:    {4, 2},
		PriorityPerson:  {1, 5},
	} {
		m := newMinute(60, start)
		if got := m.wait(of[p].fullestOwn, start); got != time.Duration(c.waits)*m.every {
			t.Errorf("priority %d waits for %s, expected %d × %s", p, got, c.waits, m.every)
		}
		now, n := start.Add(time.Hour), 0
		for ; m.wait(of[p].fullestOwn, now) == 0; n++ {
			m.take(now)
		}
		if n != c.atOnce {
			t.Errorf("priority %d gets %d at once, expected %d", p, n, c.atOnce)
		}
	}
}
