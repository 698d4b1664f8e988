package e2e_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// manager records a service's notifications to systemd.
type manager struct {
	mu   sync.Mutex
	said []string
}

func (m *manager) heard(prefix string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.said {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

// last returns the last notification with that text.
func (m *manager) last(text string) string {
	for _, s := range slices.Backward(m.all()) {
		if strings.Contains(s, text) {
			return s
		}
	}
	return ""
}

func (m *manager) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.said...)
}

// TestUnderAServiceManager runs the binary as systemd does: with a notify
// socket, a watchdog, and the webhook listener inherited.
func TestUnderAServiceManager(t *testing.T) {
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	m := &manager{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, string(buf[:n]))
			m.mu.Unlock()
		}
	}()

	s := startSandbox(t, "--agreements=1", "--products=20")
	i := install(t, s, "", pace)
	inherited, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := inherited.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	i.Webhook = inherited.Addr().String()
	_ = inherited.Close()

	// A call that arrives before the service runs waits in the socket.
	early := make(chan int, 1)
	go func() {
		res, err := http.Get("http://" + i.Webhook + "/webhooks.php?type=x")
		if err != nil {
			early <- 0
			return
		}
		_ = res.Body.Close()
		early <- res.StatusCode
	}()

	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" run`, string(binary))
	cmd.Env = append(lagerdtest.Environment("NOTIFY_SOCKET="+path, "RUNTIME_DIRECTORY="+i.dir, "WATCHDOG_USEC=400000", "LISTEN_FDS=1", "LISTEN_FDNAMES=webhook"), i.Env...)
	cmd.ExtraFiles = []*os.File{file}
	p := startCommand(t, cmd)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("notifications: %q", m.all())
		}
	})
	lagerdtest.Eventually(t, 10*time.Second, "READY", func() bool { return m.heard("READY=1") == 1 })
	if code := <-early; code != http.StatusForbidden {
		t.Errorf("the call that waited in the socket was answered %d", code)
	}
	i.daemon = p
	i.addShop(s, "shop1234", first)
	i.equal(s, "shop1234", first, 20*time.Second)
	lagerdtest.Eventually(t, 10*time.Second, "STATUS tells of the shop", func() bool { return m.heard("STATUS=reconciling 1 shop") > 0 })
	beats := m.heard("WATCHDOG=1")
	lagerdtest.Eventually(t, 3*time.Second, "WATCHDOG goes on", func() bool { return m.heard("WATCHDOG=1") >= beats+3 })

	p.signal(syscall.SIGHUP)
	lagerdtest.Eventually(t, 5*time.Second, "RELOADING and READY again", func() bool { return m.heard("RELOADING=1\nMONOTONIC_USEC=") == 1 && m.heard("READY=1") == 2 })
	reloads := func(env []string) (string, int) {
		return run(t, append([]string{"RUNTIME_DIRECTORY=" + i.dir}, env...), "", "reload")
	}
	config, err := os.ReadFile(i.Config)
	if err != nil {
		t.Fatal(err)
	}
	i.write(filepath.Base(i.Config), string(config)+"bogus: 1\n")
	if out, code := reloads(nil); code != 1 || !strings.Contains(out, "the reload failed, and the old configuration stays in force: invalid configuration:\n  "+i.Config+":") || !strings.Contains(out, "bogus: unknown key") {
		t.Errorf("a bad configuration: exit code %d\n%s", code, out)
	}
	if last := m.last("STATUS="); !strings.Contains(last, "; the reload at ") || strings.Count(last, "\n") > 1 {
		t.Errorf("STATUS does not tell of the reload that failed: %q", last)
	}
	i.write(filepath.Base(i.Config), string(config)+"shutdown_timeout: 19s\n")
	if out, code := reloads([]string{"MAINPID=" + strconv.Itoa(p.Pid())}); code != 0 || !strings.HasPrefix(out, "The configuration is reloaded.\nNote: changed keys take effect only after a restart: shutdown_timeout\n") {
		t.Errorf("a good configuration: exit code %d\n%s", code, out)
	}
	if last := m.last("STATUS="); strings.Contains(last, "reload") {
		t.Errorf("STATUS still tells of the reload that failed: %q", last)
	}
	if out, code := reloads([]string{"MAINPID=4"}); code != 1 || !strings.Contains(out, "process 4 is asked to reload, but") {
		t.Errorf("of another process: exit code %d\n%s", code, out)
	}
	if m.heard("STOPPING") != 0 {
		t.Error("STOPPING came before the stop")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if m.heard("EXTEND_TIMEOUT_USEC=") == 0 {
		t.Error("it asks for no time to stop")
	}
	if out, code := reloads(nil); code != 1 || !strings.Contains(out, "is it running, and started by systemd?") {
		t.Errorf("after the end: exit code %d\n%s", code, out)
	}
	lagerdtest.Eventually(t, time.Second, "STOPPING", func() bool { return m.heard("STOPPING=1") == 1 })
	order := strings.Join(m.all(), " ")
	if strings.Index(order, "READY=1") > strings.Index(order, "RELOADING=1") || strings.Index(order, "RELOADING=1") > strings.Index(order, "STOPPING=1") {
		t.Errorf("out of order: %s", order)
	}
}
