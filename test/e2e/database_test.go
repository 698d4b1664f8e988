package e2e_test

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/store/rights"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// oddDatabase starts a MariaDB with flags as a customer may have, and returns a DSN for an
// ordinary account and connections with all privileges.
func oddDatabase(t *testing.T, flags ...string) (dsn string, root *sql.DB) {
	t.Helper()
	server := startServer(t, flags...)
	all, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(all)
	if err != nil {
		t.Fatal(err)
	}
	if dsn, err = server.Account(t.Context(), cfg.DBName, "app", "GRANT "+rights.Running+", "+rights.Migrating+" ON "+cfg.DBName+".* TO {account}"); err != nil {
		t.Fatal(err)
	}
	if root, err = sql.Open("mysql", all+"&charset=utf8mb4&autocommit=1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return dsn, root
}

func exec1(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// readiness returns what /readyz says.
func (i *installation) readiness() (int, string) {
	res, err := http.Get("http://" + i.Admin + "/readyz")
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(body)
}

// TestSuccessIsDurableWithAutocommitOff checks that on a server whose sessions start without
// autocommit and with another character set, an acknowledged webhook survives kill -9, and the
// shop's software finds its Danish numbers.
func TestSuccessIsDurableWithAutocommitOff(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=5", "--lose=1")
	dsn, root := oddDatabase(t, "--autocommit=0", "--skip-character-set-client-handshake", "--character-set-server=latin1", "--collation-server=latin1_swedish_ci")
	i := install(t, s, dsn, still)
	i.start()
	code := i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	s.post(first, "create", map[string]any{"number": "æøå-Ø1", "name": "Blå bær", "inStock": "5"})
	i.command("reconcile", "--shop", "shop1234", "--sweep", "--wait")
	i.command("shops", "grant", "--all", "--account", "lagerd")
	var found int
	if err := root.QueryRow("SELECT COUNT(*) FROM shop_stock WHERE item_number = 'æøå-Ø1' AND name = 'Blå bær'").Scan(&found); err != nil || found != 1 {
		t.Errorf("the shop finds its number %d times (%v)", found, err)
	}
	i.command("shops", "pause", "shop1234")
	for n := range 10 {
		if status, text := i.call("shop1234", code, "stockUpdate", fmt.Sprintf("N%d", n)); status != http.StatusOK {
			t.Fatalf("webhook %d: %d %s", n, status, text)
		}
	}
	i.daemon.kill()
	var hints int
	const recorded = "SELECT (SELECT COALESCE(SUM(hints), 0) FROM hint_batches) + (SELECT COUNT(*) FROM hints WHERE number REGEXP '^N[0-9]$')"
	if err := root.QueryRow(recorded).Scan(&hints); err != nil || hints != 10 {
		t.Errorf("%d hints are recorded, expected 10 (%v)", hints, err)
	}
	if out := i.command("check"); strings.Contains(out, "next start") {
		t.Errorf("check:\n%s", out)
	}
}

// TestReadOnlyDatabase checks that nothing reports success while webhooks cannot be stored, and
// that everything says why.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=5", "--lose=1")
	dsn, root := oddDatabase(t)
	i := install(t, s, dsn, pace)
	i.start()
	code := i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	exec1(t, root, "SET GLOBAL read_only = 1")
	const words = "--read-only option so it cannot execute this statement"
	if status, text := i.readiness(); status != http.StatusServiceUnavailable || !strings.Contains(text, words) {
		t.Errorf("/readyz: %d %s", status, text)
	}
	if status, _ := i.call("shop1234", code, "stockUpdate", "A"); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook is answered %d", status)
	}
	out, exit := run(t, i.Env, "", "check")
	if exit != 1 || !strings.Contains(out, words) || !strings.Contains(out, "point database.dsn at the primary") {
		t.Errorf("check: exit %d\n%s", exit, out)
	}
	if out, exit := run(t, i.Env, "", "status"); exit != 3 || !strings.Contains(strings.Join(strings.Fields(out), " "), words) || !strings.Contains(out, "database_read_only") {
		t.Errorf("status: exit %d\n%s", exit, out)
	}
	if log := i.daemon.out.String(); !strings.Contains(log, words) {
		t.Errorf("the log does not say so:\n%s", i.daemon.out.Tail(20))
	}
	exec1(t, root, "SET GLOBAL read_only = 0")
	lagerdtest.Eventually(t, 10*time.Second, "lagerd is ready again", func() bool { status, _ := i.readiness(); return status == http.StatusOK })
	if status, text := i.call("shop1234", code, "stockUpdate", "A"); status != http.StatusOK {
		t.Errorf("a webhook is answered %d %s", status, text)
	}
	i.command("check")
}

