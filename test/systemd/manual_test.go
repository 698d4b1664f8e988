package systemd_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// TestManual follows the README and docs/operators.md on a bare Debian, line by line as they are
// written, as an administrator does who has nothing but them: from the package to a shop on the
// embedded database, a backup and its restore, the move to a server, and that server's.
func TestManual(t *testing.T) {
	if _, err := os.Stat(filepath.Join(*roots, "bookworm")); *roots == "" || *first == "" || err != nil {
		t.Skip("NOT TESTED: the manual on a real systemd: run `make systemd-test`, where a Debian 12 can be had")
	}
	m := boot(t, "bookworm")
	r := &reader{machine: m, told: m.receiver()}
	r.installs()
	r.addsAShop()
	r.usesIt()
	r.follows(operators, "**Back up the embedded database**")
	r.command("sudo -u lagerd lagerd shops remove shop1234 --yes")
	r.follows(operators, "**Restore the embedded database.**")
	r.serves()
	r.moves()
	r.follows(operators, "**Back up a server's database**")
	r.command("sudo -u lagerd lagerd shops remove shop1234 --yes")
	r.follows(operators, "**Restore a server's database.**")
	r.serves()
}

// The documents that are followed.
const (
	readme    = "../../README.md"
	operators = "../../docs/operators.md"
)

// reader is somebody who follows the manual.
type reader struct {
	machine
	told *atomic.Int64 // notifications that have come
	code string        // of the shop
}

// receiver takes notifications at port 9000 of the machine, and counts them.
func (m machine) receiver() *atomic.Int64 {
	m.Helper()
	var told atomic.Int64
	var l net.Listener
	if err := m.inside(func() (err error) {
		l, err = net.Listen("tcp", "127.0.0.1:9000")
		return err
	}); err != nil {
		m.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		told.Add(1)
	})}
	go func() { _ = server.Serve(l) }()
	m.Cleanup(func() { _ = server.Close() })
	return &told
}

// follows runs a block of commands, as root in the directory /root. What a person types or writes
// into an editor comes from typed, by the command's beginning.
func (r *reader) follows(document, after string, typed ...[2]string) (said []string) {
	r.Helper()
	for _, line := range lagerdtest.Commands(r, document, after) {
		text, found := "", false
		for _, t := range typed {
			if strings.HasPrefix(line, t[0]) {
				text, found = t[1], true
			}
		}
		if found && text == "" {
			continue // done elsewhere
		}
		said = append(said, r.types(line, text))
	}
	return said
}

// command runs one command that must succeed.
func (r *reader) command(line string) string { return r.types(line, "") }

// types runs a command with a text as its input, which editor writes to its file; a password is typed
// twice, on a terminal.
func (r *reader) types(line, text string) string {
	r.Helper()
	if strings.Contains(line, "web passwd") {
		word := "printf %s " + quoted(strings.TrimSpace(text)) + "; echo"
		line = "(sleep 2; " + word + "; sleep 2; " + word + "; sleep 5) | script -qec " + quoted(line) + " /dev/null"
	}
	out, code := r.run(text, "bash", "-c", "cd /root; "+line)
	if code != 0 {
		r.Errorf("%s: exit code %d: %s", line, code, out)
	}
	return out
}

// quoted is a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// configured is what an administrator writes into lagerd.yaml.
const configured = `webhook: {public_url: 'https://stock.example.dk/webhooks.php'}
economic: {rest_url: 'http://127.0.0.1:8490'}
reconcile: {schedule: '@every 5s'}
notify: {webhook_url: 'http://127.0.0.1:9000/', webhook_secret_file: /etc/lagerd/notify-webhook-secret}
web: {listen: '127.0.0.1:8482', public_url: 'https://lager.example.dk'}
`

// installs: the package, the app's token and the configuration.
func (r *reader) installs() {
	r.Helper()
	r.does("sh", "-c", "echo 127.0.0.1 localhost $(hostname) >/etc/hosts")
	r.does("mkdir", "-p", "/root/bin")
	r.does("mv", r.put(*first), "/root/bin")
	r.write("/usr/local/bin/editor", "#!/bin/sh\nexec cat >\"$1\"\n")
	r.does("chmod", "755", "/usr/local/bin/editor")
	r.follows(readme, "On Debian 12 or 13", [2]string{"make deb"})
	r.does("systemd-run", "--unit=economic", "lagerd", "sandbox", "--agreements=1", "--products=50")
	r.does("install", "-m", "640", "-g", "lagerd", "/dev/null", "/etc/lagerd/notify-webhook-secret")
	r.write("/etc/lagerd/notify-webhook-secret", "a-secret-of-thirty-two-characters\n")
	r.follows(readme, "The last line says which file to fill", [2]string{"sudo tee", "sandbox-app-token\n"}, [2]string{"sudo editor", configured})
}

// addsAShop: the shop's owner gets what is to be pasted into e-conomic, and it works.
func (r *reader) addsAShop() {
	r.Helper()
	r.post("/sandbox/agreements/100001/trade", `{"count":400}`)
	r.write("/root/token.txt", "sandbox-grant-1\n")
	said := r.follows(readme, "Then add shops", [2]string{"sudo -u lagerd lagerd shops grant"})
	r.code = r.codeIn(said[0])
	r.serves()
}

