package story

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// english is for operators, whose times are UTC, as in all of lagerd's output for them, and for
// owners, whose times are Danish.
type english struct{ zone *time.Location }

func (english) units() units {
	return units{".", "second", "minute", "hour", "day", "seconds", "minutes", "hours", "days", "less than"}
}

func (l english) when(t time.Time) (day, clock string) {
	return t.In(l.zone).Format("Monday 2 January 2006 (MST)"), t.In(l.zone).Format("15:04:05")
}

// at returns a time within a sentence: with its day unless that is today's.
func (l english) at(t, now time.Time) string {
	switch t, now = t.In(l.zone), now.In(l.zone); {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return t.Format("at 15:04:05 MST")
	case t.Year() == now.Year():
		return t.Format("on 2 January at 15:04:05 MST")
	}
	return t.Format("on 2 January 2006 at 15:04:05 MST")
}

// thing names what the story is about.
func (english) thing(k plan.Kind) string {
	if k == plan.KindInvoice {
		return "invoice"
	}
	return "item"
}

func (l english) title(s Story) string {
	text := "Item " + named(s.Number)
	switch i := s.Stored.Invoice; {
	case s.Kind == plan.KindInvoice && i != nil && i.CreditNote:
		text = "Credit note " + s.Number
	case s.Kind == plan.KindInvoice:
		text = "Invoice " + s.Number
	case s.Stored.Item != nil && s.Stored.Item.Name != "":
		text += " (" + s.Stored.Item.Name + ")"
	}
	return text + " of " + s.Shop
}

func (l english) labels(s Story) labels {
	return labels{stored: "Stored:", answer: s.Answer.Source + " now:", verdict: "Result:", next: "Next:", near: "Did you mean:", state: "Shop:", leftOut: "Left out:",
		nothing: "Nothing is recorded since " + s.Since.In(l.zone).Format("2 January 2006.")}
}

// holding returns a stock with what it counts.
func (l english) holding(state plan.State, stock decimal.NullDecimal, figure plan.Figure, source string) string {
	switch {
	case state == plan.StateGone:
		return source + " no longer has the item"
	case !stock.Valid:
		return "no stock figure, since " + source + " sends none"
	}
	text := l.units().decimal(stock.Decimal) + " in stock"
	if figure == plan.FigureAvailable {
		text = l.units().decimal(stock.Decimal) + " available"
	}
	if state == plan.StateBarred {
		text += "; the item is barred"
	}
	return text
}

func (l english) places(list []Place) string {
	texts := make([]string, len(list))
	for n, p := range list {
		texts[n] = fmt.Sprintf("place %s %s", p.Place, l.units().decimal(p.InStock))
	}
	return strings.Join(texts, ", ")
}

func (l english) stored(s Story) []string {
	switch {
	case s.Stored.Item != nil:
		return l.storedItem(s, *s.Stored.Item)
	case s.Stored.Invoice != nil:
		return append([]string{l.storedInvoice(*s.Stored.Invoice)}, l.former(s)...)
	}
	return append([]string{"nothing under this number"}, l.former(s)...)
}

func (l english) storedItem(s Story, i Item) []string {
	list := []string{fmt.Sprintf("%s (last changed %s)", l.holding(i.State, i.Stock, i.Figure, i.Source.Name()), l.at(i.ChangedAt, s.ToldAt))}
	if i.RenumberedTo != "" {
		list = append(list, "its new number is probably "+named(i.RenumberedTo))
	}
	if len(i.Places) > 0 {
		list = append(list, "in the chosen places: "+l.places(i.Places))
	}
	if i.State == plan.StateGone {
		return list
	}
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "no figure"
		}
		return l.units().decimal(d.Decimal)
	}
	return append(list, fmt.Sprintf("%s's figures: in stock %s, available %s, ordered by customers %s, ordered from suppliers %s", i.Source.Name(),
		figure(i.Figures.InStock), figure(i.Figures.Available), figure(i.Figures.OrderedByCustomers), figure(i.Figures.OrderedFromSuppliers)))
}

func (l english) storedInvoice(i Invoice) string {
	order := "without order number"
	if i.OrderNumber != "" {
		order = fmt.Sprintf("order number %s", quote(i.OrderNumber))
	}
	pdf := "no PDF yet"
	if i.PDFState == "stored" {
		pdf = "PDF of " + l.units().size(i.PDFSize)
	}
	return fmt.Sprintf("dated %s, %s, %s", i.Date, order, pdf)
}

