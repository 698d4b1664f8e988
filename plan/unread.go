package plan

import (
	"fmt"
	"strconv"
	"time"
)

// MostUnread limits a shop's open hints for invoices that could not be understood: five calls
// ask for that many at each retry. Further ones are reread with the shop's listings.
const MostUnread = 1000

// UnreadAlone is how many items of a listing that could not be understood are asked for alone.
// With more, the cause is the source, not the items, and a read of each would be in vain.
const UnreadAlone = 5

// UnreadItems counts the items of a listing, or of another read of many, that could not be
// understood. The zero value is ready to use.
type UnreadItems struct {
	Numbers map[string]struct{} // of those with a readable number
	More    int                 // how many have no hint and get none
	Last    error               // error of the last that is not asked for alone

	alone, nameless, read int
	example               Unreadable // the first one
}

// Add adds a page, and decides about its items that could not be understood:
//
//	item                  asked for alone  outcome
//	without a number      any              nothing: it is counted elsewhere
//	without a hint        UnreadAlone      it is counted
//	without a hint        fewer            it is asked for alone
//	with a hint           UnreadAlone      its hint fails, as a read of it alone would
//	with a hint           fewer            it is asked for alone, when its hint is due
//	with a person's hint  any              likewise
func (u *UnreadItems) Add(p Page, hints map[string]Hint) (ask, fail []Unreadable) {
	u.read += len(p.Observed)
	for _, b := range p.Unreadable {
		if u.example.Err == nil {
			u.example = b
		}
		if b.Number == "" {
			u.nameless++
			continue
		}
		if _, again := u.Numbers[b.Number]; again { // on a page that is read again
			continue
		}
		if u.Numbers == nil {
			u.Numbers = map[string]struct{}{}
		}
		u.Numbers[b.Number] = struct{}{}
		h, hinted := hints[b.Number]
		switch {
		case hinted && h.Cause == CauseOperator:
		case u.alone < UnreadAlone:
			u.alone++
			if !hinted {
				ask = append(ask, b)
			}
		case hinted:
			fail, u.Last = append(fail, b), b.Err
		default:
			u.More, u.Last = u.More+1, b.Err
		}
	}
	return ask, fail
}

// Alone adds an item that could not be understood when it was read alone.
func (u *UnreadItems) Alone(number string, err error) {
	if u.Numbers == nil {
		u.Numbers = map[string]struct{}{}
	}
	u.Numbers[number], u.Last = struct{}{}, err
}

// Understood removes an item that has been understood since.
func (u *UnreadItems) Understood(number string) { delete(u.Numbers, number) }

// TooMany reports whether there were more than are asked for alone: what was read does not
// confirm what is stored.
func (u *UnreadItems) TooMany() bool { return len(u.Numbers)+u.nameless > UnreadAlone }

// Throughout describes a listing in which there were too many and nothing else, "" if it was not
// like that.
func (u *UnreadItems) Throughout() string {
	if !u.TooMany() || u.read > 0 {
		return ""
	}
	return fmt.Sprintf("none of %d items can be read, e.g. %q: %v", len(u.Numbers)+u.nameless, u.example.Number, u.example.Err)
}

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
