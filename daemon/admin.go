package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"syscall"
	"time"

	"lagerd/config"
	"lagerd/terminal"
)

// adminHandler serves operators and Prometheus. /healthz reports whether the process is
// alive; /readyz whether it does its work: it has started, its database stores webhooks
// and it is not stopping. from is where it listens.
func (d *daemon) adminHandler(from net.Listener) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if loops := d.hangs(); len(loops) > 0 {
			http.Error(w, "lagerd hangs ("+strings.Join(loops, ", ")+"): restart it", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if !d.ready.Load() {
			http.Error(w, "starting or stopping", http.StatusServiceUnavailable)
			return
		}
		if err := d.writes.possible(ctx); err != nil {
			http.Error(w, terminal.Line(err.Error()), http.StatusServiceUnavailable)
			return
		}
		if do := d.config.Load().Economic.TokenMissing(); do != "" {
			fmt.Fprintln(w, "ready to take webhooks, but NO APP SECRET TOKEN: nothing is read from e-conomic:", do)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", d.metrics.Handler())
	if d.Config.Admin.PProf {
		// CPU and memory profiles. They contain stacks and no data, but taking one costs CPU.
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	}
	return onlyLocal(d.Config.Admin, from, mux)
}

// listenAt opens a listener: host:port, or a Unix socket. A socket that a lagerd left behind when it
// was killed is replaced; one that somebody listens on is not.
func listenAt(address string) (net.Listener, error) {
	path, is := config.UnixSocket(address)
	if !is {
		return net.Listen("tcp", address)
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err = os.Remove(path); err == nil {
			l, err = net.Listen("unix", path)
		}
	}
	if err != nil {
		return nil, err
	}
	// Its group may connect: Prometheus, or a proxy, say. umask would keep it out.
	if err := os.Chmod(path, 0o660); err != nil { //nolint:gosec // the group may connect
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// abandoned reports whether path is a socket that nobody listens on.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// onlyLocal refuses requests to a listener on a loopback address that name another host: a
// page in a browser on the same machine can have its own name resolve to that address, and
// would read the answers (DNS rebinding).
func onlyLocal(c config.Admin, l net.Listener, h http.Handler) http.Handler {
	if l == nil {
		return h
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		return h
	}
	own, _, _ := net.SplitHostPort(c.Listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		ip := net.ParseIP(host)
		if host == "" || strings.EqualFold(host, "localhost") || strings.EqualFold(host, own) || ip != nil && ip.IsLoopback() {
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this address is for requests to localhost: behind a proxy, have it send Host: localhost", http.StatusMisdirectedRequest)
	})
}
