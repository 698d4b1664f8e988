package secret

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Text is a secret string. However it is printed, logged or marshalled, it appears as
// [redacted] or, in a struct's unexported field, as an address; only Reveal returns it.
// The zero value is the empty secret.
type Text struct {
	// A pointer, because fmt calls no methods on a value in an unexported field: it
	// would print a string there, but prints a pointer as an address.
	value *string
}

// NewText wraps a secret.
func NewText(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{value: &s}
}

// Reveal returns the secret, for the code that sends or checks it.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.value == nil }

// String returns "[redacted]".
func (t Text) String() string { return redacted }

// Format writes "[redacted]" for every verb that fmt passes to it.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]", for JSON, YAML and other encodings.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
