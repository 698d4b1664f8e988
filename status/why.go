package status

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
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
	add("webhook URL", webhookURL+"?")
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
	for _, text := range Codes(codes) {
		if _, err := fmt.Fprintf(w, "integration code: %s (UTC)\n", text); err != nil {
			return err
		}
	}
	return nil
}

// WriteCalls writes a shop's webhook log, followed by toDo's advice for each outcome in
// it.
func WriteCalls(w io.Writer, calls []store.WebhookCall, toDo func(outcome string) string) error {
	if len(calls) == 0 {
		_, err := fmt.Fprintln(w, "\nNo webhook calls yet.")
		return err
	}
	fmt.Fprintln(w, "\nLatest webhook calls (UTC):")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range calls {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%q\t%d\t%s\n", c.CalledAt.Format(clock), terminal.Escape(c.Remote), terminal.Escape(c.Method), terminal.Escape(string(c.Kind)), c.Number, c.Status, terminal.Escape(c.Outcome))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var advised []string
	for _, c := range calls {
		if text := toDo(c.Outcome); text != "" && !slices.Contains(advised, c.Outcome) {
			advised = append(advised, c.Outcome)
			fmt.Fprintf(w, "%s: %s\n", c.Outcome, text)
		}
	}
	return nil
}

// WriteChanges writes a history, a line per change.
func WriteChanges(w io.Writer, changes []store.Change) error { return writeChanges(w, changes, false) }

// writeChanges names where each change was read, if it is asked for.
func writeChanges(w io.Writer, changes []store.Change, sources bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range changes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\tcause %s\twebhook %s", c.CommittedAt.Format(clock), c.Shop, cell(c.Number), c.What, difference(c), c.Cause, c.Webhook)
		if sources {
			fmt.Fprintf(t, "\tfrom %s", c.Source)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
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

// Why answers "why does this item or invoice have its stored value?".
type Why struct {
	Shop     Shop
	Figure   plan.Figure       // the shop's stock
	Source   store.StockSource // where the items were read
	Kind     plan.Kind
	Number   string
	Items    map[string]plan.Row
	Invoices []store.Invoice
	Former   map[int64]store.Invoice // with the same number, by previous agreement
	Hints    []store.Hint
	Received time.Time // of a webhook that no pass has processed yet; zero: none
	Warnings []store.Warning
	Changes  []store.Change

	Agreements []store.Agreement // if the shop has had more than one
}

// Write writes what is stored, which hints are open, and the history of changes.
func (y Why) Write(w io.Writer, now time.Time) error { //nolint:gocyclo // one block per paragraph of the text
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s:\t%s\n", name, terminal.Escape(fmt.Sprintf(format, args...)))
	}
	line("shop", "%s is %s; last good tick %s", y.Shop.Shop, y.Shop.state(), shown(y.Shop.LastGoodTick))
	if y.Shop.Reason != "" && (len(y.Shop.Holds) == 0 || y.Shop.State != StateHeld) {
		line("reason", "%s", terminal.Line(y.Shop.Reason))
	}
	for _, h := range y.Shop.Holds {
		line("held", "%s", terminal.Line(h.Text()))
	}
	if y.Kind == plan.KindStock {
		y.writeItem(line)
	} else {
		y.writeInvoice(line)
		y.writeFormer(line)
	}
	for _, h := range y.Hints {
		switch {
		case !h.Open:
			line("last hint", "%s by %s, answered%s", h.LastAt.Format(clock), h.Cause, withNote(h.Note))
		case h.Failures > 0:
			line("open hint", "since %s by %s; failed %d times, next try %s%s", h.FirstAt.Format(clock), h.Cause, h.Failures, dueAt(h.DueAt.Time, now), withNote(h.Note))
		default:
			line("open hint", "since %s by %s, %d webhook(s); read %d times, nothing new yet, next read %s%s", h.FirstAt.Format(clock), h.Cause, h.Webhooks, h.Tries, dueAt(h.DueAt.Time, now), withNote(h.Note))
		}
	}
	for _, w := range y.Warnings {
		switch {
		case w.Kind != y.Kind:
		case w.Number == y.Number:
			line("warning", "unreadable since %s, the stored value stays: %s", w.FirstAt.Format(clock), terminal.Line(w.Text))
		case w.Number == "" && !y.stored():
			line("warning", "since %s e-conomic also lists %s", w.FirstAt.Format(clock), terminal.Line(w.Text))
		}
	}
	if !y.Received.IsZero() {
		line("webhook", "received %s, waits for the shop's next pass", y.Received.UTC().Format(clock))
	}
	if text := y.Shop.everything(); text != "" && y.Kind == plan.KindStock {
		line("webhook", "%s", text)
	}
	if len(y.Hints) == 0 && y.Received.IsZero() {
		line("hints", "none")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(y.Changes) == 0 {
		_, err := fmt.Fprintln(w, "No changes recorded.")
		return err
	}
	return y.writeHistory(w)
}

// writeHistory writes the changes, separately for each agreement: the number may have been
// another company's item.
func (y Why) writeHistory(w io.Writer) error {
	parts := []string{"History (UTC):"}
	if len(y.Agreements) > 0 {
		// Changes from before the first agreement listed. A shop can return to an earlier
		// agreement, which is listed only once.
		parts = []string{"History of an earlier agreement (UTC):"}
	}
	for n, a := range y.Agreements {
		part := fmt.Sprintf("History of previous agreement %d (UTC):", a.AgreementNumber)
		if n+1 == len(y.Agreements) {
			part = fmt.Sprintf("History of agreement %d, accepted %s (UTC):", a.AgreementNumber, a.AcceptedAt.Format(clock))
		}
		parts = append(parts, part)
	}
	changes := y.Changes
	for n, part := range parts {
		until := len(changes)
		if n < len(y.Agreements) {
			accepted := y.Agreements[n].AcceptedAt.Time
			if at := slices.IndexFunc(changes, func(c store.Change) bool { return !c.CommittedAt.Before(accepted) }); at >= 0 {
				until = at
			}
		}
		if until == 0 {
			continue
		}
		fmt.Fprintln(w, part)
		if err := writeChanges(w, changes[:until], y.severalSources()); err != nil {
			return err
		}
		changes = changes[until:]
	}
	return nil
}

// severalSources reports whether some of the changes were not read where the shop's stock is read
// now.
func (y Why) severalSources() bool {
	return y.Kind == plan.KindStock && slices.ContainsFunc(y.Changes, func(c store.Change) bool { return string(c.Source) != y.Shop.StockSource })
}

// dueAt formats when a hint will be processed. A hint that was never deferred is due at
// the epoch, and waits for its shop's next pass.
func dueAt(due, now time.Time) string {
	if !due.After(now) {
		return "with the shop's next pass"
	}
	return "at " + due.Format(clock)
}

func withNote(note string) string {
	if note == "" {
		return ""
	}
	return ": " + terminal.Line(note)
}

func (y Why) writeItem(line func(name, format string, args ...any)) {
	row, ok := y.Items[y.Number]
	if !ok {
		line("item", "%q is not stored: %s", y.Number, y.unless("not seen at "+y.Source.Name()))
		return
	}
	line("item", "%q %s (%s)", row.Number, row.Name, row.State)
	from, updated := y.Source.Name(), "lastUpdated"
	if y.Source == store.SourceRackbeat {
		updated = "updated_at"
	}
	line("stock", "%s = %s's %s", absent(row.Stock), from, y.Figure)
	if len(row.Places) > 0 {
		line("in the places", "%s", split(row.Places))
	}
	line(from+" says", "in stock %s, available %s, ordered by customers %s, ordered from suppliers %s", absent(row.Figures.InStock),
		absent(row.Figures.Available), absent(row.Figures.OrderedByCustomers), absent(row.Figures.OrderedFromSuppliers))
	line("first seen", "%s UTC", row.FirstSeenAt.Format(clock))
	then := "unknown"
	if !row.UpdatedAt.IsZero() {
		then = row.UpdatedAt.Format(clock)
	}
	line("last changed", "%s UTC (%s's %s then: %s)", row.ChangedAt.Format(clock), from, updated, then)
	if row.RenumberedTo != "" {
		line("renumbered", "probably to %q", row.RenumberedTo)
	}
}

// split formats what is in each of the places.
func split(places []plan.PlaceStock) string {
	list := make([]string, len(places))
	for i, in := range places {
		list[i] = fmt.Sprintf("place %s %s", in.Place, in.InStock)
	}
	return strings.Join(list, ", ")
}

func (y Why) writeInvoice(line func(name, format string, args ...any)) {
	if len(y.Invoices) == 0 {
		line("invoice", "%q is not stored: %s", y.Number, y.unless("not seen at e-conomic, or from before the shop's start"))
	}
	for _, i := range y.Invoices {
		line("invoice", "%d of %s, found %s UTC by %s", i.Number, i.InvoiceDate, i.FoundAt.Format(clock), i.Cause)
		line("order number", "%s", orDash(i.OrderNumber))
		line("PDF", "%s, %d bytes, sha256 %s", i.PDFState, i.PDFSize, orDash(i.PDFSHA256))
		if i.Failing() {
			line("PDF error", "%s (tried %d times, again at %s UTC)", terminal.Line(i.WorkError), i.WorkTries, i.WorkDueAt.Format(clock))
		}
	}
}

func (y Why) writeFormer(line func(name, format string, args ...any)) {
	for _, agreement := range slices.Sorted(maps.Keys(y.Former)) {
		i := y.Former[agreement]
		line("also stored", "%d of previous agreement %d, dated %s: order number %s, PDF %s; the shop's software does not see it", i.Number, agreement, i.InvoiceDate, orDash(i.OrderNumber), i.PDFState)
	}
}

// unless returns why something is not stored: usual, unless an open hint failed to read it.
func (y Why) unless(usual string) string {
	for _, h := range y.Hints {
		if h.Open && h.Failures > 0 {
			return "it could not be read, see its open hint"
		}
	}
	return usual
}

func (y Why) stored() bool {
	if y.Kind == plan.KindInvoice {
		return len(y.Invoices) > 0
	}
	_, ok := y.Items[y.Number]
	return ok
}

func absent(d decimal.NullDecimal) string {
	if !d.Valid {
		return "(no figure)"
	}
	return d.Decimal.String()
}
