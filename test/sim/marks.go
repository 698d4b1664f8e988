package sim

import (
	"net/http"
	"slices"
	"strings"

	"lagerd/plan"
)

// A mark stands for acknowledged webhooks of which nothing else is kept. The oracle remembers
// when each mark last grew, and which listings of everything began since.

// markState is a row of hint_marks.
type markState struct {
	of    hintKey // without a number
	hints int64
	step  int64 // when it last grew
}

// checkMarks checks that a mark is deleted only by a listing of everything that began after it
// last grew, or for a new one that stands for its webhooks too. It returns by how much the marks of each shop and kind have grown.
func (o *oracle) checkMarks(i *instance) map[hintKey]int64 {
	found, grown := map[int64]markState{}, map[hintKey]int64{}
	for _, row := range o.sim.db.mustQuery("SELECT id, shop, kind, hints FROM hint_marks") {
		m := markState{of: hintKey{shop: row[1].(string), kind: row[2].(string)}, hints: row[3].(int64), step: o.sim.step.Load()}
		was := o.marks[row[0].(int64)]
		if m.hints == was.hints {
			m.step = was.step
		} else {
			o.markedAt[m.of] = m.step
		}
		if m.hints < was.hints {
			o.violate("marks: that of %v went from %d to %d webhooks", m.of, was.hints, m.hints)
		}
		grown[m.of] += m.hints - was.hints
		found[row[0].(int64)] = m
	}
	fresh := map[hintKey]int64{} // webhooks that marks made now stand for
	for id, m := range found {
		if _, former := o.marks[id]; !former {
			fresh[m.of] += m.hints
		}
	}
	for id, m := range o.marks {
		if _, kept := found[id]; kept || o.off(m.of) {
			continue
		}
		if fresh[m.of] >= m.hints {
			o.sim.counts["mark replaced"]++
			fresh[m.of] -= m.hints
			grown[m.of] -= m.hints
			continue
		}
		o.sim.counts["mark ended"]++
		if began, swept := o.sweptAt(i, m.of); !swept || began < m.step {
			o.violate("marks: that of %v grew at step %d and was deleted after a listing that began at step %d (any: %t)", m.of, m.step, began, swept)
		}
	}
	o.marks = found
	return grown
}

// checkCap checks that unpacking opens no hint of a number that is not stored beyond the cap.
func (o *oracle) checkCap(fenced string, statements []string) {
	unpacks := slices.ContainsFunc(statements, func(q string) bool { return strings.HasPrefix(q, "DELETE FROM hint_batches") })
	if !o.sim.profile.capped || !unpacks {
		return
	}
	opened, open := "", 0
	for _, row := range o.sim.db.mustQuery("SELECT number FROM hints h WHERE open = 1 AND shop = ? AND kind = 'stock'"+
		" AND NOT EXISTS (SELECT 1 FROM items i JOIN shops s ON s.stock_dataset = i.shop WHERE s.shop = h.shop AND i.number = h.number)", fenced) {
		open++
		if k := (hintKey{fenced, "stock", row[0].(string)}); !o.hints[k].open {
			opened = k.number
		}
	}
	if most := o.sim.profile.pace().HintCaps.Unknown; opened != "" && open > most {
		o.violate("marks: %q of %s was unpacked although %d hints of unknown numbers are open, of %d", opened, fenced, open, most)
	}
}

// sweptAt returns the step at which the instance's last whole listing of a kind began.
func (o *oracle) sweptAt(i *instance, of hintKey) (began int64, swept bool) {
	k := listingKey{i.id, of.shop}
	if of.kind == string(plan.KindStock) {
		k.shop = o.reader(of.shop)
	}
	if of.kind == string(plan.KindInvoice) {
		began, swept = o.invoiceSweeps[k]
		return began, swept
	}
	l := o.wholes[k]
	if l == nil {
		return 0, false
	}
	return l.began, true
}

// readInvoiceListing follows a listing of all the shop's invoices to its end.
func (o *oracle) readInvoiceListing(i *instance, x *shop, req *http.Request, began int64, last bool) {
	query := req.URL.Query()
	if !strings.HasPrefix(query.Get("filter"), "date$gte:") {
		return
	}
	k := listingKey{i.id, x.name}
	if skip := query.Get("skippages"); skip == "" || skip == "0" {
		o.invoiceBegan[k] = began
	}
	if last {
		o.invoiceSweeps[k] = o.invoiceBegan[k]
	}
}

// marked reports whether webhooks of a number that are no longer in batches can be among those
// that its shop's marks have grown by, and takes them off.
func marked(grown map[hintKey]int64, k hintKey, webhooks int64) bool {
	of := hintKey{shop: k.shop, kind: k.kind}
	if grown[of] < webhooks {
		return false
	}
	grown[of] -= webhooks
	return true
}
