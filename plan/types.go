package plan

import (
	"time"

	"github.com/shopspring/decimal"
)

// Cause is what led to a change being found.
type Cause string

// The causes, as stored in the history and used in metrics.
const (
	CauseWebhook  Cause = "webhook"
	CauseTick     Cause = "tick"
	CauseInvoice  Cause = "invoice"
	CauseSweep    Cause = "sweep"
	CauseOperator Cause = "operator"
)

// Kind is what a hint points at.
type Kind string

// The kinds of hints.
const (
	KindStock   Kind = "stock"
	KindInvoice Kind = "invoice"
)

// Figure names the e-conomic figure that the shop uses as its stock.
type Figure string

// The figures a shop can choose between.
const (
	FigureInStock   Figure = "in_stock"
	FigureAvailable Figure = "available"
)

// State is what the shop's software needs to know besides the stock figure.
type State string

// The states of an item. Stock is absent (not zero) in all but the first two.
const (
	StateOK          State = "ok"
	StateBarred      State = "barred"       // e-conomic refuses to invoice it; its stock is still true
	StateNoInventory State = "no_inventory" // e-conomic sends no figure for it
	StateGone        State = "gone"         // deleted or renumbered at e-conomic
)

// Webhook says what happened to the webhook that should have announced a change.
type Webhook string

// What can happen to the webhook of a change.
const (
	WebhookNone   Webhook = "none"   // none is sent for such a change
	WebhookCame   Webhook = "came"   // it led to the change being found
	WebhookMissed Webhook = "missed" // the change was found without it
	WebhookLate   Webhook = "late"   // it came after the change had been found
)

// Version orders observations of one shop across processes: the lease's
// fencing token first, since clocks of two machines cannot be compared, then
// the time the read began by the holder's own clock.
type Version struct {
	Token int64
	At    time.Time
}

// Before reports whether v is older than o.
func (v Version) Before(o Version) bool {
	if v.Token != o.Token {
		return v.Token < o.Token
	}
	return v.At.Before(o.At)
}

// Figures are the stock figures of one item as e-conomic sent them, exact
// decimals. An absent figure is invalid (decimal.NullDecimal), never zero.
type Figures struct {
	InStock              decimal.NullDecimal
	Available            decimal.NullDecimal
	OrderedByCustomers   decimal.NullDecimal
	OrderedFromSuppliers decimal.NullDecimal
}

// Pick returns the figure that the shop has chosen as its stock.
func (f Figures) Pick(which Figure) decimal.NullDecimal {
	if which == FigureAvailable {
		return f.Available
	}
	return f.InStock
}

func (f Figures) equal(o Figures) bool {
	return sameDecimal(f.InStock, o.InStock) && sameDecimal(f.Available, o.Available) &&
		sameDecimal(f.OrderedByCustomers, o.OrderedByCustomers) &&
		sameDecimal(f.OrderedFromSuppliers, o.OrderedFromSuppliers)
}

func sameDecimal(a, b decimal.NullDecimal) bool {
	if !a.Valid || !b.Valid {
		return a.Valid == b.Valid
	}
	return equalDecimals(a.Decimal, b.Decimal)
}

func equalDecimals(a, b decimal.Decimal) bool {
	// e-conomic sends 1.0 and the database 1.0000. decimal compares those with big integers,
	// which took a tenth of an unchanged sweep.
	if x, ok := tenThousandths(a); ok {
		if y, ok := tenThousandths(b); ok {
			return x == y
		}
	}
	return a.Equal(b)
}

// tenThousandths returns d times 10,000; ok is false unless d has an ordinary size.
func tenThousandths(d decimal.Decimal) (n int64, ok bool) {
	const most, digits = 4, 14 // an int64 holds these plus four more
	e := d.Exponent()
	if e < -most || e > 0 || d.NumDigits() > digits {
		return 0, false
	}
	n = d.CoefficientInt64()
	for ; e > -most; e-- {
		n *= 10
	}
	return n, true
}

// Item is an item as e-conomic describes it.
type Item struct {
	Number           string
	Name             string
	BarCode          string
	Barred           bool
	InventoryEnabled bool // its product group keeps stock, as far as e-conomic says
	Figures          Figures
	UpdatedAt        time.Time // e-conomic's lastUpdated, whole minutes; zero if absent
}

// Fields is a set of an item's fields.
type Fields uint16

// The fields of an item that a read may leave unknown. The number and the figure that the shop
// sells by are not among them: without those there is no observation.
const (
	FieldName Fields = 1 << iota
	FieldBarCode
	FieldBarred
	FieldInventoryEnabled
	FieldInStock
	FieldAvailable
	FieldOrderedByCustomers
	FieldOrderedFromSuppliers
	FieldUpdatedAt

	FieldsOfInventory = FieldInStock | FieldAvailable | FieldOrderedByCustomers | FieldOrderedFromSuppliers
)

