package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// A shop that moves to another agreement goes on showing the items of the former
// one until those of the new one have been read whole, twice: they are stored
// beside each other, each in its agreement's dataset, and change over in one small
// transaction. Never does the shop see some of one company and some of another.

// changeover is how far the items of a new agreement have been read.
type changeover struct {
	*stock
	listings   int                 // whole ones, of the new agreement
	unreadable map[string]struct{} // numbers that the last of them showed and that could not be understood
	unnamed    bool                // it showed items whose very number could not be: any may be one of them
	judged     bool                // what the last of them would take away has been looked at
}

// restart has the items of the new agreement read anew.
func (s *changeover) restart() { *s = changeover{stock: s.stock} }

// underWay reports whether the shop's items are still shown as the agreement had
// them that the shop had before.
func (s *changeover) underWay() bool { return s.progress.ItemsDataset != s.shop.Dataset }

// pending reports whether the items of the new agreement are still being read, and
// nothing keeps them from it: whether they are shown is decided by one of the next passes.
func (s *changeover) pending() bool {
	hold, held := s.progress.Holds.Of(plan.ScopeStock)
	return s.underWay() && s.off() == "" && !s.shop.Paused() && !s.judged &&
		!s.progress.Holds.Any(plan.ScopeShop) && (!held || hold.Reason == plan.HeldLosses)
}

// listed notes a listing of the new agreement that has been stored whole.
func (s *changeover) listed(listed *plan.Listed) {
	*s = changeover{stock: s.stock, listings: s.listings + 1, unreadable: listed.Unreadable, unnamed: listed.Nameless > 0}
}

// step shows the items of the new agreement if it is time. again reports that
// another listing is wanted first.
func (s *changeover) step(ctx context.Context) (again bool, err error) {
	if s.sweep.listing != nil || s.judged {
		return false, nil
	}
	step := plan.ChangeOver(plan.ChangeOverInput{Listings: s.listings, Suspects: len(s.losses.guard.Suspects())})
	if step != plan.ChangeOverJudge {
		return step == plan.ChangeOverList, nil
	}
	former := s.progress.ItemsDataset
	losses, present, err := s.Store.Losses(ctx, former, s.shop.Dataset)
	if err != nil {
		return false, err
	}
	s.judged = true
	d := s.losses.guard.JudgeAgreement(s.progress.AgreementNumber, losses, present, int(s.progress.Items))
	if !d.Stored() {
		return false, s.stop(ctx, plan.HeldLosses, d.Detail(s.shop.Shop))
	}
	return false, s.show(ctx, former)
}

// unknown reports whether nothing is known of an item that the new agreement's dataset
// lacks: it may be there, and could not be understood, or not be read a second time.
func (s *changeover) unknown(number string) bool {
	_, unreadable := s.unreadable[number]
	return unreadable || s.losses.guard.Suspected(number) || s.unnamed
}

// show has the shop see the items of the new agreement from now on. What that
// one lacks is gone; of what is not known there is no figure.
func (s *changeover) show(ctx context.Context, former store.Dataset) error {
	for more := true; more; {
		rows, err := s.Store.MissingItems(ctx, s.shop.Dataset, former)
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
	over := store.Patch{ItemsDataset: &s.shop.Dataset, ItemsSince: new(store.At(s.Now()))}
	if err := s.apply(ctx, store.Applied{Progress: over, EndApproval: true}); err != nil {
		return err
	}
	s.sweep.settled = ""
	s.losses.guard.Approve(0, time.Time{})
	s.log.WithField("agreement", s.progress.AgreementNumber).Info("the shop's items have changed over to the agreement that was accepted")
	return s.saw(ctx, plan.SeenFewLosses)
}
