package lagerdtest

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql" // opens the databases under test
	_ "modernc.org/sqlite"           // opens the databases under test

	"lagerd/test/sandboxtest"
)

// Values of every installation: the sandbox's app token, a master key, and the number of the
// sandbox's first agreement.
const (
	AppToken       = "sandbox-app-token"
	Key            = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	FirstAgreement = 100001
)

// RackbeatKey returns the key of the Rackbeat account that an agreement of the sandbox may have.
func RackbeatKey(agreement int) string {
	return fmt.Sprintf("sandbox-rackbeat-%d", agreement-FirstAgreement+1)
}

// Grant returns the grant token of one of the sandbox's agreements.
func Grant(agreement int) string {
	return fmt.Sprintf("sandbox-grant-%d", agreement-FirstAgreement+1)
}

// Pace is configuration that makes lagerd fast enough for a test: a tick every two seconds.
const Pace = `
reconcile:
  schedule: "@every 2s"
  rereads: [300ms, 1s]
  retry_min: 200ms
  retry_max: 2s
  held_retry: 1s
`

// Setup holds what differs between installations.
type Setup struct {
	Dir   string // of its files; "": the test's own
	Name  string // of its configuration, if several share a directory
	DSN   string // of a MySQL server; "": the embedded database
	Path  string // of the embedded database; "": in Dir
	REST  string // e-conomic's address; Rackbeat's is below it, as in the sandbox
	Extra string // more of the configuration

	Timeout    time.Duration // of a call to e-conomic; 0: the default
	DailyCalls int           // economic.daily_calls; 0: lagerd's own

	RackbeatCalls int // rackbeat.calls_per_minute; 0: as many as do not slow a test
}

// Installation is a lagerd with its configuration and its database, running or not.
type Installation struct {
	T              testing.TB
	Dir, Config    string
	Env            []string
	Webhook, Admin string   // addresses
	Driver, DSN    string   // of its database, for the test's own connections
	Secrets        []string // must not appear anywhere
	Lagerd         Command  // not set by Install

	secrets sync.Mutex // of Secrets, while shops are added
}

// Command runs a command of lagerd and returns its output and exit code.
type Command func(env []string, stdin string, args ...string) (out string, code int)

// Install writes the configuration of a lagerd and the files that it names.
func Install(t testing.TB, s Setup) *Installation {
	t.Helper()
	if s.Dir == "" {
		s.Dir = t.TempDir()
	}
	if s.Name == "" {
		s.Name = "lagerd"
	}
	i := &Installation{T: t, Dir: s.Dir, Config: filepath.Join(s.Dir, s.Name+".yaml"), Webhook: FreeAddress(t), Admin: FreeAddress(t)}
	if s.Path == "" {
		s.Path = i.Path("lagerd.db")
	}
	database := "path: " + s.Path
	i.Driver, i.DSN = "sqlite", "file:"+s.Path+"?_pragma=busy_timeout(10000)"
	if s.DSN != "" {
		database = "dsn: " + strconv.Quote(s.DSN)
		i.Driver, i.DSN = "mysql", s.DSN
	}
	more := ""
	if s.REST != "" {
		more = "\n  webhooks_url: " + s.REST + "/webhooksapi/v1.0.0"
	}
	if s.Timeout > 0 {
		more += "\n  timeout: " + s.Timeout.String()
	}
	if s.DailyCalls > 0 {
		more += fmt.Sprint("\n  daily_calls: ", s.DailyCalls)
	}
	rackbeat := ""
	if s.REST != "" {
		rackbeat = fmt.Sprintf("\nrackbeat:\n  url: %s/api/\n  contact: drift@example.dk\n  calls_per_minute: %d", s.REST, cmp.Or(s.RackbeatCalls, 6000))
		if s.Timeout > 0 {
			rackbeat += "\n  timeout: " + s.Timeout.String()
		}
	}
	i.Write("app-token", AppToken)
	i.Write("key", Key)
	i.Write(s.Name+".yaml", fmt.Sprintf(`
database:
  %s
key_file: %s
economic:
  rest_url: %s
  app_secret_token_file: %s%s%s
webhook:
  listen: %s
admin:
  listen: %s
%s`, database, i.Path("key"), s.REST, i.Path("app-token"), more, rackbeat, i.Webhook, i.Admin, s.Extra))
	i.Env = []string{"LAGERD_CONFIG=" + i.Config}
	i.Secrets = append(i.Secrets, AppToken, Key)
	return i
}

