package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/store/rights"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// oddServer is a MariaDB with unusual settings, and an ordinary account on a database of
// its own: init_connect and read_only do not apply to an account with all privileges.
type oddServer struct {
	t        *testing.T
	server   *mariadbtest.Server
	database string
	dsn      string // the ordinary account's
	root     *sql.DB
}

func startOdd(t *testing.T, flags ...string) *oddServer {
	t.Helper()
	server, err := mariadbtest.Start(t.TempDir(), 0, flags...)
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop()) })
	o := &oddServer{t: t, server: server}
	dsn, err := server.CreateDatabase(t.Context())
	must(t, err)
	cfg, err := mysql.ParseDSN(dsn)
	must(t, err)
	o.database = cfg.DBName
	o.root, err = sql.Open("mysql", dsn+"&charset=utf8mb4&autocommit=1")
	must(t, err)
	t.Cleanup(func() { _ = o.root.Close() })
	o.dsn = o.account("app", o.grants())
	return o
}

// grants are the privileges that lagerd asks for.
func (o *oddServer) grants() string {
	return "GRANT " + rights.Running + ", " + rights.Migrating + " ON " + o.database + ".* TO {account}"
}

func (o *oddServer) account(name string, statements ...string) string {
	o.t.Helper()
	dsn, err := o.server.Account(o.t.Context(), o.database, name, statements...)
	must(o.t, err)
	return dsn
}

func (o *oddServer) exec(statements ...string) {
	o.t.Helper()
	for _, statement := range statements {
		if _, err := o.root.ExecContext(o.t.Context(), statement); err != nil {
			o.t.Fatalf("%s: %v", statement, err)
		}
	}
}

func (o *oddServer) text(query string) (text string) {
	o.t.Helper()
	if err := o.root.QueryRowContext(o.t.Context(), query).Scan(&text); err != nil {
		o.t.Fatalf("%s: %v", query, err)
	}
	return text
}

// found returns the problems that Inspect reports.
func found(t *testing.T, s *store.Store) string {
	t.Helper()
	var bad []string
	for _, f := range s.Inspect(t.Context(), 10<<20) {
		if f.Err != nil {
			bad = append(bad, f.What+": "+f.Err.Error())
		} else if f.Good == "" {
			t.Errorf("%s: neither good nor bad", f.What)
		}
	}
	return strings.Join(bad, "\n")
}

func record(ctx context.Context, s *store.Store, number string) error {
	return s.RecordWebhooks(ctx, []store.HintRecord{hint("shop1", number, plan.CauseWebhook, noon)})
}

