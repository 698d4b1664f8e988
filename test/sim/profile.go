package sim

import (
	"math/rand/v2"
	"time"
)

// profile describes a run. Each seed has some kinds of faults and not others: all of them at
// once would hide what two do together.
type profile struct {
	instances, shops, items, pageSize int
	listingTurn                       time.Duration
	unpackAtOnce                      int
	maxURLBytes                       int // 0: the default
	dailyCalls, workers               int
	zone                              int  // seconds by which the machines' time zone is ahead of UTC
	changing                          bool // people change shops and their settings

	chaos                  time.Duration // how long faults occur
	tradeEvery             time.Duration // on average, in each shop
	sweepEvery             time.Duration
	keepHints, keepHistory time.Duration
	overlap                time.Duration // longer than readLag
	schedule               string        // of ticks
	hidden                 bool          // changes that no change query shows: deletions, unmoved lastUpdated
	tidied                 bool          // items are deleted just before the pages behind them are read
	asked                  bool          // half of the webhooks are a person's commands instead
	unsure                 bool          // commits whose answer is lost, since the database goes down right after them
	trickles               bool          // items sell out one by one without webhooks
	forbids                bool          // e-conomic refuses parts of a shop for a while, and some PDFs for ever
	shares                 bool          // all shops have the same agreement
	called                 bool          // a command has called it before any lagerd, as when shops are added
	oneAccount             bool          // all shops have the same account at Rackbeat, in scripted runs
	spends                 bool          // which allows so few calls a day that they are used up
	moves, removes         bool          // shops move to other agreements, some by being removed and added again
	capped                 bool          // hardly any hints of numbers that are not stored are kept, and many come
	short                  bool          // the day has few calls, and webhooks of unknown numbers come too
	handed                 bool          // of short: several lagerd take the shops from each other, and crash
	bursts                 bool          // item numbers are so long and URLs so short that two hints may be a burst

	lose, double, late float64 // webhooks

	readLag    time.Duration // of e-conomic's read side
	invoiceLag time.Duration
	pdfLag     time.Duration

	refused, limited, broken, cut, half, hang float64 // HTTP answers
	lies                                      bool    // listings of zeros, or cut short but claiming to be complete
	odd                                       float64 // answers with a wrong field

	heldRetry time.Duration // reconcile.held_retry; 0: half a minute

	rackbeat  int    // how many shops, from the first, have their stock at Rackbeat
	form      int    // of its answers
	perMinute int    // calls to it
	perDay    int    // calls to it; 0: the default
	places    string // whose stock there counts: all that are in no other, or ""
	slashes   bool   // items there whose numbers cannot be in a path
	outages   bool   // of either service as a whole
	sources   bool   // shops move to it, and back to e-conomic

	deadlock, lost float64 // statements
	down           bool    // outages of the whole database

	crash, pause float64 // at each statement
	stops        bool    // planned stops and starts
	reloads      bool    // of the configuration
	skew         bool    // clocks
}

// rareOf is the period of the rare features: in each period one seed has its catalogues tidied,
// another has people's requests, another few calls a day, others have reloads, bursts, refused parts, stock that
// trickles away, commits whose answer is lost or shops that share an agreement. This is not
// drawn, since drawing would change all other seeds.
const rareOf = 16

// usualCalls is how many calls a day a lagerd may make to an agreement, unless they are to be used
// up.
const usualCalls = 50_000

func newProfile(rng *rand.Rand) profile {
	// rate returns usually 0, otherwise a probability up to most.
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
		dailyCalls: usualCalls, workers: 4,
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

// fewCalls makes a day's calls few. handed lets lagerd crash and be stopped while others take its
// shops: each knows of the calls only what is booked. Otherwise nothing makes a lagerd forget what it
// has spent.
func (p *profile) fewCalls(handed bool) {
	p.handed, p.dailyCalls, p.skew, p.lies, p.pause, p.refused = handed, fewCalls, false, false, 0, 0
	p.tradeEvery, p.pdfLag = p.tradeEvery/2, 50*time.Second
	if handed {
		p.dailyCalls, p.instances, p.crash, p.stops = fewestCalls, max(p.instances, 2), 0.001, true
		p.chaos, p.tradeEvery = 2*p.chaos, p.tradeEvery/2
		return
	}
	p.instances, p.down, p.stops, p.deadlock, p.lost, p.crash = 1, false, false, 0, 0, 0
}

// scheduleFaults plans the faults that occur by the clock.
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
	if p.outages {
		again("fault: a service is out", 20*time.Second, 90*time.Second, s.world.outage)
	}
	if p.sources {
		again("fault: the stock of a shop moves", 10*time.Second, 70*time.Second, s.world.startStockMove)
	}
	if p.forbids {
		again("fault: a part is refused", 20*time.Second, 60*time.Second, s.world.forbidParts)
	}
	if p.refused > 0 {
		again("fault: a grant is refused", 30*time.Second, 90*time.Second, func() {
			s.counts["grant refused"]++
			shop := s.world.shops[s.rng.IntN(len(s.world.shops))]
			s.world.refuse(shop)
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
