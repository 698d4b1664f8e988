package story

import (
	"strings"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
)

// Owners returns the language in which a shop's owner is told a story: in Danish time, without
// commands, the names of operators and machines, or errors that only an operator understands. What
// has not been asked is left out.
func Owners(l lang.Lang) Language {
	if l == lang.English {
		return ownersEnglish{english{lang.Denmark()}}
	}
	return ownersDanish{}
}

type (
	ownersDanish  struct{ danish }
	ownersEnglish struct{ english }
)

func (l ownersDanish) answer(s Story) []string {
	if s.Answer.Answered == NotAsked {
		return nil
	}
	return l.danish.answer(s)
}

func (l ownersEnglish) answer(s Story) []string {
	if s.Answer.Answered == NotAsked {
		return nil
	}
	return l.english.answer(s)
}

func (l ownersDanish) verdict(s Story) string {
	if s.Answer.Answered == NotAsked {
		return ""
	}
	return l.danish.verdict(s)
}

func (l ownersEnglish) verdict(s Story) string {
	if s.Answer.Answered == NotAsked {
		return ""
	}
	return l.english.verdict(s)
}

// near has no command: the page makes links of Story.Near.
func (ownersDanish) near(Story, Near) string  { return "" }
func (ownersEnglish) near(Story, Near) string { return "" }

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

// stepOf returns what an owner is told of a step; ok is false if it is what an operator is told.
func stepOf(l lang.Lang, next Step, when, tries string) (text string, ok bool) {
	if next.What == StepUnhold {
		if told, is := status.ForOwner(next.Scope, status.NeedReason(next.Reason)); is {
			return told.Means.In(l) + " " + told.Do.In(l), true
		}
		return lang.Text{
			Danish:  "Læsningen er stoppet, fordi noget ser forkert ud. Din webudbyder skal se på det; den går i gang igen af sig selv.",
			English: "Reading is stopped since something looks wrong. Your hosting company has to look at it; it starts again by itself."}.In(l), true
	}
	told, ok := ownersStep[next.What]
	return strings.NewReplacer("{when}", when, "{n}", tries).Replace(told.In(l)), ok
}

func (l ownersDanish) step(s Story, next Step) string {
	when := "om få sekunder"
	if next.At != nil {
		when = l.at(*next.At, s.ToldAt)
	}
	if text, ok := stepOf(lang.Danish, next, when, l.count(next.Tries, "forsøg", "forsøg")); ok {
		return text
	}
	return l.danish.step(s, next)
}

func (l ownersEnglish) step(s Story, next Step) string {
	when := "within seconds"
	if next.At != nil {
		when = l.at(*next.At, s.ToldAt)
	}
	if text, ok := stepOf(lang.English, next, when, l.count(next.Tries, "attempt", "attempts")); ok {
		return text
	}
	return l.english.step(s, next)
}

// OfChange tells an owner what a change was, and what led to it.
func OfChange(c store.Change, l lang.Lang) (was, found string) {
	told := changeOf(c)
	if l == lang.English {
		in := ownersEnglish{english{lang.Denmark()}}
		return in.change(told), in.found(told)
	}
	return danish{}.change(told), danish{}.found(told)
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

func (l ownersDanish) event(s Story, e Event) string {
	e, byLink := plainly(e)
	switch {
	case e.What == EventRefused:
		return "Et webhook fra " + e.Refused.Remote + " blev afvist: koden var forkert. lagerd læser ikke, hvilket nummer et sådant kald nævner, så det kan have handlet om " + l.the(s.Kind) + ". Står der en gammel kode i e-conomic, så indsæt den nye dér."
	case e.What == EventAction && byLink:
		e.Action.Account = "Nogen med butikkens link"
	case e.What == EventAction:
		e.Action.Account = "Din webudbyder"
	}
	return l.danish.event(s, e)
}

func (l ownersEnglish) event(s Story, e Event) string {
	e, byLink := plainly(e)
	switch {
	case e.What == EventRefused:
		return "A webhook call from " + e.Refused.Remote + " was refused: its code was wrong. lagerd does not read which number such a call names, so it may have been about this " + l.thing(s.Kind) + ". If e-conomic has an old code, enter the new one there."
	case e.What == EventAction && byLink:
		e.Action.Account = "Somebody with the shop's link"
	case e.What == EventAction:
		e.Action.Account = "Your hosting company"
	}
	return l.english.event(s, e)
}
