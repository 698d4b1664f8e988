package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// conclusion stores the pages of a listing, and what its end shows: what is missing, where the
// cursor goes, and which hints it has answered. plan.Listing decides these.
type conclusion struct {
	*sweep
	l *listing
}

// keep stores a page, or only looks at it in a dry run. For the last stored page it returns the
// result of the listing.
func (c conclusion) keep(ctx context.Context, p itemsPage) (*plan.Listed, error) {
	switch {
	case c.l.dryRun:
		return nil, c.losses.dryRun(ctx, c.l, p)
	case p.Next == "" && c.unchanged():
		return nil, nil //nolint:nilnil // nil means the listing goes on
	}
	hints := c.l.claim.Of(numbersOn(p))
	batch := itemsBatch{observations: p.Observed, listed: true, webhookAt: c.l.webhookAt, hints: hints, cause: c.l.Cause(), created: c.l.created}
	ask, err := c.unread.ask(ctx, &c.l.unread, p, hints)
	if err != nil {
		return nil, err
	}
	also := store.Applied{Hints: ask, Progress: c.announced(p)}
	var listed *plan.Listed
	if p.Next == "" {
		if listed, err = c.result(ctx); err != nil {
			return nil, err
		}
		batch.missing, batch.empty = listed.Missing, listed.Empty
		if err := c.losses.judge(ctx, plan.LossRead{Suspects: batch.missing, Empty: batch.empty}); err != nil {
			return nil, err
		}
		also.Hints = append(also.Hints, c.missingHints(listed)...)
		also.Progress = c.progressOf(listed)
		left := leftOut{nameless: listed.Nameless, last: listed.NamelessErr}
		left.countUnread(c.l.unread)
		also.Warnings = c.warnings.ofLeftOut(plan.KindStock, left, true)
		also.EndApproval = !c.changeover.underWay() && c.losses.guard.ApprovalSpent(batch.missing)
	}
	created, err := c.store(ctx, batch, also)
	if err != nil {
		return nil, err
	}
	c.l.created = append(c.l.created, created...)
	if listed == nil {
		return nil, nil //nolint:nilnil // as above
	}
	return listed, c.unread.conclude(ctx, c.l)
}

// result returns the result of the listing, compared with what is stored.
func (c conclusion) result(ctx context.Context) (*plan.Listed, error) {
	for number, err := range c.Store.PresentNumbers(ctx, c.shop.StockDataset) {
		if err != nil {
			return nil, err
		}
		c.l.Stored(number, c.l.claim.Has(number))
	}
	began, _ := c.l.Began()
	listed, err := c.l.End(plan.ListingEnd{Began: c.steady(began), Cursor: !c.progress.ItemsCursor.IsZero(), Swept: !c.progress.SweptAt.IsZero(),
		Coarse: c.source.Can().Resolution, Suspected: c.losses.guard.Suspects()})
	if err != nil {
		return nil, cameShort(c.shop.Shop, c.source.Can().Name, err, "nothing is concluded from those that are missing")
	}
	return &listed, nil
}

// unchanged reports whether the listing is identical to the last one stored in full, with
// nothing stored since. Then there is nothing to do, and the database is not queried at all.
func (c conclusion) unchanged() bool {
	if c.listsEachTick() && c.since(c.progress.SweptAt.Time) >= c.SweepEvery {
		return false // this listing is the sweep that is due
	}
	return c.lastContent != "" && !c.changeover.underWay() && c.l.claim.Len() == 0 && !c.l.claim.Marked() && c.l.Cause() == plan.CauseTick && c.l.Says() == c.lastContent
}

// announced returns the progress to store with a page of a first sweep: how many items there are, for
// whoever waits for its end. Before the first one nothing else tells.
func (c conclusion) announced(p itemsPage) store.Patch {
	if !c.progress.SweptAt.IsZero() || p.Announced <= 0 {
		return store.Patch{}
	}
	return store.Patch{ItemsAnnounced: new(int64(p.Announced))}
}

