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

// Options configures a Scheduler.
type Options struct {
	Reconcile reconcile.Options
	Observer  Observer
	Workers   int    // how many passes may plan or use the database concurrently
	Instance  string // this lagerd's name among the lease holders

	Schedule cron.Schedule   // of ticks; nil: only Tick starts them
	Ticked   func(time.Time) // called when a tick starts; may be nil
}

// Observer is notified of the end of each pass, for metrics. Its methods must not block.
type Observer interface {
	Passed(shop string, took time.Duration, err error)
	Fenced(shop string) // a write was rejected: another lagerd has the shop
}

// shop is the part of reconcile.Shop that the scheduler uses.
type shop interface {
	RunOnce(ctx context.Context, due reconcile.Due) (reconcile.Report, error)
	SaveFailure(ctx context.Context, failure error) error
	Change(settings *store.Shop)
	Settings() *store.Shop
	Token() int64
	Holds() plan.Holds
	Calls() store.DayCalls
	ShortOfCalls() bool
	Close()
}

// shopStore is the part of store.Store that the scheduler uses.
type shopStore interface {
	Shop(ctx context.Context, name string) (store.Shop, error)
	MarkTicks(ctx context.Context, instance string, marks []store.TickMark, at time.Time) error
	MarkCalls(ctx context.Context, instance string, marks []store.TickMark) error
}

// Scheduler runs the passes of all shops whose lease this lagerd holds: each shop in its own
// goroutine, a limited number at a time, and all shops fairly. It is safe for concurrent use.
type Scheduler struct {
	o       Options
	newShop func(settings *store.Shop, token int64) shop
	now     func() time.Time
	store   shopStore
	queue   *queue
	limits  *limits
	asks    chan struct{} // one entry per call made beside the passes

	starting, ticking loop // Run and runTicks

	mu           sync.Mutex
	shops        map[string]*entry
	byOffset     [offsets][]string // the shops by offset
	pendingTicks []tickMark        // successful ticks that are not in the database yet
	pendingCalls []tickMark        // and the calls of the other ticks
	pendingSince time.Time         // when the oldest entry of both was added
	burst        burst             // of all shops' hints
}

// entry is a shop whose lease this lagerd holds.
type entry struct {
	shop     shop
	ctx      context.Context    // of its passes
	stop     context.CancelFunc // cancels the running pass
	running  chan struct{}      // closed when that pass has ended; nil: none is running
	beside   beside             // its passes
	failures int                // failed passes in a row
	hangs    bool               // its last call was not answered
	next     *store.Shop        // settings to apply before the next pass

	generation int64 // of the settings applied, or about to be

	partial bool      // what is read with one of its tokens failed in the last pass
	wokenAt time.Time // when it was last woken since then

	paused bool       // by a person, as of the last pass
	short  bool       // of calls, as of the last pass
	holds  plan.Holds // as of the last pass

	burst       burst
	savedCalls  store.DayCalls      // calls that are in the database, or about to be
	requests    map[string]struct{} // requests that were open at the last call of Requested
	hinted      int                 // hints that came since the last pass started
	parkedSince time.Time           // parked since then; zero: not parked
}

// NewScheduler returns a Scheduler without shops.
func NewScheduler(o Options) *Scheduler {
	shared, queue := reconcile.New(o.Reconcile), newQueue()
	return &Scheduler{
		o: o, now: o.Reconcile.Now, store: o.Reconcile.Store, queue: queue, limits: newLimits(o.Workers, queue.release), shops: map[string]*entry{}, asks: make(chan struct{}, asksAtOnce),
		newShop: func(settings *store.Shop, token int64) shop { return shared.Shop(settings, token) },
	}
}

// Run runs the passes of shops until ctx is done and every pass has ended.
func (s *Scheduler) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { s.runTicks(ctx) })
	s.starting.works()
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
		s.starting.waits() // for a worker, which the database may keep
		p.work(p.ctx)      //nolint:contextcheck // a pass may outlive ctx by the shutdown timeout
		s.starting.works()
		running.Go(func() { s.work(name, e, p, due) }) //nolint:contextcheck // the pass has its own context
	}
	s.starting.waits()
	running.Wait()
	s.queue.stop()
}

// next waits for a shop and for room for its pass. ok is false once ctx is done.
func (s *Scheduler) next(ctx context.Context) (name string, due reconcile.Due, ok bool) {
	for ctx.Err() == nil {
		if free, bulk := s.limits.room(); free {
			if name, due, ok = s.queue.get(bulk); ok {
				return name, due, true
			}
		}
		s.starting.waits()
		select {
		case <-s.queue.ready:
		case <-s.limits.freed:
		case <-ctx.Done():
		}
		s.starting.works()
	}
	return "", reconcile.Due{}, false
}

