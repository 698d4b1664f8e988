package cli

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

func held(scope plan.Scope, reason plan.Reason) status.Shop {
	return status.Shop{State: status.StateHeld, Holds: []status.Hold{{Scope: scope, Reason: reason}}}
}

// TestStopped: which holds keep numbers of a kind from being read, also those that are not
// postponed.
func TestStopped(t *testing.T) {
	t.Parallel()
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
		got := []bool{stopped(c.shop, plan.KindStock, false), stopped(c.shop, plan.KindStock, true), stopped(c.shop, plan.KindInvoice, false)}
		if want := []bool{c.stock, c.postponed, c.invoices}; got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
			t.Errorf("%+v stops stock, postponed stock, invoices: %v, expected %v", c.shop.Holds, got, want)
		}
	}
}

// heldStore returns a database with shop1234, held as given, and its fence.
func heldStore(t *testing.T, holds ...plan.Hold) (*store.Store, store.Shop) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "lagerd.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	at := time.Now()
	shop := store.Shop{Shop: "shop1234", GrantToken: []byte{1}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFromNumber: 1, OrderField: plan.OrderInOtherReference}
	if err = s.Migrate(t.Context()); err == nil {
		err = s.AddShop(t.Context(), shop, []byte("01234567890123456789012345678901"), at)
	}
	if err == nil {
		err = s.TakeLeases(t.Context(), []string{"shop1234"}, "", "me", at)
	}
	if err != nil {
		t.Fatal(err)
	}
	leases, err := s.Leases(t.Context())
	if err == nil {
		f := store.Fence{Shop: "shop1234", Dataset: "shop1234", StockDataset: "shop1234", Generation: leases[0].Generation, Token: leases[0].Token, Seq: 1}
		_, err = s.Apply(t.Context(), f, store.Applied{Holds: holds}, at)
	}
	if err == nil {
		shop, err = s.Shop(t.Context(), "shop1234")
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, shop
}

// TestProd: a tick is requested only if a hold would keep the number from being read. A hold for
// losses does not: a tick would postpone the number.
func TestProd(t *testing.T) {
	t.Parallel()
	for reason, want := range map[plan.Reason]int{plan.HeldLosses: 0, plan.HeldForbidden: 1} {
		s, _ := heldStore(t, plan.Hold{Scope: plan.ScopeStock, Reason: reason, Since: time.Now()})
		w := waiter{store: s}
		if err := w.prod(t.Context(), "shop1234", plan.KindStock, false); err != nil {
			t.Fatal(err)
		}
		requests, err := s.OpenRequests(t.Context(), "shop1234")
		if err != nil || len(requests) != want {
			t.Errorf("held for %s: %d requests, %v; expected %d", reason, len(requests), err, want)
		}
	}
}

// TestApprovalHasRoom: an approval is for the losses that were shown, and for as many more as may
// always be lost.
func TestApprovalHasRoom(t *testing.T) {
	t.Parallel()
	s, shop := heldStore(t, plan.Hold{Scope: plan.ScopeStock, Reason: plan.HeldLosses, Since: time.Now()})
	var out bytes.Buffer
	c := &call{ctx: t.Context(), Process: Process{Stdout: terminal.NewWriter(&out), Stderr: terminal.NewWriter(&out)}}
	cfg := config.Default()
	cfg.Reconcile.LossMin = 7
	if err := (approveCmd{Shop: "shop1234", Timeout: time.Minute}).approve(c, cfg, s, shop, 30); err != nil {
		t.Fatal(err)
	}
	a, err := s.Approved(t.Context(), "shop1234", time.Now().Add(-time.Hour))
	if err != nil || a.Losses != 37 {
		t.Errorf("approved are %d losses, %v; expected 37", a.Losses, err)
	}
}
