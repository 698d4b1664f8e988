package budget_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/budget"
)

// TestNeverMoreInAnyMinute: whatever calls come, at random, of several shops, with answers of all
// kinds and restarts, within no 60 seconds more are granted than PerMinute; and while calls
// wait, not many fewer.
func TestNeverMoreInAnyMinute(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			chance := rand.New(rand.NewPCG(seed, 20))
			perMinute := []int{1, 2, 3, 7, 12, 30, 60, 100, 480}[chance.IntN(9)]
			r := &rush{o: budget.Options{DailyCalls: 1 << 30, PerMinute: perMinute, Concurrency: 1 + chance.IntN(8)}}
			r.restart()
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Minute)
			defer stop()
			var all sync.WaitGroup
			for range 1 + chance.IntN(12) {
				own := rand.New(rand.NewPCG(chance.Uint64(), 20))
				all.Go(func() { r.shop(ctx, own) })
			}
			for seed%2 == 0 && ctx.Err() == nil {
				select {
				case <-time.After(time.Duration(chance.Int64N(int64(3 * time.Minute)))):
					r.restart()
				case <-ctx.Done():
				}
			}
			all.Wait()
			for i := perMinute; i < len(r.made); i++ {
				if took := r.made[i].Sub(r.made[i-perMinute]); took < time.Minute {
					t.Fatalf("seed %d: %d calls in %s, %d a minute are allowed", seed, perMinute+1, took, perMinute)
				}
			}
			if len(r.made) < 5 {
				t.Errorf("seed %d: only %d calls were made", seed, len(r.made))
			}
		})
	}
}

// rush is a lagerd, restarted now and then, whose shops call at random.
type rush struct {
	o budget.Options

	mu   sync.Mutex
	b    *budget.Budget
	made []time.Time
}

func (r *rush) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b = budget.New(r.o)
}

// shop makes calls, some one after another and some after a pause, until ctx is done.
func (r *rush) shop(ctx context.Context, chance *rand.Rand) {
	for ctx.Err() == nil {
		if chance.IntN(10) == 0 {
			time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Minute))))
		}
		r.mu.Lock()
		b := r.b
		r.mu.Unlock()
		by := b.Join("shop", "2000-01-01", 0)
		err := b.Acquire(ctx, budget.Priority(chance.IntN(7)), by)
		if err == nil && r.call(b) {
			time.Sleep(time.Duration(chance.Int64N(int64(2 * time.Second))))
			answer := budget.Answer{Lost: chance.IntN(20) == 0, Limited: chance.IntN(50) == 0}
			if chance.IntN(2) == 0 {
				answer.RetryAfter = 2 * time.Second
			}
			b.Release(answer)
		} else if e, ok := errors.AsType[*budget.Error](err); ok {
			time.Sleep(min(e.RetryAfter, time.Minute))
		}
		by.Leave()
	}
}

// call records a call, unless lagerd was restarted before it was made.
func (r *rush) call(b *budget.Budget) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.b == b {
		r.made = append(r.made, time.Now())
	}
	return r.b == b
}

// TestHintsBesideAListing: an account of 50,000 items is listed all day long, 1,000 on a page, with
// ten hints a minute at random: hints wait for hardly anything, at midnight too, and the
// listing has all other calls.
func TestHintsBesideAListing(t *testing.T) {
	t.Parallel()
	for name, listing := range map[string]budget.Priority{"sweep": sweep, "tick": tick} {
		for hints, most := range map[int]time.Duration{0: time.Minute, 10: 95 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				const pages, answers = 50, 250 * time.Millisecond
				b := budget.New(budget.Options{DailyCalls: 86_400, PerMinute: 60, Patience: 10 * time.Second})
				ctx, stop := context.WithTimeout(t.Context(), 24*time.Hour-time.Second)
				defer stop()
				call := func(p budget.Priority) (waited time.Duration) {
					began := time.Now()
					if err := b.Acquire(ctx, p, nil); err != nil {
						if ctx.Err() == nil {
							t.Errorf("priority %d: %v", p, err)
						}
						return 0
					}
					waited = time.Since(began)
					time.Sleep(answers)
					b.Release(budget.Answer{})
					return waited
				}
				var all sync.WaitGroup
				var read int
				var slowest time.Duration // listing
				all.Go(func() {
					for ctx.Err() == nil && !t.Failed() {
						began := time.Now()
						for range pages {
							call(listing)
							read++
						}
						slowest = max(slowest, time.Since(began))
					}
				})
				chance := rand.New(rand.NewPCG(20, 20))
				var mu sync.Mutex
				var waits []time.Duration
				for hints > 0 && ctx.Err() == nil && !t.Failed() {
					time.Sleep(time.Duration(-math.Log(1-chance.Float64()) * float64(time.Minute) / float64(hints)))
					all.Go(func() {
						waited := call(hint)
						mu.Lock()
						defer mu.Unlock()
						waits = append(waits, waited)
					})
				}
				all.Wait()
				slices.Sort(waits)
				if n := len(waits); n > 0 {
					atOnce, _ := slices.BinarySearch(waits, 1)
					p99 := waits[n*99/100]
					t.Logf("%s: of %d hints %.1f %% had a token at once, p99 %s, at most %s", name, n, 100*float64(atOnce)/float64(n), p99, waits[n-1])
					if n < 14_000 || p99 >= time.Second || atOnce < n*85/100 {
						t.Errorf("%s: of %d hints %d had a token at once, p99 is %s", name, n, atOnce, p99)
					}
				}
				t.Logf("%s: %d pages and %d hints; the slowest listing took %s", name, read, len(waits), slowest)
				if total := read + len(waits); total < 55*24*60 || total > 60*24*60 {
					t.Errorf("%s: %d calls in a day, expected about 56 a minute", name, total)
				}
				if slowest > most {
					t.Errorf("%s: a listing took %s, expected %s at most", name, slowest, most)
				}
			})
		}
	}
}

