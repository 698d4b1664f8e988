package status

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/terminal"
)

// Listed is up to how many shops an overview lists one by one.
const Listed = 40

const (
	// oneByOne is up to how many shops with the same need are shown each for itself.
	oneByOne = 3
	// named is how many of more shops with the same need are named.
	named = 5
)

// Paper is what a text is written for: how many columns it may have, and when.
type Paper struct {
	Columns int
	Now     time.Time
}

// Write writes the overview for people, the most urgent first: what needs a person, the nodes, how
// many shops are in which state, and, if listed is set, a line for each shop.
func (o Overview) Write(w io.Writer, p Paper, listed bool) error {
	if err := p.writeNeeds(w, o.Needs); err != nil {
		return err
	}
	if err := o.WriteNodes(w, p); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := terminal.WriteWrapped(w, "", o.summary(), p.Columns); err != nil {
		return err
	}
	if !listed {
		return terminal.WriteWrapped(w, "", "`lagerd status SHOP` shows one in full, `lagerd status --all` lists them.", p.Columns)
	}
	fmt.Fprintln(w)
	return p.writeShops(w, o.Shops)
}

// WriteNeeds writes what needs a person, with an empty line after it, and nothing if nothing does.
func (o Overview) WriteNeeds(w io.Writer, p Paper) error {
	if len(o.Needs) == 0 {
		return nil
	}
	err := p.writeNeeds(w, o.Needs)
	fmt.Fprintln(w)
	return err
}

// writeNeeds writes what needs a person, and that nothing does.
func (p Paper) writeNeeds(w io.Writer, needs []Need) error {
	if len(needs) == 0 {
		return terminal.WriteWrapped(w, "", "Nothing needs a person.", p.Columns)
	}
	fmt.Fprintf(w, "NEEDS A PERSON (%d)\n", len(needs))
	for len(needs) > 0 {
		alike := 1
		for alike < len(needs) && needs[0].alike(needs[alike]) {
			alike++
		}
		if alike <= oneByOne {
			alike = 1
		}
		if err := p.writeNeed(w, needs[:alike]); err != nil {
			return err
		}
		needs = needs[alike:]
	}
	return nil
}

// writeNeed writes one need, or many that are alike: which shops, what is wrong with the first,
// and what to do.
func (p Paper) writeNeed(w io.Writer, alike []Need) error {
	n := alike[0]
	head, body := n.What(), []string{n.Detail, "Do: " + n.Do}
	switch {
	case len(alike) > 1:
		head = fmt.Sprintf("%s: %s", counted(len(alike), "shop"), head)
		shops := make([]string, 0, named)
		for _, one := range alike[:named-1] {
			shops = append(shops, one.Shop)
		}
		if more := len(alike) - len(shops); more > 0 {
			shops = append(shops, fmt.Sprintf("and %d more", more))
		}
		body = []string{strings.Join(shops, ", "), fmt.Sprintf("e.g. %s: %s", n.Shop, n.Detail), "Do: " + n.Advice}
	case n.Shop != "":
		head = n.Shop + ": " + head
	}
	if since := oldest(alike); since != nil {
		word := ", since "
		if len(alike) > 1 {
			word = ", the first since "
		}
		head += word + since.UTC().Format("2006-01-02 15:04") + " UTC (" + short(since, p.Now) + ")"
	}
	fmt.Fprintln(w)
	for i, text := range append([]string{head}, body...) {
		first := "  "
		if i == 0 {
			first = ""
		}
		if err := terminal.WriteWrapped(w, first, text, p.Columns); err != nil {
			return err
		}
	}
	return nil
}

func oldest(needs []Need) (since *time.Time) {
	for _, n := range needs {
		if n.Since != nil && (since == nil || n.Since.Before(*since)) {
			since = n.Since
		}
	}
	return since
}

// WriteNodes writes a line for each lagerd, after an empty line, and nothing if there is none.
func (o Overview) WriteNodes(w io.Writer, p Paper) error {
	if len(o.Nodes) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := terminal.NewTable(terminal.Column{Name: "NODE"}, terminal.Column{Name: "PROCESS", Right: true}, terminal.Column{Name: "VERSION"},
		terminal.Column{Name: "SHOPS", Right: true}, terminal.Column{Name: "LAST BEAT"}, terminal.Column{Name: "STARTED", Rank: 1}, terminal.Column{Name: "INSTANCE", Rank: 2})
	for _, n := range o.Nodes {
		beat := short(n.LastBeat, p.Now)
		if n.State != NodeAlive {
			beat += ", " + n.State
		}
		t.Row(n.Host, fmt.Sprint(n.Process), n.Version, fmt.Sprint(n.Shops), beat, short(n.StartedAt, p.Now), n.Instance)
	}
	return t.Write(w, p.Columns)
}

// summary counts the shops by state and reason, in a sentence.
func (o Overview) summary() string {
	var states []string
	for _, c := range o.Counts() {
		text := fmt.Sprintf("%d %s", c.Shops, StateWords(c.State))
		var of []string
		for _, r := range c.Reasons {
			of = append(of, fmt.Sprintf("%d %s", r.Shops, r.Reason))
		}
		if len(of) > 0 {
			text += " (" + strings.Join(of, ", ") + ")"
		}
		states = append(states, text)
	}
	return counted(len(o.Shops), "shop") + ": " + strings.Join(states, "; ") + "."
}

