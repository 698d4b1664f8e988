package sim

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe" //nolint:depguard // for clock

	"github.com/sirupsen/logrus"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Odd durations: if two timers of a process expired at once, their order would be random and
// the run not repeatable.
const (
	leaseBeat   = 8*time.Second + 1_000_003
	leaseTTL    = 25*time.Second + 1_000_033
	lookForFree = 3*time.Second + 1_000_037
	pollEvery   = 5*time.Second + 1_000_039
)

const (
	lossPercent = 30
	lossMin     = 2

	// Longer than a run, so that nothing expires when clocks jump by ten minutes.
	lossWindow        = 2 * time.Hour
	lossWindowPercent = 50
	lossWindowMin     = 3
)

// metrics are shared by all runs, since their values are not checked.
var metrics = status.NewMetrics("simulation")

// instance is one lagerd: all of the real one except its HTTP servers.
type instance struct {
	id       int
	name     string
	dead     bool // killed: nothing it still does has any effect
	stopping bool
	paused   bool
	skew     atomic.Int64 // seconds by which its wall clock is ahead

	sim     *simulation
	cancel  context.CancelFunc
	store   *store.Store
	engine  *engine.Engine
	shops   *shops
	metrics *status.Metrics

	webhooks http.Handler
	names    atomic.Int64  // how many names it has had as a lease holder
	jittered atomic.Uint64 // how often it has drawn a jitter
	reloads  atomic.Bool   // a reload is running
	running  chan struct{} // closed when it has ended
}

// boot starts a new process.
func (s *simulation) boot() {
	s.started++
	i := &instance{id: s.started, name: fmt.Sprintf("lagerd%d", s.started), sim: s, running: make(chan struct{})}
	s.instances = append(s.instances, i)
	ctx, cancel := context.WithCancel(context.Background())
	i.cancel = cancel
	conn := sql.OpenDB(connector{s.db, i})
	st, err := store.Open(ctx, store.Options{Embedded: conn, MaxConnections: 64, Jitter: i.jitter})
	if err != nil {
		panic(err)
	}
	conn.SetMaxIdleConns(-1)
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	log.SetOutput(logged{s})
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, DisableTimestamp: true, DisableSorting: true})
	i.store = st
	i.metrics = metrics
	if s.script.metrics != nil {
		i.metrics = s.script.metrics()
	}
	i.shops = &shops{store: st, changing: s.profile.moves || s.profile.sources || s.profile.changing}
	i.engine, err = engine.New(s.profile.config(), engine.Options{
		Store: st, Open: opened, OpenRackbeat: opened, OpenHook: opened,
		Shops: i.shops, Metrics: i.metrics, Log: log, Now: i.now, Jitter: i.jitter, Transport: network{s, i},
		Instance: func() store.Instance {
			return store.Instance{Instance: fmt.Sprintf("%s.%d", i.name, i.names.Add(1)), Host: "sim", StartedAt: store.At(i.now())}
		},
		Pace: s.profile.pace(),
	})
	if err != nil {
		panic(err)
	}
	i.webhooks = i.newHandler()
	go func() {
		defer close(i.running)
		i.engine.Run(ctx)
		_ = conn.Close()
	}()
}

// opened returns a secret, which the simulation stores in the clear.
func opened(_ string, sealed []byte) (string, error) { return string(sealed), nil }

