package engine_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/sandbox"
	"lagerd/store"
	"lagerd/test/enginetest"
	"lagerd/test/lagerdtest"
)

const first = lagerdtest.FirstAgreement

// TestSettingsOfAQuietShop: a shop's changed settings take effect even if they were
// read along with another, added shop, when its lease was taken.
func TestSettingsOfAQuietShop(t *testing.T) {
	t.Parallel()
	for name, add := range map[string]bool{"alone": false, "with another shop": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := enginetest.Options{
				Sandbox: sandbox.Options{Agreements: 2, Products: 5},
				Config:  func(c *config.Config) { c.Lease.Beat, c.Lease.TTL = time.Second, 10*time.Second },
				Pace:    func(p *engine.Pace) { p.Poll = 10 * time.Second }, // the new shop is taken before the next poll
			}
			enginetest.Run(t, o, func(t *testing.T, w *enginetest.World) {
				w.Does("adjust", map[string]any{"number": "00001", "inStock": 20, "available": 17})
				w.AddShop("quiet", first)
				stock := func() string {
					return w.Row("SELECT CAST(stock AS INTEGER) FROM items WHERE shop = 'quiet' AND number = '00001'")
				}
				w.Within(time.Minute, "the shop is read", func() bool { return stock() == "20" })
				time.Sleep(10*time.Second - time.Duration(time.Now().UnixNano())%(10*time.Second) + 2*time.Second) // just after a poll
				w.Set("quiet", func(s *store.Shop) { s.StockFigure = plan.FigureAvailable })
				if add {
					w.AddShop("another", first+1)
				}
				w.Within(30*time.Second, "the shop's stock is the other figure", func() bool { return stock() == "17" })
			})
		})
	}
}

// TestLastTicksAreSaved: a stop saves the last tick and calls, which otherwise wait to be
// saved together with others.
func TestLastTicksAreSaved(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Options{Sandbox: sandbox.Options{Agreements: 1, Products: 5}}, func(t *testing.T, w *enginetest.World) {
		w.AddShop("shop1234", first)
		w.Within(time.Minute, "the shop's first tick is over", func() bool { return w.Metric(`lagerd_passes_total{outcome="ok"}`) > 0 })
		saved := func() string {
			return w.Row("SELECT (tick_at IS NOT NULL) || ' ' || calls FROM progress WHERE shop = 'shop1234'")
		}
		if before := saved(); before != "0 0" {
			t.Fatalf("the tick is saved at once (%s): the test proves nothing", before)
		}
		calls := w.Calls()
		w.Stop()
		if after, want := saved(), fmt.Sprint("1 ", calls); after != want || calls < 3 {
			t.Errorf("after the stop, tick and calls are saved as %q, want %q", after, want)
		}
	})
}

// TestBookedCallsAreReturned: calls are booked before they are made, and a stop returns the rest:
// it would be missing from the agreement's day.
func TestBookedCallsAreReturned(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Options{Sandbox: sandbox.Options{Agreements: 1, Products: 5}}, func(t *testing.T, w *enginetest.World) {
		w.AddShop("shop1234", first)
		w.Within(time.Minute, "the shop's first tick is over", func() bool { return w.Metric(`lagerd_passes_total{outcome="ok"}`) > 0 })
		booked := func() string { return w.Row("SELECT SUM(calls) FROM agreement_calls") }
		calls := fmt.Sprint(w.Calls())
		if before := booked(); before == calls {
			t.Fatalf("%s calls are booked, as many as were made: the test proves nothing", before)
		}
		w.Stop()
		if after := booked(); after != calls {
			t.Errorf("after the stop %s calls are booked, and %s were made", after, calls)
		}
	})
}

// TestBookedCallsToRackbeatAreReturned: of a shop whose stock is there, those of both services are.
func TestBookedCallsToRackbeatAreReturned(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Options{Sandbox: sandbox.Options{Agreements: 1, Products: 5}}, func(t *testing.T, w *enginetest.World) {
		w.AddShop("shop1234", first)
		w.MoveToRackbeat("shop1234", first)
		w.Within(time.Minute, "the shop is read", func() bool { return w.Row("SELECT COUNT(*) FROM items") == "5" })
		booked := func() string { return w.Row("SELECT SUM(calls) FROM rackbeat_calls") }
		before := booked()
		w.Stop()
		var stats []struct {
			Rackbeat struct{ Calls map[string]int }
		}
		must(t, w.Economic.Send(http.MethodGet, "/sandbox/stats", nil, &stats))
		made := 0
		for _, calls := range stats[0].Rackbeat.Calls {
			made += calls
		}
		if after := booked(); before == after || after != fmt.Sprint(made) || made == 0 {
			t.Errorf("%s calls were booked, %s are after the stop, and %d were made", before, after, made)
		}
	})
}

