package plan

import "strconv"

// HintCaps limits how many hints of a shop are open at once. Whoever has a shop's code can send
// webhooks of any number, and each open hint costs memory and calls. Hints of stored items need
// no cap: there are no more of them than items.
type HintCaps struct {
	Unknown     int // of numbers that are not stored
	Invoices    int // of invoices from the shop's start on
	OldInvoices int // of earlier invoices, which no sweep shows
}

// UsualHintCaps are the caps of a production lagerd.
func UsualHintCaps() HintCaps { return HintCaps{Unknown: 2000, Invoices: 2000, OldInvoices: 200} }

// OpenHints counts the open hints that count towards the caps.
type OpenHints struct {
	Unknown, Invoices, OldInvoices int
}

// NewHint is a hint that has no row yet.
type NewHint struct {
	Kind   Kind
	Number string
	Stored bool // the item is stored
	Open   bool // the number has an open hint
}

// Admission is what becomes of a new hint.
type Admission string

// The possible admissions.
const (
	AdmitRow    Admission = "row"     // it gets a row, or joins its number's
	AdmitMark   Admission = "mark"    // only a mark: the next sweep reads its number with all others
	AdmitTooOld Admission = "too_old" // neither: an invoice before the shop's start, which a sweep does not show
)

// Admit decides about a new hint, and counts it. first is the shop's first invoice, 0 if it is
// not known.
//
//	hint of                     open of its sort  outcome
//	a number with an open hint  any               row
//	a stored item               any               row
//	an item that is not stored  fewer than cap    row
//	an item that is not stored  cap               mark
//	an invoice from first on    fewer than cap    row
//	an invoice from first on    cap               mark
//	an invoice before first     fewer than cap    row
//	an invoice before first     cap               too_old
func (c HintCaps) Admit(open *OpenHints, h NewHint, first int64) Admission {
	if h.Open || h.Stored {
		return AdmitRow
	}
	count, most, beyond := &open.Unknown, c.Unknown, AdmitMark
	switch {
	case h.Kind == KindInvoice && before(h.Number, first):
		count, most, beyond = &open.OldInvoices, c.OldInvoices, AdmitTooOld
	case h.Kind == KindInvoice:
		count, most = &open.Invoices, c.Invoices
	}
	if *count >= most {
		return beyond
	}
	*count++
	return AdmitRow
}

// Count counts a hint that is open already.
func (o *OpenHints) Count(kind Kind, number string, first int64) {
	switch {
	case kind != KindInvoice:
		o.Unknown++
	case before(number, first):
		o.OldInvoices++
	default:
		o.Invoices++
	}
}

// before reports whether an invoice's number is below first.
func before(number string, first int64) bool {
	n, err := strconv.ParseInt(number, 10, 64)
	return err == nil && n < first
}
