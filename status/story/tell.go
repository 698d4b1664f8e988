package story

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

// Facts is everything that a Story is told from.
type Facts struct {
	Subject
	Rows     Rows
	Answer   Answer
	Near     []Near
	NextTick time.Time // when the next one is due; zero: not known
	NextFull time.Time // when everything will have been read again, at the latest; zero: not known
}

// Subject is whose life is told, and when.
type Subject struct {
	Shop   status.Shop      // its state, as it is shown
	Status store.ShopStatus // as it is stored
	Living int              // how many lagerd run on the database

	KeptCalls int // webhook.log_per_shop: how many calls a shop's log keeps; 0: not known

	Kind   plan.Kind
	Number string
	Since  time.Time
	Now    time.Time
}

// Rows are the number's rows, and those of its shop that bear on it.
type Rows struct {
	Item       *plan.Row         // nil: not stored
	ItemSource store.StockSource // where the stored items were read
	Invoice    *store.Invoice    // nil: not stored
	Former     map[int64]store.Invoice
	Hint       *store.Hint
	Received   time.Time // of a webhook that no pass has unpacked yet; zero: none
	Calls      []store.WebhookCall
	Warnings   []store.Warning
	Changes    []store.Change // oldest first
	ReadBefore time.Time      // when the change before those was read; zero: there is none since Since
	Agreements []store.Agreement
	Actions    []store.Action
	Obstacles  []store.Obstacle
	LeftOut    []LeftOut
	Lease      store.Lease
	Instances  []store.Instance
}

// Tell makes a story of the facts.
func Tell(f Facts) Story {
	s := Story{Shop: f.Status.Shop.Shop, Kind: f.Kind, Number: f.Number, ToldAt: f.Now, Since: f.Since, Near: f.Near, LeftOut: f.Rows.LeftOut,
		State:  Shop{f.Shop.State, f.Shop.Reason, f.Shop.LastGoodTick},
		Stored: f.stored(), Answer: f.answer(), Events: f.events()}
	s.Verdict = f.verdict()
	s.Next = f.next(s.Verdict)
	return s
}

func (f Facts) stored() Stored {
	var s Stored
	if r := f.Rows.Item; r != nil && f.Kind == plan.KindStock {
		s.Item = &Item{Name: r.Name, State: r.State, Stock: r.Stock, Figure: f.Status.Shop.StockFigure, Source: f.Rows.ItemSource, Figures: Figures(r.Figures),
			Places: places(r.Places), FirstSeenAt: r.FirstSeenAt, ChangedAt: r.ChangedAt, RenumberedTo: r.RenumberedTo}
	}
	if f.Kind != plan.KindInvoice {
		return s
	}
	if i := f.Rows.Invoice; i != nil {
		shop := f.Status.Shop
		s.Invoice = &Invoice{Number: i.Number, CreditNote: i.CreditNote, Date: string(i.InvoiceDate), OrderNumber: i.OrderNumber,
			Order:    Order{shop.OrderField, i.OrderText(shop.OrderField), shop.OrderPattern},
			PDFState: i.PDFState, PDFSize: i.PDFSize, PDFSHA256: i.PDFSHA256, FoundAt: i.FoundAt.Time, Tries: i.WorkTries, TryAt: when(i.WorkDueAt.Time), Error: i.WorkError}
	}
	for agreement, i := range f.Rows.Former {
		s.Former = append(s.Former, Former{agreement, string(i.InvoiceDate), i.OrderNumber, i.PDFState})
	}
	slices.SortFunc(s.Former, func(a, b Former) int { return cmp.Compare(a.Agreement, b.Agreement) })
	return s
}

func places(list []plan.PlaceStock) []Place {
	var all []Place
	for _, in := range list {
		all = append(all, Place{in.Place, in.InStock})
	}
	return all
}

// answer completes the answer about an item with what lagerd would store of it.
func (f Facts) answer() Answer {
	a := f.Answer
	if a.Observation == nil || a.Answered != AnsweredFound {
		return a
	}
	a.Warning = a.Observation.Warning
	if d := f.differences(); len(d) > 0 {
		a.State, a.Stock, a.Places = d[0].Economic.State, d[0].Economic.Stock, places(d[0].Economic.Places)
	} else if r := f.Rows.Item; r != nil {
		a.State, a.Stock, a.Places = r.State, r.Stock, places(r.Places)
	}
	return a
}

