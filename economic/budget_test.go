package economic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/economic"
)

const (
	hint    = economic.PriorityHint
	invoice = economic.PriorityInvoice
	tick    = economic.PriorityTick
	sweep   = economic.PrioritySweep
)

// answers is an in-memory server, for synctest.
type answers func(*http.Request) *http.Response

func (f answers) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func respond(status int, body string, header ...string) *http.Response {
	w := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, ContentLength: -1}
	w.Body = readCloser{strings.NewReader(body)}
	for i := 0; i+1 < len(header); i += 2 {
		w.Header.Add(header[i], header[i+1])
	}
	return w
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func agreement(t *testing.T, o economic.BudgetOptions, server answers) (*economic.Agreement, *economic.Budget) {
	t.Helper()
	c, err := economic.New(economic.Options{RESTURL: "https://e.test", AppSecretToken: appToken, Transport: server})
	if err != nil {
		t.Fatal(err)
	}
	b := economic.NewBudget(o)
	return c.Agreement(grantToken, b), b
}

func bucket(used int) http.Header {
	return http.Header{"X-Ratelimiting": {fmt.Sprintf("token-limit-10000-per-60-seconds: %d/10000", used)}}
}

func TestDailyBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := economic.NewBudget(economic.BudgetOptions{DailyCalls: 100})
		spend := func(p economic.Priority) (n int) {
			for b.Acquire(t, p) == nil {
				b.Release(200, nil)
				n++
			}
			return n
		}
		for _, step := range []struct {
			p    economic.Priority
			want int
		}{{sweep, 80}, {tick, 15}, {sweep, 0}, {invoice, 5}, {hint, 0}} {
			if got := spend(step.p); got != step.want {
				t.Errorf("priority %d made %d calls, expected %d", step.p, got, step.want)
			}
			if !b.Spent(step.p) {
				t.Errorf("%v: the day's share is not spent", step.p)
			}
			if left := b.Spare(step.p); left != 0 {
				t.Errorf("priority %d has %d to spare after all were spent", step.p, left)
			}
		}
		time.Sleep(time.Hour)
		e, ok := errors.AsType[*economic.Error](b.Acquire(t, hint))
		if !ok || e.Kind != economic.KindBudget || e.RetryAfter != 23*time.Hour {
			t.Errorf("got %+v", e)
		}
		time.Sleep(e.RetryAfter)
		if b.Spent(sweep) || b.Spent(hint) {
			t.Error("a new day's share is spent")
		}
		if s := b.State(); s.Calls != 0 || s.Day != "2000-01-02" || b.Spare(hint) != 100 {
			t.Errorf("a new day begins with %+v", s)
		}
	})
}

func TestRefusedCallIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent int
		a, b := agreement(t, economic.BudgetOptions{DailyCalls: 10}, func(*http.Request) *http.Response {
			sent++
			return respond(200, `{"agreementNumber":1}`)
		})
		b.Restore(economic.BudgetState{Day: time.Now().UTC().Format(time.DateOnly), Calls: 9})
		_, err := a.Self(t.Context(), tick)
		if economic.KindOf(err) != economic.KindBudget || sent != 0 || !strings.Contains(err.Error(), "read who the agreement is: the agreement's call budget does not allow it now, try again in 24h") {
			t.Errorf("%d sent, got %v", sent, err)
		}
		if _, err := a.Self(t.Context(), hint); err != nil || sent != 1 {
			t.Errorf("%d sent, got %v", sent, err)
		}
	})
}

func TestRestore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := economic.NewBudget(economic.BudgetOptions{})
		blocked := time.Now().Add(time.Minute)
		b.Restore(economic.BudgetState{Day: "2000-01-01", Calls: 7, BucketUsed: 50, BucketLimit: 100, BlockedUntil: blocked})
		want := economic.BudgetState{Day: "2000-01-01", Calls: 7, BucketUsed: 50, BucketLimit: 100, BlockedUntil: blocked}
		if got := b.State(); got != want {
			t.Errorf("got %+v", got)
		}
		b.Restore(economic.BudgetState{Day: "1999-12-31", Calls: 900})
		if got := b.State().Calls; got != 7 {
			t.Errorf("yesterday's calls count: %d", got)
		}
		b.Restore(economic.BudgetState{Day: "2000-01-01", Calls: 5})
		if got := b.State().Calls; got != 7 {
			t.Errorf("calls were taken back: %d", got)
		}
		b.Restore(economic.BudgetState{BlockedUntil: time.Now().AddDate(1, 0, 0)})
		if got := time.Until(b.State().BlockedUntil); got != time.Hour {
			t.Errorf("blocked for %s", got)
		}
	})
}

