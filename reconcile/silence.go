package reconcile

import (
	"context"
	"fmt"
	"time"

	"lagerd/plan"
	"lagerd/source"
)

const (
	// leastPatience is how long a shop that is read from two services waits for an answer to
	// begin. Then its pass goes on with the other service's parts. Each time that an answer has
	// come later it waits twice as long, up to the client's timeout: the parts of a slow service
	// would never be read if passes kept giving up.
	leastPatience = time.Second

	// patientFor is how long it waits longer than that after it last gave up.
	patientFor = 15 * time.Minute
)

// silence is what a shop that is read from two services does about one that does not answer: no
// pass waits for it.
//
//	an answer                               the parts read with that token
//	comes                                   are read
//	does not begin within patience          are left out, and self is asked for beside the passes
//	to that does not come either            have failed: they wait, and then self is asked for again
//	to that comes                           are read, with twice the patience, or twice as long as self took
type silence struct {
	silent   bool          // an answer did not come in time, and self has not been answered since
	asking   *asking       // of self, beside the passes; nil: none
	patience time.Duration // of the passes until then
	until    time.Time     // from then on passes wait for leastPatience again
	tick     bool          // a tick is due for the parts
	owed     bool          // a tick was due when they were left out, or failed
}

// asking is a read of self beside the passes.
type asking struct {
	begun bool
	done  chan struct{}
	took  time.Duration // valid once done is closed, like err
	err   error
}

// patiently returns the context of reads that are not to delay others in a pass.
func (s *silence) patiently(ctx context.Context, now time.Time) context.Context {
	if now.Before(s.until) {
		return source.WithPatience(ctx, s.patience)
	}
	return source.WithPatience(ctx, leastPatience)
}

// gaveUp reports whether err is that of an answer that passes did not wait for: it is no failure,
// since it may still come to self.
func (i *identity) gaveUp(ctx context.Context, err error) bool {
	if !source.Has(err, plan.ClassSilent) || ctx.Err() != nil || outdated(err) {
		return false
	}
	i.log().WithError(err).Debug("no answer yet: the rest of the shop goes on")
	i.silent, i.skipped, i.owed = true, true, i.tick
	return true
}

// heard reports whether the service may be read: it has answered since it was silent. err is that
// of self if the answer did not come.
func (s *silence) heard(ctx context.Context, now time.Time) (yes bool, err error) {
	if s.asking == nil {
		s.asking = &asking{done: make(chan struct{})}
	}
	select {
	case <-s.asking.done:
	default:
		return false, nil
	}
	took := s.asking.took
	err, s.asking = s.asking.err, nil
	if source.Has(err, plan.ClassHanging) || ctx.Err() != nil {
		return false, err
	}
	if !now.Before(s.until) {
		s.patience = leastPatience
	}
	s.silent, s.patience, s.until = false, 2*max(s.patience, took), now.Add(patientFor)
	return true, nil
}

// ask returns the read of self that is to be made beside the passes, nil if there is none. It
// blocks until the answer comes or ctx is done.
func (i *identity) ask() func(context.Context) {
	if !i.silent || i.failure != nil && i.asking == nil {
		return nil
	}
	if i.asking == nil {
		i.asking = &asking{done: make(chan struct{})}
	}
	if i.asking.begun {
		return nil
	}
	i.asking.begun = true
	return i.asking.ask(i.account, i.shop.Shop, i.Now)
}

func (a *asking) ask(account source.StockAccount, shop string, now func() time.Time) func(context.Context) {
	return func(ctx context.Context) {
		defer close(a.done)
		defer func() { // a panic here would end the process for every shop
			if p := recover(); p != nil {
				a.err = fmt.Errorf("shop %s: ask whose the token is: internal error: %v", shop, p)
			}
		}()
		began := now()
		_, a.err = account.Self(ctx, source.PriorityTick)
		a.took = now().Sub(began)
	}
}
