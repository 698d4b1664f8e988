package sandbox

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filters follow restdocs ("Filtering") and observations of live agreements: brackets
// are not unescaped, and $in: works only on numbers.

// field is a property to filter or sort by.
type field[T any] struct {
	kind fieldKind
	text func(T) (string, bool) // false: the property is absent
	num  func(T) (float64, bool)
	when func(T) (time.Time, bool)
	is   func(T) bool
	sort bool // can be sorted by
	only string
}

type fieldKind int

const (
	textField fieldKind = iota
	numberField
	timeField
	boolField
)

type fields[T any] map[string]field[T]

func (f fields[T]) names() []string {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// filterError is a 400 about a filter.
type filterError struct {
	message string
	allowed []string // for an unknown property: allowedFilteringFields
	status  int
}

func (e *filterError) Error() string { return e.message }

type predicate[T any] func(T) bool

type filterParser[T any] struct {
	fields fields[T]
	in     string
	depth  int
}

// parseFilter turns a filter into a predicate; "" matches everything.
func parseFilter[T any](text string, f fields[T]) (predicate[T], error) {
	if text == "" {
		return func(T) bool { return true }, nil
	}
	p := &filterParser[T]{fields: f, in: text}
	match, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.in != "" {
		return nil, p.fail("Unexpected %q in filter.", p.in)
	}
	return match, nil
}

func (p *filterParser[T]) fail(format string, args ...any) error {
	return &filterError{message: fmt.Sprintf(format, args...), status: 400}
}

func (p *filterParser[T]) take(prefix string) bool {
	rest, ok := strings.CutPrefix(p.in, prefix)
	if ok {
		p.in = rest
	}
	return ok
}

func (p *filterParser[T]) or() (predicate[T], error) {
	left, err := p.and()
	for err == nil && p.take("$or:") {
		var right predicate[T]
		a := left
		if right, err = p.and(); err == nil {
			left = func(v T) bool { return a(v) || right(v) }
		}
	}
	return left, err
}

func (p *filterParser[T]) and() (predicate[T], error) {
	left, err := p.term()
	for err == nil && p.take("$and:") {
		var right predicate[T]
		a := left
		if right, err = p.term(); err == nil {
			left = func(v T) bool { return a(v) && right(v) }
		}
	}
	return left, err
}

const deepest = 50

func (p *filterParser[T]) term() (predicate[T], error) { //nolint:gocyclo // one case per kind of term
	if p.take("(") {
		if p.depth++; p.depth > deepest {
			return nil, p.fail("Too many parentheses.")
		}
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		p.depth--
		if !p.take(")") {
			return nil, p.fail("Missing closing parenthesis.")
		}
		return inner, nil
	}
	dollar := strings.IndexByte(p.in, '$')
	if dollar < 0 {
		return nil, p.fail("Could not parse filter %q.", p.in)
	}
	name := p.in[:dollar]
	p.in = p.in[dollar:]
	op := ""
	for _, o := range []string{"$eq:", "$ne:", "$gte:", "$gt:", "$lte:", "$lt:", "$like:", "$in:", "$nin:"} {
		if p.take(o) {
			op = strings.Trim(o, "$:")
			break
		}
	}
	if op == "" {
		return nil, p.fail("Unknown operator in %q.", p.in)
	}
	f, ok := p.fields[name]
	if !ok {
		return nil, &filterError{message: fmt.Sprintf("Filtering is not allowed on property '%s'.", name), allowed: p.fields.names(), status: 400}
	}
	if f.only != "" && op != f.only {
		return nil, &filterError{message: "An unexpected error occurred.", status: 500}
	}
	if op == "in" || op == "nin" {
		return p.list(f, op)
	}
	null := p.take("$null:")
	value := ""
	if !null {
		var err error
		if value, err = p.value(); err != nil {
			return nil, err
		}
	}
	return compare(p, f, name, op, value, null)
}

// value reads up to the end of the operand. $[ and $] are documented escapes that the
// live service does not honour: they stay unchanged and therefore match nothing.
func (p *filterParser[T]) value() (string, error) {
	var b strings.Builder
	for i := 0; i < len(p.in); i++ {
		switch c := p.in[i]; c {
		case ')':
			if p.depth == 0 {
				return "", p.fail("Unexpected ')' in filter.")
			}
			p.in = p.in[i:]
			return b.String(), nil
		case '$':
			rest := p.in[i:]
			if strings.HasPrefix(rest, "$and:") || strings.HasPrefix(rest, "$or:") {
				p.in = rest
				return b.String(), nil
			}
			if len(rest) < 2 || !strings.ContainsRune("$()*,[]", rune(rest[1])) {
				return "", p.fail("Unexpected '$' in filter.")
			}
			if rest[1] == '[' || rest[1] == ']' {
				b.WriteByte('$')
			}
			b.WriteByte(rest[1])
			i++
		default:
			b.WriteByte(c)
		}
	}
	p.in = ""
	return b.String(), nil
}

const longestList = 200

func (p *filterParser[T]) list(f field[T], op string) (predicate[T], error) {
	if !p.take("[") {
		return nil, p.fail("Expected a list in brackets.")
	}
	inside, rest, ok := strings.Cut(p.in, "]")
	if !ok {
		return nil, p.fail("Missing closing bracket.")
	}
	p.in = rest
	parts := strings.Split(inside, ",")
	if len(parts) > longestList {
		return nil, p.fail("A list may hold at most %d values.", longestList)
	}
	if f.kind != numberField {
		return func(T) bool { return false }, nil
	}
	set := make(map[float64]bool, len(parts))
	for _, part := range parts {
		n, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return nil, p.fail("'%s' is not a number.", part)
		}
		set[n] = true
	}
	return func(v T) bool {
		n, ok := f.num(v)
		return ok && set[n] == (op == "in")
	}, nil
}

