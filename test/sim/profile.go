package sim

import (
	"math/rand/v2"
	"time"
)

// profile says what a run is like. Each seed has some kinds of faults and not
// others: all of them at once would hide what two of them do together.
type profile struct {
	instances, shops, items, pageSize int
	listingTurn                       time.Duration
	unpackAtOnce                      int
	maxURLBytes                       int // 0: what is usual
	dailyCalls, workers               int
	zone                              int  // seconds that the machines' time is ahead of UTC
	changing                          bool // people change shops and their settings

	chaos                  time.Duration // how long the faults go on
	tradeEvery             time.Duration // on average, in each shop
	sweepEvery             time.Duration
	keepHints, keepHistory time.Duration
	overlap                time.Duration // longer than readLag
	schedule               string        // of ticks
	hidden                 bool          // changes that no change query shows: deletions, unmoved lastUpdated
	tidied                 bool          // items are deleted just when the pages behind them are about to be read
	asked                  bool          // half of the webhooks are a person's commands instead
	unsure                 bool          // commits of which nobody learns, since the database is down right after them
	trickles               bool          // items sell out one by one, and no webhook tells of it
	forbids                bool          // e-conomic refuses parts of a shop for a while, and some PDFs for ever
	moves, removes         bool          // shops move to other agreements, some by being removed and added again
	bursts                 bool          // item numbers are so long and URLs so short that two hints may be a burst

	lose, double, late float64 // webhooks

	readLag    time.Duration // e-conomic's reading side
	invoiceLag time.Duration
	pdfLag     time.Duration

	refused, limited, broken, cut, half, hang float64 // HTTP answers
	lies                                      bool    // listings of zeroes, or cut short and called whole
	odd                                       float64 // answers in which a field is not what it should be

	deadlock, lost float64 // statements
	down           bool    // the whole database, at times

	crash, pause float64 // at each statement
	stops        bool    // planned stops and starts
	reloads      bool    // of the configuration
	skew         bool    // clocks
}

// rareOf is one seed of how many may have its catalogues tidied, another one in which
// people ask, and others with reloads, with bursts, with parts that are refused, with stock that trickles away or with commits that
// nobody learns of. That is not drawn: all other seeds would lead elsewhere.
const rareOf = 16

func newProfile(rng *rand.Rand) profile {
	// rate is mostly nothing, else a probability up to most.
	rate := func(most float64) float64 {
		if rng.IntN(2) == 0 {
			return 0
		}
		return rng.Float64() * most
	}
	upTo := func(most time.Duration) time.Duration {
		if rng.IntN(2) == 0 {
			return 0
		}
		return time.Duration(rng.Int64N(int64(most)))
	}
	p := profile{
		instances: 1 + rng.IntN(3), shops: 1 + rng.IntN(2), items: 3 + rng.IntN(6), pageSize: []int{2, 3, 4, 1000}[rng.IntN(4)],
		listingTurn: time.Second,
		chaos:       time.Minute + time.Duration(rng.IntN(120))*time.Second, tradeEvery: time.Duration(2+rng.IntN(10)) * time.Second,
		dailyCalls: 50_000, workers: 4,
		sweepEvery: 24 * time.Hour, hidden: rng.IntN(3) == 0,
		lose: rate(1), double: rate(0.3), late: rate(0.3),
		readLag: upTo(55 * time.Second), invoiceLag: upTo(60 * time.Second), pdfLag: upTo(30 * time.Second),
		refused: rate(0.02), limited: rate(0.05), broken: rate(0.15), cut: rate(0.1), half: rate(0.1), hang: rate(0.03),
		lies:     rng.IntN(5) == 0,
		deadlock: rate(0.03), lost: rate(0.03), down: rng.IntN(4) == 0,
		crash: rate(0.002), pause: rate(0.002), stops: rng.IntN(4) == 0, skew: rng.IntN(3) == 0,
	}
	if p.hidden || p.lies {
		p.sweepEvery = 2 * time.Minute
	}
	p.keepHistory = 24 * time.Hour
	p.keepHints = []time.Duration{10 * time.Second, time.Minute, 20 * time.Minute}[rng.IntN(3)]
	p.schedule = []string{"* * * * *", "@every 47s"}[rng.IntN(2)]
	p.overlap = []time.Duration{time.Minute, 5 * time.Minute}[rng.IntN(2)]
	return p
}

