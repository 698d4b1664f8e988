package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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

// shopAt returns the name of a shop with that offset.
func shopAt(offset int) (name string) {
	for n := 0; name == "" || offsetOf(name) != offset; n++ {
		name = shopName(n)
	}
	return name
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
	cet := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		schedule string
		offset   int
		now      string
		missed   bool
	}{
		{"* * * * *", 481, "12:00:48.05", false},
		{"* * * * *", 481, "12:00:48.1", true},
		{"* * * * *", 481, "12:00:53.05", true},
		{"* * * * *", 481, "12:00:53.1", false},
		{"* * * * *", 97, "12:00:09", false},
		{"* * * * *", 97, "12:00:14", true},
		{"* * * * *", 97, "12:00:15", false},
		{"* * * * *", 590, "12:00:03", true}, // of the previous tick
		{"* * * * *", 590, "12:00:04", false},
		{"@every 30s", 481, "12:00:24", false}, // an offset is a part of the period
		{"@every 30s", 481, "12:00:24.05", true},
		{"@every 30s", 590, "12:00:02", true},
		{"@every 1h", 590, "12:01:03", true}, // in no tick any more
		{"@every 1h", 590, "12:01:04", false},
		{"0 12 * * *", 10, "12:00:01", true}, // in UTC
		{"0 13 * * *", 10, "12:00:01", false},
	} {
		s := scheduled(t, c.schedule)
		s.now = func() time.Time { return at(c.now).In(cet) }
		if got := s.missed(shopAt(c.offset)); got != c.missed {
			t.Errorf("%s: offset %d is missed at %s: %t", c.schedule, c.offset, c.now, got)
		}
	}
	if (&Scheduler{}).missed("shop1234") {
		t.Error("an offset is missed without ticks")
	}
}

// ticking starts a scripted scheduler with a schedule. What is due for its shops is written to
// the journal, with the time since midnight.
func ticking(t *testing.T, schedule string, offsets ...int) *scripted {
	t.Helper()
	w := newScripted(t)
	parsed, err := ParseSchedule(schedule)
	if err != nil {
		t.Fatal(err)
	}
	w.o.Schedule = parsed
	for _, offset := range offsets {
		w.take(shopAt(offset))
	}
	midnight := time.Now()
	go func() {
		for {
			select {
			case <-w.queue.ready:
			case <-t.Context().Done():
				return
			}
			var due []string
			for {
				name, d, ok := w.queue.get(true)
				if !ok {
					break
				}
				w.queue.done(name)
				due = append(due, fmt.Sprintf("%s %d at %s", dueText(d), offsetOf(name), time.Since(midnight)))
			}
			slices.Sort(due)
			w.journal = append(w.journal, due...)
		}
	}()
	return w
}

// TestTick: when a tick makes shops due, in full, for the rest of it, and while shops are being
// taken over.
func TestTick(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		schedule string
		offsets  []int
		from     time.Duration // since the tick began
		taking   bool
		joins    map[time.Duration]int // the offsets of shops that are taken over meanwhile
		ends     time.Duration         // when the scheduler stops; zero: it does not
		sets     time.Duration         // by how much the clock is set after a second
		want     string
		took     time.Duration
	}{
		{name: "each at its offset", schedule: "* * * * *", offsets: []int{599, 300, 0, 1},
			want: "tick 0 at 0s; tick 1 at 100ms; tick 300 at 30s; tick 599 at 59.9s", took: 59900 * time.Millisecond},
		{name: "a short period", schedule: "@every 6s", offsets: []int{599, 300, 0},
			want: "tick 0 at 0s; tick 300 at 3s; tick 599 at 5.99s", took: 5990 * time.Millisecond},
		{name: "the rest of a tick", schedule: "* * * * *", offsets: []int{0, 299, 300, 301}, from: 30 * time.Second,
			want: "tick 300 at 30s; tick 301 at 30.1s", took: 29900 * time.Millisecond},
		{name: "few shops", schedule: "* * * * *", offsets: []int{300}, want: "tick 300 at 0s"},
		{name: "the rest of a tick of few shops", schedule: "* * * * *", offsets: []int{310}, from: 30 * time.Second, taking: true,
			took: 5100 * time.Millisecond},
		{name: "the rest of a tick of few shops, later", schedule: "* * * * *", offsets: []int{310}, from: 30 * time.Second,
			want: "tick 310 at 31s", took: 29900 * time.Millisecond},
		{name: "no longer few", schedule: "* * * * *", offsets: []int{300}, taking: true, joins: map[time.Duration]int{2 * time.Second: 400, 4 * time.Second: 20, 7 * time.Second: 100},
			want: "tick 300 at 0s; tick 300 at 30s; tick 400 at 40s; tick 100 at 10s", took: 59900 * time.Millisecond},
		{name: "it stops", schedule: "* * * * *", offsets: []int{0, 300, 301}, ends: 29950 * time.Millisecond,
			want: "tick 0 at 0s", took: 29950 * time.Millisecond},
		{name: "the clock is set", schedule: "* * * * *", offsets: []int{0, 300}, sets: -time.Hour,
			want: "tick 0 at 0s; tick 300 at 30s", took: 59900 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := ticking(t, c.schedule, c.offsets...)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			began := w.wall()
			time.Sleep(c.from)
			start := time.Now()
			for after, offset := range c.joins {
				time.AfterFunc(after, func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					name := shopAt(offset)
					w.addOffset(name)
					w.shops[name] = &entry{}
				})
			}
			if c.ends > 0 {
				time.AfterFunc(c.ends, stop)
			}
			time.AfterFunc(time.Second, func() { w.ahead.Store(int64(c.sets)) })
			w.tick(ctx, began, began.Add(c.from), c.taking)
			took := time.Since(start)
			synctest.Wait()
			want := strings.Split(c.want, "; ")
			if c.want == "" {
				want = nil
			}
			slices.Sort(want)
			slices.Sort(w.journal)
			if !slices.Equal(w.journal, want) || took != c.took {
				t.Errorf("%s: in %s: %q, expected in %s: %q", c.name, took, w.journal, c.took, want)
			}
		})
	}
}

