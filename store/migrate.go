package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"modernc.org/sqlite"
)

//go:embed migrations
var migrations embed.FS

// ErrNewerSchema is returned where the database was migrated by a newer lagerd.
var ErrNewerSchema = errors.New("the database has a newer schema than this lagerd knows: run the newer lagerd, or restore the backup made before the upgrade")

// ErrOldSchema is returned where the database needs a migration first.
var ErrOldSchema = errors.New("the database schema is older than this lagerd: run `lagerd migrate`")

const migrationLock = "lagerd_migrate"

// Migrate brings the schema to this lagerd's version. Two that start at once
// wait for each other; where the lock is local to a node (Galera), statements
// that say IF NOT EXISTS make the second run harmless.
func (s *Store) Migrate(ctx context.Context) error {
	unlock, err := s.lockMigration(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	provider, err := s.provider()
	if err != nil {
		return err
	}
	if err := s.CheckSchema(ctx); err == nil || errors.Is(err, ErrNewerSchema) {
		return err
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// CheckSchema returns nil if the schema is this lagerd's, else ErrOldSchema or
// ErrNewerSchema, wrapped with both versions.
func (s *Store) CheckSchema(ctx context.Context) error {
	have, want, err := s.SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case have > want:
		return fmt.Errorf("schema %d, known %d: %w", have, want, ErrNewerSchema)
	case have < want:
		return fmt.Errorf("schema %d, known %d: %w", have, want, ErrOldSchema)
	}
	return nil
}

// SchemaVersion returns the database's schema version and this lagerd's.
func (s *Store) SchemaVersion(ctx context.Context) (have, want int64, err error) {
	provider, err := s.provider()
	if err != nil {
		return 0, 0, err
	}
	for _, source := range provider.ListSources() {
		want = max(want, source.Version)
	}
	have, err = provider.GetDBVersion(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	return have, want, nil
}

// provider holds the migrations of this dialect. They run statement by
// statement outside a transaction: on MySQL every DDL statement commits.
func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Glob(migrations, "migrations/"+s.dialect.name+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	var list []*goose.Migration
	for _, file := range files {
		base := file[strings.LastIndexByte(file, '/')+1:]
		version, err := strconv.ParseInt(base[:strings.IndexByte(base, '_')], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", file, err)
		}
		text, err := migrations.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", file, err)
		}
		statements := splitStatements(strings.ReplaceAll(string(text), "{{collation}}", s.dialect.collation))
		list = append(list, goose.NewGoMigration(version, &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			for _, statement := range statements {
				if _, err := db.ExecContext(ctx, statement); err != nil && !existsAlready(err) {
					return fmt.Errorf("%s: %w", firstLine(statement), err)
				}
			}
			return nil
		}}, nil))
	}
	kind := database.DialectMySQL
	if s.dialect.isSQLite() {
		kind = database.DialectSQLite3
	}
	provider, err := goose.NewProvider(kind, s.conn, nil,
		goose.WithGoMigrations(list...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("prepare the migrations: %w", err)
	}
	return provider, nil
}

// splitStatements cuts a migration at semicolons that end a line.
func splitStatements(text string) []string {
	var statements []string
	for part := range strings.SplitSeq(text, ";\n") {
		var lines []string
		for line := range strings.Lines(part) {
			if !strings.HasPrefix(line, "--") {
				lines = append(lines, line)
			}
		}
		if statement := strings.TrimSpace(strings.Join(lines, "")); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// existsAlready reports whether a statement would have added a column or an index
// that is there: a migration that was interrupted is run again from its first
// statement, and MySQL has no IF NOT EXISTS for either.
func existsAlready(err error) bool {
	const duplicateColumn, duplicateIndex = 1060, 1061 // ER_DUP_FIELDNAME, ER_DUP_KEYNAME: MySQL server error reference
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number == duplicateColumn || e.Number == duplicateIndex
	}
	_, ok := errors.AsType[*sqlite.Error](err)
	return ok && strings.Contains(err.Error(), "duplicate column name")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (s *Store) lockMigration(ctx context.Context) (unlock func(), err error) {
	if s.handedIn() {
		return func() {}, nil
	}
	if s.dialect.isSQLite() {
		return lockFile(ctx, s.path+".migrate")
	}
	conn, err := s.conn.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the schema: %w", err)
	}
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 60)", migrationLock).Scan(&got); err != nil || got.Int64 != 1 {
		return nil, errors.Join(errors.New("lock the schema: another lagerd has been migrating for a minute"), err, conn.Close())
	}
	return func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		// Closing the connection releases the lock too, should this fail.
		_, _ = conn.ExecContext(release, "DO RELEASE_LOCK(?)", migrationLock)
		_ = conn.Close()
	}, nil
}

// handedIn reports whether the embedded database was opened by another: there is
// no file of it to lay a lock beside, and who opened it knows who else uses it.
func (s *Store) handedIn() bool { return s.dialect.isSQLite() && s.path == "" }

// ErrInUse is returned where another lagerd has the embedded database open.
var ErrInUse = errors.New("another lagerd is running on this embedded database: stop it, or configure MySQL or MariaDB (database.dsn) to run several")

// Reserve takes the embedded database for one running daemon, as SQLite cannot
// carry several; it returns ErrInUse if it is taken. On MySQL, and on a database
// that was handed in (Options.Embedded), it does nothing.
// Commands such as `lagerd shops` need no reservation.
func (s *Store) Reserve() (release func(), err error) {
	if s.handedIn() || !s.dialect.isSQLite() {
		return func() {}, nil
	}
	return tryLockFile(s.path + ".daemon")
}

func tryLockFile(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrInUse, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func lockFile(ctx context.Context, path string) (func(), error) {
	for {
		unlock, err := tryLockFile(path)
		if err == nil || !errors.Is(err, ErrInUse) {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w", path, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
