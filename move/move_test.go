package move_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // opens the databases under test
	_ "modernc.org/sqlite"             // opens the databases under test

	"lagerd/move"
	"lagerd/store"
	"lagerd/test/mariadbtest"
	"lagerd/test/storetest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

// odd are texts that a server would not tell apart, or not take, if it were asked in another way.
var odd = []string{"a", "A", "a ", "ä", "a\u0308", "Æ𝄞🛒", "nul\x00nul", "", "'\\\"%_", "\u202e", "ﬀ", "ß", "0571", "571", strings.Repeat("𝄞", 8)}

// fill stores rows in every table of an embedded database, with the oddest values that its server
// holds in each column.
func fill(t *testing.T, path string) {
	t.Helper()
	tables, err := store.Tables()
	must(t, err)
	db := openDB(t, "sqlite", path)
	for _, table := range tables {
		columns := make([]string, len(table.Columns))
		for i, c := range table.Columns {
			columns[i] = c.Name
		}
		statement := "INSERT OR IGNORE INTO " + table.Name + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
		for n := range 40 {
			row := make([]any, len(columns))
			for i, c := range table.Columns {
				row[i] = value(c, n, slices.Contains(table.Key, i))
			}
			_, err := db.ExecContext(t.Context(), statement, row...)
			must(t, err)
		}
	}
	_, err = db.ExecContext(t.Context(), "UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'hint_marks'")
	must(t, err)
}