// config is the configuration of every lagerd of the run.
func (p profile) config() config.Config {
	c := config.Default()
	c.Rackbeat.URL, c.Rackbeat.Contact, c.Rackbeat.CallsPerMinute = rackbeatURL, "drift@example.dk", cmp.Or(p.perMinute, 60)
	c.Rackbeat.DailyCalls = cmp.Or(p.perDay, c.Rackbeat.DailyCalls)
	c.Economic.RESTURL, c.Economic.AppSecretToken, c.Economic.MaxURLBytes = "http://e-conomic.sim", secret.NewText(appToken), p.maxURLBytes
	c.Reconcile.Schedule, c.Reconcile.Workers, c.Economic.DailyCalls = p.schedule, p.workers, p.dailyCalls
	c.Reconcile.Overlap, c.Reconcile.SweepEvery = p.overlap, p.sweepEvery
	c.Reconcile.RetryMin, c.Reconcile.RetryMax, c.Reconcile.HeldRetry = 2*time.Second, 40*time.Second, cmp.Or(p.heldRetry, 30*time.Second)
	c.Reconcile.LossPercent, c.Reconcile.LossMin = lossPercent, lossMin
	c.Reconcile.LossWindow, c.Reconcile.LossWindowPercent, c.Reconcile.LossWindowMin = lossWindow, lossWindowPercent, lossWindowMin
	c.Lease = config.Lease{Beat: leaseBeat, TTL: leaseTTL}
	c.Retention = config.Retention{History: p.keepHistory, Hints: p.keepHints, Requests: time.Hour}
	c.PDF.Concurrency = 1
	return c
}

func (p profile) pace() engine.Pace {
	caps, batched := plan.UsualHintCaps(), int64(store.BatchedHints)
	if p.capped {
		caps.Unknown, caps.Invoices, batched = p.items%3, p.items%2, int64(2+p.items)
	}
	return engine.Pace{PageSize: p.pageSize, HintCaps: caps, Batched: batched, UnpackAtOnce: p.unpackAtOnce, ListingTurn: p.listingTurn, LookForFree: lookForFree, Poll: pollEvery,
		Writers: 2} // one more than usual, for more interleavings
}

// crash kills a process: from now on nothing it does has any effect. After a while another
// starts in its place.
func (s *simulation) crash(i *instance) {
	if i.dead {
		return
	}
	i.dead = true
	s.db.leave(i)
	i.cancel()
	if !s.calm && !i.stopping {
		s.restart()
	}
}

// stop ends a process as planned.
func (i *instance) stop() {
	i.stopping = true
	i.cancel()
}

// named reports whether a lease holder is this process, under any name its reloads gave it.
func (i *instance) named(holder string) bool {
	process, _, _ := strings.Cut(holder, ".")
	return process == i.name
}

// reload makes the process reload its configuration. It returns false if the process
// is dead, stopping or already reloading.
func (i *instance) reload() bool {
	if i.dead || i.stopping || i.paused || !i.reloads.CompareAndSwap(false, true) {
		return false
	}
	config := i.sim.profile.config()
	go func() {
		defer i.reloads.Store(false)
		_ = i.engine.Reload(config) // fails if the process has ended meanwhile
	}()
	return true
}

func (i *instance) ended() bool {
	select {
	case <-i.running:
		return true
	default:
		return false
	}
}

// jump sets by how much the process's wall clock is ahead.
func (i *instance) jump(ahead time.Duration) { i.skew.Store(int64(ahead / time.Second)) }

// now is the process's clock: a wall clock that may be wrong and jump, and a
// monotonic one that does neither.
func (i *instance) now() time.Time {
	now := time.Now()
	t := clock(now.Add(time.Duration(i.skew.Load())*time.Second), now.Sub(i.sim.began))
	if zone := i.sim.profile.zone; zone != 0 {
		return t.In(time.FixedZone("", zone))
	}
	return t
}

// clock returns a time with the given wall clock and monotonic readings. In a bubble times have
// no monotonic reading, and package time cannot create one. The layout is that of time.Time's
// comment.
func clock(wall time.Time, monotonic time.Duration) time.Time {
	const hasMonotonic, secondShift = 1 << 63, 30
	since1885 := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	t := wall
	parts := (*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t))
	parts.wall = hasMonotonic | uint64(since1885)<<secondShift | uint64(wall.Nanosecond())
	parts.ext = int64(time.Hour + monotonic)
	return t
}

