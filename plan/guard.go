package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// LossReason is why a read may not be stored, for what it would take away, as a code.
type LossReason string

// The reasons not to store a read.
const (
	LossesFew         LossReason = ""              // there is none: it may be stored
	LossesAtOnce      LossReason = "at_once"       // too many by one reconciliation
	LossesWithin      LossReason = "within_window" // too many together with those stored lately
	LossesEmpty       LossReason = "empty_listing" // a listing of everything shows nothing
	LossesOfAgreement LossReason = "agreement"     // too many that another agreement lacks
)

// LossDecision says whether a read may be stored, with the figures by which that was
// decided.
type LossDecision struct {
	Reason LossReason
	Losses int // that storing it would bring
	Taken  int // LossesWithin: stored within the window already
	Items  int // of the shop

	Within    time.Duration // LossesWithin: the window
	Agreement int64         // LossesOfAgreement: which one
}

// Stored reports whether the read may be stored.
func (d LossDecision) Stored() bool { return d.Reason == LossesFew }

// Detail returns what people are told of a read of the shop that may not be stored.
func (d LossDecision) Detail(shop string) string {
	what := fmt.Sprintf("a reconciliation would take away the stock of %d of %d items", d.Losses, d.Items)
	switch d.Reason {
	case LossesFew:
		return ""
	case LossesAtOnce, LossesEmpty:
	case LossesWithin:
		what = fmt.Sprintf("a reconciliation would take away the stock of %d more items: with the %d lost within %s, of which no webhook told, %d of %d items",
			d.Losses, d.Taken, ShortDuration(d.Within), d.Taken+d.Losses, d.Items)
	case LossesOfAgreement:
		what = fmt.Sprintf("changing over to agreement %d would take away the stock of %d of %d items", d.Agreement, d.Losses, d.Items)
	}
	return fmt.Sprintf("%s: look at `lagerd diff %s`; if it is right, say `lagerd approve %s`", what, shop, shop)
}

// ShortDuration writes a duration without the units that are zero: 1h, not 1h0m0s.
func ShortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// LossRead is what a read would take away.
type LossRead struct {
	Seen     []Observation      // what it shows
	Suspects map[string]Suspect // by number: what no second read has confirmed, by what it shows and by what it does not show
	Lost     []Lost             // what it confirms
	Restored []string           // remembered losses that count no more
	Empty    bool               // it is a listing of everything, and shows nothing
}

// Takes returns what a read would take away: by its plan, and by the missing items that it
// does not show.
func (p *ItemsPlan) Takes(seen []Observation, missing map[string]Suspect) LossRead {
	read := LossRead{Seen: seen, Suspects: p.Suspected, Lost: p.Lost, Restored: p.Restored}
	if len(missing) > 0 {
		read.Suspects = maps.Clone(missing)
		maps.Copy(read.Suspects, p.Suspected)
	}
	return read
}

// LossMoment is what is known of a shop when the guard decides.
type LossMoment struct {
	Now   time.Time // for stock that is not read: since when (Holds.StockStoodFrom)
	Items int       // by the shop's last listing
}

// LossGuard stands before what would take stock away from a shop. What it decides by is
// memory of one shop: losses that no second read has confirmed, those that were stored
// lately, and what a person has approved. It does no I/O: what is to be stored of it is
// returned, and taken over once it is. It is used by one goroutine at a time.
type LossGuard struct {
	policy   *Policy
	suspects map[string]Suspect // by number: losses and zeroes that no second read has confirmed; nil while there are none

	recent map[string]Loss // by number: losses that are stored, also what is over
	// Those of recent that a listing has shown in stock again, which ended a hold, and
	// that the next one is going to store.
	back map[string]struct{}
	// For how long the shop was held, in all. What is stored of a loss's time is less by
	// that, so that one row has all of them stand still.
	held time.Duration

	approved int // losses that a person has approved and that are not stored yet
	until    time.Time
}

// NewLossGuard returns a guard with the policy's limits that remembers the losses that are
// stored, and for how long the shop was held in all. It suspects nothing yet.
func NewLossGuard(policy *Policy, stored []StoredLoss, held time.Duration, now time.Time) LossGuard {
	g := LossGuard{policy: policy, held: held}
	for _, l := range stored {
		// A clock that was ahead may have stored it: it counts from now on then.
		age := max(0, now.Sub(l.At.Add(held)))
		g.remember(l.Number, Loss{At: now.Add(-age), Gone: l.Gone})
	}
	return g
}

// Suspects returns what no second read has confirmed, by number. It must not be changed.
func (g *LossGuard) Suspects() map[string]Suspect { return g.suspects }

// Recent returns the losses that are remembered, by number. It must not be changed.
func (g *LossGuard) Recent() map[string]Loss { return g.recent }

