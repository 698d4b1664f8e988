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
	created    []plan.Item  // by the last read that created any, to detect a renumbering
	agenda     agenda       // decides what a pass reads
	allowance  *allowance   // which hinted numbers are asked for alone
	changes    changes      // reads what has changed since the cursor,
	reader     *reader      // numbers,
	sweep      *sweep       // everything
	unread     *unreadItems // what could not be understood
	losses     *losses      // guards against taking stock away
	changeover *changeover  // to the items of another agreement
}

func newStock(g gate, made *calls) *stock {
	s := &stock{gate: g, calls: made}
	s.agenda, s.changes = agenda{s}, changes{s}
	s.allowance, s.reader, s.sweep = &allowance{stock: s}, &reader{stock: s}, &sweep{stock: s}
	s.unread, s.losses, s.changeover = &unreadItems{stock: s}, &losses{stock: s}, &changeover{stock: s}
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
	work, err := s.agenda.plan(ctx, due, list)
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
	if work.Next {
		s.sweep.next, s.sweep.ticks.next = true, s.tick
	}
	var errs []error
	if work.Listing {
		errs = append(errs, s.sweep.begin(ctx, due, work.burst, work.backlog))
	} else if l := s.sweep.listing; l != nil && work.burst {
		l.prioritize()
	}
	if work.Changes {
		errs = append(errs, s.holdIfRefused(ctx, heldBack(s.changes.read(ctx, work.hints))))
		if s.forbidden() {
			return errors.Join(errs...)
		}
	}
	if work.Filters || work.Singles {
		err := s.allowance.keptTo(ctx, due.Requested, work.hints, s.reader.read(ctx, work.hints, work.filters(due)))
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
		if !s.agenda.dueForListing(due.Requested) {
			return true, s.postponeHeld(ctx, due.Requested)
		}
		s.markTried()
		due.Sweep = true
	}
	return false, nil
}

// tryHeld tries stock whose reads are refused by its hinted numbers, the newest hint first. open is
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

// listsEachTick reports whether a tick is a listing of all items, over as many passes as that
// takes: the source has no change query.
func (s *stock) listsEachTick() bool {
	return s.off() == "" && s.source != nil && !s.source.Can().Changes
}

// isCurrent reports whether the shop's stock has been read as completely as its settings ask for.
func (s *stock) isCurrent() bool {
	return s.off() != "" || !s.progress.Holds.Any(plan.ScopeShop, plan.ScopeStock) && !s.progress.SweptAt.IsZero() && !s.changeover.underWay() && !s.unread.unclear
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
		s.unread.last.Understood(batch.observations[i].Item.Number)
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
		s.log().WithField("observations", p.Stale).Info("ignored observations older than what is stored")
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
