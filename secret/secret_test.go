package secret_test

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sirupsen/logrus"

	"lagerd/secret"
)

// master is a fixed master key, 0x80 … 0x9f.
func master() []byte {
	key := make([]byte, 32)
	for i := range key {
		key[i] = 0x80 + byte(i)
	}
	return key
}

func load(t *testing.T, raw []byte) *secret.Keys {
	t.Helper()
	keys, err := secret.Load(raw)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestHashCodeIsStable: stored codes and tokens depend on this value never changing. It
// was computed with another implementation of HKDF and HMAC.
func TestHashCodeIsStable(t *testing.T) {
	t.Parallel()
	got := load(t, master()).HashCode("shop1234", "0123456789abcdefghjkmnpqrs")
	const want = "ded2508d7dea6262a442aca345965a521dd57eb2b299f07aadee54de7e6bd410"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("hash is %x, want %s", got, want)
	}
}

func TestLoadForms(t *testing.T) {
	t.Parallel()
	key := master()
	want := load(t, key).HashCode("shop1234", "code")
	tests := map[string]string{
		"raw":                  string(key),
		"base64":               base64.StdEncoding.EncodeToString(key),
		"base64 with line end": base64.StdEncoding.EncodeToString(key) + "\r\n",
		"base64 unpadded":      base64.RawStdEncoding.EncodeToString(key),
		"base64 for URLs":      base64.URLEncoding.EncodeToString(key),
		"hex":                  hex.EncodeToString(key),
		"hex upper case":       " " + strings.ToUpper(hex.EncodeToString(key)) + "\n",
	}
	for name, raw := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := load(t, []byte(raw)).HashCode("shop1234", "code"); got != want {
				t.Errorf("the key differs from the raw one")
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ raw, want string }{
		"nothing":         {"", "empty"},
		"white space":     {" \n", "empty"},
		"a password":      {"correct horse battery staple", "32 random bytes"},
		"32 characters":   {"correct horse battery staple abc", "32 random bytes"},
		"base64 of 31":    {base64.StdEncoding.EncodeToString(master()[:31]), "32 random bytes"},
		"base64 of 33":    {base64.StdEncoding.EncodeToString(append(master(), 1)), "32 random bytes"},
		"hex of 16":       {hex.EncodeToString(master()[:16]), "32 random bytes"},
		"hex with a typo": {"x" + hex.EncodeToString(master())[1:], "32 random bytes"},
		"raw, a byte off": {string(append(master(), '\n')), "32 random bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, err := secret.Load([]byte(tt.raw))
			if err == nil || keys != nil {
				t.Fatalf("Load accepted it")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
			if text := strings.TrimSpace(tt.raw); text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("error %q shows the key", err)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	a, b := secret.Generate(), secret.Generate()
	if a == b {
		t.Fatalf("two keys are equal")
	}
	load(t, []byte(a))
	if len(a) != 44 {
		t.Errorf("key has %d characters, want 44", len(a))
	}
}

func TestHashCodeSeparates(t *testing.T) {
	t.Parallel()
	keys := load(t, master())
	base := keys.HashCode("ab", "cd")
	if again := keys.HashCode("ab", "cd"); !hmac.Equal(base[:], again[:]) {
		t.Error("the same code hashes differently")
	}
	for _, other := range [][2]string{{"a", "bcd"}, {"abc", "d"}, {"", "abcd"}, {"ab", "cD"}, {"AB", "cd"}, {"ab", "cd "}, {"cd", "ab"}} {
		if got := keys.HashCode(other[0], other[1]); got == base {
			t.Errorf("shop %q code %q hashes like shop \"ab\" code \"cd\"", other[0], other[1])
		}
	}
	if got := load(t, []byte(secret.Generate())).HashCode("ab", "cd"); got == base {
		t.Error("another master key gives the same hash")
	}
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	keys := load(t, master())
	const token = "a grant token, æøå"
	sealed, err := keys.Seal(secret.GrantToken, "shop1234", token)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("grant")) {
		t.Error("the sealed text shows the token")
	}
	if got, err := keys.Open(secret.GrantToken, "shop1234", sealed); err != nil || got != token {
		t.Errorf("Open = %q, %v, want %q", got, err, token)
	}
	again, err := keys.Seal(secret.GrantToken, "shop1234", token)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same bytes")
	}
	if _, err := keys.Seal(secret.GrantToken, "", token); err == nil {
		t.Error("Seal accepted an empty shop")
	}

	other := load(t, []byte(secret.Generate()))
	refused := map[string]func() (string, error){
		"another shop":   func() (string, error) { return keys.Open(secret.GrantToken, "shop1235", sealed) },
		"another key":    func() (string, error) { return other.Open(secret.GrantToken, "shop1234", sealed) },
		"nothing":        func() (string, error) { return keys.Open(secret.GrantToken, "shop1234", nil) },
		"only a version": func() (string, error) { return keys.Open(secret.GrantToken, "shop1234", sealed[:1]) },
		"cut":            func() (string, error) { return keys.Open(secret.GrantToken, "shop1234", sealed[:len(sealed)-1]) },
		"another version": func() (string, error) {
			return keys.Open(secret.GrantToken, "shop1234", append([]byte{2}, sealed[1:]...))
		},
		"a flipped bit": func() (string, error) {
			flipped := bytes.Clone(sealed)
			flipped[len(flipped)-1] ^= 1
			return keys.Open(secret.GrantToken, "shop1234", flipped)
		},
	}
	for name, open := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := open()
			if !errors.Is(err, secret.ErrSealed) || got != "" {
				t.Fatalf("Open = %q, %v, want ErrSealed", got, err)
			}
			if !strings.Contains(err.Error(), "was the key changed") {
				t.Errorf("error %q does not ask whether the key was changed", err)
			}
			if !strings.Contains(err.Error(), "shop123") {
				t.Errorf("error %q does not name the shop", err)
			}
		})
	}
}

