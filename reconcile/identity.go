package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// identity is whose the shop's token is. It is asked at first, every hour, and to find
// out whether a shop that is held can go on.
type identity struct {
	gate                     // of the whole shop
	account   source.Account // that the token opens
	self      plan.Self      // what it has said in this pass
	checkedAt time.Time      // when it last said that it is the shop's
}

const checkEvery = time.Hour

// check asks whose the token is, where that is due. ready is false while the shop cannot
// be read.
func (i *identity) check(ctx context.Context, due Due) (ready bool, err error) {
	held := i.progress.Holds.Any(plan.ScopeShop)
	if held && !i.dueForTry(due.Requested) {
		return false, nil
	}
	if !held && i.Now().Sub(i.checkedAt) < checkEvery {
		return true, nil
	}
	return i.ask(ctx)
}

// ask asks whose the token is, holds the shop where that is refused or where it is
// another agreement's, and ends such a hold where it is not. ready reports that the shop
// may be read.
func (i *identity) ask(ctx context.Context) (ready bool, err error) {
	now := i.Now()
	i.self = plan.SelfUnknown
	// With the priority of hints, which have a reserve: they wait for the answer.
	self, err := i.account.Self(ctx, source.PriorityHint)
	switch source.ClassOf(err) {
	case plan.ClassShop:
		i.self = plan.SelfRefused
		i.suspectAppToken()
		return false, errors.Join(err, i.saw(ctx, plan.SeenSelf401), i.stop(ctx, plan.HeldTokenRefused, err.Error()))
	case plan.ClassPart:
		i.self = plan.SelfRefused
		return false, errors.Join(err, i.saw(ctx, plan.SeenSelf403), i.stop(ctx, plan.HeldForbidden, err.Error()))
	}
	if err != nil {
		return false, err
	}
	i.refusals.accepted()
	if known := i.progress.AgreementNumber; known != 0 && self.AgreementNumber != known {
		i.self = plan.SelfRefused
		detail := fmt.Sprintf("the token answers for agreement %d, the shop is agreement %d", self.AgreementNumber, known)
		return false, errors.Join(fmt.Errorf("shop %s: %s: if that is meant, say `lagerd shops set %s --accept-agreement`", i.shop.Shop, detail, i.shop.Shop),
			i.saw(ctx, plan.SeenOtherAgreement), i.stop(ctx, plan.HeldAgreementChanged, detail))
	}
	if i.progress.AgreementNumber == 0 {
		if err := i.apply(ctx, store.Applied{Progress: store.Patch{AgreementNumber: &self.AgreementNumber}}); err != nil {
			return false, err
		}
	}
	if err := i.saw(ctx, plan.SeenSelf); err != nil {
		return false, err
	}
	i.self = plan.SelfWell
	i.checkedAt = now
	return true, nil
}

// suspectAppToken tells a person, once, that it may be the app's token that is refused:
// several agreements refuse, and none accepts.
func (i *identity) suspectAppToken() {
	agreement := i.shop.Shop // one shop to an agreement, as long as its number is not known
	if i.progress.AgreementNumber != 0 {
		agreement = strconv.FormatInt(i.progress.AgreementNumber, 10)
	}
	if agreements, tell := i.refusals.refused(agreement); tell {
		i.log.WithField("agreements", agreements).Error(AppTokenSuspected)
	}
}

// judged returns a refusal as what it counts for: a refused token while /self is well
// counts as a refused read. /self is asked once a pass at most.
func (i *identity) judged(ctx context.Context, err error) error {
	if source.ClassOf(err) != plan.ClassShop || ctx.Err() != nil {
		return err
	}
	if stop, _ := i.stops(err, plan.ReadListing, 0); stop == plan.StopToAsk {
		if _, asked := i.ask(ctx); asked != nil {
			err = errors.Join(err, asked)
		}
	}
	if i.self != plan.SelfWell {
		return err
	}
	return source.Narrow(err)
}

// endsPass reports whether an error of a part keeps the pass from its other parts, and
// whether the next pass is to begin with the part after this one.
func (i *identity) endsPass(ctx context.Context, err error) (ends, next bool) {
	ends = ctx.Err() != nil || outdated(err)
	for e := range source.Errors(err) {
		switch stop, _ := i.stops(e, plan.ReadListing, 0); stop {
		case plan.StopPass:
			ends, next = true, true
		case plan.StopShop, plan.StopToAsk:
			ends = true
		}
	}
	return ends, next
}

// stops returns what a failed read stops, and how it is read again.
func (i *identity) stops(err error, read plan.Read, inARow int) (plan.Stop, plan.Again) {
	return plan.Stops(plan.Failure{Class: source.ClassOf(err), Read: read, Self: i.self, InARow: inARow})
}

// cutShort says of what was not read to its end until when it waits.
func (i *identity) cutShort(short error) error {
	wait := source.RetryAfter(short)
	if stop, _ := i.stops(short, plan.ReadListing, 0); stop != plan.StopDay || wait <= 0 {
		return short
	}
	return fmt.Errorf("cut short: it waits until %s UTC: %w", i.Now().Add(wait).UTC().Format("2006-01-02 15:04:05"), short)
}
