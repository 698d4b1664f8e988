package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"lagerd/store/dsn"
)

// sessions opens connections to a MySQL or MariaDB server. A new session's variables
// depend on the server's settings, its init_connect, the account and any proxy: on each
// new connection lagerd sets its own and reads them back once.
type sessions struct {
	driver.Connector
	address string
	timeout time.Duration // to connect, log in, and set and read back the session
	idle    time.Duration // see idleInTransaction
	logger  *slog.Logger  // may be nil

	mu     sync.Mutex
	server *server // nil until the first connection

	first atomic.Pointer[session] // opened by openSessions, for the first Connect

	// renewed is incremented to replace every connection: see renew.
	renewed   atomic.Int64
	renewedAt atomic.Int64 // Unix milliseconds
}

// server is what the first connection learned about the server.
type server struct {
	version  string
	set      string      // the statement that sets a session
	read     string      // the query that reads it back
	expected [][2]string // names and values that it must return
	binlog   bool        // read also returns the session's binary log format
}

// isolation avoids locks on rows and gaps that a statement does not change. With
// REPEATABLE READ a DELETE from a small table, which is scanned in full, blocks every
// insert into it: all webhooks would wait while one shop's are being unpacked. Nothing
// here relies on such locks.
const isolation = "READ-COMMITTED"

// idleInTransaction is how long the server lets an idle connection hold its locks. A
// lagerd that is stopped, or loses its network, in the middle of a transaction would
// otherwise keep the lease's row locked, and no other could take the shop. (MariaDB:
// server system variable idle_transaction_timeout; MySQL: wait_timeout. Both roll back
// and close the connection.)
const idleInTransaction = 5 * time.Second

const sqlMode = "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"

func isMariaDB(version string) bool { return strings.Contains(version, "MariaDB") }

// sessionVariables returns the session variables to set and their values, in order. Not every
// server has all of them.
func sessionVariables(version string, idle time.Duration) [][2]string {
	name := "wait_timeout" // MySQL has no timeout for transactions, only one for all idle connections
	if isMariaDB(version) {
		name = "idle_transaction_timeout"
	}
	return [][2]string{
		{"autocommit", "1"},
		{"time_zone", "+00:00"},
		{"sql_mode", sqlMode},
		{"transaction_isolation", isolation},
		{"tx_isolation", isolation},
		{"transaction_read_only", "0"},
		{"tx_read_only", "0"},
		{"completion_type", "NO_CHAIN"},
		{"default_storage_engine", "InnoDB"},
		{"sql_safe_updates", "0"},
		{"sql_auto_is_null", "0"},
		{"sql_big_selects", "1"},
		{"sql_select_limit", "18446744073709551615"},
		{name, fmt.Sprint(int(idle.Seconds()))},
	}
}

// charsetVariables are the variables that SET NAMES sets.
var charsetVariables = [][2]string{
	{"character_set_client", dsn.Charset}, {"character_set_connection", dsn.Charset}, {"character_set_results", dsn.Charset},
	{"collation_connection", dsn.Collation},
}

// newServer returns the statements that set and read back a session on a server with
// these variables.
func newServer(has map[string]string, idle time.Duration) *server {
	s := &server{version: has["version"]}
	var sets, reads []string
	for _, v := range charsetVariables {
		s.expected = append(s.expected, v)
		reads = append(reads, "@@session."+v[0])
	}
	for _, v := range sessionVariables(s.version, idle) {
		if _, ok := has[v[0]]; !ok {
			continue
		}
		// On a server with both names of a variable, setting either sets both.
		value := v[1]
		if strings.Trim(value, "0123456789") != "" {
			value = "'" + value + "'"
		}
		sets = append(sets, "SESSION "+v[0]+" = "+value)
		s.expected = append(s.expected, v)
		reads = append(reads, "@@session."+v[0])
	}
	if _, ok := has["binlog_format"]; ok && on(has["log_bin"]) {
		s.binlog = true
		reads = append(reads, "@@session.binlog_format")
	}
	s.set, s.read = "SET "+strings.Join(sets, ", "), "SELECT "+strings.Join(reads, ", ")
	return s
}

