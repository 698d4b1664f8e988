package schedule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// Options is what a Scheduler needs. All of it is required.
type Options struct {
	Reconcile reconcile.Options
	Observer  Observer
	Workers   int    // shops worked on at once
	Instance  string // this lagerd's name among the lease holders
}

// Observer is told how passes end, for metrics. Its methods must not block.
type Observer interface {
	Passed(shop string, took time.Duration, err error)
	Fenced(shop string) // a write was refused: another lagerd has the shop
}

// Scheduler reconciles all shops whose lease this lagerd holds: each on its
// own, so many at once, and all of them fairly. It is safe for concurrent use.
type Scheduler struct {
	o      Options
	shared *reconcile.Reconciler
	now    func() time.Time
	store  *store.Store
	queue  *queue
	floods *semaphore.Weighted // of hints, see floodsAtOnce

	mu        sync.Mutex
	shops     map[string]*entry
	stuck     int              // workers whose pass takes long, and which have been replaced
	marks     []store.TickMark // good ticks not noted in the database yet
	counts    []store.TickMark // and others, of which the calls are noted
	marksFrom time.Time        // when the first of the good ones began
	markedAt  time.Time        // and when the first of all was over
	flood     flood            // of all shops' hints
}

// entry is a shop this lagerd holds.
type entry struct {
	pass     turn // taken during a pass
	shop     *reconcile.Shop
	failures int                // passes failed in a row
	stop     context.CancelFunc // ends the pass under way
	ctx      context.Context
	next     *store.Shop // settings to take over before the next pass

	generation int64 // of the settings taken over, or about to be

	paused bool       // by a person, as the last pass found
	holds  plan.Holds // and what lagerd has stopped itself

	flood   flood
	counted store.DayCalls      // the calls that are noted, or about to be
	asked   map[string]struct{} // requests that were open when it was last told of any
	hinted  int                 // hints that have come since the last pass began
	waits   time.Time           // since when it waits for other floods; zero: it does not
}

// NewScheduler returns a scheduler that holds no shop yet.
func NewScheduler(o Options) *Scheduler {
	return &Scheduler{
		o: o, shared: reconcile.New(o.Reconcile), now: o.Reconcile.Now, store: o.Reconcile.Store, queue: newQueue(), shops: map[string]*entry{},
		floods: semaphore.NewWeighted(floodsAtOnce),
	}
}

// Run works on shops until ctx is done and every pass has ended.
func (s *Scheduler) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range s.o.Workers {
		workers.Go(func() { s.serve(ctx, &workers) })
	}
	workers.Wait()
	s.queue.stop()
}

const (
	// slowPass is how long a pass may take until its worker counts as stuck:
	// another takes its place, so that the shops of one slow agreement, or of
	// many, do not take up the workers of all.
	slowPass = 5 * time.Second
	// mostStuck bounds the stuck workers, as a multiple of Workers. Beyond it the
	// other shops wait for one of them: each gives up after the client's timeout.
	mostStuck = 8
)

// serve is one worker. It ends with ctx, or after a pass during which another
// worker took its place.
func (s *Scheduler) serve(ctx context.Context, workers *sync.WaitGroup) {
	for {
		shop, due, ok := s.queue.get(ctx)
		if !ok {
			return
		}
		over, replaced := false, false
		timer := time.AfterFunc(slowPass, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if over || s.stuck >= mostStuck*s.o.Workers || ctx.Err() != nil {
				return
			}
			s.stuck++
			replaced = true
			workers.Go(func() { s.serve(ctx, workers) })
		})
		s.work(ctx, shop, due)
		s.queue.done(shop)
		timer.Stop()
		s.mu.Lock()
		over = true
		if replaced {
			s.stuck--
		}
		s.mu.Unlock()
		if replaced {
			return
		}
	}
}

// Take begins to work on a shop whose lease is held with the given token.
func (s *Scheduler) Take(ctx context.Context, shop store.Shop, token int64) {
	ctx, stop := context.WithCancel(ctx)
	s.mu.Lock()
	s.shops[shop.Shop] = &entry{pass: newTurn(), shop: s.shared.Shop(shop, token), ctx: ctx, stop: stop, generation: shop.Generation}
	s.mu.Unlock()
	// What was left open by whoever held the shop before is due at once.
	s.queue.add(shop.Shop, reconcile.Due{Tick: true, Work: true}, true)
}

// Drop ends the work on a shop: it breaks off the pass under way and returns
// when that has ended.
func (s *Scheduler) Drop(shop string) {
	s.mu.Lock()
	e := s.shops[shop]
	delete(s.shops, shop)
	s.mu.Unlock()
	if e == nil {
		return
	}
	e.stop()
	s.queue.forget(shop)
	e.pass.take()
	defer e.pass.give()
}

