package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// scripted is a scheduler without goroutines: a test runs its passes, and what they do is
// written to the journal.
type scripted struct {
	*Scheduler
	t       *testing.T
	journal []string
	pass    func(due reconcile.Due) (reconcile.Report, error) // what a shop's passes do
	holds   plan.Holds                                        // of shops, after their pass
	calls   store.DayCalls
	short   bool
	ahead   atomic.Int64 // how much the wall clock is fast
	closed  int          // how often the work on a shop has ended
	stored  func(name string) (store.Shop, error)
	saveErr error
	failErr error // of SaveFailure
}

func newScripted(t *testing.T) *scripted {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := &scripted{t: t, calls: store.DayCalls{CallsDay: "2026-11-23", Calls: 7}}
	w.Scheduler = NewScheduler(Options{
		Reconcile: reconcile.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }, Log: log, Jitter: func(most time.Duration) time.Duration { return most / 2 },
			Policy: plan.Policy{RetryMin: 4 * time.Second, RetryMax: time.Hour, HeldRetry: 10 * time.Minute}},
		Observer: w, Workers: 1, Instance: "me",
	})
	w.store = w
	w.newShop = func(settings *store.Shop, token int64) shop { return &scriptedShop{w, settings, token} }
	return w
}

func (w *scripted) write(format string, args ...any) {
	w.journal = append(w.journal, fmt.Sprintf(format, args...))
}

// did returns what was written to the journal since the last call.
func (w *scripted) did() string {
	did := strings.Join(w.journal, "; ")
	w.journal = nil
	return did
}

// take takes a shop, and drops the pass that is due because of that.
func (w *scripted) take(name string) *entry {
	w.t.Helper()
	w.Take(w.t.Context(), &store.Shop{Shop: name, Generation: 5, StockOn: true, StockSource: store.SourceEconomic}, 1)
	w.queue.forget(name)
	return w.shops[name]
}

// run runs the pass that is due.
func (w *scripted) run() {
	w.t.Helper()
	name, due, ok := w.queue.get(true)
	if !ok {
		w.t.Fatal("no pass is due")
	}
	e, p := w.begin(name, due)
	if p == nil {
		w.queue.done(name)
		w.write("parked %s", name)
		return
	}
	p.work(p.ctx)
	w.work(name, e, p, due)
}

// upcoming returns what is due next, and after what time, within a day.
func (w *scripted) upcoming() string {
	began := time.Now()
	for w.queue.length() == 0 {
		if time.Since(began) > 24*time.Hour {
			return "nothing"
		}
		time.Sleep(time.Second)
		synctest.Wait()
	}
	took := time.Since(began)
	name, due, _ := w.queue.get(true)
	w.queue.done(name)
	return fmt.Sprintf("%s after %s", dueText(due), took)
}

