package chaos_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// TestDiskFull fills the disk under the embedded database while a shop trades.
// Webhooks are then refused, nothing acknowledged is lost, and lagerd recovers once there is
// space again.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	must(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("NOT TESTED: a full disk: cannot mount a small disk here (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount the small disk: %v", err)
		}
	})
	f := &field{t: t, sent: newWebhooks(), sandbox: binary.Sandbox(t, "--agreements", "1", "--products", "60")}
	database := filepath.Join(disk, "lagerd.db")
	l := install(t, "a", lagerdtest.Setup{Dir: dir, Path: database, REST: f.sandbox.URL})
	f.lagerds = []*lagerd{l}
	f.shops = []shop{addShop(t, f.sandbox, l, "shop1001", first)}
	f.traders = []*trader{{shop: f.shops[0], sandbox: f.sandbox, send: f.sent, to: f.lagerds, hold: &f.hold, rest: 30 * time.Millisecond, count: map[string]int{}}}
	must(t, l.start(t.Context()))
	var err error
	f.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: database}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	must(t, err)
	t.Cleanup(func() { _ = f.db.Close() })
	f.settle(30 * time.Second)

	ballast := filepath.Join(disk, "ballast")
	must(t, fill(ballast))
	rnd := rand.New(rand.NewPCG(1, 1))
	deadline := time.Now().Add(30 * time.Second)
	for f.sent.counts()[http.StatusServiceUnavailable] < 5 {
		must(t, f.traders[0].trade(rnd))
		time.Sleep(10 * time.Millisecond)
		if time.Now().After(deadline) {
			t.Fatalf("webhooks are not refused on a full disk: %v", f.sent.counts())
		}
	}
	f.sent.running.Wait()
	if !l.current().Running() {
		t.Fatalf("lagerd exited on a full disk:\n%s", l.out.Tail(40))
	}
	if status, _, err := l.Ask(t.Context(), "/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("GET /healthz while the disk is full: %d, %v", status, err)
	}
	ready := func() int {
		status, _, err := l.Ask(t.Context(), "/readyz")
		must(t, err)
		return status
	}
	lagerdtest.Eventually(t, 15*time.Second, "/readyz says that webhooks cannot be stored", func() bool { return ready() == http.StatusServiceUnavailable })
	refused := f.sent.counts()

	must(t, os.Remove(ballast))
	for range 20 {
		must(t, f.traders[0].trade(rnd))
	}
	f.sent.running.Wait()
	took, lost := f.settle(30 * time.Second)
	if status := ready(); status != http.StatusOK {
		t.Errorf("GET /readyz after space was freed: %d", status)
	}
	for _, what := range lost {
		t.Error(what)
	}
	t.Logf("with a full disk: webhooks by status %v; equal %s after space was freed, acknowledged webhooks lost %d", refused, took.Round(100*time.Millisecond), len(lost))
}

// fill writes a file until the disk is full.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	for size := 1 << 16; size > 0; size /= 2 { // down to the last block
		for err == nil {
			_, err = file.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return errors.Join(fmt.Errorf("fill the disk: %w", err), file.Close())
		}
		err = nil
	}
	return file.Close()
}
