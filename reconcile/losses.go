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

// Three guards protect a shop's stock. The first believes no zero, missing figure or missing
// item until a second read confirms it (plan.Suspect). The second holds back a reconciliation
// that would take away too much at once: an empty or short listing that claims to be complete,
// a wrong agreement, or a stocktaking that a person should see. The third holds back losses
// that trickle in, each below that limit. plan.LossGuard makes the decisions.

// losses holds the guard against losses, and loads and stores its memory.
type losses struct {
	*stock
	guard plan.LossGuard
}

// errHeldBack says that a read was not stored because it would take away too much. The stock is
// held by then.
var errHeldBack = errors.New("held back")

// heldBack returns err, or nil for errHeldBack: the hold already shows it.
func heldBack(err error) error {
	if errors.Is(err, errHeldBack) {
		return nil
	}
	return err
}

// approvalLasts is how long an approval is valid.
const approvalLasts = 24 * time.Hour

// holdBack reports whether the shop's losses are held back. Hints are still read, and what they
// gain is stored; listings are only dry runs.
//
// While the items of a new agreement are read, nobody sees them yet, so only showing them is
// held back (changeover.step).
func (s *losses) holdBack() bool { return s.held() && !s.changeover.underWay() }

func (s *losses) held() bool { return s.progress.Holds.Has(plan.ScopeStock, plan.HeldLosses) }

// heldBackTo returns when held-back losses are read again, or zero if none are held back.
func (s *losses) heldBackTo() time.Time {
	if !s.holdBack() {
		return time.Time{}
	}
	return s.Now().Add(s.HeldRetry)
}

// state returns the shop's state for the guard.
func (s *losses) state() plan.LossState {
	return plan.LossState{Now: s.progress.Holds.StockStoodFrom(s.Now()), Items: int(s.progress.Items)}
}

// judge holds back a read that, together with existing suspects, would take away too much, or
// everything. Nothing of that read is stored. A running listing ends too: it would leave out
// the losses and still count as complete.
func (s *losses) judge(ctx context.Context, read plan.LossRead) error {
	if s.holdBack() || s.changeover.underWay() {
		return nil
	}
	d := s.guard.Judge(s.state(), read)
	if d.Stored() {
		return nil
	}
	s.log().WithFields(logrus.Fields{"reason": d.Reason, "losses": d.Losses, "taken": d.Taken, "items": d.Items}).Warn("read held back: it would take away too much stock")
	s.by.checkedAt = time.Time{} // is it another agreement's?
	if err := s.holdPart(ctx, plan.HeldLosses, d.Detail(s.shop.Shop)); err != nil {
		return err
	}
	s.guard.HoldBack(read)
	s.sweep.end()
	return errHeldBack
}

// hintsOf returns hints for suspected numbers that have none, so that they are read a second
// time. While losses are held back, a second read is pointless.
func (s *losses) hintsOf(suspected map[string]plan.Suspect, open inbox.Hints) []store.HintRecord {
	var hints []store.HintRecord
	for _, number := range slices.Sorted(maps.Keys(suspected)) {
		_, hinted := open[number]
		if !hinted && (!s.holdBack() || !suspected[number].Loss) {
			hints = append(hints, s.own(number, suspected[number].Cause))
		}
	}
	return hints
}

// suspect updates the guard with what a stored batch showed.
func (s *losses) suspect(read plan.LossRead) {
	s.guard.Suspect(read)
	if s.sweep.listing != nil {
		s.sweep.listing.Refute(read)
	}
	if len(read.Suspects) > 0 && !s.holdBack() {
		s.inbox.Reopen(plan.KindStock) // the second read is due immediately
		s.hinted = true
	}
}

// approve passes an approval to the guard, with its expiry.
func (s *losses) approve(a store.Approval) { s.guard.Approve(a.Losses, a.At.Add(approvalLasts)) }

