package move

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"strings"

	"lagerd/store"
)

// rows are the rows of a table, in the order of its primary key.
type rows = iter.Seq2[[]any, error]

// pair is a row of the source and the row of the target with the same key; either may be missing.
type pair struct{ source, target []any }

func (p pair) same() bool {
	if p.source == nil || p.target == nil {
		return false
	}
	for i := range p.source {
		if !equal(p.source[i], p.target[i]) {
			return false
		}
	}
	return true
}

// row returns the row that there is.
func (p pair) row() []any {
	if p.source != nil {
		return p.source
	}
	return p.target
}

// fitted returns the rows in the form of Fit. It ends with an error if a value does not fit, or if a
// row's key does not come after that of the row before: merge could not compare them then.
func fitted(t store.Table, list rows) rows {
	return func(yield func([]any, error) bool) {
		var before []any
		for raw, err := range list {
			var row []any
			if err == nil {
				row, err = fitRow(t, raw)
			}
			if err == nil && before != nil && compare(t, before, row) >= 0 {
				err = fmt.Errorf("table %s: its rows are not in the order of their key: %s comes after %s", t.Name, keyText(t, row), keyText(t, before))
			}
			if !yield(row, err) || err != nil {
				return
			}
			before = row
		}
	}
}

// fitRow returns a row in the form of Fit.
func fitRow(t store.Table, raw []any) ([]any, error) {
	row := make([]any, len(raw))
	var bad []error
	for i, c := range t.Columns {
		value, err := Fit(c, raw[i])
		if err != nil {
			bad = append(bad, fmt.Errorf("table %s, row %s, column %s: %w", t.Name, keyText(t, raw), c.Name, err))
		}
		row[i] = value
	}
	return row, errors.Join(bad...)
}

// merge returns the rows of both databases side by side. Both must be fitted.
func merge(t store.Table, source, target rows) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		nextSource, stopSource := iter.Pull2(source)
		defer stopSource()
		nextTarget, stopTarget := iter.Pull2(target)
		defer stopTarget()
		a, errA, _ := nextSource()
		b, errB, _ := nextTarget()
		for {
			if err := errors.Join(errA, errB); err != nil {
				yield(pair{}, err)
				return
			}
			p := pair{a, b}
			switch {
			case a == nil && b == nil:
				return
			case b == nil || a != nil && compare(t, a, b) < 0:
				p.target = nil
			case a == nil || compare(t, a, b) > 0:
				p.source = nil
			}
			if !yield(p, nil) {
				return
			}
			if p.source != nil {
				a, errA, _ = nextSource()
			}
			if p.target != nil {
				b, errB, _ = nextTarget()
			}
		}
	}
}

// compare compares two rows' keys as both databases order them: numbers by value, texts and bytes
// byte by byte.
func compare(t store.Table, a, b []any) int {
	for _, i := range t.Key {
		order := 0
		switch x := a[i].(type) {
		case int64:
			y, _ := b[i].(int64)
			order = cmp.Compare(x, y)
		case string:
			y, _ := b[i].(string)
			order = strings.Compare(x, y)
		case []byte:
			y, _ := b[i].([]byte)
			order = bytes.Compare(x, y)
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// key returns the values of a row's primary key.
func key(t store.Table, row []any) []any {
	values := make([]any, len(t.Key))
	for n, i := range t.Key {
		values[n] = row[i]
	}
	return values
}

// keyText names a row for people. What is not text or a number may be a secret.
func keyText(t store.Table, row []any) string {
	var parts []string
	for _, value := range key(t, row) {
		switch value.(type) {
		case int64, string:
			parts = append(parts, fmt.Sprintf("%#v", value))
		default:
			parts = append(parts, "…")
		}
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// size is about how many bytes a row takes.
func size(row []any) (n int) {
	for _, value := range row {
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		default:
			n += 8
		}
	}
	return n
}
