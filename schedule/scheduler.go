package schedule

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// Options is what a Scheduler needs.
type Options struct {
	Reconcile reconcile.Options
	Observer  Observer
	Workers   int    // passes that plan or use the database at once
	Instance  string // this lagerd's name among the lease holders

	Schedule cron.Schedule   // of ticks; nil: only Tick makes any
	Ticked   func(time.Time) // told of each that begins, if not nil
}

// Observer is told how passes end, for metrics. Its methods must not block.
type Observer interface {
	Passed(shop string, took time.Duration, err error)
	Fenced(shop string) // a write was refused: another lagerd has the shop
}

// shop is what the scheduler needs of a reconcile.Shop.
type shop interface {
	RunOnce(ctx context.Context, due reconcile.Due) (reconcile.Report, error)
	NoteFailure(ctx context.Context, failure error) error
	Change(settings store.Shop)
	Settings() store.Shop
	Token() int64
	Holds() plan.Holds
	Calls() store.DayCalls
}

// shopStore is what it needs of the database.
type shopStore interface {
	Shop(ctx context.Context, name string) (store.Shop, error)
	MarkTicks(ctx context.Context, instance string, marks []store.TickMark, at time.Time) error
	MarkCalls(ctx context.Context, instance string, marks []store.TickMark) error
}

// Scheduler reconciles all shops whose lease this lagerd holds: each on its
// own, so many at once, and all of them fairly. It is safe for concurrent use.
type Scheduler struct {
	o       Options
	newShop func(settings store.Shop, token int64) shop
	now     func() time.Time
	store   shopStore
	queue   *queue
	limits  *limits

	mu        sync.Mutex
	shops     map[string]*entry
	moments   [moments][]string // the shops, by their moment in a tick
	marks     []store.TickMark  // good ticks not noted in the database yet
	counts    []store.TickMark  // and others, of which the calls are noted
	marksFrom time.Time         // when the first of the good ones began
	markedAt  time.Time         // and when the first of all was over
	burst     burst             // of all shops' hints
}

// entry is a shop this lagerd holds.
type entry struct {
	shop     shop
	ctx      context.Context    // of its passes
	stop     context.CancelFunc // ends the pass under way
	running  chan struct{}      // closed when that has ended; nil: there is none
	failures int                // passes failed in a row
	hangs    bool               // its last call was not answered
	next     *store.Shop        // settings to take over before the next pass

	generation int64 // of the settings taken over, or about to be

	paused bool       // by a person, as the last pass found
	holds  plan.Holds // and what lagerd has stopped itself

	burst   burst
	counted store.DayCalls      // the calls that are noted, or about to be
	asked   map[string]struct{} // requests that were open when it was last told of any
	hinted  int                 // hints that have come since the last pass began
	waits   time.Time           // since when it is set aside; zero: it is not
}

// NewScheduler returns a scheduler that holds no shop yet.
func NewScheduler(o Options) *Scheduler {
	shared, queue := reconcile.New(o.Reconcile), newQueue()
	return &Scheduler{
		o: o, now: o.Reconcile.Now, store: o.Reconcile.Store, queue: queue, limits: newLimits(o.Workers, queue.release), shops: map[string]*entry{},
		newShop: func(settings store.Shop, token int64) shop { return shared.Shop(settings, token) },
	}
}

// Run works on shops until ctx is done and every pass has ended.
func (s *Scheduler) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.runTicks(ctx) })
	for {
		name, due, ok := s.next(ctx)
		if !ok {
			break
		}
		e, p := s.begin(name, due)
		if p == nil {
			s.queue.done(name)
			continue
		}
		p.work(p.ctx)
		running.Go(func() { s.work(name, e, p, due) })
	}
	running.Wait()
	s.queue.stop()
}

// next waits for the next shop and for room for its pass. ok is false once ctx is done.
func (s *Scheduler) next(ctx context.Context) (name string, due reconcile.Due, ok bool) {
	for ctx.Err() == nil {
		if any, bulk := s.limits.room(); any {
			if name, due, ok = s.queue.get(bulk); ok {
				return name, due, true
			}
		}
		select {
		case <-s.queue.ready:
		case <-s.limits.freed:
		case <-ctx.Done():
		}
	}
	return "", reconcile.Due{}, false
}

// begin begins a pass of the shop. Without one it is not held any more, or has been set
// aside until there is room.
func (s *Scheduler) begin(name string, due reconcile.Due) (*entry, *pass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shops[name]
	if e == nil {
		return nil, nil
	}
	now, waited := s.now(), time.Duration(0)
	if !e.waits.IsZero() {
		waited = now.Sub(e.waits)
	}
	p, aside := s.limits.begin(request{shop: name, hints: e.hinted, retry: e.hangs, asked: due.Requested, waited: waited})
	if p == nil {
		if e.waits.IsZero() {
			e.waits = now
		}
		s.queue.setAside(name, due, aside)
		return e, nil
	}
	p.ctx, e.stop = context.WithCancel(e.ctx)
	e.running, e.hinted, e.waits = make(chan struct{}), 0, time.Time{}
	return e, p
}

