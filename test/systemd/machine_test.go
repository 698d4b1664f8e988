// Package systemd_test installs lagerd's Debian package on a Debian whose PID 1 is its own systemd, in
// namespaces on this machine's kernel, and does there what an operator does. `make systemd-test` runs
// it. The script machine boots such a system.
package systemd_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	roots  = flag.String("systemd.roots", "", "a directory with a Debian in each directory; without it nothing is tried")
	first  = flag.String("systemd.deb", "", "the package")
	second = flag.String("systemd.upgrade", "", "a package of a later version")
)

// machine is a Debian that runs.
type machine struct {
	*testing.T
	root  string // its files, seen from here
	state string
}

// boot boots a copy of a Debian, without some of its services. It is switched off at the end of the test.
func boot(t *testing.T, suite string, without ...string) machine {
	t.Helper()
	dir := t.TempDir()
	m := machine{T: t, root: filepath.Join(dir, "root"), state: filepath.Join(dir, "state")}
	if out, err := exec.Command("cp", "-a", filepath.Join(*roots, suite), m.root).CombinedOutput(); err != nil {
		t.Fatalf("copy the %s: %v: %s", suite, err, out)
	}
	for _, unit := range without {
		if err := os.Symlink("/dev/null", filepath.Join(m.root, "etc/systemd/system", unit)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(m.state, "inner")); err != nil {
			return
		}
		if t.Failed() {
			t.Logf("the end of the journal:\n%s", m.try("journalctl", "--no-pager", "-n", "20"))
		}
		if out, err := exec.Command("./machine", "down", m.state).CombinedOutput(); err != nil {
			t.Errorf("switch the machine off: %v: %s", err, out)
		}
	})
	if out, err := exec.Command("./machine", "boot", m.root, m.state).CombinedOutput(); err != nil {
		t.Fatalf("the %s does not boot: %v: %s", suite, err, out)
	}
	return m
}

// run runs a command in the machine and returns what it prints and its exit code.
func (m machine) run(stdin string, args ...string) (out string, code int) {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./machine", append([]string{"exec", m.state}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	raw, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		return string(raw), exit.ExitCode()
	}
	if err != nil {
		m.Fatalf("%s: %v: %s", strings.Join(args, " "), err, raw)
	}
	return string(raw), 0
}

// try is run for a command whose exit code does not matter.
func (m machine) try(args ...string) string {
	m.Helper()
	out, _ := m.run("", args...)
	return strings.TrimSpace(out)
}

// does runs a command that must succeed.
func (m machine) does(args ...string) string {
	m.Helper()
	out, code := m.run("", args...)
	if code != 0 {
		m.Fatalf("%s: exit code %d: %s", strings.Join(args, " "), code, out)
	}
	return strings.TrimSpace(out)
}

// lagerd runs a command of lagerd's as its user, with that exit code.
func (m machine) lagerd(stdin string, code int, args ...string) string {
	m.Helper()
	out, got := m.runLagerd(stdin, args...)
	if got != code {
		m.Errorf("lagerd %s: exit code %d, expected %d: %s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// runLagerd is run for a command of lagerd's as its user.
func (m machine) runLagerd(stdin string, args ...string) (out string, code int) {
	m.Helper()
	return m.run(stdin, append([]string{"runuser", "-u", "lagerd", "--", "lagerd"}, args...)...)
}

// show returns a property of a unit.
func (m machine) show(unit, property string) string {
	m.Helper()
	return m.does("systemctl", "show", unit, "--property", property, "--value")
}

// write writes a file of the machine, as an editor does that keeps its rights.
func (m machine) write(path, text string) {
	m.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.Fatal(err)
	}
}

// put copies a file into the machine's /root.
func (m machine) put(file string) (path string) {
	m.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		m.Fatal(err)
	}
	path = "/root/" + filepath.Base(file)
	m.write(path, string(raw))
	return path
}

// eventually waits until something is so.
func (m machine) eventually(within time.Duration, what string, is func() bool) {
	m.Helper()
	for deadline := time.Now().Add(within); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.Fatalf("after %s it is not so that %s", within, what)
		}
	}
}

// dial connects to an address of the machine, from this process.
func (m machine) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = m.inside(func() error {
		conn, err = (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// inside does something in the machine's network.
func (m machine) inside(do func() error) error {
	raw, err := os.ReadFile(filepath.Join(m.state, "inner"))
	if err != nil {
		return err
	}
	theirs, err := os.Open(fmt.Sprintf("/proc/%s/ns/net", strings.TrimSpace(string(raw))))
	if err != nil {
		return err
	}
	defer theirs.Close()
	runtime.LockOSThread()
	ours, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer ours.Close()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the machine's network: %w", err)
	}
	err = do()
	if back := unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}
