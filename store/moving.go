package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Move is what a database records of a move of the embedded database to a server: the
// embedded one in which it was moved to, the server's where its contents come from.
type Move struct {
	Source string // the embedded database's name for it: random
	Other  string // the other database, for people; never with a secret
	Began  Time
	Ended  Time // zero: not yet
}

var (
	// ErrMovedAway is returned for an embedded database that has been moved to a server.
	ErrMovedAway = errors.New("this embedded database has been moved")
	// ErrHalfMoved is returned for a server's database into which a move has not ended.
	ErrHalfMoved = errors.New("a move of an embedded database into this one has not ended")
)

// closed is the schema version of a database that no lagerd may use: each takes it for that
// of a newer one and refuses it, those too that know of no moves.
const closed = 999_999_999

// whyClosed returns why a database is closed.
func (s *Store) whyClosed(ctx context.Context) error {
	m, err := s.Moved(ctx)
	switch {
	case err != nil:
		return err
	case m == nil:
		return fmt.Errorf("schema %d: %w", closed, ErrNewerSchema)
	case s.dialect.isSQLite():
		return fmt.Errorf("%s: %w: on %s UTC to %s: let database.dsn_file name a file with that server's DSN. To use the embedded database again, without what happened on the server since, stop every lagerd there and run `lagerd move --undo`",
			s.path, ErrMovedAway, m.Ended.Format(time.DateTime), m.Other)
	}
	return fmt.Errorf("%w: it began on %s UTC from %s: run the same `lagerd move` again there, which goes on from where it ended", ErrHalfMoved, m.Began.Format(time.DateTime), m.Other)
}

// makesMove is the statement that creates the table of a Move. It is no migration's: almost
// no database has one.
func (s *Store) makesMove() string {
	text := "CREATE TABLE IF NOT EXISTS move (id INT NOT NULL PRIMARY KEY, source VARCHAR(64) NOT NULL, other VARCHAR(500) NOT NULL, began_at DATETIME(6) NOT NULL, ended_at DATETIME(6) NULL)"
	if !s.dialect.isSQLite() {
		text += " " + transactional + " DEFAULT CHARSET=utf8mb4 COLLATE=" + s.dialect.collation
	}
	return text
}

// Moved returns what the database records of a move, or nil.
func (s *Store) Moved(ctx context.Context) (*Move, error) {
	var m Move
	err := s.conn.QueryRowContext(ctx, "SELECT source, other, began_at, ended_at FROM move WHERE id = 1").Scan(&m.Source, &m.Other, &m.Began, &m.Ended)
	switch {
	case errors.Is(err, sql.ErrNoRows), hasNumber(err, errNoTable), err != nil && s.dialect.isSQLite() && strings.Contains(err.Error(), "no such table"):
		return nil, nil //nolint:nilnil // it was never moved
	case err != nil:
		return nil, explain(fmt.Errorf("read whether the database was moved: %w", err))
	}
	return &m, nil
}

// BeginMove records a move that begins or goes on.
func (s *Store) BeginMove(ctx context.Context, m Move) error {
	_, err := s.exec(ctx, s.makesMove())
	if err == nil {
		_, err = s.exec(ctx, "INSERT INTO move (id, source, other, began_at) VALUES (1, ?, ?, ?)"+
			s.dialect.onConflict("id", overwrite("source", "other", "began_at", "ended_at")...), m.Source, shorten(m.Other, 500), m.Began)
	}
	if err != nil {
		return fmt.Errorf("record the move: %w", err)
	}
	return nil
}

// close makes every lagerd refuse the database.
func (t *tx) close() {
	t.exec("DELETE FROM "+goose.DefaultTablename+" WHERE version_id = ?", closed)
	t.exec("INSERT INTO "+goose.DefaultTablename+" (version_id, is_applied) VALUES (?, 1)", closed)
}

// open ends what close did.
func (t *tx) open() { t.exec("DELETE FROM "+goose.DefaultTablename+" WHERE version_id = ?", closed) }

