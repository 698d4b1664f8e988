package sim

import (
	"context"
	"database/sql/driver"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lagerd/status"
	"lagerd/store"
)

// stage is a simulation in which nothing is random: a test scripts what happens and when, and
// checks the database and the calls to e-conomic.
type stage struct {
	*simulation
	t *testing.T

	asked []asked
	mu    sync.Mutex
	log   strings.Builder
}

// play runs act in a bubble, with one lagerd and one shop without trade or faults, unless set
// changes that. A violation that the oracle finds also fails the test.
func play(t *testing.T, set func(p *profile), act func(t *testing.T, s *stage)) {
	t.Helper()
	playAt(t, 10*time.Minute, set, act)
}

// playAt is play starting at the given time after a UTC midnight.
func playAt(t *testing.T, begins time.Duration, set func(p *profile), act func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(begins - 10*time.Minute) // the world exists that long before
		s := &stage{simulation: newSimulation(0), t: t}
		s.profile = profile{
			instances: 1, shops: 1, changing: true, items: 6, pageSize: 1000, listingTurn: time.Second, unpackAtOnce: store.UnpackedHints, dailyCalls: 50_000, workers: 4,
			sweepEvery: 24 * time.Hour, keepHints: 24 * time.Hour, keepHistory: 24 * time.Hour, overlap: time.Minute, schedule: "* * * * *",
		}
		if set != nil {
			set(&s.profile)
		}
		s.calm = true
		s.script.jitter = 0.5
		s.script.metrics = func() *status.Metrics { return status.NewMetrics("simulation") }
		s.script.asked = func(a asked) { s.asked = append(s.asked, a) }
		s.script.logged = func(line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.log.WriteString(line)
		}
		s.prepare(200)
		for range s.profile.instances {
			s.boot()
		}
		defer s.close() // even if act fails
		act(t, s)
	})
}

// close ends the play and, after a failure, logs the last steps.
func (s *stage) close() {
	violation := s.oracle.violation
	s.end()
	if violation != "" {
		s.t.Error(violation)
	}
	if s.t.Failed() {
		s.t.Logf("the last steps:\n%s", strings.Join(s.trace.lines(), "\n"))
	}
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) {
	s.t.Helper()
	over := false
	s.after(d, "the test goes on", func() { over = true })
	if !s.loop(func() bool { return over && s.db.owner == nil }) {
		s.t.Fatal(s.oracle.violation)
	}
}

// until lets time pass until the condition holds, and fails the test if it does not within the
// given time.
func (s *stage) until(within time.Duration, what string, so func() bool) {
	s.t.Helper()
	over, is := false, false
	s.after(within, "the test goes on", func() { over = true })
	if !s.loop(func() bool {
		if s.db.owner == nil {
			is = so()
		}
		return is || over
	}) {
		s.t.Fatal(s.oracle.violation)
	}
	if !is {
		s.t.Fatalf("not within %s: %s", within, what)
	}
}

// rows reads the database.
func (s *stage) rows(query string, args ...any) [][]driver.Value {
	return s.db.mustQuery(query, args...)
}

// value reads one value of the database.
func (s *stage) value(query string, args ...any) driver.Value {
	s.t.Helper()
	rows := s.rows(query, args...)
	if len(rows) != 1 {
		s.t.Fatalf("%d rows: %s", len(rows), query)
	}
	return rows[0][0]
}

// count reads a number.
func (s *stage) count(query string, args ...any) int {
	s.t.Helper()
	return int(s.value(query, args...).(int64))
}

// at reads a time.
func (s *stage) at(query string, args ...any) time.Time {
	s.t.Helper()
	return moment(s.value(query, args...))
}

// ticked waits until every shop has a successful tick that began after the call.
func (s *stage) ticked() {
	s.t.Helper()
	from := time.Now()
	s.until(3*time.Minute, "every shop has a good tick", func() bool {
		for _, row := range s.rows("SELECT tick_at FROM progress") {
			if moment(row[0]).Before(from) {
				return false
			}
		}
		return true
	})
}

