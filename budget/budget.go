package budget

import (
	"context"
	"math"
	"sync"
	"time"
)

// Priority is what a call is for. It ranks calls when an account's budget runs short.
type Priority int

// The priorities, lowest first.
const (
	PrioritySweep   Priority = iota // a listing of everything
	PriorityPDF                     // what an earlier try at a stored invoice did not get
	PriorityUnknown                 // a hinted number that is not stored: it may not exist
	PriorityInvoice                 // a new invoice
	PriorityHint                    // a hinted number
	PriorityTick                    // what the schedule reads
	PriorityPerson                  // what a person waits for
	priorities
)

// terms are what calls of a priority may use of the budget.
type terms struct {
	// share is the percentage of the day's calls at which they stop at the latest.
	share int

	// afterTicks, afterInvoices and afterSweeps say that they leave what the day's remaining
	// ticks need, a tenth of the day for new invoices, and for sweeps a tenth of what an even
	// day still had.
	afterTicks, afterInvoices, afterSweeps bool

	// fullestOwn is how full lagerd's own token bucket may be, in percent, before they wait, and
	// fullest how full the one that the service reports. Of its own, ticks leave hints some:
	// where lagerd paces itself a tick may be a listing.
	fullestOwn, fullest int

	// pace is the percentage of a day's calls over which they are spread evenly; 0: they are
	// not. strict says that the Budget enforces it. At most saved calls are saved up, and at
	// most an hour's worth; 0: no other limit. Ticks are paced where lagerd limits the calls a
	// minute itself: there a tick may be a listing.
	pace, saved int
	strict      bool
}

// of are the terms by priority. A person may use all calls of the day. Whatever comes of its
// own accord leaves the reserves alone: a flood of hints must stop neither ticks nor new
// invoices.
var of = [priorities]terms{
	PrioritySweep:   {share: 80, afterTicks: true, afterInvoices: true, fullestOwn: 40, fullest: 70, pace: 80},
	PriorityPDF:     {share: 95, afterTicks: true, afterInvoices: true, afterSweeps: true, fullestOwn: 40, fullest: 75, pace: 20, strict: true},
	PriorityUnknown: {share: 95, afterTicks: true, afterInvoices: true, afterSweeps: true, fullestOwn: 60, fullest: 80, pace: 10, saved: 36, strict: true},
	PriorityInvoice: {share: 95, afterTicks: true, fullestOwn: 80, fullest: 85},
	PriorityHint:    {share: 95, afterTicks: true, afterInvoices: true, afterSweeps: true, fullestOwn: 80, fullest: 90},
	PriorityTick:    {share: 95, fullestOwn: 40, fullest: 95, pace: 70},
	PriorityPerson:  {share: 100, fullestOwn: 100, fullest: 100},
}

const (
	// invoicesReserve is the percentage of a day's calls kept for new invoices, and
	// sweepsReserve that of what an even day still has kept for sweeps: what hints get no
	// calls for, a sweep answers.
	invoicesReserve, sweepsReserve = 10, 10

	// leastTicks is how many calls an hour are kept for the ticks of each shop at least: one for
	// items and one for invoices a minute.
	leastTicks = 120

	// mostTicks is the percentage of the rest of an even day that may be kept for ticks. It
	// matters if DailyCalls is too small for a tick a minute.
	mostTicks = 60

	// ticksSpan is the time over which the calls of ticks are measured.
	ticksSpan = 15 * time.Minute
)

const (
	day = 24 * time.Hour

	// burst is how much time's worth of its pace a priority may save up.
	burst = time.Hour

	// atStart is how many calls for unknown numbers are saved up in a new Budget. A restart or a
	// reload of the configuration makes one, and must not be a stranger's way to more calls. PDFs
	// have an hour's worth: after an outage they are what shops wait for.
	atStart = 5

	// defaultWindow is the token bucket's window if the service has not reported one.
	defaultWindow = time.Minute

	// longestBlock caps Retry-After, so that a garbled one does not block an account for
	// good.
	longestBlock = time.Hour

	// shortestBlock is how long a 429 blocks at least.
	shortestBlock = time.Second
)

// leastHints is the percentage of a day's calls that hints may use at least, whatever is kept for
// others.
const leastHints = 95 - invoicesReserve - sweepsReserve - mostTicks

// Few reports whether so few of a day's calls are made that neither hints nor ticks can have used
// up their share: then no Budget has to be asked. 0 daily calls are the default.
func Few(calls, daily int) bool {
	return daily > 0 && calls < daily*leastHints/100-2 // what is kept is rounded up
}

