package reload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lagerd/systemd"
)

// Verdict is what became of a reload.
type Verdict struct {
	PID   int           `json:"pid"`
	Began time.Duration `json:"began_ns"`        // on systemd.Monotonic's clock, before anything was read
	Error string        `json:"error,omitempty"` // why the old configuration stays in force; "": it does not
	Notes []string      `json:"notes,omitempty"` // what does not take effect yet
}

// File is where verdicts are told. "" is none.
type File string

// FileIn returns the file in a runtime directory as systemd names it ($RUNTIME_DIRECTORY, the first
// of several).
func FileIn(directory string) File {
	first, _, _ := strings.Cut(directory, ":")
	if first == "" {
		return ""
	}
	return File(filepath.Join(first, "reload.json"))
}

// Tell replaces the last verdict.
func (f File) Tell(v Verdict) error {
	if f == "" {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("tell what became of the reload: %w", err)
	}
	next := string(f) + ".next"
	err = os.WriteFile(next, text, 0o600)
	if err == nil {
		err = os.Rename(next, string(f))
	}
	if err != nil {
		return fmt.Errorf("tell what became of the reload: %w", err)
	}
	return nil
}

// Remove removes the file: its process ends.
func (f File) Remove() {
	if f != "" {
		_ = os.Remove(string(f)) // a file that stays names a process that does not run
	}
}

// every is how often Ask looks for the verdict.
const every = 20 * time.Millisecond

// Ask has a lagerd reload its configuration and returns its verdict. pid is the process as the
// service manager knows it, 0 if it is the one that the file names. It returns an error if there is
// no such process, if it ends, or once ctx is done.
func (f File) Ask(ctx context.Context, pid int) (Verdict, error) {
	last, err := f.read()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Verdict{}, fmt.Errorf("no lagerd has left its name at %s: is it running, and started by systemd? To any other send SIGHUP, and read its log", f)
	case err != nil:
		return Verdict{}, err
	case pid == 0:
		pid = last.PID
	case pid != last.PID:
		return Verdict{}, fmt.Errorf("process %d is asked to reload, but %s names process %d", pid, f, last.PID)
	}
	began, err := systemd.Monotonic()
	if err != nil {
		return Verdict{}, fmt.Errorf("read the clock: %w", err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return Verdict{}, fmt.Errorf("send SIGHUP to lagerd (process %d): %w", pid, err)
	}
	return f.await(ctx, pid, began)
}

// await waits for the verdict on a reload that began at a time or later.
func (f File) await(ctx context.Context, pid int, began time.Duration) (Verdict, error) {
	for {
		v, err := f.read()
		switch gone := errors.Is(err, fs.ErrNotExist); {
		case err != nil && !gone:
			return Verdict{}, err
		case !gone && v.PID == pid && v.Began >= began:
			return v, nil
		case gone, v.PID != pid, errors.Is(syscall.Kill(pid, 0), syscall.ESRCH):
			return Verdict{}, fmt.Errorf("lagerd (process %d) ended before it had reloaded: its log says why", pid)
		}
		select {
		case <-ctx.Done():
			return Verdict{}, fmt.Errorf("lagerd (process %d) has not said what became of the reload: %w: its log will", pid, context.Cause(ctx))
		case <-time.After(every):
		}
	}
}

func (f File) read() (v Verdict, err error) {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return v, fmt.Errorf("read what became of the reload: %w", err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("read what became of the reload: %s: %w", f, err)
	}
	if v.PID <= 1 {
		return v, fmt.Errorf("read what became of the reload: %s: expected lagerd's process, got %d", f, v.PID)
	}
	return v, nil
}
