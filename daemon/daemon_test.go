package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/sandbox"
	"lagerd/test/lagerdtest"
	"lagerd/test/sandboxtest"
)

func TestMain(m *testing.M) { lagerdtest.Main(m) }

const first = lagerdtest.FirstAgreement

// still configures a lagerd without ticks.
const still = "reconcile: {schedule: \"0 0 1 1 *\", rereads: [300ms], retry_min: 200ms, retry_max: 1s, held_retry: 1s}\n"

// installation is a lagerd as run by a service manager.
type installation struct {
	*lagerdtest.Installation
	t       *testing.T
	sandbox sandboxtest.Client
	proc    *lagerdtest.Process
	out     *lagerdtest.Output
}

// install prepares a lagerd with an embedded database and a sandbox e-conomic with that
// many items.
func install(t *testing.T, items int, extra string) *installation {
	t.Helper()
	box := sandboxtest.Start(t, sandbox.Options{Agreements: 1, Products: items, Seed: 1})
	i := &installation{t: t, sandbox: box, Installation: lagerdtest.Install(t, lagerdtest.Setup{REST: box.URL, Timeout: 5 * time.Second, Extra: extra})}
	i.Lagerd = lagerdtest.Self(t).Command(t)
	return i
}

// run starts the daemon, which stops at the end of the test at the latest.
func (i *installation) run() {
	i.t.Helper()
	i.out = lagerdtest.NewTranscript()
	var err error
	if i.proc, err = lagerdtest.Self(i.t).Start(i.out, i.Env, "run"); err != nil {
		i.t.Fatal(err)
	}
	p, out := i.proc, i.out
	i.t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			i.t.Error(err)
		}
		if i.t.Failed() {
			i.t.Logf("lagerd said:\n%s", out.Tail(40))
		}
	})
}

// start runs the daemon and waits until it is ready.
func (i *installation) start() {
	i.t.Helper()
	i.run()
	lagerdtest.Eventually(i.t, 20*time.Second, "lagerd is ready", func() bool {
		if !i.proc.Running() {
			i.t.Fatalf("lagerd has ended:\n%s", i.out.Tail(40))
		}
		return i.Ready(i.t.Context())
	})
}

func (i *installation) signal(s syscall.Signal) {
	i.t.Helper()
	if err := i.proc.Signal(s); err != nil {
		i.t.Fatal(err)
	}
}

// ends waits until the daemon has ended, and fails the test unless its exit code is code.
func (i *installation) ends(code int) {
	i.t.Helper()
	got, err := i.proc.Wait(time.Minute)
	if err != nil {
		i.t.Fatal(err)
	}
	if got != code {
		i.t.Errorf("exit code %d, want %d", got, code)
	}
}

// ask gets a page from the admin listener.
func (i *installation) ask(path string) (status int, body string) {
	i.t.Helper()
	status, body, err := i.Ask(i.t.Context(), path)
	if err != nil {
		i.t.Fatalf("GET %s: %v", path, err)
	}
	return status, body
}

// posting is a webhook's call whose body is sent in two halves.
type posting struct {
	net.Conn
	rest string
}

// post sends the first half of a webhook's call.
func (i *installation) post(code, number string) posting {
	i.t.Helper()
	conn, err := net.Dial("tcp", i.Webhook)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(func() { _ = conn.Close() })
	body := url.Values{"type": {"stockUpdate"}, "username": {"shop1234"}, "password": {code}, "number": {number}}.Encode()
	half := len(body) / 2
	if _, err := fmt.Fprintf(conn, "POST /webhooks.php HTTP/1.1\r\nHost: lagerd\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:half]); err != nil {
		i.t.Fatal(err)
	}
	return posting{conn, body[half:]}
}