// Options are a Budget's settings. Zero values mean the defaults.
type Options struct {
	// DailyCalls is how many calls lagerd may make in a UTC day. Default 50,000, e-conomic's
	// fair use for an agreement (https://e-conomic.com/developer/fair-use-policy), which it
	// shares with the agreement's other apps.
	DailyCalls int

	// PerMinute is how many calls are granted within any 60 seconds at most, for a service
	// that does not report its limits. They are spread evenly: five seconds' worth may be
	// granted at once, of which listings leave some to hints. A new Budget has none saved up,
	// so that what another process was granted just before counts too. 0: no such limit.
	//
	// If the calls of all minutes do not exceed DailyCalls, the day cannot run short: then
	// nothing is reserved, and only the strict paces are kept.
	PerMinute int

	// Concurrency is how many requests may be in flight at once. Default 2.
	Concurrency int

	// Patience is how long a call may wait for a 429 to pass or a bucket to refill. A call
	// that would wait longer fails at once, so that its caller can do something else
	// meanwhile. With PerMinute a listing may have to wait for five seconds. Default: no limit.
	Patience time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time

	// Ledger stores the calls and blocks of the account of this number. Default: none, and the
	// Budget counts alone. Advance is how many calls are booked at once, and at most lost in a
	// crash. Default: 1 % of DailyCalls, but no more than PerMinute allows in two minutes.
	Ledger  Ledger
	Account int64
	Advance int
}

// Budget tracks what the limits of one account still allow: lagerd's own on calls a day and a
// minute, and those that the service reports with its answers. It counts calls itself, failed
// ones too. It is safe for concurrent use.
type Budget struct {
	o Options

	mu      sync.Mutex
	changed chan struct{} // closed when waiting calls should try again; nil: none waits

	today string // UTC date of calls; never moves back
	calls int
	paced [priorities]pace
	ticks ticking

	used     int // of the bucket, in tokens, at usedAt
	usedAt   time.Time
	limit    int // 0: not reported yet
	window   time.Duration
	minute   *minute       // nil: calls a minute are not limited
	blocked  time.Time     // no call before this
	backoff  time.Duration // how long the last 429 blocked that did not say so; 0: none since an answer
	learned  time.Time     // the stored end of the last block that was learned
	inFlight int
	waiting  [priorities]int // calls waiting for one in flight to end
	large    time.Duration   // see LargeTime; 0: largeTime

	booked   int       // calls of today that may be made before more are booked; below 0: made and not booked
	booking  bool      // more are being booked
	anchored bool      // calls counts those of other processes, too: something has been booked
	callers  []*Caller // the shops that share it
	line     line      // of their calls
}

// pace is what a priority has accrued of its even share of the day.
type pace struct {
	saved float64 // calls
	at    time.Time
}

// ticking measures how many calls ticks make.
type ticking struct {
	from  time.Time // when the current span began
	calls int       // in it
	rate  float64   // an hour, in the last whole span
}

// measure counts calls of ticks, which may be 0.
func (t *ticking) measure(now time.Time, calls int) {
	passed := now.Sub(t.from)
	if passed >= ticksSpan && !t.from.IsZero() {
		t.rate = float64(t.calls) / passed.Hours()
	}
	if t.from.IsZero() || passed >= ticksSpan || passed < 0 {
		t.from, t.calls = now, 0
	}
	t.calls += calls
}

// State is a snapshot of a Budget.
type State struct {
	Day          string // UTC date (YYYY-MM-DD) on which Calls were made
	Calls        int
	BucketUsed   int       // tokens, as last reported less what has been refilled since
	BucketLimit  int       // tokens; 0: not reported yet
	BlockedUntil time.Time // after a 429; zero or past: not blocked
}

// New returns the budget of one account.
func New(o Options) *Budget {
	if o.DailyCalls <= 0 {
		o.DailyCalls = 50_000
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 2
	}
	if o.Advance <= 0 {
		o.Advance = max(o.DailyCalls/100, 1)
		if o.PerMinute > 0 {
			o.Advance = min(o.Advance, 2*o.PerMinute)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Budget{o: o, window: defaultWindow, minute: newMinute(o.PerMinute, o.Now())}
}

// State returns the budget's current state.
func (b *Budget) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	return State{
		Day: b.today, Calls: b.calls,
		BucketUsed: b.bucket(now), BucketLimit: b.limit, BlockedUntil: b.blocked,
	}
}

// Restore adopts the state of an earlier Budget of the account. It ignores calls
// made on another day, and any once the Ledger has said how many were made.
func (b *Budget) Restore(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if s.Day == b.today && !b.anchored {
		b.calls = max(b.calls, s.Calls)
		b.paced = [priorities]pace{}
	}
	if s.BucketLimit > 0 {
		b.used, b.limit, b.usedAt = min(s.BucketUsed, s.BucketLimit), s.BucketLimit, now
	}
	if s.BlockedUntil.After(b.blocked) {
		b.blocked = s.BlockedUntil
		if latest := now.Add(longestBlock); b.blocked.After(latest) {
			b.blocked = latest
		}
	}
	b.wake()
}

// Spare returns how many calls may be made now at the given priority: what is left of its
// share of the day, and not more than it has saved up if it is paced. Keeping to the pace of
// sweeps is up to the caller, since a listing that has begun must end.
func (b *Budget) Spare(p Priority) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	left := max(b.allowed(p, now)-b.calls, 0)
	if !b.paces(p, now) {
		return left
	}
	b.accrue(p, now)
	return min(left, int(b.paced[p].saved))
}