func dueText(due reconcile.Due) string {
	var words []string
	for word, is := range map[string]bool{"tick": due.Tick, "sweep": due.Sweep, "work": due.Work, "requested": due.Requested} {
		if is {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return strings.Join(words, "+")
}

func (w *scripted) Passed(shop string, took time.Duration, err error) {
	w.write("%s passed in %s with %v", shop, took, err)
}
func (w *scripted) Fenced(shop string) { w.write("%s fenced", shop) }

func (w *scripted) Shop(_ context.Context, name string) (store.Shop, error) { return w.stored(name) }

func (w *scripted) MarkTicks(_ context.Context, instance string, marks []store.TickMark, at time.Time) error {
	w.write("ticks by %s at %s:%s", instance, at.UTC().Format("15:04:05"), markText(marks))
	return w.saveErr
}

func (w *scripted) MarkCalls(_ context.Context, instance string, marks []store.TickMark) error {
	w.write("calls by %s:%s", instance, markText(marks))
	return w.saveErr
}

func markText(marks []store.TickMark) (text string) {
	for _, m := range marks {
		text += fmt.Sprintf(" %s/%d %s %d", m.Shop, m.Generation, m.CallsDay, m.Calls)
	}
	return text
}

// scriptedShop is a shop of scripted.
type scriptedShop struct {
	w        *scripted
	settings *store.Shop
	token    int64
}

func (f *scriptedShop) RunOnce(_ context.Context, due reconcile.Due) (reconcile.Report, error) {
	return f.w.pass(due)
}

func (f *scriptedShop) SaveFailure(_ context.Context, failure error) error {
	f.w.write("%s failed: %v", f.settings.Shop, failure)
	return f.w.failErr
}

func (f *scriptedShop) Change(settings *store.Shop) {
	f.w.write("%s changed to %d", settings.Shop, settings.Generation)
	f.settings = settings
}
func (f *scriptedShop) Settings() *store.Shop { return f.settings }
func (f *scriptedShop) Token() int64          { return f.token }
func (f *scriptedShop) Holds() plan.Holds     { return f.w.holds }
func (f *scriptedShop) Calls() store.DayCalls { return f.w.calls }
func (f *scriptedShop) ShortOfCalls() bool    { return f.w.short }
func (f *scriptedShop) Close()                { f.w.closed++ }

// TestAfterAPass: what follows from the result of a pass: what is due next and when, what is
// saved, and how many failures there have been in a row.
func TestAfterAPass(t *testing.T) {
	t.Parallel()
	var (
		failure = errors.New("oops")
		short   = &source.Error{Class: plan.ClassDay, Err: errors.New("short")}
		late    = &source.Error{Class: plan.ClassShop, Err: errors.New("wait"), RetryAfter: time.Minute}
		ask     = reconcile.Due{Work: true, Requested: true}
		day     = " shop1/5 2026-11-23 7"
		earlier = midnight.Add(-50 * time.Second)
	)
	for _, c := range []struct {
		name     string
		due      reconcile.Due
		report   reconcile.Report
		err      error
		did      string // besides the observer
		next     string
		failures int // after three
	}{
		{"a tick", tick, reconcile.Report{Ticked: midnight}, nil, "ticks by me at 00:00:00:" + day, "nothing", 0},
		{"the end of a listing, which is an earlier tick's", work, reconcile.Report{Ticked: earlier}, nil, "ticks by me at 23:59:10:" + day, "nothing", 0},
		{"a tick of a shop with a held part", tick, reconcile.Report{}, nil, "calls by me:" + day, "nothing", 0},
		{"hints", work, reconcile.Report{}, nil, "", "nothing", 0},
		{"more to do", work, reconcile.Report{Again: true}, nil, "", "work after 0s", 0},
		{"more to do, for an idle shop", work, reconcile.Report{Again: true, Idle: true}, nil, "", "work after 0s", 0},
		{"a listing that pauses", work, reconcile.Report{Listing: true, After: time.Second}, nil, "", "work after 1s", 0},
		{"a listing that pauses, more to do", work, reconcile.Report{Listing: true, After: time.Second, Again: true}, nil, "", "work after 0s", 0},
		{"a listing that pauses, with a short budget", work, reconcile.Report{Short: short, Listing: true, After: time.Second}, nil, "", "work after 1s", 3},
		{"an idle shop", tick, reconcile.Report{Idle: true}, nil, "calls by me:" + day, "work after 10m0s", 0},
		{"a short budget", tick, reconcile.Report{Short: short, Ticked: midnight}, nil, "shop1 failed: short", "nothing", 4},
		{"a short budget, more to do", tick, reconcile.Report{Short: short, Again: true}, nil, "shop1 failed: short", "work after 0s", 4},
		{"hints with a short budget", work, reconcile.Report{Short: short}, nil, "", "nothing", 3},
		{"one token reads nothing, again", work, reconcile.Report{Short: short, Partial: true}, nil, "", "nothing", 3},
		{"a failed tick", tick, reconcile.Report{Again: true, Ticked: midnight, Idle: true}, failure, "shop1 failed: oops", "tick+work after 18s", 4},
		{"a failed sweep", sweep, reconcile.Report{}, failure, "shop1 failed: oops", "sweep+tick+work after 18s", 4},
		{"a failed request", ask, reconcile.Report{Tried: true}, failure, "shop1 failed: oops", "work after 18s", 4},
		{"a request that was not tried", ask, reconcile.Report{}, failure, "shop1 failed: oops", "requested+work after 18s", 4},
		{"a failure of what has a backoff of its own", tick, reconcile.Report{RetryAfter: 3 * time.Second}, late, "shop1 failed: wait", "tick+work after 3s", 4},
		{"told to wait", work, reconcile.Report{}, late, "shop1 failed: wait", "work after 1m0s", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newScripted(t)
				e := w.take("shop1")
				e.failures = 3
				w.pass = func(due reconcile.Due) (reconcile.Report, error) {
					if due != c.due {
						t.Errorf("the pass is for %q", dueText(due))
					}
					time.Sleep(2 * time.Second)
					return c.report, c.err
				}
				w.queue.add("shop1", c.due, true)
				w.run()
				want := fmt.Sprintf("shop1 passed in 2s with %v", c.err)
				if c.did != "" && !strings.Contains(c.did, "by me") {
					want += "; " + c.did
				}
				if got := w.did(); got != want {
					t.Errorf("it did: %s\nexpected %s", got, want)
				}
				if err := w.FlushTicks(t.Context(), true); err != nil {
					t.Error(err)
				}
				if got := w.did(); strings.Contains(c.did, "by me") && got != c.did || !strings.Contains(c.did, "by me") && got != "" {
					t.Errorf("saved: %q, expected %q", got, c.did)
				}
				if e.failures != c.failures {
					t.Errorf("%d failures in a row, expected %d", e.failures, c.failures)
				}
				if got := w.upcoming(); got != c.next {
					t.Errorf("next: %s, expected %s", got, c.next)
				}
				if e.running != nil || e.stop != nil || w.limits.passes != 0 || len(w.limits.working) != 0 || !w.Holds("shop1") {
					t.Error("the pass has left something behind")
				}
			})
		})
	}
}

