package reconcile

import (
	"context"
	"maps"
	"slices"

	"lagerd/plan"
	"lagerd/store"
)

// A flood's webhooks may stay packed, in the batches in which they were recorded, until
// a listing has answered them: a row to each would cost the database as much as the
// items that they tell of. Such a hint has no generation. What the listing does not
// answer by itself gets a row at once, an invoice's and those whose number has an open
// one; what is to be read again gets it then. The batches are deleted when the listing
// is over. Until then they are in the database: a listing that ends early leaves them to
// be unpacked, and so does a lagerd that dies.

// leavesPacked reports whether webhooks may stay packed, since a listing may begin in
// this pass. After one that failed that is not certain, and they would pile up.
func (w *Shop) leavesPacked() bool {
	return w.loaded && !w.failed && w.sweep == nil && !w.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !w.shop.Paused() && w.stockOff() == ""
}

// leftPacked returns the webhooks that unpack has left packed.
func (w *Shop) leftPacked(ctx context.Context) (store.Packed, error) {
	if !w.packed || w.sweep != nil {
		return store.Packed{}, nil
	}
	return w.Store.Packed(ctx, w.shop.Shop)
}

// unpackRest unpacks what has been left packed and is not worth a listing, and returns
// the hints that are due then.
func (w *Shop) unpackRest(ctx context.Context, j Due) (hintMap, error) {
	if err := w.unpack(ctx, true); err != nil {
		return nil, err
	}
	return w.dueHints(ctx, j, plan.KindStock)
}

// openHints loads the hints of a kind that are due. Where something else has hinted at a
// number that the listing under way has packed in hand, its webhook goes to the row: by
// itself, the row would be answered as if there were none.
func (w *Shop) openHints(ctx context.Context, kind plan.Kind, due store.Due) (hintMap, error) {
	hints, err := w.Store.OpenHints(ctx, w.shop.Shop, kind, due)
	if err != nil || kind != plan.KindStock || w.sweep.lastBatch() == 0 {
		return hints, err
	}
	both := hintMap{}
	for number := range hints {
		if h, in := w.sweep.hints[number]; in && h.Packed() {
			both[number] = h
		}
	}
	if len(both) == 0 {
		return hints, nil
	}
	if err := w.giveRows(ctx, both); err != nil {
		return nil, err
	}
	for number := range both {
		delete(w.sweep.hints, number)
	}
	return w.Store.OpenHints(ctx, w.shop.Shop, kind, due)
}

// giveRows gives packed hints their rows, as many by a transaction as Unpack does.
func (w *Shop) giveRows(ctx context.Context, hints hintMap) error {
	for piece := range slices.Chunk(slices.Sorted(maps.Keys(hints)), w.UnpackAtOnce) {
		rows := make([]store.HintRecord, len(piece))
		for i, number := range piece {
			rows[i] = w.withRow(hints[number], plan.Reread{})
		}
		if err := w.apply(ctx, store.Applied{Hints: rows}); err != nil {
			return err
		}
	}
	return nil
}

// withRow returns what gives a packed hint its row, to be read again.
func (w *Shop) withRow(h plan.Hint, again plan.Reread) store.HintRecord {
	return store.HintRecord{Shop: w.shop.Shop, Kind: h.Kind, Number: h.Number, Cause: h.Cause, At: h.WebhookAt, FirstAt: h.FirstAt,
		DueAt: again.DueAt, Tries: again.Tries, Reason: again.Reason, Note: again.Note, More: max(h.Webhooks-1, 0)}
}

// addPacked adds those whose number has no open row.
func (m hintMap) addPacked(hints hintMap) {
	for number, h := range hints {
		if _, open := m[number]; !open && h.Packed() {
			m[number] = h
		}
	}
}

// lastBatch is the last of the batches that the listing has in hand, if any.
func (l *listing) lastBatch() int64 {
	if l == nil || len(l.batches) == 0 {
		return 0
	}
	return l.batches[len(l.batches)-1]
}

// forgetPacked deletes the batches that a listing had in hand, when it has been stored
// whole. What it did not answer gets a row.
func (w *Shop) forgetPacked(ctx context.Context, l *listing) error {
	left := hintMap{}
	for number, h := range l.hints {
		if h.Packed() {
			left[number] = h
			delete(l.hints, number)
		}
	}
	if err := w.giveRows(ctx, left); err != nil {
		return err
	}
	for piece := range slices.Chunk(l.batches, store.RowsPerPiece) {
		if err := w.Store.Forget(ctx, w.fence(), piece); err != nil {
			return err
		}
	}
	return nil
}

// endListing forgets the listing under way. Webhooks that it had in hand and has not
// deleted are unpacked by the next pass, which need not wait until they are looked for.
func (w *Shop) endListing() {
	w.packed = w.packed || w.sweep.lastBatch() > 0
	w.sweep = nil
}
