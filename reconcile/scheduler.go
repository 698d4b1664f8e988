package reconcile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/store"
)

// Options is what reconciling shops needs. All of it is required.
type Options struct {
	Store    *store.Store
	Client   *economic.Client
	Open     func(shop string, sealed []byte) (grantToken string, err error)
	Log      logrus.FieldLogger
	Observer Observer
	Now      func() time.Time
	Jitter   func(most time.Duration) time.Duration // a random time from 0 to most
	Instance string                                 // this lagerd's name among the lease holders

	Workers        int             // shops worked on at once
	Concurrency    int             // calls to e-conomic at once, per agreement
	PDFConcurrency int             // PDFs fetched at once, per shop
	DailyCalls     int             // calls a day and agreement
	PageSize       int             // items asked for on a page: 1 to plan.PageSize
	ListingTurn    time.Duration   // how long pages of a listing are read before its shop's hints get their turn: one page at least
	UnpackAtOnce   int             // hints that a transaction makes of a shop's webhooks, at least, if there are as many
	Overlap        time.Duration   // how far a change query looks back
	Rereads        []time.Duration // distances between reads of a hint that shows nothing new
	SweepEvery     time.Duration   // longest time between two sweeps
	RetryMin       time.Duration   // first distance between tries of what failed
	RetryMax       time.Duration   // longest such distance
	HeldRetry      time.Duration   // how often what is held, a shop or a part of it, is tried again
	GapWindow      time.Duration   // how long a missing invoice number is asked for each tick
	LateWithin     time.Duration   // a webhook this long after its change is late, not missed
	KeepHistory    time.Duration
	KeepHints      time.Duration // answered ones
	LossPercent    int           // of a shop's items, that one reconciliation may take away unasked
	LossMin        int           // and so many it may always

	LossWindow        time.Duration // what is taken away within that time, by however many reconciliations,
	LossWindowPercent int           // may not exceed this share of a shop's items unasked
	LossWindowMin     int           // and so many it may always
}

// Observer is told what happens, for metrics. Its methods must not block.
type Observer interface {
	Changed(shop string, changes []plan.Change, committed time.Time)
	PDFStored(shop string, size int)
	BadItem(shop string)
	Warned(shop string, kind plan.Kind) // fields of an item or invoice could not be understood, and the rest was taken
	Passed(shop string, took time.Duration, err error)
	Fenced(shop string) // a write was refused: another lagerd has the shop
}

// Scheduler reconciles all shops whose lease this lagerd holds: each on its
// own, so many at once, and all of them fairly. It is safe for concurrent use.
type Scheduler struct {
	o      Options
	queue  *queue
	pages  slots               // to store a page in, see pagesAtOnce
	floods *semaphore.Weighted // of hints, see floodsAtOnce

	refusals refusals

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
	worker   *worker
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
		o: o, queue: newQueue(), shops: map[string]*entry{},
		pages: newSlots(pagesAtOnce, pageWait), floods: semaphore.NewWeighted(floodsAtOnce),
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
		shop, j, ok := s.queue.get(ctx)
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
		s.work(ctx, shop, j)
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
	w := &worker{Options: &s.o, pages: s.pages, other: &s.refusals, shop: shop, token: token, log: s.o.Log.WithField("shop", shop.Shop)}
	s.mu.Lock()
	s.shops[shop.Shop] = &entry{pass: newTurn(), worker: w, ctx: ctx, stop: stop, generation: shop.Generation}
	s.mu.Unlock()
	// What was left open by whoever held the shop before is due at once.
	s.queue.add(shop.Shop, job{tick: true, work: true}, true)
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
		held[name] = e.worker.token
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
		if shop, ok := current(name); ok && shop.Generation > e.generation && e.worker.shop.SameAs(shop) {
			e.generation, e.next = shop.Generation, &shop
			changed = append(changed, name)
		}
	}
	s.mu.Unlock()
	for _, name := range changed {
		s.queue.add(name, job{tick: true, work: true}, true)
	}
}

// Tick makes the minute's reconciliation of every shop due, in an order that
// differs each time, so that none is always last.
func (s *Scheduler) Tick() { s.addAll(job{tick: true}, false) }

// ReconcileAll makes every shop due at once, also those that wait after a
// failure and those that lagerd paused.
func (s *Scheduler) ReconcileAll() { s.addAll(job{tick: true, work: true, asked: true}, true) }

// SweepAll makes a sweep of every shop due at once.
func (s *Scheduler) SweepAll() { s.addAll(job{tick: true, sweep: true, work: true, asked: true}, true) }