// TestMoreOfAListing: the rest of a listing does not wait for the end of a burst, other work
// does.
func TestMoreOfAListing(t *testing.T) {
	t.Parallel()
	for listing, want := range map[bool]string{true: "work after 0s", false: "work after 1s"} {
		synctest.Test(t, func(t *testing.T) {
			w := newScripted(t)
			w.take("shop1")
			w.pass = func(reconcile.Due) (reconcile.Report, error) {
				w.queue.debounce("shop1", work, time.Second, time.Minute)
				return reconcile.Report{Again: true, Listing: listing}, nil
			}
			w.queue.add("shop1", work, false)
			w.run()
			if got := w.upcoming(); got != want {
				t.Errorf("listing %t: next: %s, expected %s", listing, got, want)
			}
			w.queue.stop()
		})
	}
}

// TestSettingsChangedDuringAPass: the pass restarts with the settings that are stored now,
// unless the shop is no longer the one that was taken.
func TestSettingsChangedDuringAPass(t *testing.T) {
	t.Parallel()
	const restarts, fails = "sweep+tick+work after 0s", "sweep+tick+work after 4s"
	for _, c := range []struct {
		name    string
		stored  store.Shop
		err     error
		pending int64 // generation of the settings that Sync has found already
		next    string
		did     string // in the pass and in the next one
		held    bool
	}{
		{"new settings", store.Shop{Shop: "shop1", Generation: 6}, nil, 0, restarts, "shop1 changed to 6", true},
		{"the same as Sync has found", store.Shop{Shop: "shop1", Generation: 6}, nil, 6, restarts, "shop1 changed to 6", true},
		{"older than Sync has found", store.Shop{Shop: "shop1", Generation: 6}, nil, 7, restarts, "shop1 changed to 7", true},
		{"newer than Sync has found", store.Shop{Shop: "shop1", Generation: 8}, nil, 7, restarts, "shop1 changed to 8", true},
		{"removed", store.Shop{}, fmt.Errorf("shop1: %w", store.ErrNoShop), 0, "nothing", "", false},
		{"added again", store.Shop{Shop: "shop1", Generation: 6, CreatedAt: store.At(time.Unix(1, 0))}, nil, 0, "nothing", "", false},
		{"an unchanged setting", store.Shop{Shop: "shop1", Generation: 5}, nil, 0, fails,
			"shop1 failed: shop shop1: its lease requires other settings than are stored: `lagerd shops resume shop1` stores them again", true},
		{"no database", store.Shop{}, errors.New("gone"), 0, fails, "shop1 failed: gone", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newScripted(t)
				e := w.take("shop1")
				w.stored = func(name string) (store.Shop, error) {
					if name != "shop1" {
						t.Errorf("the settings of %s are read", name)
					}
					return c.stored, c.err
				}
				w.pass = func(reconcile.Due) (reconcile.Report, error) {
					if c.pending > 0 {
						w.Sync(func(string) (*store.Shop, bool) { return &store.Shop{Shop: "shop1", Generation: c.pending}, true })
					}
					return reconcile.Report{Again: true, Idle: true}, store.ErrSettingsChanged
				}
				w.queue.add("shop1", sweep, true)
				w.run()
				if got := w.upcoming(); got != c.next {
					t.Errorf("next: %s, expected %s", got, c.next)
				}
				w.pass = func(reconcile.Due) (reconcile.Report, error) { return reconcile.Report{}, nil }
				for range 2 { // new settings are applied once
					if c.held {
						w.queue.add("shop1", work, true)
						w.run()
					}
				}
				journal := slices.DeleteFunc(w.journal, func(line string) bool { return strings.Contains(line, "passed") })
				if got := strings.Join(journal, "; "); got != c.did {
					t.Errorf("it did %q, expected %q", got, c.did)
				}
				if w.Holds("shop1") != c.held || (len(w.byOffset[offsetOf("shop1")]) > 0) != c.held {
					t.Errorf("held: %t, expected %t", w.Holds("shop1"), c.held)
				}
				if c.held && (e.generation != max(5, c.stored.Generation, c.pending)) {
					t.Errorf("generation %d", e.generation)
				}
			})
		})
	}
}