// TestOddServers: whatever the server's settings, its init_connect and the DSN, each
// session has lagerd's variables, each table is InnoDB, a recorded webhook is committed,
// and other clients read what was stored.
func TestOddServers(t *testing.T) {
	t.Parallel()
	mangled := []string{"--character-set-server=latin1", "--collation-server=latin1_swedish_ci"}
	for name, c := range map[string]struct {
		flags []string
		dsn   string // more parameters
	}{
		"the handshake is skipped": {flags: slices.Concat(mangled, []string{"--skip-character-set-client-handshake", "--autocommit=0", "--sql-mode="})},
		"init_connect": {flags: []string{"--character-set-server=utf8mb3", "--collation-server=utf8mb3_general_ci", "--completion-type=RELEASE",
			"--init-connect=SET NAMES utf8mb3, autocommit=0, sql_select_limit=1, sql_safe_updates=1, default_storage_engine=MyISAM; SET SESSION TRANSACTION READ ONLY"}},
		"engine and row format": {flags: []string{"--default-storage-engine=Aria", "--innodb-default-row-format=compact", "--transaction-isolation=SERIALIZABLE"}},
		"MyISAM":                {flags: []string{"--default-storage-engine=MyISAM", "--default-time-zone=-11:00", "--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT"}},
		"the DSN": {flags: mangled, dsn: "&charset=latin1&autocommit=0&sql_mode=%27ANSI_QUOTES%27&sql_select_limit=1&columnsWithAlias=true&clientFoundRows=true" +
			"&loc=Asia%2FTokyo&tx_isolation=%27SERIALIZABLE%27&time_zone=%27-11:00%27"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := startOdd(t, c.flags...)
			s := open(t, store.Options{DSN: o.dsn + c.dsn})
			must(t, s.Migrate(t.Context()))
			must(t, s.GrantReaderOfAll(t.Context(), "lagerd", noon))
			token := addShop(t, s, "shop1")
			const number, called = "æøå-Ø1", "Blå bær 🤬"
			row := itemRow(number, "5", token)
			row.Name = called
			must(t, commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, store.Applied{Items: []plan.Row{row}}, noon))
			must(t, record(t.Context(), s, "N1"))

			if n := o.text("SELECT COUNT(*) FROM hint_batches"); n != "1" {
				t.Errorf("%s webhooks are committed, expected 1", n)
			}
			if got := o.text("SELECT CONCAT(HEX(item_number), ' ', HEX(name)) FROM shop_stock"); got != "C3A6C3B8C3A52DC39831 426CC3A52062C3A67220F09FA4AC" {
				t.Errorf("others read %s", got)
			}
			if n := o.text("SELECT COUNT(*) FROM shop_stock WHERE item_number = '" + number + "' AND name = '" + called + "'"); n != "1" {
				t.Errorf("others find the number %s times", n)
			}
			for query, none := range map[string]string{
				"SELECT CONCAT(COUNT(*), '') FROM information_schema.tables WHERE table_schema = DATABASE() AND engine <> 'InnoDB'":                                                             "0",
				"SELECT CONCAT(COUNT(*), '') FROM information_schema.tables WHERE table_schema = DATABASE() AND engine = 'InnoDB' AND row_format <> 'Dynamic' AND table_name NOT LIKE 'goose%'": "0",
			} {
				if got := o.text(query); got != none {
					t.Errorf("%s: %s, expected %s", query, got, none)
				}
			}
			if bad := found(t, s); bad != "" {
				t.Errorf("the database is not sound:\n%s", bad)
			}
			const session = "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection, @@autocommit, @@time_zone, @@tx_isolation, @@sql_mode"
			const want = "utf8mb4 utf8mb4 utf8mb4 utf8mb4_bin 1 +00:00 READ-COMMITTED STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
			// The same for a later connection.
			must(t, s.Conn().Close())
			for _, s := range []*store.Store{open(t, store.Options{DSN: o.dsn + c.dsn}), open(t, store.Options{DSN: o.dsn})} {
				if got := strings.Join(s.Strings(t.Context(), session), " "); got != want {
					t.Errorf("the session is %s", got)
				}
			}
		})
	}
}

// TestReadOnlyServer: a server that becomes read-only is reported with its own error, and
// used again once it accepts writes.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	s := open(t, store.Options{DSN: o.dsn})
	must(t, s.Migrate(t.Context()))
	must(t, s.CanRecord(t.Context()))
	must(t, record(t.Context(), s, "N1"))
	before := s.Strings(t.Context(), "SELECT CONNECTION_ID()")[0]
	o.exec("SET GLOBAL read_only = 1")
	const words = "--read-only option so it cannot execute this statement: the server is read-only"
	bad := found(t, s)
	if strings.Count(bad, "\n") != 0 || !strings.Contains(bad, words) {
		t.Errorf("found of a read-only server:\n%s", bad)
	}
	for what, err := range map[string]error{"look": s.CanRecord(t.Context()), "record": record(t.Context(), s, "N2"), "beat": s.TakeLeases(t.Context(), []string{"shop1"}, "", "me", noon)} {
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if fresh := open(t, store.Options{DSN: o.dsn}); found(t, fresh) == "" {
		t.Error("one that starts meanwhile finds nothing")
	}
	o.exec("SET GLOBAL read_only = 0")
	must(t, record(t.Context(), s, "N2"))
	if bad := found(t, s); bad != "" {
		t.Errorf("found after it: %s", bad)
	}
	// By then another host may be the primary.
	if after := s.Strings(t.Context(), "SELECT CONNECTION_ID()")[0]; after == before {
		t.Error("the connection to a server that was read-only is kept")
	}
}

