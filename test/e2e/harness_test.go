package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
	"lagerd/test/sandboxtest"
)

// binary is the lagerd under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lagerd-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "lagerd")
	build := exec.Command("go", slices.Concat([]string{"build"}, buildFlags, []string{"-o", binary, "../.."})...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build lagerd:", err)
		os.Exit(1)
	}
	code := mariadbtest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// output collects what a process says.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// process is a running binary.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *output
	exited chan struct{}
}

func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), out: &output{}, exited: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.out.String(), "DATA RACE") {
			t.Error("the race detector found something")
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(args, " "), tail(p.out.String(), 60))
		}
	})
	return p
}

func tail(s string, lines int) string {
	all := strings.Split(s, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// wait waits for the process to exit and returns its code.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("the process did not exit within %s:\n%s", within, tail(p.out.String(), 40))
		return -1
	}
}

// run runs a command to its end and returns its output and code.
func run(t *testing.T, env []string, stdin string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// sandbox is a running e-conomic.
type sandbox struct {
	*process
	sandboxtest.Client
}

const (
	appToken = "sandbox-app-token"
	first    = 100001 // the first agreement's number
)

func grant(agreement int) string { return fmt.Sprintf("sandbox-grant-%d", agreement-first+1) }

func startSandbox(t *testing.T, args ...string) *sandbox {
	t.Helper()
	s := &sandbox{process: start(t, nil, append([]string{"sandbox", "--listen", "127.0.0.1:0"}, args...)...), Client: sandboxtest.Client{HTTP: http.DefaultClient}}
	lagerdtest.Eventually(t, 15*time.Second, "the sandbox listens", func() bool {
		scanner := bufio.NewScanner(strings.NewReader(s.out.String()))
		for scanner.Scan() {
			if _, address, ok := strings.Cut(scanner.Text(), "listening on "); ok {
				s.URL = strings.TrimSpace(address)
				return true
			}
		}
		return false
	})
	return s
}

// post calls the sandbox's control API.
func (s *sandbox) post(agreement int, what string, body any) {
	s.t.Helper()
	s.send(http.MethodPost, fmt.Sprintf("/sandbox/agreements/%d/%s", agreement, what), body, nil)
}

func (s *sandbox) send(method, path string, body, into any) {
	s.t.Helper()
	if err := s.Send(method, path, body, into); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sandbox) truth(agreement int) sandboxtest.Truth {
	s.t.Helper()
	t, err := s.Truth(agreement)
	if err != nil {
		s.t.Fatal(err)
	}
	return t
}

// installation is a lagerd with its database, as an operator has it.
type installation struct {
	t       *testing.T
	dir     string
	config  string
	env     []string
	webhook string // address
	admin   string
	driver  string
	dsn     string
	daemon  *process
	logs    []*output
	secrets []string
}

// databases runs a test on every kind of database.
func databases(t *testing.T, test func(t *testing.T, mysqlDSN string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("MariaDB", func(t *testing.T) { test(t, mariadbtest.New(t)) })
}

// install writes a configuration for the sandbox; extra is more YAML.
func install(t *testing.T, s *sandbox, mysqlDSN, extra string) *installation {
	t.Helper()
	i := &installation{t: t, dir: t.TempDir(), webhook: lagerdtest.FreeAddress(t), admin: lagerdtest.FreeAddress(t)}
	i.config = filepath.Join(i.dir, "lagerd.yaml")
	key := strings.Repeat("0123456789abcdef", 4)
	i.write("app-token", appToken)
	i.write("key", key)
	database := "  path: " + filepath.Join(i.dir, "lagerd.db")
	i.driver, i.dsn = "sqlite", "file:"+filepath.Join(i.dir, "lagerd.db")+"?_pragma=busy_timeout(10000)"
	if mysqlDSN != "" {
		database = fmt.Sprintf("  dsn: %q", mysqlDSN)
		i.driver, i.dsn = "mysql", mysqlDSN
	}
	i.write("lagerd.yaml", fmt.Sprintf(`
database:
%s
key_file: %s/key
economic:
  rest_url: %s
  app_secret_token_file: %s/app-token
  timeout: 5s
webhook:
  listen: %s
admin:
  listen: %s
log:
  level: info
%s`, database, i.dir, s.URL, i.dir, i.webhook, i.admin, extra))
	i.env = []string{"LAGERD_CONFIG=" + i.config}
	i.secrets = append(i.secrets, appToken, key)
	return i
}

// pace makes lagerd quick enough for a test: a tick every two seconds.
const pace = `
reconcile:
  schedule: "@every 2s"
  rereads: [300ms, 1s]
  retry_min: 200ms
  retry_max: 2s
  held_retry: 1s
`

func (i *installation) write(name, text string) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, name), []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
}

