package sim

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"lagerd/test/storetest"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"
)

// database is shared by all instances: an in-memory SQLite behind a driver that fails the way
// MariaDB does.
type database struct {
	sim   *simulation
	conn  driver.Conn
	stmts map[string]driver.Stmt
	conns map[*conn]bool

	mu     sync.Mutex
	gone   []*conn
	undone []*conn // with transactions to roll back

	down   atomic.Bool
	owner  *conn     // whose transaction is open; the database is serial
	active time.Time // when the owner last sent something

	seen map[string]int // how often each statement was sent

	fenced string   // the shop whose fence this transaction wrote
	wrote  []string // statements of this transaction that wrote
}

// template is a migrated, empty database without a write-ahead log, which one in memory cannot have.
var template = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "lagerd-sim")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	image, err := storetest.Migrated()
	if err == nil {
		err = os.WriteFile(path, image, 0o600)
	}
	var raw *sql.DB
	if err == nil {
		raw, err = sql.Open("sqlite", path)
	}
	if err == nil {
		_, err = raw.Exec("PRAGMA journal_mode = DELETE")
		err = errors.Join(err, raw.Close())
	}
	if err == nil {
		image, err = os.ReadFile(path)
	}
	if err != nil {
		panic(err)
	}
	return image
})

func newDatabase(s *simulation) *database {
	c, err := (&sqlite.Driver{}).Open(":memory:")
	if err == nil {
		err = c.(interface{ Deserialize(image []byte) error }).Deserialize(slices.Clone(template()))
	}
	if err != nil {
		panic(err)
	}
	d := &database{sim: s, conn: c, stmts: map[string]driver.Stmt{}, conns: map[*conn]bool{}, seen: map[string]int{}}
	d.mustExec("PRAGMA synchronous = OFF")
	return d
}

func (d *database) close() {
	for _, stmt := range d.stmts {
		_ = stmt.Close()
	}
	_ = d.conn.Close()
}

func (d *database) stmt(query string) (driver.Stmt, error) {
	if stmt := d.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := d.conn.Prepare(query)
	if err == nil {
		d.stmts[query] = stmt
	}
	return stmt, err
}

func (d *database) exec(query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, err := d.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.(driver.StmtExecContext).ExecContext(context.Background(), args)
}

func (d *database) query(query string, args []driver.NamedValue) (*rows, error) {
	stmt, err := d.stmt(query)
	if err != nil {
		return nil, err
	}
	from, err := stmt.(driver.StmtQueryContext).QueryContext(context.Background(), args)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	r := &rows{columns: from.Columns()}
	for {
		row := make([]driver.Value, len(r.columns))
		if err := from.Next(row); errors.Is(err, io.EOF) {
			return r, nil
		} else if err != nil {
			return nil, err
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = slices.Clone(b)
			}
		}
		r.list = append(r.list, row)
	}
}

// mustExec and mustQuery serve the simulation itself, without faults.
func (d *database) mustExec(query string, args ...any) {
	if _, err := d.exec(query, named(args)); err != nil {
		panic(fmt.Sprint(query, ": ", err))
	}
}

func (d *database) mustQuery(query string, args ...any) [][]driver.Value {
	r, err := d.query(query, named(args))
	if err != nil {
		panic(fmt.Sprint(query, ": ", err))
	}
	return r.list
}

func named(args []any) []driver.NamedValue {
	list := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			panic(err)
		}
		list[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return list
}

// stop ends every connection and refuses new ones until the database is up again.
func (d *database) stop() {
	d.down.Store(true)
	for c := range d.conns {
		d.drop(c)
	}
}

// leave ends an instance's connections.
func (d *database) leave(i *instance) {
	for c := range d.conns {
		if c.inst == i {
			d.drop(c)
		}
	}
}

// drop ends a connection; its transaction is rolled back.
func (d *database) drop(c *conn) {
	c.broken = true
	delete(d.conns, c)
	d.rollback(c)
}

func (d *database) rollback(c *conn) {
	if d.owner == c {
		d.mustExec("ROLLBACK")
		d.free()
	}
}

func (d *database) free() { d.owner, d.fenced, d.wrote = nil, "", nil }

// closed forgets a connection that its instance has closed.
func (d *database) closed(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = append(d.gone, c)
}

