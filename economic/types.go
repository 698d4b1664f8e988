package economic

import (
	"time"

	"github.com/shopspring/decimal"

	"lagerd/rest"
)

// Read is one value read from e-conomic. If the request was sent, Began and ServerDate
// are set even when the read failed: a missing item is an observation too.
type Read[T any] struct {
	Value      T
	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// Page is one page of a collection. An item whose number is unreadable is in Bad; it
// never fails the page.
type Page[T any] struct {
	Items   []T
	Bad     []BadItem
	Results int    // items in the whole listing, as e-conomic reports it
	Next    string // link to the next page; "" on the last one

	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// BadItem is an unreadable item of a page. Err names the field.
type BadItem struct {
	Number string // item or invoice number; "" if unreadable
	Err    error
}

// Unsound is a field that is present but unreadable. Its path is like "inventory.available", or
// "inventory" if the block is no object.
type Unsound = rest.Unsound

// Product is a product of an agreement (an item, in lagerd's terms).
type Product struct {
	Number           string
	Name             string
	BarCode          string
	Barred           bool
	GroupNumber      int        // 0 if the answer had none
	InventoryEnabled *bool      // of the product group; nil if the answer had none
	LastUpdated      time.Time  // UTC, to the minute; zero if the answer had none
	Inventory        *Inventory // nil without the block. Absent is not zero

	Unsound []Unsound // usually nil
}

func (p *Product) unsound() []Unsound { return p.Unsound }

// named returns what e-conomic sent as its number.
func (p *Product) named() string { return p.Number }

// Inventory holds a product's stock figures, in units. A figure that e-conomic
// did not send is nil, never zero.
type Inventory struct {
	InStock              *decimal.Decimal // in stock, including units ordered by customers
	Available            *decimal.Decimal // in stock less ordered by customers
	OrderedByCustomers   *decimal.Decimal
	OrderedFromSuppliers *decimal.Decimal
	LastUpdated          time.Time // zero if absent or invalid: it is in e-conomic's schema, but in no recorded answer
}

// Invoice is a booked invoice or, with negative amounts, a credit note. An
// amount that e-conomic did not send is nil.
type Invoice struct {
	Number   int64
	Date     string // YYYY-MM-DD, a business date: not when it was booked
	DueDate  string // YYYY-MM-DD or ""
	Currency string // three letters

	ExchangeRate *decimal.Decimal // 100 is one to one
	Net          *decimal.Decimal
	Gross        *decimal.Decimal
	VAT          *decimal.Decimal
	Rounding     *decimal.Decimal
	NetBase      *decimal.Decimal // in the agreement's base currency
	GrossBase    *decimal.Decimal // in the agreement's base currency
	Remainder    *decimal.Decimal // unpaid; changes after booking

	CustomerNumber int64 // 0 = absent
	RecipientName  string
	Heading        string
	TextLine1      string
	TextLine2      string
	OtherReference string
	OrderNumber    int64  // e-conomic's own, not the shop's; 0 = absent
	PDF            string // link to the PDF as e-conomic gave it; "" = absent
	Lines          []Line // only from Agreement.Invoice; lines without an item are left out

	Unsound []Unsound // usually nil; capped if many lines are unsound
}

func (i *Invoice) unsound() []Unsound { return i.Unsound }

func (*Invoice) named() string { return "" } // a whole number holds no token

// Line is an invoice line with an item.
type Line struct {
	ProductNumber string
	Quantity      decimal.Decimal
}

// Self identifies an agreement, as GET /self reports it.
type Self struct {
	AgreementNumber int64
	CompanyName     string
	Modules         []Module
	BaseCurrency    string
	RequiredRoles   []string // of the app, by name

	ServerDate time.Time // e-conomic's clock when it answered; zero if not reported
}

// Module is a module that is enabled for the agreement.
type Module struct {
	Number int
	Name   string
}

// ProductsQuery selects products to list. The zero value lists all of them, by
// number.
type ProductsQuery struct {
	// UpdatedSince selects products updated at or after this time, latest first.
	// It is truncated to the minute, the resolution of e-conomic's lastUpdated.
	// Zero: any age.
	UpdatedSince time.Time

	// Numbers selects these products. e-conomic ignores case, so the answer may
	// hold others too: match exactly. At most FitNumbers at a time.
	Numbers []string

	PageSize  int // 1 to 1,000; 0 means 1,000
	SkipPages int // page to begin with, counted from 0
}

// InvoicesQuery selects booked invoices to list. The zero value lists all of them,
// by number.
type InvoicesQuery struct {
	HasAfter bool
	After    int64   // with HasAfter: numbers above this one
	Ranges   []Range // in addition to After; at most FitRanges at a time

	DateFrom   string // only those dated YYYY-MM-DD or later; "": all
	Descending bool   // highest number first
	PageSize   int    // 1 to 1,000; 0 means 1,000
	SkipPages  int    // page to begin with, counted from 0
}

// Range is an inclusive range of invoice numbers.
type Range struct{ From, To int64 }
