package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// Three guards stand before what would take stock away from a shop. The first
// believes no zero, no missing figure and no missing item that a second read
// has not confirmed (plan.Suspect). The second holds back a reconciliation
// that would take away too much at once: an empty or short listing that claims
// to be whole, a wrong agreement, or a stocktaking that a person should see. The
// third holds back what trickles, each time less than that. What they decide is
// plan.LossGuard's.

// errHeldBack says that a read was not stored because it would take away too
// much. The shop is held by then.
var errHeldBack = errors.New("held back")

// heldBack returns err, but nil for errHeldBack: the shop's state tells of it.
func heldBack(err error) error {
	if errors.Is(err, errHeldBack) {
		return nil
	}
	return err
}

// approvalLasts is how long an approval is good for.
const approvalLasts = 24 * time.Hour

// holdsBack reports whether the shop's losses are held back. Hints are read
// all the same and what they gain is stored; listings are only looked at.
//
// While the items of a new agreement are read, nobody sees them yet: only what showing
// them would take away is held back (changeOver).
func (w *Shop) holdsBack() bool { return w.heldLosses() && !w.changingOver() }

func (w *Shop) heldLosses() bool { return w.progress.Holds.Has(plan.ScopeStock, plan.HeldLosses) }

// heldBackTo returns when losses that are held back are read again, zero if
// they are not held back.
func (w *Shop) heldBackTo() time.Time {
	if !w.holdsBack() {
		return time.Time{}
	}
	return w.Now().Add(w.HeldRetry)
}

// moment returns what the guard has to know of the shop.
func (w *Shop) moment() plan.LossMoment {
	return plan.LossMoment{Now: w.progress.Holds.StockStoodFrom(w.Now()), Items: int(w.progress.Items)}
}

// guard holds back a read that would, together with what is suspected already,
// take away too much, or everything. Nothing of the read is stored then, nor of
// a listing under way: it would leave the losses out and count as a whole one.
func (w *Shop) guard(ctx context.Context, read plan.LossRead) error {
	if w.holdsBack() || w.changingOver() {
		return nil
	}
	d := w.losses.Judge(w.moment(), read)
	if d.Stored() {
		return nil
	}
	w.log.WithFields(logrus.Fields{"reason": d.Reason, "losses": d.Losses, "taken": d.Taken, "items": d.Items}).Warn("a read is not stored: it would take away too much")
	w.checkedAt = time.Time{} // is it another agreement?
	if err := w.hold(ctx, plan.ScopeStock, plan.HeldLosses, d.Detail(w.shop.Shop)); err != nil {
		return err
	}
	w.losses.HoldBack(read)
	w.endListing()
	return errHeldBack
}

// suspectHints returns hints for suspected numbers that have none, so that they
// are read once more. While losses are held back there is no use in that.
func (w *Shop) suspectHints(suspected map[string]plan.Suspect, open inbox.Hints) []store.HintRecord {
	var hints []store.HintRecord
	for _, number := range slices.Sorted(maps.Keys(suspected)) {
		_, hinted := open[number]
		if !hinted && (!w.holdsBack() || !suspected[number].Loss) {
			hints = append(hints, w.ownHint(number, suspected[number].Cause))
		}
	}
	return hints
}

// suspect takes over what a batch showed, once it has been stored.
func (w *Shop) suspect(read plan.LossRead) {
	w.losses.Suspect(read)
	if w.sweep != nil {
		// What an earlier page of the listing under way showed may be refuted; what
		// this read shows again still counts when it ends.
		for _, o := range read.Seen {
			if _, still := read.Suspects[o.Item.Number]; !still {
				delete(w.sweep.suspects, o.Item.Number)
			}
		}
	}
	if len(read.Suspects) > 0 && !w.holdsBack() {
		w.inbox.Reopen(plan.KindStock) // the second read is due at once
		w.hinted = true
	}
}

// approve takes over what a person has approved, for as long as that is good.
func (w *Shop) approve(a store.Approval) { w.losses.Approve(a.Losses, a.At.Add(approvalLasts)) }

// askApproval ends the hold if a person has approved the losses, and has them
// swept up.
func (w *Shop) askApproval(ctx context.Context, j *Due) (err error) {
	if !w.heldLosses() {
		return nil
	}
	if j.Asked {
		approval, err := w.Store.Approved(ctx, w.shop.Shop, w.Now().Add(-approvalLasts))
		if err != nil {
			return err
		}
		w.approve(approval)
	}
	if w.changingOver() || !w.losses.Approves() {
		return nil
	}
	// With what is to be lost the person has accepted what was lost before.
	if err := w.forgetLosses(ctx, func() []string { return w.losses.All(store.RowsPerPiece) }); err != nil {
		return err
	}
	w.endListing()
	j.Sweep = true
	return w.saw(ctx, plan.SeenApproval)
}

