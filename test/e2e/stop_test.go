package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/hostiletest"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
)

// liar is an e-conomic and a Rackbeat that gives one kind of answer itself, and has a sandbox give the
// others.
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
	case path == "/api/self":
		return hostiletest.RackbeatSelf
	case path == "/api/items":
		return hostiletest.RackbeatItems
	case path == "/api/locations":
		return hostiletest.RackbeatPlaces
	case path == "/api/reports/checking":
		return hostiletest.RackbeatStock
	case strings.HasPrefix(path, "/api/items/") && strings.HasSuffix(path, "/locations"):
		return hostiletest.RackbeatIn
	case strings.HasPrefix(path, "/api/items/"):
		return hostiletest.RackbeatItem
	case strings.HasSuffix(path, "/webhooksapi/v1.0.0/webhooks"):
		return hostiletest.Webhooks
	case strings.HasSuffix(path, "/webhooksapi/v1.0.0/EventTypes"):
		return hostiletest.EventTypes
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

// stopping tries whether a SIGTERM ends everything in time.
type stopping struct {
	*testing.T
	*installation
	*liar
	fresh    []byte // the database at the beginning of each try
	commands [][]string
	asked    []hostiletest.Kind // that only a command is sure to ask for

	tries    int
	longest  map[string]time.Duration
	underWay map[string]int
}

const stopsWithin = 5 * time.Second

// startStopping adds a shop, whose stock is held so that `approve` has something to read.
func startStopping(t *testing.T, s *sandbox, extra string, add func(*installation)) *stopping {
	t.Helper()
	l := startLiar(t, s.URL)
	honest := s.URL
	s.URL = l.URL
	i := install(t, s, "", pace+extra)
	i.write("grant", grant(first))
	i.write("rackbeat-key", lagerdtest.RackbeatKey(first))
	add(i)
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
	return &stopping{T: t, installation: i, liar: l, fresh: fresh, longest: map[string]time.Duration{}, underWay: map[string]int{}}
}

// begin starts the daemon and every other command, in turns, and returns them once the answer has been
// asked for. More at once would keep a small machine busy with reading the answer for seconds.
func (s *stopping) begin(name string, a hostiletest.Answer, told <-chan struct{}) map[string]*process {
	s.Helper()
	isTold := func() {
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			s.Errorf("%s: nobody has asked for it", name)
		}
	}
	asked := slices.Contains(s.asked, a.Kind)
	began := map[string]*process{"run": start(s.T, s.Env, "run")}
	if !asked {
		isTold()
	}
	s.tries++
	for n, command := range s.commands {
		if !asked && n%2 == s.tries%2 {
			continue
		}
		began[strings.Join(command, " ")] = start(s.T, s.Env, command...)
	}
	if asked {
		isTold()
	}
	time.Sleep(400 * time.Millisecond)
	return began
}

