package notify

import (
	"fmt"
	"strings"

	"lagerd/lang"
	"lagerd/status"
	"lagerd/terminal"
)

// forOwner returns what an owner reads of an event.
func (e Event) forOwner(l lang.Lang) (name, means, do string) {
	if e.Webhooks != "" {
		return e.webhooksForOwner(l)
	}
	r, _ := status.ForOwner(e.Scope, e.Reason) // owners are told of no other needs
	name = r.Name.In(l)
	if e.Number != "" {
		name += " (" + e.Number + status.AndMore(l, e.Numbers-1) + ")"
	}
	return name, r.Means.In(l), r.Do.In(l)
}

// forOwner returns the message as the webhook of an owner has it: with what mail says of each event.
func (c Content) forOwner(l lang.Lang) Content {
	told := func(list []Event) []Event {
		with := make([]Event, len(list))
		for i, e := range list {
			with[i] = e
			with[i].Title, with[i].Means, with[i].Do = e.forOwner(l)
		}
		return with
	}
	c.Lang, c.Began, c.Over = l, told(c.Began), told(c.Over)
	for i := range c.Over { // nobody has to do anything
		c.Over[i].Means, c.Over[i].Do = "", ""
	}
	return c
}

func (e Event) webhooksForOwner(l lang.Lang) (name, means, do string) {
	of := status.WebhooksOfOwner(e.Webhooks)
	if e.State == "" { // over
		return of.In(l), "", ""
	}
	says, do := status.HealthIn(l, e.Webhooks, e.State)
	return of.In(l) + " " + says, status.WebhooksMatter.In(l), do
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
