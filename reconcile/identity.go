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

// identity checks whose the shop's token is: in the first pass, every hour, and to find out
// whether a held shop can continue.
type identity struct {
	gate                     // the shop's
	account   source.Account // that the token gives access to
	self      plan.Self      // result of the check in this pass
	checkedAt time.Time      // when the token was last confirmed as the shop's
}

const checkEvery = time.Hour

// check checks whose the token is, if that is due. ready is false while the shop cannot be
// read.
func (i *identity) check(ctx context.Context, due Due) (ready bool, err error) {
	held := i.progress.Holds.Any(plan.ScopeShop)
	if held && !i.dueForTry(due.Requested) {
		return false, nil
	}
	if !held && i.Now().Sub(i.checkedAt) < checkEvery {
		return true, nil
	}
	return i.readSelf(ctx)
}

// readSelf reads /self. It holds the shop if the token is refused or belongs to another agreement,
// and otherwise ends such a hold. ready reports that the shop may be read.
func (i *identity) readSelf(ctx context.Context) (ready bool, err error) {
	now := i.Now()
	i.self = plan.SelfUnknown
	// With the priority of hints, which have a reserve: they wait for this answer.
	self, err := i.account.Self(ctx, source.PriorityHint)
	switch source.ClassOf(err) {
	case plan.ClassShop:
		i.self = plan.SelfRefused
		i.suspectAppToken()
		return false, errors.Join(err, i.endHolds(ctx, plan.SeenSelf401), i.holdPart(ctx, plan.HeldTokenRefused, err.Error()))
	case plan.ClassPart:
		i.self = plan.SelfRefused
		return false, errors.Join(err, i.endHolds(ctx, plan.SeenSelf403), i.holdPart(ctx, plan.HeldForbidden, err.Error()))
	default: // nothing is known of the token
	}
	if err != nil {
		return false, err
	}
	i.refusals.accepted()
	if known := i.progress.AgreementNumber; known != 0 && self.AgreementNumber != known {
		i.self = plan.SelfRefused
		detail := fmt.Sprintf("the token answers for agreement %d, the shop is agreement %d", self.AgreementNumber, known)
		return false, errors.Join(fmt.Errorf("shop %s: %s: if the change is intended, run `lagerd shops set %s --accept-agreement`", i.shop.Shop, detail, i.shop.Shop),
			i.endHolds(ctx, plan.SeenOtherAgreement), i.holdPart(ctx, plan.HeldAgreementChanged, detail))
	}
	if i.progress.AgreementNumber == 0 {
		if err := i.apply(ctx, store.Applied{Progress: store.Patch{AgreementNumber: &self.AgreementNumber}}); err != nil {
			return false, err
		}
	}
	if err := i.endHolds(ctx, plan.SeenSelf); err != nil {
		return false, err
	}
	i.self = plan.SelfWell
	i.checkedAt = now
	return true, nil
}

// suspectAppToken logs, once, that the app's own token may be refused: several agreements
// answer 401 and none succeeds.
func (i *identity) suspectAppToken() {
	agreement := i.shop.Shop // until its number is known, assume one agreement per shop
	if i.progress.AgreementNumber != 0 {
		agreement = strconv.FormatInt(i.progress.AgreementNumber, 10)
	}
	if agreements, tell := i.refusals.refused(agreement); tell {
		i.log.WithField("agreements", agreements).Error(AppTokenSuspected)
	}
}

// classify returns err as it counts: a refused token counts as a refused read while /self is
// well. It reads /self at most once a pass.
func (i *identity) classify(ctx context.Context, err error) error {
	if source.ClassOf(err) != plan.ClassShop || ctx.Err() != nil {
		return err
	}
	if stop, _ := i.stops(err, plan.ReadListing, 0); stop == plan.StopToAsk {
		if _, selfErr := i.readSelf(ctx); selfErr != nil {
			err = errors.Join(err, selfErr)
		}
	}
	if i.self != plan.SelfWell {
		return err
	}
	return source.Narrow(err)
}

// endsPass reports whether an error of a part ends the pass, and whether the next pass starts
// with the part after this one.
func (i *identity) endsPass(ctx context.Context, err error) (ends, next bool) {
	ends = ctx.Err() != nil || outdated(err)
	for e := range source.Errors(err) {
		switch stop, _ := i.stops(e, plan.ReadListing, 0); stop {
		case plan.StopPass:
			ends, next = true, true
		case plan.StopShop, plan.StopToAsk:
			ends = true
		default:
		}
	}
	return ends, next
}

// stops returns what a failed read stops, and how it is read again.
func (i *identity) stops(err error, read plan.Read, inARow int) (plan.Stop, plan.Again) {
	return plan.Stops(plan.Failure{Class: source.ClassOf(err), Read: read, Self: i.self, InARow: inARow})
}

// cutShort adds to an error of the day's budget until when the reads wait.
func (i *identity) cutShort(short error) error {
	wait := source.RetryAfter(short)
	if stop, _ := i.stops(short, plan.ReadListing, 0); stop != plan.StopDay || wait <= 0 {
		return short
	}
	return fmt.Errorf("cut short: it waits until %s UTC: %w", i.Now().Add(wait).UTC().Format("2006-01-02 15:04:05"), short)
}