// try returns what did not end in time.
func (s *stopping) try(name string, a hostiletest.Answer, stalls bool) (late []string) {
	s.Helper()
	list, err := filepath.Glob(s.Path("lagerd.db*"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range list {
		_ = os.Remove(file)
	}
	if err := os.WriteFile(s.Path("lagerd.db"), s.fresh, 0o600); err != nil {
		s.Fatal(err)
	}
	told := s.lies(&a, stalls)
	defer s.lies(nil, false)
	began := s.begin(name, a, told)
	since := time.Now()
	for what, p := range began {
		if p.Running() {
			s.underWay[what]++
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
			s.Errorf("%s: SIGTERM ends the daemon with code %d:\n%s", name, code, p.out.Tail(10))
		}
		s.longest[what] = max(s.longest[what], time.Since(since))
	}
	return late
}

// often tries again: a machine that is busy with something else keeps processes from ending at all.
func (s *stopping) often(name string, a hostiletest.Answer, stalls bool) {
	s.Helper()
	const tries = 3
	var late []string
	for range tries {
		if late = s.try(name, a, stalls); len(late) == 0 {
			return
		}
		s.Logf("%s, once: %q", name, late)
	}
	s.Errorf("%s: SIGTERM has not ended within %s: %q", name, stopsWithin, late)
}

// during tries each answer, and the first of each kind that stalls. Of what must be under way with so
// many of them it fails if it was not.
func (s *stopping) during(answers []hostiletest.Answer, must map[string]int) {
	s.Helper()
	stalled := map[hostiletest.Kind]bool{}
	for _, a := range answers {
		s.often(a.Name, a, false)
		if !stalled[a.Kind] {
			stalled[a.Kind] = true
			s.often("a stalled "+string(a.Kind), a, true)
		}
	}
	for what, took := range s.longest {
		s.Logf("%s: under way %d times, ended within %s", what, s.underWay[what], took.Round(time.Millisecond))
	}
	for what, least := range must {
		if s.underWay[what] < least {
			s.Errorf("%s was under way with %d answers only, expected %d", what, s.underWay[what], least)
		}
	}
}

const largestAnswer = 32<<20 - 1000

// TestStopDuringHostileAnswers: while e-conomic or its webhooks API gives any of the hostile answers,
// SIGTERM ends the daemon, and every command that is under way, within five seconds.
func TestStopDuringHostileAnswers(t *testing.T) {
	sand := startSandbox(t, "--agreements=1", "--products=30", "--lose=1")
	sand.post(first, "trade", map[string]int{"count": 60}) // some of it is booked
	s := startStopping(t, sand, "", func(i *installation) {
		i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--invoices-from", "1")
	})
	s.commands = [][]string{
		{"diff", "shop1234"}, {"diff", "shop1234", "--invoice", "1"}, {"check"}, {"approve", "shop1234", "--yes", "--wait"},
		{"reconcile", "--shop", "shop1234", "--sweep", "--wait"}, {"why", "shop1234", "1"}, {"status"},
		{"shops", "add", "shop5678", "--grant-token-file", s.Path("grant"), "--invoices-from", "1"},
		{"shops", "set", "shop1234", "--grant-token-file", s.Path("grant"), "--yes"}, {"shops", "set", "shop1234", "--figure", "available", "--yes"},
		{"webhooks", "shop1234"},
	}
	s.asked = []hostiletest.Kind{hostiletest.Invoice, hostiletest.Webhooks, hostiletest.EventTypes}
	answers := hostiletest.Answers(largestAnswer)
	for _, a := range hostiletest.WebhooksAnswers(largestAnswer) {
		if a.Kind == hostiletest.Webhooks { // only a set-up reads the event types
			answers = append(answers, a)
		}
	}
	few := len(hostiletest.Answers(1000)) / 12
	s.during(answers, map[string]int{
		"run": few, "diff shop1234": few, "check": few, "approve shop1234 --yes --wait": few, "reconcile --shop shop1234 --sweep --wait": few,
		strings.Join(s.commands[7], " "): few, strings.Join(s.commands[8], " "): 1, "webhooks shop1234": 1,
	})
}

// TestStopDuringHostileRackbeat is that while Rackbeat gives any of its hostile answers.
func TestStopDuringHostileRackbeat(t *testing.T) {
	s := startStopping(t, atRackbeat(t, 1, "--products=30", "--lose=1"), "", func(i *installation) {
		i.command("shops", "add", "shop1234", "--grant-token-file", i.Path("grant"), "--invoices-from", "1", "--stock-source", "rackbeat", "--rackbeat-key-file", i.Path("rackbeat-key"))
	})
	s.commands = [][]string{
		{"diff", "shop1234"}, {"check"}, {"approve", "shop1234", "--yes", "--wait"}, {"reconcile", "--shop", "shop1234", "--sweep", "--wait"}, {"why", "shop1234", "00001"},
		{"shops", "places", "shop1234"}, {"shops", "set", "shop1234", "--places", "1", "--yes"},
		{"shops", "set", "shop1234", "--rackbeat-key-file", s.Path("rackbeat-key"), "--yes"}, {"shops", "set", "shop1234", "--stock-source", "economic", "--yes"},
		{"shops", "add", "shop5678", "--grant-token-file", s.Path("grant"), "--invoices-from", "1", "--stock-source", "rackbeat", "--rackbeat-key-file", s.Path("rackbeat-key")},
	}
	s.asked = []hostiletest.Kind{hostiletest.RackbeatPlaces, hostiletest.RackbeatItem, hostiletest.RackbeatStock, hostiletest.RackbeatIn}
	answers := hostiletest.RackbeatAnswers(largestAnswer)
	few := len(answers) / 12
	s.during(answers, map[string]int{
		"run": few, "diff shop1234": few, "reconcile --shop shop1234 --sweep --wait": few,
		"shops places shop1234": 1, strings.Join(s.commands[6], " "): 1, strings.Join(s.commands[9], " "): 1,
	})
}

// TestStopWithoutADatabase: the daemon stops within shutdown_timeout although the database does not
// answer, and says what it could not do.
func TestStopWithoutADatabase(t *testing.T) {
	t.Parallel()
	server, err := mariadbtest.Start(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
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
