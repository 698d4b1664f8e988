package plan

import (
	"strconv"
	"time"
)

// MostUnread is how many open hints a shop has at most for invoices that cannot be
// understood: as many are asked for by five calls at each retry. Those beyond are read
// again with the shop's listings.
const MostUnread = 1000

// UnreadInput is what decides about invoices of a read that could not be understood.
type UnreadInput struct {
	Unread []Unreadable
	Stored map[int64]bool  // which of them are stored
	Hints  map[string]Hint // the open hints of invoices
	Now    time.Time

	Due     func(at time.Time) bool // reports whether what was put off until then is due
	RetryAt func(failures int) time.Time
}

// UnreadPlan is what becomes of them.
type UnreadPlan struct {
	PutOff []Reread   // hints that have failed once more
	New    []UnreadOf // hints that an invoice gets
	More   int        // invoices that have no hint, being too many
	Last   error      // what is wrong with the last of those
}

// UnreadOf is a new hint of an invoice that could not be understood.
type UnreadOf struct {
	Hint Hint
	Note string
}

// UnreadInvoices decides about invoices of a read that could not be understood:
//
//	invoice     its hint     outcome
//	no number   any          nothing: it is counted otherwise
//	stored      any          nothing: what is stored stays
//	not stored  put off      nothing: it waits for its time
//	not stored  due          the hint is put off, having failed once more
//	not stored  none         it gets a hint that has failed once
//	not stored  none, and    it is counted: it is read again with the shop's listings
//	            MostUnread
//	            are open
//
// Those that have failed as often are put off to the same time, so that they are asked for
// by one call.
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
			out.PutOff = append(out.PutOff, h.PutOff(h.DueAt, HintFailed, u.Err.Error()))
		} else {
			out.New = append(out.New, UnreadOf{h, HintFailed.Note(KindInvoice, u.Err.Error())})
		}
	}
	return out
}

// Wait has later reads of the same pass know, once it is stored, that these invoices wait
// for their time.
func (p UnreadPlan) Wait(hints map[string]Hint) {
	for _, again := range p.PutOff {
		h := hints[again.Number]
		h.Failures, h.DueAt = again.Failures, again.DueAt
		hints[again.Number] = h
	}
	for _, u := range p.New {
		hints[u.Hint.Number] = u.Hint
	}
}