// TestFencedPass: a shop that another lagerd has taken is no longer held, unless this lagerd
// has taken it again meanwhile.
func TestFencedPass(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		w := newScripted(t)
		w.take("shop1")
		w.take("shop2")
		w.pass = func(reconcile.Due) (reconcile.Report, error) {
			if again {
				w.Take(t.Context(), &store.Shop{Shop: "shop1", Generation: 5}, 2)
			}
			return reconcile.Report{Again: true, Ticked: midnight}, fmt.Errorf("write: %w", store.ErrFenced)
		}
		w.queue.add("shop1", tick, true)
		w.run()
		if got := w.did(); !strings.HasSuffix(got, "; shop1 fenced") || strings.Contains(got, "failed") {
			t.Errorf("it did %s", got)
		}
		want := map[string]int64{"shop2": 1}
		if again {
			want["shop1"] = 2
		}
		if got := w.Held(); !maps.Equal(got, want) || len(w.byOffset[offsetOf("shop1")]) != len(want)-1 {
			t.Errorf("taken again %t: held %v, expected %v", again, got, want)
		}
		if n := w.Waiting(); n != len(want)-1 {
			t.Errorf("taken again %t: %d shops wait", again, n)
		}
	}
}

// TestAgreementOfAnother: a shop whose agreement another lagerd works on is given up, with its
// calls saved and without a failure.
func TestAgreementOfAnother(t *testing.T) {
	t.Parallel()
	w := newScripted(t)
	w.take("shop1")
	w.take("shop2")
	w.pass = func(reconcile.Due) (reconcile.Report, error) {
		return reconcile.Report{Idle: true}, fmt.Errorf("book calls: %w", store.ErrAccountHeld)
	}
	w.queue.add("shop1", tick, true)
	w.run()
	if err := w.FlushTicks(t.Context(), true); err != nil {
		t.Error(err)
	}
	if got := w.did(); !strings.HasSuffix(got, "; calls by me: shop1/5 2026-11-23 7") || strings.Contains(got, "failed") || strings.Contains(got, "fenced") {
		t.Errorf("it did %s", got)
	}
	if w.Holds("shop1") || !w.Holds("shop2") || w.Waiting() > 0 || w.closed != 1 {
		t.Errorf("held: %v, %d wait, %d closed", w.Held(), w.Waiting(), w.closed)
	}
	w.Drop("shop1")
	w.Drop("shop2")
	if w.closed != 2 {
		t.Errorf("%d are closed, expected 2", w.closed)
	}
}

// TestStoppedPass: of a pass that is stopped only the calls are saved.
func TestStoppedPass(t *testing.T) {
	t.Parallel()
	w := newScripted(t)
	e := w.take("shop1")
	e.failures, e.hangs = 3, true
	w.pass = func(reconcile.Due) (reconcile.Report, error) {
		e.stop()
		return reconcile.Report{Again: true, Ticked: midnight}, context.Canceled
	}
	w.queue.add("shop1", tick, true)
	w.run()
	if err := w.FlushTicks(t.Context(), true); err != nil {
		t.Error(err)
	}
	if got := w.did(); got != "calls by me: shop1/5 2026-11-23 7" || e.failures != 3 || !e.hangs || w.Waiting() > 0 {
		t.Errorf("it did %s; %d failures, hangs %t, %d wait", got, e.failures, e.hangs, w.Waiting())
	}
}