// Pause returns how long until lagerd's own token bucket has room for a call at the given
// priority, 0 if it has some: a caller with something else to do need not wait in Acquire. Where
// the calls of a day would not last for those of all minutes, it spreads ticks over the day: a
// listing goes on page by page, as often as the day's calls allow.
func (b *Budget) Pause(p Priority) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	wait := b.minute.wait(of[p].fullestOwn, now)
	if p != PriorityTick || !b.paces(p, now) || b.calls >= b.allowed(p, now) {
		return wait
	}
	return max(wait, b.paceAllows(p, now))
}

// TicksTake returns how long at least the given number of calls of ticks take at a service with these
// limits, where a tick is a listing; 0 without a limit of calls a minute.
func TicksTake(calls int, o Options) time.Duration {
	m := newMinute(o.PerMinute, time.Time{})
	if m == nil {
		return 0
	}
	each := m.every
	if paced := of[PriorityTick].pace * o.DailyCalls / 100; paced > 0 && o.DailyCalls <= m.within(day) {
		each = max(each, day/time.Duration(paced))
	}
	return time.Duration(calls) * each
}

// paces reports whether a priority's calls are spread over the day. b.mu is held.
func (b *Budget) paces(p Priority, now time.Time) bool {
	t := of[p]
	if p == PriorityTick {
		// Until midnight the minutes may not grant more than its share of the day.
		return b.minute != nil && b.o.DailyCalls*t.share/100-b.calls <= b.minute.within(untilTomorrow(now))
	}
	return t.pace > 0 && (t.strict || !b.ample(now))
}

// Spent reports whether the priority's share of today's calls is used up. Spare is then 0 for
// long, mostly until the next day; otherwise it is 0 only for a while.
func (b *Budget) Spent(p Priority) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls >= b.allowed(p, b.now())
}

// allowed returns the number of calls in a day at which the priority must stop. b.mu is held.
//
//	sweep                80 %, and not what the rest of the day's ticks need, nor a tenth for new invoices
//	PDF, unknown, hint   95 %, likewise, nor a tenth of an even day's rest for sweeps
//	tick                 95 %
//	invoice              95 %, and not what the rest of the day's ticks need
//	person               100 %
//
// While calls are ample it is all of them for all.
func (b *Budget) allowed(p Priority, now time.Time) int {
	t, most := of[p], 95
	if b.ample(now) {
		return b.o.DailyCalls
	}
	if !t.afterTicks {
		return b.o.DailyCalls * t.share / 100
	}
	if t.afterInvoices {
		most -= invoicesReserve
	}
	kept := b.ticksNeed(now)
	if t.afterSweeps {
		kept += int(float64(b.o.DailyCalls) * sweepsReserve / 100 * untilTomorrow(now).Hours() / day.Hours())
	}
	return max(min(b.o.DailyCalls*t.share/100, b.o.DailyCalls*most/100-kept), 0)
}

// ticksNeed returns how many calls the rest of the day's ticks need, as measured. b.mu is held.
func (b *Budget) ticksNeed(now time.Time) int {
	b.ticks.measure(now, 0)
	even := float64(b.o.DailyCalls) / day.Hours()
	least := float64(leastTicks * max(len(b.callers), 1))
	return int(math.Ceil(min(max(b.ticks.rate, least), even*mostTicks/100) * untilTomorrow(now).Hours()))
}

// ample reports whether the rest of the day's calls are more than lagerd's own bucket can grant
// until midnight: then it alone paces them. b.mu is held.
func (b *Budget) ample(now time.Time) bool {
	return b.minute != nil && b.o.DailyCalls-b.calls > b.minute.within(untilTomorrow(now))
}

func untilTomorrow(now time.Time) time.Duration { return now.Truncate(day).Add(day).Sub(now) }