func (english) former(s Story) []string {
	var list []string
	for _, f := range s.Stored.Former {
		order := "without order number"
		if f.OrderNumber != "" {
			order = fmt.Sprintf("order number %s", quote(f.OrderNumber))
		}
		list = append(list, fmt.Sprintf("also one of previous agreement %d, dated %s, %s; the shop's software does not see it", f.Agreement, f.Date, order))
	}
	return list
}

func (l english) answer(s Story) []string {
	a := s.Answer
	asked := ""
	if a.AskedAt != nil {
		asked = " (asked " + l.at(*a.AskedAt, s.ToldAt) + ")"
	}
	switch a.Answered {
	case AnsweredAbsent:
		if s.Kind == plan.KindInvoice {
			return []string{"has no booked invoice of this number" + asked}
		}
		return []string{"has no item of this number" + asked}
	case AnsweredError:
		return []string{"could not be read" + asked + ": " + a.Error}
	case NotAsked:
		return []string{"not asked: " + a.Error}
	case AnsweredFound:
	}
	if s.Kind == plan.KindInvoice {
		text := "booked, dated " + a.Date
		if a.OrderNumber != "" {
			text += fmt.Sprintf(", order number %s", quote(a.OrderNumber))
		}
		return []string{text + asked, l.unreadable(a.Warning)}
	}
	list := []string{l.holding(a.State, a.Stock, l.figureOf(s), a.Source) + asked}
	if len(a.Places) > 0 {
		list = append(list, "in the chosen places: "+l.places(a.Places))
	}
	return append(list, l.unreadable(a.Warning))
}

func (english) figureOf(s Story) plan.Figure {
	if s.Stored.Item != nil {
		return s.Stored.Item.Figure
	}
	return ""
}

func (english) unreadable(warning string) string {
	if warning == "" {
		return ""
	}
	return "some fields could not be understood: " + warning
}

func (english) verdict(s Story) string {
	switch s.Verdict {
	case Agree:
		return "They agree."
	case Differ:
		return "They differ."
	case Neither:
		return "The number is neither stored nor at " + s.Answer.Source + "."
	case Unknown:
	}
	return "Not known."
}

func (l english) step(s Story, next Step) string { //nolint:gocyclo,funlen // one sentence per step
	when := "with the shop's next pass, within seconds"
	if next.At != nil {
		when = l.at(*next.At, s.ToldAt)
	}
	switch next.What {
	case StepResume:
		return fmt.Sprintf("The shop has been paused since %s (%s). Nothing is read until somebody runs `lagerd shops resume %s`. Webhooks are kept until then.", l.since(next, s), next.Detail, s.Shop)
	case StepStart:
		return "NO LAGERD IS RUNNING on this database, so nothing is read. Start one: `systemctl start lagerd`."
	case StepTake:
		return "No lagerd has the shop at the moment. Another one takes it over by itself, within lease.ttl."
	case StepOff:
		if next.Scope == plan.ScopeInvoices {
			return fmt.Sprintf("Invoices are off for this shop: `lagerd shops set %s --invoices on`.", s.Shop)
		}
		return fmt.Sprintf("Stock is off for this shop, or its key for Rackbeat is missing: `lagerd shops show %s`.", s.Shop)
	case StepUnhold:
		return l.unhold(s, next)
	case StepAsk:
		return fmt.Sprintf("The invoice is from before the shop's start, so lagerd does not look for it. `lagerd reconcile --shop %s --invoice %s` fetches it.", s.Shop, s.Number)
	case StepOrder:
		return l.noOrder(s)
	case StepPass:
		return "lagerd reads it " + when + "."
	case StepReread:
		return fmt.Sprintf("%s showed nothing new yet. lagerd reads it again %s.", s.Answer.Source, when)
	case StepConfirm:
		return fmt.Sprintf("%s showed less than is stored. Before lagerd takes stock away it reads it once more, %s.", s.Answer.Source, when)
	case StepRetry:
		return fmt.Sprintf("lagerd could not read it: %s. It tries again %s. The last error: %s", l.count(next.Tries, "attempt failed", "attempts failed"), when, next.Detail)
	case StepListing:
		return "More unknown numbers were named than lagerd asks for one by one. The next full check answers this one" + l.by(next, s) + "."
	case StepCalls:
		return "The calls that lagerd may spend on single numbers today are used up; the rest is kept for the regular checks. It is read " + when + " at the latest."
	case StepSpare:
		return "Others need the calls to " + s.Answer.Source + " that are left at the moment: regular checks, and other shops of the same account. lagerd tries again " + when + "; the next full check answers it too."
	case StepShop:
		return fmt.Sprintf("The last %s of the shop failed; lagerd keeps trying. The error: %s", l.count(next.Tries, "pass", "passes"), next.Detail)
	case StepTick:
		return "The next regular check for changes is due " + when + "."
	case StepSweep:
		return "If the change is not among those that " + s.Answer.Source + " lists then, the next full check finds it" + l.by(next, s) + "."
	case StepChange:
		return "The shop is changing over to other items: these are the former ones until the new ones have been read in full twice."
	case StepPDF:
		if next.Tries == 0 {
			return "lagerd fetches the PDF " + when + "."
		}
		return fmt.Sprintf("The PDF is missing: %s. lagerd tries again %s. The last error: %s", l.count(next.Tries, "attempt failed", "attempts failed"), when, next.Detail)
	case StepStays:
		return "What is stored stays: lagerd never deletes an invoice."
	case StepNothing:
		return "There is nothing to do."
	case StepUnread:
		return "What could not be understood keeps its stored value until it can be."
	case StepUnknown:
	}
	return "Nothing is waiting. Ask again when " + s.Answer.Source + " can be asked."
}

