package systemd_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lagerd/systemd"
)

// listenerVar makes the test binary a service that takes the socket of that name.
const listenerVar = "LAGERD_TEST_LISTENER"

func TestMain(m *testing.M) {
	if name, ok := os.LookupEnv(listenerVar); ok {
		if err := service(name); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// service prints what it inherited, and serves one call on each socket that it got.
func service(name string) error {
	listeners, err := systemd.Listeners(name)
	if err != nil {
		return err
	}
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if _, ok := os.LookupEnv(v); ok {
			return errors.New(v + " is left for the service's own children")
		}
	}
	if len(listeners) == 0 {
		fmt.Println("no socket")
	}
	for _, l := range listeners {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		_, err = io.WriteString(conn, "hello from "+name)
		if err := errors.Join(err, conn.Close(), l.Close()); err != nil {
			return err
		}
	}
	return nil
}

// listen returns the address of a socket and the file that a service inherits.
func listen(t *testing.T) (string, *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return l.Addr().String(), file
}

// call connects, as e-conomic would, and returns the answer.
func call(t *testing.T, network, address string) string {
	t.Helper()
	conn, err := net.Dial(network, address)
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline); conn, err = net.Dial(network, address) {
		time.Sleep(5 * time.Millisecond) // the socket is bound, and nobody listens yet
	}
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// activated prepares the test binary as a service with inherited descriptors.
func activated(t *testing.T, wants, names, pid string, files ...*os.File) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The shell execs the service, so its PID is the service's.
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "LISTEN_PID="+pid+` exec "$0"`, self)
	cmd.Env = []string{listenerVar + "=" + wants, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES=" + names}
	cmd.ExtraFiles = files
	return cmd
}

// TestInheritedListeners: each ListenStream= of the socket unit is served.
func TestInheritedListeners(t *testing.T) {
	t.Parallel()
	for _, names := range []string{"webhook", "webhook:webhook"} {
		t.Run(names, func(t *testing.T) {
			t.Parallel()
			var files []*os.File
			var addresses []string
			for range strings.SplitSeq(names, ":") {
				a, file := listen(t)
				files, addresses = append(files, file), append(addresses, a)
			}
			cmd := activated(t, "webhook", names, "$$", files...)
			var out strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for _, address := range addresses {
				if got := call(t, "tcp", address); got != "hello from webhook" {
					t.Errorf("the call got %q", got)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("the service: %v: %s", err, out.String())
			}
		})
	}
}

func TestInheritedButNotOurs(t *testing.T) {
	t.Parallel()
	_, socket := listen(t)
	_, other := listen(t)
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := packets.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(packets.Close(), udp.Close()) })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	for name, c := range map[string]struct {
		cmd  *exec.Cmd
		want string
	}{
		"another name":        {activated(t, "webhook", "http", "$$", socket), `error: systemd opened a socket that lagerd does not serve (http): in the socket unit, set FileDescriptorName=webhook, or remove its ListenStream=`},
		"one of another name": {activated(t, "webhook", "webhook:admin", "$$", socket, other), `error: systemd opened a socket that lagerd does not serve (admin): `},
		"a datagram socket":   {activated(t, "webhook", "webhook", "$$", udp), `error: use a socket "webhook" that systemd opened: `},
		"no name":             {activated(t, "webhook", "", "$$", socket), `error: systemd opened a socket that lagerd does not serve (LISTEN_FD_3): `},
		"no socket":           {activated(t, "webhook", "webhook", "$$", null), `error: use a socket "webhook" that systemd opened: `},
		"another's sockets":   {activated(t, "webhook", "webhook", "1", socket), "no socket"},
		"none":                {activated(t, "webhook", "", "$$"), "no socket"},
	} {
		out, err := c.cmd.CombinedOutput()
		if (err != nil) != strings.HasPrefix(c.want, "error:") || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("%s: got %v, %q, expected %q", name, err, out, c.want)
		}
	}
}

// TestSocketActivation uses systemd's own program, which opens the socket and
// starts the service at the first call.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	program := tool(t, "systemd-socket-activate")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "a") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), program, "--listen="+path, "--fdname=webhook", "--setenv="+listenerVar+"=webhook", self)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("systemd-socket-activate opened no socket: %s", out.String())
		}
	}
	if got := call(t, "unix", path); got != "hello from webhook" {
		t.Errorf("the call got %q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service: %v: %s", err, out.String())
	}
}
