package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"modernc.org/sqlite"
)

//go:embed migrations
var migrations embed.FS

// ErrNewerSchema is returned when a newer lagerd has migrated the database.
var ErrNewerSchema = errors.New("the database's schema is newer than this lagerd: run the newer lagerd, or restore the backup made before the upgrade")

// ErrOldSchema is returned when the database needs a migration first.
var ErrOldSchema = errors.New("the database's schema is older than this lagerd: run `lagerd migrate`, or start `lagerd run` of this version")

const migrationLock = "lagerd_migrate"

// Migrate brings the schema to this lagerd's version, and repairs tables without
// transactions and views that cannot be read. Concurrent migrations wait for each other;
// where the lock is local to a node (Galera), IF NOT EXISTS in the statements makes the
// second run harmless.
func (s *Store) Migrate(ctx context.Context) error {
	return s.MigrateTelling(ctx, func(int, int) {})
}

// MigrateTelling is Migrate, and calls tell before each statement of the migrations, with how many
// have been executed and how many there are in all.
func (s *Store) MigrateTelling(ctx context.Context, tell func(done, of int)) error {
	err := s.CheckSchema(ctx)
	if err == nil && s.sound(ctx) || errors.Is(err, ErrMovedAway) || errors.Is(err, ErrHalfMoved) {
		return err
	}
	if err := s.migrate(ctx, tell); err != nil {
		return err
	}
	return s.CheckSchema(ctx) // a move into this database may have begun meanwhile
}

// MigrateForMove is MigrateTelling for a database into which a move has begun.
func (s *Store) MigrateForMove(ctx context.Context, tell func(done, of int)) error {
	return s.migrate(ctx, tell)
}

func (s *Store) migrate(ctx context.Context, tell func(done, of int)) error {
	conn := s.conn
	if s.sessions != nil {
		patient, err := s.sessions.patient(s.settings)
		if err != nil {
			return err
		}
		defer func() { _ = patient.Close() }()
		conn = patient
	}
	unlock, err := s.lockMigration(ctx, conn)
	if err != nil {
		return explain(err)
	}
	defer unlock()
	if err := s.CanMigrate(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	if err := s.up(ctx, conn, tell); err != nil {
		return explain(err)
	}
	s.watchFile()
	if err := s.convertTables(ctx, conn); err != nil {
		return explain(err)
	}
	return explain(s.renewViews(ctx, conn))
}

// CanMigrate returns an error, with what to do, if the server would reject what a
// migration writes. It is checked before the first table is created, because goose hides
// the server's error.
func (s *Store) CanMigrate(ctx context.Context) error {
	if s.dialect.isSQLite() {
		return nil
	}
	if err := s.ReadOnly(ctx); err != nil {
		return err
	}
	_, err := s.binlogTakesRows(ctx)
	return err
}

func (s *Store) up(ctx context.Context, conn *sql.DB, tell func(done, of int)) error {
	err := s.isOfThisVersion(ctx)
	if !errors.Is(err, ErrOldSchema) {
		return err
	}
	provider, err := s.provider(ctx, conn, tell)
	if err != nil {
		return err
	}
	// A migration that ended between creating goose's table and inserting its first row
	// left it empty, which goose would report as an error forever.
	if n, err := s.versions(ctx); err != nil {
		return err
	} else if n == 0 {
		if _, err := conn.ExecContext(ctx, "INSERT INTO "+goose.DefaultTablename+" (version_id, is_applied) VALUES (0, 1)"); err != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	return nil
}

// CheckSchema returns nil if the schema is this lagerd's, else ErrOldSchema or
// ErrNewerSchema wrapped with both versions, or ErrMovedAway or ErrHalfMoved. It changes
// nothing.
func (s *Store) CheckSchema(ctx context.Context) error {
	if !s.dialect.isSQLite() {
		switch m, err := s.Moved(ctx); {
		case err != nil:
			return err
		case m != nil && m.Ended.IsZero():
			return s.whyClosed(ctx)
		}
	}
	return s.isOfThisVersion(ctx)
}

// isOfThisVersion is CheckSchema for a database that is open, or made by a move.
func (s *Store) isOfThisVersion(ctx context.Context) error {
	have, want, err := s.SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case have == closed:
		return s.whyClosed(ctx)
	case have > want:
		return fmt.Errorf("schema %d, known %d: %w", have, want, ErrNewerSchema)
	case have == 0:
		return fmt.Errorf("no tables of lagerd's yet: %w", ErrOldSchema)
	case have < want:
		return fmt.Errorf("schema %d, known %d: %w", have, want, ErrOldSchema)
	}
	s.watchFile()
	return nil
}

// SchemaVersion returns the database's schema version, 0 if it has none, and this
// lagerd's. It changes nothing.
func (s *Store) SchemaVersion(ctx context.Context) (have, want int64, err error) {
	list, err := s.migrations()
	if err != nil {
		return 0, 0, err
	}
	for _, m := range list {
		want = max(want, m.version)
	}
	if n, err := s.versions(ctx); err != nil || n <= 0 {
		return 0, want, err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT MAX(version_id) FROM "+goose.DefaultTablename).Scan(&have); err != nil {
		return 0, 0, explain(fmt.Errorf("read the schema version: %w", err))
	}
	return have, want, nil
}

// versions returns how many rows goose's table has, -1 if the table does not exist.
func (s *Store) versions(ctx context.Context) (n int, err error) {
	if s.dialect.isSQLite() {
		err := s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?", goose.DefaultTablename).Scan(&n)
		if err != nil || n == 0 {
			return -1, s.schemaError(err)
		}
	}
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+goose.DefaultTablename).Scan(&n)
	if hasNumber(err, errNoTable) {
		return -1, nil
	}
	return n, s.schemaError(err)
}

