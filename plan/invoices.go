package plan

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Invoice is a booked invoice or credit note as e-conomic describes it. At e-conomic it is
// immutable except for fields that lagerd does not keep (remainder, sent).
type Invoice struct {
	Number          int64
	Date, DueDate   string // local business dates, YYYY-MM-DD; "" if absent
	Currency        string
	Net, VAT, Gross decimal.NullDecimal
	Rounding        decimal.NullDecimal
	NetBase         decimal.NullDecimal // in the agreement's base currency
	GrossBase       decimal.NullDecimal
	CustomerNumber  int64
	RecipientName   string
	OtherReference  string // references.other
	Heading         string // notes.heading
	TextLine1       string // notes.textLine1
	OrderNumber     int64  // e-conomic's own order number; 0 if absent
	PDFLink         string
	Warning         string // fields that could not be understood, for people: absent above; "" if there are none
}

// IsCreditNote reports whether the invoice is a credit note. e-conomic has no
// flag for it: "For a credit note this amount will be negative" (schema of
// GET /invoices/booked, grossAmount and netAmount).
func (i Invoice) IsCreditNote() bool {
	if i.Gross.Valid && !i.Gross.Decimal.IsZero() {
		return i.Gross.Decimal.IsNegative()
	}
	return i.Net.Valid && i.Net.Decimal.IsNegative()
}

// TellsKind reports whether a known amount distinguishes a credit note from an invoice.
func (i Invoice) TellsKind() bool {
	return i.Gross.Valid && !i.Gross.Decimal.IsZero() || i.Net.Valid && !i.Net.Decimal.IsZero()
}

// OrderField names the invoice field that holds the shop's order number.
type OrderField string

// The fields that may hold an order number. e-conomic has none of its own for it; integrations
// use these.
const (
	OrderInOtherReference OrderField = "references.other"
	OrderInHeading        OrderField = "notes.heading"
	OrderInTextLine1      OrderField = "notes.textLine1"
	OrderInOrderNumber    OrderField = "orderNumber"
)

// OrderRule extracts the shop's order number from an invoice.
type OrderRule struct {
	Field   OrderField
	Pattern *regexp.Regexp // nil: the whole field; else its only group, or the whole match
}

// longestOrderField is how many characters of a field are searched: e-conomic's fields have at
// most 1,000, and some patterns take seconds for a megabyte.
const longestOrderField = 1000

// OrderNumber returns the shop's order number on the invoice, or "" if the field is empty or
// the pattern does not match.
func (r OrderRule) OrderNumber(inv Invoice) string {
	var field string
	switch r.Field {
	case OrderInHeading:
		field = inv.Heading
	case OrderInTextLine1:
		field = inv.TextLine1
	case OrderInOrderNumber:
		if inv.OrderNumber != 0 {
			field = strconv.FormatInt(inv.OrderNumber, 10)
		}
	default:
		field = inv.OtherReference
	}
	field = Clip(strings.TrimSpace(field), longestOrderField)
	if r.Pattern == nil {
		return field
	}
	m := r.Pattern.FindStringSubmatch(field)
	switch len(m) {
	case 0:
		return ""
	case 1:
		return m[0]
	}
	return m[1]
}

// Range is a range of invoice numbers, both ends included.
type Range struct{ From, To int64 }

// Gap is a range of numbers below the cursor that e-conomic has not shown yet.
type Gap struct {
	Range
	SeenAt time.Time // when it was found, or a number last came out of it
}

// InvoicesInput is the input of Invoices: everything that decides about a batch of observed
// invoices.
type InvoicesInput struct {
	Cause    Cause
	First    bool // the shop's first listing: a baseline, nothing was missed
	Marked   bool // webhooks have come that no hint was kept for: no invoice can be said to have none
	Began    time.Time
	Observed []Invoice
	Stored   map[int64]bool // which of them are already stored

	Incomplete map[int64]bool // of those, the ones with fields that could not be understood when they were stored

	Start    InvoicesStart
	Hints    map[string]Hint
	NotFound []int64 // hinted numbers that e-conomic says it does not have
	Rule     OrderRule
	Now      time.Time
	Rereads  []time.Duration
}

