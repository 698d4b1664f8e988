package enginetest

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	_ "modernc.org/sqlite" // the engine registers no driver

	"lagerd/config"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
	"lagerd/test/storetest"
)

// World is an engine with its surroundings.
type World struct {
	*engine.Engine
	T        testing.TB
	Store    *store.Store
	Metrics  *status.Metrics
	Shops    *Shops
	Economic sandboxtest.Client
	Log      *lagerdtest.Output
	Config   config.Config // may be changed and applied by Reload

	Transport http.RoundTripper // to e-conomic

	stop func()
}

// Unreadable is a grant token that cannot be decrypted.
const Unreadable = "sealed under another key"

// Options override the defaults.
type Options struct {
	Sandbox sandbox.Options        // Agreements and Products; the rest is set by Run
	Config  func(c *config.Config) // changes the default of tests, which has no ticks
	Pace    func(p *engine.Pace)
	Begin   time.Time // when the test begins; zero: when bubbles do
}

// Run runs a test in a bubble with a running engine. The test adds the shops.
func Run(t *testing.T, o Options, test func(t *testing.T, w *World)) {
	t.Helper()
	path := storetest.New(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, path, o)
		defer w.close()
		test(t, w)
	})
}

func newWorld(t *testing.T, path string, o Options) *World {
	t.Helper()
	time.Sleep(time.Until(o.Begin))
	w := &World{T: t, Metrics: status.NewMetrics("test"), Log: lagerdtest.NewTranscript()}
	var err error
	w.Store, err = store.Open(t.Context(), store.Options{Path: path})
	w.must(err)
	w.Shops = &Shops{store: w.Store, generation: -1}

	o.Sandbox.AppToken, o.Sandbox.Bucket, o.Sandbox.MaxURL, o.Sandbox.Seed = lagerdtest.AppToken, 1_000_000, 4000, 1
	box := sandbox.New(o.Sandbox)
	direct := direct{box.Handler()}
	w.Transport = direct
	w.Economic = sandboxtest.Client{URL: "http://e-conomic.test", HTTP: &http.Client{Transport: direct}}

	c := config.Default()
	c.Economic.RESTURL, c.Economic.AppSecretToken = w.Economic.URL, secret.NewText(lagerdtest.AppToken)
	c.Rackbeat.URL = w.Economic.URL + "/api/"
	c.Reconcile.Schedule = "0 0 29 2 *"
	if o.Config != nil {
		o.Config(&c)
	}
	pace := engine.Usual()
	if o.Pace != nil {
		o.Pace(&pace)
	}
	w.Config = c
	log := logrus.New()
	log.SetOutput(w.Log)
	log.SetLevel(logrus.DebugLevel)
	instances := 0
	w.Engine, err = engine.New(c, engine.Options{
		Store: w.Store, Open: open, OpenRackbeat: open, OpenHook: open, Shops: w.Shops,
		Metrics: w.Metrics, Log: log, Now: time.Now, Pace: pace, Transport: direct,
		Jitter: func(most time.Duration) time.Duration { return most / 2 },
		Instance: func() store.Instance {
			instances++
			return store.Instance{Instance: fmt.Sprint("lagerd", instances), Host: fmt.Sprint("web", instances), Version: "test", StartedAt: store.At(time.Now())}
		},
	})
	w.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Engine.Run(ctx)
	}()
	w.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		box.Close()
		if t.Failed() {
			t.Logf("log of the engine:\n%s", w.Log.Tail(40))
		}
	})
	return w
}

// open takes the grant token as it is stored.
func open(shop string, sealed []byte) (string, error) {
	if string(sealed) == Unreadable {
		return "", fmt.Errorf("shop %s: the token does not open", shop)
	}
	return string(sealed), nil
}

// Stop ends the engine, and returns when it has ended.
func (w *World) Stop() { w.stop() }

func (w *World) close() {
	w.stop()
	if err := w.Store.Close(); err != nil {
		w.T.Error(err)
	}
}