// TestRunTicks: when ticks begin, which of them are announced, and how a tick that is running
// at the start is treated.
func TestRunTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		schedule string
		offsets  []int
		start    time.Duration // after midnight
		set      time.Duration // by how much the clock is set after 4m50s
		ticked   string        // in the first ten minutes
		due      string
	}{
		{"few shops", "*/4 * * * *", []int{300}, 0, 0,
			"00:04:00 00:08:00", "tick 300 at 0s; tick 300 at 4m0s; tick 300 at 8m0s"},
		{"many shops", "*/4 * * * *", []int{0, 300}, 10 * time.Second, 0,
			"00:04:00 00:08:00", "tick 300 at 30s; tick 0 at 4m0s; tick 300 at 4m30s; tick 0 at 8m0s; tick 300 at 8m30s"},
		{"few shops, within a tick", "*/4 * * * *", []int{300}, 10 * time.Second, 0,
			"00:04:00 00:08:00", "tick 300 at 4m0s; tick 300 at 8m0s"},
		{"between ticks", "*/4 * * * *", []int{0, 300}, time.Minute, 0,
			"00:04:00 00:08:00", "tick 0 at 4m0s; tick 300 at 4m30s; tick 0 at 8m0s; tick 300 at 8m30s"},
		{"set forward into a tick", "*/4 * * * *", []int{300}, time.Minute, 3*time.Minute + 10*time.Second,
			"00:04:00 00:08:10 00:12:00", "tick 300 at 4m0s; tick 300 at 5m0s; tick 300 at 8m50s"},
		{"set forward past a tick", "*/4 * * * *", []int{300}, time.Minute, 5 * time.Minute,
			"00:04:00 00:12:00", "tick 300 at 4m0s; tick 300 at 7m0s"},
		{"set back to before a tick", "*/4 * * * *", []int{300}, time.Minute, -5*time.Minute - 30*time.Second,
			"00:04:00 00:00:00 00:04:00", "tick 300 at 4m0s; tick 300 at 5m30s; tick 300 at 9m30s"},
		{"set back into a tick", "*/3 * * * *", []int{300}, time.Minute, -5 * time.Minute,
			"00:03:00 00:00:00 00:03:00", "tick 300 at 3m0s; tick 300 at 5m0s; tick 300 at 8m0s"},
		{"set back, for which no tick is repeated", "*/4 * * * *", []int{300}, time.Minute, -2 * time.Minute,
			"00:04:00 00:08:00", "tick 300 at 4m0s; tick 300 at 10m0s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := ticking(t, c.schedule, c.offsets...)
			var ticked []string
			w.o.Ticked = func(at time.Time) { ticked = append(ticked, at.UTC().Format(time.TimeOnly)) }
			time.AfterFunc(4*time.Minute+50*time.Second, func() { w.ahead.Store(int64(c.set)) })
			time.Sleep(c.start)
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute+1-c.start)
			defer stop()
			w.runTicks(ctx)
			synctest.Wait()
			if got := strings.Join(ticked, " "); got != c.ticked {
				t.Errorf("%s: ticks began at %s, expected %s", c.name, got, c.ticked)
			}
			if got := w.did(); got != c.due {
				t.Errorf("%s: due were %s,\nexpected %s", c.name, got, c.due)
			}
		})
	}
}

// TestTickWhileShopsAreTakenOver: while shops are still being taken over, the few that there are at the
// start of a tick may not be all: those that come later are due at their offsets.
func TestTickWhileShopsAreTakenOver(t *testing.T) {
	t.Parallel()
	const joined = "tick 300 at 4m0s; tick 300 at 4m30s; tick 400 at 4m40s"
	for _, c := range []struct {
		before time.Duration // how long before a tick the scheduler starts
		want   string
	}{{0, joined}, {3 * time.Second, joined}, {takeover - time.Millisecond, joined}, {takeover, "tick 300 at 4m0s"}, {time.Minute, "tick 300 at 4m0s"}} {
		synctest.Test(t, func(t *testing.T) {
			w := ticking(t, "*/4 * * * *", 300)
			time.AfterFunc(4*time.Minute+2*time.Second, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				name := shopAt(400)
				w.addOffset(name)
				w.shops[name] = &entry{}
			})
			time.Sleep(4*time.Minute - c.before)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute+c.before)
			defer stop()
			w.runTicks(ctx)
			synctest.Wait()
			if got := w.did(); got != c.want {
				t.Errorf("started %s before a tick: due were %s,\nexpected %s", c.before, got, c.want)
			}
		})
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
		w.Take(w.ctx, &store.Shop{Shop: name}, 2)
		time.Sleep(time.Second)
		if n := len(w.passesOf()[name]); n != passes+1 {
			t.Errorf("%d passes have started since the shop was taken again", n-passes)
		}
	})
}
