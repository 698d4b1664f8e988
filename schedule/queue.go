package schedule

import (
	"slices"
	"sync"
	"time"

	"lagerd/reconcile"
)

// queue is a work queue of shops, modeled on the one of Kubernetes' client-go. A shop added
// many times while it waits is worked on once; added while it is being worked on, it is worked
// on once more afterwards; and nobody works on it concurrently. Shops are served in the order
// in which they were added, so a busy one waits its turn like the others.
type queue struct {
	mu    sync.Mutex
	dirty map[string]reconcile.Due // to be worked on; queued ⊆ dirty
	busy  map[string]reconcile.Due // being worked on; queued ∩ busy = ∅
	order []string                 // queued, first in, first out
	bulk  []string                 // also queued, behind order; order ∩ bulk = ∅
	later map[string]*delayed      // delayed until a time
	ready chan struct{}            // capacity 1: a shop may be queued
}

// delayed delays a shop; due merges whatever is added meanwhile.
type delayed struct {
	timer  *time.Timer
	due    reconcile.Due
	since  time.Time // when debouncing started; zero: not debounced
	parked bool      // parked until there is room
	latest time.Time // when the delay of a shop that is to be worked on soon ends, debounced or not; zero: of another one
}

// soon reports whether what is added meanwhile ends the delay.
func (d *delayed) soon() bool { return !d.latest.IsZero() && d.since.IsZero() }

// within returns a wait that is not longer than until the latest end of the delay.
func (d *delayed) within(wait time.Duration, now time.Time) time.Duration {
	if d.latest.IsZero() {
		return wait
	}
	return min(wait, d.latest.Sub(now))
}

func newQueue() *queue {
	return &queue{dirty: map[string]reconcile.Due{}, busy: map[string]reconcile.Due{}, later: map[string]*delayed{}, ready: make(chan struct{}, 1)}
}

// add queues the shop, or merges due into what waits for it. It drops a tick while the shop's
// tick is running, so that a tick longer than a minute does not queue up behind itself. A
// delayed shop stays delayed unless the work is urgent.
func (q *queue) add(shop string, due reconcile.Due, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if under, ok := q.busy[shop]; ok && under.Tick && due == (reconcile.Due{Tick: true}) {
		return
	}
	if d := q.later[shop]; d != nil {
		if !urgent && !d.soon() {
			d.due = d.due.Merge(due)
			return
		}
		due = due.Merge(q.undelay(shop, d))
	}
	q.put(shop, due, false)
}

// addBulk is an urgent add of one of many shops: all others are served first. A later add moves
// the shop in front of the bulk.
func (q *queue) addBulk(shop string, due reconcile.Due) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil {
		due = due.Merge(q.undelay(shop, d))
	}
	q.put(shop, due, true)
}

// undelay ends a shop's delay and returns what was due.
func (q *queue) undelay(shop string, d *delayed) reconcile.Due {
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

// addAfter queues the shop after d. If the shop is being worked on, it must be called before
// done.
func (q *queue) addAfter(shop string, due reconcile.Due, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.delayBusy(shop, &delayed{due: due}, d)
}

// addSoon queues the shop after d, or with whatever else is added before. A burst of hints that is
// debounced does not delay it. It must be called before done.
func (q *queue) addSoon(shop string, due reconcile.Due, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	latest := time.Now().Add(d)
	if before := q.later[shop]; before != nil { // debounced since the pass began
		before.due, before.latest = before.due.Merge(due), latest
		return
	}
	if waiting, ok := q.dirty[shop]; ok {
		q.dirty[shop] = waiting.Merge(due)
		return
	}
	q.delay(shop, &delayed{due: due, latest: latest}, d)
}

// park parks the shop: it is queued when release is called for it, or after most. It must
// be called before done.
func (q *queue) park(shop string, due reconcile.Due, most time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.delayBusy(shop, &delayed{due: due, parked: true}, most)
}

// release queues the shop if it is still parked.
func (q *queue) release(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil && d.parked {
		q.put(shop, q.undelay(shop, d), false)
	}
}

// delayBusy delays a shop that is being worked on, with everything due for it.
func (q *queue) delayBusy(shop string, wait *delayed, d time.Duration) {
	if before := q.later[shop]; before != nil {
		wait.due = wait.due.Merge(q.undelay(shop, before))
	}
	if waiting, ok := q.dirty[shop]; ok {
		if waiting.Requested { // meanwhile, by a person: no delay
			q.dirty[shop] = waiting.Merge(wait.due)
			return
		}
		wait.due = wait.due.Merge(waiting)
		delete(q.dirty, shop)
	}
	q.delay(shop, wait, d)
}

func (q *queue) delay(shop string, wait *delayed, d time.Duration) {
	wait.timer = time.AfterFunc(d, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.later[shop] != wait {
			return
		}
		delete(q.later, shop)
		q.put(shop, wait.due, false)
	})
	q.later[shop] = wait
}

// debounce queues the shop once quiet has passed since the last such call, at the latest
// maxWait after the first one, but not before the running pass of the shop has ended. A shop
// already waiting its turn keeps it; a tick or a request added later is delayed with the rest.
func (q *queue) debounce(shop string, due reconcile.Due, quiet, maxWait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if d := q.later[shop]; d != nil {
		d.due = d.due.Merge(due)
		if d.soon() {
			d.since = now
		}
		if !d.since.IsZero() {
			d.timer.Reset(d.within(min(quiet, d.since.Add(maxWait).Sub(now)), now))
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
	q.delay(shop, &delayed{due: due, since: now}, quiet)
}

// get returns the next shop and marks it busy. The caller must call done. It returns a bulk
// shop only if bulk is true. If ok is false, ready signals when there may be another.
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

// done ends the work on a shop and queues it again if it was added meanwhile.
func (q *queue) done(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, shop)
	if _, again := q.dirty[shop]; again {
		q.order = append(q.order, shop)
		q.signal()
	}
}

// forget drops everything due for the shop.
func (q *queue) forget(shop string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d := q.later[shop]; d != nil {
		q.undelay(shop, d)
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

// stop stops the timers of all delayed shops.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for shop, d := range q.later {
		q.undelay(shop, d)
	}
}

// length returns how many shops are queued.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.order) + len(q.bulk)
}