// Judge decides whether a read may be stored. The first line that fits is the reason:
//
//	what it takes away, together with what is suspected                    reason
//	more than the window allows, some of which is stored already           within_window
//	more than the window allows                                            at_once
//	more than one reconciliation may: share, number in any case, approval  at_once
//	more than is approved, by a listing that shows nothing at all          empty_listing
//	anything else                                                          none
//
// What the read confirms is among what is suspected still. A read that takes nothing
// away itself is not judged by the window.
func (g *LossGuard) Judge(at LossMoment, read LossRead) LossDecision {
	for _, o := range read.Seen {
		delete(g.back, o.Item.Number)
	}
	var window LossVerdict
	if len(read.Lost)+len(read.Suspects) > 0 {
		window = g.window(at, read)
	}
	return g.decide(at, window, countLosses(g.suspects, read.Suspects), read.Empty)
}

// Look decides whether what a listing of everything showed, of which nothing has been
// stored, would be too much: as Judge does of one read. What it shows is suspected from
// then on, and of unread, the numbers that it shows and that could not be understood, what
// was: that refutes nothing. Anything else is suspected no more. back are remembered
// losses that it shows in stock again.
func (g *LossGuard) Look(at LossMoment, suspects map[string]Suspect, unread, back map[string]struct{}, empty bool) LossDecision {
	for number := range unread {
		_, shown := suspects[number]
		if s, suspected := g.suspects[number]; suspected && !shown {
			suspects[number] = s
		}
	}
	g.suspects = suspects
	d := g.decide(at, g.lossWindow(at, suspects, back).Judge(), countLosses(suspects), empty)
	if d.Stored() {
		g.back = back
	}
	return d
}

// JudgeAgreement decides whether the items of another agreement may be shown in place of
// those that are: the losses are what it lacks of the items present, and items how many
// it has. An agreement without any is approved by a person, or not at all.
func (g *LossGuard) JudgeAgreement(agreement int64, losses, present, items int) LossDecision {
	limit := max(g.policy.LossMin, present*g.policy.LossPercent/100, g.approved)
	if items == 0 {
		limit = g.approved
	}
	d := LossDecision{Losses: losses, Items: present, Agreement: agreement}
	if losses > limit {
		d.Reason = LossesOfAgreement
	}
	return d
}

func (g *LossGuard) decide(at LossMoment, window LossVerdict, losses int, empty bool) LossDecision {
	items := g.items(at)
	d := LossDecision{Losses: losses, Items: items}
	switch {
	case window.TooMany && window.Taken > 0:
		return LossDecision{Reason: LossesWithin, Losses: window.Coming, Taken: window.Taken, Items: window.Items, Within: g.policy.LossWindow}
	case window.TooMany, losses > max(g.policy.LossMin, items*g.policy.LossPercent/100, g.approved):
		d.Reason = LossesAtOnce
	case empty && losses > g.approved:
		d.Reason = LossesEmpty
	}
	return d
}

// items is how many items the shop has: those listed, and those that the last listing did
// not show and that are not known to be gone.
func (g *LossGuard) items(at LossMoment) int {
	n := at.Items
	for _, s := range g.suspects {
		if s.Unlisted {
			n++
		}
	}
	return n
}

// window judges what a read would take away together with what was stored within the
// window and what is suspected already.
func (g *LossGuard) window(at LossMoment, read LossRead) LossVerdict {
	if len(g.recent)+len(g.suspects)+len(read.Lost)+len(read.Suspects) <= g.policy.LossWindowMin {
		return LossVerdict{} // they are few, and counting them is not
	}
	coming := make(map[string]Suspect, len(g.suspects)+len(read.Suspects))
	maps.Copy(coming, g.suspects)
	for _, o := range read.Seen {
		delete(coming, o.Item.Number)
	}
	maps.Copy(coming, read.Suspects)
	for _, l := range read.Lost {
		coming[l.Number] = Suspect{Loss: true, Unlisted: g.suspects[l.Number].Unlisted}
	}
	back := maps.Clone(g.back)
	for _, number := range read.Restored {
		if back == nil {
			back = map[string]struct{}{}
		}
		back[number] = struct{}{}
	}
	return g.lossWindow(at, coming, back).Judge()
}

func (g *LossGuard) lossWindow(at LossMoment, coming map[string]Suspect, back map[string]struct{}) LossWindow {
	return LossWindow{Now: at.Now, Within: g.policy.LossWindow, Percent: g.policy.LossWindowPercent, Min: g.policy.LossWindowMin,
		Items: at.Items, Approved: g.approved, Recent: g.recent, Coming: coming, Back: back}
}

// countLosses counts the losses among suspects, each number once.
func countLosses(suspects ...map[string]Suspect) int {
	numbers := map[string]struct{}{}
	for _, list := range suspects {
		for number, s := range list {
			if s.Loss {
				numbers[number] = struct{}{}
			}
		}
	}
	return len(numbers)
}

// Suspect takes over what a read showed: of its numbers that is suspected which the read
// says, and nothing else.
func (g *LossGuard) Suspect(read LossRead) {
	for _, o := range read.Seen {
		delete(g.suspects, o.Item.Number)
	}
	if len(g.suspects) == 0 {
		g.suspects = nil // an empty map keeps the room of what was in it
	}
	g.HoldBack(read)
}