// look notes what a page of a listing would take away, and stores nothing. After
// the last page the hold ends if it would not be too much any more.
func (w *Shop) look(ctx context.Context, l *listing, p itemsPage) error {
	for i := range p.Observed {
		p.Observed[i].Began = w.steady(p.Observed[i].Began)
	}
	stored, err := w.storedOfPage(ctx, numbersOf(p.Observed))
	if err != nil {
		return err
	}
	for i := range p.Observed {
		delete(l.suspects, p.Observed[i].Item.Number) // a page may be read again
		delete(l.back, p.Observed[i].Item.Number)
	}
	items := plan.Items(plan.ItemsInput{Figure: w.shop.StockFigure, Token: w.token, Cause: l.cause, Hints: l.claim.Hints(),
		Observations: p.Observed, Stored: stored, Now: w.Now(), LateWithin: w.LateWithin, Suspects: w.losses.Suspects(), HeldBackTo: w.heldBackTo(), Recent: w.losses.Recent()})
	maps.Copy(l.suspects, items.Suspected)
	for _, number := range items.Restored {
		l.back[number] = struct{}{}
	}
	if p.Next != "" {
		return nil
	}
	w.lookedAt = l.began
	missing, err := w.missing(ctx, l)
	if err := errors.Join(err, l.complete(w)); err != nil {
		return err
	}
	maps.Copy(l.suspects, missing)
	if d := w.losses.Look(w.moment(), l.suspects, l.unreadable, l.back, l.read == 0); !d.Stored() {
		detail := d.Detail(w.shop.Shop)
		return errors.Join(w.hold(ctx, plan.ScopeStock, plan.HeldLosses, detail), w.putOffAll(ctx, l.claim.Hints(), w.heldBackTo(), plan.HintHeldBack, detail))
	}
	w.sweepNext, w.hinted = true, true
	return w.saw(ctx, plan.SeenFewLosses)
}

// putOffAll has hints that are due read again at the given time.
func (w *Shop) putOffAll(ctx context.Context, hints inbox.Hints, until time.Time, why plan.HintReason, detail string) error {
	due := w.due()
	for piece := range hints.Pieces(func(h plan.Hint) bool { return due.Includes(h.DueAt) }) {
		var o inbox.Outcome
		for _, h := range piece {
			o.Rereads = append(o.Rereads, h.PutOff(until, why, detail))
		}
		if err := w.settle(ctx, hints, o); err != nil {
			return err
		}
	}
	return nil
}

// loadLosses reads what the guard must not forget.
func (w *Shop) loadLosses(ctx context.Context) error {
	now := w.Now()
	m, err := w.Store.LossMemory(ctx, w.shop.Shop, w.shop.Dataset, now.Add(-approvalLasts))
	if err != nil {
		return err
	}
	w.losses = plan.NewLossGuard(plan.LossLimits{Percent: w.LossPercent, Min: w.LossMin,
		Within: w.LossWindow, WithinPercent: w.LossWindowPercent, WithinMin: w.LossWindowMin}, m.Losses, m.Held, now)
	w.approve(m.Approved)
	return nil
}

// remember returns what the transaction that stores a read changes of what the guard
// must not forget. Nobody sees yet what a new agreement's items lose.
func (w *Shop) remember(read plan.LossRead) plan.LossChange {
	if w.changingOver() {
		read.Lost = nil
	}
	return w.losses.Remember(w.moment(), read, store.RowsPerPiece)
}

// forgetLosses forgets the losses that numbers names, until it names none.
func (w *Shop) forgetLosses(ctx context.Context, numbers func() []string) error {
	for {
		c := plan.LossChange{Forgotten: numbers()}
		if len(c.Forgotten) == 0 {
			return nil
		}
		if err := w.apply(ctx, store.Applied{Losses: c}); err != nil {
			return err
		}
		w.losses.Stored(c, w.Now())
	}
}

// forgetOver forgets the losses that count no more.
func (w *Shop) forgetOver(ctx context.Context) error {
	return w.forgetLosses(ctx, func() []string { return w.losses.Over(w.moment(), store.RowsPerPiece) })
}
