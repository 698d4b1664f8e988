package reconcile

import (
	"context"
	"errors"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
)

// gate is what every part and every identity has: its hints, and whether the source lets it read.
// plan.Stops alone decides what a failed read stops, from the class of its error.
type gate struct {
	hints
	scope   plan.Scope
	by      *identity   // with whose token it reads
	triedAt time.Time   // when the held part was last tried; zero: not since the lease was taken
	streak  plan.Streak // of numbers refused in a row
	refusal error       // set while the source refuses the part and the part is held for another reason
}

func (g *gate) readBy() *identity { return g.by }

// forbidden reports whether reads of the part are known to be refused: by the source, or since the
// shop's choice of places cannot be read.
func (g *gate) forbidden() bool {
	hold, _ := g.progress.Holds.Of(g.scope)
	return g.refusal != nil || hold.Reason.OfRefusal()
}

// dueForTry reports whether the held part is due for a try: every HeldRetry, immediately when a
// person asks, and if it has not been tried yet.
func (g *gate) dueForTry(requested bool) bool {
	return g.triedAt.IsZero() || requested || g.since(g.triedAt) >= g.HeldRetry
}

func (g *gate) markTried() { g.triedAt = g.Now() }

// nextTry returns when the held part is next tried.
func (g *gate) nextTry() time.Time {
	if g.triedAt.IsZero() {
		return g.Now().Add(g.HeldRetry)
	}
	return g.triedAt.Add(g.HeldRetry)
}

// holdPart holds the part, or updates the detail of its hold.
func (g *gate) holdPart(ctx context.Context, reason plan.Reason, detail string) error {
	err := g.hold(ctx, g.scope, reason, detail)
	if err == nil {
		g.markTried()
	}
	return err
}

// readSucceeded records that the source answered a read of the part: of a number, or of a
// listing if number is "".
func (g *gate) readSucceeded(ctx context.Context, number string) error {
	g.streak.Read(number)
	g.refusal = nil
	return g.endHolds(ctx, plan.ReadOf(g.scope))
}

// holdIfRefused holds the part if err says that its reads are refused, and returns any other error. A part
// held for another reason keeps that reason, and the refusal is kept in g.refusal.
func (g *gate) holdIfRefused(ctx context.Context, err error) error {
	refused, err := g.refused(ctx, err)
	if !refused {
		return err
	}
	return g.holdRefused(ctx, err)
}

// refused reports whether err says that reads of the part are refused, and returns err as
// classified by its identity.
func (g *gate) refused(ctx context.Context, err error) (bool, error) {
	err = g.by.classify(ctx, err)
	stop, _ := g.by.stops(err, plan.ReadListing, 0)
	return stop == plan.StopPart && ctx.Err() == nil, err
}

// holdRefused holds the part for a refusal.
func (g *gate) holdRefused(ctx context.Context, err error) error {
	reason := plan.RefusedAs(source.ClassOf(err))
	if hold, held := g.progress.Holds.Of(g.scope); held && hold.Reason != reason {
		g.refusal = err
		g.markTried()
		return nil
	}
	return g.holdPart(ctx, reason, err.Error())
}

// probe tries a part whose reads are refused by reading some of its numbers, in their order; refused
// reports those that were refused before. open reports that the rest may be read: the source
// answered for one, or refused only numbers that it always refuses. A read that failed for a reason of
// its own number's says nothing: such a number may be one that cannot even be asked for alone.
func probe[N comparable](g *gate, numbers []N, refused func(N) bool, read func(N) error) (open bool, err error) {
	open = true
	for _, number := range plan.Probes(numbers, refused) {
		fresh := !refused(number)
		if err := read(number); err != nil || !g.forbidden() {
			return true, err
		}
		open = open && !(fresh && refused(number))
	}
	if !open {
		g.markTried()
	}
	return open, nil
}

// postponeHeld postpones the due hints of a held part to its next try.
func (g *gate) postponeHeld(ctx context.Context, requested bool) error {
	list, err := g.load(ctx, requested)
	if err != nil {
		return err
	}
	hold, _ := g.progress.Holds.Of(g.scope)
	return g.postponeAll(ctx, list, g.nextTry(), plan.HintPartHeld, hold.String())
}

// stopsForNumber returns what the failed read of one number stops, and how the number is read
// again. row counts numbers without a usable answer in a row, and the streak those that were
// refused; before says that this one was refused before.
func (g *gate) stopsForNumber(number string, before bool, err error, row *int) (plan.Stop, plan.Again) {
	class, inARow := source.ClassOf(err), 0
	switch class {
	case plan.ClassPart:
		inARow = g.streak.Refused(number, before)
	case plan.ClassInterrupted:
		inARow = *row + 1
	default: // not counted
	}
	*row = 0
	if class == plan.ClassInterrupted {
		*row = inARow
	}
	return g.by.stops(err, plan.ReadNumber, inARow)
}

// readFailed handles the failed read of a hinted number, and returns the error if it stops more
// than the number; row is that of stopsForNumber.
func (g *gate) readFailed(ctx context.Context, list inbox.Hints, number string, err error, row *int) error {
	err = g.by.classify(ctx, err)
	if ctx.Err() != nil {
		return err
	}
	h := list[number]
	stop, again := g.stopsForNumber(number, h.Refused, err, row)
	var stored error
	if again == plan.AgainLater {
		stored = g.postpone(ctx, list, number, err)
	}
	if stop == plan.StopNumber || stop == plan.StopPart && stored != nil {
		return stored
	}
	return errors.Join(err, stored)
}

// postpone stores a hint's error and when its number is read again.
func (g *gate) postpone(ctx context.Context, list inbox.Hints, number string, err error) error {
	h := list[number]
	g.log().WithFields(map[string]any{"kind": g.kind, "number": number, "failures": h.Failures + 1}).WithError(err).Warn("read failed: postponed")
	reason := plan.HintFailed
	if h.Refused = source.ClassOf(err) == plan.ClassPart; h.Refused {
		reason = plan.HintForbidden
	}
	h.Failures++
	again := h.Postpone(g.retryAt(h.Failures), reason, err.Error())
	return g.settle(ctx, list, inbox.Outcome{Rereads: []plan.Reread{again}})
}
