package sandbox

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// escapes is e-conomic's scheme for item numbers in a path (restdocs, "Custom resource
// self-link encoding"): a character's position is its code.
const escapes = `<>*%:&/\_ ?.#+`

// escapeNumber returns a number as a path segment.
func escapeNumber(number string) string {
	if !strings.ContainsFunc(number, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return number
	}
	var b strings.Builder
	for _, r := range number {
		if code := strings.IndexRune(escapes, r); code >= 0 {
			fmt.Fprintf(&b, "_%d_", code)
			continue
		}
		b.WriteRune(r)
	}
	return url.PathEscape(b.String())
}

// unescapeNumber parses a raw path segment, before any decoding.
func unescapeNumber(segment string) (string, error) {
	if strings.ContainsAny(segment, "/+:&*.#<>\\ ") {
		return "", errors.New("holds a character that e-conomic's scheme escapes")
	}
	decoded, err := url.PathUnescape(segment)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(decoded, `<>*%:&/\ ?.#+`) {
		return "", errors.New("percent-encodes a character that e-conomic's scheme escapes")
	}
	var b strings.Builder
	for decoded != "" {
		if decoded[0] != '_' {
			b.WriteByte(decoded[0])
			decoded = decoded[1:]
			continue
		}
		code, rest, ok := strings.Cut(decoded[1:], "_")
		n, err := strconv.Atoi(code)
		if !ok || err != nil || n < 0 || n >= len(escapes) {
			return "", errors.New("holds an underscore that is not part of an escape")
		}
		b.WriteByte(escapes[n])
		decoded = rest
	}
	return b.String(), nil
}
