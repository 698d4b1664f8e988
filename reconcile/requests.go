package reconcile

import (
	"context"
	"errors"
	"slices"

	"lagerd/plan"
	"lagerd/store"
)

// requests is what people have asked for by a command, and wait for.
type requests struct {
	*Shop
	sweep   []store.Request // that wait for the sweep under way, or for the one that begins with this pass
	changes int             // that have been found since that one was asked for
}

// open loads what was asked for and merges it into what is due. Requests for a tick are
// returned; those for a sweep are kept until the sweep that begins with this pass is
// done. While another sweep is under way they wait, unless that one itself waits until
// the day is over. A request is merged once: that of a sweep may stay open for hours, and
// each pass meanwhile is one like any other.
func (r *requests) open(ctx context.Context, due *Due) (ticks, waiting []store.Request, err error) {
	if !due.Work {
		return nil, nil, nil
	}
	list, err := r.Store.OpenRequests(ctx, r.shop.Shop)
	for _, one := range list {
		switch l := r.stock.sweep.listing; {
		case one.What == store.WantTick:
			due.Tick, due.Requested = true, true
			ticks = append(ticks, one)
		case slices.ContainsFunc(r.sweep, func(taken store.Request) bool { return taken.Request == one.Request }):
		case l == nil || l.spent != nil:
			due.Tick, due.Sweep, due.Requested = true, true, true
			r.sweep = append(r.sweep, one)
		default:
			waiting = append(waiting, one)
		}
	}
	return ticks, waiting, err
}

// finish tells people what came of their requests.
func (r *requests) finish(ctx context.Context, list []store.Request, changes int, failed error) error {
	failure := ""
	switch holds := r.shop.InForce(r.progress.Holds); {
	case failed != nil:
		failure = failed.Error()
	case r.shop.Paused():
		failure = "the shop is paused: `lagerd shops resume " + r.shop.Shop + "` lets it go on"
	case len(holds) > 0:
		failure = "held: " + holds.String()
	}
	return r.Store.FinishRequests(ctx, r.fence(), list, r.Now(), changes, failure)
}

// answer tells people what came of what they asked for, after a pass that came to report
// and err.
func (r *requests) answer(ctx context.Context, report *Report, asked, waiting []store.Request, err error) error {
	r.changes += report.Changes
	failed := errors.Join(err, r.identity.cutShort(report.Short))
	errs := []error{r.finish(ctx, asked, report.Changes, failed)}
	switch l := r.stock.sweep.listing; {
	case l == nil && r.stock.changeover.pending():
		// What was asked for ends with what the shop sees then.
	case l == nil:
		errs = append(errs, r.finish(ctx, r.sweep, r.changes, failed))
		r.sweep, r.changes = nil, 0
		report.Again = report.Again || len(waiting) > 0
	// It goes on by itself, when whoever asked for it, or for the next one, does not wait
	// any more.
	case l.spent != nil:
		errs = append(errs, r.finish(ctx, append(r.sweep, waiting...), r.changes, errors.Join(err, r.identity.cutShort(l.spent))))
		r.sweep = nil
	case r.progress.Holds.Any(plan.ScopeShop), report.Stopped && r.failed:
		// For how long the source answers nothing is not known. A single failure is tried again.
		errs = append(errs, r.finish(ctx, append(r.sweep, waiting...), r.changes, failed))
		r.sweep = nil
	}
	return errors.Join(errs...)
}
