package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/reconcile"
)

var (
	tick  = reconcile.Due{Tick: true}
	sweep = reconcile.Due{Tick: true, Sweep: true}
	work  = reconcile.Due{Work: true}
)

// next takes the next shop and fails if none is ready.
func next(t *testing.T, q *queue) (string, reconcile.Due) {
	t.Helper()
	if q.length() == 0 {
		t.Fatal("no shop is ready")
	}
	shop, j, ok := q.get(true)
	if !ok {
		t.Fatal("get gave up")
	}
	return shop, j
}

func none(t *testing.T, q *queue) {
	t.Helper()
	if n := q.length(); n != 0 {
		t.Fatalf("%d shops are ready, expected none", n)
	}
}

func TestManyAddsAreOneJob(t *testing.T) {
	t.Parallel()
	q := newQueue()
	for range 1000 {
		q.add("a", work, false)
	}
	q.add("a", tick, false)
	if shop, j := next(t, q); shop != "a" || j != (reconcile.Due{Tick: true, Work: true}) {
		t.Fatalf("got %s %+v", shop, j)
	}
	none(t, q)
	q.done("a")
	none(t, q)
}

func TestAddedWhileBusyRunsOnceMore(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.add("a", work, false)
	next(t, q)
	for range 10 {
		q.add("a", work, false)
	}
	none(t, q) // never two concurrently
	q.done("a")
	if _, j := next(t, q); j != work {
		t.Fatalf("got %+v", j)
	}
	q.done("a")
	none(t, q)
}

func TestTickDoesNotQueueBehindItself(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.add("a", tick, false)
	next(t, q)
	q.add("a", tick, false)
	q.done("a")
	none(t, q)

	// It does queue up behind a pass for hints.
	q.add("a", work, false)
	next(t, q)
	q.add("a", tick, false)
	q.done("a")
	if _, j := next(t, q); j != tick {
		t.Fatalf("got %+v", j)
	}
	// A sweep requested during a tick is not lost.
	q.add("a", sweep, true)
	q.done("a")
	if _, j := next(t, q); j != sweep {
		t.Fatalf("got %+v", j)
	}
}

func TestDelayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.add("a", work, false)
		next(t, q)
		q.addAfter("a", tick, time.Minute)
		q.done("a")
		q.add("a", work, false) // does not cut the wait short
		none(t, q)
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		none(t, q)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if _, j := next(t, q); j != (reconcile.Due{Tick: true, Work: true}) {
			t.Fatalf("what came while it was delayed is lost: %+v", j)
		}
		q.done("a")

		q.add("a", work, false)
		next(t, q)
		q.addAfter("a", tick, time.Hour)
		q.done("a")
		q.add("a", work, true) // a request: immediately, with what waited
		if _, j := next(t, q); j != (reconcile.Due{Tick: true, Work: true}) {
			t.Fatalf("got %+v", j)
		}
		q.done("a")
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		none(t, q)
	})
}

// TestSoon: what is to be worked on soon goes with whatever else is added, and does not delay that.
func TestSoon(t *testing.T) {
	t.Parallel()
	both := reconcile.Due{Tick: true, Work: true}
	for name, c := range map[string]struct {
		during, meanwhile func(q *queue)
		due               reconcile.Due
		after             time.Duration
	}{
		"nothing else":                {after: time.Second, due: tick},
		"work during the pass":        {during: func(q *queue) { q.add("a", work, false) }, due: both},
		"work afterwards":             {meanwhile: func(q *queue) { q.add("a", work, false) }, due: both},
		"a request afterwards":        {meanwhile: func(q *queue) { q.add("a", work, true) }, due: both},
		"one of many shops":           {meanwhile: func(q *queue) { q.addBulk("a", work) }, due: both},
		"some hints during the pass":  {during: func(q *queue) { q.debounce("a", work, time.Millisecond, time.Second) }, due: both, after: time.Millisecond},
		"some hints afterwards":       {meanwhile: func(q *queue) { q.debounce("a", work, time.Millisecond, time.Second) }, due: both, after: time.Millisecond},
		"a burst of hints afterwards": {meanwhile: func(q *queue) { q.debounce("a", work, time.Minute, time.Hour) }, due: both, after: time.Second},
		"a burst of hints that goes on": {during: func(q *queue) { q.debounce("a", work, 10*time.Second, time.Hour) },
			meanwhile: func(q *queue) { q.debounce("a", work, time.Minute, time.Hour) }, due: both, after: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				q.add("a", work, false)
				next(t, q)
				if c.during != nil {
					c.during(q)
				}
				q.addSoon("a", tick, time.Second)
				q.done("a")
				if c.meanwhile != nil {
					c.meanwhile(q)
				}
				if c.after > 0 {
					time.Sleep(c.after - time.Microsecond)
					none(t, q)
					time.Sleep(time.Microsecond)
					synctest.Wait()
				}
				if _, due := next(t, q); due != c.due {
					t.Errorf("it is due for %+v, expected %+v", due, c.due)
				}
				q.done("a")
				time.Sleep(time.Hour)
				synctest.Wait()
				none(t, q)
			})
		})
	}
}

