package story_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/status/story"
	"lagerd/store"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) store.Time { return store.At(noon.Add(-d)) }

func number(text string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(text))
}

// facts are those of an item or invoice that is stored, and that its source has not been asked
// about.
func facts(kind plan.Kind, change func(f *story.Facts)) story.Facts {
	st := store.ShopStatus{Holder: "a", Shop: store.Shop{Shop: shop, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic, InvoicesOn: true,
		InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, Dataset: shop, StockDataset: shop},
		Progress: store.Progress{ItemsDataset: shop, InvoicesBegun: true, InvoiceCursor: 100}}
	f := story.Facts{Subject: story.Subject{Shop: status.Of(st), Status: st, Living: 1, Kind: kind, Number: "7", Since: noon.Add(-30 * 24 * time.Hour), Now: noon},
		NextTick: noon.Add(time.Minute), NextFull: noon.Add(5 * time.Hour)}
	f.Answer = story.Ask(kind, st.Shop, noon).Unasked("--offline")
	f.Rows.ItemSource = store.SourceEconomic
	if kind == plan.KindStock {
		f.Rows.Item = &plan.Row{Item: plan.Item{Number: "7", Name: "Vase", InventoryEnabled: true, Figures: plan.Figures{InStock: number("42")}}, State: plan.StateOK, Stock: number("42"),
			FirstSeenAt: noon.Add(-48 * time.Hour), ChangedAt: noon.Add(-time.Hour)}
	} else {
		f.Rows.Invoice = &store.Invoice{Number: 7, InvoiceDate: "2026-11-20", OrderNumber: "10042", PDFState: "stored", PDFSize: 35_400, FoundAt: ago(time.Hour)}
	}
	if change != nil {
		change(&f)
	}
	short := f.Shop.ShortOfCalls // which depends on the limits
	f.Shop = status.Of(f.Status)
	f.Shop.ShortOfCalls = short
	return f
}

// says is an answer with a figure.
func says(f *story.Facts, stock string) {
	item := f.Rows.Item
	obs := plan.Observation{Found: true, Began: noon, Item: plan.Item{Number: "7", Name: "Vase", InventoryEnabled: true, Figures: plan.Figures{InStock: number(stock)}}}
	if item != nil && stock == item.Stock.Decimal.String() {
		obs.Item = item.Item
	}
	f.Answer = story.Ask(f.Kind, f.Status.Shop, noon).Item(obs, nil)
}

func absent(f *story.Facts) {
	if f.Kind == plan.KindInvoice {
		f.Answer = story.Ask(f.Kind, f.Status.Shop, noon).Invoice(nil, "", nil)
		return
	}
	f.Answer = story.Ask(f.Kind, f.Status.Shop, noon).Item(plan.Observation{Item: plan.Item{Number: "7"}, Began: noon}, nil)
}

func booked(date string) func(f *story.Facts) {
	return func(f *story.Facts) {
		f.Answer = story.Ask(f.Kind, f.Status.Shop, noon).Invoice(&plan.Invoice{Number: 7, Date: date}, "10042", nil)
	}
}

func open(change func(h *store.Hint)) func(f *story.Facts) {
	return func(f *story.Facts) {
		says(f, "41")
		f.Rows.Hint = &store.Hint{Number: "7", Open: true, Cause: plan.CauseWebhook, Webhooks: 1, FirstAt: ago(time.Minute), LastAt: ago(time.Minute), DueAt: ago(time.Hour)}
		change(f.Rows.Hint)
	}
}

func held(scope plan.Scope, reason plan.Reason) func(f *story.Facts) {
	return func(f *story.Facts) {
		says(f, "41")
		f.Status.Progress.Holds = plan.Holds{{Scope: scope, Reason: reason, Since: noon.Add(-time.Hour)}}
	}
}

// then applies several changes.
func then(all ...func(f *story.Facts)) func(f *story.Facts) {
	return func(f *story.Facts) {
		for _, change := range all {
			change(f)
		}
	}
}