// progressOf returns the progress to store with the last page. A tick's listing does not write
// only to record when it began.
func (c conclusion) progressOf(listed *plan.Listed) store.Patch {
	suspicion := string(listed.Suspicion)
	if suspicion != "" && c.progress.Suspicion == "" {
		c.log().WithField("reason", suspicion).Warn("every stock figure is zero: is the stock really kept where it is read?")
	}
	set := store.Patch{Suspicion: &suspicion, Items: new(int64(listed.Items))}
	began, serverDate := c.l.Began()
	was := c.progress.ItemsCursor.Time
	cursor := was
	if listed.Cursor == plan.CursorFollows && c.source.Can().Changes {
		cursor = c.source.Cursor(was, source.Times{Latest: listed.Latest, Began: began, ServerDate: serverDate}, c.Overlap)
	}
	// Without a change query there is no other sweep than a tick's listing.
	noted := !c.listsEachTick() || c.since(c.progress.SweptAt.Time) < c.Overlap
	if c.l.Cause() != plan.CauseTick || cursor.Sub(was) >= c.Overlap || !noted {
		set.SweptAt = new(store.At(began))
		if !cursor.IsZero() {
			set.ItemsCursor = new(store.At(cursor))
		}
	}
	return set
}

// finish updates the state after a stored listing and answers its remaining hints.
func (c conclusion) finish(ctx context.Context, listed *plan.Listed) error {
	if c.progress.ItemsCursor.IsZero() && c.source.Can().Changes {
		c.again, c.hinted = true, true
	}
	c.losses.guard.Listed(listed.Missing)
	c.changeover.listed(listed)
	if len(c.l.created) > 0 {
		c.created = c.l.created
	}
	if !c.changeover.underWay() && c.losses.guard.ApprovalSpent(nil) {
		c.losses.guard.Approve(0, time.Time{})
	}
	if err := c.answerAbsent(ctx, listed); err != nil {
		return err
	}
	rows, err := c.inbox.Left(ctx)
	if err := c.unpacker.admit(ctx, rows, err); err != nil {
		return err
	}
	left, err := c.inbox.Done(ctx, c.fence)
	if err != nil {
		return err
	}
	all, err := c.readUnlisted(ctx, left)
	if err != nil {
		return err
	}
	if all && listed.Says != "" && !c.inbox.MayHave(plan.KindStock) {
		c.lastContent = listed.Says
	}
	return nil
}

// readUnlisted reads hinted numbers that the listing says nothing about: stored items it did
// not show, and items that could not be understood. No further listing would answer them. all
// is false if there are more than plan.MissingAtOnce.
func (c conclusion) readUnlisted(ctx context.Context, left inbox.Hints) (all bool, err error) {
	due := inbox.Hints{}
	for number, h := range left {
		if c.due().Includes(h.DueAt) {
			due[number] = h
		}
	}
	awaits, err := c.allowance.leaveToListing(ctx, due)
	if err == nil {
		err = c.allowance.awaitListing(ctx, awaits)
	}
	if err != nil {
		return false, err
	}
	rest := due
	if len(due) > plan.MissingAtOnce {
		rest = inbox.Hints{}
		for _, number := range slices.Sorted(maps.Keys(due))[:plan.MissingAtOnce] {
			rest[number] = due[number]
		}
	}
	all = len(rest) == len(due) && len(awaits) == 0
	return all, c.allowance.keptTo(ctx, false, rest, c.reader.read(ctx, rest, 0))
}

// answerAbsent answers the hints of numbers that do not exist.
func (c conclusion) answerAbsent(ctx context.Context, listed *plan.Listed) error {
	began, _ := c.l.Began()
	for piece := range slices.Chunk(listed.Absent(c.l.claim.Numbers()), store.RowsPerPiece) {
		absent := make([]plan.Observation, len(piece))
		for i, number := range piece {
			absent[i] = plan.Observation{Item: plan.Item{Number: number}, Began: began}
		}
		if _, err := c.store(ctx, itemsBatch{observations: absent, hints: c.l.claim.Of(slices.Values(piece)), cause: c.l.Cause()}, store.Applied{}); err != nil {
			return err
		}
	}
	return nil
}

// missingHints returns hints for missing items, at most plan.MissingAtOnce.
func (c conclusion) missingHints(listed *plan.Listed) []store.HintRecord {
	numbers, all := listed.Ask(c.l.claim.Has)
	if !all {
		listed.Says = "" // the next listing may be identical and still has numbers to add
		c.log().Warn("many items are missing from the listing: reading them one by one, some after each listing")
	}
	hints := make([]store.HintRecord, len(numbers))
	for i, number := range numbers {
		hints[i] = c.own(number, c.l.Cause())
	}
	return hints
}
