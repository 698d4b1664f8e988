package plan

import (
	"slices"
	"strings"
	"time"
)

// ItemsInput is everything that decides about a batch of observed items.
type ItemsInput struct {
	Figure       Figure
	Token        int64     // the fencing token under which the reads were made
	Cause        Cause     // why the items were read, where no hint says better
	VisibleSince time.Time // change queries have asked for everything changed since then; zero: none has
	First        bool      // the shop's first sweep: a baseline, so nothing was missed
	Observations []Observation
	Stored       map[string]Row
	Hints        map[string]Hint // open stock hints recorded before the reads began
	Now          time.Time
	Rereads      []time.Duration // distances between reads of a hint that shows nothing new
	Listing      time.Time       // when the last webhook came of all that a listing of everything answers; zero: it is no listing
	LateWithin   time.Duration   // a webhook this long after its change counts as late
	Created      [][]Item        // items created lately, by one read or another, to spot a renumbering

	Suspects   map[string]Suspect // by number: what an earlier read showed and none has confirmed
	HeldBackTo time.Time          // losses are held back, and looked at again then; zero: they are not
	Recent     map[string]Loss    // by number: the losses that are remembered
}

// Suspect is a stock figure that one read would take away or set to zero. It is
// believed once a second read, begun after the first, says the same: wrong
// zeroes cost a shop its sales, and a right one is only a moment late.
type Suspect struct {
	Began time.Time // when the first read that showed it began
	Loss  bool      // something the shop sells by would be lost: see Row.loses
	Cause Cause     // what led to that read

	Announced bool // a webhook of its own led to it
	Unlisted  bool // the last listing that was stored did not show the item: the shop's items as listed are without it
}

// ItemsPlan is what to write for a batch of observed items.
type ItemsPlan struct {
	Rows     []Row
	Changes  []Change
	Answered []Answer
	Rereads  []Reread
	Late     []string // numbers whose missed webhook has come after all
	Stale    int      // observations older than what is stored

	Suspected map[string]Suspect // by number: not written, to be read again
	Lost      []Lost             // written losses that no webhook of their own announced
	Restored  []string           // remembered losses that count no more
}

// Items decides about observed items. For one number:
//
//	observation      stored row     outcome
//	older than row   any            ignored; the hint stays open
//	found            none           row and change "created"; of a first sweep, where no hint asked, only the row
//	found            gone           row and change "returned"
//	found, figure ≠  present        row and change "stock"
//	found, state ≠   present        row and change "state"
//	found, name ≠    present        row, no change: nothing the shop sells by differs
//	found, equal     present        nothing
//	not found        none or gone   nothing
//	not found        present        row with absent stock and change "gone"
//
// A field that e-conomic sent and that could not be understood stays as it is stored:
// it is no difference.
//
// What would write a zero, or take a figure or an item away, is only suspected
// until a second read confirms it, and while losses are held back it stays so.
// Its hint stays open.
//
// A hint is answered by a read that shows a change; one that stands for several
// webhooks only if the read began late enough to show what the last of them tells of
// (Hint.settledBy). A webhook's or an
// invoice's hint whose read shows nothing new is read again at the distances
// of Rereads before it counts as answered, since e-conomic's reading side may
// lag behind its webhooks; an operator's hint is answered by any read, and an
// invoice's also where the item has changed shortly before.
func Items(in ItemsInput) ItemsPlan {
	var out ItemsPlan
	for _, obs := range in.Observations {
		number := obs.Item.Number
		row, stored := in.Stored[number]
		version := Version{Token: in.Token, At: obs.Began}
		if stored && version.Before(row.Version) {
			out.Stale++
			continue
		}
		hint, hinted := in.Hints[number]
		next, change := decide(obs, row, stored, in.Figure)
		next.Version = version
		announced := hinted && !hint.WebhookAt.IsZero()
		if suspect, wait := in.doubt(obs, row, next, stored); wait {
			suspect.Announced = announced
			out.suspect(number, suspect)
			if hinted {
				out.Rereads = append(out.Rereads, in.rereadSuspect(hint, suspect))
			}
			continue
		}
		if change != nil {
			next.ChangedAt = obs.Began
			attribute(change, in.seenBy(obs), hint, hinted, in.First)
			if hinted || !in.First || change.What != WhatCreated {
				out.Changes = append(out.Changes, *change)
			}
		}
		if change != nil || stored && next.differs(row) {
			out.Rows = append(out.Rows, next)
		}
		late := announced && stored && row.ChangedAt.After(hint.WebhookAt.Add(-in.LateWithin))
		if stored {
			out.remember(in.Recent, row, next, announced, late)
		}
		if !hinted {
			continue
		}
		if change == nil && late {
			out.Late = append(out.Late, number)
		}
		if change != nil && !hint.settledBy(obs.Began, in.Rereads) {
			if again := hint.rereadAfter(in.Now, in.Rereads, in.Listing, reasonFor(obs, stored)); again != nil {
				out.Rereads = append(out.Rereads, *again)
				continue
			}
		}
		settled := change != nil || hint.WebhookAt.IsZero() && stored && row.ChangedAt.After(hint.FirstAt.Add(-in.LateWithin))
		answer, again := answerHint(hint, settled, in.Now, in.Rereads, reasonFor(obs, stored))
		if again != nil {
			out.Rereads = append(out.Rereads, *again)
		} else {
			out.Answered = append(out.Answered, answer)
		}
	}
	markRenumbered(&out, in.Created)
	return out
}

