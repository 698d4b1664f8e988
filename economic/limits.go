package economic

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lagerd/budget"
)

// limits returns what an answer's status and headers (0 and nil without an answer) say of
// e-conomic's limits, and a header that makes no sense, "" if there is none. e-conomic reports the
// token bucket, from which a call's cost (X-CallCost) is paid, with each answer.
func limits(status int, header http.Header, now time.Time) (said budget.Answer, odd string) {
	bucket, odd := readBucket(header)
	if status == http.StatusTooManyRequests {
		var oddAfter string
		if said, oddAfter = budget.TooManyRequests(header, now); oddAfter != "" {
			odd = oddAfter
		}
	}
	said.Lost, said.Bucket = status == 0, bucket
	return said, odd
}

const (
	// longestWindow is the longest window of a bucket that is believed: e-conomic's is a
	// minute. A bucket that is said to be empty holds up ticks for as long.
	longestWindow = 2 * time.Minute
	// defaultWindow is the window of a bucket that is reported without one, as seen on live
	// agreements.
	defaultWindow = time.Minute
	// longestHeader is how much of a header is read.
	longestHeader = 1000
)

// rateLimit matches "token-limit-10000-per-60-seconds: 147/10000" (used/limit). The
// name and the window are optional.
var rateLimit = regexp.MustCompile(`(?:per-([^\s:/,]*)-seconds?\s*:\s*)?([-+.\w]+)\s*/\s*([-+.\w]+)`)

// readBucket reads the token bucket from an answer's headers, the fullest if there
// are several. On some live agreements the header was absent or had another form, so
// it ignores what it cannot parse, and what cannot be: a negative number, no tokens at
// all, a window of zero or of a day. Those it returns as odd.
func readBucket(header http.Header) (b budget.Bucket, odd string) {
	for _, value := range header.Values("X-RateLimiting") {
		value = value[:min(len(value), longestHeader)]
		matches := rateLimit.FindAllStringSubmatch(value, -1)
		if matches == nil && strings.TrimSpace(value) != "" {
			odd = "X-RateLimiting: " + value
		}
		for _, m := range matches {
			u, err1 := strconv.ParseUint(m[2], 10, 31)
			l, err2 := strconv.ParseUint(m[3], 10, 31)
			w := defaultWindow
			var err3 error
			if m[1] != "" || strings.HasPrefix(m[0], "per-") {
				var seconds uint64
				seconds, err3 = strconv.ParseUint(m[1], 10, 31)
				w = time.Duration(seconds) * time.Second
			}
			if err1 != nil || err2 != nil || err3 != nil || l < 1 || w < time.Second || w > longestWindow {
				odd = "X-RateLimiting: " + value
				continue
			}
			if b.Limit == 0 || int64(u)*int64(b.Limit) > int64(b.Used)*int64(l) {
				b = budget.Bucket{Used: int(u), Limit: int(l), Window: w}
			}
		}
	}
	return b, odd
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
