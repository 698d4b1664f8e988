package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// A shop that moves to another agreement keeps showing the old agreement's items until the new
// one's have been listed in full, twice. Both are stored side by side, each in its agreement's
// dataset, and one small transaction switches over. The shop never sees a mix of two companies.

// changeover tracks how far the items of a new agreement have been read.
type changeover struct {
	*stock
	listings   int                 // complete ones, of the new agreement
	unreadable map[string]struct{} // numbers in the last listing that could not be understood
	unnamed    bool                // the last listing had items whose number could not be understood: any item may be one of them
	judged     bool                // the losses of the last listing have been judged
}

// restart makes the new agreement's items be read from the start.
func (s *changeover) restart() { *s = changeover{stock: s.stock} }

// underWay reports whether the shop still shows the items of its previous agreement.
func (s *changeover) underWay() bool { return s.progress.ItemsDataset != s.shop.StockDataset }

// pending reports whether the new agreement's items are still being read and nothing blocks
// that: one of the next passes decides whether to show them.
func (s *changeover) pending() bool {
	hold, held := s.progress.Holds.Of(plan.ScopeStock)
	return s.underWay() && s.off() == "" && !s.shop.Paused() && !s.judged &&
		!s.progress.Holds.Any(plan.ScopeShop) && (!held || hold.Reason == plan.HeldLosses)
}

// listed counts a listing of the new agreement that was stored in full.
func (s *changeover) listed(listed *plan.Listed) {
	*s = changeover{stock: s.stock, listings: s.listings + 1, unreadable: listed.Unreadable, unnamed: listed.Nameless > 0}
}

// step shows the new agreement's items if it is time. again reports that another listing is
// needed first.
func (s *changeover) step(ctx context.Context) (again bool, err error) {
	if s.sweep.listing != nil || s.judged {
		return false, nil
	}
	step := plan.ChangeOver(plan.ChangeOverInput{Listings: s.listings, Suspects: len(s.losses.guard.Suspects())})
	if step != plan.ChangeOverJudge {
		return step == plan.ChangeOverList, nil
	}
	former := s.progress.ItemsDataset
	losses, present, err := s.Store.Losses(ctx, former, s.shop.StockDataset)
	if err != nil {
		return false, err
	}
	s.judged = true
	d := s.losses.guard.JudgeAgreement(s.by.whose(), losses, present, int(s.progress.Items))
	if !d.Stored() {
		return false, s.holdPart(ctx, plan.HeldLosses, d.Detail(s.shop.Shop))
	}
	return false, s.show(ctx, former)
}

// unknown reports whether the state of an item that the new dataset lacks is unknown: the item
// may exist, but could not be understood, or not be read a second time.
func (s *changeover) unknown(number string) bool {
	_, unreadable := s.unreadable[number]
	return unreadable || s.losses.guard.Suspected(number) || s.unnamed
}

// show switches the shop to the items of the new agreement. What it lacks is marked gone; what
// is unknown gets no figure.
func (s *changeover) show(ctx context.Context, former store.Dataset) error {
	for more := true; more; {
		rows, err := s.Store.MissingItems(ctx, s.shop.StockDataset, former)
		if err != nil {
			return err
		}
		more = len(rows) == store.RowsPerPiece
		version := plan.Version{Token: s.token, At: s.steady(s.Now())}
		for i, row := range rows {
			rows[i] = plan.Lacking(row, s.unknown(row.Number), version)
		}
		if err := s.apply(ctx, store.Applied{Items: rows}); err != nil {
			return err
		}
	}
	over := store.Patch{ItemsDataset: &s.shop.StockDataset, ItemsSince: new(store.At(s.Now()))}
	if err := s.apply(ctx, store.Applied{Progress: over, EndApproval: true}); err != nil {
		return err
	}
	s.sweep.lastContent = ""
	s.losses.guard.Approve(0, time.Time{})
	s.log().WithField("to", s.by.whose()).Info("changed over to the items of another agreement or account")
	return s.endHolds(ctx, plan.SeenFewLosses)
}
