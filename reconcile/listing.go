package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math"
	"slices"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// listing is a read of everything the agreement holds, some pages each pass.
type listing struct {
	cause      plan.Cause
	priority   source.Priority
	claim      *inbox.Claim // the hints that it answers
	webhookAt  time.Time    // when the last webhook came of those that they stand for
	began      time.Time
	next       source.Link
	turned     []turned // the pages that were read
	started    bool
	seen       map[string]struct{}
	stored     map[string]struct{} // hinted numbers that are stored and not gone, known with the last page
	unknown    int                 // items without a readable number
	unreadable map[string]struct{} // the numbers of others that could not be understood
	nameless   error               // what was wrong with the last of them
	read       int
	results    int
	latest     time.Time
	timeless   bool // of some items it is not known when they were updated
	serverDate time.Time
	assessment plan.Assessment
	created    []plan.Item
	short      bool                    // one page is all
	digest     hash.Hash               // of a short one
	notBefore  time.Time               // the budget says so
	spent      error                   // the day's calls are: until notBefore; nil: they are not
	failures   int                     // pages that failed
	missing    map[string]plan.Suspect // stored items that it did not show, known with the last page
	cut        bool                    // not everything that was missing has been asked for

	awaited bool // more hints are due than are read beside it: they wait for its end

	looks    bool                    // nothing of it is stored: the shop's losses are held back
	suspects map[string]plan.Suspect // what it would take away, where it only looks
	back     map[string]struct{}     // and what was lost lately and it shows in stock again
}

// turned is a page of a listing that was read.
type turned struct {
	link source.Link // by which it was asked for
	size int
}

// beginListing starts a listing. Its hints are loaded before its first page.
// flood says that its hints are worth it by themselves: they do not wait for the
// sweeps' budget. It answers the backlog as it is.
func (w *Shop) beginListing(ctx context.Context, j Due, flood bool, backlog inbox.Backlog) error {
	l := &listing{cause: plan.CauseSweep, priority: source.PrioritySweep, digest: sha256.New(),
		looks: w.holdsBack(), suspects: map[string]plan.Suspect{}, back: map[string]struct{}{}}
	everyTick := w.progress.Items <= int64(w.PageSize) || !w.stock.Can().Changes
	if j.Tick && !j.Sweep && everyTick && !w.progress.SweptAt.IsZero() {
		l.cause, l.priority = plan.CauseTick, source.PriorityTick
	}
	if flood {
		l.priority = source.PriorityHint
	}
	w.sweep = l
	if err := w.claim(ctx, l, backlog); err != nil {
		w.endListing()
		return err
	}
	l.webhookAt = l.claim.WebhookAt()
	return nil
}

// claim has the listing answer the open hints.
func (w *Shop) claim(ctx context.Context, l *listing, backlog inbox.Backlog) error {
	err := w.record(ctx, w.inbox.Claim(backlog))
	if err == nil {
		l.claim, err = counting(ctx, w, func() (*inbox.Claim, []store.HintRecord, error) { return w.inbox.Claimed(ctx) })
	}
	return err
}