// TestStatementBinlog: lagerd sets row format for its session if its account may;
// otherwise it reports what to do, and recovers once the server is reconfigured.
func TestStatementBinlog(t *testing.T) {
	t.Parallel()
	o := startOdd(t, "--log-bin=binlog", "--binlog-format=STATEMENT", "--server-id=1")
	for range 2 { // the second time no less clearly than the first
		if err := open(t, store.Options{DSN: o.dsn}).Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "set the server's binlog_format to ROW or MIXED") {
			t.Errorf("migrated an empty database: %v", err)
		}
	}
	mighty := open(t, store.Options{DSN: o.account("dba", "GRANT ALL ON *.* TO {account}")})
	must(t, mighty.Migrate(t.Context()))
	must(t, record(t.Context(), mighty, "N1"))
	if bad := found(t, mighty); bad != "" {
		t.Errorf("found by an account that may choose: %s", bad)
	}

	s := open(t, store.Options{DSN: o.dsn})
	const words = "BINLOG_FORMAT = STATEMENT"
	if bad := found(t, s); !strings.Contains(bad, words) || !strings.Contains(bad, "set the server's binlog_format to ROW or MIXED") {
		t.Errorf("found:\n%s", bad)
	}
	if err := record(t.Context(), s, "N2"); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("recorded: %v", err)
	}
	o.exec("SET GLOBAL binlog_format = MIXED")
	lagerdtest.Eventually(t, 10*time.Second, "webhooks are recorded again", func() bool { return record(t.Context(), s, "N2") == nil })
	if bad := found(t, s); bad != "" {
		t.Errorf("found after it: %s", bad)
	}
}

