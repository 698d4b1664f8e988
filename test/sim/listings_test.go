package sim

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// turns creates a catalogue with the given number of pages of two items; each pass reads one
// page.
func turns(pages int) func(p *profile) {
	return func(p *profile) { p.items, p.pageSize, p.listingTurn = 2*pages, 2, 0 }
}

// change gives n items, spread over the catalogue, new figures that neither a webhook nor a
// change query reveals.
func (s *stage) change(items int) {
	s.t.Helper()
	living := s.world.living(s.shop())
	s.script.mute = true
	for n := range items {
		s.world.adjust(s.shop(), living[n*len(living)/items], s.world.figure(s.shop()), true)
	}
	s.script.mute = false
}

// asks stores a person's request.
func (s *stage) asks(id, what string) {
	s.db.mustExec("INSERT INTO requests (request, shop, what, requested_at) VALUES (?,?,?,?)", id, s.shop().name, what,
		time.Now().UTC().Format("2006-01-02 15:04:05.000000"))
}

// answered waits until a request is finished and returns its result.
func (s *stage) answered(id string, within time.Duration) (changes int64, failure string) {
	s.t.Helper()
	s.until(within, "the request "+id+" is done", func() bool {
		return s.rows("SELECT done_at FROM requests WHERE request = ?", id)[0][0] != nil
	})
	row := s.rows("SELECT changes, failure FROM requests WHERE request = ?", id)[0]
	return row[0].(int64), row[1].(string)
}

// TestSweepTellsAllItsChanges checks that a request for a sweep of several turns reports the
// changes of all of them, and that a request made meanwhile reports those of the next sweep.
func TestSweepTellsAllItsChanges(t *testing.T) {
	t.Parallel()
	play(t, turns(6), func(t *testing.T, s *stage) {
		s.ticked()
		s.change(5)
		s.asks("first", "sweep")
		from := time.Now()
		s.until(time.Minute, "the sweep has begun", func() bool { return len(s.calls(from, isListing)) > 1 })
		s.asks("second", "sweep")
		if changes, failure := s.answered("first", time.Minute); changes != 5 || failure != "" {
			t.Errorf("the first reports %d changes, failure %q; expected 5", changes, failure)
		}
		if changes, failure := s.answered("second", time.Minute); changes != 0 || failure != "" {
			t.Errorf("the second reports %d changes, failure %q; expected none", changes, failure)
		}
		if first := s.calls(from, isFirstPage); len(first) != 2 {
			t.Errorf("two requests for a sweep led to %d sweeps", len(first))
		}
		if pages := s.calls(from, isListing); len(pages) != 12 {
			t.Errorf("two sweeps of six pages took %d calls", len(pages))
		}
	})
}

// TestRequestsTellOfFailure checks that a request made while e-conomic cannot be read reports
// so, and why.
func TestRequestsTellOfFailure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		what, told string
		breaks     func(s *stage)
	}{
		"a tick, and e-conomic fails": {"tick", "500", func(s *stage) { s.fails(-1, http.StatusInternalServerError, nil, everyCall) }},
		"a tick, and it hangs":        {"tick", "no complete answer", func(s *stage) { s.hangs(-1, everyCall) }},
		"a sweep, and it hangs":       {"sweep", "no complete answer", func(s *stage) { s.hangs(-1, everyCall) }},
		"a sweep, and it limits":      {"sweep", "429", func(s *stage) { s.fails(-1, http.StatusTooManyRequests, nil, everyCall) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, turns(3), func(t *testing.T, s *stage) {
				s.ticked()
				c.breaks(s)
				s.asks("asked", c.what)
				if _, failure := s.answered("asked", 4*time.Minute); !strings.Contains(failure, c.told) {
					t.Errorf("it reports the failure %q, expected %q", failure, c.told)
				}
				s.heals()
				s.pass(time.Minute)
				s.asks("again", c.what)
				if _, failure := s.answered("again", time.Minute); failure != "" {
					t.Errorf("it reports the failure %q after it ended", failure)
				}
			})
		})
	}
}

// TestHintsBesideAListing checks that an item sold again during a burst's listing is read with
// the next turn if pages fail, even if the listing takes long.
func TestHintsBesideAListing(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) {
		// A URL fits only one of the long item numbers: three of them are a burst.
		p.items, p.pageSize, p.listingTurn, p.bursts, p.maxURLBytes, p.unpackAtOnce = 12, 6, 0, true, 450, 1
	}, func(t *testing.T, s *stage) {
		s.ticked()
		second := func(path string) bool { return isListing(path) && !isFirstPage(path) }
		failed := s.fails(-1, http.StatusBadGateway, nil, second)
		from := time.Now()
		numbers := s.hinted(6)
		s.until(time.Minute, "the burst's listing fails", func() bool { return *failed > 0 })
		if len(s.calls(from, isFirstPage)) != 1 {
			t.Fatal("the burst is not read by a listing")
		}
		last := s.shop().items[numbers[len(numbers)-1]]
		figure := s.world.figure(s.shop())
		s.world.adjust(s.shop(), last, figure, true) // no change query shows it
		s.until(90*time.Second, "the item that was sold once more is read", func() bool {
			return s.stock(last.number) == strconv.FormatFloat(float64(figure)/100, 'f', -1, 64)
		})
		if n := len(s.calls(from, isFirstPage)); n != 1 {
			t.Errorf("the listing began %d times", n)
		}
		s.heals()
		s.until(5*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
	})
}

// stock returns the stored stock of an item of the first shop.
func (s *stage) stock(number string) string {
	rows := s.rows("SELECT stock FROM items WHERE shop = ? AND number = ?", s.shop().name, number)
	if len(rows) == 0 {
		return "none"
	}
	return figure(rows[0][0])
}
