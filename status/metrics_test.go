package status_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/enginetest"
	"lagerd/test/lagerdtest"
	"lagerd/webhook"
)

const (
	shop  = "shop1234"
	first = lagerdtest.FirstAgreement
	item  = "00001"
)

// alarm describes what changes a metric in a running engine, and what ends that. Most are
// raised when they have increased, and are over when gauges are 0 and counters are constant.
type alarm struct {
	series string // as on the metrics page, including labels
	is     string // what has happened
	not    string // a series that this does not change

	products int
	config   func(c *config.Config)
	pace     func(p *engine.Pace)
	prepare  func(w *enginetest.World) // before there is a shop

	raise func(w *enginetest.World)
	cure  func(w *enginetest.World)
	to    float64 // what a gauge is afterwards

	// Exceptions to the above:
	raised func(before, now float64) bool
	over   func(now float64) bool
}

// sell changes an item's stock.
func sell(w *enginetest.World) { w.Does("sell", map[string]any{"number": item, "quantity": 1}) }

// hint records a webhook's hint.
func hint(w *enginetest.World, kind webhook.Kind, number string) {
	w.T.Helper()
	if err := w.Record(w.T.Context(), webhook.Hint{Shop: shop, Kind: kind, Number: number, ReceivedAt: time.Now()}); err != nil {
		w.T.Fatal(err)
	}
}

// ask records an operator's hint.
func ask(w *enginetest.World, kind plan.Kind, number string) {
	w.T.Helper()
	err := w.Store.RecordHints(w.T.Context(), []store.HintRecord{{Shop: shop, Kind: kind, Number: number, Cause: plan.CauseOperator, At: time.Now()}})
	if err != nil {
		w.T.Fatal(err)
	}
}

func book(w *enginetest.World, more map[string]any) {
	b := map[string]any{"orderRef": "10042", "lines": []map[string]any{{"number": item, "quantity": 1}}}
	maps.Copy(b, more)
	w.Does("book", b)
}

func faults(named map[string]any) func(w *enginetest.World) {
	return func(w *enginetest.World) { w.Faults(named) }
}

func does(what string, body any) func(w *enginetest.World) {
	return func(w *enginetest.World) { w.Does(what, body) }
}

// then runs all in order.
func then(all ...func(w *enginetest.World)) func(w *enginetest.World) {
	return func(w *enginetest.World) {
		for _, do := range all {
			do(w)
		}
	}
}

// settings changes the shop's settings.
func settings(change func(s *store.Shop)) func(w *enginetest.World) {
	return func(w *enginetest.World) { w.Set(shop, change) }
}

func now(w *enginetest.World)   { w.ReconcileAll() }
func sweep(w *enginetest.World) { w.SweepAll() }

// again reloads the unchanged configuration, after which the agreement's identity is read
// again.
func again(w *enginetest.World) { reload(func(*config.Config) {})(w) }

func reload(change func(c *config.Config)) func(w *enginetest.World) {
	return func(w *enginetest.World) {
		w.T.Helper()
		c := w.Config
		change(&c)
		if err := w.Reload(c); err != nil {
			w.T.Fatal(err)
		}
	}
}

func held(reason plan.Reason) string {
	return fmt.Sprintf(`lagerd_shops{reason=%q,state="held"}`, reason)
}

// listed gives a shop several pages, so that its ticks no longer list everything.
func listed(p *engine.Pace) { p.PageSize = 3 }

// lost are items with stock in the sandbox: more than may be lost at once.
var lost = []string{"00001", "00003", "00005", "00007"}

