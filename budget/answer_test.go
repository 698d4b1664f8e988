package budget_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"lagerd/budget"
)

// TestRetryAfter: both forms of the header are understood, and nonsense is neither believed nor
// passed over in silence.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		value, date string
		want        time.Duration
		ok          bool
		blocks      time.Duration // what a 429 says
		odd         bool
	}{
		"seconds":       {"7", "", 7 * time.Second, true, 7 * time.Second, false},
		"a fraction":    {"2.5", "", 2500 * time.Millisecond, true, 2500 * time.Millisecond, false},
		"zero":          {"0", "", 0, true, time.Second, false},
		"hours":         {"80000", "", time.Hour, true, time.Hour, false},
		"days":          {"86401", "", 0, false, 0, true},
		"negative":      {"-5", "", 0, false, 0, true},
		"no number":     {"NaN", "", 0, false, 0, true},
		"endless":       {"+Inf", "", 0, false, 0, true},
		"a word":        {"soon", "", 0, false, 0, true},
		"absent":        {"", "", 0, false, 0, false},
		"a date":        {"Sat, 01 Jan 2000 00:00:20 GMT", "", 20 * time.Second, true, 20 * time.Second, false},
		"its own clock": {"Mon, 23 Nov 2026 10:00:20 GMT", "Mon, 23 Nov 2026 10:00:00 GMT", 20 * time.Second, true, 20 * time.Second, false},
		"a past date":   {"Sat, 01 Jan 1990 00:00:20 GMT", "", 0, true, time.Second, false},
		"in a year":     {"Mon, 01 Jan 2001 00:00:00 GMT", "", 0, false, 0, true},
	} {
		header := http.Header{}
		if c.value != "" {
			header.Set("Retry-After", c.value)
		}
		if c.date != "" {
			header.Set("Date", c.date)
		}
		if got, ok := budget.RetryAfter(header, now); got != c.want || ok != c.ok {
			t.Errorf("%s: got %s, %t", name, got, ok)
		}
		odd := ""
		if c.odd {
			odd = "Retry-After: " + c.value
		}
		want := budget.Answer{Limited: true, RetryAfter: c.blocks}
		if got, is := budget.TooManyRequests(header, now); got != want || is != odd {
			t.Errorf("%s: got %+v, %q", name, got, is)
		}
	}
}

// TestErrorTexts: an error says why the call was not made, and when to try again.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*budget.Error{
		"the budget of calls does not allow it now, try again in 1h0m0s":           {Kind: budget.KindSpent, RetryAfter: time.Hour},
		"other shops of the account need their share of the day's calls":           {Kind: budget.KindShare},
		"the service's rate limit is reached, try again in 2s":                     {Kind: budget.KindLimited, RetryAfter: 1600 * time.Millisecond},
		"the call was not made: context canceled":                                  {Kind: budget.KindInterrupted, Err: context.Canceled},
		"the call was not made: wait for the ledger: the call could not be booked": {Kind: budget.KindInterrupted, Message: "wait for the ledger", Err: budget.ErrUnbooked},
	} {
		if got := e.Error(); got != want || !errors.Is(e, e.Err) && e.Err != nil {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
}

// TestLargeTime: a large answer that is late gives the next one twice the time, up to the most;
// one that is in time resets it.
func TestLargeTime(t *testing.T) {
	t.Parallel()
	b := budget.New(budget.Options{})
	for i, c := range []struct {
		took time.Duration
		late bool
		want time.Duration
	}{
		{3 * time.Second, true, 6 * time.Second},
		{6 * time.Second, true, 12 * time.Second},
		{12 * time.Second, true, 20 * time.Second},
		{20 * time.Second, true, 20 * time.Second},
		{4 * time.Second, false, 20 * time.Second},
		{3 * time.Second, false, 3 * time.Second},
	} {
		if b.TookLarge(c.took, c.late, 20*time.Second); b.LargeTime() != c.want {
			t.Errorf("answer %d: then %s, expected %s", i, b.LargeTime(), c.want)
		}
	}
}
