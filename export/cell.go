package export

import (
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

// Cell is one value of a row. The zero Cell is an absent value.
type Cell struct {
	kind kind
	text string
	at   time.Time
}

type kind int

const (
	absent kind = iota
	text        // foreign: anything may be in it
	figure      // an exact decimal
	whole       // an integer, or true or false
	moment      // a time
	day         // a business date
)

// Text is a cell of text, which may be empty.
func Text(s string) Cell { return Cell{kind: text, text: s} }

// Figure is a cell of an exact decimal, without trailing zeros.
func Figure(d decimal.NullDecimal) Cell {
	if !d.Valid {
		return Cell{}
	}
	return Cell{kind: figure, text: d.Decimal.String()}
}

// Whole is a cell of an integer.
func Whole(n int64) Cell { return Cell{kind: whole, text: strconv.FormatInt(n, 10)} }

// Flag is a cell that is true or false.
func Flag(on bool) Cell { return Cell{kind: whole, text: strconv.FormatBool(on)} }

// Moment is a cell of a time; the zero time is absent.
func Moment(t time.Time) Cell {
	if t.IsZero() {
		return Cell{}
	}
	return Cell{kind: moment, at: t}
}

// Day is a cell of a date, YYYY-MM-DD; "" is absent.
func Day(date string) Cell {
	if date == "" {
		return Cell{}
	}
	return Cell{kind: day, text: date}
}