// start runs the daemon and waits until it is ready.
func (i *installation) start() {
	i.t.Helper()
	i.daemon = start(i.t, i.env, "run")
	i.logs = append(i.logs, i.daemon.out)
	lagerdtest.Eventually(i.t, 20*time.Second, "lagerd is ready", func() bool {
		select {
		case <-i.daemon.exited:
			i.t.Fatalf("lagerd exited:\n%s", tail(i.daemon.out.String(), 40))
		default:
		}
		res, err := http.Get("http://" + i.admin + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// command runs a command that must succeed.
func (i *installation) command(args ...string) string {
	i.t.Helper()
	out, code := run(i.t, i.env, "", args...)
	if code != 0 {
		i.t.Fatalf("lagerd %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// addShop adds a shop for the agreement and pastes its webhooks there.
func (i *installation) addShop(s *sandbox, name string, agreement int, args ...string) string {
	i.t.Helper()
	code := fmt.Sprintf("code-of-%s-%x", name, time.Now().UnixNano())
	i.write(name+".grant", grant(agreement))
	i.write(name+".code", code)
	i.secrets = append(i.secrets, code, grant(agreement))
	args = append([]string{"shops", "add", name, "--grant-token-file", filepath.Join(i.dir, name+".grant"),
		"--code-file", filepath.Join(i.dir, name+".code")}, args...)
	i.command(args...)
	s.post(agreement, "webhooks", map[string]string{"baseURL": "http://" + i.webhook, "username": name, "password": code})
	return code
}

// call calls the webhook by hand, as in a browser.
func (i *installation) call(shop, code, kind, number string) (int, string) {
	i.t.Helper()
	q := url.Values{"type": {kind}, "username": {shop}, "password": {code}, "number": {number}}
	res, err := http.Get("http://" + i.webhook + "/webhooks.php?" + q.Encode())
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func (i *installation) database() *sql.DB {
	i.t.Helper()
	db, err := sql.Open(i.driver, i.dsn)
	if err != nil {
		i.t.Fatal(err)
	}
	return db
}

// differences compares what the shop's software reads with e-conomic's truth.
func (i *installation) differences(s *sandbox, shop string, agreement int) []string {
	i.t.Helper()
	db := i.database()
	defer db.Close()
	differ, err := sandboxtest.Differences(i.t.Context(), db, s.truth(agreement), shop)
	if err != nil {
		return []string{err.Error()}
	}
	return differ
}

// equal waits until the database equals the sandbox.
func (i *installation) equal(s *sandbox, shop string, agreement int, within time.Duration) {
	i.t.Helper()
	var diff []string
	deadline := time.Now().Add(within)
	for {
		if diff = i.differences(s, shop, agreement); len(diff) == 0 {
			return
		}
		if time.Now().After(deadline) {
			i.t.Fatalf("%s: not equal within %s: %d differences, such as\n  %s", shop, within, len(diff), strings.Join(diff[:min(5, len(diff))], "\n  "))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// shopStatus is what the tests look at of `lagerd status --json`.
type shopStatus struct {
	State          string `json:"state"`
	Held           string `json:"held"`
	Reason         string `json:"reason"`
	Suspicion      string `json:"suspicion"`
	OpenHints      int    `json:"open_hints"`
	FailingHints   int    `json:"failing_hints"`
	MissedWebhooks int    `json:"missed_webhooks"`
	LateWebhooks   int    `json:"late_webhooks"`
	Drift          int    `json:"drift"`
	WaitingForPDF  int    `json:"invoices_waiting_for_pdf"`
	WithoutOrder   int    `json:"invoices_without_order"`
	Invoices       int    `json:"invoices"`
	LastGoodTick   string `json:"last_good_tick"`
	CallsToday     int    `json:"calls_today"`
}

func (i *installation) status(shop string) shopStatus {
	i.t.Helper()
	var list []shopStatus
	out := i.command("status", shop, "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		i.t.Fatalf("status --json: %v: %s", err, out)
	}
	return list[0]
}
