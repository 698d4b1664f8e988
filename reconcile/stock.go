package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// stock is the part that reconciles the stock of the shop's items.
type stock struct {
	gate
	*calls     // of the account that it is read from: the shop's, or its own
	source     source.Stock
	created    []plan.Item // by the last read that created any, to detect a renumbering
	reader     *reader
	sweep      *sweep
	losses     *losses
	changeover *changeover

	unread  plan.UnreadItems // of the last whole listing, and of change queries since
	unclear bool             // more items may be unreadable than are asked for alone
}

func newStock(g gate, made *calls) *stock {
	s := &stock{gate: g, calls: made}
	s.reader, s.sweep, s.losses, s.changeover = &reader{stock: s}, &sweep{stock: s}, &losses{stock: s}, &changeover{stock: s}
	return s
}

// Run reads and stores the stock that is due, and switches to another agreement's items when
// that is due.
func (s *stock) Run(ctx context.Context, due Due) (more bool, err error) {
	more, err = s.read(ctx, due)
	if err != nil || !s.changeover.underWay() || s.off() != "" ||
		s.progress.Holds.Has(plan.ScopeStock, plan.HeldNoInventory) || s.progress.Holds.Has(plan.ScopeStock, plan.HeldUnreadable) {
		return more, err
	}
	list, err := s.changeover.step(ctx)
	// A listing requested before that has not started yet is not requested again.
	more = more || list && !s.sweep.again
	s.sweep.again = s.sweep.again || list
	return more, err
}

// read is Run without the changeover to another agreement. plan.PlanReads decides what it
// reads.
func (s *stock) read(ctx context.Context, due Due) (more bool, err error) {
	if closed, err := s.closed(ctx, &due); closed || err != nil {
		return false, err
	}
	if err := s.bookCalls(ctx); err != nil {
		return false, err
	}
	if err := s.losses.applyApproval(ctx, &due); err != nil {
		return false, err
	}
	s.sweep.follow(&due)
	list, err := s.load(ctx, due.Requested)
	if err != nil {
		return false, err
	}
	if s.forbidden() && len(list) > 0 {
		if open, err := s.tryHeld(ctx, list); err != nil || !open {
			return false, s.holdIfRefused(ctx, err)
		}
	}
	work, err := s.plan(ctx, due, list)
	if err == nil {
		err = s.do(ctx, due, work)
	}
	if err != nil {
		return false, err
	}
	return s.sweep.resume(ctx)
}

// do starts a listing, and reads what has changed and what is hinted. Each of the three runs
// even if the previous one failed, unless the source refuses the part.
func (s *stock) do(ctx context.Context, due Due, work stockWork) error {
	s.sweep.again = s.sweep.again || due.Sweep && s.sweep.listing != nil
	s.sweep.next = s.sweep.next || work.Next
	var errs []error
	if work.Listing {
		errs = append(errs, s.sweep.begin(ctx, due, work.burst, work.backlog))
	} else if l := s.sweep.listing; l != nil && work.burst {
		l.prioritize()
	}
	if work.Changes {
		errs = append(errs, s.holdIfRefused(ctx, heldBack(s.readChanges(ctx, work.hints))))
		if s.forbidden() {
			return errors.Join(errs...)
		}
	}
	if work.Filters || work.Singles {
		err := s.withinBudget(ctx, due.Requested, work.hints, s.reader.read(ctx, work.hints, work.filters(due)))
		errs = append(errs, s.holdIfRefused(ctx, heldBack(err)))
	}
	return errors.Join(errs...)
}

// closed handles due stock that is not read now, because the shop does not want it, or because
// it is held and not due for a try.
func (s *stock) closed(ctx context.Context, due *Due) (closed bool, err error) {
	if off := s.off(); off != "" {
		return true, s.dismiss(ctx, due.Requested, off, "")
	}
	if can := s.source.Can(); can.Figures[cmp.Or(s.shop.StockFigure, plan.FigureInStock)] == "" {
		return true, fmt.Errorf("shop %s: %s has no figure %q: choose another with `lagerd shops set %s --figure …`", s.shop.Shop, can.Name, s.shop.StockFigure, s.shop.Shop)
	}
	if s.forbidden() && !s.dueForTry(due.Requested) {
		return true, s.postponeHeld(ctx, due.Requested)
	}
	if hold, _ := s.progress.Holds.Of(plan.ScopeStock); hold.Reason == plan.HeldNoInventory {
		if !s.dueForTry(due.Requested) {
			return true, s.dismiss(ctx, due.Requested, plan.HintNoInventory, hold.Detail)
		}
		due.Sweep = true // nothing is believed before a listing shows figures
	} else if hold.Reason == plan.HeldUnreadable && s.sweep.listing == nil {
		if !s.dueForListing(due.Requested) {
			return true, s.postponeHeld(ctx, due.Requested)
		}
		s.markTried()
		due.Sweep = true
	}
	return false, nil
}