// TestStates: a shop counts by the result of its last pass.
func TestStates(t *testing.T) {
	t.Parallel()
	w := newScripted(t)
	w.take("shop1")
	w.take("shop2")
	losses := plan.Hold{Scope: plan.ScopeStock, Reason: plan.HeldLosses}
	off := plan.Hold{Scope: plan.ScopePDFs, Reason: plan.HeldForbidden} // no invoices are read
	refused := plan.Hold{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused}
	also := plan.Hold{Scope: plan.ScopeStock, Reason: plan.HeldTokenRefused}
	hanging := &source.Error{Class: plan.ClassHanging, Err: errors.New("no answer")}
	for _, c := range []struct {
		name            string
		paused          bool
		holds           plan.Holds
		err             error
		running, pauses int
		held            string
	}{
		{"running", false, nil, nil, 2, 0, "map[]"},
		{"held", false, plan.Holds{losses, off}, nil, 1, 0, fmt.Sprint(map[plan.Reason]int{plan.HeldLosses: 1})},
		{"held for two reasons", false, plan.Holds{refused, losses}, hanging, 1, 0, fmt.Sprint(map[plan.Reason]int{plan.HeldLosses: 1, plan.HeldTokenRefused: 1})},
		{"held twice for one", false, plan.Holds{refused, also}, nil, 1, 0, fmt.Sprint(map[plan.Reason]int{plan.HeldTokenRefused: 1})},
		{"paused and held", true, plan.Holds{losses}, nil, 1, 1, "map[]"},
		{"running again", false, plan.Holds{off}, nil, 2, 0, "map[]"},
	} {
		e := w.shops["shop1"]
		w.holds = c.holds
		w.pass = func(reconcile.Due) (reconcile.Report, error) {
			settings := e.shop.Settings()
			settings.PausedAt = store.Time{}
			if c.paused {
				settings.PausedAt = store.At(time.Now())
			}
			e.shop.Change(settings)
			return reconcile.Report{}, c.err
		}
		w.queue.add("shop1", work, true)
		w.run()
		w.queue.forget("shop1")
		running, pauses, held := w.States()
		if running != c.running || pauses != c.pauses || fmt.Sprint(held) != c.held {
			t.Errorf("%s: %d running, %d paused, held %v", c.name, running, pauses, held)
		}
		if e.hangs != (c.err != nil) {
			t.Errorf("%s: its last call was not answered: %t", c.name, e.hangs)
		}
	}
}

// TestSync: only newer settings of the same shop are applied.
func TestSync(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		current store.Shop
		ok      bool
		want    string
	}{
		{"newer", store.Shop{Shop: "shop1", Generation: 6}, true, "shop1 changed to 6"},
		{"the same", store.Shop{Shop: "shop1", Generation: 5}, true, ""},
		{"removed", store.Shop{Shop: "shop1", Generation: 6}, false, ""},
		{"added again", store.Shop{Shop: "shop1", Generation: 6, CreatedAt: store.At(time.Unix(1, 0))}, true, ""},
	} {
		w := newScripted(t)
		e := w.take("shop1")
		for range 2 { // the second time nothing has changed
			w.Sync(func(string) (*store.Shop, bool) { return &c.current, c.ok })
		}
		w.pass = func(due reconcile.Due) (reconcile.Report, error) {
			if due != (reconcile.Due{Tick: true, Work: true}) {
				t.Errorf("%s: the pass is for %q", c.name, dueText(due))
			}
			return reconcile.Report{}, nil
		}
		if w.Waiting() > 0 {
			w.run()
			w.Sync(func(string) (*store.Shop, bool) { return &c.current, c.ok })
		}
		got, _, _ := strings.Cut(w.did(), "; ")
		if got != c.want || w.Waiting() > 0 || e.next != nil {
			t.Errorf("%s: %q, expected %q; %d passes are due", c.name, got, c.want, w.Waiting())
		}
	}
}

