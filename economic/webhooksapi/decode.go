package webhooksapi

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"lagerd/rest"
)

// A webhook is put back with every member that it was read with, so that answers are kept, which those
// of package rest are not. They have bounds of their own: lists and objects have so many elements, and
// a member that is repeated, below an unknown one too, is refused.

// tooManyError is the error of a list or an object with more elements than that.
type tooManyError int

func (m tooManyError) Error() string {
	return fmt.Sprintf("a list or an object has more than %d elements", int(m))
}

// list is a list of an answer.
type list[T any] []T

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (l *list[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	*l = nil
	switch d.PeekKind() {
	case 'n':
		return d.SkipValue()
	case '[':
	default:
		return errors.Join(errors.New("no list"), d.SkipValue())
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != ']' {
		if len(*l) == mostListed {
			return tooManyError(mostListed)
		}
		var one T
		if err := json.UnmarshalDecode(d, &one); err != nil {
			return err
		}
		*l = append(*l, one)
	}
	_, err := d.ReadToken()
	return err
}

// object is an object of an answer, by member.
type object map[string]jsontext.Value

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *object) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '{' {
		return errors.Join(errors.New("no object"), d.SkipValue())
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*o = object{}
	for d.PeekKind() != '}' {
		if len(*o) == mostFields {
			return tooManyError(mostFields)
		}
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		member := name.String() // of the decoder until it reads on
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		(*o)[member] = value.Clone()
	}
	_, err := d.ReadToken()
	return err
}

// decode reads an answer.
func decode(body []byte, into any) error {
	return json.Unmarshal(rest.WithoutBOM(body), into, jsontext.AllowInvalidUTF8(true))
}
