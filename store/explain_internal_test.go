package store

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// TestExplain: the database's error stays, and what to do is appended once.
func TestExplain(t *testing.T) {
	t.Parallel()
	number := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "own words"} }
	for _, c := range []struct {
		err  error
		what string // "": nothing to add
	}{
		{number(errReadOnlyOption), "make it writable"},
		{number(errOpenReadOnly), "make it writable"},
		{number(errReadOnlyMode), "make it writable"},
		{number(errNoRightToTable), "`lagerd check --grants`"},
		{number(errStatementBinlog), "binlog_format"},
		{number(errPacketTooLarge), "max_allowed_packet"},
		{number(errAccountResources), "database.max_connections"},
		{number(errTooManyConnections), "max_connections"},
		{number(errNoDefiner), "`lagerd migrate`"},
		{number(errNotPrimary), "Galera"},
		{number(errNoDatabase), "create it"},
		{number(errDeadlock), ""},
		{number(1064), ""},
		{&net.OpError{Op: "dial", Err: errors.New("own words")}, "check that it is running"},
		{&fs.PathError{Op: "stat", Path: "own words", Err: fs.ErrPermission}, "as lagerd's user"},
		{&sessionError{"autocommit", "0", "own words"}, "pooler"},
		{errors.New("own words"), ""},
	} {
		err := explain(fmt.Errorf("record: %w", explain(c.err)))
		text := err.Error()
		if !errors.Is(err, c.err) || !strings.Contains(text, "own words") || strings.Count(text, c.what) == 0 {
			t.Errorf("%v became %s, expected %q", c.err, text, c.what)
		}
		if c.what == "" && text != "record: "+c.err.Error() || c.what != "" && strings.Count(text, c.what) != 1 && c.what != "max_connections" {
			t.Errorf("%v became %s", c.err, text)
		}
	}
	if explain(nil) != nil {
		t.Error("explain(nil) is not nil")
	}
}