// TestRequestedDuringAFailure: what a person requests while a pass is failing
// does not wait for the backoff.
func TestRequestedDuringAFailure(t *testing.T) {
	t.Parallel()
	q := newQueue()
	q.add("a", work, false)
	next(t, q)
	q.add("a", reconcile.Due{Tick: true, Requested: true}, true)
	q.addAfter("a", work, time.Hour)
	q.done("a")
	if _, j := next(t, q); !j.Requested || !j.Tick || !j.Work {
		t.Fatalf("got %+v", j)
	}
}

// TestBulk: a bulk shop waits until no other is due, or until it is added alone.
func TestBulk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		for _, shop := range []string{"a", "b", "c", "d"} {
			q.addBulk(shop, tick)
		}
		q.add("x", work, false)
		if _, _, ok := q.get(false); !ok {
			t.Fatal("no shop is ready that is not in bulk")
		}
		if shop, _, ok := q.get(false); ok {
			t.Fatalf("%s is next, though it is in bulk", shop)
		}
		q.addBulk("b", sweep)
		q.add("c", work, false)
		q.forget("a")
		q.debounce("d", work, time.Hour, time.Hour) // it keeps its turn
		for _, want := range []struct {
			shop string
			due  reconcile.Due
		}{{"c", tick.Merge(work)}, {"d", tick.Merge(work)}, {"b", sweep}} {
			if shop, due := next(t, q); shop != want.shop || due != want.due {
				t.Errorf("%s is next for %+v, expected %s for %+v", shop, due, want.shop, want.due)
			}
		}
		none(t, q)

		// It ends a backoff after a failure, but waits for the end of a running pass.
		q.addAfter("c", work, time.Hour)
		q.done("c")
		q.addBulk("b", tick)
		q.addBulk("c", tick)
		if shop, due := next(t, q); shop != "c" || due != tick.Merge(work) {
			t.Errorf("%s is next for %+v", shop, due)
		}
		none(t, q)
		q.done("b")
		next(t, q)
		none(t, q)
	})
}

// TestParked: a parked shop starts when it is released, when its time is up, or when a
// person requests it, and what comes meanwhile waits with it.
func TestParked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		park := func() {
			q.add("a", work, false)
			next(t, q)
			q.park("a", work, time.Minute)
			q.done("a")
			q.add("a", tick, false)
			none(t, q)
		}
		begins := func() {
			t.Helper()
			if shop, due, _ := q.get(false); shop != "a" || due != tick.Merge(work) { // not in bulk
				t.Errorf("%q starts for %+v", shop, due)
			}
			q.release("a") // no longer parked
			q.done("a")
			none(t, q)
		}
		park()
		q.release("b")
		none(t, q)
		q.release("a")
		begins()
		park()
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		none(t, q)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		begins()
		park()
		q.add("a", tick, true)
		begins()

		// A shop in backoff after a failure is not parked.
		q.add("a", work, false)
		next(t, q)
		q.addAfter("a", work, time.Hour)
		q.done("a")
		q.release("a")
		none(t, q)
		q.forget("a")
	})
}