// TestNext is the tables of Facts.verdict and Facts.next.
func TestNext(t *testing.T) { //nolint:maintidx // a table
	t.Parallel()
	differs := func(f *story.Facts) { says(f, "41") }
	later := func(h *store.Hint) { h.DueAt = ago(-time.Minute) }
	for _, c := range []struct {
		name string
		kind plan.Kind
		is   func(f *story.Facts)
		want string
	}{
		{"equal", plan.KindStock, func(f *story.Facts) { says(f, "42") }, "agree: nothing_to_do"},
		{"not asked", plan.KindStock, nil, "unknown: unknown_answer"},
		{"no answer", plan.KindStock, func(f *story.Facts) { f.Answer = f.Answer.Item(plan.Observation{}, errors.New("no")) }, "unknown: unknown_answer"},
		{"in part", plan.KindStock, func(f *story.Facts) { says(f, "42"); f.Answer.Observation.Unknown = plan.FieldBarred }, "unknown: unreadable"},
		{"in a part that does not decide", plan.KindStock, func(f *story.Facts) { says(f, "42"); f.Answer.Observation.Unknown = plan.FieldName }, "agree: nothing_to_do"},
		{"gone in both", plan.KindStock, func(f *story.Facts) {
			f.Rows.Item.State, f.Rows.Item.Stock = plan.StateGone, decimal.NullDecimal{}
			absent(f)
		}, "agree: nothing_to_do"},
		{"in neither", plan.KindStock, func(f *story.Facts) { f.Rows.Item = nil; absent(f) }, "neither: nothing_to_do"},
		{"differs", plan.KindStock, differs, "differ: tick at 12:01, sweep at 17:00"},
		{"new", plan.KindStock, func(f *story.Facts) { f.Rows.Item = nil; says(f, "41") }, "differ: tick at 12:01, sweep at 17:00"},
		{"gone", plan.KindStock, absent, "differ: tick at 12:01, sweep at 17:00"},
		{"never swept", plan.KindStock, then(differs, func(f *story.Facts) { f.NextFull = time.Time{} }), "differ: tick at 12:01"},
		{"changing over", plan.KindStock, then(differs, func(f *story.Facts) { f.Status.Progress.ItemsDataset = "@7" }), "differ: changeover"},
		{"failing passes", plan.KindStock, then(differs, func(f *story.Facts) { f.Status.Progress.Failures, f.Status.Progress.Failure = 3, "refused" }), "differ: shop_retry 3 times: refused"},

		{"paused", plan.KindStock, then(differs, func(f *story.Facts) { f.Status.Shop.PausedAt, f.Status.Shop.PauseReason = ago(time.Hour), "why" }), "differ: resume at 11:00: why"},
		{"stock off", plan.KindStock, then(differs, func(f *story.Facts) { f.Status.Shop.StockOn = false }), "differ: switched_on"},
		{"invoices off", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) { f.Status.Shop.InvoicesOn = false }), "agree: switched_on"},
		{"no lagerd", plan.KindStock, then(differs, func(f *story.Facts) { f.Living = 0 }), "differ: start"},
		{"not taken", plan.KindStock, then(differs, func(f *story.Facts) { f.Status.Holder = "" }), "differ: taken"},
		{"token refused", plan.KindStock, held(plan.ScopeShop, plan.HeldTokenRefused), "differ: hold_ends at 11:00 token_refused"},
		{"stock forbidden", plan.KindStock, held(plan.ScopeStock, plan.HeldForbidden), "differ: hold_ends at 11:00 forbidden"},
		{"PDFs forbidden", plan.KindStock, held(plan.ScopePDFs, plan.HeldForbidden), "differ: tick at 12:01, sweep at 17:00"},
		{"losses, not this one's", plan.KindStock, held(plan.ScopeStock, plan.HeldLosses), "differ: tick at 12:01, sweep at 17:00"},
		{"losses, this one's", plan.KindStock, then(held(plan.ScopeStock, plan.HeldLosses), func(f *story.Facts) { says(f, "0") }), "differ: hold_ends at 11:00 losses"},
		{"losses, held back", plan.KindStock, then(held(plan.ScopeStock, plan.HeldLosses), open(func(h *store.Hint) { h.Reason = plan.HintHeldBack })), "differ: hold_ends at 11:00 losses"},
		{"losses, not asked", plan.KindStock, then(held(plan.ScopeStock, plan.HeldLosses), func(f *story.Facts) { f.Answer = f.Answer.Unasked("x"); f.Answer.Observation = nil }), "unknown: hold_ends at 11:00 losses"},

		{"a webhook in a batch", plan.KindStock, then(differs, func(f *story.Facts) { f.Rows.Received = noon }), "differ: read_now"},
		{"due", plan.KindStock, open(func(*store.Hint) {}), "differ: read_now"},
		{"answered", plan.KindStock, open(func(h *store.Hint) { h.Open = false }), "differ: tick at 12:01, sweep at 17:00"},
		{"read again", plan.KindStock, open(later), "differ: read_again at 12:01"},
		{"confirm", plan.KindStock, open(func(h *store.Hint) { later(h); h.Reason = plan.HintUnconfirmed }), "differ: confirm at 12:01"},
		{"failing", plan.KindStock, open(func(h *store.Hint) { later(h); h.Failures, h.Note = 4, "status 500" }), "differ: retry at 12:01 4 times: status 500"},
		{"failing, due", plan.KindStock, open(func(h *store.Hint) { h.Failures, h.Note = 4, "status 500" }), "differ: retry 4 times: status 500"},
		{"awaits a listing", plan.KindStock, open(func(h *store.Hint) { h.Reason = plan.HintAwaitsListing }), "differ: listing at 17:00"},
		{"the day's calls are used up", plan.KindStock, then(open(func(h *store.Hint) { later(h); h.Reason = plan.HintShort }), func(f *story.Facts) { f.Shop.ShortOfCalls = true }), "differ: calls at 00:00"},
		{"others need the calls", plan.KindStock, open(func(h *store.Hint) { later(h); h.Reason = plan.HintShort }), "differ: spare_calls at 12:01"},
		{"failing, as the shop does", plan.KindStock, then(open(func(h *store.Hint) { later(h); h.Failures, h.Note = 4, "status 500" }), func(f *story.Facts) { f.Status.Progress.Failures, f.Status.Progress.Failure = 3, "refused" }), "differ: retry at 12:01 4 times: status 500"},
		{"waits for the shop", plan.KindStock, then(open(later), func(f *story.Facts) { f.Status.Progress.Failures, f.Status.Progress.Failure = 3, "refused" }), "differ: shop_retry 3 times: refused"},

		{"an invoice", plan.KindInvoice, booked("2026-11-20"), "agree: nothing_to_do"},
		{"an invoice that is gone", plan.KindInvoice, absent, "differ: stays"},
		{"a new invoice", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) { f.Rows.Invoice = nil; f.Number = "101" }), "differ: tick at 12:01, sweep at 17:00"},
		{"an old one", plan.KindInvoice, then(booked("2026-10-31"), func(f *story.Facts) { f.Rows.Invoice = nil }), "differ: asked_for"},
		{"an old one, by its number", plan.KindInvoice, then(booked("2026-10-31"), func(f *story.Facts) {
			f.Rows.Invoice, f.Status.Shop.InvoicesFrom, f.Status.Shop.InvoicesFromNumber = nil, "", 8
		}), "differ: asked_for"},
		{"a gap", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) { f.Rows.Invoice = nil }), "differ: tick at 12:01, sweep at 17:00"},
		{"no invoice", plan.KindInvoice, then(absent, func(f *story.Facts) { f.Rows.Invoice = nil }), "neither: nothing_to_do"},
		{"PDF pending", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) { f.Rows.Invoice.PDFState = "pending" }), "agree: pdf"},
		{"PDF failing", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) {
			i := f.Rows.Invoice
			i.PDFState, i.WorkTries, i.WorkError, i.WorkDueAt = "pending", 3, "status 404", ago(-time.Hour)
		}), "agree: pdf at 13:00 3 times: status 404"},
		{"PDF pending, paused", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) {
			f.Rows.Invoice.PDFState, f.Status.Shop.PausedAt = "pending", ago(0)
		}), "agree: resume at 12:00"},
		{"no order number", plan.KindInvoice, then(booked("2026-11-20"), func(f *story.Facts) { f.Rows.Invoice.OrderNumber = "" }), "agree: no_order"},
	} {
		told := story.Tell(facts(c.kind, c.is))
		var list []string
		for _, s := range told.Next {
			text := string(s.What)
			if s.At != nil {
				text += s.At.Format(" at 15:04")
			}
			if s.Reason != "" {
				text += " " + string(s.Reason)
			}
			if s.Tries > 0 && s.What != story.StepReread {
				text += fmt.Sprintf(" %d times", s.Tries)
			}
			if s.Detail != "" {
				text += ": " + s.Detail
			}
			list = append(list, text)
		}
		if got := fmt.Sprintf("%s: %s", told.Verdict, strings.Join(list, ", ")); got != c.want {
			t.Errorf("%s: %s, expected %s", c.name, got, c.want)
		}
		for _, lang := range []string{"en", "da"} {
			language, _ := story.LanguageOf(lang)
			var b strings.Builder
			if err := told.Text(language).Write(&b); err != nil {
				t.Fatal(err)
			}
			fits(t, b.String())
			if strings.Contains(b.String(), "%!") {
				t.Errorf("%s in %s:\n%s", c.name, lang, b.String())
			}
		}
	}
}

