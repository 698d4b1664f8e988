package budget

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// Answer is what the answer to a call said of the service's limits. The zero value is an answer
// that said nothing of them.
type Answer struct {
	Lost    bool // there was no answer: it says nothing
	Limited bool // status 429

	// RetryAfter is how long the service takes no calls, if Limited; 0: it did not say. See
	// TooManyRequests.
	RetryAfter time.Duration

	// Bucket is the token bucket as the service reports it; the zero value: it does not.
	Bucket Bucket
}

// Bucket is a token bucket: how many tokens of how many are used, and the time in which all of
// them are refilled.
type Bucket struct {
	Used, Limit int
	Window      time.Duration
}

// TooManyRequests returns the Answer for status 429 with these headers, and a Retry-After header
// that makes no sense, "" if there is none. now is used as in RetryAfter.
func TooManyRequests(header http.Header, now time.Time) (a Answer, odd string) {
	a.Limited = true
	after, ok := RetryAfter(header, now)
	switch value := header.Get("Retry-After"); {
	case ok:
		a.RetryAfter = max(after, shortestBlock) // 0 was said
	case value != "":
		odd = "Retry-After: " + value
	}
	return a, odd
}

// RetryAfter parses a Retry-After header, in seconds or as a date. A date is measured from the
// answer's own Date header, so the clocks need not agree; without one, from now. More than a
// day, or a negative number, is no such time.
func RetryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		if math.IsNaN(seconds) || seconds < 0 || seconds > day.Seconds() {
			return 0, false
		}
		return time.Duration(min(seconds, longestBlock.Seconds()) * float64(time.Second)), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	if at.Sub(now) > day {
		return 0, false
	}
	return max(at.Sub(now), 0), true
}
