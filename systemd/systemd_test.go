package systemd_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lagerd/systemd"
)

// receiver stands in for systemd on a notify socket.
func receiver(t *testing.T) *net.UnixConn {
	t.Helper()
	dir, err := os.MkdirTemp("", "n") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotifier(t *testing.T) {
	conn := receiver(t)
	before := monotonic(t)
	var n systemd.Notifier
	for _, c := range []struct {
		send func() error
		want string
	}{
		{func() error { return n.Ready("reconciling 3 shops") }, "READY=1\nSTATUS=reconciling 3 shops"},
		{func() error { return n.Status("busy") }, "STATUS=busy"},
		{n.Reloading, "RELOADING=1\nMONOTONIC_USEC="},
		{func() error { return n.Stopping("committing") }, "STOPPING=1\nSTATUS=committing"},
		{func() error { return n.Extend(10 * time.Second) }, "EXTEND_TIMEOUT_USEC=10000000"},
	} {
		if err := c.send(); err != nil {
			t.Fatal(err)
		}
		got := receive(t, conn)
		at, reloading := strings.CutPrefix(got, "RELOADING=1\nMONOTONIC_USEC=")
		if reloading {
			if usec, err := strconv.ParseInt(at, 10, 64); err != nil || usec < before || usec > monotonic(t) {
				t.Errorf("the reload began at %s µs, which is not now: %v", at, err)
			}
		} else if got != c.want {
			t.Errorf("got %q, expected %q", got, c.want)
		}
	}
}

// monotonic returns systemd's clock, in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

func TestANotifySocketThatIsGone(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := (systemd.Notifier{}).Ready("x"); err == nil || !strings.Contains(err.Error(), "notify systemd: ") {
		t.Errorf("got %v", err)
	}
}

// TestWatchdogIsInTime: two keep-alives per interval, and the loop ends with its
// context.
func TestWatchdogIsInTime(t *testing.T) {
	const interval = time.Second
	conn := receiver(t)
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(interval.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	last := time.Now()
	go func() {
		defer close(done)
		systemd.Notifier{}.Watchdog(ctx, func() bool { return true })
	}()
	for range 4 {
		if got := receive(t, conn); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
		if gap := time.Since(last); gap >= interval {
			t.Errorf("%s without a keep-alive: systemd would have killed the service after %s", gap, interval)
		}
		last = time.Now()
	}
	cancel()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the watchdog continues although its context is done")
	}
}

func TestWatchdogOfAnotherProcess(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "100000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getppid()))
	systemd.Notifier{}.Watchdog(t.Context(), func() bool { t.Error("alive was called"); return true })
}

func TestWatchdogStopsWhenNotAlive(t *testing.T) {
	conn := receiver(t)
	t.Setenv("WATCHDOG_USEC", "100000")
	ctx, cancel := context.WithCancel(t.Context())
	alive := make(chan bool, 1)
	alive <- true
	done := make(chan struct{})
	go func() {
		defer close(done)
		systemd.Notifier{}.Watchdog(ctx, func() bool {
			select {
			case v := <-alive:
				return v
			default:
				return false
			}
		})
	}()
	if got := receive(t, conn); got != "WATCHDOG=1" {
		t.Errorf("got %q", got)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 64)); err == nil {
		t.Errorf("got %d bytes although the process is not alive", n)
	}
	cancel()
	<-done
}

func TestWithoutSystemdNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	var n systemd.Notifier
	n.Watchdog(t.Context(), func() bool { t.Error("alive was called"); return true })
	if err := n.Ready("x"); err != nil {
		t.Error(err)
	}
	if l, err := systemd.Listeners("webhook"); l != nil || err != nil {
		t.Errorf("expected no socket and no error, got %v, %v", l, err)
	}
}

// installed writes the units to a directory, with a program that exists.
func installed(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"lagerd.service", "lagerd.socket"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/bin/lagerd"), []byte("/bin/true"))
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// tool returns the path of one of systemd's programs. If it is missing the test
// fails rather than being skipped silently, unless LAGERD_TEST_NO_SYSTEMD is set.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("LAGERD_TEST_NO_SYSTEMD") != "" {
		t.Skipf("NOT TESTED: %s is missing, and LAGERD_TEST_NO_SYSTEMD is set", name)
	}
	t.Fatalf("%s is missing: install it (Debian: apt-get install systemd), or set LAGERD_TEST_NO_SYSTEMD=1 to go without these tests", name)
	return ""
}

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, "systemd-analyze"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

func TestUnitsVerify(t *testing.T) {
	if out := analyze(t, append([]string{"verify", "--man=no"}, installed(t)...)...); out != "" {
		t.Errorf("systemd-analyze verify prints:\n%s", out)
	}
}

func TestUnitIsHardened(t *testing.T) {
	out := analyze(t, "security", "--offline=true", "--threshold=12", "--no-pager", installed(t)[0])
	t.Log(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:])
}