// alarms are those of the engine, in the order of status.NewMetrics.
var alarms = []alarm{
	{series: `lagerd_changes_total{cause="webhook",kind="stock"}`, is: "a webhook's change is found", not: `lagerd_missed_webhooks_total{kind="stock"}`, raise: func(w *enginetest.World) { sell(w); hint(w, webhook.KindStock, item) }},
	{series: `lagerd_changes_total{cause="tick",kind="stock"}`, is: "a tick's", raise: sell},
	{series: `lagerd_changes_total{cause="operator",kind="stock"}`, is: "one that a person requested", raise: func(w *enginetest.World) { sell(w); ask(w, plan.KindStock, item) },
		config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }},
	{series: `lagerd_changes_total{cause="sweep",kind="stock"}`, is: "a sweep's", products: 10, pace: listed, raise: then(faults(map[string]any{"frozenUpdated": true}), sell, sweep)},
	{series: `lagerd_changes_total{cause="invoice",kind="stock"}`, is: "one revealed by an invoice", products: 10, pace: listed,
		raise: then(faults(map[string]any{"frozenUpdated": true}), func(w *enginetest.World) { book(w, nil) })},
	{series: `lagerd_changes_total{cause="tick",kind="invoice"}`, is: "an invoice is booked", raise: func(w *enginetest.World) { book(w, nil) }},
	{series: `lagerd_missed_webhooks_total{kind="stock"}`, is: "the webhook of a sale does not come", not: `lagerd_drift_total`, raise: sell},
	{series: `lagerd_missed_webhooks_total{kind="invoice"}`, is: "the webhook of an invoice does not come", raise: func(w *enginetest.World) { book(w, nil) }},
	{series: `lagerd_drift_total`, is: "a change that no change query shows", products: 10, pace: listed, raise: then(faults(map[string]any{"frozenUpdated": true}), sell, sweep)},
	{series: `lagerd_freshness_seconds_count`, is: "a webhook comes", raise: func(w *enginetest.World) { sell(w); hint(w, webhook.KindStock, item) }},
	{series: `lagerd_read_lag_seconds_count`, is: "a webhook comes before its change can be read", config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" },
		raise: then(faults(map[string]any{"readLag": "1s"}), func(w *enginetest.World) { sell(w); hint(w, webhook.KindStock, item) })},
	{series: `lagerd_economic_calls_total{endpoint="products",result="200"}`, is: "items are listed", raise: now, config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }},
	{series: `lagerd_economic_calls_total{endpoint="products",result="rate_limited"}`, is: "e-conomic has too many calls", raise: then(faults(map[string]any{"rateLimit": 1}), now)},
	{series: `lagerd_rackbeat_calls_total{endpoint="items",result="200"}`, is: "items are listed at Rackbeat", raise: movesToRackbeat, config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }},
	{series: `lagerd_economic_call_seconds_count{endpoint="self"}`, is: "the agreement's identity is read", raise: again},
	{series: `lagerd_passes_total{outcome="ok"}`, is: "a pass ends well", raise: now, config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }},
	{series: `lagerd_passes_total{outcome="failed"}`, is: "e-conomic is down", raise: then(faults(map[string]any{"serverError": 1}), now)},
	{series: `lagerd_pass_seconds_count`, is: "a pass ends", raise: now, config: func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }},
	{series: `lagerd_pdfs_total`, is: "a PDF is stored", raise: func(w *enginetest.World) { book(w, nil) }},
	{series: `lagerd_pdf_bytes_total`, is: "its size", raise: func(w *enginetest.World) { book(w, nil) }},
	{series: `lagerd_bad_items_total`, is: "an item cannot be read", raise: faults(map[string]any{"poison": []string{item}})},
	{series: `lagerd_warnings_total{kind="stock"}`, is: "a field that is not needed cannot be read", not: `lagerd_bad_items_total`,
		raise: then(settings(func(s *store.Shop) { s.StockFigure = plan.FigureAvailable }), faults(map[string]any{"poison": []string{item}}))},
	{series: `lagerd_webhooks_marked_total`, is: "more webhooks of unknown numbers come than are kept", not: `lagerd_webhooks_too_old_total`,
		pace: func(p *engine.Pace) { p.HintCaps = plan.HintCaps{} }, raise: func(w *enginetest.World) { hint(w, webhook.KindStock, "unknown") }},
	{series: `lagerd_webhooks_too_old_total`, is: "more webhooks of old invoices come than are kept", not: `lagerd_webhooks_marked_total`,
		pace: func(p *engine.Pace) { p.HintCaps = plan.HintCaps{} }, raise: then(func(w *enginetest.World) { book(w, nil) }, now, func(w *enginetest.World) {
			time.Sleep(5 * time.Second)
			hint(w, webhook.KindInvoice, "0") // the first one is 1
		})},
	{series: `lagerd_fenced_writes_total`, is: "another lagerd takes the shop during a pass", raise: then(faults(map[string]any{"slow": "1s", "slowProbability": 1}), sell, now, func(w *enginetest.World) {
		time.Sleep(500 * time.Millisecond)
		w.Exec("UPDATE leases SET token = token + 1, holder = 'another'")
	}), cure: func(w *enginetest.World) { w.Exec("UPDATE leases SET holder = ''") }},

	{series: `lagerd_shops{reason="",state="running"}`, is: "a shop is added", raise: func(w *enginetest.World) { w.AddShop("another", first) }, to: 1,
		cure: func(w *enginetest.World) {
			if err := w.Store.RemoveShop(w.T.Context(), "another"); err != nil {
				w.T.Fatal(err)
			}
		}},
	{series: `lagerd_shops{reason="",state="paused"}`, is: "a person pauses a shop", raise: then(settings(func(s *store.Shop) { s.PausedAt = store.At(time.Now()) }), now),
		cure: settings(func(s *store.Shop) { s.PausedAt = store.Time{} })},
	{series: held(plan.HeldTokenRefused), is: "e-conomic refuses the token", raise: does("tokens", map[string]any{"refuse": true}), cure: does("tokens", map[string]any{"refuse": false})},
	{series: held(plan.HeldForbidden), is: "e-conomic forbids what lagerd reads", raise: faults(map[string]any{"forbidden": 1})},
	{series: held(plan.HeldAgreementChanged), is: "the token answers for another agreement", raise: then(does("agreement", map[string]any{"agreementNumber": 999}), again),
		cure: does("agreement", map[string]any{"agreementNumber": first})},
	{series: held(plan.HeldAccountChanged), is: "the key answers for another account", raise: then(movesToRackbeat, func(*enginetest.World) { time.Sleep(time.Minute) }, does("rackbeat/account", map[string]any{"id": 999}), again),
		cure: does("rackbeat/account", map[string]any{"id": first + 600_000})},
	{series: held(plan.HeldPlacesChanged), is: "a chosen place is gone", raise: then(movesToRackbeat, func(*enginetest.World) { time.Sleep(time.Minute) },
		func(w *enginetest.World) {
			if err := w.Store.ChangeStockSource(w.T.Context(), shop, store.StockChange{Source: store.SourceRackbeat, Places: "4"}, time.Now()); err != nil {
				w.T.Fatal(err)
			}
		}, does("rackbeat/places", []map[string]any{{"number": 1, "name": "Hovedlager"}}), again),
		cure: does("rackbeat/places", []map[string]any{{"number": 1, "name": "Hovedlager"}, {"number": 4, "name": "Butik"}})},
	{series: held(plan.HeldTokenUnreadable), is: "the token cannot be decrypted", raise: settings(func(s *store.Shop) { s.GrantToken = []byte(enginetest.Unreadable) }),
		cure: settings(func(s *store.Shop) { s.GrantToken = []byte(lagerdtest.Grant(first)) })},
	{series: held(plan.HeldNoAppToken), is: "a lagerd has no app's token", raise: reload(func(c *config.Config) { c.Economic.AppSecretToken = secret.NewText("") }), cure: again},
	{series: held(plan.HeldNoInventory), is: "no item has a figure", prepare: does("inventory", map[string]bool{"enabled": false}), cure: does("inventory", map[string]bool{"enabled": true})},
	{series: held(plan.HeldUnreadable), is: "every figure is a text", products: 10,
		raise: func(w *enginetest.World) {
			w.Faults(map[string]any{"poison": strings.Split(w.Row("SELECT GROUP_CONCAT(number, char(10)) FROM items"), "\n")})
		}},
	{series: held(plan.HeldLosses), is: "most items are deleted", products: 10, config: func(c *config.Config) { c.Reconcile.LossMin, c.Reconcile.LossPercent = 2, 20 },
		raise: func(w *enginetest.World) {
			for _, number := range lost {
				w.Does("delete", map[string]any{"number": number})
			}
		}, cure: func(w *enginetest.World) {
			for _, number := range lost {
				w.Does("create", map[string]any{"number": number, "name": number, "inStock": 5})
			}
		}},

	{series: `lagerd_leases`, is: "a shop is added", raise: func(w *enginetest.World) { w.AddShop("another", first) }, to: 1,
		cure: func(w *enginetest.World) {
			if err := w.Store.RemoveShop(w.T.Context(), "another"); err != nil {
				w.T.Fatal(err)
			}
		}},
	{series: `lagerd_instances`, is: "another lagerd has begun, and died", to: 1,
		raise: func(w *enginetest.World) {
			w.Exec("INSERT INTO instances (instance, beat, beat_at, host, pid, version, started_at) SELECT 'another', 1, beat_at, host, pid, version, started_at FROM instances")
		}},
	{series: `lagerd_shops_short_of_calls`, is: "the day's calls for hints are used up", raise: reload(func(c *config.Config) { c.Economic.DailyCalls = 100 }), cure: again},
	{series: `lagerd_shops_short_of_calls`, is: "the day's calls to Rackbeat for hints are used up",
		raise: then(movesToRackbeat, func(*enginetest.World) { time.Sleep(time.Minute) }, reload(func(c *config.Config) { c.Rackbeat.DailyCalls = 10 })), cure: again},
	{series: `lagerd_shops_waiting`, is: "so many agreements hang that no more passes begin", raise: then(faults(map[string]any{"hang": "10m"}), many),
		cure: faults(map[string]any{"hang": "0s"})},
	{series: `lagerd_stuck_workers`, is: "an agreement hangs", raise: then(faults(map[string]any{"hang": "10m"}), now), cure: faults(map[string]any{"hang": "0s"})},
	{series: `lagerd_open_hints`, is: "a number cannot be read", raise: then(faults(map[string]any{"poison": []string{item}}), func(w *enginetest.World) { hint(w, webhook.KindStock, item) })},
	{series: `lagerd_oldest_hint_timestamp_seconds`, is: "a number cannot be read", raise: then(faults(map[string]any{"poison": []string{item}}), func(w *enginetest.World) { hint(w, webhook.KindStock, item) }),
		raised: func(_, now float64) bool { return now > 0 && time.Since(time.Unix(int64(now), 0)) > 10*time.Minute }},
	{series: `lagerd_failing_hints{kind="stock"}`, is: "an item cannot be read", not: `lagerd_failing_hints{kind="invoice"}`,
		raise: then(faults(map[string]any{"poison": []string{item}}), func(w *enginetest.World) { hint(w, webhook.KindStock, item) })},
	{series: `lagerd_failing_hints{kind="invoice"}`, is: "an invoice cannot be read", not: `lagerd_failing_hints{kind="stock"}`,
		raise: then(func(w *enginetest.World) { book(w, nil) }, faults(map[string]any{"garbled": 1}), func(w *enginetest.World) { hint(w, webhook.KindInvoice, "1") }), cure: faults(map[string]any{"garbled": 0})},
	{series: `lagerd_invoices_waiting_for_pdf`, is: "an invoice's PDF is not ready", raise: then(faults(map[string]any{"pdfLag": "5m"}), func(w *enginetest.World) { book(w, nil) })},
	{series: `lagerd_oldest_good_tick_timestamp_seconds`, is: "e-conomic is down", raise: faults(map[string]any{"serverError": 1}),
		raised: func(_, now float64) bool { return time.Since(time.Unix(int64(now), 0)) > 5*time.Minute },
		over:   func(now float64) bool { return time.Since(time.Unix(int64(now), 0)) <= 2*time.Minute }},
	{series: `lagerd_notifications_total{channel="heartbeat",result="failed"}`, is: "nobody takes heartbeats", not: `lagerd_notifications_total{channel="mail",result="failed"}`,
		raise: reload(func(c *config.Config) { c.Notify.HeartbeatURL = "http://127.0.0.1:1/" }), cure: again},
	{series: `lagerd_notifications_waiting`, is: "a message's channel is not there",
		raise: then(reload(func(c *config.Config) { c.Notify.HeartbeatURL = "http://127.0.0.1:1/" }), func(w *enginetest.World) {
			w.Exec("INSERT INTO messages (id, audience, shop, channel, address, content, decided_at, due_at) VALUES ('id', 'operator', '', 'mail', 'drift@example.dk', '{}', '2000-01-01 00:00:00.000000', '2000-01-01 00:00:00.000000')")
		}), cure: func(w *enginetest.World) { w.Exec("DELETE FROM messages") }},
	{series: `lagerd_last_tick_timestamp_seconds`, is: "the schedule has no tick", raise: reload(func(c *config.Config) { c.Reconcile.Schedule = "0 0 29 2 *" }), cure: again,
		raised: func(_, now float64) bool { return time.Since(time.Unix(int64(now), 0)) > 3*time.Minute },
		over:   func(now float64) bool { return time.Since(time.Unix(int64(now), 0)) <= time.Minute }},
}

