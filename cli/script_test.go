package cli_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"lagerd/sandbox"
	"lagerd/test/lagerdtest"
	"lagerd/test/mariadbtest"
	"lagerd/test/sandboxtest"
)

func TestMain(m *testing.M) { lagerdtest.Main(withDatabase{m}) }

// withDatabase stops the MariaDB server that scripts have used.
type withDatabase struct{ *testing.M }

func (m withDatabase) Run() int { return mariadbtest.Main(m.M) }

// TestScripts runs the scripts in testdata: an operator's commands and their output. Each
// has its own installation, in which nothing happens except what the script does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"economic":   economic,
			"rackbeat":   rackbeat,
			"items":      items,
			"mariadb":    mariadb,
			"addshop":    addshop,
			"ready":      ready,
			"asks":       asks,
			"signal":     signalDaemon,
			"logs":       logs,
			"exits":      exits,
			"eventually": eventually,
			"says":       says,
			"equal":      equal,
			"sql":        statement,
			"stored":     stored,
			"call":       call,
			"called":     called,
			"later":      later,
			"newcode":    newcode,
			"zone":       zone,
			"utc":        utc,
		},
		RequireUniqueNames: true,
		Deadline:           time.Now().Add(longest),
	})
}

// longest is the time limit for all scripts together, after which a hanging command is
// killed.
const longest = 30 * time.Minute

// script is the state of a script.
type script struct {
	*lagerdtest.Installation
	sandbox sandboxtest.Client
	serve   atomic.Pointer[http.Handler] // e-conomic, once started
	asking  atomic.Int64                 // calls that e-conomic has not answered yet
}

type scriptKey struct{}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// still is a configuration without ticks, and with short waits.
const still = `
reconcile: {schedule: "0 0 1 1 *", rereads: [300ms], retry_min: 200ms, retry_max: 1s, held_retry: 1s}
`

func setup(env *testscript.Env) error {
	t := env.T().(testing.TB)
	s := &script{}
	if err := private(env.WorkDir); err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asking.Add(1)
		defer s.asking.Add(-1)
		if h := s.serve.Load(); h != nil {
			(*h).ServeHTTP(w, r)
			return
		}
		http.Error(w, "there is no e-conomic yet", http.StatusServiceUnavailable)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.sandbox = sandboxtest.Client{URL: server.URL, HTTP: server.Client()}
	s.Installation = lagerdtest.Install(t, lagerdtest.Setup{Dir: env.WorkDir, REST: server.URL, Timeout: 5 * time.Second, Extra: still})
	env.Vars = append(env.Vars, lagerdtest.RaceOptions)
	env.Setenv("SANDBOX", server.URL)
	env.Setenv("LAGERD_CONFIG", s.Config)
	env.Setenv(lagerdtest.LogVariable, s.Path("log"))
	env.Setenv("WEBHOOK", s.Webhook)
	env.Values[scriptKey{}] = s
	return nil
}

// private lets nobody else read a script's files: some are secrets.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
}

// economic start FLAG…: starts an e-conomic with flags of `lagerd sandbox`.
// economic faults JSON: sets its faults from now on; '{}' ends them all.
// economic WHAT JSON [AGREEMENT]: does something there (sell, book, delete …); prints the answer.
func economic(ts *testscript.TestScript, neg bool, args []string) {
	s := of(ts)
	switch {
	case neg || len(args) == 0:
		ts.Fatalf("usage: economic start|faults|WHAT …")
	case args[0] == "start":
		var o struct{ sandbox.Options }
		parser, err := kong.New(&o)
		ts.Check(err)
		_, err = parser.Parse(args[1:])
		ts.Check(err)
		box := sandbox.New(o.Options)
		ts.Defer(box.Close)
		h := box.Handler()
		s.serve.Store(&h)
	case args[0] == "faults" && args[1] == "{}":
		ts.Check(s.sandbox.Send(http.MethodDelete, "/sandbox/faults", nil, nil))
	case args[0] == "faults":
		ts.Check(s.sandbox.Send(http.MethodPut, "/sandbox/faults", raw(args[1]), nil))
	default:
		agreement := lagerdtest.FirstAgreement
		if len(args) > 2 {
			var err error
			agreement, err = strconv.Atoi(args[2])
			ts.Check(err)
		}
		var answer raw
		ts.Check(s.sandbox.Post(agreement, args[0], raw(args[1]), &answer))
		if answer != "{}" {
			fmt.Fprintf(ts.Stdout(), "%s\n", answer)
		}
	}
}

