package plan

import (
	"slices"
	"strings"
	"time"
)

// ItemsInput is the input of Items: everything that decides about a batch of observed items.
type ItemsInput struct {
	Figure       Figure
	Token        int64     // fencing token of the lease the reads were made under
	Cause        Cause     // why the items were read, unless a hint says more
	VisibleSince time.Time // change queries have covered everything changed since then; zero: none has
	EachTick     bool      // every tick lists everything, since the source answers no change query
	First        bool      // the shop's first sweep: a baseline, so nothing was missed
	Observations []Observation
	Stored       map[string]Row
	Hints        map[string]Hint // open stock hints recorded before the reads began
	Now          time.Time
	Rereads      []time.Duration // delays between reads of a hint that shows nothing new
	Listing      time.Time       // when the last of the webhooks came that a full listing answers; zero: no listing
	Marked       bool            // webhooks have come that no hint was kept for: no change can be said to have none
	LateWithin   time.Duration   // a webhook this long after its change counts as late
	Created      [][]Item        // recently created items, by read, to detect a renumbering

	Suspects   map[string]Suspect // by number: shown by an earlier read, not confirmed yet
	HeldBackTo time.Time          // losses are held back and reread then; zero: they are not
	Recent     map[string]Loss    // by number: the remembered losses
}

// Suspect is a stock figure that one read would take away or set to zero. It is believed once a
// second read, begun after the first, shows the same: a wrong zero costs a shop its sales, and
// a right one is only slightly late.
type Suspect struct {
	Began time.Time // start of the first read that showed it
	Loss  bool      // the shop would lose stock that it sells by: see Row.loses
	Cause Cause     // of that read

	Announced bool // its own webhook led to it
	Unlisted  bool // the last stored listing did not show the item, so the shop's item count excludes it
}

// ItemsPlan is what to write for a batch of observed items.
type ItemsPlan struct {
	Rows     []Row
	Changes  []Change
	Answered []Answer
	Rereads  []Reread
	Places   []PlaceRow // what is in the places of items in Rows, where it differs
	Unplaced []string   // items in Rows whose stored figures by place are deleted before Places is written
	Late     []string   // numbers whose missed webhook came after all
	Stale    int        // observations older than what is stored

	Suspected map[string]Suspect // by number: not written, to be reread
	Lost      []Lost             // written losses that no webhook of their own announced
	Restored  []string           // remembered losses that no longer count
}