func on(value string) bool { return value == "1" || strings.EqualFold(value, "ON") }

// variableNames returns the names of the variables that newServer needs.
func variableNames() []string {
	names := []string{"version", "log_bin", "binlog_format"}
	for _, version := range []string{"", "MariaDB"} {
		for _, v := range sessionVariables(version, 0) {
			names = append(names, v[0])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// connection is a driver connection with all interfaces that database/sql uses.
type connection interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// session is a connection that the pool discards, on return or before reuse, once it
// has been renewed.
type session struct {
	connection
	of  *sessions
	age int64
}

func (s *session) IsValid() bool { return s.age == s.of.renewed.Load() && s.connection.IsValid() }

func (s *session) ResetSession(ctx context.Context) error {
	if s.age != s.of.renewed.Load() {
		return driver.ErrBadConn
	}
	return s.connection.ResetSession(ctx)
}

// renew makes the pool replace every connection before it is used again. A connection
// keeps the server's state from when it was opened: the host that was the primary then,
// the binary log's format. It does nothing within a second of the last call.
func (s *sessions) renew() {
	if s == nil {
		return
	}
	now, last := time.Now().UnixMilli(), s.renewedAt.Load()
	if now-last >= 1000 && s.renewedAt.CompareAndSwap(last, now) {
		s.renewed.Add(1)
	}
}

// Close implements io.Closer, for sql.DB.
func (s *sessions) Close() error {
	if first := s.first.Swap(nil); first != nil {
		return first.Close()
	}
	return nil
}

// Connect implements driver.Connector.
func (s *sessions) Connect(ctx context.Context) (driver.Conn, error) {
	if first := s.first.Swap(nil); first != nil {
		return first, nil
	}
	return s.open(ctx)
}

func (s *sessions) open(ctx context.Context) (*session, error) {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	age := s.renewed.Load()
	conn, err := s.connect(limited)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("no answer within %s: check that it is running, and that this machine can reach it", s.timeout)
		}
		return nil, explain(fmt.Errorf("connect to the database at %s: %w", s.address, err))
	}
	return &session{connection: conn, of: s, age: age}, nil
}

func (s *sessions) connect(ctx context.Context) (connection, error) {
	raw, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := raw.(connection)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the driver's connection lacks an interface that database/sql uses: %T", raw), raw.Close())
	}
	known, err := s.known(ctx, conn)
	if err == nil {
		err = known.begin(ctx, conn, s.logger)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// known returns what the first connection learned about the server.
func (s *sessions) known(ctx context.Context, conn connection) (*server, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return s.server, nil
	}
	has := map[string]string{}
	// An init_connect may limit even this query's rows.
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_select_limit = DEFAULT", nil); err != nil {
		return nil, err
	}
	rows, err := query(ctx, conn, "SHOW VARIABLES WHERE Variable_name IN ('"+strings.Join(variableNames(), "', '")+"')")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if len(row) == 2 {
			has[row[0]] = row[1]
		}
	}
	if has["version"] == "" {
		return nil, errors.New("it reports no version: is it a MySQL or MariaDB server?")
	}
	s.server = newServer(has, s.idle)
	return s.server, nil
}

// begin sets the session of a new connection and reads it back.
func (s *server) begin(ctx context.Context, conn connection, log *slog.Logger) error {
	// The driver has already sent SET NAMES, for the character set in its settings.
	if _, err := conn.ExecContext(ctx, s.set, nil); err != nil {
		return fmt.Errorf("set the session: %w", err)
	}
	rows, err := query(ctx, conn, s.read)
	if err != nil {
		return fmt.Errorf("read the session back: %w", err)
	}
	if len(rows) != 1 || len(rows[0]) < len(s.expected) {
		return fmt.Errorf("read the session back: expected one row, got %d", len(rows))
	}
	if err := s.differs(rows[0]); err != nil {
		return err
	}
	if s.binlog && strings.EqualFold(rows[0][len(s.expected)], "STATEMENT") {
		// READ COMMITTED needs row format. Not every account may set it: `lagerd check`,
		// and each statement that fails, then says what to do.
		if _, err := conn.ExecContext(ctx, "SET SESSION binlog_format = 'ROW'", nil); err != nil && log != nil {
			log.Warn("the server's binary log format is STATEMENT, and this account may not set another for its session", "error", err)
		}
	}
	return nil
}

