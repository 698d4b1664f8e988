package status

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/terminal"
)

// Diff is the JSON of `lagerd diff`. Unknown values are null, never zero.
type Diff struct {
	Shop               string           `json:"shop"`
	ReadAt             time.Time        `json:"read_at"`
	Equal              bool             `json:"equal"`
	StockSource        string           `json:"stock_source"`      // where the stock is read: the service's name; "": items were not compared
	ItemsAtEconomic    *int             `json:"items_at_economic"` // there; null: items were not compared
	ItemsStored        *int             `json:"items_stored"`
	InvoicesAtEconomic *int             `json:"invoices_at_economic"` // null: invoices were not compared
	InvoicesStored     *int             `json:"invoices_stored"`
	Stock              []StockDiff      `json:"stock"`
	Invoices           []InvoiceDiff    `json:"invoices"`
	Losses             int              `json:"losses"`
	Unreadable         []UnreadableDiff `json:"unreadable"`
	Notes              []string         `json:"notes"`
}

// StockDiff is an item that differs. Decimals are strings, to be exact.
type StockDiff struct {
	Number            string              `json:"number"`
	Name              string              `json:"name"`
	What              plan.What           `json:"what"`
	StockStored       decimal.NullDecimal `json:"stock_stored"`
	StockAtEconomic   decimal.NullDecimal `json:"stock_at_economic"`
	StateStored       *plan.State         `json:"state_stored"`
	StateAtEconomic   *plan.State         `json:"state_at_economic"`
	EconomicChangedAt *time.Time          `json:"economic_changed_at"`
	HintOpenSince     *time.Time          `json:"hint_open_since"` // null: none is open
	Loss              bool                `json:"loss"`
	LookedAtTwice     bool                `json:"looked_at_twice"`
	Note              string              `json:"note,omitempty"`
}

// InvoiceDiff is an invoice that differs.
type InvoiceDiff struct {
	Number        int64      `json:"number"`
	What          plan.What  `json:"what"`
	Date          *string    `json:"date"`
	Tries         int        `json:"tries"`
	Error         string     `json:"error,omitempty"`
	HintOpenSince *time.Time `json:"hint_open_since"`
	Note          string     `json:"note,omitempty"`
}

// UnreadableDiff is an item or invoice that could not be compared.
type UnreadableDiff struct {
	Kind   plan.Kind `json:"kind"`
	Number string    `json:"number"`
	Reason string    `json:"reason"`
}

// DiffOf converts a comparison's result to its JSON form.
func DiffOf(d reconcile.Differences) Diff {
	v := Diff{
		Shop: d.Shop, ReadAt: d.ReadAt.UTC(), Equal: d.Equal(), Losses: d.Losses(),
		Stock: []StockDiff{}, Invoices: []InvoiceDiff{}, Unreadable: []UnreadableDiff{}, Notes: append([]string{}, d.Notes...),
	}
	if s := d.Stock; s != nil {
		v.StockSource, v.ItemsAtEconomic, v.ItemsStored = cmp.Or(s.Source, "e-conomic"), &s.AtEconomic, &s.Stored
		for _, i := range s.Items {
			v.Stock = append(v.Stock, StockDiff{
				Number: i.Number, Name: i.Name, What: i.What, StockStored: i.Stored.Stock, StockAtEconomic: i.Economic.Stock,
				StateStored: state(i.Stored.State), StateAtEconomic: state(i.Economic.State), EconomicChangedAt: when(i.EconomicAt.UTC()),
				HintOpenSince: when(i.HintSince.UTC()), Loss: i.Loss, LookedAtTwice: i.Twice, Note: noteOf(i.Difference),
			})
		}
	}
	if s := d.Invoices; s != nil {
		v.InvoicesAtEconomic, v.InvoicesStored = &s.AtEconomic, &s.Stored
		for _, i := range s.Invoices {
			one := InvoiceDiff{Number: i.Number, What: i.What, Tries: i.Tries, Error: i.Error, HintOpenSince: when(i.HintSince.UTC()), Note: i.Note}
			if i.Date != "" {
				one.Date = &i.Date
			}
			v.Invoices = append(v.Invoices, one)
		}
	}
	for _, u := range d.Unreadable {
		v.Unreadable = append(v.Unreadable, UnreadableDiff{u.Kind, u.Number, u.Reason})
	}
	return v
}

