package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lagerd/status"
)

// shopsShown is how many shops the operators' page shows at once.
const shopsShown = 50

// longestShown is how many characters of a detail the list of shops shows.
const longestShown = 240

// shopsQuery is which shops an operator wants to see.
type shopsQuery struct {
	Show string // a filter
	Find string // part of the name
	Page int    // from 1 on
}

// filter selects shops.
type filter struct {
	Name, Text string
	shows      func(v status.Shop, needs bool) bool
}

// filters returns the filters, in the order in which they are shown.
func filters() []filter {
	return []filter{
		{"all", "all", func(status.Shop, bool) bool { return true }},
		{"needs", "need a person", func(_ status.Shop, needs bool) bool { return needs }},
		{"held", "held", func(v status.Shop, _ bool) bool { return v.State == status.StateHeld }},
		{"failing", "failing", func(v status.Shop, _ bool) bool { return v.State == status.StateRunning && v.Failures > 0 }},
		{"unattended", "without a lagerd", func(v status.Shop, _ bool) bool {
			return v.State == status.StateNoLagerd || v.State == status.StateNotTaken
		}},
		{"paused", "paused", func(v status.Shop, _ bool) bool { return v.State == status.StatePaused }},
		{"running", "running", func(v status.Shop, _ bool) bool { return v.State == status.StateRunning }},
	}
}

// shopsQueryOf reads a query from an address. What it does not understand it leaves out.
func shopsQueryOf(values url.Values) shopsQuery {
	q := shopsQuery{Show: "all", Find: strings.TrimSpace(values.Get("find")), Page: 1}
	for _, f := range filters() {
		if f.Name == values.Get("show") {
			q.Show = f.Name
		}
	}
	if n, err := strconv.Atoi(values.Get("page")); err == nil && n > 1 {
		q.Page = n
	}
	return q
}

// path returns the path of the page that shows the query.
func (q shopsQuery) path() string {
	values := url.Values{}
	if q.Show != "all" {
		values.Set("show", q.Show)
	}
	if q.Find != "" {
		values.Set("find", q.Find)
	}
	if q.Page > 1 {
		values.Set("page", strconv.Itoa(q.Page))
	}
	if len(values) == 0 {
		return "/"
	}
	return "/?" + values.Encode()
}

// arrangement is the shops that a query asks for, and how many each filter shows.
type arrangement struct {
	names  []string // in order
	counts map[string]int
}

// arrange orders the shops: first those that need a person, the most urgent need first, then those
// of which the operator is told of something else (incidents: what only hints show), then those whose
// last tick failed, then the others; each by name.
func arrange(o status.Overview, incidents map[string]bool, q shopsQuery) arrangement {
	urgency := make(map[string]int, len(o.Needs))
	for n, need := range o.Needs {
		if _, known := urgency[need.Shop]; !known {
			urgency[need.Shop] = n
		}
	}
	rank := func(v status.Shop) int {
		n, needs := urgency[v.Shop]
		switch {
		case needs:
			return n
		case incidents[v.Shop]:
			return len(o.Needs)
		case v.State == status.StateRunning && v.Failures > 0:
			return len(o.Needs) + 1
		default:
			return len(o.Needs) + 2
		}
	}
	type ranked struct {
		name string
		rank int
	}
	a := arrangement{counts: map[string]int{}}
	shown := filters()
	var list []ranked
	for _, v := range o.Shops {
		_, needs := urgency[v.Shop]
		needs = needs || incidents[v.Shop]
		if q.Find != "" && !strings.Contains(strings.ToLower(v.Shop), strings.ToLower(q.Find)) {
			continue
		}
		for _, f := range shown {
			if !f.shows(v, needs) {
				continue
			}
			a.counts[f.Name]++
			if f.Name == q.Show {
				list = append(list, ranked{v.Shop, rank(v)})
			}
		}
	}
	slices.SortStableFunc(list, func(x, y ranked) int { return x.rank - y.rank })
	for _, r := range list {
		a.names = append(a.names, r.name)
	}
	return a
}

