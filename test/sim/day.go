package sim

import (
	"runtime"
	"time"
)

// Usage is the resource use of all lagerd of a run at one time, including the simulation's own.
type Usage struct {
	At         time.Duration // since the start
	Goroutines int
	Heap       uint64         // bytes, after a collection
	OfLagerd   uint64         // the part allocated by lagerd's own code
	Rows       map[string]int // by table
}

// growing lists the tables in which rows can pile up.
var growing = []string{"hints", "changes", "requests", "instances", "invoice_gaps", "approvals"}

// RunFor is Run with two lagerd, two shops, and faults and trade for the given length.
// Retention is a 24th of it, and look is called at the same interval.
func RunFor(seed uint64, length time.Duration, look func(Usage)) Result {
	s := newSimulation(seed)
	p := &s.profile
	p.instances, p.shops, p.chaos, p.tradeEvery = 2, 2, length, 20*time.Second
	every := length / 24
	p.keepHints, p.keepHistory, p.sweepEvery = every, every, time.Hour
	// A lagerd that crashes every few minutes for a day would hide what piles up.
	p.crash, p.pause = p.crash/20, p.pause/20
	var next func()
	next = func() {
		s.after(every, "what is held is counted", func() {
			look(s.usage())
			next()
		})
	}
	next()
	return s.start(100)
}

func (s *simulation) usage() Usage {
	own := ofLagerd()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := Usage{At: time.Since(s.began), Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc, OfLagerd: own, Rows: map[string]int{}}
	for _, table := range growing {
		u.Rows[table] = int(s.db.mustQuery("SELECT COUNT(*) FROM " + table)[0][0].(int64))
	}
	return u
}