// differs returns an error if a session variable differs from what was set.
func (s *server) differs(row []string) error {
	for i, v := range s.expected {
		is, want := row[i], v[1]
		same := strings.EqualFold(is, want)
		if v[0] == "sql_mode" {
			same = slices.Equal(modes(is), modes(want))
		}
		if !same {
			return &sessionError{variable: v[0], is: is, want: want}
		}
	}
	return nil
}

func modes(list string) []string { return slices.Sorted(slices.Values(strings.Split(list, ","))) }

// sessionError reports a session variable that does not have the value lagerd set.
type sessionError struct{ variable, is, want string }

func (e *sessionError) Error() string {
	return fmt.Sprintf("the session's %s is %q although lagerd set it to %q", e.variable, e.is, e.want)
}

// query returns the rows of a query without parameters, as strings.
func query(ctx context.Context, conn driver.QueryerContext, text string) (list [][]string, err error) {
	rows, err := conn.QueryContext(ctx, text, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case []byte:
				row[i] = string(v)
			case nil:
			default:
				row[i] = fmt.Sprint(v)
			}
		}
		list = append(list, row)
	}
}

// driverLog logs what the driver reports about lost connections.
type driverLog struct{ *slog.Logger }

func (l driverLog) Print(v ...any) {
	if l.Logger != nil {
		l.Warn("database driver: " + strings.TrimSpace(fmt.Sprintln(v...)))
	}
}

// openSessions returns a connector to the server of o.DSN, after a first connection.
func openSessions(ctx context.Context, o Options) (*sessions, *mysql.Config, error) {
	cfg, err := dsn.Parse(o.DSN)
	if err != nil {
		if refused, ok := errors.AsType[*dsn.RefusedError](err); ok {
			return nil, nil, fmt.Errorf("database.dsn: %w", refused)
		}
		return nil, nil, errors.New("database.dsn: invalid DSN") // the driver's error may quote it
	}
	timeout, answer := 10*time.Second, time.Minute
	if o.ConnectTimeout > 0 {
		timeout = o.ConnectTimeout
	}
	if o.ResponseTimeout > 0 {
		answer = o.ResponseTimeout
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = timeout
	}
	if cfg.ReadTimeout <= 0 {
		cfg.ReadTimeout = answer
	}
	if cfg.WriteTimeout <= 0 {
		cfg.WriteTimeout = answer
	}
	cfg.Logger = driverLog{o.Logger}
	s := &sessions{address: cfg.Addr, timeout: cfg.Timeout, idle: idleInTransaction, logger: o.Logger}
	if s.Connector, err = mysql.NewConnector(cfg); err != nil {
		return nil, nil, errors.New("database.dsn: unusable DSN") // as above
	}
	first, err := s.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.first.Store(first)
	return s, cfg, nil
}

// inMigration is how long a migration's connection may be idle: goose keeps one, and
// lagerd its lock on another, while a third changes a large table.
const inMigration = 8 * time.Hour

// patient returns connections to the same server without read and write timeouts: a
// change of a large table sends nothing until it is done.
func (s *sessions) patient(cfg *mysql.Config) (*sql.DB, error) {
	cfg = cfg.Clone()
	cfg.ReadTimeout, cfg.WriteTimeout = 0, 0
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("open a connection for migrations: %w", err)
	}
	return sql.OpenDB(&sessions{Connector: connector, address: s.address, timeout: s.timeout, idle: inMigration, logger: s.logger}), nil
}
