package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	logrustest "github.com/sirupsen/logrus/hooks/test"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/notify"
	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/schedule"
	"lagerd/secret"
	"lagerd/source"
	"lagerd/status"
	"lagerd/store"
	"lagerd/test/storetest"
)

// shelf caches one shop, and counts how often it is reread.
type shelf struct {
	shop      store.Shop // without a name: none
	then      store.Shop // after it has been reread
	err       error      // of that
	refreshed int
	read      int64 // generation of the cached shops
}

func (s *shelf) Shop(name string) (*store.Shop, bool) {
	return new(s.shop), name == s.shop.Shop
}

func (s *shelf) Generation() int64 { return s.read }

func (s *shelf) Refresh(context.Context) error {
	s.refreshed++
	if s.err == nil {
		s.shop = s.then
	}
	return s.err
}

// noonOf is when the instances of these tests begin.
var noonOf = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// polled returns an instance that does not run, on a database of its own, with its clock.
func polled(t *testing.T, shops Shops, change func(c *config.Config)) (i *instance, now *time.Time) {
	t.Helper()
	now = new(noonOf)
	cfg := config.Default()
	cfg.Economic.RESTURL, cfg.Economic.AppSecretToken = "http://e-conomic.test", secret.NewText("app")
	if change != nil {
		change(&cfg)
	}
	log, _ := logrustest.NewNullLogger()
	opened := func(_ string, sealed []byte) (string, error) { return string(sealed), nil }
	i, err := newInstance(cfg, Options{
		Store: storetest.Open(t), Metrics: status.NewMetrics("x"), Log: log, Transport: &header{}, Now: func() time.Time { return *now },
		Jitter: func(most time.Duration) time.Duration { return most }, Open: opened, OpenRackbeat: opened, Shops: shops,
		Instance: func() store.Instance { return store.Instance{Instance: "me"} }, Pace: Usual(),
	})
	if err != nil {
		t.Fatal(err)
	}
	i.ctx = t.Context()
	return i, now
}