// record gives hints their rows, as many in a transaction as are unpacked.
func (w *Shop) record(ctx context.Context, hints []store.HintRecord) error {
	for piece := range slices.Chunk(hints, w.UnpackAtOnce) {
		if err := w.apply(ctx, store.Applied{Hints: piece}); err != nil {
			return err
		}
	}
	return nil
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

// endListing forgets the listing under way.
func (w *Shop) endListing() {
	w.inbox.Release()
	w.sweep = nil
}

// turnPages reads and stores the next pages of the listing under way.
func (w *Shop) turnPages(ctx context.Context) error {
	l := w.sweep
	l.spent = nil
	from, pages := w.Now(), math.MaxInt
	if l.priority == source.PrioritySweep {
		// Sweeps are spread over the day; what they saved up is an hour's worth.
		if pages = w.budget.Spare(l.priority); pages == 0 && !w.budget.Spent(l.priority) {
			l.notBefore = w.Now().Add(time.Minute)
			return nil
		}
	}
	read, giveSlot := w.readPage(ctx, l), func() {}
	defer func() {
		giveSlot()
		read.giveUp()
	}()
	for more := true; more; {
		giveSlot()
		p, err := read.wait(ctx)
		if err != nil {
			return w.interrupted(l, err)
		}
		if err := w.answered(ctx, plan.ScopeStock, ""); err != nil {
			return err
		}
		if !l.started {
			l.started, l.began, l.serverDate = true, p.Began, p.ServerDate
			held, err := w.assessFirst(ctx, p)
			if err == nil && held {
				hold, _ := w.heldStock()
				err = w.answerAll(ctx, l.claim.Hints(), plan.HintNoInventory, hold.Detail)
			}
			if err != nil || held {
				w.endListing()
				return err
			}
		}
		if giveSlot, err = w.pages.take(ctx); err != nil {
			return err
		}
		back := l.turnBack(p, w.PageSize)
		if !back {
			l.add(p)
			l.next = p.Next
		}
		last := p.Next == "" && !back
		pages--
		if more = !last && pages > 0 && w.since(from) < w.ListingTurn; more {
			read = w.readPage(ctx, l)
		}
		if back {
			continue
		}
		if l.looks {
			if err := w.look(ctx, l, p); err != nil || last {
				w.endListing()
				return err
			}
			continue
		}
		if last && w.unchanged(l) {
			w.endListing()
			return nil
		}
		batch := itemsBatch{observations: p.Observed, listed: true, webhookAt: l.webhookAt, hints: l.claim.Hints(), cause: l.cause, created: l.created}
		also := store.Applied{Hints: w.badHints(p, l.claim.Hints())}
		if last {
			batch.missing, err = w.missing(ctx, l)
			if err := errors.Join(err, l.complete(w)); err != nil {
				w.endListing()
				return err
			}
			batch.empty = l.read == 0
			if err := w.guard(ctx, plan.LossRead{Suspects: batch.missing, Empty: batch.empty}); err != nil {
				w.endListing()
				return err
			}
			l.missing = batch.missing
			also.Hints = append(also.Hints, w.missingHints(l, batch.missing)...)
			also.Progress = w.listed(l)
			also.Warnings = w.warnOfLeftOut(plan.KindStock, leftOut{nameless: l.unknown, last: l.nameless}, true)
			also.EndApproval = !w.changingOver() && w.losses.ApprovalSpent(batch.missing)
		}
		created, err := w.storeItems(ctx, batch, also)
		if err != nil {
			w.endListing()
			return err
		}
		l.created = append(l.created, created...)
		if last {
			w.sweep = nil
			giveSlot() // what is left may take calls to e-conomic
			err := w.finishListing(ctx, l)
			w.inbox.Release()
			return err
		}
	}
	return nil
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

// readPage begins to read a listing's next page, while the one before it is being
// stored.
func (w *Shop) readPage(ctx context.Context, l *listing) *pageRead {
	reading, cancel := context.WithCancel(source.OnWait(ctx, nil))
	r := &pageRead{done: make(chan struct{}), cancel: cancel}
	priority, link := l.priority, l.next
	go func() {
		defer close(r.done)
		defer func() { // a panic here would end the process for every shop
			if p := recover(); p != nil {
				r.err = fmt.Errorf("shop %s: read a page of items: internal error: %v", w.shop.Shop, p)
			}
		}()
		r.page, r.err = w.stock.Items(reading, priority, source.ItemsQuery{}, link)
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
func (w *Shop) interrupted(l *listing, err error) error {
	l.awaited = false // for how long is not known
	stop, again := w.stops(err, plan.ReadListing, l.failures+1)
	if stop != plan.StopDay {
		l.failures++
	}
	if again == plan.AgainAnew {
		w.endListing()
	}
	return err
}

// turnBack reports whether the listing has become shorter since the page before:
// what followed a deleted item has moved up, onto pages that have been read.
// Those are read again then.
func (l *listing) turnBack(p itemsPage, pageSize int) bool {
	gone := l.results - p.Announced
	if len(l.turned) == 0 || gone <= 0 {
		l.turned = append(l.turned, turned{l.next, p.Size()})
		return false
	}
	back := max(0, len(l.turned)-(gone+pageSize-1)/pageSize)
	for _, again := range l.turned[back:] {
		l.read -= again.size
	}
	l.next, l.turned, l.results = l.turned[back].link, l.turned[:back], p.Announced
	return true
}

// believedItems is for how many items room is made before they come.
const believedItems = 250_000

func (l *listing) add(p itemsPage) {
	l.read += p.Size()
	l.results = p.Announced
	if l.seen == nil {
		l.seen = make(map[string]struct{}, min(p.Announced, believedItems))
	}
	l.short = len(l.turned) == 1 && p.Next == ""
	for _, o := range p.Observed {
		i := o.Item
		l.seen[i.Number] = struct{}{}
		delete(l.unreadable, i.Number) // a page may be read again
		l.assessment.Add(i)
		if i.UpdatedAt.After(l.latest) {
			l.latest = i.UpdatedAt
		}
		l.timeless = l.timeless || o.Unknown.Has(plan.FieldUpdatedAt)
		if l.short {
			fmt.Fprintf(l.digest, "%q %q %q %t %t %v %d\n", i.Number, i.Name, i.BarCode, i.Barred, i.InventoryEnabled, i.Figures, i.UpdatedAt.Unix())
		}
		if l.short && o.Warning != "" {
			fmt.Fprintf(l.digest, "%x %q\n", o.Unknown, o.Warning)
		}
	}
	for _, b := range p.Unreadable {
		if l.short {
			fmt.Fprintf(l.digest, "%q %q\n", b.Number, b.Err)
		}
		if b.Number == "" {
			l.unknown++
			l.nameless = b.Err
		}
		if l.unreadable == nil {
			l.unreadable = map[string]struct{}{}
		}
		l.unreadable[b.Number] = struct{}{}
		l.seen[b.Number] = struct{}{}
	}
}

// unchanged reports whether the listing says, to the letter, what the last one
// said that was stored whole, with nothing stored since: then there is nothing
// to do, and the database is not asked at all.
func (w *Shop) unchanged(l *listing) bool {
	return w.settled != "" && !w.changingOver() && l.short && l.read >= l.results && len(l.claim.Hints()) == 0 && l.cause == plan.CauseTick && l.sum() == w.settled
}

func (l *listing) sum() string { return hex.EncodeToString(l.digest.Sum(nil)) }

// complete reports an error where the listing was cut short: nothing is
// concluded from what it did not show.
func (l *listing) complete(w *Shop) error {
	return w.cameShort(w.stock.Can().Name, plan.Complete("items", l.results, l.read), "nothing is concluded from those that are missing")
}

// listed returns what is stored of the progress with the last page. A tick's listing
// does not write when it began for its own sake.
func (w *Shop) listed(l *listing) store.Patch {
	suspicion := ""
	if l.assessment.Verdict() == plan.VerdictAllZero {
		suspicion = SuspicionAllZero
		if w.progress.Suspicion == "" {
			w.log.Warn("every stock figure of the agreement is zero: is its stock really kept in e-conomic?")
		}
	}
	set := store.Patch{Suspicion: &suspicion, Items: new(int64(len(l.seen)))}
	cursor := w.cursorAfter(l)
	if l.cause != plan.CauseTick || cursor.Sub(w.progress.ItemsCursor.Time) >= w.Overlap {
		set.SweptAt = new(store.At(l.began))
		if !cursor.IsZero() {
			set.ItemsCursor = new(store.At(cursor))
		}
	}
	return set
}

// cursorAfter returns the cursor after a whole listing. One of several pages may
// have passed over an item: turnBack does not notice a deletion that a creation
// makes up for. So it leaves a cursor that there is to the change queries, and sets
// the first one only where nothing has changed while it was read; where something
// has, a second listing does.
func (w *Shop) cursorAfter(l *listing) time.Time {
	cursor := w.progress.ItemsCursor.Time
	if !w.stock.Can().Changes {
		return cursor
	}
	began := l.began
	if !l.serverDate.IsZero() {
		began = l.serverDate
	}
	restless := l.timeless || l.latest.After(began.Add(-w.stock.Can().Resolution))
	if several := len(l.turned) > 1; several && (!cursor.IsZero() || restless && w.progress.SweptAt.IsZero()) {
		return cursor
	}
	return w.stock.Cursor(cursor, source.Times{Latest: l.latest, Began: l.began, ServerDate: l.serverDate}, w.Overlap)
}

// finishListing takes over what was stored and answers the hints that are left.
func (w *Shop) finishListing(ctx context.Context, l *listing) error {
	if w.progress.ItemsCursor.IsZero() && w.stock.Can().Changes {
		w.sweepNext, w.hinted = true, true
	}
	w.losses.Listed(l.missing)
	w.listedWhole(l)
	if len(l.created) > 0 {
		w.created = l.created
	}
	if !w.changingOver() && w.losses.ApprovalSpent(nil) {
		w.losses.Approve(0, time.Time{})
	}
	if err := w.answerAbsent(ctx, l); err != nil {
		return err
	}
	if err := w.record(ctx, l.claim.Left(w.shop.Shop)); err != nil {
		return err
	}
	left, err := w.inbox.Done(ctx, w.fence)
	if err != nil {
		return err
	}
	if err := w.readUnlisted(ctx, l, left); err != nil {
		return err
	}
	if l.short && l.unknown == 0 && !l.cut && !w.inbox.MayHave(plan.KindStock) {
		w.settled = l.sum()
	}
	return nil
}

// readUnlisted asks alone for hinted numbers about which the listing says
// nothing: stored items that it did not show, and items that could not be
// understood. No further listing would answer them.
func (w *Shop) readUnlisted(ctx context.Context, l *listing, left inbox.Hints) error {
	rest := inbox.Hints{}
	for number, h := range left {
		if !w.due().Includes(h.DueAt) {
			continue // put off, and due later
		}
		if len(rest) == missingAtOnce {
			l.cut = true
			break
		}
		rest[number] = h
	}
	return w.readHinted(ctx, rest, 0)
}

// missingAtOnce bounds how many missing items are asked for after one listing.
const missingAtOnce = 100

// missing returns the stored items that a whole listing did not show. Each is
// asked for alone before it counts as gone: pages shift while the data change.
func (w *Shop) missing(ctx context.Context, l *listing) (map[string]plan.Suspect, error) {
	l.stored = map[string]struct{}{}
	missing := map[string]plan.Suspect{}
	for number, err := range w.Store.PresentNumbers(ctx, w.shop.Dataset) {
		if err != nil {
			return nil, err
		}
		if _, hinted := l.claim.Hints()[number]; hinted {
			l.stored[number] = struct{}{}
		}
		if _, listed := l.seen[number]; !listed {
			missing[number] = plan.Suspect{Began: w.steady(l.began), Loss: true, Cause: l.cause, Unlisted: w.losses.Suspects()[number].Unlisted}
		}
	}
	return missing, nil
}

// missingHints returns hints for as many missing items as are asked for at once.
func (w *Shop) missingHints(l *listing, missing map[string]plan.Suspect) []store.HintRecord {
	var hints []store.HintRecord
	for _, number := range slices.Sorted(maps.Keys(missing)) {
		if _, open := l.claim.Hints()[number]; open {
			continue // it is being asked for already
		}
		if len(hints) == missingAtOnce {
			l.cut = true
			w.log.Warn("many items are missing from e-conomic's listing: they are asked for one by one, some after each listing")
			break
		}
		hints = append(hints, w.ownHint(number, l.cause))
	}
	return hints
}

// answerAbsent answers the hints of numbers that are neither stored nor in a
// whole listing: they do not exist.
func (w *Shop) answerAbsent(ctx context.Context, l *listing) error {
	if l.unknown > 0 {
		return nil // one of the items without a readable number may be it
	}
	var absent []plan.Observation
	for _, number := range slices.Sorted(maps.Keys(l.claim.Hints())) {
		_, stored := l.stored[number]
		_, listed := l.seen[number] // but it could not be understood
		if !stored && !listed {
			absent = append(absent, plan.Observation{Item: plan.Item{Number: number}, Began: l.began})
		}
	}
	for piece := range slices.Chunk(absent, store.RowsPerPiece) {
		if _, err := w.storeItems(ctx, itemsBatch{observations: piece, hints: l.claim.Hints(), cause: l.cause}, store.Applied{}); err != nil {
			return err
		}
	}
	return nil
}

// assessFirst looks at the first page of a listing. Where no item on it
// carries a stock figure the following pages are looked through for one; if
// none has any, the agreement's stock cannot be read: the shop's stock is
// held, and what is stored stays as it is.
func (w *Shop) assessFirst(ctx context.Context, first itemsPage) (held bool, err error) {
	var a plan.Assessment
	unread := 0
	for p, err := range source.Pages("items", func(link source.Link) (itemsPage, error) {
		if link == "" {
			return first, nil
		}
		return w.stock.Items(ctx, source.PrioritySweep, source.ItemsQuery{}, link)
	}) {
		if err != nil {
			return false, w.cameShort(w.stock.Can().Name, err, "nothing is concluded from those that are missing")
		}
		unread += len(p.Unreadable)
		for _, o := range p.Observed {
			a.Add(o.Item)
		}
		if a.WithFigures > 0 {
			break
		}
	}
	if a.Verdict() != plan.VerdictNoInventory {
		return false, w.saw(ctx, plan.SeenFigures)
	}
	if unread > 0 {
		// Any of them may carry a figure: it stays as it is.
		return w.progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory), nil
	}
	detail := fmt.Sprintf("none of %d items carries a stock figure (%d claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)", a.Items, a.Enabled)
	return true, w.hold(ctx, plan.ScopeStock, plan.HeldNoInventory, detail)
}
