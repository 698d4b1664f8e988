package schedule

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/reconcile"
	"lagerd/store"
)

const (
	manyShops   = 10_000
	someShops   = 3000
	everyWorker = 64
	never       = "0 0 29 2 *" // not for two months
)

// TestTicksAreSpread: 10,000 shops have a tick every minute, each a minute after its last
// one, with an even load on e-conomic and a few statements in the database.
func TestTicksAreSpread(t *testing.T) {
	t.Parallel()
	inWorld(t, "* * * * *", everyWorker, manyShops, func(w *world) {
		began := time.Now()
		time.Sleep(2 * time.Minute)
		from := time.Now()
		statements, marked := w.statements, w.marked
		for time.Since(from) < 5*time.Minute {
			time.Sleep(time.Second) // as often as the engine looks
			if err := w.FlushTicks(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		w.everyMinute(began, everyShop)
		w.everyMinute(from, everyShop)
		if most, average := w.busiest(from); average < 0.99*callsEach*manyShops/60 || float64(most) > 2*average {
			t.Errorf("%d calls in the busiest second, %.0f on average", most, average)
		}
		if _, planning := w.most(); planning > everyWorker {
			t.Errorf("%d passes planned concurrently", planning)
		}
		statements, marked = (w.statements-statements)/5, (w.marked-marked)/5
		if statements > 40 || marked < manyShops*99/100 {
			t.Errorf("%d ticks a minute are saved by %d statements", marked, statements)
		}
	})
}

// TestTicksBySchedule: whatever the schedule, each shop has one tick per period, at its own
// offset within a minute.
func TestTicksBySchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule string
		shops    int
		lasts    time.Duration
		apart    time.Duration // two ticks of a shop
		within   time.Duration // the ticks of all, after that of the schedule
	}{
		{"@every 1s", 200, 20 * time.Second, time.Second, time.Second},
		{"@every 47s", 200, 5 * time.Minute, 47 * time.Second, 47 * time.Second},
		{"@every 1h", 200, 5 * time.Hour, time.Hour, time.Minute},
		{"0 * * * *", 200, 5 * time.Hour, time.Hour, time.Minute},
		{"* * * * *", 16, 5 * time.Minute, time.Minute, 0},
		{"* * * * *", 17, 5 * time.Minute, time.Minute, time.Minute},
	} {
		t.Run(fmt.Sprint(c.schedule, " ", c.shops), func(t *testing.T) {
			t.Parallel()
			inWorld(t, c.schedule, 16, c.shops, func(w *world) {
				w.answersIn(10 * time.Millisecond)
				time.Sleep(2 * c.apart)
				from := time.Now()
				time.Sleep(c.lasts)
				ticks := map[string]int{}
				spread := time.Duration(0)
				for name, passes := range w.passesOf() {
					for _, p := range passes {
						if p.due.Tick && !p.began.Before(from) {
							ticks[name]++
							spread = max(spread, p.began.Sub(p.began.Truncate(c.apart)))
						}
					}
				}
				const slack = 200 * time.Millisecond
				for _, d := range w.distances(from, everyShop) {
					if d > c.apart+slack {
						t.Errorf("two ticks are %s apart", d)
						break
					}
				}
				for _, name := range w.names {
					if n := ticks[name] - int(c.lasts/c.apart); n < -1 || n > 1 {
						t.Fatalf("%s has %d ticks, expected %d", name, ticks[name], c.lasts/c.apart)
					}
				}
				if spread > c.within+slack || spread < c.within/2 {
					t.Errorf("the ticks are spread over %s, expected %s", spread, c.within)
				}
			})
		})
	}
}

// TestReload: a reload, which replaces the scheduler in the middle of a tick, loses no tick
// and keeps each shop's offset.
func TestReload(t *testing.T) {
	t.Parallel()
	for _, schedule := range []string{"* * * * *", "@every 1m"} {
		inWorld(t, schedule, everyWorker, someShops, func(w *world) {
			began := time.Now()
			time.Sleep(3*time.Minute + 31*time.Second)
			before := time.Now()
			w.end()
			time.Sleep(time.Second)
			w.start()
			time.Sleep(2 * time.Minute)
			after := time.Now()
			time.Sleep(2 * time.Minute)
			list := w.distances(began, everyShop)
			if most := list[len(list)-1]; most > 65*time.Second {
				t.Errorf("%s: two ticks of a shop are %s apart across a reload", schedule, most)
			}
			moved := 0
			for _, passes := range w.passesOf() {
				var last, first time.Time
				for _, p := range passes {
					switch {
					case p.began.Before(before):
						last = p.began
					case first.IsZero() && !p.began.Before(after):
						first = p.began
					}
				}
				// Which minute it is does not matter.
				if d := first.Sub(last).Round(time.Minute) - first.Sub(last); d.Abs() > time.Second {
					moved++
				}
			}
			if moved > 0 {
				t.Errorf("%s: %d of %d shops have another offset after a reload", schedule, moved, someShops)
			}
		})
	}
}

// TestOffsets: a shop's offset depends on its name alone, on any machine and in any process,
// and the offsets of many shops are spread evenly.
func TestOffsets(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int{"shop1234": 481, "shop5678": 97, "": 437} {
		if offsetOf(name) != want {
			t.Errorf("%s has offset %d, expected %d", name, offsetOf(name), want)
		}
	}
	var seconds [60]int
	for n := range manyShops {
		seconds[offsetOf(shopName(n))*60/offsets]++
	}
	for second, n := range seconds {
		if n < manyShops/60*3/4 || n > manyShops/60*5/4 {
			t.Errorf("%d shops are due in second %d", n, second)
		}
	}
}

func shopName(n int) string { return fmt.Sprintf("shop%05d", n) }

