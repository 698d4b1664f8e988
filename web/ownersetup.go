package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"lagerd/act"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// ownersSetUp is how a shop is set up, step by step.
type ownersSetUp struct {
	Access   string // where access to e-conomic is granted; "": not known
	Rackbeat bool   // stock is kept there
	NewCode  bool   // the texts have a code, which is shown this once
	Webhooks []ownersEntry
	AtRack   *act.AtRackbeat // nil: stock is kept in e-conomic
	Codes    codesState
	NewSince *time.Time // when the newest of two codes was made
	Newest   int64      // when the newest code was made, in microseconds of Unix time: a form asks for one after it
	Used     bool       // calls have come with the oldest code
	Silent   []string   // the webhooks of which no call has come since the newest of two codes was made
	Replaced *time.Time // when the code was made that the new one replaces; nil: it replaces none
	Granted  bool       // e-conomic has accepted the shop's token
}

// ownersEntry is a webhook to enter at e-conomic, each field under an id for its copy button.
type ownersEntry struct {
	ID         string
	What       string // what it is about
	Kind, Name string
	URL, Data  string
	Try        string
}

// codesState says what a shop's owner can do about its codes.
type codesState string

// The states of a shop's codes.
const (
	codesOne    codesState = "one"    // one is good
	codesUnused codesState = "unused" // there is a new one, which no call has had yet
	codesBoth   codesState = "both"   // calls have the new one; the old one is good still
)

// codesStateOf returns the state of a shop's integration codes, oldest first.
func codesStateOf(codes []store.ShopCode) codesState {
	switch last := len(codes) - 1; {
	case last < 1:
		return codesOne
	case codes[last].UsedAt.IsZero():
		return codesUnused
	}
	return codesBoth
}

// ownersSetUpOf returns how a shop is set up, with a code or, if that is "", CODE in its place.
func ownersSetUpOf(i act.Instructions, codes []store.ShopCode, code string, l lang.Lang) ownersSetUp {
	page := ownersSetUp{Access: i.Access, Rackbeat: i.Rackbeat != nil, NewCode: code != "", AtRack: i.Rackbeat, Codes: codesStateOf(codes)}
	page.Newest = newest(codes)
	page.Used = len(codes) > 0 && !codes[0].UsedAt.IsZero()
	if page.Codes != codesOne {
		page.NewSince = &codes[len(codes)-1].CreatedAt.Time
	}
	for _, w := range i.Webhooks {
		page.Webhooks = append(page.Webhooks, ownersEntry{ID: string(w.Type), What: capital(status.WebhooksOfOwner(w.Type).In(l)), Kind: w.Kind.In(l), Name: w.Name.In(l), URL: w.URL, Data: w.Data, Try: w.Try})
	}
	return page
}

// newest returns when the newest of a shop's codes was made, in microseconds of Unix time.
func newest(codes []store.ShopCode) int64 {
	if len(codes) == 0 {
		return 0
	}
	return codes[len(codes)-1].CreatedAt.UnixMicro()
}

func (p *Page) ownerSetUp(v *visit) error {
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	return p.showSetUp(v, shop, "", nil)
}

func (p *Page) showSetUp(v *visit, shop store.Shop, code string, replaced *time.Time) error {
	codes, err := p.Store.CodesOf(v.r.Context(), shop.Shop)
	if err != nil {
		return err
	}
	progress, err := p.Store.Progress(v.r.Context(), shop.Shop)
	if err != nil {
		return err
	}
	page := ownersSetUpOf(act.InstructionsOf(p.Config(), shop, code, v.lang), codes, code, v.lang)
	page.Replaced, page.Granted = replaced, granted(progress)
	if page.Codes == codesBoth {
		log, err := p.Store.WebhookLog(v.r.Context(), shop.Shop)
		if err != nil {
			return err
		}
		if len(log) < p.Config().Webhook.LogPerShop || !log[len(log)-1].CalledAt.After(*page.NewSince) { // else it does not reach back so far
			page.Silent = silent(shop, log, *page.NewSince, v.lang)
		}
	}
	return p.show(v, sheet{Name: "owner-set-up", Title: lang.Text{Danish: "Opsætning", English: "Set-up"}, Data: page, Once: code != ""})
}

