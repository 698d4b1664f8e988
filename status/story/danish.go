package story

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// danish is for shop owners, and for operators who answer them. Its times are Danish time.
type danish struct{}

func (danish) units() units {
	return units{",", "sekund", "minut", "time", "dag", "sekunder", "minutter", "timer", "dage", "mindre end"}
}

func (danish) when(t time.Time) (day, clock string) {
	t = t.In(lang.Denmark())
	weekdays := [...]string{"Søndag", "Mandag", "Tirsdag", "Onsdag", "Torsdag", "Fredag", "Lørdag"}
	zone, _ := t.Zone()
	kind := "dansk tid"
	if t.IsDST() {
		kind = "dansk sommertid"
	}
	return fmt.Sprintf("%s den %s %d (%s, %s)", weekdays[t.Weekday()], lang.DanishDate(t), t.Year(), kind, zone), t.Format("15:04:05")
}

// at returns a time within a sentence: with its day unless that is today's.
func (danish) at(t, now time.Time) string {
	t, now = t.In(lang.Denmark()), now.In(lang.Denmark())
	clock := t.Format("kl. 15:04:05 MST")
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return clock
	case t.Year() == now.Year():
		return "den " + lang.DanishDate(t) + " " + clock
	}
	return fmt.Sprintf("den %s %d %s", lang.DanishDate(t), t.Year(), clock)
}

// the names what the story is about.
func (danish) the(k plan.Kind) string {
	if k == plan.KindInvoice {
		return "fakturaen"
	}
	return "varen"
}

func (l danish) title(s Story) string {
	text := "Vare " + named(s.Number)
	switch i := s.Stored.Invoice; {
	case s.Kind == plan.KindInvoice && i != nil && i.CreditNote:
		text = "Kreditnota " + s.Number
	case s.Kind == plan.KindInvoice:
		text = "Faktura " + s.Number
	case s.Stored.Item != nil && s.Stored.Item.Name != "":
		text += " (" + s.Stored.Item.Name + ")"
	}
	return text + " i " + s.Shop
}

func (danish) labels(s Story) labels {
	since := s.Since.In(lang.Denmark())
	return labels{stored: "Gemt:", answer: s.Answer.Source + " nu:", verdict: "Resultat:", next: "Herefter:", near: "Mente du:", state: "Butikken:", leftOut: "Udeladt:",
		nothing: fmt.Sprintf("Intet er noteret siden den %s %d.", lang.DanishDate(since), since.Year())}
}

// holding returns a stock with what it counts.
func (l danish) holding(state plan.State, stock decimal.NullDecimal, figure plan.Figure, source string) string {
	switch {
	case state == plan.StateGone:
		return "varen findes ikke længere i " + source
	case !stock.Valid:
		return "intet lagertal, for " + source + " sender ikke noget"
	}
	text := l.units().decimal(stock.Decimal) + " på lager"
	if figure == plan.FigureAvailable {
		text = l.units().decimal(stock.Decimal) + " tilgængelige"
		if stock.Decimal.Equal(decimal.New(1, 0)) {
			text = "1 tilgængelig"
		}
	}
	if state == plan.StateBarred {
		text += "; varen er spærret"
	}
	return text
}

func (l danish) places(list []Place) string {
	texts := make([]string, len(list))
	for n, p := range list {
		texts[n] = fmt.Sprintf("lokation %s: %s", p.Place, l.units().decimal(p.InStock))
	}
	return strings.Join(texts, "; ")
}

func (l danish) stored(s Story) []string {
	switch {
	case s.Stored.Item != nil:
		return l.storedItem(s, *s.Stored.Item)
	case s.Stored.Invoice != nil:
		return append([]string{l.storedInvoice(*s.Stored.Invoice)}, l.former(s)...)
	}
	return append([]string{"intet under dette nummer"}, l.former(s)...)
}

