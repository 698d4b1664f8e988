package rackbeat

import (
	"time"

	"github.com/shopspring/decimal"

	"lagerd/rest"
	"lagerd/secret"
)

// Read is one value read from Rackbeat. If the request was sent, Began and ServerDate are set
// even when the read failed: a missing item is an observation too.
type Read[T any] struct {
	Value      T
	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// Page is one page of a listing. An entry whose number is unreadable is in Bad; it never fails
// the page. Rows shift between pages while the data change.
type Page[T any] struct {
	Items []T
	Bad   []BadItem
	Total int // entries in the whole listing, as Rackbeat counts them now; -1: it did not say
	Pages int // pages of the whole listing, as Rackbeat counts them now

	Began      time.Time // local clock, just before the request was sent
	ServerDate time.Time // the answer's Date header; zero if it had none
}

// BadItem is an unreadable entry of a page. Err names the field.
type BadItem struct {
	Number string // "" if unreadable
	Err    error
}

// Unsound is a field that is present but unreadable. It reads as absent.
type Unsound = rest.Unsound

// Self identifies an account.
type Self struct {
	ID   int64
	Name string // of the company
}

// Item is a product, a lot or a variant of an account. A figure that Rackbeat did not send is nil,
// never zero; so are the figures of an item for which Rackbeat keeps no stock (InventoryEnabled
// is false): what it sends for them is not to be believed.
type Item struct {
	Number           string // as sent, digit by digit
	URLFriendly      string // its number in a path; "" if the answer had none
	Name             string
	Barcode          string
	Barred           bool
	InventoryEnabled *bool // nil if the answer had none
	UpdatedAt        Time
	Deleted          bool // deleted_at is set: the item does not exist

	InStock   *decimal.Decimal // stock_quantity
	Available *decimal.Decimal // available_quantity: in stock less ordered by customers
	InOrder   *decimal.Decimal // in_order_quantity: ordered by customers
	Purchased *decimal.Decimal // purchased_quantity: ordered from suppliers

	Unsound []Unsound // usually nil
}

// Time is a time that Rackbeat sent. Documented is "2025-01-08 10:30:00" without a zone, and its
// clients show ISO 8601 with an offset.
type Time struct {
	At    time.Time // in UTC; zero if absent
	Zoned bool      // it had an offset; else At is its digits read as UTC, hours off perhaps
}

// Place is a place of the warehouse. Places nest: what is in one is in those around it too.
type Place struct {
	Number string
	Name   string
	Parent string // number of the place around it; "": it is a top place
}

// PlaceStock is what of an item is in one place.
type PlaceStock struct {
	Number  string
	Name    string           // only from Account.ItemPlaces
	InStock *decimal.Decimal // nil if the answer had none
}

// StockByPlace is an item of the report of stock by place.
type StockByPlace struct {
	Number  string
	InStock *decimal.Decimal // of the item; nil if the answer had none
	Places  []PlaceStock

	Unsound []Unsound // usually nil
}

// Webhook is a webhook that is set up at Rackbeat.
type Webhook struct {
	ID     int64
	Event  string
	URL    secret.Text // a shop's code may be in it
	Active *bool       // nil if the answer had none
	Plugin string      // who set it up, if a plugin did

	Failures int64 // since the last that succeeded
}
