package plan

import (
	"fmt"

	"github.com/shopspring/decimal"
)

// Verdict is what a complete listing says about an agreement's stock.
type Verdict string

// The verdicts on an agreement's stock.
const (
	VerdictOK          Verdict = "ok"
	VerdictEmpty       Verdict = "empty"        // no items at all
	VerdictNoInventory Verdict = "no_inventory" // items that keep stock, and none carries a figure
	VerdictAllZero     Verdict = "all_zero"     // every figure is zero
)

// Assessment collects the verdict over the pages of one listing. The zero value is ready to
// use.
type Assessment struct {
	Items, Enabled, WithFigures, NonZero int
}

// Add counts a listed item. An item with an inventory block counts as one that keeps stock,
// whatever its group says: e-conomic left productGroup.inventoryEnabled out of its answers for
// years.
func (a *Assessment) Add(item Item) {
	a.Items++
	has := item.Figures.InStock.Valid || item.Figures.Available.Valid
	if item.InventoryEnabled || has {
		a.Enabled++
	}
	if has {
		a.WithFigures++
	}
	if nonZero(item.Figures.InStock) || nonZero(item.Figures.Available) {
		a.NonZero++
	}
}

func nonZero(d decimal.NullDecimal) bool { return d.Valid && !d.Decimal.IsZero() }

// Verdict judges the listing. If no item carries a figure, the agreement has no stock that
// lagerd can read, even if a group claims to keep stock: the demo agreement of 2026 is like
// that.
func (a Assessment) Verdict() Verdict {
	switch {
	case a.Items == 0:
		return VerdictEmpty
	case a.WithFigures == 0:
		return VerdictNoInventory
	case a.NonZero == 0:
		return VerdictAllZero
	}
	return VerdictOK
}

// Supply is whether an agreement's stock can be read.
type Supply string

// The possible supplies.
const (
	SupplyThere   Supply = "there"   // an item carries a figure, or there are no items
	SupplyNone    Supply = "none"    // none does: the agreement has no inventory module, or keeps its stock elsewhere
	SupplyUnknown Supply = "unknown" // none does that could be understood, and some could not
)

// FigureSearch searches the first pages of a listing for a figure before anything is stored. The
// zero value is ready to use.
type FigureSearch struct {
	Assessment
	unreadable int
}

// Add adds a page. enough reports that no further page is needed: one carries a figure, or none
// so far shows an item that can be understood, so that all of them might be read in vain.
func (f *FigureSearch) Add(p Page) (enough bool) {
	f.unreadable += len(p.Unreadable)
	for i := range p.Observed {
		if p.Observed[i].Found {
			f.Assessment.Add(p.Observed[i].Item)
		}
	}
	return f.WithFigures > 0 || f.Items == 0 && f.unreadable > 0
}

// Supply returns what was found:
//
//	items                                  supply
//	none                                   there
//	one carries a figure                   there
//	none does, all can be understood       none
//	none does, some cannot be understood   unknown: any of them may
//	none can be understood                 unknown
func (f *FigureSearch) Supply() Supply {
	switch {
	case f.Items == 0 && f.unreadable > 0:
		return SupplyUnknown
	case f.Verdict() != VerdictNoInventory:
		return SupplyThere
	case f.unreadable > 0:
		return SupplyUnknown
	}
	return SupplyNone
}

// Detail describes an agreement without figures, for people.
func (f *FigureSearch) Detail() string {
	return fmt.Sprintf("none of %d items carries a stock figure (%d claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)", f.Items, f.Enabled)
}
