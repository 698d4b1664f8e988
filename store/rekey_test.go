package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"lagerd/store"
)

// checkValue is a check value of a master key.
func checkValue(n byte) []byte { return bytes.Repeat([]byte{0, n, 0xff, '\''}, 8) }

func TestRekeying(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		is := func(check, next []byte, kept ...[]byte) {
			t.Helper()
			k, err := s.MasterKey(ctx)
			must(t, err)
			if !bytes.Equal(k.Check, check) || !bytes.Equal(k.Next, next) || (k.Next == nil) != (next == nil) || len(k.Kept) != len(kept) {
				t.Fatalf("the master key is %x, %x, with %d kept", k.Check, k.Next, len(k.Kept))
			}
			for _, of := range kept {
				if string(k.Kept[string(of)]) != "kept of "+string(of) {
					t.Errorf("kept for %x: %q", of, k.Kept[string(of)])
				}
			}
		}
		keep := func(checks ...[]byte) map[string][]byte {
			kept := map[string][]byte{}
			for _, check := range checks {
				kept[string(check)] = []byte("kept of " + string(check))
			}
			return kept
		}
		old, next, third := checkValue(1), checkValue(2), checkValue(3)
		is(nil, nil)
		if err := s.BeginRekeying(ctx, old, next, keep(old, next), noon); !errors.Is(err, store.ErrOtherRekeying) {
			t.Errorf("begun without a master key: %v", err)
		}
		is(nil, nil)
		must(t, s.SaveKeyCheck(ctx, old, noon))
		is(old, nil)
		if err := s.EndRekeying(ctx, next, noon); !errors.Is(err, store.ErrOtherRekeying) {
			t.Errorf("ended before it began: %v", err)
		}
		if err := s.BeginRekeying(ctx, third, next, keep(third, next), noon); !errors.Is(err, store.ErrOtherRekeying) {
			t.Errorf("begun from another key: %v", err)
		}
		is(old, nil)
		before, err := s.ShopsGeneration(ctx)
		must(t, err)
		for range 2 { // the answer to the first was lost
			must(t, s.BeginRekeying(ctx, old, next, keep(old, next), noon))
			is(old, next, old, next)
		}
		if after, err := s.ShopsGeneration(ctx); err != nil || after == before {
			t.Errorf("lagerd does not hear of it: generation %d, %v", after, err)
		}
		if err := s.BeginRekeying(ctx, old, third, keep(old, third), noon); !errors.Is(err, store.ErrOtherRekeying) {
			t.Errorf("another one begun meanwhile: %v", err)
		}
		if err := s.EndRekeying(ctx, third, noon); !errors.Is(err, store.ErrOtherRekeying) {
			t.Errorf("another one ended: %v", err)
		}
		is(old, next, old, next)
		for range 2 {
			must(t, s.EndRekeying(ctx, next, noon))
			is(next, nil, next)
		}
		// And back. What was kept for a key stays.
		must(t, s.BeginRekeying(ctx, next, old, map[string][]byte{string(next): []byte("other"), string(old): []byte("kept of " + string(old))}, noon))
		is(next, old, next, old)
		must(t, s.DeleteKeyCheck(ctx, [][]byte{old, third}))
		is(nil, nil, old)
		must(t, s.SaveKeyCheck(ctx, old, noon))
		is(old, nil, old)
		must(t, s.DeleteKeyCheck(ctx, nil))
		is(nil, nil)
	})
}