// TestKindsOfSecrets: a grant token that was sealed before there were kinds opens, as a grant token
// alone, and no kind opens as another: the error says what it is.
func TestKindsOfSecrets(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	keys := load(t, key)
	old, err := hex.DecodeString("015ba0c1b84b11568484e328eb01ab9cf801ff7ffa0e5e44f34141ebb6abe94b05341f28e743c0125ed42f7c96f980431e2f")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := keys.OpenGrant("shop1234", old); got != "a grant token, æøå" || err != nil {
		t.Errorf("a grant token of before: %q, %v", got, err)
	}
	sealed := map[secret.Kind][]byte{}
	for _, kind := range []secret.Kind{secret.GrantToken, secret.RackbeatKey, secret.NotifyHook} {
		if sealed[kind], err = keys.Seal(kind, "shop1234", string(kind)); err != nil {
			t.Fatal(err)
		}
	}
	for as, open := range map[secret.Kind]func(string, []byte) (string, error){secret.GrantToken: keys.OpenGrant, secret.RackbeatKey: keys.OpenRackbeat, secret.NotifyHook: keys.OpenHook} {
		for is, text := range sealed {
			got, err := open("shop1234", text)
			switch {
			case as == is && (got != string(is) || err != nil):
				t.Errorf("a %s: %q, %v", is, got, err)
			case as != is && (got != "" || !errors.Is(err, secret.ErrKind) || err.Error() != fmt.Sprintf(`decrypt the %s of shop "shop1234": it is its %s: %v`, as, is, secret.ErrKind)):
				t.Errorf("a %s opened as a %s: %q, %v", is, as, got, err)
			}
			if got, err := open("shop1235", text); got != "" || !errors.Is(err, secret.ErrSealed) {
				t.Errorf("another shop's %s opened as a %s: %q, %v", is, as, got, err)
			}
		}
	}
}

// TestCheckAndFingerprint: equal master keys and secrets can be recognized, and neither is
// revealed.
func TestCheckAndFingerprint(t *testing.T) {
	t.Parallel()
	keys, same, other := load(t, master()), load(t, master()), load(t, []byte(secret.Generate()))
	if !bytes.Equal(keys.Check(), same.Check()) || bytes.Equal(keys.Check(), other.Check()) || len(keys.Check()) != 32 {
		t.Error("the check value does not distinguish master keys")
	}
	if bytes.Contains(keys.Check(), master()[:8]) {
		t.Error("the check value shows a part of the key")
	}
	shown := keys.Fingerprint("app token")
	if shown != same.Fingerprint("app token") || shown == keys.Fingerprint("app token2") || shown == other.Fingerprint("app token") || strings.Contains(shown, "app") {
		t.Errorf("the fingerprint %q does not distinguish secrets", shown)
	}
	keys.Check()[0]++
	if !bytes.Equal(keys.Check(), same.Check()) {
		t.Error("a caller can change the check value")
	}
}

