package monitoring_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// rule is an alert rule of alerts.yml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// rules reads alerts.yml.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	read(t, "alerts.yml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("alerts.yml has no rules")
	}
	return all
}

// read reads a YAML file that may only have the fields of into.
func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, into, yaml.DisallowUnknownField())
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestAlertsSayWhatToDo: each alert has a name of its own, a severity, and says what is the
// matter and what to do. What to do is the same text in docs/operators.md, so it has no values.
func TestAlertsSayWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if !strings.HasPrefix(r.Alert, "Lagerd") || seen[r.Alert] {
			t.Errorf("%s: expected a name that begins with Lagerd and that no other alert has", r.Alert)
		}
		seen[r.Alert] = true
		if s := r.Labels["severity"]; len(r.Labels) != 1 || s != "critical" && s != "warning" {
			t.Errorf("%s: labels %v: expected the severity critical or warning", r.Alert, r.Labels)
		}
		for _, name := range []string{"summary", "description"} {
			if text := r.Annotations[name]; !strings.HasSuffix(text, ".") || len(r.Annotations) != 2 {
				t.Errorf("%s: the %s is %q: expected a sentence, and no other annotation than summary and description", r.Alert, name, text)
			}
		}
		if strings.Contains(r.Annotations["description"], "{{") {
			t.Errorf("%s: the description has a value: put that into the summary", r.Alert)
		}
	}
}

// TestAlertsAreDocumented: the table of alerts in docs/operators.md is that of alerts.yml.
func TestAlertsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operators.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, r := range rules(t) {
		fires := "`" + strings.ReplaceAll(r.Expr, "|", `\|`) + "`"
		if r.For != "" {
			fires += " for " + r.For
		}
		want = append(want, fmt.Sprintf("| `%s` | %s | %s | %s |", r.Alert, r.Labels["severity"], fires, r.Annotations["description"]))
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `Lagerd") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/operators.md and alerts.yml differ:\n%s\nexpected in docs/operators.md:\n%s", diff, strings.Join(want, "\n"))
	}
}

// TestAlertsAreTested: alerts_test.yml has, for each alert, a test in which it fires and one
// in which it does not.
func TestAlertsAreTested(t *testing.T) {
	t.Parallel()
	var file struct {
		RuleFiles          []string `yaml:"rule_files"`
		EvaluationInterval string   `yaml:"evaluation_interval"`
		Tests              []struct {
			Name     string              `yaml:"name"`
			Interval string              `yaml:"interval"`
			Series   []map[string]string `yaml:"input_series"`
			Rules    []struct {
				Alert  string           `yaml:"alertname"`
				At     string           `yaml:"eval_time"`
				Alerts []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	read(t, "alerts_test.yml", &file)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, group := range file.Tests {
		for _, test := range group.Rules {
			if len(test.Alerts) > 0 {
				fires[test.Alert] = true
			} else {
				silent[test.Alert] = true
			}
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !silent[r.Alert] {
			t.Errorf("%s: there is a test in which it fires: %t; in which it does not: %t", r.Alert, fires[r.Alert], silent[r.Alert])
		}
	}
}

// TestPromtool: Prometheus accepts the rules, and they do what alerts_test.yml says.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("NOT TESTED: the alert rules: promtool is missing (`make monitoring` installs it)")
	}
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "SUCCESS") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
