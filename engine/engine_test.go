package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/storetest"
	"lagerd/webhook"
)

const (
	shop  = "shop1234"
	grant = "sandbox-grant-1"
	item  = "5701234567890" // any number: the sandbox answers for unknown ones too
)

// fixture is an engine with one shop, its own database and a sandbox e-conomic.
type fixture struct {
	*engine.Engine
	t         *testing.T
	store     *store.Store
	cfg       config.Config
	metrics   *status.Metrics
	log       *logtest.Hook
	instances atomic.Int64
	stored    atomic.Int64 // writes of webhooks, as it was told
	refused   atomic.Int64 // those that failed
	ended     chan struct{}
	stop      context.CancelFunc
}

// opened returns a secret, which these tests store in the clear.
func opened(_ string, sealed []byte) (string, error) { return string(sealed), nil }

// shops implements engine.Shops for a shop that nobody changes.
type shops struct {
	store *store.Store
	known atomic.Pointer[store.Shop]
}

func (x *shops) Shop(name string) (*store.Shop, bool) {
	known := x.known.Load()
	return known, known != nil && known.Shop == name
}

func (x *shops) Generation() int64 {
	if known := x.known.Load(); known != nil {
		return known.Generation
	}
	return 0
}

func (x *shops) Refresh(ctx context.Context) error {
	known, err := x.store.Shop(ctx, shop)
	if err == nil {
		x.known.Store(&known)
	}
	return err
}

// newFixture returns an engine that is not running yet.
func newFixture(t *testing.T, set func(c *config.Config)) *fixture {
	t.Helper()
	s := storetest.Open(t)
	must(t, s.AddShop(t.Context(), store.Shop{Shop: shop, GrantToken: []byte(grant), StockOn: true, StockFigure: plan.FigureInStock,
		StockSource: store.SourceEconomic, OrderField: plan.OrderInOtherReference}, []byte("hash"), time.Now()))
	economic := httptest.NewServer(sandbox.New(sandbox.Options{Agreements: 1, Products: 5, Seed: 1, AppToken: "app", Bucket: 1 << 60, MaxURL: 4000}).Handler())
	t.Cleanup(economic.Close)
	log, hook := logtest.NewNullLogger()
	f := &fixture{t: t, store: s, cfg: config.Default(), metrics: status.NewMetrics("test"), log: hook, ended: make(chan struct{})}
	f.cfg.Economic.RESTURL, f.cfg.Economic.AppSecretToken = economic.URL, secret.NewText("app")
	f.cfg.Lease = config.Lease{Beat: 200 * time.Millisecond, TTL: time.Second}
	f.cfg.Reconcile.Schedule, f.cfg.Reconcile.Workers = "@every 1s", 2
	if set != nil {
		set(&f.cfg)
	}
	var err error
	pace := engine.Usual()
	pace.LookForFree, pace.Poll = 20*time.Millisecond, 50*time.Millisecond
	f.Engine, err = engine.New(f.cfg, engine.Options{
		Store: s, Open: opened, OpenRackbeat: opened, OpenHook: opened, Shops: &shops{store: s},
		Metrics: f.metrics, Log: log, Now: time.Now, Pace: pace,
		Jitter: func(time.Duration) time.Duration { return 0 },
		Instance: func() store.Instance {
			return store.Instance{Instance: fmt.Sprint("lagerd-", f.instances.Add(1)), Host: "test", Version: "1.2.3", StartedAt: store.At(time.Now())}
		},
		Recorded: func(err error) {
			if f.stored.Add(1); err != nil {
				f.refused.Add(1)
			}
		},
	})
	must(t, err)
	return f
}

func (f *fixture) run() {
	ctx, stop := context.WithCancel(f.t.Context())
	f.stop = stop
	go func() {
		defer close(f.ended)
		f.Run(ctx)
	}()
	f.t.Cleanup(func() {
		stop()
		<-f.ended
	})
}

func (f *fixture) hint() webhook.Hint {
	return webhook.Hint{Shop: shop, Kind: webhook.Kind(plan.KindStock), Number: item, ReceivedAt: time.Now()}
}

