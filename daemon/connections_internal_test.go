package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

// memory is a listener in memory.
type memory struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case conn := <-m.accept:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.closed) })
	return nil
}

func (*memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// caller is the other end of a connection.
type caller struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (m *memory) call(t *testing.T) *caller {
	t.Helper()
	theirs, ours := net.Pipe()
	go func() {
		select {
		case m.accept <- ours:
		case <-m.closed:
			_ = ours.Close()
		}
	}()
	synctest.Wait()
	return &caller{t: t, conn: theirs, in: bufio.NewReader(theirs)}
}

// send sends bytes, which may be part of a request.
func (c *caller) send(text string) {
	go func() { _, _ = io.WriteString(c.conn, text) }()
	synctest.Wait()
}

// answered reads the answer to a request, and returns its body; "" if the connection has ended.
func (c *caller) answered() string {
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

const request = "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"

// get sends a request and returns the answer.
func (c *caller) get(path string) string {
	c.send(fmt.Sprintf(request, path))
	body := c.answered()
	synctest.Wait()
	return body
}

// ended reports whether the other end has ended the connection.
func (c *caller) ended() bool {
	_ = c.conn.SetReadDeadline(time.Now())
	_, err := c.in.Peek(1)
	_ = c.conn.SetReadDeadline(time.Time{})
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}

// limitedServer serves "/work", which holds its connection until it may go on, and "/…".
type limitedServer struct {
	*connections
	*memory
	server    *http.Server
	entrance  net.Listener
	accepting sync.WaitGroup
	goOn      chan struct{}

	earlyMu sync.Mutex
	early   []string // of each connection ended early: how many were open, and the limit
}

func serveLimited(t *testing.T, limit int) *limitedServer {
	t.Helper()
	s := &limitedServer{memory: newMemory(), goOn: make(chan struct{})}
	s.connections = newConnections(limit, func(open, limit int) {
		s.earlyMu.Lock()
		defer s.earlyMu.Unlock()
		s.early = append(s.early, fmt.Sprint(open, "/", limit))
	})
	s.server = &http.Server{IdleTimeout: time.Minute, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/work" {
			works(r.Context())
			<-s.goOn
		}
		fmt.Fprint(w, "answer to ", r.URL.Path)
	})}
	s.connections.serve(s.server)
	s.entrance = s.connections.listen(s.memory)
	s.accepting.Go(func() { _ = s.server.Serve(s.entrance) })
	t.Cleanup(func() {
		_ = s.server.Close()
		s.accepting.Wait()
	})
	return s
}

func (s *limitedServer) has(t *testing.T, open, early int) {
	t.Helper()
	synctest.Wait()
	s.earlyMu.Lock()
	defer s.earlyMu.Unlock()
	if is, ended := s.counts(); is != open || ended != early || len(s.early) != early {
		t.Errorf("%d connections are open and %d were ended early (%q), expected %d and %d", is, ended, s.early, open, early)
	}
}

// TestLongestIdleEndsFirst: below the limit idle connections last a minute. Where it is nearly
// reached, a new one ends the one that has been idle longest.
func TestLongestIdleEndsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 8) // nearly reached with 7
		var callers []*caller
		for n := range 7 {
			callers = append(callers, s.call(t))
			if got := callers[n].get("x"); got != "answer to /x" {
				t.Fatalf("caller %d: %q", n, got)
			}
			time.Sleep(2 * time.Second)
		}
		callers[0].get("again") // now the second has been idle longest
		time.Sleep(2 * time.Second)
		s.has(t, 7, 0)
		for n := range 3 {
			callers = append(callers, s.call(t))
			s.has(t, 7, n+1)
		}
		for n, ended := range []bool{false, true, true, true, false, false, false, false, false, false} {
			if callers[n].ended() != ended {
				t.Errorf("caller %d: ended is not %v", n, ended)
			}
		}
		if got := callers[0].get("x"); got != "answer to /x" {
			t.Errorf("one that stays: %q", got)
		}
		if s.early[0] != "7/8" {
			t.Errorf("reported %q", s.early)
		}
		time.Sleep(time.Minute)
		s.has(t, 0, 3)
	})
}

// TestNewConnectionsAreGivenASecond: one that has just come is ended only where the limit is
// reached.
func TestNewConnectionsAreGivenASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 8)
		var callers []*caller
		for range 8 {
			callers = append(callers, s.call(t))
		}
		s.has(t, 8, 0)
		callers = append(callers, s.call(t))
		time.Sleep(freshAtLeast - time.Nanosecond)
		s.has(t, 8, 0) // it waits in the kernel
		time.Sleep(time.Nanosecond)
		s.has(t, 8, 1)
		if !callers[0].ended() || callers[1].ended() {
			t.Error("another than the first was ended")
		}
		time.Sleep(time.Second)
		callers[2].send("GET") // it is sending
		s.call(t)
		s.has(t, 8, 2)
		if !callers[1].ended() || callers[2].ended() {
			t.Error("another than the second was ended")
		}
	})
}