// Held returns the shops this lagerd works on, with their tokens.
func (s *Scheduler) Held() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(map[string]int64, len(s.shops))
	for name, e := range s.shops {
		held[name] = e.shop.Token()
	}
	return held
}

// Holds reports whether this lagerd works on the shop.
func (s *Scheduler) Holds(shop string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shops[shop] != nil
}

// States counts the shops this lagerd works on by what their last pass came to:
// those that run, those that a person has paused, and those that lagerd holds, or a
// part of them, by reason. One that is held for two reasons counts with each.
func (s *Scheduler) States() (running, paused int, held map[plan.Reason]int) {
	held = map[plan.Reason]int{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.shops {
		switch {
		case e.paused:
			paused++
		case len(e.holds) == 0:
			running++
		default:
			for n, h := range e.holds {
				if !slices.ContainsFunc(e.holds[:n], func(o plan.Hold) bool { return o.Reason == h.Reason }) {
					held[h.Reason]++
				}
			}
		}
	}
	return running, paused, held
}

// Sync takes over the settings that have changed since the shops were taken
// or last synced; current returns a shop's settings as they are now.
func (s *Scheduler) Sync(current func(shop string) (store.Shop, bool)) {
	var changed []string
	s.mu.Lock()
	for name, e := range s.shops {
		if shop, ok := current(name); ok && shop.Generation > e.generation && e.shop.Settings().SameAs(shop) {
			e.generation, e.next = shop.Generation, &shop
			changed = append(changed, name)
		}
	}
	s.mu.Unlock()
	for _, name := range changed {
		s.queue.add(name, reconcile.Due{Tick: true, Work: true}, true)
	}
}

// Tick makes the minute's reconciliation of every shop due, in an order that
// differs each time, so that none is always last.
func (s *Scheduler) Tick() { s.addAll(reconcile.Due{Tick: true}, false) }

// ReconcileAll makes every shop due at once, also those that wait after a
// failure and those that lagerd paused.
func (s *Scheduler) ReconcileAll() {
	s.addAll(reconcile.Due{Tick: true, Work: true, Asked: true}, true)
}

// SweepAll makes a sweep of every shop due at once.
func (s *Scheduler) SweepAll() {
	s.addAll(reconcile.Due{Tick: true, Sweep: true, Work: true, Asked: true}, true)
}

func (s *Scheduler) addAll(due reconcile.Due, urgent bool) {
	s.mu.Lock()
	names := make([]string, 0, len(s.shops))
	for name := range s.shops {
		names = append(names, name)
	}
	s.mu.Unlock()
	rand.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
	for _, name := range names {
		s.queue.add(name, due, urgent)
	}
}

// Hinted makes a shop due for which so many hints have come, if this lagerd holds
// it: at once, but where many come a little later, and in a flood when that has passed
// or has lasted long.
func (s *Scheduler) Hinted(shop string, hints int) {
	s.mu.Lock()
	now := s.now()
	all, own := s.flood.add(now, hints), 0
	e := s.shops[shop]
	if e != nil {
		own = e.flood.add(now, hints)
		e.hinted += hints
	}
	s.mu.Unlock()
	if e == nil {
		return
	}
	if passes, lasts := hintsWait(own, all); passes > 0 {
		s.queue.settle(shop, reconcile.Due{Work: true}, passes, lasts)
	} else {
		s.queue.add(shop, reconcile.Due{Work: true}, false)
	}
}

// Wake makes the shops due that this lagerd holds: something may have come
// for them.
func (s *Scheduler) Wake(shops []string) {
	for _, name := range shops {
		if s.Holds(name) {
			s.queue.add(name, reconcile.Due{Work: true}, false)
		}
	}
}

// Asked makes the shops due that this lagerd holds and for which requests are open, in
// which only Request and Shop matter. A request that it has not been told of before does
// not wait after a failure, and what is held is tried for it. One that stays open, as
// that for a sweep does for hours, has neither each time it is told of.
func (s *Scheduler) Asked(open []store.Request) {
	now, more := map[string]map[string]struct{}{}, map[string]bool{}
	s.mu.Lock()
	for _, r := range open {
		e := s.shops[r.Shop]
		if e == nil {
			continue
		}
		if now[r.Shop] == nil {
			now[r.Shop] = map[string]struct{}{}
		}
		now[r.Shop][r.Request] = struct{}{}
		_, told := e.asked[r.Request]
		more[r.Shop] = more[r.Shop] || !told
	}
	for shop, requests := range now {
		s.shops[shop].asked = requests
	}
	s.mu.Unlock()
	for shop := range now {
		s.queue.add(shop, reconcile.Due{Work: true, Asked: more[shop]}, more[shop])
	}
}

// Waiting returns how many shops wait for a worker.
func (s *Scheduler) Waiting() int { return s.queue.length() }

// Stuck returns how many workers have been replaced because their pass takes
// long.
func (s *Scheduler) Stuck() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stuck
}

