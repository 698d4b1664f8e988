package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"lagerd/store"
)

// Result is the outcome of a run.
type Result struct {
	Seed      uint64
	Violation string        // the first violation; "": none
	Trace     []string      // the last steps
	Hash      uint64        // of all steps
	Steps     int           // calls that left a lagerd
	Virtual   time.Duration // time that passed
	Settled   time.Duration // from the end of the faults until the database equals e-conomic
	Counts    map[string]int
}

// simulation is one run.
type simulation struct {
	rng     *rand.Rand // used only by the loop
	seed    uint64
	profile profile
	began   time.Time
	step    atomic.Int64

	db        *database
	world     *world
	oracle    *oracle
	instances []*instance
	started   int // instances so far

	events  []event
	waiting []*call
	trace   trace
	counts  map[string]int
	calm    bool // the faults have stopped

	people context.Context // of people's commands
	leave  context.CancelFunc

	script script // empty in a run of a seed

	mu      sync.Mutex
	arrived []*call
	acked   []ack
	moves   []moved
	leaked  string
	notify  chan struct{}
}

// call is an operation that leaves a lagerd and waits at a seam.
type call struct {
	from   *instance
	key    string // distinguishes it from others that arrive at the same time
	effect func() // carries it out; run by the loop
	lose   func() // called if the caller gives up before it is carried out
	conn   *conn  // the connection it uses, if it is a statement

	request  *http.Request  // if it is one
	response *http.Response // the answer, if any

	arrived time.Time
	ready   time.Time // not before
	served  bool      // carried out; the answer is in transit
	gone    bool      // the caller has given up
	hung    bool      // no answer ever comes
	err     error     // the seam's own
	done    chan struct{}
}

// event is something that happens at a time.
type event struct {
	at   time.Time
	name string
	do   func()
}

var errDead = errors.New("this process is dead")

// Run runs one simulation and keeps its last steps, as many as given. It must be called in a
// synctest bubble.
func Run(seed uint64, keep int) Result {
	return newSimulation(seed).start(keep)
}

func newSimulation(seed uint64) *simulation {
	s := &simulation{seed: seed, rng: rand.New(rand.NewPCG(seed, 0x1a9e7d)), notify: make(chan struct{}, 1), counts: map[string]int{}}
	s.profile = newProfile(s.rng)
	s.profile.unpackAtOnce = []int{1, 3, store.UnpackedHints}[seed%3]
	s.profile.tidied = s.profile.hidden && seed%rareOf == 2
	s.profile.asked = seed%rareOf == 7
	s.profile.reloads = seed%rareOf == 14
	s.profile.unsure = seed%rareOf == 13
	if seed%rareOf == 4 || seed%rareOf == 12 {
		s.profile.odd, s.profile.sweepEvery = 0.4, 2*time.Minute
	}
	if s.profile.trickles = seed%rareOf == 9; s.profile.trickles {
		// A tick or two find each loss, below the limit for losses at once.
		s.profile.items, s.profile.lose, s.profile.lies = 8, 1, false
		s.profile.chaos, s.profile.tradeEvery = 6*time.Minute, 25*time.Second
	}
	s.profile.forbids = seed%rareOf == 5 || seed%rareOf == 10
	if s.profile.moves = seed%rareOf == 11 || seed%rareOf == 6; s.profile.moves {
		s.profile.removes, s.profile.lies, s.profile.refused = seed%rareOf == 6, false, 0
	}
	if s.profile.capped = seed%rareOf == 1 || seed%rareOf == 15; s.profile.capped {
		s.profile.sweepEvery = 2 * time.Minute
	}
	if s.profile.shares = seed%rareOf == 0 || seed%rareOf == 8; s.profile.shares {
		s.profile.instances, s.profile.shops = max(s.profile.instances, 2), 2+int(seed/rareOf%3)
		s.profile.called = seed/rareOf%2 == 1
		if seed%rareOf == 8 { // so few calls a day that they are used up, until a person raises the limit
			s.profile.spends, s.profile.dailyCalls = true, 40+20*int(seed/rareOf%8)
		}
	}
	if s.profile.short = seed%rareOf == 3; s.profile.short {
		s.profile.fewCalls(seed/rareOf%2 == 1)
	}
	if s.profile.bursts = seed%4 == 3 && !s.profile.short; s.profile.bursts {
		// A URL fits only one of the long item numbers.
		s.profile.listingTurn, s.profile.maxURLBytes, s.profile.unpackAtOnce = 0, 450, 1
		s.profile.pageSize, s.profile.tradeEvery = max(2, (s.profile.items+2)/2), s.profile.tradeEvery/4
	}
	s.profile.drawRackbeat(seed)
	return s
}

