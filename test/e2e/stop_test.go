package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/hostiletest"
)

// liar is an e-conomic that gives one kind of answer itself, and has a sandbox give the others.
type liar struct {
	*httptest.Server
	honest http.Handler

	mu     sync.Mutex
	kind   hostiletest.Kind // "": none
	body   []byte
	stalls bool          // half of the body is sent, and no more
	told   chan struct{} // closed when the first answer has been sent, in full or until it stalls
	heard  *sync.Once
}

func startLiar(t *testing.T, sandbox string) *liar {
	t.Helper()
	address, err := url.Parse(sandbox)
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{honest: httputil.NewSingleHostReverseProxy(address)}
	l.Server = httptest.NewServer(l)
	t.Cleanup(func() {
		l.CloseClientConnections()
		l.Close()
	})
	return l
}

func kindOf(path string) hostiletest.Kind {
	switch {
	case path == "/self":
		return hostiletest.Self
	case path == "/products":
		return hostiletest.Products
	case path == "/invoices/booked":
		return hostiletest.Invoices
	case strings.HasSuffix(path, "/pdf"):
		return hostiletest.PDF
	case strings.HasPrefix(path, "/invoices/booked/"):
		return hostiletest.Invoice
	}
	return "other"
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	kind, body, stalls, told, heard := l.kind, l.body, l.stalls, l.told, l.heard
	l.mu.Unlock()
	if kind == "" || kindOf(r.URL.Path) != kind {
		l.honest.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if stalls {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		heard.Do(func() { close(told) })
		<-r.Context().Done()
		return
	}
	_, _ = w.Write(body)
	heard.Do(func() { close(told) })
}

// lies begins with an answer; nil ends the lies.
func (l *liar) lies(a *hostiletest.Answer, stalls bool) (told <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kind, l.body, l.stalls, l.told, l.heard = "", nil, stalls, make(chan struct{}), &sync.Once{}
	if a != nil {
		l.kind, l.body = a.Kind, a.Body()
	}
	return l.told
}

// TestStopDuringHostileAnswers: while e-conomic gives any of the hostile answers, SIGTERM ends the
// daemon, and every command that is under way, within five seconds.
func TestStopDuringHostileAnswers(t *testing.T) {
	const largest, within = 32<<20 - 1000, 5 * time.Second
	s := startSandbox(t, "--agreements=1", "--products=30", "--lose=1")
	s.post(first, "trade", map[string]int{"count": 60}) // some of it is booked
	l := startLiar(t, s.URL)
	honest := s.URL
	s.URL = l.URL
	i := install(t, s, "", pace)
	i.write("grant", grant(first))
	i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--invoices-from", "1")
	s.URL = honest
	db := i.database()
	if _, err := db.Exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'test', '2026-11-01 00:00:00')"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	fresh, err := os.ReadFile(i.Path("lagerd.db"))
	if err != nil {
		t.Fatal(err)
	}

	commands := [][]string{
		{"diff", "shop1234"}, {"diff", "shop1234", "--invoice", "1"}, {"check"}, {"approve", "shop1234", "--yes", "--wait"},
		{"reconcile", "--shop", "shop1234", "--sweep", "--wait"}, {"why", "shop1234", "1"}, {"status"},
	}
	longest, underWay := map[string]time.Duration{}, map[string]int{}
	// try returns what did not end in time.
	try := func(name string, a hostiletest.Answer, stalls bool) (late []string) {
		list, err := filepath.Glob(i.Path("lagerd.db*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range list {
			_ = os.Remove(file)
		}
		if err := os.WriteFile(i.Path("lagerd.db"), fresh, 0o600); err != nil {
			t.Fatal(err)
		}
		told := l.lies(&a, stalls)
		defer l.lies(nil, false)
		isTold := func() {
			select {
			case <-told:
			case <-time.After(20 * time.Second):
				t.Errorf("%s: nobody has asked for it", name)
			}
		}
		began := map[string]*process{"run": start(t, i.Env, "run")}
		if a.Kind != hostiletest.Invoice { // which only `diff --invoice` is sure to read
			isTold()
		}
		for _, command := range commands {
			began[strings.Join(command, " ")] = start(t, i.Env, command...)
		}
		if a.Kind == hostiletest.Invoice {
			isTold()
		}
		time.Sleep(400 * time.Millisecond)
		since := time.Now()
		for what, p := range began {
			if p.Running() {
				underWay[what]++
			}
			p.signal(syscall.SIGTERM)
		}
		for what, p := range began {
			code, err := p.Wait(max(within-time.Since(since), 10*time.Millisecond))
			if err != nil {
				late = append(late, what+" has not ended: "+p.out.Tail(3))
				p.kill()
				continue
			}
			if what == "run" && code != 0 {
				t.Errorf("%s: SIGTERM ends the daemon with code %d:\n%s", name, code, p.out.Tail(10))
			}
			longest[what] = max(longest[what], time.Since(since))
		}
		return late
	}
	// A machine that is busy with something else keeps processes from ending at all.
	often := func(name string, a hostiletest.Answer, stalls bool) {
		const tries = 3
		var late []string
		for range tries {
			if late = try(name, a, stalls); len(late) == 0 {
				return
			}
			t.Logf("%s, once: %q", name, late)
		}
		t.Errorf("%s: SIGTERM has not ended within %s: %q", name, within, late)
	}
	answers := hostiletest.Answers(largest)
	for _, a := range answers {
		often(a.Name, a, false)
	}
	for _, kind := range []hostiletest.Kind{hostiletest.Self, hostiletest.Products, hostiletest.Invoices, hostiletest.Invoice, hostiletest.PDF} {
		for _, a := range answers {
			if a.Kind == kind {
				often("a stalled "+string(kind), a, true)
				break
			}
		}
	}
	for what, took := range longest {
		t.Logf("%s: under way %d times, ended within %s", what, underWay[what], took.Round(time.Millisecond))
	}
	for _, what := range []string{"run", "diff shop1234", "check", "approve shop1234 --yes --wait", "reconcile --shop shop1234 --sweep --wait"} {
		if underWay[what] < len(answers)/8 {
			t.Errorf("%s was under way with %d of %d answers only", what, underWay[what], len(answers))
		}
	}
}

// TestStopWithoutADatabase: the daemon stops within shutdown_timeout although the database does not
// answer, and says what it could not do.
func TestStopWithoutADatabase(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	dsn, err := server.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := startSandbox(t, "--agreements=1", "--products=30")
	i := install(t, s, dsn, pace+"shutdown_timeout: 3s\n")
	i.start()
	code := i.addShop(s, "shop1234", first)
	i.equal(s, "shop1234", first, 20*time.Second)
	pid := server.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	asked := make(chan int, 1)
	go func() {
		status, _, _ := i.Call(&http.Client{Timeout: 20 * time.Second}, "shop1234", code, "stockUpdate", "1")
		asked <- status
	}()
	time.Sleep(time.Second)
	began := time.Now()
	i.daemon.signal(syscall.SIGTERM)
	exit := i.daemon.wait(15 * time.Second)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s, with a shutdown_timeout of 3s", took)
	}
	if status := <-asked; status == http.StatusOK {
		t.Error("a webhook that was not stored was answered 200")
	}
	t.Logf("exit code %d after %s:\n%s", exit, time.Since(began).Round(time.Millisecond), i.daemon.out.Tail(5))
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
