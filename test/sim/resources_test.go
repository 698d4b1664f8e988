package sim

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// TestNothingIsKept checks that no pass leaks anything, however it ends: after hundreds of
// passes there are as many goroutines and as much heap of lagerd as after a few, and requests
// and bursts take no longer. It must not run beside other tests, whose heap would count too.
func TestNothingIsKept(t *testing.T) {
	defer func(usual int) { runtime.MemProfileRate = usual }(runtime.MemProfileRate)
	runtime.MemProfileRate = 512
	const noise = 32 << 10 // normal variation of lagerd's heap, in bytes
	for _, c := range []struct {
		name   string
		set    func(p *profile)
		begin  func(s *stage)
		rounds int
		round  func(s *stage, n int)
	}{
		{"quiet ticks", func(p *profile) { p.schedule = "@every 1s" }, nil, 800, func(s *stage, _ int) { s.pass(time.Second) }},
		{"change queries", func(p *profile) { p.pageSize, p.schedule = 2, "@every 1s" }, nil, 400, func(s *stage, _ int) { s.pass(time.Second) }},
		{"failures", nil, func(s *stage) { s.fails(-1, http.StatusInternalServerError, nil, everyCall) }, 300, func(s *stage, n int) {
			s.asks(fmt.Sprint("r", n), "tick")
			s.pass(pollEvery)
		}},
		{"hung calls", func(p *profile) { p.workers = 1 }, func(s *stage) { s.hangs(-1, everyCall) }, 300, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"a refused token", nil, func(s *stage) { s.fails(-1, http.StatusUnauthorized, nil, everyCall) }, 300, func(s *stage, _ int) { s.pass(30 * time.Second) }},
		{"refused parts", nil, func(s *stage) {
			s.fails(-1, http.StatusForbidden, nil, func(path string) bool { return !isSelf(path) })
		}, 300, func(s *stage, _ int) { s.pass(30 * time.Second) }},
		{"webhooks", nil, nil, 300, func(s *stage, n int) {
			s.world.tell(s.shop(), "stock", s.shop().numbers[n%len(s.shop().numbers)])
			s.pass(time.Second)
		}},
		{"bursts", func(p *profile) {
			p.items, p.pageSize, p.listingTurn, p.bursts, p.maxURLBytes, p.unpackAtOnce = 12, 6, 0, true, 450, 1
		}, nil, 40, func(s *stage, _ int) {
			s.burst(100)
			s.pass(pollEvery)
		}},
		{"sweeps", turns(6), nil, 200, func(s *stage, n int) {
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
		}, 150, func(s *stage, n int) {
			s.asks(fmt.Sprint("r", n), "sweep")
			s.pass(30 * time.Second)
		}},
		{"losses that are held back", nil, func(s *stage) {
			s.script.mute = true
			for _, it := range s.world.living(s.shop()) {
				s.world.adjust(s.shop(), it, 0, false)
			}
		}, 200, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"PDFs that are not there", nil, func(s *stage) {
			s.fails(-1, http.StatusNotFound, nil, isPDF)
			for n := range int64(5) {
				s.book(1 + n)
			}
		}, 150, func(s *stage, _ int) { s.pass(time.Minute) }},
		{"leases that are lost", nil, nil, 200, func(s *stage, _ int) {
			s.db.mustExec("UPDATE leases SET holder = 'another', token = token + 1, applied_seq = 0")
			s.oracle.checkLeases(s.instances[0], "")
			s.pass(2 * leaseBeat)
		}},
		{"settings that change", nil, nil, 200, func(s *stage, n int) {
			s.set(func(x *store.Shop) { x.PauseReason = fmt.Sprint(n) })
			s.pass(pollEvery)
		}},
		{"shops that come and go", func(p *profile) { p.moves, p.removes = true, true }, nil, 100, func(s *stage, n int) {
			other := s.world.shops[1]
			other.name = fmt.Sprint("shop", 2+n)
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
				s.script.asked, s.script.logged = nil, nil // they would keep data
				s.ticked()
				before, burstBefore := s.takes(), s.burstTakes()
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
				t.Logf("%d rounds: goroutines %d → %d, heap %d → %d KiB, lagerd's %d → %d KiB", c.rounds, early.Goroutines, late.Goroutines, early.Heap>>10, late.Heap>>10, early.OfLagerd>>10, late.OfLagerd>>10)
				if grown := int(late.OfLagerd) - int(early.OfLagerd); grown > noise {
					t.Errorf("lagerd's part of the heap grew by %d KiB in %d rounds", grown>>10, c.rounds)
				}
				if late.Goroutines > early.Goroutines+2 {
					t.Errorf("the number of goroutines went from %d to %d", early.Goroutines, late.Goroutines)
				}
				s.heals()
				s.script.mute = false
				s.world.operate()
				s.pass(90 * time.Second)
				if after := s.takes(); after > before+2*time.Second {
					t.Errorf("a requested sweep took %s at first and %s in the end", before, after)
				}
				if after := s.burstTakes(); after > burstBefore+2*time.Second {
					t.Errorf("a burst of hints took %s at first, and %s in the end", burstBefore, after)
				}
			})
		})
	}
}

// burstTakes returns how long a burst of hints takes until all of them have been read.
func (s *stage) burstTakes() time.Duration {
	s.t.Helper()
	from := time.Now()
	s.burst(100)
	s.pass(time.Second)
	s.until(5*time.Minute, "a burst of hints is read", func() bool {
		return s.count("SELECT (SELECT COUNT(*) FROM hints WHERE open = 1 AND tries = 0) + (SELECT COUNT(*) FROM hint_batches)") == 0
	})
	return time.Since(from)
}

// burst sends n webhooks, over all items.
func (s *stage) burst(webhooks int) {
	for n := range webhooks {
		s.world.webhooks++
		s.instances[0].deliver(webhook.Hint{Shop: s.shop().name, Kind: webhook.KindStock, Number: s.shop().numbers[n%len(s.shop().numbers)]}, s.world.webhooks)
	}
}

// takes returns how long a requested sweep takes.
func (s *stage) takes() time.Duration {
	s.t.Helper()
	id, from := fmt.Sprint("sweep at ", time.Since(s.began)), time.Now()
	s.asks(id, "sweep")
	s.answered(id, 3*time.Minute)
	return time.Since(from)
}
