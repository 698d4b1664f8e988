package reconcile

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/store"
)

// hold stops the shop or a part of it, or takes over what has changed about why
// it is stopped. A scope that is held for another reason stays held for that
// one.
func (w *Shop) hold(ctx context.Context, scope plan.Scope, reason plan.Reason, detail string) error {
	holds, changed := w.progress.Holds.With(plan.Hold{Scope: scope, Reason: reason, Detail: plan.Clip(detail, longestDetail), Since: w.Now()})
	if !changed {
		w.noteTry(scope)
		return nil
	}
	begins := !w.progress.Holds.Any(scope)
	hold, _ := holds.Of(scope)
	if err := w.apply(ctx, store.Applied{Holds: []plan.Hold{hold}}); err != nil {
		return err
	}
	w.noteTry(scope)
	if begins {
		w.log.WithFields(logrus.Fields{"scope": scope, "reason": reason, "detail": hold.Detail}).Warn("held")
	}
	return nil
}

// longestDetail is how much of a hold's detail is kept, in characters.
const longestDetail = 500

// saw ends the holds whose condition has been met.
func (w *Shop) saw(ctx context.Context, seen plan.Seen) error {
	left, ended := w.progress.Holds.After(seen)
	if len(ended) == 0 {
		return nil
	}
	a := store.Applied{Losses: w.losses.StandStill(w.progress.Holds, left, w.Now())}
	for _, h := range ended {
		a.EndHolds = append(a.EndHolds, h.Scope)
	}
	if err := w.apply(ctx, a); err != nil {
		return err
	}
	w.losses.Stored(a.Losses, w.Now())
	for _, h := range ended {
		w.log.WithFields(logrus.Fields{"scope": h.Scope, "reason": h.Reason, "seen": seen}).Info("the hold has ended")
	}
	return nil
}

// dueForTry reports whether what is held is to be tried: every HeldRetry, at once
// where a person asks, and by a worker that has not tried it yet.
func (w *Shop) dueForTry(scope plan.Scope, j Due) bool {
	at, known := w.tried[scope]
	return !known || j.Asked || w.since(at) >= w.HeldRetry
}

func (w *Shop) noteTry(scope plan.Scope) {
	if w.tried == nil {
		w.tried = map[plan.Scope]time.Time{}
	}
	w.tried[scope] = w.Now()
}

// nextTry is when what is held is tried again.
func (w *Shop) nextTry(scope plan.Scope) time.Time {
	if at, known := w.tried[scope]; known {
		return at.Add(w.HeldRetry)
	}
	return w.Now().Add(w.HeldRetry)
}

// forbidden reports whether e-conomic refuses the part, as far as is known.
func (w *Shop) forbidden(scope plan.Scope) bool {
	return w.beside[scope] != nil || w.progress.Holds.Has(scope, plan.HeldForbidden)
}

// numberRefused counts a number that the source has refused, and returns how many there
// are one after another.
func (w *Shop) numberRefused(scope plan.Scope, number string, before bool) int {
	if w.streaks == nil {
		w.streaks = map[plan.Scope]*plan.Streak{}
	}
	if w.streaks[scope] == nil {
		w.streaks[scope] = &plan.Streak{}
	}
	return w.streaks[scope].Refused(number, before)
}

// answered notes that e-conomic has answered a read of the part: of a number, or a
// listing where that is "".
func (w *Shop) answered(ctx context.Context, scope plan.Scope, number string) error {
	w.streaks[scope].Read(number)
	delete(w.beside, scope)
	return w.saw(ctx, plan.ReadOf(scope))
}

// endPart holds the part where its read was refused, and returns any other error. A
// part that is held for another reason stays so: that it is refused as well is told
// beside it.
func (w *Shop) endPart(ctx context.Context, scope plan.Scope, err error) error {
	err = w.judged(ctx, err)
	if stop, _ := w.stops(err, plan.ReadListing, 0); stop != plan.StopPart || ctx.Err() != nil {
		return err
	}
	if scope == plan.ScopeStock {
		w.endListing()
	}
	if hold, held := w.progress.Holds.Of(scope); held && hold.Reason != plan.HeldForbidden {
		if w.beside == nil {
			w.beside = map[plan.Scope]error{}
		}
		w.beside[scope] = err
		w.noteTry(scope)
		return nil
	}
	return w.hold(ctx, scope, plan.HeldForbidden, err.Error())
}

// toldBeside returns a refusal that no hold tells of, if there is one.
func (w *Shop) toldBeside() error {
	for _, scope := range []plan.Scope{plan.ScopeStock, plan.ScopeInvoices, plan.ScopePDFs} {
		if err := w.beside[scope]; err != nil {
			return err
		}
	}
	return nil
}

// putOffPart has the hints that are due of a part that is held read when it is tried
// again.
func (w *Shop) putOffPart(ctx context.Context, j Due, kind plan.Kind, scope plan.Scope) error {
	hints, err := w.dueHints(ctx, j, kind)
	if err != nil {
		return err
	}
	hold, _ := w.progress.Holds.Of(scope)
	return w.putOffAll(ctx, hints, w.nextTry(scope), plan.HintPartHeld, hold.String())
}

// heldStock returns the hold of the shop's stock, if it is held.
func (w *Shop) heldStock() (plan.Hold, bool) { return w.progress.Holds.Of(plan.ScopeStock) }
