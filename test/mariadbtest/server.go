package mariadbtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// account is a user that exists on loopback only. mariadb-install-db's root
	// stays reachable through the server's socket alone.
	account = "lagerd"

	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// Server is a private MariaDB in one directory. Its methods may be called from several
// goroutines.
type Server struct {
	dir      string
	port     int
	flags    []string
	password string

	mu   sync.Mutex
	proc *process // nil when the server is down
}

// process is one run of mariadbd.
type process struct {
	*os.Process
	exited chan struct{} // closed once the process has been waited for
}

// Start starts a MariaDB that keeps its data in dir, which is created if it is missing and
// initialised if it is empty, and returns when the server answers. Port 0 picks a free port.
// The caller stops it with Stop; dir stays, and a later Start there finds the data again. If
// MariaDB is not installed the error says what to do; if the server does not start it includes
// the end of the server's log.
func Start(dir string, port int, flags ...string) (*Server, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find directory for mariadb: %w", err)
	}
	s := &Server{dir: abs, port: port, flags: flags, password: rand.Text()}
	if err := s.install(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if port != 0 {
		if err := s.launch(); err != nil {
			return nil, err
		}
		return s, nil
	}
	// A free port can be taken by another process before mariadbd has it.
	for range 3 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// DSN returns a DSN for the server without a database, with all privileges.
// See CreateDatabase for one with a database.
func (s *Server) DSN() string { return withDatabase(s.config(), "") }

// Port returns the TCP port on 127.0.0.1, which stays the same over Restart.
func (s *Server) Port() int { return s.port }

// Pid returns the process id, or 0 when the server is down.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid
}

// Account creates another account with the statements, in which {account} stands for it (GRANT
// SELECT ON app.* TO {account}), and returns its DSN for a database of this server.
func (s *Server) Account(ctx context.Context, database, name string, statements ...string) (string, error) {
	account := "'" + name + "'@'127.0.0.1'"
	for _, statement := range append([]string{"CREATE USER {account} IDENTIFIED BY '" + s.password + "'"}, statements...) {
		if err := execute(ctx, s.DSN(), strings.ReplaceAll(statement, "{account}", account)); err != nil {
			return "", err
		}
	}
	cfg := s.config()
	cfg.User = name
	return withDatabase(cfg, database), nil
}

// CreateDatabase creates an empty database and returns its DSN.
func (s *Server) CreateDatabase(ctx context.Context) (string, error) {
	name, err := createDatabase(ctx, s.DSN())
	if err != nil {
		return "", err
	}
	return withDatabase(s.config(), name), nil
}

// Stop shuts the server down cleanly and returns when its process is gone. If the server is
// down it does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

// Kill ends the server as a power cut would (SIGKILL) and returns when its process is gone. If
// the server is down it does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

// Restart starts the server again on the same data, port and password, after
// Stop or Kill; a server that is up is stopped first.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(); err != nil {
		return err
	}
	return s.launch()
}

func (s *Server) config() *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User = account
	cfg.Passwd = s.password
	cfg.Net = "tcp"
	cfg.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	return cfg
}

func (s *Server) stop() error {
	if s.proc == nil {
		return nil
	}
	if err := s.proc.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop mariadbd (pid %d): %w", s.proc.Pid, err)
	}
	select {
	case <-s.proc.exited:
		s.proc = nil
		return nil
	case <-time.After(stopTimeout):
		pid := s.proc.Pid
		return errors.Join(fmt.Errorf("stop mariadbd (pid %d): still running after %s, killed", pid, stopTimeout), s.kill())
	}
}

func (s *Server) kill() error {
	if s.proc == nil {
		return nil
	}
	if err := s.proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill mariadbd (pid %d): %w", s.proc.Pid, err)
	}
	<-s.proc.exited
	s.proc = nil
	return nil
}

func (s *Server) dataDir() string  { return filepath.Join(s.dir, "data") }
func (s *Server) errorLog() string { return filepath.Join(s.dir, "error.log") }

// tempDir is private: mariadbd deletes tables in its temporary directory at start, even those
// of another server, which then fails.
func (s *Server) tempDir() string { return filepath.Join(s.dir, "tmp") }

// install creates the data directory beside its final place and then moves it there, so that an
// interrupted installation is never mistaken for a complete one.
func (s *Server) install() error {
	if _, err := os.Stat(s.dataDir()); err == nil {
		return nil
	}
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.tempDir(), 0o700); err != nil {
		return fmt.Errorf("make directory for mariadb: %w", err)
	}
	fresh := s.dataDir() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("clear directory for mariadb: %w", err)
	}
	args := append([]string{
		"--no-defaults", "--datadir=" + fresh, "--tmpdir=" + s.tempDir(),
		"--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve",
		"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-log-file-size=16M",
	}, asRoot()...)
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("initialise mariadb in %s: %w\n%s", fresh, err, tail(out))
	}
	if err := os.Rename(fresh, s.dataDir()); err != nil {
		return fmt.Errorf("move mariadb's data into place: %w", err)
	}
	return nil
}

