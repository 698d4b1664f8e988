package monitoring_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// imported is the part of dashboard.json that Grafana's import reads: it asks for each input, and
// puts the answer in place of ${NAME} wherever that is in the file.
type imported struct {
	Inputs []struct {
		Name       string `json:"name"`
		Label      string `json:"label"`
		Type       string `json:"type"`
		PluginID   string `json:"pluginId"`
		PluginName string `json:"pluginName"`
	} `json:"__inputs"`
	Requires []struct {
		Type    string  `json:"type"`
		ID      string  `json:"id"`
		Name    string  `json:"name"`
		Version *string `json:"version"`
	} `json:"__requires"`
	UID           string `json:"uid"`
	SchemaVersion int    `json:"schemaVersion"`
	Panels        []struct {
		Title      string     `json:"title"`
		Type       string     `json:"type"`
		Datasource datasource `json:"datasource"`
		Targets    []struct {
			RefID      string     `json:"refId"`
			Expr       string     `json:"expr"`
			Datasource datasource `json:"datasource"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name       string     `json:"name"`
			Type       string     `json:"type"`
			Query      any        `json:"query"` // of a data source, its plugin
			Datasource datasource `json:"datasource"`
			Current    struct {
				Value any `json:"value"`
			} `json:"current"`
		} `json:"list"`
	} `json:"templating"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// chosen is the data source that a person chooses: that of all panels and variables.
var chosen = datasource{Type: "prometheus", UID: "${datasource}"}

// replaced is what Grafana's import takes for the place of an input, or leaves for a variable.
var replaced = regexp.MustCompile(`\$\{(.+?)\}`)

// problems returns what keeps Grafana from importing a dashboard, or from asking the Prometheus that
// a person chose then.
func problems(text []byte) (list []string) {
	bad := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	var fields map[string]any
	var d imported
	if err := json.Unmarshal(text, &fields); err != nil {
		return []string{err.Error()}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return []string{err.Error()}
	}
	if fields["id"] != nil {
		bad("id %v: expected none: it is another dashboard's in the Grafana that imports", fields["id"])
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`).MatchString(d.UID) {
		bad("uid %q: expected 1 to 40 letters, digits, - or _", d.UID)
	}
	const oldest = 36 // from which on data sources are objects with a uid
	if d.SchemaVersion < oldest {
		bad("schemaVersion %d: expected at least %d", d.SchemaVersion, oldest)
	}
	if elements, ok := fields["__elements"].(map[string]any); !ok || len(elements) > 0 {
		bad("__elements %v: expected {}: no library panels", fields["__elements"])
	}
	return slices.Concat(list, d.names(text), d.required(), d.sources())
}

// names returns what is wrong with the inputs, and with the names in ${}.
func (d imported) names(text []byte) (list []string) {
	known := map[string]bool{"__rate_interval": true, "__interval": true} // Grafana's own
	for _, v := range d.Templating.List {
		known[v.Name] = true
	}
	uses := map[string]int{}
	for _, match := range replaced.FindAllSubmatch(text, -1) {
		uses[string(match[1])]++
	}
	for _, in := range d.Inputs {
		if known[in.Name] || uses[in.Name] == 0 {
			list = append(list, fmt.Sprintf("input %q: expected a name that no variable has, and that is used", in.Name))
		}
		if in.Label == "" || in.Type != "datasource" || in.PluginID != chosen.Type || in.PluginName == "" {
			list = append(list, fmt.Sprintf("input %+v: expected a labelled data source of Prometheus", in))
		}
		known[in.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		if !known[name] {
			list = append(list, fmt.Sprintf("${%s} is neither an input nor a variable", name))
		}
	}
	return list
}

// required returns what is wrong with the list of what the dashboard needs.
func (d imported) required() (list []string) {
	need := map[string]bool{"grafana grafana": true, "datasource " + chosen.Type: true}
	for _, p := range d.Panels {
		if p.Type != "row" { // which is no plugin
			need["panel "+p.Type] = true
		}
	}
	for _, r := range d.Requires {
		if r.Name == "" || r.Version == nil || !need[r.Type+" "+r.ID] {
			list = append(list, fmt.Sprintf("__requires has %s %s: expected a name, a version, and that it is used", r.Type, r.ID))
		}
		delete(need, r.Type+" "+r.ID)
	}
	for _, missing := range slices.Sorted(maps.Keys(need)) {
		list = append(list, "__requires lacks "+missing)
	}
	return list
}

// sources returns which panels, queries and variables do not ask the chosen data source.
func (d imported) sources() (list []string) {
	bad := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	found := false
	for _, v := range d.Templating.List {
		switch {
		case v.Type == "datasource" && "${"+v.Name+"}" == chosen.UID:
			found = v.Query == chosen.Type && len(d.Inputs) == 1 && v.Current.Value == "${"+d.Inputs[0].Name+"}"
		case v.Type == "query" && v.Datasource != chosen:
			bad("the variable %s asks %+v: expected %+v", v.Name, v.Datasource, chosen)
		}
	}
	if !found {
		bad("expected the variable %s with one input as its value", chosen.UID)
	}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		if p.Datasource != chosen {
			bad("%q asks %+v: expected %+v", p.Title, p.Datasource, chosen)
		}
		ids := map[string]bool{}
		for _, q := range p.Targets {
			if q.Expr == "" || q.RefID == "" || ids[q.RefID] || q.Datasource != chosen {
				bad("%q: query %q, %q of %+v: expected an expression, a refId of its own, and %+v", p.Title, q.RefID, q.Expr, q.Datasource, chosen)
			}
			ids[q.RefID] = true
		}
	}
	return list
}

// TestGrafanaImports: dashboard.json has the form that Grafana's import takes.
func TestGrafanaImports(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems(text) {
		t.Error(p)
	}
}

// TestWhatGrafanaWouldNotImport: each of these edits of dashboard.json is found.
func TestWhatGrafanaWouldNotImport(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, put string }{
		"an id":                    {`"uid": "lagerd"`, `"uid": "lagerd", "id": 7`},
		"a uid that is too long":   {`"uid": "lagerd"`, `"uid": "lagerd-lagerd-lagerd-lagerd-lagerd-lagerd-lagerd"`},
		"an old schema":            {`"schemaVersion": 38`, `"schemaVersion": 16`},
		"a library panel":          {`"__elements": {}`, `"__elements": {"a": {}}`},
		"an input that is unused":  {`"value": "${DS_PROMETHEUS}"`, `"value": "default"`},
		"an input without a label": {`"label": "Prometheus"`, `"label": ""`},
		"an unknown name":          {`"text": "${DS_PROMETHEUS}"`, `"text": "${DS_OTHER}"`},
		"a panel's plugin":         {`"id": "stat",`, `"id": "gauge",`},
		"no version":               {`"version": "10.0.0"`, `"versions": "10.0.0"`},
		"a data source of its own": {`"uid": "${datasource}"`, `"uid": "P1809F7CD0C75ACF3"`},
		"a query without refId":    {`"refId": "A"`, `"refId": ""`},
		"a query without expr":     {`"expr": "max(lagerd_instances{job=\"$job\"})"`, `"expr": ""`},
	} {
		edited := regexp.MustCompile(regexp.QuoteMeta(c.old)).ReplaceAllLiteral(text, []byte(c.put))
		if string(edited) == string(text) {
			t.Errorf("%s: dashboard.json has no %s", name, c.old)
		}
		if len(problems(edited)) == 0 {
			t.Errorf("%s: expected a problem", name)
		}
	}
}