// TestWebhooksOfAChange: the accepted webhooks that came since the change before was read, until this one
// was.
func TestWebhooksOfAChange(t *testing.T) {
	t.Parallel()
	call := func(minutes, status int) store.WebhookCall {
		return store.WebhookCall{CalledAt: store.At(noon.Add(time.Duration(minutes) * time.Minute)), Status: status}
	}
	change := func(minutes int) store.Change {
		at := store.At(noon.Add(time.Duration(minutes) * time.Minute))
		return store.Change{Kind: plan.KindStock, Number: "7", What: plan.WhatStock, ObservedAt: at, CommittedAt: store.At(at.Add(time.Second)), Source: store.SourceEconomic}
	}
	told := story.Tell(facts(plan.KindStock, func(f *story.Facts) {
		f.Rows.Changes = []store.Change{change(-60), change(-30), change(-10)}
		f.Rows.Calls = []store.WebhookCall{call(-70, 200), call(-65, 503), call(-62, 403), call(-60, 200), call(-40, 200), call(-5, 200)}
	}))
	var got []int
	for _, e := range told.Events {
		if e.What == story.EventChange {
			got = append(got, e.Change.Webhooks)
		}
	}
	if fmt.Sprint(got) != "[2 1 0]" {
		t.Errorf("webhooks of the changes: %v, expected [2 1 0]", got)
	}
}

