package systemd_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // opens the machine's database
)

const (
	tokenFile = "/etc/lagerd/economic-app-secret-token"
	keyFile   = "/etc/lagerd/lagerd-key"
	database  = "/var/lib/lagerd/lagerd.db"
	shop      = "shop1234"
)

// TestPackage is the life of an installed lagerd, on each Debian that there is, one after the other:
// a busy machine would look like a lagerd that hangs.
func TestPackage(t *testing.T) {
	if *roots == "" || *first == "" || *second == "" {
		t.Skip("NOT TESTED: the package on a real systemd: run `make systemd-test`")
	}
	suites, err := os.ReadDir(*roots)
	if err != nil || len(suites) == 0 {
		t.Fatalf("there is no Debian in %s: %v", *roots, err)
	}
	for _, suite := range suites {
		t.Run(suite.Name(), func(t *testing.T) {
			m := boot(t, suite.Name(), "mariadb.service")
			before := m.files()
			m.installs()
			m.isHardened()
			code := m.isSetUp()
			m.obeys()
			m.watchdog()
			m.reloads()
			m.startsOnceMended(code)
			m.journal()
			m.losesNothing(code)
			m.leaves(before)
		})
	}
}

// apt installs a package as an operator does.
func (m machine) apt(file string) string {
	m.Helper()
	return m.does("apt-get", "install", "-y", "--no-install-recommends", m.put(file))
}

// installs: without the app's token lagerd runs, answers callers, and everything says what to do.
func (m machine) installs() {
	m.Helper()
	out := m.apt(*first)
	const do = "/etc/lagerd/economic-app-secret-token, then run: systemctl restart lagerd"
	if lines := strings.Split(out, "\n"); !slices.ContainsFunc(lines[max(0, len(lines)-4):], func(line string) bool { return strings.HasSuffix(line, do) }) {
		m.Errorf("the installer's last lines do not end with %q:\n%s", do, out)
	}
	for _, unit := range []string{"lagerd.service", "lagerd.socket"} {
		if is := m.try("systemctl", "is-active", unit) + " " + m.try("systemctl", "is-enabled", unit); is != "active enabled" {
			m.Errorf("%s is %s", unit, is)
		}
	}
	if says := m.show("lagerd.service", "StatusText"); !strings.Contains(says, "NO APP SECRET TOKEN") || !strings.Contains(says, tokenFile+", then run `systemctl restart lagerd`") {
		m.Errorf("STATUS is %q", says)
	}
	if says := strings.Join(strings.Fields(m.lagerd("", 3, "status")), " "); !strings.Contains(says, tokenFile+", then run `systemctl restart lagerd`") {
		m.Errorf("lagerd status says:\n%s", says)
	}
	if status, _ := m.call(m.client(1), "nobody", "x", "1"); status != http.StatusForbidden && status != http.StatusUnauthorized {
		m.Errorf("a stranger's call is answered %d", status)
	}
	if got, want := m.does("lagerd", "--version"), m.does("lagerd", "version"); got != want || !regexp.MustCompile(`^lagerd v\S+ \(commit [0-9a-f]{40}, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\)$`).MatchString(got) {
		m.Errorf("lagerd --version says %q, lagerd version %q", got, want)
	}
	m.hasRights()
}

// hasRights: the configuration has the rights that it must have, also after systemd has started lagerd.
func (m machine) hasRights() {
	m.Helper()
	for path, want := range map[string]string{
		"/etc/lagerd": "root:lagerd 750", "/etc/lagerd/lagerd.yaml": "root:lagerd 640", keyFile: "root:lagerd 640", tokenFile: "root:lagerd 640",
		"/var/lib/lagerd": "lagerd:lagerd 700", database: "lagerd:lagerd 600",
	} {
		if got := m.does("stat", "-c", "%U:%G %a", path); got != want {
			m.Errorf("%s is %s, expected %s", path, got, want)
		}
	}
}