// metric returns the value of a metric, named with its labels.
func metric(t *testing.T, i *instance, name string) (value float64) {
	t.Helper()
	shown := httptest.NewRecorder()
	i.Metrics.Handler().ServeHTTP(shown, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(shown.Body.String()) {
		if _, err := fmt.Sscanf(line, name+" %g\n", &value); err == nil {
			return value
		}
	}
	t.Errorf("there is no metric %s", name)
	return 0
}

// TestTaken: work on a shop begins with settings that are at least as new as its lease, and not at all
// without any.
func TestTaken(t *testing.T) {
	t.Parallel()
	of := func(generation int64) store.Shop {
		return store.Shop{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: generation}
	}
	for name, c := range map[string]struct {
		shelf     shelf
		refreshed int
		want      bool
	}{
		"as they were read":                {shelf{shop: of(6)}, 0, true},
		"changed since its lease was read": {shelf{shop: of(7)}, 0, true},
		"changed since they were read":     {shelf{shop: of(5), then: of(6)}, 1, true},
		"added since":                      {shelf{then: of(6)}, 1, true},
		"removed since":                    {shelf{}, 1, false},
		"changed, and no database":         {shelf{shop: of(5), err: errors.New("away")}, 1, false},
	} {
		shops := c.shelf
		i, _ := polled(t, &shops, nil)
		if got := i.Taken(store.Lease{Shop: "shop1", Token: 3, Generation: 6}); got != c.want || shops.refreshed != c.refreshed || i.Holds("shop1") != c.want {
			t.Errorf("%s: taken %t after %d rereads, and worked on: %t\nwant %t after %d", name, got, shops.refreshed, i.Holds("shop1"), c.want, c.refreshed)
		}
		if i.Dropped("shop1"); i.Holds("shop1") {
			t.Errorf("%s: dropped, and still worked on", name)
		}
	}
}

// TestPollOnce: shops are reread if any has changed; requests are pruned each hour and gauges set each
// quarter of a minute, not with each poll.
func TestPollOnce(t *testing.T) {
	t.Parallel()
	shops := &shelf{}
	i, now := polled(t, shops, func(c *config.Config) { c.Retention.Requests = 10 * time.Hour })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	generation, err := i.Store.ShopsGeneration(t.Context())
	must(err)
	shops.read = generation
	old := 0
	add := func() { // a request that is too old, and a webhook
		t.Helper()
		old++
		must(i.Store.AddRequests(t.Context(), []store.Request{{Request: string(rune('a' + old)), Shop: "shop1", What: store.WantTick, RequestedAt: store.At(noonOf.Add(-24 * time.Hour))}}))
		must(i.Store.RecordWebhooks(t.Context(), []store.HintRecord{{Shop: "shop1", Kind: plan.KindStock, Number: "7", Cause: plan.CauseWebhook, At: now.Add(time.Minute)}}))
	}
	must(i.Store.AddShop(t.Context(), store.Shop{Shop: "shop1", GrantToken: []byte("x"), StockOn: true, StockSource: store.SourceEconomic}, []byte("hash"), noonOf))
	i.gaugedAt, i.prunedAt = noonOf, noonOf
	add()
	for _, step := range []struct {
		after  time.Duration
		left   int     // requests
		hints  float64 // as the gauge has them
		reread int     // shops, so far
	}{
		{time.Second, 1, 0, 1}, {13 * time.Second, 1, 0, 1}, {time.Second, 1, 2, 1}, // a quarter of a minute
		{14 * time.Second, 1, 2, 1}, {time.Second, 1, 3, 1},
		{time.Hour - 31*time.Second, 1, 4, 1}, {time.Second, 0, 4, 1}, // an hour
		{59*time.Minute + 59*time.Second, 1, 5, 1}, {time.Second, 0, 5, 1},
	} {
		*now = now.Add(step.after)
		if step.after > time.Second {
			add()
		}
		must(i.pollOnce(t.Context()))
		ids := make([]string, 0, old)
		for n := range old {
			ids = append(ids, string(rune('a'+n+1)))
		}
		list, err := i.Store.Requests(t.Context(), ids)
		must(err)
		if hints := metric(t, i, "lagerd_open_hints"); min(len(list), 1) != step.left || hints != step.hints || shops.refreshed != step.reread {
			t.Errorf("at %s: %d requests are left, %v hints are shown, shops were reread %d times\nwant %+v", now.Format(time.TimeOnly), len(list), hints, shops.refreshed, step)
		}
		shops.read, err = i.Store.ShopsGeneration(t.Context())
		must(err)
	}
}

// TestBlockedElsewhere: that another process was told to wait concerns the service that said it, even if
// the other has an account of the same number.
func TestBlockedElsewhere(t *testing.T) {
	t.Parallel()
	for _, of := range []store.Service{store.ServiceEconomic, store.ServiceRackbeat} {
		i, _ := polled(t, &shelf{}, nil)
		agreement, account := i.source.Join("shop1", 7, source.Made{}, nil), i.stock.Join("shop1", 7, source.Made{}, nil)
		i.blocked(store.Blocked{Service: of, Account: 7, Until: noonOf.Add(time.Minute), Lasts: time.Minute})
		for service, b := range map[store.Service]*budget.Budget{store.ServiceEconomic: agreement.All, store.ServiceRackbeat: account.All} {
			if until := b.State().BlockedUntil; until.IsZero() == (service == of) {
				t.Errorf("%s said to wait: calls to %s wait until %s", of, service, until)
			}
		}
	}
}

// TestOddHeadersOfBoth: what one service sends does not keep the log silent about the other.
func TestOddHeadersOfBoth(t *testing.T) {
	t.Parallel()
	log, logged := logrustest.NewNullLogger()
	i := &instance{Options: Options{Log: log, Metrics: status.NewMetrics("test"), Now: func() time.Time { return noonOf }}}
	for n, call := range []func(){
		func() { i.called(economicCall("X-RateLimiting: plenty")) }, func() { i.calledRackbeat(rackbeatCall("Retry-After: soon")) },
		func() { i.called(economicCall("X-RateLimiting: plenty")) }, func() { i.calledRackbeat(rackbeatCall("Retry-After: soon")) },
	} {
		if call(); len(logged.AllEntries()) != min(n+1, 2) {
			t.Errorf("after %d calls: %d lines", n+1, len(logged.AllEntries()))
		}
	}
}

func economicCall(header string) economic.Call {
	return economic.Call{Endpoint: "products", OddHeader: header}
}

func rackbeatCall(header string) rackbeat.Call {
	return rackbeat.Call{Endpoint: "items", OddHeader: header}
}

// TestNotifierOptions: each of the notifier's settings comes from its own configuration key.
func TestNotifierOptions(t *testing.T) {
	t.Parallel()
	set := func(c *config.Config) {
		n := int64(10)
		number(reflect.ValueOf(&c.Notify).Elem(), &n)
		number(reflect.ValueOf(&c.Reconcile).Elem(), &n)
		number(reflect.ValueOf(&c.Rackbeat).Elem(), &n)
		c.Reconcile.Schedule, c.Economic.DailyCalls, c.Economic.AppPublicToken = "17 * * * *", 5, "public"
		c.Notify.WebhookURL, c.Notify.To = "http://op.test/hook", []string{"one@example.dk", "two@example.dk"}
	}
	i, _ := polled(t, &shelf{}, set)
	n, c := i.notifier, i.cfg
	if n == nil {
		t.Fatal("there is no notifier")
	}
	for field, is := range map[string][2]any{
		"After": {n.Settings.After, c.Notify.After}, "OwnersAfter": {n.Settings.OwnersAfter, c.Notify.OwnersAfter}, "Every": {n.Settings.Every, c.Notify.Every},
		"SweepEvery": {n.Look.Pace.SweepEvery, c.Reconcile.SweepEvery}, "NextTick": {n.Look.Pace.NextTick(noonOf), noonOf.Add(17 * time.Minute)},
		"Limits":         {n.Look.Limits, status.CallLimits{EconomicDaily: 5, RackbeatDaily: c.Rackbeat.DailyCalls, RackbeatPerMinute: c.Rackbeat.CallsPerMinute}},
		"AppPublicToken": {n.Look.AppPublicToken, "public"}, "Instance": {n.Instance, "me"}, "Store": {n.Store, i.Store}, "Now": {n.Now(), noonOf},
		"Mail": {n.Settings.Mail, false}, // there is no mail
	} {
		if is[0] != is[1] {
			t.Errorf("%s is %v, expected %v", field, is[0], is[1])
		}
	}
	to := []notify.Address{{Channel: store.ChannelMail, Mail: "one@example.dk"}, {Channel: store.ChannelMail, Mail: "two@example.dk"}, {Channel: store.ChannelWebhook}}
	if !reflect.DeepEqual(n.Settings.Operator, to) {
		t.Errorf("the operator is told at %v", n.Settings.Operator)
	}
	if n.Living() != nil {
		t.Error("it is known who lives before the first beat")
	}
	i.keeper.Living(map[string]bool{"me": true, "other": true})
	if living := n.Living(); len(living) != 2 || !living["other"] {
		t.Errorf("alive are %v", living)
	}
	n.Observe("mail", notify.ResultDropped)
	n.Waiting(3)
	for name, want := range map[string]float64{`lagerd_notifications_total{channel="mail",result="dropped"}`: 1, "lagerd_notifications_waiting": 3, "lagerd_instances": 2} {
		if got := metric(t, i, name); got != want {
			t.Errorf("%s is %v, expected %v", name, got, want)
		}
	}
	// Shops' owners may have webhooks of their own, whatever is configured.
	if quiet, _ := polled(t, &shelf{}, nil); quiet.notifier == nil || len(quiet.notifier.Settings.Operator) > 0 {
		t.Errorf("nothing is configured: the notifier is %+v", quiet.notifier)
	}
}

// TestNextTickIsUTC: the notifier expects ticks when the scheduler makes them, whatever the time zone.
func TestNextTickIsUTC(t *testing.T) {
	t.Parallel()
	i, _ := polled(t, &shelf{}, func(c *config.Config) {
		c.Reconcile.Schedule, c.Notify.HeartbeatURL = "0 3 * * *", "http://op.test/beat"
	})
	ticks, err := schedule.ParseSchedule(i.cfg.Reconcile.Schedule)
	if err != nil {
		t.Fatal(err)
	}
	at := noonOf.In(time.FixedZone("", 5*3600+1800))
	if got, want := i.notifier.Look.Pace.NextTick(at), ticks.Next(noonOf); !got.Equal(want) || want.UTC().Hour() != 3 {
		t.Errorf("next tick at %s, expected %s", got, want)
	}
}

// TestBooks: what is booked, held and blocked in the database is told to the budgets, for the service
// and the instance that they are of.
func TestBooks(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), storetest.Open(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AddShop(ctx, store.Shop{Shop: "shop1", GrantToken: []byte("x"), StockOn: true, StockSource: store.SourceEconomic}, []byte("hash"), noonOf))
	must(s.TakeLeases(ctx, []string{"shop1"}, "", "me", noonOf))
	must(s.SaveStockAccount(ctx, "shop1", 7))
	books := func(of store.Service, instance string) Books {
		log, _ := logrustest.NewNullLogger()
		return Books{Store: s, Service: of, Instance: instance, Log: log, Now: func() time.Time { return noonOf }}
	}
	const day = "2026-11-30"
	book := func(step string, b Books, calls, most int, want budget.Booked, held bool) {
		t.Helper()
		got, err := b.Book(ctx, []budget.Booking{{Account: 7, Day: day, Calls: calls, Most: most, Made: 3}})
		must(err)
		if r := got[7]; !held && (r.Err != nil || r.Day != want.Day || r.Calls != want.Calls || r.Granted != want.Granted || r.Blocked != want.Blocked || !r.BlockedUntil.Equal(want.BlockedUntil)) || held && !errors.Is(r.Err, store.ErrAccountHeld) {
			t.Errorf("%s: booked %+v, expected %+v, held %t", step, got[7], want, held)
		}
	}
	mine := books(store.ServiceRackbeat, "me")
	book("the first", mine, 10, 100, budget.Booked{Day: day, Calls: 13, Granted: 10}, false)
	book("no more than the day has", mine, 10, 20, budget.Booked{Day: day, Calls: 20, Granted: 7}, false)
	book("another's", books(store.ServiceRackbeat, "other"), 10, 100, budget.Booked{}, true)
	book("a command's", books(store.ServiceRackbeat, ""), 2, 100, budget.Booked{Day: day, Calls: 22, Granted: 2}, false)
	book("of the other service", books(store.ServiceEconomic, "other"), 1, 100, budget.Booked{Day: day, Calls: 4, Granted: 1}, false)
	until := mine.Block(ctx, 7, time.Minute)
	if !until.Equal(noonOf.Add(time.Minute)) {
		t.Errorf("blocked until %s", until)
	}
	book("blocked", mine, 1, 100, budget.Booked{Day: day, Calls: 23, Granted: 1, Blocked: time.Minute, BlockedUntil: until}, false)
	book("not of the other service", books(store.ServiceEconomic, "other"), 1, 100, budget.Booked{Day: day, Calls: 5, Granted: 1}, false)
	must(mine.Return(ctx, []budget.Booking{{Account: 7, Day: day, Calls: 9}}))
	book("returned", mine, 1, 100, budget.Booked{Day: day, Calls: 15, Granted: 1, Blocked: time.Minute, BlockedUntil: until}, false)
}
