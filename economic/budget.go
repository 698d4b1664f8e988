package economic

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Priority ranks calls when an agreement's budget runs short.
type Priority int

// The priorities, lowest first.
const (
	PrioritySweep Priority = iota
	PriorityTick
	PriorityInvoice
	PriorityHint
	priorities
)

// share is the percentage of the day's calls that a priority may use. The rest is
// the reserve of those above it.
var share = [priorities]int{PrioritySweep: 80, PriorityTick: 95, PriorityInvoice: 100, PriorityHint: 100}

// fullest is how full the token bucket may be, in percent, before a priority
// waits. Hints wait only for a 429.
var fullest = [priorities]int{PrioritySweep: 70, PriorityTick: 85, PriorityInvoice: 95, PriorityHint: 100}

const (
	day = 24 * time.Hour

	// burst is how much time's worth of its pace a priority may save up.
	burst = time.Hour

	// defaultWindow is the token bucket's window, as seen on live agreements.
	defaultWindow = time.Minute

	// longestBlock caps Retry-After, so that a garbled one does not block an
	// agreement for good.
	longestBlock = time.Hour
)

// BudgetOptions are a Budget's settings. Zero values mean the defaults.
type BudgetOptions struct {
	// DailyCalls is how many calls lagerd may make in a UTC day. Default
	// 50,000, e-conomic's fair use for an agreement
	// (https://e-conomic.com/developer/fair-use-policy), which it shares with
	// the agreement's other apps.
	DailyCalls int

	// Concurrency is how many requests may be in flight at once. Default 2.
	Concurrency int

	// Patience is how long a call may wait for a 429 to pass or the bucket to
	// refill. A call that would wait longer fails at once, so that its caller
	// can do something else meanwhile. Default: no limit.
	Patience time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Budget tracks what one agreement's token bucket and daily fair use still allow.
// lagerd counts the day's calls itself: e-conomic reports only the bucket, with
// each answer. It is safe for concurrent use.
type Budget struct {
	o BudgetOptions

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when waiting calls should try again

	today string // UTC date of calls; never moves back
	calls int
	paced [priorities]pace

	used     int // of the bucket, in tokens, at usedAt
	usedAt   time.Time
	limit    int // 0: not reported yet
	window   time.Duration
	blocked  time.Time // no call before this
	inFlight int
	waiting  [priorities]int // calls waiting for one in flight to end
	large    time.Duration   // how long reading the rest of a large answer may take; 0: largeTime
}

// pace is what a priority has accrued of its even share of the day.
type pace struct {
	saved float64 // calls
	at    time.Time
}

// BudgetState is a snapshot of a Budget.
type BudgetState struct {
	Day          string // UTC date (YYYY-MM-DD) on which Calls were made
	Calls        int
	BucketUsed   int       // tokens, as last reported less what has been refilled since
	BucketLimit  int       // tokens; 0: not reported yet
	BlockedUntil time.Time // after a 429; zero or past: not blocked
}

// NewBudget returns the budget of one agreement.
func NewBudget(o BudgetOptions) *Budget {
	if o.DailyCalls <= 0 {
		o.DailyCalls = 50_000
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 2
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Budget{o: o, changed: make(chan struct{}), window: defaultWindow}
}

// State returns the budget's current state.
func (b *Budget) State() BudgetState {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	return BudgetState{
		Day: b.today, Calls: b.calls,
		BucketUsed: b.bucket(now), BucketLimit: b.limit, BlockedUntil: b.blocked,
	}
}

// Restore adopts the state of an earlier Budget of the agreement. It ignores calls
// made on another day.
func (b *Budget) Restore(s BudgetState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if s.Day == b.today {
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

// Spare returns how many calls may be made now at the given priority. Hints and
// invoices may use the whole day's calls. Ticks and sweeps leave a reserve to those
// above them (5 and 20 %) and are paced evenly over the rest of the day, with at
// most an hour's worth saved up. Keeping to the pace is up to the caller: the
// Budget enforces only the day's share.
func (b *Budget) Spare(p Priority) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	left := max(b.allowed(p)-b.calls, 0)
	if p >= PriorityInvoice {
		return left
	}
	b.accrue(p, now)
	return min(left, int(b.paced[p].saved))
}

// Spent reports whether the priority's share of today's calls is used up. Spare then
// stays 0 until the next day; otherwise it is 0 only for a while.
func (b *Budget) Spent(p Priority) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now()
	return b.calls >= b.allowed(p)
}

// allowed returns the number of calls in a day at which the priority must stop.
func (b *Budget) allowed(p Priority) int { return b.o.DailyCalls * share[p] / 100 }

// accrue adds what the priority has saved up since the last call of accrue.
func (b *Budget) accrue(p Priority, now time.Time) {
	left := float64(max(b.allowed(p)-b.calls, 0))
	rest := now.Truncate(day).Add(day).Sub(now)
	// Calls per hour: never faster than an even pace from midnight to midnight, so
	// that a quiet day does not end in a rush; slower if many calls are spent.
	even := float64(b.allowed(p)) / day.Hours()
	if rest > burst {
		even = min(even, left/rest.Hours())
	}
	most := max(even*burst.Hours(), 1)
	saved := &b.paced[p]
	if saved.at.IsZero() {
		saved.saved = most
	} else if passed := now.Sub(saved.at); passed > 0 {
		saved.saved += even * passed.Hours()
	}
	saved.saved = min(saved.saved, most)
	saved.at = now
}

// now returns the time and resets the count when a new day has begun. b.mu is held.
// Whatever is measured from it (blocks, the bucket, the pace) must keep the monotonic
// reading: if the wall clock were set back, a block would last that much longer.
func (b *Budget) now() time.Time {
	now := b.o.Now()
	if today := now.UTC().Format(time.DateOnly); today > b.today {
		b.today, b.calls = today, 0
	}
	return now
}

// bucket returns an estimate of the tokens in use. How e-conomic refills the bucket
// is not documented; this assumes an even rate over the window.
func (b *Budget) bucket(now time.Time) int {
	back := now.Sub(b.usedAt).Seconds() / b.window.Seconds() * float64(b.limit)
	return max(b.used-int(max(min(back, float64(b.used)), 0)), 0)
}

// wake makes every waiting call try again. b.mu is held.
func (b *Budget) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// acquire waits until a call at the given priority may be made, and counts it. If it
// returns nil, the caller must call release when the request has ended.
func (b *Budget) acquire(ctx context.Context, p Priority) error {
	p = min(max(p, PrioritySweep), PriorityHint)
	var v verdict
	for {
		var err error
		if v, err = b.try(ctx, p, v.queued); err != nil || v.granted {
			return err
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

// verdict says whether a call may be made now and, if not, what it waits for.
type verdict struct {
	granted bool
	queued  bool            // waits for a call in flight to end
	wait    time.Duration   // 0: until changed is closed
	changed <-chan struct{} // closed when it should try again
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
	v.changed = b.changed
	return v, err
}

// judge is try without the queue. b.mu is held.
func (b *Budget) judge(ctx context.Context, p Priority) (verdict, error) {
	now := b.now()
	if err := ctx.Err(); err != nil {
		return verdict{}, &Error{Kind: KindUnavailable, Err: err}
	}
	if b.calls >= b.allowed(p) {
		return verdict{}, &Error{Kind: KindBudget, RetryAfter: now.Truncate(day).Add(day).Sub(now)}
	}
	if wait := b.blocked.Sub(now); wait > 0 {
		deadline, ok := ctx.Deadline()
		if inVain := ok && time.Until(deadline) < wait; inVain || b.tooLong(wait) {
			return verdict{}, &Error{Kind: KindRateLimited, RetryAfter: wait}
		}
		return verdict{wait: wait}, nil
	}
	if wait := b.refill(p, now); wait > 0 {
		if b.tooLong(wait) {
			return verdict{}, &Error{Kind: KindBudget, Message: "the token bucket is nearly empty", RetryAfter: wait}
		}
		return verdict{wait: wait}, nil
	}
	if b.inFlight >= b.o.Concurrency || b.outranked(p) {
		return verdict{queued: true}, nil
	}
	b.inFlight++
	b.calls++
	b.accrue(p, now)
	b.paced[p].saved = max(b.paced[p].saved-1, 0)
	return verdict{granted: true}, nil
}

func (b *Budget) tooLong(wait time.Duration) bool {
	return b.o.Patience > 0 && wait > b.o.Patience
}

// refill returns how long until the bucket has room for the priority.
func (b *Budget) refill(p Priority, now time.Time) time.Duration {
	if p == PriorityHint || b.limit == 0 {
		return 0
	}
	over := b.bucket(now) - b.limit*fullest[p]/100
	if over <= 0 {
		return 0
	}
	// Slightly more than computed; at most the window, which refills it completely.
	return min(time.Duration(float64(b.window)*float64(over)/float64(b.limit))+10*time.Millisecond, b.window)
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

// release ends a call that acquire granted, given the answer's status and headers (0
// and nil without an answer). It returns how long a 429 blocks the agreement.
func (b *Budget) release(status int, header http.Header) (blocked time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.inFlight--
	if used, limit, window, ok := readBucket(header); ok {
		b.used, b.limit, b.window, b.usedAt = min(used, limit), limit, window, now
	}
	if status == http.StatusTooManyRequests {
		blocked = b.window
		if after, ok := retryAfter(header, now); ok {
			blocked = after
		}
		blocked = min(max(blocked, time.Second), longestBlock)
		if until := now.Add(blocked); until.After(b.blocked) {
			b.blocked = until
		}
	}
	b.wake()
	return blocked
}

// rateLimit matches "token-limit-10000-per-60-seconds: 147/10000" (used/limit). The
// name and the window are optional.
var rateLimit = regexp.MustCompile(`(?:per-(\d+)-seconds?\s*:\s*)?(\d+)\s*/\s*(\d+)`)

// readBucket reads the token bucket from an answer's headers, the fullest if there
// are several. On some live agreements the header was absent or had another form, so
// it ignores what it cannot parse.
func readBucket(header http.Header) (used, limit int, window time.Duration, ok bool) {
	for _, value := range header.Values("X-RateLimiting") {
		for _, m := range rateLimit.FindAllStringSubmatch(value, -1) {
			u, err1 := strconv.ParseInt(m[2], 10, 32)
			l, err2 := strconv.ParseInt(m[3], 10, 32)
			if err1 != nil || err2 != nil || l < 1 {
				continue
			}
			w := defaultWindow
			if seconds, err := strconv.Atoi(m[1]); err == nil && seconds > 0 {
				w = time.Duration(min(seconds, 86_400)) * time.Second
			}
			if !ok || u*int64(limit) > int64(used)*l {
				used, limit, window, ok = int(u), int(l), w, true
			}
		}
	}
	return used, limit, window, ok
}

// readCost returns a call's cost, 0 if the header is absent or not a number ("L" was
// seen on a live agreement).
func readCost(header http.Header) int {
	cost, err := strconv.Atoi(header.Get("X-CallCost"))
	if err != nil {
		return 0
	}
	return max(cost, 0)
}

// retryAfter parses a Retry-After header, in seconds or as a date. A date is measured
// from the answer's own Date header, so the clocks need not agree.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, longestBlock.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	return max(at.Sub(now), 0), true
}

// largeTime returns how long reading the rest of a large answer may take.
func (b *Budget) largeTime() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.large, largeTime)
}

// tookLarge doubles that time, up to most, after a large answer that was not read in time. One
// that was read within largeTime resets it.
func (b *Budget) tookLarge(took time.Duration, late bool, most time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case late:
		b.large = min(2*max(b.large, largeTime), most)
	case took <= largeTime:
		b.large = 0
	}
}
