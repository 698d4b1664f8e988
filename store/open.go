package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Options says which database to open.
type Options struct {
	DSN            string // go-sql-driver DSN; empty: SQLite at Path
	Path           string // SQLite file, used when DSN is empty
	Existing       bool   // the SQLite file must exist: Open does not create it
	MaxConnections int    // 0: 16
	Logger         *slog.Logger

	// ConnectTimeout is how long a MySQL server may take to accept a connection (0: 10 s),
	// and ResponseTimeout how long to begin answering a statement (0: a minute). The DSN's
	// own timeouts take precedence.
	ConnectTimeout, ResponseTimeout time.Duration

	// Embedded is an open embedded database to use instead of the one at Path. The
	// simulation passes one with its own driver.
	Embedded *sql.DB
	// Jitter returns a time up to most, to spread retries. Default: random.
	Jitter func(most time.Duration) time.Duration
}

// Store is lagerd's database. It is safe for concurrent use.
type Store struct {
	db      *gorm.DB
	conn    *sql.DB
	dialect dialect
	path    string
	created bool // this Open created the embedded database
	jitter  func(most time.Duration) time.Duration
	idle    time.Duration // after which an unused connection is closed

	log      *slog.Logger           // may be nil
	sessions *sessions              // of a MySQL server, else nil
	settings *mysql.Config          // of the driver, for the same
	file     atomic.Pointer[fileID] // of the embedded database, once it exists

	kept sync.Map // prepared statements, *sql.Stmt by text
}

// Open connects to the database. It creates and changes no table (see Migrate). It
// returns an error if a MySQL server cannot be reached.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{log: o.Logger, jitter: o.Jitter, idle: 5 * time.Minute}
	if s.jitter == nil {
		s.jitter = rand.N[time.Duration]
	}
	var dialector gorm.Dialector
	var err error
	switch {
	case o.Embedded != nil:
		s.conn, s.dialect = o.Embedded, dialect{name: "sqlite"}
		dialector = sqliteDialector{conn: s.conn}
	case o.DSN == "":
		dialector, err = s.openSQLite(o.Path, o.Existing)
	default:
		dialector, err = s.openMySQL(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	// Beyond about 32, more connections made durable inserts slower.
	connections := o.MaxConnections
	if connections <= 0 {
		connections = 16
	}
	s.conn.SetMaxOpenConns(connections)
	s.conn.SetMaxIdleConns(connections)
	s.conn.SetConnMaxIdleTime(s.idle)
	log := logger.Discard
	if o.Logger != nil {
		// Statements hold item numbers and sealed tokens: gorm may log that a statement
		// was slow or failed, never its values.
		log = logger.NewSlogLogger(o.Logger, logger.Config{
			LogLevel: logger.Warn, SlowThreshold: 2 * time.Second,
			ParameterizedQueries: true, IgnoreRecordNotFoundError: true,
		})
	}
	s.db, err = gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		Logger:                 log,
		NowFunc:                func() time.Time { return time.Now().UTC() },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), s.Close())
	}
	return s, nil
}

// ErrNoEmbedded is returned when the embedded database must exist and does not.
var ErrNoEmbedded = errors.New("there is no embedded database yet: `lagerd run` or the first `lagerd shops add` creates it; if there should be one, check database.path, and that you run as lagerd's user")

// ErrEmptyDatabase is returned when the embedded database's file has lost its contents.
var ErrEmptyDatabase = errors.New("the embedded database's file is empty (0 bytes): restore it from a backup, or remove it to start with a new database")

// emptyGrace is how long the embedded database's file may be empty: its creator writes to
// it immediately.
const emptyGrace = 10 * time.Second

func (s *Store) openSQLite(path string, existing bool) (gorm.Dialector, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.Size() == 0 && time.Since(info.ModTime()) > emptyGrace:
		return nil, fmt.Errorf("%s: %w", path, ErrEmptyDatabase)
	case err == nil:
		const readAndWrite = 4 | 2 // R_OK | W_OK, access(2)
		if err := syscall.Access(path, readAndWrite); err != nil {
			return nil, fmt.Errorf("open the embedded database: %w", &fs.PathError{Op: "access", Path: path, Err: err})
		}
		keepPrivate(path)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open the embedded database: %w", err)
	case existing:
		return nil, fmt.Errorf("%s: %w", path, ErrNoEmbedded)
	default:
		s.created = true
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("create the directory of the embedded database: %w", err)
		}
		// SQLite would create it for everyone to read. What it puts beside it later gets
		// the same mode.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, private)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("create the embedded database: %w", err)
		}
	}
	// The cache is of each connection, in KiB; SQLite's default is twice as much.
	pragmas := url.Values{"_pragma": {
		"busy_timeout(10000)", "cache_size(-1000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}, "_txlock": {"immediate"}}
	if existing {
		pragmas.Set("mode", "rw") // not rwc
	}
	conn, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the embedded database %s: %w", path, err)
	}
	s.conn, s.path, s.dialect = conn, path, dialect{name: "sqlite"}
	return sqliteDialector{conn: conn}, nil
}

