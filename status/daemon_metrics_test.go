package status_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"lagerd/sandbox"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
	"lagerd/webhook"
)

func TestMain(m *testing.M) { lagerdtest.Main(m) }

// process is a running lagerd with its shop.
type process struct {
	*lagerdtest.Installation
	t       *testing.T
	sandbox sandboxtest.Client
	proc    *lagerdtest.Process
	out     *lagerdtest.Output
	code    string
}

// start starts a lagerd without a shop.
func start(t *testing.T, env ...string) *process {
	t.Helper()
	p := &process{t: t, sandbox: sandboxtest.Start(t, sandbox.Options{Agreements: 1, Products: 5, Seed: 1}), out: lagerdtest.NewTranscript()}
	p.Installation = lagerdtest.Install(t, lagerdtest.Setup{REST: p.sandbox.URL, Extra: "reconcile: {schedule: \"0 0 1 1 *\"}\n"})
	p.Env = append(p.Env, env...)
	p.Lagerd = lagerdtest.Self(t).Command(t)
	var err error
	// Few files, so that few connections are many.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/bin/sh", "-c", `ulimit -n 256 && exec "$0" run`, string(lagerdtest.Self(t)))
	cmd.Env = lagerdtest.Environment(p.Env...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if p.proc, err = lagerdtest.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.proc.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("lagerd said:\n%s", p.out.Tail(30))
		}
	})
	lagerdtest.Eventually(t, 20*time.Second, "lagerd is ready", func() bool { return p.Ready(t.Context()) })
	return p
}

// call calls the webhook.
func (p *process) call(code, number string) int {
	status, _, err := p.Call(&http.Client{Timeout: 20 * time.Second}, shop, code, "stockUpdate", number)
	if err != nil {
		p.t.Errorf("call the webhook: %v", err)
	}
	return status
}

// rackbeat calls the webhook as Rackbeat does.
func (p *process) rackbeat(body string) {
	p.t.Helper()
	query := url.Values{"type": {"rackbeatStock"}, "username": {shop}, "password": {p.code}}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.Webhook+webhook.Path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Errorf("call Rackbeat's webhook: %v", err)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		p.t.Errorf("a webhook of Rackbeat's is answered %d", answer.StatusCode)
	}
}

