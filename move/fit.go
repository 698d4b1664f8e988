package move

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"lagerd/store"
)

// mediumBytes is how much a MEDIUMTEXT or MEDIUMBLOB holds (MySQL manual, "Data Type Storage
// Requirements").
const mediumBytes = 1<<24 - 1

var (
	errNull   = errors.New("there is no value, and a server's column requires one")
	errType   = errors.New("it has another type than a server's column")
	errRange  = errors.New("the number is too large for a server's column")
	errDigits = errors.New("it is no decimal number that a server's column holds exactly")
	errLong   = errors.New("it is longer than a server's column")
	errUTF8   = errors.New("it is no valid UTF-8, which a server refuses")
	errBlank  = errors.New("it ends with a blank, which a server's column drops")
	errShort  = errors.New("it is shorter than a server's column, which would fill it up")
	errTime   = errors.New("it is no time that a server's column holds exactly")
)

// Fit returns the value of a column in the one form in which both databases are compared, and in
// which a server is sent it: nil, int64, string or []byte. It returns an error for a value that a
// server would refuse or change. The errors do not quote it: it may be a secret.
//
//	type                  form
//	BIGINT, INT, TINYINT  int64, within the type's range
//	DECIMAL               all digits after the point: 5.0000
//	DATETIME, DATE        2026-11-30 21:00:00.000000, 2026-11-30
//	VARCHAR, CHAR, TEXT   valid UTF-8, as long as it is stored
//	VARBINARY, BLOB …     []byte
func Fit(c store.Column, value any) (any, error) {
	if value == nil {
		if !c.Null {
			return nil, errNull
		}
		return nil, nil //nolint:nilnil // NULL
	}
	switch c.Type {
	case "BIGINT", "INT", "TINYINT":
		return fitInteger(c, value)
	case "DECIMAL":
		return fitDecimal(c, value)
	case "DATETIME", "DATE":
		return fitTime(c, value)
	case "VARCHAR", "CHAR", "MEDIUMTEXT":
		return fitText(c, value)
	case "VARBINARY", "BINARY", "MEDIUMBLOB":
		return fitBytes(c, value)
	}
	return nil, fmt.Errorf("columns of type %s are not known", c.Type)
}

func fitInteger(c store.Column, value any) (any, error) {
	n, ok := value.(int64)
	switch {
	case !ok:
		return nil, errType
	case c.Type == "INT" && (n < math.MinInt32 || n > math.MaxInt32), c.Type == "TINYINT" && (n < math.MinInt8 || n > math.MaxInt8):
		return nil, errRange
	}
	return n, nil
}

var decimalForm = regexp.MustCompile(`^(-?)0*(\d*?)(?:\.(\d*?)0*)?$`)

func fitDecimal(c store.Column, value any) (any, error) {
	text, ok := textOf(value)
	if n, isInt := value.(int64); isInt {
		text, ok = fmt.Sprint(n), true
	}
	if !ok {
		return nil, errType
	}
	parts := decimalForm.FindStringSubmatch(text)
	if parts == nil || !strings.ContainsAny(text, "0123456789") || len(parts[2]) > c.Length-c.Scale || len(parts[3]) > c.Scale {
		return nil, errDigits
	}
	sign, whole, fraction := parts[1], parts[2], parts[3]
	if whole == "" && fraction == "" {
		sign = ""
	}
	if whole == "" {
		whole = "0"
	}
	return sign + whole + "." + fraction + strings.Repeat("0", c.Scale-len(fraction)), nil
}

// fitTime takes what either database returns: SQLite a text, a server's driver a time. A server
// knows the years 1000 to 9999, and microseconds.
func fitTime(c store.Column, value any) (any, error) {
	at, ok := value.(time.Time)
	if text, isText := textOf(value); isText {
		layouts := []string{"2006-01-02 15:04:05.000000", time.DateTime}
		if c.Type == "DATE" {
			layouts = []string{time.DateOnly}
		}
		for _, layout := range layouts {
			if parsed, err := time.Parse(layout, text); err == nil && len(text) == len(layout) {
				at, ok = parsed, true
			}
		}
	}
	const first, last = 1000, 9999
	if !ok || at.Year() < first || at.Year() > last {
		return nil, errTime
	}
	if c.Type == "DATE" {
		return at.Format(time.DateOnly), nil
	}
	return store.At(at).Value()
}

func fitText(c store.Column, value any) (any, error) {
	text, ok := textOf(value)
	switch {
	case !ok:
		return nil, errType
	case !utf8.ValidString(text):
		return nil, errUTF8
	case c.Type == "CHAR" && strings.HasSuffix(text, " "):
		return nil, errBlank
	case c.Type == "MEDIUMTEXT" && len(text) > mediumBytes, c.Type != "MEDIUMTEXT" && utf8.RuneCountInString(text) > c.Length:
		return nil, errLong
	}
	return text, nil
}

func fitBytes(c store.Column, value any) (any, error) {
	raw, ok := value.([]byte)
	if text, isText := value.(string); isText {
		raw, ok = []byte(text), true
	}
	switch {
	case !ok:
		return nil, errType
	case c.Type == "MEDIUMBLOB" && len(raw) > mediumBytes, c.Type != "MEDIUMBLOB" && len(raw) > c.Length:
		return nil, errLong
	case c.Type == "BINARY" && len(raw) < c.Length:
		return nil, errShort
	}
	if raw == nil {
		raw = []byte{} // SQLite's driver returns nil for a value of no bytes, and a server's would send NULL
	}
	return raw, nil
}

func textOf(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return "", false
}

// equal reports whether two values in the form of Fit are the same.
func equal(a, b any) bool {
	x, ok := a.([]byte)
	if !ok {
		return a == b
	}
	y, ok := b.([]byte)
	return ok && bytes.Equal(x, y)
}
