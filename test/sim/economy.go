package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The right data can cost too many calls, so the oracle also follows each lagerd's calls to
// each agreement. They must respect e-conomic's limits and the backoff, and must be counted.

// workKey identifies a lagerd's work on a shop under one lease.
type workKey struct {
	inst  int
	shop  string
	token int64
}

// quiet is a period in which a lagerd makes no calls for a shop.
type quiet struct {
	account     *shop     // that sent a 429; nil: after a failure, and a person may ask all the same
	agreement   int64     // with account: which one lagerd took it for; 0: it did not know yet
	generation  int64     // of the shop's settings
	from, until time.Time // both excluded
	why         string
}

// economy records the calls to e-conomic.
type economy struct {
	calls    map[*shop]int64           // by account, all that were made
	accounts map[string]map[*shop]bool // by shop, those it has had
	answered map[string]time.Time      // by shop, when a person's request was last answered
	minute   map[string]int            // by shop, within the current minute
	counts   time.Time                 // start of the current minute
	quiet    map[workKey][]quiet
	spent    map[string]spent
	failed   map[string]int64 // by shop, the stored number of consecutive failures
	taken    map[string]taken // by shop, what lagerd takes it for

	agreements map[accountKey]*agreement     // and accounts at Rackbeat
	rackbeat   map[askedRackbeat][]time.Time // the latest

	unknown map[*shop]int            // reads of numbers that never are at e-conomic
	pdfs    map[*shop]map[string]int // reads of each PDF
	retries map[*shop]int            // those that were not the first
}

// taken is the agreement that lagerd takes a shop for, and since when.
type taken struct {
	agreement int64
	since     time.Time
}

// spent is the stored count of a shop's calls of a day.
type spent struct {
	day   string
	calls int64
}

// mostInAMinute is how many calls a shop of the simulated size may take in a minute, whatever
// fails: one of 50,000 seeds, with crashes in a flood, took more than 500. A pass that repeats
// endlessly takes a thousand.
const mostInAMinute = 700

func newEconomy() economy {
	return economy{calls: map[*shop]int64{}, accounts: map[string]map[*shop]bool{}, answered: map[string]time.Time{}, minute: map[string]int{}, quiet: map[workKey][]quiet{}, spent: map[string]spent{}, failed: map[string]int64{}, taken: map[string]taken{}, agreements: map[accountKey]*agreement{}, rackbeat: map[askedRackbeat][]time.Time{},
		unknown: map[*shop]int{}, pdfs: map[*shop]map[string]int{}, retries: map[*shop]int{}}
}

// working returns the lease under which an instance works on a shop, according to the database.
func (o *oracle) working(i *instance, shop string) workKey {
	k := workKey{inst: i.id, shop: shop}
	for _, row := range o.sim.db.mustQuery("SELECT token FROM leases WHERE shop = ?", shop) {
		k.token = row[0].(int64)
	}
	return k
}

// calls records a request when it is made.
func (o *oracle) calls(i *instance, x *shop, req *http.Request, at time.Time) {
	if ofRackbeat(req) {
		o.asksRackbeat(i, x, req.URL.RequestURI(), at)
		return
	}
	o.asks(i, x, req.URL.RequestURI(), at)
}

// asks records a request to e-conomic when it is made.
func (o *oracle) asks(i *instance, x *shop, path string, at time.Time) {
	e := &o.economy
	if o.over {
		return
	}
	o.noteAccounts()
	e.calls[x]++
	if x.name == "" { // a shop has moved, and a running pass does not know it yet
		return
	}
	if minute := at.Truncate(time.Minute); !minute.Equal(e.counts) {
		e.counts = minute
		clear(e.minute)
	}
	o.checkAgreement(agreements, i, x, path, at)
	if e.minute[x.name]++; e.minute[x.name] > mostInAMinute {
		o.violate("economy: a call for %[2]s of %[1]s is number %[3]d within a minute", x.name, path, e.minute[x.name])
	}
	if o.sim.profile.short && !o.sim.calm {
		o.checkReserves(x, path, at)
	}
	if len(e.quiet) == 0 {
		return
	}
	k := o.working(i, x.name)
	for _, q := range e.quiet[k] {
		if q.account != nil && q.agreement != 0 && q.agreement != o.known(agreements, x.name) {
			continue // the token turned out to be another agreement's, which is not known to be blocked
		}
		if q.account != nil && q.agreement == 0 && q.generation != o.generation(x.name) {
			continue // whose the token was had not been said when it was replaced
		}
		if is := e.taken[x.name]; q.account != nil && path == "/self" && is.agreement == q.agreement && is.since.After(q.from) && at.Sub(is.since) < pollEvery {
			continue // it does not know yet that the shop has moved back: it asks whose the token is
		}
		if at.After(q.from) && at.Before(q.until) && (q.account == x || q.account == nil && !o.asked(x.name)) {
			o.violate("economy: %s asked for %s of %s %s after %s, expected nothing for %s", i.name, path, x.name, at.Sub(q.from), q.why, q.until.Sub(q.from))
		}
	}
}

