package daemon

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lagerd/webhook"
)

// connections limits how many connections a server holds, so that no number of callers takes
// the files that the database, e-conomic and the other server need.
//
// A connection waits while no call of it is being worked on: it is idle, or its call has not
// arrived in full, or is refused. Where the limit is nearly reached, each new connection ends
// the one that has waited longest. One whose call is being worked on is never ended; if all
// are, or have only just come, a new one waits in the kernel until there is room. One whose call has
// arrived, and that lagerd has not got round to reading, is passed over.
type connections struct {
	limit  int
	nearly int                   // from here on, idle connections end early
	ended  func(open, limit int) // called when a connection has been ended early

	mu      sync.Mutex
	open    int
	early   int           // ended early, in all
	waiting list.List     // of *connection; the first has waited longest
	room    chan struct{} // closed when a connection ends, or begins to wait; nil: nobody wants to know
}

// A connection waits for a time at least before a new one ends it, since one that has just arrived is
// about to send its call. Where the limit is reached that is less, but not for one that has sent
// something.
const (
	idleAtLeast  = time.Second
	freshAtLeast = 20 * time.Millisecond
)

// passedOver is how many connections that have sent something a new one passes over at once.
const passedOver = 8

func newConnections(limit int, ended func(open, limit int)) *connections {
	limit = max(limit, 1)
	return &connections{limit: limit, nearly: limit - limit/8, ended: ended}
}

// serve makes a server track its connections here.
func (c *connections) serve(s *http.Server) {
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		if conn, ok := conn.(*connection); ok && (state == http.StateActive || state == http.StateIdle) {
			conn.waits()
		}
	}
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, conn)
	}
}

// counts returns how many connections are open, and how many have been ended early.
func (c *connections) counts() (open, early int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.early
}

// drainEvery is how often a shutdown looks for connections that have waited for long enough.
const drainEvery = 100 * time.Millisecond

// shutdown ends a server so that each call that has arrived is answered: it accepts no more, and waits
// until every connection has ended. From a grace on, it ends those that have waited for that long. It
// returns an error if ctx is done before. http.Server.Shutdown loses calls: from its beginning the
// server closes a connection whose call it has just read.
func (c *connections) shutdown(ctx context.Context, s *http.Server, accepting *sync.WaitGroup, listeners ...net.Listener) error {
	for _, l := range listeners {
		_ = l.Close()
	}
	accepting.Wait()
	s.SetKeepAlivesEnabled(false) // ends those that are idle, too
	look := time.NewTimer(grace)
	defer look.Stop()
	for {
		open, changed := c.left()
		if open == 0 {
			return s.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d connections have not ended: %w", open, ctx.Err())
		case <-changed:
		case <-look.C:
			c.endIdle()
			look.Reset(drainEvery)
		}
	}
}

// left returns how many connections are open, and a channel that is closed when that may have changed.
func (c *connections) left() (open int, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.changes()
}