func (s *simulation) start(keep int) Result {
	s.prepare(keep)
	s.run()
	r := Result{Seed: s.seed, Violation: s.oracle.violation, Trace: s.trace.lines(), Hash: s.trace.hash, Steps: int(s.step.Load()),
		Virtual: time.Since(s.began), Settled: s.oracle.settled, Counts: s.counts}
	s.end()
	return r
}

// prepare creates the world and its database, without any lagerd.
func (s *simulation) prepare(keep int) {
	s.trace.began, s.trace.ring = time.Now(), make([]string, keep)
	s.tracef("profile %+v", s.profile)
	s.db = newDatabase(s)
	s.oracle = newOracle(s)
	s.world = newWorld(s)
	s.oracle.noteAccounts()
	s.began = time.Now()
	s.trace.began = s.began
	s.people, s.leave = context.WithCancel(context.Background())
}

func (s *simulation) run() {
	for range s.profile.instances {
		s.boot()
	}
	synctest.Wait() // let them read their clocks before those jump
	s.scheduleFaults()
	s.world.schedule()
	end := s.began.Add(s.profile.chaos)
	if !s.loop(func() bool { return !time.Now().Before(end) }) {
		return
	}
	s.soothe()
	calm := time.Now()
	limit := calm.Add(settleWithin)
	next := calm
	s.loop(func() bool {
		if time.Now().Before(next) || s.db.owner != nil {
			return false
		}
		next = time.Now().Add(5 * time.Second)
		differs := s.oracle.differs()
		if differs == "" {
			s.oracle.settled = time.Since(calm)
			s.oracle.checkHistory()
			return true
		}
		if time.Now().After(limit) {
			s.oracle.violate("liveness: %s after the faults stopped: %s", settleWithin, differs)
		}
		return false
	})
}

// settleWithin is the time from the end of the faults within which the database must equal
// e-conomic.
const settleWithin = 12 * time.Minute

// soothe ends all faults and restarts every process.
func (s *simulation) soothe() {
	s.tracef("the faults stop")
	s.calm = true
	s.events = slices.DeleteFunc(s.events, func(e event) bool { return e.name == "trade" || strings.HasPrefix(e.name, "fault") })
	s.db.down.Store(false)
	s.world.calm()
	s.raiseLimit()
	alive := 0
	for _, i := range s.instances {
		i.paused = false
		i.jump(0)
		if !i.dead && !i.stopping {
			alive++
		}
	}
	if alive == 0 {
		s.boot()
	}
}

// raiseLimit makes every process read a configuration with the usual number of calls a day.
func (s *simulation) raiseLimit() {
	if s.profile.dailyCalls == usualCalls {
		return
	}
	s.profile.dailyCalls, s.profile.perDay = usualCalls, 0
	for _, i := range s.instances {
		s.raiseLimitOf(i)
	}
}

func (s *simulation) raiseLimitOf(i *instance) {
	if !i.reload() && !i.dead && !i.stopping {
		s.after(time.Second, "a person tries again to reload the configuration", func() { s.raiseLimitOf(i) })
	}
}

// end shuts everything down.
func (s *simulation) end() {
	s.calm = true
	s.oracle.over = true
	s.events = nil
	s.leave()
	for _, i := range s.instances {
		s.crash(i)
	}
	s.loop(func() bool {
		return len(s.waiting) == 0 && !slices.ContainsFunc(s.instances, func(i *instance) bool { return !i.ended() })
	})
	s.db.close()
	s.world.close()
}

