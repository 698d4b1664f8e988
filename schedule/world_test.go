package schedule

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

const (
	callTimeout   = 30 * time.Second
	callsEach     = 2                     // in a pass
	planningTakes = 10 * time.Millisecond // after each
)

// world has shops that cost what real ones do, a slow e-conomic, and a scheduler that runs
// their passes.
type world struct {
	*Scheduler
	t        *testing.T
	workers  int
	schedule string
	names    []string     // of the shops
	ahead    atomic.Int64 // how much the wall clock is fast

	tickTakes atomic.Int64 // how long a tick takes to begin

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup

	mu                        sync.Mutex
	latency                   time.Duration // of a call
	hangs                     func(shop string) bool
	passes                    map[string][]passed
	underWay                  map[string]int // running passes
	calls                     []time.Time
	calling, planning         int
	mostCalling, mostPlanning int // concurrently
	statements, marked        int // that save ticks, and the ticks
}

// passed is a pass of a shop.
type passed struct {
	due   reconcile.Due
	began time.Time
}

// inWorld runs a test in a bubble, with a running scheduler and its shops.
func inWorld(t *testing.T, schedule string, workers, shops int, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, workers: workers, latency: 250 * time.Millisecond, hangs: noShop, passes: map[string][]passed{}, underWay: map[string]int{}, schedule: schedule}
		for n := range shops {
			w.names = append(w.names, shopName(n))
		}
		w.start()
		defer func() { w.end() }() // do may have replaced the scheduler
		do(w)
	})
}

// start starts a scheduler, which takes all shops a moment later.
func (w *world) start() {
	log := logrus.New()
	log.SetOutput(io.Discard)
	ticks, err := ParseSchedule(w.schedule)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Scheduler = NewScheduler(Options{
		Reconcile: reconcile.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }, Log: log, Jitter: func(most time.Duration) time.Duration { return most / 2 },
			Policy: plan.Policy{RetryMin: 5 * time.Second, RetryMax: time.Minute, HeldRetry: 10 * time.Minute}},
		Observer: w, Workers: w.workers, Schedule: ticks,
		Ticked: func(time.Time) { time.Sleep(time.Duration(w.tickTakes.Load())) },
	})
	w.newShop = func(settings *store.Shop, token int64) shop {
		return &fakeShop{world: w, settings: settings, token: token}
	}
	w.store = w
	w.ctx, w.stop = context.WithCancel(w.t.Context())
	w.running.Go(func() { w.Run(w.ctx) })
	time.Sleep(300 * time.Millisecond)
	for _, name := range w.names {
		w.Take(w.ctx, &store.Shop{Shop: name}, 1)
	}
}

// end drops all shops and waits until the scheduler has ended.
func (w *world) end() {
	for _, name := range w.names {
		w.Drop(name)
	}
	w.stop()
	w.running.Wait()
}

func (w *world) Passed(string, time.Duration, error) {}
func (w *world) Fenced(string)                       {}

func (w *world) Shop(context.Context, string) (store.Shop, error) {
	return store.Shop{}, store.ErrNoShop
}

func (w *world) MarkTicks(_ context.Context, _ string, marks []store.TickMark, _ time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.statements += (len(marks) + store.MarksPerStatement - 1) / store.MarksPerStatement
	w.marked += len(marks)
	return nil
}

func (w *world) MarkCalls(ctx context.Context, instance string, marks []store.TickMark) error {
	return w.MarkTicks(ctx, instance, marks, time.Time{})
}

// passesOf returns all passes so far, by shop.
func (w *world) passesOf() map[string][]passed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.passes)
}

// most returns the maximum number of concurrent calls and of concurrently planning passes.
func (w *world) most() (calling, planning int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mostCalling, w.mostPlanning
}