func (l danish) storedItem(s Story, i Item) []string {
	list := []string{fmt.Sprintf("%s (senest ændret %s)", l.holding(i.State, i.Stock, i.Figure, i.Source.Name()), l.at(i.ChangedAt, s.ToldAt))}
	if i.RenumberedTo != "" {
		list = append(list, "dens nye nummer er nok "+named(i.RenumberedTo))
	}
	if len(i.Places) > 0 {
		list = append(list, "på de valgte lokationer: "+l.places(i.Places))
	}
	if i.State == plan.StateGone {
		return list
	}
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "intet tal"
		}
		return l.units().decimal(d.Decimal)
	}
	return append(list, fmt.Sprintf("tallene i %s: på lager %s; tilgængelig %s; bestilt af kunder %s; bestilt hos leverandører %s", i.Source.Name(),
		figure(i.Figures.InStock), figure(i.Figures.Available), figure(i.Figures.OrderedByCustomers), figure(i.Figures.OrderedFromSuppliers)))
}

func (l danish) storedInvoice(i Invoice) string {
	order := "uden ordrenummer"
	if i.OrderNumber != "" {
		order = fmt.Sprintf("ordrenummer %s", quote(i.OrderNumber))
	}
	pdf := "ingen PDF endnu"
	if i.PDFState == "stored" {
		pdf = "PDF på " + l.units().size(i.PDFSize)
	}
	return fmt.Sprintf("dateret %s, %s, %s", l.date(i.Date), order, pdf)
}

// date returns a business date: "23. november 2026".
func (danish) date(text string) string {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return text
	}
	return fmt.Sprintf("%s %d", lang.DanishDate(t), t.Year())
}

func (l danish) former(s Story) []string {
	var list []string
	for _, f := range s.Stored.Former {
		order := "uden ordrenummer"
		if f.OrderNumber != "" {
			order = fmt.Sprintf("ordrenummer %s", quote(f.OrderNumber))
		}
		list = append(list, fmt.Sprintf("desuden en fra den tidligere aftale %d, dateret %s, %s; butikkens program ser den ikke", f.Agreement, l.date(f.Date), order))
	}
	return list
}

func (l danish) answer(s Story) []string {
	a := s.Answer
	asked := ""
	if a.AskedAt != nil {
		asked = " (spurgt " + l.at(*a.AskedAt, s.ToldAt) + ")"
	}
	switch a.Answered {
	case AnsweredAbsent:
		if s.Kind == plan.KindInvoice {
			return []string{"har ingen bogført faktura med dette nummer" + asked}
		}
		return []string{"har ingen vare med dette nummer" + asked}
	case AnsweredError:
		return []string{"kunne ikke læses" + asked + ": " + a.Error}
	case NotAsked:
		return []string{"ikke spurgt: " + a.Error}
	case AnsweredFound:
	}
	if s.Kind == plan.KindInvoice {
		text := "bogført, dateret " + l.date(a.Date)
		if a.OrderNumber != "" {
			text += fmt.Sprintf(", ordrenummer %s", quote(a.OrderNumber))
		}
		return []string{text + asked, l.unreadable(a.Warning)}
	}
	figure := plan.Figure("")
	if s.Stored.Item != nil {
		figure = s.Stored.Item.Figure
	}
	list := []string{l.holding(a.State, a.Stock, figure, a.Source) + asked}
	if len(a.Places) > 0 {
		list = append(list, "på de valgte lokationer: "+l.places(a.Places))
	}
	return append(list, l.unreadable(a.Warning))
}

func (danish) unreadable(warning string) string {
	if warning == "" {
		return ""
	}
	return "nogle felter kunne ikke forstås: " + warning
}

func (danish) verdict(s Story) string {
	switch s.Verdict {
	case Agree:
		return "De stemmer overens."
	case Differ:
		return "De er forskellige."
	case Neither:
		return "Nummeret er hverken gemt eller i " + s.Answer.Source + "."
	case Unknown:
	}
	return "Det vides ikke."
}

