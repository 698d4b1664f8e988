package schedule

import (
	"slices"
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
	bulk  []string                 // queued as well, behind order; order ∩ bulk = ∅
	later map[string]*delayed      // held back until a time
	ready chan struct{}            // capacity 1: a shop may be queued
}

// delayed holds a shop back; what is added meanwhile is merged into it.
type delayed struct {
	timer *time.Timer
	due   reconcile.Due
	since time.Time // of one that is debounced: since then; else zero
	aside bool      // it waits for room, see setAside
}

func newQueue() *queue {
	return &queue{dirty: map[string]reconcile.Due{}, busy: map[string]reconcile.Due{}, later: map[string]*delayed{}, ready: make(chan struct{}, 1)}
}

// add queues the shop, or merges what is due into what waits for it. A tick is
// not added to a shop whose tick is under way, so that one that takes longer
// than a minute does not queue up behind itself. A shop that is held back
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
		due = due.Merge(q.takeBack(shop, d))
	}
	q.put(shop, due, false)
}

// addBulk is an urgent add of one of many shops: all others are served first, and so is
// this one as soon as add is called for it.
func (q *queue) addBulk(shop string, due reconcile.Due) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil {
		due = due.Merge(q.takeBack(shop, d))
	}
	q.put(shop, due, true)
}

// takeBack ends the holding back of a shop and returns what waits for it.
func (q *queue) takeBack(shop string, d *delayed) reconcile.Due {
	d.timer.Stop()
	delete(q.later, shop)
	return d.due
}

func (q *queue) put(shop string, due reconcile.Due, bulk bool) {
	waiting, dirty := q.dirty[shop]
	q.dirty[shop] = waiting.Merge(due)
	if _, working := q.busy[shop]; working {
		return
	}
	switch {
	case !dirty && bulk:
		q.bulk = append(q.bulk, shop)
	case !dirty:
		q.order = append(q.order, shop)
	case bulk || !q.leaveBulk(shop):
		return // it keeps its place
	default:
		q.order = append(q.order, shop)
	}
	q.signal()
}

func (q *queue) leaveBulk(shop string) (was bool) {
	n := slices.Index(q.bulk, shop)
	if n >= 0 {
		q.bulk = slices.Delete(q.bulk, n, n+1)
	}
	return n >= 0
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
	q.hold(shop, &delayed{due: due}, d)
}

// setAside queues the shop once release is called for it, or after most. It must be
// called before done by whoever was to work on the shop.
func (q *queue) setAside(shop string, due reconcile.Due, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hold(shop, &delayed{due: due, aside: true}, most)
}

// release queues the shop if it is set aside still.
func (q *queue) release(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil && d.aside {
		q.put(shop, q.takeBack(shop, d), false)
	}
}

// hold holds back a shop that is worked on, with what waits for it.
func (q *queue) hold(shop string, held *delayed, d time.Duration) {
	if before := q.later[shop]; before != nil {
		held.due = held.due.Merge(q.takeBack(shop, before))
	}
	if waiting, ok := q.dirty[shop]; ok {
		if waiting.Requested { // by a person, meanwhile: that does not wait
			q.dirty[shop] = waiting.Merge(held.due)
			return
		}
		held.due = held.due.Merge(waiting)
		delete(q.dirty, shop)
	}
	q.holdBack(shop, held, d)
}

func (q *queue) holdBack(shop string, held *delayed, d time.Duration) {
	held.timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.later[shop] != held {
			return
		}
		delete(q.later, shop)
		q.put(shop, held.due, false)
	})
	q.later[shop] = held
}

// debounce queues the shop once it has not been called for it for quiet, at the
// latest maxWait after the first such call, or after the end of the work on it that
// is under way. A shop that waits for its turn already keeps it; a tick, or what is
// asked for, waits with the rest if it comes later.
func (q *queue) debounce(shop string, due reconcile.Due, quiet, maxWait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if d := q.later[shop]; d != nil {
		d.due = d.due.Merge(due)
		if !d.since.IsZero() {
			d.timer.Reset(min(quiet, d.since.Add(maxWait).Sub(now)))
		}
		return
	}
	if waiting, dirty := q.dirty[shop]; dirty {
		due = due.Merge(waiting)
		if _, working := q.busy[shop]; !working || due.Tick || due.Sweep || due.Requested {
			q.put(shop, due, false)
			return
		}
		delete(q.dirty, shop)
	}
	q.holdBack(shop, &delayed{due: due, since: now}, quiet)
}

// get returns the next shop and marks it as being worked on. The caller must call done.
// Of those in bulk none is next unless bulk says so. Where ok is false, ready tells when
// another may be.
func (q *queue) get(bulk bool) (shop string, due reconcile.Due, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	from := &q.order
	if len(q.order) == 0 && bulk {
		from = &q.bulk
	}
	if len(*from) == 0 {
		return "", reconcile.Due{}, false
	}
	shop, *from = (*from)[0], (*from)[1:]
	due = q.dirty[shop]
	delete(q.dirty, shop)
	q.busy[shop] = due
	if len(q.order)+len(q.bulk) > 0 {
		q.signal()
	}
	return shop, due, true
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
		q.takeBack(shop, d)
	}
	if _, ok := q.dirty[shop]; !ok {
		return
	}
	delete(q.dirty, shop)
	if n := slices.Index(q.order, shop); n >= 0 {
		q.order = slices.Delete(q.order, n, n+1)
	} else {
		q.leaveBulk(shop)
	}
}

// stop stops the timers of all shops held back.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for shop, d := range q.later {
		q.takeBack(shop, d)
	}
}

// length returns how many shops wait for their pass.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order) + len(q.bulk)
}