// hang makes the calls of shops hang.
func (w *world) hang(which func(shop string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hangs, w.mostCalling = which, 0
}

// answersIn sets the latency of calls.
func (w *world) answersIn(latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latency = latency
}

func noShop(string) bool { return false }

// distances returns the times between the starts of successive ticks of each shop since from,
// in ascending order.
func (w *world) distances(from time.Time, which func(shop string) bool) []time.Duration {
	var list []time.Duration
	for name, passes := range w.passesOf() {
		if !which(name) {
			continue
		}
		last := time.Time{}
		for _, p := range passes {
			if p.due.Tick && !p.began.Before(from) {
				if !last.IsZero() {
					list = append(list, p.began.Sub(last))
				}
				last = p.began
			}
		}
		list = append(list, time.Since(last)) // it has not ended yet
	}
	slices.Sort(list)
	return list
}

// everyMinute fails unless the ticks of each shop are a minute apart.
func (w *world) everyMinute(from time.Time, which func(shop string) bool) {
	w.t.Helper()
	list := w.distances(from, which)
	if len(list) == 0 {
		w.t.Fatal("there is no tick")
	}
	if high, most := list[len(list)*999/1000], list[len(list)-1]; high > 61*time.Second || most > 65*time.Second {
		w.t.Errorf("two ticks of a shop are %s apart at p99.9, %s at most", high, most)
	}
}

// busiest returns the calls in the busiest second since from, and the average.
func (w *world) busiest(from time.Time) (most int, average float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seconds, all := map[int64]int{}, 0
	for _, at := range w.calls {
		if !at.Before(from) {
			seconds[at.Unix()]++
			all++
		}
	}
	for n := range maps.Values(seconds) {
		most = max(most, n)
	}
	return most, float64(all) / time.Since(from).Seconds()
}

func everyShop(string) bool { return true }

// fakeShop makes two calls in each pass.
type fakeShop struct {
	world    *world
	settings *store.Shop
	token    int64
	count    int
}

func (f *fakeShop) RunOnce(ctx context.Context, due reconcile.Due) (reconcile.Report, error) {
	w := f.world
	w.mu.Lock()
	w.passes[f.settings.Shop] = append(w.passes[f.settings.Shop], passed{due, time.Now()})
	w.underWay[f.settings.Shop]++
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.underWay[f.settings.Shop]--
	}()
	for range callsEach {
		if err := f.call(ctx); err != nil {
			return reconcile.Report{Tried: true}, err
		}
		w.plan()
		if ctx.Err() != nil {
			return reconcile.Report{}, ctx.Err()
		}
	}
	if !due.Tick {
		return reconcile.Report{}, nil
	}
	return reconcile.Report{Ticked: time.Now()}, nil
}

// call simulates a call to e-conomic.
func (f *fakeShop) call(ctx context.Context) error {
	w := f.world
	defer source.Waiting(ctx)()
	w.mu.Lock()
	f.count++
	w.calls = append(w.calls, time.Now())
	w.calling++
	w.mostCalling = max(w.mostCalling, w.calling)
	took, err := w.latency, error(nil)
	if w.hangs(f.settings.Shop) {
		took, err = callTimeout, &source.Error{Class: plan.ClassHanging, Err: errors.New("no answer")}
	}
	w.mu.Unlock()
	new(loop).sleep(ctx, took)
	w.mu.Lock()
	w.calling--
	w.mu.Unlock()
	return err
}

// plan simulates the work that needs a worker.
func (w *world) plan() {
	w.mu.Lock()
	w.planning++
	w.mostPlanning = max(w.mostPlanning, w.planning)
	w.mu.Unlock()
	time.Sleep(planningTakes)
	w.mu.Lock()
	w.planning--
	w.mu.Unlock()
}

func (f *fakeShop) SaveFailure(context.Context, error) error { return nil }
func (f *fakeShop) Change(settings *store.Shop)              { f.settings = settings }
func (f *fakeShop) Settings() *store.Shop                    { return f.settings }
func (f *fakeShop) Token() int64                             { return f.token }
func (f *fakeShop) Holds() plan.Holds                        { return nil }
func (f *fakeShop) ShortOfCalls() bool                       { return false }
func (f *fakeShop) Close()                                   {}
func (f *fakeShop) Calls() store.DayCalls {
	return store.DayCalls{CallsDay: "2000-01-01", Calls: f.count}
}

// midnight is when bubbles begin.
var midnight = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
