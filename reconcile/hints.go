package reconcile

import (
	"context"
	"slices"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// hints are the shop's open hints of one kind: what a part is asked to look at.
type hints struct {
	*Shop
	kind plan.Kind
}

// load loads the hints that are due, but for those that the listing under way is going
// to answer.
func (h hints) load(ctx context.Context, asked bool) (inbox.Hints, error) {
	wait := inbox.WaitNot
	if l := h.stock.sweep.listing; l != nil && !asked {
		wait = l.hintsWait()
	}
	return counting(ctx, h.Shop, func() (inbox.Hints, []store.HintRecord, error) { return h.inbox.Due(ctx, h.kind, h.due(), wait) })
}

// loadAll loads all open hints, also those that are put off.
func (h hints) loadAll(ctx context.Context) (inbox.Hints, error) {
	return counting(ctx, h.Shop, func() (inbox.Hints, []store.HintRecord, error) { return h.inbox.All(ctx, h.kind) })
}

// counting loads from the inbox what has rows, when those count the webhooks that a
// listing has in hand of their numbers.
func counting[T any](ctx context.Context, s *Shop, load func() (T, []store.HintRecord, error)) (T, error) {
	loaded, uncounted, err := load()
	if err == nil && len(uncounted) > 0 {
		if err = s.record(ctx, uncounted); err == nil {
			s.inbox.Counted(uncounted)
			loaded, _, err = load()
		}
	}
	return loaded, err
}

// dismiss answers the hints that are due and that the shop has no use for, with the reason.
func (h hints) dismiss(ctx context.Context, asked bool, why plan.HintReason, detail string) error {
	list, err := h.load(ctx, asked)
	if err != nil {
		return err
	}
	return h.answerAll(ctx, list, why, detail)
}

// answerAll answers hints without a look at their numbers, with the reason.
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

// putOffAll puts hints that are due off to the given time.
func (h hints) putOffAll(ctx context.Context, list inbox.Hints, until time.Time, why plan.HintReason, detail string) error {
	due := h.due()
	for piece := range list.Pieces(func(hint plan.Hint) bool { return due.Includes(hint.DueAt) }) {
		var o inbox.Outcome
		for _, hint := range piece {
			o.Rereads = append(o.Rereads, hint.PutOff(until, why, detail))
		}
		if err := h.settle(ctx, list, o); err != nil {
			return err
		}
	}
	return nil
}

// settle stores what has become of hints, where there is nothing else to store.
func (h hints) settle(ctx context.Context, list inbox.Hints, o inbox.Outcome) error {
	w := h.inbox.Writes(list, o)
	if err := h.apply(ctx, store.Applied{Answered: w.Answered, Rereads: w.Rereads, Hints: w.Records}); err != nil {
		return err
	}
	h.inbox.Wrote(list, o)
	return nil
}

// own is a hint that lagerd gives itself.
func (h hints) own(number string, cause plan.Cause) store.HintRecord {
	return store.HintRecord{Shop: h.shop.Shop, Kind: h.kind, Number: number, Cause: cause, At: h.Now()}
}

// record gives hints their rows, as many in a transaction as are unpacked.
func (s *Shop) record(ctx context.Context, list []store.HintRecord) error {
	for piece := range slices.Chunk(list, s.UnpackAtOnce) {
		if err := s.apply(ctx, store.Applied{Hints: piece}); err != nil {
			return err
		}
	}
	return nil
}

// unpack gives the webhooks that have come their rows, also in a shop that is paused: by
// itself, only a hint's row is the same for however many webhooks. Of a burst it unpacks
// a part, if a listing may answer the rest as it is.
func (s *Shop) unpack(ctx context.Context, all bool) error {
	unreadable, err := s.inbox.Unpack(ctx, s.fence, func() bool { return !all && s.leavesPacked() })
	for _, err := range unreadable {
		s.log.WithError(err).Error("webhooks could not be read and are set aside: a sweep looks at everything instead")
		s.stock.sweep.again = true
	}
	return err
}

// leavesPacked reports whether webhooks may stay in their batches, since a listing may
// begin in this pass. After one that failed that is not certain, and they would pile up.
func (s *Shop) leavesPacked() bool {
	return s.loaded && !s.failed && s.stock.sweep.listing == nil && !s.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !s.shop.Paused() && s.stock.off() == ""
}
