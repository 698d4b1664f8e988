package plan

import (
	"strconv"
	"time"
)

// MostUnread limits a shop's open hints for invoices that could not be understood: five calls
// ask for that many at each retry. Further ones are reread with the shop's listings.
const MostUnread = 1000

// UnreadInput is the input of UnreadInvoices.
type UnreadInput struct {
	Unread []Unreadable
	Stored map[int64]bool  // which of them are stored
	Hints  map[string]Hint // open hints of invoices
	Now    time.Time

	Due     func(at time.Time) bool // reports whether a hint postponed until then is due
	RetryAt func(failures int) time.Time
}

// UnreadPlan is what becomes of the invoices.
type UnreadPlan struct {
	Postponed []Reread   // hints that failed once more
	New       []UnreadOf // new hints
	More      int        // invoices without a hint, because there are too many
	Last      error      // error of the last of those
}

// UnreadOf is a new hint of an invoice that could not be understood.
type UnreadOf struct {
	Hint Hint
	Note string
}

// UnreadInvoices decides about the invoices of a read that could not be understood:
//
//	invoice     its hint     outcome
//	no number   any          nothing: it is counted elsewhere
//	stored      any          nothing: what is stored stays
//	not stored  postponed    nothing: it waits for its time
//	not stored  due          the hint is postponed, with one more failure
//	not stored  none         it gets a hint with one failure
//	not stored  none, and    it is counted, and reread with the shop's listings
//	            MostUnread
//	            are open
//
// Hints with equally many failures are postponed to the same time, so that one call reads them.
func UnreadInvoices(in UnreadInput) UnreadPlan {
	var out UnreadPlan
	retryAt, open := map[int]time.Time{}, len(in.Hints)
	for _, u := range in.Unread {
		n, err := strconv.ParseInt(u.Number, 10, 64)
		if err != nil || in.Stored[n] {
			continue
		}
		h, hinted := in.Hints[u.Number]
		switch {
		case hinted && !in.Due(h.DueAt):
			continue
		case !hinted && open >= MostUnread:
			out.More, out.Last = out.More+1, u.Err
			continue
		case !hinted:
			open++
			h = Hint{Kind: KindInvoice, Number: u.Number, Cause: CauseTick, FirstAt: in.Now}
		}
		h.Failures, h.Refused = h.Failures+1, false
		if retryAt[h.Failures].IsZero() {
			retryAt[h.Failures] = in.RetryAt(h.Failures)
		}
		h.DueAt = retryAt[h.Failures]
		if hinted {
			out.Postponed = append(out.Postponed, h.Postpone(h.DueAt, HintFailed, u.Err.Error()))
		} else {
			out.New = append(out.New, UnreadOf{h, HintFailed.Note(KindInvoice, u.Err.Error())})
		}
	}
	return out
}

// Wait updates the hints of the running pass once the plan is stored, so that later reads leave
// these invoices alone until they are due.
func (p UnreadPlan) Wait(hints map[string]Hint) {
	for _, again := range p.Postponed {
		h := hints[again.Number]
		h.Failures, h.DueAt = again.Failures, again.DueAt
		hints[again.Number] = h
	}
	for _, u := range p.New {
		hints[u.Hint.Number] = u.Hint
	}
}
