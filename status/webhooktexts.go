package status

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"lagerd/lang"
	"lagerd/store"
	"lagerd/terminal"
)

func pick(l lang.Lang, en, da string) string { return lang.Text{Danish: da, English: en}.In(l) }

// words are what texts about a type of webhooks say in its place.
type words struct{ service, where, hook, name, field, things, test, number string }

func wordsOf(l lang.Lang, t WebhookType) words {
	w := words{
		service: "e-conomic",
		where:   pick(l, "All settings → Extensions → Webhooks in e-conomic", "Alle indstillinger → Udvidelser → Webhooks i e-conomic"),
		name:    pick(l, "Inventory updated", "Varelager opdateret"), field: t.usualField(),
		things: pick(l, "items", "varer"), number: pick(l, "item number", "varenummer"),
		test: pick(l, "change the stock of an item", "ret lagerbeholdningen af en vare"),
	}
	switch t {
	case WebhookInvoice:
		w.name, w.things, w.number = pick(l, "Invoice booked", "Faktura bogført"), pick(l, "booked invoices", "bogførte fakturaer"), pick(l, "invoice number", "fakturanummer")
		w.test = pick(l, "book an invoice", "bogfør en faktura")
	case WebhookRackbeat:
		w.service, w.where, w.name = "Rackbeat", pick(l, "Webhooks in Rackbeat's settings", "Webhooks i Rackbeats indstillinger"), "inventory.changed"
	case WebhookStock:
	}
	w.hook = pick(l, "the webhook “", "webhooket »") + w.name + pick(l, "”", "«")
	return w
}

// in fills the words into a text.
func (w words) in(text string) string {
	return strings.NewReplacer("{service}", w.service, "{where}", w.where, "{hook}", w.hook, "{name}", w.name, "{field}", w.field,
		"{things}", w.things, "{test}", w.test, "{number}", w.number).Replace(text)
}

// healthText is what a state is called, and what to do about it, in English and Danish.
type healthText struct{ en, da, doEN, doDA string }

var healthTexts = map[WebhookState]healthText{
	WebhooksOff:    {en: "not kept for this shop", da: "bruges ikke i denne butik"},
	WebhooksArrive: {en: "arrive", da: "kommer frem"},
	WebhooksLate: {en: "arrive late", da: "kommer for sent",
		doEN: "Nothing is lost: lagerd finds each change within about a minute anyway. {service} calls late, and there is nothing to set right.",
		doDA: "Intet går tabt: lagerd finder alligevel hver ændring inden for cirka et minut. {service} kalder for sent, og der er ikke noget at rette."},
	WebhooksMissing: {en: "some are missing", da: "nogle mangler",
		doEN: "Nothing is lost, only later: lagerd finds each change within about a minute. Open the log of calls of {hook} under {where}. Are there calls that failed? Then see what they were answered. If all of them went well, ask your hosting company to look for the others on the way. All is well again once ten changes in a row were announced.",
		doDA: "Intet går tabt, det kommer kun senere: lagerd finder hver ændring inden for cirka et minut. Åbn loggen over kald for {hook} under {where}. Er der kald, som fejlede? Så se, hvad svaret var. Gik de alle godt, så bed din webudbyder om at lede efter resten på vejen. Alt er godt igen, når ti ændringer i træk er meldt."},
	WebhooksStopped: {en: "have stopped coming", da: "er holdt op med at komme",
		doEN: "Open {where}. Is {hook} still there, and switched on? Its log of calls says what went wrong last. Switch it on again. To try it, {test}.",
		doDA: "Åbn {where}. Er {hook} der stadig, og er det slået til? Dets log over kald viser, hvad der sidst gik galt. Slå det til igen, og prøv det: {test}."},
	WebhooksNever: {en: "none has ever come", da: "der er endnu ikke kommet noget",
		doEN: "Open {where}. {Hook} must be there and switched on, with exactly the URL and the data that you were given. To try it, {test}.",
		doDA: "Åbn {where}. {Hook} skal være der og være slået til, med præcis den URL og de data, som du har fået. Prøv det så: {test}."},
	WebhooksWrongCode: {en: "come with a wrong username or code", da: "kommer med forkert brugernavn eller kode",
		doEN: "Open {hook} under {where}, and copy the text in again, exactly as you were given it. If you do not have it any more, make a new code on the shop's page, or ask your hosting company for one.",
		doDA: "Åbn {hook} under {where}, og kopiér teksten ind igen, præcis som du fik den. Har du den ikke mere, så lav en ny kode på butikkens side, eller bed din webudbyder om en."},
	WebhooksWrongToken: {en: "come with another token than lagerd knows", da: "kommer med et andet token, end lagerd kender",
		doEN: "Rackbeat shows each webhook's token under {where}. Give the tokens of all of them to your hosting company.",
		doDA: "Rackbeat viser hvert webhooks token under {where}. Giv dem alle til din webudbyder."},
	WebhooksMergeField: {en: "come without a number", da: "kommer uden nummer",
		doEN: "e-conomic does not fill in the number. Open {hook} under {where}: its type must be “{name}”, and its data must end with number={field}, written exactly like that.",
		doDA: "e-conomic sætter ikke nummeret ind. Åbn {hook} under {where}: typen skal være »{name}«, og de sendte data skal slutte med number={field}, skrevet præcis sådan."},
	WebhooksWrongData: {en: "cannot be understood", da: "kan ikke forstås",
		doEN: "The code is right, and the rest is not. Open {hook} under {where}, and copy the URL and the data in again, exactly as you were given them.",
		doDA: "Koden er rigtig, men resten er ikke. Åbn {hook} under {where}, og kopiér URL og data ind igen, præcis som du fik dem."},
	WebhooksUnknown: {en: "name numbers that do not exist", da: "nævner numre, som ikke findes",
		doEN: "The numbers that come are none of your {things} in {service}. Open {hook} under {where}: does it have the right type? If it was only a try, take a real {number}.",
		doDA: "De numre, der kommer, hører ikke til nogen af dine {things} i {service}. Åbn {hook} under {where}: har det den rigtige type? Var det kun en prøve, så brug et rigtigt {number}."},
}

