package notify

import (
	"fmt"
	"strings"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/terminal"
)

// ownersReason is what an owner reads of a reason: its name, what it means, and what to do.
type ownersReason struct{ name, means, do lang.Text }

var (
	accessRefused = ownersReason{
		name: lang.Text{Danish: "e-conomic afviser adgangen", English: "e-conomic refuses access"},
		means: lang.Text{
			Danish:  "Lager og fakturaer i webshoppen bliver ikke opdateret. Alt bliver hentet, når adgangen er der igen.",
			English: "Stock and invoices in the webshop are not updated. Everything is fetched once access is back."},
		do: lang.Text{
			Danish:  "Giv adgang igen som superbruger i e-conomic, og send det token, som e-conomic viser, til din webudbyder på en sikker måde, ikke i en almindelig mail.",
			English: "Grant access again as super-user in e-conomic, and send the token that e-conomic shows to your hosting company in a safe way, not in an ordinary e-mail."},
	}
	keyRefused = ownersReason{
		name: lang.Text{Danish: "Rackbeat afviser nøglen", English: "Rackbeat refuses the key"},
		means: lang.Text{
			Danish:  "Lageret i webshoppen bliver ikke opdateret; fakturaer hentes stadig. Alt bliver hentet, når adgangen er der igen.",
			English: "Stock in the webshop is not updated; invoices still are. Everything is fetched once access is back."},
		do: lang.Text{
			Danish:  "Lav en ny API-nøgle i Rackbeat, og send den til din webudbyder på en sikker måde, ikke i en almindelig mail.",
			English: "Make a new API key in Rackbeat, and send it to your hosting company in a safe way, not in an ordinary e-mail."},
	}
	forbidden = ownersReason{
		name: lang.Text{Danish: "adgangen rækker ikke", English: "access does not suffice"},
		means: lang.Text{
			Danish:  "Regnskabs- eller lagersystemet lader ikke længere webshoppen læse alt det, den skal bruge, så noget af den bliver ikke opdateret.",
			English: "The accounting or stock system no longer lets the webshop read all that it needs, so some of it is not updated."},
		do: lang.Text{
			Danish:  "Er et modul sagt op, eller er en brugers rettigheder ændret for nylig? Så ret det. Ellers spørg din webudbyder. Det hele går i gang igen af sig selv.",
			English: "Was a module cancelled, or were a user's rights changed lately? Then set that right. Otherwise ask your hosting company. Everything starts again by itself."},
	}
	noInventory = ownersReason{
		name: lang.Text{Danish: "der er ingen lagertal", English: "there are no stock figures"},
		means: lang.Text{
			Danish:  "Der kommer ingen lagertal, så webshoppens lager står stille. Fakturaer hentes stadig.",
			English: "No stock figures come, so the webshop's stock stands still. Invoices are still fetched."},
		do: lang.Text{
			Danish:  "Se, om lagermodulet er slået til, og om varerne er lagervarer. Føres lageret et andet sted nu, så sig det til din webudbyder.",
			English: "See whether the inventory module is on and the items are kept in stock. If stock is kept elsewhere now, tell your hosting company."},
	}
	losses = ownersReason{
		name: lang.Text{Danish: "mange varer ville miste deres lager", English: "many items would lose their stock"},
		means: lang.Text{
			Danish:  "Usædvanlig mange varer står pludselig uden lager. For en sikkerheds skyld beholder webshoppen de gamle tal, indtil et menneske har set på det.",
			English: "Unusually many items suddenly have no stock. To be on the safe side the webshop keeps the old figures until a person has looked at it."},
		do: lang.Text{
			Danish:  "Se efter, om lagertallene er rigtige. Er de forkerte, så ret dem: det går i gang igen af sig selv. Er de rigtige, så sig det til din webudbyder, som kan godkende dem.",
			English: "See whether the stock figures are right. If they are wrong, correct them: it starts again by itself. If they are right, tell your hosting company, who can approve them."},
	}
	unreadItems = ownersReason{
		name: lang.Text{Danish: "varer kan ikke læses", English: "items cannot be read"},
		means: lang.Text{
			Danish:  "Lageret af disse varer bliver ikke opdateret. Alle andre bliver.",
			English: "The stock of these items is not updated. That of all others is."},
		do: lang.Text{
			Danish:  "Åbn varen, se efter noget usædvanligt i varenummer og felter, og gem den igen. Hjælper det ikke, så spørg din webudbyder.",
			English: "Open the item, look for something unusual in its number and fields, and save it again. If that does not help, ask your hosting company."},
	}
	unreadInvoices = ownersReason{
		name: lang.Text{Danish: "fakturaer kan ikke læses", English: "invoices cannot be read"},
		means: lang.Text{
			Danish:  "Disse fakturaer kommer ikke til webshoppen. Alle andre gør.",
			English: "These invoices do not reach the webshop. All others do."},
		do: lang.Text{
			Danish:  "Se, om fakturaen kan åbnes i e-conomic, og spørg så din webudbyder.",
			English: "See whether the invoice opens in e-conomic, then ask your hosting company."},
	}
)

