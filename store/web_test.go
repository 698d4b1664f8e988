package store_test

import (
	"errors"
	"testing"
	"time"

	"lagerd/store"
)

// TestWebOperators: a password can be set again and removed, and each time the stamp is another.
func TestWebOperators(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		id := []byte("01234567890123456789012345678901")
		if _, err := s.WebOperator(t.Context(), "mette"); !errors.Is(err, store.ErrNoOperator) {
			t.Errorf("an unknown operator: %v", err)
		}
		if _, err := s.OperatorAccess(t.Context(), "mette", id); !errors.Is(err, store.ErrNoOperator) {
			t.Errorf("an unknown operator's session: %v", err)
		}
		for _, o := range []store.WebOperator{{Name: "mette", Password: "a", Stamp: "1", ChangedAt: store.At(noon)}, {Name: "jens", Password: "b", Stamp: "2", ChangedAt: store.At(noon)},
			{Name: "mette", Password: "c", Stamp: "3", ChangedAt: store.At(noon.Add(time.Hour))}} {
			must(t, s.SetWebOperator(t.Context(), o))
		}
		got, err := s.WebOperator(t.Context(), "mette")
		must(t, err)
		if got.Password != "c" || got.Stamp != "3" || !got.ChangedAt.Equal(noon.Add(time.Hour)) {
			t.Errorf("mette is %+v", got)
		}
		list, err := s.WebOperators(t.Context())
		must(t, err)
		if len(list) != 2 || list[0].Name != "jens" || list[1] != got {
			t.Errorf("all are %+v", list)
		}
		a, err := s.OperatorAccess(t.Context(), "mette", id)
		must(t, err)
		if a.Stamp != "3" || a.Ended {
			t.Errorf("mette's access is %+v", a)
		}
		must(t, s.RemoveWebOperator(t.Context(), "mette"))
		if err := s.RemoveWebOperator(t.Context(), "mette"); !errors.Is(err, store.ErrNoOperator) {
			t.Errorf("removed twice: %v", err)
		}
	})
}

// TestWebLinks: revoking changes a shop's stamp and no other's, and a shop that is removed and added
// again is another.
func TestWebLinks(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		addShop(t, s, "shop2")
		stamp := func(shop string) string {
			t.Helper()
			a, err := s.ShopAccess(t.Context(), shop, nil)
			must(t, err)
			if !a.Created.Equal(noon.Truncate(time.Microsecond)) || a.Ended {
				t.Errorf("access to %s: %+v", shop, a)
			}
			return a.Stamp
		}
		must(t, s.RevokeLinks(t.Context(), "shop1", "first", noon))
		must(t, s.RevokeLinks(t.Context(), "shop1", "second", noon))
		if one, two := stamp("shop1"), stamp("shop2"); one != "second" || two != "" {
			t.Errorf("the stamps are %q and %q", one, two)
		}
		if err := s.RevokeLinks(t.Context(), "shop3", "x", noon); !errors.Is(err, store.ErrNoShop) {
			t.Errorf("links of no shop: %v", err)
		}
		must(t, s.RemoveShop(t.Context(), "shop1"))
		if _, err := s.ShopAccess(t.Context(), "shop1", nil); !errors.Is(err, store.ErrNoShop) {
			t.Errorf("access to a removed shop: %v", err)
		}
		addShop(t, s, "shop1")
		if got := stamp("shop1"); got != "" {
			t.Errorf("a new shop has the stamp %q of a removed one", got)
		}
	})
}

// TestEndSession: a session that ended early stays so until its time has come, and no longer.
func TestEndSession(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "shop1")
		ended := func(id string) bool {
			t.Helper()
			a, err := s.ShopAccess(t.Context(), "shop1", []byte(id))
			must(t, err)
			return a.Ended
		}
		const one, two = "01234567890123456789012345678901", "11234567890123456789012345678901"
		must(t, s.EndSession(t.Context(), []byte(one), noon.Add(time.Hour), noon))
		must(t, s.EndSession(t.Context(), []byte(one), noon.Add(time.Hour), noon))
		if !ended(one) || ended(two) {
			t.Errorf("ended: %v and %v", ended(one), ended(two))
		}
		must(t, s.EndSession(t.Context(), []byte(two), noon.Add(3*time.Hour), noon.Add(2*time.Hour)))
		if ended(one) || !ended(two) {
			t.Errorf("two hours later, ended: %v and %v", ended(one), ended(two))
		}
	})
}
