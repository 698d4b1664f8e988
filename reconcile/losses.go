package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/store"
)

// Three guards stand before what would take stock away from a shop. The first
// believes no zero, no missing figure and no missing item that a second read
// has not confirmed (plan.Suspect). The second holds back a reconciliation
// that would take away too much at once: an empty or short listing that claims
// to be whole, a wrong agreement, or a stocktaking that a person should see. The
// third holds back what trickles, each time less than that (losswindow.go).

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

// lossLimit is how many losses one reconciliation may bring unasked.
func (w *Shop) lossLimit() int {
	return max(w.LossMin, w.items()*w.LossPercent/100, w.approved)
}

// items is how many items the shop has: those listed, and those that the last
// listing did not show and that are not known to be gone.
func (w *Shop) items() int {
	n := int(w.progress.Items)
	for _, s := range w.suspects {
		if s.Unlisted {
			n++
		}
	}
	return n
}

// lossesIn counts the losses among suspects, each number once.
func lossesIn(suspects ...map[string]plan.Suspect) int {
	numbers := map[string]struct{}{}
	for _, list := range suspects {
		for number, s := range list {
			if s.Loss {
				numbers[number] = struct{}{}
			}
		}
	}
	return len(numbers)
}

// suspected returns what a batch would take away: by what it shows and by what
// it does not show.
func (b itemsBatch) suspected(p plan.ItemsPlan) map[string]plan.Suspect {
	if len(b.missing) == 0 {
		return p.Suspected
	}
	all := maps.Clone(b.missing)
	maps.Copy(all, p.Suspected)
	return all
}

// guard holds back a read that would, together with what is suspected already,
// take away too much, or everything. Nothing of the read is stored then, nor of
// a listing under way: it would leave the losses out and count as a whole one.
func (w *Shop) guard(ctx context.Context, batch itemsBatch, p plan.ItemsPlan, suspected map[string]plan.Suspect) error {
	if w.holdsBack() || w.changingOver() {
		return nil
	}
	// What this read confirms is among w.suspects still, so that it counts too.
	losses := lossesIn(w.suspects, suspected)
	detail := w.tooMuch(losses, batch.empty, w.judge(batch, p, suspected))
	if detail == "" {
		return nil
	}
	w.checkedAt = time.Time{} // is it another agreement?
	if err := w.hold(ctx, plan.ScopeStock, plan.HeldLosses, detail); err != nil {
		return err
	}
	w.addSuspects(suspected)
	w.endListing()
	return errHeldBack
}

// tooMuch says why so many losses are held back, "" if they are not. empty says that
// a listing showed nothing at all.
func (w *Shop) tooMuch(losses int, empty bool, v plan.LossVerdict) string {
	switch {
	case v.TooMany && v.Taken > 0:
		return w.windowDetail(v)
	case losses > w.lossLimit() || empty && losses > w.approved || v.TooMany:
		return w.lossDetail(losses)
	}
	return ""
}

func (w *Shop) lossDetail(losses int) string {
	return fmt.Sprintf("a reconciliation would take away the stock of %d of %d items: look at `lagerd diff %s`; if it is right, say `lagerd approve %s`", losses, w.items(), w.shop.Shop, w.shop.Shop)
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
func (w *Shop) suspect(observations []plan.Observation, suspected map[string]plan.Suspect) {
	for _, o := range observations {
		delete(w.suspects, o.Item.Number)
		// What an earlier page of the listing under way showed may be refuted; what
		// this read shows again still counts when it ends.
		if _, still := suspected[o.Item.Number]; w.sweep != nil && !still {
			delete(w.sweep.suspects, o.Item.Number)
		}
	}
	if len(w.suspects) == 0 {
		w.suspects = nil // an empty map keeps the room of what was in it
	}
	w.addSuspects(suspected)
	if len(suspected) > 0 && !w.holdsBack() {
		w.inbox.Reopen(plan.KindStock) // the second read is due at once
		w.hinted = true
	}
}

func (w *Shop) addSuspects(more map[string]plan.Suspect) {
	if len(more) == 0 {
		return
	}
	if w.suspects == nil {
		w.suspects = make(map[string]plan.Suspect, len(more))
	}
	maps.Copy(w.suspects, more)
}

// approve takes over what a person has approved, for as long as that is good.
func (w *Shop) approve(a store.Approval) {
	w.approved, w.approvedUntil = a.Losses, a.At.Add(approvalLasts)
}

// ageApproval forgets an approval that is not good any more: the losses it was given for
// may have gone some other way.
func (w *Shop) ageApproval() {
	if w.approved > 0 && !w.Now().Before(w.approvedUntil) {
		w.approved = 0
	}
}

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
	if w.changingOver() || w.approved == 0 || w.approved < lossesIn(w.suspects) {
		return nil
	}
	// With what is to be lost the person has accepted what was lost before.
	if err := w.forgetLosses(ctx, true); err != nil {
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
		Observations: p.Observed, Stored: stored, Now: w.Now(), LateWithin: w.LateWithin, Suspects: w.suspects, HeldBackTo: w.heldBackTo(), Recent: w.window.losses})
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
	w.suspects = l.suspects
	if detail := w.tooMuch(lossesIn(l.suspects), l.read == 0, w.lossWindow(l.suspects, l.back).Judge()); detail != "" {
		return errors.Join(w.hold(ctx, plan.ScopeStock, plan.HeldLosses, detail), w.putOffAll(ctx, l.claim.Hints(), w.heldBackTo(), plan.HintHeldBack, detail))
	}
	w.sweepNext, w.hinted = true, true
	w.window.back = l.back
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