func (f Facts) differences() []plan.Difference {
	rows := map[string]plan.Row{}
	if f.Rows.Item != nil {
		rows[f.Number] = *f.Rows.Item
	}
	return plan.Diff([]plan.Observation{*f.Answer.Observation}, rows, f.Status.Shop.StockFigure)
}

// verdict compares the answer with what is stored:
//
//	answer            stored             verdict
//	not asked, error  any                unknown
//	absent            nothing            neither
//	an item           as it              agree, unless a field that decides could not be understood
//	absent            an item, gone      agree
//	an invoice        the invoice        agree
//	anything else                        differ
func (f Facts) verdict() Verdict {
	a := f.Answer
	switch {
	case a.Answered != AnsweredFound && a.Answered != AnsweredAbsent:
		return Unknown
	case f.Kind == plan.KindInvoice:
		return verdictOf(a.Answered == AnsweredFound, f.Rows.Invoice != nil)
	case a.Answered == AnsweredAbsent && f.Rows.Item == nil:
		return Neither
	case len(f.differences()) > 0:
		return Differ
	case a.Observation.Unknown.Has(plan.FieldBarred | plan.FieldsOfInventory):
		return Unknown
	}
	return Agree
}

func verdictOf(there, here bool) Verdict {
	switch {
	case there && here:
		return Agree
	case !there && !here:
		return Neither
	}
	return Differ
}

// events returns what happened, in order. What happened at one time stands in the order of its
// causes.
func (f Facts) events() []Event {
	var list []Event
	list = append(list, f.actions()...)
	list = append(list, f.agreements()...)
	list = append(list, f.leases()...)
	list = append(list, f.calls()...)
	list = append(list, f.hints()...)
	list = append(list, f.obstacles()...)
	list = append(list, f.changes()...)
	list = append(list, f.others()...)
	list = slices.DeleteFunc(list, func(e Event) bool { return e.At.Before(f.Since) })
	slices.SortStableFunc(list, func(a, b Event) int { return a.At.Compare(b.At) })
	return list
}

// actions leaves out what people asked for of other numbers.
func (f Facts) actions() []Event {
	var list []Event
	for _, a := range f.Rows.Actions {
		if a.Number != "" && (a.Kind != f.Kind || a.Number != f.Number) {
			continue
		}
		list = append(list, Event{At: a.ActedAt.Time, What: EventAction, Action: &Action{What: a.What, Number: a.Number, Detail: a.Detail, Account: a.Account, Command: a.Command}})
	}
	return list
}

// agreements leaves out those whose acceptance is an action.
func (f Facts) agreements() []Event {
	var list []Event
	for n, a := range f.Rows.Agreements {
		acted := slices.ContainsFunc(f.Rows.Actions, func(act store.Action) bool {
			return act.What == store.ActionAccepted && act.Detail == strconv.FormatInt(a.AgreementNumber, 10)
		})
		if n > 0 && !acted {
			list = append(list, Event{At: a.AcceptedAt.Time, What: EventAgreement, Agreement: a.AgreementNumber})
		}
	}
	return list
}

// leases tells of the present lease, and, as far as changes show them, of former ones. A shop's
// first lease is no news.
func (f Facts) leases() []Event {
	var list []Event
	last := int64(0)
	for _, c := range f.Rows.Changes {
		if last != 0 && c.Token > last && c.Token < f.Rows.Lease.Token {
			list = append(list, Event{At: c.ObservedAt.Time, What: EventLease, Lease: &Lease{}})
		}
		last = max(last, c.Token)
	}
	if l := f.Rows.Lease; l.Token > firstToken && !l.TakenAt.IsZero() && l.Holder != "" {
		taken := &Lease{Instance: l.Holder}
		for _, i := range f.Rows.Instances {
			if i.Instance == l.Holder {
				taken.Host = i.Host
			}
		}
		list = append(list, Event{At: l.TakenAt.Time, What: EventLease, Lease: taken})
	}
	return list
}

// firstToken is at least that of a new shop's first lease: AddShop continues after the greatest
// token of any removed shop.
const firstToken = 2

