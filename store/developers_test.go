package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// documented returns the SQL statements in the documentation for the shop's developers,
// verbatim: those for MySQL and MariaDB, and those for SQLite.
func documented(t *testing.T) (mysql, sqlite []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/shop-developers.md")
	must(t, err)
	onServers, onSQLite, found := strings.Cut(string(text), "\n## On SQLite\n")
	if !found {
		t.Fatal("docs/shop-developers.md has no section on SQLite")
	}
	return statements(onServers), statements(onSQLite)
}

func statements(markdown string) (list []string) {
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(markdown, -1) {
		for _, statement := range strings.SplitAfter(block[1], ";\n") {
			if strings.TrimSpace(statement) != "" {
				list = append(list, statement)
			}
		}
	}
	return list
}

// ownTable are a shop's products before and after the documented UPDATE.
var ownTable = []struct {
	sku         string
	stock       string // as e-conomic has it; "": no figure
	state       plan.State
	before, now any // nil: NULL
}{
	{"equal", "7", plan.StateOK, 7, 7},
	{"sold", "3", plan.StateOK, 7, 3},
	{"sold out", "0", plan.StateOK, 7, 0},
	{"fraction", "12.5", plan.StateOK, 13, 12},
	{"less than one", "0.75", plan.StateOK, 1, 0},
	{"negative", "-3", plan.StateOK, 7, 0},
	{"a little negative", "-0.5", plan.StateOK, 7, 0},
	{"negative and off sale", "-3", plan.StateOK, 0, 0},
	{"barred", "5", plan.StateBarred, 5, 0},
	{"barred and negative", "-5", plan.StateBarred, 5, 0},
	{"gone", "", plan.StateGone, 7, 0},
	{"service", "", plan.StateNoInventory, 999, 999},
	{"new", "4", plan.StateOK, nil, 4},
	{"new and gone", "", plan.StateGone, nil, 0},
	{"new service", "", plan.StateNoInventory, nil, nil},
	{"0571527051", "2", plan.StateOK, 1, 2},
	{"æøå", "6", plan.StateOK, 1, 6},
	{"abc", "1", plan.StateOK, 9, 1},
	{"ABC", "2", plan.StateOK, 9, 2},
}

// strangers are SKUs that match none of the shop's items: spelled differently, or another shop's.
var strangers = []string{"Sold", "571527051", "elsewhere"}

// TestDocumentedStatements runs the statements of docs/shop-developers.md verbatim.
func TestDocumentedStatements(t *testing.T) {
	t.Parallel()
	onServers, onSQLite := documented(t)
	for _, collation := range []string{"utf8mb4_unicode_ci", "utf8mb4_general_ci", "utf8mb4_bin", "utf8mb3_bin", "latin1_swedish_ci", "latin1_bin"} {
		t.Run("MariaDB, SKUs in "+collation, func(t *testing.T) {
			t.Parallel()
			dsn := mariadbtest.New(t)
			s := shopWithItems(t, store.Options{DSN: dsn})
			// The software's account, with a table of its own.
			own := mariadbtest.Account(t, dsn, "", "GRANT SELECT ON {database}.shop_stock TO {account}", "GRANT SELECT ON {database}.shop_invoices TO {account}",
				"GRANT SELECT ON {database}.shop_stock_places TO {account}",
				"GRANT CREATE, SELECT, INSERT, UPDATE ON {database}.products TO {account}")
			cfg, err := mysql.ParseDSN(own)
			must(t, err)
			must(t, s.GrantReader(t.Context(), cfg.User, "shop1234", noon))
			db := openDB(t, "mysql", own)
			charset, _, _ := strings.Cut(collation, "_")
			// The key has no collation, so that all spellings fit.
			runDocumented(t, db, "CREATE TABLE products (id INT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(64) CHARACTER SET "+charset+" COLLATE "+collation+" NOT NULL, quantity INT UNSIGNED NULL)", onServers)
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "lagerd.db")
		s := shopWithItems(t, store.Options{Path: path})
		for n, statement := range onSQLite {
			onSQLite[n] = strings.Replace(statement, "/var/lib/lagerd/lagerd.db", path, 1)
		}
		for _, collation := range []string{"BINARY", "NOCASE"} {
			own := func() *sql.DB {
				return openDB(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "shop.db"))
			}
			runDocumented(t, own(), "CREATE TABLE products (sku TEXT COLLATE "+collation+" NOT NULL, quantity INTEGER)", onSQLite)
			must(t, s.Close()) // the statements must also work without a running lagerd
			runDocumented(t, own(), "CREATE TABLE products (sku TEXT COLLATE "+collation+" NOT NULL, quantity INTEGER)", onSQLite)
			s = open(t, store.Options{Path: path})
		}
	})
}

