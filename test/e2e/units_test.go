package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// machine is a real systemd with lagerd's units.
type machine struct {
	t    *testing.T
	dir  string
	tool string
}

// boot starts a systemd with lagerd installed, as root, without its database's and secrets'
// files.
func boot(t *testing.T) *machine {
	t.Helper()
	for _, program := range []string{"/lib/systemd/systemd", "/usr/bin/systemctl", "/usr/bin/unshare", "/usr/bin/curl"} {
		if _, err := os.Stat(program); err != nil {
			t.Skipf("NOT TESTED: the units on a real systemd, for want of %s", program)
		}
	}
	if mounted, err := exec.CommandContext(t.Context(), "findmnt", "-nt", "cgroup2").Output(); err != nil || len(mounted) == 0 || os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the units on a real systemd, without root and cgroup2")
	}
	tool, err := filepath.Abs("testdata/systemd.sh")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: t.TempDir(), tool: tool}
	for _, sub := range []string{"units", "share"} {
		if err := os.Mkdir(filepath.Join(m.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copies := map[string]string{"../../systemd/lagerd.socket": "units/lagerd.socket", "../../systemd/lagerd.service": "units/lagerd.service", string(binary): "share/lagerd"}
	for from, to := range copies {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if to == "units/lagerd.service" {
			text = []byte(strings.NewReplacer("/usr/bin/lagerd", "/share/lagerd", "User=lagerd\n", "", "Group=lagerd\n", "").Replace(string(text)))
		}
		if err := os.WriteFile(filepath.Join(m.dir, to), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command(tool, "down", m.dir).CombinedOutput(); err != nil {
			t.Errorf("end systemd: %v\n%s", err, out)
		}
	})
	if out, err := exec.CommandContext(t.Context(), tool, "boot", m.dir).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: the units on a real systemd, which does not boot here: %v\n%s", err, out)
	}
	return m
}

// try runs a shell command on the machine.
func (m *machine) try(command string) (string, error) {
	out, err := exec.CommandContext(m.t.Context(), m.tool, "exec", m.dir, "bash", "-c", command).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) do(command string) string {
	m.t.Helper()
	out, err := m.try(command)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// is reports the states of the service and its socket.
func (m *machine) is() string {
	out, _ := m.try("systemctl is-active lagerd.service lagerd.socket")
	return strings.ReplaceAll(out, "\n", " ")
}

// TestBadFileUnderSystemd: with a configuration that lagerd refuses, a start fails and is tried
// again every few seconds. The socket survives that and callers wait in it, until the mended
// file is taken up unaided.
func TestBadFileUnderSystemd(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.do(`mkdir -p /etc/lagerd && cd /etc/lagerd && umask 077 && echo "log: {levl: info}" >lagerd.yaml && echo token >economic-app-secret-token && /share/lagerd keygen >lagerd-key`)
	m.do("systemctl start lagerd.socket")
	tries := func() int {
		return strings.Count(m.do("journalctl -u lagerd.service --no-pager"), "log.levl: unknown key")
	}
	answered := make(chan string, 1)
	go func() {
		out, _ := m.try("curl -s --max-time 60 -w ' %{http_code}' http://127.0.0.1:8480/webhooks.php?type=x")
		answered <- out
	}()
	// Without the mend the socket was triggered 20 times in a second or two, and failed.
	lagerdtest.Eventually(t, 30*time.Second, "it is tried again", func() bool { return tries() >= 3 })
	began, before := time.Now(), tries()
	if out, err := m.try("systemctl start lagerd.service"); err == nil {
		t.Errorf("a start with a bad file succeeds: %s", out)
	}
	time.Sleep(6 * time.Second)
	if n, most := tries()-before, int(time.Since(began)/(2*time.Second))+2; n < 1 || n > most {
		t.Errorf("%d tries in %s, expected one every two seconds", n, time.Since(began))
	}
	if is := m.is(); !slices.Contains([]string{"activating active", "deactivating active", "failed active"}, is) {
		t.Errorf("the service and its socket are %q", is)
	}
	select {
	case out := <-answered:
		t.Errorf("the call was answered before lagerd ran: %q", out)
	default:
	}
	m.do(`echo "log: {level: info}" >/etc/lagerd/lagerd.yaml`)
	select {
	case out := <-answered:
		if !strings.HasSuffix(out, " 403") {
			t.Errorf("the call that waited was answered %q", out)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("the call that waited is not answered; the service and its socket are %q", m.is())
	}
	lagerdtest.Eventually(t, 20*time.Second, "the service runs", func() bool { return m.is() == "active active" })
	m.do("systemctl stop lagerd.service lagerd.socket")
}
