package sim

import (
	"net/http"
	"time"

	"lagerd/status"
)

// script is what a test scripts instead of leaving it to the seed. It is empty in a run of a
// seed.
type script struct {
	// answer answers a request in place of e-conomic. If staged is true, a nil response
	// means a broken connection.
	answer func(i *instance, x *shop, req *http.Request, c *call) (resp *http.Response, staged bool)
	// came is called by the requesting goroutine when the answer has arrived.
	came func(path string)
	// edit returns the answer's body as lagerd receives it.
	edit func(path string, body []byte) []byte
	// statement returns an error to fail a statement and break its connection.
	statement func(i *instance, query string) error
	// lost reports whether the answer to a commit is lost because the whole database goes
	// down right after it.
	lost func(wrote []string) bool
	// asked is called with each request that has reached e-conomic.
	asked func(asked)
	// logged is called with each line that a lagerd logs.
	logged func(line string)
	// metrics returns an instance's metrics; nil: those shared by all runs.
	metrics func() *status.Metrics
	// mute keeps e-conomic from sending webhooks.
	mute bool
	// jitter is the fraction of the maximum jitter to use; 0: pseudorandom, and the same for the same
	// maximum at one moment; below 0: pseudorandom.
	jitter float64
}

// asked is a request that has reached e-conomic.
type asked struct {
	at     time.Time // when it was made
	inst   *instance
	shop   *shop
	path   string // with its query, unescaped
	status int    // of the answer; 0: the connection broke
}