// TestUnread: what is not stored because it cannot be read is never said to be unknown at its source.
func TestUnread(t *testing.T) {
	t.Parallel()
	nameless := store.Warning{Kind: plan.KindInvoice, Text: "2 without a number", FirstAt: ago(time.Hour)}
	own := store.Warning{Kind: plan.KindInvoice, Number: "7", Text: "dueDate: expected a date", FirstAt: ago(time.Hour)}
	unread := func(f *story.Facts) {
		f.Rows.Invoice = nil
		f.Answer = f.Answer.Invoice(nil, "", errors.New("grossAmount: expected a number"))
		f.Rows.Hint = &store.Hint{Number: "7", Open: true, Failures: 3, FirstAt: ago(time.Hour), DueAt: ago(0), Cause: plan.CauseTick, Note: "grossAmount: expected a number"}
	}
	for name, c := range map[string]struct {
		is   func(f *story.Facts)
		has  []string
		lack []string
	}{
		"unread":   {unread, []string{"could not be read", "3 attempts have failed", "grossAmount: expected a number"}, []string{"no booked invoice"}},
		"nameless": {then(unread, func(f *story.Facts) { f.Rows.Warnings = []store.Warning{nameless} }), []string{"also lists entries whose number could not be understood: 2 without a number"}, nil},
		"in part":  {func(f *story.Facts) { f.Rows.Warnings = []store.Warning{nameless, own} }, []string{"the stored value stays: dueDate: expected a date"}, []string{"also lists"}},
		"pattern": {func(f *story.Facts) {
			f.Rows.Invoice.OrderNumber, f.Rows.Invoice.OtherReference, f.Status.Shop.OrderPattern = "", "Ordre 10042", `#(\d+)`
		}, []string{`references.other is "Ordre 10042", which the pattern "#(\d+)" does not match.`}, []string{"has nothing in"}},
		"former": {func(f *story.Facts) {
			f.Rows.Former = map[int64]store.Invoice{100003: {Number: 7, InvoiceDate: "2025-01-03", OrderNumber: "10043"}, 100002: {Number: 7, InvoiceDate: "2025-01-02"}}
		}, []string{"also one of previous agreement 100002, dated 2025-01-02, without order number; the shop's software does not see it also one of previous agreement 100003, dated 2025-01-03, order number \"10043\""}, nil},
		"credit note": {func(f *story.Facts) { f.Rows.Invoice.CreditNote = true }, []string{"Credit note 7 of shop1234"}, nil},
		"absent":      {then(absent, func(f *story.Facts) { f.Rows.Invoice = nil }), []string{"has no booked invoice of this number", "neither stored nor at e-conomic"}, nil},
	} {
		text := tells(t, story.Tell(facts(plan.KindInvoice, c.is)), "en")
		for _, part := range c.has {
			if !strings.Contains(text, part) {
				t.Errorf("%s: no %q in\n%s", name, part, text)
			}
		}
		for _, part := range c.lack {
			if strings.Contains(text, part) {
				t.Errorf("%s: %q in\n%s", name, part, text)
			}
		}
	}
}