// TestDelayedWhileBusy: what was due for a shop during its pass, debounced or not, waits with it
// afterwards, and nothing of it comes earlier or twice.
func TestDelayedWhileBusy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		meanwhile func(q *queue)
		due       reconcile.Due
	}{
		{"nothing", func(*queue) {}, tick},
		{"work", func(q *queue) { q.add("a", work, false) }, tick.Merge(work)},
		{"urgent work", func(q *queue) { q.add("a", work, true) }, tick.Merge(work)},
		{"one of many", func(q *queue) { q.addBulk("a", sweep) }, sweep},
		{"a burst", func(q *queue) { q.debounce("a", work, time.Second, time.Minute) }, tick.Merge(work)},
		{"work and a burst", func(q *queue) {
			q.add("a", reconcile.Due{Sweep: true}, false)
			q.add("a", reconcile.Due{Sweep: true}, false)
			q.debounce("a", work, time.Second, time.Minute)
		}, sweep.Merge(work)},
		{"a burst that continues", func(q *queue) {
			q.debounce("a", work, time.Second, time.Minute)
			q.debounce("a", reconcile.Due{Sweep: true}, time.Second, time.Minute)
		}, sweep.Merge(work)},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue()
			q.add("a", work, false)
			next(t, q)
			c.meanwhile(q)
			q.addAfter("a", tick, time.Hour)
			q.done("a")
			time.Sleep(time.Hour - 1)
			synctest.Wait()
			if n := q.length(); n > 0 {
				t.Errorf("%s: it does not wait", c.name)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if shop, due, _ := q.get(false); shop != "a" || due != c.due {
				t.Errorf("%s: %q is next for %+v, expected %+v", c.name, shop, due, c.due)
			}
			q.done("a")
			time.Sleep(time.Hour)
			synctest.Wait()
			none(t, q)
			q.add("a", work, false) // it is not delayed any more
			next(t, q)
		})
	}
}

// TestDebounceOfADueShop: hints neither delay a shop that waits its turn, nor what is more than
// hints and came during its pass.
func TestDebounceOfADueShop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		busy bool
		due  reconcile.Due
		wait bool
	}{
		{"hints that wait their turn", false, work, false},
		{"a tick that waits its turn", false, tick, false},
		{"hints during a pass", true, work, true},
		{"a tick during a pass", true, tick, false},
		{"a sweep during a pass", true, reconcile.Due{Sweep: true}, false},
		{"a request during a pass", true, reconcile.Due{Requested: true}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue()
			if c.busy {
				q.add("a", work, false)
				next(t, q)
			}
			q.add("a", c.due, false)
			q.debounce("a", work, time.Second, time.Minute)
			if c.busy {
				q.done("a")
			}
			if (q.length() == 0) != c.wait {
				t.Errorf("%s: it waits: %t", c.name, !c.wait)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if shop, due := next(t, q); shop != "a" || due != c.due.Merge(work) {
				t.Errorf("%s: %q is next for %+v", c.name, shop, due)
			}
			q.done("a")
			time.Sleep(time.Minute)
			synctest.Wait()
			none(t, q)
		})
	}
}

// TestReady: ready signals whenever there is another shop to take, and not if there is none.
func TestReady(t *testing.T) {
	t.Parallel()
	q := newQueue()
	signals := func(when string, want bool) {
		t.Helper()
		got := false
		select {
		case <-q.ready:
			got = true
		default:
		}
		if got != want {
			t.Errorf("%s: ready signals: %t", when, got)
		}
	}
	signals("at first", false)
	q.add("a", work, false)
	signals("a shop is added", true)
	q.add("a", tick, false)
	signals("it is added again", false)
	q.addBulk("b", work)
	signals("one of many is added", true)
	q.add("c", work, false)
	signals("another is added", true)
	next(t, q) // a
	signals("two are left", true)
	next(t, q) // c
	signals("one of many is left", true)
	next(t, q) // b
	signals("none is left", false)
	q.add("a", work, false)
	signals("a busy one is added", false)
	q.done("b")
	signals("a pass ends", false)
	q.done("a")
	signals("the pass of the busy one ends", true)
}

// TestFirstOfTheBulk: the first shop of the bulk can be moved in front of it, and forgotten, like
// any other.
func TestFirstOfTheBulk(t *testing.T) {
	t.Parallel()
	q := newQueue()
	for _, shop := range []string{"a", "b", "c", "d"} {
		q.addBulk(shop, tick)
	}
	q.add("d", work, false)
	q.add("a", work, false)
	q.forget("b")
	q.addBulk("e", tick)
	for _, want := range []string{"d", "a", "c", "e"} {
		if shop, _ := next(t, q); shop != want {
			t.Errorf("%s is next, expected %s", shop, want)
		}
	}
	none(t, q)
}

