package lagerdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lagerd/test/sandboxtest"
)

// Binary is a lagerd that has been built.
type Binary string

// Build builds the lagerd of these sources into a directory. It is called in a
// package's directory below the module's root. flags are go build's; if the tests run under
// the race detector, lagerd does too.
func Build(dir string, flags ...string) (Binary, error) {
	binary := filepath.Join(dir, "lagerd")
	build := exec.Command("go", slices.Concat([]string{"build"}, raceFlags, flags, []string{"-o", binary, "lagerd"})...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lagerd: %w\n%s", err, out)
	}
	return Binary(binary), nil
}

// Environment returns the environment of the binary's processes: what they need, and env.
func Environment(env ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.TempDir(),
		RaceOptions, // without effect if the binary is built without the race detector
	}, env...)
}

// RaceOptions is an environment variable: without it each process under the race detector
// waits a second before it ends (https://go.dev/doc/articles/race_detector#Options).
const RaceOptions = "GORACE=atexit_sleep_ms=0"

// Process is a running binary.
type Process struct {
	Cmd     *exec.Cmd
	Exited  chan struct{} // closed when it has ended
	Ordered atomic.Bool   // its end was requested
}

// Start starts the binary; the caller ends it. Its environment is only what it needs and env.
func (b Binary) Start(out io.Writer, env []string, args ...string) (*Process, error) {
	cmd := exec.Command(string(b), args...)
	cmd.Env = Environment(env...)
	cmd.Stdout, cmd.Stderr = out, out
	return Start(cmd)
}

// Start starts the test's own command; the caller ends it.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{Cmd: cmd, Exited: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", strings.Join(cmd.Args, " "), err)
	}
	go func() {
		defer close(p.Exited)
		_ = p.Cmd.Wait() // the result is in ProcessState
	}()
	return p, nil
}

// Pid returns the process's id.
func (p *Process) Pid() int { return p.Cmd.Process.Pid }

// Running reports whether the process has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.Exited:
		return false
	default:
		return true
	}
}

// Signal sends a signal; if the process has ended it does nothing and returns nil.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.Cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to process %d: %w", s, p.Pid(), err)
	}
	return nil
}

// Kill kills the process, even if it is stopped, and waits for its end.
func (p *Process) Kill() error {
	p.Ordered.Store(true)
	err := p.Signal(syscall.SIGKILL)
	if err == nil {
		<-p.Exited
	}
	return err
}

// Wait waits until the process has ended and returns its exit code.
func (p *Process) Wait(within time.Duration) (code int, err error) {
	select {
	case <-p.Exited:
		return p.Cmd.ProcessState.ExitCode(), nil
	case <-time.After(within):
		return -1, fmt.Errorf("process %d did not exit within %s", p.Pid(), within)
	}
}

// Command returns a function that runs the binary's commands for a test.
func (b Binary) Command(t testing.TB) Command {
	return func(env []string, stdin string, args ...string) (string, int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, string(b), args...)
		cmd.Env = Environment(env...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatalf("run lagerd %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
}

// Slack is how many times as long tests wait for something as it takes at most on a machine
// that does nothing else. What has to hold within a time is measured, not waited for.
const Slack = 5

// Eventually waits until the condition holds, and fails the test if it does not within Slack
// times the given time.
func Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	within *= Slack
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// FreeAddress returns a local address that nobody listens on. Its port is below Linux's
// ephemeral range (ip_local_port_range).
func FreeAddress(t testing.TB) string {
	t.Helper()
	const least, most = 10_000, 32_767
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(least+rand.IntN(most-least+1)))); err == nil {
			_ = l.Close()
			return l.Addr().String()
		}
	}
	t.Fatalf("find a free port: %v", err)
	return ""
}

// Write writes a file for the test.
func Write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write a file of the test: %v", err)
	}
}

// Sandbox runs an e-conomic until the test ends.
func (b Binary) Sandbox(t testing.TB, args ...string) sandboxtest.Client {
	t.Helper()
	s, _ := b.HeardSandbox(t, args...)
	return s
}

// HeardSandbox is Sandbox for a test that checks its output.
func (b Binary) HeardSandbox(t testing.TB, args ...string) (sandboxtest.Client, *Output) {
	t.Helper()
	out := NewTranscript()
	p, err := b.Start(out, nil, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	s := sandboxtest.Client{HTTP: &http.Client{Timeout: 30 * time.Second}}
	Eventually(t, 15*time.Second, "the sandbox listens", func() bool {
		_, address, found := strings.Cut(out.Tail(1), "listening on ")
		s.URL = strings.TrimSpace(address)
		return found
	})
	return s, out
}
