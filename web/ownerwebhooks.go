package web

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

const (
	arrivalsShown = 20
	testLasts     = time.Hour
)

// ownersWebhooks is how a shop's webhooks fare.
type ownersWebhooks struct {
	Since time.Time
	Types []ownersHealth
	Calls []arrival // the latest, newest first
}

// ownersHealth is the health of the webhooks of a type.
type ownersHealth struct {
	status.WebhookHealth
	What    string
	Level   string
	Matters string // what it means; "": nothing
	Off     bool
	Share   string // of the changes that came without a webhook, such as 12,5 %
}

// arrival is a call of a webhook as it is listed.
type arrival struct {
	At     time.Time
	What   string // the webhooks it is of; "": not known
	Number string
	Path   string // of the number's story; "": none
	Level  string // good, warn, bad
	Says   string
	Do     string
	From   string
}

// healthOf reads how the webhooks of a shop fare, and its webhook log.
func (p *Page) healthOf(v *visit, shop store.Shop) (list []status.WebhookHealth, log []store.LoggedCall, err error) {
	if log, err = p.Store.WebhookLog(v.r.Context(), shop.Shop); err != nil {
		return nil, nil, err
	}
	for _, t := range status.WebhookTypes(shop) {
		changes, err := p.Store.Announcements(v.r.Context(), shop.Shop, t.Kind(), t.Source(), v.now.Add(-status.WebhooksSince), status.WebhooksJudged)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, status.HealthOfWebhooks(t, status.CountWebhooks(t, shop, log, changes), v.lang))
	}
	return list, log, nil
}

// ownersWebhooksOf returns how webhooks fare as an owner is told it.
func ownersWebhooksOf(health []status.WebhookHealth, log []store.LoggedCall, types []status.WebhookType, since time.Time, l lang.Lang) ownersWebhooks {
	page := ownersWebhooks{Since: since}
	for _, h := range health {
		is := ownersHealth{WebhookHealth: h, What: capital(status.WebhooksOfOwner(h.Type).In(l)), Level: levelOf(h), Off: h.State == status.WebhooksOff}
		if h.NeedsPerson {
			is.Matters = status.WebhooksMatter.In(l)
		}
		if h.MissedShare != nil {
			is.Share = decimalOf(l, strconv.FormatFloat(100**h.MissedShare, 'f', 1, 64)) + " %"
		}
		page.Types = append(page.Types, is)
	}
	page.Calls = arrivalsOf(log[:min(len(log), arrivalsShown)], types, l)
	return page
}

// capital returns a text that begins with a capital letter.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// arrivalsOf returns calls as an owner is told them: what was wrong with several in a row is said once.
func arrivalsOf(log []store.LoggedCall, types []status.WebhookType, l lang.Lang) []arrival {
	var list []arrival
	last := arrival{}
	for _, call := range log {
		line := arrivalOf(call, types, l)
		if same := line.Says == last.Says && line.Do == last.Do; line.Level == "bad" && same {
			line.Says, line.Do = lang.Text{Danish: "Ikke modtaget, af samme grund.", English: "Not received, for the same reason."}.In(l), ""
		} else {
			last = line
		}
		list = append(list, line)
	}
	return list
}

// arrivalOf returns a call as an owner is told it.
func arrivalOf(call store.LoggedCall, types []status.WebhookType, l lang.Lang) arrival {
	kind := webhook.Kind(call.Kind)
	accepted := call.Status < 300
	line := arrival{At: call.CalledAt.Time, Number: call.Number, From: call.Remote, Level: "good", Says: lang.Text{Danish: "Modtaget.", English: "Received."}.In(l)}
	of, known := status.TypeOf(types, call)
	if known {
		line.What = status.WebhooksOfOwner(of).In(l)
	}
	said, odd := webhook.Said(kind, call.Outcome, accepted)
	switch {
	case accepted && call.Unknown:
		line.Level = "warn"
		line.Says = lang.Text{Danish: "Modtaget, men nummeret findes ikke.", English: "Received, but there is no such number."}.In(l)
	case accepted && call.BeforeStart:
		line.Level = "warn"
		line.Says = lang.Text{Danish: "Modtaget, men fakturaen er fra før butikkens start, og hentes ikke.", English: "Received, but the invoice is from before the shop's start, and is not fetched."}.In(l)
	case accepted && call.Outcome == webhook.OutcomeTried:
		line.Says = said.In(l)
	case accepted && odd:
		line.Says += " " + said.In(l)
		if call.Outcome != webhook.OutcomeFromBrowser {
			line.Level = "warn"
		}
	case !accepted:
		line.Level, line.Says = "bad", lang.Text{Danish: "Ikke modtaget. ", English: "Not received. "}.In(l)+said.In(l)
		if known {
			line.Do = status.Advice(l, of, call)
		}
	}
	if accepted && call.Number != "" {
		line.Path = storyPath(call.Number, call.Kind)
	}
	return line
}