func state(s plan.State) *plan.State {
	if s == "" {
		return nil
	}
	return &s
}

// noteOf says what differs besides the shop's own figure, or in its parts.
func noteOf(d plan.Difference) string {
	return strings.Join(slices.DeleteFunc([]string{otherFigures(d), otherPlaces(d)}, func(text string) bool { return text == "" }), ", ")
}

// otherPlaces lists the places whose figures differ, in the order of their numbers.
func otherPlaces(d plan.Difference) string {
	if d.What != plan.WhatStock && d.What != plan.WhatPlaces {
		return ""
	}
	stored, now := inPlaces(d.Stored.Places), inPlaces(d.Economic.Places)
	all := maps.Clone(stored)
	maps.Copy(all, now)
	numbers := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var list []string
	for _, number := range numbers {
		if was, is := dash(stored[number]), dash(now[number]); was != is {
			list = append(list, fmt.Sprintf("place %s %s → %s", number, was, is))
		}
	}
	return strings.Join(list, ", ")
}

func inPlaces(list []plan.PlaceStock) map[string]decimal.NullDecimal {
	in := make(map[string]decimal.NullDecimal, len(list))
	for _, p := range list {
		in[p.Place] = decimal.NewNullDecimal(p.InStock)
	}
	return in
}

// otherFigures lists the figures that differ if the shop's own figure does not.
// Otherwise the line would show the same on both sides.
func otherFigures(d plan.Difference) string {
	if d.What != plan.WhatStock || dash(d.Stored.Stock) != dash(d.Economic.Stock) {
		return ""
	}
	var list []string
	for _, f := range []struct {
		name        string
		stored, now decimal.NullDecimal
	}{
		{"in stock", d.Stored.Figures.InStock, d.Economic.Figures.InStock},
		{"available", d.Stored.Figures.Available, d.Economic.Figures.Available},
		{"ordered by customers", d.Stored.Figures.OrderedByCustomers, d.Economic.Figures.OrderedByCustomers},
		{"ordered from suppliers", d.Stored.Figures.OrderedFromSuppliers, d.Economic.Figures.OrderedFromSuppliers},
	} {
		if dash(f.stored) != dash(f.now) {
			list = append(list, fmt.Sprintf("%s %s → %s", f.name, dash(f.stored), dash(f.now)))
		}
	}
	return strings.Join(list, ", ")
}

// dash formats a figure, "-" if absent.
func dash(d decimal.NullDecimal) string {
	if !d.Valid {
		return "-"
	}
	return d.Decimal.String()
}

func dashState(s *plan.State) string {
	if s == nil {
		return "-"
	}
	return string(*s)
}

func dashTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func dashText(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// WriteJSON writes the differences as one JSON document.
func (d Diff) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(d)
}

// WriteCSV writes a header and a line per difference, with control characters
// escaped. "-" is an absent figure or time; an empty field does not apply to this kind
// of line.
func (d Diff) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	lines := [][]string{{"kind", "number", "name", "what", "stock_stored", "stock_at_economic", "state_stored", "state_at_economic",
		"economic_changed_at", "hint_open_since", "loss", "looked_at_twice", "date", "tries", "error", "note"}}
	for _, s := range d.Stock {
		lines = append(lines, []string{string(plan.KindStock), s.Number, s.Name, string(s.What), dash(s.StockStored), dash(s.StockAtEconomic),
			dashState(s.StateStored), dashState(s.StateAtEconomic), dashTime(s.EconomicChangedAt), dashTime(s.HintOpenSince),
			strconv.FormatBool(s.Loss), strconv.FormatBool(s.LookedAtTwice), "", "", "", s.Note})
	}
	for _, i := range d.Invoices {
		lines = append(lines, []string{string(plan.KindInvoice), strconv.FormatInt(i.Number, 10), "", string(i.What), "", "", "", "", "",
			dashTime(i.HintOpenSince), "", "", dashText(i.Date), strconv.Itoa(i.Tries), i.Error, i.Note})
	}
	for _, line := range lines {
		for i, text := range line {
			line[i] = terminal.Escape(text)
		}
	}
	return c.WriteAll(lines)
}

