package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"lagerd/act"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/status/story"
	"lagerd/store"
	"lagerd/webhook"
)

// ownerRoutes adds the pages of a shop's owner.
func (p *Page) ownerRoutes(owners func(pattern string, h handler)) {
	owners("GET "+ownerHome, p.ownerOverview)
	owners("GET "+ownerEvents, p.ownerStream)
	owners("GET "+ownerSetUp, p.ownerSetUp)
	owners("POST /shop/set-up/code", p.ownerNewCode)
	owners("POST /shop/set-up/retire", p.ownerRetire)
	owners("GET "+ownerWebhooks, p.ownerWebhooks)
	owners("GET "+ownerTest, p.ownerTest)
	owners("GET "+ownerChanges, p.ownerChanges)
	owners("GET "+ownerItems, p.ownerItems)
	owners("GET "+ownerInvoices, p.ownerInvoices)
	owners("GET /shop/invoices/{number}/pdf", p.ownerPDF)
	owners("GET "+ownerStory, p.ownerStory)
	owners("POST /shop/read", p.ownerRead)
	owners("GET "+ownerCharts, p.ownerCharts)
	owners("GET /shop/charts/{file}", p.ownerChart)
}

// The pages of an owner, besides ownerHome.
const (
	ownerEvents   = "/shop/events"
	ownerSetUp    = "/shop/set-up"
	ownerWebhooks = "/shop/webhooks"
	ownerTest     = "/shop/webhooks/test"
	ownerChanges  = "/shop/changes"
	ownerItems    = "/shop/items"
	ownerInvoices = "/shop/invoices"
	ownerStory    = "/shop/why"
	ownerCharts   = "/shop/charts"
)

// streamsOfShop is how many streams of a shop's pages may be open: one shop must not take those of all.
const streamsOfShop = 4

// watched counts the open streams of each shop.
type watched struct {
	mu   sync.Mutex
	open map[string]int
}

// add adds a stream, or takes one away, and reports whether there may be that many.
func (w *watched) add(shop string, n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[string]int{}
	}
	if w.open[shop] += n; w.open[shop] <= 0 {
		delete(w.open, shop)
	}
	return w.open[shop] <= streamsOfShop
}

// ownerStream tells of whatever is stored of the shop, and of calls of its webhooks.
func (p *Page) ownerStream(v *visit) error {
	shop := v.owner.Shop
	defer p.watched.add(shop, -1)
	if !p.watched.add(shop, 1) {
		return refusal{http.StatusTooManyRequests, lang.Text{Danish: "For mange ser med", English: "Too many are watching"},
			lang.Text{Danish: "Butikkens sider er åbne for mange steder. De virker, men opdaterer sig ikke selv.", English: "The shop's pages are open in too many places. They work, but do not update themselves."}}
	}
	return p.stream(v, 1, func(ctx context.Context) (string, error) {
		at, err := p.Store.Position(ctx, shop)
		if err != nil {
			return "", err
		}
		call, err := p.Store.LatestCall(ctx, shop)
		return fmt.Sprint(at.Token, at.Seq, call.UnixMicro()), err
	})
}

// ownersLook returns what is known of the visitor's shop, and reads nothing of others.
func (p *Page) ownersLook(v *visit) (l status.Look, st store.ShopStatus, err error) {
	if l, err = p.lookAtNodes(v.r.Context(), v.now); err != nil {
		return l, st, err
	}
	if l.Shops, err = p.Store.StatusOf(v.r.Context(), v.owner.Shop); err != nil {
		return l, st, err
	}
	if len(l.Shops) != 1 {
		return l, st, fmt.Errorf("%s: %w", v.owner.Shop, store.ErrNoShop)
	}
	return l, l.Shops[0], nil
}

// ownersShop is the page on which an owner's pages begin.
type ownersShop struct {
	Level    string // of the state: good, warn, bad
	State    string
	Checked  *time.Time // when everything was in order last; nil: never
	Needs    []ownersNeed
	Parts    []string // what happens to stock and to invoices
	Webhooks []webhookLine
	SetUp    bool // no webhook has ever come: they are yet to be set up
	Changes  []changeLine
}

// ownersNeed is something that only the owner can do.
type ownersNeed struct {
	Name, Means, Do string
	Since           *time.Time
	Link            string // where access is granted; "": none
}

// webhookLine is how a shop's webhooks of a type fare, in short.
type webhookLine struct {
	What, Says string
	Level      string
}

// What an owner is told of the state of a shop.
var (
	stateYours = lang.Text{Danish: "Noget skal rettes, og det er kun dig, der kan.", English: "Something has to be put right, and only you can."}
	stateOurs  = lang.Text{Danish: "Noget er ikke, som det skal være. Din webudbyder skal se på det; du skal ikke gøre noget.",
		English: "Something is not as it should be. Your hosting company has to look at it; there is nothing for you to do."}
	stateNew  = lang.Text{Danish: "Butikken er ny: lager og fakturaer hentes for første gang.", English: "The shop is new: stock and invoices are being fetched for the first time."}
	stateWell = lang.Text{Danish: "Alt er i orden.", English: "All is well."}
)

// ownersState returns what an owner is told of the state of a shop, and how bad it is. yours and ours
// say whether something needs the owner, or whoever runs lagerd. The first row that applies counts.
//
//	a person has paused it     as the answers to calls say it
//	yours                      stateYours
//	ours                       stateOurs
//	it was never checked       stateNew
//	otherwise                  stateWell
func ownersState(st store.ShopStatus, yours, ours bool) (level string, says lang.Text) {
	switch {
	case st.Shop.Paused():
		says, _ = status.AnswersOf(st.Shop, nil).Obstacle(webhook.KindStock)
		return "warn", says
	case yours:
		return "bad", stateYours
	case ours:
		return "warn", stateOurs
	case st.Progress.TickAt.IsZero():
		return "warn", stateNew
	}
	return "good", stateWell
}

