package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// What is stored can be right and have cost too much: the oracle follows each lagerd's
// calls to each agreement too. They must respect what e-conomic and the backoff say, and
// what they come to must be counted.

// workKey is a lagerd's work on a shop under one lease.
type workKey struct {
	inst  int
	shop  string
	token int64
}

// quiet is a time within which a lagerd asks nothing for a shop.
type quiet struct {
	from, until time.Time // both excluded
	why         string
}

// economy is what has been asked of e-conomic.
type economy struct {
	calls    map[string]int64     // by shop, all that were made
	last     map[*shop]string     // the shop that an account was of last
	answered map[string]time.Time // by shop, when a person's request was answered last
	minute   map[string]int       // by shop, in the minute that is counted
	counts   time.Time            // that minute
	quiet    map[workKey][]quiet
	spent    map[string]spent
	failed   map[string]int64 // by shop, the failures in a row that are stored
}

// spent is what is stored of a shop's calls of a day.
type spent struct {
	day   string
	calls int64
}

// mostInAMinute is how many calls a shop of the simulated size may take in a minute,
// whatever goes wrong in it: three times the most that 300 seeds took. A pass that is made
// again and again takes twice as many.
const mostInAMinute = 500

func newEconomy() economy {
	return economy{calls: map[string]int64{}, last: map[*shop]string{}, answered: map[string]time.Time{}, minute: map[string]int{}, quiet: map[workKey][]quiet{}, spent: map[string]spent{}, failed: map[string]int64{}}
}

// working returns under which lease an instance works on a shop, as the database has it.
func (o *oracle) working(i *instance, shop string) workKey {
	k := workKey{inst: i.id, shop: shop}
	for _, row := range o.sim.db.mustQuery("SELECT token FROM leases WHERE shop = ?", shop) {
		k.token = row[0].(int64)
	}
	return k
}

// asks takes note of a request in the moment in which it is made.
func (o *oracle) asks(i *instance, x *shop, path string, at time.Time) {
	e := &o.economy
	if o.over {
		return
	}
	if x.name == "" { // a shop has moved, and a pass under way does not know it yet
		e.calls[e.last[x]]++
		return
	}
	e.last[x] = x.name
	e.calls[x.name]++
	if minute := at.Truncate(time.Minute); !minute.Equal(e.counts) {
		e.counts = minute
		clear(e.minute)
	}
	if e.minute[x.name]++; e.minute[x.name] > mostInAMinute {
		o.violate("economy: %s has been asked for %s, and %d times within a minute", x.name, path, e.minute[x.name])
	}
	if len(e.quiet) == 0 {
		return
	}
	k := o.working(i, x.name)
	for _, q := range e.quiet[k] {
		if at.After(q.from) && at.Before(q.until) && (q.why == limited || !o.asked(x.name)) {
			o.violate("economy: %s asked for %s of %s %s after %s, expected nothing for %s", i.name, path, x.name, at.Sub(q.from), q.why, q.until.Sub(q.from))
		}
	}
}

// askedLately is for how long a request has a lagerd work on a shop: one that learnt of it
// during a pass makes another, and goes on with what that leaves.
const askedLately = time.Minute

// asked reports whether a person's request for the shop is or was open just now: it waits
// for no backoff.
func (o *oracle) asked(shop string) bool {
	if len(o.sim.db.mustQuery("SELECT 1 FROM requests WHERE shop = ? AND done_at IS NULL", shop)) > 0 {
		return true
	}
	answered, ok := o.economy.answered[shop]
	return ok && time.Since(answered) < askedLately
}

// rest has an instance ask nothing for a shop for so long from now on.
func (o *oracle) rest(k workKey, d time.Duration, why string) {
	now := time.Now()
	list := o.economy.quiet[k][:0]
	for _, q := range o.economy.quiet[k] {
		if q.until.After(now) {
			list = append(list, q)
		}
	}
	o.economy.quiet[k] = append(list, quiet{now, now.Add(d), why})
}

// limited is why a lagerd asks nothing after a 429.
const limited = "a 429"

// limited takes note of a 429 that an instance has got.
func (o *oracle) limited(i *instance, x *shop, header http.Header) {
	wait := time.Minute // e-conomic's window, where it does not say
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil {
		wait = time.Duration(max(seconds, 1)) * time.Second
	}
	if x.name != "" && !o.over {
		o.rest(o.working(i, x.name), wait, limited)
	}
}

// checkSpent: the calls of a day only grow, and are not more than were made.
func (o *oracle) checkSpent() {
	e := &o.economy
	for _, row := range o.sim.db.mustQuery("SELECT shop, calls_day, calls FROM progress") {
		name, is := row[0].(string), spent{row[1].(string), row[2].(int64)}
		was := e.spent[name]
		switch {
		case is == was:
			continue
		case is.day < was.day, is.day == was.day && is.calls < was.calls:
			o.violate("economy: the calls of %s were %d of %s, and are %d of %s", name, was.calls, was.day, is.calls, is.day)
		case is.calls > e.calls[name]:
			o.violate("economy: %d calls of %s are counted, and %d were made", is.calls, name, e.calls[name])
		}
		e.spent[name] = is
	}
}

// checkBackoff has a lagerd leave a shop alone when it has noted that a pass failed,
// unless a person asks or changes the settings.
func (o *oracle) checkBackoff(i *instance, fenced string) {
	e := &o.economy
	for _, row := range o.sim.db.mustQuery("SELECT shop, failures FROM progress") {
		name, failures := row[0].(string), row[1].(int64)
		if was := e.failed[name]; name == fenced && failures > was {
			o.rest(o.working(i, name), o.sim.profile.config().Reconcile.RetryMin/2, fmt.Sprint("failure ", failures, " in a row"))
		}
		e.failed[name] = failures
	}
}

// notesMore reports whether in this run failures are noted also of passes after which no
// backoff is due: settings change under them, parts are refused and the rest goes on, or the
// day's calls are spent.
func (p profile) notesMore() bool { return p.forbids || p.moves || p.dailyCalls < 10_000 }
