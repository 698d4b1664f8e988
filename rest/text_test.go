package rest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"lagerd/rest"
	"lagerd/secret"
)

const token = "grant-token-9kTr77Lw"

// TestExcerpt: a body is quoted without the secrets that it repeats, however it escapes them and
// wherever the quotation ends.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	html := func(format string) string {
		var s strings.Builder
		for _, c := range token {
			fmt.Fprintf(&s, format, c)
		}
		return s.String()
	}
	for _, c := range []struct{ name, body, want string }{
		{"nothing", " \n ", ""},
		{"a text", "no such  host\n", `"no such host"`},
		{"a title", "<html><Title>Bad\nGateway</title>", `a web page titled "Bad Gateway"`},
		{"a token", token, `"[redacted]"`},
		{"in a title", "<title>" + token + " is bad</title>", `a web page titled "[redacted] is bad"`},
		{"beyond what is quoted", strings.Repeat("x", 200) + token, `"` + strings.Repeat("x", 100) + `…"`},
		{"across the end", strings.Repeat("x", 95) + token, `"` + strings.Repeat("x", 95) + `[reda…"`},
		{"half of it searched", "<p>" + token + strings.Repeat(" ", 1<<13-40) + token, `"[redacted]"`},
		{"as HTML", "<title>" + html("&#%d;") + "</title>", `a web page titled "[redacted]"`},
		{"as HTML, hexadecimal", html("&#x%x;"), `"[redacted]"`},
		{"HTML without one", "<title>Hammer &amp; nails</title>", `a web page titled "Hammer &amp; nails"`},
	} {
		if got := rest.Excerpt([]byte(c.body), secret.Hide(token)); got != c.want {
			t.Errorf("%s: got %s, expected %s", c.name, got, c.want)
		}
	}
}

// TestQuoted: only what an error quotes is searched for secrets, to where a secret that it quotes the
// beginning of ends, and not more of an answer than takes little time.
func TestQuoted(t *testing.T) {
	t.Parallel()
	field := func(quotes string) *rest.FieldError {
		var f rest.Fields
		f.Fail("name", "a number", rest.Value(quotes))
		return f.Failed()[0]
	}
	for _, c := range []struct {
		name, sent string
		hidden     bool
	}{
		{"a text", `"x"`, false},
		{"many escapes", `"` + strings.Repeat(`\/`, 1000) + `"`, false},
		{"a token", `"` + token + `"`, true},
		{"its beginning is quoted", `"` + strings.Repeat("x", 30) + token + `"`, true},
		{"escaped twice", `"` + strings.Repeat(`\\u0078`, 10) + strings.ReplaceAll(token, "-", `\\u002d`) + `"`, true},
		{"an object", `{`, false},
	} {
		err := field(c.sent)
		rest.NewQuoted(secret.Hide(token)).Hide(errors.Join(err))
		if got := err.Got == "[redacted]"; got != c.hidden || err.Quotes != nil {
			t.Errorf("%s: got %s, of %d bytes", c.name, err.Got, len(err.Quotes))
		}
	}
	quoted := rest.NewQuoted(secret.Hide(token))
	for n := range 100 {
		err := field(`"` + strings.Repeat(`\/`, 1<<10) + `"`)
		quoted.Hide(err)
		if got, want := err.Got == "[redacted]", n >= 8; got != want {
			t.Errorf("error %d quotes %.20s", n, err.Got)
		}
		plain := field(`"x"`)
		if quoted.Hide(plain); plain.Got != `string "x"` {
			t.Errorf("after error %d, one without an escape quotes %s", n, plain.Got)
		}
	}
}