// private is the mode of the embedded database's files: they hold every shop's data, and
// the directory may be open to others.
const private fs.FileMode = 0o600

// besideIt are the endings of the files that SQLite keeps beside a database.
var besideIt = []string{"", "-wal", "-shm"}

// keepPrivate takes the embedded database's files from everybody but their owner. Where
// that fails, because another account owns them, Inspect reports it.
func keepPrivate(path string) {
	for _, ending := range besideIt {
		if info, err := os.Stat(path + ending); err == nil && info.Mode().Perm()&^private != 0 {
			_ = os.Chmod(path+ending, private)
		}
	}
}

// filesArePrivate returns an error if others may read or write the embedded database.
func (s *Store) filesArePrivate(context.Context) (string, error) {
	for _, ending := range besideIt {
		info, err := os.Stat(s.path + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("look at the embedded database's files: %w", err)
		}
		if info.Mode().Perm()&^private != 0 {
			return "", fmt.Errorf("%s has mode %04o: others can read every shop's data: make lagerd's user its owner, or run chmod 600", s.path+ending, info.Mode().Perm())
		}
	}
	return "only their owner can read them", nil
}

func (s *Store) openMySQL(ctx context.Context, o Options) (gorm.Dialector, error) {
	sessions, cfg, err := openSessions(ctx, o)
	if err != nil {
		return nil, err
	}
	version := sessions.server.version
	s.sessions, s.settings = sessions, cfg
	s.dialect = dialect{name: "mysql", collation: "utf8mb4_0900_bin"}
	s.idle = idleInTransaction / 2
	if isMariaDB(version) {
		s.dialect.collation = "utf8mb4_nopad_bin"
		s.idle = 5 * time.Minute
	}
	s.conn = sql.OpenDB(sessions)
	// DisableWithReturning: with RETURNING, MariaDB reports an insert that inserted
	// nothing as one that did.
	return gormmysql.New(gormmysql.Config{Conn: s.conn, ServerVersion: version, DisableWithReturning: true}), nil
}

// keep returns a statement that is prepared on each connection at its first use there
// and stays prepared.
func (s *Store) keep(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.kept.Load(query); ok {
		return stmt.(*sql.Stmt), nil //nolint:forcetypeassert // kept holds nothing else
	}
	stmt, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if first, loaded := s.kept.LoadOrStore(query, stmt); loaded {
		_ = stmt.Close()              //nolint:sqlclosecheck // another was first
		return first.(*sql.Stmt), nil //nolint:forcetypeassert // kept holds nothing else
	}
	return stmt, nil
}

// keptQuery sends a query as a prepared statement that stays prepared: MySQL and MariaDB
// then return rows in binary, which is cheaper for both sides. If the server does not
// prepare it, the query is sent as text.
func (s *Store) keptQuery(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.keep(ctx, query) //nolint:sqlclosecheck // kept open for the next call
	if err == nil {
		var rows *sql.Rows
		if rows, err = stmt.QueryContext(ctx, args...); err == nil {
			return rows, nil
		}
	}
	if notPrepared(err) {
		return s.conn.QueryContext(ctx, query, args...)
	}
	return nil, err
}

// Close closes the database. It may be called more than once.
func (s *Store) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if _, err := s.conn.ExecContext(ctx, "SELECT 1"); err != nil {
		return explain(fmt.Errorf("ping the database: %w", err))
	}
	return nil
}

// Connections returns how many connections to the database are in use, and how often a
// statement has had to wait for one.
func (s *Store) Connections() (inUse int, waits int64) {
	stats := s.conn.Stats()
	return stats.InUse, stats.WaitCount
}

// Embedded reports whether this is the embedded database, which only one lagerd can
// use.
func (s *Store) Embedded() bool { return s.dialect.isSQLite() }

// Created reports whether Open created the embedded database.
func (s *Store) Created() bool { return s.created }

// Path returns the file of the embedded database, or "".
func (s *Store) Path() string { return s.path }

// tx is a transaction with a sticky error: statements follow each other without a check,
// those after the first error do nothing, and inTx checks err once. Nothing is ever
// committed after an error.
type tx struct {
	ctx     context.Context
	conn    *sql.Tx
	dialect dialect
	err     error
	kept    *sync.Map // the store's
	toKeep  []string  // statements it prepared that the store is to keep
	inBytes bool      // the connection's client character set is binary: it must not be reused
}

// asBytes runs do with the client character set binary. The driver sends bytes as text,
// and MariaDB counts a text's characters one by one: for 100 KiB that takes longer than
// storing them.
func (t *tx) asBytes(do func()) {
	if t.err != nil || t.dialect.isSQLite() {
		do()
		return
	}
	t.inBytes = true
	t.exec("SET character_set_client = binary")
	do()
	t.exec("SET character_set_client = utf8mb4")
	t.inBytes = t.err != nil
}

// exec runs a statement and returns the number of rows changed, 0 after an error.
func (t *tx) exec(query string, args ...any) int64 {
	if t.err != nil {
		return 0
	}
	res, err := t.conn.ExecContext(t.ctx, query, args...)
	if err != nil {
		t.err = err
		return 0
	}
	n, err := res.RowsAffected()
	t.err = err
	return n
}