// writeShops writes a line for each shop, and below it what is to be said that needs nobody.
func (p Paper) writeShops(w io.Writer, shops []Shop) error {
	number := func(name string, rank int) terminal.Column {
		return terminal.Column{Name: name, Right: true, Rank: rank}
	}
	t := terminal.NewTable(terminal.Column{Name: "SHOP"}, terminal.Column{Name: "STATE"}, number("LAST TICK", 0), number("HINTS", 1), number("OLDEST", 2), number("FAILING", 3),
		number("ITEMS", 4), number("INVOICES", 5), number("MISSED", 6), number("LATE", 8), number("DRIFT", 9), number("NO PDF", 7), number("NO ORDER", 10))
	for _, s := range shops {
		t.Row(s.Shop, s.state(), short(s.LastGoodTick, p.Now), fmt.Sprint(s.OpenHints), short(s.OldestHint, p.Now), fmt.Sprint(s.FailingHints), fmt.Sprint(s.Items),
			fmt.Sprint(s.Invoices), fmt.Sprint(s.MissedWebhooks), fmt.Sprint(s.LateWebhooks), fmt.Sprint(s.Drift), fmt.Sprint(s.WaitingForPDF), fmt.Sprint(s.WithoutOrder))
		for _, note := range s.Notes {
			t.Note(note)
		}
	}
	return t.Write(w, p.Columns)
}

// WriteOne writes all about the only shop of the overview: what needs a person first.
func (o Overview) WriteOne(w io.Writer, p Paper) error {
	if err := p.writeNeeds(w, o.Needs); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return terminal.WriteFields(w, o.Fields(), p.Columns)
}

// Fields are all about the only shop of the overview, apart from its needs.
func (o Overview) Fields() []terminal.Field {
	v := o.Shops[0]
	fields := []terminal.Field{{Name: "shop", Value: v.Shop}, {Name: "state", Value: v.state()}}
	for _, note := range v.Notes {
		fields = append(fields, terminal.Field{Name: "note", Value: note})
	}
	fields = append(fields, terminal.Field{Name: "node", Value: o.nodeOf(v)}, terminal.Field{Name: "agreement", Value: number(v.Agreement)}, terminal.Field{Name: "stock from", Value: v.stockFrom()})
	fields = append(fields, v.progressFields()...)
	if v.StockSource == string(store.SourceRackbeat) {
		fields = append(fields, terminal.Field{Name: "calls to Rackbeat", Value: fmt.Sprintf("%d today", v.StockCalls)})
	}
	return fields
}

// nodeOf names the lagerd that has the shop's lease.
func (o Overview) nodeOf(v Shop) string {
	for _, n := range o.Nodes {
		if n.Instance == v.Instance {
			text := fmt.Sprintf("%s, process %d, %s", n.Host, n.Process, n.Version)
			if n.State != NodeAlive {
				text += ", " + n.State
			}
			return text
		}
	}
	return orDash(v.Instance)
}

// stockFrom names the stock source, with the account and the places there.
func (s Shop) stockFrom() string {
	if s.StockSource == string(store.SourceRackbeat) {
		return s.StockSource + AccountAndPlaces(s.StockAccount, s.Places)
	}
	return s.StockSource
}

func number(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// progressFields are how far the shop's reconciliation has come.
func (s Shop) progressFields() []terminal.Field {
	fields := []terminal.Field{
		{Name: "last good tick", Value: shown(s.LastGoodTick)},
		{Name: "last sweep", Value: shown(s.LastSweep)},
		{Name: "open hints", Value: fmt.Sprintf("%d, oldest %s", s.OpenHints, shown(s.OldestHint))},
	}
	add := func(name, value string) { fields = append(fields, terminal.Field{Name: name, Value: value}) }
	if s.Marked > 0 {
		add("beyond the cap of hints", fmt.Sprintf("%s since %s: the next sweep covers them", counted(int(s.Marked), "webhook"), shown(s.MarkedSince)))
	}
	if text := s.everything(); text != "" {
		add("all items", text)
	}
	if s.OldInvoices > 0 {
		add("before the shop's start", counted(int(s.OldInvoices), "webhook")+" of earlier invoices, which are not fetched")
	}
	add("webhooks", fmt.Sprintf("%d missed, %d late; drift %d", s.MissedWebhooks, s.LateWebhooks, s.Drift))
	add("read lag", orDash(s.ReadLagLast)+", longest "+orDash(s.ReadLagLongest))
	add("items", fmt.Sprint(s.Items))
	add("invoices stored", fmt.Sprintf("%d, %d without PDF yet, %d without order number", s.Invoices, s.WaitingForPDF, s.WithoutOrder))
	add("calls to e-conomic", fmt.Sprintf("%d today", s.CallsToday))
	return fields
}

// state returns the state as shown to people.
func (s Shop) state() string { return StateWords(s.State) }

// StateWords returns a state as shown to people.
func StateWords(state string) string {
	switch state {
	case StateNoLagerd:
		return NoLagerd
	case StateNotTaken:
		return "not taken"
	}
	return state
}

// Age is how long ago something was, in short: 2h, or - if it never was.
func Age(t *time.Time, now time.Time) string { return short(t, now) }

// short is an age without zero units: 2h, not 2h0m0s.
func short(t *time.Time, now time.Time) string {
	text := age(t, now)
	if d, err := time.ParseDuration(text); err == nil {
		return plan.ShortDuration(d)
	}
	return text
}