// HealthIn returns what a state is called, and what to do about it.
func HealthIn(l lang.Lang, t WebhookType, s WebhookState) (says, toDo string) {
	text, w := healthTexts[s], wordsOf(l, t)
	toDo = w.in(pick(l, text.doEN, text.doDA))
	first, size := utf8.DecodeRuneInString(w.hook)
	return pick(l, text.en, text.da), strings.ReplaceAll(toDo, "{Hook}", strings.ToUpper(string(first))+w.hook[size:])
}

// Advice returns what to do about a call of a type that was not received, "" if there is nothing.
func Advice(l lang.Lang, t WebhookType, call store.LoggedCall) string {
	var f WebhookFacts
	f.class(call.Outcome, call.Status).add(call)
	state, _ := f.wrong(true)
	if state == "" {
		return ""
	}
	_, toDo := HealthIn(l, t, state)
	return toDo
}

// seenIn returns what is seen at e-conomic with its text.
func seenIn(l lang.Lang, s WebhookSeen) WebhookSeen {
	switch s.State {
	case SeenOn:
		s.Says = pick(l, "set up by lagerd, and on", "oprettet af lagerd, og slået til")
	case SeenOff:
		s.Says = pick(l, "set up by lagerd, and switched off", "oprettet af lagerd, men slået fra")
		if s.OffSince != nil {
			s.Says += pick(l, " since ", " siden ") + shown(s.OffSince)
		}
	case SeenOtherShop:
		s.Says = pick(l, "the only webhook that this event can have calls lagerd for another shop, or with another type: it is left alone",
			"det eneste webhook, som denne hændelse kan have, kalder lagerd for en anden butik eller med en anden type: det røres ikke")
	case SeenElsewhere:
		s.Says = fmt.Sprintf(pick(l, "the only webhook that this event can have calls %s, and not lagerd: it is another program's, and is left alone",
			"det eneste webhook, som denne hændelse kan have, kalder %s og ikke lagerd: det tilhører et andet program og røres ikke"), terminal.Escape(s.Host))
	case SeenNotVisible:
		s.Says = pick(l, "not visible here: e-conomic shows an app only the webhooks that it has set up itself. Whether one was entered by hand, the calls that arrive show",
			"ikke synligt her: e-conomic viser kun en app de webhooks, den selv har oprettet. Om der er indtastet et, viser de kald, der kommer")
	case SeenNoEvent:
		s.Says = pick(l, "e-conomic's webhooks API has no such event: this webhook can only be entered by hand",
			"e-conomics webhooks-API har ingen sådan hændelse: dette webhook kan kun indtastes")
	case SeenNotAsked:
		s.Says = pick(l, "not seen: ", "ikke set: ") + s.Reason
	}
	return s
}

