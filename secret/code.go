package secret

import (
	"fmt"
	"io"
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