// TestEvenPace: a sweep that makes every call it may, as soon as it may, spends its share
// evenly over the day, and never the reserve.
func TestEvenPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := economic.NewBudget(economic.BudgetOptions{DailyCalls: 48_000})
		spend := func(p economic.Priority) (n int) {
			for ; b.Spare(p) > 0; n++ {
				if err := b.Acquire(t, p); err != nil {
					t.Fatal(err)
				}
				b.Release(200, nil)
			}
			return n
		}
		var first int
		for hour := range 24 {
			calls := 0
			for range 60 {
				calls += spend(sweep)
				time.Sleep(time.Minute)
			}
			if hour == 0 {
				first = calls
			} else if calls > 1600+30 {
				t.Errorf("hour %d: %d calls, a 24th of the share is 1,600", hour, calls)
			}
			// At noon a burst of hints takes a third of the day.
			if hour == 12 {
				for range 16_000 {
					if err := b.Acquire(t, hint); err != nil {
						t.Fatal(err)
					}
					b.Release(200, nil)
				}
			}
			if hour == 14 && spend(tick) < 60 {
				t.Error("a burst of hints starves the ticks")
			}
			if hour == 23 && b.Spare(hint) < 9_600 {
				t.Errorf("only %d of the reserve is left", b.Spare(hint))
			}
		}
		if first < 1600 || first > 3300 {
			t.Errorf("%d calls in the first hour, expected what is saved up and an hour's pace", first)
		}
	})
}

// TestPaceSlowsDown: after many calls, the remainder is spread over the rest of the day.
func TestPaceSlowsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := economic.NewBudget(economic.BudgetOptions{DailyCalls: 50_000})
		time.Sleep(12 * time.Hour)
		b.Restore(economic.BudgetState{Day: "2000-01-01", Calls: 40_000 - 1200})
		if got := b.Spare(sweep); got != 100 {
			t.Errorf("%d to spare, expected an hour's worth of 1,200 calls in 12 hours", got)
		}
		if got := b.Spare(hint); got != 11_200 {
			t.Errorf("%d to spare for hints", got)
		}
	})
}

func TestRateLimitBlocksAll(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"seconds":       {[]string{"Retry-After", "7"}, 7 * time.Second},
		"fraction":      {[]string{"Retry-After", "2.5"}, 2500 * time.Millisecond},
		"zero":          {[]string{"Retry-After", "0"}, time.Second},
		"date":          {[]string{"Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT"}, 20 * time.Second},
		"date and Date": {[]string{"Retry-After", "Mon, 23 Nov 2026 10:00:20 GMT", "Date", "Mon, 23 Nov 2026 10:00:00 GMT"}, 20 * time.Second},
		"date gone":     {[]string{"Retry-After", "Sat, 01 Jan 1990 00:00:20 GMT"}, time.Second},
		"absent":        {nil, time.Minute},
		"the window":    {[]string{"X-RateLimiting", "token-limit-500-per-30-seconds: 500/500"}, 30 * time.Second},
		"garbled":       {[]string{"Retry-After", "soon"}, time.Minute},
		"negative":      {[]string{"Retry-After", "-5"}, time.Minute},
		"a year":        {[]string{"Retry-After", "31536000"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limited := true
				a, b := agreement(t, economic.BudgetOptions{}, func(*http.Request) *http.Response {
					if limited {
						limited = false
						return respond(429, "", test.header...)
					}
					return respond(200, `{"agreementNumber":1}`)
				})
				start := time.Now()
				_, err := a.Self(t.Context(), sweep)
				e, ok := errors.AsType[*economic.Error](err)
				if !ok || e.Kind != economic.KindRateLimited || e.RetryAfter != test.want {
					t.Fatalf("got %v", err)
				}
				if got := b.State().BlockedUntil.Sub(start); got != test.want {
					t.Errorf("blocked for %s", got)
				}
				// A call whose deadline ends within the block fails at once.
				short, cancel := context.WithTimeout(t.Context(), test.want/2)
				defer cancel()
				if _, err := a.Self(short, hint); economic.KindOf(err) != economic.KindRateLimited || time.Since(start) != 0 {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
				// A cancelled call returns.
				stop, cancel := context.WithCancel(t.Context())
				time.AfterFunc(test.want/2, cancel)
				if _, err := a.Self(stop, hint); !errors.Is(err, context.Canceled) || time.Since(start) != test.want/2 {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
				if _, err := a.Self(t.Context(), hint); err != nil || time.Since(start) != test.want {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
			})
		})
	}
}

