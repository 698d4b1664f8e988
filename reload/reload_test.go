package reload_test

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/reload"
	"lagerd/systemd"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answering is a lagerd in this process: it tells of each reload what verdict returns.
func answering(t *testing.T, f reload.File, verdict func(n int) reload.Verdict) {
	t.Helper()
	began, err := systemd.Monotonic()
	must(t, err)
	must(t, f.Tell(reload.Verdict{PID: os.Getpid(), Began: began}))
	asked, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(asked, syscall.SIGHUP)
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			if _, ok := <-asked; !ok {
				return
			}
			v := verdict(n)
			v.PID = os.Getpid()
			if v.Began == 0 {
				v.Began, _ = systemd.Monotonic()
			}
			if err := f.Tell(v); err != nil {
				t.Error(err)
			}
		}
	}()
	t.Cleanup(func() {
		signal.Stop(asked)
		close(asked)
		<-done
	})
}

// TestAsk: the verdict is that of the reload that was asked for, not of one before.
func TestAsk(t *testing.T) { //nolint:paralleltest // the signal is the process's
	f := reload.FileIn(t.TempDir() + ":/elsewhere")
	again := make(chan struct{}, 1)
	answering(t, f, func(n int) reload.Verdict {
		switch n {
		case 0:
			return reload.Verdict{Error: "line 3: nonsense"}
		case 1:
			return reload.Verdict{Notes: []string{"webhook.listen"}}
		}
		again <- struct{}{}
		return reload.Verdict{Began: 1, Error: "of a reload that began before this one was asked for"}
	})
	if v, err := f.Ask(t.Context(), 0); err != nil || v.Error != "line 3: nonsense" {
		t.Errorf("%+v, %v", v, err)
	}
	if v, err := f.Ask(t.Context(), os.Getpid()); err != nil || v.Error != "" || len(v.Notes) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if v, err := f.Ask(ctx, 0); err == nil || !strings.Contains(err.Error(), "has not said what became of the reload") {
		t.Errorf("%+v, %v", v, err)
	}
	<-again
}

// TestNobodyToAsk: an error says so, and nobody else gets a signal.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := reload.FileIn(dir)
	is := func(what string, pid int, want string) {
		t.Helper()
		if v, err := f.Ask(t.Context(), pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	is("no file", 0, "no lagerd has left its name at "+string(f))
	for text, want := range map[string]string{`{"pid":1}`: "expected lagerd's process, got 1", `{"pid":-1}`: "got -1", `{}`: "got 0", ``: "unexpected end", `[]`: "cannot unmarshal"} {
		must(t, os.WriteFile(string(f), []byte(text), 0o600))
		is(text, 0, want)
	}
	must(t, f.Tell(reload.Verdict{PID: 1 << 29}))
	is("another", 4, "process 4 is asked to reload, but ")
	is("it has ended", 0, "no such process")
	if info, err := os.Stat(string(f)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	f.Remove()
	if left, err := filepath.Glob(dir + "/*"); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	none := reload.FileIn("")
	must(t, none.Tell(reload.Verdict{}))
	none.Remove()
}
