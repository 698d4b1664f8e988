package plan

import "github.com/shopspring/decimal"

// Verdict is what a complete listing says about an agreement's stock.
type Verdict string

// The verdicts on an agreement's stock.
const (
	VerdictOK          Verdict = "ok"
	VerdictEmpty       Verdict = "empty"        // no items at all
	VerdictNoInventory Verdict = "no_inventory" // items that keep stock, and none carries a figure
	VerdictAllZero     Verdict = "all_zero"     // every figure is zero
)

// Assessment gathers a verdict over the pages of one listing. The zero value
// is ready to use.
type Assessment struct {
	Items, Enabled, WithFigures, NonZero int
}

// Add counts one listed item. An item that carries an inventory block counts
// as one that keeps stock, whatever its group says: e-conomic left
// productGroup.inventoryEnabled out of its answers for years.
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

// Verdict judges the listing. Where no item carries a figure the agreement
// has no stock that lagerd can read, whether or not a group claims to keep
// it: the demo agreement of 2026 looks so.
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
