package store

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// Time is a UTC time with microseconds as it is stored; the zero Time is NULL.
// It is written as text of one width, which MySQL takes for a DATETIME(6) and
// which sorts as it should in SQLite, where a time is a text.
type Time struct{ time.Time }

const timeLayout = "2006-01-02 15:04:05.000000"

// At returns t as it is stored.
func At(t time.Time) Time { return Time{t} }

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UTC().Format(timeLayout), nil
}

// onceFormatted returns a function that returns times as At does, each ready to be
// sent, and formatted only where it differs from the one before: the rows of a page
// were observed at the same time.
func onceFormatted() func(time.Time) any {
	var last time.Time
	var formatted any
	return func(t time.Time) any {
		if formatted == nil || !t.Equal(last) {
			last = t
			formatted, _ = At(t).Value() // which returns no error
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
	parsed, err := time.ParseInLocation(timeLayout, s, time.UTC)
	if err != nil {
		return fmt.Errorf("read a stored time: %w", err)
	}
	t.Time = parsed
	return nil
}

// GormDataType tells gorm that a Time is a column, not a relation.
func (Time) GormDataType() string { return "datetime" }

// Date is a local business date, YYYY-MM-DD, as e-conomic sends it; "" is NULL.
type Date string

// Value implements driver.Valuer.
func (d Date) Value() (driver.Value, error) {
	if d == "" {
		return nil, nil
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

// GormDataType tells gorm that a Date is a column.
func (Date) GormDataType() string { return "date" }
