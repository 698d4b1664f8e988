package chaos_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

const takeovers = 5

// TestTakeover measures how long shops are without a holder: after a kill -9 at most the ttl
// and one beat, after a planned stop at most a second.
func TestTakeover(t *testing.T) {
	f := prepare(t, 6, 20, "")
	holders := func() map[string]int {
		rows, err := f.db.QueryContext(t.Context(), "SELECT holder, COUNT(*) FROM leases GROUP BY holder")
		must(t, err)
		defer rows.Close()
		held := map[string]int{}
		for rows.Next() {
			var holder string
			var n int
			must(t, rows.Scan(&holder, &n))
			held[holder] = n
		}
		must(t, rows.Err())
		return held
	}
	spread := func() {
		lagerdtest.Eventually(t, 30*time.Second, "each has half of the shops", func() bool {
			held := holders()
			return len(held) == 2 && held[""] == 0 && slices.Max(slices.Collect(maps.Values(held))) == len(f.shops)/2
		})
	}
	measure := func(end func(l *lagerd)) (took []time.Duration) {
		for n := range takeovers {
			l := f.lagerds[n%2]
			spread()
			began := time.Now()
			end(l)
			for {
				held := holders()
				if len(held) == 1 && held[""] == 0 {
					break
				}
				if time.Since(began) > 30*time.Second {
					t.Fatalf("the shops are not taken over: %v\n%s", held, f.lagerds[(n+1)%2].out.Tail(20))
				}
				time.Sleep(5 * time.Millisecond)
			}
			took = append(took, time.Since(began).Round(time.Millisecond))
			if p := l.current(); p.Running() {
				<-p.Exited
			}
			must(t, l.start(t.Context()))
		}
		slices.Sort(took)
		return took
	}
	check := func(what string, took []time.Duration, most time.Duration) {
		t.Logf("%s: taken over after %s (min), %s (median), %s (max); at most %s allowed", what, took[0], took[len(took)/2], took[len(took)-1], most)
		if slowest := took[len(took)-1]; slowest > most+slack {
			t.Errorf("%s: taken over after %s, expected at most %s", what, slowest, most)
		}
	}
	check(fmt.Sprintf("kill -9 at a ttl of %s and a beat of %s", ttl, beat), measure(func(l *lagerd) { must(t, l.kill()) }), ttl+beat)
	check("planned stop", measure(func(l *lagerd) {
		_, err := l.stop()
		must(t, err)
	}), time.Second)
}
