package source

import (
	"strings"

	"lagerd/plan"
)

// Doubts collects the unreadable fields of an item or invoice. The zero value is ready to use.
type Doubts struct {
	fields plan.Fields
	each   []doubt
}

type doubt struct {
	field plan.Fields
	err   error
}

// Add adds the error about a field.
func (d *Doubts) Add(field plan.Fields, err error) {
	d.fields |= field
	d.each = append(d.each, doubt{field, err})
}

// Fields returns the fields that are unreadable.
func (d *Doubts) Fields() plan.Fields { return d.fields }

// Of returns the first error about field.
func (d *Doubts) Of(field plan.Fields) error {
	for _, each := range d.each {
		if each.field.Has(field) {
			return each.err
		}
	}
	return nil
}

// Text returns all errors on one line, "" if there are none.
func (d *Doubts) Text() string {
	if len(d.each) == 0 {
		return ""
	}
	list := make([]string, len(d.each))
	for i, each := range d.each {
		list[i] = each.err.Error()
	}
	return plan.Clip(strings.Join(list, "; "), LongestWarning)
}