// until waits until the condition holds.
func (f *fixture) until(what string, is func() bool) {
	f.t.Helper()
	for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			f.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// holder returns who holds the shop's lease.
func (f *fixture) holder() string {
	f.t.Helper()
	leases, err := f.store.Leases(context.WithoutCancel(f.t.Context()))
	must(f.t, err)
	return leases[0].Holder
}

func (f *fixture) swept() bool {
	f.t.Helper()
	p, err := f.store.Progress(f.t.Context(), shop)
	must(f.t, err)
	return !p.SweptAt.IsZero()
}

// answered reports whether no hint is open.
func (f *fixture) answered() bool {
	f.t.Helper()
	n, err := f.store.Totals(f.t.Context())
	must(f.t, err)
	return n.OpenHints == 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReload: a new instance takes the shops over while webhooks are still recorded; an
// invalid configuration changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.run()
	f.until("the shop is swept", f.swept)
	first := f.Instance()
	if f.holder() != first || f.Going().Shops != 1 {
		t.Fatalf("%s holds the shop, and the engine %d, as %s", f.holder(), f.Going().Shops, first)
	}

	bad := f.cfg
	bad.Reconcile.Schedule = "never"
	if err := f.Reload(bad); err == nil || f.Instance() != first || f.Going().Shops != 1 {
		t.Errorf("a bad configuration: %v, and now it is %s with %d shops", err, f.Instance(), f.Going().Shops)
	}

	stop, stopped := make(chan struct{}), make(chan error, 1)
	recorded := atomic.Int64{}
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := f.Record(context.WithoutCancel(t.Context()), f.hint()); err != nil {
				stopped <- err
				return
			}
			recorded.Add(1)
		}
	}()
	f.until("webhooks are recorded", func() bool { return recorded.Load() > 2 })
	must(t, f.Reload(f.cfg))
	if f.Instance() == first {
		t.Errorf("it is %s still", first)
	}
	after := recorded.Load()
	f.until("webhooks are recorded after the reload", func() bool { return recorded.Load() > after+2 })
	close(stop)
	if err := <-stopped; err != nil {
		t.Errorf("a webhook was not recorded: %v", err)
	}
	f.until("the shop has another holder", func() bool { return f.Going().Shops == 1 && f.holder() == f.Instance() })
	f.until("the hints are answered", f.answered)

	f.stop()
	<-f.ended
	if holder := f.holder(); holder != "" {
		t.Errorf("%s still holds the lease", holder)
	}
	if err := f.Reload(f.cfg); err == nil {
		t.Error("an engine that has ended was reloaded")
	}
	if err := f.Record(context.WithoutCancel(t.Context()), f.hint()); !errors.Is(err, webhook.ErrStopped) {
		t.Errorf("an engine that has ended records: %v", err)
	}
}

// TestReloadTakesOver: the new configuration is in force after a reload.
func TestReloadTakesOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" })
	f.run()
	f.until("the shop is swept", f.swept)
	const never = "lagerd_last_tick_timestamp_seconds 0\n"
	metrics := func() string {
		shown := httptest.NewRecorder()
		f.metrics.Handler().ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return shown.Body.String()
	}
	if !strings.Contains(metrics(), never) {
		t.Fatal("it has ticked although the schedule does not say so")
	}
	f.cfg.Reconcile.Schedule = "@every 1s"
	must(t, f.Reload(f.cfg))
	f.until("it ticks", func() bool { return !strings.Contains(metrics(), never) })
}

// TestQueue: the configuration limits how many webhooks wait for their commit.
func TestQueue(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *config.Config) { c.Webhook.Queue = 2 }) // it does not run: nothing is committed
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range 2 {
		if err := f.Record(over, f.hint()); !errors.Is(err, context.Canceled) || f.Queued() != n+1 {
			t.Fatalf("%d: %v, and %d wait", n, err, f.Queued())
		}
	}
	if err := f.Record(over, f.hint()); !errors.Is(err, webhook.ErrFull) {
		t.Errorf("beyond the queue: %v", err)
	}
}

// TestStopCommits: a stop commits the queued hints.
func TestStopCommits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	h := f.hint()
	h.ReceivedAt = h.ReceivedAt.Add(-time.Minute)
	_ = f.Record(over, h)
	f.Run(over)
	if n, err := f.store.Totals(t.Context()); n.OpenHints != 1 || err != nil {
		t.Errorf("%d hints are recorded, %v", n.OpenHints, err)
	}
	if f.stored.Load() != 1 || f.refused.Load() != 0 {
		t.Errorf("it told of %d writes, of which %d failed", f.stored.Load(), f.refused.Load())
	}
	db, err := sql.Open("sqlite", f.store.Path())
	must(t, err)
	defer db.Close()
	var of, data string
	must(t, db.QueryRow("SELECT shop, data FROM hint_batches").Scan(&of, &data))
	if want := fmt.Sprintf(`[{"kind":"stock","number":%q,"at_us":%d}]`, item, h.ReceivedAt.UnixMicro()); of != shop || data != want {
		t.Errorf("recorded for %s: %s, expected %s", of, data, want)
	}
	for _, e := range f.log.AllEntries() {
		if e.Level <= logrus.ErrorLevel {
			t.Errorf("logged: %s", e.Message)
		}
	}
}

