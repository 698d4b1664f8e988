package reconcile

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// SuspicionAllZero marks a shop whose every stock figure is zero.
const SuspicionAllZero = "all_zero"

// Shop reconciles one shop under its lease. It is used by one goroutine at a time.
// There are thousands, mostly idle: its maps are nil until something is put into them.
type Shop struct {
	*Reconciler
	shop  store.Shop
	token int64 // the fencing token of the lease
	log   *logrus.Entry

	// Loaded at the first pass and kept while the lease is held: nobody else
	// writes it.
	loaded    bool
	progress  store.Progress
	budget    source.Budget
	others    callsOfOthers // in budget
	account   source.Account
	stock     source.Stock
	invoices  source.Invoices
	rule      plan.OrderRule
	checkedAt time.Time // when the agreement was last asked who it is
	base      time.Time // when the worker began, see steady

	seq int64 // of the last transaction under this token

	failed   bool // the last pass did
	inbox    *inbox.Inbox
	first    int         // the part with which the next pass begins
	alone    bool        // one of them may be what e-conomic hangs on: they are read one by one
	hinted   bool        // apply recorded hints
	fetching bool        // invoices are waiting for their lines or PDF
	gapTurn  int         // where the next tick goes on in a long list of gaps
	settled  string      // digest of the last listing that was stored whole
	found    int         // changes found by this pass
	created  []plan.Item // by the last read that created any, to spot a renumbering
	pruned   time.Time

	warnings map[subject]string // that are stored

	self    plan.Self                   // what /self has said in this pass
	tried   map[plan.Scope]time.Time    // when what is held was last tried, by this worker
	streaks map[plan.Scope]*plan.Streak // of numbers refused one after another
	beside  map[plan.Scope]error        // refusals of parts that are held for another reason

	losses     plan.LossGuard
	changeover changeover // to the items of another agreement
	lookedAt   time.Time  // when a listing that was only looked at began

	sweep      *listing // under way, some pages each pass; nil: none
	sweepNext  bool     // another was asked for meanwhile
	sweepAsked []store.Request
	sweepFound int
}

// pass does what is due for the shop. Its parts fail apart from each other;
// the errors are joined.
func (w *Shop) pass(ctx context.Context, j Due) (Report, error) {
	w.found, w.hinted, w.self = 0, false, plan.SelfUnasked
	w.losses.Age(w.Now())
	asked, waiting, err := w.requests(ctx, &j)
	if err != nil {
		return Report{}, err
	}
	w.inbox.Begin(j.Work)
	unpacked := w.unpack(ctx, j.Asked)
	if outdated(unpacked) {
		return Report{}, unpacked
	}
	var res Report
	if err = w.load(ctx); err == nil {
		res, err = w.reconcile(ctx, j)
		res.Tried = true
	}
	err = errors.Join(unpacked, err)
	if ctx.Err() != nil || outdated(err) {
		return res, err // the next pass, or whoever has the shop then, sees to the requests
	}
	if j.Tick && w.loaded {
		// Also where the tick failed: it may fail for weeks.
		err = errors.Join(err, w.prune(ctx))
	}
	res.Changes = w.found
	w.sweepFound += w.found
	failed := errors.Join(err, w.cutShort(res.Short))
	errs := []error{err, w.finish(ctx, asked, w.found, failed)}
	switch {
	case w.sweep == nil && w.changesOver():
		// What was asked for ends with what the shop sees then.
	case w.sweep == nil:
		errs = append(errs, w.finish(ctx, w.sweepAsked, w.sweepFound, failed))
		w.sweepAsked, w.sweepFound = nil, 0
		res.Again = res.Again || len(waiting) > 0
	// It goes on by itself, when whoever asked for it, or for the next one, does not wait
	// any more.
	case w.sweep.spent != nil:
		errs = append(errs, w.finish(ctx, append(w.sweepAsked, waiting...), w.sweepFound, errors.Join(err, w.cutShort(w.sweep.spent))))
		w.sweepAsked = nil
	case w.progress.Holds.Any(plan.ScopeShop), res.Stopped && w.failed:
		// For how long e-conomic answers nothing is not known. A single failure is tried again.
		errs = append(errs, w.finish(ctx, append(w.sweepAsked, waiting...), w.sweepFound, failed))
		w.sweepAsked = nil
	}
	return res, errors.Join(errs...)
}