// TestViewsOfAnAccountThatIsGone: views break if the account that created them is
// dropped; Inspect reports it, and a migration repairs it.
func TestViewsOfAnAccountThatIsGone(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	must(t, open(t, store.Options{DSN: o.dsn}).Migrate(t.Context()))
	next := open(t, store.Options{DSN: o.account("next", o.grants())})
	reader, err := sql.Open("mysql", o.account("reader", "GRANT SELECT ON "+o.database+".shop_stock TO {account}", "GRANT SELECT ON "+o.database+".shop_invoices TO {account}"))
	must(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	reads := func() error {
		for _, view := range []string{"shop_stock", "shop_invoices"} {
			rows, err := reader.QueryContext(t.Context(), "SELECT * FROM "+view)
			if err != nil {
				return err
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil { //nolint:sqlclosecheck // closed here, since Close may fail
				return err
			}
		}
		return nil
	}
	must(t, reads())
	o.exec("DROP USER 'app'@'127.0.0.1'")
	if reads() == nil {
		t.Fatal("the views can be read without the account that made them")
	}
	bad := found(t, next)
	for _, want := range []string{"shop_stock", "shop_invoices", "`lagerd migrate` recreates them"} {
		if !strings.Contains(bad, want) {
			t.Errorf("found %q, expected %q", bad, want)
		}
	}
	must(t, next.Migrate(t.Context()))
	must(t, reads())
	if bad := found(t, next); bad != "" {
		t.Errorf("found after it: %s", bad)
	}
	o.exec("DROP VIEW shop_invoices")
	if bad := found(t, next); !strings.Contains(bad, "shop_invoices") {
		t.Errorf("found without a view: %s", bad)
	}
	must(t, next.Migrate(t.Context()))
	must(t, reads())
}

// TestTablesWithoutTransactions: lagerd's tables of another engine are reported, and
// converted by a migration; other applications' tables are left alone.
func TestTablesWithoutTransactions(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	s := open(t, store.Options{DSN: o.dsn})
	must(t, s.Migrate(t.Context()))
	must(t, record(t.Context(), s, "N1"))
	must(t, s.CheckTables(t.Context()))
	o.exec("CREATE TABLE theirs (a INT) ENGINE=MyISAM", "ALTER TABLE hint_batches ENGINE=Aria", "ALTER TABLE leases ENGINE=MyISAM", "ALTER TABLE goose_db_version ENGINE=MyISAM")
	for what, text := range map[string]string{"found": found(t, s), "at start": s.CheckTables(t.Context()).Error()} {
		if want := "tables without transactions: goose_db_version (MyISAM), hint_batches (Aria), leases (MyISAM): stop every lagerd and run `lagerd migrate`"; !strings.Contains(text, want) {
			t.Errorf("%s: %s", what, text)
		}
	}
	must(t, s.Migrate(t.Context()))
	if bad := found(t, s); bad != "" {
		t.Errorf("found after it: %s", bad)
	}
	if engine := o.text("SELECT engine FROM information_schema.tables WHERE table_name = 'theirs'"); engine != "MyISAM" {
		t.Errorf("the table of another became %s", engine)
	}
	if n := o.text("SELECT COUNT(*) FROM hint_batches"); n != "1" {
		t.Errorf("%s rows are left, expected 1", n)
	}
}

// TestWhatInspectNames: Inspect reports missing privileges and a max_allowed_packet that
// is too small.
func TestWhatInspectNames(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	must(t, open(t, store.Options{DSN: o.dsn}).Migrate(t.Context()))
	for name, c := range map[string]struct{ grants, want string }{
		"selects": {"SELECT", "INSERT command denied to user"},
		"keeps":   {"SELECT, INSERT, UPDATE", "DELETE command denied to user"},
		"stays":   {"SELECT, INSERT, DELETE", "UPDATE command denied to user"},
		"looks":   {"SELECT, INSERT, UPDATE, DELETE", "may not look at its definition"},
		"works":   {rights.Running, ""},
	} {
		grants, want := c.grants, c.want
		s := open(t, store.Options{DSN: o.account(name, "GRANT "+grants+" ON "+o.database+".* TO {account}")})
		bad := found(t, s)
		if want == "" && bad != "" || !strings.Contains(bad, want) || want != "" && !strings.Contains(bad, "`lagerd check --grants`") {
			t.Errorf("with %s: found %q, expected %q", grants, bad, want)
		}
	}
	o.exec("SET GLOBAL max_allowed_packet = 1048576")
	if bad := found(t, open(t, store.Options{DSN: o.dsn})); !strings.Contains(bad, "max_allowed_packet is 1048576, but a PDF of pdf.max_bytes needs") {
		t.Errorf("found %q", bad)
	}
	limited := o.account("limited", o.grants()+" WITH MAX_USER_CONNECTIONS 1")
	first := open(t, store.Options{DSN: limited})
	must(t, first.Ping(t.Context()))
	_, err := store.Open(t.Context(), store.Options{DSN: limited})
	if err == nil || !strings.Contains(err.Error(), "the account is out of connections") || strings.Contains(err.Error(), "migrat") {
		t.Errorf("a connection too many: %v", err)
	}
}

// TestMigrationThatEndedBeforeItsFirstRow: an empty goose table counts as no schema, and
// a migration continues from there.
func TestMigrationThatEndedBeforeItsFirstRow(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]store.Options{"SQLite": {Path: filepath.Join(t.TempDir(), "lagerd.db")}, "MariaDB": {DSN: mariadbtest.New(t)}} {
		s := open(t, o)
		made := "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTO_INCREMENT, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
		if name == "SQLite" {
			made = strings.Replace(made, "AUTO_INCREMENT", "AUTOINCREMENT", 1)
		}
		must(t, s.Exec(t.Context(), made))
		if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrOldSchema) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, s.Migrate(t.Context()))
		must(t, s.CheckSchema(t.Context()))
	}
}