// TestReadingCommandsChangeNothing checks that read-only commands change nothing and migrate no
// older schema.
func TestReadingCommandsChangeNothing(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=5", "--lose=1")
	dsn := mariadbtest.New(t)
	i := install(t, s, dsn, still)
	reading := [][]string{{"status"}, {"status", "--json"}, {"why", "shop1234", "1"}, {"shops", "list"}, {"shops", "show", "shop1234"}, {"diff", "shop1234"}, {"check"}}
	for _, command := range reading {
		out, code := run(t, i.Env, "", command...)
		if command[0] != "check" && (code == 0 || !strings.Contains(out, "no tables of lagerd's yet")) {
			t.Errorf("%v on an empty database: exit %d\n%s", command, code, out)
		}
	}
	db := i.database()
	defer db.Close()
	tables := func() []string {
		return column[string](t, db, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name")
	}
	if made := tables(); len(made) > 0 {
		t.Fatalf("read-only commands have created %v", made)
	}
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	i.daemon.kill()
	sums := func() string {
		exec1(t, db, "UPDATE progress SET command_calls = 0, command_calls_day = ''")
		exec1(t, db, "UPDATE agreement_calls SET calls = 0")
		var all strings.Builder
		for _, name := range tables() {
			var table, sum string
			if err := db.QueryRow("CHECKSUM TABLE "+name).Scan(&table, &sum); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&all, table, sum)
		}
		return all.String()
	}
	before := sums()
	for _, command := range reading {
		out, _ := run(t, i.Env, "", command...)
		if after := sums(); after != before {
			t.Errorf("%v changed the database from\n%s to\n%s (output: %s)", command, before, after, out)
		}
	}
	exec1(t, db, "DELETE FROM goose_db_version WHERE version_id > 3")
	before = sums()
	for _, command := range reading {
		out, code := run(t, i.Env, "", command...)
		if command[0] != "check" && (code == 0 || !strings.Contains(out, "schema is older than this lagerd")) || strings.Contains(out, "migrate the database") {
			t.Errorf("%v on an older schema: exit %d\n%s", command, code, out)
		}
	}
	if after := sums(); after != before {
		t.Errorf("the older schema has changed from\n%s to\n%s", before, after)
	}
}

// TestSilentDatabase checks that commands give up on a database that accepts connections but
// never answers, as when packets are dropped.
func TestSilentDatabase(t *testing.T) { //nolint:tparallel // measures how long commands take
	s := startSandbox(t, "--agreements=1", "--products=1")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	i := install(t, s, "lagerd:hunter2@tcp("+l.Addr().String()+")/lagerd", still)
	for _, command := range [][]string{{"status"}, {"why", "shop1234", "1"}, {"shops", "list"}, {"diff", "shop1234"}, {"check"}, {"shops", "pause", "shop1234"}} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			out, code := run(t, i.Env, "", command...)
			if code == 0 || !strings.Contains(out, "no answer within 5s: check that it is running") || strings.Contains(out, "migrat") || strings.Contains(out, "hunter2") {
				t.Errorf("exit %d\n%s", code, out)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestParametersOfTheDSN checks that a parameter that changes what is read is overridden, or
// refused by name with the exit code of a bad configuration.
func TestParametersOfTheDSN(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=5")
	i := install(t, s, mariadbtest.New(t)+"&charset=latin1&parseTime=false&autocommit=0&columnsWithAlias=true&clientFoundRows=true", pace)
	i.start()
	i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	i.command("check")

	i = install(t, s, "lagerd:hunter2@tcp(127.0.0.1:1)/lagerd?sql_log_bin=0", pace)
	for _, command := range []string{"run", "check", "status"} {
		out, code := run(t, i.Env, "", command)
		if code != 78 || !strings.Contains(out, `"sql_log_bin"`) || !strings.Contains(out, "database.dsn") || strings.Contains(out, "hunter2") {
			t.Errorf("%s: exit %d\n%s", command, code, out)
		}
	}
}

// TestDeletedDatabaseFile checks that webhooks are acknowledged only while the embedded
// database's file is the one in use.
func TestDeletedDatabaseFile(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--agreements=1", "--products=5", "--lose=1")
	i := install(t, s, "", pace)
	i.start()
	code := i.addShop(s, "shop1234", first)
	settled(t, i, s, "shop1234", first)
	files, err := filepath.Glob(filepath.Join(i.dir, "lagerd.db*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	const words = "deleted or replaced while in use"
	if status, text := i.call("shop1234", code, "stockUpdate", "A"); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook is answered %d %s", status, text)
	}
	if status, text := i.readiness(); status != http.StatusServiceUnavailable || !strings.Contains(text, words) {
		t.Errorf("/readyz: %d %s", status, text)
	}
	if log := i.daemon.out.String(); !strings.Contains(log, words) {
		t.Errorf("the log does not say so:\n%s", i.daemon.out.Tail(20))
	}
}