func TestBucketMakesWait(t *testing.T) {
	t.Parallel()
	// The bucket of 10,000 is assumed to refill by a 60th of it each second.
	for _, test := range []struct {
		used                       int
		sweep, tick, invoice, hint time.Duration
	}{
		{used: 7000},
		{used: 8200, sweep: 7200 * time.Millisecond},
		{used: 9100, sweep: 12600 * time.Millisecond, tick: 3600 * time.Millisecond},
		{used: 10_000, sweep: 18 * time.Second, tick: 9 * time.Second, invoice: 3 * time.Second},
		{used: 90_000, sweep: 18 * time.Second, tick: 9 * time.Second, invoice: 3 * time.Second},
	} {
		for p, want := range map[economic.Priority]time.Duration{sweep: test.sweep, tick: test.tick, invoice: test.invoice, hint: test.hint} {
			synctest.Test(t, func(t *testing.T) {
				b := economic.NewBudget(economic.BudgetOptions{})
				if err := b.Acquire(t, hint); err != nil {
					t.Fatal(err)
				}
				b.Release(200, bucket(test.used))
				start := time.Now()
				if err := b.Acquire(t, p); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(start); waited < want || waited > want+20*time.Millisecond {
					t.Errorf("%d used, priority %d: waited %s, expected %s", test.used, p, waited, want)
				}
			})
		}
	}
}

func TestBucketHeaders(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][2]int{
		"token-limit-10000-per-60-seconds: 147/10000": {147, 10000},
		"token-limit-2000-per-60-seconds:1999 / 2000": {1999, 2000},
		"147/10000": {147, 10000},
		"a-per-60-seconds: 1/100, b-per-1-second: 9/10": {9, 10},
		"":                                  {0, 0},
		"none":                              {0, 0},
		"token-limit-0-per-60-seconds: 0/0": {0, 0},
		"token-limit-10000-per-60-seconds: 99999999999999999999/10000": {0, 0},
		"token-limit-1-per-99999999999999999999-seconds: 1/2":          {1, 2},
		"token-limit-1-per-0-seconds: 1/2":                             {1, 2},
		"-5/10":                                                        {5, 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := economic.NewBudget(economic.BudgetOptions{})
			if err := b.Acquire(t, hint); err != nil {
				t.Fatal(err)
			}
			b.Release(200, http.Header{"X-Ratelimiting": {value}})
			if s := b.State(); s.BucketUsed != want[0] || s.BucketLimit != want[1] {
				t.Errorf("%q: got %d of %d", value, s.BucketUsed, s.BucketLimit)
			}
		})
	}
}

// TestConcurrencyAndOrder: when the limit in flight is reached, the highest priority goes
// next, and the limit is never exceeded.
func TestConcurrencyAndOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var inFlight, most atomic.Int64
		var mu sync.Mutex
		var order []string
		a, _ := agreement(t, economic.BudgetOptions{Concurrency: 2}, func(r *http.Request) *http.Response {
			n := inFlight.Add(1)
			defer inFlight.Add(-1)
			most.Store(max(most.Load(), n))
			mu.Lock()
			order = append(order, strings.TrimPrefix(r.URL.Path, "/products/"))
			mu.Unlock()
			time.Sleep(time.Second)
			return respond(404, `{"message":"no"}`)
		})
		var wg sync.WaitGroup
		ask := func(p economic.Priority, number string) {
			wg.Go(func() {
				if _, err := a.Product(t.Context(), p, number); economic.KindOf(err) != economic.KindNotFound {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		start := time.Now()
		for _, number := range []string{"s1", "s2", "s3", "s4"} {
			ask(sweep, number)
		}
		ask(tick, "t1")
		ask(invoice, "i1")
		ask(hint, "h1")
		ask(hint, "h2")
		wg.Wait()
		if most.Load() != 2 || time.Since(start) != 4*time.Second {
			t.Errorf("%d in flight at most, %s in all", most.Load(), time.Since(start))
		}
		rank := func(from, to int) string {
			letters := ""
			for _, number := range order[from:to] {
				letters += number[:1]
			}
			return letters
		}
		if rank(0, 2) != "ss" || rank(2, 4) != "hh" || strings.Trim(rank(4, 6), "it") != "" || rank(6, 8) != "ss" {
			t.Errorf("went in the order %v", order)
		}
	})
}

// TestQueueGoesOnWhenOneLeaves: a call that leaves the queue unblocks those behind it.
func TestQueueGoesOnWhenOneLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := agreement(t, economic.BudgetOptions{Concurrency: 1, DailyCalls: 100}, func(*http.Request) *http.Response {
			time.Sleep(time.Second)
			return respond(200, `{"agreementNumber":1}`, "X-RateLimiting", "token-limit-100-per-60-seconds: 72/100")
		})
		var wg sync.WaitGroup
		wg.Go(func() { a.Self(t.Context(), hint) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := a.Self(ctx, invoice); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := a.Self(t.Context(), tick); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { // must wait for the bucket as well, once it is known
			if _, err := a.Self(t.Context(), sweep); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if s := b.State(); s.Calls != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// TestLongestBlockHolds: if two calls in flight get a 429, the one with the shorter
// Retry-After does not shorten the block.
func TestLongestBlockHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		a, b := agreement(t, economic.BudgetOptions{Concurrency: 2}, func(*http.Request) *http.Response {
			first := n.Add(1) == 1
			time.Sleep(time.Second)
			if first {
				return respond(429, "", "Retry-After", "30")
			}
			time.Sleep(time.Second)
			return respond(429, "", "Retry-After", "2")
		})
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { a.Self(t.Context(), hint) })
		}
		wg.Wait()
		if got := b.State().BlockedUntil.Sub(start); n.Load() != 2 || got != 31*time.Second {
			t.Errorf("after %d calls it is blocked for %s from the start, expected 31s", n.Load(), got)
		}
	})
}

