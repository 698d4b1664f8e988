package secret_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"lagerd/secret"
)

// keyFile is a key file with several keys.
func keyFile(keys ...string) []byte { return []byte(strings.Join(keys, "\n") + "\n") }

// TestSeveralKeys checks that of the keys of a file the first seals and signs, and that all open and
// verify.
func TestSeveralKeys(t *testing.T) {
	t.Parallel()
	a, b, c := secret.Generate(), secret.Generate(), secret.Generate()
	onlyA, onlyB, onlyC := load(t, []byte(a)), load(t, []byte(b)), load(t, []byte(c))
	ring := load(t, []byte("\r\n"+a+"\r\n\n  "+b+" \n"))
	if !bytes.Equal(ring.Check(), onlyA.Check()) || fmt.Sprint(ring.Checks()) != fmt.Sprint([][]byte{onlyA.Check(), onlyB.Check()}) {
		t.Error("the check values are not those of the keys, the first one first")
	}
	sealed := func(k *secret.Keys) []byte {
		text, err := k.Seal(secret.RackbeatKey, "shop", "text")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got, err := onlyA.OpenRackbeat("shop", sealed(ring)); got != "text" || err != nil {
		t.Errorf("the first key does not open what the file seals: %q, %v", got, err)
	}
	if _, err := onlyB.OpenRackbeat("shop", sealed(ring)); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("the second key opens what the file seals: %v", err)
	}
	for name, k := range map[string]*secret.Keys{"the first": onlyA, "the second": onlyB} {
		text := sealed(k)
		if got, err := ring.OpenRackbeat("shop", text); got != "text" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if by, err := ring.SealedBy(secret.RackbeatKey, "shop", text); !bytes.Equal(by, k.Check()) || err != nil {
			t.Errorf("%s has sealed it, and the file says %x, %v", name, by, err)
		}
		if _, err := ring.OpenGrant("shop", text); !errors.Is(err, secret.ErrKind) {
			t.Errorf("%s: opened as another kind: %v", name, err)
		}
		if _, err := ring.OpenRackbeat("other", text); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("%s: opened for another shop: %v", name, err)
		}
		if !ring.Signed("link", "x", k.Sign("link", "x")) || ring.Signed("session", "x", k.Sign("link", "x")) {
			t.Errorf("%s: its signature", name)
		}
	}
	if _, err := ring.OpenRackbeat("shop", sealed(onlyC)); !errors.Is(err, secret.ErrSealed) || ring.Signed("link", "x", onlyC.Sign("link", "x")) {
		t.Errorf("a key that is not in the file: %v", err)
	}
	if !bytes.Equal(ring.Sign("link", "x"), onlyA.Sign("link", "x")) {
		t.Error("it is not the first key that signs")
	}
	old := sealed(onlyB)
	anew, err := ring.Reseal(secret.RackbeatKey, "shop", old)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := onlyA.OpenRackbeat("shop", anew); got != "text" || err != nil {
		t.Errorf("sealed anew: %q, %v", got, err)
	}
	if again, err := ring.Reseal(secret.RackbeatKey, "shop", anew); again != nil || err != nil {
		t.Errorf("sealed anew though the first key has sealed it: %x, %v", again, err)
	}
	if anew, err := ring.Reseal(secret.RackbeatKey, "shop", sealed(onlyC)); anew != nil || !errors.Is(err, secret.ErrSealed) {
		t.Errorf("sealed anew what no key opens: %x, %v", anew, err)
	}
}

