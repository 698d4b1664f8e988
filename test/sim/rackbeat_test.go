package sim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
)

func isRackbeat(p string) bool { return strings.HasPrefix(p, "/api/") }

func isEconomic(p string) bool { return !isRackbeat(p) }

// atRackbeat keeps the stock of the first shop at Rackbeat, and that of the second at e-conomic.
func atRackbeat(p *profile) {
	p.shops, p.rackbeat, p.perMinute = 2, 1, 60
}

// figureOf returns the stored figure of an item of the first shop.
func (s *stage) figureOf(number string) string {
	for _, row := range s.rows("SELECT stock FROM items WHERE shop = ? AND number = ?", s.shop().name, number) {
		return figure(row[0])
	}
	return ""
}

// sells books an invoice of the shop's first item, and returns its number at e-conomic.
func (s *stage) sells(x *shop) int64 {
	known := len(x.invoices)
	s.world.book(x, x.items["item1"])
	if len(x.invoices) != known+1 {
		s.t.Fatal("no invoice was booked")
	}
	for number := range x.invoices {
		known = max(known, int(number))
	}
	return int64(known)
}

// TestOneSideDown checks that what is read with one of a shop's tokens goes on as fast as ever,
// without any webhook, while the other's service is down, whichever it is, and that nothing of the
// shop is held: a failure is no refusal.
func TestOneSideDown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		down          func(path string) bool
		status        int // 0: the connection breaks
		stock, billed bool
	}{
		"Rackbeat fails":             {isRackbeat, http.StatusBadGateway, false, true},
		"Rackbeat breaks":            {isRackbeat, 0, false, true},
		"Rackbeat limits calls":      {isRackbeat, http.StatusTooManyRequests, false, true},
		"e-conomic fails":            {isEconomic, http.StatusBadGateway, true, false},
		"e-conomic breaks":           {isEconomic, 0, true, false},
		"e-conomic limits its calls": {isEconomic, http.StatusTooManyRequests, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, atRackbeat, func(t *testing.T, s *stage) {
				s.ticked()
				s.script.mute = true
				s.fails(-1, c.status, http.Header{"Retry-After": {"20"}}, c.down)
				s.pass(3 * time.Minute)
				number := s.sells(s.shop())
				want := s.shop().items["item1"].latest().figure()
				s.pass(2 * time.Minute)
				invoices := s.count("SELECT COUNT(*) FROM invoices WHERE shop = ? AND number = ? AND pdf_state = 'stored'", s.shop().name, number)
				if (s.figureOf("item1") == want) != c.stock || (invoices == 1) != c.billed {
					t.Errorf("the stock is %s, of %s, and %d invoices are stored", s.figureOf("item1"), want, invoices)
				}
				if held := s.rows("SELECT shop, scope, reason FROM holds"); len(held) > 0 {
					t.Errorf("held: %v", held)
				}
				s.heals()
				s.until(3*time.Minute, "all is stored again", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// TestBothSidesDown checks that a shop is up to date soon after both services have failed it for a
// minute, as when lagerd's own network is away, however often that happens, and that it is tried now
// and then meanwhile.
func TestBothSidesDown(t *testing.T) {
	t.Parallel()
	for name, falls := range map[string]func(s *stage){
		"fail":  func(s *stage) { s.fails(-1, http.StatusBadGateway, nil, everyCall) },
		"break": func(s *stage) { s.fails(-1, 0, nil, everyCall) },
		"hang":  func(s *stage) { s.hangs(-1, everyCall) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { atRackbeat(p); p.heldRetry = time.Hour }, func(t *testing.T, s *stage) {
				s.ticked()
				s.script.mute, s.script.jitter = true, -1 // what fails at one moment is tried again at several
				for range 12 {
					falls(s)
					s.sells(s.shop())
					s.pass(70 * time.Second)
					if failures := s.count("SELECT failures FROM progress WHERE shop = ?", s.shop().name); failures > 50 {
						t.Errorf("%d failures in a row within 70 s", failures)
					}
					s.heals()
					s.until(2*time.Minute, "all is stored again", func() bool { return s.oracle.differs() == "" })
				}
			})
		})
	}
}

// TestOneTokenRefused checks that a refused key holds the stock, and a refused grant the invoices,
// each until it is good again.
func TestOneTokenRefused(t *testing.T) {
	t.Parallel()
	for held, refuse := range map[plan.Scope]func(x *shop, refused bool){
		plan.ScopeStock:    func(x *shop, refused bool) { x.keyless = refused },
		plan.ScopeInvoices: func(x *shop, refused bool) { x.refused = refused },
	} {
		t.Run(string(held), func(t *testing.T) {
			t.Parallel()
			play(t, atRackbeat, func(t *testing.T, s *stage) {
				s.ticked()
				refuse(s.shop(), true)
				s.pass(3 * time.Minute)
				if got, want := fmt.Sprint(s.rows("SELECT shop, scope FROM holds")), fmt.Sprintf("[[%s %s]]", s.shop().name, held); got != want {
					t.Errorf("held is %s, expected %s", got, want)
				}
				number := s.sells(s.shop())
				s.pass(2 * time.Minute)
				stored := s.count("SELECT COUNT(*) FROM invoices WHERE shop = ? AND number = ?", s.shop().name, number) == 1
				current := s.figureOf("item1") == s.shop().items["item1"].latest().figure()
				if stored != (held == plan.ScopeStock) || current != (held == plan.ScopeInvoices) {
					t.Errorf("the invoice is stored: %t; the stock is current: %t", stored, current)
				}
				refuse(s.shop(), false)
				s.until(3*time.Minute, "all is stored again", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}

// oneAccount keeps the stock of two shops, between two lagerd, in one account at Rackbeat.
func oneAccount(p *profile) {
	p.shops, p.rackbeat, p.instances, p.oneAccount, p.perMinute = 2, 2, 2, true, 60
}

// fates are what may become of the lagerd that has the shops, by name as a lease holder.
var fates = map[string]func(s *stage, holder string){
	"nothing": func(*stage, string) {},
	"crashes": func(s *stage, holder string) { s.crash(s.processOf(holder)); s.boot() },
	"stops":   func(s *stage, holder string) { s.processOf(holder).stop(); s.boot() },
	"reloads": func(s *stage, holder string) { s.processOf(holder).reload() },
}

// TestOneRackbeatAccount checks that shops of one account, whose agreements are their own, go to one
// lagerd, and that together they make no more calls than the account allows in a day and a minute,
// whatever becomes of the lagerd.
func TestOneRackbeatAccount(t *testing.T) {
	t.Parallel()
	for name, happens := range fates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			few := func(p *profile) { oneAccount(p); p.perDay = 100 }
			playAt(t, 22*time.Hour+30*time.Minute, few, func(t *testing.T, s *stage) {
				for range 6 {
					happens(s, s.oneHolder())
					s.pass(time.Minute)
				}
				if accounts := s.count("SELECT COUNT(DISTINCT stock_account) FROM progress"); accounts != 1 || s.count("SELECT COUNT(DISTINCT agreement_number) FROM progress") != 2 {
					t.Errorf("the shops have %d accounts", accounts)
				}
				// Ticks alone are spread over the day. Webhooks use up what it has.
				for n := range 60 {
					for _, x := range s.world.shops {
						living := s.world.living(x)
						s.world.adjust(x, living[n%len(living)], s.world.figure(x), false)
					}
					s.pass(time.Minute)
				}
				made := s.calls(s.began, isRackbeat)
				if len(made) > 100 || len(made) < 75 {
					t.Errorf("%d calls, expected 75 to 100", len(made))
				}
				for n := 60; n < len(made); n++ {
					if took := made[n].at.Sub(made[n-60].at); took < time.Minute {
						t.Errorf("61 calls in %s", took)
					}
				}
				if booked := s.count("SELECT calls FROM rackbeat_calls"); booked < len(made) || booked > 100 {
					t.Errorf("%d calls are booked, and %d were made", booked, len(made))
				}
				s.oneHolder()
			})
		})
	}
}

// TestRackbeatsRetryAfter checks that a 429 of Rackbeat's to one shop binds the other of its account,
// and the next lagerd.
func TestRackbeatsRetryAfter(t *testing.T) {
	t.Parallel()
	for name, happens := range fates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, oneAccount, func(t *testing.T, s *stage) {
				s.ticked()
				holder := s.oneHolder()
				s.fails(1, http.StatusTooManyRequests, http.Header{"Retry-After": {"200"}}, isRackbeat)
				s.until(2*time.Minute, "Rackbeat says to wait", func() bool {
					return s.count("SELECT COUNT(*) FROM rackbeat_calls WHERE blocked_until IS NOT NULL") > 0
				})
				told := time.Now()
				happens(s, holder)
				s.pass(6 * time.Minute)
				after := 0
				for _, a := range s.calls(told, isRackbeat) {
					switch span := a.at.Sub(told); {
					case span > time.Second && span < 199*time.Second: // some were under way
						t.Errorf("%s of %s was asked for after %s", a.path, a.shop.name, span)
					case span > 0:
						after++
					}
				}
				if after < 3 {
					t.Errorf("%d calls in the minutes after the wait", after)
				}
				if n := len(s.calls(told, isEconomic)); n < 2*4 {
					t.Errorf("%d calls to e-conomic, which did not say to wait", n)
				}
				s.until(3*time.Minute, "everything is equal", func() bool { return s.oracle.differs() == "" })
			})
		})
	}
}
