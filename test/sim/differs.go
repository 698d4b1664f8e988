package sim

import (
	"encoding/json"
	"fmt"
	"time"

	"lagerd/plan"
)

// differs describes how the database differs from e-conomic, "" if it does not.
func (o *oracle) differs() string {
	for _, x := range o.sim.world.shops {
		switch {
		case x.name == "":
			continue
		case o.sim.world.moving[x.name]:
			return x.name + " is being moved"
		}
		if d := o.movedDiffers(x); d != "" {
			return x.name + ": " + d
		}
		if d := o.stops(x); d != "" {
			return x.name + ": " + d
		}
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, kind, number, note FROM hints WHERE open = 1") {
		return fmt.Sprintf("the hint %v is open", row)
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, scope, reason, detail FROM holds") {
		if row[1] == string(plan.ScopePDFs) && o.sim.profile.forbids {
			continue // invoices refused for ever may be all that is left
		}
		return fmt.Sprintf("a shop is held: %v", row)
	}
	if u := o.unsound(); u != "" {
		return u
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, hints FROM hint_batches") {
		return fmt.Sprintf("webhooks wait to be unpacked: %v", row)
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, kind, hints FROM hint_marks") {
		return fmt.Sprintf("a shop is marked: %v", row)
	}
	return ""
}

func (o *oracle) shopDiffers(x *shop, dataset, stockDataset string) string {
	db := o.sim.db
	stored := map[string][2]string{}
	for _, row := range db.mustQuery("SELECT number, stock, state FROM items WHERE shop = ?", stockDataset) {
		stored[row[0].(string)] = [2]string{figure(row[1]), row[2].(string)}
	}
	for _, number := range x.numbers {
		it := x.at(!x.away)[number]
		r := it.latest()
		want := [2]string{r.figure(), "ok"}
		switch {
		case r.deleted:
			want = [2]string{"", "gone"}
			if _, known := stored[number]; !known {
				continue // it appeared and disappeared unseen
			}
		case r.barred:
			want[1] = "barred"
		}
		if got := stored[number]; got != want {
			return fmt.Sprintf("item %q is %q, expected %q (%s)", number, got, want, it.history())
		}
	}
	if d := o.placesDiffer(x, stockDataset); d != "" {
		return d
	}
	var is struct {
		Products []struct{ Number string }
		Invoices []struct {
			Number    int64
			PDFSHA256 string
		}
	}
	if err := json.Unmarshal(o.sim.world.control("GET", fmt.Sprintf("agreements/%d/truth", x.agreement), ""), &is); err != nil {
		panic(err)
	}
	pdfs := map[int64]string{}
	for _, row := range db.mustQuery("SELECT number, pdf_sha256 FROM invoices WHERE shop = ? AND work_due_at IS NULL", dataset) {
		pdfs[row[0].(int64)] = row[1].(string)
	}
	for _, inv := range is.Invoices {
		if x.noPDF[inv.Number] != 0 {
			continue
		}
		if pdfs[inv.Number] != inv.PDFSHA256 {
			return fmt.Sprintf("invoice %d has the PDF %q, expected %q", inv.Number, pdfs[inv.Number], inv.PDFSHA256)
		}
	}
	if len(is.Invoices) != len(x.invoices) || len(is.Products) != len(o.sim.world.living(x)) {
		panic("the simulation is wrong about its own world")
	}
	return ""
}

// checkHistory checks that each change continues from the previous one, or from what the first
// sweep stored, up to the stored row.
func (o *oracle) checkHistory() {
	if o.sim.profile.moves || time.Since(o.sim.began) > o.sim.profile.keepHistory {
		return // earlier history has been deleted
	}
	last := map[itemKey]string{}
	for _, row := range o.sim.db.mustQuery("SELECT shop, number, old_stock, new_stock, token, seq, source FROM changes WHERE kind = 'stock' ORDER BY token, seq, n") {
		k := itemKey{o.datasetAt(row[0].(string), row[6].(string)), row[1].(string)}
		was, changed := last[k]
		baseline, swept := o.baseline[k]
		if now := figure(row[2]); was != now && (changed || !swept || baseline != now) {
			o.violate("history: %v went from %q to %q, and the change before ended with %q (token %v, transaction %v)", k, now, figure(row[3]), was, row[4], row[5])
		}
		last[k] = figure(row[3])
	}
	for _, row := range o.sim.db.mustQuery("SELECT shop, number, stock FROM items") {
		k := itemKey{row[0].(string), row[1].(string)}
		was, changed := last[k]
		if !changed {
			was = o.baseline[k]
		}
		if was != figure(row[2]) {
			o.violate("history: %v is %q, and its last change ended with %q", k, figure(row[2]), was)
		}
	}
}