// applyApproval ends the hold if a person has approved the losses, and makes a sweep due to store
// them.
func (s *losses) applyApproval(ctx context.Context, due *Due) (err error) {
	if !s.held() {
		return nil
	}
	if due.Requested {
		approval, err := s.Store.Approved(ctx, s.shop.Shop, s.Now().Add(-approvalLasts))
		if err != nil {
			return err
		}
		s.approve(approval)
	}
	if s.changeover.underWay() || !s.guard.Approves() {
		return nil
	}
	// Approving the coming losses accepts the past ones too.
	if err := s.forgetAll(ctx, func() []string { return s.guard.All(store.RowsPerPiece) }); err != nil {
		return err
	}
	s.sweep.end()
	due.Sweep = true
	return s.endHolds(ctx, plan.SeenApproval)
}

// dryRun adds a page of a dry run: it records what the page would take away and stores nothing.
// After the last page it ends the hold if the losses are within the limits again.
func (s *losses) dryRun(ctx context.Context, l *listing, p itemsPage) error {
	for i := range p.Observed {
		p.Observed[i].Began = s.steady(p.Observed[i].Began)
	}
	stored, err := s.stored(ctx, p.Observed, true)
	if err != nil {
		return err
	}
	items := plan.Items(plan.ItemsInput{Figure: s.shop.StockFigure, Token: s.token, Cause: l.Cause(), Hints: l.claim.Of(numbersOn(p)),
		Observations: p.Observed, Stored: stored, Now: s.Now(), LateWithin: s.LateWithin, Suspects: s.guard.Suspects(), HeldBackTo: s.heldBackTo(), Recent: s.guard.Recent()})
	l.Look(p.Observed, items)
	if p.Next != "" {
		return nil
	}
	s.sweep.dryRunAt, _ = l.Began()
	listed, err := conclusion{s.sweep, l}.result(ctx)
	if err != nil {
		return err
	}
	if d := s.guard.Look(s.state(), listed.Takes, listed.Unreadable, listed.Back, listed.Empty); !d.Stored() {
		detail := d.Detail(s.shop.Shop)
		errs := []error{s.holdPart(ctx, plan.HeldLosses, detail)}
		for hints := range l.claim.Pieces() {
			errs = append(errs, s.postponeAll(ctx, hints, s.heldBackTo(), plan.HintHeldBack, detail))
		}
		return errors.Join(errs...)
	}
	s.sweep.again, s.hinted = true, true
	return s.endHolds(ctx, plan.SeenFewLosses)
}

// load loads the guard's memory.
func (s *losses) load(ctx context.Context) error {
	now := s.Now()
	m, err := s.Store.LossMemory(ctx, s.shop.Shop, s.shop.StockDataset, now.Add(-approvalLasts))
	if err != nil {
		return err
	}
	s.guard = plan.NewLossGuard(&s.Policy, m.Losses, m.Held, now)
	s.approve(m.Approved)
	return nil
}

// remember returns how the transaction that stores a read changes the guard's memory. Nobody
// sees yet what a new agreement's items lose.
func (s *losses) remember(read plan.LossRead) plan.LossChange {
	if s.changeover.underWay() {
		read.Lost = nil
	}
	return s.guard.Remember(s.state(), read, store.RowsPerPiece)
}

// forgetAll forgets the losses that numbers returns, until it returns none.
func (s *losses) forgetAll(ctx context.Context, numbers func() []string) error {
	for {
		c := plan.LossChange{Forgotten: numbers()}
		if len(c.Forgotten) == 0 {
			return nil
		}
		if err := s.apply(ctx, store.Applied{Losses: c}); err != nil {
			return err
		}
		s.guard.Stored(c, s.Now())
	}
}

// forgetOver forgets expired losses.
func (s *losses) forgetOver(ctx context.Context) error {
	return s.forgetAll(ctx, func() []string { return s.guard.Over(s.state(), store.RowsPerPiece) })
}

// standStill returns what changes when holds end: losses do not age while the stock is held.
func (s *losses) standStill(left plan.Holds) plan.LossChange {
	return s.guard.StandStill(s.progress.Holds, left, s.Now())
}
