package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proxy is the network between two processes. It forwards TCP connections and injects network
// faults.
type proxy struct {
	listener net.Listener
	target   string
	ctx      context.Context
	running  sync.WaitGroup

	mu       sync.Mutex
	conns    map[net.Conn]struct{} // of both sides
	refusing bool
	silent   chan struct{} // closed when the silence ends; nil: no silence
	piece    int           // bytes that pass at once; 0: any number
	pause    time.Duration // before each piece
}

// startProxy forwards to target until the test ends.
func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen as the network before %s: %v", target, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &proxy{listener: listener, target: target, ctx: ctx, conns: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		stop()
		_ = listener.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the caller left before the connection was accepted
		}
		p.running.Go(func() { p.serve(conn) })
	}
}

func (p *proxy) serve(client net.Conn) {
	defer p.close(client)
	if !p.know(client) || !p.listen() {
		return
	}
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		return // the caller sees a broken connection
	}
	defer p.close(server)
	if !p.know(server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		p.pump(client, server)
		p.close(client)
	})
	p.pump(server, client)
	p.close(server)
	back.Wait()
}

// know registers a connection so that it can be cut. It returns false to refuse it.
func (p *proxy) know(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.ctx.Err() != nil {
		reset(conn)
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *proxy) close(conn net.Conn) {
	p.mu.Lock()
	delete(p.conns, conn)
	p.mu.Unlock()
	_ = conn.Close()
}

// reset ends a connection so that the other side notices at once and data in transit is lost.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// pump forwards until one side ends.
func (p *proxy) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		for sent := 0; sent < n; {
			if !p.listen() {
				return
			}
			piece, pause := p.pace()
			if piece == 0 {
				piece = n
			}
			time.Sleep(pause)
			end := min(sent+piece, n)
			if _, err := to.Write(buf[sent:end]); err != nil {
				return
			}
			sent = end
		}
		if err != nil {
			// A silence also hides the end of a connection from the other side.
			p.listen()
			return
		}
	}
}

func (p *proxy) pace() (piece int, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.piece, p.pause
}

// listen waits while there is silence. It returns false if the test has ended.
func (p *proxy) listen() bool {
	for {
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if silent == nil {
			return p.ctx.Err() == nil
		}
		select {
		case <-silent:
		case <-p.ctx.Done():
			return false
		}
	}
}

// open returns how many connections it forwards.
func (p *proxy) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

// cut ends all connections; new ones work.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
}

// refuse ends all connections and accepts no new ones.
func (p *proxy) refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
	p.cut()
}

// silence lets nothing through but keeps all connections and their data: as with dropped
// packets, the data arrives late.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent == nil {
		p.silent = make(chan struct{})
	}
}

// slow forwards in pieces of the given size, with a pause before each.
func (p *proxy) slow(piece int, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.piece, p.pause = piece, pause
}

// heal ends all faults.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing, p.piece, p.pause = false, 0, 0
	if p.silent != nil {
		close(p.silent)
		p.silent = nil
	}
}

// TestProxy checks the faults of the network.
func TestProxy(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 1024)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	p := startProxy(t, echo.Addr().String())
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	said := strings.Repeat("x", 100)
	say := func(conn net.Conn) { _, _ = fmt.Fprint(conn, said) }
	hear := func(conn net.Conn, within time.Duration) error {
		_ = conn.SetReadDeadline(time.Now().Add(within))
		buf := make([]byte, len(said))
		for got := 0; got < len(buf); {
			n, err := conn.Read(buf[got:])
			if err != nil {
				return err
			}
			got += n
		}
		return nil
	}
	conn := dial()
	say(conn)
	if err := hear(conn, 5*time.Second); err != nil {
		t.Fatalf("without faults: %v", err)
	}

	p.silence()
	say(conn)
	late := dial()
	say(late)
	if err := hear(conn, 200*time.Millisecond); err == nil {
		t.Error("an answer got through the silence")
	}
	p.heal()
	for _, c := range []net.Conn{conn, late} {
		if err := hear(c, 5*time.Second); err != nil {
			t.Errorf("after the silence: %v", err)
		}
	}

	p.slow(10, 20*time.Millisecond)
	began := time.Now()
	say(conn)
	if err := hear(conn, 10*time.Second); err != nil || time.Since(began) < 200*time.Millisecond {
		t.Errorf("slowed down: %v after %s", err, time.Since(began))
	}
	p.heal()

	p.cut()
	if err := hear(conn, 5*time.Second); err == nil {
		t.Error("a connection survived being cut")
	}
	conn = dial()
	say(conn)
	if err := hear(conn, 5*time.Second); err != nil {
		t.Errorf("after the cut: %v", err)
	}

	p.refuse()
	refused, err := net.Dial("tcp", p.address())
	if err == nil {
		defer refused.Close()
		if err = hear(refused, 5*time.Second); err == nil {
			t.Error("a connection was served while all are refused")
		}
	} else if !errors.Is(err, syscall.ECONNRESET) { // it may be reset before the dial returns
		t.Errorf("while all are refused: %v", err)
	}
}
