package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/store/rights"
	"lagerd/test/mariadbtest"
)

// TestReaders: an account sees one shop or all, one that sees all also sees shops added
// later, and removing a shop removes its readers.
func TestReaders(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{DSN: mariadbtest.New(t)})
	must(t, s.Migrate(t.Context()))
	ctx := t.Context()
	if enforced, err := s.ReadersEnforced(ctx); !enforced || err != nil {
		t.Errorf("a new database enforces readers: %v, %v", enforced, err)
	}
	expect := func(what, shop, want string) {
		t.Helper()
		list, err := s.Readers(ctx, shop)
		must(t, err)
		if got := fmt.Sprint(list); got != want {
			t.Errorf("%s: %s, expected %s", what, got, want)
		}
	}
	without := func(want ...string) {
		t.Helper()
		got, err := s.ShopsWithoutReader(ctx)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("without a reader: %v, expected %v", got, want)
		}
	}
	generation := func() int64 {
		n, err := s.ShopsGeneration(ctx)
		must(t, err)
		return n
	}
	expect("at first", "", "[]")
	addShop(t, s, "shop1")
	addShop(t, s, "shop2")
	without("shop1", "shop2")
	before := generation()
	for range 2 {
		must(t, s.GrantReader(ctx, "one", "shop1", noon))
	}
	must(t, s.GrantReader(ctx, "uno", "shop1", noon))
	must(t, s.GrantReader(ctx, "One", "shop2", noon)) // names differ by case
	without()
	for range 2 {
		must(t, s.GrantReaderOfAll(ctx, "boss", noon))
	}
	if after := generation(); after != before {
		t.Error("a grant makes every lagerd read its shops again")
	}
	expect("of one shop", "shop1", "[{one shop1} {uno shop1} {boss }]")
	expect("of all", "", "[{One shop2} {one shop1} {uno shop1} {boss }]")
	for what, c := range map[string]struct {
		err  error
		want error
	}{
		"another shop":      {s.GrantReader(ctx, "one", "shop2", noon), store.ErrReadsOther},
		"one beside all":    {s.GrantReader(ctx, "boss", "shop2", noon), store.ErrReadsOther},
		"all beside one":    {s.GrantReaderOfAll(ctx, "one", noon), store.ErrReadsOther},
		"no such shop":      {s.GrantReader(ctx, "two", "shop3", noon), store.ErrNoShop},
		"revoke another":    {s.RevokeReader(ctx, "one", "shop2"), store.ErrNoReader},
		"revoke all of one": {s.RevokeReader(ctx, "one", ""), store.ErrNoReader},
		"revoke one of all": {s.RevokeReader(ctx, "boss", "shop1"), store.ErrNoReader},
		"revoke nobody":     {s.RevokeReader(ctx, "nobody", "shop1"), store.ErrNoReader},
		"remove nothing":    {s.RemoveShop(ctx, ""), store.ErrNoShop},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
	for _, name := range []string{"", "a@b", "a\nb", " a", "a ", "a\u202eb", "😀", strings.Repeat("x", 129), "\xff"} {
		if s.GrantReader(ctx, name, "shop1", noon) == nil || s.GrantReaderOfAll(ctx, name, noon) == nil {
			t.Errorf("%q is an account", name)
		}
	}
	expect("after what was refused", "", "[{One shop2} {one shop1} {uno shop1} {boss }]")

	addShop(t, s, "shop3")
	without()
	rows := func(want string) {
		t.Helper()
		var got []string
		for _, row := range s.Rows(ctx, "SELECT account, shop, sees FROM readers_of_all ORDER BY account, shop") {
			got = append(got, strings.Join(row, "/"))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("rows of all shops: %s, expected %s", text, want)
		}
	}
	rows("boss// boss/shop1/shop1 boss/shop2/shop2 boss/shop3/shop3")
	must(t, s.RemoveShop(ctx, "shop1"))
	expect("without shop1", "", "[{One shop2} {boss }]")
	rows("boss// boss/shop2/shop2 boss/shop3/shop3")
	must(t, s.RevokeReader(ctx, "boss", ""))
	rows("")
	without("shop3")
	must(t, s.RevokeReader(ctx, "One", "shop2"))
	expect("at last", "", "[]")
	addShop(t, s, "shop1") // its former readers do not come back
	expect("added again", "", "[]")
	if grants := s.GrantsForReader(`it's\`, "10.0.0.%"); !strings.HasPrefix(grants[0], `CREATE USER IF NOT EXISTS 'it''s\\'@'10.0.0.%' IDENTIFIED BY`) {
		t.Errorf("quoted as %s", grants[0])
	}
}

// TestNoReadersInAFile: the embedded database has no accounts, and its views show all shops.
func TestNoReadersInAFile(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Path: t.TempDir() + "/lagerd.db"})
	must(t, s.Migrate(t.Context()))
	addShop(t, s, "shop1")
	_, listed := s.Readers(t.Context(), "")
	_, printed := store.GrantsFor(t.Context(), "", nil)
	for what, err := range map[string]error{
		"grant": s.GrantReader(t.Context(), "a", "shop1", noon), "grant all": s.GrantReaderOfAll(t.Context(), "a", noon),
		"revoke": s.RevokeReader(t.Context(), "a", "shop1"), "enforce": s.EnforceReaders(t.Context()), "list": listed,
	} {
		if !errors.Is(err, store.ErrNoAccounts) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if enforced, err := s.ReadersEnforced(t.Context()); enforced || err != nil || printed == nil {
		t.Errorf("enforced %v, %v, grants %v", enforced, err, printed)
	}
}

// The shops of these tests. The reader sees mine; whatever names another's data is a leak.
var secrets = []string{"SECRET", "777", "2001-01-01", "~aaa", "~zzz"}

func leaks(text string) bool {
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) })
}

// shopsOfReaders returns a database with the shop mine, of that many items and invoices,
// and two others beside it.
func shopsOfReaders(t testing.TB, n int) (dsn string, s *store.Store) {
	t.Helper()
	dsn = mariadbtest.New(t)
	s = open(t, store.Options{DSN: dsn})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for generation, shop := range []string{"aaa", "mine", "zzz"} {
		token := addShop(t, s, shop)
		var a store.Applied
		count, mark, stock, year := 5, "SECRET-"+shop, "777", 2001
		if shop == "mine" {
			count, mark, stock, year = n, "own", "5", 2026
		}
		at := noon.AddDate(year-noon.Year(), 1-int(noon.Month()), 1-noon.Day())
		for i := range count {
			number := fmt.Sprintf("%s-%03d", mark, i)
			a.Items = append(a.Items, plan.Row{Item: plan.Item{Number: number, Name: "name " + number, Figures: plan.Figures{InStock: nullable(stock)}}, State: plan.StateOK,
				Stock: nullable(stock), FirstSeenAt: at, ChangedAt: at, Version: plan.Version{Token: token, At: at}})
			in := nullable(stock).Decimal
			for _, place := range []string{stock, stock + "1"} {
				a.Places = append(a.Places, plan.PlaceRow{Number: number, PlaceStock: plan.PlaceStock{Place: place, InStock: in}, ChangedAt: at})
			}
			a.Invoices = append(a.Invoices, plan.InvoiceRow{Invoice: plan.Invoice{Number: int64(i + 1), Date: at.Format("2006-01-02"), Currency: "DKK", Net: nullable(stock),
				RecipientName: mark, OtherReference: number}, ShopOrder: number, FoundAt: at})
			a.PDFs = append(a.PDFs, store.PDF{Number: int64(i + 1), Data: []byte("pdf of " + mark), SHA256: strings.Repeat("0", 64)})
			a.Lines = append(a.Lines, int64(i+1))
		}
		must2(t, commit(t.Context(), s, store.Fence{Shop: shop, Dataset: store.Dataset(shop), StockDataset: store.Dataset(shop), Generation: int64(generation + 1), Token: token, Seq: 1}, a, at))
	}
	if err := s.Exec(t.Context(), "ANALYZE TABLE shops, progress, items, item_places, invoices, invoice_pdfs, readers, readers_of_all"); err != nil {
		t.Fatal(err)
	}
	return dsn, s
}

func must2(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reader returns a connection of an account that may read the views, and has a schema of
// its own, as a shop's software does.
func reader(t testing.TB, dsn string) (db *sql.DB, account, own string) {
	t.Helper()
	dsn = mariadbtest.Account(t, dsn, "", "GRANT SELECT ON {database}.shop_stock TO {account}", "GRANT SELECT ON {database}.shop_invoices TO {account}",
		"GRANT SELECT ON {database}.shop_stock_places TO {account}")
	cfg, err := mysql.ParseDSN(dsn)
	must2(t, err)
	own = "own_" + cfg.User
	admin, err := sql.Open("mysql", mariadbtest.Admin(t, dsn))
	must2(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + own)
		if err := errors.Join(err, admin.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, statement := range []string{"CREATE DATABASE " + own, "GRANT ALL ON `" + strings.ReplaceAll(own, "_", `\_`) + "`.* TO '" + cfg.User + "'@'%'",
		"CREATE TABLE " + own + ".t (shop VARCHAR(64)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "INSERT INTO " + own + ".t VALUES ('mine'), ('aaa'), ('zzz')",
		// What its software could do itself, except on a MySQL with a binary log.
		"CREATE FUNCTION " + own + ".spy(x TEXT) RETURNS INT DETERMINISTIC NO SQL BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = x; RETURN 1; END"} {
		if _, err := admin.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	db, err = sql.Open("mysql", dsn)
	must2(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db, cfg.User, own
}

// told returns everything that a statement tells its client: rows, error and warnings.
func told(ctx context.Context, db *sql.DB, statement string) (text string, rows int) {
	var all strings.Builder
	read := func(query string) (n int) {
		list, err := db.QueryContext(ctx, query)
		if err != nil {
			fmt.Fprintln(&all, "error:", err)
			return 0
		}
		defer list.Close()
		columns, _ := list.Columns()
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for ; list.Next(); n++ {
			if err := list.Scan(into...); err != nil {
				fmt.Fprintln(&all, "error:", err)
			}
			for _, v := range values {
				fmt.Fprint(&all, v.String, " ")
			}
			fmt.Fprintln(&all)
		}
		if err := list.Err(); err != nil {
			fmt.Fprintln(&all, "error:", err)
		}
		return n
	}
	rows = read(statement)
	read("SHOW WARNINGS")
	return all.String(), rows
}

// probes are queries that raise an error, with the value in its text, if the server
// evaluates their condition on another shop's row, and others that ask for such rows.
func probes(view, column, own string) (list []string) {
	foreign := fmt.Sprintf("(CAST(%[1]s AS CHAR) LIKE '%%SECRET%%' OR CAST(%[1]s AS CHAR) LIKE '777%%' OR CAST(%[1]s AS CHAR) LIKE '2001%%')", column)
	if column == "shop" {
		foreign = "CHAR_LENGTH(shop) = 3"
	}
	quote := "EXTRACTVALUE(1, CONCAT(0x7e, " + column + "))"
	for _, where := range []string{"CASE WHEN " + foreign + " THEN CAST(CONCAT('~', " + column + ") AS SIGNED) ELSE 1 END = 1", "CASE WHEN " + foreign + " THEN " + own + ".spy(CONCAT('~', " + column + ")) ELSE 1 END = 1"} {
		list = append(list,
			"SELECT 1 FROM "+view+" WHERE "+where,
			"SELECT "+column+" FROM "+view+" WHERE "+where+" ORDER BY "+column+" DESC LIMIT 1",
			"SELECT COUNT(*) FROM "+view+" WHERE "+where+" GROUP BY shop",
			"SELECT COUNT(*) FROM "+view+" GROUP BY "+column+" HAVING "+where,
			"SELECT (SELECT 1 FROM "+view+" WHERE "+where+" LIMIT 1)",
			"SELECT 1 FROM (SELECT 1 AS one) x LEFT JOIN "+view+" ON "+where,
			"SELECT 1 FROM (SELECT * FROM "+view+") v WHERE "+where,
			"WITH v AS (SELECT * FROM "+view+") SELECT 1 FROM v WHERE "+where,
			"(SELECT 1 FROM "+view+" WHERE "+where+") UNION ALL (SELECT 2 FROM "+view+" WHERE "+where+")",
		)
		if column == "shop" {
			continue // what follows names the shops itself
		}
		list = append(list,
			"SELECT 1 FROM "+view+" WHERE shop = 'aaa' AND "+where,
			"SELECT 1 FROM "+view+" WHERE shop IN ('aaa', 'zzz') AND "+where,
			"SELECT 1 FROM "+view+" WHERE shop = 'zzz' OR "+where,
			"SELECT 1 FROM "+own+".t JOIN "+view+" USING (shop) WHERE "+where,
			"SELECT 1 FROM "+own+".t LEFT JOIN "+view+" v ON v.shop = t.shop AND "+where,
			"SELECT 1 FROM "+own+".t WHERE t.shop IN (SELECT shop FROM "+view+" WHERE "+where+")",
			"SELECT 1 FROM "+own+".t WHERE EXISTS (SELECT 1 FROM "+view+" v WHERE v.shop = t.shop AND "+where+")",
			"EXPLAIN SELECT * FROM "+view+" WHERE shop = 'aaa' AND "+where,
			"ANALYZE FORMAT=JSON SELECT * FROM "+view+" WHERE shop = 'aaa' AND "+where,
			"EXPLAIN ANALYZE SELECT * FROM "+view+" WHERE shop = 'aaa' AND "+where,
		)
	}
	return append(list,
		"SELECT "+column+" FROM "+view+" WHERE CAST("+column+" AS SIGNED) = 12 OR CAST("+column+" AS DECIMAL) = 13",
		"SELECT ROW_NUMBER() OVER (ORDER BY "+quote+") FROM "+view+" WHERE "+foreign,
		"SELECT MIN("+column+"), MAX("+column+") FROM "+view)
}

// optimizers are settings that any account may choose, and that change how the server
// joins. On MariaDB join_cache_level 4 joins by scanning what could be looked up; on MySQL
// the hypergraph optimizer does, from 9.7 on.
func optimizers(t testing.TB, db *sql.DB) (list [][]string) {
	t.Helper()
	var version string
	must2(t, db.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version))
	if !strings.Contains(version, "MariaDB") {
		return [][]string{
			nil,
			{"SET SESSION optimizer_switch = 'hypergraph_optimizer=on'"},
			{"SET SESSION optimizer_switch = 'hypergraph_optimizer=on,derived_merge=off'"},
			{"SET SESSION optimizer_switch = 'derived_merge=off,derived_condition_pushdown=off'"},
			{"SET SESSION max_seeks_for_key = 1", "SET SESSION optimizer_switch = 'batched_key_access=on,mrr_cost_based=off,subquery_to_derived=on'", "SET SESSION optimizer_trace = 'enabled=on'"},
		}
	}
	list = append(list, nil)
	for _, level := range []int{2, 4, 6, 8} {
		list = append(list, []string{"SET SESSION join_cache_level = " + strconv.Itoa(level),
			"SET SESSION optimizer_switch = 'join_cache_hashed=on,join_cache_bka=on,mrr=on,mrr_cost_based=off,optimize_join_buffer_size=off'", "SET SESSION optimizer_trace = 'enabled=on'"})
	}
	return append(list,
		[]string{"SET SESSION join_cache_level = 4", "SET SESSION optimizer_switch = 'condition_pushdown_for_derived=off,derived_merge=off,table_elimination=off,in_to_exists=off'"})
}

// hints are optimizer hints of MySQL.
var hints = []string{"", "/*+ JOIN_PREFIX(i, v, b) NO_INDEX(items) NO_INDEX(invoices) */", "/*+ NO_MERGE(r) NO_DERIVED_CONDITION_PUSHDOWN() */",
	"/*+ SET_VAR(optimizer_switch = 'hypergraph_optimizer=on') */", "/*+ NO_INDEX(i@`select#2`) NO_INDEX(items@`select#5`) JOIN_FIXED_ORDER(@`select#2`) */"}

// TestReaderSeesItsShopOnly: whatever a reader asks, and however it makes the server
// answer, neither rows nor errors nor warnings tell of another shop. The same probes find
// what a plain view lets through, or they would prove nothing.
func TestReaderSeesItsShopOnly(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 300} { // few rows and many are joined differently
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dsn, s := shopsOfReaders(t, n)
			mine, account, own := reader(t, dsn)
			nobody, _, none := reader(t, dsn)
			must(t, s.GrantReader(t.Context(), account, "mine", noon))
			must(t, s.GrantReaderOfAll(t.Context(), "some-boss", noon))
			server := s.Server()
			probe := func(t *testing.T, db *sql.DB, own, stock, invoices, places string) (found []string) {
				t.Helper()
				said := 0
				for _, settings := range optimizers(t, db) {
					if _, err := db.ExecContext(t.Context(), "SET SESSION optimizer_switch = DEFAULT"); err != nil {
						t.Fatal(err)
					}
					for _, set := range settings {
						if _, err := db.ExecContext(t.Context(), set); err != nil {
							t.Log("NOT TESTED:", server, err)
						}
					}
					for view, columns := range map[string][]string{
						stock:    {"shop", "item_number", "name", "stock", "changed_at"},
						invoices: {"shop", "invoice_number", "recipient_name", "order_number", "net", "pdf", "found_at"},
						places:   {"shop", "item_number", "place", "in_stock", "changed_at"},
					} {
						for _, column := range columns {
							for _, query := range probes(view, column, own) {
								for i, hint := range hints {
									if i > 0 && (strings.HasPrefix(server, "MariaDB") || !strings.HasPrefix(query, "SELECT ")) {
										break
									}
									query := strings.Replace(query, "SELECT ", "SELECT "+hint+" ", 1)
									text, _ := told(t.Context(), db, query)
									if strings.Contains(text, "You have an error in your SQL syntax") {
										continue // it quotes the query
									}
									said++
									if leaks(text) {
										found = append(found, fmt.Sprintf("%v: %s: %s", settings, query, text))
									}
								}
							}
						}
					}
				}
				t.Logf("%s: %d probes", server, said)
				return found
			}
			for who, c := range map[string]struct {
				db  *sql.DB
				own string
			}{"a reader": {mine, own}, "no reader": {nobody, none}} {
				if found := probe(t, c.db, c.own, "shop_stock", "shop_invoices", "shop_stock_places"); len(found) > 0 {
					t.Errorf("%s is told of other shops by %d probes, such as %s", who, len(found), found[0])
				}
			}
			for view, rows := range map[string]int{"shop_stock": n, "shop_invoices": n, "shop_stock_places": 2 * n} {
				if _, got := told(t.Context(), mine, "SELECT * FROM "+view); got != rows {
					t.Errorf("the reader sees %d rows of %s, expected %d", got, view, rows)
				}
				if text, got := told(t.Context(), nobody, "SELECT * FROM "+view); got != 0 {
					t.Errorf("no reader sees %d rows of %s: %s", got, view, text)
				}
				for _, statement := range []string{"SHOW CREATE VIEW " + view, "EXPLAIN SELECT * FROM " + view} {
					if text, _ := told(t.Context(), mine, statement); !strings.Contains(text, "denied") && !strings.Contains(text, "privileges") {
						t.Errorf("%s: %s", statement, text)
					}
				}
			}
			for _, query := range []string{
				"SELECT * FROM information_schema.tables WHERE table_schema = DATABASE()", "SELECT * FROM information_schema.views",
				"SELECT * FROM information_schema.columns WHERE table_schema = DATABASE()", "SELECT * FROM information_schema.statistics",
				"SELECT * FROM information_schema.optimizer_trace", "SELECT * FROM information_schema.processlist", "SHOW TABLE STATUS", "SHOW TABLES",
				"SELECT * FROM readers", "SELECT * FROM readers_of_all", "SELECT * FROM items", "SELECT * FROM item_places", "SELECT * FROM invoice_pdfs", "SELECT * FROM shops",
			} {
				text, _ := told(t.Context(), mine, query)
				for _, other := range []string{"some-boss", "aaa", "zzz", "hint_batches", "SECRET"} {
					if strings.Contains(text, other) {
						t.Errorf("%s tells of %s: %s", query, other, text)
					}
				}
			}
			// The probes are worth something: a plain view lets them through.
			must(t, s.Exec(t.Context(), "CREATE TABLE plain_readers (PRIMARY KEY (account, shop)) SELECT account, shop FROM readers"))
			must(t, s.Exec(t.Context(), "CREATE VIEW plain AS SELECT s.shop, i.number AS item_number, i.name, i.stock, i.changed_at FROM plain_readers r JOIN shops s ON s.shop = r.shop"+
				" JOIN progress p ON p.shop = s.shop JOIN items i ON i.shop = p.items_dataset WHERE r.account = SUBSTRING_INDEX(USER(), '@', 1)"))
			must(t, s.Exec(t.Context(), "CREATE VIEW plain_too AS SELECT s.shop, v.number AS invoice_number, v.recipient_name, v.order_number, v.net, b.pdf, v.found_at FROM plain_readers r JOIN shops s ON s.shop = r.shop"+
				" JOIN invoices v ON v.shop = s.dataset LEFT JOIN invoice_pdfs b ON b.shop = v.shop AND b.number = v.number WHERE r.account = SUBSTRING_INDEX(USER(), '@', 1)"))
			must(t, s.Exec(t.Context(), "CREATE VIEW plain_places AS SELECT s.shop, i.number AS item_number, i.place, i.in_stock, i.changed_at FROM plain_readers r JOIN shops s ON s.shop = r.shop"+
				" JOIN progress p ON p.shop = s.shop JOIN item_places i ON i.shop = p.items_dataset WHERE r.account = SUBSTRING_INDEX(USER(), '@', 1)"))
			admin := openDB(t, "mysql", mariadbtest.Admin(t, dsn))
			for _, view := range []string{"plain", "plain_too", "plain_places"} {
				_, err := admin.ExecContext(t.Context(), "GRANT SELECT ON "+view+" TO '"+account+"'@'%'")
				must(t, err)
			}
			if found := probe(t, mine, own, "plain", "plain_too", "plain_places"); len(found) == 0 {
				if _, err := mine.ExecContext(t.Context(), "SET SESSION optimizer_switch = 'hypergraph_optimizer=on'"); err == nil || strings.HasPrefix(server, "MariaDB") {
					t.Error("the probes find nothing in a view that lets them through")
				}
			}
		})
	}
}