func (p *Page) ownerWebhooks(v *visit) error {
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	health, log, err := p.healthOf(v, shop)
	if err != nil {
		return err
	}
	page := ownersWebhooksOf(health, log, status.WebhookTypes(shop), v.now.Add(-status.WebhooksSince), v.lang)
	return p.show(v, sheet{Name: "owner-webhooks", Title: lang.Text{Danish: "Webhooks", English: "Webhooks"}, Data: page, Events: ownerEvents})
}

// ownersTest is a test in which the owner waits for calls.
type ownersTest struct {
	Since time.Time
	Steps []string // what to do to have a call made
	Types []tested
	Works bool // all of them do
	Calls []arrival
	News  string
	Over  bool // it began too long ago to be one still
}

// tested is what a test has shown of webhooks of a type.
type tested struct {
	What  string
	Works *arrival // the latest call that shows that they work; nil: none has come
}

// ownersTestOf returns what has come since a test began.
func ownersTestOf(shop store.Shop, log []store.LoggedCall, since, now time.Time, l lang.Lang) ownersTest {
	types := status.WebhookTypes(shop)
	page := ownersTest{Since: since, Over: now.Sub(since) > testLasts,
		News: lang.Text{Danish: "Der er ikke kommet noget kald endnu.", English: "No call has come yet."}.In(l)}
	for _, t := range types {
		if !t.ExpectedBy(shop) {
			continue
		}
		page.Steps = append(page.Steps, stepOf(t).In(l))
		page.Types = append(page.Types, tested{What: capital(status.WebhooksOfOwner(t).In(l)), Works: latestOf(t, types, log, since, l)})
	}
	page.Works = len(page.Types) > 0 && !slices.ContainsFunc(page.Types, func(t tested) bool { return t.Works == nil })
	shown := slices.IndexFunc(log, func(call store.LoggedCall) bool { return call.CalledAt.Before(since) }) // newest first
	if shown < 0 {
		shown = len(log)
	}
	page.Calls = arrivalsOf(log[:min(shown, arrivalsShown)], types, l)
	if len(page.Calls) > 0 {
		latest := page.Calls[0]
		about := strings.TrimSpace(latest.What + " " + latest.Number)
		if about == "" {
			about = lang.Text{Danish: "det siger ikke, hvad det handler om", English: "it does not say what it is about"}.In(l)
		}
		page.News = lang.Text{Danish: "Et kald er kommet: ", English: "A call has come: "}.In(l) + about + ". " + latest.Says
	}
	return page
}

// latestOf returns the latest call since a test began that shows that webhooks of a type work, nil if
// there is none.
func latestOf(t status.WebhookType, types []status.WebhookType, log []store.LoggedCall, since time.Time, l lang.Lang) *arrival {
	for _, call := range log { // newest first
		if call.CalledAt.Before(since) {
			break
		}
		if t.Is(call) && status.Works(types, call) {
			came := arrivalOf(call, types, l)
			return &came
		}
	}
	return nil
}

// stepOf says how to have a call made.
func stepOf(t status.WebhookType) lang.Text {
	switch {
	case t.Kind() == plan.KindInvoice:
		return lang.Text{Danish: "Fakturaer: bogfør en faktura i e-conomic.", English: "Invoices: book an invoice in e-conomic."}
	case t == status.WebhookRackbeat:
		return lang.Text{Danish: "Lager: ret lagerbeholdningen af en vare i Rackbeat.", English: "Stock: change the stock of an item in Rackbeat."}
	}
	return lang.Text{Danish: "Lager: ret lagerbeholdningen af en vare i e-conomic.", English: "Stock: change the stock of an item in e-conomic."}
}

// ownerTest waits for calls from the time on that the address has. An address without one begins a
// test now.
func (p *Page) ownerTest(v *visit) error {
	micro, err := strconv.ParseInt(v.r.FormValue("since"), 10, 64)
	if err != nil || micro < 0 {
		return v.redirect(ownerTest + "?since=" + strconv.FormatInt(v.now.UnixMicro(), 10))
	}
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	log, err := p.Store.WebhookLog(v.r.Context(), shop.Shop)
	if err != nil {
		return err
	}
	page := ownersTestOf(shop, log, time.UnixMicro(micro), v.now, v.lang)
	return p.show(v, sheet{Name: "owner-test", Title: lang.Text{Danish: "Prøv et webhook", English: "Try a webhook"}, Data: page, Events: ownerEvents})
}