func (w *World) must(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// AddShop adds a shop for an agreement of the sandbox, with all its invoices.
func (w *World) AddShop(name string, agreement int) {
	w.T.Helper()
	w.must(w.Store.AddShop(w.T.Context(), store.Shop{Shop: name, GrantToken: []byte(lagerdtest.Grant(agreement)), StockOn: true, StockFigure: plan.FigureInStock,
		StockSource: store.SourceEconomic, InvoicesOn: true, InvoicesFromNumber: 1, OrderField: plan.OrderInOtherReference}, []byte(name), time.Now()))
}

// MoveToRackbeat opens a Rackbeat account for an agreement and makes the shop's stock be read
// there.
func (w *World) MoveToRackbeat(name string, agreement int) {
	w.T.Helper()
	key := lagerdtest.RackbeatKey(agreement)
	w.must(w.Economic.Send(http.MethodPut, fmt.Sprintf("/sandbox/agreements/%d/rackbeat", agreement), map[string]any{"key": key}, nil))
	w.must(w.Store.ChangeStockSource(w.T.Context(), name, store.StockChange{Source: store.SourceRackbeat, Key: []byte(key)}, time.Now()))
}

// Set changes a shop's settings as a command does.
func (w *World) Set(name string, change func(*store.Shop)) {
	w.T.Helper()
	w.must(w.Store.SetShop(w.T.Context(), name, time.Now(), func(s *store.Shop) error {
		change(s)
		return nil
	}))
}

// Does triggers an event at the first agreement: "sell", "book" and so on.
func (w *World) Does(what string, body any) {
	w.T.Helper()
	w.must(w.Economic.Post(lagerdtest.FirstAgreement, what, body, nil))
}

// Faults makes e-conomic misbehave from now on.
func (w *World) Faults(named map[string]any) {
	w.T.Helper()
	w.must(w.Economic.Faults(named))
}

// Within lets time pass until the condition holds, and fails the test if it does not within the
// given time.
func (w *World) Within(most time.Duration, what string, so func() bool) {
	w.T.Helper()
	for deadline := time.Now().Add(most); !so(); time.Sleep(min(5*time.Second, most/100)) {
		if time.Now().After(deadline) {
			w.T.Fatalf("not within %s: %s", most, what)
		}
	}
}

// Row returns one value of the database as text; "" if there is no row.
func (w *World) Row(query string, args ...any) (text string) {
	w.T.Helper()
	db, err := sql.Open("sqlite", "file:"+w.Store.Path()+"?_pragma=busy_timeout(10000)")
	w.must(err)
	defer db.Close()
	var value sql.NullString
	if err := db.QueryRow(query, args...).Scan(&value); err != nil && err != sql.ErrNoRows {
		w.T.Fatalf("%s: %v", query, err)
	}
	return value.String
}

// Exec executes a statement that no lagerd would.
func (w *World) Exec(statement string, args ...any) {
	w.T.Helper()
	db, err := sql.Open("sqlite", "file:"+w.Store.Path()+"?_pragma=busy_timeout(10000)")
	w.must(err)
	defer db.Close()
	_, err = db.Exec(statement, args...)
	w.must(err)
}

// Scrape returns the metrics as Prometheus reads them.
func (w *World) Scrape() string {
	rec := httptest.NewRecorder()
	w.Metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return rec.Body.String()
}

// Metric returns the value of a metric, named with its labels; 0 if it is missing.
func (w *World) Metric(name string) float64 { return lagerdtest.Metric(w.Scrape(), name) }

// Calls returns the number of requests to e-conomic.
func (w *World) Calls() int {
	w.T.Helper()
	var stats []struct{ CallsToday int }
	w.must(w.Economic.Send(http.MethodGet, "/sandbox/stats", nil, &stats))
	calls := 0
	for _, s := range stats {
		calls += s.CallsToday
	}
	return calls
}

// Shops implements engine.Shops as the daemon does.
type Shops struct {
	store *store.Store

	mu         sync.Mutex
	generation int64
	shops      map[string]*store.Shop
}

// Shop implements engine.Shops.
func (x *Shops) Shop(name string) (*store.Shop, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	shop, ok := x.shops[name]
	return shop, ok
}

// Generation implements engine.Shops.
func (x *Shops) Generation() int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.generation
}

// Refresh implements engine.Shops.
func (x *Shops) Refresh(ctx context.Context) error {
	generation, err := x.store.ShopsGeneration(ctx)
	if err != nil || generation == x.Generation() {
		return err
	}
	list, err := x.store.Shops(ctx)
	if err != nil {
		return err
	}
	shops := make(map[string]*store.Shop, len(list))
	for _, s := range list {
		shops[s.Shop] = &s
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.generation, x.shops = generation, shops
	return nil
}

// direct is a network that calls a handler directly, since in a bubble a real one does not
// share the clock.
type direct struct{ http.Handler }

// answersAfter is e-conomic's minimum latency: two reads without duration would count as one.
const answersAfter = 20 * time.Millisecond

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(answersAfter)
	rec := httptest.NewRecorder()
	d.ServeHTTP(rec, req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	res := rec.Result()
	res.Request = req
	return res, nil
}