// isHardened: systemd finds nothing wrong with the units, and lets little through.
func (m machine) isHardened() {
	m.Helper()
	// There is no man in the machine: whether the pages are there is looked up below.
	if out := m.does("systemd-analyze", "verify", "--man=no", "lagerd.service", "lagerd.socket"); out != "" {
		m.Errorf("systemd-analyze verify says:\n%s", out)
	}
	out := m.does("systemd-analyze", "security", "--no-pager", "--threshold=12", "lagerd.service")
	m.Log(out[strings.LastIndex(out, "\n")+1:])
	for page := range strings.FieldsSeq(m.show("lagerd.service", "Documentation")) {
		page = strings.Trim(page, `"`)
		if path, is := strings.CutPrefix(page, "file:"); is {
			m.does("test", "-s", path)
			continue
		}
		name, section, _ := strings.Cut(strings.TrimPrefix(page, "man:"), "(")
		section = strings.TrimSuffix(section, ")")
		m.does("test", "-s", "/usr/share/man/man"+section+"/"+name+"."+section+".gz")
	}
}

// isSetUp fills the token's file, and adds a shop of the sandbox. It returns the shop's code.
func (m machine) isSetUp() (code string) {
	m.Helper()
	m.does("systemd-run", "--unit=economic", "lagerd", "sandbox", "--agreements=1", "--products=50")
	m.write("/etc/lagerd/lagerd.yaml", "economic: {rest_url: 'http://127.0.0.1:8490'}\nreconcile: {schedule: '@every 5s'}\n")
	m.write(tokenFile, "sandbox-app-token\n")
	m.does("systemctl", "restart", "lagerd")
	if status, body := m.get("http://127.0.0.1:8481/readyz"); status != http.StatusOK || body != "ready\n" {
		m.Errorf("systemctl restart has returned, and /readyz says %d %q", status, body)
	}
	m.hasRights()
	out := m.lagerd("sandbox-grant-1\n", 0, "shops", "add", shop, "--grant-token-file", "-", "--invoices-from", "1", "--lang", "en")
	code = m.codeIn(out)
	m.eventually(time.Minute, "the shop's items are read", func() bool { return m.count("SELECT COUNT(*) FROM items") == 50 })
	m.eventually(20*time.Second, "STATUS says that it reconciles a shop", func() bool { return strings.Contains(m.show("lagerd.service", "StatusText"), "reconciling 1 shop") })
	return code
}

// codeIn returns the code that `shops add` has printed.
func (m machine) codeIn(out string) string {
	m.Helper()
	found := regexp.MustCompile(`password=([A-Za-z0-9_-]+)`).FindStringSubmatch(out)
	if found == nil {
		m.Fatalf("shops add shows no code:\n%s", out)
	}
	return found[1]
}

// obeys: a signal by systemctl reaches the daemon, and nothing else.
func (m machine) obeys() {
	m.Helper()
	m.does("systemctl", "kill", "--signal=SIGUSR1", "lagerd.service")
	m.eventually(10*time.Second, "the journal has the signal", func() bool {
		return strings.Contains(m.try("journalctl", "-u", "lagerd", "--no-pager"), "reconciling every shop now")
	})
	if n := m.show("lagerd.service", "NRestarts"); n != "0" {
		m.Errorf("NRestarts is %s", n)
	}
}

// watchdog: systemd ends a lagerd that hangs, and leaves one alone whose e-conomic hangs. The process
// that hangs is stopped from outside: lagerd has nothing that could make it hang.
func (m machine) watchdog() {
	m.Helper()
	m.write("/etc/systemd/system/lagerd.service.d/test.conf", "[Service]\nWatchdogSec=4\nTimeoutAbortSec=5\n")
	m.does("systemctl", "daemon-reload")
	m.does("systemctl", "restart", "lagerd")
	m.faults(`{"hang":"10m"}`)
	m.does("systemctl", "kill", "--signal=SIGUSR1", "lagerd.service")
	process := m.show("lagerd.service", "MainPID")
	time.Sleep(15 * time.Second)
	if now := m.show("lagerd.service", "MainPID"); now != process {
		m.Errorf("e-conomic hangs, and lagerd was ended: process %s is %s now", process, now)
	}
	m.faults(`{"hang":"0s"}`)
	m.does("kill", "-STOP", process)
	m.eventually(30*time.Second, "systemd has restarted the lagerd that hangs", func() bool {
		return m.show("lagerd.service", "NRestarts") == "1" && m.try("systemctl", "is-active", "lagerd.service") == "active"
	})
	if !strings.Contains(m.does("journalctl", "-u", "lagerd", "--no-pager"), "Watchdog timeout") {
		m.Error("the journal does not name the watchdog")
	}
	m.does("rm", "-r", "/etc/systemd/system/lagerd.service.d")
	m.does("systemctl", "daemon-reload")
	m.does("systemctl", "restart", "lagerd")
}