// accrue adds what the priority has saved up since the last call of accrue, and returns its
// pace in calls per hour: even from midnight to midnight, so that a quiet day does not end in a
// rush, or slower if many calls are spent. b.mu is held.
func (b *Budget) accrue(p Priority, now time.Time) (even float64) {
	t := of[p]
	even = float64(b.o.DailyCalls*t.pace/100) / day.Hours()
	if rest := untilTomorrow(now); rest > burst {
		even = min(even, float64(max(b.allowed(p, now)-b.calls, 0))/rest.Hours())
	}
	most := max(even*burst.Hours(), 1)
	if t.saved > 0 {
		most = min(most, float64(t.saved))
	}
	saved := &b.paced[p]
	if saved.at.IsZero() {
		saved.saved = most
		if t.strict && t.saved > 0 {
			saved.saved = min(most, atStart)
		}
	} else if passed := now.Sub(saved.at); passed > 0 {
		saved.saved += even * passed.Hours()
	}
	saved.saved = min(saved.saved, most)
	saved.at = now
	return even
}

// early returns how long until the priority's share of the day and its strict pace allow a call.
// b.mu is held.
func (b *Budget) early(p Priority, now time.Time) time.Duration {
	if b.calls >= b.allowed(p, now) {
		return untilTomorrow(now)
	}
	if !of[p].strict {
		return 0
	}
	return b.paceAllows(p, now)
}

// paceAllows returns how long until a priority's pace allows a call. b.mu is held.
func (b *Budget) paceAllows(p Priority, now time.Time) time.Duration {
	even := b.accrue(p, now)
	lacks := 1 - b.paced[p].saved
	if lacks <= 0 {
		return 0
	}
	if even == 0 {
		return untilTomorrow(now)
	}
	return min(time.Duration(lacks/even*float64(time.Hour))+time.Millisecond, untilTomorrow(now))
}

// now returns the time and resets the count when a new day has begun. b.mu is held.
// Whatever is measured from it (blocks, the bucket, the pace) must keep the monotonic
// reading: if the wall clock were set back, a block would last that much longer.
func (b *Budget) now() time.Time {
	now := b.o.Now()
	switch today := now.UTC().Format(time.DateOnly); {
	case today == b.today:
	case today > b.today, b.today > now.UTC().AddDate(0, 0, 1).Format(time.DateOnly): // a clock was wrong by days
		b.today, b.calls, b.booked = today, 0, 0
	}
	return now
}

// bucket returns an estimate of the tokens in use of the bucket that the service reports. How
// e-conomic refills its own is not documented; this assumes an even rate over the window.
func (b *Budget) bucket(now time.Time) int {
	back := now.Sub(b.usedAt).Seconds() / b.window.Seconds() * float64(b.limit)
	return max(b.used-int(max(min(back, float64(b.used)), 0)), 0)
}

