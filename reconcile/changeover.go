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
	listings   int                 // whole ones, of the new agreement
	unreadable map[string]struct{} // numbers that the last of them showed and that could not be understood
	unnamed    bool                // it showed items whose very number could not be: any may be one of them
	judged     bool                // what the last of them would take away has been looked at
}

// changingOver reports whether the shop's items are still shown as the agreement had
// them that the shop had before.
func (w *Shop) changingOver() bool { return w.progress.ItemsDataset != w.shop.Dataset }

// changesOver reports whether the items of the new agreement are still being read, and
// nothing keeps them from it: whether they are shown is decided by one of the next passes.
func (w *Shop) changesOver() bool {
	hold, held := w.heldStock()
	return w.changingOver() && w.stockOff() == "" && !w.shop.Paused() && !w.changeover.judged &&
		!w.progress.Holds.Any(plan.ScopeShop) && (!held || hold.Reason == plan.HeldLosses)
}

// listedWhole notes a listing of the new agreement that has been stored whole.
func (w *Shop) listedWhole(l *listing) {
	w.changeover = changeover{listings: w.changeover.listings + 1, unreadable: l.unreadable, unnamed: l.unknown > 0}
}

// changeOver shows the items of the new agreement if it is time. again reports that
// another listing is wanted first.
func (w *Shop) changeOver(ctx context.Context) (again bool, err error) {
	c := &w.changeover
	if w.sweep != nil || c.judged {
		return false, nil
	}
	step := plan.ChangeOver(plan.ChangeOverInput{Listings: c.listings, Suspects: len(w.losses.Suspects())})
	if step != plan.ChangeOverJudge {
		return step == plan.ChangeOverList, nil
	}
	former := w.progress.ItemsDataset
	losses, present, err := w.Store.Losses(ctx, former, w.shop.Dataset)
	if err != nil {
		return false, err
	}
	c.judged = true
	d := w.losses.JudgeAgreement(w.progress.AgreementNumber, losses, present, int(w.progress.Items))
	if !d.Stored() {
		return false, w.hold(ctx, plan.ScopeStock, plan.HeldLosses, d.Detail(w.shop.Shop))
	}
	return false, w.showNewItems(ctx, former)
}

// unknown reports whether nothing is known of an item that the new agreement's dataset
// lacks: it may be there, and could not be understood, or not be read a second time.
func (w *Shop) unknown(number string) bool {
	_, unreadable := w.changeover.unreadable[number]
	return unreadable || w.losses.Suspected(number) || w.changeover.unnamed
}

// showNewItems has the shop see the items of the new agreement from now on. What that
// one lacks is gone; of what is not known there is no figure.
func (w *Shop) showNewItems(ctx context.Context, former store.Dataset) error {
	for more := true; more; {
		rows, err := w.Store.ItemsLacking(ctx, w.shop.Dataset, former)
		if err != nil {
			return err
		}
		more = len(rows) == store.RowsPerPiece
		version := plan.Version{Token: w.token, At: w.steady(w.Now())}
		for i, row := range rows {
			rows[i] = plan.Lacking(row, w.unknown(row.Number), version)
		}
		if err := w.apply(ctx, store.Applied{Items: rows}); err != nil {
			return err
		}
	}
	over := store.Patch{ItemsDataset: &w.shop.Dataset, ItemsSince: new(store.At(w.Now()))}
	if err := w.apply(ctx, store.Applied{Progress: over, EndApproval: true}); err != nil {
		return err
	}
	w.settled = ""
	w.losses.Approve(0, time.Time{})
	w.log.WithField("agreement", w.progress.AgreementNumber).Info("the shop's items have changed over to the agreement that was accepted")
	return w.saw(ctx, plan.SeenFewLosses)
}