// loop carries out one thing at a time until the condition holds. It returns
// false after a violation.
func (s *simulation) loop(until func() bool) bool {
	for {
		synctest.Wait()
		s.collect()
		select {
		case <-s.notify: // of what has just been collected
		default:
		}
		if s.oracle.violation != "" && !s.oracle.over {
			return false
		}
		if until() {
			return true
		}
		if e, ok := s.dueEvent(); ok {
			s.tracef("%s", e.name)
			e.do()
			continue
		}
		c, next := s.pick()
		if c != nil {
			s.perform(c)
			continue
		}
		if len(s.events) > 0 && s.events[0].at.Before(next) {
			next = s.events[0].at
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-s.notify:
		}
		timer.Stop()
		// Everything else due at this instant comes first, since the order in which a
		// bubble fires simultaneous timers is random.
		time.Sleep(time.Nanosecond)
	}
}

// collect takes the calls that have arrived at the seams, sorted, since the order in which
// goroutines arrive is random.
func (s *simulation) collect() {
	s.mu.Lock()
	arrived, acked, moves, leaked := s.arrived, s.acked, s.moves, s.leaked
	s.arrived, s.acked, s.moves, s.leaked = nil, nil, nil, ""
	s.mu.Unlock()
	if leaked != "" {
		s.oracle.violate("a secret is in a log line: %s", leaked)
	}
	slices.SortFunc(acked, func(a, b ack) int { return strings.Compare(a.key(), b.key()) })
	for _, a := range acked {
		s.oracle.acknowledged(a)
	}
	slices.SortFunc(moves, func(a, b moved) int { return strings.Compare(a.shop, b.shop) })
	for _, m := range moves {
		s.world.settle(m)
	}
	slices.SortFunc(arrived, func(a, b *call) int {
		if a.from.id != b.from.id {
			return a.from.id - b.from.id
		}
		return strings.Compare(a.key, b.key)
	})
	s.db.sweep()
	now := time.Now()
	for _, c := range arrived {
		if c.request != nil && !c.from.dead {
			s.oracle.calls(c.from, s.world.addressed(c.request), c.request, now)
		}
		c.arrived, c.ready = now, now
		if !c.from.dead { // what a dead process still tries is random, and must not change the run
			c.ready = now.Add(s.latency(c))
		}
		s.waiting = append(s.waiting, c)
	}
}

func (s *simulation) latency(c *call) time.Duration {
	if c.conn != nil {
		return time.Duration(s.rng.Int64N(int64(2 * time.Millisecond)))
	}
	if s.calm || s.rng.IntN(10) > 0 {
		return time.Duration(5+s.rng.IntN(100)) * time.Millisecond
	}
	return time.Duration(s.rng.IntN(3000)) * time.Millisecond
}

// pick returns a call that can proceed now, or when to try again.
func (s *simulation) pick() (*call, time.Time) {
	now := time.Now()
	next := now.Add(time.Minute)
	var able []*call
	for _, c := range s.waiting {
		switch {
		case c.from.dead:
			return c, next
		case c.from.paused:
		case c.ready.After(now):
			if c.ready.Before(next) {
				next = c.ready
			}
		case c.conn != nil && !c.served && s.db.owner != nil && s.db.owner != c.conn:
			// Another transaction is open: the database is serial.
		default:
			able = append(able, c)
		}
	}
	if len(able) > 0 {
		return able[s.rng.IntN(len(able))], next
	}
	if s.db.owner != nil {
		if kill := s.db.active.Add(idleInTransaction); !kill.After(now) {
			s.tracef("the database ends an idle transaction")
			s.db.drop(s.db.owner)
			return nil, now
		} else if kill.Before(next) {
			next = kill
		}
	}
	return nil, next
}

// idleInTransaction is how long the database lets a connection hold its locks.
const idleInTransaction = 5 * time.Second

