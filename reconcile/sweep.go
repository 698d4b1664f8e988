package reconcile

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// sweep is the listing of everything that an agreement holds, some pages each pass: a
// sweep, a burst's, or a small shop's at each tick.
type sweep struct {
	*stock
	listing  *listing  // under way; nil: none
	again    bool      // another was asked for meanwhile
	settled  string    // what the last listing said that was stored in full, with nothing stored since
	lookedAt time.Time // when a listing that was only looked at began
}

// listing is a read of everything the agreement holds, some pages each pass. What it
// comes to is decided by plan.Listing.
type listing struct {
	*plan.Listing
	priority  source.Priority
	claim     *inbox.Claim  // the hints that it answers
	webhookAt time.Time     // when the last webhook came of those that they stand for
	links     []source.Link // of the pages, by their number
	started   bool
	created   []plan.Item
	notBefore time.Time // the budget says so
	spent     error     // the day's calls are: until notBefore; nil: they are not
	failures  int       // pages that failed
	awaited   bool      // more hints are due than are read beside it: they wait for its end
	looks     bool      // nothing of it is stored: the shop's losses are held back
}

// begin starts a listing. Its hints are loaded before its first page.
// burst says that its hints are worth it by themselves: they do not wait for the
// sweeps' budget. It answers the backlog as it is.
func (s *sweep) begin(ctx context.Context, due Due, burst bool, backlog inbox.Backlog) error {
	cause, priority := plan.CauseSweep, source.PrioritySweep
	everyTick := s.progress.Items <= int64(s.PageSize) || !s.source.Can().Changes
	if due.Tick && !due.Sweep && everyTick && !s.progress.SweptAt.IsZero() {
		cause, priority = plan.CauseTick, source.PriorityTick
	}
	l := &listing{Listing: plan.NewListing(cause, s.PageSize), priority: priority, links: []source.Link{""}, looks: s.losses.holdBack()}
	if burst {
		l.priority = source.PriorityHint
	}
	s.listing = l
	err := s.record(ctx, s.inbox.Claim(backlog))
	if err == nil {
		l.claim, err = counting(ctx, s.Shop, func() (*inbox.Claim, []store.HintRecord, error) { return s.inbox.Claimed(ctx) })
	}
	if err != nil {
		s.end()
		return err
	}
	l.webhookAt = l.claim.WebhookAt()
	return nil
}

// end forgets the listing under way.
func (s *sweep) end() {
	s.inbox.Release()
	s.listing = nil
}

// hintsWait returns how hints that come while the listing is under way wait for it:
// until its end where thousands do; or where it is going to answer as many as are due,
// and nothing holds it up. A number that is hinted at once more meanwhile is read after
// the listing then.
func (l *listing) hintsWait() inbox.Wait {
	switch {
	case l.awaited:
		return inbox.WaitForEnd
	case l.priority == source.PriorityHint && l.failures == 0:
		return inbox.WaitFewer
	}
	return inbox.WaitNot
}

// hurry has the listing go on as hints do: a burst waits for it.
func (l *listing) hurry() {
	l.priority, l.notBefore, l.awaited = source.PriorityHint, time.Time{}, true
}

// goOn reads and stores the next pages of the listing under way, if any. more reports
// that it goes on.
func (s *sweep) goOn(ctx context.Context) (more bool, err error) {
	if s.listing == nil || s.Now().Before(s.listing.notBefore) {
		return false, nil
	}
	err = s.stock.end(ctx, heldBack(s.turn(ctx)))
	l := s.listing
	if stop, _ := s.identity.stops(err, plan.ReadListing, 0); stop != plan.StopDay || l == nil {
		return l != nil && err == nil, err
	}
	if s.budget.Spent(l.priority) {
		l.spent = err
	}
	if l.Cause() == plan.CauseSweep {
		// The day's share of a sweep is used up: it goes on where it was.
		l.notBefore = s.Now().Add(source.RetryAfter(err))
		s.log.WithField("until", l.notBefore).Info("the sweep waits for the budget")
		return false, nil
	}
	return false, err
}