// rackbeat WHAT JSON AGREEMENT: does something at the Rackbeat account of an agreement.
// rackbeat open JSON AGREEMENT: opens an account to which the agreement's stock moves.
// rackbeat faults JSON AGREEMENT: sets its faults from now on; '{}' ends them all.
func rackbeat(ts *testscript.TestScript, _ bool, args []string) {
	method := http.MethodPost
	switch {
	case args[0] == "open":
		ts.Check(of(ts).sandbox.Send(http.MethodPut, "/sandbox/agreements/"+args[2]+"/rackbeat", raw(args[1]), nil))
		return
	case args[0] == "faults" && args[1] == "{}":
		method = http.MethodDelete
	case args[0] == "faults":
		method = http.MethodPut
	}
	ts.Check(of(ts).sandbox.Send(method, "/sandbox/agreements/"+args[2]+"/rackbeat/"+args[0], raw(args[1]), nil))
}

// items FROM TO STOCK: sets the stock of the items item-FROM to item-TO at e-conomic,
// creating missing ones.
func items(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	from, err := strconv.Atoi(args[0])
	ts.Check(err)
	to, err := strconv.Atoi(args[1])
	ts.Check(err)
	for n := from; n <= to; n++ {
		item := map[string]any{"number": fmt.Sprintf("item-%02d", n), "name": fmt.Sprintf("Item %d", n), "inStock": raw(args[2])}
		if s.sandbox.Post(lagerdtest.FirstAgreement, "create", item, nil) != nil { // it exists
			ts.Check(s.sandbox.Post(lagerdtest.FirstAgreement, "adjust", item, nil))
		}
	}
}

// raw is JSON from a script.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func (r *raw) UnmarshalJSON(b []byte) error { *r = raw(b); return nil }

// mariadb: configures an empty database on a MariaDB server. $ACCOUNT is lagerd's account
// there, and $DATABASE its name.
func mariadb(ts *testscript.TestScript, _ bool, _ []string) {
	s := of(ts)
	webhook, admin := s.Webhook, s.Admin
	s.Installation = lagerdtest.Install(s.T, lagerdtest.Setup{Dir: s.Dir, DSN: mariadbtest.New(s.T), REST: s.sandbox.URL, Timeout: 5 * time.Second, Extra: still})
	ts.Setenv("LAGERD_WEBHOOK_LISTEN", webhook)
	ts.Setenv("LAGERD_ADMIN_LISTEN", admin)
	cfg, err := mysql.ParseDSN(s.DSN)
	ts.Check(err)
	ts.Setenv("ACCOUNT", cfg.User)
	ts.Setenv("DATABASE", cfg.DBName)
	s.Webhook, s.Admin = webhook, admin
}

// addshop SHOP AGREEMENT FLAG…: adds a shop with its webhooks. Its code is $CODE.
func addshop(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	agreement, err := strconv.Atoi(args[1])
	ts.Check(err)
	s.Lagerd = func(_ []string, _ string, args ...string) (string, int) {
		return "", codeOf(ts, ts.Exec("lagerd", args...))
	}
	ts.Setenv("CODE", s.AddShop(s.sandbox, args[0], agreement, args[2:]...))
}

// codeOf returns the exit code of a command that has ended.
func codeOf(ts *testscript.TestScript, err error) int {
	exit, exited := errors.AsType[*exec.ExitError](err)
	if err != nil && !exited {
		ts.Fatalf("%v", err)
	}
	if exited {
		return exit.ExitCode()
	}
	return 0
}

