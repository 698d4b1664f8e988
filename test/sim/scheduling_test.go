package sim

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// metric returns an instance's value of a metric, by its name and labels.
func (s *stage) metric(i *instance, name string) float64 {
	s.t.Helper()
	rec := httptest.NewRecorder()
	i.metrics.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(rec.Body.String()) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return f
		}
	}
	s.t.Fatalf("there is no metric %s", name)
	return 0
}

// logged returns how many lines of the log contain the text.
func (s *stage) logged(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// TestHungAgreement checks that the ticks of one shop are on time while the agreement of
// another hangs, and that everything is normal once it answers again.
func TestHungAgreement(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.shops, p.workers = 2, 1 }, func(t *testing.T, s *stage) {
		s.ticked()
		hung := s.world.shops[0]
		s.script.answer = silent(func(x *shop, _ string) bool { return x == hung })
		s.pass(time.Minute)
		from := time.Now()
		stuck := 0.0
		for range 60 {
			s.pass(time.Minute)
			stuck = max(stuck, s.metric(s.instances[0], "lagerd_stuck_workers"))
		}
		tries, ticks, last := 0, 0, time.Time{}
		for _, a := range s.calls(from, everyCall) {
			switch {
			case a.shop == hung:
				tries++
			case isListing(a.path):
				if span := a.at.Sub(last); ticks > 0 && span > 65*time.Second {
					t.Errorf("the other shop's tick came %s after the one before", span)
				}
				ticks, last = ticks+1, a.at
			}
		}
		if tries < 60 || ticks < 59 {
			t.Errorf("in an hour the shop that hangs was tried %d times, and the other had %d ticks", tries, ticks)
		}
		if stuck == 0 {
			t.Error("no metric showed it")
		}
		s.heals()
		s.pass(2 * time.Minute)
		if stuck := s.metric(s.instances[0], "lagerd_stuck_workers"); stuck != 0 {
			t.Errorf("%v workers are reported stuck after the hang", stuck)
		}
		if differs := s.oracle.differs(); differs != "" {
			t.Error(differs)
		}
	})
}

// TestFencedWrite checks that a lagerd that loses a lease before it writes reports it, gives up
// the shop, and counts no failure.
func TestFencedWrite(t *testing.T) {
	t.Parallel()
	play(t, nil, func(t *testing.T, s *stage) {
		s.ticked()
		from := time.Now()
		s.world.adjust(s.shop(), s.world.living(s.shop())[0], s.world.figure(s.shop()), false)
		s.until(time.Minute, "the item is being read", func() bool { return len(s.calls(from, isItem)) > 0 })
		s.db.mustExec("UPDATE leases SET holder = 'another', token = token + 1, applied_seq = 0")
		s.oracle.checkLeases(s.instances[0], "")
		token := s.count("SELECT token FROM leases")
		s.until(leaseBeat+time.Second, "it has found the lease lost", func() bool { return s.metric(s.instances[0], "lagerd_fenced_writes_total") > 0 })
		s.until(2*leaseBeat, "it has taken the lease again", func() bool { return s.count("SELECT token FROM leases") > token })
		s.ticked()
		if n := s.metric(s.instances[0], "lagerd_fenced_writes_total"); n != 1 {
			t.Errorf("%v fenced writes are counted, expected 1", n)
		}
		if s.logged("another lagerd has taken the shop") != 1 || s.logged("could not be reconciled") != 0 {
			t.Errorf("it is logged as\n%s", s.log.String())
		}
		if differs := s.oracle.differs(); differs != "" {
			t.Error(differs)
		}
	})
}

// TestTickIsDated checks that a shop's last successful tick is dated no later than the start of
// its reads.
func TestTickIsDated(t *testing.T) {
	t.Parallel()
	// More shops than workers are spread over the minute, some of them a second apart.
	play(t, func(p *profile) { p.shops, p.items, p.workers = 24, 2, 1 }, func(t *testing.T, s *stage) {
		s.ticked()
		for range 5 {
			s.pass(time.Minute)
			for _, x := range s.world.shops {
				at := s.at("SELECT tick_at FROM progress WHERE shop = ?", x.name)
				if time.Since(at) > 2*time.Minute {
					t.Errorf("the last successful tick of %s is %s old", x.name, time.Since(at))
				}
				began := time.Time{}
				for _, a := range s.asked {
					if a.shop == x && isInvoices(a.path) && a.at.Sub(at) < 30*time.Second {
						began = a.at
					}
				}
				if at.After(began) {
					t.Errorf("%s has a successful tick of %s, and was read from %s on", x.name, at.Format(time.StampMicro), began.Format(time.StampMicro))
				}
			}
		}
	})
}
