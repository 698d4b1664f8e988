package store_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"lagerd/store"
)

// TestHandedInDatabaseLeavesNoFile: an embedded database that was handed in has
// no path, and a lock beside it would lie in whatever directory the process is in.
func TestHandedInDatabaseLeavesNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	conn, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "handed-in.db"))
	must(t, err)
	s := open(t, store.Options{Embedded: conn})
	for range 2 {
		must(t, s.Migrate(t.Context()))
		release, err := s.Reserve()
		must(t, err)
		release()
	}
	must(t, s.CheckSchema(t.Context()))
	files, err := os.ReadDir(".")
	must(t, err)
	for _, f := range files {
		t.Errorf("left %s behind", f.Name())
	}
}
