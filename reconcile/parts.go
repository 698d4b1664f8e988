package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// A shop's parts are read with the token of its agreement at e-conomic. If its stock has a source
// of its own, that is read with another token, from another budget, and fails on its own: the
// parts of one identity never wait for the other's. Each identity has its own backoff then.

// identities returns e-conomic's and, if the stock has a source of its own, that one's.
func (s *Shop) identities() identities {
	if s.stock.by == s.identity {
		return identities{s.identity}
	}
	return identities{s.identity, s.stock.by}
}

// identities are those with whose tokens a shop is read, one for each service.
type identities []*identity

// ended reports whether nothing more is read in this pass.
func (all identities) ended() bool {
	return !slices.ContainsFunc(all, func(by *identity) bool { return !by.ended })
}

// silent reports whether a service has not answered.
func (all identities) silent() bool {
	return slices.ContainsFunc(all, func(by *identity) bool { return by.silent })
}

// asks returns what is to be asked for beside the passes, nil if that is nothing.
func (all identities) asks() (b *Beside) {
	for _, by := range all {
		if ask := by.ask(); ask != nil {
			if b == nil {
				b = &Beside{}
			}
			b.Calls = append(b.Calls, ask)
		}
	}
	return b
}

// partsRun is one run of the parts.
type partsRun struct {
	*Shop
	report Report
	errs   map[*identity][]error
}

// runParts runs the parts of the shop that may be read.
func (s *Shop) runParts(ctx context.Context, due Due) (Report, error) {
	if s.shop.Paused() {
		return Report{Idle: true}, nil
	}
	r := partsRun{Shop: s, report: Report{Idle: true}, errs: map[*identity][]error{}}
	for _, by := range s.identities() {
		ready, err := r.check(ctx, by, due)
		by.ended = !ready
		r.report.Idle = r.report.Idle && !ready && !by.silent
		r.report.Stopped = r.report.Stopped || err != nil
		r.failed(by, err)
	}
	if r.report.Idle {
		return r.end()
	}
	if over, err := r.run(ctx, due); over {
		r.report.Stopped = true
		r.stock.sweep.ticked(true)
		return r.report, errors.Join(append(r.all(), err)...)
	}
	return r.end()
}

// check reports whether the parts of an identity may be read.
func (r *partsRun) check(ctx context.Context, by *identity, due Due) (ready bool, err error) {
	by.tick = due.Tick
	if by.failure != nil && !due.Requested && r.Now().Before(by.notBefore) {
		by.skipped = true
		return false, r.leave(ctx, by)
	}
	if by.silent && r.apart(due) {
		if heard, err := by.heard(ctx, r.Now()); err != nil {
			return false, err
		} else if !heard {
			by.skipped, by.owed = true, by.owed || due.Tick
			return false, nil // what is due stays due
		}
	}
	by.tick, by.owed = due.Tick || by.owed, false
	patiently := r.patiently(ctx, by, due)
	if ready, err = by.check(patiently, due); by.gaveUp(patiently, err) {
		return false, nil
	}
	return ready, err
}

// apart reports whether what is read with one token is not to delay what is read with another.
func (r *partsRun) apart(due Due) bool { return len(r.identities()) > 1 && !due.Requested }

// patiently returns the context of an identity's reads.
func (r *partsRun) patiently(ctx context.Context, by *identity, due Due) context.Context {
	if !r.apart(due) {
		return ctx
	}
	return by.silence.patiently(ctx, r.Now())
}