// FieldOf returns the field that holds a figure.
func FieldOf(which Figure) Fields {
	if which == FigureAvailable {
		return FieldAvailable
	}
	return FieldInStock
}

// Has reports whether the set holds any of the given fields.
func (f Fields) Has(which Fields) bool { return f&which != 0 }

// Observation is what one read of e-conomic returned for one number.
type Observation struct {
	Item    Item // only Number is set when Found is false
	Began   time.Time
	Found   bool   // false: e-conomic answered that the number does not exist
	Unknown Fields // fields of the answer that could not be understood: unset in Item, which does not mean absent
	Warning string // what could not be understood, for people; "" if everything could

	Places []PlaceStock // what is in each of the places that the shop has chosen; nil: it has chosen none, or there is no figure
}

// keep sets the fields in f of known to their stored values.
func (f Fields) keep(known, stored *Item) {
	set := func(field Fields, from func()) {
		if f.Has(field) {
			from()
		}
	}
	set(FieldName, func() { known.Name = stored.Name })
	set(FieldBarCode, func() { known.BarCode = stored.BarCode })
	set(FieldBarred, func() { known.Barred = stored.Barred })
	set(FieldInventoryEnabled, func() { known.InventoryEnabled = stored.InventoryEnabled })
	set(FieldInStock, func() { known.Figures.InStock = stored.Figures.InStock })
	set(FieldAvailable, func() { known.Figures.Available = stored.Figures.Available })
	set(FieldOrderedByCustomers, func() { known.Figures.OrderedByCustomers = stored.Figures.OrderedByCustomers })
	set(FieldOrderedFromSuppliers, func() { known.Figures.OrderedFromSuppliers = stored.Figures.OrderedFromSuppliers })
	set(FieldUpdatedAt, func() { known.UpdatedAt = stored.UpdatedAt })
}

// Row is a stored item.
type Row struct {
	Item
	State        State
	Stock        decimal.NullDecimal // the chosen figure; absent unless e-conomic sent it
	Places       []PlaceStock        // what is in each of the chosen places; none if the shop has chosen none, or there is no figure
	Version      Version
	FirstSeenAt  time.Time
	ChangedAt    time.Time // when Stock or State last changed, as observed
	RenumberedTo string    // a gone item's likely new number, for people
}

// Hint is an open hint of one number, as it stood before the read began.
type Hint struct {
	Kind      Kind
	Number    string
	Gen       int64 // hints with a greater generation came later and stay open; 0: the hint has no row
	Cause     Cause
	FirstAt   time.Time // when the first hint of this open period was recorded
	WebhookAt time.Time // when its last webhook was recorded; zero if none
	Webhooks  int64     // how many webhooks it stands for
	DueAt     time.Time // when it is to be read
	Tries     int       // reads so far that showed nothing new, or came too early after its last webhook
	Failures  int       // reads so far that failed because of this number
	Refused   bool      // e-conomic refused the last read
}

// Change is a difference found, kept as history.
type Change struct {
	Kind         Kind
	Number       string
	What         What
	OldStock     decimal.NullDecimal
	NewStock     decimal.NullDecimal
	OldFigures   Figures
	NewFigures   Figures
	OldState     State
	NewState     State
	Cause        Cause
	Webhook      Webhook
	EconomicAt   time.Time // when e-conomic says it changed; zero if it does not say
	ObservedAt   time.Time // when the read that showed it began
	HintedAt     time.Time // when the webhook that led to it was recorded; zero if none
	Lagged       bool      // an earlier read after the webhook did not show the change yet
	RenumberedTo string
}

// What says what kind of difference a change is.
type What string

// The kinds of changes.
const (
	WhatCreated  What = "created"  // the number was not stored before
	WhatStock    What = "stock"    // a figure differs
	WhatState    What = "state"    // barred, unbarred, or its inventory block appeared or disappeared
	WhatPlaces   What = "places"   // what is in the chosen places differs, and their sum does not
	WhatGone     What = "gone"     // e-conomic no longer has it
	WhatReturned What = "returned" // it was gone and is back
	WhatBooked   What = "booked"   // an invoice or credit note was booked
)

// Answer closes a hint up to the generation that the read covered.
type Answer struct {
	Kind   Kind
	Number string
	Gen    int64
	Reason HintReason // why it is closed without a change; "": its read has been stored
	Note   string     // for people
}

// Reread keeps a hint open and schedules another read of its number.
type Reread struct {
	Kind     Kind
	Number   string
	Gen      int64
	DueAt    time.Time
	Tries    int
	Failures int
	Refused  bool // e-conomic refused the last read
	Reason   HintReason
	Note     string
}