// on returns the names on a page, and the number of the first, from 1 on.
func (a arrangement) on(page int) (names []string, first int) {
	from := min((page-1)*shopsShown, len(a.names))
	return a.names[from:min(from+shopsShown, len(a.names))], from + 1
}

// shopsPage is the operators' first page.
type shopsPage struct {
	Query    shopsQuery
	Needs    []needLine // of the installation
	Nodes    []nodeLine
	Filters  []filterLink
	Shops    []shopLine
	First    int // number of the first shop shown
	Last     int
	Matching int
	Previous string // path; "": there is none
	Next     string
}

type filterLink struct {
	Text    string
	Path    string
	Shops   int
	Current bool
}

// needLine is a need as it is shown.
type needLine struct {
	What   string
	Since  *time.Time
	Age    string
	Detail string
	Do     string
}

func needLineOf(n status.Need, now time.Time) needLine {
	return needLine{What: n.What(), Since: n.Since, Age: status.Age(n.Since, now), Detail: n.Detail, Do: n.Do}
}

type nodeLine struct {
	Host    string
	Process int
	Version string
	Shops   int
	Beat    string
	Started string
	State   string
}

// shopLine is a shop in the list.
type shopLine struct {
	Shop   string
	Path   string
	State  string
	Class  string // of the state: good, warn, bad
	Needs  []needLine
	Notes  []string
	Tick   string
	Hints  int64
	Oldest string
	Missed int64
	Calls  int64
}

// classOf returns how a shop's state is marked, beside its word.
func classOf(v status.Shop) string {
	switch {
	case v.State == status.StateRunning && len(v.Needs) == 0 && v.Failures == 0:
		return "good"
	case v.State == status.StatePaused, v.State == status.StateRunning:
		return "warn"
	default:
		return "bad"
	}
}

func shopLineOf(v status.Shop, now time.Time) shopLine {
	line := shopLine{Shop: v.Shop, Path: shopPath(v.Shop), State: status.StateWords(v.State), Class: classOf(v), Tick: status.Age(v.LastGoodTick, now),
		Hints: v.OpenHints, Oldest: status.Age(v.OldestHint, now), Missed: v.MissedWebhooks, Calls: v.CallsToday + v.StockCalls}
	for _, n := range v.Needs {
		need := needLineOf(n, now)
		need.Detail = shorten(need.Detail)
		line.Needs = append(line.Needs, need)
	}
	for _, note := range v.Notes {
		line.Notes = append(line.Notes, shorten(note))
	}
	return line
}

// shorten returns a text in as many characters as a list shows.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > longestShown {
		return string(runes[:longestShown-1]) + "…"
	}
	return text
}

func shopPath(shop string) string { return "/shops/" + url.PathEscape(shop) }

// shopsPageOf returns the page of a query. o has the shops that are shown in full.
func shopsPageOf(o status.Overview, a arrangement, q shopsQuery, now time.Time) shopsPage {
	names, first := a.on(q.Page)
	p := shopsPage{Query: q, First: first, Last: first + len(names) - 1, Matching: len(a.names)}
	for _, n := range o.Needs {
		if n.Shop == "" {
			p.Needs = append(p.Needs, needLineOf(n, now))
		}
	}
	for _, n := range o.Nodes {
		p.Nodes = append(p.Nodes, nodeLine{n.Host, n.Process, n.Version, n.Shops, status.Age(n.LastBeat, now), status.Age(n.StartedAt, now), n.State})
	}
	for _, f := range filters() {
		to := shopsQuery{Show: f.Name, Find: q.Find}
		p.Filters = append(p.Filters, filterLink{Text: f.Text, Path: to.path(), Shops: a.counts[f.Name], Current: f.Name == q.Show})
	}
	at := make(map[string]int, len(o.Shops))
	for i, v := range o.Shops {
		at[v.Shop] = i
	}
	for _, name := range names {
		p.Shops = append(p.Shops, shopLineOf(o.Shops[at[name]], now))
	}
	if before := q; q.Page > 1 {
		before.Page--
		p.Previous = before.path()
	}
	if after := q; p.Last < p.Matching {
		after.Page++
		p.Next = after.path()
	}
	return p
}
