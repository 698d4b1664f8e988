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
	running := store.Shop{Shop: "shop1234", StockOn: true, StockSource: store.SourceEconomic}
	invoices := store.Shop{StockOn: true, StockSource: store.SourceEconomic, InvoicesOn: true}
	off := store.Shop{StockSource: store.SourceEconomic}
	rackbeat := store.Shop{Shop: "shop1234", StockOn: true, StockSource: store.SourceRackbeat}
	held := func(scope plan.Scope, reason plan.Reason) plan.Holds {
		return plan.Holds{{Scope: scope, Reason: reason, Detail: "why"}}
	}
	losses, noInventory := held(plan.ScopeStock, plan.HeldLosses), held(plan.ScopeStock, plan.HeldNoInventory)
	refused := held(plan.ScopeShop, plan.HeldTokenRefused)
	both := plan.Holds{losses[0], {Scope: plan.ScopePDFs, Reason: plan.HeldForbidden, Detail: "that"}}
	changing := func(s store.Shop) store.Shop {
		s.StockDataset = "another"
		return s
	}
	const stillOld = "its items are still the former ones: they change over once agreement 6 has been read in full twice"
	const noKey = "stock is kept in Rackbeat, and no key for it is stored, so it is not read: `lagerd shops set shop1234 --rackbeat-key-file FILE`; invoices continue"
	const move = "if its stock is in Rackbeat: `lagerd shops set shop1234 --stock-source rackbeat --rackbeat-key-file FILE`"
	read := rackbeat
	read.RackbeatKey = []byte{1}
	for _, c := range []struct {
		name                string
		shop                store.Shop
		holds               plan.Holds
		state, code, reason string
	}{
		{"running", running, nil, status.StateRunning, "", ""},
		{"losses", running, losses, status.StateHeld, "losses", "stock: losses: why"},
		{"no inventory", running, noInventory, status.StateHeld, "no_inventory", "stock: no_inventory: why; " + move},
		{"no inventory at Rackbeat", read, noInventory, status.StateHeld, "no_inventory", "stock: no_inventory: why"},
		{"token refused", running, refused, status.StateHeld, "token_refused", "token_refused: why"},
		{"the list of invoices", invoices, held(plan.ScopeInvoices, plan.HeldForbidden), status.StateHeld, "forbidden", "invoices: forbidden: why"},
		{"none hides another", invoices, both, status.StateHeld, "losses", "stock: losses: why; pdf: forbidden: that"},
		{"what is off holds nothing, the rest does", running, both, status.StateHeld, "losses", "stock: losses: why"},
		{"PDFs, invoices off since", running, both[1:], status.StateRunning, "", ""},
		{"paused and held", paused, losses, status.StatePaused, "losses", "stocktaking"},
		{"losses, stock off since", off, losses, status.StateRunning, "", ""},
		{"no inventory, stock off since", off, noInventory, status.StateRunning, "", ""},
		{"no inventory, in Rackbeat since", rackbeat, noInventory, status.StateRunning, "", noKey},
		{"losses, read at Rackbeat", read, losses, status.StateHeld, "losses", "stock: losses: why"},
		{"read at Rackbeat", read, nil, status.StateRunning, "", ""},
		{"between sources", changing(read), nil, status.StateRunning, "", "its items are still the former ones: they change over once Rackbeat (account 4711) has been read in full twice"},
		{"token refused, stock off", off, refused, status.StateHeld, "token_refused", "token_refused: why"},
		{"between agreements", changing(running), nil, status.StateRunning, "", stillOld},
		{"between agreements and held", changing(running), losses, status.StateHeld, "losses", "stock: losses: why; " + stillOld},
		{"between agreements, stock off", changing(off), nil, status.StateRunning, "", ""},
		{"between agreements, in Rackbeat", changing(rackbeat), nil, status.StateRunning, "", noKey},
		{"between agreements and paused", changing(paused), nil, status.StatePaused, "", "stocktaking"},
	} {
		v := status.Of(store.ShopStatus{Shop: c.shop, Holder: "a lagerd", Progress: store.Progress{AgreementNumber: 6, StockAccount: 4711, Holds: c.holds}})
		if v.State != c.state || v.Held != c.code || v.Reason != c.reason {
			t.Errorf("%s: state %q, held %q, reason %q", c.name, v.State, v.Held, v.Reason)
		}
	}
}

func TestNoLagerd(t *testing.T) {
	mine := map[string]store.Instance{"mine": {}}
	held := []status.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses}}
	const none = "nothing is reconciled on this database: run `systemctl start lagerd`; the end of its log says why it stopped"
	for _, c := range []struct {
		name   string
		shop   status.Shop
		living map[string]store.Instance
		state  string
		reason string
	}{
		{"its lagerd lives", status.Shop{State: status.StateRunning, Instance: "mine"}, mine, status.StateRunning, ""},
		{"none lives", status.Shop{State: status.StateRunning, Instance: "mine"}, nil, status.StateNoLagerd, none},
		{"none lives, and it was given back", status.Shop{State: status.StateNotTaken}, nil, status.StateNoLagerd, none},
		{"none lives, and it failed before", status.Shop{State: status.StateRunning, Instance: "mine", Reason: "e-conomic is down"}, nil, status.StateNoLagerd, none},
		{"its lagerd died, another lives", status.Shop{State: status.StateRunning, Instance: "other"}, mine, status.StateNoLagerd, "the lagerd that had the shop has died: another takes over within lease.ttl"},
		{"just added", status.Shop{State: status.StateNotTaken, Reason: "soon"}, mine, status.StateNotTaken, "soon"},
		{"held, its lagerd lives", status.Shop{State: status.StateHeld, Reason: "stock: losses", Holds: held, Instance: "mine"}, mine, status.StateHeld, "stock: losses"},
		{"held, and none lives", status.Shop{State: status.StateHeld, Reason: "stock: losses", Holds: held, Instance: "mine"}, nil, status.StateHeld, "NO LAGERD IS RUNNING, and the shop is held: stock: losses"},
		{"held, its lagerd died", status.Shop{State: status.StateHeld, Reason: "stock: losses", Holds: held, Instance: "other"}, mine, status.StateHeld, "stock: losses"},
		{"paused by a person", status.Shop{State: status.StatePaused, Reason: "stocktaking"}, nil, status.StatePaused, "stocktaking"},
	} {
		shops := []status.Shop{c.shop}
		status.Attend(shops, c.living)
		if got := shops[0]; got.State != c.state || got.Reason != c.reason {
			t.Errorf("%s: %s, %q", c.name, got.State, got.Reason)
		}
	}
}

