package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

// Lease timing of the configuration.
const (
	beat = 500 * time.Millisecond
	ttl  = 3 * time.Second
)

// lagerd is one daemon with its configuration, across restarts.
type lagerd struct {
	*lagerdtest.Installation
	name    string
	out     *lagerdtest.Output
	unasked func(error) // called if it exits unexpectedly

	// The networks it uses; nil: a direct connection.
	database, economic *proxy

	starting sync.Mutex // held until it is ready

	mu      sync.Mutex
	proc    *lagerdtest.Process // of the last start, nil before the first
	fenced  float64             // fenced writes of earlier processes
	starts  int
	retries int // failed starts, as without a database
}

// install makes an installation of a lagerd that takes over quickly.
func install(t *testing.T, name string, s lagerdtest.Setup) *lagerd {
	t.Helper()
	s.Name, s.Timeout = name, 15*time.Second
	s.Extra = fmt.Sprintf("lease: {beat: %s, ttl: %s}\n%s%s", beat, ttl, lagerdtest.Pace, s.Extra)
	l := &lagerd{Installation: lagerdtest.Install(t, s), name: name, out: newOutput()}
	l.Lagerd = binary.Command(t)
	l.unasked = func(err error) { t.Error(err) }
	t.Cleanup(func() {
		if err := l.kill(); err != nil {
			t.Error(err)
		}
		if n := l.out.Count(saysRace); n > 0 {
			t.Errorf("lagerd %s: the race detector found %d races", name, n)
		}
		if n := l.out.Count(saysPanic); n > 0 {
			t.Errorf("lagerd %s: %d panics", name, n)
		}
		if t.Failed() {
			t.Logf("last output of lagerd %s:\n%s", name, l.out.Tail(60))
		}
	})
	return l
}

// current returns the process of the last start, nil before the first.
func (l *lagerd) current() *lagerdtest.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.proc
}

// pid returns the process id, 0 if it does not run.
func (l *lagerd) pid() int {
	if p := l.current(); p != nil && p.Running() {
		return p.Pid()
	}
	return 0
}

// start runs the daemon, unless it is running, and returns when it is ready. Like a service
// manager it retries if the daemon exits before, since it cannot start without its database.
func (l *lagerd) start(ctx context.Context) error {
	l.starting.Lock() // the ends of two faults may coincide
	defer l.starting.Unlock()
	if l.pid() != 0 {
		return nil
	}
	for {
		p, err := binary.Start(l.out, l.Env, "run")
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.proc, l.starts = p, l.starts+1
		l.mu.Unlock()
		switch ready, err := l.awaitReady(ctx, p); {
		case err != nil:
			return errors.Join(err, p.Kill())
		case ready:
			go l.watch(p)
			return nil
		}
		l.mu.Lock()
		l.retries++
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return fmt.Errorf("start lagerd %s: %w", l.name, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// awaitReady returns false if the process exits first.
func (l *lagerd) awaitReady(ctx context.Context, p *lagerdtest.Process) (bool, error) {
	for {
		if l.Ready(ctx) {
			return true, nil
		}
		select {
		case <-p.Exited:
			return false, nil
		case <-ctx.Done():
			return false, fmt.Errorf("wait until lagerd %s is ready: %w\n%s", l.name, ctx.Err(), l.out.Tail(20))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// watch reports an unexpected exit.
func (l *lagerd) watch(p *lagerdtest.Process) {
	<-p.Exited
	if !p.Ordered.Load() {
		l.unasked(fmt.Errorf("lagerd %s exited unexpectedly: %s\n%s", l.name, p.Cmd.ProcessState, l.out.Tail(40)))
	}
}

// kill ends the process as a machine crash would.
func (l *lagerd) kill() error {
	p := l.current()
	if p == nil || !p.Running() {
		return nil
	}
	l.note()
	return p.Kill()
}

// stop stops the process as an operator does. It returns once the signal is sent, while the
// process shuts down.
func (l *lagerd) stop() (*lagerdtest.Process, error) {
	l.note()
	p := l.current()
	p.Ordered.Store(true)
	return p, p.Signal(syscall.SIGTERM)
}

// fencedNow returns the number of fenced writes of the running process; 0 if it is down or too
// busy to answer: its log has them too.
func (l *lagerd) fencedNow() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return l.Metric(ctx, "lagerd_fenced_writes_total")
}

// note saves the process's counts before it ends.
func (l *lagerd) note() {
	n := l.fencedNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fenced += n
}

// shop is a shop of the test.
type shop struct {
	name      string
	agreement int
	code      string
	counters  []string // items whose stock only grows
	items     []string // others that can be sold
}

const countersPerShop = 4

// addShop adds a shop for an agreement, enters its webhooks there and finds the items that can
// be sold.
func addShop(t *testing.T, s sandboxtest.Client, l *lagerd, name string, agreement int) shop {
	t.Helper()
	sh := shop{name: name, agreement: agreement}
	for n := range countersPerShop {
		number := fmt.Sprintf("counter-%d", n)
		sh.counters = append(sh.counters, number)
		// Barred items keep their stock, and the sandbox's own trade leaves them alone.
		must(t, s.Post(agreement, "create", map[string]any{"number": number, "name": number, "inStock": 1}, nil))
		must(t, s.Post(agreement, "bar", map[string]any{"number": number}, nil))
	}
	is, err := s.Truth(agreement)
	must(t, err)
	for _, p := range is.Products {
		if p.Inventory && !p.Barred {
			sh.items = append(sh.items, p.Number)
		}
	}
	sh.code = l.AddShop(s, name, agreement, "--offline", "--invoices-from", "1")
	return sh
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host removes the scheme from an address.
func host(address string) string { return strings.TrimPrefix(address, "http://") }
