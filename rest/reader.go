package rest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Lenient returns the options for parsing answers. No API guarantees unique names or valid
// UTF-8, so both are tolerated.
func Lenient() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// Value is a raw JSON value of an answer, empty if absent. For an object or list that was
// read member by member it is only the first byte.
type Value = jsontext.Value

// repeated replaces the value of a wanted member that occurs twice, since it is unclear which
// one is meant. It is not of any type that a field may have.
var repeated = Value("\x00")

// Reader reads an answer in a single pass. After an error it reads nothing more.
type Reader struct {
	ctx   context.Context //nolint:containedctx // of one answer; nil: it is read to its end
	reads int             // members and items so far
	body  []byte
	d     *jsontext.Decoder
	err   error // a syntax error, or a limit that the answer exceeds
	again bool  // the next value is of a member that has already been read
}

func newReader(ctx context.Context, body []byte) *Reader {
	return &Reader{ctx: ctx, body: body, d: jsontext.NewDecoder(bytes.NewBuffer(body), Lenient())}
}

// Failed reports whether an error has ended the reading.
func (r *Reader) Failed() bool { return r.err != nil }

// stop ends the reading if its context has ended: a hostile answer has millions of members.
func (r *Reader) stop() {
	const now = 1000 // and then
	if r.reads++; r.reads%now == 0 && r.ctx != nil && r.err == nil {
		r.err = r.ctx.Err()
	}
}

// Value reads the next value.
func (r *Reader) Value() Value {
	if r.err != nil {
		return nil
	}
	v, err := r.d.ReadValue()
	r.err = err
	if r.again {
		r.again = false
		return repeated
	}
	return r.last(len(v))
}

// last returns the last size bytes read, as a slice of the body: the decoder's own values
// are valid only until it reads on.
func (r *Reader) last(size int) Value {
	if r.err != nil {
		return nil
	}
	end := int(r.d.InputOffset())
	return r.body[end-size : end]
}

// Object reads an object. It calls member for each member, which reads the values that it
// wants. If the next value is not an object, Object returns it whole.
func (r *Reader) Object(member func(name []byte)) Value {
	if r.err != nil || r.again || r.d.PeekKind() != '{' {
		return r.Value()
	}
	first := r.token()
	var wanted names
	for r.err == nil && r.d.PeekKind() != '}' {
		quoted := r.Value()
		if r.err != nil {
			return nil
		}
		if r.stop(); r.err != nil {
			return nil
		}
		name, at := nameOf(quoted), r.d.InputOffset()
		again := wanted.has(name)
		r.again = again
		member(name)
		r.again = false
		switch {
		case r.d.InputOffset() == at:
			r.Value()
		case !again:
			wanted.add(name)
		}
	}
	r.token()
	return first
}

// names are the names of an object's members that have been read.
type names struct {
	list [24][]byte // more than the wanted members of any object
	n    int
}

func (s *names) has(name []byte) bool {
	return slices.ContainsFunc(s.list[:s.n], func(other []byte) bool { return bytes.Equal(other, name) })
}

func (s *names) add(name []byte) {
	if s.n < len(s.list) {
		s.list[s.n] = name
		s.n++
	}
}

// List reads a list. It calls item for each item, which must read it. If the next value is
// not a list, List returns it whole.
func (r *Reader) List(item func()) Value {
	if r.err != nil || r.again || r.d.PeekKind() != '[' {
		return r.Value()
	}
	first := r.token()
	for r.err == nil && r.d.PeekKind() != ']' {
		if r.stop(); r.err == nil {
			item()
		}
	}
	r.token()
	return first
}

// AtMost reports whether a list with that many items may have another one. If not, it sets
// an error, which ends the reading.
func (r *Reader) AtMost(most int, what string, items int) bool {
	if items == most {
		r.err = &FieldError{Path: what, Want: fmt.Sprintf("at most %d", most), Got: "more"}
	}
	return r.err == nil
}

// token reads the start or the end of an object or a list.
func (r *Reader) token() Value {
	if r.err == nil {
		_, r.err = r.d.ReadToken()
	}
	return r.last(1)
}

// Member reads an object and returns its kind and the value of one member.
func (r *Reader) Member(wanted string) (kind, v Value) {
	kind = r.Object(func(name []byte) {
		if string(name) == wanted {
			v = r.Value()
		}
	})
	return kind, v
}

// nameOf returns the unquoted name of a member.
func nameOf(quoted Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return name
}