const patience = time.Minute

// within waits for a condition.
func within(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// ready: waits until the daemon in the background is ready.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	within(ts, "lagerd is ready", func() bool {
		return of(ts).Ready(context.Background())
	})
}

// asks [none]: waits until e-conomic has a call, or none, that it has not answered yet.
func asks(ts *testscript.TestScript, _ bool, args []string) {
	none := len(args) > 0
	within(ts, "calls to e-conomic", func() bool { return none == (of(ts).asking.Load() == 0) })
}

// signal HUP|USR1|USR2|TERM|KILL: sends a signal to the daemon in the background.
func signalDaemon(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}

// logs REGEXP: waits until the daemon's log matches.
func logs(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[0])
	within(ts, "the log has "+args[0], func() bool {
		text, err := os.ReadFile(of(ts).Path("log"))
		return err == nil && re.Match(text)
	})
}

// exits CODE ARG…: runs lagerd, which must exit with that code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if code := codeOf(ts, ts.Exec("lagerd", args[1:]...)); code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// eventually REGEXP ARG…: runs lagerd repeatedly until its output matches. It must not fail, but
// may exit with 3: `status`, as long as something needs a person.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(`(?m)` + args[0])
	within(ts, fmt.Sprintf("lagerd %s prints %s", strings.Join(args[1:], " "), args[0]), func() bool {
		if code := codeOf(ts, ts.Exec("lagerd", args[1:]...)); code != 0 && code != 3 {
			ts.Fatalf("exit code %d", code)
		}
		return re.MatchString(ts.ReadFile("stdout"))
	})
}

// says [stderr] FILE: the last output, or error output, equals the file. In the file
// $WEBHOOK and other variables are expanded, "…" matches anything within a line, and
// blanks separate columns.
func says(ts *testscript.TestScript, _ bool, args []string) {
	stream, file := "stdout", args[0]
	if len(args) > 1 {
		stream, file = args[0], args[1]
	}
	got, want := lines(ts.ReadFile(stream)), lines(os.Expand(ts.ReadFile(file), ts.Getenv))
	for n, line := range want {
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if n < len(got) && regexp.MustCompile("^"+strings.Join(parts, ".*")+"$").MatchString(got[n]) {
			want[n] = got[n]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		ts.Fatalf("%s does not say %s (-want +got):\n%s", stream, file, diff)
	}
}

var columns = regexp.MustCompile(` {2,}`)

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		all = append(all, columns.ReplaceAllString(strings.TrimRight(line, " \n"), "  "))
	}
	return all
}

// equal SHOP AGREEMENT: waits until what the shop's software reads equals e-conomic's true state.
func equal(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	agreement, err := strconv.Atoi(args[1])
	ts.Check(err)
	var differ []string
	deadline := time.Now().Add(patience)
	for differ = s.Differences(s.sandbox, args[0], agreement); len(differ) > 0 && time.Now().Before(deadline); differ = s.Differences(s.sandbox, args[0], agreement) {
		time.Sleep(50 * time.Millisecond)
	}
	if len(differ) > 0 {
		ts.Fatalf("%s is not equal: %d differences, such as %s", args[0], len(differ), differ[0])
	}
}

// sql STATEMENT: prints a query's rows, or executes a statement.
func statement(ts *testscript.TestScript, _ bool, args []string) {
	db := of(ts).Database()
	defer db.Close()
	if strings.HasPrefix(args[0], "SELECT") {
		fmt.Fprint(ts.Stdout(), query(ts, db, args[0]))
		return
	}
	_, err := db.Exec(args[0])
	ts.Check(err)
}