// configFile is the configuration, bogus a line that makes it bad.
const (
	configFile = "/etc/lagerd/lagerd.yaml"
	bogus      = "\nbogus: 1\n"
)

// reloads: a reload with a bad file fails, changes nothing, and STATUS says so until one succeeds.
func (m machine) reloads() {
	m.Helper()
	good := m.does("cat", configFile)
	process := m.show("lagerd.service", "MainPID")
	m.write(configFile, good+bogus)
	if out, code := m.run("", "systemctl", "reload", "lagerd"); code == 0 {
		m.Errorf("a reload with a bad file succeeds: %s", out)
	}
	if says := m.show("lagerd.service", "StatusText"); !strings.Contains(says, "the reload at ") || !strings.Contains(says, "bogus: unknown key") {
		m.Errorf("STATUS is %q", says)
	}
	if state := m.try("systemctl", "is-active", "lagerd.service") + m.show("lagerd.service", "MainPID"); state != "active"+process {
		m.Errorf("after a bad reload lagerd is %s, and was process %s", state, process)
	}
	m.write(configFile, good)
	m.does("systemctl", "reload", "lagerd")
	if says := m.show("lagerd.service", "StatusText"); strings.Contains(says, "reload") {
		m.Errorf("after a good reload STATUS is %q", says)
	}
	if out := m.does("journalctl", "-u", "lagerd", "--no-pager"); !strings.Contains(out, "if one of them has changed, restart lagerd: economic-app-secret-token") {
		m.Error("the reload does not name the secrets that it cannot read anew")
	}
}

// startsOnceMended: with a bad file a start fails, callers wait in the socket, and a mended file is
// taken up by itself.
func (m machine) startsOnceMended(code string) {
	m.Helper()
	good := m.does("cat", configFile)
	m.write(configFile, good+bogus)
	if out, code := m.run("", "systemctl", "restart", "lagerd"); code == 0 {
		m.Errorf("a restart with a bad file succeeds: %s", out)
	}
	var waiting sync.WaitGroup
	var good200 atomic.Int64
	const many = 40
	for range many {
		waiting.Go(func() {
			if status, _ := m.call(nil, shop, code, "00001"); status == http.StatusOK {
				good200.Add(1)
			}
		})
	}
	time.Sleep(10 * time.Second) // several starts
	if is := m.try("systemctl", "is-active", "lagerd.socket"); is != "active" {
		m.Errorf("the socket is %s", is)
	}
	if good200.Load() > 0 {
		m.Error("webhooks are answered although lagerd cannot start")
	}
	m.write(configFile, good)
	waiting.Wait()
	if good200.Load() != many {
		m.Errorf("%d of %d webhooks that waited were answered Success", good200.Load(), many)
	}
	m.eventually(20*time.Second, "lagerd has started by itself", func() bool { return m.try("systemctl", "is-active", "lagerd.service") == "active" })
}

// journal: what went wrong has its priority, and what is about a shop can be selected.
func (m machine) journal() {
	m.Helper()
	if errs := m.does("journalctl", "-u", "lagerd", "-p", "err", "--no-pager", "-o", "cat"); !strings.Contains(errs, "bogus: unknown key") || strings.Contains(errs, "lagerd is ready") {
		m.Errorf("the journal's errors are\n%s", errs)
	}
	change := m.does("journalctl", "SHOP="+shop, "--no-pager", "-o", "cat", "-n", "1")
	if !strings.Contains(change, "shop="+shop) || regexp.MustCompile(`time=|level=`).MatchString(change) {
		m.Errorf("the journal says of the shop %q", change)
	}
	if info := m.does("journalctl", "-u", "lagerd", "--no-pager", "-o", "json", "--output-fields=PRIORITY,MESSAGE", "-g", "^lagerd is ready", "-n", "1"); !strings.Contains(info, `"PRIORITY":"6"`) {
		m.Errorf("the journal has %s", info)
	}
}