// leave postpones the due hints of an identity's parts until they are read again.
func (r *partsRun) leave(ctx context.Context, by *identity) error {
	for _, g := range []*gate{&r.stock.gate, &r.invoices.gate} {
		if g.by != by {
			continue
		}
		list, err := g.load(ctx, false)
		if err == nil {
			err = g.postponeAll(ctx, list, by.notBefore, plan.HintFailed, by.failure.Error())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run runs the parts, each of which fails on its own. over reports that the pass ends with the
// returned error: nothing more can be read or stored.
func (r *partsRun) run(ctx context.Context, due Due) (over bool, err error) {
	parts := []part{r.invoices, r.stock, r.pdfs}
	first, then := r.first, 0
	for n := range parts {
		at := (first + n) % len(parts)
		by := parts[at].readBy()
		if by.ended {
			continue
		}
		if err := r.load(ctx); err != nil { // a part whose write failed has forgotten what is stored
			return true, err
		}
		mine := due
		mine.Tick = by.tick
		patiently := r.patiently(ctx, by, due)
		more, err := parts[at].Run(patiently, mine)
		r.report.Again = r.report.Again || more
		if by.gaveUp(patiently, err) {
			by.ended = true
			continue
		}
		ends, next := by.endsPass(ctx, err)
		if next {
			then = (at + 1) % len(parts)
			r.first = then
		}
		by.ended = ends
		if ends && (ctx.Err() != nil || outdated(err) || len(r.identities()) == 1) {
			return true, err
		}
		switch stop, _ := by.stops(err, plan.ReadListing, 0); stop {
		case plan.StopDay:
			r.report.Short = err
		default:
			r.failed(by, err)
		}
	}
	r.first = then
	return false, nil
}

func (r *partsRun) failed(by *identity, err error) {
	if err != nil {
		r.errs[by] = append(r.errs[by], err)
	}
}

// all returns the errors of all identities.
func (r *partsRun) all() (list []error) {
	for _, by := range r.identities() {
		list = append(list, r.errs[by]...)
	}
	return list
}

// end returns the report of a pass in which at least one identity's parts came to their end, or
// none could be read. That one identity's have failed is no failure of the shop while another's
// can be read: it is reported, and only those parts wait.
func (r *partsRun) end() (Report, error) {
	err := errors.Join(r.all()...)
	if !r.report.Idle {
		if r.report.Short == nil {
			r.report.Short = cmp.Or(r.stock.refusal, r.invoices.refusal, r.pdfs.refusal) // no hold shows it
		}
		r.report.Again = r.report.Again || r.hinted
	}
	if len(r.identities()) > 1 {
		r.report.Stopped = r.report.Stopped || err != nil && r.identities().ended()
		err = r.divide(err)
		r.report.Partial = r.report.Partial || r.identities().silent()
	}
	r.report.Ticked = r.stock.sweep.ticked(err != nil || r.report.Idle || r.report.Short != nil || r.identities().silent())
	return r.report, err
}

// divide counts the failures of each identity. It returns err if none can be read. Of a pass that
// read nothing since both wait after a failure, or one does and the other is held, it returns those
// failures: without an error the shop would be taken for a held one, and left alone for long.
func (r *partsRun) divide(err error) error {
	var failures, partial []error
	healthy := false
	for _, by := range r.identities() {
		by.count(errors.Join(r.errs[by]...))
		healthy = healthy || by.failure == nil && !by.held()
		if by.failure != nil {
			failures = append(failures, by.failure)
			partial = append(partial, fmt.Errorf("%s (the rest goes on): %w", by.name(), by.failure))
		}
	}
	switch {
	case len(failures) == 0:
		return err
	case healthy:
		r.report.Partial, r.report.Stopped = true, false
		r.report.Short = errors.Join(partial...)
		return nil
	case err == nil && !r.report.Idle:
		return nil // one is silent, and asked beside the passes
	case err == nil:
		err = errors.Join(failures...)
	}
	r.report.Idle, r.report.RetryAfter = false, r.identities().retryAfter(r.Now())
	return err
}

// retryAfter returns how long until the first of them that waits is tried again; 0: none waits.
func (all identities) retryAfter(now time.Time) (wait time.Duration) {
	for _, by := range all {
		var at time.Time
		if by.failure != nil {
			at = by.notBefore
		}
		if by.held() && by.nextTry().After(at) {
			at = by.nextTry()
		}
		if left := at.Sub(now); left > 0 && (wait == 0 || left < wait) {
			wait = left
		}
	}
	return wait
}