// InvoiceRow is an invoice to be stored.
type InvoiceRow struct {
	Invoice
	ShopOrder string // the shop's order number; "" if none was found
	FoundAt   time.Time
	History   bool // shown by the shop's first listing, and not hinted at
}

// InvoicesPlan is what to write for a batch of observed invoices.
type InvoicesPlan struct {
	Rows []InvoiceRow

	Completed []InvoiceRow // stored incomplete, and fully understood now

	Changes  []Change
	Answered []Answer
	Rereads  []Reread
	Late     []string
	TooOld   int64 // webhooks of invoices before the shop's start, which are not stored
}

// Invoices decides about observed invoices. A new invoice is stored once and never rewritten,
// except if it was stored without fields that could not be understood and all of them now can.
// A hint of a number that e-conomic shows is answered; one of a number it does not have is
// reread at the delays in Rereads, since its read side may lag behind the webhook. One from before
// the shop's start is stored only if a person asks for it.
func Invoices(in InvoicesInput) InvoicesPlan { //nolint:gocyclo // one branch per row of its table
	var out InvoicesPlan
	for _, inv := range in.Observed {
		number := strconv.FormatInt(inv.Number, 10)
		hint, hinted := in.Hints[number]
		if hinted && !in.Stored[inv.Number] && in.Start.Leaves(hint, inv.Date) {
			out.Answered = append(out.Answered, hint.Answer(HintBeforeStart, ""))
			out.TooOld += hint.Webhooks
			continue
		}
		if hinted {
			out.Answered = append(out.Answered, Answer{Kind: KindInvoice, Number: number, Gen: hint.Gen})
		}
		if in.Stored[inv.Number] {
			if in.Incomplete[inv.Number] && inv.Warning == "" {
				out.Completed = append(out.Completed, in.row(inv))
			}
			if hinted && !hint.WebhookAt.IsZero() {
				out.Late = append(out.Late, number)
			}
			continue
		}
		c := Change{Kind: KindInvoice, Number: number, What: WhatBooked, ObservedAt: in.Began, Cause: in.Cause, Webhook: WebhookMissed}
		switch {
		case hinted && !hint.WebhookAt.IsZero():
			c.Cause, c.Webhook, c.HintedAt, c.Lagged = CauseWebhook, WebhookCame, hint.FirstAt, hint.Tries > 0
		case hinted:
			c.Cause = hint.Cause
			if hint.Failures > 0 {
				c.Webhook = WebhookNone // it was found before, but could not be understood
			}
		}
		if (in.First || in.Marked) && c.Cause != CauseWebhook {
			c.Webhook = WebhookNone
		}
		out.Changes = append(out.Changes, c)
		row := in.row(inv)
		row.History = in.First && !hinted
		out.Rows = append(out.Rows, row)
	}
	for _, n := range in.NotFound {
		hint, hinted := in.Hints[strconv.FormatInt(n, 10)]
		if !hinted {
			continue
		}
		answer, again := answerHint(hint, false, in.Now, in.Rereads, HintUnknown)
		if again != nil {
			out.Rereads = append(out.Rereads, *again)
		} else {
			out.Answered = append(out.Answered, answer)
		}
	}
	return out
}

func (in InvoicesInput) row(inv Invoice) InvoiceRow {
	return InvoiceRow{Invoice: inv, ShopOrder: in.Rule.OrderNumber(inv), FoundAt: in.Began}
}

// Window is the state of reading invoices by number: everything up to Cursor has been read
// except the gaps.
type Window struct {
	Cursor int64
	Gaps   []Gap // ascending, disjoint, all at or below Cursor
}