// doubt reports whether an observation is not to be written yet, and as what it
// is suspected.
func (in ItemsInput) doubt(obs Observation, row, next Row, stored bool) (Suspect, bool) {
	s := Suspect{Began: obs.Began, Loss: stored && next.loses(row), Cause: in.seenBy(obs)}
	if !s.Loss && (!next.zero() || stored && row.zero()) {
		return s, false
	}
	first, known := in.Suspects[obs.Item.Number]
	// What was stored after the first read has refuted it.
	known = known && !(stored && Version{Token: in.Token, At: first.Began}.Before(row.Version))
	if known {
		s.Began, s.Cause, s.Unlisted = first.Began, first.Cause, first.Unlisted && !obs.Found
	}
	confirmed := known && obs.Began.After(first.Began)
	return s, !confirmed || s.Loss && !in.HeldBackTo.IsZero()
}

func (in ItemsInput) rereadSuspect(h Hint, s Suspect) Reread {
	if s.Loss && !in.HeldBackTo.IsZero() {
		return h.readAgain(in.HeldBackTo, h.Tries, HintHeldBack)
	}
	return h.readAgain(in.Now, h.Tries, HintUnconfirmed)
}

func (p *ItemsPlan) suspect(number string, s Suspect) {
	if p.Suspected == nil {
		p.Suspected = map[string]Suspect{}
	}
	p.Suspected[number] = s
}

// loses reports whether r, written over old, takes away what the shop sells by:
// a figure that becomes zero or absent, or an item that is gone.
func (r Row) loses(old Row) bool {
	if r.State == StateGone && old.State != StateGone {
		return true
	}
	return old.Stock.Valid && (!r.Stock.Valid || r.zero() && !old.zero())
}

func (r Row) zero() bool { return r.Stock.Valid && r.Stock.Decimal.IsZero() }

func reasonFor(obs Observation, stored bool) HintReason {
	switch {
	case obs.Found:
		return ""
	case stored:
		return HintGone
	default:
		return HintUnknown
	}
}