// HoldBack takes over what a read that is not stored would have taken away.
func (g *LossGuard) HoldBack(read LossRead) {
	if g.suspects == nil && len(read.Suspects) > 0 {
		g.suspects = make(map[string]Suspect, len(read.Suspects))
	}
	maps.Copy(g.suspects, read.Suspects)
}

// Suspected reports whether something is suspected of the number.
func (g *LossGuard) Suspected(number string) bool {
	_, suspected := g.suspects[number]
	return suspected
}

// Listed takes over a listing of everything that has been stored, which did not show the
// missing items.
func (g *LossGuard) Listed(missing map[string]Suspect) {
	for number := range missing {
		if s, suspected := g.suspects[number]; suspected {
			s.Unlisted = true
			g.suspects[number] = s
		}
	}
	g.back = nil
}

// Approve takes over how many losses a person has approved, and until when that is good.
func (g *LossGuard) Approve(losses int, until time.Time) { g.approved, g.until = losses, until }

// Age forgets an approval that is not good any more: the losses it was given for may have
// gone some other way.
func (g *LossGuard) Age(now time.Time) {
	if g.approved > 0 && !now.Before(g.until) {
		g.approved = 0
	}
}

// Approves reports whether a person has approved as many losses as are suspected.
func (g *LossGuard) Approves() bool { return g.approved > 0 && g.approved >= countLosses(g.suspects) }

// Approved is how many losses a person has approved that are not stored yet.
func (g *LossGuard) Approved() int { return g.approved }

// ApprovalSpent reports whether there is an approval and nothing is left that it could be
// for: neither what is suspected, nor what a listing does not show.
func (g *LossGuard) ApprovalSpent(missing map[string]Suspect) bool {
	return g.approved > 0 && countLosses(g.suspects, missing) == 0
}

// StoredLoss is an item whose stock was taken away lately, unasked, as it is stored.
type StoredLoss struct {
	Number string
	At     time.Time // less for how long the shop had been held in all
	Gone   bool
}

// LossChange is what a transaction changes of what is stored for the guard.
type LossChange struct {
	Lost      []StoredLoss
	Forgotten []string      // numbers, before Lost
	Held      time.Duration // for how long the shop was held in all; 0: unchanged
	Approved  int           // how many of the approved losses the transaction stores
}

// Empty reports whether nothing changes.
func (c LossChange) Empty() bool {
	return len(c.Lost)+len(c.Forgotten)+c.Approved == 0 && c.Held == 0
}

// Remember returns what the transaction that stores a read changes. An item whose loss is
// remembered counts since that; of the others as many are not remembered as are approved.
// With it are forgotten losses that are over, most at most.
func (g *LossGuard) Remember(at LossMoment, read LossRead, most int) LossChange {
	c := LossChange{Forgotten: slices.Clone(read.Restored)}
	if len(read.Lost) == 0 {
		return c
	}
	c.Forgotten = append(c.Forgotten, g.Over(at, most)...)
	window := g.lossWindow(at, nil, nil)
	for _, l := range read.Lost {
		since := at.Now
		known, counted := g.recent[l.Number]
		switch {
		case counted && !window.Over(known):
			since = known.At
		case c.Approved < g.approved:
			c.Approved++
			continue
		}
		c.Lost = append(c.Lost, StoredLoss{Number: l.Number, At: since.Add(-g.held), Gone: l.Gone})
	}
	return c
}

func (g *LossGuard) remember(number string, l Loss) {
	if g.recent == nil {
		g.recent = map[string]Loss{}
	}
	g.recent[number] = l
}

// Over returns the numbers of losses that count no more, in their order, most at most.
func (g *LossGuard) Over(at LossMoment, most int) []string {
	window := g.lossWindow(at, nil, nil)
	return g.remembered(most, window.Over)
}

// All returns the numbers of all losses that are remembered, in their order, most at most.
func (g *LossGuard) All(most int) []string {
	return g.remembered(most, func(Loss) bool { return true })
}

func (g *LossGuard) remembered(most int, which func(Loss) bool) []string {
	var numbers []string
	for number, l := range g.recent {
		if which(l) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers[:min(len(numbers), most)]
}

// StandStill returns what the end of holds changes: losses are no older then than when
// the holds began.
func (g *LossGuard) StandStill(held, left Holds, now time.Time) LossChange {
	stood := left.StockStoodFrom(now).Sub(held.StockStoodFrom(now))
	if len(g.recent) == 0 || stood <= 0 {
		return LossChange{}
	}
	return LossChange{Held: g.held + stood}
}

// Stored takes over what has been stored.
func (g *LossGuard) Stored(c LossChange, now time.Time) {
	for _, number := range c.Forgotten {
		delete(g.recent, number)
	}
	for _, l := range c.Lost {
		g.remember(l.Number, Loss{At: l.At.Add(g.held), Gone: l.Gone})
	}
	g.approved -= c.Approved
	if c.Held == 0 {
		return
	}
	stood := c.Held - g.held
	g.held = c.Held
	for number, l := range g.recent {
		if l.At = l.At.Add(stood); l.At.After(now) {
			l.At = now
		}
		g.recent[number] = l
	}
}