// TestReadersOfOneCache: with MariaDB's query cache, one reader's answer is not another's.
func TestReadersOfOneCache(t *testing.T) {
	t.Parallel()
	o := startOdd(t, "--query-cache-type=1", "--query-cache-size=16M")
	s := open(t, store.Options{DSN: o.dsn})
	must(t, s.Migrate(t.Context()))
	for generation, shop := range []string{"shop1", "shop2"} {
		token := addShop(t, s, shop)
		must(t, commit(t.Context(), s, store.Fence{Shop: shop, Dataset: store.Dataset(shop), StockDataset: store.Dataset(shop), Generation: int64(generation + 1), Token: token, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("of-"+shop, "5", token)}}, noon))
		must(t, s.GrantReader(t.Context(), "of-"+shop, shop, noon))
	}
	readers := map[string]string{"shop1": o.reader("of-shop1"), "shop2": o.reader("of-shop2")}
	for range 2 {
		for _, shop := range []string{"shop1", "shop2"} {
			db := openDB(t, "mysql", readers[shop])
			if text, _ := told(t.Context(), db, "SELECT item_number FROM shop_stock"); text != "of-"+shop+" \n" {
				t.Errorf("the reader of %s is told %q", shop, text)
			}
		}
	}
}

// reader returns the DSN of an account that may read the views, created once.
func (o *oddServer) reader(name string) string {
	o.t.Helper()
	return o.account(name, "GRANT SELECT ON "+o.database+".shop_stock TO {account}", "GRANT SELECT ON "+o.database+".shop_invoices TO {account}")
}

