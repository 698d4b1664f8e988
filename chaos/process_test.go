package chaos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"lagerd/cli"
	"lagerd/internal/mariadbtest"
	"lagerd/internal/sandboxtest"
)

// binary is the lagerd under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	// The driver tells of every connection that a storm ends.
	if err := mysql.SetLogger(log.New(io.Discard, "", 0)); err != nil {
		fmt.Fprintln(os.Stderr, "quiet the driver:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "lagerd-chaos")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a directory for the binary:", err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "lagerd")
	build := exec.Command("go", slices.Concat([]string{"build"}, buildFlags, []string{"-o", binary, ".."})...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build lagerd:", err)
		os.Exit(1)
	}
	code := mariadbtest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// TestBinaryIsOfTheseSources links all of lagerd into the test, beside its binary:
// go test would else take an earlier result for this one's where lagerd has
// changed and its tests have not.
func TestBinaryIsOfTheseSources(t *testing.T) {
	var help strings.Builder
	cli.Main(t.Context(), cli.Process{Args: []string{"--help"}, Stdout: &help, Stderr: &help})
	if out := run(t, nil, "--help"); out != help.String() {
		t.Errorf("the binary says\n%s\nits sources say\n%s", out, help.String())
	}
}

// What a process may say that a test looks for.
const (
	saysFenced = "another lagerd has taken the shop"
	saysRace   = "DATA RACE"
	saysPanic  = "panicked"
)

// journal keeps the last lines of what processes say, and counts what is looked
// for in all of it: a long run says more than memory should hold.
type journal struct {
	mu     sync.Mutex
	rest   []byte // a line that has not ended yet
	last   []string
	counts map[string]int
}

const journalLines = 400

func newJournal() *journal { return &journal{counts: map[string]int{}} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		line, rest, ended := bytes.Cut(j.rest, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		j.line(string(line))
		j.rest = bytes.Clone(rest)
	}
}

func (j *journal) line(line string) {
	for _, what := range []string{saysFenced, saysRace, saysPanic} {
		if strings.Contains(line, what) {
			j.counts[what]++
		}
	}
	if j.last = append(j.last, line); len(j.last) > 2*journalLines {
		j.last = slices.Clone(j.last[journalLines:])
	}
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[what]
}

func (j *journal) tail(lines int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.last[max(0, len(j.last)-lines):], "\n")
}

// process is a running binary.
type process struct {
	cmd     *exec.Cmd
	exited  chan struct{}
	ordered atomic.Bool // its end was asked for
}

// launch starts the binary; whoever calls it ends it.
func launch(out io.Writer, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start lagerd %s: %w", strings.Join(args, " "), err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to process %d: %w", s, p.pid(), err)
	}
	return nil
}

// kill ends the process at once, also one that is stopped, and waits for that.
func (p *process) kill() error {
	p.ordered.Store(true)
	err := p.signal(syscall.SIGKILL)
	if err == nil {
		<-p.exited
	}
	return err
}

// run runs a command that must succeed.
func run(t *testing.T, env []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run lagerd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write a file of the test: %v", err)
	}
}

const (
	appToken = "sandbox-app-token"
	key      = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	first    = 100001 // the first agreement's number
)

// startSandbox runs an e-conomic until the test ends.
func startSandbox(t *testing.T, args ...string) sandboxtest.Client {
	t.Helper()
	out := newJournal()
	p, err := launch(out, nil, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.kill(); err != nil {
			t.Error(err)
		}
	})
	s := sandboxtest.Client{HTTP: &http.Client{Timeout: 30 * time.Second}}
	eventually(t, 15*time.Second, "the sandbox listens", func() bool {
		_, address, found := strings.Cut(out.tail(1), "listening on ")
		s.URL = strings.TrimSpace(address)
		return found
	})
	return s
}
