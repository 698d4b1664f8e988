package reconcile

import (
	"context"
	"slices"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// unpacker gives recorded webhooks, and hints that had none, their rows.
type unpacker struct{ *Shop }

// unpack turns recorded webhooks into rows, even while the shop is paused: batches would pile
// up, whereas a number has one row however many webhooks it gets. It unpacks only part of a
// burst if a listing may answer the rest from its batches.
func (s unpacker) unpack(ctx context.Context, all bool) error {
	u, err := s.inbox.Unpack(ctx, s.fence, func() bool { return !all && s.leavesPacked() })
	s.overflowed(u.Marked, u.TooOld)
	for _, err := range u.Unreadable {
		s.log().WithError(err).Error("unreadable webhooks set aside: a sweep covers them")
		s.stock.sweep.again = true
	}
	return err
}

// leavesPacked reports whether webhooks may stay in their batches because a listing may start
// in this pass. After a failed pass that is uncertain, and batches would pile up.
func (s unpacker) leavesPacked() bool {
	return s.loaded && !s.failed && s.stock.sweep.listing == nil && !s.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !s.shop.Paused() && s.stock.off() == ""
}

// record stores hints as rows, UnpackAtOnce per transaction.
func (s unpacker) record(ctx context.Context, list []store.HintRecord) error {
	for piece := range slices.Chunk(list, s.UnpackAtOnce) {
		if err := s.apply(ctx, store.Applied{Hints: piece}); err != nil {
			return err
		}
	}
	return nil
}

// admit stores the hints that are admitted, and marks the shop for the others.
func (s unpacker) admit(ctx context.Context, a store.Admitted, err error) error {
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

// applyLines stores a with its hints of the items on invoices' lines, as far as the caps admit them:
// an invoice may have a hundred thousand lines. RowsPerPiece go with the rest, and the others
// before it, so that none is lost if lagerd is killed in between.
func (s unpacker) applyLines(ctx context.Context, a store.Applied) error {
	if len(a.Hints) == 0 {
		return s.apply(ctx, a)
	}
	admitted, err := s.inbox.Admit(ctx, a.Hints)
	if err != nil {
		return err
	}
	a.Hints, a.Marks = admitted.Hints, append(a.Marks, admitted.Marks...)
	for len(a.Hints) > store.RowsPerPiece {
		if err := s.apply(ctx, store.Applied{Hints: a.Hints[:store.RowsPerPiece]}); err != nil {
			return err
		}
		a.Hints = a.Hints[store.RowsPerPiece:]
	}
	if err := s.apply(ctx, a); err != nil {
		return err
	}
	s.overflowed(s.inbox.Overflowed(admitted.Overflow))
	return nil
}

// overflowed reports webhooks and items on lines that no hint is kept for.
func (s unpacker) overflowed(marked, tooOld int64) {
	if marked == 0 && tooOld == 0 {
		return
	}
	s.Observer.Overflowed(s.shop.Shop, marked, tooOld)
	s.log().WithFields(logrus.Fields{"marked": marked, "too_old": tooOld}).Warn("more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start")
}

// leftOld reports webhooks of invoices before the shop's start, which only a person's request
// fetches.
func (s unpacker) leftOld(webhooks int64) {
	if webhooks == 0 {
		return
	}
	s.Observer.Overflowed(s.shop.Shop, 0, webhooks)
	s.log().WithFields(logrus.Fields{"kind": plan.KindInvoice, "webhooks": webhooks}).Info("webhooks of invoices before the shop's start: answered, and not fetched")
}

// loadItems loads all open hints of items, including postponed ones.
func (s unpacker) loadItems(ctx context.Context) (*inbox.Open, error) {
	return loadCounted(ctx, s, func() (*inbox.Open, []store.HintRecord, error) { return s.inbox.AllItems(ctx) })
}

// loadCounted calls load, and again if rows first have to count webhooks that a listing has
// claimed.
func loadCounted[T any](ctx context.Context, s unpacker, load func() (T, []store.HintRecord, error)) (T, error) {
	loaded, uncounted, err := load()
	if err == nil && len(uncounted) > 0 {
		if err = s.record(ctx, uncounted); err == nil {
			s.inbox.Counted(uncounted)
			loaded, _, err = load()
		}
	}
	return loaded, err
}