func (w *Shop) reconcile(ctx context.Context, j Due) (Report, error) {
	if w.shop.Paused() {
		return Report{Idle: true}, nil
	}
	if ready, err := w.check(ctx, j); !ready || err != nil {
		return Report{Idle: true, Stopped: err != nil}, err
	}
	var res Report
	var errs []error
	invoices := func(ctx context.Context, j Due) (again bool, err error) { return false, w.invoicesPass(ctx, j) }
	parts := []func(context.Context, Due) (again bool, err error){invoices, w.stockPass, w.fetch}
	for n := range parts {
		part := (w.first + n) % len(parts)
		again, err := parts[part](ctx, j)
		res.Again = res.Again || again
		ends, next := w.endsPass(ctx, err)
		if next {
			w.first = (part + 1) % len(parts)
		}
		if ends {
			res.Stopped = true
			return res, errors.Join(append(errs, err)...)
		}
		switch stop, _ := w.stops(err, plan.ReadListing, 0); stop {
		case plan.StopDay:
			res.Short = err
		default:
			errs = append(errs, err)
		}
	}
	w.first = 0
	if res.Short == nil {
		res.Short = w.toldBeside()
	}
	res.Again = res.Again || w.hinted
	err := errors.Join(errs...)
	res.Ticked = j.Tick && err == nil && res.Short == nil && w.stockIsTrue()
	return res, err
}

// stockIsTrue reports whether the shop's stock has been read as far as it is
// to be read at all.
func (w *Shop) stockIsTrue() bool {
	return w.stockOff() != "" || !w.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !w.progress.SweptAt.IsZero() && !w.changingOver()
}

// unpack makes hints of the webhooks that have come, also for a shop that is
// paused: by itself, only a hint's row is the same for however many webhooks. Of a
// flood it unpacks a part, if a listing may answer the rest as it is.
func (w *Shop) unpack(ctx context.Context, all bool) error {
	unreadable, err := w.inbox.Unpack(ctx, w.fence, func() bool { return !all && w.leavesPacked() })
	for _, err := range unreadable {
		w.log.WithError(err).Error("webhooks could not be read and are set aside: a sweep looks at everything instead")
		w.sweepNext = true
	}
	return err
}

// leavesPacked reports whether webhooks may stay in their batches, since a listing may
// begin in this pass. After one that failed that is not certain, and they would pile up.
func (w *Shop) leavesPacked() bool {
	return w.loaded && !w.failed && w.sweep == nil && !w.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !w.shop.Paused() && w.stockOff() == ""
}

// loadBudget counts on from the calls that are stored, and from those that the worker has
// made since they were: also what e-conomic has told of its limits goes on.
func (w *Shop) loadBudget() {
	day, calls, byCommands := w.progress.CallsOf()
	state := source.BudgetState{Day: day, Calls: calls}
	if w.budget != nil {
		was := w.budget.State()
		own := w.others.own(was)
		state = was
		state.Day, state.Calls = day, max(calls, own+byCommands)
		if was.Day != day { // what is stored is of another day
			state.Day, state.Calls, byCommands = was.Day, own, 0
		}
	}
	w.budget = w.Source.Budget(state)
	w.others = callsOfOthers{}
	if w.budget.State().Day == state.Day { // else they do not count any more
		w.others = callsOfOthers{state.Day, byCommands}
	}
}

// callsOfOthers are calls that commands made for the shop on a day.
type callsOfOthers struct {
	day   string
	calls int
}

// own returns how many of a budget's calls the worker made.
func (o callsOfOthers) own(b source.BudgetState) int {
	if b.Day == o.day {
		return b.Calls - o.calls
	}
	return b.Calls
}

// load reads what is stored about the shop, once per lease.
func (w *Shop) load(ctx context.Context) error {
	if w.loaded {
		return nil
	}
	progress, err := w.Store.Progress(ctx, w.shop.Shop)
	if err != nil {
		return err
	}
	w.progress = progress
	if err := w.loadLosses(ctx); err != nil {
		return err
	}
	w.rule.Field = w.shop.OrderField
	w.rule.Pattern = nil
	if w.shop.OrderPattern != "" {
		if w.rule.Pattern, err = regexp.Compile(w.shop.OrderPattern); err != nil {
			return fmt.Errorf("shop %s: order pattern: %w: correct it with `lagerd shops set %s --order-pattern …`", w.shop.Shop, err, w.shop.Shop)
		}
	}
	w.loadBudget()
	grant, err := w.Open(w.shop.Shop, w.shop.GrantToken)
	if err != nil {
		return errors.Join(err, w.hold(ctx, plan.ScopeShop, plan.HeldBadToken, err.Error()))
	}
	w.account = w.budget.Account(grant)
	w.stock, w.invoices = w.account.Stock(w.shop.StockFigure), w.account.Invoices(w.shop.OrderField)
	if err = w.loadWarnings(ctx); err != nil {
		return err
	}
	w.inbox.Forget()
	w.fetching = true
	w.changeover = changeover{}
	if w.base.IsZero() {
		w.base = w.Now()
	}
	w.loaded = true
	return nil
}

