package reconcile

import (
	"context"
	"errors"
	"fmt"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
)

// What a failed read stops is decided by plan.Stops alone, from its error's class.

// stops returns what a failed read stops, and how it is read again.
func (w *Shop) stops(err error, read plan.Read, inARow int) (plan.Stop, plan.Again) {
	return plan.Stops(plan.Failure{Class: source.ClassOf(err), Read: read, Self: w.self, InARow: inARow})
}

// stopsForNumber returns what the failed read of one number stops, and how that is read
// again. Numbers that get no usable answer one after another are counted in row, those
// that are refused by the part; before says that this one was refused before.
func (w *Shop) stopsForNumber(scope plan.Scope, number string, before bool, err error, row *int) (plan.Stop, plan.Again) {
	class, inARow := source.ClassOf(err), 0
	switch class {
	case plan.ClassPart:
		inARow = w.numberRefused(scope, number, before)
	case plan.ClassInterrupted:
		inARow = *row + 1
	}
	*row = 0
	if class == plan.ClassInterrupted {
		*row = inARow
	}
	return w.stops(err, plan.ReadNumber, inARow)
}

// endsPass reports whether an error of a part keeps the pass from its other parts, and
// whether the next pass is to begin with the part after this one.
func (w *Shop) endsPass(ctx context.Context, err error) (ends, next bool) {
	ends = ctx.Err() != nil || outdated(err)
	for e := range source.Errors(err) {
		switch stop, _ := w.stops(e, plan.ReadListing, 0); stop {
		case plan.StopPass:
			ends, next = true, true
		case plan.StopShop, plan.StopToAsk:
			ends = true
		}
	}
	return ends, next
}

// judged returns a refusal as what it counts for: a refused token while /self is well
// counts as a refused read. /self is asked once a pass at most.
func (w *Shop) judged(ctx context.Context, err error) error {
	if source.ClassOf(err) != plan.ClassShop || ctx.Err() != nil {
		return err
	}
	if stop, _ := w.stops(err, plan.ReadListing, 0); stop == plan.StopToAsk {
		if _, asked := w.identify(ctx); asked != nil {
			err = errors.Join(err, asked)
		}
	}
	if w.self != plan.SelfWell {
		return err
	}
	return source.Narrow(err)
}

// putOff deals with a hint whose number could not be read, and returns the error where
// it stops more than the number; row is that of stopsForNumber.
func (w *Shop) putOff(ctx context.Context, hints inbox.Hints, number string, err error, row *int) error {
	err = w.judged(ctx, err)
	if ctx.Err() != nil {
		return err
	}
	h, scope := hints[number], plan.ScopeStock
	if h.Kind == plan.KindInvoice {
		scope = plan.ScopeInvoices
	}
	stop, again := w.stopsForNumber(scope, number, h.Refused, err, row)
	var stored error
	if again == plan.AgainLater {
		stored = w.postpone(ctx, hints, number, err)
	}
	if stop == plan.StopNumber || stop == plan.StopPart && stored != nil {
		return stored
	}
	return errors.Join(err, stored)
}

// postpone keeps a hint with the error and has its number read again later.
func (w *Shop) postpone(ctx context.Context, hints inbox.Hints, number string, err error) error {
	h := hints[number]
	w.log.WithFields(map[string]any{"number": number, "failures": h.Failures + 1}).WithError(err).Warn("an item could not be read")
	reason := plan.HintFailed
	if h.Refused = source.ClassOf(err) == plan.ClassPart; h.Refused {
		reason = plan.HintForbidden
	}
	h.Failures++
	again := h.PutOff(w.retryAt(h.Failures), reason, err.Error())
	return w.settle(ctx, hints, inbox.Outcome{Rereads: []plan.Reread{again}})
}

// cutShort says of what was not read to its end until when it waits.
func (w *Shop) cutShort(short error) error {
	wait := source.RetryAfter(short)
	if stop, _ := w.stops(short, plan.ReadListing, 0); stop != plan.StopDay || wait <= 0 {
		return short
	}
	return fmt.Errorf("cut short: it waits until %s UTC: %w", w.Now().Add(wait).UTC().Format("2006-01-02 15:04:05"), short)
}
