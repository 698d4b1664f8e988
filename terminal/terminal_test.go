package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"lagerd/terminal"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"plain", "Vare 17, 3½\" (blå)", "Vare 17, 3½\" (blå)"},
		{"backslash", `a\b`, `a\b`},
		{"emoji", "🤬 ok", "🤬 ok"},
		{"clear the screen", "Vare\x1b[2J", `Vare\u001b[2J`},
		{"a forged line", "Vare\nSHOP shop9 held", `Vare\nSHOP shop9 held`},
		{"a line overwritten", "Vare\rok", `Vare\rok`},
		{"tab", "a\tb", `a\tb`},
		{"backspace and bell", "a\b\a", `a\u0008\u0007`},
		{"NUL", "a\x00", `a\u0000`},
		{"DEL", "a\x7f", `a\u007f`},
		{"C1", "a\u009b2J", `a\u009b2J`},
		{"NEL", "a\u0085b", `a\u0085b`},
		{"bidi override", "a\u202etxt.exe", `a\u202etxt.exe`},
		{"bidi isolate", "\u2066a\u2069", `\u2066a\u2069`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"paragraph separator", "a\u2029b", `a\u2029b`},
		{"byte order mark", "\ufeffa", `\ufeffa`},
		{"zero width", "a\u200bb", `a\u200bb`},
		{"tag beyond the first plane", "a\U000e0041", `a\udb40\udc41`},
		{"not UTF-8", "a\x9b2J\xff", `a\x9b2J\xff`},
		{"replacement character", "a\ufffd", "a\ufffd"},
		{"no-break space", "a\u00a0b", "a\u00a0b"},
	} {
		if got := terminal.Escape(tt.text); got != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.name, tt.text, got, tt.want)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one": "one", "": "", "a\nb": "a; b", "a\r\n\n b\n": "a;  b", "a\x1b\nb\tc": `a\u001b; b\tc`, "æ\nø": "æ; ø",
	} {
		if got := terminal.Line(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	w := terminal.NewWriter(&out)
	text := "SHOP\tSTATE\nså\x1b[2J\r\u202e\u009b\n🤬\xe2"
	for n := range len(text) { // splits each multi-byte character
		if count, err := w.Write([]byte{text[n]}); count != 1 || err != nil {
			t.Fatal(count, err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "SHOP\tSTATE\nså\\u001b[2J\\r\\u202e\\u009b\n🤬\\xe2"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
}

// TestEscapedJSON: an escaped JSON document keeps its meaning.
func TestEscapedJSON(t *testing.T) {
	t.Parallel()
	text := "a\x1b\u007f\u009b\u202e\u2028\U000e0041\n\"\\"
	document, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(terminal.EscapeOutput(document), &got); err != nil || got != text {
		t.Errorf("%q became %q: %v", text, got, err)
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("Vare\x1b[2J\nSHOP shop9 held\u202e\u009b\xff🤬", 3)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		bad := func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }
		escaped := terminal.Escape(text)
		if !utf8.ValidString(escaped) || strings.ContainsFunc(escaped, bad) {
			t.Errorf("%q became %q", text, escaped)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, bad) && escaped != text {
			t.Errorf("%q needs no escape and became %q", text, escaped)
		}
		if line := terminal.Line(text); strings.ContainsFunc(line, bad) || !utf8.ValidString(line) {
			t.Errorf("%q became the line %q", text, line)
		}
		var out strings.Builder
		w := terminal.NewWriter(&out)
		cut = max(0, min(len(text), cut))
		for _, part := range []string{text[:cut], text[cut:]} {
			if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := string(terminal.EscapeOutput([]byte(text))); out.String() != want {
			t.Errorf("cut at %d, %q became %q, want %q", cut, text, out.String(), want)
		}
	})
}