// calls returns the requests to e-conomic since then that wants selects.
func (s *stage) calls(since time.Time, want func(path string) bool) []asked {
	var list []asked
	for _, a := range s.asked {
		if !a.at.Before(since) && want(a.path) {
			list = append(list, a)
		}
	}
	return list
}

// Kinds of requests to e-conomic.
func everyCall(string) bool { return true }
func isSelf(p string) bool  { return p == "/self" }
func isListing(p string) bool {
	return strings.HasPrefix(p, "/products?") && !strings.Contains(p, "filter=")
}
func isFirstPage(p string) bool {
	return isListing(p) && (!strings.Contains(p, "skippages=") || strings.Contains(p, "skippages=0"))
}
func isChanges(p string) bool {
	return strings.HasPrefix(p, "/products?") && strings.Contains(p, "lastUpdated")
}
func isFilter(p string) bool {
	return strings.HasPrefix(p, "/products?") && strings.Contains(p, "filter=") && !isChanges(p)
}
func isItem(p string) bool     { return strings.HasPrefix(p, "/products/") }
func isInvoices(p string) bool { return strings.HasPrefix(p, "/invoices/booked?") }
func isPDF(p string) bool      { return strings.HasSuffix(p, "/pdf") }

// fails makes e-conomic answer the selected requests with a status, at most the given number of
// times (-1: always), and counts how often it has.
func (s *stage) fails(times int, status int, header http.Header, which func(path string) bool) *int {
	n := new(int)
	s.script.answer = func(_ *instance, _ *shop, req *http.Request, _ *call) (*http.Response, bool) {
		if !which(req.URL.RequestURI()) || *n == times {
			return nil, false
		}
		*n++
		if status == 0 { // the connection breaks
			return nil, true
		}
		return answer(req, status, header.Clone(), []byte(`{"message":"staged","errorCode":"E99999"}`)), true
	}
	return n
}

// heals ends the faults of fails.
func (s *stage) heals() { s.script.answer = nil }

// hangs makes e-conomic leave the given number of selected requests unanswered.
func (s *stage) hangs(times int, which func(path string) bool) {
	n := 0
	s.script.answer = silent(func(_ *shop, path string) bool {
		if !which(path) || n == times {
			return false
		}
		n++
		return true
	})
}

// silent leaves the selected requests unanswered.
func silent(which func(x *shop, path string) bool) func(*instance, *shop, *http.Request, *call) (*http.Response, bool) {
	return func(_ *instance, x *shop, req *http.Request, c *call) (*http.Response, bool) {
		if !which(x, req.URL.RequestURI()) {
			return nil, false
		}
		c.hung = true
		return nil, true
	}
}

func (s *stage) shop() *shop { return s.world.shops[0] }

// whatOf returns the kind of a request in a word.
func whatOf(path string) string {
	switch {
	case isSelf(path):
		return "self"
	case isFirstPage(path):
		return "first page"
	case isListing(path):
		return "page"
	case isChanges(path):
		return "changes"
	case isFilter(path):
		return "filter"
	case isItem(path):
		return "item"
	case isInvoices(path):
		return "invoices"
	case isPDF(path):
		return "PDF"
	}
	return "invoice"
}

// set changes the settings of the first shop as a person's command does, through the store.
func (s *stage) set(change func(*store.Shop)) {
	s.t.Helper()
	s.person(func(ctx context.Context, st *store.Store) error {
		return st.SetShop(ctx, s.shop().name, time.Now(), func(shop *store.Shop) error {
			change(shop)
			return nil
		})
	})
}

// person executes a person's command and waits until it succeeds.
func (s *stage) person(command func(ctx context.Context, st *store.Store) error) {
	s.t.Helper()
	i := s.instances[slices.IndexFunc(s.instances, func(i *instance) bool { return !i.dead && !i.stopping && !i.paused })]
	var done atomic.Bool
	var err error
	go func() {
		defer s.wake()
		err = command(s.people, i.store)
		done.Store(true)
	}()
	s.until(time.Minute, "a person's command is done", done.Load)
	if err != nil {
		s.t.Fatal(err)
	}
}
