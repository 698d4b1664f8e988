package store

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMigrationsHaveNoHole: a number filled in later would be skipped where a greater one
// has run. Versions mean the same in both databases.
func TestMigrationsHaveNoHole(t *testing.T) {
	t.Parallel()
	names := map[string][]string{}
	for _, name := range []string{"mysql", "sqlite"} {
		s := &Store{dialect: dialect{name: name}}
		list, err := s.migrations()
		if err != nil || len(list) == 0 {
			t.Fatal(len(list), err)
		}
		for i, m := range list {
			if m.version != int64(i+1) {
				t.Errorf("%s: migration %d comes as number %d", name, m.version, i+1)
			}
		}
		files, err := migrations.ReadDir("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names[name] = append(names[name], f.Name())
		}
	}
	if !slices.Equal(names["mysql"], names["sqlite"]) {
		t.Errorf("of one there is %v, of the other %v", names["mysql"], names["sqlite"])
	}
}

// TestMigrationsNameTheirEngine: a server may have another default engine, and a default
// row format that is too narrow for the keys.
func TestMigrationsNameTheirEngine(t *testing.T) {
	t.Parallel()
	s := &Store{dialect: dialect{name: "mysql", collation: "utf8mb4_nopad_bin"}}
	list, err := s.migrations()
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	for _, m := range list {
		for _, statement := range m.statements {
			if !regexp.MustCompile(`(?i)^CREATE TABLE`).MatchString(statement) {
				continue
			}
			tables++
			if !strings.Contains(statement, "\n) "+transactional+" DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin") {
				t.Errorf("migration %d: %s … lacks %s, or its character set", m.version, firstLine(statement), transactional)
			}
		}
	}
	if own, err := s.ownTables(); err != nil || len(own) != tables {
		t.Errorf("%d tables are made, and these are found: %v (%v)", tables, own, err)
	}
	views, err := s.views()
	if err != nil || len(views) != len(viewNames) || views["shop_stock"] == "" || views["shop_stock_places"] == "" || views["shop_invoices"] == "" {
		t.Errorf("views: %v (%v)", views, err)
	}
}
