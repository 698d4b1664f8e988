package schedule

import (
	"testing"
	"testing/synctest"
	"time"

	"lagerd/reconcile"
)

// TestFloodsTakeTurns: so many hints are read at once and not more, and what is no
// flood, what a person asks for, and what has waited for long do not wait.
func TestFloodsTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler(Options{Reconcile: reconcile.Options{Now: time.Now}})
		flooded := func(hints int) *entry { return &entry{hinted: hints} }
		goesOn := func(what string, e *entry, j reconcile.Due, want bool) func() {
			t.Helper()
			give, ok := s.takeFlood(e, j)
			if ok != want {
				t.Fatalf("%s goes on: %t, expected %t", what, ok, want)
			}
			if ok && e.hinted != 0 {
				t.Errorf("%s has %d hints when its pass begins", what, e.hinted)
			}
			return give
		}
		first := goesOn("the first", flooded(floodsAtOnce-1000), reconcile.Due{}, true)
		second := flooded(2000)
		goesOn("what is too much", second, reconcile.Due{}, false)
		goesOn("what there is room for", flooded(1000), reconcile.Due{}, true)()
		goesOn("what is no flood", flooded(floodHints-1), reconcile.Due{}, true)()
		goesOn("what a person asks for", flooded(2000), reconcile.Due{Asked: true}, true)()
		goesOn("what is too much still", second, reconcile.Due{}, false)
		first()
		first()
		goesOn("what was too much", second, reconcile.Due{}, true)()
		goesOn("more than there is room for at all", flooded(3*floodsAtOnce), reconcile.Due{}, true)
		waits := flooded(200)
		goesOn("what comes then", waits, reconcile.Due{}, false)
		time.Sleep(slowPass + time.Second)
		goesOn("what comes when that is slow", flooded(200), reconcile.Due{}, true)
		goesOn("all that is left", flooded(floodsAtOnce-200), reconcile.Due{}, true)
		late := flooded(200)
		goesOn("what comes last", late, reconcile.Due{}, false)
		time.Sleep(slowPass - time.Second)
		goesOn("what comes last", late, reconcile.Due{}, false)
		if late.waits.IsZero() {
			t.Error("it is not known since when it waits")
		}
		late.waits = late.waits.Add(-floodWaits)
		goesOn("what has waited for long", late, reconcile.Due{}, true)
		if !late.waits.IsZero() {
			t.Error("it waits still")
		}
		time.Sleep(2 * slowPass)
		synctest.Wait()
		if !s.floods.TryAcquire(floodsAtOnce) {
			t.Error("not everything has been given back")
		}
	})
}
