package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
)

// Preview is what would change for a shop's software if its stock were read elsewhere, or by
// another figure.
type Preview struct {
	Shop   string
	Source string // where the stock would be read: the service's name
	Listed int    // items there
	Stored int    // items that are stored and not gone
	Over   bool   // the items would change over at once; otherwise they are stored page by page

	plan.Preview
	Items      []plan.Difference // those whose stock would change, losses first; without new ones
	Unreadable []Unreadable
	Stock      plan.Verdict // on the figures there

	Guard plan.LossDecision
	Limit int // how many items may lose their stock at once
}

// Preview compares all items with what is stored, and judges the losses as the loss guard will. It
// reads a listing and no item alone: two more listings decide before anything is shown.
//
// over says that the shop's stock is to be read elsewhere than the items that it shows.
func (d Diff) Preview(ctx context.Context, policy *plan.Policy, over bool, now time.Time) (Preview, error) {
	c, err := itemsDiff{d}.list(ctx)
	if err != nil {
		return Preview{}, err
	}
	all := c.differences()
	p := Preview{Shop: d.Shop.Shop, Source: d.stock().Can().Name, Listed: c.listed, Stored: c.stored, Over: over,
		Preview: plan.PreviewOf(all, c.stored, c.unread), Unreadable: c.told.Unreadable, Stock: c.assessment.Verdict()}
	for _, difference := range all {
		if fate := difference.Fate(); fate != plan.FateSame && fate != plan.FateNew {
			p.Items = append(p.Items, difference)
		}
	}
	if over {
		guard := plan.NewLossGuard(policy, nil, 0, now)
		// An item that cannot be understood gets no figure.
		p.Guard, p.Limit = guard.JudgeAgreement(p.Source, p.Losses+p.Unread, c.stored, c.listed), policy.LossLimit(c.stored)
		return p, nil
	}
	p.Guard, err = d.judge(ctx, policy, all, c.listed == 0, now)
	p.Limit = policy.LossLimit(p.Guard.Items)
	return p, err
}

// judge returns what the loss guard of the running shop decides on a listing with these
// differences.
func (d Diff) judge(ctx context.Context, policy *plan.Policy, all []plan.Difference, empty bool, now time.Time) (plan.LossDecision, error) {
	m, err := d.Store.LossMemory(ctx, d.Shop.Shop, d.Shop.StockDataset, now.Add(-approvalLasts))
	if err != nil {
		return plan.LossDecision{}, err
	}
	guard := plan.NewLossGuard(policy, m.Losses, m.Held, now)
	guard.Approve(m.Approved.Losses, m.Approved.At.Add(approvalLasts))
	suspects := map[string]plan.Suspect{}
	for _, difference := range all {
		if difference.Loss {
			suspects[difference.Number] = plan.Suspect{Loss: true, Unlisted: difference.What == plan.WhatGone}
		}
	}
	at := plan.LossState{Now: d.Progress.Holds.StockStoodFrom(now), Items: int(d.Progress.Items)}
	return guard.Look(at, suspects, nil, nil, empty), nil
}