// sweep forgets closed connections and rolls back abandoned transactions, those of a paused
// process once it wakes.
func (d *database) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undone = slices.DeleteFunc(d.undone, func(c *conn) bool {
		if c.inst.paused {
			return false
		}
		d.rollback(c)
		return true
	})
	for _, c := range d.gone {
		delete(d.conns, c)
	}
	d.gone = nil
}

type connector struct {
	db   *database
	inst *instance
}

// refusing is how long it takes to be refused a connection. It is an odd number, so that nothing
// else happens at the same time: whoever is refused never races with what it began before.
const refusing = 137 * time.Microsecond

// Connect takes no time unless it is refused: each statement or transaction has its own
// connection. With a pool it would be random which goroutine gets a broken one.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.db.down.Load() {
		select {
		case <-time.After(refusing):
			return nil, errRefused
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &conn{db: c.db, inst: c.inst}, nil
}

func (c connector) Driver() driver.Driver { return &sqlite.Driver{} }

// conn is an instance's connection.
type conn struct {
	db     *database
	inst   *instance
	broken bool
	inTx   bool // as far as the instance knows
	opens  bool // a transaction, with the next statement
	about  string
}

var (
	errDeadlock = &mysql.MySQLError{Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}, Message: "Deadlock found when trying to get lock; try restarting transaction"}
	errRefused  = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
)

// do passes an operation that needs the connection to the simulation.
func (c *conn) do(ctx context.Context, what, about string, effect func() error) error {
	var failed error
	if c.opens {
		c.about = about
	}
	call := &call{from: c.inst, key: what + about, conn: c}
	call.effect = func() {
		if c.broken || c.db.down.Load() {
			c.db.drop(c)
			failed = mysql.ErrInvalidConn
			return
		}
		c.db.conns[c] = true
		c.db.active = time.Now()
		if c.opens {
			c.opens = false
			if failed = c.begin(); failed != nil {
				return
			}
		}
		failed = effect()
	}
	inTx := c.inTx
	call.lose = func() {
		// The statement may have been sent already. In a transaction this changes
		// nothing: the server rolls back when the connection ends.
		if !inTx && !c.broken && c.db.owner == nil && c.db.sim.rng.IntN(3) == 0 {
			call.effect()
		}
		c.db.drop(c) // the driver closes a connection whose statement it abandons
	}
	if err := c.db.sim.wait(ctx, call); err != nil {
		return err
	}
	return failed
}

// statement executes a statement and injects faults, more of them into rare statements.
func (c *conn) statement(query string, writes bool, run func() error) error {
	s := c.db.sim
	inTx := c.db.owner == c
	if s.script.statement != nil {
		if err := s.script.statement(c.inst, query); err != nil {
			c.db.drop(c)
			return err
		}
	}
	more := 1.0
	if c.db.seen[query]++; c.db.seen[query] <= 3 {
		more = 8
	}
	if s.profile.lies && strings.HasPrefix(query, "UPDATE progress SET held") {
		more = 20 // losses must be held back even if the hold cannot be stored
	}
	switch {
	case (writes || inTx) && s.strike(more*s.profile.deadlock):
		s.counts["deadlock"]++
		c.db.rollback(c) // the server ends the transaction without the client knowing
		return errDeadlock
	case s.strike(more * s.profile.lost):
		s.counts["connection lost"]++
		if !inTx && s.rng.IntN(2) == 0 {
			_ = run()
		}
		c.db.drop(c)
		return mysql.ErrInvalidConn
	}
	return run()
}