// takeFlood makes sure that not too many hints are read at once, and returns what is
// to be called when those of a shop have been. ok is false where they have to wait:
// no worker waits with them, for other shops need it.
func (s *Scheduler) takeFlood(e *entry, due reconcile.Due) (give func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, hints := s.now(), int64(min(e.hinted, floodsAtOnce))
	give = func() {}
	switch {
	case hints < floodHints || due.Asked: // a person does not wait
	case s.floods.TryAcquire(hints):
		free := sync.OnceFunc(func() { s.floods.Release(hints) })
		slow := time.AfterFunc(slowPass, free)
		give = func() {
			slow.Stop()
			free()
		}
	case e.waits.IsZero():
		e.waits = now
		return nil, false
	case now.Sub(e.waits) < floodWaits:
		return nil, false
	}
	e.hinted, e.waits = 0, time.Time{}
	return give, true
}

func (s *Scheduler) work(ctx context.Context, name string, due reconcile.Due) {
	s.mu.Lock()
	e := s.shops[name]
	s.mu.Unlock()
	if e == nil {
		return
	}
	give, ok := s.takeFlood(e, due)
	if !ok {
		s.queue.addAfter(name, due, floodAgain)
		return
	}
	defer give()
	e.pass.take()
	defer e.pass.give()
	s.mu.Lock()
	if e.next != nil {
		e.shop.Change(*e.next)
		e.next = nil
	}
	s.mu.Unlock()
	// A pass ends with the lease or with the daemon, whichever is first.
	pass, stop := context.WithCancel(e.ctx)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	began := s.now()
	res, err := e.shop.RunOnce(pass, due)
	if pass.Err() != nil {
		s.mark(e, began, false) // what it has spent is spent
		return
	}
	s.mu.Lock()
	e.paused, e.holds = e.shop.Settings().Paused(), e.shop.Settings().InForce(e.shop.Holds())
	s.mu.Unlock()
	s.o.Observer.Passed(name, s.now().Sub(began), err)
	switch {
	case errors.Is(err, store.ErrFenced):
		s.o.Observer.Fenced(name)
		s.log(e).Warn("another lagerd has taken the shop")
		s.giveUp(e)
	case errors.Is(err, store.ErrSettingsChanged):
		s.renew(pass, e, due)
	case err != nil:
		// What is held has been tried for whoever asked, and not for each try after it.
		due.Asked = due.Asked && !res.Tried
		s.failed(pass, e, due, err)
	default:
		if res.Short == nil {
			e.failures = 0
		} else if due.Tick {
			s.note(pass, e, res.Short)
		}
		if due.Tick && res.Short == nil {
			s.mark(e, began, res.Ticked)
		}
		switch {
		case res.Again:
			// A listing under way does not wait for a flood to pass: it answers most of it.
			s.queue.add(name, reconcile.Due{Work: true}, res.Listing)
		case res.Idle:
			// Until a person or time changes that, hints only pile up.
			s.queue.addAfter(name, reconcile.Due{Work: true}, s.o.Reconcile.HeldRetry)
		}
	}
}

func (s *Scheduler) log(e *entry) *logrus.Entry {
	return s.o.Reconcile.Log.WithField("shop", e.shop.Settings().Shop)
}

// giveUp ends the work on a shop whose lease is lost: the keeper finds it no more.
func (s *Scheduler) giveUp(e *entry) {
	name := e.shop.Settings().Shop
	s.mu.Lock()
	if s.shops[name] == e {
		delete(s.shops, name)
	}
	s.mu.Unlock()
	e.stop()
}

// renew starts a pass anew whose shop's settings were changed under it.
func (s *Scheduler) renew(ctx context.Context, e *entry, due reconcile.Due) {
	was := e.shop.Settings()
	shop, err := s.store.Shop(ctx, was.Shop)
	switch {
	case errors.Is(err, store.ErrNoShop):
		s.log(e).Info("the shop has been removed")
		s.giveUp(e)
		return
	case err == nil && !was.SameAs(shop):
		s.log(e).Info("the shop has been removed and added again")
		s.giveUp(e) // the lease that this lagerd had was the former shop's
		return
	case err == nil && shop.Generation <= was.Generation:
		err = fmt.Errorf("shop %s: its lease asks for other settings than are stored: `lagerd shops resume %[1]s` stores them anew", was.Shop)
	}
	if err != nil {
		s.failed(ctx, e, due, err)
		return
	}
	s.log(e).Info("the shop's settings have been changed: the pass starts anew")
	s.mu.Lock()
	if shop.Generation > e.generation || e.next == nil {
		e.generation, e.next = shop.Generation, &shop
	}
	s.mu.Unlock()
	s.queue.add(shop.Shop, due.Merge(reconcile.Due{Tick: true, Work: true}), true)
}

