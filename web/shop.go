package web

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lagerd/act"
	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/status/story"
	"lagerd/store"
	"lagerd/terminal"
)

const (
	actionsShown = 20
	actionsSince = 90 * 24 * time.Hour
	callsShown   = 20
)

// shopPage is one shop in full.
type shopPage struct {
	Done   string // what has just been done; "": nothing
	Shop   string
	Path   string
	State  string
	Class  string
	Needs  []needLine
	Notes  []string
	Fields []terminal.Field
	Codes  []string
	Calls  []callLine
	People []actionLine

	Paused     bool
	Reason     string // of the pause
	HasLosses  bool   // they are held, and can be approved
	WebhooksNo string // why lagerd may not set up webhooks; "": it may
	Task       string // path of what goes on or has just ended; "": nothing
}

type callLine struct {
	At      time.Time
	From    string
	Kind    string
	Number  string
	Outcome string
}

type actionLine struct {
	At   time.Time
	Who  string
	What string
	By   string // the command
}

// shopExtra is what the page of a shop shows beside its status.
type shopExtra struct {
	config  config.Config
	actions []store.Action // oldest first
	calls   []store.LoggedCall
	codes   []store.ShopCode
	job     *job // nil: there is none
}

// shopPageOf returns the page of the only shop of an overview.
func shopPageOf(o status.Overview, shop store.Shop, e shopExtra, now time.Time) shopPage {
	v := o.Shops[0]
	p := shopPage{Shop: v.Shop, Path: shopPath(v.Shop), State: status.StateWords(v.State), Class: classOf(v), Notes: v.Notes, Codes: status.Codes(e.codes),
		Paused: shop.Paused(), Reason: shop.PauseReason, HasLosses: !shop.Paused() && v.HeldFor(plan.ScopeStock, plan.HeldLosses)}
	for _, n := range o.Needs {
		p.Needs = append(p.Needs, needLineOf(n, now))
	}
	p.Fields = slices.DeleteFunc(o.Fields(), func(f terminal.Field) bool { return f.Name == "shop" || f.Name == "state" || f.Name == "note" })
	for _, c := range e.calls[:min(len(e.calls), callsShown)] {
		p.Calls = append(p.Calls, callLine{c.CalledAt.Time, c.Remote, string(c.Kind), c.Number, c.Outcome})
	}
	for _, a := range slices.Backward(e.actions) {
		p.People = append(p.People, actionLineOf(a))
	}
	if err := act.CanSetUpWebhooks(e.config, shop); err != nil {
		p.WebhooksNo = err.Error()
	}
	if e.job != nil {
		p.Task = taskPath(v.Shop)
	}
	return p
}

func actionLineOf(a store.Action) actionLine {
	line := actionLine{At: a.ActedAt.Time, Who: a.Account, By: a.Command, What: strings.ReplaceAll(string(a.What), "_", " ")}
	if line.Who == "" {
		line.Who = "unknown"
	}
	if a.Number != "" {
		line.What += ": " + string(a.Kind) + " " + a.Number
	}
	if a.Detail != "" {
		line.What += ": " + shorten(a.Detail)
	}
	return line
}

// numberOfForm returns the number that somebody asks about, and of what it is.
func numberOfForm(number, kind string) (string, plan.Kind, error) {
	number = strings.TrimSpace(number)
	const longest = 64
	bad := refusal{http.StatusBadRequest, lang.Text{Danish: "Forkert nummer", English: "Not a number of that kind"},
		lang.Text{Danish: "Et varenummer har 1 til 64 tegn, et fakturanummer kun cifre.", English: "An item number has 1 to 64 characters, an invoice number digits only."}}
	if kindOf(kind) == plan.KindInvoice {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 1 {
			return "", "", bad
		}
		return strconv.FormatInt(n, 10), plan.KindInvoice, nil
	}
	if n := len([]rune(number)); n < 1 || n > longest {
		return "", "", bad
	}
	return number, plan.KindStock, nil
}

func whyPath(shop, number string, kind plan.Kind) string {
	return shopPath(shop) + "/why?" + url.Values{"number": {number}, "kind": {string(kind)}}.Encode()
}

// whyPage is the life of an item or an invoice.
type whyPage struct {
	Done   string
	Shop   string
	Path   string // of the shop
	Number string
	Kind   plan.Kind
	Story  story.Text
}

// storySince is how far back the life of an item or invoice is told.
const storySince = 30 * 24 * time.Hour

// tell tells the life of an item or invoice of a shop. It does not ask its source: that takes calls,
// and a page may be read again and again. unasked says so.
func (p *Page) tell(v *visit, l status.Look, about story.Subject, unasked string) (story.Story, error) {
	about.Living, about.Since, about.Now, about.KeptCalls = len(l.Living), v.now.Add(-storySince), v.now, p.Config().Webhook.LogPerShop
	answer := story.Ask(about.Kind, about.Status.Shop, v.now).Unasked(unasked)
	facts, err := story.Read(v.r.Context(), p.Store, about, answer, l.Pace)
	if err != nil {
		return story.Story{}, err
	}
	return story.Tell(facts), nil
}

// why tells the life of an item or invoice.
func (p *Page) why(v *visit) error {
	name := v.r.PathValue("shop")
	number, kind, err := numberOfForm(v.r.URL.Query().Get("number"), v.r.URL.Query().Get("kind"))
	if err != nil {
		return err
	}
	l, o, st, err := p.oneShop(v.r.Context(), name)
	if err != nil {
		return err
	}
	told, err := p.tell(v, l, story.Subject{Shop: o.Shops[0], Status: st, Kind: kind, Number: number}, "the page does not ask; `lagerd why` does, and so does reading it now")
	if err != nil {
		return err
	}
	language, _ := story.LanguageOf(string(lang.English))
	page := whyPage{Done: doneTexts[v.r.URL.Query().Get("done")], Shop: name, Path: shopPath(name), Number: number, Kind: kind, Story: told.Text(language)}
	return p.show(v, sheet{Name: "why", Title: lang.Text{Danish: page.Story.Title, English: page.Story.Title}, Data: page})
}
