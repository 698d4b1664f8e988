package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"lagerd/store"
)

// TestQuietShop counts the calls of a shop in which nothing happens. Sweeps of a large one run
// as often as a fifth of the day's calls allows, at most every ten minutes.
func TestQuietShop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pageSize int
		want     map[string]int // calls in two hours
	}{
		"of one page":      {1000, map[string]int{"self": 2, "invoices": 120, "first page": 120}},
		"of several pages": {2, map[string]int{"self": 2, "invoices": 120, "changes": 108, "first page": 12, "page": 24}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.pageSize = c.pageSize }, func(t *testing.T, s *stage) {
				s.ticked()
				from := time.Now()
				s.pass(2 * time.Hour)
				got := map[string]int{}
				for _, a := range s.calls(from, everyCall) {
					got[whatOf(a.path)]++
				}
				for what := range got {
					if d := got[what] - c.want[what]; d < -2 || d > 2 {
						t.Errorf("%s: %d calls in two hours, expected %d", what, got[what], c.want[what])
					}
				}
				for what := range c.want {
					if got[what] == 0 {
						t.Errorf("%s: no call in two hours, expected %d", what, c.want[what])
					}
				}
			})
		})
	}
}

// TestRetries checks that a failure is retried when its backoff has passed, not sooner and not
// much later, with growing intervals.
func TestRetries(t *testing.T) {
	t.Parallel()
	// By the simulated lagerd's settings, with half of the maximum jitter.
	backoff := func(failures int, most time.Duration) time.Duration {
		return time.Second + min(2*time.Second<<(failures-1), most)/2
	}
	for name, c := range map[string]struct {
		fails   func(path string) bool
		prepare func(s *stage)
		late    time.Duration // interval of checks for due work
		tries   int           // in eight minutes
		most    time.Duration // longest backoff
	}{
		"a shop": {isInvoices, func(s *stage) {}, 0, 10, 40 * time.Second},
		"an item that was hinted at": {isItem, func(s *stage) {
			s.world.tell(s.shop(), "stock", "item1")
		}, pollEvery, 10, 40 * time.Second},
		"an invoice that was hinted at": {func(p string) bool { return p == "/invoices/booked/7" }, func(s *stage) {
			s.world.tell(s.shop(), "invoice", "7")
		}, pollEvery, 10, 40 * time.Second},
		"an invoice's PDF": {isPDF, func(s *stage) {
			s.world.book(s.shop(), s.world.living(s.shop())[0])
		}, pollEvery, 9, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A listing of everything would answer a hint.
			play(t, func(p *profile) { p.pageSize, p.items = 2, 10 }, func(t *testing.T, s *stage) {
				s.ticked()
				s.fails(-1, http.StatusInternalServerError, nil, c.fails)
				from := time.Now()
				c.prepare(s)
				s.pass(8 * time.Minute)
				tries := s.calls(from, c.fails)
				if len(tries) < c.tries || c.most > time.Hour && len(tries) > c.tries {
					t.Fatalf("%d tries, expected %d", len(tries), c.tries)
				}
				for n, try := range tries[1:] {
					if span, want := try.at.Sub(tries[n].at), backoff(n+1, c.most); span < want || span > want+c.late+time.Second {
						t.Errorf("the try after %d failures came %s after the one before, expected %s", n+1, span, want)
					}
				}
				s.heals()
				from = time.Now()
				s.pass(backoff(len(tries), c.most) + 10*time.Second)
				if again := s.calls(from, c.fails); len(again) == 0 || again[0].status != http.StatusOK && again[0].status != http.StatusNotFound {
					t.Errorf("no retry that would succeed: %v", again)
				}
			})
		})
	}
}

// TestRetryAfter checks that lagerd makes no calls to an agreement for as long as e-conomic
// says, and not for much longer.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status, seconds int // 0: it does not say
		all             bool
		want            time.Duration
	}{
		{http.StatusTooManyRequests, 25, true, 25 * time.Second},
		{http.StatusTooManyRequests, 100, true, 100 * time.Second},
		{http.StatusTooManyRequests, 0, true, time.Minute},
		{http.StatusServiceUnavailable, 25, false, 25 * time.Second},
		{http.StatusServiceUnavailable, 100, false, 100 * time.Second},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.seconds), func(t *testing.T) {
			t.Parallel()
			play(t, nil, func(t *testing.T, s *stage) {
				s.ticked()
				header := http.Header{}
				if c.seconds > 0 {
					header.Set("Retry-After", strconv.Itoa(c.seconds))
				}
				s.fails(1, c.status, header, isInvoices)
				from := time.Now()
				s.pass(c.want + 2*time.Minute)
				tries := s.calls(from, isInvoices)
				if len(tries) < 2 || tries[0].status != c.status {
					t.Fatalf("the tries are %v", tries)
				}
				if span := tries[1].at.Sub(tries[0].at); span < c.want || span > c.want+2*time.Second {
					t.Errorf("it was tried again after %s, expected %s", span, c.want)
				}
				if !c.all {
					return
				}
				for _, a := range s.calls(tries[0].at.Add(200*time.Millisecond), everyCall) {
					if span := a.at.Sub(tries[0].at); span < c.want {
						t.Errorf("%s was asked for after %s, expected nothing within %s", a.path, span, c.want)
					}
				}
			})
		})
	}
}