func (l english) since(next Step, s Story) string {
	if next.At == nil {
		return "an unknown time"
	}
	return strings.TrimPrefix(strings.TrimPrefix(l.at(*next.At, s.ToldAt), "at "), "on ")
}

func (l english) by(next Step, s Story) string {
	if next.At == nil || !next.At.After(s.ToldAt) {
		return ""
	}
	return ", due " + l.at(*next.At, s.ToldAt)
}

func (l english) unhold(s Story, next Step) string {
	since := l.since(next, s)
	switch next.Reason {
	case plan.HeldLosses:
		return fmt.Sprintf("lagerd has held back stock since %s, because too many items would lose theirs. `lagerd diff %[2]s` shows them; if they are right, run `lagerd approve %[2]s`. Until then the shop keeps the figure that is stored.", since, s.Shop)
	default:
		return fmt.Sprintf("lagerd has stopped %s since %s, because %s. `lagerd check --shop %s` says what to do. It goes on by itself once that is put right.", l.scope(next.Scope), since, l.reason(next.Reason), s.Shop)
	}
}

func (l english) noOrder(s Story) string {
	o := s.Stored.Invoice.Order
	if o.Text == "" {
		return fmt.Sprintf("The order number is missing: the invoice has nothing in %s, where lagerd looks for it. A booked invoice cannot be changed at e-conomic, so it stays without. If it stands in another field, set that for the next ones with `lagerd shops set %s --order-field`.", o.Field, s.Shop)
	}
	return fmt.Sprintf("The order number is missing: %s is %s, which the pattern %s does not match. `lagerd shops set %s --order-pattern` changes the pattern for the next ones.", o.Field, quote(o.Text), quote(o.Pattern), s.Shop)
}

func (english) scope(scope plan.Scope) string {
	switch scope {
	case plan.ScopeStock:
		return "reading stock"
	case plan.ScopeInvoices:
		return "looking for invoices"
	case plan.ScopePDFs:
		return "fetching PDFs"
	case plan.ScopeShop:
	}
	return "reading for this shop"
}

func (english) reason(r plan.Reason) string {
	switch r {
	case plan.HeldTokenRefused:
		return "the shop's token is refused"
	case plan.HeldForbidden:
		return "the shop's token does not allow it (403)"
	case plan.HeldAgreementChanged:
		return "the token is for another agreement than before"
	case plan.HeldAccountChanged:
		return "the key is for another Rackbeat account than before"
	case plan.HeldTokenUnreadable:
		return "the stored token cannot be decrypted with the master key"
	case plan.HeldNoAppToken:
		return "lagerd has no app secret token"
	case plan.HeldPlacesChanged:
		return "the warehouse's places no longer fit those that are chosen for the shop"
	case plan.HeldNoInventory:
		return "no item has a stock figure"
	case plan.HeldUnreadable:
		return "no item of the answer could be understood"
	case plan.HeldLosses:
		return "too many items would have lost their stock"
	}
	return string(r)
}

