package reconcile

import (
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// Differences is the result of a Diff.
type Differences struct {
	Shop       string
	ReadAt     time.Time // when the reads began
	Stock      *StockDiff
	Invoices   *InvoicesDiff
	Unreadable []Unreadable
	Notes      []string // what a person must know to read the rest

	fieldNotes int
}

// StockDiff compares items; nil if they were not compared.
type StockDiff struct {
	Source     string // whose items they are: the service's name; "": e-conomic
	AtEconomic int    // items compared: at Source
	Stored     int    // of those, items that are not gone
	Items      []ItemDifference
}

// ItemDifference is an item that differs.
type ItemDifference struct {
	plan.Difference
	HintSince time.Time // when its open hint came, which means it is being worked on; zero: it has none
	Twice     bool      // a second read of the item alone confirmed it
}

// InvoicesDiff compares invoices; nil if they were not compared.
type InvoicesDiff struct {
	AtEconomic int // invoices compared
	Stored     int // of those
	Invoices   []InvoiceDifference
}

// WhatNoPDF marks an invoice that is stored without its PDF so far.
const WhatNoPDF plan.What = "no_pdf"

// InvoiceDifference is an invoice that differs: booked but not stored, stored without its PDF,
// or stored but gone.
type InvoiceDifference struct {
	Number    int64
	What      plan.What
	Date      string // YYYY-MM-DD; "": unknown
	Tries     int    // failed attempts to fetch its PDF
	Error     string // of the last attempt
	Note      string
	HintSince time.Time
}

// Unreadable is an item or invoice that cannot be compared because e-conomic's answer could not
// be understood. A reconciliation does not touch it.
type Unreadable struct {
	Kind   plan.Kind
	Number string // "" if unreadable too
	Reason string
}

// Equal reports whether everything that was compared is equal.
func (d Differences) Equal() bool { return d.Count() == 0 && len(d.Unreadable) == 0 }

// Count returns how many items and invoices differ.
func (d Differences) Count() int {
	n := 0
	if d.Stock != nil {
		n += len(d.Stock.Items)
	}
	if d.Invoices != nil {
		n += len(d.Invoices.Invoices)
	}
	return n
}

// Losses returns how many differing items would lose stock that the shop sells by: a stock that
// becomes zero or absent, or an item that is gone.
func (d Differences) Losses() int {
	n := 0
	if d.Stock != nil {
		for _, i := range d.Stock.Items {
			if i.Loss {
				n++
			}
		}
	}
	return n
}

func (d *Differences) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

func (d *Differences) unreadable(kind plan.Kind, bad ...plan.Unreadable) {
	for _, b := range bad {
		d.Unreadable = append(d.Unreadable, Unreadable{kind, b.Number, b.Err.Error()})
	}
}

func (d *Differences) isUnreadable(number string) bool {
	return slices.ContainsFunc(d.Unreadable, func(u Unreadable) bool { return u.Kind == plan.KindStock && u.Number == number })
}

// partial reports an item that could only be compared in part, and notes fields of an item or
// invoice that are never compared.
func (d *Differences) partial(kind plan.Kind, number, warning string, unknown plan.Fields) {
	switch {
	case warning == "":
	case unknown.Has(plan.FieldBarred | plan.FieldsOfInventory):
		d.unreadable(kind, plan.Unreadable{Number: number, Err: fmt.Errorf("only in part: %s", warning)})
	default:
		if d.fieldNotes++; d.fieldNotes <= maxFieldNotes {
			d.note("%s %q has unreadable fields, which are not compared: %s", thing(kind), number, warning)
		}
	}
}

// maxFieldNotes is how many notes about unreadable fields a person gets.
const maxFieldNotes = 5

func thing(kind plan.Kind) string {
	if kind == plan.KindInvoice {
		return "invoice"
	}
	return "item"
}
