package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// NeedReason is why something needs a person, as a code: the reason of a hold (plan.Reason), or one
// of these.
type NeedReason string

// The reasons that are no holds.
const (
	NeedReadOnly        NeedReason = "database_read_only" // installation: the database accepts no writes
	NeedNoLagerd        NeedReason = "no_lagerd"          // installation: no lagerd is running
	NeedAppTokenMissing NeedReason = "app_token_missing"  // installation: there is no app's token
	NeedAppTokenRefused NeedReason = "app_token_refused"  // installation: several agreements answer 401 and none succeeds
	NeedNodeLost        NeedReason = "node_lost"          // installation: a lagerd has stopped without saying so, and none has replaced it
	NeedNotTaken        NeedReason = "not_taken"          // shop: no running lagerd has it, for longer than a handover takes
	NeedNoGoodTick      NeedReason = "no_good_tick"       // shop: ticks were due and none succeeded
	NeedNoSweep         NeedReason = "no_sweep"           // stock: it is not listed in full in time
	NeedNoRackbeatKey   NeedReason = "no_rackbeat_key"    // stock: it is kept in Rackbeat, and there is no key to read it with
	NeedHintWaits       NeedReason = "hint_waits"         // shop: a hint is not answered although nothing fails
	NeedUnread          NeedReason = "unread"             // stock, invoices: hinted numbers cannot be read
	NeedPDFFails        NeedReason = "pdf_fails"          // pdf: an invoice's lines or PDF cannot be fetched
	NeedShortOfCalls    NeedReason = "short_of_calls"     // shop: the day's calls are used up, but for the reserves
	NeedSetAside        NeedReason = "set_aside"          // shop: batches of webhooks could not be read
	NeedWebhooks        NeedReason = "webhooks"           // shop: webhooks of a type do not arrive as they should, and polling carries the shop
)

// inOrder are all reasons: what stops most comes first.
var inOrder = []NeedReason{
	NeedReadOnly, NeedNoLagerd, NeedAppTokenMissing, NeedAppTokenRefused, NeedNodeLost,
	NeedReason(plan.HeldNoAppToken),
	NeedReason(plan.HeldTokenRefused), NeedReason(plan.HeldForbidden), NeedReason(plan.HeldAgreementChanged), NeedReason(plan.HeldAccountChanged),
	NeedReason(plan.HeldTokenUnreadable), NeedReason(plan.HeldPlacesChanged), NeedReason(plan.HeldNoInventory), NeedReason(plan.HeldUnreadable), NeedReason(plan.HeldLosses),
	NeedNotTaken, NeedNoGoodTick, NeedNoRackbeatKey, NeedNoSweep, NeedHintWaits, NeedUnread, NeedPDFFails, NeedShortOfCalls, NeedSetAside, NeedWebhooks,
}

// NeedReasons returns all reasons: what stops most comes first.
func NeedReasons() []NeedReason { return slices.Clone(inOrder) }

// order is the reason's position in lists.
func (r NeedReason) order() int { return slices.Index(inOrder, r) }

// hold reports whether the reason is that of a hold.
func (r NeedReason) hold() bool { return slices.Contains(plan.Reasons(), plan.Reason(r)) }

// Need is something that goes on until a person does something about it, and its JSON.
type Need struct {
	Shop   string     `json:"shop"`           // "": it concerns the installation
	Scope  plan.Scope `json:"scope"`          // shop, stock, invoices, pdf; "": it concerns the installation
	Reason NeedReason `json:"reason"`         // a code
	Host   string     `json:"host,omitempty"` // of a lost node
	Since  *time.Time `json:"since"`          // null: not known
	Detail string     `json:"detail"`         // what is wrong
	Do     string     `json:"do"`             // what to do about it
	Advice string     `json:"-"`              // Do for any shop and number: it has SHOP and NUMBER where Do names them
}

// Text is the detail and what to do, on one line.
func (n Need) Text() string { return reasons(n.Detail, n.Do) }

// What is what the need is, without the shop: "held: stock: losses", "no_good_tick".
func (n Need) What() string {
	switch {
	case n.Reason == NeedNoLagerd:
		return NoLagerd
	case n.Reason.hold():
		return "held: " + n.code()
	}
	return n.code()
}

// code is the scope, unless it is the whole shop, and the reason.
func (n Need) code() string {
	if n.Scope == "" || n.Scope == plan.ScopeShop || !n.Reason.hold() {
		return string(n.Reason)
	}
	return string(n.Scope) + ": " + string(n.Reason)
}