// TestBulkAfterABackoff: a shop that one of many adds took out of its backoff is not delayed any
// more.
func TestBulkAfterABackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.addAfter("a", work, time.Hour)
		q.addBulk("a", tick)
		if _, due := next(t, q); due != tick.Merge(work) {
			t.Errorf("it is next for %+v", due)
		}
		q.done("a")
		q.add("a", work, false)
		next(t, q)
		q.done("a")
		time.Sleep(time.Hour)
		synctest.Wait()
		none(t, q)
	})
}

// TestStop: nothing becomes due after stop.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.addAfter("a", work, time.Hour)
		q.debounce("b", work, time.Second, time.Minute)
		q.stop()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		none(t, q)
	})
}

func TestForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.add("a", work, false)
		q.add("b", work, false)
		q.forget("a")
		if shop, _ := next(t, q); shop != "b" {
			t.Fatalf("got %s", shop)
		}
		q.addAfter("b", work, time.Second)
		q.done("b")
		q.forget("b")
		time.Sleep(time.Minute)
		synctest.Wait()
		none(t, q)

		// Those around it keep their turn, and it can be added again.
		for _, shop := range []string{"a", "b", "c"} {
			q.add(shop, work, false)
		}
		q.forget("b")
		q.forget("unknown")
		q.add("b", tick, false)
		for _, want := range []string{"a", "c", "b"} {
			if shop, due := next(t, q); shop != want || (shop == "b") != (due == tick) {
				t.Errorf("%s is next for %+v, expected %s", shop, due, want)
			}
		}
		none(t, q)
	})
}

// TestNothingIsLost adds at random from many goroutines while workers work:
// after each add, a later get must return its shop, and never twice concurrently.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		added, seen, busy := map[string]int{}, map[string]int{}, map[string]bool{}
		var workers, adders sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for {
					shop, _, ok := q.get(true)
					if !ok {
						select {
						case <-q.ready:
						case <-ctx.Done():
							return
						}
						continue
					}
					mu.Lock()
					if busy[shop] {
						t.Errorf("%s is worked on twice concurrently", shop)
					}
					busy[shop] = true
					seen[shop] = added[shop]
					mu.Unlock()
					time.Sleep(rand.N(time.Second))
					mu.Lock()
					busy[shop] = false
					mu.Unlock()
					if rand.IntN(10) == 0 {
						q.addAfter(shop, work, rand.N(time.Minute))
					}
					q.done(shop)
				}
			})
		}
		for range 8 {
			adders.Go(func() {
				for range 200 {
					shop := fmt.Sprint("shop", rand.IntN(10))
					mu.Lock()
					added[shop]++
					q.add(shop, work, false)
					mu.Unlock()
					time.Sleep(rand.N(300 * time.Millisecond))
				}
			})
		}
		adders.Wait()
		time.Sleep(time.Hour)
		synctest.Wait()
		for shop, n := range added {
			if seen[shop] != n {
				t.Errorf("%s: %d adds, the last pass started after %d", shop, n, seen[shop])
			}
		}
		cancel()
		workers.Wait()
		q.stop()
	})
}

