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
	"lagerd/test/lagerdtest"
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

// kindOf returns what is asked for at an address of e-conomic's or, below /api/, of Rackbeat's.
func kindOf(path string) hostiletest.Kind {
	path, rackbeat := strings.CutPrefix(path, "/api")
	switch {
	case rackbeat && path == "/self":
		return hostiletest.RackbeatSelf
	case rackbeat && path == "/items":
		return hostiletest.RackbeatItems
	case rackbeat && path == "/locations":
		return hostiletest.RackbeatPlaces
	case rackbeat && path == "/reports/checking":
		return hostiletest.RackbeatStock
	case rackbeat && strings.HasPrefix(path, "/items/") && strings.HasSuffix(path, "/locations"):
		return hostiletest.RackbeatIn
	case rackbeat && strings.HasPrefix(path, "/items/"):
		return hostiletest.RackbeatItem
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

const (
	largestAnswer = 32<<20 - 1000
	stopsWithin   = 5 * time.Second
)

// TestStopDuringHostileAnswers: while e-conomic gives any of the hostile answers, SIGTERM ends the
// daemon, and every command that is under way, within five seconds.
func TestStopDuringHostileAnswers(t *testing.T) {
	s := startSandbox(t, "--agreements=1", "--products=30", "--lose=1")
	s.post(first, "trade", map[string]int{"count": 60}) // some of it is booked
	x := beginStops(t, s, func(i *installation) {
		i.write("grant", grant(first))
		i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--invoices-from", "1")
	}, [][]string{
		{"diff", "shop1234"}, {"diff", "shop1234", "--invoice", "1"}, {"check"}, {"approve", "shop1234", "--yes", "--wait"},
		{"reconcile", "--shop", "shop1234", "--sweep", "--wait"}, {"why", "shop1234", "1"}, {"status"},
	}, hostiletest.Invoice) // which only `diff --invoice` is sure to read
	x.during(hostiletest.Answers(largestAnswer), []string{"run", "diff shop1234", "check", "approve shop1234 --yes --wait", "reconcile --shop shop1234 --sweep --wait"})
}

// TestStopDuringHostileAnswersOfRackbeat: the same while Rackbeat gives them. It shares its limits on
// what is read with e-conomic, so each sixth is enough, and one of each kind.
func TestStopDuringHostileAnswersOfRackbeat(t *testing.T) {
	s := atRackbeat(t, 1, "--products=30", "--lose=1")
	x := beginStops(t, s, func(i *installation) {
		i.write("grant", grant(first))
		i.write("rackbeat-key", lagerdtest.RackbeatKey(first))
		i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--stock-source", "rackbeat", "--rackbeat-key-file", i.Path("rackbeat-key"),
			"--no-rackbeat-webhook-token", "--places", "1", "--invoices-from", "1")
	}, [][]string{
		{"diff", "shop1234"}, {"check"}, {"approve", "shop1234", "--yes", "--wait"}, {"reconcile", "--shop", "shop1234", "--sweep", "--wait"},
		{"shops", "places", "shop1234"}, {"why", "shop1234", s.truth(first).Products[0].Number}, {"status"},
	}, hostiletest.RackbeatItem, hostiletest.RackbeatIn)
	var some []hostiletest.Answer
	had := map[hostiletest.Kind]bool{}
	for n, a := range hostiletest.RackbeatAnswers(largestAnswer) {
		if n%6 == 0 || !had[a.Kind] {
			some, had[a.Kind] = append(some, a), true
		}
	}
	x.during(some, []string{"run", "diff shop1234", "approve shop1234 --yes --wait", "reconcile --shop shop1234 --sweep --wait"})
}

// stops is a shop on the embedded database, whose services lie while lagerd is stopped.
type stops struct {
	*installation
	liar     *liar
	fresh    []byte // the database
	commands [][]string
	late     map[hostiletest.Kind]bool // only a command is sure to ask for these

	longest  map[string]time.Duration
	underWay map[string]int
}

// beginStops installs a lagerd beside a liar, with a shop that add adds and whose stock is held.
func beginStops(t *testing.T, s *sandbox, add func(i *installation), commands [][]string, late ...hostiletest.Kind) *stops {
	t.Helper()
	l := startLiar(t, s.URL)
	honest := s.URL
	s.URL = l.URL
	x := &stops{installation: install(t, s, "", pace), liar: l, commands: commands, late: map[hostiletest.Kind]bool{}, longest: map[string]time.Duration{}, underWay: map[string]int{}}
	for _, kind := range late {
		x.late[kind] = true
	}
	add(x.installation)
	s.URL = honest
	db := x.database()
	for _, statement := range []string{"INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'test', '2026-11-01 00:00:00')", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	_ = db.Close()
	var err error
	if x.fresh, err = os.ReadFile(x.Path("lagerd.db")); err != nil {
		t.Fatal(err)
	}
	return x
}

// during stops everything during each of the answers, and during one of each kind that stalls. often
// says what must have been under way with a good part of them.
func (x *stops) during(answers []hostiletest.Answer, often []string) {
	x.t.Helper()
	stalled := map[hostiletest.Kind]bool{}
	for _, a := range answers {
		x.stop(a.Name, a, false)
		if !stalled[a.Kind] {
			stalled[a.Kind] = true
			x.stop("a stalled "+string(a.Kind), a, true)
		}
	}
	for what, took := range x.longest {
		x.t.Logf("%s: under way %d times, ended within %s", what, x.underWay[what], took.Round(time.Millisecond))
	}
	for _, what := range often {
		if x.underWay[what] < len(answers)/8 {
			x.t.Errorf("%s was under way with %d of %d answers only", what, x.underWay[what], len(answers))
		}
	}
}

// stop stops everything during an answer. A machine that is busy with something else keeps processes
// from ending at all, so it may do so again.
func (x *stops) stop(name string, a hostiletest.Answer, stalls bool) {
	x.t.Helper()
	const tries = 3
	var late []string
	for range tries {
		if late = x.try(name, a, stalls); len(late) == 0 {
			return
		}
		x.t.Logf("%s, once: %q", name, late)
	}
	x.t.Errorf("%s: SIGTERM has not ended within %s: %q", name, stopsWithin, late)
}

// try returns what did not end in time.
func (x *stops) try(name string, a hostiletest.Answer, stalls bool) (late []string) {
	x.t.Helper()
	list, err := filepath.Glob(x.Path("lagerd.db*"))
	if err != nil {
		x.t.Fatal(err)
	}
	for _, file := range list {
		_ = os.Remove(file)
	}
	if err := os.WriteFile(x.Path("lagerd.db"), x.fresh, 0o600); err != nil {
		x.t.Fatal(err)
	}
	told := x.liar.lies(&a, stalls)
	defer x.liar.lies(nil, false)
	isTold := func() {
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			x.t.Errorf("%s: nobody has asked for it", name)
		}
	}
	began := map[string]*process{"run": start(x.t, x.Env, "run")}
	if !x.late[a.Kind] {
		isTold()
	}
	for _, command := range x.commands {
		began[strings.Join(command, " ")] = start(x.t, x.Env, command...)
	}
	if x.late[a.Kind] {
		isTold()
	}
	time.Sleep(400 * time.Millisecond)
	since := time.Now()
	for what, p := range began {
		if p.Running() {
			x.underWay[what]++
		}
		p.signal(syscall.SIGTERM)
	}
	for what, p := range began {
		code, err := p.Wait(max(stopsWithin-time.Since(since), 10*time.Millisecond))
		if err != nil {
			late = append(late, what+" has not ended: "+p.out.Tail(3))
			p.kill()
			continue
		}
		if what == "run" && code != 0 {
			x.t.Errorf("%s: SIGTERM ends the daemon with code %d:\n%s", name, code, p.out.Tail(10))
		}
		x.longest[what] = max(x.longest[what], time.Since(since))
	}
	return late
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