// TestWaitingNeedsNoWorker: passes wait for e-conomic concurrently, however few workers there
// are.
func TestWaitingNeedsNoWorker(t *testing.T) {
	t.Parallel()
	inWorld(t, never, 2, 100, func(w *world) {
		const latency = 2 * time.Second
		w.answersIn(latency)
		w.ReconcileAll()
		began := time.Now()
		time.Sleep(callsEach*latency + callsEach*100*planningTakes/2 + 100*time.Millisecond)
		if n := w.Waiting(); n != 0 {
			t.Errorf("%d shops wait for their pass after %s", n, time.Since(began))
		}
		if calling, planning := w.most(); calling != 100 || planning != 2 {
			t.Errorf("%d calls were made and %d passes planned concurrently, expected 100 and 2", calling, planning)
		}
	})
}

// TestNoOffsetForRequests: hints and requests do not wait for their shop's offset, nor for
// all the shops that were just taken over.
func TestNoOffsetForRequests(t *testing.T) {
	t.Parallel()
	inWorld(t, never, everyWorker, manyShops, func(w *world) {
		since := func(name string, is func(reconcile.Due) bool, from time.Time) time.Duration {
			for _, p := range w.passesOf()[name] {
				if is(p.due) && !p.began.Before(from) {
					return p.began.Sub(from)
				}
			}
			return time.Hour
		}
		hinted := func(d reconcile.Due) bool { return d.Work }
		requested := func(d reconcile.Due) bool { return d.Requested }
		for _, when := range []string{"at the start", "later"} {
			from := time.Now()
			w.Hinted(shopName(9_998), 1)
			w.Wake([]string{shopName(9_997)})
			w.Requested([]store.Request{{Request: when, Shop: shopName(9_999)}})
			time.Sleep(time.Second)
			for name, is := range map[string]func(reconcile.Due) bool{shopName(9_997): hinted, shopName(9_998): hinted, shopName(9_999): requested} {
				if took := since(name, is, from); took > time.Second/2 {
					t.Errorf("%s: %s starts after %s", when, name, took)
				}
			}
			if when == "at the start" && w.Waiting() < manyShops/2 {
				t.Errorf("%d shops wait for their first pass", w.Waiting())
			}
			time.Sleep(5 * time.Minute)
			if w.Waiting() != 0 {
				t.Errorf("%d shops still wait", w.Waiting())
			}
		}
	})
}

// TestHeldPartsAreTriedOncePerRequest: a new request has held parts tried, whatever is open
// beside it; neither the retries after a failed pass nor a request that stays open do.
func TestHeldPartsAreTriedOncePerRequest(t *testing.T) {
	t.Parallel()
	inWorld(t, never, 1, 1, func(w *world) {
		time.Sleep(time.Minute)
		w.hang(everyShop)
		first, second := store.Request{Request: "r1", Shop: shopName(0)}, store.Request{Request: "r2", Shop: shopName(0)}
		for n, open := range [][]store.Request{{first}, {second, first}} {
			for range 300 { // every second, as long as they are open
				w.Requested(open)
				time.Sleep(time.Second)
			}
			tried, passes := 0, w.passesOf()[shopName(0)]
			for _, p := range passes {
				if p.due.Requested {
					tried++
				}
			}
			if tried != n+1 || len(passes) < 3*(n+1) {
				t.Errorf("%d requests: held parts were tried %d times, in %d passes", n+1, tried, len(passes))
			}
		}
	})
}

// TestEverythingHangs: while e-conomic answers nothing, the number of running passes is
// limited; when it answers again all shops catch up.
func TestEverythingHangs(t *testing.T) {
	t.Parallel()
	inWorld(t, "* * * * *", everyWorker, someShops, func(w *world) {
		time.Sleep(2 * time.Minute)
		w.hang(everyShop)
		slow, stuck := 0, 0
		for range 5 * 60 {
			time.Sleep(time.Second)
			slowNow, stuckNow := w.limits.counts()
			slow, stuck = max(slow, slowNow), max(stuck, stuckNow)
		}
		const most = slowAtOnce + everyWorker
		if calling, _ := w.most(); calling > most || slow > most || stuck > most || stuck < retriesAtOnce || w.Stuck() == 0 {
			t.Errorf("%d concurrent calls, %d of them slow, %d passes stuck: expected %d at most", calling, slow, stuck, most)
		}
		w.hang(noShop)
		time.Sleep(3 * time.Minute) // the client's timeout, the longest backoff, and a tick
		from := time.Now()
		time.Sleep(3 * time.Minute)
		w.everyMinute(from, everyShop)
		synctest.Wait() // shops whose offset is now are due, and start at once
		if slow, stuck := w.limits.counts(); slow+stuck > 0 || w.Stuck() > 0 || w.Waiting() > 0 {
			t.Errorf("at the end %d passes are slow, %d stuck, and %d shops wait", slow, stuck, w.Waiting())
		}
	})
}

// TestManyHang: more hanging agreements than there may be slow passes do not affect the other
// shops once they are known to hang; and each of them is still tried.
func TestManyHang(t *testing.T) {
	t.Parallel()
	inWorld(t, "* * * * *", everyWorker, someShops, func(w *world) {
		hangs := func(shop string) bool { return shop < shopName(someShops*2/3) }
		w.hang(hangs)
		time.Sleep(3 * time.Minute)
		from := time.Now()
		time.Sleep(10 * time.Minute)
		w.everyMinute(from, func(shop string) bool { return !hangs(shop) })
		for name, passes := range w.passesOf() {
			if passes[len(passes)-1].began.Before(from) {
				t.Errorf("%s was not tried for ten minutes", name)
				break
			}
		}
	})
}