// TestDebounce: a shop that keeps being hinted waits until that stops, but not forever.
func TestDebounce(t *testing.T) {
	t.Parallel()
	const quiet, maxWait = 300 * time.Millisecond, 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		began := time.Now()
		hint := func() { q.debounce("a", work, quiet, maxWait) }
		for range 10 {
			hint()
			time.Sleep(100 * time.Millisecond)
		}
		q.add("a", tick, false) // is delayed with it
		none(t, q)
		time.Sleep(quiet - 100*time.Millisecond)
		synctest.Wait()
		if shop, j := next(t, q); shop != "a" || j != (reconcile.Due{Tick: true, Work: true}) {
			t.Errorf("%s is ready for %+v", shop, j)
		}
		if waited := time.Since(began); waited != time.Second+200*time.Millisecond {
			t.Errorf("it waited for %s", waited)
		}

		// While it is being worked on, too.
		hint()
		q.done("a")
		none(t, q)
		time.Sleep(quiet)
		synctest.Wait()
		if _, due := next(t, q); due != work {
			t.Errorf("it is ready for %+v", due)
		}
		q.done("a")

		began = time.Now()
		for q.length() == 0 && time.Since(began) <= 2*maxWait {
			hint()
			time.Sleep(quiet / 3)
			synctest.Wait()
		}
		if waited := time.Since(began); waited < maxWait || waited > maxWait+quiet {
			t.Errorf("without a pause it waited for %s", waited)
		}
		hint() // it keeps its turn
		next(t, q)
		q.done("a")
		none(t, q)

		// What came for it before, while it was being worked on, is delayed with it,
		// but a tick is not.
		for _, before := range []reconcile.Due{work, tick} {
			q.add("a", work, true)
			next(t, q)
			q.add("a", before, false)
			hint()
			q.done("a")
			if before == work {
				none(t, q)
				time.Sleep(quiet)
				synctest.Wait()
			}
			next(t, q)
			q.done("a")
			none(t, q)
		}

		// The last call decides the maximum wait.
		hint()
		time.Sleep(quiet / 2)
		q.debounce("a", work, time.Second, quiet)
		time.Sleep(quiet / 2)
		synctest.Wait()
		next(t, q)
		q.done("a")
		hint()
		time.Sleep(quiet / 2)
		q.debounce("a", work, time.Second, quiet/4) // that has passed
		synctest.Wait()
		next(t, q)
		q.done("a")
		none(t, q)

		began = time.Now()
		for q.length() == 0 && time.Since(began) <= 2*maxWait {
			wait := maxWait
			if time.Since(began) < quiet/2 {
				wait = quiet // it was no burst at first
			}
			q.debounce("a", work, quiet, wait)
			time.Sleep(quiet / 3)
			synctest.Wait()
		}
		if waited := time.Since(began); waited < maxWait || waited > maxWait+quiet {
			t.Errorf("hints that became a burst waited for %s", waited)
		}
		next(t, q)
		q.done("a")
		none(t, q)

		// A request does not wait, and a shop in backoff waits longer.
		hint()
		q.add("a", tick, true)
		next(t, q)
		q.addAfter("a", work, time.Minute)
		q.done("a")
		hint()
		time.Sleep(time.Minute - 1)
		synctest.Wait()
		none(t, q)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		next(t, q)
	})
}

// TestBurstBounds: from how many hints on they are debounced, and which hints count as recent.
func TestBurstBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		own, all   int
		quiet, max time.Duration
	}{
		{burstHints, burstHints, burstQuiet, burstMaxWait},
		{burstHints - 1, burstHints - 1, (burstHints - 1) * busyWait, burstQuiet},
		{burstHints, 0, burstQuiet, burstMaxWait},
		{burstShare, burstHints, burstQuiet, burstMaxWait},
		{burstShare - 1, burstHints, burstQuiet, othersMaxWait},
		{burstShare, burstHints - 1, (burstHints - 1) * busyWait, burstQuiet},
		{burstPart, burstHints, burstQuiet, othersMaxWait},
		{burstPart - 1, burstHints, burstHints * busyWait, burstQuiet},
		{burstPart, burstHints - 1, (burstHints - 1) * busyWait, burstQuiet},
		{1, 10_000, burstQuiet, burstQuiet},
		{1, busyHints, busyHints * busyWait, burstQuiet},
		{1, busyHints - 1, 0, 0},
	} {
		if quiet, most := debounceFor(c.own, c.all); quiet != c.quiet || most != c.max {
			t.Errorf("%d hints, %d of all: %s, at most %s, expected %s and %s", c.own, c.all, quiet, most, c.quiet, c.max)
		}
	}
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var b burst
	for _, c := range []struct {
		after time.Duration
		hints int
		want  int
	}{
		{0, 3, 3},
		{burstWindow - 1, 2, 5},
		{burstWindow, 4, 9},            // of the previous window, too
		{2*burstWindow - 1, 1, 10},     // they still count
		{2 * burstWindow, 1, 6},        // the first window no longer does
		{3*burstWindow + 1, 1, 2},      // nor the second
		{5*burstWindow + 1, 7, 7},      // a pause
		{6*burstWindow + 1, 1, 8},      // after it the windows begin anew
		{0, 2, 2},                      // the clock was set back
		{burstWindow / 2, 1, 3},        //
		{2*burstWindow + 1000, 1, 1},   // a pause of two windows
		{3*burstWindow + 1000, 10, 11}, //
	} {
		if got := b.add(begin.Add(c.after), c.hints); got != c.want {
			t.Errorf("after %s: %d hints are recent, expected %d", c.after, got, c.want)
		}
	}
}

