package sim_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/test/sim"
)

var (
	seeds    = flag.Int("sim.seeds", 300, "how many seeds are run")
	first    = flag.Uint64("sim.first", 1, "the first of them")
	step     = flag.Uint64("sim.step", 1, "how far apart they are: -sim.step 16 runs one of the rare features alone")
	day      = flag.Duration("sim.day", 2*time.Hour, "how long TestDay is, in virtual time")
	failures = flag.Int("sim.failures", 1, "stop after so many violations")
	same     = flag.Int("sim.same", 40, "how many seeds are run twice, to see that they lead to the same run")
	seed     = flag.Int64("sim.seed", -1, "run this seed alone and print its trace")
)

// run runs one seed and keeps its last steps, as many as given.
func run(t *testing.T, seed uint64, keep int) (r sim.Result) {
	synctest.Test(t, func(*testing.T) { r = sim.Run(seed, keep) })
	return r
}

const everything = 100_000

func explain(r sim.Result, lines int) string {
	trace := r.Trace[max(0, len(r.Trace)-lines):]
	return fmt.Sprintf("seed %d: %s\nthe last steps (make sim SEED=%d shows more):\n%s", r.Seed, r.Violation, r.Seed, strings.Join(trace, "\n"))
}

// TestSim runs seeds one after another on every core and stops after the given
// number of violations.
func TestSim(t *testing.T) {
	if *seed >= 0 {
		r := run(t, uint64(*seed), everything)
		fmt.Println(strings.Join(r.Trace, "\n"))
		fmt.Printf("seed %d: %d steps, %s of virtual time, settled after %s, hash %x, %v\n", r.Seed, r.Steps, r.Virtual.Round(time.Second), r.Settled, r.Hash, r.Counts)
		if r.Violation != "" {
			t.Fatalf("seed %d: %s", r.Seed, r.Violation)
		}
		return
	}
	began := time.Now()
	var next, done atomic.Int64
	var failed atomic.Int64
	var mu sync.Mutex
	counts, steps, virtual, settled := map[string]int{}, 0, time.Duration(0), []time.Duration{}
	t.Run("seeds", func(t *testing.T) {
		for worker := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(worker), func(t *testing.T) {
				t.Parallel()
				for failed.Load() < int64(*failures) {
					n := next.Add(1)
					if n > int64(*seeds) {
						return
					}
					r := run(t, *first+uint64(n-1)**step, 100)
					if r.Violation != "" {
						failed.Add(1)
						t.Error(explain(r, 60))
						continue
					}
					if d := done.Add(1); d%5000 == 0 {
						fmt.Fprintf(os.Stderr, "%d seeds in %s\n", d, time.Since(began).Round(time.Second))
					}
					mu.Lock()
					for what, n := range r.Counts {
						counts[what] += n
					}
					steps += r.Steps
					virtual += r.Virtual
					settled = append(settled, r.Settled)
					mu.Unlock()
				}
			})
		}
	})
	if len(settled) == 0 {
		return
	}
	slices.Sort(settled)
	var b strings.Builder
	fmt.Fprintf(&b, "%d seeds, %d steps, %.0f hours of virtual time in %s; settled after %s (median), %s (longest)\n", done.Load(), steps, virtual.Hours(), time.Since(began).Round(time.Second),
		settled[len(settled)/2], settled[len(settled)-1])
	names := make([]string, 0, len(counts))
	for what := range counts {
		names = append(names, what)
	}
	sort.Strings(names)
	for _, what := range names {
		fmt.Fprintf(&b, "  %-28s %d\n", what, counts[what])
	}
	t.Log(b.String())
}

