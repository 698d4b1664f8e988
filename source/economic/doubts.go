package economic

import (
	"strings"

	"lagerd/plan"
	"lagerd/source"
)

// doubts collects the unreadable fields of an item or invoice.
type doubts struct {
	fields plan.Fields
	each   []doubt
}

type doubt struct {
	field plan.Fields
	err   error
}

func (d *doubts) add(field plan.Fields, err error) {
	d.fields |= field
	d.each = append(d.each, doubt{field, err})
}

// of returns the first error about field.
func (d *doubts) of(field plan.Fields) error {
	for _, each := range d.each {
		if each.field.Has(field) {
			return each.err
		}
	}
	return nil
}

// text returns all errors on one line, "" if there are none.
func (d *doubts) text() string {
	if len(d.each) == 0 {
		return ""
	}
	list := make([]string, len(d.each))
	for i, each := range d.each {
		list[i] = each.err.Error()
	}
	return plan.Clip(strings.Join(list, "; "), source.LongestWarning)
}