// Path returns the path of a file of the installation.
func (i *Installation) Path(name string) string { return filepath.Join(i.Dir, name) }

// Write writes a file of the installation.
func (i *Installation) Write(name, text string) {
	i.T.Helper()
	Write(i.T, i.Path(name), text)
}

// Command runs a command that must succeed, and returns its output. `status` succeeds too if it
// shows something that needs a person.
func (i *Installation) Command(args ...string) string {
	i.T.Helper()
	out, code := i.Lagerd(i.Env, "", args...)
	if needs := args[0] == "status" && code == 3; code != 0 && !needs {
		i.T.Fatalf("lagerd %s: exit %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// AddShop adds a shop for an agreement of the sandbox, with its two webhooks, and
// returns its integration code.
func (i *Installation) AddShop(s sandboxtest.Client, name string, agreement int, args ...string) string {
	i.T.Helper()
	code := fmt.Sprintf("code-of-%s-%x", name, time.Now().UnixNano())
	i.Write(name+".grant", Grant(agreement))
	i.Write(name+".code", code)
	i.keepSecret(code, Grant(agreement))
	i.Command(append([]string{"shops", "add", name, "--grant-token-file", i.Path(name + ".grant"), "--code-file", i.Path(name + ".code")}, args...)...)
	pasted := map[string]string{"baseURL": "http://" + i.Webhook, "username": name, "password": code}
	i.ReadAll()
	if err := s.Post(agreement, "webhooks", pasted, nil); err != nil {
		i.T.Fatal(err)
	}
	return code
}

// keepSecret adds secrets. Shops may be added side by side.
func (i *Installation) keepSecret(secrets ...string) {
	i.secrets.Lock()
	defer i.secrets.Unlock()
	i.Secrets = append(i.Secrets, secrets...)
}

// AddRackbeatShop is AddShop for an agreement whose stock is kept at Rackbeat: its webhooks are
// entered there too, and their token is stored.
func (i *Installation) AddRackbeatShop(s sandboxtest.Client, name string, agreement int, args ...string) string {
	i.T.Helper()
	key, token := i.Path(name+".rackbeat-key"), fmt.Sprintf("token-of-%s-%x", name, time.Now().UnixNano())
	i.Write(name+".rackbeat-key", RackbeatKey(agreement))
	i.Write(name+".rackbeat-tokens", token)
	i.keepSecret(RackbeatKey(agreement), token)
	code := i.AddShop(s, name, agreement, append([]string{"--stock-source", "rackbeat", "--rackbeat-key-file", key,
		"--rackbeat-webhook-token-file", i.Path(name + ".rackbeat-tokens")}, args...)...)
	i.EnterAtRackbeat(s, name, agreement, code, token)
	return code
}

// EnterAtRackbeat enters a shop's webhooks at Rackbeat.
func (i *Installation) EnterAtRackbeat(s sandboxtest.Client, name string, agreement int, code, token string) {
	i.T.Helper()
	pasted := map[string]string{"baseURL": "http://" + i.Webhook, "username": name, "password": code, "token": token}
	if err := s.Post(agreement, "rackbeat/webhooks", pasted, nil); err != nil {
		i.T.Fatal(err)
	}
}

// ReadAll lets the test's own account read the views of all shops: Differences compares with them.
func (i *Installation) ReadAll() {
	i.T.Helper()
	if i.Driver != "mysql" {
		return
	}
	cfg, err := mysql.ParseDSN(i.DSN)
	if err != nil {
		i.T.Fatal(err)
	}
	i.Command("shops", "grant", "--all", "--account", cfg.User)
}

// Call calls the webhook as e-conomic does, or a person in a browser.
func (i *Installation) Call(client *http.Client, shop, code, kind, number string) (status int, body string, err error) {
	q := url.Values{"type": {kind}, "username": {shop}, "password": {code}, "number": {number}}
	return get(context.Background(), client, "http://"+i.Webhook+"/webhooks.php?"+q.Encode())
}

// Ask requests a page from the admin listener.
func (i *Installation) Ask(ctx context.Context, path string) (status int, body string, err error) {
	return get(ctx, http.DefaultClient, "http://"+i.Admin+path)
}

func get(ctx context.Context, client *http.Client, address string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", fmt.Errorf("make a request: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("call lagerd: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		err = fmt.Errorf("read lagerd's answer: %w", err)
	}
	return res.StatusCode, string(raw), err // the status is valid even if the body is cut off
}

// Ready reports whether lagerd is ready.
func (i *Installation) Ready(ctx context.Context) bool {
	status, _, err := i.Ask(ctx, "/readyz")
	return err == nil && status == http.StatusOK
}

// Metric returns the value of a metric, named with its labels; 0 if lagerd does not answer or
// has no such metric.
func (i *Installation) Metric(ctx context.Context, name string) float64 {
	_, page, err := i.Ask(ctx, "/metrics")
	if err != nil {
		return 0
	}
	return Metric(page, name)
}

// Metric returns the value of a metric, named with its labels, on a page of metrics; 0 if it is
// missing.
func Metric(page, name string) float64 {
	for line := range strings.Lines(page) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err == nil {
				return value
			}
		}
	}
	return 0
}

// Database opens a connection for the test; the caller closes it.
func (i *Installation) Database() *sql.DB {
	i.T.Helper()
	db, err := sql.Open(i.Driver, i.DSN)
	if err != nil {
		i.T.Fatal(err)
	}
	return db
}

// Differences compares what a shop's software reads with e-conomic's data.
func (i *Installation) Differences(s sandboxtest.Client, shop string, agreement int) []string {
	i.T.Helper()
	is, err := s.Truth(agreement)
	if err != nil {
		i.T.Fatal(err)
	}
	db := i.Database()
	defer db.Close()
	differ, err := sandboxtest.Differences(i.T.Context(), db, is, shop)
	if err != nil {
		return []string{err.Error()}
	}
	return differ
}

// Equal waits until what a shop's software reads equals e-conomic's data, and fails the test
// if it does not within Slack times the given time.
func (i *Installation) Equal(s sandboxtest.Client, shop string, agreement int, within time.Duration) {
	i.T.Helper()
	within *= Slack
	for deadline := time.Now().Add(within); ; time.Sleep(100 * time.Millisecond) {
		differ := i.Differences(s, shop, agreement)
		if len(differ) == 0 {
			return
		}
		if time.Now().After(deadline) {
			i.T.Fatalf("%s: not equal within %s: %d differences, such as\n  %s", shop, within, len(differ), strings.Join(differ[:min(5, len(differ))], "\n  "))
		}
	}
}

// Says reports whether an output contains a text, however its lines are broken and its columns are
// aligned.
func Says(out, text string) bool {
	flat := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	return strings.Contains(flat(out), flat(text))
}

// ShopStatus is the part of `lagerd status --json` that tests check.
type ShopStatus struct {
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

// Status returns a shop's `lagerd status`.
func (i *Installation) Status(shop string) ShopStatus {
	i.T.Helper()
	var list []ShopStatus
	out := i.Command("status", shop, "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 {
		i.T.Fatalf("status --json: %v: %s", err, out)
	}
	return list[0]
}