// Change takes over new settings. Nothing that was learnt with the former ones is
// kept, for it may be another agreement's, but what has been spent. So the token is
// asked whose it is before anything that it reads is stored, and those who have asked
// for a sweep under way get another.
func (w *Shop) Change(shop store.Shop) {
	*w = Shop{
		Reconciler: w.Reconciler, shop: shop, token: w.token, log: w.log,
		base: w.base, seq: w.seq, pruned: w.pruned, // of the lease
		budget: w.budget, others: w.others,
		inbox: inbox.New(w.Store, shop.Shop, w.UnpackAtOnce),
	}
}

// fence returns the right to write with the next transaction. A transaction whose
// commit has an unknown outcome is told apart by its number: the number is used up
// whether or not it was committed.
func (w *Shop) fence() store.Fence {
	w.seq++
	return store.Fence{Shop: w.shop.Shop, Dataset: w.shop.Dataset, Generation: w.shop.Generation, Token: w.token, Seq: w.seq}
}

// outdated reports whether nothing more can be written: the lease was lost, or the
// settings have been changed.
func outdated(err error) bool {
	return errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrSettingsChanged)
}

// forgetStored has the next pass look at what is stored: whether a transaction that
// failed has been committed is not known.
func (w *Shop) forgetStored() {
	w.endListing()
	w.loaded, w.settled = false, ""
}

const checkEvery = time.Hour

// check asks the agreement who it is: at first, every hour, and to find out
// whether a shop that lagerd paused can go on. ready is false while it cannot.
func (w *Shop) check(ctx context.Context, j Due) (ready bool, err error) {
	held := w.progress.Holds.Any(plan.ScopeShop)
	if held && !w.dueForTry(plan.ScopeShop, j) {
		return false, nil
	}
	if !held && w.Now().Sub(w.checkedAt) < checkEvery {
		return true, nil
	}
	return w.identify(ctx)
}

// identify asks the agreement who it is, holds the shop where that is refused or where
// it is another than the shop's, and ends such a hold where it is not. ready reports
// that the shop may be read.
func (w *Shop) identify(ctx context.Context) (ready bool, err error) {
	now := w.Now()
	w.self = plan.SelfUnknown
	// With the priority of hints, which have a reserve: they wait for the answer.
	self, err := w.account.Self(ctx, source.PriorityHint)
	if source.ClassOf(err) == plan.ClassShop {
		agreement := w.shop.Shop // one shop to an agreement, as long as its number is not known
		if w.progress.AgreementNumber != 0 {
			agreement = strconv.FormatInt(w.progress.AgreementNumber, 10)
		}
		if agreements, tell := w.refusals.refused(agreement); tell {
			w.log.WithField("agreements", agreements).Error(AppTokenSuspected)
		}
	}
	switch source.ClassOf(err) {
	case plan.ClassShop:
		w.self = plan.SelfRefused
		return false, errors.Join(err, w.saw(ctx, plan.SeenSelf401), w.hold(ctx, plan.ScopeShop, plan.HeldTokenRefused, err.Error()))
	case plan.ClassPart:
		w.self = plan.SelfRefused
		return false, errors.Join(err, w.saw(ctx, plan.SeenSelf403), w.hold(ctx, plan.ScopeShop, plan.HeldForbidden, err.Error()))
	}
	if err != nil {
		return false, err
	}
	w.refusals.accepted()
	if w.progress.AgreementNumber != 0 && self.AgreementNumber != w.progress.AgreementNumber {
		w.self = plan.SelfRefused
		detail := fmt.Sprintf("the token answers for agreement %d, the shop is agreement %d", self.AgreementNumber, w.progress.AgreementNumber)
		return false, errors.Join(fmt.Errorf("shop %s: %s: if that is meant, say `lagerd shops set %s --accept-agreement`", w.shop.Shop, detail, w.shop.Shop),
			w.saw(ctx, plan.SeenOtherAgreement), w.hold(ctx, plan.ScopeShop, plan.HeldAgreementChanged, detail))
	}
	if w.progress.AgreementNumber == 0 {
		if err := w.apply(ctx, store.Applied{Progress: store.Patch{AgreementNumber: &self.AgreementNumber}}); err != nil {
			return false, err
		}
	}
	if err := w.saw(ctx, plan.SeenSelf); err != nil {
		return false, err
	}
	w.self = plan.SelfWell
	w.checkedAt = now
	return true, nil
}

