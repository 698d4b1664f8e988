package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memoryLimit is a cgroup in which more memory than its limit ends a process; nil: there is none.
type memoryLimit struct{ dir string }

// limitMemory makes a cgroup with a limit, if this machine lets it be made and enforces it.
func limitMemory(t *testing.T, mib float64) *memoryLimit {
	t.Helper()
	why := "no cgroup with memory is mounted"
	for file, mounts := range map[string][]string{"memory.max": {"-nt", "cgroup2"}, "memory.limit_in_bytes": {"-nt", "cgroup", "-O", "memory"}} {
		out, err := exec.CommandContext(t.Context(), "findmnt", append(mounts, "-o", "TARGET")...).Output()
		if err != nil || len(out) == 0 {
			continue
		}
		mount, _, _ := strings.Cut(string(out), "\n")
		l := &memoryLimit{filepath.Join(mount, fmt.Sprintf("lagerd-test-memory-%d-%d", os.Getpid(), time.Now().UnixNano()))}
		if err := os.Mkdir(l.dir, 0o755); err != nil {
			why = err.Error()
			continue
		}
		t.Cleanup(func() {
			// It can be removed once the kernel has forgotten its processes.
			for range 50 {
				if os.Remove(l.dir) == nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
			t.Errorf("%s is left", l.dir)
		})
		if err := l.enforces(t, file); err != nil {
			why = err.Error()
			continue
		}
		if err := l.set(file, int(mib*(1<<20))); err != nil {
			t.Fatal(err)
		}
		t.Logf("a cgroup enforces the limit of %.0f MiB", mib)
		return l
	}
	t.Logf("NOT ENFORCED: the limit of %.0f MiB, as %s; the peak is checked", mib, why)
	return nil
}

// set sets the limit.
func (l *memoryLimit) set(file string, bytes int) error {
	_ = os.WriteFile(filepath.Join(l.dir, "memory.swap.max"), []byte("0"), 0o600) // where there is swap
	// The kernel makes the file with the cgroup: one that is made here limits nothing.
	f, err := os.OpenFile(filepath.Join(l.dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strconv.Itoa(bytes))
	return err
}

// enforces tries whether a program that holds 64 MiB ends for it.
func (l *memoryLimit) enforces(t *testing.T, file string) error {
	t.Helper()
	if err := l.set(file, 16<<20); err != nil {
		return err
	}
	const holds = "echo $$ >\"$0/cgroup.procs\" || exit 1; head -c 67108864 /dev/zero | tail -c 67108864 | wc -c"
	out, err := exec.CommandContext(t.Context(), "sh", "-c", holds, l.dir).Output()
	held := strings.TrimSpace(string(out))
	if err != nil && held == "" {
		return fmt.Errorf("no process may enter its cgroup: %w", err)
	}
	if held == "67108864" {
		return fmt.Errorf("a process held 64 MiB within a limit of 16")
	}
	return nil
}

// hold puts a process that has just started under the limit.
func (l *memoryLimit) hold(t *testing.T, pid int) {
	t.Helper()
	if l == nil {
		return
	}
	if err := os.WriteFile(filepath.Join(l.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o600); err != nil {
		t.Fatalf("put lagerd under the memory limit: %v", err)
	}
}