func (s *Store) schemaError(err error) error {
	if err == nil {
		return nil
	}
	return explain(fmt.Errorf("read the schema version: %w", err))
}

// migration is one file, split into statements.
type migration struct {
	version    int64
	statements []string
}

// migrations returns the migrations of this dialect, oldest first.
func (s *Store) migrations() ([]migration, error) {
	files, err := fs.Glob(migrations, "migrations/"+s.dialect.name+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list the migrations: %w", err)
	}
	slices.Sort(files)
	var list []migration
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
		list = append(list, migration{version, splitStatements(strings.ReplaceAll(string(text), "{{collation}}", s.dialect.collation))})
	}
	return list, nil
}

// provider returns a goose provider with the migrations of this dialect. They run
// statement by statement outside a transaction: on MySQL every DDL statement commits.
func (s *Store) provider(ctx context.Context, conn *sql.DB, tell func(done, of int)) (*goose.Provider, error) {
	files, err := s.migrations()
	if err != nil {
		return nil, err
	}
	have, _, err := s.SchemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	done, of := 0, 0
	var list []*goose.Migration
	for _, m := range files {
		if m.version > have {
			of += len(m.statements)
		}
		list = append(list, goose.NewGoMigration(m.version, &goose.GoFunc{RunDB: func(ctx context.Context, db *sql.DB) error {
			for _, statement := range m.statements {
				tell(done, of)
				done++
				if _, err := db.ExecContext(ctx, statement); err != nil && !doneAlready(err) {
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
	provider, err := goose.NewProvider(kind, conn, nil,
		goose.WithGoMigrations(list...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("prepare the migrations: %w", err)
	}
	return provider, nil
}

// splitStatements splits a migration at semicolons that end a line.
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

// doneAlready reports whether a statement failed because the column or index it adds
// exists, or the index it drops does not: an interrupted migration runs again from its
// first statement, and MySQL has no IF EXISTS for these. A statement that does several
// of them does all or none.
func doneAlready(err error) bool {
	const duplicateColumn, duplicateIndex, noIndex = 1060, 1061, 1091 // ER_DUP_FIELDNAME, ER_DUP_KEYNAME, ER_CANT_DROP_FIELD_OR_KEY: MySQL server error reference
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number == duplicateColumn || e.Number == duplicateIndex || e.Number == noIndex
	}
	_, ok := errors.AsType[*sqlite.Error](err)
	return ok && strings.Contains(err.Error(), "duplicate column name")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (s *Store) lockMigration(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	if s.handedIn() {
		return func() {}, nil
	}
	if s.dialect.isSQLite() {
		f, err := openLock(s.path, migrateFile)
		if err != nil {
			return nil, err
		}
		if err := waitLock(ctx, f); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return func() { _ = f.Close() }, nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("lock the schema: %w", err)
	}
	var got sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 60)", migrationLock).Scan(&got); err != nil || got.Int64 != 1 {
		return nil, errors.Join(errors.New("lock the schema: another lagerd is migrating, waited a minute"), err, conn.Close())
	}
	return func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		// If this fails, closing the connection releases the lock too.
		_, _ = conn.ExecContext(release, "DO RELEASE_LOCK(?)", migrationLock)
		_ = conn.Close()
	}, nil
}

// handedIn reports whether the caller passed an open embedded database: there is no path
// for a lock file, and the caller knows who else uses it.
func (s *Store) handedIn() bool { return s.dialect.isSQLite() && s.path == "" }
