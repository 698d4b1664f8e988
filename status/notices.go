package status

import (
	"fmt"
	"strconv"
	"strings"

	"lagerd/plan"
	"lagerd/store"
)

// Notice sums up which items or invoices of a shop cannot be read, or only in part, in
// JSON.
type Notice struct {
	Kind   plan.Kind `json:"kind"`
	Count  int64     `json:"count"`
	Number string    `json:"number"` // of one of them; "": it cannot be read
	Text   string    `json:"text"`   // why
}

func noticesOf(list []store.Notice) (all []Notice) {
	for _, n := range list {
		all = append(all, Notice(n))
	}
	return all
}

// things names the kind, one or several.
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

// which names the one that the notice tells of.
func (n Notice) which() string {
	if n.Kind == plan.KindInvoice {
		return n.Number
	}
	return strconv.Quote(n.Number)
}

// Unread says in one line that open hints' numbers cannot be read.
func (n Notice) Unread() string {
	if n.Count == 1 {
		return fmt.Sprintf("%s %s cannot be read: %s", n.things(), n.which(), n.Text)
	}
	return fmt.Sprintf("%d %s cannot be read, e.g. %s: %s", n.Count, n.things(), n.which(), n.Text)
}

// Warning says in one line that items or invoices have unreadable fields, or even a number
// that cannot be read.
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

// Notices returns what cannot be read, and what only in part, a line to each kind.
func (s Shop) Notices() (unread, warnings []string) {
	for _, n := range s.Unread {
		unread = append(unread, n.Unread())
	}
	for _, n := range s.Warnings {
		warnings = append(warnings, n.Warning())
	}
	return unread, warnings
}

// reasons joins reasons that stand beside each other to one line.
func reasons(all ...string) string {
	var given []string
	for _, reason := range all {
		if reason != "" {
			given = append(given, reason)
		}
	}
	return strings.Join(given, "; ")
}
