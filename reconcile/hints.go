package reconcile

import (
	"context"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// hints are the shop's open hints of one kind.
type hints struct {
	*Shop
	kind plan.Kind
}

// load loads the due hints, except those that the running listing will answer. Of items it loads
// no more than tell that they are worth a listing, unless a person waits for them.
func (h hints) load(ctx context.Context, requested bool) (inbox.Hints, error) {
	wait := inbox.WaitNot
	if l := h.stock.sweep.listing; l != nil && !requested {
		wait = l.hintsWait()
	}
	due := func(limit int) (inbox.Hints, error) {
		return loadCounted(ctx, h.unpacker, func() (inbox.Hints, []store.HintRecord, error) { return h.inbox.Due(ctx, h.kind, h.due(), wait, limit) })
	}
	if h.kind != plan.KindStock || requested {
		return due(0)
	}
	some, err := due(fewHints + 1)
	if err != nil || len(some) <= fewHints {
		return some, err
	}
	return due(h.stock.agenda.mostDue(some))
}

// fewHints are loaded at once. They serve to estimate how many numbers fit in a filter.
const fewHints = 100

// dismiss answers the due hints of a part that the shop does not use, with the reason, and ends
// its marks.
func (h hints) dismiss(ctx context.Context, requested bool, why plan.HintReason, detail string) error {
	list, err := h.load(ctx, requested)
	if err != nil {
		return err
	}
	if err := h.answerAll(ctx, list, why, detail); err != nil {
		return err
	}
	return h.unmark(ctx)
}

// unmark ends the marks of a part that the shop does not use.
func (h hints) unmark(ctx context.Context) error {
	marks, err := h.inbox.TakeMarks(ctx, h.kind)
	if err != nil || len(marks) == 0 {
		return err
	}
	if err = h.apply(ctx, store.Applied{Unmark: marks}); err != nil {
		h.inbox.Remark(h.kind)
	}
	return err
}

// answerAll answers hints with the reason, without reading their numbers.
func (h hints) answerAll(ctx context.Context, list inbox.Hints, why plan.HintReason, detail string) error {
	for piece := range list.Pieces(func(plan.Hint) bool { return true }) {
		var o inbox.Outcome
		for _, hint := range piece {
			o.Answered = append(o.Answered, hint.Answer(why, detail))
		}
		if err := h.settle(ctx, list, o); err != nil {
			return err
		}
	}
	return nil
}

// postponeAll postpones the due hints to the given time.
func (h hints) postponeAll(ctx context.Context, list inbox.Hints, until time.Time, why plan.HintReason, detail string) error {
	due := h.due()
	for piece := range list.Pieces(func(hint plan.Hint) bool { return due.Includes(hint.DueAt) }) {
		var o inbox.Outcome
		for _, hint := range piece {
			o.Rereads = append(o.Rereads, hint.Postpone(until, why, detail))
		}
		if err := h.settle(ctx, list, o); err != nil {
			return err
		}
	}
	return nil
}

// settle stores the outcome of hints when there is nothing else to store.
func (h hints) settle(ctx context.Context, list inbox.Hints, o inbox.Outcome) error {
	w := h.inbox.Writes(list, o)
	if err := h.apply(ctx, store.Applied{Answered: w.Answered, Rereads: w.Rereads, Hints: w.Records}); err != nil {
		return err
	}
	h.inbox.Wrote(list, o)
	return nil
}

// warned counts an item or invoice with fields that could not be understood.
func (h hints) warned(kind plan.Kind) { h.Observer.Warned(h.shop.Shop, kind) }

// own returns a hint that originates from lagerd itself.
func (h hints) own(number string, cause plan.Cause) store.HintRecord {
	return store.HintRecord{Shop: h.shop.Shop, Kind: h.kind, Number: number, Cause: cause, At: h.Now()}
}