// compare orders needs: the most urgent first, those that one thing solves beside each other.
func (n Need) compare(o Need) int {
	return cmp.Or(cmp.Compare(n.Reason.order(), o.Reason.order()), cmp.Compare(n.Scope, o.Scope), cmp.Compare(n.Advice, o.Advice), cmp.Compare(n.Shop, o.Shop))
}

// alike reports whether the same is to be done about both.
func (n Need) alike(o Need) bool {
	return n.Reason == o.Reason && n.Scope == o.Scope && n.Advice == o.Advice
}

// needOf returns a need of a shop. do says what to do, of a shop and a number.
func needOf(shop, number string, scope plan.Scope, reason NeedReason, since time.Time, detail string, do func(shop, number string) string) Need {
	return Need{Shop: shop, Scope: scope, Reason: reason, Since: when(since.UTC()), Detail: detail, Do: do(shop, number), Advice: do("SHOP", "NUMBER")}
}

// needs returns what needs a person of a shop: nothing if a person has paused it.
func (l Look) needs(st store.ShopStatus, v Shop) []Need {
	if st.Shop.Paused() {
		return nil
	}
	name := st.Shop.Shop
	var list []Need
	for _, h := range st.Shop.InForce(st.Progress.Holds) {
		need := heldNeed(st.Shop, h)
		if h.Reason == plan.HeldNoAppToken && l.NoAppToken != "" {
			need.Detail, need.Do, need.Advice = strings.TrimSuffix(need.Detail, ": "+l.NoAppToken), l.NoAppToken, l.NoAppToken
		}
		if h.Reason == plan.HeldTokenRefused && h.Scope != plan.ScopeStock {
			need.Do = cmp.Or(Access(st, l.AppPublicToken), need.Do)
		}
		list = append(list, need)
	}
	list = append(list, l.lateNeeds(st, v)...)
	for _, n := range v.Unread {
		if late(n.Since, l.Now) {
			list = append(list, unreadNeed(name, n))
		}
	}
	add := func(scope plan.Scope, reason NeedReason, since time.Time, detail, do string) {
		list = append(list, needOf(name, "", scope, reason, since, detail, func(shop, _ string) string { return fmt.Sprintf(do, shop) }))
	}
	if st.Shop.StockOn && st.Shop.StockSource == store.SourceRackbeat && !st.Shop.ReadsRackbeat() {
		add(plan.ScopeStock, NeedNoRackbeatKey, time.Time{}, "stock is kept in Rackbeat, and no key for it is stored, so it is not read; invoices continue",
			"store one: `lagerd shops set %s --rackbeat-key-file FILE`")
	}
	for _, short := range v.short {
		add(plan.ScopeShop, NeedShortOfCalls, time.Time{}, short,
			"see what takes them: `lagerd shops show %s` has its latest webhooks; another app of the agreement uses the same calls")
	}
	if st.SetAside > 0 {
		add(plan.ScopeShop, NeedSetAside, st.SetAsideSince, SetAside(st), "look at the rows of hint_batches with set_aside = 1 and shop = '%s', then delete them")
	}
	return list
}

// lateNeeds returns what is late of a shop, or fails repeatedly. If no running lagerd has it, only
// that is late.
func (l Look) lateNeeds(st store.ShopStatus, v Shop) []Need {
	var list []Need
	troubles := v.troubles
	if _, lives := l.Living[st.Holder]; !lives {
		st.Holder = ""
		troubles = Troubles(st, l.Pace, l.Now)
		if since := later(st.Progress.TickAt.Time, st.Shop.CreatedAt.Time); len(l.Living) > 0 && l.Pace.tickIsLate(st, since, l.Now) {
			list = append(list, needOf(st.Shop.Shop, "", plan.ScopeShop, NeedNotTaken, since, "no running lagerd has taken the shop", func(string, string) string {
				return "see the log of the running lagerd"
			}))
		}
	}
	for _, trouble := range troubles {
		if trouble.Reason == NeedNoGoodTick && v.Failures > 0 {
			trouble.Detail = reasons(trouble.Detail, failing(v))
		}
		list = append(list, trouble)
	}
	return list
}

// SetAside says that webhooks of a shop could not be read.
func SetAside(st store.ShopStatus) string {
	return fmt.Sprintf("%d batch(es) of webhooks could not be read and were kept (hint_batches.set_aside, with the error); the shop was swept instead", st.SetAside)
}

func failing(v Shop) string {
	if v.Failures == 1 {
		return "the last pass failed: " + v.Failure
	}
	return fmt.Sprintf("the last %d passes failed: %s", v.Failures, v.Failure)
}