// decide compares one observation with one stored row. The returned change is
// nil where nothing that the shop sells by differs.
func decide(obs Observation, row Row, stored bool, figure Figure) (Row, *Change) {
	next := row
	if !obs.Found {
		next.Number = obs.Item.Number
		if !stored || row.State == StateGone {
			return next, nil
		}
		next.State, next.Stock.Valid = StateGone, false
		next.Figures = Figures{}
		return next, differ(WhatGone, row, next, obs)
	}
	next.Item = obs.Item
	if obs.Unknown != 0 {
		obs.Unknown.keep(&next.Item, &row.Item)
	}
	next.Stock = obs.Item.Figures.Pick(figure)
	next.State = stateOf(next.Item, next.Stock.Valid)
	next.RenumberedTo = ""
	switch {
	case !stored:
		next.FirstSeenAt = obs.Began
		return next, differ(WhatCreated, row, next, obs)
	case row.State == StateGone:
		return next, differ(WhatReturned, row, next, obs)
	case !row.Figures.equal(next.Figures) || !sameDecimal(row.Stock, next.Stock):
		return next, differ(WhatStock, row, next, obs)
	case row.State != next.State:
		return next, differ(WhatState, row, next, obs)
	}
	return next, nil
}

func stateOf(item Item, hasStock bool) State {
	switch {
	case !hasStock:
		return StateNoInventory
	case item.Barred:
		return StateBarred
	}
	return StateOK
}

func differ(what What, before, after Row, obs Observation) *Change {
	return &Change{
		Kind: KindStock, Number: after.Number, What: what,
		OldStock: before.Stock, NewStock: after.Stock,
		OldFigures: before.Figures, NewFigures: after.Figures,
		OldState: before.State, NewState: after.State,
		EconomicAt: obs.Item.UpdatedAt, ObservedAt: obs.Began,
	}
}

// differs reports whether anything stored differs beside what makes a change.
// UpdatedAt alone does not: e-conomic moves it for prices and texts that
// lagerd does not keep, and a write for each would cost more than it tells.
func (r Row) differs(o Row) bool {
	return r.Name != o.Name || r.BarCode != o.BarCode || r.Barred != o.Barred ||
		r.InventoryEnabled != o.InventoryEnabled || r.State != o.State
}

// attribute names the change's cause and what became of its webhook.
// e-conomic's "Inventory updated" webhook tells of stock, not of items being
// created, deleted, barred or renamed, nor of a setting of the shop that makes
// another figure its stock: only a figure that moved can be missed.
func attribute(c *Change, cause Cause, hint Hint, hinted, first bool) {
	c.Cause, c.Webhook = cause, WebhookNone
	if hinted {
		c.Cause = hint.Cause
	}
	switch {
	case hinted && !hint.WebhookAt.IsZero():
		c.Cause, c.Webhook, c.HintedAt, c.Lagged = CauseWebhook, WebhookCame, hint.FirstAt, hint.Tries > 0
	case c.What == WhatStock && !first && c.OldStock.Valid && c.NewStock.Valid && !c.OldFigures.equal(c.NewFigures):
		c.Webhook = WebhookMissed
	}
}

// seenBy returns what would have found the change had nothing hinted at it: a
// change query shows what e-conomic says was updated in its window, and only a
// sweep what it does not. A listing can stand in for either. Where the time of the update
// is not known, so is that.
func (in ItemsInput) seenBy(obs Observation) Cause {
	if in.VisibleSince.IsZero() || !obs.Found || obs.Unknown.Has(FieldUpdatedAt) || in.Cause != CauseTick && in.Cause != CauseSweep {
		return in.Cause
	}
	if obs.Item.UpdatedAt.Before(in.VisibleSince) {
		return CauseSweep
	}
	return CauseTick
}

func answerHint(h Hint, settled bool, now time.Time, rereads []time.Duration, reason HintReason) (Answer, *Reread) {
	if !settled && h.needsRereads() && h.Tries < len(rereads) {
		again := h.readAgain(now.Add(rereads[h.Tries]), h.Tries+1, reason)
		return Answer{}, &again
	}
	return h.Answer(reason, ""), nil
}

