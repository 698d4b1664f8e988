package schedule

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// limited returns limits, and the shops that they have released.
func limited(workers int) (l *limits, called *[]string) {
	called = new([]string)
	return newLimits(workers, func(shop string) { *called = append(*called, shop) }), called
}

// TestBurstsTakeTurns: the hints being read concurrently are limited; what is no burst, what
// a person requests, and what has been parked for long do not wait.
func TestBurstsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, called := limited(1)
		begins := func(what string, r request, want bool) *pass {
			t.Helper()
			p, _ := l.begin(r)
			if (p != nil) != want {
				t.Fatalf("%s starts: %t, expected %t", what, p != nil, want)
			}
			return p
		}
		calledFor := func(want ...string) {
			t.Helper()
			if !slices.Equal(*called, want) {
				t.Errorf("released %q, expected %q", *called, want)
			}
			*called = nil
		}
		first := begins("the first", request{hints: hintsAtOnce - 1000}, true)
		begins("what is too much", request{shop: "second", hints: 2000}, false)
		begins("what there is room for", request{hints: 1000}, true).end()
		calledFor("second")
		begins("what is no burst", request{hints: burstHints - 1}, true).end()
		begins("what a person asks for", request{hints: 2000, requested: true}, true).end()
		*called = nil
		begins("what is too much still", request{shop: "second", hints: 2000, waited: time.Second}, false)
		begins("what has come later", request{shop: "third", hints: 2000}, false)
		calledFor()
		first.end()
		calledFor("second", "third")
		begins("what was too much", request{shop: "second", hints: 2000, waited: time.Second}, true).end()
		all := begins("more than there is room for at all", request{hints: 3 * hintsAtOnce}, true)
		begins("a burst beside it", request{shop: "other", hints: largeBurst}, true).end()
		calledFor()
		begins("another large one", request{shop: "waits", hints: largeBurst + 1}, false)
		time.Sleep(slowAfter + time.Second)
		synctest.Wait()
		calledFor("waits")
		slow := begins("what comes when that is slow", request{hints: 200}, true)
		rest := begins("all that is left to large ones", request{hints: largeAtOnce - 200}, true)
		begins("one large one more", request{shop: "larger", hints: largeBurst + 1}, false)
		var small []*pass
		for range (hintsAtOnce - largeAtOnce) / largeBurst {
			small = append(small, begins("what is left to others", request{hints: largeBurst}, true))
		}
		begins("what comes last", request{shop: "last", hints: 200}, false)
		if _, wait := l.begin(request{shop: "last", hints: 200, waited: maxBurstWait - time.Second}); wait != time.Second {
			t.Errorf("a shop parked for nearly the maximum time waits for %s more", wait)
		}
		begins("what is no burst, when there is no room", request{hints: burstHints - 1}, true).end()
		if l.hints != hintsAtOnce {
			t.Errorf("%d hints are being read, expected %d", l.hints, hintsAtOnce)
		}
		begins("the least burst", request{shop: "last", hints: burstHints}, false)
		late := begins("what has waited for long", request{shop: "last", hints: 200, waited: maxBurstWait}, true)
		for _, p := range append(small, all, slow, rest, late) {
			p.end()
		}
		if l.hints != 0 || l.passes != 0 {
			t.Errorf("at the end %d hints of %d passes are being read", l.hints, l.passes)
		}
	})
}

