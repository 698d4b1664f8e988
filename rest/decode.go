package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"lagerd/secret"
)

// Answers are decoded in two steps: a Reader extracts the wanted fields and checks the
// syntax, in one pass; then Fields checks the type of each. json.Unmarshal would stop at
// the first invalid field and lose the rest, and its reflection takes twice as long.

// Content is what an answer holds.
type Content struct {
	Ctx     context.Context //nolint:containedctx // of its call, which ends the decoding; nil: none
	Header  http.Header
	Body    []byte
	Secrets secret.Hidden // kept out of errors
}

// Decode reads a whole answer, which must be an object. read reads it and returns the
// kind of value it found. name is how errors call the answer.
//
// It returns a *LostError if the answer is cut, is a web page, or its context ends
// meanwhile; another error says what is wrong with it, naming the field if there is one.
// What a *FieldError quotes is the caller's to redact, by Quoted.
func Decode(name string, got Content, read func(r *Reader) Value) error {
	ctx, body := got.Ctx, got.Body
	r := newReader(ctx, WithoutBOM(body))
	kind := read(r)
	if end := r.d.InputOffset(); r.err == nil {
		if _, err := r.d.ReadToken(); !errors.Is(err, io.EOF) {
			r.err = fmt.Errorf("at byte %d: unexpected data after the end", end)
		}
	}
	if r.err == nil {
		var f Fields
		f.Required(name, "an object", kind)
		f.Object(name, kind)
		return f.Err()
	}
	if ctx != nil && ctx.Err() != nil {
		return &LostError{Err: ctx.Err()}
	}
	if _, field := errors.AsType[*FieldError](r.err); field {
		return Under(name+".", r.err)
	}
	if IsHTML(got.Header, body) {
		return &LostError{Message: Excerpt(body, got.Secrets)}
	}
	if errors.Is(r.err, io.ErrUnexpectedEOF) || errors.Is(r.err, io.EOF) {
		return &LostError{Err: fmt.Errorf("the answer is truncated after %d bytes: %w", len(body), io.ErrUnexpectedEOF)}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](r.err); ok {
		return fmt.Errorf("%s: at byte %d: %w", name, syntax.ByteOffset, syntax.Err)
	}
	return fmt.Errorf("%s: %w", name, r.err)
}

// WithoutBOM strips a leading byte order mark, which a parser may ignore (RFC 8259, 8.1).
func WithoutBOM(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// IsObject returns an error if an item of a collection is not an object.
func IsObject(kind Value) error {
	var f Fields
	f.Required("", "an object", kind)
	f.Object("", kind)
	return f.Err()
}

// LostError means that there is no usable answer. The same request may succeed later.
type LostError struct {
	Message string // what came instead, for people; "" if nothing did
	Err     error
}

// Error returns what came instead, and the cause.
func (e *LostError) Error() string {
	switch {
	case e.Err == nil:
		return e.Message
	case e.Message == "":
		return e.Err.Error()
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap returns the cause, if any.
func (e *LostError) Unwrap() error { return e.Err }

// FieldError is the error for an invalid field of an answer.
type FieldError struct {
	Path string // "products.collection[3].inventory.inStock"
	Want string // "a number"
	Got  string // `string "x"`; may quote what was sent

	// Quotes is what Got quotes the beginning of, until Quoted has searched it for secrets; nil if
	// Got has all of it.
	Quotes []byte
}

// Error returns the path, and what was expected and came.
func (e *FieldError) Error() string {
	return fmt.Sprintf("%s: expected %s, got %s", e.Path, e.Want, e.Got)
}

// Under prefixes the path of a field error with prefix.
func Under(prefix string, err error) error {
	if field, ok := errors.AsType[*FieldError](err); ok {
		field.Path = prefix + field.Path
	}
	return err
}

// Quoted redacts what the field errors of one answer quote of it.
type Quoted struct {
	secrets secret.Hidden
	escapes int // in what has been searched
}

// NewQuoted returns the Quoted of an answer that may repeat secrets.
func NewQuoted(secrets secret.Hidden) *Quoted { return &Quoted{secrets: secrets} }

// Hide redacts the quoted value of a field error if it holds a secret, or if it and the errors before
// it quote so many escapes that a search would take long. It does nothing to other errors.
func (q *Quoted) Hide(err error) {
	const most = 1 << 13 // half a second, at the worst
	field, ok := errors.AsType[*FieldError](err)
	if !ok {
		return
	}
	piece := field.Quotes[:min(len(field.Quotes), mostQuoted)]
	field.Quotes = nil // it would keep the whole answer
	escapes := bytes.Count(piece, []byte(`\`)) + bytes.Count(piece, []byte("%"))
	q.escapes += escapes
	if escapes > 0 && q.escapes > most || q.secrets.Found(piece) || q.secrets.Found([]byte(field.Got)) {
		field.Got = "[redacted]"
	}
}
