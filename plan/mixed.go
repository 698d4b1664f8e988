package plan

import (
	"fmt"
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
