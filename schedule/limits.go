package schedule

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// slowAfter is how long a pass may take, or wait for one answer, before it counts as slow.
	slowAfter = 5 * time.Second
	// slowAtOnce is how many passes may be slow before no further one starts: e-conomic hangs,
	// and their requests take memory. They give up after the client's timeout.
	slowAtOnce = 512
	// retriesAtOnce is how many slow passes there may be before no pass starts of a shop whose
	// last call was not answered: shops known to hang leave room for the others.
	retriesAtOnce = slowAtOnce * 3 / 4
	// bulkAtOnce is how many passes that are not slow there may be before none starts of the
	// many shops that a start or a signal made due: it leaves room for ticks and hints.
	bulkAtOnce = slowAtOnce / 2
	// maxRetryWait limits how long such a shop is parked.
	maxRetryWait = time.Minute

	// hintsAtOnce limits how many hints of bursts, over all shops, are being read: they stay in
	// memory until answered, with a page or two per shop. A pass that takes longer than
	// slowAfter, since its agreement is slow, no longer counts.
	hintsAtOnce = 12_000
	// largeBurst is from how many hints on a burst leaves room for others: bursts of more fill no
	// more than largeAtOnce, so that one shop's flood parks no other shop's import.
	largeBurst  = 1000
	largeAtOnce = hintsAtOnce * 3 / 4
	// maxBurstWait limits how long a burst waits for others.
	maxBurstWait = 10 * time.Second
)

// limits bound the resources of all passes together.
type limits struct {
	working chan struct{}     // holds one entry per pass that has a worker; its capacity is the number of workers
	release func(shop string) // queues a parked shop

	mu      sync.Mutex
	passes  int           // running
	slow    int           // of those, the ones waiting long for an answer, or expected to
	stuck   int           // of those, the ones running for longer than slowAfter
	hints   int           // of bursts, being read
	retries line          // shops parked until fewer passes are slow
	bursts  line          // shops parked until fewer hints are being read
	freed   chan struct{} // capacity 1: another pass may have room
}

func newLimits(workers int, release func(shop string)) *limits {
	return &limits{working: make(chan struct{}, workers), release: release, freed: make(chan struct{}, 1),
		retries: line{in: map[string]struct{}{}}, bursts: line{in: map[string]struct{}{}}}
}

// line is a queue of shops waiting for room, the longest-waiting first.
type line struct {
	shops []waiting
	in    map[string]struct{}
}

type waiting struct {
	shop  string
	since time.Time
}

func (l *line) add(shop string, since time.Time) {
	if _, ok := l.in[shop]; ok {
		return
	}
	// A shop that was released, but found the room taken again, keeps its place.
	n, _ := slices.BinarySearchFunc(l.shops, since, func(w waiting, since time.Time) int {
		if w.since.After(since) {
			return 1
		}
		return -1
	})
	l.shops = slices.Insert(l.shops, n, waiting{shop, since})
	l.in[shop] = struct{}{}
}

// next removes and returns the first shop. It may no longer be parked.
func (l *line) next() (shop string, ok bool) {
	if len(l.shops) == 0 {
		return "", false
	}
	shop, l.shops = l.shops[0].shop, l.shops[1:]
	delete(l.in, shop)
	return shop, true
}

// room reports whether another pass may start, and whether one of the bulk shops may. If not,
// freed signals when that may have changed.
func (l *limits) room() (free, bulk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	free = l.slow < slowAtOnce && l.passes < slowAtOnce+cap(l.working)
	return free, free && l.passes-l.slow < bulkAtOnce
}

// request is what a pass would take up.
type request struct {
	shop      string
	hints     int           // to be read by it
	retry     bool          // the shop's last call was not answered
	requested bool          // a person is waiting for it
	waited    time.Duration // how long the shop has been parked
}

