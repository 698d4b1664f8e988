package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status/story"
	"lagerd/store"
)

const (
	mostReads   = 30 // so many numbers can be asked for in readsWithin
	readsWithin = time.Hour
)

// storyPath is the path of the story of an item or an invoice.
func storyPath(number string, kind plan.Kind) string {
	return ownerStory + "?" + url.Values{"number": {number}, "kind": {string(kind)}}.Encode()
}

// ownersStory is the life of an item or an invoice.
type ownersStory struct {
	Name    string // of what it is the story
	About   []field
	Days    []story.Day
	Nothing string // instead of days, if nothing is recorded
	Number  string
	Kind    plan.Kind
	Item    string // its stock; "": it is none, or not stored
	Stored  bool
	PDF     string // path of the PDF; "": none is stored
	Near    []nearLine
	Asked   bool // it is to be read now
}

// field is a label with what belongs to it.
type field struct {
	Label string
	Texts []string
}

// nearLine is a number that may have been meant.
type nearLine struct{ Number, Path string }

// ownersStoryOf returns a story as a page.
func ownersStoryOf(s story.Story, l lang.Lang) ownersStory {
	text := s.Text(story.Owners(l))
	page := ownersStory{Name: text.Title, Days: text.Days, Nothing: text.Nothing, Number: s.Number, Kind: s.Kind, Stored: s.Stored.Item != nil || s.Stored.Invoice != nil}
	for _, line := range text.Lines {
		if line.Label != "" || len(page.About) == 0 {
			page.About = append(page.About, field{Label: line.Label})
		}
		last := &page.About[len(page.About)-1]
		last.Texts = append(last.Texts, line.Text)
	}
	if i := s.Stored.Invoice; i != nil && i.PDFState == store.PDFStored {
		page.PDF = pdfPath(i.Number)
	}
	if i := s.Stored.Item; i != nil {
		page.Item = stockOf(l, i.Stock)
	}
	for _, n := range s.Near {
		page.Near = append(page.Near, nearLine{n.Number, storyPath(n.Number, n.Kind)})
	}
	return page
}

func (p *Page) ownerStory(v *visit) error {
	number, kind, err := numberOfForm(v.r.FormValue("number"), v.r.FormValue("kind"))
	if err != nil {
		return err
	}
	look, st, err := p.ownersLook(v)
	if err != nil {
		return err
	}
	told, err := p.tell(v, look, story.Subject{Shop: look.Overview().Shops[0], Status: st, Kind: kind, Number: number}, "the page does not ask")
	if err != nil {
		return err
	}
	page := ownersStoryOf(told, v.lang)
	page.Asked = v.r.FormValue("asked") != ""
	s := sheet{Name: "owner-story", Title: lang.Text{Danish: "Vare " + number, English: "Item " + number}, Data: page, Events: ownerEvents}
	if kind == plan.KindInvoice {
		s.Title = lang.Text{Danish: "Faktura " + number, English: "Invoice " + number}
	}
	if !page.Stored {
		s.Status = http.StatusNotFound
	}
	return p.show(v, s)
}

// ownerRead has an item or an invoice read now, within what a shop may ask for.
func (p *Page) ownerRead(v *visit) error {
	number, kind, err := numberOfForm(v.r.PostFormValue("number"), v.r.PostFormValue("kind"))
	if err != nil {
		return err
	}
	asked, err := p.Store.AskedSince(v.r.Context(), v.owner.Shop, story.LinkAccount, v.now.Add(-readsWithin))
	if err != nil {
		return err
	}
	if asked.Count >= mostReads {
		return tooManyReads(v, asked.First.Add(readsWithin))
	}
	if err := p.act().Read(v.ctx(), kind, []string{number}, v.owner.Shop); err != nil {
		return err
	}
	if _, err := p.act().Prod(v.ctx(), v.owner.Shop, kind); err != nil {
		return err
	}
	return v.redirect(storyPath(number, kind) + "&asked=1")
}

// tooManyReads says when a number can be asked for again.
func tooManyReads(v *visit, again time.Time) error {
	v.w.Header().Set("Retry-After", strconv.Itoa(int(again.Sub(v.now)/time.Second)+1))
	clock := again.Add(time.Minute - 1).In(lang.Denmark()) // a whole minute, and not too early
	return refusal{http.StatusTooManyRequests, lang.Text{Danish: "Vent lidt", English: "Wait a little"}, lang.Text{
		Danish:  fmt.Sprintf("Der kan bedes om at læse %d numre i timen. Det kan du igen kl. %s. Ændringer findes imens af sig selv, som regel inden for et minut.", mostReads, clock.Format("15.04")),
		English: fmt.Sprintf("%d numbers an hour can be asked for. You can again at %s Danish time. Changes are found by themselves meanwhile, usually within a minute.", mostReads, clock.Format("15:04"))}}
}
