package status_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/status"
	"lagerd/store"
)

func TestStateOfAShop(t *testing.T) {
	paused := store.Shop{PausedAt: store.At(time.Now()), PauseReason: "stocktaking", StockOn: true, StockSource: store.SourceEconomic}
	running := store.Shop{StockOn: true, StockSource: store.SourceEconomic}
	off := store.Shop{StockSource: store.SourceEconomic}
	rackbeat := store.Shop{StockOn: true, StockSource: store.SourceRackbeat}
	for _, c := range []struct {
		name                string
		shop                store.Shop
		held                string
		state, code, reason string
	}{
		{"running", running, "", status.StateRunning, "", ""},
		{"losses", running, reconcile.HeldLosses, status.StateHeld, reconcile.HeldLosses, "stock: why; invoices go on"},
		{"no inventory", running, reconcile.HeldNoInventory, status.StateHeld, reconcile.HeldNoInventory, "stock: why"},
		{"token refused", running, reconcile.HeldTokenRefused, status.StateHeld, reconcile.HeldTokenRefused, "token_refused: why"},
		{"paused and held", paused, reconcile.HeldLosses, status.StatePaused, reconcile.HeldLosses, "stocktaking"},
		{"losses, stock off since", off, reconcile.HeldLosses, status.StateRunning, "", ""},
		{"no inventory, stock off since", off, reconcile.HeldNoInventory, status.StateRunning, "", ""},
		{"no inventory, in Rackbeat since", rackbeat, reconcile.HeldNoInventory, status.StateRunning, "", "stock is kept in Rackbeat"},
		{"token refused, stock off", off, reconcile.HeldTokenRefused, status.StateHeld, reconcile.HeldTokenRefused, "token_refused: why"},
	} {
		v := status.Of(store.ShopStatus{Shop: c.shop, Holder: "a lagerd", Progress: store.Progress{Held: c.held, HeldDetail: "why"}})
		if v.State != c.state || v.Held != c.code || !strings.HasPrefix(v.Reason, c.reason) || c.reason == "" && v.Reason != "" {
			t.Errorf("%s: state %q, held %q, reason %q", c.name, v.State, v.Held, v.Reason)
		}
	}
}
