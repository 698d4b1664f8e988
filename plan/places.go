package plan

import (
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// PlaceStock is what of an item is in one place of the warehouse.
type PlaceStock struct {
	Place   string // its number
	InStock decimal.Decimal
}

// PlaceRow is what of an item is in one place, to be stored.
type PlaceRow struct {
	Number string
	PlaceStock
	ChangedAt time.Time // when the read that showed it began
}

// samePlaces reports whether both have the same places with the same figures, in any order.
func samePlaces(a, b []PlaceStock) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(in PlaceStock) bool { return !hasPlace(b, in) })
}

func hasPlace(list []PlaceStock, in PlaceStock) bool {
	return slices.ContainsFunc(list, func(o PlaceStock) bool { return o.Place == in.Place && equalDecimals(o.InStock, in.InStock) })
}

// place adds what is to be written of an item's figures by place when next is written over row:
//
//	next's places                    rows by place
//	the same as row's                none
//	row's, with other figures        those that differ
//	some that row lacks              those
//	not all that row has             all of row's are deleted, then all of next's written
//	none, as it has no figure        all of row's are deleted
func (p *ItemsPlan) place(row, next Row) {
	gone := func(was PlaceStock) bool {
		return !slices.ContainsFunc(next.Places, func(in PlaceStock) bool { return in.Place == was.Place })
	}
	known := row.Places
	if slices.ContainsFunc(known, gone) {
		p.Unplaced = append(p.Unplaced, next.Number)
		known = nil
	}
	for _, in := range next.Places {
		if !hasPlace(known, in) {
			p.Places = append(p.Places, PlaceRow{Number: next.Number, PlaceStock: in, ChangedAt: next.Version.At})
		}
	}
}
