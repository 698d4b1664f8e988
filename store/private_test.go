package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lagerd/plan"
	"lagerd/store"
)

// TestPrivateFiles: only their owner can read the embedded database's files, whatever the
// directory, and also those that an earlier lagerd has created for everyone to read.
func TestPrivateFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "open")
	must(t, os.Mkdir(dir, 0o777))
	must(t, os.Chmod(dir, 0o777))
	path := filepath.Join(dir, "lagerd.db")
	modes := func(step string, want os.FileMode) {
		t.Helper()
		files, err := filepath.Glob(path + "*")
		must(t, err)
		if len(files) < 3 {
			t.Errorf("%s: the files are %v", step, files)
		}
		for _, file := range files {
			info, err := os.Stat(file)
			must(t, err)
			if info.Mode().Perm() != want {
				t.Errorf("%s: %s has mode %04o", step, file, info.Mode().Perm())
			}
		}
	}
	s := open(t, store.Options{Path: path})
	must(t, s.Migrate(t.Context()))
	must(t, record(t.Context(), s, "N1"))
	modes("created", 0o600)
	if bad := found(t, s); bad != "" {
		t.Errorf("found %s", bad)
	}
	files, err := filepath.Glob(path + "*")
	must(t, err)
	for _, file := range files {
		must(t, os.Chmod(file, 0o664))
	}
	if bad := found(t, s); !strings.Contains(bad, "lagerd.db has mode 0664: others can read every shop's data") {
		t.Errorf("found of open files: %q", bad)
	}
	again := open(t, store.Options{Path: path, Existing: true})
	must(t, again.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "N2", plan.CauseWebhook, noon)}))
	for _, ending := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + ending)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("opened again: %s has mode %04o", ending, info.Mode().Perm())
		}
	}
	if bad := found(t, again); bad != "" {
		t.Errorf("found of files opened again: %s", bad)
	}
}