func (english) near(s Story, n Near) string {
	command := fmt.Sprintf("`lagerd why %s %s`", s.Shop, quoted(n.Number))
	if n.Kind == plan.KindInvoice {
		return fmt.Sprintf("invoice %s (`lagerd why %s %s --invoice`)", n.Number, s.Shop, n.Number)
	}
	return fmt.Sprintf("item %s (%s)", named(n.Number), command)
}

func (l english) leftOut(s Story, o LeftOut) string {
	since := strings.TrimPrefix(strings.TrimPrefix(l.at(o.Before, s.ToldAt), "at "), "on ")
	switch o.What {
	case LeftOutActions:
		return fmt.Sprintf("what people did to the shop before %s. They have done too much to tell it all.", since)
	case LeftOutRequests:
		return fmt.Sprintf("requests to read the %s before %s. There are too many to tell them all.", l.thing(s.Kind), since)
	case LeftOutChecks:
		return fmt.Sprintf("requests for a check of the shop before %s. There are too many to tell them all.", since)
	case LeftOutCalls:
		return fmt.Sprintf("webhook calls before %s. Of a shop's calls lagerd keeps only the latest.", since)
	case LeftOutObstacles:
		return fmt.Sprintf("what failed or was held before %s. There is too much to tell it all.", since)
	case LeftOutChanges:
	}
	return fmt.Sprintf("changes before %s. There are too many to tell them all: `lagerd export changes %s` has them.", since, s.Shop)
}

func (l english) state(s Story) string {
	if s.State.LastGoodTick == nil {
		return "never checked in full yet"
	}
	return "last checked " + l.at(*s.State.LastGoodTick, s.ToldAt)
}

func (english) count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

func (l english) event(s Story, e Event) string { //nolint:gocyclo // one case per kind of event
	switch e.What {
	case EventSeen:
		if s.Kind == plan.KindInvoice {
			return "lagerd stored the invoice."
		}
		return "lagerd read the item for the first time."
	case EventCall:
		return l.call(s, *e.Call)
	case EventRefused:
		return fmt.Sprintf("A webhook call from %s was refused: its code was wrong. (%s for this shop that day. lagerd does not read which number such a call names, so it may have been about this %s.) If e-conomic has an old code, enter the new one there; `lagerd shops rotate-code %s` makes one.",
			e.Refused.Remote, l.count(int(e.Refused.Calls), "such call", "such calls"), l.thing(s.Kind), s.Shop)
	case EventHint:
		return l.hint(s, *e.Hint)
	case EventChange:
		return l.change(*e.Change) + " " + l.found(*e.Change)
	case EventPDF:
		return fmt.Sprintf("The PDF (%s) was stored %s later.", l.units().size(e.PDF.Size), l.units().duration(e.PDF.Delay))
	case EventAction:
		return l.action(s, *e.Action)
	case EventHold:
		return l.hold(s, *e.Hold)
	case EventFailed:
		return l.failed(s, *e.Failed)
	case EventLease:
		on := ""
		if e.Lease.Host != "" {
			on = " (on " + e.Lease.Host + ")"
		}
		return "Another lagerd took the shop over" + on + "."
	case EventAgreement:
		return fmt.Sprintf("The shop moved to agreement %d.", e.Agreement)
	case EventWarning:
		if e.Warning.Number == "" {
			return s.Answer.Source + " also lists entries whose number could not be understood: " + e.Warning.Text
		}
		return "Part of the answer could not be understood; the stored value stays: " + e.Warning.Text
	}
	return string(e.What)
}

func (l english) hold(s Story, h Hold) string {
	text := fmt.Sprintf("lagerd stopped %s, because %s.", l.scope(h.Scope), l.reason(h.Reason))
	switch detail, _, _ := strings.Cut(h.Detail, ":"); {
	case h.Reason == plan.HeldLosses && detail == "":
		text = "lagerd began to hold back stock, because too many items would have lost theirs at once."
	case h.Reason == plan.HeldLosses:
		text = fmt.Sprintf("lagerd began to hold back stock: %s.", detail)
	case h.Detail != "":
		text += " (" + h.Detail + ")"
	}
	if h.EndedAt != nil {
		text += fmt.Sprintf(" That ended %s.", l.at(*h.EndedAt, s.ToldAt))
	}
	return text
}