// begin starts a pass of the shop. It returns no pass if the lease is no longer held, or if it
// parked the shop until there is room.
func (s *Scheduler) begin(name string, due reconcile.Due) (*entry, *pass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shops[name]
	if e == nil {
		return nil, nil
	}
	now, waited := s.now(), time.Duration(0)
	if !e.parkedSince.IsZero() {
		waited = now.Sub(e.parkedSince)
	}
	p, wait := s.limits.begin(request{shop: name, hints: e.hinted, retry: e.hangs, requested: due.Requested, waited: waited})
	if p == nil {
		if e.parkedSince.IsZero() {
			e.parkedSince = now
		}
		s.queue.park(name, due, wait)
		return e, nil
	}
	p.ctx, e.stop = context.WithCancel(e.ctx)
	e.running, e.hinted, e.parkedSince = make(chan struct{}), 0, time.Time{}
	return e, p
}

// Take starts reconciling the shop under the lease that token fences, until ctx is done or Drop
// is called. The settings are kept and must not change. Work left open by the previous holder is
// due immediately.
func (s *Scheduler) Take(ctx context.Context, settings *store.Shop, token int64) {
	name, due := settings.Shop, reconcile.Due{Tick: true, Work: true}
	s.mu.Lock()
	if s.shops[name] == nil {
		s.addOffset(name)
	}
	s.shops[name] = &entry{shop: s.newShop(settings, token), ctx: ctx, generation: settings.Generation, beside: newBeside(ctx)}
	s.mu.Unlock()
	if s.missed(name) {
		s.queue.add(name, due, true)
	} else {
		s.queue.addBulk(name, due)
	}
}

// Drop stops reconciling a shop: it cancels the running pass and returns when that has ended.
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
	e.close()
}

// remove removes the shop. s.mu must be held.
func (s *Scheduler) remove(name string) {
	delete(s.shops, name)
	s.removeOffset(name)
}

// Held returns the shops of this lagerd, with the fencing tokens of their leases.
func (s *Scheduler) Held() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := make(map[string]int64, len(s.shops))
	for name, e := range s.shops {
		held[name] = e.shop.Token()
	}
	return held
}

// Holds reports whether this lagerd holds the shop's lease.
func (s *Scheduler) Holds(shop string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shops[shop] != nil
}

// States counts the shops of this lagerd by the result of their last pass: running, paused by a
// person, and held by lagerd, fully or in part, by reason. A shop held for two reasons counts
// for each.
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

// ShortOfCalls returns how many shops of this lagerd were short of calls in their last pass.
func (s *Scheduler) ShortOfCalls() (shops int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.shops {
		if e.short {
			shops++
		}
	}
	return shops
}

// Sync schedules the settings that have changed since the last Sync or Take to be applied;
// current returns a shop's current settings.
func (s *Scheduler) Sync(current func(shop string) (*store.Shop, bool)) {
	var changed []string
	s.mu.Lock()
	for name, e := range s.shops {
		if shop, ok := current(name); ok && shop.Generation > e.generation && e.shop.Settings().SameAs(*shop) {
			e.generation, e.next = shop.Generation, shop
			changed = append(changed, name)
		}
	}
	s.mu.Unlock()
	for _, name := range changed {
		s.queue.add(name, reconcile.Due{Tick: true, Work: true}, true)
	}
}

// Tick makes the minute's reconciliation of every shop due now, in random order, so that no
// shop is always last.
func (s *Scheduler) Tick() {
	for _, name := range s.shuffled() {
		s.queue.add(name, reconcile.Due{Tick: true}, false)
	}
}

// ReconcileAll makes every shop due immediately, including those in backoff after a failure and
// those that lagerd holds.
func (s *Scheduler) ReconcileAll() { s.addBulk(reconcile.Due{Tick: true, Work: true, Requested: true}) }

// SweepAll makes a sweep of every shop due immediately.
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

// Hinted makes a shop of this lagerd due after that many hints have come for it: immediately,
// or debounced while hints of all shops or of this one come fast.
func (s *Scheduler) Hinted(shop string, hints int) {
	s.mu.Lock()
	now := s.now()
	e := s.shops[shop]
	if e == nil {
		s.mu.Unlock()
		return
	}
	e.hinted += hints
	own := e.burst.add(now, hints)
	all := s.burst.add(now, e.burst.part(hints))
	s.mu.Unlock()
	if quiet, maxWait := debounceFor(own, all); quiet > 0 {
		s.queue.debounce(shop, reconcile.Due{Work: true}, quiet, maxWait)
	} else {
		s.queue.add(shop, reconcile.Due{Work: true}, false)
	}
}