// value returns the n-th value of a column.
func value(c store.Column, n int, key bool) any {
	if c.Null && n%5 == 0 {
		return nil
	}
	switch c.Type {
	case "BIGINT":
		if key {
			return int64(n)*1_000_003 - 7
		}
		return []int64{0, -1, 1 << 62, int64(n)}[n%4]
	case "INT":
		return []int64{int64(n), 1<<31 - 1 - int64(n)}[n%2]
	case "TINYINT":
		return int64(n % 2)
	case "DECIMAL":
		return []string{"0", "-0.5", "999999999999999.9999", "-999999999999999.9999", "12.5000", "7", "0.0001"}[n%7]
	case "DATETIME":
		return store.At(noon.Add(time.Duration(n) * time.Microsecond))
	case "DATE":
		return fmt.Sprintf("2024-02-%02d", n%29+1)
	case "BINARY", "VARBINARY":
		return bytes.Repeat([]byte{byte(n), 0, 255, '\''}, c.Length/4)
	case "MEDIUMBLOB":
		return bytes.Repeat([]byte{byte(n), 0, 255}, []int{0, 10, 30_000}[n%3])
	}
	room := c.Length
	if room == 0 { // MEDIUMTEXT
		room = 400
	}
	text := odd[n%len(odd)]
	switch {
	case c.Type == "CHAR": // a hash: a server drops blanks at its end
		text = strings.Repeat(fmt.Sprint(n%10), room)
	case room > 8 && n >= len(odd): // as long as it may be
		text = strings.Repeat("ø", min(room, 400)-3) + fmt.Sprint(n)
	}
	return string([]rune(text)[:min(len([]rune(text)), room)])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ends are the two databases of a move.
type ends struct {
	path, dsn string
	from, to  *store.Store
}

func newEnds(t testing.TB) ends {
	t.Helper()
	e := ends{path: storetest.New(t), dsn: mariadbtest.New(t)}
	e.from, e.to = open(t, store.Options{Path: e.path}), open(t, store.Options{DSN: e.dsn})
	return e
}

func (e ends) options(reached func(context.Context, move.Step) error) move.Options {
	return move.Options{From: e.from, To: e.to, FromPlace: "host:/lagerd.db", Now: func() time.Time { return noon }, Reached: reached,
		Migrate: func(s *store.Store) error { return s.MigrateForMove(context.Background(), func(int, int) {}) }}
}

// equal compares every table of both databases by itself: with statements of its own, by name.
func (e ends) equal(t *testing.T) {
	t.Helper()
	tables, err := store.Tables()
	must(t, err)
	embedded, server := openDB(t, "sqlite", e.path), openDB(t, "mysql", mariadbtest.Admin(t, e.dsn)+"&charset=utf8mb4")
	for _, table := range tables {
		var columns, rows []string
		decimals := make([]bool, len(table.Columns))
		for n, c := range table.Columns {
			column := c.Name
			switch c.Type {
			case "DECIMAL":
				decimals[n] = true
			case "DATETIME":
				column = "SUBSTR(" + c.Name + ", 1, 26)"
			case "DATE":
				column = "SUBSTR(" + c.Name + ", 1, 10)"
			default:
				column = "CASE WHEN " + c.Name + " IS NULL THEN 'NULL' ELSE HEX(" + c.Name + ") END"
			}
			if c.Type == "BIGINT" || c.Type == "INT" || c.Type == "TINYINT" {
				column = c.Name
			}
			columns = append(columns, column)
		}
		where := ""
		if table.Name == "meta" {
			where = " WHERE name NOT LIKE 'readers%'"
		}
		for _, db := range []*sql.DB{embedded, server} {
			rows = append(rows, dump(t, db, "SELECT "+strings.Join(columns, ", ")+" FROM "+table.Name+where, decimals))
		}
		if rows[0] != rows[1] {
			embedded, server := strings.Split(rows[0], "\n"), strings.Split(rows[1], "\n")
			t.Errorf("%s differs: %d and %d rows", table.Name, len(embedded), len(server))
			for n := range min(len(embedded), len(server)) {
				if embedded[n] != server[n] {
					t.Errorf("such as\n%s\n%s", embedded[n], server[n])
					break
				}
			}
		}
	}
}

// dump returns the rows of a query as sorted lines, and decimals without the zeros at their end.
func dump(t *testing.T, db *sql.DB, query string, decimals []bool) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	names, err := rows.Columns()
	must(t, err)
	var lines []string
	for rows.Next() {
		row, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		must(t, rows.Scan(into...))
		var line strings.Builder
		for n, value := range row {
			text := value.String
			switch {
			case !value.Valid:
				text = "NULL"
			case decimals[n] && strings.Contains(text, "."):
				text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
			}
			if len(text) > 80 {
				text = fmt.Sprintf("%s… %d", text[:80], len(text))
			}
			line.WriteString(text + "|")
		}
		lines = append(lines, line.String())
	}
	must(t, rows.Err())
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestMove: every table goes over as it is, with all that its columns hold. Then the embedded
// database is refused, until the move is undone, and the server's is open.
func TestMove(t *testing.T) {
	t.Parallel()
	e := newEnds(t)
	fill(t, e.path)
	preview, err := move.Preview(t.Context(), e.options(nil))
	must(t, err)
	if names, err := e.to.TableNames(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("the preview has made %v, %v", names, err)
	}
	closed := 0
	sum, err := move.Run(t.Context(), e.options(func(ctx context.Context, step move.Step) error {
		switch step {
		case move.StepRecorded, move.StepMigrated, move.StepCopying, move.StepVerified, move.StepMarked:
			closed++
			for what, err := range map[string]error{"check": e.to.CheckSchema(ctx), "migrate": e.to.Migrate(ctx)} {
				if !errors.Is(err, store.ErrHalfMoved) || !strings.Contains(err.Error(), "host:/lagerd.db") {
					t.Errorf("%s: %s of the server's database: %v", step, what, err)
				}
			}
		case move.StepBegun, move.StepClosed, move.StepCopied:
		}
		return nil
	}))
	must(t, err)
	if closed < 40 || sum.Rows != preview.Rows || len(sum.Tables) != len(preview.Tables) || len(preview.Problems) > 0 {
		t.Errorf("%d pieces, %d rows, of %d by the preview, which found %v", closed, sum.Rows, preview.Rows, preview.Problems)
	}
	for _, c := range sum.Tables {
		if c.Rows == 0 {
			t.Errorf("%s was empty: nothing is shown for it", c.Table)
		}
	}
	e.equal(t)
	must(t, e.to.CheckSchema(t.Context()))
	must(t, e.to.Migrate(t.Context()))
	added := e.from.AddShop(t.Context(), store.Shop{Shop: "late"}, []byte("hash"), time.Now())
	for what, err := range map[string]error{"check": e.from.CheckSchema(t.Context()), "migrate": e.from.Migrate(t.Context()), "a shop added": added} {
		if !errors.Is(err, store.ErrMovedAway) || !strings.Contains(err.Error(), "lagerd move --undo") || !strings.Contains(err.Error(), "at 127.0.0.1") || strings.Contains(err.Error(), "pw-of") {
			t.Errorf("%s of the moved database: %v", what, err)
		}
	}
	admin := openDB(t, "mysql", mariadbtest.Admin(t, e.dsn))
	res, err := admin.ExecContext(t.Context(), "INSERT INTO hint_marks (shop, kind, hints, first_at, last_at) VALUES ('s', 'stock', 1, '2026-01-01', '2026-01-01')")
	must(t, err)
	largest := int64(39*1_000_003 - 7)
	if id, err := res.LastInsertId(); err != nil || id != largest+1 {
		t.Errorf("the next mark has number %d, expected %d: %v", id, largest+1, err)
	}
	if _, err := move.Run(t.Context(), e.options(nil)); err != nil {
		t.Errorf("the same command again: %v", err)
	}

	undone, err := e.from.UndoMove(t.Context())
	if err != nil || undone == nil {
		t.Fatalf("undone: %v, %v", undone, err)
	}
	must(t, e.from.CheckSchema(t.Context()))
	if _, err := move.Run(t.Context(), e.options(nil)); err == nil || !strings.Contains(err.Error(), "move into a new, empty database") {
		t.Errorf("moved again over a database that was used: %v", err)
	}
	if again, err := e.from.UndoMove(t.Context()); again != nil || err != nil {
		t.Errorf("undone twice: %v, %v", again, err)
	}
}

// TestNumbersContinue: a table whose last rows were deleted does not use their numbers again.
func TestNumbersContinue(t *testing.T) {
	t.Parallel()
	e := newEnds(t)
	db := openDB(t, "sqlite", e.path)
	for _, statement := range []string{
		"INSERT INTO hint_batches (id, shop, hints, first_at, data) VALUES (700, 's', 1, '2026-01-01 00:00:00.000000', '[]')",
		"DELETE FROM hint_batches",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	_, err := move.Run(t.Context(), e.options(nil))
	must(t, err)
	res, err := openDB(t, "mysql", e.dsn).ExecContext(t.Context(), "INSERT INTO hint_batches (shop, hints, first_at, data) VALUES ('s', 1, '2026-01-01', '[]')")
	must(t, err)
	if id, err := res.LastInsertId(); err != nil || id != 701 {
		t.Errorf("the next batch has number %d: %v", id, err)
	}
}

// TestInterruptedMove: a move that ends at any step, or in the middle of a table, goes on when it is
// run again, also if the embedded database was used in between. At no time are both open.
func TestInterruptedMove(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	for _, at := range []move.Step{move.StepBegun, move.StepRecorded, move.StepMigrated, move.StepClosed, move.StepCopying, move.StepCopied, move.StepVerified, move.StepMarked} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			e := newEnds(t)
			fill(t, e.path)
			pieces := 0
			_, err := move.Run(t.Context(), e.options(func(_ context.Context, step move.Step) error {
				if step == move.StepCopying {
					pieces++
				}
				if step == at && (step != move.StepCopying || pieces == 30) {
					return stop
				}
				return nil
			}))
			if !errors.Is(err, stop) {
				t.Fatalf("it did not end there: %v", err)
			}
			marked := errors.Is(e.from.CheckSchema(t.Context()), store.ErrMovedAway)
			if opened := e.to.CheckSchema(t.Context()) == nil; marked != (at == move.StepMarked) || opened {
				t.Errorf("the source is marked: %v, the target is open: %v", marked, opened)
			}
			if !marked { // a lagerd goes on with it
				for _, statement := range []string{
					"DELETE FROM items WHERE number = 'A'", "UPDATE items SET stock = '77' WHERE number = 'a'", "UPDATE leases SET token = token + 1 WHERE token < 100",
					"INSERT INTO hints (shop, kind, number, seen_gen, open, cause, first_at, last_at, due_at) VALUES ('new', 'stock', 'N', 1, 1, 'webhook', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000')",
				} {
					_, err := openDB(t, "sqlite", e.path+"?_pragma=busy_timeout(10000)").ExecContext(t.Context(), statement)
					must(t, err)
				}
			}
			sum, err := move.Run(t.Context(), e.options(nil))
			must(t, err)
			if sum.Marked != marked || !marked && sum.Resumed != (at != move.StepBegun) {
				t.Errorf("it went on as %+v", sum)
			}
			if at == move.StepCopied && sum.Written > 60 {
				t.Errorf("%d rows were written again", sum.Written)
			}
			e.equal(t)
			must(t, e.to.CheckSchema(t.Context()))
			if err := e.from.CheckSchema(t.Context()); !errors.Is(err, store.ErrMovedAway) {
				t.Errorf("the source is %v", err)
			}
		})
	}
}

