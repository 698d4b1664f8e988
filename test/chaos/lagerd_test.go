package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

// The leases' pace, as the configuration has it.
const (
	beat = 500 * time.Millisecond
	ttl  = 3 * time.Second
)

// pace makes lagerd quick enough for a test: a tick every two seconds.
const pace = `
reconcile:
  schedule: "@every 2s"
  rereads: [300ms, 1s]
  retry_min: 200ms
  retry_max: 2s
  held_retry: 1s
`

// settings is what differs between two lagerd; the rest of their configuration
// is the same.
type settings struct {
	database string // YAML lines below database:
	rest     string // e-conomic's address
	extra    string // more YAML
}

// lagerd is one daemon with its configuration, over all its starts.
type lagerd struct {
	name    string
	env     []string
	webhook string // address
	admin   string
	out     *lagerdtest.Output
	unasked func(error) // told where it exits though nobody asked it to

	// The network on its way out; nil where it has it to itself.
	database, economic *proxy

	starting sync.Mutex // held until it is ready

	mu      sync.Mutex
	proc    *lagerdtest.Process // of the last start, nil before the first
	fenced  float64             // writes that earlier processes had refused
	starts  int
	retries int // starts that failed, as they may without a database
}

// install writes the configuration of a lagerd.
func install(t *testing.T, name, dir string, s settings) *lagerd {
	t.Helper()
	l := &lagerd{name: name, webhook: lagerdtest.FreeAddress(t), admin: lagerdtest.FreeAddress(t), out: newOutput()}
	l.unasked = func(err error) { t.Error(err) }
	path := func(file string) string { return filepath.Join(dir, file) }
	lagerdtest.Write(t, path("app-token"), appToken)
	lagerdtest.Write(t, path("key"), key)
	lagerdtest.Write(t, path(name+".yaml"), fmt.Sprintf(`
database:
%s
key_file: %s
economic:
  rest_url: %s
  app_secret_token_file: %s
  timeout: 15s
webhook:
  listen: %s
admin:
  listen: %s
lease: {beat: %s, ttl: %s}
%s%s`, s.database, path("key"), s.rest, path("app-token"), l.webhook, l.admin, beat, ttl, pace, s.extra))
	l.env = []string{"LAGERD_CONFIG=" + path(name+".yaml")}
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
			t.Logf("lagerd %s said at last:\n%s", name, l.out.Tail(60))
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

// pid returns 0 where it does not run.
func (l *lagerd) pid() int {
	if p := l.current(); p != nil && p.Running() {
		return p.Pid()
	}
	return 0
}

// start runs the daemon, unless it runs already, and returns when it is ready. As
// a service manager does, it tries again where the daemon exits before: without its
// database it cannot start.
func (l *lagerd) start(ctx context.Context) error {
	l.starting.Lock() // the ends of two faults come at once
	defer l.starting.Unlock()
	if l.pid() != 0 {
		return nil
	}
	for {
		p, err := binary.Start(l.out, l.env, "run")
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

// awaitReady reports false where the process exits first.
func (l *lagerd) awaitReady(ctx context.Context, p *lagerdtest.Process) (bool, error) {
	for {
		if _, status, err := get(ctx, "http://"+l.admin+"/readyz"); err == nil && status == http.StatusOK {
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

// watch tells of an end that nobody asked for.
func (l *lagerd) watch(p *lagerdtest.Process) {
	<-p.Exited
	if !p.Ordered.Load() {
		l.unasked(fmt.Errorf("lagerd %s ended by itself: %s\n%s", l.name, p.Cmd.ProcessState, l.out.Tail(40)))
	}
}

// kill ends it as a crash of the machine would.
func (l *lagerd) kill() error {
	p := l.current()
	if p == nil || !p.Running() {
		return nil
	}
	l.note()
	return p.Kill()
}

// stop ends it as an operator does. It returns once it has been told; the
// process is then on its way out.
func (l *lagerd) stop() (*lagerdtest.Process, error) {
	l.note()
	p := l.current()
	p.Ordered.Store(true)
	return p, p.Signal(syscall.SIGTERM)
}

var fencedMetric = regexp.MustCompile(`(?m)^lagerd_fenced_writes_total ([0-9.e+]+)$`)

// fencedNow returns how many writes the running process has had refused.
func (l *lagerd) fencedNow() float64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	page, _, err := get(ctx, "http://"+l.admin+"/metrics")
	if err != nil {
		return 0 // it is down, or too busy to tell: its log tells of them too
	}
	found := fencedMetric.FindStringSubmatch(page)
	if found == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(found[1], 64)
	return n
}

// note remembers what the process has counted, before it ends.
func (l *lagerd) note() {
	n := l.fencedNow()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fenced += n
}

// call calls the webhook as e-conomic does.
func (l *lagerd) call(client *http.Client, s shop, kind, number string) (status int, err error) {
	q := url.Values{"type": {kind}, "username": {s.name}, "password": {s.code}, "number": {number}}
	res, err := client.Get("http://" + l.webhook + "/webhooks.php?" + q.Encode())
	if err != nil {
		return 0, fmt.Errorf("call lagerd %s's webhook: %w", l.name, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, nil
}

func get(ctx context.Context, address string) (body string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, fmt.Errorf("get %s: %w", address, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", 0, fmt.Errorf("get %s: %w", address, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return "", 0, fmt.Errorf("get %s: %w", address, err)
	}
	return string(raw), res.StatusCode, nil
}

// shop is a shop of the test.
type shop struct {
	name      string
	agreement int
	code      string
	counters  []string // items whose stock only ever grows
	items     []string // others that can be sold
}

const countersPerShop = 4

// addShop adds a shop for an agreement, pastes its webhooks there and finds out
// what can be sold.
func addShop(t *testing.T, s sandboxtest.Client, l *lagerd, dir, name string, agreement int) shop {
	t.Helper()
	sh := shop{name: name, agreement: agreement, code: "code-of-" + name + "-0123456789"}
	grant, code := filepath.Join(dir, name+".grant"), filepath.Join(dir, name+".code")
	lagerdtest.Write(t, grant, fmt.Sprintf("sandbox-grant-%d", agreement-first+1))
	lagerdtest.Write(t, code, sh.code)
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
	binary.Run(t, l.env, "shops", "add", name, "--offline", "--grant-token-file", grant, "--code-file", code, "--invoices-from", "1")
	must(t, s.Post(agreement, "webhooks", map[string]string{"baseURL": "http://" + l.webhook, "username": name, "password": sh.code}, nil))
	return sh
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// host takes the scheme off an address.
func host(address string) string { return strings.TrimPrefix(address, "http://") }