// about returns the shop that a statement concerns, and a hint's number. This distinguishes
// simultaneous statements of several passes and people in one instance.
func about(query string, args []driver.NamedValue) string {
	for n, a := range args {
		s, ok := a.Value.(string)
		switch {
		case !ok || !strings.HasPrefix(s, "shop") && !strings.HasPrefix(s, "@"):
		case strings.HasPrefix(query, "INSERT INTO hints ") && len(args) > n+2:
			return fmt.Sprint(" ", s, " ", args[n+2].Value)
		case strings.HasPrefix(query, "INSERT INTO hint_batches ") && len(args) > n+3: // of two writers at once
			return fmt.Sprintf(" %s %v %.60q", s, args[n+2].Value, args[n+3].Value)
		default:
			return " " + s
		}
	}
	return ""
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (res driver.Result, err error) {
	err = c.do(ctx, query, about(query, args), func() error {
		return c.statement(query, true, func() (err error) {
			if res, err = c.db.exec(query, args); err != nil {
				return err
			}
			n, _ := res.RowsAffected()
			if n > 0 {
				c.wrote(query, args)
			}
			return nil
		})
	})
	return res, err
}

// wrote reports a write to the oracle, at once or with the commit.
func (c *conn) wrote(query string, args []driver.NamedValue) {
	d := c.db
	if d.owner != c {
		d.sim.oracle.committed(c.inst, "", []string{query})
		return
	}
	d.wrote = append(d.wrote, query)
	if strings.HasPrefix(query, fenceStatement) {
		d.fenced, _ = args[1].Value.(string)
	}
}

// fenceStatement is how a transaction that applies a read begins.
const fenceStatement = "UPDATE leases SET applied_seq"

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	var r *rows
	err := c.do(ctx, query, about(query, args), func() error {
		return c.statement(query, false, func() (err error) {
			r, err = c.db.query(query, args)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// BeginTx does not wait: the transaction opens with its first statement. Nothing says which shop
// a BEGIN is for, so which of two simultaneous ones came first would be random.
func (c *conn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	c.inTx, c.opens = true, true
	return tx{c}, nil
}

func (c *conn) begin() error {
	return c.statement("begin", false, func() error {
		c.db.mustExec("BEGIN")
		c.db.owner = c
		return nil
	})
}

type tx struct{ c *conn }

func (t tx) Commit() error {
	c, s := t.c, t.c.db.sim
	c.inTx = false
	return c.do(context.Background(), "commit", c.about, func() error {
		if c.db.owner != c {
			return nil // the transaction is gone, and MariaDB reports success
		}
		switch {
		case s.strike(s.profile.deadlock):
			s.counts["deadlock at commit"]++
			c.db.rollback(c)
			return errDeadlock
		case s.strike(s.profile.lost):
			s.counts["connection lost at commit"]++
			if s.rng.IntN(2) == 0 {
				c.commit()
			}
			c.db.drop(c)
			return mysql.ErrInvalidConn
		case s.script.lost != nil && s.script.lost(c.db.wrote), s.profile.unsure && s.strike(0.2):
			s.counts["database down after a commit"]++
			c.commit()
			s.outage() // still down when the transaction is retried
			return mysql.ErrInvalidConn
		}
		c.commit()
		return nil
	})
}

func (c *conn) commit() {
	d := c.db
	fenced, wrote := d.fenced, d.wrote
	d.mustExec("COMMIT")
	d.free()
	d.sim.oracle.committed(c.inst, fenced, wrote)
}

// Rollback does not wait. When a context ends it is random whether database/sql or the
// transaction's own goroutine calls it, and so whether that goroutine would wait.
func (t tx) Rollback() error {
	d := t.c.db
	t.c.inTx = false
	d.mu.Lock()
	d.undone = append(d.undone, t.c)
	d.mu.Unlock()
	d.sim.wake()
	return nil
}

// Prepare does nothing: faults occur when the statement is executed.
func (c *conn) Prepare(query string) (driver.Stmt, error) { return statement{c, query}, nil }

type statement struct {
	c     *conn
	query string
}

func (s statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.c.ExecContext(ctx, s.query, args)
}

func (s statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.c.QueryContext(ctx, s.query, args)
}

func (s statement) NumInput() int { return -1 }

func (s statement) Close() error { return nil }

func (s statement) Exec([]driver.Value) (driver.Result, error) {
	return nil, errors.New("use ExecContext")
}

func (s statement) Query([]driver.Value) (driver.Rows, error) {
	return nil, errors.New("use QueryContext")
}

func (c *conn) Begin() (driver.Tx, error) { return nil, errors.New("use BeginTx") }

func (c *conn) Close() error {
	c.db.closed(c)
	return nil
}

func (c *conn) IsValid() bool { return true }

// rows are loaded in full before the first is read.
type rows struct {
	columns []string
	list    [][]driver.Value
}

func (r *rows) Columns() []string { return r.columns }

func (r *rows) Close() error { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if len(r.list) == 0 {
		return io.EOF
	}
	copy(dest, r.list[0])
	r.list = r.list[1:]
	return nil
}
