package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
	"lagerd/test/storetest"
)

// TestNextRekeyStep is the table of nextRekeyStep.
func TestNextRekeyStep(t *testing.T) {
	t.Parallel()
	old, next, third := []byte("old"), []byte("new"), []byte("third")
	for _, c := range []struct {
		name         string
		check, after []byte
		first        []byte
		want         rekeyStep
		fails        bool
	}{
		{"no secrets", nil, nil, old, rekeyNothing, false},
		{"the master key is the first", old, nil, old, rekeySeal, false},
		{"another is the first", old, nil, next, rekeyBegin, false},
		{"begun", old, next, next, rekeyResume, false},
		{"begun, and the old one is the first", old, next, old, rekeyNothing, true},
		{"begun, and another is the first", old, next, third, rekeyNothing, true},
	} {
		got, err := nextRekeyStep(store.MasterKey{Check: c.check, Next: c.after}, c.first)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestIgnorant(t *testing.T) {
	t.Parallel()
	key := slices.Repeat([]byte{7}, 32)
	got := ignorant(map[string]store.Instance{
		"a": {Host: "web1", PID: 7}, "b": {Host: "web2\x1b", PID: 8, MasterKeys: slices.Repeat([]byte{8}, 64)},
		"c": {Host: "web3", PID: 9, MasterKeys: slices.Concat(slices.Repeat([]byte{8}, 32), key)},
	}, key)
	if want := []string{"the lagerd on web1, process 7", `the lagerd on web2\u001b, process 8`}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for names, want := range map[int]string{1: "the lagerd on web1, process 7 does not know", 2: "process 8 do not know"} {
		if text := tellIgnorant(got[:names]); !strings.Contains(text, want) {
			t.Errorf("%d: %s", names, text)
		}
	}
}

// keyFixture is a database with shops whose secrets are sealed with the old one of two keys.
type keyFixture struct {
	*testing.T
	store     *store.Store
	old, next string
	cfg       config.Config
}

func newKeyFixture(t *testing.T, shops int) *keyFixture {
	t.Helper()
	f := &keyFixture{T: t, store: storetest.Open(t), old: secret.Generate(), next: secret.Generate()}
	f.cfg.Key, f.cfg.Lease.Beat = secret.NewText(f.next+"\n"+f.old), time.Millisecond
	keys := f.load(f.old)
	for n := range shops {
		name := fmt.Sprintf("shop%03d", n)
		hash := keys.HashCode(name, "code")
		shop := store.Shop{Shop: name, GrantToken: f.seal(keys, secret.GrantToken, name), StockSource: store.SourceRackbeat,
			RackbeatKey: f.seal(keys, secret.RackbeatKey, name), NotifyHook: f.seal(keys, secret.NotifyHook, name), SealedWith: keys.Check()}
		f.must(f.store.AddShop(t.Context(), shop, hash[:], time.Now()))
		f.must(saveKeyCheck(t.Context(), f.store, keys, name))
	}
	return f
}

func (f *keyFixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *keyFixture) load(raw string) *secret.Keys {
	f.Helper()
	keys, err := secret.Load([]byte(raw))
	f.must(err)
	return keys
}

func (f *keyFixture) seal(keys *secret.Keys, kind secret.Kind, shop string) []byte {
	f.Helper()
	text, err := keys.Seal(kind, shop, "of "+shop)
	f.must(err)
	return text
}

// opened returns how many secrets a key opens.
func (f *keyFixture) opened(key string) (n int) {
	f.Helper()
	list, err := f.store.SealedTexts(f.Context())
	f.must(err)
	for _, text := range list {
		if got, err := f.load(key).Open(kindOf(text.Kind), text.Shop, text.Text); err == nil && got == "of "+text.Shop {
			n++
		}
	}
	return n
}

func (f *keyFixture) rekey(tell func(done, of int)) (sealed, error) {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	r, err := newRekeying(ctx, f.cfg, f.store)
	f.must(err)
	return r.run(ctx, func(done, of int) {
		tell(done, of)
		if f.Failed() {
			cancel()
		}
	})
}

// TestRekeyWhileShopsChange changes, adds and removes shops between the transactions of a rekeying:
// what they store is never overwritten, and is sealed with the new key.
func TestRekeyWhileShopsChange(t *testing.T) {
	t.Parallel()
	f := newKeyFixture(t, 60)
	changed := 0
	is, err := f.rekey(func(done, of int) {
		if done == 0 || changed > 0 {
			return
		}
		changed++
		keys, err := masterKey(t.Context(), f.cfg, f.store, false)
		f.must(err)
		text := f.seal(keys, secret.GrantToken, "shop059")
		f.must(f.store.SetShop(t.Context(), "shop059", time.Now(), func(x *store.Shop) error {
			x.GrantToken, x.SealedWith = text, keys.Check()
			return nil
		}))
		f.must(f.store.RemoveShop(t.Context(), "shop058"))
		late := f.load(f.old) // a command that began before the rekeying
		err = f.store.SetShop(t.Context(), "shop000", time.Now(), func(x *store.Shop) error {
			x.GrantToken, x.SealedWith = f.seal(late, secret.GrantToken, "shop000"), late.Check()
			return nil
		})
		if !errors.Is(err, store.ErrRekeyed) {
			t.Errorf("a secret is stored that the old key has sealed: %v", err)
		}
	})
	f.must(err)
	if n := f.opened(f.next); n != 3*59 || is.secrets != n || is.shops != 59 || is.stale != 0 || len(is.shut) != 0 || changed != 1 {
		t.Errorf("%d secrets are sealed with the new key: %+v", n, is)
	}
	if n := f.opened(f.old); n != 0 {
		t.Errorf("%d secrets are still sealed with the old key", n)
	}
	known, err := f.store.MasterKey(t.Context())
	f.must(err)
	alone := f.load(f.next)
	f.must(alone.Follow(secret.State(known)))
	if alone.HashCode("shop000", "code") != f.load(f.old).HashCode("shop000", "code") {
		t.Error("the new key alone does not know the codes")
	}
}

// TestRekeyWithSecretsThatNobodyOpens checks that such a secret stops nothing, and is named.
func TestRekeyWithSecretsThatNobodyOpens(t *testing.T) {
	t.Parallel()
	f := newKeyFixture(t, 2)
	lost := f.load(secret.Generate())
	f.must(f.store.SetShop(t.Context(), "shop001", time.Now(), func(x *store.Shop) error {
		x.NotifyHook, x.SealedWith = f.seal(lost, secret.NotifyHook, "shop001"), f.load(f.old).Check()
		return nil
	}))
	is, err := f.rekey(func(int, int) {})
	f.must(err)
	var out strings.Builder
	err = is.tell(&out, 2)
	if !strings.Contains(out.String(), "5 secret(s) of 2 shop(s) are sealed with the first key of the key file, 5 of them anew") || err == nil || !strings.Contains(err.Error(), `decrypt the webhook for notifications of shop "shop001"`) {
		t.Errorf("told %q, and then %v", out.String(), err)
	}
}

// TestNothingLost is the table of nothingLost, and what is then to be entered again.
func TestNothingLost(t *testing.T) {
	t.Parallel()
	f := newKeyFixture(t, 120)
	lists := func(key string) (grants, hooks, codes int) {
		known, err := f.store.MasterKey(t.Context())
		f.must(err)
		shops, err := f.store.Shops(t.Context())
		f.must(err)
		for _, l := range lostWithKey(known, f.load(key), shops) {
			if l.grant {
				grants++
			}
			if l.hook {
				hooks++
			}
			if l.codes {
				codes++
			}
		}
		return grants, hooks, codes
	}
	nothing := func(key string, want bool) {
		t.Helper()
		known, err := f.store.MasterKey(t.Context())
		f.must(err)
		shops, err := f.store.Shops(t.Context())
		f.must(err)
		if got := nothingLost(known, f.load(key), shops); got != want {
			t.Errorf("nothing is lost: %t", got)
		}
	}
	other := secret.Generate()
	nothing(f.old, true)
	nothing(f.next, false)
	nothing(other, false)
	if g, h, c := lists(other); g != 120 || h != 120 || c != 120 {
		t.Errorf("with another key %d, %d and %d are lost", g, h, c)
	}
	// The command dies in the middle, and then the old key is lost.
	r, err := newRekeying(t.Context(), f.cfg, f.store)
	f.must(err)
	f.must(r.begin(t.Context()))
	list, _, err := r.stale(t.Context())
	f.must(err)
	f.must(f.store.Reseal(t.Context(), list[:3*50]))
	nothing(f.next+"\n"+f.old, true)
	nothing(f.old, false)
	nothing(f.next, false)
	if g, h, c := lists(f.next); g != 70 || h != 70 || c != 0 {
		t.Errorf("without the old key %d, %d and %d are lost", g, h, c)
	}
	if g, h, c := lists(f.old); g != 50 || h != 50 || c != 0 {
		t.Errorf("without the new key %d, %d and %d are lost", g, h, c)
	}
	f.must(f.store.DeleteKeyCheck(t.Context(), f.load(f.next).Checks()))
	f.cfg.Key = secret.NewText(f.next)
	keys, err := masterKey(t.Context(), f.cfg, f.store, false)
	f.must(err)
	if keys.HashCode("shop000", "code") != f.load(f.old).HashCode("shop000", "code") {
		t.Error("the codes are lost with the old key")
	}
}