// TestStrangersByName: a client of an anonymous account is whoever it says it is, which is
// why `lagerd check` looks for such accounts; a name with @ is no other account's.
func TestStrangersByName(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	s := open(t, store.Options{DSN: o.account("dba", "GRANT ALL ON *.* TO {account}")})
	must(t, s.Migrate(t.Context()))
	token := addShop(t, s, "shop1")
	must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("A", "5", token)}}, noon))
	must(t, s.GrantReader(t.Context(), "soft", "shop1", noon))
	sees := func(dsn string) int {
		t.Helper()
		_, n := told(t.Context(), openDB(t, "mysql", dsn), "SELECT * FROM shop_stock")
		return n
	}
	for name, want := range map[string]int{"soft": 1, "Soft": 0, "soft@127.0.0.1": 0, "soft ware": 0, "other": 0} {
		if n := sees(o.reader(name)); n != want {
			t.Errorf("%q sees %d rows, expected %d", name, n, want)
		}
	}
	o.exec("CREATE USER ''@'%'", "GRANT SELECT ON "+o.database+".shop_stock TO ''@'%'", "RENAME USER 'soft'@'127.0.0.1' TO 'soft'@'10.0.0.1'")
	anonymous := func(name string) string {
		cfg, err := mysql.ParseDSN(o.dsn)
		must(t, err)
		cfg.User, cfg.Passwd = name, ""
		return cfg.FormatDSN()
	}
	if n := sees(anonymous("nobody-in-particular")); n != 0 {
		t.Errorf("an anonymous client sees %d rows", n)
	}
	if n := sees(anonymous("")); n != 0 {
		t.Errorf("an anonymous client without a name sees %d rows", n)
	}
	if n := sees(anonymous("soft")); n != 1 {
		t.Errorf("an anonymous client with a reader's name sees %d rows: the documentation says that it sees the reader's", n)
	}
	accounts, proxies, ok := s.ServerAccounts(t.Context())
	if !ok || !slices.Contains(accounts, store.ServerAccount{User: "", Host: "%"}) || len(proxies) != 0 {
		t.Errorf("the server's accounts: %v, proxies %v, %v", accounts, proxies, ok)
	}
	if _, _, ok := open(t, store.Options{DSN: o.dsn}).ServerAccounts(t.Context()); ok {
		t.Error("lagerd's own account may look at the server's accounts")
	}
}

