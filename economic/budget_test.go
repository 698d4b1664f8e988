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

	"lagerd/budget"
	"lagerd/economic"
)

const (
	person  = budget.PriorityPerson
	tick    = budget.PriorityTick
	hint    = budget.PriorityHint
	invoice = budget.PriorityInvoice
	unknown = budget.PriorityUnknown
	pdf     = budget.PriorityPDF
	sweep   = budget.PrioritySweep
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

func agreement(t *testing.T, o budget.Options, server answers) (*economic.Agreement, *budget.Budget) {
	t.Helper()
	c, err := economic.New(economic.Options{RESTURL: "https://e.test", AppSecretToken: appToken, Transport: server})
	if err != nil {
		t.Fatal(err)
	}
	b := budget.New(o)
	return c.Agreement(grantToken, b), b
}

func TestRefusedCallIsNotSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent int
		a, b := agreement(t, budget.Options{DailyCalls: 10}, func(*http.Request) *http.Response {
			sent++
			return respond(200, `{"agreementNumber":1}`)
		})
		b.Restore(budget.State{Day: time.Now().UTC().Format(time.DateOnly), Calls: 9}) // 95 % of 10, rounded down
		_, err := a.Self(t.Context(), tick)
		if economic.KindOf(err) != economic.KindBudget || sent != 0 || !strings.Contains(err.Error(), "read who the agreement is: the agreement's call budget does not allow it now, try again in 24h") {
			t.Errorf("%d sent, got %v", sent, err)
		}
		if _, err := a.Self(t.Context(), person); err != nil || sent != 1 {
			t.Errorf("%d sent, got %v", sent, err)
		}
	})
}

