package reconcile

import (
	"context"
	"maps"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// changes reads what has changed since the cursor, at a source that can be asked for that.
type changes struct{ *stock }

// read reads all changes since the cursor, less the overlap, and moves the cursor with
// the last page. It removes the hints that it answers or postpones from due.
func (s changes) read(ctx context.Context, due inbox.Hints) error {
	open, err := s.unpacker.loadItems(ctx)
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
		ask, err := s.unread.ask(ctx, &read.unread, p, hints)
		if err != nil {
			return err
		}
		read.left.countUnread(read.unread)
		if read.unread.TooMany() {
			s.unread.last, s.unread.unclear, s.sweep.wanted = read.unread, true, true
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
