package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// LossReason is a code for why a read may not be stored because of its losses.
type LossReason string

// The reasons for not storing a read.
const (
	LossesFew         LossReason = ""              // none: it may be stored
	LossesAtOnce      LossReason = "at_once"       // too many in one reconciliation
	LossesWithin      LossReason = "within_window" // too many together with those stored recently
	LossesEmpty       LossReason = "empty_listing" // a listing of everything shows nothing
	LossesOfAgreement LossReason = "agreement"     // another agreement lacks too many
)

// LossDecision says whether a read may be stored, with the figures behind the decision.
type LossDecision struct {
	Reason LossReason
	Losses int // that storing the read would cause
	Taken  int // LossesWithin: already stored within the window
	Items  int // of the shop

	Within time.Duration // LossesWithin: the window
	To     string        // LossesOfAgreement: which one
}

// Stored reports whether the read may be stored.
func (d LossDecision) Stored() bool { return d.Reason == LossesFew }

// Detail describes a read of the shop that may not be stored, for people.
func (d LossDecision) Detail(shop string) string {
	what := fmt.Sprintf("a reconciliation would take away the stock of %d of %d items", d.Losses, d.Items)
	switch d.Reason {
	case LossesFew:
		return ""
	case LossesAtOnce, LossesEmpty:
	case LossesWithin:
		what = fmt.Sprintf("a reconciliation would take away the stock of %d more items: with the %d lost within %s without a webhook, %d of %d items",
			d.Losses, d.Taken, ShortDuration(d.Within), d.Taken+d.Losses, d.Items)
	case LossesOfAgreement:
		what = fmt.Sprintf("changing over to %s would take away the stock of %d of %d items", d.To, d.Losses, d.Items)
	}
	return fmt.Sprintf("%s: check `lagerd diff %s`; if that is right, run `lagerd approve %s`", what, shop, shop)
}

// ShortDuration formats a duration without zero units: 1h, not 1h0m0s.
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
	Seen     []Observation      // observations
	Suspects map[string]Suspect // by number: not confirmed by a second read, shown or missing
	Lost     []Lost             // confirmed losses
	Restored []string           // remembered losses that no longer count
	Empty    bool               // it is a full listing that shows nothing
}

// Takes returns what a read would take away: by its plan, and because of the missing items.
func (p *ItemsPlan) Takes(seen []Observation, missing map[string]Suspect) LossRead {
	read := LossRead{Seen: seen, Suspects: p.Suspected, Lost: p.Lost, Restored: p.Restored}
	if len(missing) > 0 {
		read.Suspects = maps.Clone(missing)
		maps.Copy(read.Suspects, p.Suspected)
	}
	return read
}

// LossState is the state of a shop when the guard decides.
type LossState struct {
	Now   time.Time // if stock is not being read: since when (Holds.StockStoodFrom)
	Items int       // by the shop's last listing
}

// LossGuard guards a shop's stock against losses. It remembers losses that no second read has
// confirmed, recently stored losses, and what a person has approved. It does no I/O: it returns
// what to store, and Stored applies it afterwards. It is used by one goroutine at a time.
type LossGuard struct {
	policy   *Policy
	suspects map[string]Suspect // by number: losses and zeroes not confirmed by a second read; nil if there are none

	recent map[string]Loss // by number: stored losses, including expired ones
	// Losses in recent that a listing showed in stock again, which ended a hold; the next
	// listing will store that.
	back map[string]struct{}
	// Total time for which the shop was held. Stored times of losses are reduced by it, so that
	// changing one row stops all of them from aging.
	held time.Duration

	approved int // losses approved by a person and not stored yet
	until    time.Time
}

// NewLossGuard returns a guard with the policy's limits and the stored losses; held is the
// total time for which the shop was held. It has no suspects yet.
func NewLossGuard(policy *Policy, stored []StoredLoss, held time.Duration, now time.Time) LossGuard {
	g := LossGuard{policy: policy, held: held}
	for _, l := range stored {
		// A clock that was ahead may have stored it: it then counts from now on.
		age := max(0, now.Sub(l.At.Add(held)))
		g.remember(l.Number, Loss{At: now.Add(-age), Gone: l.Gone})
	}
	return g
}

// Suspects returns the suspects by number. The map must not be modified.
func (g *LossGuard) Suspects() map[string]Suspect { return g.suspects }