func (l english) failed(s Story, f Failed) string {
	text := l.count(f.Times, "attempt", "attempts") + " to read the " + l.thing(s.Kind) + " failed"
	switch f.What {
	case store.ObstaclePDF:
		text = l.count(f.Times, "attempt", "attempts") + " to fetch the invoice's lines and PDF failed"
	case store.ObstaclePasses:
		text = l.count(f.Times, "pass", "passes") + " of the shop failed, so that nothing was read"
	case store.ObstacleReads, store.ObstacleHold:
	}
	if f.Times > 1 {
		text += ", the last " + l.at(f.LastAt, s.ToldAt)
	}
	if f.Error == "" {
		return text + "."
	}
	return text + ". The error: " + f.Error
}

func (l english) call(s Story, c Call) string {
	what := "A webhook named the " + l.thing(s.Kind)
	switch {
	case c.Outcome == webhook.OutcomeRecorded:
		return what + "; lagerd accepted it."
	case c.Outcome == webhook.OutcomeFromBrowser:
		return "Somebody opened the webhook's address in a browser, with the " + l.thing(s.Kind) + "; lagerd accepted it."
	case c.Status < 300:
		return fmt.Sprintf("%s; lagerd accepted it, with a remark (%s).", what, c.Outcome)
	case c.Status >= 500:
		return fmt.Sprintf("%s, but lagerd could not record it (answered %d, %s). The caller repeats it, and the regular check does not depend on it.", what, c.Status, c.Outcome)
	}
	return fmt.Sprintf("%s, but the call was not in order (answered %d, %s).", what, c.Status, c.Outcome)
}

func (l english) hint(s Story, h Hint) string {
	thing, from := l.thing(s.Kind), ""
	switch h.Cause {
	case plan.CauseWebhook:
		from = fmt.Sprintf("After %s lagerd put the %s on its list to read.", l.count(int(max(1, h.Webhooks)), "webhook", "webhooks"), thing)
	case plan.CauseInvoice:
		from = "An invoice that names the item was booked, so lagerd put the item on its list to read."
	case plan.CauseOperator:
		from = fmt.Sprintf("Somebody asked for the %s, so lagerd put it on its list to read.", thing)
	case plan.CauseTick, plan.CauseSweep:
		from = fmt.Sprintf("lagerd came upon the %s and put it on its list to read.", thing)
	}
	switch {
	case h.Failures > 0 && h.Open:
		return fmt.Sprintf("%s %s to read it since.", from, l.count(h.Failures, "attempt has failed", "attempts have failed"))
	case h.Tries > 0 && h.Open:
		return fmt.Sprintf("%s It has read it %s since, without anything new.", from, l.count(h.Tries, "time", "times"))
	case h.Open:
		return from
	case h.Note != "":
		return from + " The result: " + h.Note + "."
	}
	return from + " Nothing had changed."
}

// change says what changed.
func (l english) change(c Change) string {
	u := l.units()
	source := c.Source.Name()
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "no figure"
		}
		return u.decimal(d.Decimal)
	}
	switch c.What {
	case plan.WhatCreated:
		if !c.NewStock.Valid {
			return "The item was new, without a stock figure."
		}
		return fmt.Sprintf("The item was new, with a stock of %s.", figure(c.NewStock))
	case plan.WhatStock:
		return l.stock(c)
	case plan.WhatPlaces:
		return fmt.Sprintf("Goods were moved between places; the stock is still %s.", figure(c.NewStock))
	case plan.WhatGone:
		if c.RenumberedTo != "" {
			return fmt.Sprintf("The item was gone from %s: its number is probably %s now.", source, named(c.RenumberedTo))
		}
		return "The item was gone from " + source + ": deleted or renumbered there."
	case plan.WhatReturned:
		return fmt.Sprintf("The item was back at %s, with a stock of %s.", source, figure(c.NewStock))
	case plan.WhatBooked:
		return "The invoice was booked, and lagerd stored it."
	case plan.WhatState:
	}
	switch {
	case c.NewState == plan.StateBarred:
		return fmt.Sprintf("The item was barred at %s; its stock is %s.", source, figure(c.NewStock))
	case c.NewState == plan.StateNoInventory:
		return source + " no longer sent a stock figure for the item."
	case c.OldState == plan.StateBarred:
		return fmt.Sprintf("The item was no longer barred; its stock is %s.", figure(c.NewStock))
	}
	return fmt.Sprintf("%s sent a stock figure again: %s.", source, figure(c.NewStock))
}