// TestLookingChangesNothing: reading the schema's version creates no table.
func TestLookingChangesNothing(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]store.Options{"SQLite": {Path: filepath.Join(t.TempDir(), "lagerd.db")}, "MariaDB": {DSN: mariadbtest.New(t)}} {
		s := open(t, o)
		if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrOldSchema) || !strings.Contains(err.Error(), "no tables of lagerd's yet") {
			t.Errorf("%s: %v", name, err)
		}
		tables := "SELECT COUNT(*) FROM sqlite_master"
		if name == "MariaDB" {
			tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()"
		}
		if n := s.Strings(t.Context(), tables)[0]; n != "0" {
			t.Errorf("%s: %s tables were made", name, n)
		}
	}
	path := filepath.Join(t.TempDir(), "sub", "lagerd.db")
	if _, err := store.Open(t.Context(), store.Options{Path: path, Existing: true}); !errors.Is(err, store.ErrNoEmbedded) {
		t.Errorf("without a file: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err == nil {
		t.Error("a directory was made")
	}
}

// TestDatabaseThatDoesNotAnswer: connecting to a silent listener, or to a closed port,
// fails in time.
func TestDatabaseThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	began := time.Now()
	_, err = store.Open(t.Context(), store.Options{DSN: "u:hunter2@tcp(" + l.Addr().String() + ")/lagerd", ConnectTimeout: 300 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no answer within 300ms: check that it is running") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("opened: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	must(t, l.Close())
	if _, err := store.Open(t.Context(), store.Options{DSN: "u:hunter2@tcp(" + l.Addr().String() + ")/lagerd"}); err == nil || !strings.Contains(err.Error(), "refused: check that it is running") {
		t.Errorf("a closed port: %v", err)
	}
}

// TestDatabaseThatStopsAnswering: a query to a server that stops answering fails in time.
func TestDatabaseThatStopsAnswering(t *testing.T) {
	t.Parallel()
	o := startOdd(t)
	s := open(t, store.Options{DSN: o.dsn, ConnectTimeout: time.Second, ResponseTimeout: time.Second})
	must(t, s.Migrate(t.Context()))
	must(t, syscall.Kill(o.server.Pid(), syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(o.server.Pid(), syscall.SIGCONT) })
	began := time.Now()
	if _, err := s.Status(t.Context(), ""); err == nil {
		t.Error("it has answered")
	}
	if _, err := store.Open(t.Context(), store.Options{DSN: o.dsn, ConnectTimeout: time.Second}); err == nil || !strings.Contains(err.Error(), "no answer within 1s") {
		t.Errorf("opened: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestMovedFile: the next webhook, change and check report an embedded database whose
// file was deleted or replaced.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(path string) error{
		"deleted": func(path string) error {
			files, err := filepath.Glob(path + "*")
			for _, f := range files {
				err = errors.Join(err, os.Remove(f))
			}
			return err
		},
		"moved away": func(path string) error { return os.Rename(path, path+".old") },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "lagerd.db")
			s := open(t, store.Options{Path: path})
			must(t, s.Migrate(t.Context()))
			addShop(t, s, "shop1")
			must(t, record(t.Context(), s, "N1"))
			must(t, s.CanRecord(t.Context()))
			must(t, move(path))
			for what, err := range map[string]error{
				"a webhook": record(t.Context(), s, "N2"), "a look": s.CanRecord(t.Context()),
				"a lease": s.TakeLeases(t.Context(), []string{"shop1"}, "me", "other", noon),
				"a shop":  s.AddShop(t.Context(), store.Shop{Shop: "shop2", GrantToken: []byte{1}}, []byte("01234567890123456789012345678901"), noon),
			} {
				if !errors.Is(err, store.ErrMoved) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
