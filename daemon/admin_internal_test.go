package daemon

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/test/storetest"
)

// listensAt is a listener that only has an address.
type listensAt struct {
	net.Listener
	addr net.Addr
}

func (l listensAt) Addr() net.Addr { return l.addr }

// TestOnlyLocal: which requests are refused, by where the listener is and whom they name.
func TestOnlyLocal(t *testing.T) {
	t.Parallel()
	tcp := func(ip string) net.Listener { return listensAt{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 8481}} }
	for _, c := range []struct {
		name   string
		l      net.Listener
		listen string
		host   string
		want   int
	}{
		{"no listener", nil, "", "evil.example", 200},
		{"a Unix socket", listensAt{addr: &net.UnixAddr{}}, "unix:/run/x", "evil.example", 200},
		{"another address", tcp("10.0.0.1"), "10.0.0.1:8481", "evil.example", 200},
		{"a foreign name", tcp("127.0.0.1"), "127.0.0.1:8481", "evil.example", 421},
		{"a foreign name on IPv6", tcp("::1"), "[::1]:8481", "evil.example:8481", 421},
		{"the configured name", tcp("127.0.0.1"), "admin.internal:8481", "Admin.Internal:8481", 200},
		{"the configured name without a port", tcp("127.0.0.1"), "admin.internal:8481", "admin.internal", 200},
		{"a name that begins like it", tcp("127.0.0.1"), "admin.internal:8481", "admin.internal.evil.example", 421},
		{"a loopback address", tcp("127.0.0.1"), "127.0.0.1:8481", "127.1.2.3:99", 200},
		{"a loopback address of IPv6", tcp("127.0.0.1"), "127.0.0.1:8481", "[::1]", 200},
		{"another address", tcp("127.0.0.1"), "127.0.0.1:8481", "10.0.0.1", 421},
		{"no name", tcp("127.0.0.1"), "127.0.0.1:8481", "", 200},
	} {
		h := onlyLocal(config.Admin{Listen: c.listen}, c.l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "served") }))
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want || (w.Body.String() == "served") != (c.want == 200) {
			t.Errorf("%s: a request to %q is answered %d %s", c.name, c.host, w.Code, w.Body)
		}
	}
}

// TestAdminHandler: what the admin listener answers, by whether the main loop runs, the start is
// over and the database works.
func TestAdminHandler(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000, 0)
	s := storetest.Open(t)
	var hangs []string
	d := &daemon{store: s, others: func() []string { return hangs }, writes: newWrites(s.CanRecord, s.Probe), metrics: status.NewMetrics("1.2.3"), now: func() time.Time { return now }}
	d.lastLoop.Store(now.Unix())
	filled := config.Default()
	filled.Economic.AppSecretToken = secret.NewText("token")
	d.config.Store(&filled)
	answers := func(when, path string, code int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		d.adminHandler(nil).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := w.Body.String(); w.Code != code || text != "" && got != text {
			t.Errorf("%s: GET %s: %d %q, expected %d %q", when, path, w.Code, got, code, text)
		}
	}
	answers("at the start", "/healthz", 200, "ok\n")
	answers("at the start", "/readyz", 503, "starting or stopping\n")
	d.ready.Store(true)
	answers("when it is ready", "/readyz", 200, "ready\n")
	answers("when it is ready", "/metrics", 200, "")
	answers("without profiles", "/debug/pprof/", 404, "")
	answers("without profiles", "/debug/pprof/profile", 404, "")
	d.Config.Admin.PProf = true
	answers("with profiles", "/debug/pprof/", 200, "")
	hangs = []string{"starting passes"}
	answers("when a loop of the scheduler is stuck", "/healthz", 503, "lagerd hangs (starting passes): restart it\n")
	hangs = nil
	now = now.Add(time.Hour)
	answers("when the loop is stuck", "/healthz", 503, "lagerd hangs (heeding signals): restart it\n")
	answers("when the loop is stuck", "/readyz", 200, "ready\n")
	must(t, s.Close())
	answers("without a database", "/readyz", 503, "")
}

