package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// sweep runs listings of everything that an agreement holds, some pages per pass: for a sweep,
// for a burst, or for a small shop at each tick.
type sweep struct {
	*stock
	listing     *listing  // running; nil: none
	again       bool      // another was requested meanwhile
	next        bool      // a tick came meanwhile: its listing follows at once
	wanted      bool      // hints wait for the next one
	lastContent string    // content of the last listing stored in full, "" once anything has been stored since
	dryRunAt    time.Time // when the last dry run began
	ticks       ticks
}

// listing is a read of everything the agreement holds, some pages per pass. plan.Listing
// decides what it means.
type listing struct {
	*plan.Listing
	priority  source.Priority
	claim     *inbox.Claim // the hints it answers
	webhookAt time.Time    // when the last webhook of those hints came
	path
	started bool
	created []plan.Item
	wanted  bool // hints waited for it
	awaited bool // more hints are due than are worth reading meanwhile: they wait for its end
	dryRun  bool // a dry run, since the shop's losses are held back: nothing is stored
	unread  plan.UnreadItems
	pace
}

// path is where a listing goes on.
type path struct {
	links    []source.Link // of the pages, by number
	goesOnAt source.Link   // with the page being read, which takes several calls; "": its first is next
}

// pace is when a listing goes on.
type pace struct {
	notBefore time.Time // set by the budget
	paused    bool      // notBefore is when the calls a minute allow its next page: the shop's hints go on
	spent     error     // why: the day's calls are spent until notBefore; nil: they are not
	failures  int       // pages that failed
}

// begin starts a listing. Its hints are loaded before its first page. burst says that its hints
// alone are worth a listing, so it does not wait for the sweeps' budget. It claims the backlog
// in its packed form.
func (s *sweep) begin(ctx context.Context, due Due, burst bool, backlog inbox.Backlog) error {
	cause, priority := plan.CauseSweep, source.PrioritySweep
	everyTick := s.progress.Items <= int64(s.PageSize) || !s.source.Can().Changes
	if due.Tick && !due.Sweep && everyTick && !s.progress.SweptAt.IsZero() {
		cause, priority = plan.CauseTick, source.PriorityTick
	}
	l := &listing{Listing: plan.NewListing(cause, s.PageSize), priority: priority, path: path{links: []source.Link{""}}, dryRun: s.losses.holdBack()}
	if burst {
		l.priority = source.PriorityHint
	}
	l.wanted = s.wanted
	s.listing, s.wanted = l, false
	s.ticks.begin(s.tick)
	admitted, err := s.inbox.Claim(ctx, backlog)
	if err = s.unpacker.admit(ctx, admitted, err); err == nil {
		l.claim, err = loadCounted(ctx, s.unpacker, func() (*inbox.Claim, []store.HintRecord, error) { return s.inbox.Claimed(ctx) })
	}
	if err != nil {
		s.end()
		return err
	}
	l.webhookAt = l.claim.WebhookAt()
	return nil
}

// end discards the running listing.
func (s *sweep) end() {
	s.wanted = s.wanted || s.listing != nil && s.listing.wanted
	s.inbox.Release()
	s.listing, s.ticks.running = nil, time.Time{}
}

// leave ends a listing whose last page has been kept, or that failed: what waited for it then waits
// for the next one.
func (s *sweep) leave(l *listing, failed error) {
	s.listing, s.wanted = nil, s.wanted || failed != nil && l.wanted
}

// hintsWait returns how hints that arrive during the listing wait for it: until its end if
// thousands do; or, if nothing delays the listing, while no more are due than it will answer. A
// number hinted again meanwhile is then read after the listing.
func (l *listing) hintsWait() inbox.Wait {
	switch {
	case l.awaited:
		return inbox.WaitForEnd
	case l.priority == source.PriorityHint && l.failures == 0:
		return inbox.WaitFewer
	}
	return inbox.WaitNot
}

// prioritize gives the listing the priority of hints: a burst waits for it.
func (l *listing) prioritize() {
	l.priority, l.notBefore, l.paused, l.awaited = source.PriorityHint, time.Time{}, false, true
}

// follow makes a listing due that follows the one that was running when it was requested.
func (s *sweep) follow(due *Due) {
	if s.listing != nil {
		return
	}
	due.Sweep, due.Tick = due.Sweep || s.again, due.Tick || s.next
	s.again, s.next = false, false
}

// resume reads and stores the next pages of the running listing, if any. more reports that the
// listing continues, or that another follows at once.
func (s *sweep) resume(ctx context.Context) (more bool, err error) {
	more, err = s.goOn(ctx)
	return more || err == nil && s.next && s.listing == nil, err
}

