package schedule

import (
	"context"
	"sync"
	"time"

	"lagerd/reconcile"
)

// queue is a work queue of shops, after the one of Kubernetes' client-go: what
// is added many times while it waits is worked on once, what is added while
// it is worked on is worked on once more afterwards, and nothing is ever
// worked on by two at a time. Shops are served in the order they came, so a
// busy one waits its turn like the others.
type queue struct {
	mu    sync.Mutex
	dirty map[string]reconcile.Due // to be worked on; queued ⊆ dirty
	busy  map[string]reconcile.Due // being worked on; queued ∩ busy = ∅
	order []string                 // queued, first come first
	later map[string]*delayed      // held back until a time
	ready chan struct{}            // capacity 1: order may not be empty
}

// delayed holds a shop back; what is added meanwhile is merged into it.
type delayed struct {
	timer *time.Timer
	due   reconcile.Due
	since time.Time // of one that settles: since then; else zero
}

func newQueue() *queue {
	return &queue{dirty: map[string]reconcile.Due{}, busy: map[string]reconcile.Due{}, later: map[string]*delayed{}, ready: make(chan struct{}, 1)}
}

// add queues the shop, or merges what is due into what waits for it. A tick is
// not added to a shop whose tick is under way, so that one that takes longer
// than a minute does not queue up behind itself. A shop held back by addAfter
// stays so unless it is urgent.
func (q *queue) add(shop string, due reconcile.Due, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if under, ok := q.busy[shop]; ok && under.Tick && due == (reconcile.Due{Tick: true}) {
		return
	}
	if d := q.later[shop]; d != nil {
		if !urgent {
			d.due = d.due.Merge(due)
			return
		}
		d.timer.Stop()
		delete(q.later, shop)
		due = due.Merge(d.due)
	}
	q.put(shop, due)
}

func (q *queue) put(shop string, due reconcile.Due) {
	waiting, dirty := q.dirty[shop]
	q.dirty[shop] = waiting.Merge(due)
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
func (q *queue) addAfter(shop string, due reconcile.Due, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if held := q.later[shop]; held != nil {
		held.timer.Stop()
		due = due.Merge(held.due)
	}
	if waiting, ok := q.dirty[shop]; ok {
		if waiting.Asked { // by a person, meanwhile: that does not wait
			q.dirty[shop] = waiting.Merge(due)
			return
		}
		due = due.Merge(waiting)
		delete(q.dirty, shop)
	}
	q.holdBack(shop, &delayed{due: due}, d)
}

func (q *queue) holdBack(shop string, held *delayed, d time.Duration) {
	held.timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.later[shop] != held {
			return
		}
		delete(q.later, shop)
		q.put(shop, held.due)
	})
	q.later[shop] = held
}

// settle queues the shop once it has not been called for it for the time passes, at
// the latest lasts after the first such call, or after the end of the work on it that
// is under way. A shop that waits for its turn already keeps it; a tick, or what is
// asked for, waits with the rest if it comes later.
func (q *queue) settle(shop string, due reconcile.Due, passes, lasts time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if d := q.later[shop]; d != nil {
		d.due = d.due.Merge(due)
		if !d.since.IsZero() {
			d.timer.Reset(min(passes, d.since.Add(lasts).Sub(now)))
		}
		return
	}
	if waiting, dirty := q.dirty[shop]; dirty {
		due = due.Merge(waiting)
		if _, working := q.busy[shop]; !working || due.Tick || due.Sweep || due.Asked {
			q.dirty[shop] = due
			return
		}
		delete(q.dirty, shop)
	}
	q.holdBack(shop, &delayed{due: due, since: now}, passes)
}

// get waits for the next shop and marks it as being worked on. The caller
// must call done. ok is false once ctx is done.
func (q *queue) get(ctx context.Context) (shop string, due reconcile.Due, ok bool) {
	for {
		if ctx.Err() != nil {
			return "", reconcile.Due{}, false
		}
		q.mu.Lock()
		if len(q.order) > 0 {
			shop = q.order[0]
			q.order = q.order[1:]
			due = q.dirty[shop]
			delete(q.dirty, shop)
			q.busy[shop] = due
			if len(q.order) > 0 {
				q.signal()
			}
			q.mu.Unlock()
			return shop, due, true
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", reconcile.Due{}, false
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