// askedLately is for how long a lagerd may work on a shop after a request: if it learns of the
// request during a pass, it runs another and continues with what that leaves.
const askedLately = time.Minute

// asked reports whether a person's request for the shop is open or was until recently: it waits
// for no backoff.
func (o *oracle) asked(shop string) bool {
	if len(o.sim.db.mustQuery("SELECT 1 FROM requests WHERE shop = ? AND done_at IS NULL", shop)) > 0 {
		return true
	}
	answered, ok := o.economy.answered[shop]
	return ok && time.Since(answered) < askedLately
}

// fewCalls is how many calls a day has where they are few, and fewestCalls where several lagerd make
// them.
const fewCalls, fewestCalls = 400, 200

// checkReserves checks that hints leave what is reserved for others, that numbers that are not
// stored have a small allowance only, and that PDFs that do not come have a fifth of the calls. Each
// lagerd that takes the shop anew has up to an hour's worth of the allowance, and of that fifth, at
// once; it knows of all calls that were made, since they were booked. A PDF whose answer could not be
// stored is read again as if for the first time: of these there are two for each interruption, as
// many as are read at once.
func (o *oracle) checkReserves(x *shop, path string, at time.Time) {
	e, rest := &o.economy, at.UTC().Truncate(24*time.Hour).Add(24*time.Hour).Sub(at).Hours()
	daily := float64(o.sim.profile.dailyCalls)
	passed := at.Sub(o.sim.began).Hours() + float64(o.takeovers(x.name)) // in which it was saved up
	item, hinted := strings.CutPrefix(path, "/products/")
	if hinted || strings.HasPrefix(path, "/products?") && strings.Contains(path, "filter=") && !strings.Contains(path, "lastUpdated") {
		o.sim.counts["call for a hint"]++
		ticks, sweeps := min(120, daily/24*0.6)*rest, daily/10*rest/24
		if most := int64(daily*85/100 - ticks - sweeps + 2); e.calls[x] > most {
			o.violate("economy: call %d of the day, for %s of %s, is a hint's, which may use %d", e.calls[x], path, x.name, most)
		}
	}
	if isUnknown(item) {
		if e.unknown[x]++; float64(e.unknown[x]) > daily/10/24*passed+1 {
			o.violate("economy: %d calls for numbers of %s that are not stored, in %s", e.unknown[x], x.name, at.Sub(o.sim.began))
		}
	}
	if strings.HasSuffix(path, "/pdf") {
		if e.pdfs[x] == nil {
			e.pdfs[x] = map[string]int{}
		}
		if e.pdfs[x][path]++; e.pdfs[x][path] > 1 {
			o.sim.counts["PDF read again"]++
			e.retries[x]++
		}
		if float64(e.retries[x]) > daily/5/24*passed+3+float64(2*o.interruptions()) {
			o.violate("economy: PDFs of %s were read again %d times in %s", x.name, e.retries[x], at.Sub(o.sim.began))
		}
	}
}

// interruptions returns how often what had been read may have been lost.
func (o *oracle) interruptions() int {
	n := o.sim.counts
	return n["crash"] + n["crash between calls"] + n["planned stop"] + n["reload"] + n["database down"] + n["database down after a commit"]
}

// takeovers returns how often the shop has been taken by a lagerd.
func (o *oracle) takeovers(shop string) (times int64) {
	for _, row := range o.sim.db.mustQuery("SELECT token FROM leases WHERE shop = ?", shop) {
		times = row[0].(int64)
	}
	return times
}

// rest requires that an instance makes no calls for a shop for the given time from now on. One whose
// shop has been removed meanwhile works under no lease, and knows nothing in the next one.
func (o *oracle) rest(k workKey, account *shop, agreement int64, d time.Duration, why string) {
	if k.token == 0 {
		return
	}
	now := time.Now()
	list := o.economy.quiet[k][:0]
	for _, q := range o.economy.quiet[k] {
		if q.until.After(now) {
			list = append(list, q)
		}
	}
	o.economy.quiet[k] = append(list, quiet{account, agreement, o.generation(k.shop), now, now.Add(d), why})
}

