package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// Notice summarizes a shop's items or invoices that are unreadable, or only partly
// readable, in JSON.
type Notice struct {
	Kind   plan.Kind  `json:"kind"`
	Count  int64      `json:"count"`
	Number string     `json:"number"` // of one of them; "" if unreadable
	Text   string     `json:"text"`   // why
	Since  *time.Time `json:"since"`  // of the first of them; null: not known
}

func noticesOf(list []store.Notice) (all []Notice) {
	for _, n := range list {
		all = append(all, Notice{Kind: n.Kind, Count: n.Count, Number: n.Number, Text: n.Text, Since: when(n.Since)})
	}
	return all
}

// things names the kind, in singular or plural.
func (n Notice) things() string {
	thing := "item"
	if n.Kind == plan.KindInvoice {
		thing = "invoice"
	}
	if n.Count == 1 {
		return thing
	}
	return thing + "s"
}

// which names the item or invoice that the notice gives as its example.
func (n Notice) which() string {
	if n.Kind == plan.KindInvoice {
		return n.Number
	}
	return strconv.Quote(n.Number)
}

// Unread formats a notice about open hints whose numbers cannot be read, on one line.
func (n Notice) Unread() string {
	if n.Count == 1 {
		return fmt.Sprintf("%s %s cannot be read: %s", n.things(), n.which(), n.Text)
	}
	return fmt.Sprintf("%d %s cannot be read, e.g. %s: %s", n.Count, n.things(), n.which(), n.Text)
}

// Warning formats a notice about items or invoices with unreadable fields or numbers, on
// one line.
func (n Notice) Warning() string {
	count := fmt.Sprint(n.Count)
	if n.Count >= store.MostWarnings {
		count += " or more"
	}
	switch {
	case n.Number == "" && n.Count > 1:
		return fmt.Sprintf("%s %s have unreadable fields, and there are %s", count, n.things(), n.Text)
	case n.Number == "":
		return fmt.Sprintf("%ss: %s", n.things(), n.Text)
	case n.Count == 1:
		return fmt.Sprintf("%s %s has unreadable fields: %s", n.things(), n.which(), n.Text)
	}
	return fmt.Sprintf("%s %s have unreadable fields, e.g. %s: %s", count, n.things(), n.which(), n.Text)
}

// Notices returns a line per kind about what is unreadable, and about what is only partly
// readable.
func (s Shop) Notices() (unread, warnings []string) {
	for _, n := range s.Unread {
		unread = append(unread, n.Unread())
	}
	for _, n := range s.Warnings {
		warnings = append(warnings, n.Warning())
	}
	return unread, warnings
}

// reasons joins the non-empty reasons into one line.
func reasons(all ...string) string {
	var given []string
	for _, reason := range all {
		if reason != "" {
			given = append(given, reason)
		}
	}
	return strings.Join(given, "; ")
}