// Items decides about observed items. For one number:
//
//	observation      stored row     outcome
//	older than row   any            ignored; the hint stays open
//	found            none           row and change "created"; in a first sweep without a hint only the row
//	found            gone           row and change "returned"
//	found, figure ≠  present        row and change "stock"
//	found, state ≠   present        row and change "state"
//	found, places ≠  present        row and change "places"
//	found, name ≠    present        row, no change: nothing the shop sells by differs
//	found, equal     present        nothing
//	not found        none or gone   nothing
//	not found        present        row with absent stock and change "gone"
//
// A field that e-conomic sent but that could not be understood keeps its stored value and is no
// difference. What is in the chosen places is written with the row, so it is never ahead of the
// figure; where none of it is stored yet, without a change.
//
// A zero, or the loss of a figure or an item, is only a suspect until a second read confirms
// it, or for as long as losses are held back. Its hint stays open.
//
// A hint is answered by a read that shows a change; a hint of several webhooks only if the read
// began late enough to show the last of them (Hint.settledBy). If a read shows nothing new for
// the hint of a webhook or an invoice, it is reread at the delays in Rereads before it counts
// as answered, since e-conomic's read side may lag behind its webhooks. One of a number that
// neither is stored nor exists is answered at once. Any read answers an
// operator's hint, and also an invoice's if the item changed shortly before.
func Items(in ItemsInput) ItemsPlan { //nolint:gocyclo,funlen // one branch per row of its table
	var out ItemsPlan
	for n, obs := range in.Observations {
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
		if change != nil && change.What == WhatPlaces && len(row.Places) == 0 {
			change = nil
		}
		if change != nil {
			if change.What != WhatPlaces {
				next.ChangedAt = obs.Began
			}
			attribute(change, in.seenBy(obs), hint, hinted, in.First || in.Marked)
			if hinted || !in.First || change.What != WhatCreated {
				out.Changes = append(out.Changes, *change)
			}
		}
		if change != nil || stored && next.differs(row) {
			if is := len(out.Rows); is == cap(out.Rows) { // of some pages each row changes
				out.Rows = slices.Grow(out.Rows, min(3*is+4, len(in.Observations)-n))
			}
			out.Rows = append(out.Rows, next)
			out.place(row, next)
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
		rereads := in.Rereads
		if !obs.Found && !stored {
			rereads = nil // what appears later, a change query or a listing shows: a flood of such numbers must not cost several reads each
		}
		answer, again := answerHint(hint, settled, in.Now, rereads, reasonFor(obs, stored))
		if again != nil {
			out.Rereads = append(out.Rereads, *again)
		} else {
			out.Answered = append(out.Answered, answer)
		}
	}
	markRenumbered(&out, in.Created)
	return out
}

// doubt reports whether an observation must not be written yet, and returns it as a suspect.
func (in ItemsInput) doubt(obs Observation, row, next Row, stored bool) (Suspect, bool) {
	s := Suspect{Began: obs.Began, Loss: stored && next.loses(row), Cause: in.seenBy(obs)}
	if !s.Loss && (!next.zero() || stored && row.zero()) {
		return s, false
	}
	first, known := in.Suspects[obs.Item.Number]
	// A row stored after the first read has refuted it.
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

// loses reports whether writing r over old takes away stock that the shop sells by: the figure
// becomes zero or absent, or the item is gone.
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

// decide compares an observation with the stored row. It returns no change if nothing that the
// shop sells by differs.
func decide(obs Observation, row Row, stored bool, figure Figure) (Row, *Change) {
	next := row
	if !obs.Found {
		next.Number, next.Places = obs.Item.Number, nil
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
	next.Places = obs.Places
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
	case !samePlaces(row.Places, next.Places):
		return next, differ(WhatPlaces, row, next, obs)
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

// differs reports whether r differs from o in anything else that is stored. UpdatedAt alone
// does not count: e-conomic updates it for prices and texts that lagerd does not keep, and a
// write for each would cost more than it is worth.
func (r Row) differs(o Row) bool {
	return r.Name != o.Name || r.BarCode != o.BarCode || r.Barred != o.Barred ||
		r.InventoryEnabled != o.InventoryEnabled || r.State != o.State || !samePlaces(r.Places, o.Places)
}

// attribute sets the change's cause and what happened to its webhook. e-conomic's "Inventory
// updated" webhook announces changes of stock, not items being created, deleted, barred or
// renamed, nor a shop setting that makes another figure its stock: only a changed figure can
// have a missed webhook.
//
// unsure says that none can be called missed: it is the shop's first sweep, or webhooks have
// come that no hint was kept for.
func attribute(c *Change, cause Cause, hint Hint, hinted, unsure bool) {
	c.Cause, c.Webhook = cause, WebhookNone
	if hinted {
		c.Cause = hint.Cause
	}
	switch {
	case hinted && !hint.WebhookAt.IsZero():
		c.Cause, c.Webhook, c.HintedAt, c.Lagged = CauseWebhook, WebhookCame, hint.FirstAt, hint.Tries > 0
	case c.What == WhatStock && !unsure && c.OldStock.Valid && c.NewStock.Valid && !c.OldFigures.equal(c.NewFigures):
		c.Webhook = WebhookMissed
	}
}

// seenBy returns what would have found the change without a hint: a change query, if e-conomic
// says the item was updated in its window, and otherwise only a sweep. A listing can stand in
// for either. If the time of the update is unknown, the cause of the read stays. Where every tick
// lists everything, it would have found whatever a sweep finds.
func (in ItemsInput) seenBy(obs Observation) Cause {
	switch {
	case in.Cause != CauseTick && in.Cause != CauseSweep:
		return in.Cause
	case in.EachTick && !in.First:
		return CauseTick
	case in.VisibleSince.IsZero() || !obs.Found || obs.Unknown.Has(FieldUpdatedAt):
		return in.Cause
	case obs.Item.UpdatedAt.Before(in.VisibleSince):
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

// readAgain returns another read of a hint whose last read succeeded.
func (h Hint) readAgain(due time.Time, tries int, reason HintReason) Reread {
	h.Tries, h.Failures, h.Refused = tries, 0, false
	return h.Postpone(due, reason, "")
}

// settledBy reports whether a change shown by a read begun at that time answers the hint. The
// first change seen after several webhooks may be that of the first one, while e-conomic's read
// side does not show the last one yet: it is assumed to lag by at most the longest of the
// rereads.
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

// rereadAfter returns the next read of a hint of several webhooks although a read has shown a
// change: at the next of the rereads' delays, counted from its last webhook, or from the last
// one that a listing answers (so that one more listing rereads them all). A listing counts as
// one of the rereads. It returns nil if none is left.
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
	if from.After(now) { // by a clock that was ahead
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

// markRenumbered links a gone item to the only new item that looks like it: e-conomic shows a
// renumbering only as one number gone and another created. The link is for people and decides
// nothing.
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

// successor returns the number of the only created item that looks like gone, or "" if there is
// none or several.
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

// Created returns the items that the plan stores for the first time, except those of a first
// sweep: they replace nothing.
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
