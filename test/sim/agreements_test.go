package sim

import (
	"net/http"
	"testing"
	"time"

	"lagerd/store"
)

// oneHolder waits until one lagerd holds all shops, which share an agreement, and returns its name.
func (s *stage) oneHolder() (holder string) {
	s.t.Helper()
	s.until(5*time.Minute, "one lagerd has all shops", func() bool {
		rows := s.rows("SELECT DISTINCT holder FROM leases")
		if len(rows) == 1 {
			holder = rows[0][0].(string)
		}
		return len(rows) == 1 && holder != ""
	})
	return holder
}

// TestOneBudget: twelve shops of one agreement, between two lagerd, make no more calls than it
// allows in a day, whatever becomes of the lagerd.
func TestOneBudget(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(s *stage, holder string){
		"nothing": func(*stage, string) {},
		"crashes": func(s *stage, holder string) { s.crash(s.processOf(holder)); s.boot() },
		"stops":   func(s *stage, holder string) { s.processOf(holder).stop(); s.boot() },
		"reloads": func(s *stage, holder string) { s.processOf(holder).reload() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			playAt(t, 22*time.Hour+45*time.Minute, func(p *profile) { p.shops, p.instances, p.shares, p.dailyCalls = 12, 2, true, 300 }, func(t *testing.T, s *stage) {
				for range 6 {
					happens(s, s.oneHolder())
					s.pass(time.Minute)
				}
				s.pass(40 * time.Minute)
				made := len(s.calls(s.began, everyCall))
				if lost := 6 * 3; made > 300 || made < 285-lost {
					t.Errorf("%d calls, expected 285 to 300", made)
				}
				own := s.count("SELECT SUM(calls) FROM progress")
				if own > made || own < made-2*12 {
					t.Errorf("%d calls are the shops' own, expected %d", own, made)
				}
				if booked := s.count("SELECT calls FROM agreement_calls"); booked < made || booked > 300 {
					t.Errorf("%d calls are booked, and %d were made", booked, made)
				}
				s.oneHolder()
				s.pass(45 * time.Minute) // past midnight
				if more := len(s.calls(s.began, everyCall)) - made; more < 285 || more > 300 {
					t.Errorf("%d calls on the next day", more)
				}
			})
		})
	}
}

// processOf returns the process that has the name as a lease holder.
func (s *stage) processOf(holder string) *instance {
	for _, i := range s.instances {
		if i.named(holder) {
			return i
		}
	}
	s.t.Fatalf("no process is called %s", holder)
	return nil
}

// TestOneRetryAfter: when e-conomic tells one shop to wait, all shops of its agreement do, and the
// next lagerd, too.
func TestOneRetryAfter(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(s *stage, holder string){
		"nothing": func(*stage, string) {},
		"crashes": func(s *stage, holder string) { s.crash(s.processOf(holder)) },
		"stops":   func(s *stage, holder string) { s.processOf(holder).stop() },
		"reloads": func(s *stage, holder string) { s.processOf(holder).reload() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.shops, p.instances, p.shares = 12, 2, true }, func(t *testing.T, s *stage) {
				s.ticked()
				holder := s.oneHolder()
				s.fails(1, http.StatusTooManyRequests, http.Header{"Retry-After": {"200"}}, isInvoices)
				from := time.Now()
				s.until(2*time.Minute, "e-conomic says to wait", func() bool {
					return s.count("SELECT COUNT(*) FROM agreement_calls WHERE blocked_until IS NOT NULL") > 0
				})
				told := time.Now()
				happens(s, holder)
				s.pass(6 * time.Minute)
				all := s.calls(from, everyCall)
				after := 0
				for _, a := range all {
					switch span := a.at.Sub(told); {
					case span > time.Second && span < 199*time.Second: // some were under way
						t.Errorf("%s of %s was asked for after %s", a.path, a.shop.name, span)
					case span > 0:
						after++
					}
				}
				if after < 12*3 {
					t.Errorf("%d calls in the minutes after the wait", after)
				}
				s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// TestAnotherProcessIsTold: a lagerd waits when a command was told to, and knows what it has
// booked.
func TestAnotherProcessIsTold(t *testing.T) {
	t.Parallel()
	play(t, nil, func(t *testing.T, s *stage) {
		s.ticked()
		i := s.instances[0]
		number := s.world.number(s.shop())
		now := time.Now()
		go func() { _, _ = i.store.BlockCalls(s.people, store.ServiceEconomic, number, 5*time.Minute, now) }()
		s.pass(pollEvery + 2*time.Second)
		from := time.Now()
		s.pass(4 * time.Minute)
		if n := len(s.calls(from, everyCall)); n > 0 {
			t.Errorf("%d calls while e-conomic takes none", n)
		}
		s.pass(2 * time.Minute)
		if n := len(s.calls(from, everyCall)); n == 0 {
			t.Error("no call since then")
		}
	})
}

// TestJoinsAnAgreement: a shop whose agreement another lagerd turns out to work on is given over
// to it before more is read than whose it is.
func TestJoinsAnAgreement(t *testing.T) {
	t.Parallel()
	play(t, func(p *profile) { p.shops, p.instances, p.shares = 2, 2, true }, func(t *testing.T, s *stage) {
		holder := s.oneHolder()
		s.ticked()
		held := func(shop string) string {
			return s.value("SELECT holder FROM leases WHERE shop = ?", shop).(string)
		}
		// The shop moves to the other lagerd, as if its agreement were its own, and is read anew.
		other := ""
		for _, i := range s.instances {
			if !i.named(holder) {
				other = i.engine.Instance()
			}
		}
		s.db.mustExec("UPDATE progress SET agreement_number = 0 WHERE shop = 'shop2'")
		s.db.mustExec("UPDATE leases SET holder = '' WHERE shop = 'shop2'")
		logged := s.logged("works on the shop's agreement")
		s.until(time.Minute, "the other lagerd has taken it", func() bool { return held("shop2") == other })
		from := time.Now()
		s.until(time.Minute, "it has given it over", func() bool { return held("shop2") == holder })
		for _, a := range s.calls(from.Add(-time.Minute), everyCall) {
			if a.shop.name == "shop2" && !a.inst.named(holder) && a.path != "/self" {
				t.Errorf("%s asked for %s", a.inst.name, a.path)
			}
		}
		if held("shop1") != holder {
			t.Error("the other shop has moved")
		}
		if n := s.logged("works on the shop's agreement") - logged; n != 1 {
			t.Errorf("it was logged %d times", n)
		}
		s.ticked()
	})
}

// TestAddedOneByOne: a lagerd keeps the shops of an agreement that only a command has called, when
// some are added, and therefore free, while it begins to work on another.
func TestAddedOneByOne(t *testing.T) {
	t.Parallel()
	for gap := time.Duration(0); gap < 24*time.Millisecond; gap += 3 * time.Millisecond {
		t.Run(gap.String(), func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.shops, p.shares, p.called = 3, true, true }, func(t *testing.T, s *stage) {
				s.db.mustExec("DELETE FROM leases WHERE shop <> 'shop1'")
				s.pass(gap)
				s.db.mustExec("INSERT INTO leases (shop) VALUES ('shop2'), ('shop3')")
				s.ticked()
				s.oneHolder()
				if n := s.logged("works on the shop's agreement"); n > 0 {
					t.Errorf("%d times a shop was left to another lagerd, and there is none", n)
				}
			})
		})
	}
}
