package secret

import (
	"bytes"
	"slices"
	"strings"
)

// Hidden finds secrets in text from outside, however JSON or a URL may have escaped them:
// as \u0041 or %41 in either case, as \/, in part, and escaped again.
type Hidden struct{ secrets []string }

// Hide returns a Hidden for these secrets; empty ones are ignored.
func Hide(secrets ...string) Hidden {
	return Hidden{slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" })}
}

const (
	// escapedTimes is how many escapes may be inside each other: JSON in a URL in JSON.
	escapedTimes = 3
	// mostEscapes is how many escapes are looked through.
	mostEscapes = 1 << 14
)

// In returns text with [redacted] in place of each secret, or in place of all of a text with so
// many escapes that looking through them would take long.
func (h Hidden) In(text string) string {
	if len(h.secrets) > 0 && escapes(text) > mostEscapes {
		return redacted
	}
	var clean strings.Builder
	kept := 0 // text up to here is in clean
	raw := []byte(text)
	for at := 0; at < len(text); at++ {
		if end := h.at(raw, at); end > 0 {
			clean.WriteString(text[kept:at])
			clean.WriteString(redacted)
			kept, at = end, end-1
		}
	}
	if kept == 0 {
		return text
	}
	clean.WriteString(text[kept:])
	return clean.String()
}

// Found reports whether text contains a secret. It is also true of a text with so many
// escapes that looking through them would take long. Every answer is searched, so it allocates
// nothing.
func (h Hidden) Found(text []byte) bool {
	for _, secret := range h.secrets {
		if bytes.Contains(text, []byte(secret)) {
			return true
		}
	}
	if len(h.secrets) == 0 {
		return false
	}
	seen := 0
	for at := escape(text, 0); at < len(text); at = escape(text, at+1) {
		if seen++; seen > mostEscapes {
			return true
		}
		for _, secret := range h.secrets {
			if beginsBefore(text, at, secret) {
				return true
			}
		}
	}
	return false
}

// escape returns the place of the first character from a place on that may begin an escape, or
// the length of text.
func escape(text []byte, from int) int {
	if n := bytes.IndexAny(text[from:], `\%`); n >= 0 {
		return from + n
	}
	return len(text)
}

// beginsBefore reports whether a secret is there whose first escape is at a place in text.
func beginsBefore(text []byte, at int, secret string) bool {
	for plain := range min(at+1, len(secret)) {
		if string(text[at-plain:at]) == secret[:plain] && mayBe(text, at, secret[plain]) && endOf(text, at-plain, secret) > 0 {
			return true
		}
	}
	return false
}

// mayBe reports whether the escape at a place may stand for a character. It costs little, and
// rules out nearly all escapes of an answer.
func mayBe(text []byte, at int, want byte) bool { //nolint:gocyclo // one case per form of an escape
	if text[at] == want || at+1 == len(text) {
		return text[at] == want
	}
	rest, digits := text[at+1:], 2
	if text[at] == '\\' {
		switch rest[0] {
		case '"', '/':
			return rest[0] == want
		case '\\', '%': // escaped again
			return true
		case 'u':
			rest, digits = rest[1:], 4
		case 'x':
			rest = rest[1:]
		default:
			return false
		}
	}
	value := 0
	for _, c := range rest[:min(digits, len(rest))] {
		switch digit := c | 0x20; {
		case c == '\\' || c == '%': // escaped again
			return true
		case '0' <= c && c <= '9':
			value = value<<4 | int(c-'0')
		case 'a' <= digit && digit <= 'f':
			value = value<<4 | int(digit-'a'+10)
		default:
			return false
		}
	}
	return len(rest) >= digits && (value == int(want) || value == '\\' || value == '%')
}

// escapes returns how many characters may begin an escape.
func escapes(text string) int { return strings.Count(text, `\`) + strings.Count(text, "%") }

// at returns where the longest secret that begins there ends, or 0 if none begins there.
func (h Hidden) at(text []byte, at int) (end int) {
	for _, secret := range h.secrets {
		if first := text[at]; first == secret[0] || first == '\\' || first == '%' {
			end = max(end, endOf(text, at, secret))
		}
	}
	return end
}

// endOf returns where the secret that begins at a place in text ends, or 0 if it is another
// text. A backslash or a percent sign of the secret may be read in several ways, so it follows
// all places that what it has read so far may end at.
func endOf(text []byte, at int, secret string) int {
	var room [8]character
	var endsRoom, nextRoom [8]int
	ends, next := append(endsRoom[:0], at), nextRoom[:0]
	for i := range len(secret) {
		next = next[:0]
		for _, from := range ends {
			for _, c := range characters(room[:0], text, from, escapedTimes) {
				if c.is == secret[i] && !slices.Contains(next, c.end) {
					next = append(next, c.end)
				}
			}
		}
		if len(next) == 0 {
			return 0
		}
		ends, next = next, ends
	}
	return slices.Max(ends)
}

// character is one way to read what begins at a place in a text.
type character struct {
	is  byte
	end int
}

// characters appends to list each way to read a character that begins at a place: as it is, or
// as an escape, whose own characters may be escaped times-1 times.
func characters(list []character, text []byte, at, times int) []character {
	if at >= len(text) {
		return list
	}
	if c := text[at]; times == 0 || c != '\\' && c != '%' {
		return with(list, character{c, at + 1})
	}
	var room, more [8]character
	for _, c := range characters(room[:0], text, at, times-1) {
		list = with(list, c)
		switch c.is {
		case '%':
			list = hexadecimal(list, text, c.end, times-1, 2, 0)
		case '\\':
			for _, kind := range characters(more[:0], text, c.end, times-1) {
				switch kind.is {
				case '"', '\\', '/':
					list = with(list, kind)
				case 'u':
					list = hexadecimal(list, text, kind.end, times-1, 4, 0)
				case 'x': // as Go's errors quote text
					list = hexadecimal(list, text, kind.end, times-1, 2, 0)
				}
			}
		}
	}
	return list
}

// with appends c to list unless it is there.
func with(list []character, c character) []character {
	if slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

// hexadecimal appends the character whose code is the next digits; value is that of the digits
// before.
func hexadecimal(list []character, text []byte, at, times, digits, value int) []character {
	if digits == 0 {
		if value < 0x80 {
			list = with(list, character{byte(value), at}) //nolint:gosec // it is in range
		}
		return list
	}
	var room [8]character
	for _, c := range characters(room[:0], text, at, times) {
		digit := c.is
		switch {
		case '0' <= digit && digit <= '9':
			digit -= '0'
		case 'a' <= digit|0x20 && digit|0x20 <= 'f':
			digit = digit | 0x20 - 'a' + 10
		default:
			continue
		}
		list = hexadecimal(list, text, c.end, times, digits-1, value<<4|int(digit))
	}
	return list
}