// dueForListing reports whether stock held as unreadable is due for a try: a listing, as often
// as the sweeps' share of calls allows.
func (s *stock) dueForListing(requested bool) bool {
	_, soon := plan.SweepInterval(int(s.progress.Items), s.PageSize, s.dailyCalls(), s.SweepEvery)
	return s.triedAt.IsZero() || requested || s.since(s.triedAt) >= soon
}

// stockWork is what a pass reads of the shop's stock.
type stockWork struct {
	plan.Reads
	hints   inbox.Hints // to be read by number
	backlog inbox.Backlog
	burst   bool // the hints alone are worth a listing
}

// filtersPerPass is how many filtered listings of hinted numbers a pass reads before the reads
// are planned again: by then there may be so many hints that a full listing costs less. A
// request is answered only once all have been read.
const filtersPerPass = 10

// filters returns the maximum number of filtered listings, 0 for none.
func (w stockWork) filters(due Due) int {
	switch {
	case w.Filters && due.Requested:
		return len(w.hints)
	case w.Filters:
		return filtersPerPass
	}
	return 0
}

// plan decides what to read. What unpack left of a burst stays in its batches if a listing
// follows and it names no more numbers than the shop has, with those that the caps admit;
// otherwise plan unpacks it. Only numbers that are stored are worth a listing of their own:
// anybody can invent the others.
func (s *stock) plan(ctx context.Context, due Due, list inbox.Hints) (w stockWork, err error) {
	w.hints = list
	if w.backlog, err = s.inbox.Backlog(ctx, int(s.progress.Items)+s.HintCaps.Unknown+s.HintCaps.Invoices); err != nil {
		return w, err
	}
	situation := s.situation(due, w.hints, w.backlog.Items())
	if situation.Burst() {
		known, err := s.known(ctx, situation.MostWithoutListing(), maps.Keys(w.hints), w.backlog.Items().Numbers())
		if err != nil {
			return w, err
		}
		situation.Hinted = len(known)
	}
	if !w.backlog.Empty() && (w.backlog.More() || !situation.Burst()) {
		if err = s.unpack(ctx, true); err != nil {
			return w, err
		}
		if w.hints, err = s.load(ctx, due.Requested); err != nil {
			return w, err
		}
		w.backlog = inbox.Backlog{}
	}
	var left inbox.Hints
	if !situation.Burst() {
		if left, err = s.leaveToListing(ctx, w.hints); err != nil {
			return w, err
		}
		situation = s.situation(due, w.hints, nil)
	}
	w.Reads, w.burst = plan.PlanReads(situation), situation.Burst()
	if !w.Listing { // otherwise it answers them
		err = s.awaitListing(ctx, left)
	}
	if s.losses.holdBack() {
		// Nothing that a change query shows may be stored, so it is pointless.
		w.Changes = false
	}
	return w, err
}

// mostDue returns how many due hints are loaded at once: if there are more, those that are stored
// are worth a listing.
func (s *stock) mostDue(some inbox.Hints) int {
	return s.situation(Due{}, some, nil).MostWithoutListing() + s.HintCaps.Unknown + 1
}

