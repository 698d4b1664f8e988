package notify

import (
	"fmt"
	"strings"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

// Text is a message as people read it.
type Text struct{ Subject, Body string }

// TextOf returns a message's text: an owner's in the language, the operator's in English.
func TextOf(c Content, id string, l lang.Lang) Text {
	if c.Audience == store.AudienceOwner {
		return ownersText(c, id, l)
	}
	return operatorsText(c, id)
}

// titles say what a reason is, to the operator.
var titles = map[status.NeedReason]string{
	status.NeedAppTokenMissing: "there is no app secret token, so nothing is read from e-conomic",
	status.NeedAppTokenRefused: "e-conomic refuses the app's token",
	status.NeedNodeLost:        "a lagerd has stopped without saying so",
	status.NeedNotTaken:        "no running lagerd has taken the shop",
	status.NeedNoGoodTick:      "ticks were due and none succeeded",
	status.NeedNoSweep:         "items are not listed in full in time",
	status.NeedNoRackbeatKey:   "there is no key to read Rackbeat with",
	status.NeedHintWaits:       "a hint is not answered",
	status.NeedUnread:          "numbers cannot be read",
	status.NeedPDFFails:        "invoices cannot be fetched with lines and PDF",
	status.NeedShortOfCalls:    "the day's calls are used up",
	status.NeedSetAside:        "webhooks could not be read and are set aside",
	status.NeedWebhooks:        "webhooks do not arrive",

	status.NeedReason(plan.HeldTokenRefused):     "held: the token is refused",
	status.NeedReason(plan.HeldForbidden):        "held: access is forbidden",
	status.NeedReason(plan.HeldAgreementChanged): "held: the token is for another agreement",
	status.NeedReason(plan.HeldAccountChanged):   "held: the key is for another account",
	status.NeedReason(plan.HeldTokenUnreadable):  "held: the token cannot be decrypted",
	status.NeedReason(plan.HeldNoAppToken):       "held: there is no app secret token",
	status.NeedReason(plan.HeldPlacesChanged):    "held: the chosen places are no longer there",
	status.NeedReason(plan.HeldNoInventory):      "held: there are no stock figures",
	status.NeedReason(plan.HeldUnreadable):       "held: no item can be read",
	status.NeedReason(plan.HeldLosses):           "held: losses are held back",
}

// title is what the event is, to the operator.
func (e Event) title() string {
	title, ok := titles[e.Reason]
	if !ok {
		title = string(e.Reason)
	}
	if e.Scope != "" && e.Scope != plan.ScopeShop {
		title = string(e.Scope) + " " + title
	}
	if e.Webhooks != "" {
		title += " (" + string(e.Webhooks) + ")"
	}
	if e.Host != "" {
		title += " (" + e.Host + ")"
	}
	return title
}

// whose names the shops of an event: "shop1234", "3 shops", or "" for the installation.
func (e Event) whose() string {
	switch e.Count {
	case 0:
		return ""
	case 1:
		return e.Shops[0]
	}
	return fmt.Sprintf("%d shops", e.Count)
}

func operatorsText(c Content, id string) Text {
	var b strings.Builder
	section := func(title string, list []Event, write func(e Event)) {
		if len(list) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s\n", title)
		for _, e := range list {
			fmt.Fprintf(&b, "\n* %s\n", subjectOf(e))
			if e.Count > 1 {
				write(Event{Detail: strings.Join(e.Shops, ", ") + more(e)})
			}
			write(e)
		}
		b.WriteString("\n")
	}
	wrap := func(label, text string) {
		if text != "" {
			// A builder returns no error.
			_ = terminal.WriteWrapped(&b, "  "+label, terminal.Line(text), columns)
		}
	}
	if c.Test {
		b.WriteString("This is a test by `lagerd notify --test`: messages to the operator arrive here. There is nothing to do.\n\n")
	}
	section("WHAT NEEDS SOMEBODY", c.Began, func(e Event) {
		wrap("", e.Detail)
		if e.Since != nil {
			wrap("since: ", danish(lang.English, *e.Since))
		}
		wrap("to do: ", e.Do)
	})
	section("WHAT IS OVER, or is being done about (paused, removed or switched off)", c.Over, func(e Event) {
		wrap("", e.Detail)
		if e.Since != nil {
			wrap("noticed: ", danish(lang.English, *e.Since))
		}
	})
	fmt.Fprintf(&b, "-- \nAs of %s (Danish time, as all times here).\n`lagerd status` shows what is there now.\nMessage %s: one with the same number says the same.\n", danish(lang.English, c.At), id)
	return Text{Subject: "lagerd: " + subject(c, "test", "over: ", "and %d more", subjectOf), Body: b.String()}
}

const columns = 76 // how wide mail is written

func more(e Event) string {
	if n := e.Count - len(e.Shops); n > 0 {
		return fmt.Sprintf(" and %d more", n)
	}
	return ""
}

// subjectOf is the event on one line: "shop1234: held: losses are held back".
func subjectOf(e Event) string {
	if whose := e.whose(); whose != "" {
		return whose + ": " + e.title()
	}
	return e.title()
}

// subject names the first event.
func subject(c Content, test, over, others string, name func(e Event) string) string {
	text := test
	switch {
	case len(c.Began) > 0:
		text = name(c.Began[0])
	case len(c.Over) > 0:
		text = over + name(c.Over[0])
	}
	if n := len(c.Began) + len(c.Over) - 1; n > 0 {
		text += ", " + fmt.Sprintf(others, n)
	}
	return terminal.Line(text)
}

// danish formats a time as a clock in Denmark shows it.
func danish(l lang.Lang, t time.Time) string {
	t = t.In(lang.Denmark())
	if l == lang.English {
		return t.Format("2 January 2006 15:04")
	}
	return lang.DanishDate(t) + t.Format(" 2006 kl. 15.04")
}