// TestSlowPasses: passes that wait long for one answer count as slow until it has come, and
// those of shops whose last call was not answered from their start. Some of the latter are
// parked so that others may start.
func TestSlowPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, called := limited(2)
		is := func(when string, slow, stuck int) {
			t.Helper()
			synctest.Wait()
			if gotSlow, gotStuck := l.counts(); gotSlow != slow || gotStuck != stuck {
				t.Errorf("%s: %d are slow and %d stuck, expected %d and %d", when, gotSlow, gotStuck, slow, stuck)
			}
		}
		begin := func(r request) *pass {
			t.Helper()
			p, _ := l.begin(r)
			if p == nil {
				t.Fatalf("%+v does not start", r)
			}
			p.work(t.Context())
			return p
		}
		gone := begin(request{})
		gone.wait()
		gone.end()
		time.Sleep(2 * slowAfter)
		is("when it has ended without its answer", 0, 0)
		p := begin(request{})
		waited := p.wait()
		p.wait()() // it is waiting already
		time.Sleep(slowAfter - 1)
		is("before it is slow", 0, 0)
		time.Sleep(time.Nanosecond)
		is("when it is slow", 1, 1)
		waited()
		is("when it has waited", 0, 1)
		waited = p.wait()
		time.Sleep(slowAfter - 1)
		waited()
		time.Sleep(slowAfter)
		is("when it has waited less", 0, 1)
		p.wait()
		time.Sleep(slowAfter)
		is("when it is slow again", 1, 1)
		p.end()
		is("when it has ended", 0, 0)

		silent := begin(request{retry: true})
		is("one of a shop whose last call was not answered", 1, 0)
		silent.wait()()
		is("when its next call was", 0, 0)
		silent.end()

		// For a pass that works and waits for nothing only the time counts.
		p = begin(request{})
		time.Sleep(slowAfter)
		is("one that takes long", 0, 1)
		p.end()

		var passes []*pass
		for n := range retriesAtOnce {
			p, _ := l.begin(request{shop: fmt.Sprint(n), retry: true})
			passes = append(passes, p)
		}
		for _, shop := range []string{"b", "a", "b"} {
			if p, wait := l.begin(request{shop: shop, retry: true}); p != nil || wait <= 0 {
				t.Errorf("too many passes start whose last call was not answered, or one waits for %s", wait)
			}
		}
		begin(request{}).end()
		begin(request{shop: "c", retry: true, requested: true}).end()
		if len(*called) != 0 {
			t.Errorf("released %q before there is room", *called)
		}
		passes[0].end()
		passes[1].end()
		if !slices.Equal(*called, []string{"b", "a"}) {
			t.Errorf("released %q", *called)
		}
		if free, bulk := l.room(); !free || !bulk {
			t.Error("there is no room for others")
		}
		for range slowAtOnce - retriesAtOnce + 2 {
			p, _ := l.begin(request{})
			p.wait()
			passes = append(passes, p)
		}
		if free, bulk := l.room(); !free || !bulk {
			t.Errorf("before they are slow there is room: %t, for a bulk shop: %t", free, bulk)
		}
		time.Sleep(slowAfter)
		synctest.Wait()
		if free, bulk := l.room(); free || bulk {
			t.Errorf("when slowAtOnce are slow there is room: %t, for a bulk shop: %t", free, bulk)
		}
		for _, p := range passes[2:] {
			p.end()
		}
		is("in the end", 0, 0)
		if free, bulk := l.room(); !free || !bulk || len(l.working) != 0 {
			t.Errorf("at the end there is room: %t, %t; %d have a worker", free, bulk, len(l.working))
		}
	})
}

// TestLine: the longest-waiting is first, of those that wait equally long the one that came
// first, and each is in line once.
func TestLine(t *testing.T) {
	t.Parallel()
	l := line{in: map[string]struct{}{}}
	begin := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	order := func(want ...string) {
		t.Helper()
		var got []string
		for shop, ok := l.next(); ok; shop, ok = l.next() {
			got = append(got, shop)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the order is %q, expected %q", got, want)
		}
	}
	l.add("c", begin.Add(2))
	l.add("d", begin.Add(2))
	l.add("b", begin.Add(1))
	l.add("e", begin.Add(3))
	l.add("e", begin) // it is in line already
	l.add("a", begin)
	order("a", "b", "c", "d", "e")
	l.add("e", begin.Add(1))
	l.add("a", begin.Add(2)) // again
	order("e", "a")
}