// changes returns a channel that is closed when there may be room. c.mu is held.
func (c *connections) changes() <-chan struct{} {
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// endIdle ends the connections that have waited for a grace, except those with something unread.
func (c *connections) endIdle() {
	for _, conn := range c.idle() {
		_ = conn.Conn.Close()
	}
}

// idle stops counting those connections, and returns them.
func (c *connections) idle() (list []*connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.waiting.Front(); at != nil; {
		next := at.Next()
		if conn := at.Value.(*connection); time.Since(conn.since) >= grace && !conn.unread() { //nolint:forcetypeassert // the list holds nothing else
			conn.end()
			list = append(list, conn)
		}
		at = next
	}
	return list
}

// take adds a new connection, and makes room for it. If there is none yet, it returns a channel that
// is closed when there may be, and after how long to try again at the latest.
func (c *connections) take(conn *connection) (full <-chan struct{}, after time.Duration) {
	c.mu.Lock()
	first, after := c.first()
	if first != nil {
		first.end()
		c.early++
	}
	if c.open < c.limit {
		c.add(conn)
	} else {
		full = c.changes()
	}
	open := c.open
	c.mu.Unlock()
	if first != nil {
		_ = first.Conn.Close() // which takes a moment
		c.ended(open, c.limit)
	}
	return full, after
}

// first returns the connection that a new one ends: nil if there are few, or none has waited for long
// enough. It returns then after how long one may have. c.mu is held.
func (c *connections) first() (first *connection, after time.Duration) {
	if c.open < c.nearly {
		return nil, 0
	}
	least := idleAtLeast
	if c.open >= c.limit {
		least = freshAtLeast
	}
	for range min(passedOver, c.waiting.Len()) {
		first := c.waiting.Front().Value.(*connection) //nolint:forcetypeassert // the list holds nothing else
		waited := time.Since(first.since)
		switch {
		case waited < least:
			return nil, least - waited
		case first.passed && waited >= idleAtLeast, !first.unread():
			return first, 0
		case !first.passed: // it has a second from now on
			first.passed, first.since = true, time.Now()
		}
		// On a busy machine hundreds may arrive before the first of them is read.
		c.waiting.MoveToBack(first.place)
	}
	return nil, freshAtLeast
}

// admit adds a new connection whatever the limit is.
func (c *connections) admit(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(conn)
}

// add counts a new connection, which waits. c.mu is held.
func (c *connections) add(conn *connection) {
	c.open++
	conn.counted = true
	c.wait(conn)
}

// wait puts a connection last among those that wait. c.mu is held.
func (c *connections) wait(conn *connection) {
	if !conn.counted {
		return // it has ended
	}
	conn.since, conn.passed = time.Now(), false
	if conn.place != nil {
		c.waiting.MoveToBack(conn.place)
		return
	}
	conn.place = c.waiting.PushBack(conn)
	c.wake()
}

// wake lets a new connection that waits for room try again. c.mu is held.
func (c *connections) wake() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// connection is a connection of a limited listener.
type connection struct {
	net.Conn
	of      *connections
	place   *list.Element // among those that wait; nil: a call is being worked on, or it has ended
	since   time.Time     // it waits since then
	passed  bool          // it has been passed over
	counted bool          // it is open
	read    bool          // something of its call has been read; only the server's goroutine knows
}

type connectionKey struct{}

// works marks the connection of a call as one that must not be ended, until it waits again.
func works(ctx context.Context) {
	if conn, ok := ctx.Value(connectionKey{}).(*connection); ok {
		conn.of.mu.Lock()
		defer conn.of.mu.Unlock()
		if conn.place != nil {
			conn.of.waiting.Remove(conn.place)
			conn.place = nil
		}
	}
}

func (conn *connection) waits() {
	conn.read = false
	conn.of.mu.Lock()
	defer conn.of.mu.Unlock()
	conn.of.wait(conn)
}

// Read implements net.Conn. The first bytes of a call let the connection wait anew, for the rest
// of it.
func (conn *connection) Read(b []byte) (int, error) {
	n, err := conn.Conn.Read(b)
	if n > 0 && !conn.read {
		conn.read = true
		conn.of.mu.Lock()
		defer conn.of.mu.Unlock()
		if conn.place != nil {
			conn.of.wait(conn)
		}
	}
	return n, err
}

// unread reports whether something has arrived that has not been read yet.
func (conn *connection) unread() (so bool) {
	socket, ok := conn.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		so = err == nil && n > 0
	})
	return so && err == nil
}

// end stops counting a connection. of.mu is held.
func (conn *connection) end() {
	if conn.place != nil {
		conn.of.waiting.Remove(conn.place)
		conn.place = nil
	}
	if conn.counted {
		conn.counted = false
		conn.of.open--
		conn.of.wake()
	}
}

// Close implements net.Conn.
func (conn *connection) Close() error {
	err := conn.Conn.Close()
	conn.of.mu.Lock()
	defer conn.of.mu.Unlock()
	conn.end()
	return err
}

// listen returns a listener whose connections are limited.
func (c *connections) listen(l net.Listener) net.Listener {
	return &limited{Listener: l, connections: c, closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	*connections
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: accepted, of: l.connections}
	for {
		full, after := l.take(conn)
		if full == nil {
			return conn, nil
		}
		select {
		case <-full:
		case <-time.After(after):
		case <-l.closed: // it has been accepted, so it is answered
			l.admit(conn)
			return conn, nil
		}
	}
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// recording is a recorder whose calls keep their connections.
type recording struct{ webhook.Recorder }

// Record implements webhook.Recorder.
func (r recording) Record(ctx context.Context, h webhook.Hint) error {
	works(ctx)
	return r.Recorder.Record(ctx, h)
}

// working is a handler whose calls keep their connections.
func working(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		works(r.Context())
		h.ServeHTTP(w, r)
	})
}
