package economic

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// fields reads fields of an answer. An invalid field reads as absent and is added to
// failed.
type fields struct{ failed []*fieldError }

// mostFailed caps the invalid fields recorded per answer. Only lines can exceed it.
const mostFailed = 40

// absent reports whether a field is missing. A null, which e-conomic says it never
// sends, counts as missing too.
func absent(raw value) bool { return len(raw) == 0 || raw[0] == 'n' }

func (f *fields) fail(path, want string, raw value) {
	if len(f.failed) < mostFailed {
		f.failed = append(f.failed, &fieldError{path, want, describe(raw)})
	}
}

// err returns the first error, nil if there is none.
func (f *fields) err() error {
	if len(f.failed) == 0 {
		return nil
	}
	return f.failed[0]
}

// unsound returns the fields that failed.
func (f *fields) unsound() []Unsound {
	if len(f.failed) == 0 {
		return nil
	}
	list := make([]Unsound, len(f.failed))
	for i, failed := range f.failed {
		list[i] = Unsound{Field: failed.path, Err: failed}
	}
	return list
}

// object records an error if a block is neither an object nor absent.
func (f *fields) object(path string, raw value) {
	if !absent(raw) && raw[0] != '{' {
		f.fail(path, "an object", raw)
	}
}

// list records an error if a value is neither a list nor absent.
func (f *fields) list(path string, raw value) {
	if !absent(raw) && raw[0] != '[' {
		f.fail(path, "a list", raw)
	}
}

// text reads a string, "" if absent.
func (f *fields) text(path string, raw value) string {
	if absent(raw) {
		return ""
	}
	if raw[0] != '"' {
		f.fail(path, "a string", raw)
		return ""
	}
	return text(raw)
}

// yes reads a boolean, nil if absent.
func (f *fields) yes(path string, raw value) *bool {
	if absent(raw) {
		return nil
	}
	is := raw[0] == 't'
	if !is && raw[0] != 'f' {
		f.fail(path, "true or false", raw)
		return nil
	}
	return &is
}

// figure reads a number exactly, nil if absent.
func (f *fields) figure(path string, raw value) *decimal.Decimal {
	return f.figureIn(new(decimal.Decimal), path, raw)
}

// figureIn is figure with the number stored in in.
func (f *fields) figureIn(in *decimal.Decimal, path string, raw value) *decimal.Decimal {
	if absent(raw) {
		return nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		f.fail(path, "a number", raw)
		return nil
	}
	// A number like 1e999999999 is valid JSON, and computing with it would never end.
	// Floating-point noise goes down to 5e-324.
	const digits, most, least = 40, 20, -400
	d, err := decimal.NewFromString(string(raw[:min(len(raw), 2*digits)]))
	many := len(raw) > digits && (len(raw) > 2*digits || d.NumDigits() > digits) // counting digits is slow
	if err != nil || many || d.Exponent() > most || d.Exponent() < least {
		f.fail(path, "a number of reasonable size", raw)
		return nil
	}
	*in = d
	return in
}

// whole reads an integer no less than least, 0 if absent.
func (f *fields) whole(path string, raw value, least int64) int64 {
	if absent(raw) {
		return 0
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= least {
		return n
	}
	d := f.figure(path, raw) // 10.0 is an integer as well
	if d == nil {
		return 0
	}
	n := d.IntPart()
	if !d.Equal(decimal.NewFromInt(n)) || n < least {
		f.fail(path, fmt.Sprintf("a whole number from %d", least), raw)
		return 0
	}
	return n
}

// date reads a business date (YYYY-MM-DD), "" if absent.
func (f *fields) date(path string, raw value) string {
	s := f.text(path, raw)
	if s == "" {
		return ""
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || !keepable(t) {
		f.fail(path, "a date (YYYY-MM-DD)", raw)
		return ""
	}
	return s
}

// moment reads a time with a zone and returns it in UTC, zero if absent. The start of
// year 1, .NET's value for a time that is not set, counts as absent.
func (f *fields) moment(path string, raw value) time.Time {
	s := f.text(path, raw)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, strings.ToUpper(s)) // T and Z may be in lower case (RFC 3339, 5.6)
	}
	t = t.UTC()
	if err != nil || !t.IsZero() && !keepable(t) {
		f.fail(path, "a time (RFC 3339)", raw)
		return time.Time{}
	}
	return t
}

// keepable reports whether a database can store a time. MySQL's documented range is
// years 1000 to 9999.
func keepable(t time.Time) bool {
	const year1000, year10000 = -30_610_224_000, 253_402_300_800 // seconds since 1970
	return year1000 <= t.Unix() && t.Unix() < year10000
}

// required records an error if a field is absent.
func (f *fields) required(path, want string, raw value) {
	if absent(raw) {
		f.fail(path, want, raw)
	}
}

// describe returns a short description of a JSON value.
func describe(raw value) string {
	if absent(raw) {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return fmt.Sprintf("string %q", oneLine(text(beginning(raw)), 40))
	case 't', 'f':
		return string(raw)
	case repeated[0]:
		return "several of them"
	}
	return "number " + oneLine(string(raw[:min(len(raw), 100)]), 40)
}

// beginning returns the beginning of a JSON string, as a JSON string short enough to quote.
func beginning(raw value) value {
	const enough = 400
	if len(raw) <= enough {
		return raw
	}
	cut := raw[1:enough]
	if i := bytes.LastIndexByte(cut, '\\'); i >= 0 && len(cut)-i < len(`\u0000\u0000`) {
		cut = cut[:i] // possibly an incomplete escape
	}
	return slices.Concat(value{'"'}, cut, value{'"'})
}
