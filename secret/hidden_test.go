package secret_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"lagerd/secret"
)

const token, grant = `Ab/9+k_Z%41\"x=`, "grant-token-9kTr77Lw"

func quoted(t testing.TB, text string) string {
	t.Helper()
	out, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(out[1 : len(out)-1])
}

// each escapes every character.
func each(format, text string) string {
	var out strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&out, format, text[i])
	}
	return out.String()
}

// TestHidden: whatever escapes JSON and URLs allow, the secret does not stay in the text, and
// the rest does.
func TestHidden(t *testing.T) {
	t.Parallel()
	hidden := secret.Hide("", token, grant)
	for name, is := range map[string]string{
		"as it is": token, "another": grant,
		"JSON": quoted(t, token), "JSON in JSON": quoted(t, quoted(t, token)), "in JSON again": quoted(t, quoted(t, quoted(t, token))),
		`\u, lower case`: each(`\u%04x`, token), `\u, upper case`: each(`\u%04X`, token), `\/`: strings.ReplaceAll(grant+"", "-", `\u002d`),
		"a URL": url.QueryEscape(token), "a URL, lower case": each("%%%02x", token), "a URL, upper case": each("%%%02X", token),
		"a URL's path": url.PathEscape(token), "a URL in a URL": url.QueryEscape(url.QueryEscape(token)),
		"a URL in JSON": quoted(t, url.QueryEscape(token)), "JSON in a URL": url.QueryEscape(quoted(t, token)),
		`\u0025 for %`: strings.ReplaceAll(each("%%%02x", token), "%", `\u0025`), "in part": `gr\u0061nt%2Dtoken-9k\u0054r77Lw`,
		"Go": each(`\x%02x`, token), "a slash": `Ab\/9+k_Z%41\\\"x=`,
	} {
		for _, around := range [][2]string{{"", ""}, {"before ", " after"}, {`{"message":"\u00e6 `, `","n":1}`}, {`\`, `\`}, {"%", "%41"}} {
			text := around[0] + is + around[1]
			want := around[0] + "[redacted]" + around[1]
			if got := hidden.In(text); got != want && around[0] != `\` && around[0] != "%" || strings.Contains(got, is) {
				t.Errorf("%s: %s became %s, expected %s", name, text, got, want)
			}
			if !hidden.Found([]byte(text)) {
				t.Errorf("%s: not found in %s", name, text)
			}
		}
	}
	for _, text := range []string{
		"", "æøå", `\`, "%", `\u`, `\u00`, "%4", `grant-token-9kTr77L`, "grant_token-9kTr77Lw", `\u1067rant-token-9kTr77Lw`, "%e7rant-token-9kTr77Lw",
	} {
		if got := hidden.In(text); got != text || hidden.Found([]byte(text)) {
			t.Errorf("%s became %s", text, got)
		}
	}
	if got := hidden.In(grant + grant + "x" + grant); got != "[redacted][redacted]x[redacted]" {
		t.Errorf("three in a row became %s", got)
	}
	if none := secret.Hide(""); none.In(token) != token || none.Found([]byte(token)) {
		t.Error("without a secret, something is hidden")
	}
}

// TestHiddenInMuch: a text made to be slow to look through is not looked through: it counts as
// found, and is hidden as a whole.
func TestHiddenInMuch(t *testing.T) {
	t.Parallel()
	hidden := secret.Hide(token, grant)
	const size = 8 << 20
	for name, c := range map[string]struct {
		part  string
		found bool
	}{
		"backslashes": {`\`, true}, "percent signs": {"%", true}, `\u`: {`\u0041`, true}, "escapes of escapes": {`%5C`, true},
		"beginnings": {grant[:len(grant)-1], false}, "plain": {"x", false},
	} {
		text := strings.Repeat(c.part, size/len(c.part))
		if got := hidden.Found([]byte(text)); got != c.found {
			t.Errorf("%s: found is %v", name, got)
		}
		if got := hidden.In(text); (got == "[redacted]") != c.found || !c.found && got != text {
			t.Errorf("%s became %.40s", name, got)
		}
	}
	few := strings.Repeat(`\`, 1<<14-1)
	if hidden.Found([]byte(few)) || hidden.In(few) != few {
		t.Error("a text with fewer escapes is not looked through")
	}
}

// FuzzHidden escapes a secret at random, in a text at random.
func FuzzHidden(f *testing.F) {
	f.Add("token-1", "before", "after", uint64(1))
	f.Add(token, `\u00`, "41", uint64(2))
	f.Add(`a\b%41`, "%", `\`, uint64(3))
	f.Fuzz(func(t *testing.T, token, before, after string, seed uint64) {
		if len(token) < 4 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Skip("NOT TESTED: the fuzzer's input is no token")
		}
		random := rand.New(rand.NewPCG(seed, 0))
		is := token
		for range random.IntN(4) {
			is = escapedAtRandom(random, is)
		}
		hidden := secret.Hide(token)
		text := before + is + after
		got := hidden.In(text)
		if !hidden.Found([]byte(text)) || strings.Contains(got, token) && !strings.Contains("[redacted]", token) || got == text { //nolint:gocritic // a drawn token may be part of it
			t.Errorf("%q became %q", text, got)
		}
	})
}

// escapedAtRandom escapes characters that it draws, and those that JSON requires.
func escapedAtRandom(random *rand.Rand, text string) string {
	json := random.IntN(2) == 0
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		switch drawn := random.IntN(3); {
		case json && (c == '"' || c == '\\' || c == '/' && drawn == 0):
			out.WriteString(`\` + string(c))
		case json && drawn == 1:
			fmt.Fprintf(&out, `\u%04x`, c)
		case json && drawn == 2:
			fmt.Fprintf(&out, `\u%04X`, c)
		case !json && (c == '%' || drawn == 1):
			fmt.Fprintf(&out, "%%%02x", c)
		case !json && drawn == 2:
			fmt.Fprintf(&out, "%%%02X", c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// BenchmarkFound searches a page of a listing, as each answer is.
func BenchmarkFound(b *testing.B) {
	item := `{"productNumber":"item-1","name":"Sk\u00e6rm 24\"","self":"https:\/\/restapi.example\/products\/item-1","inventory":{"inStock":17,"available":16}},`
	page := []byte("[" + strings.Repeat(item, 1000) + "{}]")
	hidden := secret.Hide(token, grant)
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if hidden.Found(page) {
			b.Fatal("found")
		}
	}
}
