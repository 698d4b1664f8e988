package notify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/economic"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// Event is a matter that has begun or is over, and its JSON in messages.
type Event struct {
	Reason   status.NeedReason   `json:"reason"`             // of `lagerd status --json`
	Scope    plan.Scope          `json:"scope,omitempty"`    // shop, stock, invoices, pdf; "": the installation
	Webhooks status.WebhookType  `json:"webhooks,omitempty"` // which
	State    status.WebhookState `json:"state,omitempty"`    // how they fare
	Count    int                 `json:"count"`              // of shops; 0: it concerns the installation
	Shops    []string            `json:"shops,omitempty"`    // the first of them, by name
	Since    *time.Time          `json:"since,omitempty"`    // of the first
	Numbers  int64               `json:"numbers,omitempty"`  // how many items or invoices
	Number   string              `json:"number,omitempty"`   // the first of them
	Host     string              `json:"host,omitempty"`     // of a lost node
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
	case e.Host != "": // there may be several
		const most = 50 // the column takes 64 characters
		what += ": " + string([]rune(e.Host)[:min(len([]rune(e.Host)), most)])
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
	switch {
	case len(parts) == 1:
	case e.Reason == status.NeedWebhooks:
		e.Webhooks = status.WebhookType(parts[1])
	case e.Reason == status.NeedNodeLost:
		e.Host = parts[1]
	}
	return e
}

// Matters are what is there now, by whom it concerns.
type Matters struct {
	Events map[store.IncidentKey]Event
	Shops  map[string]store.Shop // all of them

	masked   map[store.IncidentKey]bool // there or not: it is neither told nor over
	unasked  map[string]bool            // shops whose webhooks have not been looked at yet
	replaced map[string]bool            // hosts on which a lost lagerd has been replaced
}

// unknown reports whether it is not known, or does not matter now, if an incident is still there.
func (m Matters) unknown(k store.IncidentKey) bool {
	return m.muted(k) || m.unasked[k.Shop] && strings.Contains(k.What, string(status.NeedWebhooks)+": ")
}

// muted reports whether it does not matter now if an incident is there. An owner is not told that all is
// well because the shop was paused.
func (m Matters) muted(k store.IncidentKey) bool {
	return m.masked[k] || k.Audience == store.AudienceOwner && m.Shops[k.Shop].Paused()
}

// dropped reports whether an owner's incident concerns what the shop no longer does: it is not over, and
// nobody wants to know.
func (m Matters) dropped(k store.IncidentKey) bool {
	if k.Audience != store.AudienceOwner {
		return false
	}
	shop, e := m.Shops[k.Shop], eventOf(store.Incident{IncidentKey: k})
	switch {
	case e.Webhooks != "":
		return !e.Webhooks.ExpectedBy(shop) || !slices.Contains(status.WebhookTypes(shop), e.Webhooks)
	case e.Scope == plan.ScopeStock:
		return !shop.StockOn
	case e.Scope == plan.ScopeInvoices || e.Scope == plan.ScopePDFs:
		return !shop.InvoicesOn
	}
	return false
}

// expired reports whether an incident that is not there was a lost node which nothing has replaced: it
// is only forgotten after a while.
func (m Matters) expired(k store.IncidentKey) bool {
	e := eventOf(store.Incident{IncidentKey: k})
	return e.Reason == status.NeedNodeLost && !m.replaced[e.Host]
}

// WebhooksOf is the health of a shop's webhooks.
type WebhooksOf map[string][]status.WebhookHealth

// toldStates are the states of webhooks that are told. The others either need nobody, or are
// usual with a shop that does without webhooks or has few changes: `lagerd webhooks` shows them.
var toldStates = []status.WebhookState{status.WebhooksStopped, status.WebhooksWrongCode, status.WebhooksWrongToken, status.WebhooksMergeField, status.WebhooksWrongData}

// lesser are the reasons that are not told of a shop that is stopped anyway: they follow from that.
var lesser = []status.NeedReason{status.NeedNoSweep, status.NeedHintWaits, status.NeedUnread, status.NeedPDFFails, status.NeedWebhooks}

// forOwners are the reasons about which an owner can do something.
var forOwners = []status.NeedReason{
	status.NeedReason(plan.HeldTokenRefused), status.NeedReason(plan.HeldForbidden), status.NeedReason(plan.HeldNoInventory), status.NeedReason(plan.HeldLosses),
	status.NeedUnread, status.NeedWebhooks,
}

