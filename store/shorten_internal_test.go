package store

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShorten(t *testing.T) {
	long := "list what has changed: " + strings.Repeat("æ", 600) + ": dial tcp: connection refused"
	for _, c := range []struct {
		text       string
		begin, end string
		characters int
	}{
		{"", "", "", 0},
		{"as it is", "as it is", "as it is", 8},
		{"one failed\nand the other\n\n", "one failed; and", "; and the other", 25},
		{long, "list what has changed: æ", "æ: dial tcp: connection refused", 500},
		{strings.Repeat("a\r\n", 400), "a; a", "a; a", 500},
	} {
		got := shorten(c.text, 500)
		if !strings.HasPrefix(got, c.begin) || !strings.HasSuffix(got, c.end) || utf8.RuneCountInString(got) != c.characters || strings.ContainsAny(got, "\r\n") {
			t.Errorf("%.30q: %q of %d characters", c.text, got, utf8.RuneCountInString(got))
		}
	}
}