// WriteTable writes the differences as tables for people, each kind followed by a summary line, in
// lines of so many columns.
func (d Diff) WriteTable(w io.Writer, columns int) error {
	if len(d.Invoices) > 0 {
		if err := d.invoiceTable().Write(w, columns); err != nil {
			return err
		}
	}
	if d.InvoicesAtEconomic != nil {
		text := fmt.Sprintf("%s at e-conomic, %d stored: %s", counted(*d.InvoicesAtEconomic, "invoice"), *d.InvoicesStored, d.verdict(plan.KindInvoice, len(d.Invoices), 0))
		if err := terminal.WriteWrapped(w, "", text, columns); err != nil {
			return err
		}
	}
	if d.InvoicesAtEconomic != nil && d.ItemsAtEconomic != nil && (len(d.Invoices) > 0 || len(d.Stock) > 0) {
		fmt.Fprintln(w)
	}
	return d.writeItems(w, columns)
}

func (d Diff) invoiceTable() *terminal.Table {
	t := terminal.NewTable(terminal.Column{Name: "INVOICE", Right: true}, terminal.Column{Name: "WHAT"}, terminal.Column{Name: "DATE"},
		terminal.Column{Name: "HINT OPEN SINCE", Rank: 1}, terminal.Column{Name: "TRIES", Right: true})
	for _, i := range d.Invoices {
		t.Row(strconv.FormatInt(i.Number, 10), string(i.What), dashText(i.Date), minute(i.HintOpenSince), strconv.Itoa(i.Tries))
		if i.Error != "" {
			t.Note("error: " + plain(i.Error, 200))
		}
		if i.Note != "" {
			t.Note(i.Note)
		}
	}
	return t
}

func (d Diff) writeItems(w io.Writer, columns int) error {
	if len(d.Stock) > 0 {
		if err := d.itemTable().Write(w, columns); err != nil {
			return err
		}
	}
	if d.ItemsAtEconomic == nil {
		return nil
	}
	return terminal.WriteWrapped(w, "", fmt.Sprintf("%s at %s, %d stored: %s", counted(*d.ItemsAtEconomic, "item"), d.StockSource, *d.ItemsStored, d.verdict(plan.KindStock, len(d.Stock), d.Losses)), columns)
}

func (d Diff) itemTable() *terminal.Table {
	there := strings.ToUpper(d.StockSource)
	t := terminal.NewTable(terminal.Column{Name: "ITEM"}, terminal.Column{Name: "NAME"}, terminal.Column{Name: "WHAT"}, terminal.Column{Name: "STORED", Right: true}, terminal.Column{Name: there, Right: true},
		terminal.Column{Name: "STATE"}, terminal.Column{Name: "LOSS"}, terminal.Column{Name: "HINT OPEN SINCE", Rank: 1}, terminal.Column{Name: there + " CHANGED", Rank: 2})
	for _, s := range d.Stock {
		state, loss := dashState(s.StateStored), "-"
		if there := dashState(s.StateAtEconomic); there != state {
			state += " → " + there
		}
		if s.Loss {
			loss = "loss"
		}
		t.Row(cell(s.Number), orDash(plain(s.Name, 30)), string(s.What), dash(s.StockStored), dash(s.StockAtEconomic), state, loss, minute(s.HintOpenSince), minute(s.EconomicChangedAt))
		if s.Note != "" {
			t.Note(s.Note)
		}
	}
	return t
}

// verdict summarizes a kind's differences. It is "equal" only if everything could be
// compared.
func (d Diff) verdict(kind plan.Kind, differences, losses int) string {
	unreadable := 0
	for _, u := range d.Unreadable {
		if u.Kind == kind {
			unreadable++
		}
	}
	text := "equal"
	if differences > 0 || unreadable > 0 {
		text = counted(differences, "difference")
	}
	switch losses {
	case 0:
	case 1:
		text += ", 1 of them a loss"
	default:
		text += fmt.Sprintf(", %d of them losses", losses)
	}
	if unreadable > 0 {
		text += fmt.Sprintf(", %d could not be compared", unreadable)
	}
	return text
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func minute(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// cell returns a number, quoted if it would be misread in a table: with blanks at its
// ends, or characters that cannot be printed.
func cell(s string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if s == "" || s == "-" || s != strings.TrimSpace(s) || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// plain returns a text as one line, escaped and shortened to that many characters.
func plain(s string, characters int) string {
	s = terminal.Escape(s)
	if r := []rune(s); len(r) > characters {
		return string(r[:characters-1]) + "…"
	}
	return s
}
