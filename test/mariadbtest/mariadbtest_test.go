package mariadbtest_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/test/mariadbtest"
)

// The test binary runs itself to test what needs a separate process.
const (
	helperVariable = "MARIADBTEST_HELPER"
	serverVariable = "LAGERD_TEST_MYSQL_DSN"
	portVariable   = "MARIADBTEST_EXPECT_PORT"
)

func TestMain(m *testing.M) {
	switch os.Getenv(helperVariable) {
	case "start and hang":
		s, err := mariadbtest.Start(os.Args[1], 0)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.Pid())
		select {}
	case "no main":
		os.Exit(m.Run())
	default:
		os.Exit(mariadbtest.Main(m))
	}
}

func TestNewGivesEmptyDatabasesOfTheirOwn(t *testing.T) {
	t.Parallel()
	dsns := [2]string{mariadbtest.New(t), mariadbtest.New(t)}
	if dsns[0] == dsns[1] {
		t.Fatalf("both databases are %s", dsns[0])
	}
	for i, dsn := range dsns {
		db := open(t, dsn)
		if n := queryInt(t, db, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"); n != 0 {
			t.Errorf("database %d has %d tables, want none", i, n)
		}
		// The same table in both, which must not see each other.
		exec1(t, db, "CREATE TABLE stock (number VARCHAR(25) PRIMARY KEY, seen DATETIME(6))")
		want := time.Date(2026, 7, 1, 12, 0, i, 123456000, time.UTC)
		exec1(t, db, "INSERT INTO stock VALUES ('0571527051', ?)", want)
		var got time.Time
		if err := db.QueryRow("SELECT seen FROM stock").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("read back %v, want %v (UTC, parsed)", got, want)
		}
		if want := os.Getenv(portVariable); want != "" && strconv.Itoa(queryInt(t, db, "SELECT @@port")) != want {
			t.Errorf("not on the server at port %s that %s names", want, serverVariable)
		}
	}
}

func TestNewDropsTheDatabaseWithItsTest(t *testing.T) { //nolint:tparallel // the inner test must end first
	t.Parallel()
	var gone string
	t.Run("inner", func(t *testing.T) {
		cfg, err := mysql.ParseDSN(mariadbtest.New(t))
		if err != nil {
			t.Fatal(err)
		}
		gone = cfg.DBName
	})
	db := open(t, mariadbtest.New(t))
	if n := queryInt(t, db, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", gone); n != 0 {
		t.Errorf("database %s outlived its test", gone)
	}
}

func TestNewIsDurable(t *testing.T) {
	t.Parallel()
	if os.Getenv(serverVariable) != "" {
		t.Log("not our server: its owner decides on durability")
		return
	}
	db := open(t, mariadbtest.New(t))
	if n := queryInt(t, db, "SELECT @@innodb_flush_log_at_trx_commit"); n != 1 {
		t.Errorf("innodb_flush_log_at_trx_commit is %d, want 1", n)
	}
}

func TestServerKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	// Longer than the maximum path of a socket.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	s := start(t, dir)
	dsn, err := s.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, dsn)
	exec1(t, db, "CREATE TABLE runs (n INT)")

	ends := []struct {
		name string
		end  func() error
	}{{"kill", s.Kill}, {"stop", s.Stop}, {"kill again", s.Kill}}
	for i, e := range ends {
		exec1(t, db, "INSERT INTO runs VALUES (?)", i)
		pid := s.Pid()
		if err := e.end(); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		assertGone(t, pid)
		if s.Pid() != 0 {
			t.Errorf("after %s the server claims pid %d", e.name, s.Pid())
		}
		if err := e.end(); err != nil {
			t.Errorf("%s of a server that is down: %v", e.name, err)
		}
		if err := s.Restart(); err != nil {
			t.Fatalf("restart after %s: %v", e.name, err)
		}
		// A new pool, since the old one holds connections to the dead process.
		db = open(t, dsn)
		if n := queryInt(t, db, "SELECT COUNT(*) FROM runs"); n != i+1 {
			t.Errorf("after %s %d rows are left, want %d", e.name, n, i+1)
		}
	}

	pid := s.Pid()
	if err := s.Restart(); err != nil {
		t.Fatalf("restart of a running server: %v", err)
	}
	assertGone(t, pid)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	// Another Start in the same directory finds the same data.
	again := start(t, dir)
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if n := queryInt(t, open(t, again.DSN()), "SELECT COUNT(*) FROM `"+cfg.DBName+"`.runs"); n != len(ends) {
		t.Errorf("a new server on the old data has %d rows, want %d", n, len(ends))
	}
}

func TestServersDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	a, b := start(t, t.TempDir()), start(t, t.TempDir())
	if a.Port() == b.Port() {
		t.Fatalf("both listen on port %d", a.Port())
	}
	if err := a.Kill(); err != nil {
		t.Fatal(err)
	}
	if n := queryInt(t, open(t, b.DSN()), "SELECT 1"); n != 1 {
		t.Errorf("the other server answers %d, want 1", n)
	}

	// A taken port is an error that shows the server's own words, not a hang.
	_, err := mariadbtest.Start(t.TempDir(), b.Port())
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("start on a taken port: error %v, want one that says so", err)
	}
}

func TestServerEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("only Linux tells a process that its parent died")
		return
	}
	cmd := exec.Command(os.Args[0], t.TempDir())
	cmd.Env = append(os.Environ(), helperVariable+"=start and hang")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read the server's pid: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("server of the other process: %v, want it to run", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, as intended
	assertGone(t, pid)
}

func TestNewUsesTheServerItIsGiven(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	// Without Main, which a given server does not need.
	out, err := rerun(t, "^TestNew(Gives|Drops)", helperVariable+"=no main",
		serverVariable+"="+s.DSN(), portVariable+"="+strconv.Itoa(s.Port()))
	if err != nil {
		t.Fatalf("tests on a given server: %v\n%s", err, out)
	}
	db := open(t, s.DSN())
	if n := queryInt(t, db, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name LIKE 'lagerd%'"); n != 0 {
		t.Errorf("%d databases were left on the given server", n)
	}
}

func TestNewWithoutMainSaysWhatToDo(t *testing.T) {
	t.Parallel()
	out, err := rerun(t, "^TestNewGives", helperVariable+"=no main", serverVariable+"=")
	if err == nil || !strings.Contains(out, "mariadbtest.Main(m)") {
		t.Errorf("New without Main: %v, want a failure that shows the missing line\n%s", err, out)
	}
}

func start(t *testing.T, dir string) *mariadbtest.Server {
	t.Helper()
	s, err := mariadbtest.Start(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func rerun(t *testing.T, tests string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+tests)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec1(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func queryInt(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func assertGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		err := syscall.Kill(pid, 0)
		if errors.Is(err, syscall.ESRCH) || zombie(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

// zombie reports whether a process has ended and waits for a parent that is not us.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
