package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect holds the few differences between the databases. Statements are written
// once, in MySQL's syntax, and translated for SQLite.
type dialect struct {
	name      string // "mysql" or "sqlite"
	collation string // of text keys: compares bytes, trailing spaces included
}

func (d dialect) isSQLite() bool { return d.name == "sqlite" }

var newValue = regexp.MustCompile(`\bnew\.(\w+)`)

// onConflict returns the clause that turns an INSERT into an upsert. In
// assignments, new.x is the inserted value and a bare x the stored one. MySQL
// evaluates assignments from left to right and SQLite all at once, so an assignment
// must not use a column that an earlier one sets. It uses VALUES(x), not MySQL's newer
// row alias, which MariaDB lacks.
func (d dialect) onConflict(key string, assignments ...string) string {
	set := strings.Join(assignments, ", ")
	if d.isSQLite() {
		set = strings.ReplaceAll(set, "new.", "excluded.")
		set = strings.ReplaceAll(set, "GREATEST(", "MAX(")
		return " ON CONFLICT (" + key + ") DO UPDATE SET " + set
	}
	return " ON DUPLICATE KEY UPDATE " + newValue.ReplaceAllString(set, "VALUES($1)")
}

// timeOf returns a column of times for a query of many rows. SQLite's driver takes a column that was
// declared as one of times for a text in one of a dozen formats, and tries each: of an expression it
// returns the text itself, which Time reads in a sixth of the time.
func (d dialect) timeOf(column string) string {
	if d.isSQLite() {
		return "+" + column
	}
	return column
}

// overwrite returns assignments that replace the columns with the new values.
func overwrite(columns ...string) []string {
	set := make([]string, len(columns))
	for i, c := range columns {
		set[i] = c + " = new." + c
	}
	return set
}

// placeholders returns "(?,?),(?,?)", here for two rows of two columns.
func placeholders(rows, columns int) string {
	return repeat("("+repeat("?", columns)+")", rows)
}

// values returns a list as arguments for its placeholders.
func values[T any](list []T) []any {
	args := make([]any, len(list))
	for i, value := range list {
		args[i] = value
	}
	return args
}

// repeat returns count copies of s, separated by commas.
func repeat(s string, count int) string {
	return strings.TrimSuffix(strings.Repeat(s+",", count), ",")
}

// MySQL error numbers that mean "nothing was applied, retry the whole
// transaction" (MariaDB and MySQL server error reference).
const (
	errLockWaitTimeout = 1205
	errDeadlock        = 1213
	errNotPrimary      = 1047 // Galera: the node is not part of the primary component
	errWriteConflict   = 9007 // TiDB
)

// MySQL error numbers that mean a prepared statement was not executed.
const (
	errUnknownStatement  = 1243
	errCannotPrepare     = 1295
	errTooManyStatements = 1461
	errPrepareAgain      = 1615
)

// RowsPerPiece is how many rows one transaction deletes: a large one would stall a
// Galera cluster.
const RowsPerPiece = 1000

// deletePiece returns a statement that deletes up to RowsPerPiece matching rows.
func (d dialect) deletePiece(table, where string) string {
	if d.isSQLite() {
		return fmt.Sprintf("DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %[1]s WHERE %s LIMIT %d)", table, where, RowsPerPiece)
	}
	return fmt.Sprintf("DELETE FROM %s WHERE %s LIMIT %d", table, where, RowsPerPiece)
}

func retryable(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) {
		return true
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		switch e.Number {
		case errLockWaitTimeout, errDeadlock, errNotPrimary, errWriteConflict, errOpenReadOnly, errReadOnlyOption, errReadOnlyTransaction, errReadOnlyMode:
			return true
		}
		return string(e.SQLState[:]) == "40001"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		code := e.Code() & 0xff
		return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
	}
	return false
}