// TestBudgetUnderLoad: many concurrent calls, cancelled at random: none is stuck.
func TestBudgetUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		a, b := agreement(t, economic.BudgetOptions{DailyCalls: 300}, func(*http.Request) *http.Response {
			i := n.Add(1)
			time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
			if i%50 == 0 {
				return respond(429, "", "Retry-After", "2")
			}
			return respond(200, `{"agreementNumber":1}`, "X-RateLimiting", fmt.Sprintf("token-limit-100-per-60-seconds: %d/100", i*13%100))
		})
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%13+1)*20*time.Second)
				defer cancel()
				a.Self(ctx, economic.Priority(i%4))
			})
		}
		wg.Wait()
		if s := b.State(); s.Calls != int(n.Load()) || s.Calls > 300 || s.Calls < 50 {
			t.Errorf("%d requests, %+v", n.Load(), s)
		}
		if err := b.Acquire(t, hint); err != nil && economic.KindOf(err) != economic.KindBudget {
			t.Error(err)
		}
	})
}

// TestPatience: a call that would wait longer than Patience fails at once, and a hint,
// for which the bucket is never too full, proceeds.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := economic.NewBudget(economic.BudgetOptions{Patience: 3 * time.Second})
		answer := func(status int, header ...string) (*economic.Agreement, func()) {
			c, err := economic.New(economic.Options{AppSecretToken: "app", RESTURL: "http://e-conomic.test", Transport: answers(func(*http.Request) *http.Response {
				return respond(status, `{"agreementNumber":1,"message":"x"}`, header...)
			})})
			if err != nil {
				t.Fatal(err)
			}
			return c.Agreement("grant", b), c.Close
		}
		began := time.Now()
		a, done := answer(200, "X-RateLimiting", "token-limit-10000-per-60-seconds: 9900/10000")
		if _, err := a.Self(t.Context(), economic.PriorityHint); err != nil {
			t.Fatal(err)
		}
		_, err := a.Self(t.Context(), economic.PrioritySweep)
		if e, ok := errors.AsType[*economic.Error](err); !ok || e.Kind != economic.KindBudget || e.RetryAfter < 3*time.Second {
			t.Errorf("a sweep on a full bucket: %v", err)
		}
		if _, err := a.Self(t.Context(), economic.PriorityHint); err != nil {
			t.Errorf("a hint on a full bucket: %v", err)
		}
		done()
		a, done = answer(429, "Retry-After", "20")
		defer done()
		if _, err := a.Self(t.Context(), economic.PriorityHint); economic.KindOf(err) != economic.KindRateLimited {
			t.Errorf("a 429: %v", err)
		}
		_, err = a.Self(t.Context(), economic.PriorityHint)
		if e, ok := errors.AsType[*economic.Error](err); !ok || e.Kind != economic.KindRateLimited || e.RetryAfter < 19*time.Second {
			t.Errorf("while blocked: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
