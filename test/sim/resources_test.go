package sim

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestNothingIsKept: whatever becomes of passes, none leaves anything behind: after
// thousands of them as many goroutines run, and the heap is as large, as after a few, and
// what a person asks for takes no longer. It must not run beside other tests, whose heap
// would be counted too.
func TestNothingIsKept(t *testing.T) {
	const noise, aRound = 64 << 10, 10 // bytes that the heap may grow by anyway, and with each round
	for _, c := range []struct {
		name   string
		set    func(p *profile)
		begin  func(s *stage)
		rounds int
		round  func(s *stage, n int)
	}{
		{"quiet ticks", func(p *profile) { p.schedule = "@every 1s" }, nil, 2500, func(s *stage, _ int) { s.pass(time.Second) }},
		{"change queries", func(p *profile) { p.pageSize, p.schedule = 2, "@every 1s" }, nil, 2000, func(s *stage, _ int) { s.pass(time.Second) }},
		{"failures", nil, func(s *stage) { s.fails(-1, http.StatusInternalServerError, nil, everyCall) }, 600, func(s *stage, n int) {
			s.asks(fmt.Sprint("r", n), "tick")
			s.pass(pollEvery)
		}},
		{"hung calls", func(p *profile) { p.workers = 1 }, func(s *stage) { s.hangs(-1, everyCall) }, 300, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"a refused token", nil, func(s *stage) { s.fails(-1, http.StatusUnauthorized, nil, everyCall) }, 600, func(s *stage, _ int) { s.pass(30 * time.Second) }},
		{"refused parts", nil, func(s *stage) {
			s.fails(-1, http.StatusForbidden, nil, func(path string) bool { return !isSelf(path) })
		}, 600, func(s *stage, _ int) { s.pass(30 * time.Second) }},
		{"webhooks", nil, nil, 800, func(s *stage, n int) {
			s.world.tell(s.shop(), "stock", s.shop().numbers[n%len(s.shop().numbers)])
			s.pass(time.Second)
		}},
		{"floods", func(p *profile) {
			p.items, p.pageSize, p.listingTurn, p.floods, p.maxURLBytes, p.unpackAtOnce = 12, 6, 0, true, 450, 1
		}, nil, 600,
			func(s *stage, _ int) {
				s.hinted(6)
				s.pass(pollEvery)
			}},
		{"sweeps", turns(6), nil, 400, func(s *stage, n int) {
			s.asks(fmt.Sprint("r", n), "sweep")
			s.pass(pollEvery)
		}},
		{"sweeps whose pages fail", turns(6), func(s *stage) {
			n := 0
			s.script.answer = func(_ *instance, _ *shop, req *http.Request, _ *call) (*http.Response, bool) {
				if n++; !isListing(req.URL.RequestURI()) || n%2 == 0 {
					return nil, false
				}
				return answer(req, http.StatusServiceUnavailable, nil, []byte(`{}`)), true
			}
		}, 300, func(s *stage, n int) {
			s.asks(fmt.Sprint("r", n), "sweep")
			s.pass(30 * time.Second)
		}},
		{"losses that are held back", nil, func(s *stage) {
			s.script.mute = true
			for _, it := range s.world.living(s.shop()) {
				s.world.adjust(s.shop(), it, 0, false)
			}
		}, 600, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"PDFs that are not there", nil, func(s *stage) {
			s.fails(-1, http.StatusNotFound, nil, isPDF)
			for n := range int64(5) {
				s.book(1 + n)
			}
		}, 300, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"leases that are lost", nil, nil, 600, func(s *stage, _ int) {
			s.db.mustExec("UPDATE leases SET holder = 'another', token = token + 1, applied_seq = 0")
			s.oracle.checkLeases(s.instances[0], "")
			s.pass(2 * leaseBeat)
		}},
		{"settings that change", nil, nil, 600, func(s *stage, n int) {
			s.set(func(x *store.Shop) { x.PauseReason = fmt.Sprint(n) })
			s.pass(pollEvery)
		}},
		{"shops that come and go", func(p *profile) { p.moves, p.removes = true, true }, nil, 300, func(s *stage, n int) {
			other := s.world.shops[1]
			other.name = "shop2"
			s.person(func(ctx context.Context, st *store.Store) error {
				return st.AddShop(ctx, store.Shop{Shop: other.name, GrantToken: []byte(other.grant), StockOn: true, StockFigure: plan.FigureInStock,
					StockSource: store.SourceEconomic, InvoicesOn: true, InvoicesFrom: "2000-01-01", OrderField: plan.OrderInOtherReference}, fmt.Appendf(nil, "%032d", n), time.Now())
			})
			s.pass(leaseBeat + pollEvery)
			s.person(func(ctx context.Context, st *store.Store) error { return st.RemoveShop(ctx, other.name) })
			s.pass(leaseBeat + pollEvery)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := func(p *profile) {
				p.keepHints, p.keepHistory = 10*time.Minute, 10*time.Minute
				if c.set != nil {
					c.set(p)
				}
			}
			play(t, set, func(t *testing.T, s *stage) {
				s.script.asked, s.script.logged = nil, nil // they would remember
				s.ticked()
				before := s.takes()
				if c.begin != nil {
					c.begin(s)
				}
				for n := range c.rounds / 4 {
					c.round(s, n)
				}
				early := s.usage()
				for n := range c.rounds {
					c.round(s, c.rounds+n)
				}
				late := s.usage()
				t.Logf("%d rounds: goroutines %d → %d, heap %d → %d KiB", c.rounds, early.Goroutines, late.Goroutines, early.Heap>>10, late.Heap>>10)
				if grown := int(late.Heap) - int(early.Heap); grown > noise+aRound*c.rounds {
					t.Errorf("the heap has grown by %d KiB in %d rounds", grown>>10, c.rounds)
				}
				if late.Goroutines > early.Goroutines+2 {
					t.Errorf("%d goroutines have become %d", early.Goroutines, late.Goroutines)
				}
				s.heals()
				s.script.mute = false
				s.pass(90 * time.Second)
				if after := s.takes(); after > before+2*time.Second {
					t.Errorf("a sweep that is asked for took %s at first, and %s in the end", before, after)
				}
			})
		})
	}
}

// takes returns how long a sweep takes that a person asks for.
func (s *stage) takes() time.Duration {
	s.t.Helper()
	id, from := fmt.Sprint("sweep at ", time.Since(s.began)), time.Now()
	s.asks(id, "sweep")
	s.answered(id, 3*time.Minute)
	return time.Since(from)
}
