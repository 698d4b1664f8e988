package reconcile

import (
	"context"
	"sync"
	"time"
)

// job says what a shop's next pass is to do beside what is due anyway.
type job struct {
	tick  bool // the minute's reconciliation
	sweep bool // a pass over everything the agreement holds
	work  bool // something may be due: hints, invoices to fetch, requests
	asked bool // a person asked: a shop that lagerd paused is tried at once
}

func (j job) merge(o job) job {
	return job{tick: j.tick || o.tick, sweep: j.sweep || o.sweep, work: j.work || o.work, asked: j.asked || o.asked}
}

// queue is a work queue of shops, after the one of Kubernetes' client-go: what
// is added many times while it waits is worked on once, what is added while
// it is worked on is worked on once more afterwards, and nothing is ever
// worked on by two at a time. Shops are served in the order they came, so a
// busy one waits its turn like the others.
type queue struct {
	mu    sync.Mutex
	dirty map[string]job      // to be worked on; queued ⊆ dirty
	busy  map[string]job      // being worked on; queued ∩ busy = ∅
	order []string            // queued, first come first
	later map[string]*delayed // held back until a time
	ready chan struct{}       // capacity 1: order may not be empty
}

// delayed holds a shop back; what is added meanwhile is merged into it.
type delayed struct {
	timer *time.Timer
	job   job
	since time.Time // of one that settles: since then; else zero
}

func newQueue() *queue {
	return &queue{dirty: map[string]job{}, busy: map[string]job{}, later: map[string]*delayed{}, ready: make(chan struct{}, 1)}
}

// add queues the shop, or merges the job into what waits for it. A tick is
// not added to a shop whose tick is under way, so that one that takes longer
// than a minute does not queue up behind itself. A shop held back by addAfter
// stays so unless the job is urgent.
func (q *queue) add(shop string, j job, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if under, ok := q.busy[shop]; ok && under.tick && j == (job{tick: true}) {
		return
	}
	if d := q.later[shop]; d != nil {
		if !urgent {
			d.job = d.job.merge(j)
			return
		}
		d.timer.Stop()
		delete(q.later, shop)
		j = j.merge(d.job)
	}
	q.put(shop, j)
}

func (q *queue) put(shop string, j job) {
	waiting, dirty := q.dirty[shop]
	q.dirty[shop] = waiting.merge(j)
	if _, working := q.busy[shop]; dirty || working {
		return
	}
	q.order = append(q.order, shop)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// addAfter queues the shop once d has passed. It must be called before done
// by whoever works on the shop.
func (q *queue) addAfter(shop string, j job, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if held := q.later[shop]; held != nil {
		held.timer.Stop()
		j = j.merge(held.job)
	}
	if waiting, ok := q.dirty[shop]; ok {
		if waiting.asked { // by a person, meanwhile: that does not wait
			q.dirty[shop] = waiting.merge(j)
			return
		}
		j = j.merge(waiting)
		delete(q.dirty, shop)
	}
	q.holdBack(shop, &delayed{job: j}, d)
}

func (q *queue) holdBack(shop string, held *delayed, d time.Duration) {
	held.timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.later[shop] != held {
			return
		}
		delete(q.later, shop)
		q.put(shop, held.job)
	})
	q.later[shop] = held
}

// settle queues the shop once it has not been called for it for the time passes, at
// the latest lasts after the first such call, or after the end of the work on it that
// is under way. A shop that waits for its turn already keeps it; a tick, or what is
// asked for, waits with the rest if it comes later.
func (q *queue) settle(shop string, j job, passes, lasts time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if d := q.later[shop]; d != nil {
		d.job = d.job.merge(j)
		if !d.since.IsZero() {
			d.timer.Reset(min(passes, d.since.Add(lasts).Sub(now)))
		}
		return
	}
	if waiting, dirty := q.dirty[shop]; dirty {
		j = j.merge(waiting)
		if _, working := q.busy[shop]; !working || j.tick || j.sweep || j.asked {
			q.dirty[shop] = j
			return
		}
		delete(q.dirty, shop)
	}
	q.holdBack(shop, &delayed{job: j, since: now}, passes)
}

// get waits for the next shop and marks it as being worked on. The caller
// must call done. ok is false once ctx is done.
func (q *queue) get(ctx context.Context) (shop string, j job, ok bool) {
	for {
		if ctx.Err() != nil {
			return "", job{}, false
		}
		q.mu.Lock()
		if len(q.order) > 0 {
			shop = q.order[0]
			q.order = q.order[1:]
			j = q.dirty[shop]
			delete(q.dirty, shop)
			q.busy[shop] = j
			if len(q.order) > 0 {
				q.signal()
			}
			q.mu.Unlock()
			return shop, j, true
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", job{}, false
		case <-q.ready:
		}
	}
}

// done ends the work on a shop; it is queued again if it was added meanwhile.
func (q *queue) done(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, shop)
	if _, again := q.dirty[shop]; again {
		q.order = append(q.order, shop)
		q.signal()
	}
}

// forget drops what waits for the shop.
func (q *queue) forget(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil {
		d.timer.Stop()
		delete(q.later, shop)
	}
	if _, ok := q.dirty[shop]; ok {
		delete(q.dirty, shop)
		for i, name := range q.order {
			if name == shop {
				q.order = append(q.order[:i], q.order[i+1:]...)
				break
			}
		}
	}
}

// stop stops the timers of all shops held back.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for shop, d := range q.later {
		d.timer.Stop()
		delete(q.later, shop)
	}
}

// length returns how many shops wait for a worker.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order)
}
