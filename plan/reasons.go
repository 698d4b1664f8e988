package plan

import "time"

// HintReason is a code for why a hint was answered although its read stored nothing, or why its
// number is reread. Note returns its text for people.
type HintReason string

// The reasons of hints. A hint without one is waiting to be read, or was answered by what a
// read stored.
const (
	HintUnknown     HintReason = "unknown"      // there is no such number
	HintGone        HintReason = "gone"         // it no longer exists
	HintNoNumber    HintReason = "no_number"    // of an invoice, and not a number
	HintUnconfirmed HintReason = "unconfirmed"  // a read shows less than is stored: a second one decides
	HintHeldBack    HintReason = "held_back"    // with the shop's other losses
	HintPartHeld    HintReason = "part_held"    // its part is held
	HintNoInventory HintReason = "no_inventory" // no item of the agreement carries a figure
	HintFailed      HintReason = "failed"       // it could not be read or understood
	HintForbidden   HintReason = "forbidden"    // the read was refused
	HintStockOff    HintReason = "stock_off"    // stock is off for the shop
	HintRackbeat    HintReason = "rackbeat"     // the shop's stock is kept in Rackbeat
	HintInvoicesOff HintReason = "invoices_off" // invoices are off for the shop
	HintBeforeStart HintReason = "before_start" // an invoice from before the shop's start, which nobody asked for

	HintAwaitsListing HintReason = "awaits_listing" // more numbers that are not stored, or that cannot be read, were hinted at than are asked for alone
	HintShort         HintReason = "short_of_calls" // the day's calls for hints are spent
)

// HintReasons returns all reasons.
func HintReasons() []HintReason {
	return []HintReason{HintUnknown, HintGone, HintNoNumber, HintUnconfirmed, HintHeldBack, HintPartHeld, HintNoInventory,
		HintFailed, HintForbidden, HintStockOff, HintRackbeat, HintInvoicesOff, HintBeforeStart, HintAwaitsListing, HintShort}
}

// Note returns the reason's text for people, "" for no reason. detail is what the reason leaves
// open, such as an error's text.
func (r HintReason) Note(kind Kind, detail string) string { //nolint:gocyclo // one branch per reason
	switch r {
	case HintUnknown:
		if kind == KindInvoice {
			return "e-conomic has no booked invoice with this number"
		}
		return "there is no item with this number"
	case HintGone:
		return "this item no longer exists"
	case HintNoNumber:
		return "not an invoice number: expected a whole number from 1"
	case HintUnconfirmed:
		return "a read showed less than is stored: a second one must confirm it"
	case HintHeldBack:
		if detail == "" {
			return "held back with the shop's other losses: see `lagerd diff`"
		}
	case HintPartHeld:
		return "waits, as " + detail
	case HintForbidden:
		return "forbidden: " + detail
	case HintStockOff:
		return "stock is off for this shop"
	case HintRackbeat:
		return "the shop's stock is kept in Rackbeat, and no key for it is stored"
	case HintInvoicesOff:
		return "invoices are off for this shop"
	case HintBeforeStart:
		return "from before the shop's start: only a person's request fetches it"
	case HintAwaitsListing:
		if kind == KindInvoice {
			return "not stored, and more such numbers were hinted at than are asked for at once: it is asked for in turn, and ticks list new invoices anyway"
		}
		return "more numbers that are not stored, or that cannot be read, were hinted at than are asked for alone: the next whole listing answers it"
	case HintShort:
		return "the shop is short of calls: the rest of the day's is kept for ticks and new invoices"
	case HintNoInventory, HintFailed: // the detail says it all
	}
	return detail
}

// Answer returns an answer to the hint with the reason.
func (h Hint) Answer(reason HintReason, detail string) Answer {
	return Answer{Kind: h.Kind, Number: h.Number, Gen: h.Gen, Reason: reason, Note: reason.Note(h.Kind, detail)}
}

// Postpone returns a reread of the hint's number at the given time that keeps the hint's other
// state.
func (h Hint) Postpone(until time.Time, reason HintReason, detail string) Reread {
	return Reread{Kind: h.Kind, Number: h.Number, Gen: h.Gen, DueAt: until, Tries: h.Tries, Failures: h.Failures, Refused: h.Refused,
		Reason: reason, Note: reason.Note(h.Kind, detail)}
}
