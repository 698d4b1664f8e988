package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lagerd/test/lagerdtest"
)

// startWithFiles is start with a limit on open files.
func (i *installation) startWithFiles(limit int) {
	i.t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "ulimit -n "+strconv.Itoa(limit)+` && exec "$0" run`, string(binary))
	cmd.Env = lagerdtest.Environment(i.Env...)
	i.daemon = startCommand(i.t, cmd)
	i.logs = append(i.logs, i.daemon.out)
	lagerdtest.Eventually(i.t, 20*time.Second, "lagerd is ready", func() bool { return i.Ready(i.t.Context()) })
}

// files returns how many files the daemon has open.
func (i *installation) files() int {
	list, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(i.daemon.Pid()), "fd"))
	if err != nil {
		i.t.Error(err)
	}
	return len(list)
}

// crowd holds connections of strangers.
type crowd struct {
	t       *testing.T
	address string
	request string // "" for none; with an end it is answered and the connection stays idle
	mu      sync.Mutex
	conns   []net.Conn
}

// comes opens that many connections, as fast as they are accepted.
func (c *crowd) comes(n int) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range n / 8 {
				conn, err := net.DialTimeout("tcp", c.address, 10*time.Second)
				if err != nil {
					continue // in a crowd, a stranger may be kept out
				}
				_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.WriteString(conn, c.request); err == nil && len(c.request) > 4 && c.request[len(c.request)-4:] == "\r\n\r\n" {
					if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						_ = res.Body.Close()
					}
				}
				c.mu.Lock()
				c.conns = append(c.conns, conn)
				c.mu.Unlock()
			}
		})
	}
	all.Wait()
}

func (c *crowd) leaves() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// TestCrowdOfCallers: thousands of connections that are idle, silent or slow take nothing from
// webhooks with a good code, the database, e-conomic, the admin listener or commands, within a
// limit on open files that is far below their number.
func TestCrowdOfCallers(t *testing.T) { //nolint:tparallel // its databases one after the other: each takes many files
	t.Parallel()
	const limit, strangers = 512, 4000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 3*strangers {
		t.Skipf("NOT TESTED: a crowd of callers, for want of open files: %v (%d)", err, files.Cur)
	}
	databases(t, func(t *testing.T, dsn string) {
		s := startSandbox(t, "--agreements=1", "--products=60", "--lose=1")
		i := install(t, s, dsn, pace)
		i.startWithFiles(limit)
		code := i.addShop(s, "shop1234", first)
		i.equal(s, "shop1234", first, 20*time.Second)

		// What must go on, meanwhile.
		done := make(chan struct{})
		var going sync.WaitGroup
		var mu sync.Mutex
		calls, again, longest, mostFiles := 0, 0, time.Duration(0), 0
		going.Go(func() {
			fresh := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-time.After(50 * time.Millisecond):
				}
				began := time.Now()
				call := func() (int, error) {
					status, _, err := i.Call(fresh, "shop1234", code, "stockUpdate", fmt.Sprint(n%60+1))
					return status, err
				}
				status, err := call()
				if err != nil { // hundreds came in the moment before it sent its call
					again++
					status, err = call()
				}
				if err != nil || status != http.StatusOK {
					t.Errorf("webhook %d: %d, %v", n, status, err)
				}
				if status, _, err := i.Ask(t.Context(), "/readyz"); err != nil || status != http.StatusOK {
					t.Errorf("/readyz: %d, %v", status, err)
				}
				mu.Lock()
				calls, longest, mostFiles = calls+1, max(longest, time.Since(began)), max(mostFiles, i.files())
				mu.Unlock()
			}
		})

		address := i.Webhook
		for _, c := range []*crowd{
			{t: t, address: address, request: "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"}, // idle
			{t: t, address: address}, // silent
			{t: t, address: address, request: "POST /webhooks.php HTTP/1.1\r\nHost: x\r\nContent-Le"},                            // slow to say what
			{t: t, address: address, request: "POST /webhooks.php HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\ntype=stock"}, // slow to say it
		} {
			began := time.Now()
			c.comes(strangers)
			open := i.Metric(t.Context(), "lagerd_webhook_connections")
			// While they are there, a change whose webhook is lost is found and stored.
			s.post(first, "trade", map[string]int{"count": 5})
			i.equal(s, "shop1234", first, 30*time.Second)
			if out := i.command("status"); out == "" {
				t.Error("status says nothing")
			}
			if open > limit/2 || open < limit/4 {
				t.Errorf("%v connections are open, with a limit of %d", open, limit/2)
			}
			t.Logf("%.60q: %d came in %s; %v open", c.request, len(c.conns), time.Since(began).Round(time.Millisecond), open)
			c.leaves()
		}
		close(done)
		going.Wait()
		ended := i.Metric(t.Context(), "lagerd_webhook_connections_ended_total")
		if again > 2 {
			t.Errorf("%d of %d webhooks with a good code had to be sent again", again, calls)
		}
		if mostFiles >= limit*3/4 || calls < 20 || ended < 3*strangers/2 {
			t.Errorf("%d files of %d, %d calls, %v connections ended early", mostFiles, limit, calls, ended)
		}
		t.Logf("%d webhooks with a good code, %d sent again, the slowest with /readyz after it in %s; at most %d of %d files; %v connections ended early", calls, again, longest.Round(time.Millisecond), mostFiles, limit, ended)
		if out := i.daemon.out.String(); !strings.Contains(out, "many connections to the webhook listener") {
			t.Error("the log does not say that connections are ended")
		}

		// A stop does not wait for strangers.
		last := &crowd{t: t, address: address}
		last.comes(200)
		began := time.Now()
		i.daemon.signal(syscall.SIGTERM)
		if exit := i.daemon.wait(10 * time.Second); exit != 0 || time.Since(began) > 5*time.Second {
			t.Errorf("a stop took %s, exit code %d", time.Since(began), exit)
		}
		last.leaves()
	})
}