// generation returns the generation of the settings that a shop's lease is for.
func (o *oracle) generation(shop string) (generation int64) {
	for _, row := range o.sim.db.mustQuery("SELECT generation FROM leases WHERE shop = ?", shop) {
		generation = row[0].(int64)
	}
	return generation
}

// known returns the number of the agreement, or account, that lagerd takes a shop for.
func (o *oracle) known(of *accounts, shop string) (agreement int64) {
	for _, row := range o.sim.db.mustQuery("SELECT "+of.ofShop+" FROM progress WHERE shop = ?", shop) {
		agreement = row[0].(int64)
	}
	return agreement
}

// limited records a 429 that an instance received.
func (o *oracle) limited(i *instance, x *shop, req *http.Request, header http.Header) {
	wait := time.Minute // e-conomic's window, if it does not say
	if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil {
		wait = time.Duration(max(seconds, 1)) * time.Second
	}
	if x.name != "" && !o.over {
		of := agreements
		if ofRackbeat(req) {
			of = depots
		}
		o.rest(o.working(i, x.name), x.account(req), o.known(of, x.name), wait, "a 429")
		o.toldToWait(of, i, x, wait)
	}
}

// noteAccounts records which shop each account belongs to.
func (o *oracle) noteAccounts() {
	for _, x := range o.sim.world.shops {
		if x.name == "" || o.economy.accounts[x.name][x] {
			continue
		}
		if o.economy.accounts[x.name] == nil {
			o.economy.accounts[x.name] = map[*shop]bool{}
		}
		o.economy.accounts[x.name][x] = true
	}
}

// made returns the number of calls to all accounts that a shop has had. Of those that it has
// left some may be another shop's: a pass that does not know of the move yet asks there too.
func (o *oracle) made(name string) (calls int64) {
	o.noteAccounts()
	for x := range o.economy.accounts[name] {
		calls += o.economy.calls[x]
	}
	return calls
}

// checkSpent checks that the count of a day's calls only grows and never exceeds the calls
// made, and records which agreements shops are taken for.
func (o *oracle) checkSpent() {
	e := &o.economy
	for _, row := range o.sim.db.mustQuery("SELECT shop, calls_day, calls, agreement_number FROM progress") {
		name, is := row[0].(string), spent{row[1].(string), row[2].(int64)}
		if number := row[3].(int64); number != e.taken[name].agreement {
			e.taken[name] = taken{number, time.Now()}
		}
		was := e.spent[name]
		switch {
		case is == was:
			continue
		case is.day < was.day, is.day == was.day && is.calls < was.calls:
			o.violate("economy: the calls of %s were %d of %s, and are %d of %s", name, was.calls, was.day, is.calls, is.day)
		case is.calls > o.made(name):
			o.violate("economy: %d calls of %s are counted, and %d were made", is.calls, name, o.made(name))
		}
		e.spent[name] = is
	}
	o.checkStockCalls()
}

// checkBackoff requires a lagerd that recorded a failed pass to make no calls for the shop,
// unless a person asks or changes the settings.
func (o *oracle) checkBackoff(i *instance, fenced string) {
	e := &o.economy
	for _, row := range o.sim.db.mustQuery("SELECT shop, failures, failure FROM progress") {
		name, failures := row[0].(string), row[1].(int64)
		// A refusal of a part that is held for another reason is recorded, and the rest continues.
		besideHold := strings.Contains(row[2].(string), "e-conomic denies access")
		// Where parts have tokens of their own, one's failure is recorded and only it waits.
		divided := o.sim.world.named(name).divided()
		if was := e.failed[name]; name == fenced && failures > was && !besideHold && !divided {
			o.rest(o.working(i, name), nil, 0, o.sim.profile.config().Reconcile.RetryMin/2, fmt.Sprint("failure ", failures, " in a row"))
		}
		e.failed[name] = failures
	}
}

// notesMore reports whether this run also records failures of passes after which no backoff is
// due: settings change during them, parts are refused while the rest continues, or the day's
// calls are spent.
func (p profile) notesMore() bool {
	return p.forbids || p.moves || p.sources || p.spends || p.short || p.dailyCalls < 10_000
}