func (s *stock) situation(due Due, list inbox.Hints, waiting *inbox.Open) plan.Situation {
	numbers := make([]string, 0, min(len(list)+waiting.Len(), fewHints))
	for _, hinted := range []iter.Seq[string]{maps.Keys(list), waiting.Numbers()} {
		for number := range hinted {
			if len(numbers) == cap(numbers) {
				break
			}
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers) // the first ones serve to estimate how many fit
	changes := s.source.Can().Changes
	every, awaited := plan.SweepInterval(int(s.progress.Items), s.PageSize, s.dailyCalls(), s.SweepEvery)
	return plan.Situation{
		Items: int(s.progress.Items), PageSize: s.PageSize, NoChanges: !changes,
		Swept:  !s.progress.SweptAt.IsZero() && (!s.progress.ItemsCursor.IsZero() || !changes),
		Hinted: len(list) + waiting.Len(), PerFilter: s.source.Together(numbers),
		Tick: due.Tick, Sweep: due.Sweep, Listing: s.sweep.listing != nil, SinceSweep: min(s.since(s.progress.SweptAt.Time), s.since(s.sweep.dryRunAt)),
		SweepEvery: every, Awaited: s.sweep.wanted || s.inbox.Marked(plan.KindStock), SweepSoon: awaited,
	}
}

// tryHeld tries stock held as forbidden by its hinted numbers, the newest hint first. open is
// that of probe.
func (s *stock) tryHeld(ctx context.Context, hints inbox.Hints) (open bool, err error) {
	ctx = source.Since(ctx, s.Now())
	newest := slices.SortedFunc(maps.Keys(hints), func(a, b string) int {
		return cmp.Or(hints[b].FirstAt.Compare(hints[a].FirstAt), strings.Compare(a, b))
	})
	return probe(&s.gate, newest,
		func(number string) bool { return hints[number].Refused || s.streak.Known(number) },
		func(number string) error { return heldBack(s.reader.one(ctx, hints, number, new(int))) })
}

// off returns why the shop's stock is not read, "" if it is.
func (s *stock) off() plan.HintReason {
	switch {
	case !s.shop.StockOn:
		return plan.HintStockOff
	case s.shop.StockSource == store.SourceRackbeat && !s.shop.ReadsRackbeat():
		return plan.HintRackbeat
	}
	return ""
}

// isCurrent reports whether the shop's stock has been read as completely as its settings ask for.
func (s *stock) isCurrent() bool {
	return s.off() != "" || !s.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !s.progress.SweptAt.IsZero() && !s.changeover.underWay() && !s.unclear
}

// holdIfRefused is gate.holdIfRefused. It also ends the running listing if the source refuses the part.
func (s *stock) holdIfRefused(ctx context.Context, err error) error {
	refused, err := s.refused(ctx, err)
	if !refused {
		return err
	}
	s.sweep.end()
	return s.holdRefused(ctx, err)
}

// store plans and applies a batch of observations, together with the rest of the transaction.
// It removes the hints that it answers or postpones from batch.hints.
func (s *stock) store(ctx context.Context, batch itemsBatch, also store.Applied) ([]plan.Item, error) {
	for i := range batch.observations {
		batch.observations[i].Began = s.steady(batch.observations[i].Began)
	}
	found := false
	for i := range batch.observations {
		found = found || batch.observations[i].Found
		s.unread.Understood(batch.observations[i].Item.Number)
	}
	if found {
		if err := s.endHolds(ctx, plan.SeenItem); err != nil {
			return nil, err
		}
	}
	stored, err := s.stored(ctx, batch.observations, batch.listed)
	if err != nil {
		return nil, err
	}
	visible := time.Time{}
	if cursor := s.progress.ItemsCursor.Time; !cursor.IsZero() {
		visible = cursor.Add(-s.Overlap)
	}
	p := plan.Items(plan.ItemsInput{
		VisibleSince: visible, EachTick: !s.source.Can().Changes,
		Figure: s.shop.StockFigure, Token: s.token, Cause: batch.cause, First: s.progress.SweptAt.IsZero(),
		Observations: batch.observations, Stored: stored, Hints: batch.hints, Created: [][]plan.Item{batch.created, s.created},
		Now: s.Now(), Rereads: s.Rereads, LateWithin: s.LateWithin, Suspects: s.losses.guard.Suspects(), HeldBackTo: s.losses.heldBackTo(), Recent: s.losses.guard.Recent(),
		Listing: batch.webhookAt, Marked: s.inbox.Marked(plan.KindStock),
	})
	read := p.Takes(batch.observations, batch.missing)
	read.Empty = batch.empty
	if err := s.losses.judge(ctx, read); err != nil {
		return nil, err
	}
	a := also
	a.Losses = s.losses.remember(read)
	a.EndApproval = a.EndApproval || a.Losses.Approved > 0 && a.Losses.Approved == s.losses.guard.Approved()
	a.Hints = append(s.losses.hintsOf(p.Suspected, batch.hints), also.Hints...)
	a.Items, a.Places, a.Unplaced, a.Changes = p.Rows, p.Places, p.Unplaced, p.Changes
	outcome := inbox.Outcome{Answered: p.Answered, Rereads: p.Rereads}
	writes := s.inbox.Writes(batch.hints, outcome)
	a.Answered, a.Rereads, a.Hints = writes.Answered, writes.Rereads, append(a.Hints, writes.Records...)
	if len(p.Late) > 0 {
		a.Late = map[plan.Kind][]string{plan.KindStock: p.Late}
	}
	a.Warnings = append(s.warnings.ofItems(batch.observations, s.warned), also.Warnings...)
	if p.Stale > 0 {
		s.log.WithField("observations", p.Stale).Info("ignored observations older than what is stored")
	}
	if err := s.apply(ctx, a); err != nil {
		return nil, err
	}
	s.losses.guard.Stored(a.Losses, s.Now())
	s.losses.suspect(read)
	s.inbox.Wrote(batch.hints, outcome)
	return p.Created(), nil
}

// stored reads the stored rows of the observed items, with what is in the places that the shop has
// chosen.
func (s *stock) stored(ctx context.Context, observed []plan.Observation, page bool) (map[string]plan.Row, error) {
	rows, ranged, err := s.storedItems(ctx, observed, page)
	if err == nil && s.shop.Places != "" {
		err = s.Store.AddPlaces(ctx, s.shop.StockDataset, rows, ranged)
	}
	return rows, err
}

// storedItems reads the stored rows of the observed items. For a page of a listing it reads the
// range from the lowest to the highest number, since sources mostly list items by number. If
// the source's order differs too much from the database's, it reads the numbers one by one.
// ranged reports that it has read the range.
func (s *stock) storedItems(ctx context.Context, observed []plan.Observation, page bool) (rows map[string]plan.Row, ranged bool, err error) {
	numbers := make([]string, len(observed))
	for i := range observed {
		numbers[i] = observed[i].Item.Number
	}
	if page && len(numbers) > 0 {
		rows, all, err := s.Store.ItemsBetween(ctx, s.shop.StockDataset, slices.Min(numbers), slices.Max(numbers), len(numbers)*3/2)
		if err != nil || all {
			return rows, all, err
		}
	}
	rows, err = s.Store.Items(ctx, s.shop.StockDataset, numbers)
	return rows, false, err
}

// itemsBatch is what one transaction stores.
type itemsBatch struct {
	observations []plan.Observation
	listed       bool      // they are a page of the running listing
	webhookAt    time.Time // when the last webhook that it answers came
	hints        inbox.Hints
	cause        plan.Cause
	created      []plan.Item // by earlier batches of the same read

	missing map[string]plan.Suspect // stored items that a complete listing did not show
	empty   bool                    // it showed no items at all
}

// changesRead is what a change query has shown so far.
type changesRead struct {
	seen      source.Times
	announced int
	skipped   bool  // the query became shorter between two pages
	short     error // fewer items came than were announced
	left      leftOut
	unread    plan.UnreadItems
}

// add adds a page, or returns the error in its place. It keeps the error of a listing that came
// short in r.short and returns nil.
func (r *changesRead) add(p itemsPage, err error) error {
	if plan.IsShort(err) {
		r.short, err = err, nil
	}
	if err != nil {
		return err
	}
	if r.seen.Began.IsZero() {
		r.seen.Began, r.seen.ServerDate = p.Began, p.ServerDate
	}
	// When an item is deleted meanwhile, items behind it move onto pages already read: the next
	// change query shows them.
	r.skipped = r.skipped || p.Announced < r.announced
	r.announced = p.Announced
	for _, o := range p.Observed {
		if o.Item.UpdatedAt.After(r.seen.Latest) {
			r.seen.Latest = o.Item.UpdatedAt
		}
	}
	r.left.addNameless(p.Unreadable)
	return nil
}

// readChanges reads all changes since the cursor, less the overlap, and moves the cursor with
// the last page. It removes the hints that it answers or postpones from due.
func (s *stock) readChanges(ctx context.Context, due inbox.Hints) error {
	open, err := s.loadItems(ctx)
	if err != nil {
		return err
	}
	// Even on failure: the pages read so far are stored.
	defer func() {
		maps.DeleteFunc(due, func(number string, _ plan.Hint) bool { return !open.Has(number) })
	}()
	cursor := s.progress.ItemsCursor.Time
	read := changesRead{seen: source.Times{Latest: cursor}}
	var created []plan.Item
	for p, err := range s.pages(ctx, source.PriorityTick, "changed items", source.ItemsQuery{Since: cursor.Add(-s.Overlap)}) {
		if err = read.add(p, err); err == nil {
			err = s.readSucceeded(ctx, "")
		}
		if err != nil {
			return err
		}
		hints := open.Of(numbersOn(p))
		ask, err := s.unreadable(ctx, &read.unread, p, hints)
		if err != nil {
			return err
		}
		read.left.countUnread(read.unread)
		if read.unread.TooMany() {
			s.unread, s.unclear, s.sweep.wanted = read.unread, true, true
		}
		also := store.Applied{Hints: ask, Warnings: s.warnings.ofLeftOut(plan.KindStock, read.left, false)}
		if p.Next == "" && read.short == nil && !read.skipped {
			moved := s.source.Cursor(cursor, read.seen, s.Overlap)
			// Not written every minute just to move it: a cursor that is behind is safe.
			if moved.Sub(cursor) >= s.Overlap || read.seen.Latest.After(cursor) {
				also.Progress.ItemsCursor = new(store.At(moved))
			}
		}
		made, err := s.store(ctx, itemsBatch{observations: p.Observed, hints: hints, cause: plan.CauseTick, created: created}, also)
		open.Keep(numbersOn(p), hints)
		if err != nil {
			return err
		}
		created = append(created, made...)
	}
	if read.short != nil {
		return cameShort(s.shop.Shop, s.source.Can().Name, read.short, "the cursor stays")
	}
	if len(created) > 0 {
		s.created = created
	}
	return nil
}

// itemsPage is one page of items.
type itemsPage = source.Page[plan.Observation]

// numbersOn yields the numbers of a page's items.
func numbersOn(p itemsPage) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range p.Observed {
			if !yield(p.Observed[i].Item.Number) {
				return
			}
		}
		for _, u := range p.Unreadable {
			if !yield(u.Number) {
				return
			}
		}
	}
}

