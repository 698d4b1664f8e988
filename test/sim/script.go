package sim

import (
	"net/http"
	"time"

	"lagerd/status"
)

// script is what a test stages instead of leaving it to the seed. A run of a seed has
// none.
type script struct {
	// answer answers a request in e-conomic's place; staged reports that it does, and no
	// response is then a connection that broke.
	answer func(i *instance, x *shop, req *http.Request, c *call) (resp *http.Response, staged bool)
	// came is called by whoever made a request, when its answer has come.
	came func(path string)
	// edit returns what of an answer's body comes.
	edit func(path string, body []byte) []byte
	// statement lets a statement fail with what it returns, and its connection break.
	statement func(i *instance, query string) error
	// lost reports that nobody is told of a transaction that was committed, since the whole
	// database is down for a while right after it.
	lost func(wrote []string) bool
	// asked is told of each request that has reached e-conomic.
	asked func(asked)
	// logged is told of each line that a lagerd logs.
	logged func(line string)
	// metrics are those of an instance; nil: those that all runs share.
	metrics func() *status.Metrics
	// mute keeps e-conomic from sending webhooks.
	mute bool
	// jitter is which part of the longest random time each one takes; 0: it is random.
	jitter float64
}

// asked is a request that has reached e-conomic.
type asked struct {
	at     time.Time // when it was made
	inst   *instance
	shop   *shop
	path   string // with its query, not escaped
	status int    // of the answer; 0: the connection broke
}
