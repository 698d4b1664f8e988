package monitoring_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/sandbox"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

func TestMain(m *testing.M) { lagerdtest.Main(m) }

var scrapeFor = flag.Duration("monitoring.for", 0, "how long TestPrometheus lets a Prometheus scrape a lagerd in trade; 0: it is skipped")

// TestPrometheus lets a real Prometheus scrape a lagerd in trade. Each query of the dashboard
// returns data, each alert rule can be evaluated, promtool finds nothing wrong with the
// metrics, and when lagerd ends the alerts of its absence are pending.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	if *scrapeFor == 0 {
		t.Skip("NOT TESTED: the dashboard's queries: -monitoring.for is not set (`make monitoring` sets it)")
	}
	s := sandboxtest.Start(t, sandbox.Options{Agreements: shops, Rackbeat: 1, Products: 100, Seed: 1, Lose: 0.3, Double: 0.1, Late: 0.1, LateBy: 5 * time.Second, ReadLag: 200 * time.Millisecond})
	lagerd, i := startLagerd(t, s)
	p := startPrometheus(t, i.Admin)
	began := time.Now()
	lagerdtest.Eventually(t, 30*time.Second, "lagerd is scraped", func() bool { return len(p.query(`up{job="lagerd"} == 1`, began)) > 0 })
	for n := 0; time.Since(began) < *scrapeFor; n++ {
		if err := s.Post(lagerdtest.FirstAgreement+n%shops, "trade", map[string]int{"count": 1}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	checkMetrics(t, i)
	p.checkRules(rules(t))
	p.checkDashboard(readDashboard(t), i.Admin, began)
	if err := lagerd.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, alert := range []string{"LagerdAbsent", "LagerdDown"} {
		lagerdtest.Eventually(t, 30*time.Second, alert+" is pending", func() bool {
			return len(p.query(fmt.Sprintf(`ALERTS{alertname=%q, alertstate="pending"}`, alert), time.Now().Add(-5*time.Second))) > 0
		})
	}
}

// shops is how many there are, of which the last has its stock at Rackbeat.
const shops = 3

// startLagerd starts a lagerd with the shops of the sandbox.
func startLagerd(t *testing.T, s sandboxtest.Client) (*lagerdtest.Process, *lagerdtest.Installation) {
	t.Helper()
	i := lagerdtest.Install(t, lagerdtest.Setup{REST: s.URL, Extra: lagerdtest.Pace})
	i.Lagerd = lagerdtest.Self(t).Command(t)
	for n, add := range [shops]func(sandboxtest.Client, string, int, ...string) string{i.AddShop, i.AddShop, i.AddRackbeatShop} {
		add(s, fmt.Sprint("shop100", n+1), lagerdtest.FirstAgreement+n, "--invoices-from", "1")
	}
	out := lagerdtest.NewOutput()
	lagerd, err := lagerdtest.Self(t).Start(out, i.Env, "run")
	if err != nil {
		t.Fatal(err)
	}
	end(t, lagerd, "lagerd", out)
	lagerdtest.Eventually(t, 20*time.Second, "lagerd is ready", func() bool { return i.Ready(t.Context()) })
	return lagerd, i
}

// end ends a process at the end of the test, and shows its output if the test failed.
func end(t *testing.T, p *lagerdtest.Process, name string, out *lagerdtest.Output) {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.Tail(20))
		}
	})
}

// prometheus is a private Prometheus with the rules of alerts.yml.
type prometheus struct {
	t   *testing.T
	url string
}

// startPrometheus starts a Prometheus that scrapes lagerd each second.
func startPrometheus(t *testing.T, target string) prometheus {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is missing: scripts/monitoring-deps installs it")
	}
	alerts, err := filepath.Abs("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), lagerdtest.FreeAddress(t)
	config := filepath.Join(dir, "prometheus.yml")
	lagerdtest.Write(t, config, fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs: [{job_name: lagerd, static_configs: [{targets: [%q]}]}]\n", alerts, target))
	out := lagerdtest.NewOutput()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	cmd.Stdout, cmd.Stderr = out, out
	process, err := lagerdtest.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	end(t, process, "prometheus", out)
	p := prometheus{t: t, url: "http://" + address}
	lagerdtest.Eventually(t, 60*time.Second, "Prometheus is ready", func() bool {
		res, err := p.client().Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return p
}

func (p prometheus) client() *http.Client { return &http.Client{Timeout: 20 * time.Second} }

// get asks Prometheus's API.
func (p prometheus) get(path string, parameters url.Values, into any) {
	p.t.Helper()
	res, err := p.client().Get(p.url + path + "?" + parameters.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	answer := struct{ Data any }{Data: into}
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("Prometheus answers %s for %s: %v\n%s", res.Status, parameters, err, body)
	}
}

// query returns the values of a query since then that are numbers.
func (p prometheus) query(expr string, since time.Time) (numbers []float64) {
	p.t.Helper()
	var data struct {
		Result []struct {
			Values [][2]any // Unix seconds, and the value as text
		}
	}
	at := func(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }
	p.get("/api/v1/query_range", url.Values{"query": {expr}, "start": {at(since)}, "end": {at(time.Now())}, "step": {"1"}}, &data)
	for _, series := range data.Result {
		for _, v := range series.Values {
			text, _ := v[1].(string)
			number, err := strconv.ParseFloat(text, 64)
			if err != nil {
				p.t.Fatalf("%s returns %v", expr, v)
			}
			if !math.IsNaN(number) {
				numbers = append(numbers, number)
			}
		}
	}
	return numbers
}

// checkMetrics lets promtool check what lagerd serves.
func checkMetrics(t *testing.T, i *lagerdtest.Installation) {
	t.Helper()
	_, page, err := i.Ask(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(page)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// checkRules fails the test if Prometheus has not evaluated each rule.
func (p prometheus) checkRules(expected []rule) {
	p.t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError, State string }
		}
	}
	p.get("/api/v1/rules", nil, &data)
	evaluated := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			evaluated++
			p.t.Logf("%s: %s", r.Name, r.State)
			if r.Health != "ok" {
				p.t.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if evaluated != len(expected) {
		p.t.Errorf("Prometheus has %d rules, expected %d", evaluated, len(expected))
	}
}

// labelValues is the query of a dashboard's variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// checkDashboard fails the test if a query of the dashboard returns no number.
func (p prometheus) checkDashboard(d dashboard, target string, since time.Time) {
	p.t.Helper()
	fill := strings.NewReplacer("$job", "lagerd", "$instance", regexp.QuoteMeta(target), "$__rate_interval", "15s")
	queries := 0
	for _, panel := range d.Panels {
		for _, q := range panel.Targets {
			queries++
			expr := fill.Replace(strings.ReplaceAll(q.Expr, `"$instance"`, "`$instance`")) // without escapes
			if len(p.query(expr, since)) == 0 {
				p.t.Errorf("%q: %s returns no number", panel.Title, expr)
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		parts := labelValues.FindStringSubmatch(v.Definition)
		if parts == nil {
			p.t.Errorf("the variable %s is %s: expected label_values(SERIES, LABEL)", v.Name, v.Definition)
			continue
		}
		var values []string
		p.get("/api/v1/label/"+parts[2]+"/values", url.Values{"match[]": {fill.Replace(parts[1])}}, &values)
		if len(values) != 1 {
			p.t.Errorf("the variable %s has the values %q, expected one", v.Name, values)
		}
	}
	p.t.Logf("%d queries of the dashboard return data", queries)
}
