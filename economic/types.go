package economic

import (
	"time"

	"github.com/shopspring/decimal"
)

// Read is one thing read from e-conomic. Began and ServerDate are set also
// where the read failed after the request was sent: that an item does not
// exist is an observation too.
type Read[T any] struct {
	Value      T
	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// Page is one page of a collection. An item whose number could not be read is in
// Bad and never fails its page.
type Page[T any] struct {
	Items   []T
	Bad     []BadItem
	Results int    // items in the whole listing, as e-conomic counts them
	Next    string // link to the next page; "" on the last one

	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// BadItem is an item of a page that could not be understood. Err names the field.
type BadItem struct {
	Number string // item or invoice number; "" if it could not be read
	Err    error
}

// Unsound is a field of an answer that is there and cannot be understood: of another
// type, or out of range. Its value reads as if it were absent; whether it is needed,
// the caller decides.
type Unsound struct {
	Field string // its path: "inventory.available"; a whole block that is none: "inventory"
	Err   error  // what was expected there and what came; wherever it was read, the same
}

// Product is one product (in lagerd's words: item) of an agreement.
type Product struct {
	Number           string
	Name             string
	BarCode          string
	Barred           bool
	GroupNumber      int        // 0 if the answer had none
	InventoryEnabled *bool      // of the product group; nil if the answer did not say
	LastUpdated      time.Time  // UTC, to the minute; zero if the answer had none
	Inventory        *Inventory // nil without the block. Absent is not zero

	Unsound []Unsound // mostly nil
}

func (p *Product) unsound() []Unsound { return p.Unsound }

// Inventory holds a product's stock figures, in units. A figure that e-conomic
// did not send is nil, never zero.
type Inventory struct {
	InStock              *decimal.Decimal // in stock, those ordered by customers included
	Available            *decimal.Decimal // in stock less ordered by customers
	OrderedByCustomers   *decimal.Decimal
	OrderedFromSuppliers *decimal.Decimal
	LastUpdated          time.Time // zero if absent or not a time: e-conomic's schema has it, no recorded answer does
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
	Lines          []Line // only where one invoice was read; lines without an item are left out

	Unsound []Unsound // mostly nil; of many unsound lines only the first
}

func (i *Invoice) unsound() []Unsound { return i.Unsound }

// Line is an invoice line that carries an item.
type Line struct {
	ProductNumber string
	Quantity      decimal.Decimal
}

// Self is who an agreement is, as GET /self tells.
type Self struct {
	AgreementNumber int64
	CompanyName     string
	Modules         []Module
	BaseCurrency    string
	RequiredRoles   []string // of the app, by name

	ServerDate time.Time // e-conomic's clock when it answered; zero if it did not tell
}

// Module is a module that the agreement has switched on.
type Module struct {
	Number int
	Name   string
}

// ProductsQuery says which products to list. The zero value lists all of them,
// by number.
type ProductsQuery struct {
	// UpdatedSince asks for what was updated at or after this time, the latest
	// first. e-conomic's lastUpdated has the resolution of a minute, so it is
	// cut down to its minute. Zero: whatever their age.
	UpdatedSince time.Time

	// Numbers asks for these products. e-conomic compares without regard to
	// case, so others may come too: match exactly. At most FitNumbers at a time.
	Numbers []string

	PageSize  int // 1 to 1,000; 0 means 1,000
	SkipPages int // page to begin with, counted from 0
}

// InvoicesQuery says which booked invoices to list. The zero value lists all of
// them, by number.
type InvoicesQuery struct {
	HasAfter bool
	After    int64   // with HasAfter: numbers above this one
	Ranges   []Range // and these, whatever After says. At most FitRanges at a time

	DateFrom   string // of the above only those of this date (YYYY-MM-DD) or later; "": all
	Descending bool   // highest number first
	PageSize   int    // 1 to 1,000; 0 means 1,000
	SkipPages  int    // page to begin with, counted from 0
}

// Range is a run of invoice numbers, both ends included.
type Range struct{ From, To int64 }