// Take begins to work on a shop whose lease is held with the given token, until ctx is
// done or the shop is dropped. What was left open by whoever held it before is due at once.
func (s *Scheduler) Take(ctx context.Context, settings store.Shop, token int64) {
	name, due := settings.Shop, reconcile.Due{Tick: true, Work: true}
	s.mu.Lock()
	if s.shops[name] == nil {
		s.addMoment(name)
	}
	s.shops[name] = &entry{shop: s.newShop(settings, token), ctx: ctx, generation: settings.Generation}
	s.mu.Unlock()
	if s.missed(name) {
		s.queue.add(name, due, true)
	} else {
		s.queue.addBulk(name, due)
	}
}

// Drop ends the work on a shop: it breaks off the pass under way and returns
// when that has ended.
func (s *Scheduler) Drop(name string) {
	s.mu.Lock()
	e := s.shops[name]
	if e == nil {
		s.mu.Unlock()
		return
	}
	s.remove(name)
	running, stop := e.running, e.stop
	s.mu.Unlock()
	s.queue.forget(name)
	if running != nil {
		stop()
		<-running
	}
}

// remove takes the shop from those that are held. s.mu is held.
func (s *Scheduler) remove(name string) {
	delete(s.shops, name)
	s.removeMoment(name)
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

// Tick makes the minute's reconciliation of every shop due now, in an order that
// differs each time, so that none is always last.
func (s *Scheduler) Tick() {
	for _, name := range s.shuffled() {
		s.queue.add(name, reconcile.Due{Tick: true}, false)
	}
}

// ReconcileAll makes every shop due at once, also those that wait after a
// failure and those that lagerd paused.
func (s *Scheduler) ReconcileAll() { s.addBulk(reconcile.Due{Tick: true, Work: true, Requested: true}) }

// SweepAll makes a sweep of every shop due at once.
func (s *Scheduler) SweepAll() {
	s.addBulk(reconcile.Due{Tick: true, Sweep: true, Work: true, Requested: true})
}

func (s *Scheduler) addBulk(due reconcile.Due) {
	for _, name := range s.shuffled() {
		s.queue.addBulk(name, due)
	}
}

func (s *Scheduler) shuffled() []string {
	s.mu.Lock()
	names := make([]string, 0, len(s.shops))
	for name := range s.shops {
		names = append(names, name)
	}
	s.mu.Unlock()
	rand.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
	return names
}

// Hinted makes a shop due for which so many hints have come, if this lagerd holds
// it: at once, but where many come a little later, and in a burst when that has passed
// or has lasted long.
func (s *Scheduler) Hinted(shop string, hints int) {
	s.mu.Lock()
	now := s.now()
	all, own := s.burst.add(now, hints), 0
	e := s.shops[shop]
	if e != nil {
		own = e.burst.add(now, hints)
		e.hinted += hints
	}
	s.mu.Unlock()
	if e == nil {
		return
	}
	if quiet, maxWait := hintsWait(own, all); quiet > 0 {
		s.queue.debounce(shop, reconcile.Due{Work: true}, quiet, maxWait)
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
		s.queue.add(shop, reconcile.Due{Work: true, Requested: more[shop]}, more[shop])
	}
}

// Waiting returns how many shops wait for their pass.
func (s *Scheduler) Waiting() int { return s.queue.length() }

// Stuck returns how many passes have taken long and are under way still.
func (s *Scheduler) Stuck() int {
	_, stuck := s.limits.counts()
	return stuck
}

// work does what is due for the shop, and sees to what comes of it.
func (s *Scheduler) work(name string, e *entry, p *pass, due reconcile.Due) {
	pass := p.ctx
	defer func() {
		e.stop()
		p.end()
		s.mu.Lock()
		close(e.running)
		e.running, e.stop = nil, nil
		s.mu.Unlock()
		s.queue.done(name)
	}()
	s.mu.Lock()
	if e.next != nil {
		e.shop.Change(*e.next)
		e.next = nil
	}
	s.mu.Unlock()

	began := s.now()
	res, err := e.shop.RunOnce(source.OnWait(pass, p.wait), due)
	if pass.Err() != nil {
		s.mark(e, began, false) // what it has spent is spent
		return
	}
	s.mu.Lock()
	e.hangs = source.Has(err, plan.ClassHanging)
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
		due.Requested = due.Requested && !res.Tried
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
			// A listing under way does not wait for a burst to pass: it answers most of it.
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
		s.remove(name)
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