func TestSuspectAppToken(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	long, before, between, after := at.Add(-time.Hour), at.Add(-time.Minute), at.Add(-time.Second), at.Add(time.Minute)
	refused := func(agreement int64) status.Shop {
		return status.Shop{State: status.StateHeld, Agreement: agreement, Reason: "401",
			Holds: []status.Hold{{Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Since: &at}}}
	}
	forbidden := status.Shop{State: status.StateHeld, Agreement: 4, Holds: []status.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldForbidden, Since: &at}}}
	paused := refused(5)
	paused.State = status.StatePaused
	earlier, named, other := refused(6), refused(0), refused(0)
	earlier.Holds = []status.Hold{{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: &long}, {Scope: plan.ScopeShop, Reason: plan.HeldTokenRefused, Since: &before}}
	named.Shop, other.Shop = "a", "b"
	unknown := refused(7)
	unknown.Holds[0].Since = nil
	part := status.Shop{State: status.StateHeld, Agreement: 8, Holds: []status.Hold{{Scope: plan.ScopePDFs, Reason: plan.HeldTokenRefused, Since: &at}, {Scope: plan.ScopeShop, Reason: plan.HeldForbidden, Since: &at}}}
	answers := func(at *time.Time) status.Shop { return status.Shop{State: status.StateRunning, LastGoodTick: at} }
	for _, c := range []struct {
		name  string
		shops []status.Shop
		want  bool
	}{
		{"two of unknown agreements", []status.Shop{named, other}, true},
		{"two shops of one name", []status.Shop{named, named}, false},
		{"one, and one whose part is refused", []status.Shop{refused(1), part}, false},
		{"two since different times, and one answered between", []status.Shop{refused(1), earlier, answers(&between)}, false},
		{"the same in another order", []status.Shop{earlier, refused(1), answers(&between)}, false},
		{"two, and one answered just then", []status.Shop{refused(1), refused(2), answers(&at)}, true},
		{"two, and one answered since, but is held now", []status.Shop{refused(1), refused(2), {State: status.StateHeld, LastGoodTick: &after}}, true},
		{"one since an unknown time", []status.Shop{unknown, refused(1), answers(&before)}, true},
		{"two, and one that a person has paused", []status.Shop{refused(1), refused(2), paused}, true},
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
				if s.State != status.StateHeld || !s.HeldFor(plan.ScopeShop, plan.HeldTokenRefused) {
					t.Errorf("%s: told of a shop that is %s for %v", c.name, s.State, s.Holds)
				}
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

// TestSuspicion: a shop whose figures are all zero is asked about, unless something fails.
func TestSuspicion(t *testing.T) {
	for failure, want := range map[string]string{
		"":          "every stock figure at e-conomic is zero: is the stock really kept there?; if its stock is in Rackbeat: `lagerd shops set s --stock-source rackbeat --rackbeat-key-file FILE`",
		"no answer": "no answer",
	} {
		st := store.ShopStatus{Holder: "a lagerd", Shop: store.Shop{Shop: "s", StockOn: true, StockSource: store.SourceEconomic}, Progress: store.Progress{Suspicion: string(plan.SuspicionAllZero), Failure: failure, Failures: len(failure)}}
		if got := status.Of(st); got.Reason != want || got.State != status.StateRunning || got.Suspicion != "all_zero" {
			t.Errorf("with failure %q: %s, %q", failure, got.State, got.Reason)
		}
	}
}

// TestReadsNo: which holds keep numbers of a kind from being read, also those that are not postponed.
func TestReadsNo(t *testing.T) {
	t.Parallel()
	held := func(scope plan.Scope, reason plan.Reason) status.Shop {
		return status.Shop{State: status.StateHeld, Holds: []status.Hold{{Scope: scope, Reason: reason}}}
	}
	for _, c := range []struct {
		shop                       status.Shop
		stock, postponed, invoices bool
	}{
		{status.Shop{}, false, false, false},
		{held(plan.ScopeShop, plan.HeldTokenRefused), true, true, true},
		{held(plan.ScopeStock, plan.HeldForbidden), true, true, false},
		{held(plan.ScopeStock, plan.HeldLosses), false, true, false},
		{held(plan.ScopeInvoices, plan.HeldForbidden), false, false, true},
		{held(plan.ScopePDFs, plan.HeldForbidden), false, false, true},
	} {
		got := []bool{c.shop.ReadsNo(plan.KindStock, false), c.shop.ReadsNo(plan.KindStock, true), c.shop.ReadsNo(plan.KindInvoice, false)}
		if want := []bool{c.stock, c.postponed, c.invoices}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("%+v stops stock, postponed stock, invoices: %v, expected %v", c.shop.Holds, got, want)
		}
	}
}