// movesToRackbeat makes the shop's stock be read at Rackbeat.
func movesToRackbeat(w *enginetest.World) { w.MoveToRackbeat(shop, first) }

// many adds more shops than passes that may run at once.
func many(w *enginetest.World) {
	w.T.Helper()
	w.AddShop("many000", first)
	for _, table := range []string{
		"shops (shop, dataset, grant_token, stock_on, invoices_on, created_at, updated_at, generation)|s.shop || n, s.shop || n, grant_token, 0, 0, created_at, updated_at, generation FROM shops s",
		"leases (shop)|s.shop || n FROM leases s", "progress (shop, items_dataset)|s.shop || n, s.shop || n FROM progress s",
	} {
		into, values, _ := strings.Cut(table, "|")
		w.Exec("WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300) INSERT INTO " + into + " SELECT " + values + ", numbers")
	}
}

// TestEveryMetric changes each metric by its cause, and checks that it comes to rest when
// the cause has ended. A metric that nothing changes fails under its name.
func TestEveryMetric(t *testing.T) {
	t.Parallel()
	for _, a := range alarms {
		t.Run(a.series+": "+a.is, func(t *testing.T) {
			t.Parallel()
			sound(t, a)
		})
	}
}

// sound raises an alarm and ends it.
func sound(t *testing.T, a alarm) {
	o := enginetest.Options{
		Sandbox: sandbox.Options{Agreements: 1, Products: max(a.products, 5)},
		Config: func(c *config.Config) {
			c.Reconcile.Schedule, c.Reconcile.HeldRetry = "* * * * *", time.Minute
			c.Lease.Beat, c.Lease.TTL = 20*time.Second, time.Minute
			c.Reconcile.RetryMin, c.Reconcile.RetryMax = 10*time.Second, time.Minute
			if a.config != nil {
				a.config(c)
			}
		},
		Pace: func(p *engine.Pace) {
			p.Poll = 10 * time.Second
			if a.pace != nil {
				a.pace(p)
			}
		},
	}
	enginetest.Run(t, o, func(t *testing.T, w *enginetest.World) {
		if a.prepare != nil {
			a.prepare(w)
		}
		before, beside := 0.0, 0.0
		if a.raise != nil {
			w.AddShop(shop, first)
			w.Within(time.Minute, "the shop is read", func() bool { return w.Metric(`lagerd_passes_total{outcome="ok"}`) > 0 })
			time.Sleep(70 * time.Second) // the effects of its start are over
			before, beside = w.Metric(a.series), w.Metric(a.not)
			a.raise(w)
		} else {
			w.AddShop(shop, first)
		}
		raised := a.raised
		if raised == nil {
			raised = func(before, now float64) bool { return now > before }
		}
		w.Within(15*time.Minute, a.series+" is raised", func() bool { return raised(before, w.Metric(a.series)) })
		if a.cure != nil {
			a.cure(w)
		}
		w.Faults(map[string]any{"poison": []string{}, "forbidden": 0, "serverError": 0, "rateLimit": 0, "slowProbability": 0, "frozenUpdated": false, "readLag": "0s"})
		defer func() {
			if now := w.Metric(a.not); now != beside {
				t.Errorf("%s changed too, from %v to %v", a.not, beside, now)
			}
		}()
		if strings.Contains(a.series, "_total") || strings.Contains(a.series, "_count") {
			standsStill(t, w, a.series)
			return
		}
		over := a.over
		if over == nil {
			over = func(now float64) bool { return now == a.to }
		}
		w.Within(15*time.Minute, a.series+" is over", func() bool { return over(w.Metric(a.series)) })
	})
}

