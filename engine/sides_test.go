package engine_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/sandbox"
	"lagerd/store"
	"lagerd/test/enginetest"
	"lagerd/webhook"
)

// TestServicesApart: while one service accepts calls and never answers, webhooks of a shop that is read
// from the other are stored as soon as ever, and so are those of a shop that is read from both.
// test/e2e measures the same with real processes.
func TestServicesApart(t *testing.T) {
	t.Parallel()
	const soon = 1500 * time.Millisecond // the second that a pass waits for an answer to begin, and a read
	for name, c := range map[string]struct {
		hangs string   // path of the service's faults
		shops []string // that go on
	}{
		"Rackbeat hangs":  {"/sandbox/rackbeat/faults", []string{"economic"}},
		"e-conomic hangs": {"/sandbox/faults", []string{"rackbeat"}},
		"neither hangs":   {"", []string{"economic", "rackbeat"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := enginetest.Options{Sandbox: sandbox.Options{Agreements: 2, Products: 20}, Config: func(c *config.Config) { c.Reconcile.Schedule = "* * * * *" }}
			enginetest.Run(t, o, func(t *testing.T, w *enginetest.World) {
				agreements := map[string]int{"economic": first, "rackbeat": first + 1}
				for _, shop := range []string{"economic", "rackbeat"} {
					w.AddShop(shop, agreements[shop])
				}
				w.MoveToRackbeat("rackbeat", first+1)
				w.Within(5*time.Minute, "both shops are read", func() bool {
					return w.Row("SELECT COUNT(*) FROM progress p JOIN shops s ON s.shop = p.shop WHERE p.swept_at IS NOT NULL AND p.items_dataset = s.stock_dataset") == "2"
				})
				if c.hangs != "" {
					send(w, c.hangs, map[string]any{"hang": "1h"})
				}
				for n := range 20 { // at whatever moment of a tick
					time.Sleep(17 * time.Second)
					for _, shop := range c.shops {
						change := map[string]string{"economic": "adjust", "rackbeat": "rackbeat/adjust"}[shop]
						if err := w.Economic.Post(agreements[shop], change, map[string]any{"number": "00003", "inStock": 1000 + n}, nil); err != nil {
							t.Fatal(err)
						}
						hinted(w, shop, "00003")
						w.Within(soon, fmt.Sprintf("webhook %d of %s is answered", n, shop), func() bool {
							return stockOf(w, shop, "00003") == fmt.Sprint(1000+n)
						})
					}
				}
			})
		})
	}
}

// TestHintsGoBeforeReport: a shop that chose places at Rackbeat, whose report has to be read whole for
// the first page of items, at 60 calls a minute: webhooks do not wait for that.
func TestHintsGoBeforeReport(t *testing.T) {
	t.Parallel()
	o := enginetest.Options{Sandbox: sandbox.Options{Agreements: 1, Products: 400}, Config: func(c *config.Config) { c.Reconcile.Schedule = "* * * * *" }}
	enginetest.Run(t, o, func(t *testing.T, w *enginetest.World) {
		w.AddShop("shop1234", first)
		w.MoveToRackbeat("shop1234", first)
		send(w, "/sandbox/rackbeat/faults", map[string]any{"checkingOrder": "backwards", "maxLimit": 20})
		if err := w.Store.ChangeStockSource(t.Context(), "shop1234", store.StockChange{Source: store.SourceRackbeat, Places: "4,1"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		w.Within(10*time.Minute, "the shop is read", func() bool {
			return w.Row("SELECT COUNT(*) FROM progress p JOIN shops s ON s.shop = p.shop WHERE p.swept_at IS NOT NULL AND p.items_dataset = s.stock_dataset") == "1"
		})
		for n := range 20 {
			time.Sleep(13 * time.Second) // a listing takes forty calls: most webhooks come during one
			w.Does("rackbeat/adjust", map[string]any{"number": "00300", "inStock": 1000 + n})
			hinted(w, "shop1234", "00300")
			w.Within(2*time.Second, fmt.Sprintf("webhook %d is answered", n), func() bool { return stockOf(w, "shop1234", "00300") == fmt.Sprint(1000+n) })
		}
	})
}

func send(w *enginetest.World, path string, faults map[string]any) {
	w.T.Helper()
	if err := w.Economic.Send(http.MethodPut, path, faults, nil); err != nil {
		w.T.Fatal(err)
	}
}

// hinted records a webhook of an item.
func hinted(w *enginetest.World, shop, number string) {
	w.T.Helper()
	if err := w.Record(w.T.Context(), webhook.Hint{Shop: shop, Kind: webhook.KindStock, Number: number, ReceivedAt: time.Now()}); err != nil {
		w.T.Fatal(err)
	}
}

func stockOf(w *enginetest.World, shop, number string) string {
	return w.Row("SELECT CAST(stock AS INTEGER) FROM shop_stock WHERE shop = ? AND item_number = ?", shop, number)
}
