package store

import (
	"errors"
	"io/fs"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// MySQL error numbers that an operator can act on (MariaDB and MySQL server error
// reference).
const (
	errDiskFull            = 1021
	errOpenReadOnly        = 1036
	errTooManyConnections  = 1040
	errNoRightToDatabase   = 1044
	errWrongPassword       = 1045
	errNoDatabase          = 1049
	errTableFull           = 1114
	errNoRightToTable      = 1142
	errNoRightToColumn     = 1143
	errNoTable             = 1146
	errPacketTooLarge      = 1153
	errTooManyOfAccount    = 1203
	errMissingRight        = 1227
	errUnknownEngine       = 1286
	errReadOnlyOption      = 1290
	errAccountResources    = 1226
	errViewInvalid         = 1356
	errNoDefiner           = 1449
	errStatementBinlog     = 1665
	errReadOnlyTransaction = 1792
	errReadOnlyMode        = 1836
)

// whatToDoFor maps a MySQL server's errors to what an operator can do about them.
var whatToDoFor = map[uint16]string{
	errTooManyConnections:  "the server is out of connections: lower database.max_connections, or raise the server's max_connections",
	errTooManyOfAccount:    "the account is out of connections, the running lagerd may be using them all: lower database.max_connections, or raise the account's limit",
	errAccountResources:    "the account is out of connections, the running lagerd may be using them all: lower database.max_connections, or raise the account's limit",
	errWrongPassword:       "check the user and password in database.dsn, and that the account may log in from this machine",
	errNoDatabase:          "create it, or set another in database.dsn",
	errNoRightToDatabase:   "grant lagerd's account what `lagerd check --grants` prints",
	errNoRightToTable:      "grant lagerd's account what `lagerd check --grants` prints",
	errNoRightToColumn:     "grant lagerd's account what `lagerd check --grants` prints",
	errMissingRight:        "grant lagerd's account what `lagerd check --grants` prints",
	errReadOnlyOption:      "the server is read-only: make it writable, or point database.dsn at the primary",
	errOpenReadOnly:        "the server is read-only: make it writable, or point database.dsn at the primary",
	errReadOnlyTransaction: "the server is read-only: make it writable, or point database.dsn at the primary",
	errReadOnlyMode:        "the server is read-only: make it writable, or point database.dsn at the primary",
	errNotPrimary:          "the Galera node is outside its cluster's primary component: bring it back, or point database.dsn at another node",
	errStatementBinlog:     "set the server's binlog_format to ROW or MIXED, also in its configuration file; lagerd needs no restart",
	errPacketTooLarge:      "raise the server's max_allowed_packet well above pdf.max_bytes",
	errViewInvalid:         "the account that created the views is gone or lacks privileges: `lagerd migrate` recreates them",
	errNoDefiner:           "the account that created the views is gone or lacks privileges: `lagerd migrate` recreates them",
	errUnknownEngine:       "lagerd needs the server's InnoDB",
	errDiskFull:            "make room on the server's disk",
	errTableFull:           "make room on the server's disk",
}

// explained is an error with what an operator can do about it.
type explained struct {
	error
	what string
}

func (e *explained) Error() string { return e.error.Error() + ": " + e.what }
func (e *explained) Unwrap() error { return e.error }

// explain appends to a database error what an operator can do about it, once.
func explain(err error) error {
	if _, ok := errors.AsType[*explained](err); ok || err == nil {
		return err
	}
	if what := whatToDo(err); what != "" {
		return &explained{err, what}
	}
	return err
}

func whatToDo(err error) string {
	if _, ok := errors.AsType[*sessionError](err); ok {
		return "a pooler or proxy between lagerd and the server drops or changes session variables: configure it to pin each session to one connection, or point database.dsn at the server itself"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_READONLY:
			return "this account may not write the file or its directory: run lagerd and its commands as lagerd's user"
		case sqlite3.SQLITE_FULL:
			return "make room on the disk"
		case sqlite3.SQLITE_CANTOPEN:
			return "check that this account may read and write the file and its directory"
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return "restore the file from a backup"
		}
		return ""
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "check that it is running, and its address in database.dsn"
	}
	if errors.Is(err, fs.ErrPermission) {
		return "run lagerd and its commands as lagerd's user"
	}
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return ""
	}
	return whatToDoFor[e.Number]
}

// readOnly reports whether a server refused to write at all.
func readOnly(err error) bool {
	return hasNumber(err, errOpenReadOnly, errReadOnlyOption, errReadOnlyTransaction, errReadOnlyMode)
}

// hasNumber reports whether err is a MySQL server error with one of the numbers.
func hasNumber(err error, numbers ...uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return false
	}
	return slices.Contains(numbers, e.Number)
}

// ErrMoved is returned when the embedded database's path no longer leads to the file
// that was opened: what is stored in that file is gone when lagerd ends.
var ErrMoved = errors.New("the embedded database's file was deleted or replaced while in use: nothing more is stored; restore it from a backup if needed, and restart lagerd")