func (l danish) step(s Story, next Step) string { //nolint:gocyclo,funlen // one sentence per step
	when := "om få sekunder"
	if next.At != nil {
		when = l.at(*next.At, s.ToldAt)
	}
	switch next.What {
	case StepResume:
		return fmt.Sprintf("Butikken har været sat på pause siden %s (%s). Intet læses, før nogen kører `lagerd shops resume %s`. Webhooks gemmes så længe.", l.since(next, s), next.Detail, s.Shop)
	case StepStart:
		return "INGEN LAGERD KØRER på denne database, så intet bliver læst. Start en: `systemctl start lagerd`."
	case StepTake:
		return "Ingen lagerd har butikken lige nu. En anden overtager den af sig selv inden for lease.ttl."
	case StepOff:
		if next.Scope == plan.ScopeInvoices {
			return fmt.Sprintf("Fakturaer er slået fra for butikken: `lagerd shops set %s --invoices on`.", s.Shop)
		}
		return fmt.Sprintf("Lager er slået fra for butikken, eller dens nøgle til Rackbeat mangler: `lagerd shops show %s`.", s.Shop)
	case StepUnhold:
		return l.unhold(s, next)
	case StepAsk:
		return fmt.Sprintf("Fakturaen er fra før butikkens start, så lagerd leder ikke efter den. `lagerd reconcile --shop %s --invoice %s` henter den.", s.Shop, s.Number)
	case StepOrder:
		return l.noOrder(s)
	case StepPass:
		return "lagerd læser den " + when + "."
	case StepReread:
		return fmt.Sprintf("%s viste ikke noget nyt endnu. lagerd læser den igen %s.", s.Answer.Source, when)
	case StepConfirm:
		return fmt.Sprintf("%s viste mindre, end der er gemt. Før lagerd tager noget af lageret, læser den det én gang til, %s.", s.Answer.Source, when)
	case StepRetry:
		return fmt.Sprintf("lagerd kunne ikke læse den: %s. Den prøver igen %s. Den seneste fejl: %s", l.count(next.Tries, "forsøg mislykkedes", "forsøg mislykkedes"), when, next.Detail)
	case StepListing:
		return "Flere ukendte numre blev nævnt, end lagerd spørger om enkeltvis. Den næste fulde gennemgang giver svaret" + l.by(next, s) + "."
	case StepCalls:
		return "De kald, som lagerd må bruge på enkelte numre i dag, er brugt; resten er til de faste kontroller. Nummeret læses senest " + when + "."
	case StepSpare:
		return "Andre skal bruge de kald til " + s.Answer.Source + ", der er tilbage lige nu: de faste kontroller og andre butikker på samme konto. lagerd prøver igen " + when + "; den næste fulde gennemgang giver også svaret."
	case StepShop:
		return fmt.Sprintf("%s af butikken er mislykkedes i træk; lagerd bliver ved. Fejlen: %s", l.count(next.Tries, "læsning", "læsninger"), next.Detail)
	case StepTick:
		return "Den næste faste kontrol af ændringer er " + when + "."
	case StepSweep:
		return "Er ændringen ikke blandt dem, som " + s.Answer.Source + " så viser, finder den næste fulde gennemgang den" + l.by(next, s) + "."
	case StepChange:
		return "Butikken er ved at skifte til andre varer: den viser de tidligere, indtil de nye er læst to gange."
	case StepPDF:
		if next.Tries == 0 {
			return "lagerd henter PDF'en " + when + "."
		}
		return fmt.Sprintf("PDF'en mangler: %s. lagerd prøver igen %s. Den seneste fejl: %s", l.count(next.Tries, "forsøg mislykkedes", "forsøg mislykkedes"), when, next.Detail)
	case StepStays:
		return "Det, der er gemt, bliver: lagerd sletter aldrig en faktura."
	case StepNothing:
		return "Der er intet at gøre."
	case StepUnread:
		return "Det, der ikke kunne forstås, beholder sin gemte værdi, til det kan forstås."
	case StepUnknown:
	}
	return "Intet venter. Spørg igen, når " + s.Answer.Source + " kan spørges."
}

func (l danish) since(next Step, s Story) string {
	if next.At == nil {
		return "et ukendt tidspunkt"
	}
	return l.at(*next.At, s.ToldAt)
}

func (l danish) by(next Step, s Story) string {
	if next.At == nil || !next.At.After(s.ToldAt) {
		return ""
	}
	return ", senest " + l.at(*next.At, s.ToldAt)
}

func (l danish) unhold(s Story, next Step) string {
	since := l.since(next, s)
	switch next.Reason {
	case plan.HeldLosses:
		return fmt.Sprintf("lagerd har holdt lageret tilbage siden %s, fordi for mange varer ville miste deres. `lagerd diff %[2]s` viser dem; er det rigtigt, så kør `lagerd approve %[2]s`. Indtil da beholder butikken det tal, der er gemt.", since, s.Shop)
	default:
		return fmt.Sprintf("lagerd har stoppet %s siden %s, fordi %s. `lagerd check --shop %s` siger, hvad der skal gøres. Den fortsætter af sig selv, når det er bragt i orden.", l.scope(next.Scope), since, l.reason(next.Reason), s.Shop)
	}
}