// TestFirstBytesCount: how long one has waited counts from the first bytes of its call, and not from
// those that follow.
func TestFirstBytesCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 3)
		callers := []*caller{s.call(t), s.call(t), s.call(t)}
		callers[0].send("G")
		time.Sleep(freshAtLeast)
		s.call(t)
		if callers[0].ended() || !callers[1].ended() {
			t.Error("one that has begun to send was ended before a silent one")
		}
		callers[2].send("G")
		callers[0].send("E")
		time.Sleep(freshAtLeast)
		s.call(t)
		s.call(t)
		if !callers[0].ended() || callers[2].ended() {
			t.Error("one that sends on stays longer than one that began later")
		}
	})
}

// comer returns connections over TCP, on which so much has arrived and nothing is read.
func comer(t *testing.T, c *connections) func(text string) *connection {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return func(text string) *connection {
		theirs, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = theirs.Close() })
		if _, err := io.WriteString(theirs, text); err != nil {
			t.Fatal(err)
		}
		ours, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conn := &connection{Conn: ours, of: c}
		t.Cleanup(func() { _ = conn.Close() })
		for deadline := time.Now().Add(10 * time.Second); text != "" && !conn.unread(); {
			if time.Now().After(deadline) {
				t.Fatal("what was sent has not arrived")
			}
		}
		if full, _ := c.take(conn); full != nil {
			t.Fatal("there is no room")
		}
		return conn
	}
}

// TestShutdownAnswersWhatHasArrived: servers that follow one another on a socket, as on systemd's over
// restarts, answer each call, whenever it comes.
func TestShutdownAnswersWhatHasArrived(t *testing.T) {
	t.Parallel()
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := first.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	address := first.Addr().String()
	_ = first.Close()

	var over atomic.Bool
	var answered atomic.Int64
	var calling sync.WaitGroup
	for range 4 {
		calling.Go(func() {
			for !over.Load() {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				_ = conn.Close()
				if err != nil || res.StatusCode != http.StatusNoContent {
					t.Errorf("a call is answered %v: %v", res, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	serves := func() (stop func()) {
		l, err := net.FileListener(socket)
		if err != nil {
			t.Fatal(err)
		}
		c := newConnections(8, func(int, int) {})
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			works(r.Context())
			w.WriteHeader(http.StatusNoContent)
		})}
		c.serve(server)
		l = c.listen(l)
		var accepting sync.WaitGroup
		accepting.Go(func() { _ = server.Serve(l) })
		return func() {
			if err := c.shutdown(t.Context(), server, &accepting, l); err != nil {
				t.Error(err)
			}
		}
	}
	for range 200 {
		stop := serves()
		for from := answered.Load(); answered.Load() == from && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		stop()
	}
	stop := serves()
	over.Store(true)
	calling.Wait()
	stop()
}

// TestEndIdlePassesOverCalls: a call that has arrived before a shutdown, or during it, is answered,
// however long the machine takes to read it, and to begin with it once it is read.
func TestEndIdlePassesOverCalls(t *testing.T) {
	t.Parallel()
	c := newConnections(8, func(int, int) {})
	comes := comer(t, c)
	long := func(of ...*connection) {
		for _, conn := range of {
			conn.since = conn.since.Add(-grace)
		}
	}
	called, read, silent, late, lateSilent := comes("GET"), comes("GET"), comes(""), comes("GET"), comes("")
	long(called, read, silent)
	if _, err := read.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []struct {
		*connection
		name string
		ends bool
	}{
		{called, "one that has called, and is not read", false},
		{read, "one that has just been read", false},
		{silent, "a silent one", true},
		{late, "one that has called just now", false},
		{lateSilent, "one that came just now", false},
	} {
		c.endIdle()
		if conn.counted == conn.ends {
			t.Errorf("%s stays: %t", conn.name, conn.counted)
		}
	}
	long(read, lateSilent)
	if c.endIdle(); read.counted || lateSilent.counted {
		t.Error("after the grace one that sends no whole call stays, or one that sends nothing")
	}
}

// TestUnreadConnectionsArePassedOver: one whose call has arrived, but has not been read yet, is not
// ended for a second, however long it was idle before.
func TestUnreadConnectionsArePassedOver(t *testing.T) {
	t.Parallel()
	c := newConnections(2, func(int, int) {})
	comes := comer(t, c)
	called, silent := comes("GET"), comes("")
	called.since, silent.since = called.since.Add(-time.Minute), silent.since.Add(-freshAtLeast)
	comes("")
	if !called.counted || silent.counted {
		t.Error("another than the silent one was ended")
	}
	called.since = called.since.Add(-idleAtLeast)
	c.waiting.MoveToFront(called.place)
	if comes(""); called.counted {
		t.Error("one that has not been read for a second stays")
	}
}

// TestConnectionsThatJustCalledAreGivenASecond: how long one has been idle counts from its last call.
func TestConnectionsThatJustCalledAreGivenASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 8) // nearly reached with 7
		var callers []*caller
		for range 7 {
			callers = append(callers, s.call(t))
			callers[len(callers)-1].get("x")
		}
		time.Sleep(time.Minute / 2)
		for n, c := range callers {
			if got := c.get("x"); got != "answer to /x" {
				t.Fatalf("caller %d: %q", n, got)
			}
		}
		s.call(t)
		s.has(t, 8, 0)
		s.call(t)
		time.Sleep(freshAtLeast)
		s.has(t, 8, 1) // the limit is reached
	})
}

