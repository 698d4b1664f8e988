package plan

import (
	"fmt"
	"math"
	"slices"
)

// Mixed is a stored invoice that does not belong to the accepted agreement, judging by that
// agreement's listing.
type Mixed struct {
	Number int64
	Reason string // for people
}

// MixedInvoices compares a page of a listing of invoices with the stored invoices in its range
// of numbers. A booked invoice never changes in the compared fields, so one that differs, or
// that the listing lacks, came from another agreement. Invoices whose numbers are in unread
// could not be understood and are not compared, nor are fields that one side does not know. The
// listing shows only invoices from dateFrom on, YYYY-MM-DD; "": all.
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
		case !shown && dateFrom != "" && s.Date < dateFrom: // also if its date is unknown
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

// conflict returns how a stored invoice differs from the listed one with its number, "" if no
// field known to both does.
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

// MostMixed limits how many are listed: one is enough to know.
const MostMixed = 1000

// Comparison compares a listing of all invoices with the stored ones, page by page.
type Comparison struct {
	after    int64  // numbers up to this one have been compared
	dateFrom string // the listing starts at that date; "": lists all
	mixed    []Mixed
	unsorted bool // the listing is not sorted by number, or one has none: nothing can be concluded
}

// NewComparison returns a comparison with a listing of the numbers above after, from dateFrom
// on (YYYY-MM-DD; "": all).
func NewComparison(after int64, dateFrom string) *Comparison {
	return &Comparison{after: after, dateFrom: dateFrom}
}

// Next returns the range of stored numbers to compare with a page; ok is false if there is
// none. The last page's range has no upper end. A page that starts below the end of the
// previous one, after pages have shifted, is not sorted; and an invoice with an unreadable
// number may be any stored one.
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

// Add compares a page with the stored invoices in the range that Next returned.
func (c *Comparison) Add(listed []Invoice, unread []int64, stored []Invoice, to int64) {
	mixed := MixedInvoices(listed, unread, stored, c.dateFrom)
	c.mixed = append(c.mixed, mixed[:min(len(mixed), MostMixed-len(c.mixed))]...)
	c.after = to
}

// Mixed returns the stored invoices that are not the agreement's; ok is false if nothing can be
// concluded.
func (c *Comparison) Mixed() (mixed []Mixed, ok bool) { return c.mixed, !c.unsorted }
