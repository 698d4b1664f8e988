package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// BackupInto writes what the embedded database holds at this moment into a file that is new or
// empty. It reads in a snapshot: others read and write meanwhile.
//
// The driver's online backup would begin anew whenever somebody writes, and never end on a
// busy database.
func (s *Store) BackupInto(ctx context.Context, file string) error {
	if _, err := s.conn.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return explain(fmt.Errorf("copy the embedded database: %w", err))
	}
	return s.moved()
}

// CheckFile returns an error unless a file is a whole database of SQLite's that nobody is
// writing to.
func CheckFile(ctx context.Context, file string) error {
	address := "file:" + (&url.URL{Path: file}).EscapedPath() + "?mode=ro&immutable=1"
	conn, err := sql.Open("sqlite", address)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { _ = conn.Close() }()
	var said string
	err = conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&said)
	if err == nil && said != "ok" {
		err = errors.New(said)
	}
	if err != nil {
		return fmt.Errorf("check the database in %s: %w", file, err)
	}
	return nil
}

// Uses reports whether a file is one of those that the embedded database consists of, or that
// lagerd locks beside it.
func (s *Store) Uses(file string) bool {
	if s.path == "" {
		return false
	}
	if a, errA := os.Stat(file); errA == nil {
		if b, errB := os.Stat(s.path); errB == nil && os.SameFile(a, b) {
			return true
		}
	}
	path, errA := filepath.Abs(file)
	own, errB := filepath.Abs(s.path)
	rest, isBeside := strings.CutPrefix(path, own)
	if errA != nil || errB != nil || !isBeside {
		return false
	}
	switch rest {
	case "", "-wal", "-shm", "-journal", reservedFile, migrateFile:
		return true
	}
	return false
}