func (f Facts) calls() []Event {
	var list []Event
	for _, c := range f.Rows.Calls {
		list = append(list, Event{At: c.CalledAt.Time, What: EventCall, Call: &Call{c.Status, c.Outcome, c.Remote}})
	}
	if r := f.Status.Refused; r.Calls > 0 {
		list = append(list, Event{At: r.LastAt.Time, What: EventRefused, Refused: &Refused{r.Calls, r.Day, r.LastRemote}})
	}
	return list
}

// hints tells of what is open, and of what was answered without a change: what led to a change
// is told with that.
func (f Facts) hints() []Event {
	h := f.Rows.Hint
	if h == nil {
		return nil
	}
	if h.Open && h.Cause == plan.CauseWebhook && h.Tries == 0 && h.Failures == 0 &&
		slices.ContainsFunc(f.Rows.Calls, func(c store.WebhookCall) bool { return !c.CalledAt.Before(h.FirstAt.Time) }) {
		return nil // its calls are told
	}
	told := !h.Open && slices.ContainsFunc(f.Rows.Changes, func(c store.Change) bool { return !c.CommittedAt.Before(h.FirstAt.Time) })
	if told || h.Open && h.Cause == plan.CauseOperator && h.Tries == 0 && h.Failures == 0 {
		return nil
	}
	return []Event{{At: h.FirstAt.Time, What: EventHint, Hint: &Hint{Open: h.Open, Cause: h.Cause, Webhooks: h.Webhooks, LastAt: h.LastAt.Time,
		Tries: h.Tries, Failures: h.Failures, Reason: h.Reason, Note: h.Note}}}
}

func (f Facts) changes() []Event {
	var list []Event
	before := f.Rows.ReadBefore
	elsewhere := slices.ContainsFunc(f.Rows.Changes, func(c store.Change) bool {
		return c.Source != f.Rows.Changes[0].Source || f.Rows.Item != nil && c.Source != f.Rows.ItemSource
	})
	for _, c := range f.Rows.Changes {
		told := changeOf(c)
		told.Elsewhere = elsewhere
		for _, call := range f.Rows.Calls {
			if call.Status < 300 && call.CalledAt.After(before) && !call.CalledAt.After(c.ObservedAt.Time) {
				told.Webhooks++
			}
		}
		told.NewSetting = f.figureSet(before, c.ObservedAt.Time)
		list = append(list, Event{At: c.CommittedAt.Time, What: EventChange, Change: &told})
		before = c.ObservedAt.Time
	}
	return list
}

// changeOf returns what a row of the history says by itself.
func changeOf(c store.Change) Change {
	told := Change{What: c.What, OldStock: figure(c.OldStock), NewStock: figure(c.NewStock), Other: other(c), OldState: c.OldState, NewState: c.NewState, Cause: c.Cause, Webhook: c.Webhook,
		Source: c.Source, SourceAt: when(c.EconomicAt.Time), HintedAt: when(c.HintedAt.Time), ObservedAt: c.ObservedAt.Time, RenumberedTo: c.RenumberedTo}
	// e-conomic may round its minutes up.
	if from := cmp.Or(c.HintedAt, c.EconomicAt); !from.IsZero() && !from.After(c.CommittedAt.Time) {
		delay := Duration(c.CommittedAt.Sub(from.Time))
		told.Delay = &delay
	}
	return told
}

// other returns which figure changed, if the stock did not.
func other(c store.Change) *Other {
	in, available := Other{plan.FigureInStock, figure(c.OldInStock), figure(c.NewInStock)}, Other{plan.FigureAvailable, figure(c.OldAvailable), figure(c.NewAvailable)}
	switch {
	case c.What != plan.WhatStock || !same(figure(c.OldStock), figure(c.NewStock)):
		return nil
	case !same(in.Old, in.New):
		return &in
	case !same(available.Old, available.New):
		return &available
	}
	return &Other{}
}

func same(a, b decimal.NullDecimal) bool {
	return a.Valid == b.Valid && (!a.Valid || a.Decimal.Equal(b.Decimal))
}

// figureSet reports whether a person changed which figure is the shop's stock, between two times.
func (f Facts) figureSet(after, until time.Time) bool {
	return slices.ContainsFunc(f.Rows.Actions, func(a store.Action) bool {
		return a.What == store.ActionSet && strings.Contains(a.Detail, "figure: ") && a.ActedAt.After(after) && !a.ActedAt.After(until)
	})
}