// TestReseal checks that secrets which were changed meanwhile are never overwritten, and that passes
// go on.
func TestReseal(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		addShop(t, s, "a")
		addShop(t, s, "b")
		set := func(name string, change func(*store.Shop)) {
			t.Helper()
			must(t, s.SetShop(ctx, name, noon, func(x *store.Shop) error { change(x); return nil }))
		}
		must(t, s.ChangeStockSource(ctx, "b", store.StockChange{Source: store.SourceRackbeat, Account: 7, Key: []byte("key\x00")}, noon))
		set("b", func(x *store.Shop) { x.NotifyOrigin, x.NotifyHook = "https://x", []byte("hook\xff") })
		texts := func() (all []string) {
			t.Helper()
			list, err := s.SealedTexts(ctx)
			must(t, err)
			for _, x := range list {
				all = append(all, fmt.Sprintf("%s %d %q", x.Shop, x.Kind, x.Text))
			}
			return all
		}
		want := []string{`a 0 "\x01\x02"`, `b 0 "\x01\x02"`, `b 1 "key\x00"`, `b 2 "hook\xff"`}
		if got := texts(); !slices.Equal(got, want) {
			t.Fatalf("the secrets are %q", got)
		}
		list, err := s.SealedTexts(ctx)
		must(t, err)
		var anew []store.Resealed
		for n, x := range list {
			anew = append(anew, store.Resealed{Sealed: x, Anew: []byte{'n', 0, byte(n)}})
		}
		shop, err := s.Shop(ctx, "b")
		must(t, err)
		set("a", func(x *store.Shop) { x.GrantToken = []byte("changed meanwhile") })
		must(t, s.Reseal(ctx, anew))
		want = []string{`a 0 "changed meanwhile"`, `b 0 "n\x00\x01"`, `b 1 "n\x00\x02"`, `b 2 "n\x00\x03"`}
		for range 2 {
			if got := texts(); !slices.Equal(got, want) {
				t.Errorf("the secrets are %q", got)
			}
			must(t, s.Reseal(ctx, anew)) // the answer to the first was lost
		}
		after, err := s.Shop(ctx, "b")
		must(t, err)
		if after.Generation != shop.Generation || !after.UpdatedAt.Equal(shop.UpdatedAt.Time) || after.NotifyOrigin != "https://x" {
			t.Errorf("more than the secrets has changed: %+v", after)
		}
		must(t, s.RemoveShop(ctx, "a"))
		must(t, s.Reseal(ctx, anew))
	})
}

// TestSealedWithTheKeyInForce checks that no secret is stored that was sealed with a key which is not
// in force any more, whatever the moment at which the master key changes.
func TestSealedWithTheKeyInForce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		old, next := checkValue(1), checkValue(2)
		addShop(t, s, "a") // no check value is stored yet
		must(t, s.SaveKeyCheck(ctx, old, noon))
		n := byte(0)
		attempts := map[string]func(with []byte) error{
			"added": func(with []byte) error {
				n++
				return s.AddShop(ctx, store.Shop{Shop: fmt.Sprint("new", n), GrantToken: []byte{n}, SealedWith: with}, []byte(fmt.Sprintf("%032d", n)), noon)
			},
			"a token": func(with []byte) error {
				return s.SetShop(ctx, "a", noon, func(x *store.Shop) error { n++; x.GrantToken, x.SealedWith = []byte{n}, with; return nil })
			},
			"a webhook": func(with []byte) error {
				return s.SetShop(ctx, "a", noon, func(x *store.Shop) error { n++; x.NotifyHook, x.SealedWith = []byte{n}, with; return nil })
			},
			"a key": func(with []byte) error {
				n++
				set := func(x *store.Shop) error { x.SealedWith = with; return nil }
				return s.ChangeStockSource(ctx, "a", store.StockChange{Source: store.SourceRackbeat, Account: 7, Key: []byte{n}, Set: set}, noon)
			},
		}
		try := func(when string, good, bad []byte) {
			t.Helper()
			for what, store1 := range attempts {
				for _, with := range [][]byte{bad, nil} {
					if err := store1(with); !errors.Is(err, store.ErrRekeyed) {
						t.Errorf("%s: %s, sealed with %x: %v", when, what, with, err)
					}
				}
				if err := store1(good); err != nil {
					t.Errorf("%s: %s: %v", when, what, err)
				}
			}
			must(t, s.SetShop(ctx, "a", noon, func(x *store.Shop) error { x.PauseReason = when; return nil }))
		}
		try("before", old, next)
		must(t, s.BeginRekeying(ctx, old, next, nil, noon))
		try("meanwhile", next, old)
		must(t, s.EndRekeying(ctx, next, noon))
		try("after", next, old)
		must(t, s.SetShop(ctx, "a", noon, func(x *store.Shop) error { x.NotifyHook = nil; return nil }))
	})
}
