package engine

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/rackbeat"
	"lagerd/secret"
	economicsource "lagerd/source/economic"
	rackbeatsource "lagerd/source/rackbeat"
	"lagerd/status"
	"lagerd/store"
)

// TestReconcileOptions: each option comes from its own configuration key.
func TestReconcileOptions(t *testing.T) {
	t.Parallel()
	i := &instance{}
	n := int64(0)
	number(reflect.ValueOf(&i.cfg).Elem(), &n)
	number(reflect.ValueOf(&i.Pace).Elem(), &n)
	i.source, i.stock = i.newSource(), i.newRackbeatSource()
	r, c := i.reconcileOptions(), i.cfg
	read, stock := r.Source.(*economicsource.Service), r.Rackbeat.(*rackbeatsource.Service)
	keys := map[string][2]any{
		"Concurrency": {read.Budgets.Concurrency, c.Economic.Concurrency}, "budgets' DailyCalls": {read.Budgets.DailyCalls, c.Economic.DailyCalls},
		"pages read": {read.PageSize, i.Pace.PageSize}, "PDFConcurrency": {r.PDFConcurrency, c.PDF.Concurrency}, "DailyCalls": {r.DailyCalls, c.Economic.DailyCalls},
		"RackbeatDailyCalls": {r.RackbeatDailyCalls, c.Rackbeat.DailyCalls},
		"PageSize":           {r.PageSize, i.Pace.PageSize}, "ListingTurn": {r.ListingTurn, i.Pace.ListingTurn}, "UnpackAtOnce": {r.UnpackAtOnce, i.Pace.UnpackAtOnce},
		"Overlap": {r.Overlap, c.Reconcile.Overlap}, "SweepEvery": {r.SweepEvery, c.Reconcile.SweepEvery},
		"RetryMin": {r.RetryMin, c.Reconcile.RetryMin}, "RetryMax": {r.RetryMax, c.Reconcile.RetryMax}, "HeldRetry": {r.HeldRetry, c.Reconcile.HeldRetry},
		"GapWindow": {r.GapWindow, c.Reconcile.GapWindow}, "LateWithin": {r.LateWithin, c.Reconcile.LateWithin},
		"KeepHistory": {r.KeepHistory, c.Retention.History}, "KeepHints": {r.KeepHints, c.Retention.Hints},
		"LossPercent": {r.LossPercent, c.Reconcile.LossPercent}, "LossMin": {r.LossMin, c.Reconcile.LossMin}, "LossWindow": {r.LossWindow, c.Reconcile.LossWindow},
		"LossWindowPercent": {r.LossWindowPercent, c.Reconcile.LossWindowPercent}, "LossWindowMin": {r.LossWindowMin, c.Reconcile.LossWindowMin},
		"Rereads": {r.Rereads[0], c.Reconcile.Rereads[0]}, "Patience": {read.Budgets.Patience, patience},
		"Rackbeat's DailyCalls": {stock.Budgets.DailyCalls, c.Rackbeat.DailyCalls}, "Rackbeat's PerMinute": {stock.Budgets.PerMinute, c.Rackbeat.CallsPerMinute},
		"Rackbeat's Patience": {stock.Budgets.Patience, rackbeatPatience},
		"e-conomic's books":   {read.Books.(Books).Service, store.ServiceEconomic}, "Rackbeat's books": {stock.Books.(Books).Service, store.ServiceRackbeat},
	}
	for field, is := range keys {
		if is[0] != is[1] {
			t.Errorf("%s is %v, expected %v", field, is[0], is[1])
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(r)) {
		switch f.Type.Kind() {
		case reflect.Int, reflect.Int64, reflect.Slice:
			if _, known := keys[f.Name]; !known {
				t.Errorf("where does %s come from?", f.Name)
			}
		default:
		}
	}
}

// number sets each numeric field in v to a distinct value.
func number(v reflect.Value, n *int64) {
	switch {
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			number(field, n)
		}
	case v.Kind() == reflect.Int, v.Kind() == reflect.Int64:
		*n++
		v.SetInt(*n)
	case v.Type() == reflect.TypeFor[[]time.Duration]():
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		number(v.Index(0), n)
	}
}

// header is a transport that keeps a request's header and answers nothing.
type header struct{ sent http.Header }

func (h *header) RoundTrip(r *http.Request) (*http.Response, error) {
	h.sent = r.Header
	return nil, errors.New("no answer")
}

