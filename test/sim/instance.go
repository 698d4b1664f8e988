package sim

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sirupsen/logrus"

	"lagerd/economic"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

// Odd times: where two timers of a process ran out at once, chance would decide
// which it takes first, and the run could not be repeated.
const (
	leaseBeat   = 8*time.Second + 1_000_003
	leaseTTL    = 25*time.Second + 1_000_033
	lookForFree = 3*time.Second + 1_000_037
	pollEvery   = 5*time.Second + 1_000_039
)

const (
	lossPercent = 30
	lossMin     = 2

	// Longer than a run, so that clocks which jump by ten minutes let nothing run out.
	lossWindow        = 2 * time.Hour
	lossWindowPercent = 50
	lossWindowMin     = 3
)

// metrics are shared by all runs: what they count is not looked at.
var metrics = status.NewMetrics("simulation")

// instance is one lagerd: everything of the real one but its HTTP servers.
type instance struct {
	id       int
	name     string
	dead     bool // killed: nothing that it still does has any effect
	stopping bool
	paused   bool
	skew     atomic.Int64 // seconds that its wall clock is ahead

	sim       *simulation
	cancel    context.CancelFunc
	store     *store.Store
	engine    *engine.Engine
	committer *webhook.Committer
	metrics   *status.Metrics
	running   chan struct{} // closed when it has ended
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
	p := s.profile
	client, err := economic.New(economic.Options{RESTURL: "http://e-conomic.sim", AppSecretToken: appToken, Transport: network{s, i}, Timeout: 30 * time.Second, MaxURLBytes: p.maxURLBytes, Now: i.now})
	if err != nil {
		panic(err)
	}
	i.store = st
	m := metrics
	if s.script.metrics != nil {
		m = s.script.metrics()
	}
	i.metrics = m
	e, err := engine.New(engine.Options{
		Reconcile: reconcile.Options{
			Store: st, Client: client, Open: func(_ string, sealed []byte) (string, error) { return string(sealed), nil },
			Log: log, Now: i.now, Jitter: i.jitter,
			Concurrency: 2, PDFConcurrency: 1, DailyCalls: p.dailyCalls, PageSize: p.pageSize, ListingTurn: p.listingTurn, UnpackAtOnce: p.unpackAtOnce,
			Overlap: p.overlap, Rereads: []time.Duration{2 * time.Second, 10 * time.Second, 45 * time.Second},
			SweepEvery: p.sweepEvery, RetryMin: 2 * time.Second, RetryMax: 40 * time.Second, HeldRetry: 30 * time.Second,
			GapWindow: 48 * time.Hour, LateWithin: 15 * time.Minute, KeepHistory: p.keepHistory, KeepHints: p.keepHints,
			LossPercent: lossPercent, LossMin: lossMin,
			LossWindow: lossWindow, LossWindowPercent: lossWindowPercent, LossWindowMin: lossWindowMin,
		},
		Workers: p.workers, Shops: &shops{store: st, changing: p.moves || p.changing}, Metrics: m, Log: log, Instance: store.Instance{Instance: i.name, Host: "sim", StartedAt: store.At(i.now())},
		Schedule: p.schedule, Beat: leaseBeat, TTL: leaseTTL, LookForFree: lookForFree, Poll: pollEvery, KeepRequests: time.Hour,
	})
	if err != nil {
		panic(err)
	}
	i.engine = e
	i.committer = webhook.NewCommitter(webhook.CommitterOptions{
		Write: func(ctx context.Context, hints []webhook.Hint) error {
			records := make([]store.HintRecord, len(hints))
			for n, h := range hints {
				records[n] = store.HintRecord{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseWebhook, At: h.ReceivedAt}
			}
			ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
			defer cancel()
			return st.RecordWebhooks(ctx, records)
		},
		Writers: 2, // one more than the daemon has: more orders of what happens
		Wake:    e.Hinted,
	})
	go func() {
		defer close(i.running)
		committed := make(chan struct{})
		go func() {
			defer close(committed)
			_ = i.committer.Run(ctx)
		}()
		e.Run(ctx)
		<-committed
		_ = conn.Close()
	}()
}