// MattersOf returns what an overview and the webhooks looked at say. Of shops that webhooks lacks
// it is not known how their webhooks fare. incidents are those noticed so far.
func MattersOf(l status.Look, o status.Overview, webhooks WebhooksOf, incidents []store.Incident) Matters {
	m := Matters{Events: map[store.IncidentKey]Event{}, Shops: make(map[string]store.Shop, len(l.Shops)), masked: map[store.IncidentKey]bool{}, unasked: map[string]bool{}, replaced: map[string]bool{}}
	for _, n := range o.Nodes {
		if n.State == status.NodeReplaced {
			m.replaced[n.Host] = true
		}
	}
	for _, st := range l.Shops {
		m.Shops[st.Shop.Shop] = st.Shop
	}
	refuses, missing := has(o.Needs, status.NeedAppTokenRefused), has(o.Needs, status.NeedAppTokenMissing)
	for _, n := range o.Needs {
		if n.Shop == "" {
			m.add("", Event{Reason: n.Reason, Since: n.Since, Host: n.Host, Detail: n.Detail, Do: n.Do, advice: n.Advice}, false)
		}
	}
	for _, v := range o.Shops {
		stopped := slices.ContainsFunc(v.Needs, stops)
		for _, e := range eventsOf(v, webhooks[v.Shop]) {
			m.add(v.Shop, e, followsFrom(e, refuses, missing) || stopped && slices.Contains(lesser, e.Reason))
		}
		if _, asked := webhooks[v.Shop]; !asked {
			m.unasked[v.Shop] = true
		}
	}
	m.addOwners(l.AppPublicToken, incidents)
	return m
}

// followsFrom reports whether an event follows from what is wrong with the app's token, which is told
// already: that e-conomic refuses it, or that it is missing.
func followsFrom(e Event, refused, missing bool) bool {
	return refused && e.Scope == plan.ScopeShop && e.Reason == status.NeedReason(plan.HeldTokenRefused) ||
		missing && e.Reason == status.NeedReason(plan.HeldNoAppToken)
}

func has(needs []status.Need, reason status.NeedReason) bool {
	return slices.ContainsFunc(needs, func(n status.Need) bool { return n.Reason == reason })
}

// stops reports whether a need says that a whole shop is stopped.
func stops(n status.Need) bool {
	return n.Scope == plan.ScopeShop && (n.Reason == status.NeedNotTaken || n.Reason == status.NeedNoGoodTick || slices.Contains(plan.Reasons(), plan.Reason(n.Reason)))
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
		one(Event{Reason: status.NeedWebhooks, Scope: plan.ScopeShop, Webhooks: h.Type, State: h.State, Since: h.Since,
			Detail: fmt.Sprintf("webhooks of type %s %s; nothing is lost, only later", h.Type, says), Do: "`lagerd webhooks " + v.Shop + "`; the owner: " + do, advice: "`lagerd webhooks SHOP`; the owner: " + do})
	}
	return list
}

// mostShops is from how many shops on a reason that more than half of all have is the operator's
// alone: it is hardly each owner's own.
const mostShops = 10

// webhooksShare is of how many shops one has webhooks that need its owner: if more do at once, it is
// hardly each owner's own, but the way on which all of them come. That shows with busy shops first, so
// it is few. Owners who know already do not count: some never do anything about it.
const webhooksShare = 100

// common reports whether so many shops have something that it is the operator's alone. untold is how
// many of them have owners to be told who have not been.
func (m Matters) common(what string, have, untold int) bool {
	if eventOf(store.Incident{IncidentKey: store.IncidentKey{What: what}}).Reason == status.NeedWebhooks {
		return untold > mostShops && webhooksShare*untold > len(m.Shops)
	}
	return have > mostShops && 2*have > len(m.Shops)
}

// addOwners adds for the owners with a mail address or a webhook what they can do something about.
func (m Matters) addOwners(appPublicToken string, incidents []store.Incident) {
	told := map[store.IncidentKey]bool{}
	for _, i := range incidents {
		told[i.IncidentKey] = !i.ToldAt.IsZero()
	}
	have, untold := map[string]int{}, map[string]int{}
	for k := range m.Events {
		have[k.What]++
		if tellsOwner(m.Shops[k.Shop]) && !told[store.IncidentKey{Audience: store.AudienceOwner, Shop: k.Shop, What: k.What}] {
			untold[k.What]++
		}
	}
	owned := func(k store.IncidentKey) bool {
		return k.Shop != "" && tellsOwner(m.Shops[k.Shop]) && slices.Contains(forOwners, eventOf(store.Incident{IncidentKey: k}).Reason)
	}
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(m.Events)), func(k store.IncidentKey) bool { return !owned(k) })
	for _, k := range keys {
		e := m.Events[k]
		its := store.IncidentKey{Audience: store.AudienceOwner, Shop: k.Shop, What: k.What}
		if m.common(k.What, have[k.What], untold[k.What]) {
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
