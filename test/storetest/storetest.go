// Package storetest gives tests embedded databases whose schema is in place. To migrate one
// takes longer than most tests: it is done once in a process, and then copied.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"lagerd/store"
)

// New returns the path of a new embedded database, which is deleted after the test.
func New(t testing.TB) string {
	t.Helper()
	content, err := Migrated()
	if err != nil {
		t.Fatalf("migrate an embedded database: %v", err)
	}
	path := filepath.Join(t.TempDir(), "lagerd.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens a new embedded database, and closes it after the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: New(t)})
	if err != nil {
		t.Fatalf("open an embedded database: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Migrated returns the content of a migrated, empty database. SQLite has merged its log into it by the time it is closed.
var Migrated = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "lagerd-storetest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "lagerd.db")
	s, err := store.Open(context.Background(), store.Options{Path: path})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.Migrate(context.Background()), s.Close()); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("expected no log beside the closed %s, got %w", path, cmp.Or(err, fs.ErrExist))
	}
	return os.ReadFile(path)
})
