package economic

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pathCodes are the characters of an item number that e-conomic's REST API
// writes in a path by a scheme of its own: the n-th one is "_n_".
// From https://restdocs.e-conomic.com, "Custom resource self-link encoding".
const pathCodes = `<>*%:&/\_ ?.#+`

// EscapeNumber returns an item number as a path segment of e-conomic's REST
// API: its own scheme for some characters, percent-encoding for the rest.
func EscapeNumber(number string) string {
	var b strings.Builder
	for i := range len(number) {
		if n := strings.IndexByte(pathCodes, number[i]); n >= 0 {
			fmt.Fprintf(&b, "_%d_", n)
			continue
		}
		b.WriteString(url.PathEscape(number[i : i+1]))
	}
	return b.String()
}

// UnescapeNumber is the inverse of EscapeNumber. It returns an error for what
// is not such a path segment.
func UnescapeNumber(segment string) (string, error) {
	var b strings.Builder
	for rest := segment; rest != ""; {
		before, after, coded := strings.Cut(rest, "_")
		plain, err := url.PathUnescape(before)
		if err != nil {
			return "", fmt.Errorf("unescape item number %q: %w", segment, err)
		}
		b.WriteString(plain)
		if !coded {
			break
		}
		code, following, closed := strings.Cut(after, "_")
		n, err := strconv.ParseUint(code, 10, 8)
		if !closed || err != nil || int(n) >= len(pathCodes) {
			return "", fmt.Errorf("unescape item number %q: %q is not one of e-conomic's codes", segment, "_"+code)
		}
		b.WriteByte(pathCodes[n])
		rest = following
	}
	return b.String(), nil
}

// Filterable reports whether products can be listed by this number. One that
// cannot must be read alone: what e-conomic's filter makes of control
// characters, outer spaces or broken UTF-8 is not known, and a filter that is
// misunderstood silently finds nothing.
func Filterable(number string) bool {
	return number != "" && number == strings.TrimSpace(number) && utf8.ValidString(number) &&
		!strings.ContainsFunc(number, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// escapeFilter returns a value as it stands in a filter, before URL encoding.
// [ and ] stay: the documented escapes for them, seen on live agreements, match
// nothing.
func escapeFilter(value string) string {
	return filterEscapes.Replace(value)
}

var filterEscapes = strings.NewReplacer("$", "$$", "(", "$(", ")", "$)", "*", "$*", ",", "$,")
