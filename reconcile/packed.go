package reconcile

import (
	"context"
	"maps"
	"slices"

	"lagerd/reconcile/plan"
	"lagerd/store"
)

// A flood's webhooks may stay packed, in the batches in which they were recorded, until
// a listing has answered them: a row to each would cost the database as much as the
// items that they tell of. Such a hint has no generation. Where one is to be read again
// it gets its row then; the batches are deleted when the listing is over. Until then
// they are in the database: a listing that ends early leaves them to be unpacked, and
// so does a lagerd that dies.

// leavesPacked reports whether webhooks may stay packed, since a listing may begin in
// this pass. After one that failed that is not certain, and they would pile up.
func (w *worker) leavesPacked() bool {
	return w.loaded && !w.failed && w.sweep == nil && w.progress.Held == "" && !w.shop.Paused() && w.stockOff() == ""
}

// takePacked puts packed hints into the hands of a listing that begins. What it does not
// answer by itself gets a row at once: invoices', and those whose number has an open one.
func (w *worker) takePacked(ctx context.Context, l *listing, packed store.Packed) error {
	if len(packed.Batches) == 0 {
		return nil
	}
	var rows []store.HintRecord
	for _, number := range slices.Sorted(maps.Keys(packed.Hints[plan.KindInvoice])) {
		rows = append(rows, w.withRow(packed.Hints[plan.KindInvoice][number], plan.Reread{}))
	}
	for _, number := range slices.Sorted(maps.Keys(l.hints)) {
		if h, ok := packed.Hints[plan.KindStock][number]; ok {
			rows = append(rows, w.withRow(h, plan.Reread{}))
		}
	}
	if len(rows) > 0 {
		err := w.apply(ctx, store.Applied{Hints: rows})
		if err == nil {
			l.hints, err = w.allHints(ctx, job{work: true})
		}
		if err != nil {
			return err
		}
	}
	if l.hints == nil {
		l.hints = hintMap{}
	}
	l.hints.addPacked(packed.Hints[plan.KindStock])
	l.batches, w.packed = packed.Batches, false
	return nil
}

// addPacked adds those whose number has no open row.
func (m hintMap) addPacked(hints hintMap) {
	for number, h := range hints {
		if _, open := m[number]; !open && h.Packed() {
			m[number] = h
		}
	}
}

// withRow returns what gives a packed hint its row, to be read again.
func (w *worker) withRow(h plan.Hint, again plan.Reread) store.HintRecord {
	return store.HintRecord{Shop: w.shop.Shop, Kind: h.Kind, Number: h.Number, Cause: h.Cause, At: h.WebhookAt, FirstAt: h.FirstAt,
		DueAt: again.DueAt, Tries: again.Tries, Note: again.Note}
}

// lastBatch is the last of the batches that the listing has in hand, if any.
func (l *listing) lastBatch() int64 {
	if l == nil || len(l.batches) == 0 {
		return 0
	}
	return l.batches[len(l.batches)-1]
}

// batchesAtOnce bounds how many are deleted by one transaction: a large one would hold
// up a Galera cluster.
const batchesAtOnce = 1000

// forgetPacked deletes the batches that a listing had in hand, when it has been stored
// whole. What it did not answer gets a row.
func (w *worker) forgetPacked(ctx context.Context, l *listing) error {
	var left []store.HintRecord
	for _, number := range slices.Sorted(maps.Keys(l.hints)) {
		if h := l.hints[number]; h.Packed() {
			left = append(left, w.withRow(h, plan.Reread{}))
			delete(l.hints, number)
		}
	}
	if len(left) > 0 {
		if err := w.apply(ctx, store.Applied{Hints: left}); err != nil {
			return err
		}
	}
	for piece := range slices.Chunk(l.batches, batchesAtOnce) {
		w.seq++
		if err := w.Store.Forget(ctx, store.Fence{Shop: w.shop.Shop, Token: w.token, Seq: w.seq}, piece); err != nil {
			return err
		}
	}
	return nil
}

// endListing forgets the listing under way. Webhooks that it had in hand are unpacked
// then, those of them that it has not forgotten itself.
func (w *worker) endListing() {
	w.packed = w.packed || w.sweep.lastBatch() > 0
	w.sweep = nil
}