// unreadFor is how long a number that cannot be read is tried again before it needs a person.
const unreadFor = 10 * time.Minute

func late(since *time.Time, now time.Time) bool { return since == nil || now.Sub(*since) > unreadFor }

func unreadNeed(shop string, n Notice) Need {
	scope, flag := plan.ScopeStock, "--item"
	if n.Kind == plan.KindInvoice {
		scope, flag = plan.ScopeInvoices, "--invoice"
	}
	since := time.Time{}
	if n.Since != nil {
		since = *n.Since
	}
	return needOf(shop, n.which(), scope, NeedUnread, since, n.Unread(), func(shop, number string) string {
		why := fmt.Sprintf("`lagerd why %s %s`", shop, number)
		if scope == plan.ScopeInvoices {
			why = fmt.Sprintf("`lagerd why %s %s --invoice`", shop, number)
		}
		return fmt.Sprintf("%s has the next try; correct it at its source, then run `lagerd reconcile --shop %s %s %s`", why, shop, flag, number)
	})
}

// heldNeed returns the need of a hold.
func heldNeed(s store.Shop, h plan.Hold) Need {
	do := doOf(s, h)
	n := needOf(s.Shop, "", h.Scope, NeedReason(h.Reason), h.Since, h.Detail, do)
	n.Detail = strings.TrimSuffix(n.Detail, ": "+n.Do) // a detail may say it itself
	return n
}

// doOf returns what to do about a hold, as docs/operators.md has it.
func doOf(s store.Shop, h plan.Hold) func(shop, number string) string {
	format := ""
	switch h.Reason {
	case plan.HeldTokenRefused:
		format = "have access granted again, then run `lagerd shops set %s --grant-token-file FILE`"
	case plan.HeldTokenUnreadable:
		format = "configure the right master key, or store the token again: `lagerd shops set %s --grant-token-file FILE`"
	case plan.HeldAgreementChanged:
		format = "if the move is intended, run `lagerd shops set %[1]s --accept-agreement`; otherwise store the right token: `lagerd shops set %[1]s --grant-token-file FILE`"
	case plan.HeldAccountChanged:
		format = "if the move is intended, run `lagerd shops set %[1]s --rackbeat-key-file FILE --accept-account ACCOUNT`; otherwise store the right key"
	case plan.HeldForbidden:
		format = "give the app the role that it needs at e-conomic (SuperUser or Sales): lagerd then goes on by itself, and at once after `lagerd reconcile --shop %s`"
	case plan.HeldNoAppToken:
		return func(string, string) string {
			return "put the app's secret token into its file, which `lagerd check` names, then run `systemctl restart lagerd`"
		}
	case plan.HeldPlacesChanged:
		format = "see the places there are now: `lagerd shops places %[1]s`; then choose again: `lagerd shops set %[1]s --places LIST`"
	case plan.HeldNoInventory:
		format = "if its stock is in Rackbeat, run `lagerd shops set %[1]s --stock-source rackbeat --rackbeat-key-file FILE`; if it keeps none, `lagerd shops set %[1]s --stock off`"
	case plan.HeldUnreadable:
		format = "wait: lagerd lists the items of %s again every minute or so. If it lasts, look for a newer lagerd"
	case plan.HeldLosses:
		format = "check `lagerd diff %[1]s`; if that is right, run `lagerd approve %[1]s`"
	}
	if h.Scope == plan.ScopeStock && s.ReadsRackbeat() {
		format = cmp.Or(doAtRackbeat(h.Reason), format)
	}
	return func(shop, _ string) string { return fmt.Sprintf(format, shop) }
}

// doAtRackbeat returns what to do about a hold of stock that is read there, "" if that is the same
// as elsewhere.
func doAtRackbeat(reason plan.Reason) string {
	switch reason {
	case plan.HeldTokenRefused:
		return "have a new key made at Rackbeat, then run `lagerd shops set %s --rackbeat-key-file FILE`"
	case plan.HeldTokenUnreadable:
		return "configure the right master key, or store the key again: `lagerd shops set %s --rackbeat-key-file FILE`"
	case plan.HeldForbidden:
		return "give the key's user access to the items at Rackbeat: lagerd then goes on by itself, and at once after `lagerd reconcile --shop %s`"
	case plan.HeldNoInventory:
		return "see at Rackbeat whether the items' stock is managed there; if the shop keeps none, run `lagerd shops set %s --stock off`"
	case plan.HeldAgreementChanged, plan.HeldAccountChanged, plan.HeldNoAppToken, plan.HeldPlacesChanged, plan.HeldUnreadable, plan.HeldLosses:
	}
	return ""
}