// TestSameSeedSameRun checks that a failing seed can be reproduced. One run in several hundred is
// not the usual one of its seed (docs/reliability.md): what differs must be rare.
func TestSameSeedSameRun(t *testing.T) {
	odd := 0
	for seed := *first; seed < *first+uint64(*same); seed++ {
		a, b := run(t, seed, everything), run(t, seed, everything)
		if a.Hash != b.Hash {
			if again := run(t, seed, everything); again.Hash == a.Hash || again.Hash == b.Hash {
				if odd++; odd <= 1+*same/100 {
					t.Logf("seed %d led to another run once in three times", seed)
					continue
				}
			}
			for i := range min(len(a.Trace), len(b.Trace)) {
				if a.Trace[i] != b.Trace[i] {
					t.Logf("the first difference is\n%s\nand\n%s", strings.Join(a.Trace[max(0, i-6):i+8], "\n"), strings.Join(b.Trace[max(0, i-6):i+8], "\n"))
					break
				}
			}
			t.Fatalf("seed %d led to two different runs: %d and %d steps", seed, a.Steps, b.Steps)
		}
	}
}

// TestClock checks that a jump moves the wall clock but not the monotonic one.
func TestClock(t *testing.T) {
	began := time.Date(2026, 11, 23, 12, 0, 0, 5000, time.UTC)
	a := sim.Clock(began, 0)
	b := sim.Clock(began.Add(-10*time.Minute), time.Second)
	if d := b.Sub(a); d != time.Second {
		t.Errorf("a second by the monotonic clock is %s", d)
	}
	if d := b.Round(0).Sub(a.Round(0)); d != -10*time.Minute {
		t.Errorf("ten minutes back by the wall clock are %s", d)
	}
	if !a.Round(0).Equal(began) {
		t.Errorf("%s shows %s", began, a)
	}
}

// TestSeedsTheOracleFailed reruns seeds in which the oracle or the simulation was once wrong. A
// seed leads elsewhere after every change of the simulation, so these are now runs like any
// others. Bugs of lagerd that seeds found are among the mutations or scripted in past_test.go.
func TestSeedsTheOracleFailed(t *testing.T) {
	for _, past := range []struct {
		seed uint64
		why  string
	}{
		{1071, "a page that was lost with the next one was counted as a read that had shown no zero"},
		{3173, "an acknowledged hint seemed not to be stored (the run could not be repeated then)"},
		{3715, "a listing lied twice, and was believed"},
		{4794, "a process was started when all was over, and the run never ended"},
		{5318, "a listing cut short left out an item that was not stored yet"},
		{6586, "a read that showed no zero and was lost with the database was counted"},
		{5183, "a listing lied a third time of an item that had been barred meanwhile"},
	} {
		if r := run(t, past.seed, 100); r.Violation != "" {
			t.Errorf("%s: %s", past.why, explain(r, 60))
		}
	}
}

// TestDay checks that nothing piles up in a day (or -sim.day) of trade and faults.
func TestDay(t *testing.T) {
	var looks []sim.Usage
	var r sim.Result
	defer func(usual int) { runtime.MemProfileRate = usual }(runtime.MemProfileRate)
	runtime.MemProfileRate = 512
	synctest.Test(t, func(*testing.T) {
		r = sim.RunFor(5, *day, func(u sim.Usage) { looks = append(looks, u) })
	})
	if r.Violation != "" {
		t.Fatal(explain(r, 60))
	}
	for n, u := range looks {
		t.Logf("%4.1f h: %3d goroutines, heap %5d KiB, lagerd's %4d KiB, rows %v", u.At.Hours(), u.Goroutines, u.Heap>>10, u.OfLagerd>>10, u.Rows)
		if n < 4 {
			continue
		}
		early := looks[3]
		if u.Goroutines > early.Goroutines+60 {
			t.Errorf("after %s: %d goroutines, %d after %s", u.At, u.Goroutines, early.Goroutines, early.At)
		}
		// The simulated database keeps each new statement text, which lagerd allocated.
		if most := early.OfLagerd + 256<<10 + uint64((u.At-early.At).Hours()*float64(16<<10)); u.OfLagerd > most {
			t.Errorf("after %s: lagerd uses %d KiB of heap, %d after %s", u.At, u.OfLagerd>>10, early.OfLagerd>>10, early.At)
		}
		for table, rows := range u.Rows {
			if rows > 2*early.Rows[table]+50 {
				t.Errorf("after %s: %d rows of %s, %d after %s", u.At, rows, table, early.Rows[table], early.At)
			}
		}
	}
	t.Logf("%d steps, %v", r.Steps, r.Counts)
}