// turn reads and stores the next pages of the listing under way.
func (s *sweep) turn(ctx context.Context) error {
	l := s.listing
	l.spent = nil
	from, pages := s.Now(), l.pagesOfTurn(s.budget, s.Now())
	if pages == 0 {
		return nil
	}
	read, giveSlot := l.read(ctx, s.shop.Shop, s.source), func() {}
	defer func() {
		giveSlot()
		read.giveUp()
	}()
	for more := true; more; {
		giveSlot()
		p, err := s.take(ctx, l, read)
		if err != nil || s.listing == nil {
			return err
		}
		if giveSlot, err = s.pageSlots.take(ctx); err != nil {
			return err
		}
		step := l.add(p)
		last := p.Next == "" && step == plan.StepStore
		pages--
		if more = !last && pages > 0 && s.since(from) < s.ListingTurn; more {
			read = l.read(ctx, s.shop.Shop, s.source)
		}
		if step == plan.StepTurnBack {
			s.log.WithFields(logrus.Fields{"reason": step, "page": l.Next()}).Debug("a listing has become shorter: pages are read again")
			continue
		}
		listed, err := s.keep(ctx, l, p)
		if err != nil || last {
			s.listing = nil
		}
		if listed != nil {
			giveSlot() // what is left may take calls to the source
			err = s.finish(ctx, l, listed)
		}
		if s.listing == nil {
			s.end()
			return err
		}
	}
	return nil
}

// pagesOfTurn returns how many pages may be read now. Sweeps are spread over the day;
// what they have saved up is an hour's worth.
func (l *listing) pagesOfTurn(b source.Budget, now time.Time) int {
	if l.priority != source.PrioritySweep {
		return math.MaxInt
	}
	pages := b.Spare(l.priority)
	if pages == 0 && !b.Spent(l.priority) {
		l.notBefore = now.Add(time.Minute)
		return 0
	}
	return max(pages, 1) // the first one tells until when the budget is spent
}

// take waits for a page that is being read, and looks at the first one. The listing
// has ended where the stock is held.
func (s *sweep) take(ctx context.Context, l *listing, read *pageRead) (itemsPage, error) {
	p, err := read.wait(ctx)
	if err != nil {
		return p, s.interrupted(l, err)
	}
	if err := s.answered(ctx, ""); err != nil || l.started {
		return p, err
	}
	l.started = true
	held, err := s.assess(ctx, p)
	if err == nil && held {
		hold, _ := s.progress.Holds.Of(plan.ScopeStock)
		err = s.answerAll(ctx, l.claim.Hints(), plan.HintNoInventory, hold.Detail)
	}
	if err != nil || held {
		s.end()
	}
	return p, err
}

// add counts a page, or turns back from it.
func (l *listing) add(p itemsPage) plan.Step {
	step := l.Listing.Add(pageOf(p))
	if step == plan.StepStore {
		l.links = append(l.links[:l.Next()], p.Next)
	}
	return step
}

func pageOf(p itemsPage) plan.Page {
	return plan.Page{Observed: p.Observed, Unreadable: p.Unreadable, Announced: p.Announced, Last: p.Next == "", Began: p.Began, ServerDate: p.ServerDate}
}

// keep stores a page, or only looks at it. Of the last one that is stored it
// returns what the listing came to.
func (s *sweep) keep(ctx context.Context, l *listing, p itemsPage) (*plan.Listed, error) {
	switch {
	case l.looks:
		return nil, s.losses.look(ctx, l, p)
	case p.Next == "" && s.unchanged(l):
		return nil, nil
	}
	hints := l.claim.Hints()
	batch := itemsBatch{observations: p.Observed, listed: true, webhookAt: l.webhookAt, hints: hints, cause: l.Cause(), created: l.created}
	also := store.Applied{Hints: s.unreadable(p, hints)}
	var listed *plan.Listed
	if p.Next == "" {
		var err error
		if listed, err = s.endOf(ctx, l); err != nil {
			return nil, err
		}
		batch.missing, batch.empty = listed.Missing, listed.Empty
		if err := s.losses.judge(ctx, plan.LossRead{Suspects: batch.missing, Empty: batch.empty}); err != nil {
			return nil, err
		}
		also.Hints = append(also.Hints, s.missingHints(l, listed)...)
		also.Progress = s.progressOf(l, listed)
		also.Warnings = s.warnings.ofLeftOut(plan.KindStock, leftOut{nameless: listed.Nameless, last: listed.NamelessErr}, true)
		also.EndApproval = !s.changeover.underWay() && s.losses.guard.ApprovalSpent(batch.missing)
	}
	created, err := s.store(ctx, batch, also)
	if err != nil {
		return nil, err
	}
	l.created = append(l.created, created...)
	return listed, nil
}

