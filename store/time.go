package store

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a stored UTC time with microseconds; the zero Time is NULL. It is written as
// fixed-width text, which MySQL accepts as a DATETIME(6) and which sorts correctly in
// SQLite, where times are text.
type Time struct{ time.Time }

const timeLayout = "2006-01-02 15:04:05.000000"

// At returns t as a stored time.
func At(t time.Time) Time { return Time{t} }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil //nolint:nilnil // NULL
	}
	return t.UTC().Format(timeLayout), nil
}

// timeFormatter returns a function that formats times as At does, and reuses the text if
// the time equals the previous one: the rows of a page were observed at the same time.
func timeFormatter() func(time.Time) any {
	var last time.Time
	var formatted any
	return func(t time.Time) any {
		if formatted == nil || !t.Equal(last) {
			last = t
			formatted, _ = At(t).Value() // never returns an error
		}
		return formatted
	}
}

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = v.UTC()
	case string:
		return t.parse(v)
	case []byte:
		return t.parse(string(v))
	default:
		return fmt.Errorf("read a stored time: unexpected %T", src)
	}
	return nil
}

func (t *Time) parse(s string) error {
	var parsed time.Time
	if len(s) != len(timeLayout) || s[10] != ' ' { // somebody else has written it
		for _, layout := range []string{time.DateTime, time.RFC3339} { // with fractions of a second or without
			if at, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
				t.Time = at.UTC()
				return nil
			}
		}
		return fmt.Errorf("read a stored time: %q: expected the form %s", s, timeLayout)
	}
	// As RFC 3339, which package time reads in a fifth of the time that it takes for another layout:
	// ten thousand shops have some forty thousand times.
	var buffer [len(timeLayout) + 1]byte
	text := append(buffer[:0], s...)
	text[10] = 'T'
	if err := parsed.UnmarshalText(append(text, 'Z')); err != nil {
		return fmt.Errorf("read a stored time: %w", err)
	}
	t.Time = parsed
	return nil
}

// GormDataType makes gorm treat a Time as a column, not a relation.
func (Time) GormDataType() string { return "datetime" }

// Date is a local business date, YYYY-MM-DD, as e-conomic sends it; "" is NULL.
type Date string

// Value implements driver.Valuer.
func (d Date) Value() (driver.Value, error) {
	if d == "" {
		return nil, nil //nolint:nilnil // NULL
	}
	return string(d), nil
}

// Scan implements sql.Scanner.
func (d *Date) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = ""
	case time.Time:
		*d = Date(v.Format(time.DateOnly))
	case string:
		*d = Date(v)
	case []byte:
		*d = Date(v)
	default:
		return fmt.Errorf("read a stored date: unexpected %T", src)
	}
	return nil
}

// GormDataType makes gorm treat a Date as a column.
func (Date) GormDataType() string { return "date" }
