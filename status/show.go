package status

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/terminal"
)

const clock = "2006-01-02 15:04:05"

// WriteShop writes a shop's settings and state, in lines of so many columns.
func WriteShop(w io.Writer, s store.Shop, v Shop, webhookURL string, columns int) error {
	var fields []terminal.Field
	add := func(name, value string) { fields = append(fields, terminal.Field{Name: name, Value: orDash(value)}) }
	add("shop", s.Shop)
	add("state", v.state())
	add("reason", v.Reason)
	for _, h := range v.Holds {
		add("held", h.Text())
	}
	add("agreement", fmt.Sprint(v.Agreement))
	from := string(s.StockSource)
	if s.ReadsRackbeat() {
		from += AccountAndPlaces(v.StockAccount, s.Places)
	}
	add("stock", onOff(s.StockOn)+", "+string(s.StockFigure)+", from "+from)
	if from = s.InvoicesFrom; from == "" {
		from = fmt.Sprintf("number %d", s.InvoicesFromNumber)
	}
	add("invoices", onOff(s.InvoicesOn)+", from "+from)
	add("order number in", string(s.OrderField))
	add("order pattern", s.OrderPattern)
	add("language", string(s.Lang))
	if s.Email != "" {
		add("e-mail", s.Email)
	}
	if s.NotifyOrigin != "" {
		add("notify URL", s.NotifyOrigin+"/…")
	}
	add("webhook URL", webhookURL+"?")
	if s.WebhookSetup {
		add("webhook set-up", "allowed")
	}
	fields = append(fields, v.progressFields()...)
	if s.ReadsRackbeat() {
		add("calls to Rackbeat", fmt.Sprintf("%d today", v.StockCalls))
		add("Rackbeat's webhooks", webhookTokens(len(s.RackbeatTokenHash)/sha256.Size))
	}
	add("added", s.CreatedAt.Format(clock)+" UTC")
	return terminal.WriteFields(w, fields, columns)
}

// webhookTokens says whether Rackbeat's webhooks are checked for one of so many tokens.
func webhookTokens(stored int) string {
	if stored == 0 {
		return "no token is stored: the code in their URL alone is checked"
	}
	return "checked for " + counted(stored, "token")
}

// Text formats the hold: its scope, reason, time and detail.
func (h Hold) Text() string {
	return fmt.Sprintf("%s: %s since %s: %s", h.Scope, h.Reason, shown(h.Since), h.Detail)
}

func shown(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(clock) + " UTC"
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Codes returns a line for each code of a shop, oldest first: when it was made and last
// used.
func Codes(codes []store.ShopCode) []string {
	list := make([]string, len(codes))
	for i, c := range codes {
		used := "never used"
		if !c.UsedAt.IsZero() {
			used = "used " + c.UsedAt.Format(clock)
		}
		list[i] = "made " + c.CreatedAt.Format(clock) + ", " + used
	}
	return list
}

// WriteCodes writes a line for each of a shop's codes. The codes themselves are unknown.
func WriteCodes(w io.Writer, codes []store.ShopCode) error {
	for i, text := range Codes(codes) {
		what := "integration code"
		if codes[i].InHeader() {
			what = fmt.Sprintf("header code (%s)", codes[i].Kind)
		}
		if _, err := fmt.Fprintf(w, "%s: %s (UTC)\n", what, text); err != nil {
			return err
		}
	}
	return nil
}

// WriteCalls writes a shop's webhook log, followed by toDo's advice for each outcome in it, in lines
// of so many columns.
func WriteCalls(w io.Writer, calls []store.WebhookCall, toDo func(outcome string) string, columns int) error {
	if len(calls) == 0 {
		_, err := fmt.Fprintln(w, "\nNo webhook calls yet.")
		return err
	}
	fmt.Fprintln(w, "\nLatest webhook calls:")
	t := terminal.NewTable(terminal.Column{Name: "CALLED (UTC)"}, terminal.Column{Name: "FROM", Rank: 1}, terminal.Column{Name: "METHOD", Rank: 2}, terminal.Column{Name: "KIND"},
		terminal.Column{Name: "NUMBER"}, terminal.Column{Name: "STATUS", Right: true}, terminal.Column{Name: "OUTCOME"})
	for _, c := range calls {
		t.Row(c.CalledAt.Format(clock), c.Remote, c.Method, string(c.Kind), strconv.Quote(c.Number), strconv.Itoa(c.Status), c.Outcome)
	}
	if err := t.Write(w, columns); err != nil {
		return err
	}
	var advised []string
	for _, c := range calls {
		if text := toDo(c.Outcome); text != "" && !slices.Contains(advised, c.Outcome) {
			advised = append(advised, c.Outcome)
			if err := terminal.WriteWrapped(w, "", c.Outcome+": "+text, columns); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteChanges writes a history, a line per change, of so many columns.
func WriteChanges(w io.Writer, changes []store.Change, columns int) error {
	if len(changes) == 0 {
		return nil
	}
	t := terminal.NewTable(terminal.Column{Name: "CHANGED (UTC)"}, terminal.Column{Name: "SHOP", Rank: 2}, terminal.Column{Name: "NUMBER"}, terminal.Column{Name: "WHAT"},
		terminal.Column{Name: "CHANGE"}, terminal.Column{Name: "CAUSE"}, terminal.Column{Name: "WEBHOOK", Rank: 1})
	for _, c := range changes {
		t.Row(c.CommittedAt.Format(clock), c.Shop, cell(c.Number), string(c.What), difference(c), string(c.Cause), string(c.Webhook))
	}
	return t.Write(w, columns)
}

func difference(c store.Change) string {
	switch c.What {
	case plan.WhatBooked:
		return "-"
	case plan.WhatState, plan.WhatGone, plan.WhatReturned:
		text := fmt.Sprintf("%s → %s", c.OldState, c.NewState)
		if c.RenumberedTo != "" {
			text += ", now probably " + cell(c.RenumberedTo)
		}
		return text
	case plan.WhatPlaces:
		return figure(c.NewStock) + ", moved between places"
	case plan.WhatCreated, plan.WhatStock:
	}
	return figure(c.OldStock) + " → " + figure(c.NewStock)
}

func figure(s *string) string {
	if s == nil {
		return "(none)"
	}
	if d, err := decimal.NewFromString(*s); err == nil {
		return d.String()
	}
	return *s
}