// TestUpgradeWithAReader: a reader from before sees after an upgrade what it saw before,
// until readers are enforced; then only what it was granted.
func TestUpgradeWithAReader(t *testing.T) {
	t.Parallel()
	dsn, s := shopsOfReaders(t, 4)
	must(t, s.BeforeReaders(t.Context()))
	db, account, _ := reader(t, dsn)
	sees := func() string {
		t.Helper()
		text, _ := told(t.Context(), db, "SELECT shop, COUNT(*), COUNT(DISTINCT item_number) FROM shop_stock GROUP BY shop ORDER BY shop")
		more, _ := told(t.Context(), db, "SELECT shop, COUNT(*), COUNT(pdf) FROM shop_invoices GROUP BY shop ORDER BY shop")
		return text + more
	}
	const definitions = "SELECT GROUP_CONCAT(view_definition ORDER BY table_name) FROM information_schema.views WHERE table_schema = DATABASE()"
	before, defined := sees(), s.Strings(t.Context(), definitions)[0]
	if strings.Count(before, "\n") != 6 {
		t.Fatalf("before the upgrade the reader sees %s", before)
	}
	running := open(t, store.Options{DSN: dsn}) // a lagerd beside it, from before the upgrade
	for range 2 {
		must(t, s.Migrate(t.Context()))
		if enforced, err := s.ReadersEnforced(t.Context()); enforced || err != nil {
			t.Errorf("after the upgrade readers are enforced: %v, %v", enforced, err)
		}
		if after := sees(); after != before {
			t.Errorf("after the upgrade the reader sees %s", after)
		}
		if now := s.Strings(t.Context(), definitions)[0]; now != defined || now == "" {
			t.Errorf("the upgrade has changed the views to %s", now)
		}
	}
	must(t, s.GrantReader(t.Context(), account, "mine", noon))
	addShop(t, s, "later")
	if after := sees(); after != before {
		t.Errorf("before readers are enforced the reader sees %s", after)
	}
	weak := open(t, store.Options{DSN: mariadbtest.Account(t, dsn, "", "GRANT "+rights.Running+" ON {database}.* TO {account}")})
	if err := weak.EnforceReaders(t.Context()); err == nil || !strings.Contains(err.Error(), "`lagerd check --grants`") {
		t.Errorf("enforced without the right to create views: %v", err)
	}
	if enforced, err := s.ReadersEnforced(t.Context()); enforced || err != nil || sees() != before {
		t.Errorf("what failed has enforced readers: %v, %v", enforced, err)
	}
	// A reader that keeps a transaction open stops it, and the views stay as they were.
	slow, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	var n int
	must(t, slow.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM shop_stock").Scan(&n)) // not the view that is replaced first
	if err := s.EnforceReaders(t.Context()); err == nil || !strings.Contains(err.Error(), "a reader has had a transaction open on it for 10 s: end it, and try again") {
		t.Errorf("enforced while a reader reads: %v", err)
	}
	must(t, slow.Rollback())
	if enforced, err := s.ReadersEnforced(t.Context()); enforced || err != nil || sees() != before {
		t.Errorf("what gave up has enforced readers: %v, %v", enforced, err)
	}
	must(t, s.EnforceReaders(t.Context()))
	own := "mine 4 4 \nmine 4 4 \n"
	if after := sees(); after != own {
		t.Errorf("once readers are enforced the reader sees %s", after)
	}
	must(t, running.CanRecord(t.Context()))
	// Neither another migration nor a repair takes it back.
	must(t, s.Exec(t.Context(), "DROP VIEW shop_stock"))
	must(t, s.Migrate(t.Context()))
	must(t, s.Exec(t.Context(), "DELETE FROM goose_db_version WHERE version_id >= 4"))
	must(t, s.Migrate(t.Context()))
	admin := openDB(t, "mysql", mariadbtest.Admin(t, dsn))
	_, err = admin.ExecContext(t.Context(), "GRANT SELECT ON shop_stock TO '"+account+"'@'%'") // dropped with the view on MySQL
	must(t, err)
	if after := sees(); after != own {
		t.Errorf("after repairs the reader sees %s", after)
	}
	if bad := found(t, s); bad != "" {
		t.Errorf("found:\n%s", bad)
	}
	must(t, s.Exec(t.Context(), "CREATE OR REPLACE VIEW shop_stock AS SELECT shop, number AS item_number FROM items"))
	if bad := found(t, s); !strings.Contains(bad, "shop_stock shows every shop to everyone, but is to show each reader its own shop: `lagerd migrate` recreates it") {
		t.Errorf("found of a view that somebody has replaced: %q", bad)
	}
	must(t, s.Migrate(t.Context()))
	if bad := found(t, s); bad != "" {
		t.Errorf("found after it:\n%s", bad)
	}
}

// TestViewsKeepTheirColumns: enforcing readers changes no column's name, order or type.
func TestViewsKeepTheirColumns(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{DSN: mariadbtest.New(t)})
	must(t, s.Migrate(t.Context()))
	columns := func() []string {
		var list []string
		for _, row := range s.Rows(t.Context(), "SELECT table_name, ordinal_position, column_name, data_type, COALESCE(numeric_precision, 0), COALESCE(numeric_scale, 0), COALESCE(datetime_precision, 0),"+
			" COALESCE(character_maximum_length, 0), COALESCE(collation_name, ''), is_nullable FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name LIKE 'shop\\_%' AND table_name <> 'shop_codes' ORDER BY 1, 2") {
			list = append(list, strings.Join(row, " "))
		}
		return list
	}
	enforced := columns()
	must(t, s.BeforeReaders(t.Context()))
	if before := columns(); !slices.Equal(before, enforced) || len(before) < 30 {
		t.Errorf("before:\n%s\nenforced:\n%s", strings.Join(before, "\n"), strings.Join(enforced, "\n"))
	}
}