func TestSeveralKeysRefused(t *testing.T) {
	t.Parallel()
	a, b := secret.Generate(), secret.Generate()
	many := []string{}
	for range 9 {
		many = append(many, secret.Generate())
	}
	for name, tt := range map[string]struct {
		raw  []byte
		want string
	}{
		"no key":         {keyFile(a, "not a key, but quite a lot of text in a line"), "key 2 of 2: the key is not usable"},
		"cut":            {keyFile(a[:40], b), "key 1 of 2: the key is not usable"},
		"32 bytes":       {keyFile(a, strings.Repeat("\x81", 32)), "key 2 of 2: the key is not usable"},
		"twice the same": {keyFile(a, b, a), "key 3 of 3 is the same as key 1: remove one"},
		"too many":       {keyFile(many...), "at most 8 keys"},
	} {
		keys, err := secret.Load(tt.raw)
		if keys != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, expected %q", name, err, tt.want)
			continue
		}
		for line := range strings.Lines(string(tt.raw)) {
			if strings.Contains(err.Error(), strings.TrimSpace(line)) {
				t.Errorf("%s: the error shows a key: %v", name, err)
			}
		}
	}
}

// TestFollow is the table of inForce, from outside.
func TestFollow(t *testing.T) {
	t.Parallel()
	old, next, third := secret.Generate(), secret.Generate(), secret.Generate()
	check := map[string][]byte{"": nil}
	for name, key := range map[string]string{"old": old, "next": next, "third": third} {
		check[name] = load(t, []byte(key)).Check()
	}
	kept, err := load(t, keyFile(old, next)).Keep(check["next"])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		held        []byte
		check, next string
		kept        map[string][]byte
		want        string
		err         error
	}{
		{"none is known", keyFile(old, next), "", "", nil, "old", nil},
		{"none is known, and one has kept keys", keyFile(old, next), "", "", kept, "next", nil},
		{"the only one", keyFile(old), "old", "", nil, "old", nil},
		{"the second", keyFile(next, old), "old", "", nil, "old", nil},
		{"another", keyFile(next, third), "old", "", nil, "", secret.ErrOtherKey},
		{"rekeying", keyFile(old, next), "old", "next", kept, "next", nil},
		{"rekeying, without the old one", keyFile(next, third), "old", "next", kept, "", secret.ErrOldKeyMissing},
		{"rekeying, without the new one", keyFile(third, old), "old", "next", kept, "", secret.ErrNewKeyMissing},
		{"rekeying, with neither", keyFile(third), "old", "next", kept, "", secret.ErrOtherKey},
		{"rekeyed", keyFile(old, next), "next", "", kept, "next", nil},
		{"rekeyed, the old one alone", keyFile(old), "next", "", kept, "", secret.ErrOtherKey},
	} {
		keys := load(t, c.held)
		before := keys.Check()
		err := keys.Follow(secret.State{Check: check[c.check], Next: check[c.next], Kept: c.kept})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, expected %v", c.name, err, c.err)
		}
		want := check[c.want]
		if c.err != nil {
			want = before
		}
		if !bytes.Equal(keys.Check(), want) {
			t.Errorf("%s: another key is in force", c.name)
		}
	}
}

