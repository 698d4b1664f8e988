package mailtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mail is a mail that the server has taken.
type Mail struct {
	To, Subject, Body, ID string
	Encrypted             bool // it came over TLS
}

// Server is a mail server on this machine.
type Server struct {
	t      testing.TB
	config *tls.Config // nil: without STARTTLS

	mu       sync.Mutex
	listener net.Listener // nil: it is away
	address  string
	mails    []Mail
	open     map[net.Conn]bool

	// Taken, if set before mail comes, is called when a mail has been taken, before the client is
	// told so.
	Taken func(m Mail)
	// Refuse, if set before mail comes, returns an answer such as "550 no such user" instead of
	// accepting a recipient, or "".
	Refuse func(to string) string
	// Answer, if set before mail comes, returns the answer to a mail that was taken, such as "554 spam";
	// "": there is none, and the connection ends.
	Answer func(m Mail) string
}

// New starts a server. If encrypted, it offers STARTTLS, with a certificate that trusting accepts,
// and takes no mail without.
func New(t testing.TB, encrypted bool) (s *Server, trusting *tls.Config) {
	t.Helper()
	s = &Server{t: t, address: "127.0.0.1:0", open: map[net.Conn]bool{}}
	if encrypted {
		s.config, trusting = certificate(t)
	}
	s.Start()
	s.address = s.listener.Addr().String()
	t.Cleanup(s.Stop)
	return s, trusting
}

// Port returns the server's port.
func (s *Server) Port() int {
	address, err := net.ResolveTCPAddr("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	return address.Port
}

// Start makes the server reachable, again at the same port.
func (s *Server) Start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
}

// Stop makes the server refuse connections and ends the open ones.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
	for conn := range s.open {
		_ = conn.Close()
	}
}

// Mails returns what the server has taken.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

func (s *Server) serve(conn net.Conn) {
	s.mu.Lock()
	s.open[conn] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
		_ = conn.Close()
	}()
	c := &session{Server: s, conn: conn, lines: bufio.NewReader(conn)}
	c.say("220 mail.test ESMTP")
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil || !c.answer(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

// session is one connection.
type session struct {
	*Server
	conn      net.Conn
	lines     *bufio.Reader
	encrypted bool
	to        string
}

func (c *session) say(lines ...string) {
	_, _ = io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
}

// answer answers a command, and reports whether the connection goes on.
func (c *session) answer(line string) bool { //nolint:cyclop // one case per command
	command, argument, _ := strings.Cut(line, " ")
	switch strings.ToUpper(command) {
	case "EHLO":
		if c.config != nil && !c.encrypted {
			c.say("250-mail.test", "250-8BITMIME", "250 STARTTLS")
			return true
		}
		c.say("250-mail.test", "250 8BITMIME")
	case "STARTTLS":
		c.say("220 go ahead")
		encrypted := tls.Server(c.conn, c.config)
		if encrypted.Handshake() != nil {
			return false
		}
		c.conn, c.lines, c.encrypted = encrypted, bufio.NewReader(encrypted), true
	case "MAIL":
		if c.config != nil && !c.encrypted {
			c.say("530 STARTTLS first")
			return true
		}
		c.say("250 ok")
	case "RCPT":
		_, address, _ := strings.Cut(argument, ":")
		c.to = strings.Trim(strings.Fields(address)[0], "<>")
		if c.Refuse != nil {
			if answer := c.Refuse(c.to); answer != "" {
				c.say(answer)
				return true
			}
		}
		c.say("250 ok")
	case "DATA":
		c.say("354 go ahead")
		return c.take()
	case "QUIT":
		c.say("221 bye")
		return false
	default: // NOOP, RSET
		c.say("250 ok")
	}
	return true
}

// take takes a mail.
func (c *session) take() bool {
	var text strings.Builder
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	m, err := parse(text.String())
	if err != nil {
		c.t.Errorf("a mail that cannot be read: %v:\n%s", err, text.String())
		return false
	}
	m.To, m.Encrypted = c.to, c.encrypted
	c.mu.Lock()
	c.mails = append(c.mails, m)
	c.mu.Unlock()
	if c.Taken != nil {
		c.Taken(m)
	}
	answer := "250 taken"
	if c.Answer != nil {
		answer = c.Answer(m)
	}
	if answer == "" {
		return false
	}
	c.say(answer)
	return true
}

func parse(text string) (Mail, error) {
	msg, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		return Mail{}, err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	if err != nil {
		return Mail{}, err
	}
	body := msg.Body
	if strings.EqualFold(msg.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	raw, err := io.ReadAll(body)
	return Mail{Subject: subject, Body: strings.ReplaceAll(string(raw), "\r\n", "\n"), ID: msg.Header.Get("Message-ID")}, err
}

// certificate returns the configurations of a server on this machine, and of a client that trusts
// it alone.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
}