func (l danish) noOrder(s Story) string {
	o := s.Stored.Invoice.Order
	if o.Text == "" {
		return fmt.Sprintf("Ordrenummeret mangler: fakturaen har intet i %s, hvor lagerd leder efter det. En bogført faktura kan ikke ændres i e-conomic, så den bliver uden. Står det i et andet felt, så vælg det felt for de næste med `lagerd shops set %s --order-field`.", o.Field, s.Shop)
	}
	return fmt.Sprintf("Ordrenummeret mangler: %s er %s, som mønsteret %s ikke passer på. `lagerd shops set %s --order-pattern` ændrer mønsteret for de næste.", o.Field, quote(o.Text), quote(o.Pattern), s.Shop)
}

func (danish) scope(scope plan.Scope) string {
	switch scope {
	case plan.ScopeStock:
		return "læsningen af lager"
	case plan.ScopeInvoices:
		return "søgningen efter fakturaer"
	case plan.ScopePDFs:
		return "hentningen af PDF'er"
	case plan.ScopeShop:
	}
	return "læsningen for butikken"
}

func (danish) reason(r plan.Reason) string {
	switch r {
	case plan.HeldTokenRefused:
		return "butikkens token bliver afvist"
	case plan.HeldForbidden:
		return "butikkens token ikke giver adgang (403)"
	case plan.HeldAgreementChanged:
		return "tokenet hører til en anden aftale end før"
	case plan.HeldAccountChanged:
		return "nøglen hører til en anden Rackbeat-konto end før"
	case plan.HeldTokenUnreadable:
		return "det gemte token ikke kan dekrypteres med hovednøglen"
	case plan.HeldNoAppToken:
		return "lagerd ikke har noget token til app'en"
	case plan.HeldPlacesChanged:
		return "pladserne på lageret ikke længere passer med dem, der er valgt til butikken"
	case plan.HeldNoInventory:
		return "ingen varer har et lagertal"
	case plan.HeldUnreadable:
		return "ingen varer i svaret kunne forstås"
	case plan.HeldLosses:
		return "for mange varer ville have mistet deres lager"
	}
	return string(r)
}

func (danish) near(s Story, n Near) string {
	if n.Kind == plan.KindInvoice {
		return fmt.Sprintf("faktura %s (`lagerd why %s %s --invoice`)", n.Number, s.Shop, n.Number)
	}
	return fmt.Sprintf("vare %s (`lagerd why %s %s`)", named(n.Number), s.Shop, quoted(n.Number))
}

func (l danish) leftOut(s Story, o LeftOut) string {
	since := l.at(o.Before, s.ToldAt)
	switch o.What {
	case LeftOutActions:
		return fmt.Sprintf("det, nogen gjorde ved butikken før %s. Der er for meget til at fortælle det hele.", since)
	case LeftOutRequests:
		return fmt.Sprintf("ønsker om at læse %s før %s. Der er for mange til at fortælle dem alle.", l.the(s.Kind), since)
	case LeftOutChecks:
		return fmt.Sprintf("ønsker om en kontrol af butikken før %s. Der er for mange til at fortælle dem alle.", since)
	case LeftOutCalls:
		return fmt.Sprintf("webhooks før %s. Af en butiks kald gemmer lagerd kun de seneste.", since)
	case LeftOutObstacles:
		return fmt.Sprintf("det, der mislykkedes eller blev holdt tilbage før %s. Der er for meget til at fortælle det hele.", since)
	case LeftOutChanges:
	}
	return fmt.Sprintf("ændringer før %s. Der er for mange til at fortælle dem alle: `lagerd export changes %s` har dem.", since, s.Shop)
}

func (l danish) state(s Story) string {
	if s.State.LastGoodTick == nil {
		return "endnu aldrig kontrolleret fuldt ud"
	}
	return "senest kontrolleret " + l.at(*s.State.LastGoodTick, s.ToldAt)
}

