package secret_test

import (
	"bytes"
	"regexp"
	"testing"

	"lagerd/secret"
)

// TestNewSigningSecret: all of the randomness is in it, and it is not shown by accident.
func TestNewSigningSecret(t *testing.T) {
	t.Parallel()
	random := bytes.NewReader(bytes.Repeat([]byte{0x0f, 0xa5}, 32))
	first, second := secret.NewSigningSecret(random), secret.NewSigningSecret(random)
	if !regexp.MustCompile(`^(0fa5){16}$`).MatchString(first.Reveal()) || second.Reveal() != first.Reveal() || random.Len() != 0 {
		t.Errorf("%s and %s of the same 32 bytes each", first.Reveal(), second.Reveal())
	}
	if first.String() == first.Reveal() {
		t.Error("it is shown")
	}
}