// tells returns the text with its lines joined.
func tells(t *testing.T, s story.Story, lang string) string {
	t.Helper()
	language, _ := story.LanguageOf(lang)
	var b strings.Builder
	if err := s.Text(language).Write(&b); err != nil {
		t.Fatal(err)
	}
	fits(t, b.String())
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestEvents: each kind of event, in order, in both languages.
func TestEvents(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	change := func(what plan.What, after time.Duration, more func(c *store.Change)) store.Change {
		c := store.Change{Shop: shop, Number: "7", What: what, OldStock: text("42"), NewStock: text("41"), OldState: plan.StateOK, NewState: plan.StateOK, Cause: plan.CauseTick,
			Webhook: plan.WebhookNone, Source: store.SourceEconomic, ObservedAt: ago(-after), CommittedAt: ago(-after), Token: 5}
		more(&c)
		return c
	}
	f := facts(plan.KindStock, func(f *story.Facts) {
		f.Since = noon.Add(-10 * time.Minute)
		f.Rows.Changes = []store.Change{
			change(plan.WhatCreated, -10*time.Minute, func(c *store.Change) { c.OldStock, c.NewStock = nil, text("2.5") }),
			change(plan.WhatState, -9*time.Minute, func(c *store.Change) { c.NewState, c.NewStock, c.Cause = plan.StateNoInventory, nil, plan.CauseSweep }),
			change(plan.WhatState, -8*time.Minute, func(c *store.Change) { c.OldState, c.Cause = plan.StateNoInventory, plan.CauseInvoice }),
			change(plan.WhatState, -7*time.Minute, func(c *store.Change) { c.OldState, c.Cause, c.Token = plan.StateBarred, plan.CauseOperator, 6 }),
			change(plan.WhatPlaces, -6*time.Minute, func(c *store.Change) { c.Source, c.Webhook = store.SourceRackbeat, plan.WebhookLate }),
			change(plan.WhatGone, -5*time.Minute, func(c *store.Change) { c.EconomicAt = ago(4 * time.Minute) }), // rounded up
			change(plan.WhatReturned, -4*time.Minute, func(c *store.Change) { c.EconomicAt = ago(3 * time.Hour) }),
			change(plan.WhatStock, -3*time.Minute, func(c *store.Change) { c.NewStock = text("42") }),
		}
		f.Rows.Calls = []store.WebhookCall{{CalledAt: ago(150 * time.Second), Status: 503, Outcome: "full"}, {CalledAt: ago(140 * time.Second), Status: 200, Outcome: "quoted"},
			{CalledAt: ago(130 * time.Second), Status: 400, Outcome: "bad_number"}}
		f.Rows.Hint = &store.Hint{Number: "7", Cause: plan.CauseWebhook, Webhooks: 2, FirstAt: ago(2 * time.Minute), LastAt: ago(2 * time.Minute)}
		f.Rows.Agreements = []store.Agreement{{AgreementNumber: 1, AcceptedAt: ago(time.Hour)}, {AgreementNumber: 2, AcceptedAt: ago(100 * time.Second)}, {AgreementNumber: 3, AcceptedAt: ago(99 * time.Second)}}
		f.Rows.Lease = store.Lease{Holder: "b", Token: 7, TakenAt: ago(95 * time.Second)}
		f.Rows.Instances = []store.Instance{{Instance: "a", Host: "web1"}, {Instance: "b", Host: "web2"}}
		for n, a := range []store.Action{{What: store.ActionAdded}, {What: store.ActionResumed}, {What: store.ActionApproved, Detail: "7"}, {What: store.ActionAccepted, Detail: "3"}, {What: store.ActionCodeReplaced},
			{What: store.ActionCodeRetired}, {What: store.ActionAsked, Kind: plan.KindStock, Number: "7"}, {What: store.ActionAsked, Kind: plan.KindStock, Number: "8"}, {What: store.ActionAsked, Detail: store.WantTick},
			{What: store.ActionSet, Detail: "grant-token: (new)", Account: "mette", Command: "lagerd shops set"}} {
			a.ActedAt = ago(time.Duration(90-n) * time.Second)
			f.Rows.Actions = append(f.Rows.Actions, a)
		}
		f.Status.Progress.Holds = plan.Holds{{Scope: plan.ScopeStock, Reason: plan.HeldForbidden, Detail: "status 403", Since: noon.Add(-time.Minute)}, {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Since: noon}}
	})
	for lang, want := range map[string][]string{
		"en": {
			"11:50:00 The item was new, with a stock of 2.5. The regular check found it.",
			"11:51:00 e-conomic no longer sent a stock figure for the item. A full check found it.",
			"11:52:00 e-conomic sent a stock figure again: 41. lagerd looked because an invoice that names the item was booked.",
			"11:53:00 Another lagerd took the shop over.",
			"11:53:00 The item was no longer barred; its stock is 41. lagerd looked because somebody asked it to.",
			"11:54:00 Goods were moved between places; the stock is still 41. The regular check found it. Its webhook came only afterwards.",
			"11:55:00 The item was gone from e-conomic: deleted or renumbered there. The regular check found it.",
			"11:56:00 The item was back at e-conomic, with a stock of 41. The regular check found it. e-conomic dates it 09:00, 2 hours earlier.",
			"11:57:00 The stock stayed 42; another of the item's figures changed. The regular check found it.",
			"11:57:30 A webhook named the item, but lagerd could not record it (answered 503, full). The caller repeats it, and the regular check does not depend on it.",
			"11:57:40 A webhook named the item; lagerd accepted it, with a remark (quoted).",
			"11:57:50 A webhook named the item, but the call was not in order (answered 400, bad_number).",
			"11:58:00 After 2 webhooks lagerd put the item on its list to read. Nothing had changed.",
			"11:58:20 The shop moved to agreement 2.",
			"11:58:25 Another lagerd took the shop over (on web2).",
			"11:58:30 Somebody added the shop.",
			"11:58:31 Somebody resumed the shop.",
			"11:58:32 Somebody approved that up to 7 items lose their stock.",
			"11:58:33 Somebody accepted agreement 3 for the shop.",
			"11:58:34 Somebody replaced the new integration code.",
			"11:58:35 Somebody retired the old integration code.",
			"11:58:36 Somebody asked lagerd to read the item.",
			"11:58:38 Somebody asked for a check of the shop.",
			"11:58:39 mette changed settings (`lagerd shops set`): grant-token: (new).",
			"11:59:00 lagerd stopped reading stock, because the shop's token does not allow it (403). (status 403)",
		},
		"da": {
			"12:50:00 Varen var ny, med 2,5 på lager. Den faste kontrol fandt det.",
			"12:51:00 e-conomic sendte ikke længere et lagertal for varen. En fuld gennemgang fandt det.",
			"12:52:00 e-conomic sendte igen et lagertal: 41. lagerd så efter, fordi en faktura, der nævner varen, blev bogført.",
			"12:53:00 En anden lagerd overtog butikken.",
			"12:53:00 Varen var ikke længere spærret; lageret er 41. lagerd så efter, fordi nogen bad om det.",
			"12:54:00 Der blev flyttet varer mellem lokationer; lageret er stadig 41. Den faste kontrol fandt det. Webhooket kom først bagefter.",
			"12:55:00 Varen fandtes ikke længere i e-conomic: den er slettet eller har fået et andet nummer. Den faste kontrol fandt det.",
			"12:56:00 Varen var tilbage i e-conomic, med 41 på lager. Den faste kontrol fandt det. Ifølge e-conomic skete det kl. 10:00, 2 timer før.",
			"12:57:00 Lageret er stadig 42; et andet af varens tal blev ændret. Den faste kontrol fandt det.",
			"12:57:30 Et webhook nævnte varen, men lagerd kunne ikke notere det (svarede 503, full). Afsenderen gentager det, og den faste kontrol afhænger ikke af det.",
			"12:57:40 Et webhook nævnte varen; lagerd tog imod det, med en bemærkning (quoted).",
			"12:57:50 Et webhook nævnte varen, men kaldet var ikke i orden (svar 400, bad_number).",
			"12:58:00 Efter 2 webhooks satte lagerd varen på listen over det, der skal læses. Intet var ændret.",
			"12:58:20 Butikken skiftede til aftale 2.",
			"12:58:25 En anden lagerd overtog butikken (på web2).",
			"12:58:30 Nogen oprettede butikken.",
			"12:58:31 Nogen satte butikken i gang igen.",
			"12:58:32 Nogen godkendte, at op til 7 varer mister deres lager.",
			"12:58:33 Nogen godkendte aftale 3 for butikken.",
			"12:58:34 Nogen erstattede den nye integrationskode.",
			"12:58:35 Nogen trak den gamle integrationskode tilbage.",
			"12:58:36 Nogen bad lagerd om at læse varen.",
			"12:58:38 Nogen bad om en kontrol af butikken.",
			"12:58:39 mette ændrede indstillinger (`lagerd shops set`): grant-token: (ny).",
			"12:59:00 lagerd stoppede læsningen af lager, fordi butikkens token ikke giver adgang (403).",
		},
	} {
		if diff := cmp.Diff(want, eventsOf(t, story.Tell(f), lang)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lang, diff)
		}
	}
}