func (danish) count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

func (l danish) event(s Story, e Event) string { //nolint:gocyclo // one case per kind of event
	switch e.What {
	case EventSeen:
		if s.Kind == plan.KindInvoice {
			return "lagerd gemte fakturaen."
		}
		return "lagerd læste varen for første gang."
	case EventCall:
		return l.call(s, *e.Call)
	case EventRefused:
		return fmt.Sprintf("Et webhook fra %s blev afvist: koden var forkert. (%s til butikken den dag. lagerd læser ikke, hvilket nummer et sådant kald nævner, så det kan have handlet om %s.) Står der en gammel kode i e-conomic, så indsæt den nye dér; `lagerd shops rotate-code %s` laver en.",
			e.Refused.Remote, l.count(int(e.Refused.Calls), "sådant kald", "sådanne kald"), l.the(s.Kind), s.Shop)
	case EventHint:
		return l.hint(s, *e.Hint)
	case EventChange:
		return l.change(*e.Change) + " " + l.found(*e.Change)
	case EventPDF:
		return fmt.Sprintf("PDF'en (%s) blev gemt %s senere.", l.units().size(e.PDF.Size), l.units().duration(e.PDF.Delay))
	case EventAction:
		return l.action(s, *e.Action)
	case EventHold:
		return l.hold(s, *e.Hold)
	case EventFailed:
		return l.failed(s, *e.Failed)
	case EventLease:
		on := ""
		if e.Lease.Host != "" {
			on = " (på " + e.Lease.Host + ")"
		}
		return "En anden lagerd overtog butikken" + on + "."
	case EventAgreement:
		return fmt.Sprintf("Butikken skiftede til aftale %d.", e.Agreement)
	case EventWarning:
		if e.Warning.Number == "" {
			return s.Answer.Source + " viser også noget, hvis nummer ikke kunne forstås: " + e.Warning.Text
		}
		return "En del af svaret kunne ikke forstås; den gemte værdi bliver: " + e.Warning.Text
	}
	return string(e.What)
}

func (l danish) hold(s Story, h Hold) string {
	text := fmt.Sprintf("lagerd stoppede %s, fordi %s.", l.scope(h.Scope), l.reason(h.Reason))
	if h.Reason == plan.HeldLosses {
		text = "lagerd begyndte at holde lageret tilbage, fordi for mange varer ville have mistet deres på én gang."
	}
	if h.EndedAt != nil {
		text += fmt.Sprintf(" Det endte %s.", l.at(*h.EndedAt, s.ToldAt))
	}
	return text
}

func (l danish) failed(s Story, f Failed) string {
	text := l.count(f.Times, "forsøg", "forsøg") + " på at læse " + l.the(s.Kind) + " mislykkedes"
	switch f.What {
	case store.ObstaclePDF:
		text = l.count(f.Times, "forsøg", "forsøg") + " på at hente fakturaens linjer og PDF mislykkedes"
	case store.ObstaclePasses:
		text = l.count(f.Times, "læsning", "læsninger") + " af butikken mislykkedes, så intet blev læst"
	case store.ObstacleReads, store.ObstacleHold:
	}
	if f.Times > 1 {
		text += "; senest " + l.at(f.LastAt, s.ToldAt)
	}
	if f.Error == "" {
		return text + "."
	}
	return text + ". Fejlen: " + f.Error
}

func (l danish) call(s Story, c Call) string {
	what := "Et webhook nævnte " + l.the(s.Kind)
	switch {
	case c.Outcome == webhook.OutcomeRecorded:
		return what + "; lagerd tog imod det."
	case c.Outcome == webhook.OutcomeFromBrowser:
		return "Nogen åbnede webhookets adresse i en browser, med " + l.the(s.Kind) + "; lagerd tog imod det."
	case c.Status < 300:
		return fmt.Sprintf("%s; lagerd tog imod det, med en bemærkning (%s).", what, c.Outcome)
	case c.Status >= 500:
		return fmt.Sprintf("%s, men lagerd kunne ikke notere det (svarede %d, %s). Afsenderen gentager det, og den faste kontrol afhænger ikke af det.", what, c.Status, c.Outcome)
	}
	return fmt.Sprintf("%s, men kaldet var ikke i orden (svar %d, %s).", what, c.Status, c.Outcome)
}

