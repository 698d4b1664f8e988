package reconcile

import (
	"context"
	"errors"
	"slices"

	"lagerd/store"
)

// requests are the shop's open requests: what people requested by a command and wait for.
type requests struct {
	*Shop
	sweep   []store.Request // waiting for the running sweep, or for the one that starts in this pass
	changes int             // changes found since that sweep was requested
}

// open loads the open requests and merges them into due. It returns requests for a tick; requests
// for a sweep are kept until the sweep that starts in this pass has ended. They wait while another
// sweep is running, unless that one is itself waiting for the next day's budget. A request is
// merged only once: one for a sweep may stay open for hours, and the passes meanwhile are ordinary
// ones. Where a tick is a listing, a request for one is treated likewise.
func (r *requests) open(ctx context.Context, due *Due) (ticks, waiting []store.Request, err error) {
	if !due.Work {
		return nil, nil, nil
	}
	list, err := r.Store.OpenRequests(ctx, r.shop.Shop)
	for _, one := range list {
		switch l := r.stock.sweep.listing; {
		case slices.ContainsFunc(r.sweep, func(taken store.Request) bool { return taken.Request == one.Request }):
		case one.What == store.WantTick && (l == nil || !r.stock.listsEachTick()):
			due.Tick, due.Requested = true, true
			ticks = append(ticks, one)
		case l == nil || l.spent != nil:
			due.Tick, due.Sweep, due.Requested = true, due.Sweep || one.What != store.WantTick, true
			r.sweep = append(r.sweep, one)
		default:
			waiting = append(waiting, one)
		}
	}
	return ticks, waiting, err
}

// finish stores the outcome of requests.
func (r *requests) finish(ctx context.Context, list []store.Request, changes int, failed error) error {
	failure := ""
	switch holds := r.shop.InForce(r.progress.Holds); {
	case failed != nil:
		failure = failed.Error()
	case r.shop.Paused():
		failure = "the shop is paused: resume it with `lagerd shops resume " + r.shop.Shop + "`"
	case len(holds) > 0:
		failure = "held: " + holds.String()
	}
	return r.Store.FinishRequests(ctx, r.fence(), list, r.Now(), changes, failure)
}

// answer stores the outcome of requests after a pass with the given report and error.
func (r *requests) answer(ctx context.Context, report *Report, ticks, waiting []store.Request, err error) error {
	r.changes += report.Changes
	if r.stock.listsEachTick() && r.stock.sweep.listing != nil {
		r.sweep, ticks = append(r.sweep, ticks...), nil
	}
	failed := errors.Join(err, r.identity.cutShort(report.Short))
	errs := []error{r.finish(ctx, ticks, report.Changes, failed)}
	switch l := r.stock.sweep.listing; {
	case l == nil && r.stock.changeover.pending():
		// The requests end once the shop sees the new items.
	case l == nil:
		errs = append(errs, r.finish(ctx, r.sweep, r.changes, failed))
		r.sweep, r.changes = nil, 0
		report.Again = report.Again || len(waiting) > 0
	// In the cases below the sweep continues, but the people who requested it, or the next one,
	// stop waiting.
	case l.spent != nil:
		errs = append(errs, r.finish(ctx, append(r.sweep, waiting...), r.changes, errors.Join(err, r.identity.cutShort(l.spent))))
		r.sweep = nil
	case r.stock.by.held(), report.Stopped && r.failed, r.stock.by.failures > 1:
		// The source may be down for any length of time. A single failure is retried.
		errs = append(errs, r.finish(ctx, append(r.sweep, waiting...), r.changes, failed))
		r.sweep = nil
	}
	return errors.Join(errs...)
}