func TestKeysPrintNothing(t *testing.T) {
	t.Parallel()
	keys := load(t, master())
	var holder = struct{ keys *secret.Keys }{keys}
	plain := fmt.Sprintf("%+v", []byte{0x80, 0x81}) // how a leaked key would begin
	for _, verb := range verbs {
		for _, v := range []any{keys, holder} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "8081") || strings.Contains(got, strings.Trim(plain, "[]")) {
				t.Errorf("%s prints %s", verb, got)
			}
		}
		if got := fmt.Sprintf(verb, keys); verb != "%p" && got != "[redacted]" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestNewCode(t *testing.T) {
	t.Parallel()
	// Every byte value: each character of the alphabet must come equally often.
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	random := bytes.NewReader(bytes.Repeat(all, 26))
	count := map[rune]int{}
	form := regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{26}$`)
	seen := map[string]bool{}
	for range 256 {
		code := secret.NewCode(random)
		if !form.MatchString(code) {
			t.Fatalf("code %q is not of the form %s", code, form)
		}
		for _, r := range code {
			count[r]++
		}
		seen[code] = true
	}
	if len(count) != 32 {
		t.Errorf("%d different characters, want 32", len(count))
	}
	for r, n := range count {
		if n != 256*26/32 {
			t.Errorf("%q came %d times, want %d", r, n, 256*26/32)
		}
	}
	if len(seen) < 16 {
		t.Errorf("only %d different codes", len(seen))
	}
}

func TestNewCodeNeedsRandomness(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a code was generated without randomness")
		}
	}()
	secret.NewCode(iotest.ErrReader(io.ErrUnexpectedEOF))
}

// verbs are fmt's verbs. %p and %T are the two that it does not pass to Format.
var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%+s", "%q", "%#q", "%x", "% x", "%X", "%d", "%c", "%U", "%b", "%o", "%t", "%e", "%g", "%10v", "%.3s", "%p", "%z",
}

func TestTextIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const hidden = "hunter2"
	text := secret.NewText(hidden)
	type exported struct{ Token secret.Text }
	type unexported struct{ token secret.Text }
	values := map[string]any{
		"itself":           text,
		"pointer":          &text,
		"exported field":   exported{text},
		"unexported field": unexported{text},
		"pointer to it":    &unexported{text},
		"slice":            []secret.Text{text},
		"map":              map[string]secret.Text{"k": text},
		"in an interface":  []any{unexported{text}},
		"error":            fmt.Errorf("sign in with %v", text),
	}
	leaks := func(s string) bool {
		return strings.Contains(s, hidden) ||
			strings.Contains(strings.ToLower(strings.ReplaceAll(s, " ", "")), hex.EncodeToString([]byte(hidden))) ||
			strings.Contains(s, "104 117 110") // its bytes
	}
	if !leaks(hidden) || !leaks(fmt.Sprintf("% X", hidden)) || !leaks(fmt.Sprint([]byte(hidden))) {
		t.Fatal("the test would not detect a leak")
	}
	for name, v := range values {
		for _, verb := range verbs {
			if got := fmt.Sprintf(verb, v); leaks(got) {
				t.Errorf("%s of %s prints %s", verb, name, got)
			}
		}
		if got := fmt.Sprint(v); leaks(got) {
			t.Errorf("Sprint of %s prints %s", name, got)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Errorf("marshal %s: %v", name, err)
		}
		if leaks(string(out)) {
			t.Errorf("JSON of %s is %s", name, out)
		}
		for _, formatter := range []logrus.Formatter{&logrus.TextFormatter{DisableColors: true}, &logrus.TextFormatter{ForceColors: true}, &logrus.JSONFormatter{}} {
			var log bytes.Buffer
			logger := &logrus.Logger{Out: &log, Formatter: formatter, Level: logrus.InfoLevel, Hooks: logrus.LevelHooks{}}
			logger.WithField("field", v).Info("signed in with ", v)
			logger.Infof("with %v and %+v", v, v)
			if !strings.Contains(log.String(), "signed in") || leaks(log.String()) {
				t.Errorf("%T logs %s as %s", formatter, name, log.String())
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, text); got != "[redacted]" {
			t.Errorf("%s prints %s, want [redacted]", verb, got)
		}
	}
	if text.String() != "[redacted]" {
		t.Errorf("String gives %s", text.String())
	}
	if out, err := json.Marshal(exported{text}); err != nil || string(out) != `{"Token":"[redacted]"}` {
		t.Errorf("JSON is %s, %v", out, err)
	}
}

func TestTextReveals(t *testing.T) {
	t.Parallel()
	if got := secret.NewText("hunter2"); got.Reveal() != "hunter2" || got.IsZero() {
		t.Errorf("Reveal = %q, IsZero = %t", got.Reveal(), got.IsZero())
	}
	var none secret.Text
	if none.Reveal() != "" || !none.IsZero() || none.String() != "[redacted]" {
		t.Error("the zero value is not an empty secret")
	}
	if !secret.NewText("").IsZero() {
		t.Error("an empty secret is not zero")
	}
}

func BenchmarkHashCode(b *testing.B) {
	keys, err := secret.Load(master())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		keys.HashCode("shop1234", "0123456789abcdefghjkmnpqrs")
	}
}
