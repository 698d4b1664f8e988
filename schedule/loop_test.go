package schedule

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestHangs: a loop that does not come back to its waiting for long hangs, and nothing else does:
// not a rare schedule, no shops, an e-conomic that hangs, or a database that keeps every worker.
func TestHangs(t *testing.T) {
	t.Parallel()
	const keptWorkers = "no worker gets free"
	for name, c := range map[string]struct {
		schedule string
		shops    int
		happens  func(w *world)
		want     []string
	}{
		"no shops":        {"* * * * *", 0, func(*world) {}, nil},
		"a rare schedule": {"0 0 1 1 *", 3, func(*world) {}, nil},
		"many shops":      {"* * * * *", 500, func(*world) {}, nil},
		"an hour between": {"0 * * * *", 500, func(*world) {}, nil},
		"e-conomic hangs": {"* * * * *", 50, func(w *world) { w.hang(func(string) bool { return true }) }, nil},
		keptWorkers: {"* * * * *", 3, func(w *world) {
			for range cap(w.limits.working) { // the test gives them back
				w.limits.working <- struct{}{}
			}
		}, nil},
		"a tick does not end": {"* * * * *", 3, func(w *world) {
			w.tickTakes.Store(int64(300 * time.Minute))
			time.Sleep(2 * time.Minute)
		}, []string{"making ticks due"}},
		"a pass does not start": {"0 0 1 1 *", 0, func(w *world) { w.starting.works() }, []string{"starting passes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, c.schedule, 4, c.shops, func(w *world) {
				time.Sleep(10 * time.Second)
				synctest.Wait()
				c.happens(w)
				time.Sleep(30 * time.Second)
				for range 100 {
					time.Sleep(time.Minute)
					if got := w.Hangs(); !slices.Equal(got, c.want) {
						t.Fatalf("%q hang, expected %q", got, c.want)
					}
				}
				if name == keptWorkers {
					for range cap(w.limits.working) {
						<-w.limits.working
					}
				}
			})
		})
	}
}
