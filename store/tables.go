package store

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Table is one of lagerd's tables, as the migrations for MySQL and MariaDB make it. The
// embedded database has the same tables, columns and keys, with wider types.
type Table struct {
	Name    string
	Columns []Column
	Key     []int // the columns of the primary key
}

// Column is a column of a Table.
type Column struct {
	Name   string
	Type   string // VARCHAR, DECIMAL and so on, in capitals
	Length int    // of a text, in characters, or of bytes; the digits of a DECIMAL; 0: the type has none
	Scale  int    // of a DECIMAL
	Null   bool   // it may be NULL
}

// Holds reports whether the table has a column of that type.
func (t Table) Holds(kind string) bool {
	return slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Type == kind })
}

// names returns the names of the columns, or of those of the key.
func (t Table) names(key bool) []string {
	var names []string
	for i, c := range t.Columns {
		if !key || slices.Contains(t.Key, i) {
			names = append(names, c.Name)
		}
	}
	return names
}

// keyNames returns the names of the key's columns, in the key's order.
func (t Table) keyNames() []string {
	names := make([]string, len(t.Key))
	for n, i := range t.Key {
		names[n] = t.Columns[i].Name
	}
	return names
}

const columnForm = `(\w+)\s+([A-Z]+)(?:\((\d+)(?:,(\d+))?\))?\s+(NOT NULL|NULL)`

var (
	definesColumn = regexp.MustCompile(`^` + columnForm)
	addsColumn    = regexp.MustCompile(`ADD COLUMN ` + columnForm)
	altersTable   = regexp.MustCompile(`^ALTER TABLE (\w+)`)
	primaryKey    = regexp.MustCompile(`^PRIMARY KEY \(([^)]+)\)`)
)

// Tables returns all tables of lagerd's, by name.
func Tables() ([]Table, error) {
	s := &Store{dialect: dialect{name: "mysql"}}
	list, err := s.migrations()
	if err != nil {
		return nil, err
	}
	tables := map[string]*Table{}
	for _, m := range list {
		for _, statement := range m.statements {
			if made := makesTable.FindStringSubmatch(statement); made != nil {
				t, err := defined(made[1], statement)
				if err != nil {
					return nil, fmt.Errorf("migration %d: %w", m.version, err)
				}
				tables[t.Name] = t
			} else if altered := altersTable.FindStringSubmatch(statement); altered != nil {
				for _, found := range addsColumn.FindAllStringSubmatch(statement, -1) {
					tables[altered[1]].Columns = append(tables[altered[1]].Columns, column(found))
				}
			}
		}
	}
	var all []Table
	for _, t := range tables {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// defined returns the table that a CREATE TABLE makes.
func defined(name, statement string) (*Table, error) {
	t := &Table{Name: name}
	var key []string
	for line := range strings.Lines(statement) {
		line = strings.TrimSpace(line)
		if found := primaryKey.FindStringSubmatch(line); found != nil {
			key = strings.Split(found[1], ", ")
		} else if found := definesColumn.FindStringSubmatch(line); found != nil {
			t.Columns = append(t.Columns, column(found))
			if before, _, _ := strings.Cut(line, " COMMENT "); strings.Contains(before, " PRIMARY KEY") {
				key = []string{found[1]}
			}
		}
	}
	for _, name := range key {
		t.Key = append(t.Key, slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name }))
	}
	if len(t.Key) == 0 || slices.Contains(t.Key, -1) {
		return nil, fmt.Errorf("table %s: its primary key is not understood", name)
	}
	return t, nil
}

// column returns the column of a match of columnForm.
func column(found []string) Column {
	c := Column{Name: found[1], Type: found[2], Null: found[5] == "NULL"}
	c.Length, _ = strconv.Atoi(found[3]) // none: 0
	c.Scale, _ = strconv.Atoi(found[4])
	if c.Type == "BOOLEAN" {
		c.Type = "TINYINT"
	}
	if c.Type == "TINYINT" {
		c.Length = 0
	}
	return c
}