// TestCannotCommit: hints that cannot be committed are an error to their callers, and logged.
func TestCannotCommit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	must(t, f.store.Close())
	over, cancel := context.WithCancel(t.Context())
	recorded := make(chan error)
	go func() { recorded <- f.Record(t.Context(), f.hint()) }()
	f.until("the hint waits", func() bool { return f.Queued() == 1 })
	cancel()
	f.Run(over)
	if err := <-recorded; err == nil {
		t.Error("the hint is recorded in no database")
	}
	if f.stored.Load() != 1 || f.refused.Load() != 1 {
		t.Errorf("it told of %d writes, of which %d failed", f.stored.Load(), f.refused.Load())
	}
	said := 0
	for _, e := range f.log.AllEntries() {
		if e.Message == "cannot commit hints: their webhooks are answered 503" && e.Level == logrus.ErrorLevel && e.Data["hints"] == 1 && e.Data["error"] != nil {
			said++
		}
	}
	if said != 1 {
		t.Errorf("it is logged %d times: %v", said, f.log.AllEntries())
	}
}

// TestNewClient: the client follows the configuration.
func TestNewClient(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[http.Request]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		if r.URL.Path == "/invoices/booked/7/pdf" {
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write([]byte("%PDF-1.4\n1 0 obj\n" + string(make([]byte, 2000)) + "%%EOF"))
			return
		}
		time.Sleep(time.Second)
	}))
	t.Cleanup(server.Close)
	cfg := config.Default()
	cfg.Economic.RESTURL, cfg.Economic.AppSecretToken, cfg.Economic.Timeout = server.URL, secret.NewText("app"), 50*time.Millisecond
	cfg.Economic.MaxURLBytes, cfg.PDF.MaxBytes = 500, 1024
	client, err := engine.NewClient(cfg, economic.Options{UserAgent: "lagerd/1.2.3"})
	must(t, err)
	agreement := client.Agreement(grant, budget.New(budget.Options{}))
	began := time.Now()
	if _, err = agreement.Self(t.Context(), budget.PriorityHint); !errors.Is(err, economic.ErrTimeout) || time.Since(began) > 900*time.Millisecond {
		t.Errorf("economic.timeout: %v after %s", err, time.Since(began))
	}
	if got := asked.Load().Header; got.Get("X-AppSecretToken") != "app" || got.Get("X-AgreementGrantToken") != grant || got.Get("User-Agent") != "lagerd/1.2.3" {
		t.Errorf("the request had %v", got)
	}
	if _, err = agreement.InvoicePDF(t.Context(), budget.PriorityHint, economic.Invoice{Number: 7}); err == nil {
		t.Error("pdf.max_bytes: a larger PDF was accepted")
	}
	ranges := make([]economic.Range, 100)
	for n := range ranges {
		ranges[n] = economic.Range{From: int64(n)*10 + 1_000_000, To: int64(n)*10 + 1_000_004}
	}
	cfg.Economic.MaxURLBytes = 4 * cfg.Economic.MaxURLBytes
	longer, err := engine.NewClient(cfg, economic.Options{})
	must(t, err)
	if short, long := client.FitRanges(ranges), longer.FitRanges(ranges); short < 1 || long < 3*short {
		t.Errorf("economic.max_url_bytes: %d ranges fit, and %d in four times as much", short, long)
	}
	cfg.Economic.AppSecretToken = secret.Text{}
	tokenless, err := engine.NewClient(cfg, economic.Options{})
	must(t, err)
	asked.Store(nil)
	if _, err := tokenless.Agreement("grant", nil).Self(t.Context(), budget.PriorityHint); err == nil || asked.Load() != nil {
		t.Errorf("a client without the app's token asks: %v", err)
	}
}

// TestNewRackbeat: that client follows the configuration's section for Rackbeat.
func TestNewRackbeat(t *testing.T) {
	t.Parallel()
	var asked atomic.Pointer[http.Request]
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
	}))
	t.Cleanup(server.Close)
	cfg := config.Default()
	cfg.Rackbeat.URL, cfg.Rackbeat.Contact, cfg.Rackbeat.Timeout, cfg.Economic.Timeout = server.URL+"/there", "drift@example.dk", 300*time.Millisecond, time.Hour
	client, err := engine.NewRackbeat(cfg, rackbeat.Options{})
	must(t, err)
	began := time.Now()
	if _, err = client.Account("key", nil, nil).Self(t.Context(), budget.PriorityHint); !errors.Is(err, rackbeat.ErrTimeout) || time.Since(began) > 900*time.Millisecond {
		t.Errorf("rackbeat.timeout: %v after %s", err, time.Since(began))
	}
	if got := asked.Load(); got.URL.Path != "/there/self" || got.Header.Get("Consumer-Contact") != "drift@example.dk" || got.Header.Get("Authorization") != "Bearer key" {
		t.Errorf("asked for %s with %v", got.URL, got.Header)
	}
	cfg.Rackbeat.URL = "x"
	if _, err := engine.NewRackbeat(cfg, rackbeat.Options{}); err == nil {
		t.Error("a client without an address")
	}
}
