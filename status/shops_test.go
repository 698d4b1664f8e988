package status_test

import (
	"testing"
	"time"

	"lagerd/reconcile/plan"
	"lagerd/status"
	"lagerd/store"
)

func TestStateOfAShop(t *testing.T) {
	paused := store.Shop{PausedAt: store.At(time.Now()), PauseReason: "stocktaking", StockOn: true, StockSource: store.SourceEconomic}
	running := store.Shop{StockOn: true, StockSource: store.SourceEconomic}
	invoices := store.Shop{StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true}
	off := store.Shop{StockSource: store.SourceEconomic}
	rackbeat := store.Shop{StockOn: true, StockSource: store.SourceRackbeat}
	held := func(scope plan.Scope, reason plan.Reason) plan.Holds {
		return plan.Holds{{Scope: scope, Reason: reason, Detail: "why"}}
	}
	losses, noInventory := held(plan.ScopeStock, plan.HeldLosses), held(plan.ScopeStock, plan.HeldNoInventory)
	refused := held(plan.ScopeShop, plan.HeldTokenRefused)
	both := plan.Holds{losses[0], {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Detail: "that"}}
	for _, c := range []struct {
		name                string
		shop                store.Shop
		holds               plan.Holds
		state, code, reason string
	}{
		{"running", running, nil, status.StateRunning, "", ""},
		{"losses", running, losses, status.StateHeld, "losses", "stock: losses: why"},
		{"no inventory", running, noInventory, status.StateHeld, "no_inventory", "stock: no_inventory: why"},
		{"token refused", running, refused, status.StateHeld, "token_refused", "token_refused: why"},
		{"the list of invoices", invoices, held(plan.ScopeInvoices, plan.HeldForbidden), status.StateHeld, "forbidden", "invoices: forbidden: why"},
		{"none hides another", invoices, both, status.StateHeld, "losses", "stock: losses: why; pdf: forbidden: that"},
		{"what is off holds nothing, the rest does", running, both, status.StateHeld, "losses", "stock: losses: why"},
		{"PDFs, invoices off since", running, both[1:], status.StateRunning, "", ""},
		{"paused and held", paused, losses, status.StatePaused, "losses", "stocktaking"},
		{"losses, stock off since", off, losses, status.StateRunning, "", ""},
		{"no inventory, stock off since", off, noInventory, status.StateRunning, "", ""},
		{"no inventory, in Rackbeat since", rackbeat, noInventory, status.StateRunning, "", "stock is kept in Rackbeat, which lagerd does not read yet; invoices go on"},
		{"token refused, stock off", off, refused, status.StateHeld, "token_refused", "token_refused: why"},
	} {
		v := status.Of(store.ShopStatus{Shop: c.shop, Holder: "a lagerd", Progress: store.Progress{Holds: c.holds}})
		if v.State != c.state || v.Held != c.code || v.Reason != c.reason {
			t.Errorf("%s: state %q, held %q, reason %q", c.name, v.State, v.Held, v.Reason)
		}
	}
}
