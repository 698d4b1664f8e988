package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"lagerd/store"
	"lagerd/test/storetest"
)

// TestBackupInto: a backup is written while others write, is whole, and holds one moment.
func TestBackupInto(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	db := openDB(t, "sqlite", s.Path()+"?_pragma=busy_timeout(10000)")
	for _, statement := range []string{ // twice the same number, always, in two tables
		"INSERT INTO meta (name, value) VALUES ('a', 0)", "INSERT INTO meta (name, value) VALUES ('b', 0)",
		"INSERT INTO invoice_pdfs (shop, number, pdf) VALUES ('s', 1, zeroblob(8000000))",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writes atomic.Int64
	ended := make(chan error)
	go func() {
		for ctx.Err() == nil {
			if _, err := db.ExecContext(t.Context(), "UPDATE meta SET value = value + 1 WHERE name IN ('a', 'b')"); err != nil {
				ended <- err
				return
			}
			writes.Add(1)
		}
		ended <- nil
	}()
	file := filepath.Join(t.TempDir(), "back up?.db") // what a URI has to escape
	err := s.BackupInto(t.Context(), file)
	during := writes.Load()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("a write during the backup: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if during == 0 {
		t.Error("nobody wrote during the backup")
	}
	if err := store.CheckFile(t.Context(), file); err != nil {
		t.Error(err)
	}
	copied := open(t, store.Options{Path: file, Existing: true})
	if err := copied.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	values := copied.Strings(t.Context(), "SELECT MIN(value), MAX(value), COUNT(*) FROM meta WHERE name IN ('a', 'b')")
	if values[0] != values[1] || values[2] != "2" {
		t.Errorf("the backup holds %v, not one moment", values)
	}
	if err := s.BackupInto(t.Context(), file); err == nil {
		t.Error("a backup over another file")
	}
}

// TestCheckFile: a backup whose pages are damaged, or that is none, is found.
func TestCheckFile(t *testing.T) {
	t.Parallel()
	file := storetest.New(t)
	if err := store.CheckFile(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string]string{
		"cut":     string(whole[:len(whole)/2]),
		"damaged": string(whole[:4096]) + strings.Repeat("x", 8192) + string(whole[4096+8192:]),
		"none":    strings.Repeat("no database ", 1000),
	} {
		bad := filepath.Join(t.TempDir(), "bad.db")
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := store.CheckFile(t.Context(), bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestUses(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(s.Path(), link); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]bool{
		s.Path(): true, s.Path() + "-wal": true, s.Path() + ".daemon": true, link: true,
		filepath.Dir(s.Path()) + "/./lagerd.db-shm": true,
		s.Path() + ".bak": false, s.Path() + "-2026": false, filepath.Dir(s.Path()) + "/other.db": false,
	} {
		if got := s.Uses(file); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
}
