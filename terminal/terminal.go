package terminal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape escapes every character in s that a terminal interprets or that is invisible:
// control characters (including line ends and tabs), formatting characters such as
// bidirectional overrides, line and paragraph separators, and invalid UTF-8. Other text
// is unchanged.
func Escape(s string) string {
	if safe(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		b.Write(escape(nil, r, s[:size]))
		s = s[size:]
	}
	return b.String()
}

// Line turns a text of several lines, such as joined errors, into one: its non-empty
// lines, escaped and joined by "; ".
func Line(s string) string {
	if safe(s) {
		return s
	}
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.Trim(line, "\r\n"); line != "" {
			lines = append(lines, Escape(line))
		}
	}
	return strings.Join(lines, "; ")
}

// EscapeOutput escapes a program's output like Escape, except for line ends and tabs. It
// returns b itself if there is nothing to escape.
func EscapeOutput(b []byte) []byte {
	if n := safeOutput(b); n < len(b) {
		out := append(make([]byte, 0, len(b)+16), b[:n]...)
		for rest := b[n:]; len(rest) > 0; {
			r, size := utf8.DecodeRune(rest)
			if laidOut(r) {
				out = append(out, byte(r)) //nolint:gosec // a tab or a line feed
			} else {
				out = escape(out, r, string(rest[:size]))
			}
			rest = rest[size:]
		}
		return out
	}
	return b
}

func laidOut(r rune) bool { return r == '\n' || r == '\t' }

func safe(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c >= utf8.RuneSelf {
			return !strings.ContainsFunc(s[i:], obeyed) && utf8.ValidString(s[i:])
		}
	}
	return true
}

// safeOutput returns the length of the prefix of b that needs no escape.
func safeOutput(b []byte) int {
	for n := 0; n < len(b); {
		if c := b[n]; c < utf8.RuneSelf {
			if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
				return n
			}
			n++
			continue
		}
		r, size := utf8.DecodeRune(b[n:])
		if obeyed(r) || r == utf8.RuneError && size == 1 {
			return n
		}
		n += size
	}
	return len(b)
}

// obeyed reports whether a terminal may interpret a character instead of showing it.
func obeyed(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// escape appends r, whose bytes are raw, to out, escaped if necessary.
func escape(out []byte, r rune, raw string) []byte {
	switch {
	case r == utf8.RuneError && len(raw) == 1:
		return fmt.Appendf(out, `\x%02x`, raw[0])
	case !obeyed(r):
		return append(out, raw...)
	case r == '\n':
		return append(out, `\n`...)
	case r == '\r':
		return append(out, `\r`...)
	case r == '\t':
		return append(out, `\t`...)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// Writer escapes what is written to it with EscapeOutput and passes it on. It is safe for
// concurrent use.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	part []byte // the start of an incomplete character
}

// NewWriter returns a Writer that writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := p
	if len(w.part) > 0 {
		b = bytes.Join([][]byte{w.part, p}, nil)
	}
	whole := len(b) - unfinished(b)
	w.part = bytes.Clone(b[whole:])
	if whole == 0 {
		return len(p), nil
	}
	if _, err := w.to.Write(EscapeOutput(b[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes the bytes of an incomplete character, escaped.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.part) == 0 {
		return nil
	}
	_, err := w.to.Write(EscapeOutput(w.part))
	w.part = nil
	return err
}

// unfinished returns how many bytes at the end of b are the start of an incomplete
// character.
func unfinished(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if tail[0] >= utf8.RuneSelf && !utf8.FullRune(tail) {
				return n
			}
			return 0
		}
	}
	return 0
}
