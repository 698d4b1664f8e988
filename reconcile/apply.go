package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/plan"
	"lagerd/store"
)

// apply stores the result of a read under the fence, unless it is empty, and counts it.
func (s *Shop) apply(ctx context.Context, a store.Applied) (err error) {
	a.Known = s.progress
	if a.Empty() {
		return nil
	}
	now := s.Now()
	a.LateFrom = now.Add(-s.LateWithin)
	if s.progress, err = s.Store.Apply(ctx, s.fence(), a, now); err != nil {
		s.forget()
		return err
	}
	if len(a.Items) > 0 || slices.ContainsFunc(a.Warnings, func(w store.Warning) bool { return w.Kind == plan.KindStock }) {
		s.stock.sweep.lastContent = "" // what the last listing showed is no longer all that is stored
	}
	s.pruned.count(a.Answered)
	for _, h := range a.Hints {
		s.inbox.Reopen(h.Kind)
		s.hinted = true
	}
	s.warnings.stored(a.Warnings, s.log())
	s.found += len(a.Changes)
	s.report(a, now)
	return nil
}

func (s *Shop) report(a store.Applied, now time.Time) {
	if len(a.Changes) == 0 {
		return
	}
	s.Observer.Changed(s.shop.Shop, a.Changes, now)
	missed := 0
	log := s.log()
	each := log.Logger.IsLevelEnabled(logrus.DebugLevel)
	for _, c := range a.Changes {
		if c.Webhook == plan.WebhookMissed {
			missed++
		}
		if each {
			log.WithFields(changeFields(c)).Debug("change")
		}
	}
	fields := logrus.Fields{"changes": len(a.Changes), "missed_webhooks": missed}
	if len(a.Changes) == 1 {
		fields = changeFields(a.Changes[0])
	}
	log.WithFields(fields).Info("stored")
}

func changeFields(c plan.Change) logrus.Fields {
	f := logrus.Fields{"kind": c.Kind, "number": c.Number, "what": c.What, "cause": c.Cause, "webhook": c.Webhook}
	if c.OldStock.Valid {
		f["old_stock"] = c.OldStock.Decimal.String()
	}
	if c.NewStock.Valid {
		f["new_stock"] = c.NewStock.Decimal.String()
	}
	return f
}

// longestDetail is the maximum length of a hold's detail, in characters.
const longestDetail = 500

// hold holds the shop or a part of it, or updates the detail of an existing hold. A scope held
// for another reason keeps that reason.
func (s *Shop) hold(ctx context.Context, scope plan.Scope, reason plan.Reason, detail string) error {
	holds, changed := s.progress.Holds.With(plan.Hold{Scope: scope, Reason: reason, Detail: plan.Clip(detail, longestDetail), Since: s.Now()})
	if !changed {
		return nil
	}
	begins := !s.progress.Holds.Any(scope)
	hold, _ := holds.Of(scope)
	if err := s.apply(ctx, store.Applied{Holds: []plan.Hold{hold}}); err != nil {
		return err
	}
	if begins {
		s.log().WithFields(logrus.Fields{"scope": scope, "reason": reason, "detail": hold.Detail}).Warn("held")
	}
	return nil
}

// endHolds ends the holds whose condition seen meets.
func (s *Shop) endHolds(ctx context.Context, seen plan.Seen) error {
	left, ended := s.progress.Holds.After(seen)
	if len(ended) == 0 {
		return nil
	}
	a := store.Applied{Losses: s.stock.losses.standStill(left)}
	for _, h := range ended {
		a.EndHolds = append(a.EndHolds, h.Scope)
	}
	if err := s.apply(ctx, a); err != nil {
		return err
	}
	s.stock.losses.guard.Stored(a.Losses, s.Now())
	for _, h := range ended {
		s.log().WithFields(logrus.Fields{"scope": h.Scope, "reason": h.Reason, "seen": seen}).Info("hold ended")
	}
	return nil
}
