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

// identity checks whose a token is: in the first pass, every hour, and to find out whether what
// it holds can continue. A shop has one for e-conomic, and another one for its stock if that has a
// source of its own. Each stops only the parts that are read with its token.
type identity struct {
	gate                        // of what it holds
	owner                       // that it expects
	account source.StockAccount // that the token gives access to

	self      plan.Self // result of the check in this pass
	checkedAt time.Time // when the token was last confirmed as the shop's

	ended   bool // its parts read nothing more in this pass
	skipped bool // likewise, since they wait after a failure

	// Where the shop has two identities:
	failure   error     // of the parts, in the last pass that read them
	failures  int       // in a row
	notBefore time.Time // when they are read again
	silence
}

const checkEvery = time.Hour

func newIdentity(s *Shop, scope plan.Scope) *identity {
	i := &identity{gate: gate{hints: hints{s, ""}, scope: scope}, owner: owner{s, scope == plan.ScopeStock}}
	i.by = i
	return i
}

// begin begins a pass.
func (i *identity) begin() { i.self, i.ended, i.skipped = plan.SelfUnasked, false, false }

// held reports whether the identity holds its parts.
func (i *identity) held() bool {
	hold, held := i.progress.Holds.Of(i.scope)
	return held && (i.scope == plan.ScopeShop || hold.Reason.OfIdentity())
}

// check checks whose the token is, if that is due. ready is false while nothing can be read with
// it.
func (i *identity) check(ctx context.Context, due Due) (ready bool, err error) {
	held := i.held()
	if held && !i.dueForTry(due.Requested) {
		return false, nil
	}
	if i.account == nil { // the token could not be decrypted; the shop's other one could
		if err := i.accounts.open(ctx); err != nil || i.account == nil {
			return false, err
		}
	}
	if !held && i.Now().Sub(i.checkedAt) < checkEvery {
		return true, nil
	}
	return i.readSelf(ctx)
}

// readSelf reads whose the token is. It holds the parts if the token is refused or belongs to
// another account, and otherwise ends such a hold. ready reports that they may be read.
func (i *identity) readSelf(ctx context.Context) (ready bool, err error) {
	now := i.Now()
	i.self = plan.SelfUnknown
	// With the highest priority: everything waits for this answer.
	self, err := i.account.Self(ctx, source.PriorityPerson)
	switch source.ClassOf(err) {
	case plan.ClassShop, plan.ClassPart:
		i.self = plan.SelfRefused
		return false, i.holdAsRefused(ctx, err)
	default: // nothing is known of the token
	}
	if err != nil {
		return false, err
	}
	if !i.ofStock() {
		i.refusals.accepted()
	}
	if known := i.known(); known != 0 && self.AgreementNumber != known {
		i.self = plan.SelfRefused
		return false, i.holdAsChanged(ctx, self.AgreementNumber, known)
	}
	if i.known() == 0 {
		if err := i.learn(ctx, self.AgreementNumber); err != nil {
			return false, err
		}
	}
	seen := plan.SeenSelf
	if i.ofStock() {
		seen = plan.SeenAccount
	}
	if err := i.endHolds(ctx, seen); err != nil {
		return false, err
	}
	i.self = plan.SelfWell
	i.checkedAt = now
	return true, nil
}

// count counts a pass in which the parts failed, or did not. In a pass in which they were to wait
// nothing changes.
func (i *identity) count(failure error) {
	switch {
	case failure != nil:
		i.failure, i.owed = failure, i.owed || i.tick
		i.failures++
		i.notBefore = i.Now().Add(max(i.Backoff(i.failures), source.RetryAfter(failure)))
	case !i.skipped:
		i.failure, i.failures = nil, 0
	}
}

// learn stores whose the token is, and continues within that account's budget.
func (i *identity) learn(ctx context.Context, number int64) error {
	learnt := store.Patch{AgreementNumber: &number}
	if i.ofStock() {
		learnt = store.Patch{StockAccount: &number}
	}
	if err := i.apply(ctx, store.Applied{Progress: learnt}); err != nil {
		return err
	}
	return i.accounts.open(ctx)
}

// holdAsRefused holds the parts since the token is refused: err says how.
func (i *identity) holdAsRefused(ctx context.Context, err error) error {
	unauthorized := source.ClassOf(err) == plan.ClassShop
	seen, reason := plan.SeenSelf403, plan.HeldTokenRefused
	switch {
	case i.ofStock():
		seen = plan.SeenAccountRefused
	case unauthorized:
		i.suspectAppToken()
		seen = plan.SeenSelf401
	case i.scope == plan.ScopeShop:
		reason = plan.HeldForbidden
	}
	return errors.Join(err, i.endHolds(ctx, seen), i.holdPart(ctx, reason, err.Error()))
}

// holdAsChanged holds the parts since the token answers for another agreement or account than
// what is stored was read from.
func (i *identity) holdAsChanged(ctx context.Context, now, known int64) error {
	seen, reason, accept := plan.SeenOtherAgreement, plan.HeldAgreementChanged, "--accept-agreement"
	detail := fmt.Sprintf("the token answers for agreement %d, the shop is agreement %d", now, known)
	if i.ofStock() {
		seen, reason, accept = plan.SeenOtherAccount, plan.HeldAccountChanged, fmt.Sprintf("--rackbeat-key-file … --accept-account %d", now)
		detail = fmt.Sprintf("the key answers for %s's account %d, the shop's is %d", i.stock.source.Can().Name, now, known)
	}
	return errors.Join(fmt.Errorf("shop %s: %s: if the change is intended, run `lagerd shops set %s %s`", i.shop.Shop, detail, i.shop.Shop, accept),
		i.endHolds(ctx, seen), i.holdPart(ctx, reason, detail))
}

// suspectAppToken logs, once, that the app's own token may be refused: several agreements
// answer 401 and none succeeds.
func (i *identity) suspectAppToken() {
	agreement := i.shop.Shop // until its number is known, assume one agreement per shop
	if i.progress.AgreementNumber != 0 {
		agreement = strconv.FormatInt(i.progress.AgreementNumber, 10)
	}
	if agreements, tell := i.refusals.refused(agreement); tell {
		i.log().WithField("agreements", agreements).Error(AppTokenSuspected)
	}
}

// classify returns err as it counts: a refused token counts as a refused read while its self is
// well. It reads self at most once a pass.
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

// endsPass reports whether an error of a part ends what the pass reads with the same token, and
// whether the next pass starts with the part after this one.
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