// finish sends the second half and returns the answer.
func (p posting) finish(t *testing.T) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(p, p.rest); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(p), nil)
	if err != nil {
		t.Fatalf("no answer after the second half: %v", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// hinted returns how many hints are in the database, answered or not.
func (i *installation) hinted() (n int) {
	i.t.Helper()
	db := i.Database()
	defer db.Close()
	err := db.QueryRow("SELECT (SELECT COUNT(*) FROM hints) + (SELECT COALESCE(SUM(hints), 0) FROM hint_batches)").Scan(&n)
	if err != nil {
		i.t.Fatal(err)
	}
	return n
}

// TestStopWithAHalfSentWebhook: while lagerd stops it is not ready, accepts no more calls,
// and waits for one that is half sent. If it answers Success, the hint is in the database.
func TestStopWithAHalfSentWebhook(t *testing.T) {
	t.Parallel()
	i := install(t, 5, still)
	i.start()
	code := i.AddShop(i.sandbox, "shop1234", first)
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	lagerdtest.Eventually(t, 10*time.Second, "its webhooks are taken", func() bool {
		status, _, err := i.Call(http.DefaultClient, "shop1234", code, "stockUpdate", "00001")
		return err == nil && status == http.StatusOK
	})
	before := i.hinted()
	call := i.post(code, "a number of its own")
	time.Sleep(50 * time.Millisecond) // its head is read
	i.signal(syscall.SIGTERM)
	lagerdtest.Eventually(t, 5*time.Second, "it says that it is not ready", func() bool {
		status, body := i.ask("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "starting or stopping")
	})
	if status, body := i.ask("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, _, err := i.Call(&http.Client{Timeout: time.Second}, "shop1234", code, "stockUpdate", "00001"); err == nil {
		t.Errorf("another call is answered %d", status)
	}
	if !i.proc.Running() {
		t.Fatal("it has ended while a call was half sent")
	}
	if status, body := call.finish(t); status != http.StatusOK || !strings.HasPrefix(body, "Success") {
		t.Errorf("the call that was half sent is answered %d %s", status, body)
	}
	i.ends(0)
	if after := i.hinted(); after != before+1 {
		t.Errorf("%d hints are in the database, want %d", after, before+1)
	}
}

// TestStopTakesNoLonger: a shutdown takes no longer than shutdown_timeout, even if a caller
// keeps a call open. Calls answered before are in the database at the next start.
func TestStopTakesNoLonger(t *testing.T) {
	t.Parallel()
	i := install(t, 5, still+"shutdown_timeout: 1s\n")
	i.start()
	code := i.AddShop(i.sandbox, "shop1234", first)
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	i.post(code, "never sent whole")
	time.Sleep(50 * time.Millisecond)
	began := time.Now()
	i.signal(syscall.SIGTERM)
	i.ends(1)
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("it did not wait for the half-sent call: it stopped after %s", took)
	}
	if said := i.out.String(); !strings.Contains(said, "shutdown did not finish within shutdown_timeout (1s)") {
		t.Errorf("it does not say why:\n%s", said)
	}
	if err := i.sandbox.Post(first, "sell", map[string]any{"number": "00001", "quantity": 1}, nil); err != nil {
		t.Fatal(err)
	}
	i.start()
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	i.signal(syscall.SIGTERM)
	i.ends(0)
}

// TestEmbeddedDatabaseIsItsAlone: after kill -9 the next lagerd on the embedded database
// waits for no lease, since their holder must have died.
func TestEmbeddedDatabaseIsItsAlone(t *testing.T) {
	t.Parallel()
	i := install(t, 5, still+"lease: {beat: 10s, ttl: 1m}\n")
	i.start()
	i.AddShop(i.sandbox, "shop1234", first)
	i.Command("reconcile", "--wait")
	if err := i.sandbox.Post(first, "webhooks", map[string]string{"baseURL": "http://127.0.0.1:1", "username": "shop1234", "password": "x"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := i.proc.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := i.sandbox.Post(first, "sell", map[string]any{"number": "00001", "quantity": 1}, nil); err != nil {
		t.Fatal(err)
	}
	i.start()
	i.Equal(i.sandbox, "shop1234", first, 10*time.Second)
}

// TestStartsThatFail: a failed start says why, and leaves nothing behind.
func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	i := install(t, 0, still)
	good := i.Env
	if err := os.WriteFile(i.Path("open"), []byte("token"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  []string
		code int
		says string
	}{
		"the webhooks' address is taken": {[]string{"LAGERD_WEBHOOK_LISTEN=" + taken.Addr().String()}, 1, "webhook.listen: listen tcp " + taken.Addr().String()},
		"the admin address is taken":     {[]string{"LAGERD_ADMIN_LISTEN=" + taken.Addr().String()}, 1, "admin.listen: listen tcp " + taken.Addr().String()},
		"an app token that all can read": {[]string{"LAGERD_ECONOMIC_APP_SECRET_TOKEN_FILE=" + i.Path("open")}, 78, "economic.app_secret_token_file"},
		"no such directory":              {[]string{"LAGERD_DATABASE_PATH=/proc/none/lagerd.db"}, 1, "/proc/none"},
	} {
		i.Env = append(append([]string{}, good...), c.env...)
		i.run()
		i.ends(c.code)
		if said := i.out.String(); !strings.Contains(said, c.says) {
			t.Errorf("%s: it does not say %q:\n%s", name, c.says, said)
		}
	}
	i.Env = good
	i.start()
}

// TestWithoutAppToken: without the app's token lagerd starts, takes webhooks and makes no call to
// e-conomic; all that shows its state says what to do. Once the file is filled, a reload begins to
// reconcile; a reload never loses the token.
func TestWithoutAppToken(t *testing.T) {
	t.Parallel()
	i := install(t, 5, still)
	i.start()
	code := i.AddShop(i.sandbox, "shop1234", first)
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	i.signal(syscall.SIGTERM)
	i.ends(0)
	token := i.Path("app-token")
	i.Write("app-token", "\n")
	sent := i.callsSent()

	i.start()
	lagerdtest.Eventually(t, 10*time.Second, "the shop is held", func() bool { return strings.Contains(i.says(3, "status"), "held: no_app_token") })
	status, body, err := i.Call(http.DefaultClient, "shop1234", code, "stockUpdate", "00001")
	if err != nil || status != http.StatusOK || !strings.HasPrefix(body, "Success") {
		t.Errorf("a webhook is answered %d %q, %v", status, body, err)
	}
	do := "put your e-conomic app's secret token into " + token
	for what, said := range map[string]string{"status": i.says(3, "status"), "status of the shop": i.says(3, "status", "shop1234"), "check": i.says(1, "check"), "diff": i.says(78, "diff", "shop1234"), "the log": i.out.String()} {
		if text := strings.Join(strings.Fields(said), " "); !strings.Contains(text, do) {
			t.Errorf("%s does not say %q:\n%s", what, do, said)
		}
	}
	if status, body := i.ask("/readyz"); status != http.StatusOK || !strings.Contains(body, "NO APP SECRET TOKEN") || !strings.Contains(body, do) {
		t.Errorf("/readyz: %d %q", status, body)
	}
	if now := i.callsSent(); now != sent {
		t.Errorf("%d calls were made to e-conomic without a token", now-sent)
	}
	if i.hinted() == 0 {
		t.Error("the webhook is not in the database")
	}

	if err := i.sandbox.Post(first, "sell", map[string]any{"number": "00001", "quantity": 1}, nil); err != nil {
		t.Fatal(err)
	}
	i.Write("app-token", lagerdtest.AppToken)
	if said := strings.Join(strings.Fields(i.says(3, "status")), " "); !strings.Contains(said, "the file has been filled since that lagerd started") {
		t.Errorf("with the file filled, and before a reload, status says:\n%s", said)
	}
	if said := i.says(1, "check"); !strings.Contains(said, "has none, and reads nothing from e-conomic") {
		t.Errorf("with the file filled, and before a reload, check says:\n%s", said)
	}
	i.signal(syscall.SIGHUP)
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	if said := i.says(0, "status"); !strings.Contains(said, "Nothing needs a person.") {
		t.Errorf("after the reload status says:\n%s", said)
	}

	i.Write("app-token", "")
	i.signal(syscall.SIGHUP)
	lagerdtest.Eventually(t, 10*time.Second, "the reload is refused", func() bool {
		return strings.Contains(i.out.String(), "reload failed: the old configuration stays in force")
	})
	if status, body := i.ask("/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("after a reload that would lose the token: /readyz: %d %q", status, body)
	}
}

// says runs a command and returns what it prints.
func (i *installation) says(code int, args ...string) string {
	i.t.Helper()
	out, got := i.Lagerd(i.Env, "", args...)
	if got != code {
		i.t.Errorf("lagerd %s exits with %d, expected %d:\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// callsSent returns how many calls e-conomic has got.
func (i *installation) callsSent() (n int) {
	i.t.Helper()
	var stats []struct{ Calls map[string]int }
	if err := i.sandbox.Send(http.MethodGet, "/sandbox/stats", nil, &stats); err != nil {
		i.t.Fatal(err)
	}
	for _, calls := range stats[0].Calls {
		n += calls
	}
	return n
}

// TestAdminListener: what it serves, and that it is optional.
func TestAdminListener(t *testing.T) {
	t.Parallel()
	i := install(t, 0, still)
	i.start()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/healthz": {200, "ok\n"}, "/readyz": {200, "ready\n"}, "/metrics": {200, "lagerd_build_info{version="}, "/debug/pprof/": {404, ""},
		"/": {404, ""}, "/webhooks.php": {404, ""}, "/nothing": {404, ""},
	} {
		if status, body := i.ask(path); status != want.status || !strings.Contains(body, want.says) {
			t.Errorf("GET %s: %d %.100s", path, status, body)
		}
	}
	res, err := http.Post("http://"+i.Admin+"/readyz", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz: %s", res.Status)
	}
	res, err = http.Get("http://" + i.Webhook + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("GET /metrics of the webhooks' listener: %s", res.Status)
	}
	i.signal(syscall.SIGINT)
	i.ends(0)

	i.Env = append(i.Env, "LAGERD_ADMIN_PPROF=true")
	i.start()
	if status, body := i.ask("/debug/pprof/"); status != http.StatusOK || !strings.Contains(body, "goroutine") {
		t.Errorf("GET /debug/pprof/ with admin.pprof: %d %.100s", status, body)
	}
	for host, want := range map[string]int{"localhost": 200, "LOCALHOST:1": 200, "[::1]:80": 200, "127.0.0.9": 200, "evil.example": 421, "evil.example:8481": 421, "10.0.0.1": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.Admin+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("a request to %s: %s, want %d", host, res.Status, want)
		}
	}
	i.signal(syscall.SIGTERM)
	i.ends(0)

	// A socket of a lagerd that was killed is replaced.
	socket := filepath.Join(t.TempDir(), "admin.sock")
	i.Env = append(i.Env, "LAGERD_ADMIN_LISTEN=unix:"+socket)
	overSocket := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for range 2 {
		left, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		left.SetUnlinkOnClose(false)
		_ = left.Close()
		i.run()
		lagerdtest.Eventually(t, 10*time.Second, "lagerd is ready on its socket", func() bool {
			res, err := overSocket.Get("http://lagerd/readyz")
			if err != nil {
				return false
			}
			_ = res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("the socket: %v, %v", info, err)
		}
		i.signal(syscall.SIGTERM)
		i.ends(0)
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	}

	i.Env = append(i.Env, "LAGERD_ADMIN_LISTEN=")
	i.run()
	lagerdtest.Eventually(t, 10*time.Second, "lagerd is ready", func() bool { return strings.Contains(i.out.String(), "lagerd is ready") })
	if i.Ready(t.Context()) {
		t.Error("it listens although admin.listen is empty")
	}
	i.signal(syscall.SIGTERM)
	i.ends(0)
}

// TestReload: an invalid configuration changes nothing, a valid one takes effect, and the
// log names keys that need a restart.
func TestReload(t *testing.T) {
	t.Parallel()
	i := install(t, 5, still)
	i.start()
	code := i.AddShop(i.sandbox, "shop1234", first)
	i.Equal(i.sandbox, "shop1234", first, 20*time.Second)
	good, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(text, says string) {
		t.Helper()
		before := strings.Count(i.out.String(), says)
		i.Write("lagerd.yaml", text)
		i.signal(syscall.SIGHUP)
		lagerdtest.Eventually(t, 10*time.Second, says, func() bool { return strings.Count(i.out.String(), says) > before })
	}
	reload(string(good)+"nonsense: true\n", "reload failed: the old configuration stays in force")
	reload(strings.Replace(string(good), "0 0 1 1 *", "@every 1s", 1), "configuration reloaded")
	if strings.Contains(i.out.String(), "take effect only after a restart") {
		t.Error("a tick's schedule takes effect only after a restart")
	}
	if err := i.sandbox.Post(first, "webhooks", map[string]string{"baseURL": "http://127.0.0.1:1", "username": "shop1234", "password": "x"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := i.sandbox.Post(first, "sell", map[string]any{"number": "00001", "quantity": 1}, nil); err != nil {
		t.Fatal(err)
	}
	i.Equal(i.sandbox, "shop1234", first, 10*time.Second) // by the tick after the reload
	reload(string(good)+"shutdown_timeout: 9s\n", "changed keys take effect only after a restart")
	if said := i.out.String(); !strings.Contains(said, "keys=\"[shutdown_timeout]\"") {
		t.Errorf("it does not name the key:\n%s", said)
	}
	if status, _, err := i.Call(http.DefaultClient, "shop1234", code, "stockUpdate", "00001"); err != nil || status != http.StatusOK {
		t.Errorf("a webhook after all that: %d %v", status, err)
	}
}
