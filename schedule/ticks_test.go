package schedule

import (
	"fmt"
	"testing"
	"time"

	"lagerd/store"
)

func scheduled(t *testing.T, expression string) *Scheduler {
	t.Helper()
	schedule, err := ParseSchedule(expression)
	if err != nil {
		t.Fatal(err)
	}
	return &Scheduler{o: Options{Schedule: schedule}}
}

func at(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse("15:04:05.999", text)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 11, 23, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// TestLatest: which tick is running, and over what time it is spread.
func TestLatest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule, now string
		began         string
		length        time.Duration
	}{
		{"* * * * *", "12:00:00", "12:00:00", time.Minute},
		{"* * * * *", "12:00:59.999", "12:00:00", time.Minute},
		{"0 * * * *", "12:00:59.999", "12:00:00", time.Minute},
		{"0 * * * *", "12:01:00", "", 0},
		{"@every 1s", "12:00:59.999", "12:00:59", time.Second},
		{"@every 47s", "12:00:59", "12:00:28", 47 * time.Second},
		{"@every 90s", "12:01:30", "12:01:30", time.Minute},
		{"@every 90s", "12:01:29", "", 0}, // all of its offsets have passed
		{"0,1 12 * * *", "12:00:10", "12:00:00", time.Minute},
		{"0,1 12 * * *", "12:01:10", "12:01:00", time.Minute},
	} {
		s := scheduled(t, c.schedule)
		began := s.latest(at(c.now))
		if !began.Equal(at(c.began)) {
			t.Errorf("%s at %s: the latest tick began %s, expected %s", c.schedule, c.now, began, c.began)
		}
		if !began.IsZero() && s.length(began) != c.length {
			t.Errorf("%s at %s: the tick is spread over %s, expected %s", c.schedule, c.now, s.length(began), c.length)
		}
	}
	if _, err := ParseSchedule("sometimes"); err == nil {
		t.Error("an invalid schedule is accepted")
	}
}

// TestMissed: a shop's offset is missed if it passed just before the shop was taken over.
func TestMissed(t *testing.T) {
	t.Parallel()
	// shop1234's is at 48.1 s, shop5678's at 9.7 s.
	for _, c := range []struct {
		shop, now string
		missed    bool
	}{
		{"shop1234", "12:00:48.05", false},
		{"shop1234", "12:00:48.1", true},
		{"shop1234", "12:00:53.05", true},
		{"shop1234", "12:00:53.1", false},
		{"shop5678", "12:00:09", false},
		{"shop5678", "12:00:14", true},
		{"shop5678", "12:00:15", false},
		{"late", "12:00:03", true}, // of the previous tick, at 59.0 s
		{"late", "12:00:04", false},
	} {
		shop := c.shop
		for n := 0; c.shop == "late" && offsetOf(shop) != 590; n++ {
			shop = fmt.Sprint("late", n)
		}
		s := scheduled(t, "* * * * *")
		s.now = func() time.Time { return at(c.now) }
		if got := s.missed(shop); got != c.missed {
			t.Errorf("%s at %s: its offset is missed: %t", shop, c.now, got)
		}
	}
	if (&Scheduler{}).missed("shop1234") {
		t.Error("an offset is missed without ticks")
	}
}

// TestClockIsSet: setting the wall clock delays ticks by two minutes at most, and repeats a
// tick at most once.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	for _, shops := range []int{5, 100} {
		for _, by := range []time.Duration{-time.Hour, -30 * time.Second, -100 * time.Millisecond, 100 * time.Millisecond, 30 * time.Second, time.Hour} {
			inWorld(t, "* * * * *", 16, shops, func(w *world) {
				time.Sleep(2*time.Minute + 20*time.Second)
				from := time.Now()
				w.ahead.Store(int64(by))
				time.Sleep(10 * time.Minute)
				list := w.distances(from.Add(-time.Minute), everyShop)
				if most := list[len(list)-1]; most > 2*time.Minute {
					t.Errorf("%d shops: when the clock was set by %s, ticks are %s apart", shops, by, most)
				}
				for name, passes := range w.passesOf() {
					n := 0
					for _, p := range passes {
						if p.due.Tick && p.began.After(from) {
							n++
						}
					}
					if n > 11 {
						t.Errorf("%d shops: when the clock was set by %s, %s has %d ticks in ten minutes", shops, by, name, n)
						break
					}
				}
			})
		}
	}
}

// TestAsleep: one tick makes up for all those missed while the machine was asleep, immediately.
func TestAsleep(t *testing.T) {
	t.Parallel()
	inWorld(t, "* * * * *", 16, 5, func(w *world) {
		time.Sleep(2*time.Minute + 20*time.Second)
		ticks := func() (n int) {
			for _, p := range w.passesOf()[shopName(0)] {
				if p.due.Tick {
					n++
				}
			}
			return n
		}
		before := ticks()
		w.ahead.Store(int64(10*time.Minute + 35*time.Second)) // time jumps for a suspended process
		time.Sleep(time.Minute)
		if n := ticks() - before; n != 1 {
			t.Errorf("%d ticks were made up for, expected 1", n)
		}
	})
}

// TestDrop: when Drop has returned, the shop has no running pass and gets no more.
func TestDrop(t *testing.T) {
	t.Parallel()
	inWorld(t, "@every 1s", 2, 3, func(w *world) {
		w.answersIn(10 * time.Second)
		name := shopName(1)
		time.Sleep(5 * time.Second) // in the middle of a pass
		passes := len(w.passesOf()[name])
		began := time.Now()
		w.Drop(name)
		w.mu.Lock()
		if n := w.underWay[name]; n != 0 {
			t.Errorf("%d passes are running after the shop was dropped", n)
		}
		w.mu.Unlock()
		w.Drop(name) // again, as a keeper does that is not sure
		if took := time.Since(began); took > planningTakes || passes == 0 {
			t.Errorf("dropping a shop in its pass %d took %s", passes, took)
		}
		time.Sleep(time.Minute)
		if n := len(w.passesOf()[name]); n != passes {
			t.Errorf("%d passes have started since the shop was dropped", n-passes)
		}
		if len(w.Held()) != 2 || w.Holds(name) {
			t.Errorf("%v are still held", w.Held())
		}
		w.Take(w.ctx, store.Shop{Shop: name}, 2)
		time.Sleep(time.Second)
		if n := len(w.passesOf()[name]); n != passes+1 {
			t.Errorf("%d passes have started since the shop was taken again", n-passes)
		}
	})
}
