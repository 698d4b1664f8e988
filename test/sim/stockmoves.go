package sim

import (
	"database/sql/driver"
	"slices"
	"strings"

	"lagerd/store"
)

// In some seeds a person moves the stock of shops to Rackbeat, and back. Both services know the same
// items, and e-conomic's figures have stood still since the account at Rackbeat was opened. Only
// figures of the source that a shop's stock is read from may ever be stored, in that source's
// dataset, with its name in the history; and a hint is answered only by a read there.

// openBeside opens the account at Rackbeat of a shop whose stock is still read at e-conomic.
func (w *world) openBeside(x *shop) {
	x.stale = map[string]*item{}
	for _, i := range x.items {
		x.showAtEconomic(i, i.latest().stock)
	}
	w.openRackbeat(x)
	x.away = true
}

// showAtEconomic makes e-conomic show an item that is kept at Rackbeat, with a figure of its own.
func (x *shop) showAtEconomic(i *item, stock int64) {
	if x.stale == nil {
		return
	}
	other := *i
	other.revisions = slices.Clone(i.revisions)
	other.latest().stock = stock
	x.stale[i.number] = &other
}

// both returns an item as each service shows it.
func (x *shop) both(i *item) []*item {
	if other := x.stale[i.number]; other != nil {
		return []*item{i, other}
	}
	return []*item{i}
}

// at returns the items of the shop as Rackbeat or e-conomic shows them.
func (x *shop) at(rackbeat bool) map[string]*item {
	if rackbeat || x.stale == nil {
		return x.items
	}
	return x.stale
}

// divided reports whether the shop's stock and its invoices are read with tokens of their own.
func (x *shop) divided() bool { return x.key != "" && !x.away }

// reader names the reads of the shop's stock at one of the services.
func (x *shop) reader(rackbeat bool) string {
	if rackbeat && x.stale != nil {
		return x.name + " at Rackbeat"
	}
	return x.name
}

// reader names the reads of the stock of a shop where it is read now.
func (o *oracle) reader(shop string) string {
	x := o.sim.world.named(shop)
	return x.reader(x.divided())
}

// readOf names the reads by an instance that answer a hint.
func (o *oracle) readOf(i *instance, k hintKey) readKey {
	r := readKey{i.id, k.shop, k.kind, k.number}
	if k.kind == "stock" && o.sim.profile.sources {
		r.shop = o.reader(k.shop)
	}
	return r
}

// startStockMove begins to move the stock of a shop to the other service.
func (w *world) startStockMove() {
	s := w.sim
	var able []*shop
	for _, x := range w.shops {
		if x.stale != nil && !w.moving[x.name] {
			able = append(able, x)
		}
	}
	if len(able) == 0 {
		return
	}
	x := able[s.rng.IntN(len(able))]
	m := move{shop: x.name, from: x, to: x, stock: store.SourceEconomic}
	if x.away {
		m.stock = store.SourceRackbeat
	}
	w.moving[x.name] = true
	w.command(m)
}

func (m move) stockChange(s *simulation) store.StockChange {
	if m.stock == store.SourceEconomic {
		return store.StockChange{Source: m.stock}
	}
	return store.StockChange{Source: m.stock, Account: m.to.accountNumber(), Key: []byte(m.to.key), Places: s.profile.places}
}

// noteSources records where the stock of each shop is read, after a commit that may have moved one.
func (o *oracle) noteSources(statements []string) (moved bool) {
	if !o.sim.profile.sources || !slices.ContainsFunc(statements, func(q string) bool { return strings.HasPrefix(q, "UPDATE `shops`") }) {
		return false
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, stock_source FROM shops") {
		if x := o.sim.world.named(row[0].(string)); x.stale != nil {
			x.away = row[1] != string(store.SourceRackbeat)
			if x.away { // from here on only the database knows how long the account takes no calls
				o.agreement(accountKey{depots, x.accountNumber()}).told = nil
				for k, list := range o.economy.quiet {
					o.economy.quiet[k] = slices.DeleteFunc(list, func(q quiet) bool { return q.account == x.kept })
				}
			}
		}
	}
	return true
}

// datasetOf returns whose items a dataset has, and whether they were read at Rackbeat.
func (o *oracle) datasetOf(dataset string) (x *shop, rackbeat bool) {
	for _, row := range o.stockAccounts("dataset", dataset) {
		return o.sim.world.named(row[1].(string)), true
	}
	return o.sim.world.named(dataset), false
}

// datasetAt returns the dataset of a shop's items that were read at a source.
func (o *oracle) datasetAt(shop, source string) string {
	if source == string(store.SourceRackbeat) {
		for _, row := range o.stockAccounts("shop", shop) {
			return row[0].(string)
		}
	}
	return shop
}

func (o *oracle) stockAccounts(column, value string) [][]driver.Value {
	return o.sim.db.mustQuery("SELECT dataset, shop FROM stock_accounts WHERE "+column+" = ?", value)
}

// changed reports whether the history has a change of an item at a source.
func (o *oracle) changed(x *shop, rackbeat bool, number string) bool {
	source := store.SourceEconomic
	if rackbeat {
		source = store.SourceRackbeat
	}
	return len(o.sim.db.mustQuery("SELECT 1 FROM changes WHERE shop = ? AND kind = 'stock' AND number = ? AND source = ?", x.name, number, string(source))) > 0
}

// isShown reports whether a shop is shown the items of a dataset. Others may lose any number: that is
// judged before they are shown.
func (o *oracle) isShown(x *shop, dataset string) bool {
	return !o.sim.profile.sources || o.sim.db.mustQuery("SELECT items_dataset FROM progress WHERE shop = ?", x.name)[0][0] == dataset
}

// checkShown checks that a shop that is shown the items of another source does not lose too many
// with it.
func (o *oracle) checkShown() {
	if !o.sim.profile.sources {
		return
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, items_dataset FROM progress") {
		x, dataset := o.sim.world.named(row[0].(string)), row[1].(string)
		was, known := o.showed[x.name]
		if o.showed[x.name] = dataset; !known || was == dataset {
			continue
		}
		o.sim.counts["items of another source shown"]++
		lost := o.sim.db.mustQuery("SELECT COUNT(*) FROM items f LEFT JOIN items n ON n.shop = ? AND n.number = f.number WHERE f.shop = ? AND f.state <> 'gone'"+
			" AND (f.stock IS NOT NULL AND (n.stock IS NULL OR f.stock + 0 <> 0 AND n.stock + 0 = 0) OR n.state IS NULL OR n.state = 'gone')", dataset, was)[0][0].(int64)
		if most := max(lossMin, len(x.numbers)*lossPercent/100); int(lost) > most && !x.approved {
			o.violate("blast radius: %s was shown the items of another source, and lost %d of %d without approval", x.name, lost, len(x.numbers))
		}
	}
}
