package secret_test

import (
	"bytes"
	"strings"
	"testing"

	"lagerd/secret"
)

// TestPassword: a hash is that of its password alone, and another each time.
func TestPassword(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery"
	hash, err := secret.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	again, err := secret.HashPassword(password)
	if err != nil || again == hash || strings.Contains(hash, password) || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes %q and %q: %v", hash, again, err)
	}
	for _, c := range []struct {
		name, hash, password string
		want                 bool
	}{
		{"its own", hash, password, true},
		{"hashed again", again, password, true},
		{"another", hash, password + "s", false},
		{"none", hash, "", false},
		{"too long", hash, strings.Repeat("x", 1<<20), false},
		{"no hash", "", password, false},
		{"no hash and no password", "", "", false},
		{"half a hash", hash[:len(hash)-8], password, false},
		{"other parameters", strings.Replace(hash, "t=2", "t=1", 1), password, false},
	} {
		if got := secret.CheckPassword(c.hash, c.password); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	for _, bad := range []string{"", "short", strings.Repeat("x", 257)} {
		if hash, err := secret.HashPassword(bad); err == nil {
			t.Errorf("%d characters: %s", len(bad), hash)
		}
	}
}

// TestSign: a signature is for one text, one purpose and one master key.
func TestSign(t *testing.T) {
	t.Parallel()
	keys, other := load(t, []byte(secret.Generate())), load(t, []byte(secret.Generate()))
	seen := map[string]string{}
	for name, signature := range map[string][]byte{
		"a text": keys.Sign("link", "abc"), "another text": keys.Sign("link", "abd"), "another purpose": keys.Sign("session", "abc"),
		"shifted": keys.Sign("linka", "bc"), "another key": other.Sign("link", "abc"),
	} {
		if was, ok := seen[string(signature)]; ok {
			t.Errorf("%s and %s have the same signature", name, was)
		}
		seen[string(signature)] = name
	}
	if first, again := keys.Sign("link", "abc"), keys.Sign("link", "abc"); !bytes.Equal(first, again) {
		t.Error("a text's signature differs")
	}
}
