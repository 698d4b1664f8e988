package plan

import (
	"fmt"
	"math"
	"slices"
)

// Mixed is a stored invoice that is not the accepted agreement's, by what that
// agreement lists.
type Mixed struct {
	Number int64
	Reason string // for people
}

// MixedInvoices compares a page of a listing of invoices with what is stored of the
// same range of numbers. A booked invoice never changes in what is compared, so one
// that differs, or that the listing lacks, was read of another agreement. unread are
// the numbers of listed invoices that could not be understood: nothing is said of
// them, nor of a field that one side does not know. The listing shows only invoices
// from dateFrom on, YYYY-MM-DD; "": all.
func MixedInvoices(listed []Invoice, unread []int64, stored []Invoice, dateFrom string) []Mixed {
	byNumber := make(map[int64]Invoice, len(listed))
	for _, i := range listed {
		byNumber[i.Number] = i
	}
	var mixed []Mixed
	for _, s := range stored {
		l, shown := byNumber[s.Number]
		switch {
		case slices.Contains(unread, s.Number):
		case !shown && dateFrom != "" && s.Date < dateFrom: // also where its date is unknown
		case !shown:
			mixed = append(mixed, Mixed{s.Number, "e-conomic does not list it"})
		default:
			if reason := s.conflict(l); reason != "" {
				mixed = append(mixed, Mixed{s.Number, reason})
			}
		}
	}
	return mixed
}

// conflict says in what a stored invoice differs from the one that is listed under its
// number, "" if in nothing that both know.
func (i Invoice) conflict(listed Invoice) string {
	for _, f := range []struct{ name, stored, listed string }{
		{"date", i.Date, listed.Date}, {"currency", i.Currency, listed.Currency},
	} {
		if f.stored != "" && f.listed != "" && f.stored != f.listed {
			return fmt.Sprintf("its %s is %s, and %s at e-conomic", f.name, f.stored, f.listed)
		}
	}
	if i.Net.Valid && listed.Net.Valid && !sameDecimal(i.Net, listed.Net) {
		return fmt.Sprintf("its net amount is %s, and %s at e-conomic", i.Net.Decimal, listed.Net.Decimal)
	}
	if i.Gross.Valid && listed.Gross.Valid && !sameDecimal(i.Gross, listed.Gross) {
		return fmt.Sprintf("its gross amount is %s, and %s at e-conomic", i.Gross.Decimal, listed.Gross.Decimal)
	}
	return ""
}

// MostMixed bounds how many are named: one is enough to know.
const MostMixed = 1000

// Comparison compares what is stored with a listing of all invoices, page by page.
type Comparison struct {
	after    int64  // numbers up to here have been compared
	dateFrom string // only invoices from that date on are listed; "": all
	mixed    []Mixed
	unsorted bool // the listing is not by number, or not each has one: nothing is concluded from it
}

// NewComparison returns one with a listing of the numbers above after, from dateFrom on
// (YYYY-MM-DD; "": all).
func NewComparison(after int64, dateFrom string) *Comparison {
	return &Comparison{after: after, dateFrom: dateFrom}
}

// Next returns the stored numbers with which a page is to be compared; ok is false where
// it is with none. The last page reaches as far as there are numbers. A page that goes back
// behind the one before is not sorted, as pages that have shifted; and any that is stored
// may be an invoice whose number cannot be read.
func (c *Comparison) Next(listed []Invoice, unread []Unreadable, last bool) (from, to int64, ok bool) {
	to = c.after
	for _, i := range listed {
		c.unsorted = c.unsorted || i.Number <= c.after && !last
		to = max(to, i.Number)
	}
	if last {
		to = math.MaxInt64
	}
	c.unsorted = c.unsorted || slices.ContainsFunc(unread, func(u Unreadable) bool { return u.Number == "" })
	return c.after + 1, to, !c.unsorted && len(c.mixed) < MostMixed && to > c.after
}

// Add compares a page with the stored invoices of the numbers that Next told.
func (c *Comparison) Add(listed []Invoice, unread []int64, stored []Invoice, to int64) {
	mixed := MixedInvoices(listed, unread, stored, c.dateFrom)
	c.mixed = append(c.mixed, mixed[:min(len(mixed), MostMixed-len(c.mixed))]...)
	c.after = to
}

// Mixed returns the stored invoices that are not the agreement's; ok is false where the
// listing does not tell.
func (c *Comparison) Mixed() (mixed []Mixed, ok bool) { return c.mixed, !c.unsorted }
