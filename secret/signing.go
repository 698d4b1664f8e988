package secret

import (
	"encoding/hex"
	"fmt"
	"io"
)

// signingSize is the length of a secret that signs webhooks, in bytes.
const signingSize = 32

// NewSigningSecret returns a new secret that signs webhooks: 256 bits from random in hexadecimal.
// random is crypto/rand.Reader outside tests. It panics if random fails, as NewCode does.
func NewSigningSecret(random io.Reader) Text {
	raw := make([]byte, signingSize)
	if _, err := io.ReadFull(random, raw); err != nil {
		panic(fmt.Sprintf("secret: read randomness for a secret that signs webhooks: %v", err))
	}
	return NewText(hex.EncodeToString(raw))
}