func (s *simulation) perform(c *call) {
	if c.from.dead && !c.served {
		c.err = errDead
	}
	if c.from.dead || c.served {
		s.answer(c)
		return
	}
	step := s.step.Add(1)
	s.mu.Lock()
	gone := c.gone
	s.mu.Unlock()
	if gone {
		// A statement or request may be in transit although its caller has given up.
		if c.lose != nil {
			c.lose()
		}
		s.answer(c)
		return
	}
	s.trace.step(step, c)
	if c.conn != nil && !s.calm && s.oracle.violation == "" {
		if s.strike(s.profile.crash) {
			if s.rng.IntN(2) == 0 {
				c.effect()
			}
			s.tracef("%s crashes", c.from.name)
			s.counts["crash between calls"]++
			s.crash(c.from)
			return
		}
		if s.strike(s.profile.pause) {
			s.pause(c.from)
			if s.rng.IntN(2) == 0 {
				return // it continues with this call when it wakes up
			}
		}
	}
	c.effect()
	if c.hung {
		s.waiting = slices.DeleteFunc(s.waiting, func(w *call) bool { return w == c })
		return
	}
	c.served = true
	if !s.calm && s.rng.IntN(20) == 0 {
		c.ready = time.Now().Add(time.Duration(s.rng.IntN(2000)) * time.Millisecond)
		return
	}
	s.answer(c)
}

func (s *simulation) answer(c *call) {
	s.waiting = slices.DeleteFunc(s.waiting, func(w *call) bool { return w == c })
	if r := c.response; r != nil && r.StatusCode == http.StatusTooManyRequests && !c.from.dead && c.request.Context().Err() == nil {
		s.oracle.limited(c.from, s.world.addressed(c.request), c.request, r.Header)
	}
	close(c.done)
}

// wait passes a call to the simulation and waits until it has been carried out.
func (s *simulation) wait(ctx context.Context, c *call) error {
	c.done = make(chan struct{})
	s.mu.Lock()
	s.arrived = append(s.arrived, c)
	s.mu.Unlock()
	s.wake()
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		c.gone = true
		return ctx.Err()
	}
}

func (s *simulation) wake() {
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// after schedules an event.
func (s *simulation) after(d time.Duration, name string, do func()) {
	at := time.Now().Add(d)
	i, _ := slices.BinarySearchFunc(s.events, at, func(e event, at time.Time) int {
		if e.at.After(at) {
			return 1
		}
		return -1 // behind those of the same time
	})
	s.events = slices.Insert(s.events, i, event{at, name, do})
}

func (s *simulation) dueEvent() (event, bool) {
	if len(s.events) == 0 || s.events[0].at.After(time.Now()) {
		return event{}, false
	}
	e := s.events[0]
	s.events = s.events[1:]
	return e, true
}

// strike returns true with the given probability, and never after the faults have stopped.
func (s *simulation) strike(p float64) bool {
	return !s.calm && p > 0 && s.rng.Float64() < p
}

func (s *simulation) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)+1))
}

// step traces a call. If only the last steps are kept, it omits what every lagerd sends every
// few seconds.
func (t *trace) step(n int64, c *call) {
	t.mix(c.key)
	for _, routine := range []string{"INSERT INTO instances", "SELECT * FROM `instances`", "SELECT shop, holder", "SELECT EXISTS", "SELECT DISTINCT shop", "SELECT COUNT(*)"} {
		if strings.HasPrefix(c.key, routine) && len(t.ring) < 1000 {
			return
		}
	}
	key := c.key
	if len(key) > 160 {
		key = key[:100] + " … " + key[len(key)-55:]
	}
	t.add(fmt.Sprintf("%d %s: %s", n, c.from.name, key))
}

func (s *simulation) tracef(format string, args ...any) { s.trace.add(fmt.Sprintf(format, args...)) }

// trace keeps the last steps, and a hash of all.
type trace struct {
	began time.Time
	ring  []string
	n     int
	hash  uint64
}

func (t *trace) add(line string) {
	line = fmt.Sprintf("%9.3fs %s", time.Since(t.began).Seconds(), line)
	t.ring[t.n%len(t.ring)] = line
	t.n++
	t.mix(line)
}

func (t *trace) mix(line string) {
	for i := range len(line) {
		t.hash = (t.hash ^ uint64(line[i])) * 0x100000001b3
	}
}

func (t *trace) lines() []string {
	var lines []string
	for i := max(0, t.n-len(t.ring)); i < t.n; i++ {
		lines = append(lines, t.ring[i%len(t.ring)])
	}
	return lines
}