// TestHeldWhileMoving: nobody writes to the embedded database between the first row that is read
// and the mark.
func TestHeldWhileMoving(t *testing.T) {
	t.Parallel()
	e := newEnds(t)
	other := openDB(t, "sqlite", e.path)
	_, err := move.Run(t.Context(), e.options(func(ctx context.Context, step move.Step) error {
		if step == move.StepBegun || step == move.StepMarked {
			return nil
		}
		if _, err := other.ExecContext(ctx, "UPDATE meta SET value = value + 1"); err == nil {
			t.Errorf("%s: somebody else writes", step)
		}
		return nil
	}))
	must(t, err)
}

// TestWhatAServerRefuses: a value that a server would refuse or change is found before anything is
// written there, and named without being quoted.
func TestWhatAServerRefuses(t *testing.T) {
	t.Parallel()
	const item = "INSERT INTO items (shop, number, name, barred, inventory_enabled, stock, state, observed_token, observed_at, first_seen_at, changed_at) VALUES "
	const at = "'2026-01-01 00:00:00.000000'"
	for what, statement := range map[string]string{
		"column name: it is longer":     item + "('s', 'N', '" + strings.Repeat("x", 301) + "', 0, 0, '1', 'ok', 1, " + at + ", " + at + ", " + at + ")",
		"column name: it is no valid":   item + "('s', 'N', CAST(x'61ff' AS TEXT), 0, 0, '1', 'ok', 1, " + at + ", " + at + ", " + at + ")",
		"column stock: it is no":        item + "('s', 'N', 'n', 0, 0, '1.00001', 'ok', 1, " + at + ", " + at + ", " + at + ")",
		"column observed_at: it is no":  item + "('s', 'N', 'n', 0, 0, '1', 'ok', 1, '2026-13-01', " + at + ", " + at + ")",
		"column barred: it has another": item + "('s', 'N', 'n', 'yes', 0, '1', 'ok', 1, " + at + ", " + at + ", " + at + ")",
		"column number: it is longer":   item + "('s', '" + strings.Repeat("N", 65) + "', 'n', 0, 0, '1', 'ok', 1, " + at + ", " + at + ", " + at + ")",
		"column code_hash: it is":       "INSERT INTO shop_codes (shop, code_hash, created_at) VALUES ('s', x'00', " + at + ")",
		"max_allowed_packet":            "INSERT INTO invoice_pdfs (shop, number, pdf) VALUES ('s', 1, zeroblob(16777215))",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t)
			_, err := openDB(t, "sqlite", e.path).ExecContext(t.Context(), statement)
			must(t, err)
			preview, err := move.Preview(t.Context(), e.options(nil))
			must(t, err)
			_, err = move.Run(t.Context(), e.options(nil))
			if err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "xxx") || len(preview.Problems) != 1 || !strings.Contains(err.Error(), "nothing has been moved") {
				t.Errorf("refused as %v; the preview: %v", err, preview.Problems)
			}
			if names, err := e.to.TableNames(t.Context()); err != nil || len(names) != 0 {
				t.Errorf("the server has %v, %v", names, err)
			}
			must(t, e.from.CheckSchema(t.Context()))
		})
	}
}