// queryRow scans a row into dest and reports whether there was one.
func (t *tx) queryRow(query string, args []any, dest ...any) bool {
	if t.err != nil {
		return false
	}
	err := t.conn.QueryRowContext(t.ctx, query, args...).Scan(dest...)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		t.err = err
	}
	return err == nil
}

// rowsPerStatement bounds multi-row statements: larger ones gain nothing and make
// Galera's write sets and MySQL's packets large.
const rowsPerStatement = 500

// preparedRows is how many rows a prepared statement inserts. MySQL and MariaDB take a
// third longer to parse values from a statement's text than to receive them as
// parameters; a prepared statement for more rows is no faster and takes more of the
// server's memory.
const preparedRows = 100

// insertRows runs INSERT … VALUES for all rows, in several statements.
func (t *tx) insertRows(head string, columns int, tail string, args []any) {
	statement := func(rows int) string { return head + " VALUES " + placeholders(rows, columns) + tail }
	if most := preparedRows * columns; len(args) >= most {
		insert := t.prepare(statement(preparedRows))
		defer insert.close()
		for ; len(args) >= most; args = args[most:] {
			insert.exec(args[:most]...)
		}
	}
	for len(args) > 0 {
		rows := min(len(args)/columns, rowsPerStatement)
		t.exec(statement(rows), args[:rows*columns]...)
		args = args[rows*columns:]
	}
}

// prepared is a statement that a transaction sends more than once.
type prepared struct {
	tx    *tx
	query string
	stmt  *sql.Stmt // nil: sent as text
}

// prepare returns a statement that stays prepared on each connection that has sent it:
// parsing one for 100 rows takes as long as storing ten. If the server does not prepare
// it, it is sent as text.
func (t *tx) prepare(query string) prepared {
	p := prepared{tx: t, query: query}
	if t.err != nil {
		return p
	}
	if stmt, ok := t.kept.Load(query); ok {
		p.stmt = t.conn.StmtContext(t.ctx, stmt.(*sql.Stmt)) //nolint:forcetypeassert // kept holds nothing else
		return p
	}
	stmt, err := t.conn.PrepareContext(t.ctx, query)
	switch {
	case err == nil:
		p.stmt = stmt
		// The store prepares it on another connection later. A transaction must not wait
		// for one: with every connection in a waiting transaction, that is a deadlock.
		t.toKeep = append(t.toKeep, query)
	case !notPrepared(err):
		t.err = err
	}
	return p
}

func (p prepared) exec(args ...any) {
	switch {
	case p.stmt == nil:
		p.tx.exec(p.query, args...)
	case p.tx.err == nil:
		if _, p.tx.err = p.stmt.ExecContext(p.tx.ctx, args...); notKept(p.tx.err) {
			p.tx.err = nil
			p.tx.exec(p.query, args...)
		}
	}
}

func (p prepared) close() {
	if p.stmt != nil {
		_ = p.stmt.Close()
	}
}

const maxAttempts = 8

// inTx runs fn in a transaction and commits it, and retries all of it after a conflict.
// fn must be safe to run more than once, even after a commit whose outcome is unknown.
func (s *Store) inTx(ctx context.Context, fn func(*tx) error) error {
	return s.retry(ctx, func() error {
		t := &tx{ctx: ctx, dialect: s.dialect, kept: &s.kept}
		if err := s.once(t, fn); err != nil {
			return err
		}
		for _, query := range t.toKeep {
			_, _ = s.keep(ctx, query) //nolint:sqlclosecheck // kept open for the next transaction, which otherwise prepares it itself
		}
		return nil
	})
}

// once runs fn in one transaction on a connection of its own.
func (s *Store) once(t *tx, fn func(*tx) error) error {
	conn, err := s.conn.Conn(t.ctx)
	if err != nil {
		return err
	}
	defer func() {
		if t.conn != nil {
			_ = t.conn.Rollback() // if fn panicked
		}
		if t.inBytes {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes the pool discard it
		}
		_ = conn.Close()
	}()
	if t.conn, err = conn.BeginTx(t.ctx, nil); err != nil {
		return err
	}
	if err := errors.Join(fn(t), t.err, s.moved()); err != nil {
		return errors.Join(err, ignoreDone(t.conn.Rollback()))
	}
	return t.conn.Commit()
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) || retryable(err) {
		return nil
	}
	return err
}

// exec runs one autocommitted statement, and retries it after a conflict.
func (s *Store) exec(ctx context.Context, query string, args ...any) (int64, error) {
	var n int64
	err := s.retry(ctx, func() error {
		res, err := s.conn.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err = res.RowsAffected(); err != nil {
			return err
		}
		return s.moved()
	})
	return n, err
}

func (s *Store) retry(ctx context.Context, fn func() error) error {
	wait := 2 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil {
			return nil
		}
		if readOnly(err) || hasNumber(err, errStatementBinlog) {
			s.sessions.renew() // a new connection may reach another server, or find the setting fixed
		}
		if !retryable(err) || attempt == maxAttempts {
			return explain(err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(s.jitter(wait) + wait/2):
		}
		wait *= 2
	}
}
