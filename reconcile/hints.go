package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

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
		return loadCounted(ctx, h.Shop, func() (inbox.Hints, []store.HintRecord, error) { return h.inbox.Due(ctx, h.kind, h.due(), wait, limit) })
	}
	if h.kind != plan.KindStock || requested {
		return due(0)
	}
	some, err := due(fewHints + 1)
	if err != nil || len(some) <= fewHints {
		return some, err
	}
	return due(h.stock.mostDue(some))
}

// fewHints are loaded at once. They serve to estimate how many numbers fit in a filter.
const fewHints = 100

// loadItems loads all open hints of items, including postponed ones.
func (s *Shop) loadItems(ctx context.Context) (*inbox.Open, error) {
	return loadCounted(ctx, s, func() (*inbox.Open, []store.HintRecord, error) { return s.inbox.AllItems(ctx) })
}

// loadCounted calls load, and again if rows first have to count webhooks that a listing has
// claimed.
func loadCounted[T any](ctx context.Context, s *Shop, load func() (T, []store.HintRecord, error)) (T, error) {
	loaded, uncounted, err := load()
	if err == nil && len(uncounted) > 0 {
		if err = s.record(ctx, uncounted); err == nil {
			s.inbox.Counted(uncounted)
			loaded, _, err = load()
		}
	}
	return loaded, err
}

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

// own returns a hint that originates from lagerd itself.
func (h hints) own(number string, cause plan.Cause) store.HintRecord {
	return store.HintRecord{Shop: h.shop.Shop, Kind: h.kind, Number: number, Cause: cause, At: h.Now()}
}

// record stores hints as rows, UnpackAtOnce per transaction.
func (s *Shop) record(ctx context.Context, list []store.HintRecord) error {
	for piece := range slices.Chunk(list, s.UnpackAtOnce) {
		if err := s.apply(ctx, store.Applied{Hints: piece}); err != nil {
			return err
		}
	}
	return nil
}

// recordAdmitted stores the hints that are admitted, and marks the shop for the others.
func (s *Shop) recordAdmitted(ctx context.Context, a store.Admitted, err error) error {
	if err == nil {
		err = s.record(ctx, a.Hints)
	}
	if err == nil && !a.Overflow.Empty() {
		err = s.apply(ctx, store.Applied{Overflow: a.Overflow})
	}
	if err != nil {
		return err
	}
	s.overflowed(s.inbox.Overflowed(a.Overflow))
	return nil
}

// overflowed reports webhooks that no hint is kept for.
func (s *Shop) overflowed(marked, tooOld int64) {
	if marked == 0 && tooOld == 0 {
		return
	}
	s.Observer.Overflowed(s.shop.Shop, marked, tooOld)
	s.log.WithFields(logrus.Fields{"marked": marked, "too_old": tooOld}).Warn("more webhooks of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start")
}

// unpack turns recorded webhooks into rows, even while the shop is paused: batches would pile
// up, whereas a number has one row however many webhooks it gets. It unpacks only part of a
// burst if a listing may answer the rest from its batches.
func (s *Shop) unpack(ctx context.Context, all bool) error {
	u, err := s.inbox.Unpack(ctx, s.fence, func() bool { return !all && s.leavesPacked() })
	s.overflowed(u.Marked, u.TooOld)
	for _, err := range u.Unreadable {
		s.log.WithError(err).Error("unreadable webhooks set aside: a sweep covers them")
		s.stock.sweep.again = true
	}
	return err
}

// leavesPacked reports whether webhooks may stay in their batches because a listing may start
// in this pass. After a failed pass that is uncertain, and batches would pile up.
func (s *Shop) leavesPacked() bool {
	return s.loaded && !s.failed && s.stock.sweep.listing == nil && !s.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !s.shop.Paused() && s.stock.off() == ""
}