// wake makes every waiting call try again. b.mu is held.
func (b *Budget) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// change returns what is closed when a call that waits should try again. b.mu is held.
func (b *Budget) change() <-chan struct{} {
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

// Acquire waits until a call at the given priority may be made, and counts it. If it returns nil,
// the caller must make the request at once, and call Release when it has ended. by is the shop
// that makes it, nil if that is not known. The error is an *Error.
func (b *Budget) Acquire(ctx context.Context, p Priority, by *Caller) error {
	p = min(max(p, PrioritySweep), PriorityPerson)
	var v verdict
	for {
		var err error
		if v, err = b.tryInTurn(ctx, p, by, v.queued); err != nil || v.granted {
			return err
		}
		if v.unbooked {
			if err := b.book(ctx); err != nil {
				return err
			}
			continue
		}
		var elapsed <-chan time.Time // nil: only a change helps
		if v.wait > 0 {
			elapsed = time.After(v.wait)
		}
		select {
		case <-elapsed:
		case <-v.changed:
		case <-ctx.Done():
		}
	}
}

// Call makes a call when Acquire grants it, and releases it with what its answer said, which send
// returns: with Lost if send panics. It returns how long the answer blocks the account, which it
// also stores, or Acquire's error.
func (b *Budget) Call(ctx context.Context, p Priority, by *Caller, send func() Answer) (blocked time.Duration, err error) {
	if err := b.Acquire(ctx, p, by); err != nil {
		return 0, err
	}
	said := Answer{Lost: true}
	func() {
		defer func() { blocked = b.Release(said) }()
		said = send()
	}()
	b.StoreBlock(ctx, blocked)
	return blocked, nil
}

// verdict says whether a call may be made now and, if not, what it waits for.
type verdict struct {
	granted  bool
	unbooked bool            // waits for calls to be booked
	queued   bool            // waits for a call in flight to end
	wait     time.Duration   // 0: until changed is closed
	changed  <-chan struct{} // closed when it should try again
}

// try acquires the call if it may be made now. queued reports whether the call was
// queued before.
func (b *Budget) try(ctx context.Context, p Priority, queued bool) (v verdict, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if queued {
		b.waiting[p]--
	}
	v, err = b.judge(ctx, p)
	switch {
	case v.queued:
		b.waiting[p]++
	case queued:
		b.wake() // calls that this one outranked may proceed
	}
	if err == nil && !v.granted && !v.unbooked {
		v.changed = b.change()
	}
	return v, err
}

// judge is try without the queue. b.mu is held.
func (b *Budget) judge(ctx context.Context, p Priority) (verdict, error) {
	now := b.now()
	if err := ctx.Err(); err != nil {
		return verdict{}, &Error{Kind: KindInterrupted, Err: err}
	}
	if wait := b.early(p, now); wait > 0 {
		return verdict{}, &Error{Kind: KindSpent, RetryAfter: wait}
	}
	if b.o.Ledger != nil && b.booked <= 0 {
		return verdict{unbooked: true}, nil
	}
	if wait := b.blocked.Sub(now); wait > 0 {
		deadline, ok := ctx.Deadline()
		if inVain := ok && time.Until(deadline) < wait; inVain || b.tooLong(wait) {
			return verdict{}, &Error{Kind: KindLimited, RetryAfter: wait}
		}
		return verdict{wait: wait}, nil
	}
	if wait := b.refill(p, now); wait > 0 {
		if b.tooLong(wait) {
			return verdict{}, &Error{Kind: KindSpent, Message: "the token bucket is nearly empty", RetryAfter: wait}
		}
		return verdict{wait: wait}, nil
	}
	if b.inFlight >= b.o.Concurrency || b.outranked(p) {
		return verdict{queued: true}, nil
	}
	b.minute.take(now)
	b.inFlight++
	b.calls++
	b.booked--
	if of[p].pace > 0 {
		b.accrue(p, now)
		b.paced[p].saved = max(b.paced[p].saved-1, 0)
	}
	if p == PriorityTick {
		b.ticks.measure(now, 1)
	}
	return verdict{granted: true}, nil
}

func (b *Budget) tooLong(wait time.Duration) bool {
	return b.o.Patience > 0 && wait > b.o.Patience
}

// refill returns how long until the buckets have room for the priority.
func (b *Budget) refill(p Priority, now time.Time) time.Duration {
	own := b.minute.wait(of[p].fullestOwn, now)
	if p == PriorityPerson || b.limit == 0 {
		return own
	}
	over := b.bucket(now) - b.limit*of[p].fullest/100
	if over <= 0 {
		return own
	}
	// Slightly more than computed; at most the window, which refills it completely.
	return max(own, min(time.Duration(float64(b.window)*float64(over)/float64(b.limit))+10*time.Millisecond, b.window))
}

// outranked reports whether a call of a higher priority is queued.
func (b *Budget) outranked(p Priority) bool {
	for higher := p + 1; higher < priorities; higher++ {
		if b.waiting[higher] > 0 {
			return true
		}
	}
	return false
}

// Release ends a call that Acquire granted, and learns what its answer said. It returns how long
// a 429 blocks the account, 0 if there was none; the caller passes that to StoreBlock.
func (b *Budget) Release(a Answer) (blocked time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.inFlight--
	if r := a.Bucket; r.Limit > 0 && r.Window > 0 {
		b.used, b.limit, b.window, b.usedAt = min(r.Used, r.Limit), r.Limit, r.Window, now
	}
	switch {
	case a.Limited:
		if blocked = a.RetryAfter; blocked <= 0 {
			blocked = b.backOff(now)
		}
		blocked = min(max(blocked, shortestBlock), longestBlock)
		if until := now.Add(blocked); until.After(b.blocked) {
			b.blocked = until
		}
	case !a.Lost && !now.Before(b.blocked):
		b.backoff = 0
	}
	b.wake()
	return blocked
}

// backOff returns how long a 429 blocks the account that does not say so: for the bucket's
// window. Where lagerd paces itself the window is not known, so it is twice as long each time,
// until there is another answer; there a call that was made before the block changes nothing.
// b.mu is held.
func (b *Budget) backOff(now time.Time) time.Duration {
	if b.minute == nil {
		return b.window
	}
	if left := b.blocked.Sub(now); left > 0 {
		return left
	}
	b.backoff = min(max(2*b.backoff, b.window), longestBlock)
	return b.backoff
}