// serves: the shop's items are right, its code is answered Success, and nothing is wrong.
func (r *reader) serves() {
	r.Helper()
	r.eventually(time.Minute, "the shop is equal to e-conomic", func() bool {
		_, code := r.runLagerd("", "diff", shop)
		return code == 0
	})
	r.eventually(time.Minute, "nothing needs a person", func() bool {
		_, code := r.runLagerd("", "status")
		return code == 0
	})
	if status, body := r.call(r.client(1), shop, r.code, "0571527051"); status != http.StatusOK || !strings.HasPrefix(body, "Success") {
		r.Errorf("a webhook is answered %d %s", status, body)
	}
}

// usesIt: every command of the README works, and does something.
func (r *reader) usesIt() {
	r.Helper()
	r.eventually(time.Minute, "invoice 41 has its PDF", func() bool {
		_, code := r.runLagerd("", "invoice", shop, "41", "--pdf", "-")
		return code == 0
	})
	said := strings.Join(r.follows(readme, "From then on:", [2]string{"sudo -u lagerd lagerd web passwd", "correct horse battery"}), "\n")
	for _, part := range []string{"Item 0571527051", "stockUpdate", "https://lager.example.dk/link/", "It is the only key there", "nothing has changed"} {
		if !strings.Contains(said, part) {
			r.Errorf("the README's commands do not say %q:\n%s", part, said)
		}
	}
	if raw := r.does("head", "-c", "5", "/root/41.pdf"); raw != "%PDF-" {
		r.Errorf("41.pdf begins with %q", raw)
	}
	if text := r.does("cat", "/root/stock.csv"); !strings.Contains(text, "0571527051") {
		r.Errorf("stock.csv is\n%s", text)
	}
	if who := r.command("sudo -u lagerd lagerd web operators"); !strings.Contains(who, "mette") {
		r.Errorf("the operators are\n%s", who)
	}
	if r.told.Load() == 0 {
		r.Error("no notification has come")
	}
}

// moves: the embedded database becomes a server's, as the manual says.
func (r *reader) moves() {
	r.Helper()
	r.administers("sudo -u lagerd lagerd check --grants")
	r.follows(operators, "which would select the server at once:", [2]string{"editor", "lagerd:pw@tcp(127.0.0.1:3306)/lagerd\n"})
	ended := r.callers()
	said := strings.Join(r.follows(operators, "3. **Move it.**"), "\n")
	_, configure, found := strings.Cut(said, "in place of what is there:\n")
	configure, _, ends := strings.Cut(configure, "Under systemd")
	if !found || !ends {
		r.Fatalf("move does not say what to configure:\n%s", said)
	}
	r.write("/etc/lagerd/lagerd.yaml", configured+regexp.MustCompile(`(?m)^  `).ReplaceAllString(configure, ""))
	r.follows(operators, "4. It prints what to put into")
	ended()
	r.serves()
	r.administers(lagerdtest.Commands(r, readme, "Then add shops")[1])
	if seen := r.does("mariadb", "-h", "127.0.0.1", "-u", shop, "-ppw", "-Ne", "SELECT COUNT(*) FROM shop_stock", "lagerd"); seen != "50" {
		r.Errorf("the shop's software sees %s items", seen)
	}
}

// callers call, ten times a second, until the function that it returns is called, which says which
// were not answered Success.
func (r *reader) callers() (ended func()) {
	r.Helper()
	var calls sync.WaitGroup
	var all, good atomic.Int64
	stop := make(chan struct{})
	calls.Go(func() {
		for every := time.NewTicker(100 * time.Millisecond); ; {
			select {
			case <-stop:
				every.Stop()
				return
			case <-every.C:
			}
			calls.Go(func() {
				all.Add(1)
				if status, _ := r.call(nil, shop, r.code, "0571527051"); status == http.StatusOK {
					good.Add(1)
				}
			})
		}
	})
	return func() {
		r.Helper()
		close(stop)
		calls.Wait()
		r.Logf("%d of %d webhooks were answered while the database was moved", good.Load(), all.Load())
		if good.Load() != all.Load() || all.Load() < 20 {
			r.Errorf("%d of %d webhooks were answered while the database was moved", good.Load(), all.Load())
		}
	}
}

// administers runs, as the server's administrator, the statements that a command prints, with a
// password in the place that is left for one.
func (r *reader) administers(line string) {
	r.Helper()
	command, _, _ := strings.Cut(line, " #")
	printed := r.command(command + " 2>/dev/null | grep -E '^ *(--|CREATE|GRANT)'")
	r.types("mariadb", strings.ReplaceAll(printed, "'…'", "'pw'"))
}

// post makes the sandbox do something.
func (r *reader) post(path, body string) {
	r.Helper()
	if status, said := answer(r.client(1).Post("http://127.0.0.1:8490"+path, "application/json", strings.NewReader(body))); status/100 != 2 {
		r.Fatalf("the sandbox answers %s with %d %s", path, status, said)
	}
}