// jitter is pseudorandom, and the same in every run of the seed.
func (i *instance) jitter(most time.Duration) time.Duration {
	if steady := i.sim.script.jitter; steady > 0 {
		return time.Duration(float64(most) * steady)
	}
	x := i.sim.seed ^ uint64(i.id)<<32 ^ uint64(time.Since(i.sim.began)) ^ uint64(most)<<17
	if i.sim.script.jitter < 0 {
		x ^= i.jittered.Add(1) << 50
	}
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return time.Duration(x % uint64(max(most, 1)))
}

// logged searches log lines for secrets.
type logged struct{ sim *simulation }

func (l logged) Write(line []byte) (int, error) {
	if l.sim.script.logged != nil {
		l.sim.script.logged(string(line))
	}
	for _, known := range secrets {
		if bytes.Contains(line, known) {
			l.sim.mu.Lock()
			l.sim.leaked = string(line)
			l.sim.mu.Unlock()
			l.sim.wake()
		}
	}
	return len(line), nil
}

// shops implements engine.Shops and webhook.Authenticator.
type shops struct {
	store    *store.Store
	changing bool // shops change in this run

	mu         sync.RWMutex
	read       map[string]*store.Shop
	generation int64
}

func (x *shops) Generation() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.generation
}

func (x *shops) Shop(name string) (*store.Shop, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	shop, ok := x.read[name]
	return shop, ok
}

func (x *shops) isRead() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.read != nil
}

func (x *shops) Refresh(ctx context.Context) error {
	if x.isRead() && !x.changing {
		return nil
	}
	generation, err := x.store.ShopsGeneration(ctx)
	if err != nil || x.isRead() && generation == x.Generation() {
		return err
	}
	list, err := x.store.Shops(ctx)
	if err != nil {
		return err
	}
	read := map[string]*store.Shop{}
	for _, shop := range list {
		read[shop.Shop] = &shop
	}
	x.mu.Lock() // not during the queries, which wait for the simulation
	defer x.mu.Unlock()
	x.read, x.generation = read, generation
	return nil
}

// ack is a webhook call that was answered.
type ack struct {
	hint   webhook.Hint
	before int64 // how often the number had been hinted at when the call began
	n      int   // counts the calls
	status int   // of the answer
	forged bool  // it had not the token of Rackbeat's
}

func (a ack) key() string {
	return fmt.Sprint(a.hint.Shop, "/", a.hint.Kind, "/", a.hint.Number, "/", a.n)
}

// deliver calls a lagerd's webhook endpoint.
func (i *instance) deliver(h webhook.Hint, n int) {
	i.sim.oracle.told[hintKey{h.Shop, string(h.Kind), h.Number}] = true
	i.hint(ack{hint: h, n: n}, recorded(i.engine.Record))
}

// ask records a hint as a person's command does: in its own row, whatever a pass is doing.
func (i *instance) ask(h webhook.Hint, n int) {
	i.hint(ack{hint: h, n: n}, recorded(func(ctx context.Context, h webhook.Hint) error {
		return i.store.RecordHints(ctx, []store.HintRecord{{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseOperator, At: h.ReceivedAt}})
	}))
}

// recorded returns a call that records the hint itself, without the handler of webhooks.
func recorded(record func(context.Context, webhook.Hint) error) func(context.Context, *ack) {
	return func(ctx context.Context, a *ack) {
		if record(ctx, a.hint) == nil {
			a.status = http.StatusOK
		}
	}
}

func (i *instance) hint(a ack, call func(context.Context, *ack)) {
	s := i.sim
	h := a.hint
	a.before = s.oracle.hinted(hintKey{h.Shop, string(h.Kind), h.Number})
	a.hint.ReceivedAt = i.now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if call(ctx, &a); a.status == 0 {
			return
		}
		s.mu.Lock()
		s.acked = append(s.acked, a)
		s.mu.Unlock()
		s.wake()
	}()
}
