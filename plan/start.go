package plan

import "strconv"

// InvoicesStart is where a shop's invoices begin: at a date, or else at a number.
type InvoicesStart struct {
	Date   string // YYYY-MM-DD; "": at the number
	Number int64
	Window Window // what ticks read
}

// Before reports whether an invoice is from before the start. date is "" if it is not known.
//
//	number                         start     date              outcome
//	above the cursor, or in a gap  any       any               no: ticks read it, whatever its date
//	another                        a number  any               yes, if it is lower
//	another                        a date    earlier           yes
//	another                        a date    later, or unknown no
func (s InvoicesStart) Before(number int64, date string) bool {
	switch {
	case s.Window.reads(number):
		return false
	case s.Date == "":
		return number < s.Number
	}
	return date != "" && date < s.Date
}

// Leaves reports whether a hinted invoice is not stored: it is from before the start, and no
// person asks for it. Whoever has the shop's code can name every invoice there ever was, and
// each would cost calls and the size of its PDF.
func (s InvoicesStart) Leaves(h Hint, date string) bool {
	number, err := strconv.ParseInt(h.Number, 10, 64)
	return err == nil && h.Cause == CauseWebhook && s.Before(number, date)
}