// Advance returns the window after a page of a listing of everything above the cursor and in
// the gaps, sorted by number and read without a break. Numbers between two that came become new
// gaps, numbers out of a gap shrink it, and a gap from which nothing has come for keep is
// dropped: from then on only a sweep looks for it.
//
// The window never moves by a date or a clock: an invoice can be booked with a chosen, lower
// number and a back-dated day (ECONOMIC.md §4, bookWithNumber), so a number that was not seen
// stays wanted.
func (w Window) Advance(numbers []int64, now time.Time, keep time.Duration) Window {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	next := Window{Cursor: w.Cursor}
	for _, g := range w.Gaps {
		if now.Sub(g.SeenAt) < keep {
			next.Gaps = append(next.Gaps, g.without(numbers, now)...)
		}
	}
	for _, n := range numbers {
		if n <= next.Cursor {
			continue
		}
		if n > next.Cursor+1 {
			next.Gaps = append(next.Gaps, Gap{Range: Range{From: next.Cursor + 1, To: n - 1}, SeenAt: now})
		}
		next.Cursor = n
	}
	return next
}

// without returns what is left of the gap after numbers came. The rest counts as newly seen: an
// agreement that once booked a far higher number continues inside the gap.
func (g Gap) without(numbers []int64, now time.Time) []Gap {
	i, _ := slices.BinarySearch(numbers, g.From)
	if i == len(numbers) || numbers[i] > g.To {
		return []Gap{g}
	}
	var left []Gap
	from := g.From
	for ; i < len(numbers) && numbers[i] <= g.To; i++ {
		if numbers[i] > from {
			left = append(left, Gap{Range{from, numbers[i] - 1}, now})
		}
		from = numbers[i] + 1
	}
	if from <= g.To {
		left = append(left, Gap{Range{from, g.To}, now})
	}
	return left
}

// TellsHighest returns an error if the first page of a listing, the highest number first, does
// not tell the highest numbers: what is above the highest would count as booked later.
//
//	further pages  came                  sorted  outcome
//	none           fewer than announced  any     *ShortError
//	none           as announced          any     they are all numbers
//	some           any                   no      error
//	some           any                   yes     the highest
func TellsHighest(numbers []int64, announced, came int, more bool) error {
	if !more {
		return Complete("invoices", announced, came)
	}
	if !slices.IsSortedFunc(numbers, func(a, b int64) int { return cmp.Compare(b, a) }) {
		return errors.New("asked for invoices, the highest number first, and they came in another order")
	}
	return nil
}

// StartWindow returns the window of a shop that starts with the invoices of a date: from then
// on everything above the highest number counts as new. highest are the highest existing
// numbers; they are all numbers if there are as many as announced. The numbers between them are
// gaps: an agreement may once have booked a far higher number and continue below it. If they
// are all numbers, those below the lowest are a gap too: they may be booked already, and
// surface late.
func StartWindow(highest []int64, announced int, now time.Time, keep time.Duration) Window {
	var w Window
	if len(highest) > 0 && announced > len(highest) {
		w.Cursor = slices.Min(highest)
	}
	return w.Advance(highest, now, keep)
}

// reads reports whether a number is above the cursor or in a gap.
func (w Window) reads(number int64) bool {
	return number > w.Cursor || slices.ContainsFunc(w.Gaps, func(g Gap) bool { return g.From <= number && number <= g.To })
}

// Ask returns the gaps to ask for together with what is above the cursor, at most as many as
// fit allows. If not all fit, the turns take them one after another; next is the turn after
// this one.
func (w Window) Ask(turn int, fit func([]Range) int) (gaps []Range, next int) {
	if len(w.Gaps) == 0 {
		return nil, turn
	}
	turn %= len(w.Gaps)
	for _, g := range slices.Concat(w.Gaps[turn:], w.Gaps[:turn]) {
		gaps = append(gaps, g.Range)
	}
	n := fit(gaps)
	if n == len(gaps) {
		return gaps, turn
	}
	return gaps[:n], turn + n
}