// requests loads what operators asked for and merges it into the job. Those
// for a tick are returned; those for a sweep are kept until the sweep that
// begins with this pass is done. While another sweep is under way they wait, unless
// that one itself waits until the day is over. A request is merged once: that of a
// sweep may stay open for hours, and each pass meanwhile is one like any other.
func (w *Shop) requests(ctx context.Context, j *Due) (ticks, waiting []store.Request, err error) {
	if !j.Work {
		return nil, nil, nil
	}
	list, err := w.Store.OpenRequests(ctx, w.shop.Shop)
	for _, r := range list {
		switch {
		case r.What == store.WantTick:
			j.Tick, j.Asked = true, true
			ticks = append(ticks, r)
		case slices.ContainsFunc(w.sweepAsked, func(taken store.Request) bool { return taken.Request == r.Request }):
		case w.sweep == nil || w.sweep.spent != nil:
			j.Tick, j.Sweep, j.Asked = true, true, true
			w.sweepAsked = append(w.sweepAsked, r)
		default:
			waiting = append(waiting, r)
		}
	}
	return ticks, waiting, err
}

// finish tells operators what came of their requests.
func (w *Shop) finish(ctx context.Context, requests []store.Request, changes int, failed error) error {
	failure := ""
	switch {
	case failed != nil:
		failure = failed.Error()
	case w.shop.Paused():
		failure = "the shop is paused: `lagerd shops resume " + w.shop.Shop + "` lets it go on"
	case len(w.shop.InForce(w.progress.Holds)) > 0:
		failure = "held: " + w.shop.InForce(w.progress.Holds).String()
	}
	return w.Store.FinishRequests(ctx, w.fence(), requests, w.Now(), changes, failure)
}

// apply stores what a read led to, if anything, under the fence, and counts it.
func (w *Shop) apply(ctx context.Context, a store.Applied) (err error) {
	a.Known = w.progress
	if a.Empty() {
		return nil
	}
	now := w.Now()
	a.LateFrom = now.Add(-w.LateWithin)
	if w.progress, err = w.Store.Apply(ctx, w.fence(), a, now); err != nil {
		w.forgetStored()
		return err
	}
	if len(a.Items) > 0 {
		w.settled = ""
	}
	for _, h := range a.Hints {
		w.inbox.Reopen(h.Kind)
		w.hinted = true
	}
	w.warned(a.Warnings)
	w.found += len(a.Changes)
	w.report(a, now)
	return nil
}

func (w *Shop) report(a store.Applied, now time.Time) {
	if len(a.Changes) == 0 {
		return
	}
	w.Observer.Changed(w.shop.Shop, a.Changes, now)
	missed := 0
	each := w.log.Logger.IsLevelEnabled(logrus.DebugLevel)
	for _, c := range a.Changes {
		if c.Webhook == plan.WebhookMissed {
			missed++
		}
		if each {
			w.log.WithFields(changeFields(c)).Debug("change")
		}
	}
	first := a.Changes[0]
	fields := logrus.Fields{"changes": len(a.Changes), "missed_webhooks": missed}
	if len(a.Changes) == 1 {
		fields = changeFields(first)
	}
	w.log.WithFields(fields).Info("stored")
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

// pruneEvery returns how often a shop is pruned of what is kept for so long.
func pruneEvery(keep time.Duration) time.Duration { return min(24*time.Hour, keep/10) }

// piecesPerPass bounds how long a shop waits for its old rows to be deleted.
const piecesPerPass = 20

// prune deletes what need not be kept, now and then.
func (w *Shop) prune(ctx context.Context) error {
	now := w.Now()
	every := pruneEvery(min(w.KeepHistory, w.KeepHints))
	if w.pruned.IsZero() {
		// Not all shops at once after a start, and not only those whose lease is
		// held for long.
		w.pruned = now.Add(-w.Jitter(every))
	}
	if now.Sub(w.pruned) < every {
		return nil
	}
	if err := w.forgetOver(ctx); err != nil {
		return err
	}
	hints := now.Add(-w.KeepHints)
	if w.sweep != nil {
		// A listing under way has hints in hand, over many passes: none of their
		// rows may be made anew before it answers them.
		hints = time.Time{}
	}
	for range piecesPerPass {
		more, err := w.Store.Prune(ctx, w.fence(), now.Add(-w.KeepHistory), hints)
		if err != nil {
			return err
		}
		if !more {
			if w.sweep == nil {
				w.pruned = now
			}
			return nil
		}
	}
	return nil // the next tick goes on
}

// steady returns a time of this process on a clock that never steps back: the
// wall clock of the worker's begin, and from there the monotonic one. The order
// of observations under one token must not depend on a clock being set.
func (w *Shop) steady(t time.Time) time.Time { return w.base.Add(t.Sub(w.base)) }

// since returns how long ago a stored time is. One in the future was stored by a
// clock that was ahead: it counts as long ago, so that nothing waits for it.
func (w *Shop) since(t time.Time) time.Duration {
	if d := w.Now().Sub(t); d >= 0 {
		return d
	}
	return farAway
}

func (w *Shop) due() store.Due { return w.DueBy(w.Now()) }

// retryAt returns when something that failed so many times is tried again.
func (w *Shop) retryAt(failures int) time.Time {
	return w.Now().Add(w.Backoff(failures))
}