func (l danish) hint(s Story, h Hint) string {
	the, from := l.the(s.Kind), ""
	switch h.Cause {
	case plan.CauseWebhook:
		from = fmt.Sprintf("Efter %s satte lagerd %s på listen over det, der skal læses.", l.count(int(max(1, h.Webhooks)), "webhook", "webhooks"), the)
	case plan.CauseInvoice:
		from = "En faktura, der nævner varen, blev bogført, så lagerd satte varen på listen over det, der skal læses."
	case plan.CauseOperator:
		from = fmt.Sprintf("Nogen spurgte efter %s, så lagerd satte den på listen over det, der skal læses.", the)
	case plan.CauseTick, plan.CauseSweep:
		from = fmt.Sprintf("lagerd stødte på %s og satte den på listen over det, der skal læses.", the)
	}
	switch {
	case h.Failures > 0 && h.Open:
		return fmt.Sprintf("%s Siden er %s på at læse den mislykkedes.", from, l.count(h.Failures, "forsøg", "forsøg"))
	case h.Tries > 0 && h.Open:
		return fmt.Sprintf("%s Siden er den læst %s uden noget nyt.", from, l.count(h.Tries, "gang", "gange"))
	case h.Open:
		return from
	}
	switch h.Reason {
	case "":
		return from + " Intet var ændret."
	case plan.HintUnknown:
		return from + " Nummeret findes ikke i " + s.Answer.Source + "."
	case plan.HintGone:
		return from + " Varen findes ikke længere i " + s.Answer.Source + "."
	case plan.HintStockOff, plan.HintRackbeat:
		return from + " Butikkens lager bliver ikke læst."
	case plan.HintInvoicesOff:
		return from + " Fakturaer er slået fra for butikken."
	default:
		return from + " Svaret: " + h.Note + "."
	}
}

// change says what changed.
func (l danish) change(c Change) string {
	u := l.units()
	source := c.Source.Name()
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "intet tal"
		}
		return u.decimal(d.Decimal)
	}
	switch c.What {
	case plan.WhatCreated:
		if !c.NewStock.Valid {
			return "Varen var ny, uden et lagertal."
		}
		return fmt.Sprintf("Varen var ny, med %s på lager.", figure(c.NewStock))
	case plan.WhatStock:
		return l.stock(c)
	case plan.WhatPlaces:
		return fmt.Sprintf("Der blev flyttet varer mellem lokationer; lageret er stadig %s.", figure(c.NewStock))
	case plan.WhatGone:
		if c.RenumberedTo != "" {
			return fmt.Sprintf("Varen fandtes ikke længere i %s: dens nummer er nok %s nu.", source, named(c.RenumberedTo))
		}
		return "Varen fandtes ikke længere i " + source + ": den er slettet eller har fået et andet nummer."
	case plan.WhatReturned:
		return fmt.Sprintf("Varen var tilbage i %s, med %s på lager.", source, figure(c.NewStock))
	case plan.WhatBooked:
		return "Fakturaen blev bogført, og lagerd gemte den."
	case plan.WhatState:
	}
	switch {
	case c.NewState == plan.StateBarred:
		return fmt.Sprintf("Varen var blevet spærret i %s; lageret er %s.", source, figure(c.NewStock))
	case c.NewState == plan.StateNoInventory:
		return source + " sendte ikke længere et lagertal for varen."
	case c.OldState == plan.StateBarred:
		return fmt.Sprintf("Varen var ikke længere spærret; lageret er %s.", figure(c.NewStock))
	}
	return fmt.Sprintf("%s sendte igen et lagertal: %s.", source, figure(c.NewStock))
}