// launch runs mariadbd and returns when it answers. The caller holds s.mu.
func (s *Server) launch() error {
	program, err := find("mariadbd")
	if err != nil {
		return err
	}
	// Run by the server at each start, before it takes connections.
	bootstrap := filepath.Join(s.dir, "init.sql")
	statements := fmt.Sprintf("CREATE OR REPLACE USER '%[1]s'@'127.0.0.1' IDENTIFIED BY '%[2]s';\n"+
		"GRANT ALL ON *.* TO '%[1]s'@'127.0.0.1' WITH GRANT OPTION;\n", account, s.password)
	if err := os.WriteFile(bootstrap, []byte(statements), 0o600); err != nil {
		return fmt.Errorf("write mariadb's start-up statements: %w", err)
	}
	cmd := exec.Command(program, append([]string{
		"--no-defaults",
		"--datadir=" + s.dataDir(), "--tmpdir=" + s.tempDir(),
		// Both are relative to the data directory, since a socket's full path must be
		// shorter than 108 bytes, and test directories are longer.
		"--socket=s.sock", "--pid-file=pid",
		"--log-error=" + s.errorLog(),
		"--init-file=" + bootstrap,
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.port), "--skip-name-resolve",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
		"--default-time-zone=+02:00",
		"--innodb-flush-log-at-trx-commit=1", "--innodb-flush-method=fsync", "--skip-log-bin",
		"--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M",
		"--max-connections=300", "--performance-schema=0",
	}, slices.Concat(asRoot(), s.flags)...)...)
	cmd.SysProcAttr = processAttributes()

	started := make(chan error, 1)
	p := &process{exited: make(chan struct{})}
	// This goroutine ends when mariadbd does; stop and kill wait for that. It
	// keeps its thread for as long, because Linux sends the death signal when
	// the thread that started the process ends.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.exited)
		err := cmd.Start()
		p.Process = cmd.Process
		started <- err
		if err == nil {
			_ = cmd.Wait() // the exit status of a stopped or killed server does not matter
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start mariadbd: %w", err)
	}
	s.proc = p
	if err := s.awaitReady(p); err != nil {
		return errors.Join(err, s.kill())
	}
	return nil
}

func (s *Server) awaitReady(p *process) error {
	cfg := s.config()
	cfg.Timeout, cfg.ReadTimeout = time.Second, 5*time.Second
	cfg.Logger = &mysql.NopLogger{} // a server that is not up yet is expected
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("connect to mariadbd: %w", err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	deadline := time.After(startTimeout)
	for {
		// A connection proves that it is up, since mariadbd listens only after it has
		// recovered and run the start-up statements; another server on the same port
		// does not know the password.
		conn, err := db.Conn(context.Background())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("start mariadbd on port %d: it exited; its log ends with:\n%s", s.port, s.logTail())
		case <-deadline:
			return fmt.Errorf("start mariadbd on port %d: no answer after %s: %w; its log ends with:\n%s",
				s.port, startTimeout, err, s.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) logTail() []byte {
	f, err := os.Open(s.errorLog())
	if err != nil {
		return []byte(err.Error())
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-4096), io.SeekStart)
	}
	out, _ := io.ReadAll(f)
	return tail(out)
}

// tail returns the last lines of out.
func tail(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-40):], []byte("\n"))
}

// asRoot returns the flag without which mariadbd refuses to run as root.
func asRoot() []string {
	if os.Geteuid() != 0 {
		return nil
	}
	return []string{"--user=root"}
}

// find looks for a MariaDB program, including directories outside an ordinary user's PATH.
func find(program string) (string, error) {
	for _, candidate := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: MariaDB is not installed: run `make test`, which installs it, "+
		"or `apt-get install mariadb-server`, or point %s at a server", program, serverVariable)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for mariadb: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// withDatabase names the database in cfg, with times as UTC time.Time.
func withDatabase(cfg *mysql.Config, database string) string {
	cfg = cfg.Clone()
	cfg.DBName = database
	cfg.ParseTime = true
	cfg.Loc = time.UTC
	return cfg.FormatDSN()
}

// createDatabase creates an empty database with a unique name, on a server that other processes
// may use at the same time.
func createDatabase(ctx context.Context, serverDSN string) (name string, err error) {
	name = databasePrefix + strings.ToLower(rand.Text()[:16])
	return name, execute(ctx, serverDSN, "CREATE DATABASE `"+name+"`")
}

func execute(ctx context.Context, serverDSN, statement string) error {
	db, err := sql.Open("mysql", serverDSN)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("run %q on the test server: %w", statement, err)
	}
	return nil
}
