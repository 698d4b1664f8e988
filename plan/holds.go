package plan

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Scope is what a hold stops: the whole shop, or one part while the others continue.
type Scope string

// The scopes of holds, the widest first.
const (
	ScopeShop     Scope = "shop"
	ScopeStock    Scope = "stock"
	ScopeInvoices Scope = "invoices"
	ScopePDFs     Scope = "pdf" // PDFs only: a refusal of invoices' lines is one of ScopeInvoices
)

// order is the scope's position in lists.
func (s Scope) order() int {
	return slices.Index([]Scope{ScopeShop, ScopeStock, ScopeInvoices, ScopePDFs}, s)
}

// Reason is why lagerd holds a shop or a part of it, as a code.
type Reason string

// The reasons for holds.
const (
	HeldTokenRefused     Reason = "token_refused"     // self answers 401: the token is wrong, or the agreement revoked the grant
	HeldForbidden        Reason = "forbidden"         // self answers 403; part: its reads are answered 403
	HeldAgreementChanged Reason = "agreement_changed" // the token answers for another agreement
	HeldAccountChanged   Reason = "account_changed"   // stock: the key answers for another account of the stock's own source
	HeldTokenUnreadable  Reason = "token_unreadable"  // the stored token or key cannot be decrypted with lagerd's key
	HeldNoAppToken       Reason = "no_app_token"      // lagerd has no secret token of the app, without which e-conomic answers nothing
	HeldPlacesChanged    Reason = "places_changed"    // stock: the warehouse no longer has the places that the shop chose, or has one inside another
	HeldNoInventory      Reason = "no_inventory"      // stock: no item carries a figure
	HeldUnreadable       Reason = "unreadable"        // stock: no item of a listing can be understood
	HeldLosses           Reason = "losses"            // stock: one reconciliation would take away too much, or several within a window
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{HeldTokenRefused, HeldForbidden, HeldAgreementChanged, HeldAccountChanged, HeldTokenUnreadable, HeldNoAppToken, HeldPlacesChanged, HeldNoInventory, HeldUnreadable, HeldLosses}
}

// Hold says that lagerd itself stopped a shop or a part of it.
type Hold struct {
	Scope  Scope
	Reason Reason
	Detail string // for people
	Since  time.Time
}

// Holds are a shop's holds, at most one per scope, the widest scope first. A Holds value is
// immutable.
type Holds []Hold

// Of returns the hold of a scope; ok is false if there is none.
func (h Holds) Of(scope Scope) (hold Hold, ok bool) {
	for _, hold := range h {
		if hold.Scope == scope {
			return hold, true
		}
	}
	return Hold{}, false
}

// Any reports whether one of the scopes is held.
func (h Holds) Any(scopes ...Scope) bool {
	return slices.ContainsFunc(h, func(hold Hold) bool { return slices.Contains(scopes, hold.Scope) })
}

// RefusedAs returns why a part is held whose reads are refused with an error of the class.
func RefusedAs(class Class) Reason {
	if class == ClassChoice {
		return HeldPlacesChanged
	}
	return HeldForbidden
}

// OfRefusal reports whether the reason is that a part's reads are refused: it is tried now and then
// with a few numbers.
func (r Reason) OfRefusal() bool { return r == HeldForbidden || r == HeldPlacesChanged }

// OfIdentity reports whether the reason says whose token or key it is, or that it does not work:
// nothing is read with it.
func (r Reason) OfIdentity() bool {
	return r == HeldTokenRefused || r == HeldAgreementChanged || r == HeldAccountChanged || r == HeldTokenUnreadable || r == HeldNoAppToken
}

// Has reports whether the scope is held for the reason.
func (h Holds) Has(scope Scope, reason Reason) bool {
	hold, ok := h.Of(scope)
	return ok && hold.Reason == reason
}

// StockStoodFrom returns since when holds have kept the shop's stock from being read, or now if
// they do not.
func (h Holds) StockStoodFrom(now time.Time) time.Time {
	since := now
	for _, hold := range h {
		if (hold.Scope == ScopeShop || hold.Scope == ScopeStock) && hold.Since.Before(since) {
			since = hold.Since
		}
	}
	return since
}

// String lists scope, reason and detail of each hold: "stock: losses: a reconciliation would …;
// pdf: forbidden: …". A hold of the whole shop names no scope.
func (h Holds) String() string { return h.list(Hold.String) }

// Codes is String without the details.
func (h Holds) Codes() string { return h.list(Hold.codes) }

func (h Holds) list(each func(Hold) string) string {
	texts := make([]string, len(h))
	for i, hold := range h {
		texts[i] = each(hold)
	}
	return strings.Join(texts, "; ")
}

// String returns the hold's scope, reason and detail.
func (h Hold) String() string { return strings.TrimSuffix(h.codes()+": "+h.Detail, ": ") }

func (h Hold) codes() string {
	if h.Scope == ScopeShop {
		return string(h.Reason)
	}
	return string(h.Scope) + ": " + string(h.Reason)
}

// With returns the holds plus another one. It does not replace a scope's existing hold, which
// ends only by its own condition (After): with the same reason, only the detail is updated;
// with another, nothing is. changed is false if nothing differs.
func (h Holds) With(another Hold) (holds Holds, changed bool) {
	at := slices.IndexFunc(h, func(hold Hold) bool { return hold.Scope == another.Scope })
	if at < 0 {
		holds = append(slices.Clone(h), another)
		slices.SortFunc(holds, func(a, b Hold) int { return cmp.Compare(a.Scope.order(), b.Scope.order()) })
		return holds, true
	}
	if h[at].Reason != another.Reason || h[at].Detail == another.Detail {
		return h, false
	}
	holds = slices.Clone(h)
	holds[at].Detail = another.Detail
	return holds, true
}