// ticking matches the counters that each tick increases.
var ticking = regexp.MustCompile(`^lagerd_(economic_|pass)`)

// standsStill fails the test if a counter keeps increasing after its cause has ended.
func standsStill(t *testing.T, w *enginetest.World, series string) {
	if ticking.MatchString(series) && !strings.Contains(series, "failed") && !strings.Contains(series, "rate_limited") {
		return
	}
	time.Sleep(time.Minute)
	before := w.Metric(series)
	time.Sleep(90 * time.Second)
	if now := w.Metric(series); now != before {
		t.Errorf("%s increases although nothing happens any more: from %v to %v", series, before, now)
	}
}

// family returns the name of a series' metric, without labels and suffixes.
func family(series string) string {
	name, _, _ := strings.Cut(series, "{")
	for _, suffix := range []string{"_count", "_sum", "_bucket"} {
		if strings.HasSuffix(name, "_seconds"+suffix) {
			return strings.TrimSuffix(name, suffix)
		}
	}
	return name
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNoMetricIsForgotten: a test changes each metric, and the one of each hold reason, and
// every metric named in the documents exists.
func TestNoMetricIsForgotten(t *testing.T) {
	t.Parallel()
	moved, series := map[string]bool{}, map[string]bool{}
	for _, a := range alarms {
		moved[family(a.series)], series[a.series] = true, true
	}
	for _, a := range daemonAlarms {
		moved[family(a.series)] = true
	}
	for _, reason := range plan.Reasons() {
		if !series[held(reason)] {
			t.Errorf("no test holds a shop for %s and checks %s", reason, held(reason))
		}
	}
	exist := map[string]bool{}
	for _, pattern := range []string{"*.go", "../daemon/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			for _, found := range regexp.MustCompile(`"(lagerd_[a-z_]+)"`).FindAllStringSubmatch(read(t, path), -1) {
				exist[found[1]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exist)) {
		if !moved[name] {
			t.Errorf("%s: no test changes this metric: add it to the alarms", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(moved)) {
		if !exist[name] {
			t.Errorf("%s: there is no such metric", name)
		}
	}
	for _, path := range []string{"../docs/operators.md", "../docs/performance.md", "../docs/engineers.md", "../monitoring/alerts.yml", "../monitoring/alerts_test.yml", "../monitoring/dashboard.json"} {
		for _, name := range regexp.MustCompile("lagerd_[a-z_]+").FindAllString(read(t, path), -1) {
			if !exist[family(name)] {
				t.Errorf("%s names %s: there is no such metric", path, name)
			}
		}
	}
}