// stock tells of a change of figures, the shop's stock or another one.
func (l english) stock(c Change) string {
	figure := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return "no figure"
		}
		return l.units().decimal(d.Decimal)
	}
	switch {
	case c.Other == nil && c.NewSetting:
		return fmt.Sprintf("The stock went from %s to %s, since another of %s's figures counts as the shop's stock now.", figure(c.OldStock), figure(c.NewStock), c.Source.Name())
	case c.Other == nil && c.Elsewhere:
		return fmt.Sprintf("The stock at %s went from %s to %s.", c.Source.Name(), figure(c.OldStock), figure(c.NewStock))
	case c.Other == nil:
		return fmt.Sprintf("The stock went from %s to %s.", figure(c.OldStock), figure(c.NewStock))
	}
	name := map[plan.Figure]string{plan.FigureInStock: "what is in stock", plan.FigureAvailable: "what is available"}[c.Other.Figure]
	if name == "" {
		return fmt.Sprintf("The stock stayed %s; another of the item's figures changed.", figure(c.NewStock))
	}
	return fmt.Sprintf("The stock stayed %s; %s went from %s to %s.", figure(c.NewStock), name, figure(c.Other.Old), figure(c.Other.New))
}

// found says how a change was found, and how long that took.
func (l english) found(c Change) string {
	var text string
	switch c.Cause {
	case plan.CauseWebhook:
		text = "A webhook had announced it."
	case plan.CauseTick:
		text = "The regular check found it."
	case plan.CauseInvoice:
		text = "lagerd looked because an invoice that names the item was booked."
	case plan.CauseSweep:
		text = "A full check found it."
	case plan.CauseOperator:
		text = "lagerd looked because somebody asked it to."
	}
	switch c.Webhook {
	case plan.WebhookMissed:
		text += " No webhook had come for it."
	case plan.WebhookLate:
		text += " Its webhook came only afterwards."
	case plan.WebhookNone, plan.WebhookCame:
	}
	if c.Webhooks > 1 {
		text += fmt.Sprintf(" %d webhooks had come since the last change; lagerd stores what %s says when it asks, not each figure in between.", c.Webhooks, c.Source.Name())
	}
	switch {
	case c.Delay == nil, c.NewSetting:
	case c.HintedAt != nil:
		text += fmt.Sprintf(" It was stored %s after the webhook.", l.units().duration(*c.Delay))
	case time.Duration(*c.Delay) < 2*time.Minute: // the source's time is a whole minute
		text += fmt.Sprintf(" %s dates it %s.", c.Source.Name(), l.minute(*c.SourceAt))
	default:
		text += fmt.Sprintf(" %s dates it %s, %s earlier.", c.Source.Name(), l.minute(*c.SourceAt), l.units().duration(*c.Delay))
	}
	return text
}

func (l english) minute(t time.Time) string { return t.In(l.zone).Format("15:04") }

func (l english) action(s Story, a Action) string {
	who := a.Account
	if who == "" {
		who = "Somebody"
	}
	var did string
	switch a.What {
	case store.ActionAdded:
		did = "added the shop"
	case store.ActionSet:
		did = "changed settings"
	case store.ActionPaused:
		did = "paused the shop"
	case store.ActionResumed:
		did = "resumed the shop"
	case store.ActionApproved:
		did = fmt.Sprintf("approved that up to %s items lose their stock", a.Detail)
	case store.ActionAccepted:
		did = fmt.Sprintf("accepted agreement %s for the shop", a.Detail)
	case store.ActionCodeAdded:
		did = "made a new integration code"
	case store.ActionCodeReplaced:
		did = "replaced the new integration code"
	case store.ActionCodeRetired:
		did = "retired the old integration code"
	case store.ActionAsked:
		did = l.asked(s, a)
	}
	text := who + " " + did
	if a.Command != "" {
		text += " (`" + a.Command + "`)"
	}
	if a.What == store.ActionSet || a.What == store.ActionPaused {
		return sentence(text, a.Detail)
	}
	return text + "."
}

func (l english) asked(s Story, a Action) string {
	switch {
	case a.Number != "":
		return "asked lagerd to read the " + l.thing(s.Kind)
	case a.Detail == store.WantSweep:
		return "asked for a full check of the shop"
	}
	return "asked for a check of the shop"
}
