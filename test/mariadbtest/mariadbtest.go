package mariadbtest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/store/rights"
)

// serverVariable names a server to use instead of a private one.
const serverVariable = "LAGERD_TEST_MYSQL_DSN"

// shared is the process's one server. Package-level state is justified here: a server takes a
// second or two to start, the testing package has no other place that outlives a test, and Main
// ends it.
var shared struct {
	sync.Mutex
	inMain bool
	tried  bool
	dsn    string
	err    error
	dir    string
	server *Server // nil while none has been needed, and when the server is not ours
}

// Main runs a package's tests and then stops and removes the server that they
// used, if any. Call it from TestMain: os.Exit(mariadbtest.Main(m)). The result
// is the exit code, not zero either when the server could not be removed.
func Main(m *testing.M) int {
	shared.Lock()
	shared.inMain = true
	shared.Unlock()

	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "mariadbtest:", err)
		return max(code, 1)
	}
	return code
}

// New returns the DSN (go-sql-driver, times as UTC time.Time) of an empty database for t alone,
// which is dropped when t ends. Its account has the privileges that lagerd asks for, running and
// migrating, and no others. The first call in a process starts the server. The test fails, and
// never skips, without MariaDB; it also fails if it leaves a transaction open that prevents
// dropping its database.
func New(t testing.TB) string {
	t.Helper()
	dsn := newDatabase(t)
	return Account(t, dsn, "", "GRANT "+rights.Running+", "+rights.Migrating+" ON {database}.* TO {account}")
}

// Admin returns a DSN of the same database for the account that owns the server.
func Admin(t testing.TB, dsn string) string {
	t.Helper()
	server, err := sharedDSN()
	if err != nil {
		t.Fatal(err)
	}
	owner, of := parse(t, server), parse(t, dsn)
	return withDatabase(owner, of.DBName)
}

// accounts numbers the accounts of this process.
var accounts atomic.Int64

// What accounts and databases of this package are called.
const (
	accountPrefix  = "lt"
	databasePrefix = "lagerd_test_"
)

// Drops reports whether an account or database of that name may be dropped by the test that made it,
// perhaps in another process: nobody else should.
func Drops(name string) bool {
	return strings.HasPrefix(name, accountPrefix) || strings.HasPrefix(name, databasePrefix)
}

// Account creates an account on any host with the statements, in which {account} stands for it
// and {database} for the database of the DSN, and returns its DSN for that database. It is
// dropped when t ends. Without a name it gets one of its own; names are shared by all tests of
// a server.
func Account(t testing.TB, dsn, name string, statements ...string) string {
	t.Helper()
	admin, cfg := Admin(t, dsn), parse(t, dsn)
	if name == "" {
		name = fmt.Sprintf("%s%d_%d", accountPrefix, os.Getpid(), accounts.Add(1))
	}
	cfg.User, cfg.Passwd = name, "pw-of-"+name
	account := "'" + name + "'@'%'"
	for _, statement := range append([]string{"CREATE USER {account} IDENTIFIED BY '" + cfg.Passwd + "'"}, statements...) {
		statement = strings.NewReplacer("{account}", account, "{database}", "`"+strings.ReplaceAll(cfg.DBName, "_", `\_`)+"`").Replace(statement)
		if strings.Contains(statement, "`.`") || !strings.Contains(statement, ".*") {
			statement = strings.ReplaceAll(statement, `\_`, "_") // wildcards only in grants on a whole database
		}
		if err := execute(t.Context(), admin, statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), admin, "DROP USER IF EXISTS "+account); err != nil {
			t.Error(err)
		}
	})
	return cfg.FormatDSN()
}

func parse(t testing.TB, dsn string) *mysql.Config {
	t.Helper()
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func newDatabase(t testing.TB) string {
	t.Helper()
	server, err := sharedDSN()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := mysql.ParseDSN(server)
	if err != nil {
		t.Fatalf("read %s: %v", serverVariable, err)
	}
	name, err := createDatabase(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := execute(ctx, server, "DROP DATABASE `"+name+"`"); err != nil {
			t.Errorf("%v (does the test leave a transaction open?)", err)
		}
	})
	return withDatabase(cfg, name)
}

func sharedDSN() (string, error) {
	shared.Lock()
	defer shared.Unlock()
	if !shared.tried {
		shared.tried = true
		shared.dsn, shared.err = startShared()
	}
	return shared.dsn, shared.err
}

func startShared() (string, error) {
	if dsn := os.Getenv(serverVariable); dsn != "" {
		return dsn, nil
	}
	if !shared.inMain {
		return "", fmt.Errorf("start a test server: nothing would remove it: "+
			"add `func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }` to this package's tests, or set %s", serverVariable)
	}
	dir, err := os.MkdirTemp("", "lagerd-mariadb-")
	if err != nil {
		return "", fmt.Errorf("make directory for mariadb: %w", err)
	}
	shared.dir = dir
	server, err := Start(dir, 0)
	if err != nil {
		return "", err
	}
	shared.server = server
	return server.DSN(), nil
}

func stopShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			return err
		}
	}
	if shared.dir != "" {
		return os.RemoveAll(shared.dir)
	}
	return nil
}
