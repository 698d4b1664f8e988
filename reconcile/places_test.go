package reconcile_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"modernc.org/sqlite"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// listening is a connector to an embedded database that writes down each statement.
type listening struct {
	path string
	said *[]string
}

func (c listening) Driver() driver.Driver { return &sqlite.Driver{} }

func (c listening) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open("file:" + c.path + "?_pragma=busy_timeout(10000)")
	return listeningConn{conn, c.said}, err
}

type listeningConn struct {
	driver.Conn
	said *[]string
}

func (c listeningConn) note(query string) { *c.said = append(*c.said, query) }

func (c listeningConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c listeningConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note(query)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c listeningConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note(query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// PrepareContext counts as a statement: one that is kept is sent again without it.
func (c listeningConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return listeningStmt{stmt, query, c}, err
}

type listeningStmt struct {
	driver.Stmt
	query string
	conn  listeningConn
}

func (s listeningStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.conn.note(s.query)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s listeningStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.conn.note(s.query)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// watched makes the fixture's store write down its statements.
func (f *fixture) watched() *[]string {
	f.t.Helper()
	var path string
	must(f.t, f.db.QueryRow("SELECT file FROM pragma_database_list WHERE name = 'main'").Scan(&path))
	said := &[]string{}
	conn := sql.OpenDB(listening{filepath.Clean(path), said})
	conn.SetMaxOpenConns(1)
	f.t.Cleanup(func() { _ = conn.Close() })
	s, err := store.Open(f.t.Context(), store.Options{Embedded: conn})
	must(f.t, err)
	f.Store = s
	return said
}

// byPlace returns what the shop's software reads of each place.
func (f *fixture) byPlace() (list []string) {
	f.t.Helper()
	rows, err := f.db.Query("SELECT item_number, place, in_stock FROM shop_stock_places WHERE shop = 'shop1234' ORDER BY item_number, place")
	must(f.t, err)
	defer rows.Close()
	for rows.Next() {
		var number, place string
		var stock decimal.Decimal
		must(f.t, rows.Scan(&number, &place, &stock))
		list = append(list, fmt.Sprintf("%s/%s: %s", number, place, stock))
	}
	must(f.t, rows.Err())
	return list
}

// shelfOf returns a shelf with so many items of 10 pieces each, one of them in place 4 and the
// others in place 1, and a shop that reads it.
func shelfOf(t *testing.T, f *fixture, items int, places string) (*shelf, func()) {
	t.Helper()
	f.Shop.InvoicesOn, f.Shop.Places = false, places
	s := &shelf{}
	if places != "" {
		s.four = map[int]int{}
	}
	for n := range items {
		s.stock = append(s.stock, 10)
		if places != "" {
			s.four[n] = 1
		}
	}
	shop := s.shop(t, f, plan.FigureInStock)
	return s, func() {
		t.Helper()
		_, err := shop.RunOnce(t.Context(), reconcile.Due{Tick: true, Work: true})
		must(t, err)
	}
}

// TestStatementsByPlace counts what stock by place adds to the statements of a tick of three
// pages: none for a shop that chose no places, otherwise one query for each page, and one
// statement for each page that differs.
func TestStatementsByPlace(t *testing.T) {
	t.Parallel()
	const query, fenced = 3, 3 // of the pages; the fence, the row and the change of what is written for its places alone
	for _, c := range []struct {
		name   string
		change func(s *shelf)
		more   int
		shows  string // of the last item
	}{
		{"nothing differs", func(*shelf) {}, query, "5/1: 9 5/4: 1"},
		{"all differ", func(s *shelf) {
			for n := range s.stock {
				s.stock[n] += 5
			}
		}, query + 3, "5/1: 14 5/4: 1"},
		{"a transfer", func(s *shelf) {
			if s.four != nil {
				s.four[5] = 3
			}
		}, query + 1 + fenced, "5/1: 7 5/4: 3"},
	} {
		count := map[string]int{}
		for places, shows := range map[string]string{"": "", "1,4": c.shows} {
			f := newFixture(t)
			said := f.watched()
			s, tick := shelfOf(t, f, 6, places)
			tick()
			tick() // from now on its statements are prepared
			c.change(s)
			*said = nil
			tick()
			count[places] = len(*said)
			if touched := slices.ContainsFunc(*said, func(q string) bool { return strings.Contains(q, "item_places") }); touched != (places != "") {
				t.Errorf("%s: a shop with the places %q touches stock by place: %t", c.name, places, touched)
			}
			if got := f.byPlace(); strings.Join(got[max(0, len(got)-2):], " ") != shows {
				t.Errorf("%s: the view shows %q at its end, expected %q", c.name, got, shows)
			}
		}
		if more := count["1,4"] - count[""]; more != c.more {
			t.Errorf("%s: %d statements, %d for a shop with places: %d more, expected %d", c.name, count[""], count["1,4"], more, c.more)
		}
	}
}

// TestPlacesWaitForTheirFigure: while an item's figure is doubted, held back or cannot be read,
// what is in its places stays with it.
func TestPlacesWaitForTheirFigure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, tick := shelfOf(t, f, 60, "1,4")
	tick()
	of := func(number string) string {
		t.Helper()
		var list []string
		for _, row := range f.byPlace() {
			if rest, is := strings.CutPrefix(row, number+"/"); is {
				list = append(list, rest)
			}
		}
		return strings.Join(list, " ")
	}
	stays := func(what string, want ...string) {
		t.Helper()
		for n, want := range want {
			if got := of(fmt.Sprint(n)); got != want {
				t.Errorf("%s: of item %d the view shows %q, expected %q", what, n, got, want)
			}
		}
	}
	const as = "1: 9 4: 1"
	stays("at first", as, as, as)
	s.bare = map[int]bool{0: true}
	s.stock[1], s.four[1] = 0, -2
	s.odd = map[int]bool{2: true}
	s.four[2] = 5
	tick()
	stays("once read", as, as, as)
	tick()
	stays("confirmed", "", "1: 2 4: -2", as)
	s.odd, s.bare = nil, nil
	for n := range 40 {
		s.stock[n], s.four[n] = 0, 3
	}
	for range 3 {
		tick()
	}
	if f.heldFor() == "" {
		t.Error("40 losses of 60 items are not held back")
	}
	stays("held back, except what is no loss", "", "1: -3 4: 3", as, as)
	for n := range 40 {
		s.stock[n] = 10
	}
	f.exec("UPDATE holds SET since = '2020-01-01 00:00:00.000000'")
	for range 4 {
		tick()
	}
	stays("in stock again", "1: 7 4: 3", "1: 7 4: 3", "1: 7 4: 3", "1: 7 4: 3")
}
