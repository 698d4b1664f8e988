package budget

import (
	"slices"
	"time"
)

// Caller is one of the shops that share a Budget. Its fields are guarded by that of the Budget.
type Caller struct {
	budget *Budget
	shop   string

	day   string    // of calls and hints
	calls int       // made by the shop
	hints int       // of those, for its hints
	needs time.Time // when its hints last needed a call; zero: not on this day
}

// needFor is how long a shop's hints count as in need of calls after the last one.
const needFor = time.Hour

// Join returns a new Caller for a shop that has made calls on a day (UTC date) already.
func (b *Budget) Join(shop, day string, calls int) *Caller {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	c := &Caller{budget: b, shop: shop, day: day, calls: calls}
	b.callers = append(b.callers, c)
	return c
}

// Leave ends the shop's part in the Budget and returns how many shops still share it.
func (c *Caller) Leave() (left int) {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.callers = slices.DeleteFunc(b.callers, func(o *Caller) bool { return o == c })
	return len(b.callers)
}

// Budget returns the Budget that the shop shares.
func (c *Caller) Budget() *Budget { return c.budget }

// Made returns the current day (UTC date) and how many calls the shop has made on it.
func (c *Caller) Made() (day string, calls int) {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	c.today()
	return c.day, c.calls
}

// Count makes the shop's count of calls on a day at least the given one.
func (c *Caller) Count(day string, calls int) {
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	if c.today(); day == c.day {
		c.calls = max(c.calls, calls)
	}
}

// isHint reports whether calls of the priority are for hints, which have shares.
func isHint(p Priority) bool { return p == PriorityHint || p == PriorityUnknown }

// Spent is Budget.Spent for the shop: also while its hints have used their share and other
// shops need theirs.
func (c *Caller) Spent(p Priority) bool {
	b := c.budget
	if b.Spent(p) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return isHint(p) && b.shareUsed(c, b.now())
}

// Spare is Budget.Spare for the shop: of the calls for unknown numbers its part, if other shops'
// hints need some.
func (c *Caller) Spare(p Priority) int {
	b := c.budget
	spare := b.Spare(p)
	if p != PriorityUnknown {
		return spare
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	shops := 1 + len(b.othersInNeed(c, b.now()))
	return (spare + shops - 1) / shops
}

// today resets the counts when a new day has begun. The budget's mutex is held.
func (c *Caller) today() {
	if c.day != c.budget.today {
		c.day, c.calls, c.hints, c.needs = c.budget.today, 0, 0, time.Time{}
	}
}

// turn returns an error if a call is for a hint and must wait for those of other shops.
func (c *Caller) turn(hint bool) error {
	if c == nil || !hint {
		return nil
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	c.today()
	c.needs = now
	if !b.shareUsed(c, now) {
		return nil
	}
	wait := min(needFor, untilTomorrow(now))
	for _, o := range b.callers {
		if o != c && o.inNeed(now) {
			wait = min(wait, o.needs.Add(needFor).Sub(now))
		}
	}
	return &Error{Kind: KindShare, RetryAfter: wait}
}

// count counts a call that the shop makes.
func (c *Caller) count(hint bool) {
	if c == nil {
		return
	}
	b := c.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	c.today()
	c.calls++
	if hint {
		c.hints++
	}
}

// inNeed reports whether the shop's hints have needed calls lately. The budget's mutex is held.
func (c *Caller) inNeed(now time.Time) bool {
	return c.day == c.budget.today && !c.needs.IsZero() && now.Sub(c.needs) < needFor
}

// shareUsed reports whether a shop's hints have used their share of the day's calls, and others
// need theirs. b.mu is held.
func (b *Budget) shareUsed(c *Caller, now time.Time) bool {
	others := b.othersInNeed(c, now)
	c.today()
	return len(others) > 0 && !fair(b.allowed(PriorityHint, now)-b.calls, c.hints, others)
}

// othersInNeed returns what the hints of each of the other shops in need have used. b.mu is held.
func (b *Budget) othersInNeed(c *Caller, now time.Time) (used []int) {
	for _, o := range b.callers {
		if o != c && o.inNeed(now) {
			used = append(used, o.hints)
		}
	}
	return used
}

// fair reports whether a shop that has used some of a day's calls may use another, given how
// many are left and what each of the other shops in need has used:
//
//	others in need   what it has used                    it may
//	none             any                                 use all that are left
//	some             less than an equal share of what    use another
//	                 all have used and what is left
//	some             as much, or more                    wait
//
// The shop that has used least is always below an equal share: as long as calls are left, one
// of them may use another.
func fair(left, used int, others []int) bool {
	all := left + used
	for _, o := range others {
		all += o
	}
	return left > 0 && used*(1+len(others)) < all
}