// forOwner returns what an owner reads of an event.
func (e Event) forOwner(l lang.Lang) (name, means, do string) {
	if e.Webhooks != "" {
		return e.webhooksForOwner(l)
	}
	r := forbidden
	switch {
	case e.Reason == status.NeedReason(plan.HeldTokenRefused) && e.Scope == plan.ScopeStock:
		r = keyRefused
	case e.Reason == status.NeedReason(plan.HeldTokenRefused):
		r = accessRefused
	case e.Reason == status.NeedReason(plan.HeldNoInventory):
		r = noInventory
	case e.Reason == status.NeedReason(plan.HeldLosses):
		r = losses
	case e.Reason == status.NeedUnread && e.Scope == plan.ScopeInvoices:
		r = unreadInvoices
	case e.Reason == status.NeedUnread:
		r = unreadItems
	}
	name = r.name.In(l)
	if e.Number != "" {
		name += " (" + e.Number + andMore(l, e.Numbers-1) + ")"
	}
	return name, r.means.In(l), r.do.In(l)
}

func andMore(l lang.Lang, n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(lang.Text{Danish: " og %d til", English: " and %d more"}.In(l), n)
}

func (e Event) webhooksForOwner(l lang.Lang) (name, means, do string) {
	of := lang.Text{Danish: "webhooks om lager", English: "webhooks about stock"}
	if e.Webhooks == status.WebhookInvoice {
		of = lang.Text{Danish: "webhooks om fakturaer", English: "webhooks about invoices"}
	}
	if e.State == "" { // over
		return of.In(l), "", ""
	}
	says, do := status.HealthIn(l, e.Webhooks, e.State)
	return of.In(l) + " " + says, lang.Text{
		Danish:  "Intet går tabt, men ændringer når webshoppen op til et minut senere, end de kunne.",
		English: "Nothing is lost, but changes reach the webshop up to a minute later than they could.",
	}.In(l), do
}

func ownersText(c Content, id string, l lang.Lang) Text {
	var b strings.Builder
	say := func(text lang.Text, args ...any) { fmt.Fprintf(&b, text.In(l), args...) }
	wrap := func(label, text string) {
		if text != "" {
			// A builder returns no error.
			_ = terminal.WriteWrapped(&b, label, terminal.Line(text), columns)
		}
	}
	if c.Test {
		wrap("", fmt.Sprintf(lang.Text{
			Danish:  "Dette er en prøve: her får du besked, hvis der er noget galt med opdateringen af %s, som kun du kan rette. Du skal ikke gøre noget.",
			English: "This is a test: you are told here if something is wrong with the updates of %s that only you can set right. There is nothing to do.",
		}.In(l), c.Shop))
		b.WriteString("\n")
	}
	for _, e := range c.Began {
		name, means, do := e.forOwner(l)
		wrap("", c.Shop+": "+name)
		if e.Since != nil {
			wrap("  "+lang.Text{Danish: "Siden: ", English: "Since: "}.In(l), danish(l, *e.Since))
		}
		wrap("  ", means)
		wrap("  "+lang.Text{Danish: "Gør dette: ", English: "What to do: "}.In(l), do)
		if e.Link != "" {
			b.WriteString("  " + e.Link + "\n")
		}
		b.WriteString("\n")
	}
	if len(c.Over) > 0 {
		say(lang.Text{Danish: "Dette er overstået, og du skal ikke gøre mere:\n\n", English: "This is over, and there is nothing more to do:\n\n"})
		for _, e := range c.Over {
			name, _, _ := e.forOwner(l)
			wrap("  ", c.Shop+": "+name)
		}
		b.WriteString("\n")
	}
	if c.Page.URL != "" {
		wrap("", lang.Text{
			Danish:  "På butikkens side ser du, hvordan det står til, hvorfor en vare har det lager, den har, og hvordan du sætter webhooks op:",
			English: "The shop's page shows how things stand, why an item has the stock it has, and how to set up webhooks:",
		}.In(l))
		b.WriteString("  " + c.Page.URL + "\n")
		wrap("", fmt.Sprintf(lang.Text{
			Danish:  "Linket gælder til %s. Giv det ikke videre: den, der har det, ser butikken.",
			English: "The link is good until %s. Pass it on to nobody: whoever has it sees the shop.",
		}.In(l), danish(l, c.Page.Expires)))
		b.WriteString("\n")
	}
	say(lang.Text{
		Danish:  "-- \nSådan så det ud den %s (dansk tid).\nMailen er sendt automatisk af det program, som holder din webshop opdateret.\nBesked %s: en med samme nummer siger det samme.\n",
		English: "-- \nAs of %s (Danish time).\nSent automatically by the program that keeps your webshop up to date.\nMessage %s: one with the same number says the same.\n",
	}, danish(l, c.At), id)
	name := func(e Event) string { name, _, _ := e.forOwner(l); return name }
	return Text{Subject: c.Shop + ": " + subject(c, lang.Text{Danish: "prøve", English: "test"}.In(l), lang.Text{Danish: "overstået: ", English: "over: "}.In(l),
		lang.Text{Danish: "og %d ting til", English: "and %d more"}.In(l), name), Body: b.String()}
}
