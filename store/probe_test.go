package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/store"
)

// TestProbe: a probe of whether webhooks can be stored leaves nothing behind.
func TestProbe(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		addShop(t, s, "a")
		for range 3 {
			must(t, s.Probe(t.Context()))
		}
		total, err := s.Totals(t.Context())
		must(t, err)
		news, err := s.News(t.Context(), due(noon), due(noon))
		must(t, err)
		if n := s.Count(t.Context(), "hint_batches", ""); n != 0 || total.OpenHints != 0 || len(news.Work) != 0 {
			t.Errorf("%d rows, %d open hints, work for %v", n, total.OpenHints, news.Work)
		}
		if s.Embedded() {
			return
		}
		// A server that waits for its disk does not answer.
		must(t, s.Exec(t.Context(), "ALTER TABLE hint_batches RENAME TO away"))
		if err := s.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "store webhooks: ") {
			t.Errorf("without its table: %v", err)
		}
		must(t, s.Exec(t.Context(), "ALTER TABLE away RENAME TO hint_batches"))
		must(t, s.Probe(t.Context()))
	})
}

// TestProbeOnAFullDisk: queries are answered, and a probe finds that nothing can be stored.
func TestProbeOnAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("NOT TESTED: a full disk: cannot mount a small disk here (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), store.Options{Path: filepath.Join(disk, "lagerd.db")})
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	must(t, s.Migrate(t.Context()))
	must(t, s.Probe(t.Context()))
	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	must(t, err)
	for size := 1 << 16; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	must(t, f.Close())
	// What the write-ahead log has room for can still be stored.
	var failed error
	for range 2000 {
		if failed = s.Probe(t.Context()); failed != nil {
			break
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if failed == nil || !strings.Contains(failed.Error(), "full") || s.CanRecord(ctx) != nil {
		t.Errorf("a probe on a full disk: %v, and a look: %v", failed, s.CanRecord(ctx))
	}
	if err := record(t.Context(), s, "N1"); err == nil {
		t.Error("a webhook is stored although the probe says that it is not")
	}
	must(t, os.Remove(ballast))
	must(t, s.Probe(t.Context()))
}
