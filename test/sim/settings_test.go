package sim

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// TestSettingsAreTakenOver checks that a changed setting of an idle shop takes effect at the
// next news query, and so does the change back.
func TestSettingsAreTakenOver(t *testing.T) {
	t.Parallel()
	products := func(path string) bool { return strings.HasPrefix(path, "/products") }
	invoices := func(path string) bool { return strings.HasPrefix(path, "/invoices") }
	for name, c := range map[string]struct {
		off, on func(*store.Shop)
		stops   func(path string) bool // calls that stop
		goesOn  func(path string) bool // calls that continue
	}{
		"paused":    {func(x *store.Shop) { x.PausedAt = store.At(time.Now()) }, func(x *store.Shop) { x.PausedAt = store.Time{} }, everyCall, nil},
		"stock off": {func(x *store.Shop) { x.StockOn = false }, func(x *store.Shop) { x.StockOn = true }, products, invoices},
		"stock in Rackbeat": {func(x *store.Shop) { x.StockSource = store.SourceRackbeat }, func(x *store.Shop) { x.StockSource = store.SourceEconomic },
			products, invoices},
		"invoices off": {func(x *store.Shop) { x.InvoicesOn = false }, func(x *store.Shop) { x.InvoicesOn = true }, invoices, products},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, nil, func(t *testing.T, s *stage) {
				s.ticked()
				s.pass(5 * time.Second)
				s.set(c.off)
				s.pass(pollEvery + time.Second)
				from := time.Now()
				s.pass(5 * time.Minute)
				if calls := s.calls(from, c.stops); len(calls) > 0 {
					t.Errorf("%s is still requested", calls[0].path)
				}
				if c.goesOn != nil && len(s.calls(from, c.goesOn)) < 5 {
					t.Error("the rest does not continue")
				}
				s.pass(5 * time.Second)
				s.set(c.on)
				from = time.Now()
				s.until(pollEvery+time.Second, "what was off is read again", func() bool { return len(s.calls(from, c.stops)) > 0 })
			})
		})
	}
}

// TestHintsOfWhatIsOff checks that hints for what is switched off are answered, with the
// reason, at no call.
func TestHintsOfWhatIsOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		off  func(*store.Shop)
		kind plan.Kind
		is   string // the answer
	}{
		{func(x *store.Shop) { x.StockOn = false }, plan.KindStock, "stock is off for this shop"},
		{func(x *store.Shop) { x.StockSource = store.SourceRackbeat }, plan.KindStock, "Rackbeat"},
		{func(x *store.Shop) { x.InvoicesOn = false }, plan.KindInvoice, "invoices are off for this shop"},
	} {
		t.Run(c.is, func(t *testing.T) {
			t.Parallel()
			play(t, nil, func(t *testing.T, s *stage) {
				s.ticked()
				s.set(c.off)
				s.pass(pollEvery + time.Second)
				from := time.Now()
				s.world.tell(s.shop(), "stock", "item1")
				s.world.tell(s.shop(), "invoice", "1")
				s.until(time.Minute, "the hint is answered", func() bool {
					return s.count("SELECT COUNT(*) FROM hints WHERE kind = ? AND open = 0", string(c.kind)) == 1
				})
				if note := s.value("SELECT note FROM hints WHERE kind = ?", string(c.kind)).(string); !strings.Contains(note, c.is) {
					t.Errorf("it was answered with %q, expected %q", note, c.is)
				}
				single := isItem
				if c.kind == plan.KindInvoice {
					single = func(path string) bool { return strings.HasPrefix(path, "/invoices/booked/") }
				}
				if calls := s.calls(from, single); len(calls) > 0 {
					t.Errorf("%s was requested", calls[0].path)
				}
			})
		})
	}
}