// Recent returns the remembered losses by number. The map must not be modified.
func (g *LossGuard) Recent() map[string]Loss { return g.recent }

// Judge decides whether a read may be stored. The first matching line is the reason:
//
//	what it takes away, together with the suspects                         reason
//	more than the window allows, some of which is stored already           within_window
//	more than the window allows                                            at_once
//	more than one reconciliation may: share, number in any case, approval  at_once
//	more than is approved, by a full listing that shows nothing            empty_listing
//	anything else                                                          none
//
// What the read confirms is still among the suspects. A read that takes nothing away
// itself is not judged by the window.
func (g *LossGuard) Judge(at LossState, read LossRead) LossDecision {
	for _, o := range read.Seen {
		delete(g.back, o.Item.Number)
	}
	var window LossVerdict
	if len(read.Lost)+len(read.Suspects) > 0 {
		window = g.window(at, read)
	}
	return g.decide(at, window, countLosses(g.suspects, read.Suspects), read.Empty)
}

// Look decides, like Judge for one read, whether a dry run's listing would take too much away.
// Its losses become the suspects; previous suspects are dropped, except those in unread, which
// the listing shows but could not be understood: that refutes nothing. back are remembered
// losses that it shows in stock again.
func (g *LossGuard) Look(at LossState, suspects map[string]Suspect, unread, back map[string]struct{}, empty bool) LossDecision {
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

// JudgeAgreement decides whether the items of another agreement may replace the current ones:
// losses is how many of the present items it lacks, and items how many it has. An agreement
// without items needs approval. to names it: "agreement 7", or the account of another source.
func (g *LossGuard) JudgeAgreement(to string, losses, present, items int) LossDecision {
	limit := max(g.policy.LossLimit(present), g.approved)
	if items == 0 {
		limit = g.approved
	}
	d := LossDecision{Losses: losses, Items: present, To: to}
	if losses > limit {
		d.Reason = LossesOfAgreement
	}
	return d
}

func (g *LossGuard) decide(at LossState, window LossVerdict, losses int, empty bool) LossDecision {
	items := g.items(at)
	d := LossDecision{Losses: losses, Items: items}
	switch {
	case window.TooMany && window.Taken > 0:
		return LossDecision{Reason: LossesWithin, Losses: window.Coming, Taken: window.Taken, Items: window.Items, Within: g.policy.LossWindow}
	case window.TooMany, losses > max(g.policy.LossLimit(items), g.approved):
		d.Reason = LossesAtOnce
	case empty && losses > g.approved:
		d.Reason = LossesEmpty
	}
	return d
}

// items returns how many items the shop has: those listed, and those that the last listing did
// not show but that are not known to be gone.
func (g *LossGuard) items(at LossState) int {
	n := at.Items
	for _, s := range g.suspects {
		if s.Unlisted {
			n++
		}
	}
	return n
}

// window judges what a read would take away together with the losses stored within the window
// and the suspects.
func (g *LossGuard) window(at LossState, read LossRead) LossVerdict {
	if len(g.recent)+len(g.suspects)+len(read.Lost)+len(read.Suspects) <= g.policy.LossWindowMin {
		return LossVerdict{} // too few to matter, and counting is expensive
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

func (g *LossGuard) lossWindow(at LossState, coming map[string]Suspect, back map[string]struct{}) LossWindow {
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

// Suspect updates the suspects of the numbers that a stored read showed.
func (g *LossGuard) Suspect(read LossRead) {
	for _, o := range read.Seen {
		delete(g.suspects, o.Item.Number)
	}
	if len(g.suspects) == 0 {
		g.suspects = nil // an empty map keeps its memory
	}
	g.HoldBack(read)
}

// HoldBack adds the suspects of a read that is not stored.
func (g *LossGuard) HoldBack(read LossRead) {
	if g.suspects == nil && len(read.Suspects) > 0 {
		g.suspects = make(map[string]Suspect, len(read.Suspects))
	}
	maps.Copy(g.suspects, read.Suspects)
}

// Suspected reports whether the number has a suspect.
func (g *LossGuard) Suspected(number string) bool {
	_, suspected := g.suspects[number]
	return suspected
}

// Listed applies a stored full listing that did not show the missing items.
func (g *LossGuard) Listed(missing map[string]Suspect) {
	for number := range missing {
		if s, suspected := g.suspects[number]; suspected {
			s.Unlisted = true
			g.suspects[number] = s
		}
	}
	for number, l := range g.recent {
		if l.Counted {
			l.Counted = false
			g.recent[number] = l
		}
	}
	g.back = nil
}

// Approve sets how many losses a person has approved, and until when.
func (g *LossGuard) Approve(losses int, until time.Time) { g.approved, g.until = losses, until }

// ExpireApproval drops an expired approval: the losses it was given for may have disappeared some other
// way.
func (g *LossGuard) ExpireApproval(now time.Time) {
	if g.approved > 0 && !now.Before(g.until) {
		g.approved = 0
	}
}

// Approves reports whether a person has approved at least as many losses as are suspected.
func (g *LossGuard) Approves() bool { return g.approved > 0 && g.approved >= countLosses(g.suspects) }

// Approved returns how many approved losses are not stored yet.
func (g *LossGuard) Approved() int { return g.approved }

// ApprovalSpent reports whether there is an approval and nothing left to use it for: neither
// suspects nor missing items with losses.
func (g *LossGuard) ApprovalSpent(missing map[string]Suspect) bool {
	return g.approved > 0 && countLosses(g.suspects, missing) == 0
}

// StoredLoss is a recent loss without approval, as stored.
type StoredLoss struct {
	Number string
	At     time.Time // minus the total time for which the shop had been held
	Gone   bool

	// The shop's last listing counts the item. It is not stored: the next listing, and a restart, take
	// it for one that listings do not count.
	Counted bool
}

// LossChange is how a transaction changes what is stored for the guard.
type LossChange struct {
	Lost      []StoredLoss
	Forgotten []string      // numbers, deleted before Lost is stored
	Held      time.Duration // total time for which the shop was held; 0: unchanged
	Approved  int           // how many of the approved losses the transaction stores
}

// Empty reports whether nothing changes.
func (c LossChange) Empty() bool {
	return len(c.Lost)+len(c.Forgotten)+c.Approved == 0 && c.Held == 0
}

// Remember returns what changes with the transaction that stores a read. A loss remembered
// already keeps its time; of the others, the approved number is not remembered. It also forgets
// expired losses, at most `most`.
func (g *LossGuard) Remember(at LossState, read LossRead, most int) LossChange {
	c := LossChange{Forgotten: slices.Clone(read.Restored)}
	if len(read.Lost) == 0 {
		return c
	}
	c.Forgotten = append(c.Forgotten, g.Over(at, most)...)
	window := g.lossWindow(at, nil, nil)
	for _, l := range read.Lost {
		since := at.Now
		known, remembered := g.recent[l.Number]
		switch {
		case remembered && !window.Over(known):
			since = known.At
		case c.Approved < g.approved:
			c.Approved++
			continue
		}
		counted := l.Gone && !g.suspects[l.Number].Unlisted
		if remembered && known.Gone {
			counted = known.Counted
		}
		c.Lost = append(c.Lost, StoredLoss{Number: l.Number, At: since.Add(-g.held), Gone: l.Gone, Counted: counted})
	}
	return c
}

func (g *LossGuard) remember(number string, l Loss) {
	if g.recent == nil {
		g.recent = map[string]Loss{}
	}
	g.recent[number] = l
}

// Over returns the numbers of expired losses, sorted, at most `most`.
func (g *LossGuard) Over(at LossState, most int) []string {
	window := g.lossWindow(at, nil, nil)
	return g.remembered(most, window.Over)
}

// All returns the numbers of all remembered losses, sorted, at most `most`.
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

// StandStill returns what changes when holds end: losses are then no older than when the holds
// began.
func (g *LossGuard) StandStill(held, left Holds, now time.Time) LossChange {
	stood := left.StockStoodFrom(now).Sub(held.StockStoodFrom(now))
	if len(g.recent) == 0 || stood <= 0 {
		return LossChange{}
	}
	return LossChange{Held: g.held + stood}
}

// Stored applies what has been stored.
func (g *LossGuard) Stored(c LossChange, now time.Time) {
	for _, number := range c.Forgotten {
		delete(g.recent, number)
	}
	for _, l := range c.Lost {
		g.remember(l.Number, Loss{At: l.At.Add(g.held), Gone: l.Gone, Counted: l.Counted})
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
