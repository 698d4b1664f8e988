package status_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/plan"
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
		{"no inventory, in Rackbeat since", rackbeat, noInventory, status.StateRunning, "", "stock is kept in Rackbeat, which lagerd does not read yet; invoices continue"},
		{"token refused, stock off", off, refused, status.StateHeld, "token_refused", "token_refused: why"},
	} {
		v := status.Of(store.ShopStatus{Shop: c.shop, Holder: "a lagerd", Progress: store.Progress{Holds: c.holds}})
		if v.State != c.state || v.Held != c.code || v.Reason != c.reason {
			t.Errorf("%s: state %q, held %q, reason %q", c.name, v.State, v.Held, v.Reason)
		}
	}
}

func TestNoLagerd(t *testing.T) {
	mine := map[string]store.Instance{"mine": {}}
	held := []status.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses}}
	for _, c := range []struct {
		name   string
		shop   status.Shop
		living map[string]store.Instance
		state  string
		reason string // a part of it
	}{
		{"its lagerd lives", status.Shop{State: status.StateRunning, Instance: "mine"}, mine, status.StateRunning, ""},
		{"none lives", status.Shop{State: status.StateRunning, Instance: "mine"}, nil, status.StateNoLagerd, "run `systemctl start lagerd`"},
		{"none lives, and it was given back", status.Shop{State: status.StateNotTaken}, nil, status.StateNoLagerd, "run `systemctl start lagerd`"},
		{"none lives, and it failed before", status.Shop{State: status.StateRunning, Instance: "mine", Reason: "e-conomic is down"}, nil, status.StateNoLagerd, "run `systemctl start lagerd`"},
		{"its lagerd died, another lives", status.Shop{State: status.StateRunning, Instance: "other"}, mine, status.StateNoLagerd, "has died"},
		{"just added", status.Shop{State: status.StateNotTaken, Reason: "soon"}, mine, status.StateNotTaken, "soon"},
		{"held, and none lives", status.Shop{State: status.StateHeld, Reason: "stock: losses", Holds: held, Instance: "mine"}, nil, status.StateHeld, "NO LAGERD IS RUNNING, and the shop is held: stock: losses"},
		{"held, its lagerd died", status.Shop{State: status.StateHeld, Reason: "stock: losses", Holds: held, Instance: "other"}, mine, status.StateHeld, "stock: losses"},
		{"paused by a person", status.Shop{State: status.StatePaused, Reason: "stocktaking"}, nil, status.StatePaused, "stocktaking"},
	} {
		shops := []status.Shop{c.shop}
		status.Attend(shops, c.living)
		if got := shops[0]; got.State != c.state || !strings.Contains(got.Reason, c.reason) || c.reason == "" && got.Reason != "" {
			t.Errorf("%s: %s, %q", c.name, got.State, got.Reason)
		}
	}
	var table strings.Builder
	if err := status.WriteTable(&table, []status.Shop{{Shop: "a", State: status.StateNoLagerd}}, time.Now()); err != nil || !strings.Contains(table.String(), "NO LAGERD IS RUNNING") || strings.Contains(table.String(), "running") {
		t.Errorf("the table: %v\n%s", err, table.String())
	}
}

func TestSuspectAppToken(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	before, after := at.Add(-time.Minute), at.Add(time.Minute)
	refused := func(agreement int64) status.Shop {
		return status.Shop{State: status.StateHeld, Agreement: agreement, Reason: "401",
			Holds: []status.Hold{{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Since: &at}}}
	}
	forbidden := status.Shop{State: status.StateHeld, Agreement: 4, Holds: []status.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldForbidden, Since: &at}}}
	paused := refused(5)
	paused.State = status.StatePaused
	for _, c := range []struct {
		name  string
		shops []status.Shop
		want  bool
	}{
		{"none", nil, false},
		{"one", []status.Shop{refused(1)}, false},
		{"two shops of one agreement", []status.Shop{refused(1), refused(1)}, false},
		{"two", []status.Shop{refused(1), refused(2)}, true},
		{"two, and others are held for something else", []status.Shop{refused(1), forbidden, refused(2)}, true},
		{"one, and one that a person has paused", []status.Shop{refused(1), paused}, false},
		{"two, and one answered before", []status.Shop{refused(1), refused(2), {State: status.StateRunning, LastGoodTick: &before}}, true},
		{"two, and one answers since", []status.Shop{refused(1), refused(2), {State: status.StateRunning, LastGoodTick: &after}}, false},
		{"two, and one has never been read", []status.Shop{refused(1), refused(2), {State: status.StateRunning}}, true},
	} {
		said := false
		got := status.SuspectAppToken(c.shops)
		for _, s := range c.shops {
			if strings.Contains(s.Reason, "app's token") {
				said = true
				if !strings.HasSuffix(s.Reason, "401") {
					t.Errorf("%s: the reason does not end with its cause: %q", c.name, s.Reason)
				}
			}
		}
		if got != c.want || said != c.want {
			t.Errorf("%s: %v, said %v", c.name, got, said)
		}
	}
}