// TestShopsComeAndGo: an added shop is reconciled, a removed one no longer, a paused one
// only once it is resumed. Requests are pruned in time.
func TestShopsComeAndGo(t *testing.T) {
	t.Parallel()
	keep := func(c *config.Config) { c.Retention.Requests = 10 * time.Minute }
	enginetest.Run(t, enginetest.Options{Sandbox: sandbox.Options{Agreements: 2, Products: 5}, Config: keep}, func(t *testing.T, w *enginetest.World) {
		held := func(n int) {
			t.Helper()
			w.Within(30*time.Second, fmt.Sprint(n, " shops are held"), func() bool { return w.Going().Shops == n })
		}
		w.AddShop("a", first)
		held(1)
		w.AddShop("b", first+1)
		held(2)
		must(t, w.Store.RemoveShop(t.Context(), "b"))
		held(1)
		items := func() string { return w.Row("SELECT COUNT(*) FROM items WHERE stock = 21") }
		w.Within(time.Minute, "the shop is read", func() bool { return w.Row("SELECT COUNT(*) FROM items") == "5" })

		request := func() string { // a person asks for a tick
			id := fmt.Sprint("request at ", time.Now())
			must(t, w.Store.AddRequests(t.Context(), []store.Request{{Request: id, Shop: "a", What: store.WantTick, RequestedAt: store.At(time.Now())}}))
			w.Within(time.Minute, "what was asked for is done", func() bool {
				return w.Row("SELECT done_at FROM requests WHERE request = ?", id) != ""
			})
			return w.Row("SELECT failure FROM requests WHERE request = ?", id)
		}
		w.Set("a", func(s *store.Shop) { s.PausedAt, s.PauseReason = store.At(time.Now()), "stocktaking" })
		w.Does("adjust", map[string]any{"number": "00001", "inStock": 21})
		if failure := request(); !strings.Contains(failure, "paused") || items() != "0" {
			t.Errorf("a paused shop: %q, and %s items have changed", failure, items())
		}
		w.Set("a", func(s *store.Shop) { s.PausedAt, s.PauseReason = store.Time{}, "" })
		if failure := request(); failure != "" || items() != "1" {
			t.Errorf("a resumed shop: %q, and %s items have changed", failure, items())
		}
		time.Sleep(8 * time.Minute)
		if n := w.Row("SELECT COUNT(*) FROM requests"); n != "2" {
			t.Errorf("%s of 2 requests are left before their retention ends", n)
		}
		time.Sleep(4 * time.Minute)
		if n := w.Row("SELECT COUNT(*) FROM requests"); n != "0" {
			t.Errorf("%s requests are left after it", n)
		}
	})
}

// TestDatabaseAway: an outage of the database is logged once, and so is its end.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Options{Sandbox: sandbox.Options{Agreements: 1, Products: 5}}, func(t *testing.T, w *enginetest.World) {
		w.AddShop("shop1234", first)
		w.Within(time.Minute, "the shop is read", func() bool { return w.Row("SELECT COUNT(*) FROM items") == "5" })
		said := func(text string) int { return strings.Count(w.Log.String(), "msg=\""+text+"\"") }
		for round := 1; round <= 2; round++ {
			w.Exec("ALTER TABLE hints RENAME TO away")
			time.Sleep(time.Minute)
			if away, back := said("database unavailable"), said("database available again"); away != round || back != round-1 {
				t.Errorf("the %d. time it is away: told %d times, and %d times that it is back", round, away, back)
			}
			if w.Going().Away.IsZero() {
				t.Errorf("the %d. time it is away: that does not show in %s", round, w.Going())
			}
			w.Exec("ALTER TABLE away RENAME TO hints")
			time.Sleep(time.Minute)
			if away, back := said("database unavailable"), said("database available again"); away != round || back != round {
				t.Errorf("the %d. time it is back: told %d times, and %d times that it was away", round, back, away)
			}
			if !w.Going().Away.IsZero() {
				t.Errorf("the %d. time it is back: it still shows as away in %s", round, w.Going())
			}
		}
		w.Does("adjust", map[string]any{"number": "00001", "inStock": 21})
		w.ReconcileAll()
		w.Within(time.Minute, "the shop goes on", func() bool { return w.Row("SELECT COUNT(*) FROM items WHERE stock = 21") == "1" })
	})
}