// TestKeptKeys checks that codes and fingerprints stay the same when another master key comes into
// force, and that signatures do not.
func TestKeptKeys(t *testing.T) {
	t.Parallel()
	old, next, third := secret.Generate(), secret.Generate(), secret.Generate()
	was := load(t, []byte(old))
	both := load(t, keyFile(next, old))
	if err := both.Follow(secret.State{Check: was.Check()}); err != nil {
		t.Fatal(err)
	}
	same := func(name string, k *secret.Keys) {
		t.Helper()
		if k.HashCode("shop", "code") != was.HashCode("shop", "code") || k.Fingerprint("token") != was.Fingerprint("token") {
			t.Errorf("%s: codes or fingerprints have changed", name)
		}
	}
	same("before", both)
	other := load(t, []byte(next))
	kept, err := both.Keep(was.Check(), other.Check())
	if err != nil {
		t.Fatal(err)
	}
	for check, sealed := range kept {
		if bytes.Contains(sealed, []byte(check)) || len(sealed) < 64 {
			t.Errorf("kept keys: %x", sealed)
		}
	}
	if err := both.Follow(secret.State{Check: was.Check(), Next: other.Check(), Kept: kept}); err != nil {
		t.Fatal(err)
	}
	same("during", both)
	if bytes.Equal(both.Sign("link", "x"), was.Sign("link", "x")) || !both.Signed("link", "x", was.Sign("link", "x")) {
		t.Error("during: the new key does not sign, or what the old one has signed is not good any more")
	}
	if err := other.Follow(secret.State{Check: other.Check(), Kept: kept}); err != nil {
		t.Fatal(err)
	}
	same("after", other)
	if other.Signed("link", "x", was.Sign("link", "x")) {
		t.Error("after: what the old key has signed is good without it")
	}
	again, err := load(t, keyFile(third, next)).Keep(was.Check())
	if again != nil || !errors.Is(err, secret.ErrOtherKey) {
		t.Errorf("kept for a key that is not held: %v", err)
	}
	if err := load(t, []byte(next)).Prefer(was.Check(), secret.State{}); !errors.Is(err, secret.ErrOtherKey) {
		t.Errorf("a key that is not held is preferred: %v", err)
	}
	preferring := load(t, keyFile(next, old))
	if err := preferring.Prefer(was.Check(), secret.State{}); err != nil || !bytes.Equal(preferring.Check(), was.Check()) {
		t.Errorf("the key that opens a text is not preferred: %v", err)
	}
	same("preferred", preferring)

	sealed := bytes.Clone(kept[string(other.Check())])
	sealed[len(sealed)-1] ^= 1
	for name, bad := range map[string][]byte{"changed": sealed, "nothing": {}, "another key's": kept[string(was.Check())], "a version": {1}} {
		k := load(t, []byte(next))
		if err := k.Follow(secret.State{Check: k.Check(), Kept: map[string][]byte{string(k.Check()): bad}}); !errors.Is(err, secret.ErrKept) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAdopt changes the keys while they are used: under the race detector.
func TestAdopt(t *testing.T) {
	t.Parallel()
	old, next := secret.Generate(), secret.Generate()
	was := load(t, []byte(old))
	keys, kept := load(t, []byte(old)), was.HashCode("shop", "code")
	sealed, err := was.Seal(secret.GrantToken, "shop", "token")
	if err != nil {
		t.Fatal(err)
	}
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 200 {
				if keys.HashCode("shop", "code") != kept {
					t.Error("the code's hash has changed")
					return
				}
				if _, err := keys.OpenGrant("shop", sealed); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 50 {
		both := load(t, keyFile(next, old))
		if err := both.Follow(secret.State{Check: was.Check()}); err != nil {
			t.Fatal(err)
		}
		keys.Adopt(both)
		if err := keys.Follow(secret.State{Check: was.Check()}); err != nil {
			t.Fatal(err)
		}
	}
	users.Wait()
	if fmt.Sprint(keys.Checks()) != fmt.Sprint(load(t, keyFile(next, old)).Checks()) {
		t.Error("the other file's keys were not adopted")
	}
}

// TestAdoptBeside checks that a dropped key opens until the other file's keys alone are adopted.
func TestAdoptBeside(t *testing.T) {
	t.Parallel()
	old, next := secret.Generate(), secret.Generate()
	keys, dropped := load(t, keyFile(next, old)), load(t, []byte(next))
	sealed, err := load(t, []byte(old)).Seal(secret.GrantToken, "shop", "token")
	if err != nil {
		t.Fatal(err)
	}
	keys.AdoptBeside(dropped)
	if got, err := keys.OpenGrant("shop", sealed); got != "token" || err != nil || !bytes.Equal(keys.Check(), dropped.Check()) || len(keys.Checks()) != 2 {
		t.Errorf("beside: %q, %v, %d keys", got, err, len(keys.Checks()))
	}
	keys.Adopt(dropped)
	if _, err := keys.OpenGrant("shop", sealed); !errors.Is(err, secret.ErrSealed) || len(keys.Checks()) != 1 {
		t.Errorf("a dropped key opens: %v, %d keys", err, len(keys.Checks()))
	}
}