// shopWithItems returns a database with the items of ownTable, and other shops' items.
func shopWithItems(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s := open(t, o)
	must(t, s.Migrate(t.Context()))
	for generation, name := range []string{"shop1234", "other"} {
		token := addShop(t, s, name)
		var rows []plan.Row
		for _, i := range ownTable {
			r := plan.Row{Item: plan.Item{Number: i.sku, Name: i.sku}, State: i.state, FirstSeenAt: noon, ChangedAt: noon, Version: plan.Version{Token: token, At: noon}}
			if i.stock != "" {
				r.Stock = nullable(i.stock)
				r.Figures.InStock = r.Stock
			}
			if name == "other" && i.state == plan.StateOK {
				r.Stock = nullable("77")
			}
			rows = append(rows, r)
		}
		if name == "other" {
			rows = append(rows, plan.Row{Item: plan.Item{Number: "elsewhere"}, State: plan.StateOK, Stock: nullable("8"), FirstSeenAt: noon, ChangedAt: noon, Version: plan.Version{Token: token, At: noon}})
		}
		must(t, commit(t.Context(), s, store.Fence{Shop: name, Dataset: store.Dataset(name), StockDataset: store.Dataset(name), Generation: int64(generation + 1), Token: token, Seq: 1}, store.Applied{Items: rows,
			Places: []plan.PlaceRow{inPlace("0571527051", "1", "0.5", 0), inPlace("0571527051", "4", "1.5", 0)}}, noon))
	}
	return s
}

// runDocumented creates the shop's own table and runs the statements that read the
// views, the last one twice: the second run changes nothing.
func runDocumented(t *testing.T, db *sql.DB, table string, list []string) {
	t.Helper()
	exec := func(statement string, args ...any) int64 {
		t.Helper()
		res, err := db.ExecContext(t.Context(), statement, args...)
		if err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		n, err := res.RowsAffected()
		must(t, err)
		return n
	}
	exec(table)
	want, differ := map[string]any{}, int64(0)
	for _, i := range ownTable {
		exec("INSERT INTO products (sku, quantity) VALUES (?, ?)", i.sku, i.before)
		want[i.sku] = quantity(i.now)
		if i.before != i.now {
			differ++
		}
	}
	for _, sku := range strangers {
		exec("INSERT INTO products (sku, quantity) VALUES (?, 55)", sku)
		want[sku] = "55"
	}
	selects, updates := 0, 0
	for _, statement := range list {
		body := strings.Fields(regexp.MustCompile(`(?m)^--.*\n`).ReplaceAllString(statement, ""))
		switch body[0] {
		case "SELECT":
			selects++
			read(t, db, statement)
		case "UPDATE":
			updates++
			if n := exec(statement); n != differ {
				t.Errorf("it changed %d rows, %d differed", n, differ)
			}
			if n := exec(statement); n != 0 {
				t.Errorf("a second run changed %d rows", n)
			}
		case "ATTACH":
			exec(statement)
		case "CREATE", "GRANT": // accounts are the server's
		default:
			t.Errorf("this statement is not run: %s", statement)
		}
	}
	if selects < 2 || updates != 1 {
		t.Errorf("%d SELECTs and %d UPDATEs are documented", selects, updates)
	}
	got := map[string]any{}
	rows, err := db.QueryContext(t.Context(), "SELECT sku, quantity FROM products")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var sku string
		var n sql.NullString
		must(t, rows.Scan(&sku, &n))
		got[sku] = nil
		if n.Valid {
			got[sku] = n.String
		}
	}
	must(t, rows.Err())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the shop's own table: %s", diff)
	}
}

// read runs a query, and expects a row if the query is for an item of the shop.
func read(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	must(t, rows.Err())
	one := 1
	if strings.Contains(query, "FROM shop_stock_places") {
		one = 2
	}
	switch {
	case strings.Contains(query, "item_number = '0571527051'") && n != one, strings.Contains(query, "place = 4") && n != 1, strings.Contains(query, "ORDER BY changed_at") && n != len(ownTable):
		t.Errorf("%d rows of %s", n, query)
	}
}

func quantity(v any) any {
	if v == nil {
		return nil
	}
	return fmt.Sprint(v)
}

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	must(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}
