package monitoring_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// dashboard is the part of dashboard.json that the tests look at.
type dashboard struct {
	UID        string  `json:"uid"`
	Title      string  `json:"title"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos area   `json:"gridPos"`
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

// area is a panel's place on the dashboard, whose width is 24.
type area struct{ X, Y, W, H int }

func (a area) overlaps(b area) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

// variable is one that a person chooses on the dashboard.
type variable struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Definition string `json:"definition"` // its query
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatalf("dashboard.json: %v", err)
	}
	if len(d.Panels) == 0 {
		t.Fatal("dashboard.json has no panels")
	}
	return d
}

// TestDashboard: the panels have names, units and queries, do not cover each other, and ask
// for one job only, since a Prometheus may scrape several installations.
func TestDashboard(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID != "lagerd" || d.Title != "lagerd" {
		t.Errorf("the dashboard is %q with the id %q: expected lagerd", d.Title, d.UID)
	}
	ids := map[int]bool{}
	for n, p := range d.Panels {
		if p.Title == "" || ids[p.ID] {
			t.Errorf("panel %d, %q: expected a title, and an id that no other has", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, other := range d.Panels[:n] {
			if p.GridPos.overlaps(other.GridPos) {
				t.Errorf("%q %+v covers %q %+v", p.Title, p.GridPos, other.Title, other.GridPos)
			}
		}
		if g := p.GridPos; g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%q is at %+v: expected a place within 24 columns", p.Title, g)
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("%q has %d queries and the unit %q", p.Title, len(p.Targets), p.FieldConfig.Defaults.Unit)
		}
		for _, q := range p.Targets {
			if strings.Count(q.Expr, "{") != strings.Count(q.Expr, `{job="$job"`) {
				t.Errorf("%q: %s: expected only series of the job $job", p.Title, q.Expr)
			}
		}
	}
	if !slices.ContainsFunc(d.Templating.List, func(v variable) bool { return v.Name == "job" }) {
		t.Error("there is no variable job")
	}
}