// goOn is resume without the listing that follows.
func (s *sweep) goOn(ctx context.Context) (more bool, err error) {
	if s.listing == nil || s.Now().Before(s.listing.notBefore) {
		return false, nil
	}
	waiting := s.listing.hintsWait() != inbox.WaitNot
	err = s.stock.holdIfRefused(ctx, heldBack(s.readPages(ctx)))
	l := s.listing
	if l == nil && waiting {
		s.hinted = true // hints that waited for its end are due
	}
	if stop, _ := s.by.stops(err, plan.ReadListing, 0); stop != plan.StopDay || l == nil {
		return l != nil && err == nil && !l.paused, err
	}
	if s.budget.Spent(l.priority) {
		l.spent = err
	}
	if l.Cause() == plan.CauseSweep {
		// The sweeps' share is spent: it resumes where it stopped. The share grows as fewer ticks are
		// left, so it is tried again before the day is over.
		l.notBefore = s.Now().Add(min(source.RetryAfter(err), s.HeldRetry))
		s.log().WithField("until", l.notBefore).Info("sweep waits for the budget")
		return false, nil
	}
	return false, err
}

// readPages reads and stores the next pages of the running listing.
func (s *sweep) readPages(ctx context.Context) error {
	l := s.listing
	l.spent, l.paused = nil, false
	from, pages := s.Now(), l.pagesOfTurn(s.budget, s.Now())
	if pages == 0 {
		return nil
	}
	read, releaseSlot := l.startRead(ctx, s.shop.Shop, s.source), func() {}
	defer func() {
		releaseSlot()
		read.giveUp()
	}()
	for more := true; more; {
		releaseSlot()
		p, err := s.nextPage(ctx, l, read)
		if err != nil || s.listing == nil {
			return err
		}
		if releaseSlot, err = s.pageSlots.acquire(ctx); err != nil {
			return err
		}
		step := s.add(l, p)
		if err := l.Overrun(); err != nil {
			s.end()
			return fmt.Errorf("shop %s: %s: %w", s.shop.Shop, s.source.Can().Name, err)
		}
		last := p.Next == "" && step == plan.StepStore
		pages--
		if more = !last && pages > 0 && s.goesOn(l, from); more {
			read = l.startRead(ctx, s.shop.Shop, s.source)
		}
		if step != plan.StepStore {
			continue
		}
		if ended, err := s.take(ctx, l, p, last, releaseSlot); ended {
			return err
		}
	}
	return nil
}

// take stores a page, and what the listing shows if it is the last one. ended reports that the
// listing has ended, with an error if it failed.
func (s *sweep) take(ctx context.Context, l *listing, p itemsPage, last bool, releaseSlot func()) (ended bool, err error) {
	c := conclusion{s, l}
	listed, err := c.keep(ctx, p)
	if err != nil || last {
		s.leave(l, err)
	}
	if listed != nil {
		releaseSlot() // the rest may call the source
		err = c.finish(ctx, listed)
	}
	if s.listing != nil {
		return false, nil
	}
	if err == nil {
		s.ticks.end()
	}
	s.end()
	return true, err
}

// goesOn reports whether the turn that began then may take another page.
func (s *sweep) goesOn(l *listing, began time.Time) bool {
	return s.since(began) < s.ListingTurn && !l.pause(s.budget, s.Now())
}

// pagesOfTurn returns how many pages may be read now. Sweeps are spread over the day; at most
// an hour's worth of calls accumulates.
func (l *listing) pagesOfTurn(b source.StockBudget, now time.Time) int {
	if l.pause(b, now) {
		return 0
	}
	if l.priority != source.PrioritySweep {
		return math.MaxInt
	}
	pages := b.Spare(l.priority)
	if pages == 0 && !b.Spent(l.priority) {
		l.notBefore = now.Add(time.Minute)
		return 0
	}
	return max(pages, 1) // the first one returns until when the budget is spent
}

// pause ends the listing's turn if the calls a minute do not allow its next page yet, and reports
// that. A pass does not wait for that: meanwhile the shop's hints get the calls kept for them.
func (l *listing) pause(b source.StockBudget, now time.Time) bool {
	wait := b.Pause(l.priority)
	if wait > 0 {
		l.notBefore, l.paused = now.Add(wait), true
	}
	return l.paused
}

// pauses returns how long until the listing continues, 0 if it is not paused.
func (s *sweep) pauses() time.Duration {
	if s.listing == nil || !s.listing.paused {
		return 0
	}
	return max(s.listing.notBefore.Sub(s.Now()), 1)
}