// stock tells of a change of figures, the shop's stock or another one.
func (l danish) stock(c Change) string {
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "intet tal"
		}
		return l.units().decimal(d.Decimal)
	}
	switch {
	case c.Other == nil && c.NewSetting:
		return fmt.Sprintf("Lageret gik fra %s til %s, for nu er det et andet af tallene i %s, der tæller som butikkens lager.", figure(c.OldStock), figure(c.NewStock), c.Source.Name())
	case c.Other == nil && c.Elsewhere:
		return fmt.Sprintf("Lageret i %s gik fra %s til %s.", c.Source.Name(), figure(c.OldStock), figure(c.NewStock))
	case c.Other == nil:
		return fmt.Sprintf("Lageret gik fra %s til %s.", figure(c.OldStock), figure(c.NewStock))
	}
	name := map[plan.Figure]string{plan.FigureInStock: "tallet på lager", plan.FigureAvailable: "det tilgængelige antal"}[c.Other.Figure]
	if name == "" {
		return fmt.Sprintf("Lageret er stadig %s; et andet af varens tal blev ændret.", figure(c.NewStock))
	}
	return fmt.Sprintf("Lageret er stadig %s; %s gik fra %s til %s.", figure(c.NewStock), name, figure(c.Other.Old), figure(c.Other.New))
}

// found says how a change was found, and how long that took.
func (l danish) found(c Change) string {
	var text string
	switch c.Cause {
	case plan.CauseWebhook:
		text = "Et webhook havde meldt det."
	case plan.CauseTick:
		text = "Den faste kontrol fandt det."
	case plan.CauseInvoice:
		text = "lagerd så efter, fordi en faktura, der nævner varen, blev bogført."
	case plan.CauseSweep:
		text = "En fuld gennemgang fandt det."
	case plan.CauseOperator:
		text = "lagerd så efter, fordi nogen bad om det."
	}
	switch c.Webhook {
	case plan.WebhookMissed:
		text += " Der kom intet webhook om det."
	case plan.WebhookLate:
		text += " Webhooket kom først bagefter."
	case plan.WebhookNone, plan.WebhookCame:
	}
	if c.Webhooks > 1 {
		text += fmt.Sprintf(" Der var kommet %d webhooks siden den forrige ændring; lagerd gemmer det, %s siger, når den spørger, ikke hvert tal undervejs.", c.Webhooks, c.Source.Name())
	}
	switch {
	case c.Delay == nil, c.NewSetting:
	case c.HintedAt != nil:
		text += fmt.Sprintf(" Det var gemt %s efter webhooket.", l.units().duration(*c.Delay))
	case time.Duration(*c.Delay) < 2*time.Minute: // the source's time is a whole minute
		text += fmt.Sprintf(" Ifølge %s skete det kl. %s.", c.Source.Name(), l.minute(*c.SourceAt))
	default:
		text += fmt.Sprintf(" Ifølge %s skete det kl. %s, %s før.", c.Source.Name(), l.minute(*c.SourceAt), l.units().duration(*c.Delay))
	}
	return text
}

func (danish) minute(t time.Time) string { return t.In(lang.Denmark()).Format("15:04") }

func (l danish) action(s Story, a Action) string {
	who := a.Account
	if who == "" {
		who = "Nogen"
	}
	var did string
	switch a.What {
	case store.ActionAdded:
		did = "oprettede butikken"
	case store.ActionSet:
		did = "ændrede indstillinger"
	case store.ActionPaused:
		did = "satte butikken på pause"
	case store.ActionResumed:
		did = "satte butikken i gang igen"
	case store.ActionApproved:
		did = fmt.Sprintf("godkendte, at op til %s varer mister deres lager", a.Detail)
	case store.ActionAccepted:
		did = fmt.Sprintf("godkendte aftale %s for butikken", a.Detail)
	case store.ActionCodeAdded:
		did = "lavede en ny integrationskode"
	case store.ActionCodeReplaced:
		did = "erstattede den nye integrationskode"
	case store.ActionCodeRetired:
		did = "trak den gamle integrationskode tilbage"
	case store.ActionAsked:
		did = l.asked(s, a)
	}
	text := who + " " + did
	if a.Command != "" {
		text += " (`" + a.Command + "`)"
	}
	if a.What == store.ActionSet || a.What == store.ActionPaused {
		return sentence(text, strings.ReplaceAll(a.Detail, store.SecretChanged, "(ny)"))
	}
	return text + "."
}

func (l danish) asked(s Story, a Action) string {
	switch {
	case a.Number != "":
		return "bad lagerd om at læse " + l.the(s.Kind)
	case a.Detail == store.WantSweep:
		return "bad om en fuld gennemgang af butikken"
	}
	return "bad om en kontrol af butikken"
}