// failed notes a failed pass and has it tried again after a while.
func (s *Scheduler) failed(ctx context.Context, e *entry, due reconcile.Due, err error) {
	e.failures++
	wait := s.o.Reconcile.Backoff(e.failures)
	wait = max(wait, source.RetryAfter(err))
	log := s.log(e).WithError(err).WithFields(logrus.Fields{"failures": e.failures, "retry_in": wait.Round(time.Millisecond).String()})
	if holds := e.shop.Holds(); len(holds) > 0 {
		log = log.WithField("held", holds.Codes())
	}
	log.Warn("the shop could not be reconciled")
	s.noteInDatabase(ctx, e, err)
	s.queue.addAfter(e.shop.Settings().Shop, due.Merge(reconcile.Due{Work: true}), wait)
}

// note says, now and then, why ticks do not read all that they should. It delays
// nothing: hints have a reserve of the day's budget, and what e-conomic refuses is
// tried again as what is held is.
func (s *Scheduler) note(ctx context.Context, e *entry, short error) {
	if e.failures++; e.failures%60 == 1 {
		s.log(e).WithError(short).Warn(shortOf(short))
	}
	s.noteInDatabase(ctx, e, short)
}

// shortOf says for people why a tick did not read all that it should.
func shortOf(short error) string {
	if source.ClassOf(short) == plan.ClassDay {
		return "the budget is short: ticks and sweeps wait, hints go on"
	}
	return "e-conomic refuses what is held for another reason: it is tried again now and then, the rest goes on"
}

func (s *Scheduler) noteInDatabase(ctx context.Context, e *entry, failure error) {
	shop, calls := e.shop.Settings().Shop, e.shop.Calls()
	s.mu.Lock() // a tick that is not noted yet must not undo this
	s.marks, s.counts = without(s.marks, shop), without(s.counts, shop)
	e.counted = calls
	s.mu.Unlock()
	if err := e.shop.NoteFailure(ctx, failure); err != nil && ctx.Err() == nil {
		s.log(e).WithError(err).Error("the failure could not be noted")
	}
}

// without returns the marks of all shops but one.
func without(marks []store.TickMark, shop string) []store.TickMark {
	return slices.DeleteFunc(marks, func(m store.TickMark) bool { return m.Shop == shop })
}

// mark has a good tick noted, or the calls of one that was not: none is while a part of
// the shop is held, and the others may go on for days.
func (s *Scheduler) mark(e *entry, began time.Time, good bool) {
	settings := e.shop.Settings()
	m := store.TickMark{Shop: settings.Shop, Generation: settings.Generation, DayCalls: e.shop.Calls()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !good && e.counted == m.DayCalls {
		return
	}
	e.counted = m.DayCalls
	if len(s.marks)+len(s.counts) == 0 {
		s.markedAt = s.now()
	}
	if !good {
		s.counts = append(without(s.counts, m.Shop), m) // of two the statement takes the first
		return
	}
	if len(s.marks) == 0 || began.Before(s.marksFrom) {
		s.marksFrom = began
	}
	s.marks = append(s.marks, m)
}

// marksWait is how long a tick may wait for others to be noted with it.
const marksWait = 2 * time.Second

// NoteTicks notes the ticks since the last call in the database, in a few
// statements for all shops together, when there are enough of them or one has
// waited for long. At once, it notes them anyway.
func (s *Scheduler) NoteTicks(ctx context.Context, atOnce bool) error {
	s.mu.Lock()
	marks, counts, from := s.marks, s.counts, s.marksFrom
	if len(marks)+len(counts) < store.MarksPerStatement && s.now().Sub(s.markedAt) < marksWait && !atOnce {
		marks, counts = nil, nil
	} else {
		s.marks, s.counts = nil, nil
	}
	s.mu.Unlock()
	return errors.Join(
		eachDay(marks, func(marks []store.TickMark) error { return s.store.MarkTicks(ctx, s.o.Instance, marks, from) }),
		eachDay(counts, func(counts []store.TickMark) error { return s.store.MarkCalls(ctx, s.o.Instance, counts) }),
	)
}

// eachDay calls note with the marks of each day.
func eachDay(marks []store.TickMark, note func(marks []store.TickMark) error) error {
	slices.SortStableFunc(marks, func(a, b store.TickMark) int { return strings.Compare(a.CallsDay, b.CallsDay) })
	var errs []error
	for len(marks) > 0 {
		n := slices.IndexFunc(marks, func(m store.TickMark) bool { return m.CallsDay != marks[0].CallsDay })
		if n < 0 {
			n = len(marks)
		}
		errs = append(errs, note(marks[:n]))
		marks = marks[n:]
	}
	return errors.Join(errs...)
}