func TestRateLimitBlocksAll(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header []string
		want   time.Duration
	}{
		"seconds":        {[]string{"Retry-After", "7"}, 7 * time.Second},
		"fraction":       {[]string{"Retry-After", "2.5"}, 2500 * time.Millisecond},
		"zero":           {[]string{"Retry-After", "0"}, time.Second},
		"date":           {[]string{"Retry-After", "Sat, 01 Jan 2000 00:00:20 GMT"}, 20 * time.Second},
		"date and Date":  {[]string{"Retry-After", "Mon, 23 Nov 2026 10:00:20 GMT", "Date", "Mon, 23 Nov 2026 10:00:00 GMT"}, 20 * time.Second},
		"date gone":      {[]string{"Retry-After", "Sat, 01 Jan 1990 00:00:20 GMT"}, time.Second},
		"absent":         {nil, time.Minute},
		"the window":     {[]string{"X-RateLimiting", "token-limit-500-per-30-seconds: 500/500"}, 30 * time.Second},
		"garbled":        {[]string{"Retry-After", "soon"}, time.Minute},
		"negative":       {[]string{"Retry-After", "-5"}, time.Minute},
		"a day":          {[]string{"Retry-After", "86400"}, time.Hour},
		"a year":         {[]string{"Retry-After", "31536000"}, time.Minute},
		"in a year":      {[]string{"Retry-After", "Mon, 01 Jan 2001 00:00:00 GMT"}, time.Minute},
		"no number":      {[]string{"Retry-After", "NaN"}, time.Minute},
		"endless":        {[]string{"Retry-After", "+Inf"}, time.Minute},
		"a day's window": {[]string{"X-RateLimiting", "token-limit-500-per-86400-seconds: 500/500"}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limited := true
				a, b := agreement(t, budget.Options{}, func(*http.Request) *http.Response {
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
		"token-limit-1-per-99999999999999999999-seconds: 1/2":          {0, 0},
		"token-limit-1-per-0-seconds: 1/2":                             {0, 0},
		"-5/10":                                                        {0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New(budget.Options{})
			if err := b.Acquire(t.Context(), hint, nil); err != nil {
				t.Fatal(err)
			}
			economic.Release(b, 200, http.Header{"X-Ratelimiting": {value}}, time.Now())
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
		a, _ := agreement(t, budget.Options{Concurrency: 2}, func(r *http.Request) *http.Response {
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
		ask := func(p budget.Priority, number string) {
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
		ask(invoice, "i1")
		ask(hint, "h1")
		ask(tick, "t1")
		ask(person, "p1")
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
		if rank(0, 2) != "ss" || strings.Trim(rank(2, 4), "pt") != "" || strings.Trim(rank(4, 6), "hi") != "" || rank(6, 8) != "ss" {
			t.Errorf("went in the order %v", order)
		}
	})
}

// TestQueueGoesOnWhenOneLeaves: a call that leaves the queue unblocks those behind it.
func TestQueueGoesOnWhenOneLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := agreement(t, budget.Options{Concurrency: 1}, func(*http.Request) *http.Response {
			time.Sleep(time.Second)
			return respond(200, `{"agreementNumber":1}`, "X-RateLimiting", "token-limit-100-per-60-seconds: 72/100")
		})
		var wg sync.WaitGroup
		wg.Go(func() { a.Self(t.Context(), hint) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := a.Self(ctx, person); !errors.Is(err, context.Canceled) {
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
		a, b := agreement(t, budget.Options{Concurrency: 2}, func(*http.Request) *http.Response {
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
		a, b := agreement(t, budget.Options{DailyCalls: 300}, func(*http.Request) *http.Response {
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
				a.Self(ctx, budget.Priority(i%7))
			})
		}
		wg.Wait()
		if s := b.State(); s.Calls != int(n.Load()) || s.Calls > 300 || s.Calls < 50 {
			t.Errorf("%d requests, %+v", n.Load(), s)
		}
		err := b.Acquire(t.Context(), hint, nil)
		if e, ok := errors.AsType[*budget.Error](err); err != nil && (!ok || e.Kind != budget.KindSpent) {
			t.Error(err)
		}
	})
}

// TestPatience: a call that would wait longer than Patience fails at once, and a person's,
// for which the bucket is never too full, proceeds.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{Patience: 3 * time.Second})
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
		if _, err := a.Self(t.Context(), person); err != nil {
			t.Fatal(err)
		}
		_, err := a.Self(t.Context(), budget.PrioritySweep)
		if e, ok := errors.AsType[*economic.Error](err); !ok || e.Kind != economic.KindBudget || e.RetryAfter < 3*time.Second {
			t.Errorf("a sweep on a full bucket: %v", err)
		}
		if _, err := a.Self(t.Context(), person); err != nil {
			t.Errorf("a person's on a full bucket: %v", err)
		}
		done()
		a, done = answer(429, "Retry-After", "20")
		defer done()
		if _, err := a.Self(t.Context(), person); economic.KindOf(err) != economic.KindRateLimited {
			t.Errorf("a 429: %v", err)
		}
		_, err = a.Self(t.Context(), person)
		if e, ok := errors.AsType[*economic.Error](err); !ok || e.Kind != economic.KindRateLimited || e.RetryAfter < 19*time.Second {
			t.Errorf("while blocked: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// TestBucketRefills: the bucket refills evenly over its window, from its last report on.
func TestBucketRefills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(budget.Options{})
		answer := func(value string) {
			if err := b.Acquire(t.Context(), hint, nil); err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			if value != "" {
				header.Set("X-RateLimiting", value)
			}
			economic.Release(b, 200, header, time.Now())
		}
		for _, c := range []struct {
			answer string
			after  time.Duration
			used   int
		}{
			{"token-limit-100-per-20-seconds: 90/100", 0, 90},
			{"", 4 * time.Second, 70}, // no report changes nothing
			{"", 4 * time.Second, 50},
			{"token-limit-100-per-20-seconds: 95/100", 0, 95},
			{"", 19 * time.Second, 0},
			{"9/10, a-per-50-seconds: 2/100", 0, 9}, // the fullest, in its window of a minute
			{"", 12 * time.Second, 7},
			{"a-per-50-seconds: 50/100, 1/2", 10 * time.Second, 30}, // the first of two equally full
			{"a-per-86400-seconds: 100/100", 0, 30},                 // what makes no sense changes nothing
			{"a-per-121-seconds: 100/100", 0, 30},
			{"a-per-120-seconds: 100/100", 60 * time.Second, 50},
			{"", time.Minute, 0},
		} {
			answer(c.answer)
			time.Sleep(c.after)
			if got := b.State().BucketUsed; got != c.used {
				t.Errorf("%s after %q: %d are used, expected %d", c.after, c.answer, got, c.used)
			}
		}
	})
}

// TestWaitsAsLongAsItMay: a call waits for a block or the bucket if that ends within its
// patience and before its deadline, exactly as long as it must.
func TestWaitsAsLongAsItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		status, header := 429, []string{"Retry-After", "3"}
		a, _ := agreement(t, budget.Options{Patience: 3 * time.Second}, func(*http.Request) *http.Response {
			return respond(status, `{"agreementNumber":1}`, header...)
		})
		if _, err := a.Self(t.Context(), sweep); economic.KindOf(err) != economic.KindRateLimited {
			t.Fatal(err)
		}
		status, header = 200, []string{"X-RateLimiting", "token-limit-10000-per-60-seconds: 7300/10000"}
		for _, c := range []struct {
			p       budget.Priority
			timeout time.Duration
			took    time.Duration
		}{
			{hint, time.Minute, 3 * time.Second},
			{sweep, time.Minute, 1810 * time.Millisecond},
			{hint, time.Millisecond, 0},
			{sweep, 4 * time.Second, 1810 * time.Millisecond},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
			began := time.Now()
			if _, err := a.Self(ctx, c.p); err != nil || time.Since(began) != c.took {
				t.Errorf("priority %d: %v after %s, expected after %s", c.p, err, time.Since(began), c.took)
			}
			cancel()
		}
	})
}

// TestOddRateLimits: headers about rate limits that make no sense are named and ignored: neither
// do they stop an agreement's calls, nor does what they said last once they make sense again.
func TestOddRateLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value  string
		odd    bool
		within time.Duration // of the next sweep
	}{
		"as it is":          {"token-limit-10000-per-60-seconds: 147/10000", false, 0},
		"full":              {"token-limit-10000-per-60-seconds: 10000/10000", false, 19 * time.Second},
		"more than full":    {"token-limit-10000-per-60-seconds: 99999/10000", false, 19 * time.Second},
		"a window of a day": {"token-limit-10000-per-86400-seconds: 10000/10000", true, 0},
		"a long window":     {"token-limit-10000-per-99999999999999999999-seconds: 10000/10000", true, 0},
		"no window":         {"token-limit-10000-per-0-seconds: 10000/10000", true, 0},
		"before a window":   {"token-limit-10000-per--60-seconds: 10000/10000", true, 0},
		"a text's window":   {"token-limit-10000-per-many-seconds: 10000/10000", true, 0},
		"no tokens":         {"token-limit-0-per-60-seconds: 0/0", true, 0},
		"negative used":     {"token-limit-10000-per-60-seconds: -1/10000", true, 0},
		"negative limit":    {"token-limit-10000-per-60-seconds: 1/-10000", true, 0},
		"a fraction":        {"token-limit-10000-per-60-seconds: 0.5/1.5", true, 0},
		"a huge number":     {"token-limit-10000-per-60-seconds: 99999999999999999999/99999999999999999999", true, 0},
		"a text":            {"plenty", true, 0},
		"nothing":           {"", false, 0},
		"many":              {strings.Repeat("1/0,", 15_000), true, 0},
		"one token":         {"1/1", false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				value, odd := c.value, ""
				client, err := economic.New(economic.Options{AppSecretToken: "app", Observe: func(c economic.Call) { odd = c.OddHeader }, Transport: transport(func(*http.Request) (*http.Response, error) {
					return respond(200, `{"agreementNumber":1}`, "X-RateLimiting", value), nil
				})})
				if err != nil {
					t.Fatal(err)
				}
				a := client.Agreement("grant", budget.New(budget.Options{}))
				call := func() time.Duration {
					began := time.Now()
					if _, err := a.Self(t.Context(), sweep); err != nil {
						t.Fatal(err)
					}
					return time.Since(began)
				}
				call()
				if (odd != "") != c.odd || c.odd && !strings.HasPrefix(odd, "X-RateLimiting: "+c.value[:min(len(c.value), 20)]) || len(odd) > 200 {
					t.Errorf("called odd: %q", odd)
				}
				value = "token-limit-10000-per-60-seconds: 147/10000"
				if took := call(); took > c.within || took < c.within*9/10 {
					t.Errorf("the next call waited for %s, expected %s", took, c.within)
				}
				if took := call(); took != 0 || odd != "" {
					t.Errorf("the call after it waited for %s; called odd: %q", took, odd)
				}
			})
		})
	}
}

// FuzzRateLimits: whatever the headers are, the next call of a sweep waits for two minutes at most,
// and after a 429 for an hour.
func FuzzRateLimits(f *testing.F) {
	for _, value := range []string{"token-limit-10000-per-60-seconds: 147/10000", "1/1", "-1/0", "per-86400-seconds: 5/5", strings.Repeat("9/9,", 100)} {
		f.Add(value, "7", false)
		f.Add(value, "Sat, 01 Jan 2000 00:00:20 GMT", true)
	}
	f.Fuzz(func(t *testing.T, bucket, after string, limited bool) {
		now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
		b := budget.New(budget.Options{Now: func() time.Time { return now }, Patience: time.Nanosecond})
		if err := b.Acquire(t.Context(), sweep, nil); err != nil {
			t.Fatal(err)
		}
		status, most := 200, 2*time.Minute
		if limited {
			status, most = 429, time.Hour+2*time.Minute
		}
		began := time.Now()
		economic.Release(b, status, http.Header{"X-Ratelimiting": {bucket}, "Retry-After": {after}}, time.Now())
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
		now = now.Add(most)
		if err := b.Acquire(t.Context(), sweep, nil); err != nil {
			t.Errorf("%s later: %v", most, err)
		}
	})
}