// scheduleFaults plans what happens by the clock.
func (s *simulation) scheduleFaults() {
	p := s.profile
	again := func(name string, least, most time.Duration, do func()) {
		var next func()
		next = func() {
			s.after(s.between(least, most), name, func() {
				do()
				next()
			})
		}
		next()
	}
	if p.down {
		again("fault: the database goes down", 20*time.Second, 90*time.Second, func() {
			s.counts["database down"]++
			s.outage()
		})
	}
	if p.skew {
		for _, i := range s.instances {
			i.jump(s.between(-10*time.Minute, 10*time.Minute))
		}
		again("fault: a clock jumps", 10*time.Second, 60*time.Second, func() {
			i := s.instances[s.rng.IntN(len(s.instances))]
			i.jump(s.between(-10*time.Minute, 10*time.Minute))
			s.counts["clock jump"]++
		})
	}
	if p.pause > 0 {
		again("fault: a process is paused", 30*time.Second, 120*time.Second, func() { s.pause(s.instances[s.rng.IntN(len(s.instances))]) })
	}
	if p.crash > 0 {
		again("fault: a process crashes", 20*time.Second, 90*time.Second, func() {
			i := s.instances[s.rng.IntN(len(s.instances))]
			if !i.dead {
				s.counts["crash"]++
				s.crash(i)
			}
		})
	}
	if p.stops {
		again("fault: a process is stopped as planned", 20*time.Second, 90*time.Second, func() {
			i := s.instances[s.rng.IntN(len(s.instances))]
			if !i.dead && !i.stopping {
				s.counts["planned stop"]++
				i.stop()
				s.restart()
			}
		})
	}
	if p.reloads {
		again("fault: the configuration is reloaded", 10*time.Second, 40*time.Second, func() {
			if i := s.instances[s.rng.IntN(len(s.instances))]; i.reload() {
				s.counts["reload"]++
			}
		})
	}
	if p.lies {
		again("fault: listings lie", 20*time.Second, 60*time.Second, func() {
			s.counts["lies"]++
			s.world.lie(s.rng.IntN(2) == 0)
			s.after(s.between(time.Second, 40*time.Second), "listings tell the truth", s.world.repent)
		})
	}
	if p.forbids {
		again("fault: a part is refused", 20*time.Second, 60*time.Second, s.world.forbidParts)
	}
	if p.refused > 0 {
		again("fault: a grant is refused", 30*time.Second, 90*time.Second, func() {
			s.counts["grant refused"]++
			shop := s.world.shops[s.rng.IntN(len(s.world.shops))]
			shop.refused = true
			s.after(s.between(time.Second, 60*time.Second), "the grant is good again", func() { shop.refused = false })
		})
	}
}

// outage stops the whole database for a while.
func (s *simulation) outage() {
	s.db.stop()
	s.after(s.between(time.Second, 20*time.Second), "the database comes back", func() { s.db.down.Store(false) })
}

// pause stops a process for a while, often for longer than its leases last.
func (s *simulation) pause(i *instance) {
	if i.dead || i.paused {
		return
	}
	s.counts["pause"]++
	i.paused = true
	d := s.between(time.Second, 3*leaseTTL)
	s.tracef("%s is paused for %s", i.name, d)
	s.after(d, i.name+" wakes up", func() { i.paused = false })
}

// restart boots a new process in place of one that has ended.
func (s *simulation) restart() {
	s.after(s.between(500*time.Millisecond, 40*time.Second), "a process starts", func() { s.boot() })
}