// Wake makes the given shops due if this lagerd holds their leases: something may have come for
// them.
func (s *Scheduler) Wake(shops []string) {
	now := s.now()
	for _, name := range shops {
		if s.mayWake(name, now) {
			s.queue.add(name, reconcile.Due{Work: true}, false)
		}
	}
}

// partialWait is how often a shop is woken for what is due while what is read with one of its
// tokens fails: what is due of that waits.
const partialWait = 10 * time.Second

// mayWake reports whether a shop is held, and was not woken a moment ago in vain.
func (s *Scheduler) mayWake(name string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.shops[name]
	if e == nil {
		return false
	}
	if !e.partial {
		return true
	}
	if passed := now.Sub(e.wokenAt); passed >= 0 && passed < partialWait {
		return false
	}
	e.wokenAt = now
	return true
}

// Requested makes the shops due that have open requests, of which it uses only Request and
// Shop, if this lagerd holds their leases. A request it has not seen before does not wait for a
// backoff, and held parts are tried for it. Later calls for the same request do neither: one
// for a sweep stays open for hours.
func (s *Scheduler) Requested(open []store.Request) {
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
		_, seen := e.requests[r.Request]
		more[r.Shop] = more[r.Shop] || !seen
	}
	for shop, requests := range now {
		s.shops[shop].requests = requests
	}
	s.mu.Unlock()
	for shop := range now {
		s.queue.add(shop, reconcile.Due{Work: true, Requested: more[shop]}, more[shop])
	}
}

// Waiting returns how many shops are waiting for their pass.
func (s *Scheduler) Waiting() int { return s.queue.length() }

// Stuck returns how many running passes have taken longer than slowAfter.
func (s *Scheduler) Stuck() int {
	_, stuck := s.limits.counts()
	return stuck
}

// work runs a pass of the shop, and schedules what follows from its result.
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
		e.shop.Change(e.next)
		e.next = nil
	}
	s.mu.Unlock()

	began := s.now()
	res, err := e.shop.RunOnce(source.OnWait(pass, p.wait), due)
	if pass.Err() != nil {
		s.recordTick(e, time.Time{}) // the calls are spent anyway
		return
	}
	s.mu.Lock()
	e.hangs, e.short, e.partial = source.Has(err, plan.ClassHanging), e.shop.ShortOfCalls(), res.Partial
	e.paused, e.holds = e.shop.Settings().Paused(), e.shop.Settings().InForce(e.shop.Holds())
	s.mu.Unlock()
	s.ask(name, e, res.Beside)
	s.o.Observer.Passed(name, s.now().Sub(began), err)
	switch {
	case errors.Is(err, store.ErrFenced):
		s.o.Observer.Fenced(name)
		s.log(e).Warn("another lagerd has taken the shop")
		s.giveUp(e)
	case errors.Is(err, store.ErrAccountHeld):
		s.log(e).Info("another lagerd works on the shop's agreement or Rackbeat account and is to take the shop")
		s.recordTick(e, time.Time{})
		s.giveUp(e)
	case errors.Is(err, store.ErrSettingsChanged):
		s.restart(pass, e, due)
	case err != nil:
		// The request has had its try of held parts; retries need not repeat that.
		due.Requested = due.Requested && !res.Tried
		s.failed(pass, e, due, err, res.RetryAfter)
	default:
		s.read(pass, e, due, res)
		s.goOn(name, res)
	}
}

// read records what a pass that has not failed has read: a tick that has come to its end, or why not
// everything could be read. Between ticks only the first of these failures is recorded.
func (s *Scheduler) read(ctx context.Context, e *entry, due reconcile.Due, res reconcile.Report) {
	switch {
	case res.Short != nil:
		if due.Tick || res.Partial && e.failures == 0 {
			s.recordShort(ctx, e, res)
		}
		return
	case due.Tick || !res.Ticked.IsZero():
		s.recordTick(e, res.Ticked)
	}
	e.failures = 0
}

// goOn queues a shop whose pass has not failed for what is left to do.
func (s *Scheduler) goOn(name string, res reconcile.Report) {
	switch {
	case res.Again:
		// A running listing is not debounced: it will answer most of the burst.
		s.queue.add(name, reconcile.Due{Work: true}, res.Listing)
	case res.After > 0:
		s.queue.addSoon(name, reconcile.Due{Work: true}, res.After)
	case res.Idle:
		// Until a person or time changes that, hints only pile up.
		s.queue.addAfter(name, reconcile.Due{Work: true}, s.o.Reconcile.HeldRetry)
	}
}