// pages reads the result of q page by page.
func (s *stock) pages(ctx context.Context, p source.Priority, what string, q source.ItemsQuery) iter.Seq2[itemsPage, error] {
	return source.Pages(what, func(link source.Link) (itemsPage, error) { return s.source.Items(ctx, p, q, link) })
}

// cameShort adds to the error of a short listing who sent it, and what follows. It returns any
// other error unchanged.
func cameShort(shop, from string, err error, follows string) error {
	if !plan.IsShort(err) {
		return err
	}
	return fmt.Errorf("shop %s: %s %w: %s", shop, from, err, follows)
}

// unreadable returns hints for some of the items that could not be understood, so that they are
// read alone, and kept with their error and retried if that fails too; the hints of others it
// postpones as failed (plan.UnreadItems). Their rows stay as stored, and they do not block other
// items.
func (s *stock) unreadable(ctx context.Context, u *plan.UnreadItems, p itemsPage, open inbox.Hints) ([]store.HintRecord, error) {
	if len(p.Unreadable) == 0 {
		u.Add(pageOf(p), nil)
		return nil, nil
	}
	for range p.Unreadable {
		s.Observer.BadItem(s.shop.Shop)
	}
	ask, fail := u.Add(pageOf(p), open)
	var hints []store.HintRecord
	for _, b := range ask {
		s.log.WithFields(map[string]any{"kind": plan.KindStock, "number": b.Number}).WithError(b.Err).Warn("unreadable item")
		if n := len([]rune(b.Number)); n <= source.LongestNumber {
			hints = append(hints, s.own(b.Number, plan.CauseTick))
		}
	}
	return hints, s.failUnread(ctx, open, fail)
}

// failUnread postpones the hints of items that could not be understood, with their errors, as if
// each had been read alone.
func (s *stock) failUnread(ctx context.Context, open inbox.Hints, list []plan.Unreadable) error {
	for piece := range slices.Chunk(list, store.RowsPerPiece) {
		var o inbox.Outcome
		for _, b := range piece {
			h := open[b.Number]
			h.Failures, h.Refused = h.Failures+1, false
			o.Rereads = append(o.Rereads, h.Postpone(s.retryAt(h.Failures), plan.HintFailed, b.Err.Error()))
		}
		if err := s.settle(ctx, open, o); err != nil {
			return err
		}
	}
	return nil
}
