package schedule

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// slowAfter is how long a pass may take, or wait for one answer, until it is slow.
	slowAfter = 5 * time.Second
	// slowAtOnce is how many passes may wait slowly until no further one begins: their
	// requests take memory, and e-conomic hangs. They give up after the client's timeout.
	slowAtOnce = 512
	// retriesAtOnce is from how many of those on no pass begins of a shop whose last call
	// was not answered: those that are known to hang leave room to the others.
	retriesAtOnce = slowAtOnce * 3 / 4
	// bulkAtOnce is how many passes that are not slow there may be until none begins of
	// the many shops that are due at once, by a start or a signal: ticks and hints find
	// room.
	bulkAtOnce = slowAtOnce / 2
	// retryWaits is how long such a shop is set aside at most.
	retryWaits = time.Minute

	// hintsAtOnce is how many hints of bursts are begun to be read at once, of all
	// shops: they are in memory until they are answered, with a page or two to each. What
	// takes longer than slowAfter, since its agreement is slow, does not count any more.
	hintsAtOnce = 12_000
	// burstWaits is how long a burst waits for others at most.
	burstWaits = 10 * time.Second
)

// limits bound what all passes take up together.
type limits struct {
	working chan struct{}     // one to each pass that has a worker; its capacity is their number
	release func(shop string) // begins a pass of a shop that was set aside

	mu      sync.Mutex
	passes  int           // under way
	slow    int           // of those, that wait slowly or are taken to do so
	stuck   int           // of those, that have taken longer than slowAfter
	hints   int           // of bursts, being read
	retries line          // shops that are set aside until fewer are slow
	bursts  line          // and until fewer hints are being read
	freed   chan struct{} // capacity 1: there may be room for another pass
}

func newLimits(workers int, release func(shop string)) *limits {
	return &limits{working: make(chan struct{}, workers), release: release, freed: make(chan struct{}, 1),
		retries: line{in: map[string]struct{}{}}, bursts: line{in: map[string]struct{}{}}}
}

// line is where shops wait for room: who has waited for longest is first.
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
	// One that was called for, and found the room taken again, has its place as before.
	n, _ := slices.BinarySearchFunc(l.shops, since, func(w waiting, since time.Time) int {
		if w.since.After(since) {
			return 1
		}
		return -1
	})
	l.shops = slices.Insert(l.shops, n, waiting{shop, since})
	l.in[shop] = struct{}{}
}

// next takes out the first shop. It may not be set aside any more.
func (l *line) next() (shop string, ok bool) {
	if len(l.shops) == 0 {
		return "", false
	}
	shop, l.shops = l.shops[0].shop, l.shops[1:]
	delete(l.in, shop)
	return shop, true
}

// room reports whether another pass may begin, and one of many shops that are due at
// once. Where there is none, freed tells when there may be.
func (l *limits) room() (any, bulk bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	any = l.slow < slowAtOnce && l.passes < slowAtOnce+cap(l.working)
	return any, any && l.passes-l.slow < bulkAtOnce
}

// request says what a pass would take up.
type request struct {
	shop   string
	hints  int           // that it reads
	retry  bool          // the shop's last call was not answered
	asked  bool          // a person waits for it
	waited time.Duration // for how long it has been set aside
}

// begin begins a pass, or sets its shop aside and returns for how long at most. Then
// release is called for it once there may be room. A person does not wait.
func (l *limits) begin(r request) (p *pass, aside time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p = &pass{limits: l, slow: r.retry}
	since := time.Now().Add(-r.waited)
	if !r.asked {
		if r.retry && l.slow >= retriesAtOnce {
			l.retries.add(r.shop, since)
			return nil, retryWaits
		}
		if hints := min(r.hints, hintsAtOnce); hints >= burstHints && r.waited < burstWaits {
			if l.hints+hints > hintsAtOnce {
				l.bursts.add(r.shop, since)
				return nil, burstWaits - r.waited
			}
			p.hints = hints
		}
	}
	l.passes++
	l.hints += p.hints
	if p.slow {
		l.slow++
	}
	p.stuckTimer = time.AfterFunc(slowAfter, p.getStuck)
	return p, 0
}

// change changes what is taken up, and calls for those that were set aside as many as
// there may be room for.
func (l *limits) change(how func()) {
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

// counts returns how many passes wait slowly, and how many have taken long.
func (l *limits) counts() (slow, stuck int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slow, l.stuck
}

// pass is one that is under way. Only its timers are other goroutines'; limits.mu guards
// what they share.
type pass struct {
	limits     *limits
	ctx        context.Context // set with the worker
	working    bool            // it has a worker
	waiting    bool            // for e-conomic
	hints      int             // counted
	slow       bool            // counted
	stuck      bool            // counted
	ended      bool
	stuckTimer *time.Timer
}

// work waits for a worker, which the pass has until it ends, but while it waits for
// e-conomic. Once ctx is done it goes on without.
func (p *pass) work(ctx context.Context) {
	p.ctx = ctx
	select {
	case p.limits.working <- struct{}{}:
		p.working = true
	case <-ctx.Done():
	}
}

func (p *pass) rest() {
	if p.working {
		p.working = false
		<-p.limits.working
	}
}

// wait gives the worker back until waited is called. It is what source.OnWait wants.
func (p *pass) wait() (waited func()) {
	p.limits.mu.Lock()
	already := p.waiting
	p.waiting = true
	p.limits.mu.Unlock()
	if already {
		return func() {}
	}
	p.rest()
	slow := time.AfterFunc(slowAfter, func() {
		p.limits.change(func() { p.setSlow(p.slow || p.waiting) })
	})
	return func() {
		slow.Stop()
		p.limits.change(func() {
			p.waiting = false
			p.setSlow(false)
		})
		p.work(p.ctx)
	}
}

// setSlow counts the pass as one that waits slowly, or does not. limits.mu is held.
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

// getStuck counts the pass as one that takes long, and not its hints any more.
func (p *pass) getStuck() {
	p.limits.change(func() {
		if p.ended {
			return
		}
		p.stuck = true
		p.limits.stuck++
		p.limits.hints -= p.hints
		p.hints = 0
	})
}

// end gives back all that the pass takes up.
func (p *pass) end() {
	p.rest()
	p.stuckTimer.Stop()
	p.limits.change(func() {
		p.setSlow(false)
		p.ended = true
		p.limits.passes--
		p.limits.hints -= p.hints
		if p.stuck {
			p.limits.stuck--
		}
	})
}