// ShopWebhooks is how a shop's webhooks fare, and the JSON of `lagerd webhooks`.
type ShopWebhooks struct {
	Shop     string          `json:"shop"`
	Since    time.Time       `json:"since"` // from when changes are counted
	Webhooks []WebhookHealth `json:"webhooks"`
}

// WriteJSON writes how the webhooks fare as one JSON object.
func (s ShopWebhooks) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(s)
}

// width is how wide text for a terminal is.
const width = 79

// Write writes how the webhooks fare, for people in the language.
func (s ShopWebhooks) Write(w io.Writer, l lang.Lang) error {
	for i, h := range s.Webhooks {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := h.write(w, s, l); err != nil {
			return err
		}
	}
	return nil
}

func (h WebhookHealth) write(w io.Writer, s ShopWebhooks, l lang.Lang) error {
	lines := []string{fmt.Sprintf("%s, %s: %s", s.Shop, h.Type, h.Says)}
	say := func(text string) { lines = append(lines, wrapped(text, "  ")...) }
	if h.State != WebhooksOff {
		say(h.calls(l))
		say(h.changes(l, s.Since))
		if h.Unknown > 0 {
			say(fmt.Sprintf(pick(l, "%d of the last %d numbers in the calls do not exist.", "%d af de seneste %d numre i kaldene findes ikke."), h.Unknown, h.Named))
		}
	}
	if h.AtEconomic != nil {
		say(pick(l, "At e-conomic: ", "Hos e-conomic: ") + h.AtEconomic.Says + ".")
	}
	if h.ToDo != "" {
		say(pick(l, "What to do: ", "Hvad du kan gøre: ") + h.ToDo)
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// calls returns what came.
func (h WebhookHealth) calls(l lang.Lang) string {
	text := pick(l, "No call was accepted yet.", "Intet kald er modtaget endnu.")
	if h.LastCall != nil {
		text = fmt.Sprintf(pick(l, "The last call was accepted %s.", "Det seneste kald blev modtaget %s."), shown(h.LastCall))
	}
	switch {
	case h.WrongCalls > 0 && h.LastCall == nil:
		text += fmt.Sprintf(pick(l, " Calls so far: %d, the last from %s.", " Kald indtil nu: %d, det sidste fra %s."), h.WrongCalls, terminal.Escape(h.WrongFrom))
	case h.WrongCalls == 1:
		text += fmt.Sprintf(pick(l, " Since then one call was not accepted, from %s.", " Siden er et kald blevet afvist, fra %s."), terminal.Escape(h.WrongFrom))
	case h.WrongCalls > 1:
		text += fmt.Sprintf(pick(l, " Since then %d calls were not accepted, the last from %s.", " Siden er %d kald blevet afvist, det sidste fra %s."), h.WrongCalls, terminal.Escape(h.WrongFrom))
	}
	return text
}

// changes returns how many changes were found, and how many of them without a webhook.
func (h WebhookHealth) changes(l lang.Lang, since time.Time) string {
	if h.Changes == 0 {
		return fmt.Sprintf(pick(l, "Nothing changed since %s that a webhook should have announced.", "Intet er ændret siden %s, som et webhook skulle have meldt."), shown(when(since)))
	}
	some := pick(l, "changes", "ændringer")
	if h.Changes == 1 {
		some = pick(l, "change", "ændring")
	}
	text := fmt.Sprintf(pick(l, "Of %d %s since %s, %d (%s %%) came without a webhook, and %d before it.", "Af %d %s siden %s kom %d (%s %%) uden webhook og %d før det."),
		h.Changes, some, shown(when(since)), h.Missed, h.percent(), h.Late)
	if h.Since != nil && (h.State == WebhooksMissing || h.State == WebhooksStopped) {
		text += fmt.Sprintf(pick(l, " The first without one, of the latest ten: %s.", " Den første uden, af de seneste ti: %s."), shown(h.Since))
	}
	return text
}

// percent returns the share that was missed, where any is not nothing.
func (h WebhookHealth) percent() string {
	switch percent := 100 * *h.MissedShare; {
	case percent > 0 && percent < 1:
		return "<1"
	default:
		return fmt.Sprintf("%.0f", percent)
	}
}

// wrapped splits a text into lines that are indented and fit a terminal.
func wrapped(text, indent string) (lines []string) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
