package reconcile

import (
	"context"
	"maps"
	"slices"

	"lagerd/inbox"
	"lagerd/plan"
	"lagerd/source"
	"lagerd/store"
)

// unreadItems are the items that could not be understood: a handful of them is asked for alone,
// the others wait for the next listing.
type unreadItems struct {
	*stock
	last    plan.UnreadItems // of the last whole listing, and of change queries since
	unclear bool             // more items may be unreadable than are asked for alone
}

// ask returns hints for some of the items that could not be understood, so that they are
// read alone, and kept with their error and retried if that fails too; the hints of others it
// postpones as failed (plan.UnreadItems). Their rows stay as stored, and they do not block other
// items.
func (s *unreadItems) ask(ctx context.Context, u *plan.UnreadItems, p itemsPage, open inbox.Hints) ([]store.HintRecord, error) {
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
		s.log().WithFields(map[string]any{"kind": plan.KindStock, "number": b.Number}).WithError(b.Err).Warn("unreadable item")
		if n := len([]rune(b.Number)); n <= source.LongestNumber {
			hints = append(hints, s.own(b.Number, plan.CauseTick))
		}
	}
	return hints, s.fail(ctx, open, fail)
}

// hinted returns those of the hinted items that the last listing could not read, if those
// are more than are asked for alone: the next listing tells whether that has changed.
func (s *unreadItems) hinted(list inbox.Hints) (unread []plan.Unreadable) {
	if !s.last.TooMany() {
		return nil
	}
	for _, number := range slices.Sorted(maps.Keys(list)) {
		_, bad := s.last.Numbers[number]
		if h := list[number]; bad && s.last.Last != nil && (h.Cause == plan.CauseWebhook || h.Cause == plan.CauseInvoice) {
			unread = append(unread, plan.Unreadable{Number: number, Err: s.last.Last})
		}
	}
	return unread
}

// fail postpones the hints of items that could not be understood, with their errors, as if
// each had been read alone.
func (s *unreadItems) fail(ctx context.Context, open inbox.Hints, list []plan.Unreadable) error {
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

// conclude records how much of a whole listing could be understood. Stock is held if nothing could:
// the reads of its items would all be in vain.
func (s *unreadItems) conclude(ctx context.Context, l *listing) error {
	was := s.unclear
	s.last, s.unclear = plan.UnreadItems{}, l.unread.TooMany()
	if !s.unclear {
		return nil
	}
	if s.last = l.unread; !was {
		s.log().WithField("items", len(l.unread.Numbers)).Warn("more items of a listing cannot be read than are asked for alone: what is stored of them stays, and is not confirmed")
	}
	if detail := l.unread.Throughout(); detail != "" {
		return s.holdPart(ctx, plan.HeldUnreadable, detail)
	}
	return nil
}