// stored REGEXP QUERY: waits until a query's rows match.
func stored(ts *testscript.TestScript, _ bool, args []string) {
	db := of(ts).Database()
	defer db.Close()
	re, got := regexp.MustCompile(`(?m)`+args[0]), ""
	defer func() { ts.Logf("%s", got) }()
	within(ts, args[1]+" returns "+args[0], func() bool {
		got = query(ts, db, args[1])
		return re.MatchString(got)
	})
}

// query returns a query's rows, one per line.
func query(ts *testscript.TestScript, db *sql.DB, text string) string {
	rows, err := db.Query(text)
	ts.Check(err)
	defer rows.Close()
	names, err := rows.Columns()
	ts.Check(err)
	row, into := make([]*string, len(names)), make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	var all strings.Builder
	for rows.Next() {
		ts.Check(rows.Scan(into...))
		texts := make([]string, len(row))
		for i, text := range row {
			if texts[i] = "NULL"; text != nil {
				texts[i] = *text
			}
		}
		fmt.Fprintln(&all, strings.Join(texts, "  "))
	}
	ts.Check(rows.Err())
	return all.String()
}

// call [-accept LANGUAGES] SHOP CODE TYPE NUMBER: calls the webhook endpoint, as a browser that
// sends Accept-Language if it is given. Prints the status and the answer.
func call(ts *testscript.TestScript, _ bool, args []string) {
	client := http.DefaultClient
	if args[0] == "-accept" {
		client, args = &http.Client{Transport: browser(args[1])}, args[2:]
	}
	status, body, err := of(ts).Call(client, args[0], args[1], args[2], args[3])
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s", status, body)
}

// browser sends requests with this Accept-Language.
type browser string

func (b browser) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Accept-Language", string(b))
	r.Header.Set("Accept", "text/html,*/*;q=0.8") // as a browser does
	return http.DefaultTransport.RoundTrip(r)
}

// called REGEXP SHOP CODE TYPE NUMBER: calls the webhook endpoint until its status and answer match.
func called(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[0])
	within(ts, "the webhook endpoint answers "+args[0], func() bool {
		status, body, err := of(ts).Call(http.DefaultClient, args[1], args[2], args[3], args[4])
		ts.Check(err)
		return re.MatchString(fmt.Sprintf("%d\n%s", status, body))
	})
}

// startsWithin is how long a command takes to start on a busy machine.
const startsWithin = 8 * time.Second

// later SHOP CODE TYPE NUMBER: calls the webhook endpoint, once a command that is started next is
// running.
func later(ts *testscript.TestScript, _ bool, args []string) {
	s := of(ts)
	timer := time.AfterFunc(startsWithin, func() { _, _, _ = s.Call(http.DefaultClient, args[0], args[1], args[2], args[3]) })
	ts.Defer(func() { timer.Stop() })
}

// newcode: sets CODE to the code in the last output.
func newcode(ts *testscript.TestScript, _ bool, _ []string) {
	_, rest, _ := strings.Cut(ts.ReadFile("stdout"), "password=")
	code, _, found := strings.Cut(rest, "&")
	if !found {
		ts.Fatalf("no code was printed")
	}
	ts.Setenv("CODE", code)
}

// zone NAME: runs lagerd in that time zone from now on.
func zone(ts *testscript.TestScript, _ bool, args []string) {
	_, err := time.LoadLocation(args[0]) // else it would run in UTC
	ts.Check(err)
	ts.Setenv("TZ", args[0])
}

// utc REGEXP: the last line of output that matches has a time within the last two
// minutes, in UTC.
func utc(ts *testscript.TestScript, _ bool, args []string) {
	re, clock := regexp.MustCompile(args[0]), regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d`)
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if !re.MatchString(strings.TrimSuffix(line, "\n")) {
			continue
		}
		at, err := time.Parse(time.DateTime, strings.Replace(clock.FindString(line), "T", " ", 1))
		ts.Check(err)
		if age := time.Since(at); age < -2*time.Second || age > 2*time.Minute {
			ts.Fatalf("%s is %s ago in UTC", at, age)
		}
		return
	}
	ts.Fatalf("no line matches %s", args[0])
}
