package secret

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// codeAlphabet is Crockford's base 32 in lower case: none of its letters looks
	// like one of its digits, and it needs no escaping in a URL.
	codeAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

	// codeLength gives 130 bits. It also exceeds the 25 characters of an item
	// number, so that a code pasted in the wrong place is not mistaken for one.
	codeLength = 26
)

// NewCode returns a new integration code: 26 lower-case letters and digits, 130
// bits from random, which is crypto/rand.Reader outside tests. It panics if random
// fails, which crypto/rand.Reader never does: a guessable code would be worse.
func NewCode(random io.Reader) string {
	code := make([]byte, codeLength)
	if _, err := io.ReadFull(random, code); err != nil {
		panic(fmt.Sprintf("secret: read randomness for an integration code: %v", err))
	}
	for i, b := range code {
		code[i] = codeAlphabet[int(b)%len(codeAlphabet)] // 256 is a multiple of 32: no bias
	}
	return string(code)
}

const (
	// leastCode is how many characters of a code must be hard to guess, and leastDistinct
	// how many of them must differ.
	leastCode     = 16
	leastDistinct = 8
)

// guessed are words that people put into passwords; they make a code longer and no harder
// to guess.
var guessed = []string{
	"password", "passwort", "kodeord", "adgangskode", "webhook", "economic", "e-conomic", "lagerd", "secret", "hemmelig", "admin", "qwerty",
	"token", "letmein", "welcome", "velkommen", "sommer", "vinter", "shop", "butik", "test", "code", "kode",
}

// CheckCode returns an error, with the reason, if an integration code that a person chose
// for a shop could be guessed. The error contains no part of the code.
func CheckCode(shop, code string) error {
	rest := strings.ToLower(code)
	for _, word := range append([]string{strings.ToLower(shop)}, guessed...) {
		rest = strings.ReplaceAll(rest, word, "")
	}
	distinct, steps := map[byte]bool{}, 0
	for i := range len(rest) {
		distinct[rest[i]] = true
		if i > 0 {
			if step := int(rest[i]) - int(rest[i-1]); step >= -1 && step <= 1 {
				steps++
			}
		}
	}
	switch {
	case len(code) < leastCode:
		return fmt.Errorf("it has %d characters, and one that cannot be guessed has at least %d", len(code), leastCode)
	case len(rest) < leastCode:
		return fmt.Errorf("without the shop's name and common words it has %d characters, and one that cannot be guessed has at least %d", len(rest), leastCode)
	case len(distinct) < leastDistinct:
		return fmt.Errorf("it has only %d different characters, and one that cannot be guessed has at least %d", len(distinct), leastDistinct)
	case 2*steps >= len(rest):
		return errors.New("most of it is a row such as 1234 or abcd, which is easily guessed")
	case repeats(rest):
		return errors.New("it repeats itself, so it is easily guessed")
	}
	return nil
}

// repeats reports whether a text consists of one part over and over.
func repeats(text string) bool {
	for n := 1; n <= (len(text)+1)/2 && n < len(text); n++ {
		if text[n:] == text[:len(text)-n] {
			return true
		}
	}
	return false
}