// endOf returns what the listing came to, by what is stored.
func (s *sweep) endOf(ctx context.Context, l *listing) (*plan.Listed, error) {
	hints := l.claim.Hints()
	for number, err := range s.Store.PresentNumbers(ctx, s.shop.Dataset) {
		if err != nil {
			return nil, err
		}
		_, hinted := hints[number]
		l.Stored(number, hinted)
	}
	began, _ := l.Began()
	listed, err := l.End(plan.ListingEnd{Began: s.steady(began), Cursor: !s.progress.ItemsCursor.IsZero(), Swept: !s.progress.SweptAt.IsZero(),
		Coarse: s.source.Can().Resolution, Suspected: s.losses.guard.Suspects()})
	if err != nil {
		return nil, cameShort(s.shop.Shop, s.source.Can().Name, err, "nothing is concluded from those that are missing")
	}
	return &listed, nil
}

// pagesAtOnce is how many pages are stored at once, of all shops, each while the
// next one of its listing is read: they take some megabytes until they are stored,
// and more at once would be no faster. A page waits for at most pageWait: the rows of
// four shops may be locked by somebody else.
const (
	pagesAtOnce = 4
	pageWait    = 2 * time.Second
)

// pageRead is a page of a listing that is being read.
type pageRead struct {
	done   chan struct{}
	cancel context.CancelFunc
	page   itemsPage
	err    error
}