// begin starts a pass, or parks its shop and returns the maximum time to wait. It then calls
// release for the shop once there may be room. Requests do not wait.
func (l *limits) begin(r request) (p *pass, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p = &pass{limits: l, slow: r.retry}
	since := time.Now().Add(-r.waited)
	if !r.requested {
		if r.retry && l.slow >= retriesAtOnce {
			l.retries.add(r.shop, since)
			return nil, maxRetryWait
		}
		if hints, room := roomFor(r.hints); hints >= burstHints && r.waited < maxBurstWait {
			if l.hints+hints > room {
				l.bursts.add(r.shop, since)
				return nil, maxBurstWait - r.waited
			}
			p.hints = hints
		}
	}
	l.passes++
	l.hints += p.hints
	if p.slow {
		l.slow++
	}
	p.stuckTimer = time.AfterFunc(slowAfter, p.setStuck)
	return p, 0
}

// roomFor returns how many of a pass's hints count, and how many may be read at once with them.
func roomFor(hints int) (counted, room int) {
	if hints > largeBurst {
		return min(hints, largeAtOnce), largeAtOnce
	}
	return hints, hintsAtOnce
}

// update changes what is taken up, and releases as many parked shops as there may be room for.
func (l *limits) update(how func()) {
	l.mu.Lock()
	how()
	var next []string
	take := func(from *line) (ok bool) {
		shop, ok := from.next()
		if ok {
			next = append(next, shop)
		}
		return ok
	}
	for n := l.slow; n < retriesAtOnce && take(&l.retries); n++ {
	}
	for n := l.hints; n+burstHints <= hintsAtOnce && take(&l.bursts); n += burstHints {
	}
	l.mu.Unlock()
	for _, shop := range next {
		l.release(shop)
	}
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// counts returns how many passes are slow, and how many are stuck.
func (l *limits) counts() (slow, stuck int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slow, l.stuck
}

// pass is a running pass. Only its timers run in other goroutines; limits.mu guards what they
// share.
type pass struct {
	limits     *limits
	ctx        context.Context // set by work
	working    bool            // has a worker
	waiting    bool            // for e-conomic
	hints      int             // counted in limits.hints
	slow       bool            // counted in limits.slow
	stuck      bool            // counted in limits.stuck
	ended      bool
	stuckTimer *time.Timer
}

// work waits for a worker, which the pass keeps until it ends, except while it waits for
// e-conomic. Once ctx is done, the pass continues without one.
func (p *pass) work(ctx context.Context) {
	p.ctx = ctx
	select {
	case p.limits.working <- struct{}{}:
		p.working = true
	case <-ctx.Done():
	}
}

func (p *pass) releaseWorker() {
	if p.working {
		p.working = false
		<-p.limits.working
	}
}

// wait releases the worker until waited is called. It is a callback for source.OnWait.
func (p *pass) wait() (waited func()) {
	p.limits.mu.Lock()
	already := p.waiting
	p.waiting = true
	p.limits.mu.Unlock()
	if already {
		return func() {}
	}
	p.releaseWorker()
	slow := time.AfterFunc(slowAfter, func() {
		p.limits.update(func() { p.setSlow(p.slow || p.waiting) })
	})
	return func() {
		slow.Stop()
		p.limits.update(func() {
			p.waiting = false
			p.setSlow(false)
		})
		p.work(p.ctx)
	}
}

// setSlow counts the pass as slow, or no longer. limits.mu must be held.
func (p *pass) setSlow(slow bool) {
	if slow == p.slow || p.ended {
		return
	}
	if p.slow = slow; slow {
		p.limits.slow++
	} else {
		p.limits.slow--
	}
}

// setStuck counts the pass as stuck, and no longer its hints.
func (p *pass) setStuck() {
	p.limits.update(func() {
		if p.ended {
			return
		}
		p.stuck = true
		p.limits.stuck++
		p.limits.hints -= p.hints
		p.hints = 0
	})
}

// end releases everything that the pass takes up.
func (p *pass) end() {
	p.releaseWorker()
	p.stuckTimer.Stop()
	p.limits.update(func() {
		p.setSlow(false)
		p.ended = true
		p.limits.passes--
		p.limits.hints -= p.hints
		if p.stuck {
			p.limits.stuck--
		}
	})
}