// TestAmpleCalls: what is reserved of a day's calls is not while the calls of all its minutes cannot use
// them up; the strict paces are kept.
func TestAmpleCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		daily, perMinute int
		at               time.Duration
		ample            bool
	}{
		{86_400, 60, 0, true},
		{86_400, 60, 23 * time.Hour, true},
		{80_000, 60, 0, false},
		{50_000, 60, 0, false},
		{50_000, 60, 12 * time.Hour, true},
		{86_400, 480, 0, false},
		{86_400, 0, 23 * time.Hour, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(c.at)
			b := budget.New(budget.Options{DailyCalls: c.daily, PerMinute: c.perMinute})
			plain := budget.New(budget.Options{DailyCalls: c.daily})
			for p := sweep; p <= person; p++ {
				want := plain.Spare(p)
				switch {
				case c.ample && p != unknown && p != pdf:
					want = c.daily
				case p == tick && c.perMinute > 0:
					want = c.daily * 70 / 100 / 24 // an hour's worth: ticks are spread over the day
				}
				if got := b.Spare(p); got != want {
					t.Errorf("%+v: priority %d has %d to spare, expected %d", c, p, got, want)
				}
			}
		})
	}
}

// TestTicksAreSpread: where a day's calls do not last for those of all minutes, listings are read all
// day long, page by page, and leave hints their share.
func TestTicksAreSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ daily, perMinute, hints int }{ // hints an hour
		{10_000, 60, 40}, {86_400, 240, 350}, {1_000, 60, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Options{DailyCalls: c.daily, PerMinute: c.perMinute})
			call := func(p budget.Priority) error {
				if err := b.Acquire(t.Context(), p, nil); err != nil {
					return err
				}
				b.Release(budget.Answer{})
				return nil
			}
			var pages [24]int
			began := time.Now()
			asked := began
			for time.Since(began) < 24*time.Hour-time.Minute {
				if time.Since(asked) >= time.Hour/time.Duration(c.hints) {
					asked = time.Now()
					if err := call(hint); err != nil {
						t.Fatalf("%+v: after %s a hint: %v", c, time.Since(began), err)
					}
				}
				if wait := b.Pause(tick); wait > 0 {
					time.Sleep(min(wait, time.Minute))
					continue
				}
				if err := call(tick); err != nil {
					t.Fatalf("%+v: after %s a page: %v", c, time.Since(began), err)
				}
				pages[int(time.Since(began).Hours())%24]++
			}
			even := c.daily * 70 / 100 / 24
			for hour, n := range pages {
				// The first hour may use what is saved up, and the last ones what is left.
				if n < even*9/10-1 || hour > 1 && hour < 22 && n > even*11/10+1 {
					t.Errorf("%+v: %v pages by the hour, expected about %d in each", c, pages, even)
					break
				}
			}
		})
	}
}