// nextPage waits for the page being read, and assesses the first one. If that holds the stock, nextPage
// ends the listing.
func (s *sweep) nextPage(ctx context.Context, l *listing, read *pageRead) (itemsPage, error) {
	p, err := read.wait(ctx)
	if err != nil {
		return p, s.interrupted(l, err)
	}
	if err := s.readSucceeded(ctx, ""); err != nil || l.started || p.Unfinished {
		return p, err
	}
	l.started = true
	held, err := s.assess(ctx, p)
	if err == nil && held {
		hold, _ := s.progress.Holds.Of(plan.ScopeStock)
		for hints := range l.claim.Pieces() {
			if err == nil {
				err = s.answerAll(ctx, hints, plan.HintNoInventory, hold.Detail)
			}
		}
	}
	if err != nil || held {
		s.end()
	}
	return p, err
}

// add adds a page to the listing, and returns what to do with it.
func (s *sweep) add(l *listing, p itemsPage) plan.Step {
	step := l.add(p)
	if step == plan.StepTurnBack {
		s.log().WithFields(logrus.Fields{"reason": step, "page": l.Next()}).Debug("listing became shorter: reading pages again")
	}
	return step
}

// stepGoOn is the step of a page that is not finished: it is read on.
const stepGoOn plan.Step = "go_on"

// add adds a page, turns back from it, or goes on with it.
func (l *listing) add(p itemsPage) plan.Step {
	l.goesOnAt = ""
	if p.Unfinished {
		l.goesOnAt = p.Next
		return stepGoOn
	}
	step := l.Listing.Add(pageOf(p))
	if step == plan.StepStore {
		l.links = append(l.links[:l.Next()], p.Next)
	}
	return step
}

func pageOf(p itemsPage) plan.Page {
	return plan.Page{Observed: p.Observed, Unreadable: p.Unreadable, Announced: p.Announced, Last: p.Next == "", Began: p.Began, ServerDate: p.ServerDate}
}

// pagesAtOnce is how many pages, over all shops, are stored concurrently, each while the next
// page of its listing is read. They take some megabytes until they are stored, and more would
// be no faster. A page waits at most pageWait, since somebody else may have locked the rows of
// four shops.
const (
	pagesAtOnce = 4
	pageWait    = 2 * time.Second
)

// pageRead is a page of a listing being read.
type pageRead struct {
	done   chan struct{}
	cancel context.CancelFunc
	page   itemsPage
	err    error
}

// startRead starts reading the listing's next page while the previous one is being stored.
func (l *listing) startRead(ctx context.Context, shop string, from source.Stock) *pageRead {
	reading, cancel := context.WithCancel(source.OnWait(ctx, nil))
	r := &pageRead{done: make(chan struct{}), cancel: cancel}
	priority, link := l.priority, cmp.Or(l.goesOnAt, l.links[l.Next()])
	go func() {
		defer close(r.done)
		defer func() { // a panic here would end the process for every shop
			if p := recover(); p != nil {
				r.err = fmt.Errorf("shop %s: read a page of items: internal error: %v", shop, p)
			}
		}()
		r.page, r.err = from.Items(reading, priority, source.ItemsQuery{}, link)
	}()
	return r
}

func (r *pageRead) wait(ctx context.Context) (itemsPage, error) {
	waited := source.Waiting(ctx)
	<-r.done
	waited()
	r.cancel()
	return r.page, r.err
}

// giveUp cancels the read and waits for it to end.
func (r *pageRead) giveUp() {
	r.cancel()
	<-r.done
}

// interrupted handles a failed page: the running listing resumes there, or ends.
func (s *sweep) interrupted(l *listing, err error) error {
	l.awaited = false // the delay is unknown
	stop, again := s.by.stops(err, plan.ReadListing, l.failures+1)
	if stop != plan.StopDay {
		l.failures++
	}
	if again == plan.AgainRestart {
		s.end()
	}
	return err
}

// assess checks the first page of a listing for stock figures, and then the following ones
// until it finds one. If none has any, the agreement's stock cannot be read: the stock is held,
// and what is stored stays.
func (s *sweep) assess(ctx context.Context, first itemsPage) (held bool, err error) {
	var search plan.FigureSearch
	for p, err := range source.Pages("items", func(link source.Link) (itemsPage, error) {
		if link == "" {
			return first, nil
		}
		return s.source.Items(ctx, source.PrioritySweep, source.ItemsQuery{}, link)
	}) {
		if err != nil {
			return false, cameShort(s.shop.Shop, s.source.Can().Name, err, "nothing is concluded from those that are missing")
		}
		if search.Add(pageOf(p)) {
			break
		}
	}
	switch search.Supply() {
	case plan.SupplyNone:
		return true, s.holdPart(ctx, plan.HeldNoInventory, search.Detail())
	case plan.SupplyUnknown: // the hold stays as it is
		return s.progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory), nil
	case plan.SupplyThere:
	}
	return false, s.endHolds(ctx, plan.SeenFigures)
}