// lock blocks all other writes to the database until unlock is called.
func (p *process) lock() (unlock func()) {
	p.t.Helper()
	db := p.Database()
	conn, err := db.Conn(p.t.Context())
	if err == nil {
		_, err = conn.ExecContext(p.t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(context.WithoutCancel(p.t.Context()), "ROLLBACK"); err != nil {
			p.t.Error(err)
		}
		_, _ = conn.Close(), db.Close()
	}
}

func (p *process) exec(statement string) {
	p.t.Helper()
	db := p.Database()
	defer func(db *sql.DB) { _ = db.Close() }(db)
	if _, err := db.Exec(statement); err != nil {
		p.t.Fatal(err)
	}
}

// reload replaces the configuration and reloads it.
func (p *process) reload(text string) {
	p.t.Helper()
	p.Write("lagerd.yaml", text)
	if err := p.proc.Signal(syscall.SIGHUP); err != nil {
		p.t.Fatal(err)
	}
}

// daemonAlarm is an alarm for a metric that only a process has.
type daemonAlarm struct {
	series string
	is     string
	raise  func(p *process) (cure func()) // cure may be nil: the cause ends on its own
	gauge  bool                           // it returns to its former value
	raised func(before, now float64) bool // nil: it has increased
}

func once(do func(p *process)) func(p *process) func() {
	return func(p *process) func() { do(p); return nil }
}

var daemonAlarms = []daemonAlarm{
	{series: `lagerd_build_info`, is: "a lagerd runs", raise: once(func(p *process) {}), raised: func(_, now float64) bool { return now == 1 }},
	{series: `lagerd_webhook_calls_total{outcome="recorded"}`, is: "a webhook is recorded", raise: once(func(p *process) { p.call(p.code, item) })},
	{series: `lagerd_webhook_calls_total{outcome="everything"}`, is: "Rackbeat names no item", raise: once(func(p *process) { p.rackbeat(`{"event":"order.created"}`) })},
	{series: `lagerd_webhook_calls_total{outcome="refused"}`, is: "its code is wrong", raise: once(func(p *process) { p.call("wrong", item) })},
	{series: `lagerd_webhook_calls_total{outcome="merge_field"}`, is: "its number was not filled in", raise: once(func(p *process) { p.call(p.code, "[NUMBER]") })},
	{series: `lagerd_webhook_calls_total{outcome="unavailable"}`, is: "the database takes no hint", raise: func(p *process) func() {
		p.exec("ALTER TABLE hint_batches RENAME TO away")
		if status := p.call(p.code, item); status != http.StatusServiceUnavailable {
			p.t.Errorf("a webhook that cannot be stored is answered %d", status)
		}
		return func() {
			p.exec("ALTER TABLE away RENAME TO hint_batches")
			if status := p.call(p.code, item); status != http.StatusOK {
				p.t.Errorf("a webhook that can be stored again is answered %d", status)
			}
		}
	}},
	{series: `lagerd_webhook_calls_total{outcome="full"}`, is: "more wait than the queue holds", raise: func(p *process) func() { return p.crowd(5) }},
	{series: `lagerd_webhook_seconds_count`, is: "a webhook comes", raise: once(func(p *process) { p.call(p.code, item) })},
	{series: `lagerd_webhook_queue`, is: "webhooks wait for the database", raise: func(p *process) func() { return p.crowd(3) }, gauge: true},
	{series: `lagerd_webhook_connections`, is: "a caller keeps a connection", raise: func(p *process) func() { return p.connect(1) }, gauge: true},
	{series: `lagerd_webhook_connections_ended_total`, is: "more connections come than there is room for", raise: func(p *process) func() { return p.connect(150) }},
	{series: `lagerd_database_connections_in_use`, is: "the database keeps a statement waiting", raise: func(p *process) func() { return p.crowd(1) }, gauge: true},
	{series: `lagerd_database_waits_total`, is: "all connections are in use", raise: func(p *process) func() {
		unlock := p.crowd(1) // one connection waits for the lock, and readers share the other
		for range 20 {
			go func() { _, _, _ = p.Ask(p.t.Context(), "/readyz") }()
		}
		return unlock
	}},
	{series: `lagerd_webhook_log_dropped_total`, is: "the webhook log cannot be written", raise: func(p *process) func() {
		p.exec("ALTER TABLE webhook_calls RENAME TO away")
		p.call(p.code, item)
		return func() { p.exec("ALTER TABLE away RENAME TO webhook_calls"); p.call(p.code, item) }
	}},
	{series: `lagerd_webhook_calls_total{outcome="limited"}`, is: "a wrong code comes often", raise: once(func(p *process) { p.guess(40) })},
	{series: `lagerd_refused_calls_total{shop="known"}`, is: "a wrong code comes for a shop", raise: once(func(p *process) { p.guess(1) })},
	{series: `lagerd_refused_calls_total{shop="unknown"}`, is: "a call comes for a shop that does not exist", raise: once(func(p *process) {
		if status, _, err := p.Call(http.DefaultClient, "nobody", p.code, "stockUpdate", item); err != nil || status != http.StatusForbidden {
			p.t.Errorf("an unknown shop is answered %d: %v", status, err)
		}
	})},
	{series: `lagerd_webhook_log_skipped_total`, is: "a wrong code comes too often to record each", raise: once(func(p *process) { p.guess(40) })},
	{series: `lagerd_config_last_reload_successful`, is: "a bad configuration is read", raise: func(p *process) func() {
		good := read(p.t, p.Config)
		p.reload(good + "nonsense: true\n")
		return func() { p.reload(good) }
	}, gauge: true, raised: func(before, now float64) bool { return before == 1 && now == 0 }},
	{series: `lagerd_config_last_reload_success_timestamp_seconds`, is: "a good configuration is read", raise: once(func(p *process) {
		time.Sleep(1100 * time.Millisecond)
		p.reload(read(p.t, p.Config))
	})},
}

// guess calls the webhook that many times with a wrong code.
func (p *process) guess(calls int) {
	p.t.Helper()
	for range calls {
		if status := p.call("wrong", item); status != http.StatusForbidden && status != http.StatusTooManyRequests {
			p.t.Errorf("a wrong code is answered %d", status)
		}
	}
}

// connect opens connections to the webhook listener, until the returned function is called.
func (p *process) connect(count int) (end func()) {
	p.t.Helper()
	var conns []net.Conn
	for range count {
		conn, err := net.Dial("tcp", p.Webhook)
		if err != nil {
			p.t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	return func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// crowd makes that many webhooks wait for a locked database, until the returned function
// is called.
func (p *process) crowd(calls int) (unlock func()) {
	p.t.Helper()
	free := p.lock()
	done := make(chan struct{}, calls)
	for range calls {
		go func() {
			defer func() { done <- struct{}{} }()
			p.call(p.code, item)
		}()
		time.Sleep(20 * time.Millisecond)
	}
	return func() {
		free()
		for range calls {
			<-done
		}
	}
}

// TestDaemonMetrics is TestEveryMetric for metrics that only a process has.
func TestDaemonMetrics(t *testing.T) {
	t.Parallel()
	p := start(t, "LAGERD_WEBHOOK_QUEUE=3", "LAGERD_WEBHOOK_BATCH=1", "LAGERD_DATABASE_MAX_CONNECTIONS=2")
	p.code = p.AddShop(p.sandbox, shop, first)
	p.Equal(p.sandbox, shop, first, 20*time.Second)
	p.zero()
	lagerdtest.Eventually(t, 10*time.Second, "its webhooks are taken", func() bool { return p.call(p.code, item) == http.StatusOK })
	for _, a := range daemonAlarms {
		series := a.series
		if series == "lagerd_build_info" { // its label is unknown here
			_, page, err := p.Ask(t.Context(), "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(page, "\n"+series)
			labels, _, _ := strings.Cut(rest, " ")
			series += labels
		}
		value := func() float64 { return p.Metric(t.Context(), series) }
		before := value()
		cure := a.raise(p)
		raised := a.raised
		if raised == nil {
			raised = func(before, now float64) bool { return now > before }
		}
		lagerdtest.Eventually(t, 10*time.Second, a.series+" is raised: "+a.is, func() bool { return raised(before, value()) })
		if cure != nil {
			cure()
		}
		if a.gauge {
			lagerdtest.Eventually(t, 10*time.Second, a.series+" is over: "+a.is, func() bool { return value() == before })
			continue
		}
		time.Sleep(100 * time.Millisecond)
		if settled := value(); !a.standsStill(value, settled) {
			t.Errorf("%s keeps increasing after the cause has ended: %s", a.series, a.is)
		}
	}
}

// zero fails the test if an outcome of webhook calls has no series before the first of them,
// since the increase of a new series is not seen: an alert would miss the first 503.
func (p *process) zero() {
	p.t.Helper()
	_, page, err := p.Ask(p.t.Context(), "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, outcome := range webhook.Outcomes() {
		if !strings.Contains(page, fmt.Sprintf("\nlagerd_webhook_calls_total{outcome=%q} ", outcome)) {
			p.t.Errorf("calls with the outcome %s do not begin at zero", outcome)
		}
	}
}

// TestMetricsLint: names, units and help texts follow Prometheus's conventions.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	p := start(t)
	_, page, err := p.Ask(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil || !strings.Contains(page, "lagerd_") {
		t.Fatalf("%v in\n%s", err, page)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func (a daemonAlarm) standsStill(value func() float64, settled float64) bool {
	time.Sleep(200 * time.Millisecond)
	return value() == settled
}
