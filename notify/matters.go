package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lagerd/economic"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// Webhooks is the reason of a matter that is no need of status: webhooks of a type do not arrive as
// they should. Polling carries the shop.
const Webhooks status.NeedReason = "webhooks"

// Event is a matter that has begun or is over, and its JSON in messages.
type Event struct {
	Reason   status.NeedReason   `json:"reason"`             // of `lagerd status --json`, or webhooks
	Scope    plan.Scope          `json:"scope,omitempty"`    // shop, stock, invoices, pdf; "": the installation
	Webhooks status.WebhookType  `json:"webhooks,omitempty"` // which
	State    status.WebhookState `json:"state,omitempty"`    // how they fare
	Count    int                 `json:"count"`              // of shops; 0: it concerns the installation
	Shops    []string            `json:"shops,omitempty"`    // the first of them, by name
	Since    *time.Time          `json:"since,omitempty"`    // of the first
	Numbers  int64               `json:"numbers,omitempty"`  // how many items or invoices
	Number   string              `json:"number,omitempty"`   // the first of them
	Detail   string              `json:"detail,omitempty"`   // for operators
	Title    string              `json:"title,omitempty"`    // for owners, in their language
	Means    string              `json:"means,omitempty"`    // for owners, in their language
	Do       string              `json:"do,omitempty"`       // for owners in their language
	Link     string              `json:"link,omitempty"`     // at which an owner sets it right

	advice string // Do for any shop
}

// what identifies an event among those of a shop.
func (e Event) what() string {
	what := string(e.Reason)
	if e.Scope != "" {
		what = string(e.Scope) + ": " + what
	}
	switch {
	case e.Webhooks != "":
		what += ": " + string(e.Webhooks)
	case e.Reason == status.NeedNodeLost && e.Since != nil: // there may be several
		what += ": " + e.Since.UTC().Format(time.RFC3339)
	}
	return what
}

// eventOf returns the event that an incident's What stands for, as far as it says.
func eventOf(i store.Incident) Event {
	e := Event{Since: new(i.SeenAt.UTC())}
	if i.Shop != "" {
		e.Count, e.Shops = 1, []string{i.Shop}
	}
	parts := strings.Split(i.What, ": ")
	if slices.Contains([]plan.Scope{plan.ScopeShop, plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs}, plan.Scope(parts[0])) {
		e.Scope, parts = plan.Scope(parts[0]), parts[1:]
	}
	e.Reason = status.NeedReason(parts[0])
	if e.Reason == Webhooks && len(parts) > 1 {
		e.Webhooks = status.WebhookType(parts[1])
	}
	return e
}

// Matters are what is there now, by whom it concerns.
type Matters struct {
	Events map[store.IncidentKey]Event
	Shops  map[string]store.Shop // all of them

	masked  map[store.IncidentKey]bool // there or not: it is neither told nor over
	unasked map[string]bool            // shops whose webhooks have not been looked at yet
}

// unknown reports whether it is not known, or does not matter now, if an incident is still there.
func (m Matters) unknown(k store.IncidentKey) bool {
	return m.masked[k] || m.unasked[k.Shop] && strings.Contains(k.What, string(Webhooks)+": ")
}

// WebhooksOf is the health of a shop's webhooks.
type WebhooksOf map[string][]status.WebhookHealth

// toldStates are the states of webhooks that are told. The others either need nobody, or are
// usual with a shop that does without webhooks or has few changes: `lagerd webhooks` shows them.
var toldStates = []status.WebhookState{status.WebhooksStopped, status.WebhooksWrongCode, status.WebhooksWrongToken, status.WebhooksMergeField, status.WebhooksWrongData}

// lesser are the reasons that are not told of a shop that is stopped anyway: they follow from that.
var lesser = []status.NeedReason{status.NeedNoSweep, status.NeedHintWaits, status.NeedUnread, status.NeedPDFFails, Webhooks}

// forOwners are the reasons about which an owner can do something.
var forOwners = []status.NeedReason{
	status.NeedReason(plan.HeldTokenRefused), status.NeedReason(plan.HeldForbidden), status.NeedReason(plan.HeldNoInventory), status.NeedReason(plan.HeldLosses),
	status.NeedUnread, Webhooks,
}

// MattersOf returns what an overview and the webhooks looked at say. Of shops that webhooks lacks
// it is not known how their webhooks fare.
func MattersOf(l status.Look, o status.Overview, webhooks WebhooksOf) Matters {
	m := Matters{Events: map[store.IncidentKey]Event{}, Shops: make(map[string]store.Shop, len(l.Shops)), masked: map[store.IncidentKey]bool{}, unasked: map[string]bool{}}
	for _, st := range l.Shops {
		m.Shops[st.Shop.Shop] = st.Shop
	}
	noApp := false
	for _, n := range o.Needs {
		if n.Shop == "" {
			noApp = noApp || n.Reason == status.NeedAppTokenRefused
			m.add("", Event{Reason: n.Reason, Since: n.Since, Detail: n.Detail, Do: n.Do, advice: n.Advice}, false)
		}
	}
	for _, v := range o.Shops {
		stopped := slices.ContainsFunc(v.Needs, func(n status.Need) bool {
			return n.Scope == plan.ScopeShop && (n.Reason == status.NeedNotTaken || n.Reason == status.NeedNoGoodTick || slices.Contains(plan.Reasons(), plan.Reason(n.Reason)))
		})
		for _, e := range eventsOf(v, webhooks[v.Shop]) {
			refused := noApp && e.Scope == plan.ScopeShop && e.Reason == status.NeedReason(plan.HeldTokenRefused)
			m.add(v.Shop, e, refused || stopped && slices.Contains(lesser, e.Reason))
		}
		if _, asked := webhooks[v.Shop]; !asked {
			m.unasked[v.Shop] = true
		}
	}
	m.addOwners(l.AppPublicToken)
	return m
}

