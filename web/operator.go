package web

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"lagerd/act"
	"lagerd/engine"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// operatorRoutes adds the operators' pages.
func (p *Page) operatorRoutes(operators func(pattern string, h handler)) {
	operators("GET /{$}", p.shops)
	operators("GET /events", p.shopsEvents)
	operators("GET /shops/{shop}", p.shop)
	operators("GET /shops/{shop}/events", p.shopEvents)
	operators("GET /shops/{shop}/why", p.why)
	operators("GET /shops/{shop}/task", p.task)
	operators("POST /shops/{shop}/pause", p.pause)
	operators("POST /shops/{shop}/resume", p.resume)
	operators("POST /shops/{shop}/reconcile", p.ask(store.WantTick))
	operators("POST /shops/{shop}/sweep", p.ask(store.WantSweep))
	operators("POST /shops/{shop}/read", p.read)
	operators("POST /shops/{shop}/losses", p.losses)
	operators("POST /shops/{shop}/approve", p.approve)
	operators("POST /shops/{shop}/webhooks", p.setUpWebhooks)
}

// act returns what carries out what a visitor asks for.
func (p *Page) act() act.Act {
	return act.Act{Store: p.Store, Config: p.Config(), Keys: p.Keys, Version: p.Version, Now: p.Now}
}

// lookAtNodes returns a look at the lagerds, and at no shop yet.
func (p *Page) lookAtNodes(ctx context.Context, now time.Time) (status.Look, error) {
	l := engine.LookOf(p.Config())
	l.Now = now
	var err error
	if l.Instances, err = p.Store.Instances(ctx); err != nil {
		return l, err
	}
	living := p.Living()
	l.Living = map[string]store.Instance{}
	for _, i := range l.Instances {
		if living == nil || living[i.Instance] { // nil: lagerd has just started, and knows of none that it has died
			l.Living[i.Instance] = i
		}
	}
	return l, nil
}

// look returns how all shops stand, without what is open of each.
func (p *Page) look(ctx context.Context) (status.Look, error) {
	l, err := p.lookAtNodes(ctx, p.Now())
	if err != nil {
		return l, err
	}
	if l.Shops, err = p.Store.Standings(ctx); err != nil {
		return l, err
	}
	if err := p.Store.ReadOnly(ctx); err != nil {
		l.ReadOnly = err.Error()
	}
	l.Holdings = map[string]int{}
	for _, st := range l.Shops {
		l.Holdings[st.Holder]++
	}
	return l, nil
}

// oneShop returns how a shop stands in full: look is at all shops, only at it alone.
func (p *Page) oneShop(ctx context.Context, name string) (look status.Look, only status.Overview, st store.ShopStatus, err error) {
	if look, err = p.look(ctx); err != nil {
		return look, only, st, err
	}
	full, err := p.Store.Status(ctx, name)
	if err != nil {
		return look, only, st, err
	}
	only = look.Fill(look.Overview(), full).Only(name)
	if name == "" || len(full) != 1 || len(only.Shops) != 1 {
		return look, only, st, fmt.Errorf("%s: %w", name, store.ErrNoShop)
	}
	return look, only, full[0], nil
}

// shopsPage reads the page of a query: in a fixed number of statements, none of which reads the
// items, hints or history of a shop that is not shown.
func (p *Page) shopsPage(ctx context.Context, q shopsQuery) (shopsPage, error) {
	l, err := p.look(ctx)
	if err != nil {
		return shopsPage{}, err
	}
	incidents, err := p.Store.ShopsWithIncidents(ctx)
	if err != nil {
		return shopsPage{}, err
	}
	o := l.Overview()
	arranged := arrange(o, incidents, q)
	names, _ := arranged.on(q.Page)
	full, err := p.Store.StatusOf(ctx, names...)
	if err != nil {
		return shopsPage{}, err
	}
	return shopsPageOf(l.Fill(o, full), arranged, q, l.Now), nil
}

// shops shows all shops.
func (p *Page) shops(v *visit) error {
	q := shopsQueryOf(v.r.URL.Query())
	page, err := p.shopsPage(v.r.Context(), q)
	if err != nil {
		return err
	}
	return p.show(v, sheet{Name: "shops", Title: lang.Text{Danish: "Butikker", English: "Shops"}, Data: page, Events: "/events" + strings.TrimPrefix(q.path(), "/")})
}

// shopsEvents tells of changes of what shops shows.
func (p *Page) shopsEvents(v *visit) error {
	q := shopsQueryOf(v.r.URL.Query())
	return p.stream(v, looksAtAll, func(ctx context.Context) (string, error) {
		page, err := p.shopsPage(ctx, q)
		for i := range page.Nodes { // ages pass without anything having happened
			page.Nodes[i].Beat, page.Nodes[i].Started = "", ""
		}
		for i := range page.Shops {
			s := &page.Shops[i]
			s.Tick, s.Oldest = "", ""
			withoutAges(s.Needs)
		}
		withoutAges(page.Needs)
		return versionOf(page), err
	})
}

