package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// table is a CSV file with a header.
type table struct {
	header []string
	rows   [][]string
	lines  []int // line number of each row
}

func readTable(r io.Reader) (table, error) {
	reader := csv.NewReader(r)
	var t table
	for {
		record, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF) && len(t.rows) > 0:
			return t, nil
		case errors.Is(err, io.EOF):
			return t, errors.New("nothing to draw: expected a header and at least one row")
		case err != nil:
			return t, err // it names line and column
		case t.header == nil:
			t.header = record
			continue
		}
		line, _ := reader.FieldPos(0)
		t.rows, t.lines = append(t.rows, record), append(t.lines, line)
	}
}

func (t table) index(column string) (int, error) {
	i := slices.Index(t.header, column)
	if i < 0 {
		return 0, fmt.Errorf("there is no column %q; there are %s", column, strings.Join(t.header, ", "))
	}
	return i, nil
}

// numbers returns a column's values, divided by its scale.
func (t table) numbers(c column) ([]float64, error) {
	i, err := t.index(c.name)
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(t.rows))
	for n, row := range t.rows {
		v, err := strconv.ParseFloat(row[i], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("line %d, column %s: expected a number, got %q", t.lines[n], c.name, row[i])
		}
		values[n] = v / c.scale
	}
	return values, nil
}

// names returns the name of each row's series.
func (t table) names(column string) ([]string, error) {
	names := make([]string, len(t.rows))
	if column == "" {
		return names, nil
	}
	i, err := t.index(column)
	for n, row := range t.rows {
		if err == nil {
			names[n] = row[i]
		}
	}
	return names, err
}

// column says which column of the file is drawn, and how.
type column struct {
	name  string
	scale float64
	only  string // the only series it is drawn for; empty: for all
}

// panel is one of the drawing's parts.
type panel struct {
	title, unit string
	columns     []column
}

func parsePanel(text string) (panel, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) != 3 {
		return panel{}, errors.New("expected title:unit:columns")
	}
	p := panel{title: parts[0], unit: parts[1]}
	for part := range strings.SplitSeq(parts[2], ",") {
		c, err := parseColumn(part)
		if err != nil {
			return p, err
		}
		p.columns = append(p.columns, c)
	}
	return p, nil
}

func parseX(text string) (column, string, error) {
	text, label, labelled := strings.Cut(text, ":")
	c, err := parseColumn(text)
	if err == nil && c.only != "" {
		err = errors.New("--x: all series share the x axis")
	}
	if !labelled {
		label = c.name
	}
	return c, label, err
}

func parseColumn(text string) (column, error) {
	c := column{scale: 1}
	text, scale, scaled := strings.Cut(text, "/")
	if c.name, c.only, _ = strings.Cut(text, "@"); c.name == "" {
		return c, errors.New("expected the name of a column")
	}
	if !scaled {
		return c, nil
	}
	var err error
	if c.scale, err = strconv.ParseFloat(scale, 64); err != nil || !(c.scale > 0) {
		return c, fmt.Errorf("scale of column %s: expected a number above 0, got %q", c.name, scale)
	}
	return c, nil
}
