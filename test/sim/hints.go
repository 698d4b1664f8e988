package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Hints are answered by generation: the oracle remembers when each one arrived, and which reads
// began since.

// hinted returns how often the number was hinted at, according to the database.
func (o *oracle) hinted(k hintKey) int64 { return o.pruned[k] + o.hints[k].seen + o.batched[k] }

// answered reports whether a number in deleted batches was read after they arrived, or will be
// because it has an open row.
func (o *oracle) answered(i *instance, k hintKey, deleted []batch) bool {
	if o.hints[k].open || k.kind == "invoice" && o.stored(k) {
		return true
	}
	began, read := o.reads[o.readOf(i, k)]
	if k.number == "" { // of all items
		began, read = o.sweptAt(i, k)
	}
	at, marked := o.markedAt[hintKey{shop: k.shop, kind: k.kind}]
	if k.kind == "invoice" && marked && (!read || began < at) {
		// A listing of items claims batches and marks what it cannot answer before it deletes them.
		// That mark was or will be ended by a listing of invoices that began after it.
		began, read = at, true
	}
	return read && !slices.ContainsFunc(deleted, func(b batch) bool { return b.step > began && slices.Contains(b.hints, k) })
}

// readBatches counts the webhooks in batches and returns the batches that are gone.
func (o *oracle) readBatches() (deleted []batch) {
	clear(o.batched)
	found := map[int64]batch{}
	for _, row := range o.sim.db.mustQuery("SELECT id, shop, data, error FROM hint_batches") {
		var hints []struct{ Kind, Number string }
		if err := json.Unmarshal([]byte(row[2].(string)), &hints); err != nil || row[3] != "" {
			o.violate("hints: a batch cannot be read: %v %v", row[3], err)
		}
		b, known := o.batches[row[0].(int64)]
		if !known {
			b.step = o.sim.step.Load()
		}
		b.hints = nil
		for _, h := range hints {
			k := hintKey{row[1].(string), h.Kind, h.Number}
			o.checkForged(k)
			o.batched[k]++
			b.hints = append(b.hints, k)
		}
		found[row[0].(int64)] = b
	}
	for id, b := range o.batches {
		if _, kept := found[id]; !kept {
			deleted = append(deleted, b)
		}
	}
	o.batches = found
	return deleted
}

// checkAcknowledged checks that no acknowledged webhook disappears, wherever it is stored.
func (o *oracle) checkAcknowledged() {
	for k, least := range o.acked {
		if o.hinted(k) < least {
			o.violate("durable: the acknowledged webhook of %v is no longer in the database", k)
		}
	}
}

// acknowledged checks that "Success" means durable.
func (o *oracle) acknowledged(a ack) {
	k := hintKey{a.hint.Shop, string(a.hint.Kind), a.hint.Number}
	switch {
	case a.status == http.StatusForbidden && !a.forged:
		o.violate("token: a webhook of %v was refused, though it has the token of Rackbeat's", k)
	case a.status == http.StatusOK && a.forged:
		o.violate("token: a webhook of %v without the token of Rackbeat's was acknowledged", k)
	}
	if a.status != http.StatusOK {
		o.sim.counts[fmt.Sprint("webhook answered ", a.status)]++
		return
	}
	o.sim.counts["webhook acknowledged"]++
	if o.sim.profile.removes || o.over {
		return
	}
	if o.hinted(k) <= a.before {
		o.violate("durable: the webhook of %v was acknowledged and is not in the database", k)
	}
	o.acked[k] = max(o.acked[k], a.before+1)
}

// checkHints checks that a hint is cleared only by a read that began after it arrived.
func (o *oracle) checkHints(i *instance) {
	step := o.sim.step.Load()
	found := map[hintKey]bool{}
	for _, row := range o.sim.db.mustQuery("SELECT shop, kind, number, seen_gen, done_gen, open, tries FROM hints") {
		k := hintKey{row[0].(string), row[1].(string), row[2].(string)}
		found[k] = true
		o.checkForged(k)
		seen, done, open, tries := row[3].(int64), row[4].(int64), truth(row[5]), row[6].(int64)
		was := o.hints[k]
		if was.steps == nil {
			was.steps = map[int64]int64{}
		}
		for g := was.seen + 1; g <= seen; g++ {
			was.steps[g] = step
		}
		switch {
		case seen < was.seen:
			o.violate("hints: the generation of %v went from %d to %d", k, was.seen, seen)
		case open != (seen > done):
			o.violate("hints: %v has seen %d, done %d and open %t", k, seen, done, open)
		case done > seen:
			o.violate("hints: %v is answered up to %d, of %d", k, done, seen)
		case open && was.open && seen == was.seen && tries < was.tries:
			o.violate("hints: the number of reads of %v went from %d to %d", k, was.tries, tries)
		case done > was.done:
			began, read := o.reads[o.readOf(i, k)]
			if k.kind == "invoice" && o.stored(k) {
				break // it is stored, and a booked invoice never changes
			}
			if recorded := was.steps[done]; (!read || began < recorded) && !o.off(k) {
				o.violate("hints: %v was answered up to %d, recorded at step %d, by a read that began at step %d (any: %t)", k, done, recorded, began, read)
			}
		}
		for g := was.done + 1; g <= done; g++ {
			delete(was.steps, g) // it can no longer be answered
		}
		o.hints[k] = hintState{seen: seen, done: done, open: open, tries: tries, steps: was.steps}
	}
	for k, h := range o.hints {
		if !found[k] {
			if h.open {
				o.violate("hints: %v was open and is gone", k)
			}
			o.pruned[k] += h.seen
			delete(o.hints, k)
		}
	}
}

// off reports whether a person has switched off what a hint is about.
func (o *oracle) off(k hintKey) bool {
	row := o.sim.db.mustQuery("SELECT stock_on, stock_source = 'economic' OR rackbeat_key IS NOT NULL, invoices_on FROM shops WHERE shop = ?", k.shop)[0]
	if k.kind == "invoice" {
		return !truth(row[2])
	}
	// A listing without a figure holds the stock: its hints are answered with that reason.
	noFigures := len(o.sim.db.mustQuery("SELECT 1 FROM holds WHERE shop = ? AND scope = 'stock' AND reason = 'no_inventory'", k.shop)) > 0
	return !truth(row[0]) || !truth(row[1]) || noFigures
}

func (o *oracle) stored(k hintKey) bool {
	return len(o.sim.db.mustQuery("SELECT 1 FROM invoices i JOIN shops s ON s.dataset = i.shop WHERE s.shop = ? AND i.number = ?", k.shop, k.number)) > 0
}