// TestParkedInOrder: those parked longest are released first, as many as there may be room for,
// and how many hints they have decides nothing.
func TestParkedInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, called := limited(1)
		released := func(when string, want ...string) {
			t.Helper()
			if !slices.Equal(*called, want) {
				t.Errorf("%s: released %q, expected %q", when, *called, want)
			}
			*called = nil
		}
		park := func(r request, most time.Duration) {
			t.Helper()
			if p, wait := l.begin(r); p != nil || wait != most {
				t.Errorf("%+v starts: %t, or waits for %s, expected %s", r, p != nil, wait, most)
			}
		}
		full, _ := l.begin(request{hints: largeAtOnce})
		for left := hintsAtOnce - largeAtOnce - 2*burstHints; left > 0; left -= largeBurst {
			p, _ := l.begin(request{hints: min(left, largeBurst)})
			defer p.end()
		}
		rest, _ := l.begin(request{hints: burstHints + 1})
		park(request{shop: "c", hints: burstHints}, maxBurstWait)
		park(request{shop: "a", hints: burstHints, waited: 2}, maxBurstWait-2)
		park(request{shop: "b", hints: hintsAtOnce, waited: 1}, maxBurstWait-1)
		rest.end() // now there is room for twice burstHints
		released("room for two", "a", "b")
		full.end()
		released("room for all", "c")

		var passes []*pass
		for range retriesAtOnce {
			p, _ := l.begin(request{retry: true})
			passes = append(passes, p)
		}
		park(request{shop: "c", retry: true}, maxRetryWait)
		park(request{shop: "b", retry: true, waited: 1}, maxRetryWait)
		park(request{shop: "a", retry: true, waited: 2}, maxRetryWait)
		passes[0].end()
		released("room for one retry", "a")
		passes[1].work(t.Context())
		passes[1].wait()() // answered
		released("one is no longer slow", "b", "c")
		for _, p := range passes[1:] {
			p.end()
		}
	})
}

// TestSlowOnlyWhileWaiting: how long a pass waited for an earlier answer does not count.
func TestSlowOnlyWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := limited(1)
		p, _ := l.begin(request{})
		p.work(t.Context())
		waited := p.wait()
		time.Sleep(slowAfter - time.Second)
		waited()
		p.wait()
		time.Sleep(slowAfter - time.Second)
		synctest.Wait()
		if slow, _ := l.counts(); slow != 0 {
			t.Error("it is slow after two short waits")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if slow, _ := l.counts(); slow != 1 {
			t.Error("it is not slow after a long one")
		}
		p.end()

		p, _ = l.begin(request{hints: burstHints})
		time.Sleep(slowAfter - 1)
		p.end()
		time.Sleep(slowAfter)
		synctest.Wait()
		if slow, stuck := l.counts(); slow != 0 || stuck != 0 || l.hints != 0 || l.passes != 0 {
			t.Errorf("after the end: %d slow, %d stuck, %d hints, %d passes", slow, stuck, l.hints, l.passes)
		}
	})
}

// TestRoomForPasses: the number of passes is limited, however fast they are.
func TestRoomForPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := limited(3)
		var passes []*pass
		bulk := 0
		for {
			more, many := l.room()
			if !more {
				break
			}
			if many {
				bulk++
			}
			p, _ := l.begin(request{})
			passes = append(passes, p)
		}
		if len(passes) != slowAtOnce+3 || bulk != bulkAtOnce {
			t.Errorf("%d passes start, %d of bulk shops", len(passes), bulk)
		}
		for _, p := range passes {
			p.end()
		}
		select {
		case <-l.freed:
		default:
			t.Error("freed does not signal that there is room")
		}
	})
}

// TestAnswersFirst: a pass whose answer has come gets a worker before one that starts later.
func TestAnswersFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := limited(1)
		pass := func() *pass {
			p, _ := l.begin(request{})
			return p
		}
		var order []string
		answered, busy := pass(), pass()
		answered.work(t.Context())
		waited := answered.wait()
		busy.work(t.Context())
		go func() {
			waited()
			order = append(order, "answered")
			answered.end()
		}()
		synctest.Wait()
		go func() {
			p := pass()
			p.work(t.Context())
			order = append(order, "new")
			p.end()
		}()
		synctest.Wait()
		if len(order) > 0 {
			t.Errorf("%q have a worker, but there is only one", order)
		}
		busy.end()
		synctest.Wait()
		if !slices.Equal(order, []string{"answered", "new"}) {
			t.Errorf("they got a worker in the order %q", order)
		}
	})
}