// webhooks, restarts and callers are what losesNothing has.
const (
	webhooks = 10_000
	restarts = 10
	callers  = 8
)

// losesNothing: webhooks during restarts and an upgrade are all answered Success, and are in the
// database. The shop is paused meanwhile: its webhooks stay as they were recorded.
func (m machine) losesNothing(code string) {
	m.Helper()
	m.lagerd("", 0, "shops", "pause", shop)
	m.eventually(20*time.Second, "the shop rests", func() bool {
		before := m.count(recorded)
		time.Sleep(time.Second)
		return m.count(recorded) == before
	})
	before := m.count(recorded)
	socket := m.show("lagerd.socket", "InvocationID")
	var next, good atomic.Int64
	var wrong sync.Map
	var calling sync.WaitGroup
	slow := time.NewTicker(time.Second / 250) // so that they last longer than the restarts
	defer slow.Stop()
	for range callers {
		calling.Go(func() {
			for n := next.Add(1); n <= webhooks; n = next.Add(1) {
				<-slow.C
				if status, body := m.call(nil, shop, code, fmt.Sprintf("%05d", 1+n%50)); status == http.StatusOK && strings.HasPrefix(body, "Success") {
					good.Add(1)
				} else {
					wrong.Store(fmt.Sprintf("%d %.200s", status, body), n)
				}
			}
		})
	}
	for n := range restarts {
		m.does("systemctl", "restart", "lagerd")
		if n == restarts/2 {
			m.apt(*second)
		}
	}
	if next.Load() >= webhooks {
		m.Error("the webhooks were over before the restarts: send them more slowly")
	}
	calling.Wait()
	wrong.Range(func(answer, n any) bool {
		m.Errorf("webhook %v was answered: %v", n, answer)
		return true
	})
	if in := m.count(recorded) - before; good.Load() != webhooks || in != webhooks {
		m.Errorf("%d of %d webhooks were answered Success, and %d are in the database", good.Load(), webhooks, in)
	}
	m.Logf("%d webhooks over %d restarts and an upgrade: %d answered Success, %d in the database", webhooks, restarts, good.Load(), m.count(recorded)-before)
	if now := m.show("lagerd.socket", "InvocationID"); now != socket {
		m.Error("the socket was stopped")
	}
	if version := m.does("dpkg-query", "-W", "-f", "${Version}", "lagerd"); !strings.Contains(*second, version) {
		m.Errorf("version %s is installed", version)
	}
	if text := m.does("cat", "/etc/lagerd/lagerd.yaml"); !strings.Contains(text, "8490") {
		m.Error("the upgrade has changed lagerd.yaml")
	}
	m.hasRights()
	m.lagerd("", 0, "shops", "resume", shop)
}

// recorded counts a shop's webhooks in the database.
const recorded = "SELECT (SELECT COALESCE(SUM(seen_gen), 0) FROM hints) + (SELECT COALESCE(SUM(hints), 0) FROM hint_batches)"

