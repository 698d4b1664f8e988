package bench_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRecordMakesDirectory checks that record creates a missing directory, and that a second
// benchmark appends.
func TestRecordMakesDirectory(t *testing.T) {
	was := *dataDir
	t.Cleanup(func() { *dataDir = was })
	*dataDir = filepath.Join(t.TempDir(), "new", "data")
	for _, value := range []string{"1", "2"} {
		if err := record("figures.csv", []string{"n"}, func(put func(...string)) { put(value) }); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(*dataDir, "figures.csv"))
	if want := "n\n1\n2\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, expected %q", got, err, want)
	}
}