func TestDebounceFor(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		every  time.Duration
		hints  int
		others int // hints of other shops, with each call
		calls  int
		wait   time.Duration
		most   time.Duration
	}{
		{"alone", 0, 1, 0, 1, 0, 0},
		{"an invoice of nine lines", time.Millisecond, 1, 0, 9, 0, 0},
		{"a sale", time.Millisecond, 1, 0, 30, 30 * time.Millisecond, burstQuiet},
		{"sales without a pause", 20 * time.Millisecond, 1, 0, 1000, 25 * time.Millisecond, burstQuiet},
		{"slow sales without a pause", 100 * time.Millisecond, 1, 0, 1000, 0, 0},
		{"an import", time.Millisecond, 1, 0, 100, burstQuiet, burstMaxWait},
		{"all at once", 0, 100, 0, 1, burstQuiet, burstMaxWait},
		{"slow", time.Second, 99, 0, 100, 99 * time.Millisecond, burstQuiet},
		{"imports in many shops", 10 * time.Millisecond, 1, 19, 100, burstQuiet, burstMaxWait},
		{"sales in many shops", 40 * time.Millisecond, 1, 19, 100, burstQuiet, othersMaxWait},
		{"a sale while others import", 200 * time.Millisecond, 1, 500, 100, burstQuiet, burstQuiet},
		{"one of many shops", 10 * time.Millisecond, 0, 1, 100, 50 * time.Millisecond, burstQuiet},
	} {
		var own, all burst
		var quiet, maxWait time.Duration
		for n := range c.calls {
			now := begin.Add(time.Duration(n) * c.every)
			all.add(now, c.others)
			quiet, maxWait = debounceFor(own.add(now, c.hints), all.add(now, c.hints))
		}
		if quiet != c.wait || maxWait != c.most {
			t.Errorf("%s: waits for %s, at most %s, expected %s and %s", c.name, quiet, maxWait, c.wait, c.most)
		}
		later := begin.Add(time.Duration(c.calls)*c.every + 2*burstWindow)
		if quiet, _ := debounceFor(own.add(later, 1), all.add(later, 1)); quiet != 0 {
			t.Errorf("%s: waits for %s after it has ended", c.name, quiet)
		}
	}
}

// TestBurstOfANeighbour: while one shop is flooded, another that is hinted at without a pause waits
// for moments. While many import at once, each waits for a second.
func TestBurstOfANeighbour(t *testing.T) {
	t.Parallel()
	for shops, most := range map[int]time.Duration{1: 25 * time.Millisecond, 40: othersMaxWait} {
		synctest.Test(t, func(t *testing.T) {
			w := newScripted(t)
			w.take("b")
			for n := range shops {
				w.take(shopName(n))
			}
			flood := time.NewTicker(2500 * time.Microsecond)
			defer flood.Stop()
			hinted, read := time.Time{}, 0
			for n := range 4000 {
				<-flood.C
				for a := range shops {
					w.Hinted(shopName(a), 1)
				}
				if n%20 == 0 { // every 50 ms
					w.Hinted("b", 1)
					if hinted.IsZero() {
						hinted = time.Now()
					}
				}
				synctest.Wait()
				for w.queue.length() > 0 {
					name, _ := next(t, w.queue)
					w.queue.done(name)
					if name != "b" {
						continue
					}
					if waited := time.Since(hinted); waited > most+5*time.Millisecond {
						t.Fatalf("beside %d shops, a hint has waited for %s", shops, waited)
					}
					hinted = time.Time{}
					read++
				}
			}
			if read == 0 {
				t.Errorf("beside %d shops, it was never read", shops)
			}
		})
	}
}