// TestTamperedWhileMoving: rows that change on the server after they were copied keep the source from
// being marked.
func TestTamperedWhileMoving(t *testing.T) {
	t.Parallel()
	e := newEnds(t)
	fill(t, e.path)
	admin := openDB(t, "mysql", mariadbtest.Admin(t, e.dsn))
	_, err := move.Run(t.Context(), e.options(func(ctx context.Context, step move.Step) error {
		if step == move.StepCopied {
			_, err := admin.ExecContext(ctx, "UPDATE items SET observed_token = observed_token + 1 WHERE number = 'a'")
			return err
		}
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), "table items: ") || !strings.Contains(err.Error(), "nothing is marked") {
		t.Errorf("verified as %v", err)
	}
	must(t, e.from.CheckSchema(t.Context()))
	if err := e.to.CheckSchema(t.Context()); !errors.Is(err, store.ErrHalfMoved) {
		t.Errorf("the target is %v", err)
	}
	_, err = move.Run(t.Context(), e.options(nil))
	must(t, err)
	e.equal(t)
}

// TestRefusedTargets: nothing is moved into a database that holds anything else.
func TestRefusedTargets(t *testing.T) {
	t.Parallel()
	for what, setUp := range map[string]func(t *testing.T, e ends){
		"a lagerd's": func(t *testing.T, e ends) { must(t, e.to.Migrate(t.Context())) },
		"another program's": func(t *testing.T, e ends) {
			_, err := openDB(t, "mysql", e.dsn).ExecContext(t.Context(), "CREATE TABLE wp_posts (id INT PRIMARY KEY)")
			must(t, err)
		},
		"what was moved from another": func(t *testing.T, e ends) {
			o := e.options(nil)
			o.From, o.FromPlace = storetest.Open(t), "elsewhere:/lagerd.db"
			_, err := move.Run(t.Context(), o)
			must(t, err)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			e := newEnds(t)
			setUp(t, e)
			for _, try := range []func(context.Context, move.Options) (move.Summary, error){move.Preview, move.Run} {
				if _, err := try(t.Context(), e.options(nil)); err == nil || !strings.Contains(err.Error(), "empty database") {
					t.Errorf("it is taken: %v", err)
				}
			}
			if m, err := e.from.Moved(t.Context()); m != nil || err != nil {
				t.Errorf("the source records %v, %v", m, err)
			}
		})
	}
}

