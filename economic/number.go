package economic

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pathCodes are the characters that e-conomic's REST API encodes in paths by a scheme
// of its own: the n-th one is "_n_".
// From https://restdocs.e-conomic.com, "Custom resource self-link encoding".
const pathCodes = `<>*%:&/\_ ?.#+`

// EscapeNumber encodes an item number as a path segment of e-conomic's REST API: by
// its own scheme for some characters, percent-encoded for the rest.
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

// UnescapeNumber is the inverse of EscapeNumber. It returns an error if segment is not
// validly encoded.
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

// Filterable reports whether a filter can select products by this number. If not, the
// number must be read on its own. How e-conomic's filter treats control characters,
// leading or trailing spaces and invalid UTF-8 is unknown, and a filter that is
// misread silently finds nothing.
func Filterable(number string) bool {
	return number != "" && number == strings.TrimSpace(number) && utf8.ValidString(number) &&
		!strings.ContainsFunc(number, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// escapeFilter escapes a value for a filter, before URL encoding. It leaves [ and ]
// alone: on live agreements the documented escapes for them match nothing.
func escapeFilter(value string) string {
	return filterEscapes.Replace(value)
}

var filterEscapes = strings.NewReplacer("$", "$$", "(", "$(", ")", "$)", "*", "$*", ",", "$,")
