package story

import (
	"fmt"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// Owners returns the language in which a shop's owner is told a story: in Danish time, without
// commands, the names of operators and machines, or errors that only an operator understands. What
// has not been asked is left out.
func Owners(l lang.Lang) Language { return ownersOf(l) }

// owners is a language as a shop's owner is told it.
type owners struct {
	speech
	in lang.Lang
}

// speech is what owners needs of a language.
type speech interface {
	Language
	at(t, now time.Time) string
	count(n int, one, more string) string
	change(c Change) string
	found(c Change) string
}

func ownersOf(l lang.Lang) owners {
	if l == lang.English {
		return owners{english{lang.Denmark()}, l}
	}
	return owners{danish{}, lang.Danish}
}

func (l owners) answer(s Story) []string {
	if s.Answer.Answered == NotAsked {
		return nil
	}
	return l.speech.answer(s)
}

func (l owners) verdict(s Story) string {
	if s.Answer.Answered == NotAsked {
		return ""
	}
	return l.speech.verdict(s)
}

// near has no command: the page makes links of Story.Near.
func (owners) near(Story, Near) string { return "" }

// ownersStep are the steps of which an owner is told something else than an operator. {when} is when
// it happens, {n} how often it was tried.
var ownersStep = map[StepWhat]lang.Text{
	StepResume: {
		Danish:  "Din webudbyder har sat butikken på pause. Det, der kommer, læses, når den sættes i gang igen.",
		English: "Your hosting company has paused the shop. What comes is read once it is resumed."},
	StepStart: {
		Danish:  "Intet bliver læst lige nu, fordi lagerd ikke kører. Sig det til din webudbyder.",
		English: "Nothing is read right now, since lagerd does not run. Tell your hosting company."},
	StepTake: {
		Danish:  "Ingen lagerd har butikken lige nu. En anden overtager den af sig selv om et øjeblik.",
		English: "No lagerd has the shop at the moment. Another one takes it over by itself in a moment."},
	StepOff: {
		Danish:  "Det læses ikke for tiden. Spørg din webudbyder, om det er meningen.",
		English: "It is not being read at present. Ask your hosting company whether that is intended."},
	StepAsk: {
		Danish:  "Fakturaen er fra før butikkens start, så lagerd leder ikke efter den, medmindre du beder om det her.",
		English: "The invoice is from before the shop's start, so lagerd does not look for it unless you ask here."},
	StepOrder: {
		Danish:  "Ordrenummeret mangler: det står ikke på fakturaen dér, hvor lagerd leder efter det. En bogført faktura kan ikke ændres i e-conomic, så den bliver uden. Spørg din webudbyder, hvor det skal stå på de næste.",
		English: "The order number is missing: it is not on the invoice where lagerd looks for it. A booked invoice cannot be changed in e-conomic, so it stays without. Ask your hosting company where it has to be on the next ones."},
	StepRetry: {
		Danish:  "lagerd kunne ikke læse den ({n}). Den prøver igen {when}. Bliver det ved, så åbn den i dit regnskab, se efter noget usædvanligt, og gem den igen.",
		English: "lagerd could not read it ({n}). It tries again {when}. If that goes on, open it where it is kept, look for something unusual, and save it again."},
	StepShop: {
		Danish:  "De seneste læsninger af butikken er mislykkedes ({n}); lagerd bliver ved. Din webudbyder kan se hvorfor.",
		English: "The last readings of the shop failed ({n}); lagerd keeps trying. Your hosting company can see why."},
	StepPDF: {
		Danish:  "PDF'en mangler endnu. lagerd henter den {when}.",
		English: "The PDF is still missing. lagerd fetches it {when}."},
	StepUnknown: {
		Danish:  "Intet venter. Er det forkert, så bed lagerd om at læse det igen nu.",
		English: "Nothing is waiting. If it is wrong, ask lagerd to read it again now."},
}

func (l owners) step(s Story, next Step) string {
	if next.What == StepUnhold {
		if told, is := status.ForOwner(next.Scope, status.NeedReason(next.Reason)); is {
			return told.Means.In(l.in) + " " + told.Do.In(l.in)
		}
		return lang.Text{
			Danish:  "Læsningen er stoppet, fordi noget ser forkert ud. Din webudbyder skal se på det; den går i gang igen af sig selv.",
			English: "Reading is stopped since something looks wrong. Your hosting company has to look at it; it starts again by itself."}.In(l.in)
	}
	told, ok := ownersStep[next.What]
	if !ok {
		return l.speech.step(s, next)
	}
	when := lang.Text{Danish: "om få sekunder", English: "within seconds"}.In(l.in)
	if next.At != nil {
		when = l.at(*next.At, s.ToldAt)
	}
	tries := l.count(next.Tries, lang.Text{Danish: "forsøg", English: "attempt"}.In(l.in), lang.Text{Danish: "forsøg", English: "attempts"}.In(l.in))
	return strings.NewReplacer("{when}", when, "{n}", tries).Replace(told.In(l.in))
}

// OfChange tells an owner what a change was, and what led to it.
func OfChange(c store.Change, l lang.Lang) (was, found string) {
	in, told := ownersOf(l), changeOf(c)
	return in.change(told), in.found(told)
}

// LinkAccount is what the account of an action begins with that somebody did who has a shop's link.
const LinkAccount = "link "

// plainly returns an event without what is no business of an owner's, and whether somebody with the
// shop's link did it.
func plainly(e Event) (plain Event, byLink bool) {
	switch e.What {
	case EventAction:
		a := *e.Action
		byLink = strings.HasPrefix(a.Account, LinkAccount)
		a.Command = ""
		if a.What == store.ActionSet || a.What == store.ActionPaused {
			a.Detail = ""
		}
		e.Action = &a
	case EventHold:
		h := *e.Hold
		h.Detail = ""
		e.Hold = &h
	case EventFailed:
		f := *e.Failed
		f.Error = ""
		e.Failed = &f
	case EventLease:
		e.Lease = &Lease{}
	case EventSeen, EventCall, EventRefused, EventHint, EventChange, EventPDF, EventAgreement, EventWarning:
	}
	return e, byLink
}

func (l owners) event(s Story, e Event) string {
	e, byLink := plainly(e)
	switch {
	case e.What == EventRefused:
		this := lang.Text{Danish: "varen", English: "this item"}
		if s.Kind == plan.KindInvoice {
			this = lang.Text{Danish: "fakturaen", English: "this invoice"}
		}
		return fmt.Sprintf(lang.Text{
			Danish:  "Et webhook fra %s blev afvist: koden var forkert. lagerd læser ikke, hvilket nummer et sådant kald nævner, så det kan have handlet om %s. Står der en gammel kode i e-conomic, så indsæt den nye dér.",
			English: "A webhook call from %s was refused: its code was wrong. lagerd does not read which number such a call names, so it may have been about %s. If e-conomic has an old code, enter the new one there."}.In(l.in),
			e.Refused.Remote, this.In(l.in))
	case e.What == EventAction && byLink:
		e.Action.Account = lang.Text{Danish: "Nogen med butikkens link", English: "Somebody with the shop's link"}.In(l.in)
	case e.What == EventAction:
		e.Action.Account = lang.Text{Danish: "Din webudbyder", English: "Your hosting company"}.In(l.in)
	}
	return l.speech.event(s, e)
}