// TestInstance: what a new instance's leases are kept with, what it reads the time from, and
// what its calls are sent and counted as.
func TestInstance(t *testing.T) {
	t.Parallel()
	var cfg config.Config
	n := int64(0)
	number(reflect.ValueOf(&cfg).Elem(), &n)
	cfg.Reconcile.Schedule, cfg.Economic.RESTURL, cfg.Economic.AppSecretToken = "* * * * *", "http://e-conomic.test", secret.NewText("app")
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	transport, metrics, opened := &header{}, status.NewMetrics("x"), ""
	info := store.Instance{Instance: "me", Host: "host", PID: 7, Version: "1.2.3", StartedAt: store.At(noon)}
	i, err := newInstance(cfg, Options{
		Store: &store.Store{}, Metrics: metrics, Log: logrus.New(), Transport: transport, Now: func() time.Time { return noon },
		Jitter:       func(most time.Duration) time.Duration { return most },
		Open:         func(shop string, _ []byte) (string, error) { opened = shop; return "grant", nil },
		OpenRackbeat: func(shop string, _ []byte) (string, error) { opened = shop; return "key", nil },
		Instance:     func() store.Instance { return info }, Pace: Pace{LookForFree: 1234},
	})
	if err != nil {
		t.Fatal(err)
	}
	k := i.keeper.Options
	if k.Beat != cfg.Lease.Beat || k.TTL != cfg.Lease.TTL || k.LookForFree != 1234 || !reflect.DeepEqual(k.Instance, info) || k.Holder != i || k.Leases != i.Store || !k.Now().Equal(noon) {
		t.Errorf("leases are kept with %+v", k)
	}
	r := i.reconcile
	if !r.Now().Equal(noon) || r.Jitter(3) != 3 || r.Observer != metrics || !r.Source.(*economicsource.Service).Budgets.Now().Equal(noon) {
		t.Errorf("shops are reconciled with %+v", r)
	}
	if grant, err := r.Open("shop1", nil); grant != "grant" || opened != "shop1" || err != nil {
		t.Errorf("the token of %s is opened: %s, %v", opened, grant, err)
	}
	if key, err := r.OpenRackbeat("shop2", nil); key != "key" || opened != "shop2" || err != nil {
		t.Errorf("the key of %s is opened: %s, %v", opened, key, err)
	}
	read, err := i.client.Agreement("grant", budget.New(budget.Options{})).Product(t.Context(), budget.PriorityHint, "a")
	if err == nil || !read.Began.Equal(noon) {
		t.Errorf("a call began %s, %v", read.Began, err)
	}
	if got := transport.sent.Get("User-Agent"); got != "lagerd/1.2.3" {
		t.Errorf("a call is sent as %q", got)
	}
	shown := httptest.NewRecorder()
	metrics.Handler().ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if want := `lagerd_economic_calls_total{endpoint="product",result="unavailable"} 1`; !strings.Contains(shown.Body.String(), want) {
		t.Errorf("%s is not counted", want)
	}
	for name, change := range map[string]func(c *config.Config){
		"a schedule": func(c *config.Config) { c.Reconcile.Schedule = "sometimes" }, "an address": func(c *config.Config) { c.Economic.RESTURL = "x" },
	} {
		bad := cfg
		change(&bad)
		if _, err := newInstance(bad, i.Options); err == nil {
			t.Errorf("%s that is invalid is no error", name)
		}
	}
}

// TestPruneEvery: rows are pruned every hour, those that are kept for less than ten more often.
func TestPruneEvery(t *testing.T) {
	t.Parallel()
	for keep, want := range map[time.Duration]time.Duration{7 * 24 * time.Hour: time.Hour, 10 * time.Hour: time.Hour, time.Hour: 6 * time.Minute} {
		if got := pruneEvery(keep); got != want {
			t.Errorf("rows kept for %s are pruned every %s, expected %s", keep, got, want)
		}
	}
}

// TestOddHeaderIsLogged: a header of e-conomic's or Rackbeat's that makes no sense is named, now and
// then, whatever the other sends.
func TestOddHeaderIsLogged(t *testing.T) {
	t.Parallel()
	for of, call := range map[string]func(i *instance, header string){
		"e-conomic": func(i *instance, header string) {
			i.called(economic.Call{Endpoint: "products", OddHeader: header})
		},
		"Rackbeat": func(i *instance, header string) {
			i.calledRackbeat(rackbeat.Call{Endpoint: "products", OddHeader: header})
		},
	} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			testOddHeaderIsLogged(t, of, call)
		})
	}
}

func testOddHeaderIsLogged(t *testing.T, of string, call func(i *instance, header string)) {
	t.Helper()
	log, logged := logrustest.NewNullLogger()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	i := &instance{Options: Options{Log: log, Metrics: status.NewMetrics("test"), Now: func() time.Time { return now }}}
	for _, step := range []struct {
		after  time.Duration
		header string
		lines  int // so far
	}{{0, "", 0}, {0, "X-RateLimiting: plenty", 1}, {oddEvery - 1, "X-RateLimiting: plenty", 1}, {1, "X-RateLimiting: plenty", 2}, {time.Hour, "", 2}} {
		now = now.Add(step.after)
		call(i, step.header)
		if got := len(logged.AllEntries()); got != step.lines {
			t.Errorf("%+v: %d lines", step, got)
		}
	}
	if e := logged.LastEntry(); !strings.HasPrefix(e.Message, of+"'s header") || e.Data["header"] != "X-RateLimiting: plenty" || e.Data["endpoint"] != "products" {
		t.Errorf("logged %v %v", e.Message, e.Data)
	}
}