// leaves: a removal keeps configuration and data, a purge keeps the key, a database with shops and the
// user, and nothing else; the package can be installed again each time.
func (m machine) leaves(before []string) {
	m.Helper()
	key := m.does("cat", keyFile)
	m.does("apt-get", "remove", "-y", "lagerd")
	if is := m.try("systemctl", "is-active", "lagerd.service"); is != "inactive" {
		m.Errorf("after the removal lagerd is %s", is)
	}
	for path, want := range map[string]string{keyFile: key, tokenFile: "sandbox-app-token"} {
		if got := m.does("cat", path); got != want {
			m.Errorf("the removal has changed %s", path)
		}
	}
	m.apt(*second)
	if got := m.does("cat", keyFile); got != key || m.count("SELECT COUNT(*) FROM shops") != 1 {
		m.Error("after a removal and an install there is another key, or no shop")
	}
	m.lagerd("", 0, "shops", "show", shop)

	m.try("systemctl", "stop", "economic.service")
	out := m.does("apt-get", "purge", "-y", "lagerd")
	var backups []string
	for _, path := range m.files() {
		switch {
		case slices.Contains(before, path) || strings.HasPrefix(path, "/root/lagerd_"):
		case strings.HasPrefix(path, "/var/backups/lagerd/"):
			backups = append(backups, filepath.Base(path))
			if got := m.does("stat", "-c", "%U:%G %a", path); got != "root:root 600" && got != "root:root 700" {
				m.Errorf("%s is %s", path, got)
			}
			if got := m.does("stat", "-c", "%F", path); got != "directory" && !strings.Contains(out, "is kept as "+path) {
				m.Errorf("the purge does not say that it keeps %s:\n%s", path, out)
			}
		case path != "/var/backups/lagerd":
			m.Errorf("the purge has left %s", path)
		}
	}
	if !slices.Contains(backups, "lagerd-key") || !slices.Contains(backups, "lagerd.db") {
		m.Errorf("the purge has kept %q", backups)
	}
	m.does("id", "lagerd")
	m.apt(*second)
	if got := m.does("cat", keyFile); got == key || m.count("SELECT COUNT(*) FROM shops") != 0 {
		m.Error("after a purge and an install there is the old key, or a shop")
	}
	m.does("apt-get", "purge", "-y", "lagerd")
	if n := len(strings.Fields(m.does("find", "/var/backups/lagerd", "-name", "lagerd.db"))); n != 1 {
		m.Errorf("%d databases are kept: the one without shops is not worth it", n)
	}
}

// transient are the paths that a running system changes by itself.
var transient = regexp.MustCompile(`^/(dev|proc|sys|run|tmp|var/(log|cache|tmp)|root/\.)|^/var/lib/(apt|dpkg|systemd|private)/|^/etc/(passwd|group|g?shadow|\.pwd\.lock)|^/var/backups/(apt|dpkg|alternatives)`)

// files lists the files of the machine.
func (m machine) files() []string {
	m.Helper()
	return slices.DeleteFunc(strings.Fields(m.does("find", "/", "-xdev")), transient.MatchString)
}

// client calls the machine over so many connections.
func (m machine) client(connections int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: m.dial, MaxConnsPerHost: connections, DisableKeepAlives: true}}
}

// call makes a webhook's call, as e-conomic does.
func (m machine) call(client *http.Client, shop, code, number string) (status int, body string) {
	q := url.Values{"type": {"stockUpdate"}, "username": {shop}, "password": {code}, "number": {number}}
	if client != nil {
		return answer(client.Get("http://127.0.0.1:8480/webhooks.php?" + q.Encode()))
	}
	// As e-conomic does: the call goes out with the connection. On a busy machine an http.Client, or the
	// way back from the machine's network, may take longer in between than lagerd waits when it stops.
	var conn net.Conn
	err := m.inside(func() (err error) {
		if conn, err = (&net.Dialer{Timeout: 30 * time.Second}).DialContext(m.Context(), "tcp", "127.0.0.1:8480"); err == nil {
			_, err = fmt.Fprintf(conn, "GET /webhooks.php?%s HTTP/1.1\r\nHost: stock.example.dk\r\nConnection: close\r\n\r\n", q.Encode())
		}
		return err
	})
	if conn != nil {
		defer conn.Close()
	}
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(time.Minute))
	}
	if err != nil {
		return 0, err.Error()
	}
	return answer(http.ReadResponse(bufio.NewReader(conn), nil))
}

func (m machine) get(address string) (status int, body string) {
	return answer(m.client(1).Get(address))
}

func answer(res *http.Response, err error) (status int, body string) {
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(raw)
}

// faults makes the sandbox misbehave.
func (m machine) faults(named string) {
	m.Helper()
	req, err := http.NewRequest(http.MethodPut, "http://127.0.0.1:8490/sandbox/faults", strings.NewReader(named))
	if err != nil {
		m.Fatal(err)
	}
	if status, body := answer(m.client(1).Do(req)); status/100 != 2 {
		m.Fatalf("the sandbox answers %d %s", status, body)
	}
}

// count asks the machine's database for a number.
func (m machine) count(query string) (n int64) {
	m.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(m.root, database)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		m.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		m.Fatal(err)
	}
	return n
}