// add adds an event of a shop, or of the installation, for the operator. The first of a kind counts.
func (m Matters) add(shop string, e Event, masked bool) {
	k := store.IncidentKey{Audience: store.AudienceOperator, Shop: shop, What: e.what()}
	if _, is := m.Events[k]; is || m.masked[k] {
		return
	}
	if masked {
		m.masked[k] = true
		return
	}
	m.Events[k] = e
}

// eventsOf returns what needs a person of a shop.
func eventsOf(v status.Shop, webhooks []status.WebhookHealth) []Event {
	var list []Event
	one := func(e Event) { e.Count, e.Shops = 1, []string{v.Shop}; list = append(list, e) }
	for _, n := range v.Needs {
		e := Event{Reason: n.Reason, Scope: n.Scope, Since: n.Since, Detail: n.Detail, Do: n.Do, advice: n.Advice}
		if n.Reason == status.NeedUnread {
			for _, notice := range v.Unread {
				if (notice.Kind == plan.KindInvoice) == (n.Scope == plan.ScopeInvoices) {
					e.Number, e.Numbers = notice.Number, max(notice.Count, 1)
				}
			}
		}
		one(e)
	}
	if v.State == status.StatePaused {
		return list
	}
	for _, h := range webhooks {
		if !slices.Contains(toldStates, h.State) {
			continue
		}
		says, do := status.HealthIn(lang.English, h.Type, h.State)
		one(Event{Reason: Webhooks, Scope: plan.ScopeShop, Webhooks: h.Type, State: h.State, Since: h.Since,
			Detail: fmt.Sprintf("webhooks of type %s %s; nothing is lost, only later", h.Type, says), Do: "`lagerd webhooks " + v.Shop + "`; the owner: " + do, advice: "`lagerd webhooks SHOP`; the owner: " + do})
	}
	return list
}

// mostShops is from how many shops on a reason that more than half of all have is the operator's
// alone: it is hardly each owner's own.
const mostShops = 10

// addOwners adds for the owners with a mail address or a webhook what they can do something about.
func (m Matters) addOwners(appPublicToken string) {
	have := map[string]int{}
	for k := range m.Events {
		have[k.What]++
	}
	owned := func(k store.IncidentKey) bool {
		return k.Shop != "" && tellsOwner(m.Shops[k.Shop]) && slices.Contains(forOwners, eventOf(store.Incident{IncidentKey: k}).Reason)
	}
	keys := make([]store.IncidentKey, 0, len(m.Events))
	for k := range m.Events {
		keys = append(keys, k)
	}
	for _, k := range keys {
		if !owned(k) {
			continue
		}
		e := m.Events[k]
		its := store.IncidentKey{Audience: store.AudienceOwner, Shop: k.Shop, What: k.What}
		if n := have[k.What]; n > mostShops && 2*n > len(m.Shops) {
			m.masked[its] = true
			continue
		}
		if e.Reason == status.NeedReason(plan.HeldTokenRefused) && e.Scope != plan.ScopeStock {
			e.Link = economic.AccessURL(appPublicToken, m.Shops[k.Shop].Lang.Locale())
		}
		e.Detail, e.Do, e.advice = "", "", ""
		m.Events[its] = e
	}
	for k := range m.masked {
		if k.Audience == store.AudienceOperator && owned(k) {
			m.masked[store.IncidentKey{Audience: store.AudienceOwner, Shop: k.Shop, What: k.What}] = true
		}
	}
}

// tellsOwner reports whether there is a way on which a shop's owner may be told.
func tellsOwner(s store.Shop) bool { return s.Email != "" || s.NotifyOrigin != "" }

// compare orders events: the most urgent first.
func (e Event) compare(o Event) int {
	order := func(e Event) int {
		if i := slices.Index(status.NeedReasons(), e.Reason); i >= 0 {
			return i
		}
		return len(status.NeedReasons())
	}
	return cmp.Or(cmp.Compare(order(e), order(o)), cmp.Compare(e.Scope, o.Scope), cmp.Compare(e.Webhooks, o.Webhooks), cmp.Compare(e.State, o.State), cmp.Compare(e.advice, o.advice), slices.Compare(e.Shops, o.Shops))
}

// alike reports whether one paragraph says both.
func (e Event) alike(o Event) bool {
	return e.Reason == o.Reason && e.Scope == o.Scope && e.Webhooks == o.Webhooks && e.State == o.State && e.advice == o.advice
}

// namesShown is how many shops a message names of those that an event concerns.
const namesShown = 20

// gather joins events that are alike, the most urgent first.
func gather(list []Event) []Event {
	slices.SortFunc(list, Event.compare)
	joined := []Event{} // [] in JSON
	for _, e := range list {
		last := len(joined) - 1
		if last < 0 || e.Count == 0 || !joined[last].alike(e) {
			joined = append(joined, e)
			continue
		}
		j := &joined[last]
		j.Count++
		j.Do = j.advice
		if len(j.Shops) < namesShown {
			j.Shops = append(slices.Clip(j.Shops), e.Shops...)
		}
		if e.Since != nil && (j.Since == nil || e.Since.Before(*j.Since)) {
			j.Since = e.Since
		}
	}
	return joined
}