// read begins to read a listing's next page, while the one before it is being
// stored.
func (l *listing) read(ctx context.Context, shop string, from source.Stock) *pageRead {
	reading, cancel := context.WithCancel(source.OnWait(ctx, nil))
	r := &pageRead{done: make(chan struct{}), cancel: cancel}
	priority, link := l.priority, l.links[l.Next()]
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

// giveUp ends a read whose page is not wanted any more.
func (r *pageRead) giveUp() {
	r.cancel()
	<-r.done
}

// interrupted deals with a page that could not be read: the listing under way goes on
// there, or ends.
func (s *sweep) interrupted(l *listing, err error) error {
	l.awaited = false // for how long is not known
	stop, again := s.identity.stops(err, plan.ReadListing, l.failures+1)
	if stop != plan.StopDay {
		l.failures++
	}
	if again == plan.AgainAnew {
		s.end()
	}
	return err
}

// unchanged reports whether the listing says, to the letter, what the last one
// said that was stored whole, with nothing stored since: then there is nothing
// to do, and the database is not asked at all.
func (s *sweep) unchanged(l *listing) bool {
	return s.settled != "" && !s.changeover.underWay() && len(l.claim.Hints()) == 0 && l.Cause() == plan.CauseTick && l.Says() == s.settled
}

// progressOf returns what is stored of the progress with the last page. A tick's listing
// does not write when it began for its own sake.
func (s *sweep) progressOf(l *listing, listed *plan.Listed) store.Patch {
	suspicion := string(listed.Suspicion)
	if suspicion != "" && s.progress.Suspicion == "" {
		s.log.WithField("reason", suspicion).Warn("every stock figure of the agreement is zero: is its stock really kept in e-conomic?")
	}
	set := store.Patch{Suspicion: &suspicion, Items: new(int64(listed.Items))}
	began, serverDate := l.Began()
	was := s.progress.ItemsCursor.Time
	cursor := was
	if listed.Cursor == plan.CursorFollows && s.source.Can().Changes {
		cursor = s.source.Cursor(was, source.Times{Latest: listed.Latest, Began: began, ServerDate: serverDate}, s.Overlap)
	}
	if l.Cause() != plan.CauseTick || cursor.Sub(was) >= s.Overlap {
		set.SweptAt = new(store.At(began))
		if !cursor.IsZero() {
			set.ItemsCursor = new(store.At(cursor))
		}
	}
	return set
}

// finish takes over what was stored and answers the hints that are left.
func (s *sweep) finish(ctx context.Context, l *listing, listed *plan.Listed) error {
	if s.progress.ItemsCursor.IsZero() && s.source.Can().Changes {
		s.again, s.hinted = true, true
	}
	s.losses.guard.Listed(listed.Missing)
	s.changeover.listed(listed)
	if len(l.created) > 0 {
		s.created = l.created
	}
	if !s.changeover.underWay() && s.losses.guard.ApprovalSpent(nil) {
		s.losses.guard.Approve(0, time.Time{})
	}
	if err := s.answerAbsent(ctx, l, listed); err != nil {
		return err
	}
	if err := s.record(ctx, l.claim.Left(s.shop.Shop)); err != nil {
		return err
	}
	left, err := s.inbox.Done(ctx, s.fence)
	if err != nil {
		return err
	}
	all, err := s.readUnlisted(ctx, left)
	if err != nil {
		return err
	}
	if all && listed.Says != "" && !s.inbox.MayHave(plan.KindStock) {
		s.settled = listed.Says
	}
	return nil
}

// readUnlisted asks alone for hinted numbers about which the listing says
// nothing: stored items that it did not show, and items that could not be
// understood. No further listing would answer them. all is false where there are
// more than are asked for at once.
func (s *sweep) readUnlisted(ctx context.Context, left inbox.Hints) (all bool, err error) {
	rest := inbox.Hints{}
	all = true
	for number, h := range left {
		if !s.due().Includes(h.DueAt) {
			continue // put off, and due later
		}
		if len(rest) == plan.MissingAtOnce {
			all = false
			break
		}
		rest[number] = h
	}
	return all, s.reader.read(ctx, rest, 0)
}

// answerAbsent answers the hints of numbers that do not exist.
func (s *sweep) answerAbsent(ctx context.Context, l *listing, listed *plan.Listed) error {
	hints := l.claim.Hints()
	began, _ := l.Began()
	for piece := range slices.Chunk(listed.Absent(maps.Keys(hints)), store.RowsPerPiece) {
		absent := make([]plan.Observation, len(piece))
		for i, number := range piece {
			absent[i] = plan.Observation{Item: plan.Item{Number: number}, Began: began}
		}
		if _, err := s.store(ctx, itemsBatch{observations: absent, hints: hints, cause: l.Cause()}, store.Applied{}); err != nil {
			return err
		}
	}
	return nil
}

// assess looks at the first page of a listing. Where no item on it
// carries a stock figure the following pages are looked through for one; if
// none has any, the agreement's stock cannot be read: the shop's stock is
// held, and what is stored stays as it is.
func (s *sweep) assess(ctx context.Context, first itemsPage) (held bool, err error) {
	var taste plan.Foretaste
	for p, err := range source.Pages("items", func(link source.Link) (itemsPage, error) {
		if link == "" {
			return first, nil
		}
		return s.source.Items(ctx, source.PrioritySweep, source.ItemsQuery{}, link)
	}) {
		if err != nil {
			return false, cameShort(s.shop.Shop, s.source.Can().Name, err, "nothing is concluded from those that are missing")
		}
		if taste.Add(pageOf(p)) {
			break
		}
	}
	switch taste.Supply() {
	case plan.SupplyNone:
		return true, s.stop(ctx, plan.HeldNoInventory, taste.Detail())
	case plan.SupplyUnknown: // it stays as it is
		return s.progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory), nil
	}
	return false, s.saw(ctx, plan.SeenFigures)
}

// missingHints returns hints for as many missing items as are asked for at once.
func (s *sweep) missingHints(l *listing, listed *plan.Listed) []store.HintRecord {
	numbers, all := listed.Ask(func(number string) bool {
		_, hinted := l.claim.Hints()[number]
		return hinted
	})
	if !all {
		listed.Says = "" // the next one that says the same has more to ask for
		s.log.Warn("many items are missing from e-conomic's listing: they are asked for one by one, some after each listing")
	}
	hints := make([]store.HintRecord, len(numbers))
	for i, number := range numbers {
		hints[i] = s.own(number, l.Cause())
	}
	return hints
}
