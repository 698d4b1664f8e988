package reconcile

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/reconcile/plan"
	"lagerd/store"
)

// hold stops the shop or a part of it, or takes over what has changed about why
// it is stopped. A scope that is held for another reason stays held for that
// one.
func (w *worker) hold(ctx context.Context, scope plan.Scope, reason plan.Reason, detail string) error {
	holds, changed := w.progress.Holds.With(plan.Hold{Scope: scope, Reason: reason, Detail: clip(detail, longestDetail), Since: w.Now()})
	if !changed {
		w.noteTry(scope)
		return nil
	}
	begins := !w.progress.Holds.Any(scope)
	hold, _ := holds.Of(scope)
	if err := w.apply(ctx, store.Applied{Holds: []plan.Hold{hold}}); err != nil {
		return err
	}
	w.progress.Holds = holds
	w.noteTry(scope)
	if begins {
		w.log.WithFields(logrus.Fields{"scope": scope, "reason": reason, "detail": hold.Detail}).Warn("held")
	}
	return nil
}

// longestDetail is how much of a hold's detail is kept, in characters.
const longestDetail = 500

// saw ends the holds whose condition has been met.
func (w *worker) saw(ctx context.Context, seen plan.Seen) error {
	left, ended := w.progress.Holds.After(seen)
	if len(ended) == 0 {
		return nil
	}
	a := store.Applied{Losses: w.standStill(left)}
	for _, h := range ended {
		a.EndHolds = append(a.EndHolds, h.Scope)
	}
	if err := w.apply(ctx, a); err != nil {
		return err
	}
	w.progress.Holds = left
	w.stoodStill(a.Losses)
	for _, h := range ended {
		w.log.WithFields(logrus.Fields{"scope": h.Scope, "reason": h.Reason, "seen": seen}).Info("the hold has ended")
	}
	return nil
}

// mayTry reports whether what is held is to be tried by this pass: every
// HeldRetry, at once where a person asks, and by a worker that has not tried yet.
func (w *worker) mayTry(scope plan.Scope, j job) bool {
	if at, known := w.tried[scope]; known && !j.asked && w.since(at) < w.HeldRetry {
		return false
	}
	w.noteTry(scope)
	return true
}

func (w *worker) noteTry(scope plan.Scope) {
	if w.tried == nil {
		w.tried = map[plan.Scope]time.Time{}
	}
	w.tried[scope] = w.Now()
}

// heldStock returns the hold of the shop's stock, if it is held.
func (w *worker) heldStock() (plan.Hold, bool) { return w.progress.Holds.Of(plan.ScopeStock) }