// noneEver reports whether no webhook that the shop needs has ever come.
func noneEver(webhooks []status.WebhookHealth) bool {
	never := func(h status.WebhookHealth) bool { return h.State == status.WebhooksNever }
	other := func(h status.WebhookHealth) bool {
		return h.State != status.WebhooksNever && h.State != status.WebhooksOff
	}
	return slices.ContainsFunc(webhooks, never) && !slices.ContainsFunc(webhooks, other)
}

// ownersShopOf returns what an owner is told of the shop. access is where access to e-conomic is
// granted, "" if that is not known.
func ownersShopOf(look status.Look, st store.ShopStatus, webhooks []status.WebhookHealth, access string, l lang.Lang) ownersShop {
	v := look.Overview().Shops[0]
	o := ownersShop{Checked: v.LastGoodTick, Parts: partsOf(st, l), SetUp: noneEver(webhooks)}
	ours := false
	for _, n := range v.Needs {
		told, ok := status.ForOwner(n.Scope, n.Reason)
		if !ok {
			ours = true
			continue
		}
		need := ownersNeed{Name: told.Name.In(l) + namesOf(v, n, l), Means: told.Means.In(l), Do: told.Do.In(l), Since: n.Since}
		if n.Reason == status.NeedReason(plan.HeldTokenRefused) && n.Scope != plan.ScopeStock {
			need.Link = access
		}
		o.Needs = append(o.Needs, need)
	}
	level, says := ownersState(st, len(o.Needs) > 0, ours || len(look.Living) == 0)
	o.Level, o.State = level, says.In(l)
	if st.Shop.Paused() {
		o.Parts = nil // it is said already
	}
	for _, h := range webhooks {
		o.Webhooks = append(o.Webhooks, webhookLine{capital(status.WebhooksOfOwner(h.Type).In(l)), h.Says, levelOf(h)})
	}
	return o
}

// namesOf names an item or an invoice that a need is about, and how many others there are.
func namesOf(v status.Shop, n status.Need, l lang.Lang) string {
	at := slices.IndexFunc(v.Unread, func(u status.Notice) bool {
		return n.Reason == status.NeedUnread && (u.Kind == plan.KindInvoice) == (n.Scope == plan.ScopeInvoices)
	})
	if at < 0 {
		return ""
	}
	return " (" + v.Unread[at].Number + status.AndMore(l, v.Unread[at].Count-1) + ")"
}

// partsOf returns what happens to stock and to invoices, in the words of the answers to calls where
// something stands in the way.
func partsOf(st store.ShopStatus, l lang.Lang) []string {
	follows := lang.Text{Danish: "Lageret i webshoppen følger " + st.Shop.StockSource.Name() + ".", English: "Stock in the webshop follows " + st.Shop.StockSource.Name() + "."}
	fetched := lang.Text{Danish: "Bogførte fakturaer og deres PDF'er hentes fra e-conomic.", English: "Booked invoices and their PDFs are fetched from e-conomic."}
	answers := status.AnswersOf(st.Shop, st.Progress.Holds)
	if text, ok := answers.Obstacle(webhook.KindStock); ok {
		follows = text
	}
	if text, ok := answers.Obstacle(webhook.KindInvoice); ok {
		fetched = text
	}
	return []string{follows.In(l), fetched.In(l)}
}

// levelOf says how bad the state of webhooks is.
func levelOf(h status.WebhookHealth) string {
	switch {
	case h.State == status.WebhooksArrive:
		return "good"
	case h.NeedsPerson:
		return "bad"
	}
	return "warn"
}

// changesShown is how many changes the overview shows.
const changesShown = 5

func (p *Page) ownerOverview(v *visit) error {
	look, st, err := p.ownersLook(v)
	if err != nil {
		return err
	}
	health, _, err := p.healthOf(v, st.Shop)
	if err != nil {
		return err
	}
	page := ownersShopOf(look, st, health, act.AccessURL(p.Config(), v.lang), v.lang)
	list, err := p.Store.LatestChanges(v.r.Context(), st.Shop.Shop, nil, changesShown)
	if err != nil {
		return err
	}
	if page.Changes, err = p.linesOf(v, st.Progress.ItemsDataset, list); err != nil {
		return err
	}
	return p.show(v, sheet{Name: "owner", Title: lang.Text{Danish: "Butikken " + st.Shop.Shop, English: "The shop " + st.Shop.Shop}, Data: page, Events: ownerEvents})
}

// changeLine is a change as it is listed.
type changeLine struct {
	At           time.Time
	Number, Name string
	Kind         plan.Kind
	Path         string // of its story
	Was, Found   string // what it was, and what led to it
}

// linesOf returns changes as they are listed, with the names of their items.
func (p *Page) linesOf(v *visit, items store.Dataset, list []store.Change) ([]changeLine, error) {
	var numbers []string
	for _, c := range list {
		if c.Kind == plan.KindStock {
			numbers = append(numbers, c.Number)
		}
	}
	names, err := p.Store.Items(v.r.Context(), items, numbers)
	if err != nil {
		return nil, err
	}
	lines := make([]changeLine, len(list))
	for i, c := range list {
		was, found := story.OfChange(c, v.lang)
		lines[i] = changeLine{At: c.CommittedAt.Time, Number: c.Number, Kind: c.Kind, Path: storyPath(c.Number, c.Kind), Was: was, Found: found}
		if c.Kind == plan.KindStock {
			lines[i].Name = names[c.Number].Name
		}
	}
	return lines, nil
}
