package plan

import (
	"fmt"
	"slices"
	"strconv"
)

// Asked is which invoices a read asked the source for. A source may send others: it ignores a
// filter, or its link leads to a page of another query. The zero value asks for all.
type Asked struct {
	HasAfter bool
	After    int64   // with HasAfter: numbers above this one
	Ranges   []Range // these numbers too

	DateFrom string // and of those only the ones dated YYYY-MM-DD or later; "": all
}

// number reports whether a number was asked for.
func (a Asked) number(n int64) bool {
	if !a.HasAfter && len(a.Ranges) == 0 {
		return true
	}
	return a.HasAfter && n > a.After || slices.ContainsFunc(a.Ranges, func(r Range) bool { return r.From <= n && n <= r.To })
}

// date reports whether a date was asked for. One that is unknown was: the source chose by it.
func (a Asked) date(date string) bool { return date == "" || date >= a.DateFrom }

// Stray is an invoice that came although it was not asked for.
type Stray struct {
	Number int64
	Date   string
}

// Strays are the invoices of a read that were not asked for, and are left as they are.
type Strays struct {
	Count   int
	Example Stray // one of them
}

// Add adds those of a further page.
func (s *Strays) Add(more Strays) {
	if s.Count == 0 {
		s.Example = more.Example
	}
	s.Count += more.Count
}

// Err describes them for people; nil if there are none.
func (s Strays) Err() error {
	switch {
	case s.Count == 0:
		return nil
	case s.Example.Date == "":
		return fmt.Errorf("e.g. invoice %d", s.Example.Number)
	}
	return fmt.Errorf("e.g. invoice %d of %s", s.Example.Number, s.Example.Date)
}

// Sort separates what came from what was asked for. Whoever asks for the invoices from a shop's
// start on must not store earlier ones: they are the ones that came unasked.
//
//	invoice     number     date       hinted  outcome
//	any         any        any        yes     asked for
//	stored      any        any        no      asked for: it stays as it is
//	readable    asked for  asked for  no      asked for
//	readable    asked for  not        no      stray
//	readable    not        any        no      stray
//	unreadable  not        unknown    no      stray
//	unreadable  asked for  unknown    no      asked for; a stray if the source ignored the date of
//	                                          another one on the page: it would be hinted, and stored
//	unreadable  unknown    unknown    no      asked for: it is only counted
func (a Asked) Sort(observed []Invoice, unread []Unreadable, stored map[int64]bool, hints map[string]Hint) (asked []Invoice, askedUnread []Unreadable, strays Strays) {
	known := func(n int64) bool {
		_, hinted := hints[strconv.FormatInt(n, 10)]
		return hinted || stored[n]
	}
	stray := func(s Stray) { strays.Add(Strays{1, s}) }
	ignored := false // the date
	for _, inv := range observed {
		ignored = ignored || !a.date(inv.Date)
		if known(inv.Number) || a.number(inv.Number) && a.date(inv.Date) {
			asked = append(asked, inv)
		} else {
			stray(Stray{inv.Number, inv.Date})
		}
	}
	for _, u := range unread {
		n, err := strconv.ParseInt(u.Number, 10, 64)
		if err != nil || known(n) || a.number(n) && !ignored {
			askedUnread = append(askedUnread, u)
		} else {
			stray(Stray{Number: n})
		}
	}
	return asked, askedUnread, strays
}
