package web_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"lagerd/store"
	"lagerd/test/storetest"
)

// watched is a driver that writes down the statements it is given.
type watched struct {
	path string
	mu   sync.Mutex
	list []string
}

func (w *watched) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite.Driver{}).Open(w.path)
	return watchedConn{conn, w}, err
}

func (w *watched) Driver() driver.Driver { return &sqlite.Driver{} }

func (w *watched) statements() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.list
	w.list = nil
	return list
}

type watchedConn struct {
	driver.Conn
	w *watched
}

func (c watchedConn) Prepare(query string) (driver.Stmt, error) {
	c.w.mu.Lock()
	c.w.list = append(c.w.list, query)
	c.w.mu.Unlock()
	return c.Conn.Prepare(query)
}

// openWatched serves a page whose statements are written down.
func openWatched(t *testing.T) (*site, *watched) {
	t.Helper()
	s := open(t)
	w := &watched{path: storetest.New(t)}
	other, err := store.Open(t.Context(), store.Options{Embedded: sql.OpenDB(w)})
	must(t, err)
	t.Cleanup(func() { _ = other.Close() })
	s.store = other
	s.serve()
	return s, w
}

// manyShops stores shops in good health, a hundredth of them held for losses.
func manyShops(tb testing.TB, path string, shops int) {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	storeMany(tb, db, "WITH RECURSIVE r(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n < "+fmt.Sprint(shops-1)+") SELECT n FROM r", "printf('shop%04d', n)")
}

// storeMany is manyShops with a query for the numbers from 0 on, and the name of the shop n.
func storeMany(tb testing.TB, db *sql.DB, numbers, name string) {
	tb.Helper()
	const at = "'2026-11-23 11:59:30.000000'"
	for _, statement := range []string{
		"CREATE TABLE numbers AS " + numbers,
		"INSERT INTO shops (shop, grant_token, dataset, stock_dataset, created_at, updated_at) SELECT " + name + ", 'sealed', " + name + ", " + name + ", " + at + ", " + at + " FROM numbers",
		"INSERT INTO progress (shop, items_dataset, items, agreement_number, tick_at, swept_at, calls_day, calls) SELECT " + name + ", " + name + ", 100, n + 1, " + at + ", " + at + ", '2026-11-23', 40 FROM numbers",
		"INSERT INTO agreement_calls (agreement_number, calls_day, calls) SELECT n + 1, '2026-11-23', 40 FROM numbers",
		"INSERT INTO instances (instance, host, pid, version, started_at, beat_at, beat) VALUES ('me', 'stock1', 17, 'v1', " + at + ", " + at + ", 1)",
		"INSERT INTO leases (shop, holder, token) SELECT " + name + ", 'me', 1 FROM numbers",
		"INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at) SELECT " + name + ", 'stock', '1', 1, 1, 'webhook', " + at + ", " + at + ", " + at + " FROM numbers",
		"INSERT INTO holds (shop, scope, reason, detail, since) SELECT " + name + ", 'stock', 'losses', '60 of 100 items', " + at + " FROM numbers WHERE n % 100 = 77",
		"DROP TABLE numbers",
	} {
		if _, err := db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatalf("%.60s…: %v", statement, err)
		}
	}
}
