package store_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lagerd/store"
)

func TestKeyCheck(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		value := func() []byte {
			v, err := s.MasterKey(t.Context())
			must(t, err)
			return v.Check
		}
		if v := value(); v != nil {
			t.Fatalf("a new database knows the key %x", v)
		}
		one, two := bytes.Repeat([]byte{0, 1}, 16), bytes.Repeat([]byte{0xff, 0x27}, 16)
		for range 2 {
			must(t, s.SaveKeyCheck(t.Context(), one, noon))
		}
		must(t, s.SaveKeyCheck(t.Context(), two, noon)) // another lagerd, with another key
		if v := value(); !bytes.Equal(v, one) {
			t.Errorf("the first key's value became %x", v)
		}
		must(t, s.DeleteKeyCheck(t.Context(), nil))
		must(t, s.SaveKeyCheck(t.Context(), two, noon))
		if v := value(); !bytes.Equal(v, two) {
			t.Errorf("after deleting the first, the value is %x", v)
		}
	})
}

func TestAppTokens(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		known := func(want map[string]string) {
			t.Helper()
			got, err := s.AppTokens(t.Context())
			must(t, err)
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		}
		must(t, s.SaveAppToken(t.Context(), "died before its first beat", "x", noon))
		must(t, s.Beat(t.Context(), store.Instance{Instance: "a", PID: 4711, BeatAt: store.At(noon), StartedAt: store.At(noon)}))
		if list, err := s.Instances(t.Context()); err != nil || len(list) != 1 || list[0].PID != 4711 {
			t.Errorf("the instances: %+v, %v", list, err)
		}
		must(t, s.SaveAppToken(t.Context(), "a", "1", noon))
		must(t, s.SaveAppToken(t.Context(), "b", "2", noon))
		must(t, s.SaveAppToken(t.Context(), "b", "3", noon))
		known(map[string]string{"a": "1", "b": "3", "died before its first beat": "x"})
		must(t, s.SaveAppToken(t.Context(), "c", "4", noon.Add(2*time.Hour)))
		known(map[string]string{"a": "1", "c": "4"})
		must(t, s.ForgetInstance(t.Context(), "a"))
		known(map[string]string{"c": "4"})
	})
}

// TestEmbeddedIsNotMadeUnasked: opening an embedded database with Existing creates none,
// and a file that lost its contents does not count as a new database.
func TestEmbeddedIsNotMadeUnasked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "lagerd.db")
	if _, err := store.Open(t.Context(), store.Options{Path: path, Existing: true}); !errors.Is(err, store.ErrNoEmbedded) {
		t.Errorf("none: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("its directory was made: %v", err)
	}
	s := open(t, store.Options{Path: path})
	if !s.Created() {
		t.Error("created, but Created is false")
	}
	must(t, s.Migrate(t.Context()))
	again := open(t, store.Options{Path: path, Existing: true})
	must(t, again.CheckSchema(t.Context()))
	if again.Created() {
		t.Error("Created is true for an existing database")
	}

	lost := filepath.Join(dir, "lost.db")
	must(t, os.WriteFile(lost, nil, 0o600))
	s = open(t, store.Options{Path: lost}) // another process has just created it
	must(t, s.Close())
	must(t, os.Truncate(lost, 0))
	long := time.Now().Add(-time.Minute)
	must(t, os.Chtimes(lost, long, long))
	for _, existing := range []bool{true, false} {
		if _, err := store.Open(t.Context(), store.Options{Path: lost, Existing: existing}); !errors.Is(err, store.ErrEmptyDatabase) {
			t.Errorf("a file of no bytes: %v", err)
		}
	}
}
