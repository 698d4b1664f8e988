package reconcile_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// TestHeldShopIsTriedAtOnce: a restart, a reload or a new secret may have fixed what held a
// shop, so whoever takes the shop tries it once before reconcile.held_retry has passed; and
// so it does when the settings change.
func TestHeldShopIsTriedAtOnce(t *testing.T) {
	f := newFixture(t)
	f.stock["a"] = "1"
	f.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', ?, ?, 'status 401', ?)", plan.ScopeShop, plan.HeldTokenRefused, store.At(time.Now()))
	selves, refuse := 0, true
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/self" {
			selves++ // one worker: one call at a time
			if refuse {
				http.Error(w, `{"message":"no"}`, http.StatusUnauthorized)
				return
			}
		}
		f.remote.ServeHTTP(w, r)
	})
	s, done := scheduler(t, f, h, func(o *reconcile.Options) { o.HeldRetry = time.Hour })
	if err := done.next(t); err == nil || selves != 1 {
		t.Fatalf("the shop that was just taken: e-conomic was asked %d times, %v", selves, err)
	}
	if err := done.next(t); err != nil || selves != 1 {
		t.Fatalf("the shop that has been tried: e-conomic was asked %d times, %v", selves, err)
	}
	refuse = false
	must(t, f.Store.SetShop(t.Context(), "shop1234", time.Now(), func(shop *store.Shop) error {
		shop.GrantToken = []byte{2}
		return nil
	}))
	changed, err := f.Store.Shop(t.Context(), "shop1234")
	must(t, err)
	s.Sync(func(string) (*store.Shop, bool) { return &changed, true })
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := done.next(t); err != nil {
			t.Fatal(err)
		}
		items, err := f.Store.Items(t.Context(), "shop1234", []string{"a"})
		must(t, err)
		if len(items) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the shop with a new token was not tried")
		}
	}
}

// TestUnchangedAndCutShort: a listing that shows what the last one did, and is said to
// have more, is cut short as well: what it leaves out may be new.
func TestUnchangedAndCutShort(t *testing.T) {
	f := newFixture(t)
	f.stock["a"], f.stock["b"] = "1", "2"
	s, done := scheduler(t, f, f.remote, func(*reconcile.Options) {})
	for range 4 { // the first listing, and some that are stored whole and show nothing new
		done.settle(t) // a tick would be dropped while one is under way
		s.Tick()
	}
	done.settle(t)
	f.remote.mu.Lock()
	f.remote.results = 3
	f.remote.mu.Unlock()
	s.Tick()
	if err := done.next(t); err == nil || !strings.Contains(err.Error(), "announced 5 items and sent 2") {
		t.Errorf("a listing that is cut short: %v", err)
	}
}
