package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
	"lagerd/test/sandboxtest"
)

// binary is the lagerd under test, built once for all tests.
var binary lagerdtest.Binary

func TestMain(m *testing.M) {
	if floods() {
		return
	}
	dir, err := os.MkdirTemp("", "lagerd-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if binary, err = lagerdtest.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := mariadbtest.Main(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	appToken = lagerdtest.AppToken
	first    = lagerdtest.FirstAgreement
	pace     = lagerdtest.Pace
)

func grant(agreement int) string { return lagerdtest.Grant(agreement) }

// process is a running binary.
type process struct {
	t *testing.T
	*lagerdtest.Process
	out *lagerdtest.Output
}

func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	out := lagerdtest.NewTranscript()
	p, err := binary.Start(out, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, p, out)
}

// startCommand is start with the test's own command.
func startCommand(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	out := lagerdtest.NewTranscript()
	if cmd.Stdout == nil {
		cmd.Stdout, cmd.Stderr = out, out
	}
	p, err := lagerdtest.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, p, out)
}

// watch ends a process with its test, and logs its output if the test failed.
func watch(t *testing.T, p *lagerdtest.Process, out *lagerdtest.Output) *process {
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		if strings.Contains(out.String(), "DATA RACE") {
			t.Error("the race detector found a race")
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(p.Cmd.Args, " "), out.Tail(60))
		}
	})
	return &process{t, p, out}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the process to exit and returns its code.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	code, err := p.Wait(lagerdtest.Slack * within)
	if err != nil {
		p.t.Fatalf("%v:\n%s", err, p.out.Tail(40))
	}
	return code
}

// run runs a command to its end and returns its output and code.
func run(t *testing.T, env []string, stdin string, args ...string) (string, int) {
	t.Helper()
	return binary.Command(t)(env, stdin, args...)
}

// sandbox is a running e-conomic.
type sandbox struct {
	t *testing.T
	sandboxtest.Client
	out *lagerdtest.Output
}

func startSandbox(t *testing.T, args ...string) *sandbox {
	t.Helper()
	client, out := binary.HeardSandbox(t, args...)
	return &sandbox{t, client, out}
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

// installation is a lagerd with its database and its logs.
type installation struct {
	*lagerdtest.Installation
	t      *testing.T
	dir    string
	daemon *process
	logs   []*lagerdtest.Output
}

// databases runs a test on every kind of database.
func databases(t *testing.T, test func(t *testing.T, mysqlDSN string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("MariaDB", func(t *testing.T) { test(t, mariadbtest.New(t)) })
}

// startServer starts a MariaDB of the test's own, with flags of the server's.
func startServer(t *testing.T, flags ...string) *mariadbtest.Server {
	t.Helper()
	server, err := mariadbtest.Start(t.TempDir(), 0, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// column returns the values of a query's only column.
func column[T any](t *testing.T, db *sql.DB, query string, args ...any) (values []T) {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), query, args...) // the test's own may have ended
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// install writes a configuration for the sandbox; extra is more YAML.
func install(t *testing.T, s *sandbox, mysqlDSN, extra string) *installation {
	t.Helper()
	i := lagerdtest.Install(t, lagerdtest.Setup{DSN: mysqlDSN, REST: s.URL, Timeout: 5 * time.Second, Extra: extra})
	i.Lagerd = binary.Command(t)
	return &installation{Installation: i, t: t, dir: i.Dir}
}

func (i *installation) write(name, text string) {
	i.t.Helper()
	i.Write(name, text)
}

// start runs the daemon and waits until it is ready.
func (i *installation) start() {
	i.t.Helper()
	i.daemon = start(i.t, i.Env, "run")
	i.logs = append(i.logs, i.daemon.out)
	lagerdtest.Eventually(i.t, 20*time.Second, "lagerd is ready", func() bool {
		if !i.daemon.Running() {
			i.t.Fatalf("lagerd exited:\n%s", i.daemon.out.Tail(40))
		}
		return i.Ready(i.t.Context())
	})
}

// command runs a command that must succeed.
func (i *installation) command(args ...string) string {
	i.t.Helper()
	return i.Command(args...)
}

// addShop adds a shop for the agreement and enters its webhooks there.
func (i *installation) addShop(s *sandbox, name string, agreement int, args ...string) string {
	i.t.Helper()
	return i.AddShop(s.Client, name, agreement, args...)
}

// call calls the webhook as a person in a browser does.
func (i *installation) call(shop, code, kind, number string) (int, string) {
	i.t.Helper()
	status, body, err := i.Call(http.DefaultClient, shop, code, kind, number)
	if err != nil {
		i.t.Fatal(err)
	}
	return status, body
}

func (i *installation) database() *sql.DB {
	i.t.Helper()
	return i.Database()
}

// differences compares what the shop's software reads with e-conomic's truth.
func (i *installation) differences(s *sandbox, shop string, agreement int) []string {
	i.t.Helper()
	return i.Differences(s.Client, shop, agreement)
}

// equal waits until the database equals the sandbox.
func (i *installation) equal(s *sandbox, shop string, agreement int, within time.Duration) {
	i.t.Helper()
	i.Equal(s.Client, shop, agreement, within)
}

func (i *installation) status(shop string) lagerdtest.ShopStatus {
	i.t.Helper()
	return i.Status(shop)
}
