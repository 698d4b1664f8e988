package story

import (
	"strings"
	"unicode"
)

// mostNear is how many numbers are offered.
const mostNear = 10

// IsNear reports whether a number is nearly the one asked for: the same but for case, spaces and
// the zeros before a group of digits, or with "_" in either for any one character, as SQL has it.
func IsNear(asked, number string) bool {
	return asked != number && (alike(plain(asked), plain(number)) || alike(strings.ToLower(asked), strings.ToLower(number)))
}

// plain returns a number in lower case, without spaces and the zeros before a group of digits.
func plain(number string) string {
	var b strings.Builder
	text := []rune(strings.ToLower(number))
	inDigits := false
	for i, r := range text {
		digit := r >= '0' && r <= '9'
		more := i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9'
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Cf, r):
			continue
		case r == '0' && !inDigits && more:
			continue
		}
		inDigits = digit
		b.WriteRune(r)
	}
	return b.String()
}

// alike compares two texts, in which "_" stands for any one character.
func alike(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if x[i] != y[i] && x[i] != '_' && y[i] != '_' {
			return false
		}
	}
	return true
}