// TestReadersByKey: with 10,000 shops the server looks up by key what a reader asks for.
func TestReadersByKey(t *testing.T) {
	t.Parallel()
	dsn, s := shopsOfReaders(t, 300)
	one, account, _ := reader(t, dsn)
	all, boss, _ := reader(t, dsn)
	must(t, s.GrantReader(t.Context(), account, "mine", noon))
	const digits = "(SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)"
	const name = "CONCAT('s', a.n, b.n, c.n, d.n)"
	const from = " FROM " + digits + " a, " + digits + " b, " + digits + " c, " + digits + " d"
	for _, statement := range []string{
		"INSERT INTO shops (shop, grant_token, dataset, stock_dataset, created_at, updated_at) SELECT " + name + ", '', " + name + ", " + name + ", NOW(), NOW()" + from,
		"INSERT INTO progress (shop, items_dataset) SELECT " + name + ", " + name + from,
		"INSERT INTO items (shop, number, name, barred, inventory_enabled, state, observed_token, observed_at, first_seen_at, changed_at) SELECT " + name + ", 'x', '', 0, 1, 'ok', 1, NOW(), NOW(), NOW()" + from,
		"INSERT INTO item_places (shop, number, place, in_stock, changed_at) SELECT " + name + ", 'x', 1, 5, NOW()" + from,
		"INSERT INTO invoices (shop, number, credit_note, currency, order_number, found_at, committed_at, cause, pdf_state) SELECT " + name + ", 1, 0, 'DKK', 'x', NOW(), NOW(), 'tick', 'stored'" + from,
		"INSERT INTO readers (account, shop, sees, granted_at) SELECT CONCAT('of-', " + name + "), " + name + ", " + name + ", NOW()" + from,
	} {
		must(t, s.Exec(t.Context(), statement))
	}
	must(t, s.GrantReaderOfAll(t.Context(), boss, noon))
	must(t, s.Exec(t.Context(), "ANALYZE TABLE shops, progress, items, item_places, invoices, invoice_pdfs, readers, readers_of_all"))
	// How much the server reads for an answer.
	reads := func(db *sql.DB, query string) (n, rows int) {
		t.Helper()
		sum := func() (n int) {
			list, err := db.QueryContext(t.Context(), "SHOW SESSION STATUS LIKE 'Handler_read%'")
			must(t, err)
			defer list.Close()
			for list.Next() {
				var name string
				var value int
				must(t, list.Scan(&name, &value))
				n += value
			}
			must(t, list.Err())
			return n
		}
		sum()
		before := sum()
		noise := sum() - before // of SHOW itself
		before = sum()
		_, rows = told(t.Context(), db, query)
		return sum() - before - 2*noise, rows
	}
	for _, c := range []struct {
		query      string
		rows, most int // how many rows, and how many reads for them
	}{
		{"SELECT stock, state FROM shop_stock WHERE shop = 'mine' AND item_number = 'own-007'", 1, 25},
		{"SELECT pdf FROM shop_invoices WHERE shop = 'mine' AND order_number = 'own-007' AND pdf_state = 'stored'", 1, 25},
		{"SELECT pdf FROM shop_invoices WHERE shop = 'mine' AND invoice_number = 7", 1, 25},
		{"SELECT item_number, stock FROM shop_stock WHERE shop = 'mine' AND changed_at >= '2026-01-01'", 300, 2500},
		{"SELECT invoice_number, pdf_sha256 FROM shop_invoices WHERE shop = 'mine' AND pdf_stored_at >= '2026-01-01'", 300, 2500},
		{"SELECT stock FROM shop_stock WHERE shop = 's1234' AND item_number = 'own-007'", 0, 25},
		{"SELECT place, in_stock FROM shop_stock_places WHERE shop = 'mine' AND item_number = 'own-007'", 2, 25},
		{"SELECT in_stock FROM shop_stock_places WHERE shop = 'mine' AND item_number = 'own-007' AND place = 51", 1, 25},
		{"SELECT item_number, SUM(in_stock) FROM shop_stock_places WHERE shop = 'mine' GROUP BY item_number", 300, 3500},
		{"SELECT in_stock FROM shop_stock_places WHERE shop = 's1234' AND item_number = 'own-007'", 0, 25},
	} {
		for who, db := range map[string]*sql.DB{"of one shop": one, "of all": all} {
			if n, rows := reads(db, c.query); rows != c.rows || n > c.most {
				t.Errorf("a reader %s: %s: %d rows, %d reads, expected %d and at most %d", who, c.query, rows, n, c.rows, c.most)
			}
		}
	}
	if n, rows := reads(one, "SELECT * FROM shop_stock WHERE item_number = 'own-007'"); rows != 1 || n > 25 {
		t.Errorf("without its shop the reader's query reads %d for %d rows", n, rows)
	}
	if _, rows := reads(all, "SELECT shop FROM shop_stock"); rows != 10310 {
		t.Errorf("a reader of all sees %d rows", rows)
	}
	// The plans of an account that may see them: no table is scanned.
	admin := openDB(t, "mysql", mariadbtest.Admin(t, dsn))
	owner, err := mysql.ParseDSN(mariadbtest.Admin(t, dsn))
	must(t, err)
	must(t, s.GrantReaderOfAll(t.Context(), owner.User, noon))
	explain := "EXPLAIN "
	if !strings.HasPrefix(s.Server(), "MariaDB") {
		explain = "EXPLAIN FORMAT=TRADITIONAL "
	}
	for _, query := range []string{
		"SELECT stock, state FROM shop_stock WHERE shop = 'mine' AND item_number = 'own-007'", "SELECT * FROM shop_stock WHERE shop = 'mine'", "SELECT * FROM shop_stock",
		"SELECT pdf FROM shop_invoices WHERE shop = 'mine' AND order_number = 'own-007'", "SELECT pdf FROM shop_invoices WHERE shop = 'mine' AND invoice_number = 7", "SELECT pdf FROM shop_invoices",
		"SELECT in_stock FROM shop_stock_places WHERE shop = 'mine' AND item_number = 'own-007' AND place = 51", "SELECT * FROM shop_stock_places WHERE shop = 'mine'", "SELECT * FROM shop_stock_places",
	} {
		rows, err := admin.QueryContext(t.Context(), explain+query)
		must(t, err)
		names, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			values, into := make([]sql.NullString, len(names)), make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			must(t, rows.Scan(into...))
			table, access := values[slices.Index(names, "table")].String, values[slices.Index(names, "type")].String
			if table != "" && !strings.HasPrefix(table, "<") && !slices.Contains([]string{"const", "eq_ref", "ref", "range", "index_merge", "system"}, access) {
				t.Errorf("%s: %s is read by %q", query, table, access)
			}
		}
		must(t, errors.Join(rows.Err(), rows.Close())) //nolint:sqlclosecheck // closed here, since Close may fail
	}
}