// figure parses a stored figure; the database has no others.
func figure(text *string) decimal.NullDecimal {
	if text == nil {
		return decimal.NullDecimal{}
	}
	d, err := decimal.NewFromString(*text)
	return decimal.NullDecimal{Decimal: d, Valid: err == nil}
}

// others tells of what is known from rows that have a time.
func (f Facts) others() []Event {
	var list []Event
	if r := f.Rows.Item; r != nil && f.Kind == plan.KindStock && !f.changed(plan.WhatCreated) {
		list = append(list, Event{At: r.FirstSeenAt, What: EventSeen})
	}
	if i := f.Rows.Invoice; i != nil && f.Kind == plan.KindInvoice {
		if !f.changed(plan.WhatBooked) {
			list = append(list, Event{At: i.FoundAt.Time, What: EventSeen})
		}
		if !i.PDFStoredAt.IsZero() {
			list = append(list, Event{At: i.PDFStoredAt.Time, What: EventPDF, PDF: &PDF{i.PDFSize, Duration(max(0, i.PDFStoredAt.Sub(i.FoundAt.Time)))}})
		}
	}
	for _, h := range f.holds() {
		list = append(list, Event{At: h.Since, What: EventHold, Hold: &Hold{Scope: h.Scope, Reason: h.Reason, Detail: h.Detail}})
	}
	for _, w := range f.Rows.Warnings {
		if w.Kind == f.Kind && (w.Number == f.Number || w.Number == "" && f.Rows.Item == nil && f.Rows.Invoice == nil) {
			list = append(list, Event{At: w.FirstAt.Time, What: EventWarning, Warning: &Warning{w.Number, w.Text}})
		}
	}
	return list
}

func (f Facts) changed(what plan.What) bool {
	return slices.ContainsFunc(f.Rows.Changes, func(c store.Change) bool { return c.What == what })
}

// holds returns the holds that bear on the number.
func (f Facts) holds() plan.Holds {
	var list plan.Holds
	for _, h := range f.Status.Shop.InForce(f.Status.Progress.Holds) {
		if f.concerns(h.Scope) {
			list = append(list, h)
		}
	}
	return list
}

// concerns reports whether a hold of that scope bears on the number.
func (f Facts) concerns(scope plan.Scope) bool {
	switch scope {
	case plan.ScopeStock:
		return f.Kind == plan.KindStock
	case plan.ScopeInvoices, plan.ScopePDFs:
		return f.Kind == plan.KindInvoice
	case plan.ScopeShop:
	}
	return true
}

// obstacles tells of what kept lagerd from reading the number:
//
//	holds that have ended    if their scope bears on it
//	reads that failed        unless the hint is open and says so
//	tries at a PDF           unless there are more to come: what happens next says so
//	passes of the shop       if a change waited for them
func (f Facts) obstacles() []Event {
	var list []Event
	for _, o := range f.Rows.Obstacles {
		e := Event{At: o.BeganAt.Time, What: EventFailed, Failed: &Failed{What: o.What, Times: o.Times, LastAt: o.LastAt.UTC(), Error: o.Detail}}
		told := true
		switch o.What {
		case store.ObstacleHold:
			told, e = f.concerns(o.Scope), Event{At: o.BeganAt.Time, What: EventHold, Hold: &Hold{o.Scope, o.Reason, o.Detail, when(o.LastAt.Time)}}
		case store.ObstacleReads:
			h := f.Rows.Hint
			told = h == nil || !h.Open || h.Failures == 0 || !h.FirstAt.Equal(o.OpenedAt.Time)
		case store.ObstaclePDF:
			told = f.Rows.Invoice == nil || f.Rows.Invoice.WorkDueAt.IsZero()
		case store.ObstaclePasses:
			told = slices.ContainsFunc(f.Rows.Changes, func(c store.Change) bool { return waited(c, o) })
		}
		if told {
			list = append(list, e)
		}
	}
	return list
}

// waited reports whether a change waited while the obstacle lasted: it was announced, or made at
// its source, before the obstacle ended, and stored after that had begun.
func waited(c store.Change, o store.Obstacle) bool {
	since := cmp.Or(c.HintedAt, c.EconomicAt)
	return !since.IsZero() && !since.After(o.LastAt.Time) && !c.CommittedAt.Before(o.BeganAt.Time)
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