func (s *Scheduler) log(e *entry) *logrus.Entry {
	return s.o.Reconcile.Log.WithField("shop", e.shop.Settings().Shop)
}

// giveUp stops reconciling a shop whose lease is lost or to be released: the keeper no longer
// finds it here.
func (s *Scheduler) giveUp(e *entry) {
	name := e.shop.Settings().Shop
	s.mu.Lock()
	ours := s.shops[name] == e
	if ours {
		s.remove(name)
	}
	s.mu.Unlock()
	e.stop()
	if ours { // else Drop waits for the end of the pass
		e.close()
	}
}

// restart restarts a pass after the shop's settings changed during it.
func (s *Scheduler) restart(ctx context.Context, e *entry, due reconcile.Due) {
	was := e.shop.Settings()
	shop, err := s.store.Shop(ctx, was.Shop)
	switch {
	case errors.Is(err, store.ErrNoShop):
		s.log(e).Info("the shop has been removed")
		s.giveUp(e)
		return
	case err == nil && !was.SameAs(shop):
		s.log(e).Info("the shop has been removed and added again")
		s.giveUp(e) // the lease was for the removed shop
		return
	case err == nil && shop.Generation <= was.Generation:
		err = fmt.Errorf("shop %s: its lease requires other settings than are stored: `lagerd shops resume %[1]s` stores them again", was.Shop)
	}
	if err != nil {
		s.failed(ctx, e, due, err, 0)
		return
	}
	s.log(e).Info("the shop's settings have changed: the pass restarts")
	s.mu.Lock()
	if shop.Generation > e.generation || e.next == nil {
		e.generation, e.next = shop.Generation, &shop
	}
	s.mu.Unlock()
	s.queue.add(shop.Shop, due.Merge(reconcile.Due{Tick: true, Work: true}), true)
}

// failed records a failed pass and schedules a retry: after wait, or with the backoff if that is 0.
func (s *Scheduler) failed(ctx context.Context, e *entry, due reconcile.Due, err error, wait time.Duration) {
	e.failures++
	if wait == 0 {
		wait = max(s.o.Reconcile.Backoff(e.failures), source.RetryAfter(err))
	}
	log := s.log(e).WithError(err).WithFields(logrus.Fields{"failures": e.failures, "retry_in": wait.Round(time.Millisecond).String()})
	if holds := e.shop.Holds(); len(holds) > 0 {
		log = log.WithField("held", holds.Codes())
	}
	log.Warn("the shop could not be reconciled")
	s.saveFailure(ctx, e, err)
	s.queue.addAfter(e.shop.Settings().Shop, due.Merge(reconcile.Due{Work: true}), wait)
}

// recordShort records why ticks do not read everything, and logs that now and then. It delays
// nothing: what the budget has calls for goes on (of Rackbeat's minute hints may use more than
// ticks, of a day ticks more than hints), and what e-conomic refuses is retried like everything
// held. What is read with one of the shop's tokens has its own backoff.
func (s *Scheduler) recordShort(ctx context.Context, e *entry, res reconcile.Report) {
	if e.failures++; e.failures%60 == 1 {
		s.log(e).WithError(res.Short).Warn(shortMessage(res))
	}
	s.saveFailure(ctx, e, res.Short)
}

// shortMessage explains to people why a tick did not read everything.
func shortMessage(res reconcile.Report) string {
	if res.Partial {
		return "one of the shop's tokens reads nothing: that is retried, the rest continues"
	}
	if source.ClassOf(res.Short) == plan.ClassDay {
		return "the budget is short of calls: this tick waits, and what still has some goes on"
	}
	return "reads of a part are refused that is held for another reason: it is retried now and then, the rest continues"
}

func (s *Scheduler) saveFailure(ctx context.Context, e *entry, failure error) {
	shop, calls := e.shop.Settings().Shop, e.shop.Calls()
	s.mu.Lock() // a tick that is not written yet must not overwrite the failure
	s.pendingTicks, s.pendingCalls = without(s.pendingTicks, shop), without(s.pendingCalls, shop)
	e.savedCalls = calls
	s.mu.Unlock()
	if err := e.shop.SaveFailure(ctx, failure); err != nil && ctx.Err() == nil {
		s.log(e).WithError(err).Error("cannot save the shop's failure")
	}
}
