package act_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"lagerd/act"
	"lagerd/config"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/store"
)

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
		if _, err := (act.Act{Store: s, Now: time.Now}).Prod(t.Context(), "shop1234", plan.KindStock); err != nil {
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
	cfg := config.Default()
	cfg.Reconcile.LossMin = 7
	if _, err := (act.Act{Store: s, Config: cfg, Now: time.Now}).Approve(t.Context(), shop, 30); err != nil {
		t.Fatal(err)
	}
	a, err := s.Approved(t.Context(), "shop1234", time.Now().Add(-time.Hour))
	if err != nil || a.Losses != 37 {
		t.Errorf("approved are %d losses, %v; expected 37", a.Losses, err)
	}
}

// TestPauseAndResume: a pause keeps the reason it has unless another is given; going on requests a
// tick, which nobody else is said to have asked for.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	s, _ := heldStore(t)
	a := act.Act{Store: s, Now: time.Now}
	ctx := store.By(t.Context(), store.Actor{Account: "mette", Command: "page"})
	for _, step := range []struct{ given, want string }{{"", "paused by a person"}, {"stocktaking", "stocktaking"}, {"", "stocktaking"}} {
		if _, after, err := a.Pause(ctx, "shop1234", step.given); err != nil || after.PauseReason != step.want || !after.Paused() {
			t.Errorf("paused for %q: %q, %v", step.given, after.PauseReason, err)
		}
	}
	before, after, err := a.Resume(ctx, "shop1234")
	if err != nil || !before.Paused() || after.Paused() {
		t.Errorf("resumed: %v → %v, %v", before.Paused(), after.Paused(), err)
	}
	requests, err := s.OpenRequests(ctx, "shop1234")
	if err != nil || len(requests) != 1 || requests[0].What != store.WantTick {
		t.Errorf("requests %+v, %v", requests, err)
	}
	actions, err := s.Actions(ctx, "shop1234", store.AnyAction(), time.Now().Add(-time.Hour), 10)
	if err != nil || len(actions) != 2 || actions[1].What != store.ActionResumed || actions[1].Account != "mette" {
		t.Errorf("actions %+v, %v", actions, err)
	}
}

// TestNewCode: a code is stored after it was shown, and not if it could not be.
func TestNewCode(t *testing.T) {
	t.Parallel()
	s, shop := heldStore(t)
	keys, err := secret.Load([]byte(secret.Generate()))
	if err != nil {
		t.Fatal(err)
	}
	a := act.Act{Store: s, Keys: keys, Now: time.Now}
	broken := errors.New("no paper")
	if err := a.NewCode(t.Context(), shop, false, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("not shown: %v", err)
	}
	live := func(want int) {
		t.Helper()
		if codes, err := s.CodesOf(t.Context(), "shop1234"); err != nil || len(codes) != want {
			t.Errorf("%d codes, %v; expected %d", len(codes), err, want)
		}
	}
	live(1)
	var shown []string
	show := func(code string) error { shown = append(shown, code); return nil }
	if err := a.NewCode(t.Context(), shop, true, show); !errors.Is(err, store.ErrOneCode) {
		t.Errorf("nothing to replace: %v", err)
	}
	for _, replace := range []bool{false, true} {
		if err := a.NewCode(t.Context(), shop, replace, show); err != nil {
			t.Error(err)
		}
		live(2)
	}
	if err := a.NewCode(t.Context(), shop, false, show); !errors.Is(err, store.ErrTwoCodes) || len(shown) != 2 || shown[0] == shown[1] {
		t.Errorf("a third: %v, shown %d", err, len(shown))
	}
}
