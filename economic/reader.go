package economic

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoding is how answers are read: e-conomic promises neither that no name comes
// twice nor that every text is clean, and what is good of an answer is taken.
func decoding() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// value is a value of an answer as it stands there, empty if it is absent. Of an object
// or a list that was read it is only the first byte.
type value = jsontext.Value

// reader goes through an answer once. After an error it reads nothing more.
type reader struct {
	body []byte
	d    *jsontext.Decoder
	err  error // of syntax
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
	return r.last(len(v))
}

// last returns what was read last, from the body: what the decoder returns is good
// only until it reads on.
func (r *reader) last(size int) value {
	if r.err != nil {
		return nil
	}
	end := int(r.d.InputOffset())
	return r.body[end-size : end]
}

// object reads an object. member is called for each of its members and reads the value
// of those that are wanted. A value of another kind is returned as it stands.
func (r *reader) object(member func(name []byte)) value {
	if r.err != nil || r.d.PeekKind() != '{' {
		return r.value()
	}
	first := r.token()
	for r.err == nil && r.d.PeekKind() != '}' {
		name := r.value()
		if r.err != nil {
			return nil
		}
		at := r.d.InputOffset()
		member(nameOf(name))
		if r.d.InputOffset() == at {
			r.value()
		}
	}
	r.token()
	return first
}

// list reads a list. item is called at each of its items and has to read it. A value of
// another kind is returned as it stands.
func (r *reader) list(item func()) value {
	if r.err != nil || r.d.PeekKind() != '[' {
		return r.value()
	}
	first := r.token()
	for r.err == nil && r.d.PeekKind() != ']' {
		item()
	}
	r.token()
	return first
}

// token reads the beginning or the end of an object or a list.
func (r *reader) token() value {
	if r.err == nil {
		_, r.err = r.d.ReadToken()
	}
	return r.last(1)
}

// member reads an object of which one member is wanted.
func (r *reader) member(wanted string) (kind, v value) {
	kind = r.object(func(name []byte) {
		if string(name) == wanted {
			v = r.value()
		}
	})
	return kind, v
}

// nameOf returns the name of a member.
func nameOf(quoted value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	name, _ := jsontext.AppendUnquote(nil, quoted)
	return name
}