// TestParkedShop: a parked shop keeps its work and its hints, and waits no longer in total when
// it is parked again.
func TestParkedShop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newScripted(t)
		e := w.take("shop1")
		w.pass = func(due reconcile.Due) (reconcile.Report, error) {
			w.write("pass for %s", dueText(due))
			return reconcile.Report{}, nil
		}
		began := time.Now()
		w.limits.hints = hintsAtOnce
		w.Hinted("shop1", burstHints/2)
		w.Hinted("shop1", burstHints)
		w.queue.add("shop1", tick, true)
		for n := range 2 {
			w.run()
			if e.hinted != burstHints*3/2 || !e.parkedSince.Equal(began) || w.did() != "parked shop1" {
				t.Errorf("%d hints since %s", e.hinted, e.parkedSince)
			}
			if n == 0 {
				time.Sleep(3 * time.Second)
				w.queue.release("shop1")
			}
		}
		time.Sleep(maxBurstWait - 3*time.Second - 1)
		synctest.Wait()
		if w.Waiting() > 0 {
			t.Error("it does not wait for the whole time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		w.run()
		if got := w.did(); !strings.HasPrefix(got, "pass for tick+work") || e.hinted != 0 || !e.parkedSince.IsZero() {
			t.Errorf("it did %s; %d hints, parked since %s", got, e.hinted, e.parkedSince)
		}
	})
}

// TestWhatIsDueForAll: what each call makes due, for shops of this lagerd only, and whether a
// backoff ends for it.
func TestWhatIsDueForAll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		call   func(w *scripted)
		urgent bool
		want   string
	}{
		{"Tick", func(w *scripted) { w.Tick() }, false, "tick"},
		{"ReconcileAll", func(w *scripted) { w.ReconcileAll() }, true, "requested+tick+work"},
		{"SweepAll", func(w *scripted) { w.SweepAll() }, true, "requested+sweep+tick+work"},
		{"Wake", func(w *scripted) { w.Wake([]string{"shop1", "shop2", "other"}) }, false, "work"},
		{"Hinted", func(w *scripted) { w.Hinted("shop1", 1); w.Hinted("shop2", 1); w.Hinted("other", 1) }, false, "work"},
		{"Requested", func(w *scripted) {
			w.Requested([]store.Request{{Request: "a", Shop: "shop1"}, {Request: "b", Shop: "other"}, {Request: "c", Shop: "shop2"}, {Request: "d", Shop: "shop1"}})
		}, true, "requested+work"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newScripted(t)
			w.take("shop1")
			w.take("shop2")
			w.queue.addAfter("shop2", sweep, time.Hour) // in backoff
			c.call(w)
			want, waiting := c.want, 1
			if c.urgent {
				waiting = 2
			}
			got := map[string]string{}
			if w.Waiting() != waiting {
				t.Errorf("%s: %d shops are due, expected %d", c.name, w.Waiting(), waiting)
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			for {
				name, due, ok := w.queue.get(true)
				if !ok {
					break
				}
				got[name] = dueText(due)
			}
			merged := dueText(sweep.Merge(reconcile.Due{Work: strings.Contains(want, "work"), Requested: strings.Contains(want, "requested")}))
			if !maps.Equal(got, map[string]string{"shop1": want, "shop2": merged}) {
				t.Errorf("%s: due are %v", c.name, got)
			}
		})
	}
}