func withoutAges(needs []needLine) {
	for i := range needs {
		needs[i].Age = ""
	}
}

// versionOf returns a text that differs whenever a value does.
func versionOf(value any) string {
	content, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%x", sha256.Sum256(content))
}

// shop shows one shop in full.
func (p *Page) shop(v *visit) error {
	name := v.r.PathValue("shop")
	page, err := p.shopPage(v.r.Context(), name)
	if err != nil {
		return err
	}
	page.Done = doneTexts[v.r.URL.Query().Get("done")]
	return p.show(v, sheet{Name: "shop", Title: lang.Text{Danish: name, English: name}, Data: page, Events: shopPath(name) + "/events"})
}

// shopEvents tells of changes of what shop and task show.
func (p *Page) shopEvents(v *visit) error {
	name := v.r.PathValue("shop")
	return p.stream(v, 1, func(ctx context.Context) (string, error) {
		page, err := p.shopPage(ctx, name)
		withoutAges(page.Needs)
		j, _ := p.jobs.of(name, p.Now())
		return versionOf(page) + versionOf(j), err
	})
}

func (p *Page) shopPage(ctx context.Context, name string) (shopPage, error) {
	l, o, st, err := p.oneShop(ctx, name)
	if err != nil {
		return shopPage{}, err
	}
	extra := shopExtra{config: p.Config()}
	if extra.actions, err = p.Store.Actions(ctx, name, store.AnyAction(), l.Now.Add(-actionsSince), actionsShown); err != nil {
		return shopPage{}, err
	}
	if extra.calls, err = p.Store.WebhookLog(ctx, name); err != nil {
		return shopPage{}, err
	}
	if extra.codes, err = p.Store.CodesOf(ctx, name); err != nil {
		return shopPage{}, err
	}
	if j, ok := p.jobs.of(name, l.Now); ok {
		extra.job = &j
	}
	return shopPageOf(o, st.Shop, extra, l.Now), nil
}

// done sends an operator who has done something back to the shop, where a text says so.
func (v *visit) done(what string) error {
	return v.redirect(shopPath(v.r.PathValue("shop")) + "?done=" + what)
}

// doneTexts say what an operator has done.
var doneTexts = map[string]string{
	"paused":    "The shop is paused. Its webhooks are kept.",
	"resumed":   "The shop goes on. What is held is tried again now.",
	"tick":      "A check of the shop is requested. The lagerd that has it carries it out within about a second.",
	"sweep":     "A full listing of the shop is requested.",
	"read":      "The number is read now.",
	"approved":  "The losses are approved, and a full listing is requested: each item is read once more before its stock goes.",
	"no-losses": "The shop would no longer lose anything: nothing was approved, and the next listing that confirms it ends the hold.",
}

func (p *Page) pause(v *visit) error {
	reason := strings.TrimSpace(v.r.PostFormValue("reason"))
	const longest = 255
	if len([]rune(reason)) > longest {
		return refusal{http.StatusBadRequest, lang.Text{Danish: "For lang", English: "Too long"}, lang.Text{Danish: "Begrundelsen har højst 255 tegn.", English: "A reason has 255 characters at most. Nothing was changed."}}
	}
	if _, _, err := p.act().Pause(v.ctx(), v.r.PathValue("shop"), reason); err != nil {
		return err
	}
	return v.done("paused")
}

func (p *Page) resume(v *visit) error {
	if _, _, err := p.act().Resume(v.ctx(), v.r.PathValue("shop")); err != nil {
		return err
	}
	return v.done("resumed")
}

// ask returns what requests a tick or a sweep of a shop.
func (p *Page) ask(what string) handler {
	return func(v *visit) error {
		shop := v.r.PathValue("shop")
		if _, err := p.Store.Shop(v.r.Context(), shop); err != nil {
			return err
		}
		if _, err := p.act().Ask(v.ctx(), what, shop); err != nil {
			return err
		}
		return v.done(what)
	}
}

// read has an item or an invoice read now.
func (p *Page) read(v *visit) error {
	shop := v.r.PathValue("shop")
	number, kind, err := numberOfForm(v.r.PostFormValue("number"), v.r.PostFormValue("kind"))
	if err != nil {
		return err
	}
	if _, err := p.Store.Shop(v.r.Context(), shop); err != nil {
		return err
	}
	if err := p.act().Read(v.ctx(), kind, []string{number}, shop); err != nil {
		return err
	}
	if _, err := p.act().Prod(v.ctx(), shop, kind); err != nil {
		return err
	}
	return v.redirect(whyPath(shop, number, kind) + "&done=read")
}