// TestTicksTake: how long a listing takes in which lagerd paces itself.
func TestTicksTake(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		daily, perMinute, calls int
		least, most             time.Duration
	}{
		{86_400, 60, 56, 59 * time.Second, 61 * time.Second},
		{10_000, 60, 17, 208 * time.Second, 211 * time.Second}, // 7,000 a day
		{86_400, 240, 42, 59 * time.Second, 61 * time.Second},  // 60,480 a day
		{50_000, 0, 100, 0, 0},
	} {
		if got := budget.TicksTake(c.calls, budget.Options{DailyCalls: c.daily, PerMinute: c.perMinute}); got < c.least || got > c.most {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// TestBackOff: a 429 that does not say for how long blocks for the window, and where lagerd paces
// itself twice as long each time, until there is another answer.
func TestBackOff(t *testing.T) {
	t.Parallel()
	limited, lost, fine := budget.Answer{Limited: true}, budget.Answer{Lost: true}, budget.Answer{}
	said := budget.Answer{Limited: true, RetryAfter: 7 * time.Second}
	window := budget.Answer{Limited: true, Bucket: budget.Bucket{Used: 1, Limit: 100, Window: 20 * time.Second}}
	for name, c := range map[string]struct {
		perMinute int
		answers   []budget.Answer
		blocks    []time.Duration
	}{
		"not paced":         {0, []budget.Answer{limited, limited, limited}, []time.Duration{time.Minute, time.Minute, time.Minute}},
		"doubles":           {60, []budget.Answer{limited, limited, limited}, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute}},
		"up to an hour":     {60, slices.Repeat([]budget.Answer{limited}, 8), []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}},
		"ends":              {60, []budget.Answer{limited, limited, fine, limited}, []time.Duration{time.Minute, 2 * time.Minute, 0, time.Minute}},
		"no answer":         {60, []budget.Answer{limited, lost, limited}, []time.Duration{time.Minute, 0, 2 * time.Minute}},
		"what it says":      {60, []budget.Answer{limited, said, limited}, []time.Duration{time.Minute, 7 * time.Second, 2 * time.Minute}},
		"a reported window": {60, []budget.Answer{window, window}, []time.Duration{20 * time.Second, 40 * time.Second}},
		"too short":         {60, []budget.Answer{{Limited: true, RetryAfter: 1}}, []time.Duration{time.Second}},
		"too long":          {60, []budget.Answer{{Limited: true, RetryAfter: 5 * time.Hour}}, []time.Duration{time.Hour}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Options{PerMinute: c.perMinute})
			for i, answer := range c.answers {
				if err := b.Acquire(t.Context(), person, nil); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				if got := b.Release(answer); got != c.blocks[i] {
					t.Errorf("%s: answer %d blocks for %s, expected %s", name, i, got, c.blocks[i])
				}
				if left := max(b.State().BlockedUntil.Sub(began), 0); left != c.blocks[i] {
					t.Errorf("%s: after answer %d it is blocked for %s, expected %s", name, i, left, c.blocks[i])
				}
			}
		})
	}
}

// TestBackOffOnce: the answers to calls that were in flight when the first 429 came neither
// prolong the block nor end it.
func TestBackOffOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{PerMinute: 600, Concurrency: 3})
		time.Sleep(time.Minute)
		flight := func(answers ...budget.Answer) (blocks []time.Duration) {
			for range answers {
				if err := b.Acquire(t.Context(), person, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, a := range answers {
				time.Sleep(time.Second)
				blocks = append(blocks, b.Release(a))
			}
			return blocks
		}
		limited := budget.Answer{Limited: true}
		if got := flight(limited, limited, budget.Answer{}); !slices.Equal(got, []time.Duration{time.Minute, 59 * time.Second, 0}) {
			t.Errorf("the first time: %v", got)
		}
		began := time.Now()
		if got := flight(limited); !slices.Equal(got, []time.Duration{2 * time.Minute}) || time.Since(began) != 59*time.Second {
			t.Errorf("the second time: %v after %s", got, time.Since(began))
		}
	})
}

// TestPatienceOfAMinute: a call that would wait longer for its token than it may fails at once, and
// names how long.
func TestPatienceOfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{PerMinute: 60, Patience: 3 * time.Second})
		began := time.Now()
		err := b.Acquire(t.Context(), tick, nil)
		e, ok := errors.AsType[*budget.Error](err)
		if !ok || e.Kind != budget.KindSpent || e.RetryAfter < 4*time.Second || e.RetryAfter > 5*time.Second || time.Since(began) != 0 {
			t.Fatalf("after %s: %v", time.Since(began), err)
		}
		if want := "the budget of calls does not allow it now: the token bucket is nearly empty, try again in 4s"; e.Error() != want {
			t.Errorf("got %q, expected %q", e.Error(), want)
		}
		time.Sleep(e.RetryAfter)
		if err := b.Acquire(t.Context(), tick, nil); err != nil || time.Since(began) != e.RetryAfter {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// TestMinuteWhenTheClockIsSetBack: then a call waits as if none were saved up, and no longer.
func TestMinuteWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	b := budget.New(budget.Options{PerMinute: 60, Patience: time.Nanosecond, Now: func() time.Time { return now }})
	now = now.Add(-time.Hour)
	e, ok := errors.AsType[*budget.Error](b.Acquire(t.Context(), hint, nil))
	if !ok || e.RetryAfter < 2*time.Second || e.RetryAfter > 5*time.Second {
		t.Fatalf("got %v", e)
	}
	now = now.Add(e.RetryAfter)
	if err := b.Acquire(t.Context(), hint, nil); err != nil {
		t.Error(err)
	}
}