// TestFlushTicks: ticks are saved together, calls after them, a shop's latest record once; each
// day by itself.
func TestFlushTicks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newScripted(t)
		began := time.Now()
		a, b, c, d := w.take("a"), w.take("b"), w.take("c"), w.take("d")
		record := func(e *entry, day string, calls int, ago time.Duration, good bool) {
			w.calls = store.DayCalls{CallsDay: day, Calls: calls}
			if !good {
				w.recordTick(e, time.Time{})
				return
			}
			w.recordTick(e, time.Now().Add(-ago))
		}
		flush := func(force bool, want string) {
			t.Helper()
			if err := w.FlushTicks(t.Context(), force); (err != nil) != (w.saveErr != nil) {
				t.Error(err)
			}
			if got := w.did(); got != want {
				t.Errorf("after %s: saved\n%s, expected\n%s", time.Since(began), got, want)
			}
		}
		const day, next = "2026-11-23", "2026-11-24"
		time.Sleep(time.Minute)
		flush(true, "")
		record(a, day, 1, 10*time.Second, true)
		time.Sleep(flushAfter - time.Second)
		record(b, day, 2, 30*time.Second, true)
		record(a, day, 3, 0, true) // replaces the first
		record(c, day, 4, 0, false)
		record(b, day, 5, 0, false) // replaces nothing
		record(c, day, 6, 0, true)  // replaces its calls
		time.Sleep(time.Second - 1)
		flush(false, "")
		time.Sleep(time.Nanosecond)
		flush(false, "ticks by me at 00:00:31: b/5 2026-11-23 2; ticks by me at 00:01:01: a/5 2026-11-23 3 c/5 2026-11-23 6; calls by me: b/5 2026-11-23 5")
		flush(true, "") // only once

		// The wait starts with the oldest of what is not saved yet, ticks or calls.
		record(b, day, 5, 0, false) // saved already
		time.Sleep(flushAfter)
		record(b, next, 5, 0, false)
		flush(false, "")
		time.Sleep(flushAfter / 2)
		record(a, day, 3, 0, true) // a tick is saved even without calls
		record(c, next, 1, time.Second, true)
		record(d, day, 2, 0, true)
		time.Sleep(flushAfter / 2)
		flush(false, "ticks by me at 00:01:05: a/5 2026-11-23 3 d/5 2026-11-23 2; ticks by me at 00:01:04: c/5 2026-11-24 1; calls by me: b/5 2026-11-24 5")

		// A failure replaces what is not saved yet of its shop.
		record(a, day, 8, 0, true)
		record(b, day, 9, 0, false)
		record(c, day, 10, 0, false)
		w.saveFailure(t.Context(), a, errors.New("x"))
		w.calls = store.DayCalls{CallsDay: day, Calls: 11}
		w.saveFailure(t.Context(), b, errors.New("y"))
		record(b, day, 11, 0, false) // saved with the failure
		w.did()
		w.saveErr = errors.New("down")
		flush(true, "calls by me: c/5 2026-11-23 10")
		w.saveErr = nil
		record(c, day, 10, 0, false)
		record(b, day, 11, 0, false)
		flush(true, "calls by me: c/5 2026-11-23 10")
		w.saveErr = errors.New("down")
		record(a, day, 12, 0, true)
		flush(true, "ticks by me at 00:01:06: a/5 2026-11-23 12")
		w.saveErr = nil
		flush(true, "")

		// With enough of them they do not wait.
		for n := range store.MarksPerStatement - 1 {
			record(w.take(shopName(n)), day, n+1, 0, n%2 == 0)
		}
		flush(false, "")
		record(a, day, 20, 0, false)
		if err := w.FlushTicks(t.Context(), false); err != nil || len(w.journal) != 2 {
			t.Errorf("%d statements, %v", len(w.journal), err)
		}
	})
}

// TestLog: what is logged of passes, with what; of a budget that stays short only every 60th
// time.
func TestLog(t *testing.T) {
	t.Parallel()
	failure := errors.New("oops")
	short := &source.Error{Class: plan.ClassDay, Err: errors.New("short")}
	refused := &source.Error{Class: plan.ClassPart, Err: errors.New("refused")}
	losses := plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Detail: "why"}}
	for _, c := range []struct {
		name     string
		failures int
		holds    plan.Holds
		report   reconcile.Report
		err      error
		failErr  error
		want     []string
	}{
		{name: "a good tick", report: reconcile.Report{Ticked: midnight}},
		{name: "a failure", failures: 2, err: failure, want: []string{"warning: the shop could not be reconciled error=oops failures=3 retry_in=10s shop=shop1"}},
		{name: "a failure of a held shop", holds: losses, err: failure,
			want: []string{"warning: the shop could not be reconciled error=oops failures=1 held=" + losses.Codes() + " retry_in=4s shop=shop1"}},
		{name: "a failure that cannot be saved", err: failure, failErr: errors.New("down"),
			want: []string{"warning: the shop could not be reconciled error=oops failures=1 retry_in=4s shop=shop1", "error: cannot save the shop's failure error=down shop=shop1"}},
		{name: "a short budget", report: reconcile.Report{Short: short}, want: []string{"warning: the budget is short of calls: this tick waits, and what still has some goes on error=short shop=shop1"}},
		{name: "for the second time", failures: 1, report: reconcile.Report{Short: short}},
		{name: "for the 60th time", failures: 59, report: reconcile.Report{Short: short}},
		{name: "for the 61st time", failures: 60, report: reconcile.Report{Short: refused},
			want: []string{"warning: reads of a part are refused that is held for another reason: it is retried now and then, the rest continues error=refused shop=shop1"}},
		{name: "another lagerd", err: store.ErrFenced, want: []string{"warning: another lagerd has taken the shop shop=shop1"}},
		{name: "a shop that is removed", err: store.ErrSettingsChanged, want: []string{"info: the shop has been removed shop=shop1"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newScripted(t)
			log, hook := test.NewNullLogger()
			w.o.Reconcile.Log = log
			e := w.take("shop1")
			e.failures, w.holds, w.failErr = c.failures, c.holds, c.failErr
			w.stored = func(string) (store.Shop, error) { return store.Shop{}, store.ErrNoShop }
			w.pass = func(reconcile.Due) (reconcile.Report, error) { return c.report, c.err }
			w.queue.add("shop1", tick, true)
			w.run()
			w.queue.stop()
			var got []string
			for _, e := range hook.AllEntries() {
				line := e.Level.String() + ": " + e.Message
				for _, key := range slices.Sorted(maps.Keys(e.Data)) {
					line += fmt.Sprintf(" %s=%v", key, e.Data[key])
				}
				got = append(got, line)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: it logs %q,\nexpected %q", c.name, got, c.want)
			}
		})
	}
}