// losses begins to read what a shop would lose.
func (p *Page) losses(v *visit) error {
	name := v.r.PathValue("shop")
	shop, err := p.act().HeldForLosses(v.r.Context(), name)
	if err != nil {
		return p.whyNot(v, err)
	}
	n := &job{Kind: jobLosses, Shop: name, shop: shop}
	err = p.begin(v, n, func(ctx context.Context, n *job) error {
		found, _, err := p.act().Compare(ctx, act.Comparison{Shop: name, Tell: func(what string, done, of int) {
			p.jobs.change(n, func(n *job) { n.Reads, n.Done, n.Of = what, done, of })
		}})
		if err != nil {
			return err
		}
		shown := status.DiffOf(found)
		shown.Stock = slices.DeleteFunc(shown.Stock, func(s status.StockDiff) bool { return !s.Loss })
		p.jobs.change(n, func(n *job) { n.Losses, n.Said = &shown, found.Notes })
		return nil
	})
	if err != nil {
		return err
	}
	return v.redirect(taskPath(name))
}

// whyNot shows why something cannot be done, unless the shop does not exist.
func (p *Page) whyNot(v *visit, err error) error {
	if _, missing := p.Store.Shop(v.r.Context(), v.r.PathValue("shop")); missing != nil {
		return missing
	}
	return refusal{http.StatusConflict, lang.Text{Danish: "Det kan ikke lade sig gøre", English: "That cannot be done"}, lang.Text{Danish: err.Error(), English: err.Error()}}
}

// approve approves the losses that a job has shown.
func (p *Page) approve(v *visit) error {
	name := v.r.PathValue("shop")
	j, ok := p.jobs.of(name, v.now)
	if !ok || j.ID != v.r.PostFormValue("task") || j.Losses == nil {
		return refusal{http.StatusConflict, lang.Text{Danish: "Se igen", English: "Look again"},
			lang.Text{Danish: "Tabene er ikke vist for nylig.", English: "These losses were not shown within the last ten minutes by this lagerd. Nothing was approved: have them shown again."}}
	}
	if _, err := p.act().Approve(v.ctx(), j.shop, j.Losses.Losses); err != nil {
		return p.whyNot(v, err)
	}
	p.jobs.forget(name, j.ID)
	if j.Losses.Losses == 0 {
		return v.done("no-losses")
	}
	return v.done("approved")
}

// setUpWebhooks begins to set up a shop's webhooks at e-conomic.
func (p *Page) setUpWebhooks(v *visit) error {
	name := v.r.PathValue("shop")
	shop, err := p.Store.Shop(v.r.Context(), name)
	if err != nil {
		return err
	}
	if err := act.CanSetUpWebhooks(p.Config(), shop); err != nil {
		return p.whyNot(v, fmt.Errorf("nothing was changed: %w", err))
	}
	err = p.begin(v, &job{Kind: jobWebhooks, Shop: name}, func(ctx context.Context, n *job) error {
		hooks, err := p.act().Webhooks(ctx, shop)
		if err != nil {
			return fmt.Errorf("nothing was changed: %w", err)
		}
		defer func() {
			if err := hooks.AddAllCalls(ctx, name); err != nil {
				p.Log.WithError(err).WithField("shop", name).Warn("the calls to set up webhooks were not added to the day's count")
			}
		}()
		list, err := hooks.Change(ctx, true)
		p.jobs.change(n, func(n *job) {
			for _, one := range list {
				n.Said = append(n.Said, fmt.Sprintf("%s: %s.", one.Type, one.Said))
			}
		})
		return err
	})
	if err != nil {
		return err
	}
	return v.redirect(taskPath(name))
}

func taskPath(shop string) string { return shopPath(shop) + "/task" }

// taskPage is a job as it is shown.
type taskPage struct {
	job
	Path    string // of the shop
	Running bool
	Losses  []lossLine
	All     int // how many losses there are
}

type lossLine struct{ Number, Name, Stored, Becomes string }

// lossesShown is how many losses are listed.
const lossesShown = 200

func taskPageOf(j job) taskPage {
	t := taskPage{job: j, Path: shopPath(j.Shop), Running: j.Ended.IsZero()}
	if j.Losses == nil {
		return t
	}
	t.All = j.Losses.Losses
	for _, s := range j.Losses.Stock[:min(len(j.Losses.Stock), lossesShown)] {
		line := lossLine{Number: s.Number, Name: s.Name, Stored: "none", Becomes: s.Becomes()}
		if s.StockStored.Valid {
			line.Stored = s.StockStored.Decimal.String()
		}
		t.Losses = append(t.Losses, line)
	}
	return t
}

// task shows how far a shop's job is, or what became of it.
func (p *Page) task(v *visit) error {
	name := v.r.PathValue("shop")
	if _, err := p.Store.Shop(v.r.Context(), name); err != nil {
		return err
	}
	j, ok := p.jobs.of(name, v.now)
	if !ok {
		return v.redirect(shopPath(name))
	}
	title := "What " + name + " would lose"
	if j.Kind == jobWebhooks {
		title = "Webhooks of " + name
	}
	return p.show(v, sheet{Name: "task", Title: lang.Text{Danish: title, English: title}, Data: taskPageOf(j), Events: shopPath(name) + "/events"})
}

// kindOf returns the kind that a form or an address names; stock unless it is invoices.
func kindOf(text string) plan.Kind {
	if text == string(plan.KindInvoice) {
		return plan.KindInvoice
	}
	return plan.KindStock
}
