package e2e_test

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/mariadbtest"
)

// given is held by the test that uses the server that all tests are given as its own.
var given sync.Mutex

// ownServer returns the driver's settings of the administrator of a database server, and a connection
// with them: of a MariaDB of the test's own, or of the server that all tests are given, without the
// databases and accounts that the test makes there once it has ended.
func ownServer(t *testing.T) (*mysql.Config, *sql.DB) {
	t.Helper()
	dsn := os.Getenv("LAGERD_TEST_MYSQL_DSN")
	isGiven := dsn != ""
	if isGiven {
		given.Lock()
		t.Cleanup(given.Unlock)
	} else {
		dsn = startServer(t).DSN()
	}
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	root, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	if isGiven {
		const accounts, databases = "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user", "SELECT schema_name FROM information_schema.schemata"
		users, schemas := column[string](t, root, accounts), column[string](t, root, databases)
		t.Cleanup(func() {
			drop := func(kind, name string) {
				if _, err := root.ExecContext(context.Background(), "DROP "+kind+" "+name); err != nil { // the test's own has ended
					t.Errorf("drop %s: %v", name, err)
				}
			}
			for _, name := range column[string](t, root, accounts) {
				if !slices.Contains(users, name) && !mariadbtest.Drops(strings.TrimPrefix(name, "'")) {
					drop("USER", name)
				}
			}
			for _, name := range column[string](t, root, databases) {
				if !slices.Contains(schemas, name) && !mariadbtest.Drops(name) {
					drop("DATABASE", "`"+name+"`")
				}
			}
		})
	}
	return cfg, root
}

// administer runs what lagerd printed for the server's administrator, with a password in the place
// that is left for one.
func administer(t *testing.T, root *sql.DB, printed, password string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(printed) {
		line = strings.TrimSpace(line)
		for _, begins := range []string{"CREATE ", "GRANT ", "REVOKE "} {
			if strings.HasPrefix(line, begins) {
				exec1(t, root, strings.TrimSuffix(strings.Replace(line, "'…'", "'"+password+"'", 1), ";"))
				n++
			}
		}
	}
	if n == 0 {
		t.Fatalf("nothing for the administrator in:\n%s", printed)
	}
}

// made makes the database and the account of a DSN as `lagerd check --grants` says.
func (i *installation) made(root *sql.DB) {
	i.t.Helper()
	cfg, err := mysql.ParseDSN(i.DSN)
	if err != nil {
		i.t.Fatal(err)
	}
	administer(i.t, root, i.command("check", "--grants"), cfg.Passwd)
}

// accountOf returns the DSN of a database of a server for an account of that name, neither of which
// need exist.
func accountOf(server *mysql.Config, account, database string) string {
	cfg := server.Clone()
	cfg.User, cfg.Passwd, cfg.DBName = account, "pw-of-"+account, database
	return cfg.FormatDSN()
}

// TestGrantsAsPrinted: on a server that has neither lagerd's database nor its account, the
// administrator runs exactly what `check --grants` and `shops grant` print, and lagerd runs and a
// shop's software reads.
func TestGrantsAsPrinted(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=20", "--lose=1")
	cfg, root := ownServer(t)
	i := install(t, s, accountOf(cfg, "stock_app", "stock_db"), pace)
	i.made(root)
	i.start()
	i.addShop(s, "shop1234", first)
	i.equal(s, "shop1234", first, 20*time.Second)
	i.command("check")
	administer(t, root, i.command("shops", "grant", "shop1234", "--account", "shop1234", "--host", "127.0.0.%"), "pw-of-shop1234")
	reader, err := sql.Open("mysql", accountOf(cfg, "shop1234", "stock_db"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var items int
	if err := reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM shop_stock WHERE shop = 'shop1234'").Scan(&items); err != nil || items != 20 {
		t.Errorf("the shop's software sees %d items: %v", items, err)
	}
	var none int
	if err := reader.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM shops").Scan(&none); err == nil {
		t.Error("the shop's software reads lagerd's tables")
	}
}