// TestParkedRetry: while many passes are slow, only a shop whose last call was not answered
// waits, unless a person asks for it.
func TestParkedRetry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hangs  bool
		due    reconcile.Due
		slow   int
		parked bool
	}{
		{true, tick, retriesAtOnce, true},
		{true, tick, retriesAtOnce - 1, false},
		{false, tick, retriesAtOnce, false},
		{true, reconcile.Due{Work: true, Requested: true}, retriesAtOnce, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newScripted(t)
			e := w.take("shop1")
			e.hangs = c.hangs
			slow := 0
			w.pass = func(reconcile.Due) (reconcile.Report, error) {
				slow = w.limits.slow
				return reconcile.Report{}, nil
			}
			w.limits.slow = c.slow
			w.queue.add("shop1", c.due, true)
			w.run()
			if parked := w.did() == "parked shop1"; parked != c.parked {
				t.Errorf("%+v: it is parked: %t", c, parked)
			}
			want := c.slow
			if c.hangs && !c.parked {
				want++ // it is expected to hang again
			}
			if !c.parked && slow != want || w.limits.slow != c.slow {
				t.Errorf("%+v: %d passes were slow, then %d", c, slow, w.limits.slow)
			}
			if c.parked {
				if got := w.upcoming(); got != "tick after 1m0s" {
					t.Errorf("next: %s", got)
				}
			}
		})
	}
}

// TestTakeOfAMissedTick: a shop whose tick passed while it was taken over is served before the
// bulk of those that are taken over.
func TestTakeOfAMissedTick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newScripted(t)
		w.o.Schedule = multiples(time.Minute)
		time.Sleep(30 * time.Second)
		for _, offset := range []int{0, 290, 300, 301} {
			w.Take(t.Context(), &store.Shop{Shop: shopAt(offset)}, 1)
		}
		for _, want := range []int{290, 300} {
			if shop, due, ok := w.queue.get(false); !ok || offsetOf(shop) != want || due != (reconcile.Due{Tick: true, Work: true}) {
				t.Errorf("%q is next, for %q, expected that of offset %d", shop, dueText(due), want)
			}
		}
		if shop, _, ok := w.queue.get(false); ok {
			t.Errorf("%s is not in the bulk", shop)
		}
		for _, want := range []int{0, 301} {
			if shop, due := next(t, w.queue); offsetOf(shop) != want || due != (reconcile.Due{Tick: true, Work: true}) {
				t.Errorf("%q is next, for %q, expected that of offset %d", shop, dueText(due), want)
			}
		}
	})
}

// TestWakeOfAPartialShop: while what is read with one of a shop's tokens fails, the shop is woken
// for what is due every ten seconds, though it is due each second, and at once where the clock was
// set back. Once both work, it is woken each time.
func TestWakeOfAPartialShop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newScripted(t)
		w.take("shop1")
		partial := true
		w.pass = func(reconcile.Due) (reconcile.Report, error) { return reconcile.Report{Partial: partial}, nil }
		passes := func(when string, seconds, want int) {
			t.Helper()
			got := 0
			for range seconds {
				if w.Wake([]string{"shop1"}); w.Waiting() > 0 {
					w.run()
					got++
				}
				time.Sleep(time.Second)
			}
			if got != want {
				t.Errorf("%s: %d passes in %d s, expected %d", when, got, seconds, want)
			}
		}
		passes("it begins to fail", 30, 4) // the first pass shows that, the second one is the first in vain
		w.ahead.Store(int64(-time.Hour))
		passes("the clock is set back", 30, 3)
		partial = false
		passes("both work", 5, 5)
	})
}
