package economic

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoding returns the options for parsing answers. e-conomic guarantees neither unique
// names nor valid UTF-8, so both are tolerated.
func decoding() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// value is a raw JSON value of an answer, empty if absent. For an object or list that was
// read member by member it is only the first byte.
type value = jsontext.Value

// repeated replaces the value of a wanted member that occurs twice, since it is unclear which
// one is meant. It is not of any type that a field may have.
var repeated = value("\x00")

// reader reads an answer in a single pass. After an error it reads nothing more.
type reader struct {
	body  []byte
	d     *jsontext.Decoder
	err   error // a syntax error, or a limit that the answer exceeds
	again bool  // the next value is of a member that has already been read
}

func newReader(body []byte) *reader {
	return &reader{body: body, d: jsontext.NewDecoder(bytes.NewBuffer(body), decoding())}
}

// value reads the next value.
func (r *reader) value() value {
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
func (r *reader) last(size int) value {
	if r.err != nil {
		return nil
	}
	end := int(r.d.InputOffset())
	return r.body[end-size : end]
}

// object reads an object. It calls member for each member, which reads the values that it
// wants. If the next value is not an object, object returns it whole.
func (r *reader) object(member func(name []byte)) value {
	if r.err != nil || r.again || r.d.PeekKind() != '{' {
		return r.value()
	}
	first := r.token()
	var wanted names
	for r.err == nil && r.d.PeekKind() != '}' {
		quoted := r.value()
		if r.err != nil {
			return nil
		}
		name, at := nameOf(quoted), r.d.InputOffset()
		again := wanted.has(name)
		r.again = again
		member(name)
		r.again = false
		switch {
		case r.d.InputOffset() == at:
			r.value()
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

// list reads a list. It calls item for each item, which must read it. If the next value is
// not a list, list returns it whole.
func (r *reader) list(item func()) value {
	if r.err != nil || r.again || r.d.PeekKind() != '[' {
		return r.value()
	}
	first := r.token()
	for r.err == nil && r.d.PeekKind() != ']' {
		item()
	}
	r.token()
	return first
}

// atMost reports whether a list with that many items may have another one. If not, it sets
// an error, which ends the reading.
func (r *reader) atMost(most int, what string, items int) bool {
	if items == most {
		r.err = &fieldError{what, fmt.Sprintf("at most %d", most), "more"}
	}
	return r.err == nil
}

// token reads the start or the end of an object or a list.
func (r *reader) token() value {
	if r.err == nil {
		_, r.err = r.d.ReadToken()
	}
	return r.last(1)
}

// member reads an object and returns its kind and the value of one member.
func (r *reader) member(wanted string) (kind, v value) {
	kind = r.object(func(name []byte) {
		if string(name) == wanted {
			v = r.value()
		}
	})
	return kind, v
}

// nameOf returns the unquoted name of a member.
func nameOf(quoted value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return name
}