func compare[T any](p *filterParser[T], f field[T], name, op, value string, null bool) (predicate[T], error) { //nolint:gocyclo // one case per type and operator
	ordered := func(c int) bool {
		switch op {
		case "eq":
			return c == 0
		case "ne":
			return c != 0
		case "gt":
			return c > 0
		case "gte":
			return c >= 0
		case "lt":
			return c < 0
		}
		return c <= 0
	}
	switch f.kind {
	case numberField:
		n, err := strconv.ParseFloat(value, 64)
		if err != nil && !null {
			return nil, p.fail("'%s' is not a valid value for '%s'.", value, name)
		}
		return func(v T) bool {
			x, ok := f.num(v)
			if null || !ok {
				return null && !ok == (op == "eq")
			}
			return ordered(cmpFloat(x, n))
		}, nil
	case timeField:
		t, err := parseTime(value)
		if err != nil && !null {
			return nil, p.fail("'%s' is not a valid date for '%s'.", value, name)
		}
		return func(v T) bool {
			x, ok := f.when(v)
			return ok && !null && ordered(x.Compare(t))
		}, nil
	case boolField:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return nil, &filterError{message: "An unexpected error occurred.", status: 500}
		}
		return func(v T) bool { return (f.is(v) == b) == (op == "eq") }, nil
	case textField:
	}
	if op == "like" {
		re, err := likeExpression(value)
		if err != nil {
			return nil, p.fail("Could not parse '%s'.", value)
		}
		return func(v T) bool { x, ok := f.text(v); return ok && re.MatchString(x) }, nil
	}
	value = strings.ToLower(value)
	return func(v T) bool {
		x, ok := f.text(v)
		if null || !ok {
			return null && !ok == (op == "eq")
		}
		return ordered(strings.Compare(strings.ToLower(x), value))
	}, nil
}

// likeExpression returns the pattern of a $like: operand. Without an asterisk it means
// "contains".
func likeExpression(value string) (*regexp.Regexp, error) {
	parts := strings.Split(value, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	pattern := strings.Join(parts, ".*")
	if len(parts) > 1 {
		pattern = "^" + pattern + "$"
	}
	return regexp.Compile("(?is)" + pattern)
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	return time.Parse(time.DateOnly, s)
}

// parseSort turns ?sort= into a comparison; nil keeps the order.
func parseSort[T any](text string, f fields[T]) (func(a, b T) int, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // nil leaves the order as it is
	}
	var keys []func(a, b T) int
	for part := range strings.SplitSeq(text, ",") {
		sign := 1
		if rest, ok := strings.CutPrefix(part, "-"); ok {
			part, sign = rest, -1
		}
		part = strings.TrimPrefix(part, "~")
		by, ok := f[part]
		if !ok || !by.sort {
			return nil, &filterError{message: "Could not parse query string sort parameter.", status: 400}
		}
		keys = append(keys, func(a, b T) int { return sign * by.compare(a, b) })
	}
	return func(a, b T) int {
		for _, k := range keys {
			if c := k(a, b); c != 0 {
				return c
			}
		}
		return 0
	}, nil
}

func (f field[T]) compare(a, b T) int {
	switch f.kind {
	case numberField:
		x, _ := f.num(a)
		y, _ := f.num(b)
		return cmpFloat(x, y)
	case timeField:
		x, _ := f.when(a)
		y, _ := f.when(b)
		return x.Compare(y)
	default:
		x, _ := f.text(a)
		y, _ := f.text(b)
		return strings.Compare(strings.ToLower(x), strings.ToLower(y))
	}
}