// silent returns the webhooks that a shop should have of which no call was received since a code was
// made. Which code a call had is not logged: one that came may still have had the old one.
func silent(shop store.Shop, log []store.LoggedCall, since time.Time, l lang.Lang) []string {
	var list []string
	for _, t := range status.WebhookTypes(shop) {
		came := slices.ContainsFunc(log, func(call store.LoggedCall) bool {
			return t.Is(call) && status.Received(call) && call.CalledAt.After(since)
		})
		if t.ExpectedBy(shop) && !came {
			list = append(list, capital(status.WebhooksOfOwner(t).In(l)))
		}
	}
	return list
}

// granted reports whether e-conomic has accepted the shop's token and does not refuse it.
func granted(p store.Progress) bool {
	refused := slices.ContainsFunc(p.Holds, func(h plan.Hold) bool { return h.Reason == plan.HeldTokenRefused })
	return p.AgreementNumber != 0 && !refused
}

// ownerNewCode makes a code and shows it within the texts. It does not redirect: the code is stored
// nowhere, so this is the only page that can show it. Made again, it replaces the code that no call
// has had yet; but only from a page that shows so, not by loading this one again.
func (p *Page) ownerNewCode(v *visit) error {
	shop, err := p.Store.Shop(v.r.Context(), v.owner.Shop)
	if err != nil {
		return err
	}
	codes, err := p.Store.CodesOf(v.r.Context(), shop.Shop)
	if err != nil {
		return err
	}
	if v.r.FormValue("after") != strconv.FormatInt(newest(codes), 10) {
		return refusal{http.StatusConflict, lang.Text{Danish: "Koden er allerede lavet", English: "The code was made already"},
			lang.Text{Danish: "Siden blev hentet igen, og der er ikke lavet en kode mere. Koden vises kun den ene gang, den laves. Den gælder: har du sat den ind i e-conomic, så er alt i orden. Har du den ikke mere, så gå tilbage til opsætningen, og lav en anden.",
				English: "The page was loaded again, and no other code was made. A code is shown only once, when it is made. It is good: if you have entered it in e-conomic, all is well. If you do not have it any more, go back to the set-up, and make another."}}
	}
	state := codesStateOf(codes)
	var replaced *time.Time
	if state == codesUnused {
		replaced = &codes[len(codes)-1].CreatedAt.Time
	}
	if state == codesBoth {
		if err := p.retire(v); err != nil {
			return err
		}
	}
	var made string
	err = p.act().NewCode(v.ctx(), shop, state == codesUnused, func(code string) error {
		made = code
		return nil
	})
	switch {
	case errors.Is(err, store.ErrTwoCodes), errors.Is(err, store.ErrOneCode), errors.Is(err, store.ErrCodeInUse):
		return refusal{http.StatusConflict, lang.Text{Danish: "Ingen ny kode", English: "No new code"}, // somebody else was faster
			lang.Text{Danish: "Koderne blev ændret imens. Gå tilbage til opsætningen, og se, hvordan det står.", English: "The codes were changed meanwhile. Go back to the set-up, and see how they are now."}}
	case err != nil:
		return err
	}
	return p.showSetUp(v, shop, made, replaced)
}

// ownerRetire makes the old code good for nothing.
func (p *Page) ownerRetire(v *visit) error {
	if err := p.retire(v); err != nil {
		return err
	}
	return v.redirect(ownerSetUp)
}

func (p *Page) retire(v *visit) error {
	_, err := p.Store.RetireOldCodes(v.ctx(), v.owner.Shop, false, v.now)
	title := lang.Text{Danish: "Den gamle kode bruges endnu", English: "The old code is still in use"}
	switch {
	case errors.Is(err, store.ErrOldCodeInUse):
		return refusal{http.StatusConflict, title, lang.Text{
			Danish:  "Der er kommet kald med den gamle kode efter det seneste med den nye. Indsæt den nye kode i alle butikkens webhooks, og vent på et kald fra hvert af dem. Intet er ændret.",
			English: "Calls with the old code have come since the last one with the new code. Enter the new code in all of the shop's webhooks, and wait for a call of each. Nothing was changed."}}
	case errors.Is(err, store.ErrCodeNotInUse):
		return refusal{http.StatusConflict, title, lang.Text{
			Danish:  "e-conomic har endnu ikke kaldt med den nye kode. Intet er ændret.",
			English: "e-conomic has not called with the new code yet. Nothing was changed."}}
	}
	return err
}