// readAgain returns what has a hint that was read, well, read once more.
func (h Hint) readAgain(due time.Time, tries int, reason HintReason) Reread {
	h.Tries, h.Failures, h.Refused = tries, 0, false
	return h.PutOff(due, reason, "")
}

// settledBy reports whether a change that was shown by a read that began then answers
// the hint. The first change that is seen after several webhooks may be what the first
// of them told of, and e-conomic's reading side may not show yet what the last did: it
// is believed to lag for as long as the longest of the rereads at most.
//
//	webhooks   the read began               the change answers the hint
//	none, one  at any time                  yes
//	several    before last + longest reread no
//	several    later                        yes
func (h Hint) settledBy(began time.Time, rereads []time.Duration) bool {
	if h.Webhooks < 2 || len(rereads) == 0 {
		return true
	}
	return !began.Before(h.WebhookAt.Add(slices.Max(rereads)))
}

// rereadAfter returns when a hint of several webhooks is read again, although a read
// has shown a change: at the distances of rereads that are still ahead, counted from its
// last webhook, or from the last of all that a listing answers (so that one more
// listing reads them all again). A listing counts as one of the rereads. It returns nil
// where none is left.
func (h Hint) rereadAfter(now time.Time, rereads []time.Duration, listing time.Time, reason HintReason) *Reread {
	if h.Tries >= len(rereads) {
		return nil
	}
	next, from := h.Tries, h.WebhookAt
	if !listing.IsZero() {
		next = min(next+1, len(rereads)-1)
		if listing.After(from) {
			from = listing
		}
	}
	if from.After(now) { // by a clock that is ahead
		from = now
	}
	for next < len(rereads)-1 && !from.Add(rereads[next]).After(now) {
		next++
	}
	due := from.Add(rereads[next])
	if settled := h.WebhookAt.Add(slices.Max(rereads)); next == len(rereads)-1 && due.Before(settled) && settled.Before(now.Add(slices.Max(rereads))) {
		due = settled
	}
	again := h.readAgain(due, next+1, reason)
	return &again
}

func (h Hint) needsRereads() bool { return !h.WebhookAt.IsZero() || h.Cause == CauseInvoice }

// markRenumbered points a gone item at the one new item that looks like it:
// e-conomic tells of a renumbering only as a number gone and another created.
// It is a help for people and decides nothing.
func markRenumbered(out *ItemsPlan, created [][]Item) {
	if !slices.ContainsFunc(out.Changes, func(c Change) bool { return c.What == WhatGone }) {
		return
	}
	created = append(slices.Clone(created), out.Created())
	for i := range out.Rows {
		gone := &out.Rows[i]
		if gone.State != StateGone {
			continue
		}
		gone.RenumberedTo = successor(gone.Item, created)
		for j := range out.Changes {
			if out.Changes[j].Number == gone.Number {
				out.Changes[j].RenumberedTo = gone.RenumberedTo
			}
		}
	}
}

// successor returns the number of the only created item that looks like gone,
// or "" if there is none or more than one.
func successor(gone Item, created [][]Item) string {
	var like []string
	for _, items := range created {
		for _, c := range items {
			if looksLike(gone, c) {
				like = append(like, c.Number)
			}
		}
	}
	if len(like) != 1 {
		return ""
	}
	return like[0]
}

// Created returns the items that the plan stores for the first time, but none of
// a first sweep: those replace nothing.
func (p ItemsPlan) Created() []Item {
	numbers := map[string]bool{}
	for _, c := range p.Changes {
		if c.What == WhatCreated {
			numbers[c.Number] = true
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	var created []Item
	for _, r := range p.Rows {
		if numbers[r.Number] {
			created = append(created, r.Item)
		}
	}
	return created
}

func looksLike(a, b Item) bool {
	if a.BarCode != "" || b.BarCode != "" {
		return a.BarCode == b.BarCode
	}
	return a.Name != "" && strings.EqualFold(a.Name, b.Name)
}
