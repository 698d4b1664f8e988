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

// MySQL error numbers that a person can do something about (MariaDB and MySQL server
// error reference).
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

// whatToDoFor says of a MySQL server's errors what a person can do about them.
var whatToDoFor = map[uint16]string{
	errTooManyConnections:  "the server has no connection left: lower database.max_connections, or raise the server's max_connections",
	errTooManyOfAccount:    "the account has no connection left, the running lagerd may have them all: lower database.max_connections, or raise the account's limit",
	errAccountResources:    "the account has no connection left, the running lagerd may have them all: lower database.max_connections, or raise the account's limit",
	errWrongPassword:       "are user and password in database.dsn right, and may the account log in from this machine?",
	errNoDatabase:          "create it, or name another in database.dsn",
	errNoRightToDatabase:   "give lagerd's account all rights on its own database: GRANT ALL ON the database in database.dsn",
	errNoRightToTable:      "give lagerd's account all rights on its own database: GRANT ALL ON the database in database.dsn",
	errNoRightToColumn:     "give lagerd's account all rights on its own database: GRANT ALL ON the database in database.dsn",
	errMissingRight:        "give lagerd's account all rights on its own database: GRANT ALL ON the database in database.dsn",
	errReadOnlyOption:      "the server takes no writes: end its read-only mode, or point database.dsn at the server that is written to",
	errOpenReadOnly:        "the server takes no writes: end its read-only mode, or point database.dsn at the server that is written to",
	errReadOnlyTransaction: "the server takes no writes: end its read-only mode, or point database.dsn at the server that is written to",
	errReadOnlyMode:        "the server takes no writes: end its read-only mode, or point database.dsn at the server that is written to",
	errNotPrimary:          "the Galera node is outside its cluster's primary component: bring it back, or point database.dsn at another node",
	errStatementBinlog:     "set the server's binlog_format to ROW or MIXED, in its configuration too; lagerd notices by itself",
	errPacketTooLarge:      "raise the server's max_allowed_packet well above pdf.max_bytes",
	errViewInvalid:         "the account that made the views is gone, or lacks rights: `lagerd migrate` makes them anew",
	errNoDefiner:           "the account that made the views is gone, or lacks rights: `lagerd migrate` makes them anew",
	errUnknownEngine:       "lagerd needs the server's InnoDB",
	errDiskFull:            "make room on the server's disk",
	errTableFull:           "make room on the server's disk",
}

// explained is an error with what a person can do about it.
type explained struct {
	error
	what string
}

func (e *explained) Error() string { return e.error.Error() + ": " + e.what }
func (e *explained) Unwrap() error { return e.error }

// explain adds to a database's own words what a person can do about it, once.
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
		return "whatever stands between lagerd and the server (a pooler, a proxy) drops or changes what a session sets: let it keep a session to one connection, or point database.dsn at the server itself"
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_READONLY:
			return "the file or its directory may not be written by this account: run lagerd, and its commands, as lagerd's user"
		case sqlite3.SQLITE_FULL:
			return "make room on the disk"
		case sqlite3.SQLITE_CANTOPEN:
			return "may this account read and write the file and its directory?"
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return "restore the file from a backup"
		}
		return ""
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return "is it running, and is its address in database.dsn right?"
	}
	if errors.Is(err, fs.ErrPermission) {
		return "run lagerd, and its commands, as lagerd's user"
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

// hasNumber reports whether err is one of these errors of a MySQL server.
func hasNumber(err error, numbers ...uint16) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	if !ok {
		return false
	}
	return slices.Contains(numbers, e.Number)
}

// ErrMoved is returned where the file of the embedded database is no longer the one
// that was opened: what is stored in that is gone when lagerd ends.
var ErrMoved = errors.New("the file of the embedded database was deleted or replaced while lagerd uses it: nothing more is stored; put it back from a backup if it is needed, and start lagerd again")
