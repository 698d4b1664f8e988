package reconcile_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/budget"
	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/schedule"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	budgets "lagerd/source/remote"
	"lagerd/store"
)

// hanging never answers the requests that it is told of.
type hanging struct {
	*remote
	mu   sync.Mutex
	when func(*http.Request) bool
	hung int
}

func (h *hanging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	hangs := h.when(r)
	if hangs {
		h.hung++
	}
	h.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return
	}
	h.remote.ServeHTTP(w, r)
}

func (h *hanging) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hung
}

// passes tells of each pass that ended.
type passes chan error

func (p passes) Changed(string, []plan.Change, time.Time)    {}
func (p passes) PDFStored(string, int)                       {}
func (p passes) BadItem(string)                              {}
func (p passes) Warned(string, plan.Kind)                    {}
func (p passes) Passed(_ string, _ time.Duration, err error) { p <- err }
func (p passes) Overflowed(string, int64, int64)             {}
func (p passes) Fenced(string)                               {}
func (p passes) next(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("no pass ends")
		return nil
	}
}

const gives = 300 * time.Millisecond // the client's timeout

// scheduled runs a scheduler that has the fixture's shop, with pages of so many items,
// one in each pass.
func scheduled(t *testing.T, f *fixture, h http.Handler, pageSize int) passes {
	t.Helper()
	_, done := scheduler(t, f, h, func(o *reconcile.Options) { o.PageSize = pageSize })
	return done
}

// service reads as a lagerd does.
func service(client *economic.Client, o reconcile.Options) source.Service {
	return &economicsource.Service{Client: client, PageSize: o.PageSize,
		Accounts: budgets.Accounts{Budgets: budget.Options{DailyCalls: o.DailyCalls, Concurrency: 2, Patience: 3 * time.Second, Now: o.Now}}}
}

// scheduler is one whose options a test may set otherwise. It reads one page of a
// listing in each pass.
func scheduler(t *testing.T, f *fixture, h http.Handler, set func(*reconcile.Options)) (*schedule.Scheduler, passes) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	log := logrus.New()
	log.SetOutput(t.Output())
	done := make(passes, 1000)
	o := reconcile.Options{
		Store: f.Store, Open: func(string, []byte) (string, error) { return "grant", nil }, Log: log, Observer: done,
		Now: time.Now, Jitter: func(most time.Duration) time.Duration { return most / 2 },
		Limits: reconcile.Limits{PDFConcurrency: 4, DailyCalls: 50_000, PageSize: 1000, UnpackAtOnce: store.UnpackedHints, HintCaps: plan.UsualHintCaps(),
			KeepHistory: 24 * time.Hour, KeepHints: time.Hour},
		Policy: plan.Policy{Overlap: 5 * time.Minute, Rereads: []time.Duration{time.Hour}, SweepEvery: 24 * time.Hour,
			RetryMin: 20 * time.Millisecond, RetryMax: 40 * time.Millisecond, HeldRetry: time.Minute, GapWindow: time.Hour, LateWithin: time.Minute,
			LossPercent: 25, LossMin: 20, LossWindow: time.Hour, LossWindowPercent: 50, LossWindowMin: 50},
	}
	set(&o)
	client, err := economic.New(economic.Options{RESTURL: server.URL, AppSecretToken: "app", Timeout: cmp.Or(f.gives, gives), Now: o.Now})
	must(t, err)
	o.Source = service(client, o)
	s := schedule.NewScheduler(schedule.Options{Reconcile: o, Observer: o.Observer.(schedule.Observer), Workers: 1, Instance: "me"})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	must(t, f.Store.TakeLeases(t.Context(), []string{"shop1234"}, "", "me", time.Now()))
	leases, err := f.Store.Leases(t.Context())
	must(t, err)
	s.Take(ctx, new(f.Shop), leases[0].Token)
	return s, done
}

// TestHungAgreement: a pass over an agreement that hangs takes up its worker for
// one call, however much is due.
func TestHungAgreement(t *testing.T) {
	f := newFixture(t)
	f.stock["a"], f.remote.invoices = "1", []string{booked(1, "2026-11-20")}
	h := &hanging{remote: f.remote, when: func(r *http.Request) bool { return r.URL.Path != "/self" }}
	done := scheduled(t, f, h, 1000)
	for n := 1; n <= 3; n++ {
		if err := done.next(t); err == nil || !strings.Contains(err.Error(), "no complete answer within 300ms") {
			t.Fatalf("pass %d: %v", n, err)
		}
		if hung := h.count(); hung != n {
			t.Fatalf("%d passes have waited for %d calls", n, hung)
		}
	}
}

// TestHungInvoices: if only a part of e-conomic hangs, the other parts of the shop continue.
func TestHungInvoices(t *testing.T) {
	f := newFixture(t)
	f.stock["a"] = "1"
	h := &hanging{remote: f.remote, when: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/invoices") }}
	done := scheduled(t, f, h, 1000)
	for n := 1; ; n++ {
		_ = done.next(t)
		items, err := f.Store.Items(t.Context(), "shop1234", []string{"a"})
		must(t, err)
		if len(items) == 1 {
			return
		}
		if n == 4 {
			t.Fatal("no stock is stored while invoices hang")
		}
	}
}

// TestHungItem: hints that cannot be read together because one of them makes
// e-conomic hang are read one by one; that one waits, the others do not.
func TestHungItem(t *testing.T) {
	f := newFixture(t)
	for _, number := range []string{"a", "bad", "c"} {
		f.stock[number] = "5"
		f.has(number, "1")
	}
	now := store.At(time.Now())
	// A shop that has been swept, of more items than are read whole each tick.
	f.exec("UPDATE progress SET agreement_number = 7, items = 5000, swept_at = ?, items_cursor = ?, invoices_begun = 1, invoices_swept_at = ?", now, now, now)
	h := &hanging{remote: f.remote, when: func(r *http.Request) bool {
		return r.URL.Path == "/products/bad" || strings.Contains(r.URL.RawQuery, "bad") || r.URL.Path == "/products" && strings.Contains(r.URL.RawQuery, "lastUpdated")
	}}
	var hints []store.HintRecord
	for _, number := range []string{"a", "bad", "c"} {
		hints = append(hints, store.HintRecord{Shop: "shop1234", Kind: plan.KindStock, Number: number, Cause: plan.CauseWebhook, At: time.Now()})
	}
	must(t, f.Store.RecordHints(t.Context(), hints))
	done := scheduled(t, f, h, 1000)
	deadline := time.Now().Add(20 * time.Second)
	for {
		_ = done.next(t) // it fails as long as the bad one is among those read
		var open []string
		list, err := f.Store.Hints(t.Context(), "shop1234", plan.KindStock, []string{"a", "bad", "c"})
		must(t, err)
		for _, hint := range list {
			if hint.Open {
				open = append(open, hint.Number)
			}
		}
		if slices.Equal(open, []string{"bad"}) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still open: %v", open)
		}
	}
}