// TestSweepGoesOn checks that a sweep of several pages resumes at the page that could not be
// read, whatever the error, and never starts over.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	second := func(path string) bool { return isListing(path) && !isFirstPage(path) }
	for name, breaks := range map[string]func(s *stage, times int){
		"429": func(s *stage, times int) { s.fails(times, http.StatusTooManyRequests, nil, second) },
		"429 with Retry-After": func(s *stage, times int) {
			s.fails(times, http.StatusTooManyRequests, http.Header{"Retry-After": {"3"}}, second)
		},
		"500":           func(s *stage, times int) { s.fails(times, http.StatusInternalServerError, nil, second) },
		"503":           func(s *stage, times int) { s.fails(times, http.StatusServiceUnavailable, nil, second) },
		"no answer":     func(s *stage, times int) { s.hangs(times, second) },
		"no connection": func(s *stage, times int) { s.fails(times, 0, nil, second) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.items, p.pageSize, p.listingTurn = 12, 2, 0 }, func(t *testing.T, s *stage) {
				for _, which := range []string{"first", "second"} { // the first sets the cursor, the second does not
					from := time.Now()
					breaks(s, 3)
					s.until(20*time.Minute, "the "+which+" sweep is over", func() bool {
						at := s.rows("SELECT swept_at FROM progress")[0][0]
						return at != nil && moment(at).After(from)
					})
					good, bad := map[string]int{}, 0
					for _, a := range s.calls(from, isListing) {
						if a.status == http.StatusOK {
							good[a.path]++
						} else {
							bad++
						}
					}
					for path, n := range good {
						if n > 1 {
							t.Errorf("the %s sweep read %s %d times", which, path, n)
						}
					}
					if len(good) != 6 || bad != 3 {
						t.Errorf("the %s sweep read %d pages, %d failed, expected 6 and 3", which, len(good), bad)
					}
				}
			})
		})
	}
}

// TestSweepIsRemembered checks that a takeover repeats no sweep, neither after a crash nor
// after a planned stop.
func TestSweepIsRemembered(t *testing.T) {
	t.Parallel()
	for name, goes := range map[string]func(s *stage, i *instance){
		"crash":        func(s *stage, i *instance) { s.crash(i) },
		"planned stop": func(_ *stage, i *instance) { i.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.items, p.pageSize = 12, 2 }, func(t *testing.T, s *stage) {
				s.ticked()
				for range 4 {
					from := time.Now()
					swept := s.at("SELECT swept_at FROM progress")
					goes(s, s.instances[len(s.instances)-1])
					s.boot()
					s.pass(4 * time.Minute)
					if n := len(s.calls(from, isChanges)); n == 0 {
						t.Fatal("nobody has taken the shop")
					}
					again := s.calls(from, isFirstPage)
					for len(again) > 0 && again[0].at.Sub(swept) >= 10*time.Minute {
						again = again[1:]
					}
					if len(again) > 0 {
						t.Errorf("a sweep was begun %s after the last one", again[0].at.Sub(swept))
					}
				}
			})
		})
	}
}

// TestCallsAreCounted checks that the count of a shop's calls survives restarts and new
// settings, and restarts with each UTC day in any time zone.
func TestCallsAreCounted(t *testing.T) {
	t.Parallel()
	newest := func(s *stage) *instance { return s.instances[len(s.instances)-1] }
	for name, happens := range map[string]func(s *stage){
		"nothing": func(*stage) {},
		"a planned stop": func(s *stage) {
			newest(s).stop()
			s.boot()
		},
		"a planned stop right after a tick": func(s *stage) {
			from := time.Now()
			s.until(2*time.Minute, "a tick has read what it reads", func() bool { return len(s.calls(from, isListing)) > 0 })
			s.pass(200 * time.Millisecond)
			newest(s).stop()
			s.boot()
		},
		"a planned stop in the middle of a tick": func(s *stage) {
			from := time.Now()
			s.until(2*time.Minute, "a tick has begun", func() bool { return len(s.calls(from, isInvoices)) > 0 })
			newest(s).stop()
			s.boot()
		},
		"a crash": func(s *stage) {
			s.crash(newest(s))
			s.boot()
		},
		"new settings": func(s *stage) {
			s.set(func(shop *store.Shop) { shop.PauseReason = fmt.Sprint(s.step.Load()) })
		},
	} {
		for _, zone := range []int{-9, 0, 11} {
			t.Run(fmt.Sprint(name, " in UTC", zone), func(t *testing.T) {
				t.Parallel()
				playAt(t, 23*time.Hour+45*time.Minute, func(p *profile) { p.zone = zone * 3600 }, func(t *testing.T, s *stage) {
					for range 12 {
						s.ticked()
						s.pass(10 * time.Second)
						happens(s)
						today, spent := time.Now().UTC().Truncate(24*time.Hour), 0
						s.pass(leaseTTL + 10*time.Second)
						s.ticked()
						for _, a := range s.asked {
							if !a.at.Before(today) {
								spent++
							}
						}
						row := s.rows("SELECT calls_day, calls FROM progress")[0]
						day := time.Now().UTC().Format(time.DateOnly)
						if today.Format(time.DateOnly) != day {
							continue // midnight has passed
						}
						if row[0] != day || row[1] != int64(spent) {
							t.Fatalf("at %s UTC %v calls of %v are stored, expected %d of %s", time.Now().UTC().Format(time.TimeOnly), row[1], row[0], spent, day)
						}
					}
				})
			})
		}
	}
}
