package sim

import (
	"fmt"
	"slices"
	"time"

	"lagerd/store"
)

// The limits of an agreement, or of an account at Rackbeat, are one, however many shops and lagerd
// share it, and whatever restarts. The oracle counts the calls to it from when its number is
// stored for the shop that makes them.

// accounts are a service's accounts, as they are stored.
type accounts struct {
	service store.Service
	is      string // what an account is
	table   string // of their calls
	number  string // its column
	ofShop  string // that of progress
}

var (
	agreements = &accounts{store.ServiceEconomic, "agreement", "agreement_calls", "agreement_number", "agreement_number"}
	depots     = &accounts{store.ServiceRackbeat, "account", "rackbeat_calls", "account", "stock_account"}
)

// accountKey identifies an account.
type accountKey struct {
	of     *accounts
	number int64
}

// agreement is what the oracle knows of an account.
type agreement struct {
	day    string
	made   int64       // calls on it
	latest []time.Time // of the last minute
	told   []block     // that a lagerd received
	stored block       // the last one in the database
	row    string      // what is stored of it
}

// block is a period in which nobody may call an account.
type block struct {
	from, until time.Time        // both excluded
	holder      string           // the lagerd that was told; "": any
	tokens      map[string]int64 // by shop, at the beginning
}

func (b block) covers(at time.Time) bool { return at.After(b.from) && at.Before(b.until) }

// tokensOf returns the tokens of an account's shops, of one holder or of all ("").
func (o *oracle) tokensOf(k accountKey, holder string) map[string]int64 {
	tokens := map[string]int64{}
	for _, row := range o.sim.db.mustQuery("SELECT l.shop, l.token, l.holder FROM leases l JOIN progress p ON p.shop = l.shop WHERE p."+k.of.ofShop+" = ?", k.number) {
		if holder == "" || row[2] == holder {
			tokens[row[0].(string)] = row[1].(int64)
		}
	}
	return tokens
}

// leaseOf returns a shop's account and the holder of its lease. ok is false if the number is
// not stored yet, or may not be the one that a running pass knows.
func (o *oracle) leaseOf(of *accounts, x *shop) (k accountKey, holder string, ok bool) {
	k.of = of
	for _, row := range o.sim.db.mustQuery("SELECT p."+of.ofShop+", l.holder FROM progress p JOIN leases l ON l.shop = p.shop WHERE p.shop = ?", x.name) {
		k.number, holder = row[0].(int64), row[1].(string)
	}
	return k, holder, k.number != 0 && !o.sim.profile.moves
}

func (o *oracle) agreement(k accountKey) *agreement {
	a := o.economy.agreements[k]
	if a == nil {
		a = &agreement{}
		o.economy.agreements[k] = a
	}
	return a
}

// checkAgreement checks that a call is within the limits of its account. A lagerd that has lost
// the shop's lease without knowing it cannot know what others were told.
func (o *oracle) checkAgreement(of *accounts, i *instance, x *shop, path string, at time.Time) {
	k, holder, ok := o.leaseOf(of, x)
	if !ok || path == "/self" && !i.named(holder) { // it may have loaded the shop before its agreement was known
		return
	}
	a := o.agreement(k)
	if day := at.UTC().Format(time.DateOnly); day != a.day {
		a.day, a.made = day, 0
	}
	a.made++
	if most := o.sim.profile.callsADay(of); a.made > most {
		o.violate("%s: %s asked for %s of %s: call %d of the day, of %d allowed", of.is, i.name, path, x.name, a.made, most)
	}
	for _, row := range o.sim.db.mustQuery("SELECT holder, calls, calls_day FROM "+of.table+" WHERE "+of.number+" = ?", k.number) {
		if row[2] == a.day && row[1].(int64) < a.made {
			o.violate("%s: %s asked for %s of %s: call %d of the day, and %d are booked", of.is, i.name, path, x.name, a.made, row[1])
		}
		if i.named(holder) && row[0] != holder {
			o.violate("%s: %s asked for %s of %s, and %s works on its %[1]s", of.is, holder, path, x.name, row[0])
		}
	}
	if !i.named(holder) {
		return
	}
	if of == depots {
		o.checkMinute(a, i, x, at)
	}
	a.told = slices.DeleteFunc(a.told, func(b block) bool { return !b.until.After(at) })
	held := o.tokensOf(k, holder)
	for _, b := range a.told {
		if b.holder != holder || !b.covers(at) {
			continue
		}
		for name, token := range b.tokens {
			if held[name] == token {
				o.violate("%s: %s asked for %s of %s %s after a 429, expected nothing for %s", of.is, i.name, path, x.name, at.Sub(b.from), b.until.Sub(b.from))
			}
		}
	}
	if b := a.stored; b.covers(at) && !o.sim.profile.skew {
		for name, token := range held {
			if token <= b.tokens[name] {
				return // it has counted the account's calls since before then
			}
		}
		o.violate("%s: %s asked for %s of %s %s after it was stored that %s takes no calls for %s", of.is, i.name, path, x.name, at.Sub(b.from), of.service, b.until.Sub(b.from))
	}
}

// checkMinute checks that within a minute an account at Rackbeat gets no more calls than lagerd
// keeps to, whichever lagerd makes them and however often they are restarted.
func (o *oracle) checkMinute(a *agreement, i *instance, x *shop, at time.Time) {
	// A call that was granted may be made a little later than it was counted.
	a.latest = append(slices.DeleteFunc(a.latest, func(t time.Time) bool { return at.Sub(t) >= time.Minute-time.Second }), at)
	if n, most := len(a.latest), o.sim.profile.perMinute; n > most {
		o.violate("account: call %d to the account of %s at Rackbeat within a minute, by %s, expected at most %d", n, x.name, i.name, most)
	}
}

// callsADay returns how many calls a day an account allows.
func (p profile) callsADay(of *accounts) int64 {
	if of == depots {
		return int64(p.config().Rackbeat.DailyCalls)
	}
	return int64(p.dailyCalls)
}

// toldToWait records that a lagerd was told to make no calls to an account.
func (o *oracle) toldToWait(of *accounts, i *instance, x *shop, wait time.Duration) {
	k, holder, ok := o.leaseOf(of, x)
	if !ok || !i.named(holder) {
		return
	}
	a, now := o.agreement(k), time.Now()
	a.told = append(a.told, block{now, now.Add(wait), holder, o.tokensOf(k, holder)})
	if of == agreements && o.sim.profile.shares {
		o.sim.counts["429 of a shared agreement"]++
	}
}

// noteBlocks records what is stored of a service taking no calls.
func (o *oracle) noteBlocks(of *accounts) {
	now := time.Now()
	for _, row := range o.sim.db.mustQuery("SELECT " + of.number + ", blocked_until, blocked_for_us FROM " + of.table + " WHERE blocked_until IS NOT NULL") {
		k, key := accountKey{of, row[0].(int64)}, fmt.Sprint(row[1], row[2])
		if a := o.agreement(k); a.row != key {
			a.row, a.stored = key, block{now, moment(row[1]), "", o.tokensOf(k, "")}
		}
	}
}
