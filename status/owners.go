package status

import (
	"fmt"

	"lagerd/lang"
	"lagerd/plan"
)

// OwnersText is what an owner is told of a need, in mails and on the page: its name, what it means,
// and what to do.
type OwnersText struct{ Name, Means, Do lang.Text }

// ForOwner returns what an owner is told of a need; ok is false if an owner can do nothing about it.
func ForOwner(scope plan.Scope, reason NeedReason) (t OwnersText, ok bool) {
	switch {
	case reason == NeedReason(plan.HeldTokenRefused) && scope == plan.ScopeStock:
		return keyRefused, true
	case reason == NeedReason(plan.HeldTokenRefused):
		return accessRefused, true
	case reason == NeedReason(plan.HeldForbidden):
		return forbidden, true
	case reason == NeedReason(plan.HeldNoInventory):
		return noInventory, true
	case reason == NeedReason(plan.HeldLosses):
		return losses, true
	case reason == NeedUnread && scope == plan.ScopeInvoices:
		return unreadInvoices, true
	case reason == NeedUnread:
		return unreadItems, true
	}
	return OwnersText{}, false
}

// WebhooksOfOwner is what an owner calls the webhooks of a type.
func WebhooksOfOwner(t WebhookType) lang.Text {
	if t == WebhookInvoice {
		return lang.Text{Danish: "webhooks om fakturaer", English: "webhooks about invoices"}
	}
	return lang.Text{Danish: "webhooks om lager", English: "webhooks about stock"}
}

// WebhooksMatter says what it means that webhooks do not come as they should.
var WebhooksMatter = lang.Text{
	Danish:  "Intet går tabt, men ændringer når webshoppen op til et minut senere, end de kunne.",
	English: "Nothing is lost, but changes reach the webshop up to a minute later than they could.",
}

var (
	accessRefused = OwnersText{
		Name: lang.Text{Danish: "e-conomic afviser adgangen", English: "e-conomic refuses access"},
		Means: lang.Text{
			Danish:  "Lager og fakturaer i webshoppen bliver ikke opdateret. Alt bliver hentet, når adgangen er der igen.",
			English: "Stock and invoices in the webshop are not updated. Everything is fetched once access is back."},
		Do: lang.Text{
			Danish:  "Giv adgang igen som superbruger i e-conomic, og send det token, som e-conomic viser, til din webudbyder på en sikker måde, ikke i en almindelig mail.",
			English: "Grant access again as super-user in e-conomic, and send the token that e-conomic shows to your hosting company in a safe way, not in an ordinary e-mail."},
	}
	keyRefused = OwnersText{
		Name: lang.Text{Danish: "Rackbeat afviser nøglen", English: "Rackbeat refuses the key"},
		Means: lang.Text{
			Danish:  "Lageret i webshoppen bliver ikke opdateret; fakturaer hentes stadig. Alt bliver hentet, når adgangen er der igen.",
			English: "Stock in the webshop is not updated; invoices still are. Everything is fetched once access is back."},
		Do: lang.Text{
			Danish:  "Lav en ny API-nøgle i Rackbeat, og send den til din webudbyder på en sikker måde, ikke i en almindelig mail.",
			English: "Make a new API key in Rackbeat, and send it to your hosting company in a safe way, not in an ordinary e-mail."},
	}
	forbidden = OwnersText{
		Name: lang.Text{Danish: "adgangen rækker ikke", English: "access does not suffice"},
		Means: lang.Text{
			Danish:  "Regnskabs- eller lagersystemet lader ikke længere webshoppen læse alt det, den skal bruge, så noget af den bliver ikke opdateret.",
			English: "The accounting or stock system no longer lets the webshop read all that it needs, so some of it is not updated."},
		Do: lang.Text{
			Danish:  "Er et modul sagt op, eller er en brugers rettigheder ændret for nylig? Så ret det. Ellers spørg din webudbyder. Det hele går i gang igen af sig selv.",
			English: "Was a module cancelled, or were a user's rights changed lately? Then set that right. Otherwise ask your hosting company. Everything starts again by itself."},
	}
	noInventory = OwnersText{
		Name: lang.Text{Danish: "der er ingen lagertal", English: "there are no stock figures"},
		Means: lang.Text{
			Danish:  "Der kommer ingen lagertal, så webshoppens lager står stille. Fakturaer hentes stadig.",
			English: "No stock figures come, so the webshop's stock stands still. Invoices are still fetched."},
		Do: lang.Text{
			Danish:  "Se, om lagermodulet er slået til, og om varerne er lagervarer. Føres lageret et andet sted nu, så sig det til din webudbyder.",
			English: "See whether the inventory module is on and the items are kept in stock. If stock is kept elsewhere now, tell your hosting company."},
	}
	losses = OwnersText{
		Name: lang.Text{Danish: "mange varer ville miste deres lager", English: "many items would lose their stock"},
		Means: lang.Text{
			Danish:  "Usædvanlig mange varer står pludselig uden lager. For en sikkerheds skyld beholder webshoppen de gamle tal, indtil et menneske har set på det.",
			English: "Unusually many items suddenly have no stock. To be on the safe side the webshop keeps the old figures until a person has looked at it."},
		Do: lang.Text{
			Danish:  "Se efter, om lagertallene er rigtige. Er de forkerte, så ret dem: det går i gang igen af sig selv. Er de rigtige, så sig det til din webudbyder, som kan godkende dem.",
			English: "See whether the stock figures are right. If they are wrong, correct them: it starts again by itself. If they are right, tell your hosting company, who can approve them."},
	}
	unreadItems = OwnersText{
		Name: lang.Text{Danish: "varer kan ikke læses", English: "items cannot be read"},
		Means: lang.Text{
			Danish:  "Lageret af disse varer bliver ikke opdateret. Alle andre bliver.",
			English: "The stock of these items is not updated. That of all others is."},
		Do: lang.Text{
			Danish:  "Åbn varen, se efter noget usædvanligt i varenummer og felter, og gem den igen. Hjælper det ikke, så spørg din webudbyder.",
			English: "Open the item, look for something unusual in its number and fields, and save it again. If that does not help, ask your hosting company."},
	}
	unreadInvoices = OwnersText{
		Name: lang.Text{Danish: "fakturaer kan ikke læses", English: "invoices cannot be read"},
		Means: lang.Text{
			Danish:  "Disse fakturaer kommer ikke til webshoppen. Alle andre gør.",
			English: "These invoices do not reach the webshop. All others do."},
		Do: lang.Text{
			Danish:  "Se, om fakturaen kan åbnes i e-conomic, og spørg så din webudbyder.",
			English: "See whether the invoice opens in e-conomic, then ask your hosting company."},
	}
)

// AndMore returns that there are more than the one just named: " and 3 more", "" if there are none.
func AndMore(l lang.Lang, n int64) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(lang.Text{Danish: " og %d til", English: " and %d more"}.In(l), n)
}
