package rest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Fields reads fields of an answer. An invalid field reads as absent and is recorded. The zero
// value is ready to use.
type Fields struct{ failed []*FieldError }

// mostFailed caps the invalid fields recorded per answer. Only lists within an item can exceed it.
const mostFailed = 40

// Unsound is a field that is present but unreadable: of the wrong type, or out of range.
// It reads as absent. The caller decides whether the field is required.
type Unsound struct {
	Field string // its path: "inventory.available", or "inventory" if the block is no object
	Err   error  // what was expected and what came; the same text wherever the field was read
}

// Absent reports whether a field is missing. A null counts as missing too.
func Absent(raw Value) bool { return len(raw) == 0 || raw[0] == 'n' }

// Fail records that a field has another value than was expected.
func (f *Fields) Fail(path, want string, raw Value) {
	f.Add("", &FieldError{Path: path, Want: want, Got: describe(raw), Quotes: raw})
}

// Add records invalid fields that were read elsewhere, with prefix before their paths.
func (f *Fields) Add(prefix string, failed ...*FieldError) {
	for _, field := range failed {
		if len(f.failed) == mostFailed {
			return
		}
		field.Path = prefix + field.Path
		f.failed = append(f.failed, field)
	}
}

// Failed returns the fields that failed.
func (f *Fields) Failed() []*FieldError { return f.failed }

// Err returns the first error, nil if there is none.
func (f *Fields) Err() error {
	if len(f.failed) == 0 {
		return nil
	}
	return f.failed[0]
}

// Unsound returns the fields that failed, with their paths.
func (f *Fields) Unsound() []Unsound {
	if len(f.failed) == 0 {
		return nil
	}
	list := make([]Unsound, len(f.failed))
	for i, failed := range f.failed {
		list[i] = Unsound{Field: failed.Path, Err: failed}
	}
	return list
}

// Object records an error if a block is neither an object nor absent.
func (f *Fields) Object(path string, raw Value) {
	if !Absent(raw) && raw[0] != '{' {
		f.Fail(path, "an object", raw)
	}
}

// List records an error if a value is neither a list nor absent.
func (f *Fields) List(path string, raw Value) {
	if !Absent(raw) && raw[0] != '[' {
		f.Fail(path, "a list", raw)
	}
}

// Text reads a string, "" if absent.
func (f *Fields) Text(path string, raw Value) string {
	if Absent(raw) {
		return ""
	}
	if raw[0] != '"' {
		f.Fail(path, "a string", raw)
		return ""
	}
	return Text(raw)
}

// Yes reads a boolean, nil if absent.
func (f *Fields) Yes(path string, raw Value) *bool {
	if Absent(raw) {
		return nil
	}
	is := raw[0] == 't'
	if !is && raw[0] != 'f' {
		f.Fail(path, "true or false", raw)
		return nil
	}
	return &is
}

// Figure reads a number exactly, nil if absent.
func (f *Fields) Figure(path string, raw Value) *decimal.Decimal {
	return f.FigureIn(new(decimal.Decimal), path, raw)
}

// FigureIn is Figure with the number stored in in.
func (f *Fields) FigureIn(in *decimal.Decimal, path string, raw Value) *decimal.Decimal {
	if Absent(raw) {
		return nil
	}
	if !numeric(raw) {
		f.Fail(path, "a number", raw)
		return nil
	}
	return f.sized(in, path, raw, raw)
}

// FigureOrTextIn is FigureIn for a number that may also be in a string, written as JSON writes
// numbers.
func (f *Fields) FigureOrTextIn(in *decimal.Decimal, path string, raw Value) *decimal.Decimal {
	if Absent(raw) {
		return nil
	}
	number := raw
	if raw[0] == '"' {
		number = raw[1 : len(raw)-1] // an escape is no digit
		if !number.IsValid() || len(number) != len(bytes.TrimSpace(number)) {
			number = nil
		}
	}
	if !numeric(number) {
		f.Fail(path, "a number", raw)
		return nil
	}
	return f.sized(in, path, number, raw)
}

