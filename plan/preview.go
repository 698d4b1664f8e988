package plan

// Fate is what becomes of an item's stock, for the shop's software, if a comparison is stored.
type Fate string

// The fates of an item.
const (
	FateSame     Fate = "same"      // nothing that the shop sells by differs
	FateOther    Fate = "other"     // another figure, a first one, or barred or no longer barred
	FateNoFigure Fate = "no_figure" // it loses its figure
	FateGone     Fate = "gone"      // it is no longer there
	FateNew      Fate = "new"       // it appears
)

// Fate returns what becomes of the item's stock. The first matching line decides:
//
//	stored                there                       fate
//	not, or gone          an item                     new
//	an item               none                        gone
//	with a figure         without                     no_figure
//	any                   another figure, or state    other
//	any                   the same figure and state   same: other figures may differ
func (d Difference) Fate() Fate {
	switch {
	case d.What == WhatCreated, d.What == WhatReturned:
		return FateNew
	case d.What == WhatGone:
		return FateGone
	case d.Stored.Stock.Valid && !d.Economic.Stock.Valid:
		return FateNoFigure
	case !sameDecimal(d.Stored.Stock, d.Economic.Stock), d.Stored.State != d.Economic.State:
		return FateOther
	}
	return FateSame
}

// Preview counts the items by what would become of their stock.
type Preview struct {
	Same, Other, NoFigure, Gone, New int

	Figures int // of Same: items of which another figure than the shop's differs
	Unread  int // stored items that are there, and that could not be understood
	Losses  int // items that would lose stock that the shop sells by
}

// PreviewOf counts the items of a comparison of everything: stored are those that are stored and
// not gone, unread those of them that could not be understood.
func PreviewOf(differences []Difference, stored, unread int) Preview {
	p := Preview{Same: stored - unread, Unread: unread}
	for i := range differences {
		d := &differences[i]
		fate := d.Fate()
		if d.Loss {
			p.Losses++
		}
		switch fate {
		case FateSame:
			p.Figures++
			continue
		case FateNew:
			p.New++
			continue
		case FateOther:
			p.Other++
		case FateNoFigure:
			p.NoFigure++
		case FateGone:
			p.Gone++
		}
		p.Same--
	}
	return p
}