// crash kills a process: from now on nothing that it does has any effect. In
// its place another is started after a while.
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

func (i *instance) ended() bool {
	select {
	case <-i.running:
		return true
	default:
		return false
	}
}

// jump sets how far the process's wall clock is ahead.
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

// clock returns a time that shows the wall clock's time and carries a monotonic
// reading of its own. In a bubble there are none, and package time has no way to
// make one: only a system can. The layout is that of time.Time's comment.
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

// jitter is as good as random, and the same in every run of the seed.
func (i *instance) jitter(most time.Duration) time.Duration {
	if steady := i.sim.script.jitter; steady > 0 {
		return time.Duration(float64(most) * steady)
	}
	x := i.sim.seed ^ uint64(i.id)<<32 ^ uint64(time.Since(i.sim.began)) ^ uint64(most)<<17
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return time.Duration(x % uint64(max(most, 1)))
}

// logged looks for secrets in what is logged.
type logged struct{ sim *simulation }

func (l logged) Write(line []byte) (int, error) {
	if l.sim.script.logged != nil {
		l.sim.script.logged(string(line))
	}
	for _, secret := range secrets {
		if bytes.Contains(line, secret) {
			l.sim.mu.Lock()
			l.sim.leaked = string(line)
			l.sim.mu.Unlock()
			l.sim.wake()
		}
	}
	return len(line), nil
}

// shops implements engine.Shops.
type shops struct {
	store      *store.Store
	changing   bool // they do change in this run
	known      map[string]store.Shop
	generation int64
}

func (x *shops) Generation() int64 { return x.generation }

func (x *shops) Shop(name string) (store.Shop, bool) {
	shop, ok := x.known[name]
	return shop, ok
}

func (x *shops) Refresh(ctx context.Context) error {
	if x.known != nil && !x.changing {
		return nil
	}
	generation, err := x.store.ShopsGeneration(ctx)
	if err != nil || x.known != nil && generation == x.generation {
		return err
	}
	list, err := x.store.Shops(ctx)
	if err != nil {
		return err
	}
	known := map[string]store.Shop{}
	for _, shop := range list {
		known[shop.Shop] = shop
	}
	x.known, x.generation = known, generation
	return nil
}

// ack is a webhook's call that has been answered with success.
type ack struct {
	hint   webhook.Hint
	before int64 // how often the number had been hinted at when the call began
	n      int   // counts the calls
}

func (a ack) key() string {
	return fmt.Sprint(a.hint.Shop, "/", a.hint.Kind, "/", a.hint.Number, "/", a.n)
}

// deliver calls a lagerd's webhook endpoint.
func (i *instance) deliver(h webhook.Hint, n int) {
	i.sim.oracle.told[hintKey{h.Shop, string(h.Kind), h.Number}] = true
	i.hint(h, n, i.committer.Record)
}

// ask records a hint as a person's command does: in its own row, whatever a pass is
// at.
func (i *instance) ask(h webhook.Hint, n int) {
	i.hint(h, n, func(ctx context.Context, h webhook.Hint) error {
		return i.store.RecordHints(ctx, []store.HintRecord{{Shop: h.Shop, Kind: plan.Kind(h.Kind), Number: h.Number, Cause: plan.CauseOperator, At: h.ReceivedAt}})
	})
}

func (i *instance) hint(h webhook.Hint, n int, record func(context.Context, webhook.Hint) error) {
	s := i.sim
	a := ack{hint: h, n: n, before: s.oracle.hinted(hintKey{h.Shop, string(h.Kind), h.Number})}
	a.hint.ReceivedAt = i.now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if record(ctx, a.hint) != nil {
			return
		}
		s.mu.Lock()
		s.acked = append(s.acked, a)
		s.mu.Unlock()
		s.wake()
	}()
}