func numeric(raw Value) bool {
	return len(raw) > 0 && (raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9')
}

// sized reads a number of reasonable size, sent as raw.
func (f *Fields) sized(in *decimal.Decimal, path string, number, raw Value) *decimal.Decimal {
	// A number like 1e999999999 is valid JSON, and computing with it would never end.
	// Floating-point noise goes down to 5e-324.
	const digits, most, least = 40, 20, -400
	d, err := decimal.NewFromString(string(number[:min(len(number), 2*digits)]))
	many := len(number) > digits && (len(number) > 2*digits || d.NumDigits() > digits) // counting digits is slow
	if err != nil || many || d.Exponent() > most || d.Exponent() < least {
		f.Fail(path, "a number of reasonable size", raw)
		return nil
	}
	*in = d
	return in
}

// Whole reads an integer no less than least, 0 if absent.
func (f *Fields) Whole(path string, raw Value, least int64) int64 {
	if Absent(raw) {
		return 0
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil && n >= least {
		return n
	}
	d := f.Figure(path, raw) // 10.0 is an integer as well
	if d == nil {
		return 0
	}
	n := d.IntPart()
	if !d.Equal(decimal.NewFromInt(n)) || n < least {
		f.Fail(path, fmt.Sprintf("a whole number from %d", least), raw)
		return 0
	}
	return n
}

// Date reads a business date (YYYY-MM-DD), "" if absent.
func (f *Fields) Date(path string, raw Value) string {
	s := f.Text(path, raw)
	if s == "" {
		return ""
	}
	t, err := ParseTime(s, time.DateOnly)
	if err != nil || !Keepable(t) {
		f.Fail(path, "a date (YYYY-MM-DD)", raw)
		return ""
	}
	return s
}

// Moment reads a time with a zone and returns it in UTC, zero if absent. The start of
// year 1, .NET's value for a time that is not set, counts as absent.
func (f *Fields) Moment(path string, raw Value) time.Time {
	s := f.Text(path, raw)
	if s == "" {
		return time.Time{}
	}
	t, err := ParseTime(s, time.RFC3339)
	if err != nil {
		t, err = ParseTime(strings.ToUpper(s), time.RFC3339) // T and Z may be in lower case (RFC 3339, 5.6)
	}
	t = t.UTC()
	if err != nil || !t.IsZero() && !Keepable(t) {
		f.Fail(path, "a time (RFC 3339)", raw)
		return time.Time{}
	}
	return t
}

// ParseTime parses a time in the first of the layouts that fits. A text of any length costs
// little, while time.Parse quotes it whole.
func ParseTime(text string, layouts ...string) (t time.Time, err error) {
	const longest = 64
	if len(text) > longest {
		return t, fmt.Errorf("a time of %d bytes", len(text))
	}
	for _, layout := range layouts {
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return t, err
}

// Keepable reports whether a database can store a time. MySQL's documented range is
// years 1000 to 9999.
func Keepable(t time.Time) bool {
	const year1000, year10000 = -30_610_224_000, 253_402_300_800 // seconds since 1970
	return year1000 <= t.Unix() && t.Unix() < year10000
}

// Required records an error if a field is absent.
func (f *Fields) Required(path, want string, raw Value) {
	if Absent(raw) {
		f.Fail(path, want, raw)
	}
}

// describe returns a short description of a JSON value.
func describe(raw Value) string {
	if Absent(raw) {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return fmt.Sprintf("string %q", OneLine(Text(beginning(raw)), 40))
	case 't', 'f':
		return string(raw)
	case repeated[0]:
		return "several of them"
	}
	return "number " + OneLine(string(raw[:min(len(raw), 100)]), 40)
}

// beginning returns the beginning of a JSON string, as a JSON string short enough to quote.
func beginning(raw Value) Value {
	const enough = 400
	if len(raw) <= enough {
		return raw
	}
	cut := raw[1:enough]
	if i := bytes.LastIndexByte(cut, '\\'); i >= 0 && len(cut)-i < len(`\u0000\u0000`) {
		cut = cut[:i] // possibly an incomplete escape
	}
	return slices.Concat(Value{'"'}, cut, Value{'"'})
}