// CloseWhileMoving makes every lagerd refuse the database until EndMove.
func (s *Store) CloseWhileMoving(ctx context.Context) error {
	err := s.inTx(ctx, func(t *tx) error {
		t.close()
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep lagerd from a database that is not complete: %w", err)
	}
	return nil
}

// Closed reports whether CloseWhileMoving has closed the database, and returns an error if its
// schema is not this lagerd's.
func (s *Store) Closed(ctx context.Context) (bool, error) {
	have, want, err := s.SchemaVersion(ctx)
	if err != nil || have != closed {
		return false, err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT MAX(version_id) FROM "+goose.DefaultTablename+" WHERE version_id < ?", closed).Scan(&have); err != nil {
		return true, explain(fmt.Errorf("read the schema version: %w", err))
	}
	if have != want {
		return true, fmt.Errorf("it was made with schema %d by another version of lagerd, and this one has %d", have, want)
	}
	return true, nil
}

// EndMove records that the move into this database has ended, and lets lagerd use it.
func (s *Store) EndMove(ctx context.Context, now time.Time) error {
	err := s.inTx(ctx, func(t *tx) error {
		t.exec("UPDATE move SET ended_at = ? WHERE id = 1 AND ended_at IS NULL", At(now))
		t.open()
		return nil
	})
	if err != nil {
		return fmt.Errorf("end the move: %w", err)
	}
	return nil
}

// UndoMove lets lagerd use an embedded database again that was moved to a server, and reports
// whether it was.
func (s *Store) UndoMove(ctx context.Context) (*Move, error) {
	m, err := s.Moved(ctx)
	if err != nil || m == nil || m.Ended.IsZero() || !s.dialect.isSQLite() {
		return nil, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		t.exec("DELETE FROM move")
		t.open()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("undo the move: %w", err)
	}
	return m, nil
}

// TableNames returns the names of the tables and views in the database, of whatever program.
func (s *Store) TableNames(ctx context.Context) ([]string, error) {
	names, err := s.numbers(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name")
	if err != nil {
		return nil, explain(fmt.Errorf("list the tables: %w", err))
	}
	return names, nil
}

// Place returns which database this is, for people, without a secret.
func (s *Store) Place() string {
	if s.settings == nil {
		return s.path
	}
	return fmt.Sprintf("the database %s at %s", s.settings.DBName, s.settings.Addr)
}

// TakesPackets returns an error if the server takes no statement with that many bytes of values.
func (s *Store) TakesPackets(ctx context.Context, bytes int64) error {
	text, err := s.variable(ctx, "max_allowed_packet")
	if err != nil {
		return err
	}
	most, err := strconv.ParseInt(text, 10, 64)
	if need := bytes + roomForPDF; err == nil && most < need {
		err = fmt.Errorf("the server's max_allowed_packet is %d, but the largest row needs %d: raise it, in the server's configuration file too", most, need)
	}
	return err
}

// serversOwn are rows that a server's database alone has: a move leaves them as they are.
var serversOwn = map[string]string{"meta": "name NOT IN ('" + readersEnforced + "', 'readers_changed')"}

// fromTable is the part of a query that says which rows of a table are moved.
func fromTable(t Table) string {
	text := " FROM " + t.Name
	if where := serversOwn[t.Name]; where != "" {
		text += " WHERE " + where
	}
	return text
}

// selectRows returns the query of all rows of a table, in the order of its primary key.
// prefix stands before each column.
func selectRows(t Table, prefix string) string {
	return "SELECT " + prefix + strings.Join(t.names(false), ", "+prefix) + fromTable(t) + " ORDER BY " + strings.Join(t.keyNames(), ", ")
}

// querier is a connection pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tableRows returns the rows of a query, one at a time, as the driver returns them.
func tableRows(ctx context.Context, q querier, t Table, query string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		fail := func(err error) { yield(nil, explain(fmt.Errorf("read the table %s: %w", t.Name, err))) }
		rows, err := q.QueryContext(ctx, query)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			row, into := make([]any, len(t.Columns)), make([]any, len(t.Columns))
			for i := range row {
				into[i] = &row[i]
			}
			if err := rows.Scan(into...); err != nil {
				fail(err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

// TableRows returns the rows of a table on a server, in the order of its primary key.
func (s *Store) TableRows(ctx context.Context, t Table) iter.Seq2[[]any, error] {
	return tableRows(ctx, s.conn, t, selectRows(t, ""))
}

// PutRows stores rows of a table, and replaces those with the same key.
func (s *Store) PutRows(ctx context.Context, t Table, rows [][]any) error {
	columns := len(t.Columns)
	// REPLACE, since a commit of unknown outcome is repeated.
	statement := func(n int) string {
		return "REPLACE INTO " + t.Name + " (" + strings.Join(t.names(false), ", ") + ") VALUES " + placeholders(n, columns)
	}
	put := func(x *tx) {
		at := 0
		for _, n := range []int{preparedRows, 1} {
			if len(rows)-at < n {
				continue
			}
			insert := x.prepare(statement(n))
			for ; len(rows)-at >= n; at += n {
				insert.exec(slices.Concat(rows[at : at+n]...)...)
			}
			insert.close()
		}
	}
	err := s.inTx(ctx, func(x *tx) error {
		if t.Holds("MEDIUMBLOB") {
			x.asBytes(func() { put(x) })
		} else {
			put(x)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the table %s: %w", t.Name, err)
	}
	return nil
}

// RemoveRows deletes rows of a table by their keys.
func (s *Store) RemoveRows(ctx context.Context, t Table, keys [][]any) error {
	err := s.inTx(ctx, func(x *tx) error {
		for _, key := range keys {
			x.exec("DELETE FROM "+t.Name+" WHERE "+strings.Join(t.keyNames(), " = ? AND ")+" = ?", key...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete from the table %s: %w", t.Name, err)
	}
	return nil
}

// ContinueIDs makes a table number its rows from next on, or from where it is if that is more.
func (s *Store) ContinueIDs(ctx context.Context, table string, next int64) error {
	if _, err := s.exec(ctx, fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", table, next)); err != nil {
		return fmt.Errorf("continue the numbers of %s: %w", table, err)
	}
	return nil
}

// Held is an embedded database that nobody else can write to.
type Held struct {
	s    *Store
	conn *sql.Tx
}

// Hold keeps everybody else from writing to the embedded database until Release. With
// reading, others may write, and it shows the database as it is now.
func (s *Store) Hold(ctx context.Context, reading bool) (*Held, error) {
	conn, err := s.conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: reading})
	if err != nil {
		return nil, explain(fmt.Errorf("hold the embedded database: %w", err))
	}
	return &Held{s, conn}, nil
}

// Release ends the hold. It may be called more than once.
func (h *Held) Release() { _ = h.conn.Rollback() }

// Count returns how many rows of a table there are.
func (h *Held) Count(ctx context.Context, t Table) (n int, err error) {
	if err := h.conn.QueryRowContext(ctx, "SELECT COUNT(*)"+fromTable(t)).Scan(&n); err != nil {
		return 0, explain(fmt.Errorf("count the rows of %s: %w", t.Name, err))
	}
	return n, nil
}

// Rows returns the rows of a table in the order of its primary key, each value as SQLite has
// stored it: the plus keeps the driver from turning what looks like a time into one.
func (h *Held) Rows(ctx context.Context, t Table) iter.Seq2[[]any, error] {
	return tableRows(ctx, h.conn, t, selectRows(t, "+"))
}

// NextIDs returns the number of the next row of each table that numbers its rows.
func (h *Held) NextIDs(ctx context.Context) (map[string]int64, error) {
	next := map[string]int64{}
	rows, err := h.conn.QueryContext(ctx, "SELECT name, seq FROM sqlite_sequence WHERE name NOT LIKE 'goose%'")
	if err != nil {
		return nil, explain(fmt.Errorf("read the tables' next numbers: %w", err))
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var last int64
		if err := rows.Scan(&name, &last); err != nil {
			return nil, fmt.Errorf("read the tables' next numbers: %w", err)
		}
		next[name] = last + 1
	}
	if err := rows.Err(); err != nil {
		return nil, explain(fmt.Errorf("read the tables' next numbers: %w", err))
	}
	return next, nil
}

// MarkMoved records that the database has been moved, makes every lagerd refuse it, and ends
// the hold.
func (h *Held) MarkMoved(ctx context.Context, now time.Time) error {
	t := &tx{ctx: ctx, conn: h.conn, dialect: h.s.dialect, kept: &h.s.kept}
	if n := t.exec("UPDATE move SET ended_at = ? WHERE id = 1", At(now)); n != 1 && t.err == nil {
		t.err = errors.New("the move is not recorded")
	}
	t.close()
	err := errors.Join(t.err, h.s.moved())
	if err == nil {
		err = h.conn.Commit()
	}
	if err != nil {
		return explain(fmt.Errorf("mark the embedded database as moved: %w", err))
	}
	return nil
}