// eventsOf returns the events of a story as it is written, each on one line.
func eventsOf(t *testing.T, s story.Story, lang string) []string {
	t.Helper()
	language, _ := story.LanguageOf(lang)
	var b strings.Builder
	if err := s.Text(language).Write(&b); err != nil {
		t.Fatal(err)
	}
	fits(t, b.String())
	var list []string
	_, events, _ := strings.Cut(b.String(), "2026 (")
	for line := range strings.Lines(events) {
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "            "):
			list[len(list)-1] += " " + strings.TrimSpace(line)
		case strings.HasPrefix(line, "  "):
			list = append(list, strings.Join(strings.Fields(line), " "))
		}
	}
	return list
}

// TestDays: a day is named where it begins, in the language's time, also that on which the clocks are
// set back.
func TestDays(t *testing.T) {
	t.Parallel()
	var calls []store.WebhookCall
	for _, at := range []string{"2026-10-24T22:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T23:30:00Z"} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, store.WebhookCall{CalledAt: store.At(when), Status: 200, Outcome: "recorded"})
	}
	told := story.Tell(facts(plan.KindStock, func(f *story.Facts) {
		f.Since = noon.Add(-60 * 24 * time.Hour)
		f.Rows.Item, f.Rows.Calls = nil, calls
	}))
	for lang, want := range map[string][]string{
		"en": {"Saturday 24 October 2026 (UTC)", "22:30:00", "Sunday 25 October 2026 (UTC)", "00:30:00", "01:30:00", "23:30:00"},
		"da": {"Søndag den 25. oktober 2026 (dansk sommertid, CEST)", "00:30:00", "02:30:00", "Søndag den 25. oktober 2026 (dansk tid, CET)", "02:30:00", "Mandag den 26. oktober 2026 (dansk tid, CET)", "00:30:00"},
	} {
		language, _ := story.LanguageOf(lang)
		var b strings.Builder
		if err := told.Text(language).Write(&b); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(b.String()) {
			if strings.Contains(line, "oktober 2026") || strings.Contains(line, "October 2026") {
				got = append(got, strings.TrimSpace(line))
			} else if strings.HasPrefix(line, "  ") && len(line) > 10 && line[4] == ':' {
				got = append(got, line[2:10])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lang, diff)
		}
	}
}