// BenchmarkMove moves 200,000 items of a shop.
func BenchmarkMove(b *testing.B) {
	const items = 200_000
	for b.Loop() {
		b.StopTimer()
		e := newEnds(b)
		_, err := openDB(b, "sqlite", e.path).ExecContext(b.Context(), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"+
			" INSERT INTO items (shop, number, name, barred, inventory_enabled, stock, in_stock, available, state, observed_token, observed_at, first_seen_at, changed_at)"+
			" SELECT 'shop1234', printf('%010d', i), 'Vare nummer ' || i || ', blå', 0, 1, i % 1000, i % 1000, i % 900, 'ok', 1, ?2, ?2, ?2 FROM n", items, store.At(noon))
		must(b, err)
		at := map[move.Step]time.Time{}
		b.StartTimer()
		_, err = move.Run(b.Context(), e.options(func(_ context.Context, step move.Step) error {
			at[step] = time.Now()
			return nil
		}))
		must(b, err)
		for unit, steps := range map[string][2]move.Step{
			"s-check+migrate": {move.StepBegun, move.StepClosed}, "s-copy": {move.StepClosed, move.StepCopied}, "s-compare": {move.StepCopied, move.StepVerified},
		} {
			b.ReportMetric(at[steps[1]].Sub(at[steps[0]]).Seconds(), unit)
		}
		b.ReportMetric(items/at[move.StepMarked].Sub(at[move.StepClosed]).Seconds(), "rows/s")
	}
}