func (s *Scheduler) addAll(j job, urgent bool) {
	s.mu.Lock()
	names := make([]string, 0, len(s.shops))
	for name := range s.shops {
		names = append(names, name)
	}
	s.mu.Unlock()
	rand.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
	for _, name := range names {
		s.queue.add(name, j, urgent)
	}
}

// Hinted makes a shop due for which so many hints have come, if this lagerd holds
// it: at once, but where many come a little later, and in a flood when that has passed
// or has lasted long.
func (s *Scheduler) Hinted(shop string, hints int) {
	s.mu.Lock()
	now := s.o.Now()
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
		s.queue.settle(shop, job{work: true}, passes, lasts)
	} else {
		s.queue.add(shop, job{work: true}, false)
	}
}

// Wake makes the shops due that this lagerd holds: something may have come
// for them.
func (s *Scheduler) Wake(shops []string) {
	for _, name := range shops {
		if s.Holds(name) {
			s.queue.add(name, job{work: true}, false)
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
		s.queue.add(shop, job{work: true, asked: more[shop]}, more[shop])
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
func (s *Scheduler) takeFlood(e *entry, j job) (give func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, hints := s.o.Now(), int64(min(e.hinted, floodsAtOnce))
	give = func() {}
	switch {
	case hints < floodHints || j.asked: // a person does not wait
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

func (s *Scheduler) work(ctx context.Context, name string, j job) {
	s.mu.Lock()
	e := s.shops[name]
	s.mu.Unlock()
	if e == nil {
		return
	}
	give, ok := s.takeFlood(e, j)
	if !ok {
		s.queue.addAfter(name, j, floodAgain)
		return
	}
	defer give()
	e.pass.take()
	defer e.pass.give()
	s.mu.Lock()
	if e.next != nil {
		e.worker.change(*e.next)
		e.next = nil
	}
	s.mu.Unlock()
	// A pass ends with the lease or with the daemon, whichever is first.
	pass, stop := context.WithCancel(e.ctx)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	began := s.o.Now()
	res, err := runPass(pass, e.worker, j)
	if pass.Err() != nil {
		return
	}
	s.mu.Lock()
	e.paused, e.holds = e.worker.shop.Paused(), e.worker.shop.InForce(e.worker.progress.Holds)
	s.mu.Unlock()
	s.o.Observer.Passed(name, s.o.Now().Sub(began), err)
	switch {
	case errors.Is(err, store.ErrFenced):
		s.o.Observer.Fenced(name)
		e.worker.log.Warn("another lagerd has taken the shop")
		s.giveUp(e)
	case errors.Is(err, store.ErrSettingsChanged):
		s.renew(pass, e, j)
	case err != nil:
		// What is held has been tried for whoever asked, and not for each try after it.
		j.asked = j.asked && !res.tried
		s.failed(pass, e, j, err)
	default:
		if res.short == nil {
			e.failures = 0
		} else if j.tick {
			s.note(pass, e, res.short)
		}
		if j.tick && res.short == nil {
			s.mark(e, began, res.ticked)
		}
		switch {
		case res.again:
			// A listing under way does not wait for a flood to pass: it answers most of it.
			s.queue.add(name, job{work: true}, e.worker.sweep != nil)
		case res.idle:
			// Until a person or time changes that, hints only pile up.
			s.queue.addAfter(name, job{work: true}, s.o.HeldRetry)
		}
	}
}

// giveUp ends the work on a shop whose lease is lost: the keeper finds it no more.
func (s *Scheduler) giveUp(e *entry) {
	name := e.worker.shop.Shop
	s.mu.Lock()
	if s.shops[name] == e {
		delete(s.shops, name)
	}
	s.mu.Unlock()
	e.stop()
}

// renew starts a pass anew whose shop's settings were changed under it.
func (s *Scheduler) renew(ctx context.Context, e *entry, j job) {
	w := e.worker
	shop, err := s.o.Store.Shop(ctx, w.shop.Shop)
	switch {
	case errors.Is(err, store.ErrNoShop):
		w.log.Info("the shop has been removed")
		s.giveUp(e)
		return
	case err == nil && !w.shop.SameAs(shop):
		w.log.Info("the shop has been removed and added again")
		s.giveUp(e) // the lease that this lagerd had was the former shop's
		return
	case err == nil && shop.Generation <= w.shop.Generation:
		err = fmt.Errorf("shop %s: its lease asks for other settings than are stored: `lagerd shops resume %[1]s` stores them anew", w.shop.Shop)
	}
	if err != nil {
		s.failed(ctx, e, j, err)
		return
	}
	w.log.Info("the shop's settings have been changed: the pass starts anew")
	s.mu.Lock()
	if shop.Generation > e.generation || e.next == nil {
		e.generation, e.next = shop.Generation, &shop
	}
	s.mu.Unlock()
	s.queue.add(shop.Shop, j.merge(job{tick: true, work: true}), true)
}

// runPass turns a panic into an error of its own shop.
func runPass(ctx context.Context, w *worker, j job) (res result, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.forgetStored()
			w.log.WithField("stack", string(debug.Stack())).Error("a pass panicked")
			err = fmt.Errorf("shop %s: internal error: %v", w.shop.Shop, p)
		}
		w.failed = err != nil
	}()
	return w.pass(ctx, j)
}

// failed notes a failed pass and has it tried again after a while.
func (s *Scheduler) failed(ctx context.Context, e *entry, j job, err error) {
	e.failures++
	wait := s.o.backoff(e.failures)
	if apiErr, ok := errors.AsType[*economic.Error](err); ok && apiErr.RetryAfter > wait {
		wait = apiErr.RetryAfter
	}
	w := e.worker
	log := w.log.WithError(err).WithFields(logrus.Fields{"failures": e.failures, "retry_in": wait.Round(time.Millisecond).String()})
	if holds := w.progress.Holds; len(holds) > 0 {
		log = log.WithField("held", holds.Codes())
	}
	log.Warn("the shop could not be reconciled")
	s.noteInDatabase(ctx, e, err)
	s.queue.addAfter(w.shop.Shop, j.merge(job{work: true}), wait)
}

// note says, now and then, why ticks do not read all that they should. It delays
// nothing: hints have a reserve of the day's budget, and what e-conomic refuses is
// tried again as what is held is.
func (s *Scheduler) note(ctx context.Context, e *entry, short error) {
	if e.failures++; e.failures%60 == 1 {
		e.worker.log.WithError(short).Warn(shortOf(short))
	}
	s.noteInDatabase(ctx, e, e.worker.cutShort(short)) // with a time that stays true
}

// shortOf says for people why a tick did not read all that it should.
func shortOf(short error) string {
	if economic.KindOf(short) == economic.KindBudget {
		return "the budget is short: ticks and sweeps wait, hints go on"
	}
	return "e-conomic refuses what is held for another reason: it is tried again now and then, the rest goes on"
}

func (s *Scheduler) noteInDatabase(ctx context.Context, e *entry, failure error) {
	w, calls := e.worker, e.worker.dayCalls()
	s.mu.Lock() // a tick that is not noted yet must not undo this
	s.marks, s.counts = without(s.marks, w.shop.Shop), without(s.counts, w.shop.Shop)
	e.counted = calls
	s.mu.Unlock()
	// One that is outdated speaks of what is no more: the next pass finds that out.
	if err := s.o.Store.MarkFailure(ctx, w.fence(), failure.Error(), calls); err != nil && ctx.Err() == nil && !outdated(err) {
		w.log.WithError(err).Error("the failure could not be noted")
	}
}

// backoff returns how long to wait before what failed so many times is tried
// again: exponential with full jitter, so that many shops that failed together
// do not come back together.
func (o *Options) backoff(failures int) time.Duration {
	longest := min(o.RetryMin<<min(max(failures-1, 0), 20), o.RetryMax)
	if longest <= 0 {
		longest = o.RetryMax
	}
	return o.RetryMin/2 + o.Jitter(longest)
}

// without returns the marks of all shops but one.
func without(marks []store.TickMark, shop string) []store.TickMark {
	return slices.DeleteFunc(marks, func(m store.TickMark) bool { return m.Shop == shop })
}

// mark has a good tick noted, or the calls of one that was not: none is while a part of
// the shop is held, and the others may go on for days.
func (s *Scheduler) mark(e *entry, began time.Time, good bool) {
	w := e.worker
	m := store.TickMark{Shop: w.shop.Shop, Generation: w.shop.Generation, DayCalls: w.dayCalls()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !good && e.counted == m.DayCalls {
		return
	}
	e.counted = m.DayCalls
	if len(s.marks)+len(s.counts) == 0 {
		s.markedAt = s.o.Now()
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
	if len(marks)+len(counts) < store.MarksPerStatement && s.o.Now().Sub(s.markedAt) < marksWait && !atOnce {
		marks, counts = nil, nil
	} else {
		s.marks, s.counts = nil, nil
	}
	s.mu.Unlock()
	return errors.Join(
		eachDay(marks, func(marks []store.TickMark) error { return s.o.Store.MarkTicks(ctx, s.o.Instance, marks, from) }),
		eachDay(counts, func(counts []store.TickMark) error { return s.o.Store.MarkCalls(ctx, s.o.Instance, counts) }),
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