// TestGrantsOfLagerd: what `lagerd check --grants` prints can be run, and is enough.
func TestGrantsOfLagerd(t *testing.T) {
	t.Parallel()
	dsn := mariadbtest.Account(t, mariadbtest.New(t), "")
	cfg, err := mysql.ParseDSN(dsn)
	must(t, err)
	grants, err := store.GrantsFor(t.Context(), dsn, nil)
	must(t, err)
	admin := openDB(t, "mysql", mariadbtest.Admin(t, dsn))
	run := func(statement string) {
		t.Helper()
		_, err := admin.ExecContext(t.Context(), statement)
		must(t, err)
	}
	run(strings.TrimSuffix(grants.Database, ";")) // there already
	run(strings.TrimSuffix(strings.Replace(grants.Account, "…", cfg.Passwd, 1), ";"))
	run(strings.TrimSuffix(grants.Running, ";"))
	run(strings.TrimSuffix(grants.Migrating, ";"))
	s := open(t, store.Options{DSN: dsn})
	must(t, s.Migrate(t.Context()))
	same, err := store.GrantsFor(t.Context(), dsn, s)
	must(t, err)
	if same != grants || !strings.Contains(grants.Running, "TO '"+cfg.User+"'@'%';") {
		t.Errorf("%+v, and with the server's name of the account %+v", grants, same)
	}
	runs := open(t, store.Options{DSN: mariadbtest.Account(t, dsn, "", "GRANT "+rights.Running+" ON {database}.* TO {account}")})
	must(t, runs.Migrate(t.Context())) // nothing to do
	token := addShop(t, runs, "shop1")
	must(t, commit(t.Context(), runs, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{Items: []plan.Row{itemRow("A", "5", token)}}, noon))
	must(t, record(t.Context(), runs, "N1"))
	must(t, runs.GrantReaderOfAll(t.Context(), "boss", noon))
	if bad := found(t, runs); bad != "" {
		t.Errorf("found with the rights to run:\n%s", bad)
	}
	must(t, runs.RemoveShop(t.Context(), "shop1"))
}