// TestListenAdmin: only a socket that nobody listens on is replaced.
func TestListenAdmin(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, used, left := filepath.Join(dir, "file"), filepath.Join(dir, "used"), filepath.Join(dir, "left")
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", used)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	gone, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	gone.SetUnlinkOnClose(false)
	_ = gone.Close()
	for path, want := range map[string]error{file: syscall.EADDRINUSE, used: syscall.EADDRINUSE, left: nil, filepath.Join(dir, "new"): nil, filepath.Join(dir, "none", "new"): syscall.ENOENT} {
		l, err := listenAt("unix:" + path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, expected %v", filepath.Base(path), err, want)
		}
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o660 {
			t.Errorf("%s: %v, %v", filepath.Base(path), info.Mode(), err)
		}
		_ = l.Close()
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "data" {
		t.Errorf("the file holds %q, %v", data, err)
	}
	conn, err := net.Dial("unix", used)
	if err != nil {
		t.Fatalf("the other listener is gone: %v", err)
	}
	_ = conn.Close()
}

// TestListen: an inherited listener is used and not opened again, an admin listener is optional,
// and if that cannot be opened the other is closed.
func TestListen(t *testing.T) {
	t.Parallel()
	inherited, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d := &daemon{}
	d.Config.Webhook.Listen = inherited.Addr().String() // taken
	if _, err := d.listen(); !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "webhook.listen: ") {
		t.Errorf("an address that is taken: %v", err)
	}
	logged, hook := test.NewNullLogger()
	d.log = logged
	d.WebhookListeners = []net.Listener{inherited}
	d.Config.Webhook.Listen = "127.0.0.1:1"
	l, err := d.listen()
	if last := hook.LastEntry(); last == nil || !strings.HasPrefix(last.Message, "webhook.listen has no effect: ") || last.Data["socket"] != inherited.Addr().String() {
		t.Errorf("a webhook.listen that the socket overrides: %+v", last)
	}
	hook.Reset()
	for _, listen := range []string{config.Default().Webhook.Listen, inherited.Addr().String()} {
		if d.Config.Webhook.Listen = listen; err == nil {
			l, err = d.listen()
		}
	}
	if last := hook.LastEntry(); last != nil {
		t.Errorf("a webhook.listen that is a default, or the socket's: %+v", last)
	}
	if err != nil || len(l.webhook) != 1 || l.webhook[0] != inherited || l.admin != nil || l.web != nil || address(l.admin) != "" || closeListener(l.admin) != nil {
		t.Errorf("inherited: %+v, %v", l, err)
	}
	d.Config.Admin.Listen = inherited.Addr().String() // taken
	if _, err := d.listen(); !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "admin.listen: ") {
		t.Errorf("an admin address that is taken: %v", err)
	}
	if conn, err := net.Dial("tcp", inherited.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the webhooks' listener is still open")
	}
	d.WebhookListeners, d.Config.Webhook.Listen, d.Config.Admin.Listen = nil, "127.0.0.1:0", "127.0.0.1:0"
	d.Config.Web.Listen = "127.0.0.1:0"
	l, err = d.listen()
	must(t, err)
	if address(l.admin) != l.admin.Addr().String() || address(l.admin) == address(l.webhook[0]) || address(l.web) == address(l.admin) || address(l.web) == "" {
		t.Errorf("the listeners are %s, %s and %s", addresses(l.webhook), address(l.admin), address(l.web))
	}
	d.WebhookListeners, d.Config.Admin.Listen, d.Config.Web.Listen = l.webhook, "", address(l.admin)
	if _, err := d.listen(); !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "web.listen: ") {
		t.Errorf("a page's address that is taken: %v", err)
	}
	must(t, errors.Join(closeListener(l.admin), closeListener(l.web)))
}

// TestServerLog: what the HTTP server reports is logged as a warning.
func TestServerLog(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	server(log, nil).ErrorLog.Print("http: a broken call")
	if e := hook.LastEntry(); e == nil || e.Level != logrus.WarnLevel || e.Message != "http: a broken call" {
		t.Errorf("logged: %+v", e)
	}
}
