package store_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lagerd/store"
	"lagerd/test/mariadbtest"
	"lagerd/test/storetest"
)

// allTables are lagerd's tables. `lagerd move` carries each of them over, a new one too: a person
// says here that this is right for it.
var allTables = []string{
	"actions", "agreement_calls", "agreements", "approvals", "changes", "code_uses", "hint_batches", "hint_marks", "hints", "holds",
	"incidents", "instance_secrets", "instances", "invoice_gaps", "invoice_pdfs", "invoices", "item_places", "items", "key_check", "leases",
	"kept_keys", "loss_clocks", "messages", "meta", "mixed_invoices", "notifying", "obstacles", "progress", "rackbeat_calls", "readers", "readers_of_all",
	"recent_losses", "refused_calls", "requests", "shop_codes", "shops", "stock_accounts", "warnings", "web_ended", "web_links", "web_operators",
	"webhook_calls",
}

// TestTables: Tables has every table, column, type and key that a server has after the migrations,
// and the embedded database has the same.
func TestTables(t *testing.T) {
	t.Parallel()
	tables, err := store.Tables()
	must(t, err)
	var names, columns, keys []string
	for _, table := range tables {
		names = append(names, table.Name)
		key := make([]string, len(table.Key))
		for i, c := range table.Columns {
			kind := strings.ToLower(c.Type)
			switch {
			case c.Type == "DECIMAL":
				kind += fmt.Sprintf("(%d,%d)", c.Length, c.Scale)
			case c.Length > 0:
				kind += fmt.Sprintf("(%d)", c.Length)
			}
			columns = append(columns, fmt.Sprintf("%s.%s %s %v", table.Name, c.Name, kind, c.Null))
			if n := slices.Index(table.Key, i); n >= 0 {
				key[n] = c.Name
			}
		}
		keys = append(keys, table.Name+" "+strings.Join(key, ", "))
	}
	same := func(what string, got, want []string) {
		t.Helper()
		slices.Sort(got)
		slices.Sort(want)
		for _, line := range got {
			if !slices.Contains(want, line) {
				t.Errorf("%s: %s is too much", what, line)
			}
		}
		for _, line := range want {
			if !slices.Contains(got, line) {
				t.Errorf("%s: %s is missing", what, line)
			}
		}
	}
	for _, name := range names {
		if !slices.Contains(allTables, name) {
			t.Errorf("table %s is new: lagerd move will copy all of its rows to a server as they are. If that is right, add it to allTables in this file; if some rows belong to one database alone, add a condition to serversOwn in store/moving.go as well", name)
		}
	}
	for _, name := range allTables {
		if !slices.Contains(names, name) {
			t.Errorf("table %s is gone: remove it from allTables in this file", name)
		}
	}

	s := open(t, store.Options{DSN: mariadbtest.New(t)})
	must(t, s.Migrate(t.Context()))
	same("a server's columns", columns, firsts(t, s, "SELECT CONCAT(table_name, '.', column_name, ' ', CASE data_type WHEN 'datetime' THEN 'datetime(6)'"+
		" WHEN 'varchar' THEN column_type WHEN 'char' THEN column_type WHEN 'varbinary' THEN column_type WHEN 'binary' THEN column_type WHEN 'decimal' THEN column_type"+
		" ELSE data_type END, ' ', CASE is_nullable WHEN 'YES' THEN 'true' ELSE 'false' END) FROM information_schema.columns c"+
		" WHERE table_schema = DATABASE() AND table_name <> 'goose_db_version' AND EXISTS (SELECT 1 FROM information_schema.tables b"+
		" WHERE b.table_schema = c.table_schema AND b.table_name = c.table_name AND b.table_type = 'BASE TABLE')"))
	same("a server's keys", slices.Clone(keys), firsts(t, s, "SELECT CONCAT(table_name, ' ', GROUP_CONCAT(column_name ORDER BY ordinal_position SEPARATOR ', '))"+
		" FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND constraint_name = 'PRIMARY' AND table_name <> 'goose_db_version' GROUP BY table_name"))

	embedded := open(t, store.Options{Path: storetest.New(t)})
	must(t, embedded.Migrate(t.Context()))
	same("the embedded database's tables", firsts(t, embedded, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'"), names)
	db := openDB(t, "sqlite", embedded.Path())
	for _, table := range tables {
		same("the embedded "+table.Name, columnsOf(t, db, table.Name), func() (list []string) {
			for i, c := range table.Columns {
				list = append(list, fmt.Sprint(c.Name, " ", slices.Index(table.Key, i)+1, " ", c.Null))
			}
			return list
		}())
	}
}

// columnsOf returns name, place in the primary key and nullability of a SQLite table's columns.
func columnsOf(t *testing.T, db *sql.DB, table string) (list []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT name, pk, \"notnull\" FROM pragma_table_info(?)", table)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		var pk int
		var notNull bool
		must(t, rows.Scan(&name, &pk, &notNull))
		list = append(list, fmt.Sprint(name, " ", pk, " ", !notNull))
	}
	must(t, rows.Err())
	return list
}

// firsts returns the first column of a query's rows.
func firsts(t *testing.T, s *store.Store, query string) (list []string) {
	t.Helper()
	for _, row := range s.Rows(t.Context(), query) {
		list = append(list, row[0])
	}
	return list
}