// TestNumbers: foreign text cannot forge a line, odd numbers are quoted, and long words stand alone.
func TestNumbers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	told := story.Tell(facts(plan.KindStock, func(f *story.Facts) {
		f.Rows.Item = nil
		f.Number = "A  17\x1b[2J"
		f.Near = []story.Near{{plan.KindStock, "a 17"}, {plan.KindStock, "it's"}, {plan.KindInvoice, "17"}}
		f.Answer = f.Answer.Unasked("a\nb " + long)
	}))
	language, _ := story.LanguageOf("en")
	var b strings.Builder
	if err := told.Text(language).Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Item \"A  17\\u001b[2J\" of shop1234\n", "not asked: a; b\n", " " + long + "\n", `item "a 17" (` + "`lagerd why shop1234 'a 17'`)\n",
		`item "it's" (` + "`lagerd why shop1234 'it'\\''s'`)\n", "invoice 17 (`lagerd why shop1234 17 --invoice`)\n", "\nNothing is recorded since 24 October 2026.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if slices.Contains([]byte(b.String()), '\x1b') {
		t.Errorf("a control character in %q", b.String())
	}
	if _, ok := story.LanguageOf("sv"); ok {
		t.Error("a language that is not there")
	}
	if err := told.Text(language).Write(full{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
	if err := told.WriteJSON(full{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk, as JSON: %v", err)
	}
}

var errFull = errors.New("no space left")

// full is a disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var _ io.Writer = full{}

// TestDurations: as a person says them.
func TestDurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d      time.Duration
		en, da string
	}{
		{20 * time.Millisecond, "less than 0.1 seconds", "mindre end 0,1 sekunder"},
		{1400 * time.Millisecond, "1.4 seconds", "1,4 sekunder"},
		{time.Second, "1 second", "1 sekund"},
		{42 * time.Second, "42 seconds", "42 sekunder"},
		{59*time.Second + 900*time.Millisecond, "59 seconds", "59 sekunder"},
		{90 * time.Second, "1 minute", "1 minut"},
		{59 * time.Minute, "59 minutes", "59 minutter"},
		{time.Hour, "1 hour", "1 time"},
		{47 * time.Hour, "47 hours", "47 timer"},
		{72 * time.Hour, "3 days", "3 dage"},
	} {
		told := story.Tell(facts(plan.KindInvoice, func(f *story.Facts) {
			f.Since = noon.Add(-100 * 24 * time.Hour)
			f.Rows.Invoice.FoundAt, f.Rows.Invoice.PDFStoredAt = store.At(noon.Add(-c.d)), store.At(noon)
		}))
		for lang, want := range map[string]string{"en": "The PDF (35 kB) was stored " + c.en + " later.", "da": "PDF'en (35 kB) blev gemt " + c.da + " senere."} {
			if text := tells(t, told, lang); !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", c.d, want, text)
			}
		}
	}
}

// TestMoved: where each figure was read is told of a shop that has moved.
func TestMoved(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	f := facts(plan.KindStock, func(f *story.Facts) {
		for n, source := range []store.StockSource{store.SourceRackbeat, store.SourceEconomic} {
			f.Rows.Changes = append(f.Rows.Changes, store.Change{Shop: shop, Number: "7", What: plan.WhatStock, OldStock: text("75"), NewStock: text("70"), OldInStock: text("75"), NewInStock: text("70"),
				Cause: plan.CauseTick, Source: source, ObservedAt: ago(time.Duration(9-n) * time.Minute), CommittedAt: ago(time.Duration(9-n) * time.Minute)})
		}
	})
	for lang, want := range map[string][]string{
		"en": {"The stock at Rackbeat went from 75 to 70.", "The stock at e-conomic went from 75 to 70."},
		"da": {"Lageret i Rackbeat gik fra 75 til 70.", "Lageret i e-conomic gik fra 75 til 70."},
	} {
		told := tells(t, story.Tell(f), lang)
		for _, line := range want {
			if !strings.Contains(told, line) {
				t.Errorf("%q is not in\n%s", line, told)
			}
		}
	}
}