// TestSettingsChangeWithOthers checks that settings changed at the moment another shop is added
// take effect too, whichever of them lagerd reads first.
func TestSettingsChangeWithOthers(t *testing.T) {
	t.Parallel()
	for offset := time.Duration(0); offset < leaseBeat+pollEvery; offset += 700 * time.Millisecond {
		t.Run(offset.String(), func(t *testing.T) {
			t.Parallel()
			play(t, func(p *profile) { p.moves = true }, func(t *testing.T, s *stage) { // gives agreements without a shop
				s.ticked()
				s.pass(offset)
				s.set(func(x *store.Shop) { x.PausedAt = store.At(time.Now()) })
				other := s.world.shops[1]
				other.name = "shop2"
				s.person(func(ctx context.Context, st *store.Store) error {
					return st.AddShop(ctx, store.Shop{Shop: other.name, GrantToken: []byte(other.grant), StockOn: true, StockFigure: plan.FigureInStock,
						StockSource: store.SourceEconomic, InvoicesOn: true, InvoicesFrom: "2000-01-01", OrderField: plan.OrderInOtherReference}, []byte(fmt.Sprintf("%032d", 2)), time.Now())
				})
				s.pass(leaseBeat + pollEvery)
				from := time.Now()
				s.pass(3 * time.Minute)
				reads := map[string]int{}
				for _, a := range s.calls(from, everyCall) {
					reads[a.shop.name]++
				}
				if reads["shop1"] > 0 || reads["shop2"] == 0 {
					t.Errorf("the shop that was paused and the one that was added are read %d and %d times", reads["shop1"], reads["shop2"])
				}
			})
		})
	}
}

// TestIdentityIsAskedAgain checks that a failed /self is retried soon, and that nothing else is
// read from the agreement before it succeeds.
func TestIdentityIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, due := range map[string]func(s *stage){
		"after an hour": func(s *stage) { s.pass(time.Hour) },
		"after new settings": func(s *stage) {
			s.set(func(x *store.Shop) { x.GrantToken = []byte(s.shop().grant) })
		},
		"after a restart": func(s *stage) {
			s.instances[0].stop()
			s.boot()
		},
		"after losses were held back": func(s *stage) {
			s.script.mute = true
			for _, it := range s.world.living(s.shop())[:4] {
				s.world.adjust(s.shop(), it, 0, false)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, nil, func(t *testing.T, s *stage) {
				s.ticked()
				s.pass(10 * time.Second)
				failed := s.fails(2, http.StatusServiceUnavailable, nil, isSelf)
				from := time.Now()
				due(s)
				s.until(3*time.Minute, "it is asked who it is, and does not say", func() bool { return *failed == 2 })
				s.until(time.Minute, "it is asked until it says", func() bool {
					asked := s.calls(from, isSelf)
					return asked[len(asked)-1].status == http.StatusOK
				})
				asked := s.calls(from, isSelf)
				for _, a := range s.calls(asked[0].at.Add(200*time.Millisecond), everyCall) {
					if a.at.Before(asked[len(asked)-1].at) && !isSelf(a.path) {
						t.Errorf("%s was read before /self succeeded", a.path)
					}
				}
			})
		})
	}
}

// TestOtherAgreement checks that a token that starts to answer for another agreement is noticed
// within the hour, and that nothing of the other one is stored.
func TestOtherAgreement(t *testing.T) {
	t.Parallel()
	play(t, nil, func(t *testing.T, s *stage) {
		s.ticked()
		s.fails(1, http.StatusInternalServerError, nil, isSelf)
		s.world.post(s.shop(), "agreement", map[string]any{"agreementNumber": 424242})
		s.until(time.Hour+3*time.Minute, "the shop is held", func() bool {
			return len(s.rows("SELECT 1 FROM holds WHERE scope = ? AND reason = ?", string(plan.ScopeShop), string(plan.HeldAgreementChanged))) == 1
		})
		from := time.Now()
		s.pass(10 * time.Minute)
		for _, a := range s.calls(from, everyCall) {
			if !isSelf(a.path) {
				t.Errorf("%s of the other agreement was read", a.path)
			}
		}
		if asked := len(s.calls(from, isSelf)); asked < 15 || asked > 25 {
			t.Errorf("/self was called %d times, expected every 30 s", asked)
		}
		s.world.post(s.shop(), "agreement", map[string]any{"agreementNumber": s.shop().agreement})
		s.until(2*time.Minute, "the shop goes on", func() bool { return len(s.rows("SELECT 1 FROM holds")) == 0 })
	})
}