// Without returns the holds of all other scopes.
func (h Holds) Without(scopes ...Scope) Holds {
	return slices.DeleteFunc(slices.Clone(h), func(hold Hold) bool { return slices.Contains(scopes, hold.Scope) })
}

// Seen is an observation that ends holds.
type Seen string

// What can end holds.
const (
	SeenSelf           Seen = "self"            // /self answered for the shop's own agreement
	SeenOtherAgreement Seen = "other agreement" // /self answered for another agreement
	SeenSelf401        Seen = "self: 401"       // /self refused the token
	SeenSelf403        Seen = "self: 403"       // /self answered 403
	SeenNoAppToken     Seen = "no app token"    // there is no app's token: what /self answered was to another one, or none
	SeenAccount        Seen = "account"         // the stock's own source answered for the shop's account
	SeenOtherAccount   Seen = "other account"   // it answered for another account
	SeenAccountRefused Seen = "account refused" // it refused the key
	SeenStockRead      Seen = "stock read"      // e-conomic answered a read of items
	SeenInvoicesRead   Seen = "invoices read"   // e-conomic answered a read of invoices
	SeenPDFRead        Seen = "PDF read"        // e-conomic answered a read of a PDF
	SeenFigures        Seen = "figures"         // a listing carries stock figures
	SeenItem           Seen = "item"            // a read shows an item that can be understood
	SeenFewLosses      Seen = "few losses"      // a complete listing does not take too much away
	SeenApproval       Seen = "approval"        // a person has approved the losses
)

// ReadOf returns what is seen when e-conomic answers a read of a part.
func ReadOf(part Scope) Seen {
	switch part {
	case ScopeStock:
		return SeenStockRead
	case ScopeInvoices:
		return SeenInvoicesRead
	case ScopePDFs:
		return SeenPDFRead
	case ScopeShop:
	}
	return ""
}

// ends reports whether s is the condition that ends the hold. Where stock has a source of its own,
// e-conomic's /self holds only the invoices, and that source's holds the stock:
//
//	hold                                  ends by
//	shop: token_refused                   any answer of /self but 401, and that there is no app's token
//	shop: forbidden                       any answer of /self but 403, and that there is no app's token
//	shop, invoices: token_unreadable      any answer of /self: the token has been decrypted
//	shop, invoices: no_app_token          any answer of /self: there is one
//	shop, invoices: agreement_changed     /self answers for the shop's agreement (which a person may have changed)
//	invoices: token_refused               /self answers, for whichever agreement, and that there is no app's token
//	stock: token_refused                  the stock's own source answers, for whichever account
//	stock: token_unreadable               any answer of it: the key has been decrypted
//	stock: account_changed                it answers for the shop's account
//	part: forbidden                       a read of that part is answered
//	stock: places_changed                 a read of items is answered, which takes places that can be chosen
//	stock: no_inventory                   a listing with figures
//	stock: unreadable                     an item that can be understood
//	stock: losses                         a complete listing that does not take too much away, an approval
func (s Seen) ends(h Hold) bool {
	if h.Scope == ScopeStock {
		return s.endsStock(h.Reason)
	}
	if s == SeenNoAppToken {
		return h.Reason == HeldTokenRefused || h.Reason == HeldForbidden && h.Scope == ScopeShop
	}
	self := s.ofSelf()
	switch h.Reason {
	case HeldTokenRefused:
		return self && s != SeenSelf401 && (h.Scope == ScopeShop || s != SeenSelf403)
	case HeldForbidden:
		if h.Scope == ScopeShop {
			return self && s != SeenSelf403
		}
		return s == ReadOf(h.Scope)
	case HeldTokenUnreadable, HeldNoAppToken:
		return self
	case HeldAgreementChanged:
		return s == SeenSelf
	case HeldAccountChanged, HeldPlacesChanged, HeldNoInventory, HeldUnreadable, HeldLosses: // of stock
	}
	return false
}

// ofSelf reports whether it is an answer of /self.
func (s Seen) ofSelf() bool {
	return s == SeenSelf || s == SeenOtherAgreement || s == SeenSelf401 || s == SeenSelf403
}

func (s Seen) endsStock(reason Reason) bool {
	switch reason {
	case HeldTokenRefused:
		return s == SeenAccount || s == SeenOtherAccount
	case HeldTokenUnreadable:
		return s == SeenAccount || s == SeenOtherAccount || s == SeenAccountRefused
	case HeldAccountChanged:
		return s == SeenAccount
	case HeldForbidden, HeldPlacesChanged:
		return s == SeenStockRead
	case HeldNoInventory:
		return s == SeenFigures
	case HeldUnreadable:
		return s == SeenItem
	case HeldLosses:
		return s == SeenFewLosses || s == SeenApproval
	case HeldAgreementChanged, HeldNoAppToken: // of the agreement's parts
	}
	return false
}

// After returns the holds left after what was seen, and those that it ended.
func (h Holds) After(seen Seen) (left, ended Holds) {
	if !slices.ContainsFunc(h, seen.ends) {
		return h, nil
	}
	for _, hold := range h {
		if seen.ends(hold) {
			ended = append(ended, hold)
		} else {
			left = append(left, hold)
		}
	}
	return left, ended
}
