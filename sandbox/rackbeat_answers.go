package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An answer of Rackbeat is built from members whose types say what they are; how numbers,
// figures and times are written is decided when the answer is encoded.
type (
	object []member
	member struct {
		name  string
		value any
	}
	itemNumber  string
	placeNumber int64
	figure      amount
	moment      time.Time // zero: null
)

// encoder writes answers with the faults that change their form.
type encoder struct{ f *RackbeatFaults }

func (e encoder) encode(v any) []byte { return e.append(nil, v) }

func (e encoder) append(b []byte, v any) []byte { //nolint:gocyclo // one case per type
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case object:
		return e.appendObject(b, v)
	case []object:
		b = append(b, '[')
		for i, o := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendObject(b, o)
		}
		return append(b, ']')
	case itemNumber:
		if e.f.IntegerNumbers && isInteger(string(v)) {
			return append(b, v...)
		}
		return appendText(b, string(v))
	case placeNumber:
		if e.f.TextPlaces {
			return append(strconv.AppendInt(append(b, '"'), int64(v), 10), '"')
		}
		return strconv.AppendInt(b, int64(v), 10)
	case figure:
		if e.f.TextFigures {
			return append(appendFigure(append(b, '"'), amount(v), e.f.Decimals), '"')
		}
		return appendFigure(b, amount(v), e.f.Decimals)
	case moment:
		return e.appendTime(b, time.Time(v))
	case string:
		return appendText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, encode(v)...)
}

func (e encoder) appendObject(b []byte, o object) []byte {
	b = append(b, '{')
	first := true
	for _, m := range o {
		if slices.Contains(e.f.MissingKeys, m.name) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, m.name), ':')
		b = e.append(b, m.value)
	}
	return append(b, '}')
}

// appendTime writes a time of either known form: in the documentation it has no zone, in
// clients it is ISO 8601 with an offset.
func (e encoder) appendTime(b []byte, t time.Time) []byte {
	switch {
	case t.IsZero():
		return append(b, "null"...)
	case e.f.ISOTimes:
		return t.In(time.FixedZone("", 3600)).AppendFormat(b, `"2006-01-02T15:04:05-07:00"`)
	}
	return t.UTC().AppendFormat(b, `"2006-01-02 15:04:05"`)
}

// appendFigure writes a figure with the fewest decimals, though at least as many as asked for.
func appendFigure(b []byte, a amount, decimals int) []byte {
	if a < 0 {
		b, a = append(b, '-'), -a
	}
	b = strconv.AppendInt(b, int64(a/100), 10)
	fraction := strings.TrimRight(fmt.Sprintf("%02d", a%100), "0")
	fraction += strings.Repeat("0", max(0, decimals-len(fraction)))
	if fraction == "" {
		return b
	}
	return append(append(b, '.'), fraction...)
}

// isInteger reports whether a text is an integer as JSON writes it.
func isInteger(text string) bool {
	if text == "" || len(text) > 18 || text[0] == '0' && text != "0" {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// only keeps the named members of an object; nil keeps all.
func (o object) only(names []string) object {
	if names == nil {
		return o
	}
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return !slices.Contains(names, m.name) })
}

// parseFields returns the names in a parameter such as "number,name,locations(*)", nil if
// there is none.
func parseFields(text string) []string {
	if text == "" {
		return nil
	}
	names := []string{}
	depth, from := 0, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ',' && depth == 0:
			name, _, _ := strings.Cut(text[from:i], "(")
			names = append(names, strings.TrimSpace(name))
			from = i + 1
		case text[i] == '(':
			depth++
		case text[i] == ')':
			depth--
		}
	}
	return names
}

func (e encoder) answer(status int, v any) answer { return rawAnswer(status, e.encode(v)) }

// problem is an error in Rackbeat's words, or a gateway's.
func (e encoder) problem(status int, message string) answer {
	if e.f.HTMLErrors {
		return htmlAnswer(status)
	}
	return e.answer(status, object{{"message", message}})
}

// invalid is a 422 about a field.
func (e encoder) invalid(field, message string) answer {
	if e.f.HTMLErrors {
		return htmlAnswer(http.StatusUnprocessableEntity)
	}
	return e.answer(http.StatusUnprocessableEntity, object{{"errors", map[string][]string{field: {message}}}})
}

func (e encoder) notFound() answer { return e.problem(http.StatusNotFound, "Not found.") }

func (e encoder) unauthenticated() answer {
	return e.problem(http.StatusUnauthorized, "Unauthenticated.")
}

func htmlAnswer(status int) answer {
	body := fmt.Sprintf("<!DOCTYPE html><html><head><title>%d %s</title></head><body></body></html>", status, http.StatusText(status))
	return answer{status: status, body: []byte(body), contentType: "text/html; charset=utf-8"}
}