// TestCallersEndedIsLogged: that connections are ended early is logged once a minute at most, with
// how many there are.
func TestCallersEndedIsLogged(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	d := &daemon{log: log, now: func() time.Time { return now }}
	ended := d.callersEnded()
	for _, step := range []struct {
		after time.Duration
		lines int // so far
	}{{0, 1}, {0, 1}, {time.Minute - 1, 1}, {1, 2}, {time.Second, 2}, {time.Hour, 3}} {
		now = now.Add(step.after)
		if ended(7, 8); len(hook.AllEntries()) != step.lines {
			t.Errorf("%s later: %d lines, expected %d", step.after, len(hook.AllEntries()), step.lines)
		}
	}
	if e := hook.LastEntry(); e.Level != logrus.WarnLevel || e.Data["open"] != 7 || e.Data["limit"] != 8 {
		t.Errorf("logged as %s %v", e.Level, e.Data)
	}
}

// TestWorkIsNotEnded: a connection whose call is being worked on stays, and new ones wait until
// one has ended or is idle again.
func TestWorkIsNotEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 3)
		var callers []*caller
		for range 3 {
			c := s.call(t)
			c.send(fmt.Sprintf(request, "work"))
			callers = append(callers, c)
		}
		time.Sleep(10 * time.Second)
		late := s.call(t)
		late.send(fmt.Sprintf(request, "late"))
		s.has(t, 3, 0)
		s.goOn <- struct{}{}
		synctest.Wait()
		s.has(t, 3, 0) // it is still answering
		var answered atomic.Int64
		for _, c := range callers {
			go func() { _ = c.answered(); answered.Add(1) }()
		}
		if got := late.answered(); got != "answer to /late" {
			t.Errorf("the call that waited: %q", got)
		}
		s.has(t, 3, 1)
		close(s.goOn)
		synctest.Wait()
		if n := answered.Load(); n != 3 {
			t.Errorf("%d of 3 calls were answered", n)
		}
	})
}

// TestSlowCallersEndFirst: calls that do not arrive in full do not keep others out.
func TestSlowCallersEndFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 4)
		for range 4 {
			s.call(t).send("GET /slow HTTP/1.1\r\nHost:")
		}
		for n := range 20 {
			if got := s.call(t).get("x"); got != "answer to /x" {
				t.Fatalf("caller %d: %q", n, got)
			}
		}
		s.has(t, 4, 20)
	})
}

// TestStopEndsWhoWaits: a shutdown waits for no one who only holds a connection, and for each
// call that is being worked on.
func TestStopEndsWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 8)
		silent, slow, work := s.call(t), s.call(t), s.call(t)
		slow.send("GET /slow HTTP/1.1\r\nHost:")
		work.send(fmt.Sprintf(request, "work"))
		began := time.Now()
		time.AfterFunc(3*time.Second, func() { close(s.goOn) })
		stopped := make(chan error, 1)
		go func() {
			stopped <- s.connections.shutdown(context.Background(), s.server, &s.accepting, s.entrance)
		}()
		if got := work.answered(); got != "answer to /work" {
			t.Errorf("the call that was worked on: %q", got)
		}
		if err := <-stopped; err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("it took %s: %v", time.Since(began), err)
		}
		if !silent.ended() || !slow.ended() {
			t.Error("a connection without a call stays")
		}
		s.has(t, 0, 0)
	})
}

// TestListenerEndsWhileFull: a listener that has no room can be closed.
func TestListenerEndsWhileFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serveLimited(t, 1)
		work := s.call(t)
		work.send(fmt.Sprintf(request, "work"))
		late := s.call(t)
		time.AfterFunc(time.Second, func() { close(s.goOn) })
		go func() { _ = work.answered() }()
		if err := s.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if !late.ended() {
			t.Error("the connection that waited for room stays")
		}
		s.has(t, 0, 0)
	})
}

// TestFilesAreDivided: no share takes what another needs.
func TestFilesAreDivided(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]files{
		65536: {65536, 16384, 64, 256, 2048, 256}, 1 << 20: {1 << 20, 16384, 64, 256, 2048, 256}, 1024: {1024, 512, 64, 32, 256, 32}, 256: {256, 128, 16, 8, 64, 8}, 20000: {20000, 14876, 64, 256, 2048, 256},
	} {
		if got := divide(limit); got != want {
			t.Errorf("%d: %+v, expected %+v", limit, got, want)
		}
	}
	for connections := range 257 {
		least := enough(connections)
		if rest := divide(least).rest(); rest < 3*connections+32 {
			t.Errorf("with a limit of %d, %d connections have %d files", least, connections, rest)
		}
	}
	if fileLimit() < 64 {
		t.Errorf("the limit is %d", fileLimit())
	}
	if strings.Contains(fmt.Sprint(divide(0)), "-") {
		t.Error("a negative share")
	}
}
