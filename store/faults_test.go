package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"
	"github.com/go-sql-driver/mysql"

	"lagerd/plan"
	"lagerd/store"
	"lagerd/test/mariadbtest"
)

// These tests mock what a real database does not do on command: conflicts and lost
// connections at chosen moments. Everything else is tested against real ones.

var (
	deadlock = &mysql.MySQLError{Number: 1213, SQLState: [5]byte{'4', '0', '0', '0', '1'}, Message: "Deadlock found"}
	lockWait = &mysql.MySQLError{Number: 1205, Message: "Lock wait timeout"}
	notReady = &mysql.MySQLError{Number: 1047, Message: "WSREP has not yet prepared node"}
	tooMany  = &mysql.MySQLError{Number: 1461, Message: "Can't create more than max_prepared_stmt_count statements"}
	unknown  = &mysql.MySQLError{Number: 1243, Message: "Unknown prepared statement handler"}
	tooLong  = &mysql.MySQLError{Number: 1406, Message: "Data too long"}
)

const (
	fenceSQL = "UPDATE leases SET applied_seq"
	whoSQL   = "SELECT token, applied_seq, generation FROM leases"
	itemSQL  = "INSERT INTO items"
)

func mocked(t *testing.T) (*store.Store, sqlmock.Sqlmock) {
	t.Helper()
	conn, mock, err := sqlmock.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return store.On(conn), mock
}

func apply(ctx context.Context, s *store.Store) error {
	return commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: 3, Seq: 5}, store.Applied{Items: []plan.Row{itemRow("a", "1", 3)}}, noon)
}

// whole expects one complete, committed transaction.
func whole(mock sqlmock.Sqlmock) {
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectExec(itemSQL).WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectCommit()
}

func TestFaultsOfTheDatabase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		expect func(mock sqlmock.Sqlmock)
		want   error // nil: it ends well
	}{
		{"a deadlock in the middle", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnError(deadlock)
			mock.ExpectRollback() // never COMMIT: MariaDB would answer that with success
			whole(mock)
		}, nil},
		{"a lock timeout at the fence", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnError(lockWait)
			mock.ExpectRollback()
			whole(mock)
		}, nil},
		{"a deadlock at commit", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectCommit().WillReturnError(deadlock)
			whole(mock)
		}, nil},
		{"the connection lost at commit, not committed", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectCommit().WillReturnError(mysql.ErrInvalidConn)
			whole(mock)
		}, nil},
		{"the connection lost at commit, committed", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectCommit().WillReturnError(mysql.ErrInvalidConn)
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 0))
			mock.ExpectQuery(whoSQL).WillReturnRows(sqlmock.NewRows([]string{"token", "applied_seq", "generation"}).AddRow(3, 5, 1))
			mock.ExpectCommit() // nothing is written twice
		}, nil},
		{"the lease lost at the same moment", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectCommit().WillReturnError(deadlock)
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 0))
			mock.ExpectQuery(whoSQL).WillReturnRows(sqlmock.NewRows([]string{"token", "applied_seq", "generation"}).AddRow(4, 0, 1))
			mock.ExpectRollback()
		}, store.ErrFenced},
		{"settings changed, and the lease taken by another", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 0))
			mock.ExpectQuery(whoSQL).WillReturnRows(sqlmock.NewRows([]string{"token", "applied_seq", "generation"}).AddRow(4, 0, 2))
			mock.ExpectRollback()
		}, store.ErrSettingsChanged},
		{"a shop removed meanwhile", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 0))
			mock.ExpectQuery(whoSQL).WillReturnRows(sqlmock.NewRows([]string{"token", "applied_seq"}))
			mock.ExpectRollback()
		}, store.ErrSettingsChanged},
		{"what no repetition mends", func(mock sqlmock.Sqlmock) {
			mock.ExpectBegin()
			mock.ExpectExec(fenceSQL).WillReturnResult(sqlmock.NewResult(0, 1))
			mock.ExpectExec(itemSQL).WillReturnError(tooLong)
			mock.ExpectRollback()
		}, tooLong},
		{"a node outside the cluster, again and again", func(mock sqlmock.Sqlmock) {
			for range 8 {
				mock.ExpectBegin().WillReturnError(notReady)
			}
		}, notReady},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, mock := mocked(t)
			c.expect(mock)
			if err := apply(t.Context(), s); !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, expected %v", err, c.want)
			}
			if err := mock.ExpectationsWereMet(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRetryingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, mock := mocked(t)
	ctx, cancel := context.WithCancel(t.Context())
	mock.ExpectExec("INSERT INTO hints").WillReturnError(deadlock)
	cancel()
	if err := s.RecordHints(ctx, []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestWebhooksWithoutPreparedStatements: webhooks are recorded even if the server
// prepares no statements, or stops preparing them.
func TestWebhooksWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	const hintSQL = "INSERT INTO hint_batches"
	record := func(s *store.Store) error {
		return s.RecordWebhooks(t.Context(), []store.HintRecord{hint("shop1", "a", plan.CauseWebhook, noon)})
	}

	s, mock := mocked(t)
	mock.ExpectPrepare(hintSQL).WillReturnError(tooMany)
	mock.ExpectExec(hintSQL).WillReturnResult(sqlmock.NewResult(0, 1))
	mock.ExpectPrepare(hintSQL).WillReturnError(deadlock) // to be tried again
	prepared := mock.ExpectPrepare(hintSQL)
	prepared.ExpectExec().WillReturnResult(sqlmock.NewResult(0, 1))
	prepared.ExpectExec().WillReturnError(deadlock)
	prepared.ExpectExec().WillReturnResult(sqlmock.NewResult(0, 1))
	for range 3 {
		if err := record(s); err != nil {
			t.Error(err)
		}
	}
	if err := mock.ExpectationsWereMet(); err != nil {
		t.Error(err)
	}

	s, mock = mocked(t)
	mock.ExpectPrepare(hintSQL).WillReturnError(tooMany)
	mock.ExpectExec(hintSQL).WillReturnError(tooLong)
	if err := record(s); !errors.Is(err, tooLong) {
		t.Errorf("%v, expected %v", err, tooLong)
	}
}

// TestRowsWithoutPreparedStatements: the same for many rows.
func TestRowsWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	done := sqlmock.NewResult(0, 1)
	s, mock := mocked(t)
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(done)
	mock.ExpectPrepare(itemSQL).WillReturnError(deadlock)
	mock.ExpectRollback()
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(done)
	prepared := mock.ExpectPrepare(itemSQL)
	prepared.ExpectExec().WillReturnResult(done)
	prepared.ExpectExec().WillReturnError(deadlock)
	mock.ExpectRollback()
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(done)
	mock.ExpectPrepare(itemSQL).WillReturnError(tooMany)
	for range 3 { // twice a hundred, and the rest
		mock.ExpectExec(itemSQL).WillReturnResult(done)
	}
	mock.ExpectCommit()
	var rows []plan.Row
	for range 250 {
		rows = append(rows, itemRow("a", "1", 3))
	}
	if err := commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: 3, Seq: 5}, store.Applied{Items: rows}, noon); err != nil {
		t.Error(err)
	}
	if err := mock.ExpectationsWereMet(); err != nil {
		t.Error(err)
	}
}

// TestKeptQuery: a prepared query falls back to text if the server prepares none, or no
// longer knows it; other errors are returned.
func TestKeptQuery(t *testing.T) {
	t.Parallel()
	const query = "SELECT .* FROM items"
	s, mock := mocked(t)
	none := sqlmock.NewRows([]string{"number"})
	between := func() error {
		_, _, err := s.ItemsBetween(t.Context(), "shop1", "a", "b", 10)
		return err
	}
	mock.ExpectPrepare(query).WillReturnError(tooMany)
	mock.ExpectQuery(query).WillReturnRows(none)
	kept := mock.ExpectPrepare(query)
	kept.ExpectQuery().WillReturnRows(none)
	kept.ExpectQuery().WillReturnError(unknown)
	mock.ExpectQuery(query).WillReturnRows(none)
	kept.ExpectQuery().WillReturnError(deadlock)
	for n, want := range []error{nil, nil, nil, deadlock} {
		if err := between(); !errors.Is(err, want) {
			t.Errorf("query %d: %v, expected %v", n, err, want)
		}
	}
	if err := mock.ExpectationsWereMet(); err != nil {
		t.Error(err)
	}
}

// TestKeptStatements: a prepared statement that the server no longer knows is sent as
// text; after any other error nothing more is sent in the transaction, since the server
// may have ended it.
func TestKeptStatements(t *testing.T) {
	t.Parallel()
	done := sqlmock.NewResult(0, 1)
	lockTableFull := &mysql.MySQLError{Number: 1206, Message: "The total number of locks exceeds the lock table size"}
	var rows []plan.Row
	for range 200 {
		rows = append(rows, itemRow("a", "1", 3))
	}
	for _, c := range []struct {
		refusal error
		text    bool
	}{
		{tooMany, true},
		{unknown, true},
		{&mysql.MySQLError{Number: 1615, Message: "Prepared statement needs to be re-prepared"}, true},
		{lockTableFull, false},
		{tooLong, false},
	} {
		s, mock := mocked(t)
		mock.ExpectBegin()
		mock.ExpectExec(fenceSQL).WillReturnResult(done)
		first := mock.ExpectPrepare(itemSQL)
		first.ExpectExec().WillReturnResult(done)
		first.ExpectExec().WillReturnResult(done)
		mock.ExpectCommit()
		kept := mock.ExpectPrepare(itemSQL)
		mock.ExpectBegin()
		mock.ExpectExec(fenceSQL).WillReturnResult(done)
		kept.ExpectExec().WillReturnResult(done)
		kept.ExpectExec().WillReturnError(c.refusal)
		if c.text {
			mock.ExpectExec(itemSQL).WillReturnResult(done)
			mock.ExpectCommit()
		} else {
			mock.ExpectRollback()
		}
		for seq := int64(1); seq <= 2; seq++ {
			err := commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: 3, Seq: seq}, store.Applied{Items: rows}, noon)
			if fails := seq == 2 && !c.text; fails != (err != nil) {
				t.Errorf("%v: transaction %d: %v", c.refusal, seq, err)
			}
		}
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Errorf("%v: %v", c.refusal, err)
		}
	}
}

// TestPDFsWithoutPreparedStatements: PDFs are stored even if the server prepares no
// statements.
func TestPDFsWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	const (
		pdfSQL   = "INSERT INTO invoice_pdfs"
		bytesSQL = "SET character_set_client = binary"
		textSQL  = "SET character_set_client = utf8mb4"
	)
	done := sqlmock.NewResult(0, 1)
	s, mock := mocked(t)
	mock.ExpectBegin()
	mock.ExpectExec(fenceSQL).WillReturnResult(done)
	mock.ExpectExec(bytesSQL).WillReturnResult(done)
	mock.ExpectPrepare(pdfSQL).WillReturnError(tooMany)
	mock.ExpectExec(pdfSQL).WillReturnResult(done)
	mock.ExpectExec(pdfSQL).WillReturnResult(done)
	mock.ExpectExec(textSQL).WillReturnResult(done)
	mock.ExpectExec("UPDATE invoices SET pdf_state").WillReturnResult(done)
	mock.ExpectCommit()
	pdfs := []store.PDF{{Number: 1, Data: []byte("%PDF-1")}, {Number: 2, Data: []byte("%PDF-2")}}
	if err := commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: 3, Seq: 5}, store.Applied{PDFs: pdfs}, noon); err != nil {
		t.Error(err)
	}
	if err := mock.ExpectationsWereMet(); err != nil {
		t.Error(err)
	}
}

// TestRefusedPDF: a connection that a failed transaction left with the character set
// binary is not reused: it would find "shop1" without an index, and "a " with "a".
func TestRefusedPDF(t *testing.T) {
	t.Parallel()
	dsn := mariadbtest.New(t)
	must(t, open(t, store.Options{DSN: dsn}).Migrate(t.Context()))
	s := open(t, store.Options{DSN: dsn, MaxConnections: 1})
	token := addShop(t, s, "shop1")
	owner := open(t, store.Options{DSN: mariadbtest.Admin(t, dsn)})
	must(t, owner.Exec(t.Context(), "CREATE TRIGGER refuse BEFORE INSERT ON invoice_pdfs FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no room'"))
	store1 := func(seq int64) error {
		return commit(t.Context(), s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: seq}, store.Applied{PDFs: []store.PDF{{Number: 1, Data: []byte("%PDF-")}}}, noon)
	}
	connection := func() string {
		return strings.Join(s.Strings(t.Context(), "SELECT @@character_set_client, @@character_set_connection, CONNECTION_ID()"), " ")
	}
	before := connection()
	if err := store1(1); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("a PDF that is refused: %v", err)
	}
	after := connection()
	if after == before || !strings.HasPrefix(after, "utf8mb4 utf8mb4 ") {
		t.Errorf("the next statement is sent on %q, and was on %q before", after, before)
	}
	must(t, owner.Exec(t.Context(), "DROP TRIGGER refuse"))
	must(t, store1(2))
	if now := connection(); now != after {
		t.Errorf("after a PDF that was stored, the connection is %q, and was %q", now, after)
	}
}

// TestConflictInRemoval: after a conflict the server has ended the transaction, and
// nothing more of it may be sent: each statement would be committed on its own.
func TestConflictInRemoval(t *testing.T) {
	t.Parallel()
	begin := func(mock sqlmock.Sqlmock) {
		mock.ExpectBegin()
		mock.ExpectExec("UPDATE meta").WillReturnResult(sqlmock.NewResult(0, 1))
		mock.ExpectQuery("SELECT value FROM meta").WillReturnRows(sqlmock.NewRows([]string{"value"}).AddRow(7))
	}
	for what, run := range map[string]func(s *store.Store) error{
		"remove": func(s *store.Store) error { return s.RemoveShop(t.Context(), "shop1") },
		"add":    func(s *store.Store) error { return s.AddShop(t.Context(), store.Shop{Shop: "shop1"}, nil, noon) },
	} {
		s, mock := mocked(t)
		for range 8 {
			begin(mock)
			mock.ExpectQuery("SELECT .* FROM `shops`").WillReturnError(deadlock)
			mock.ExpectRollback()
		}
		if err := run(s); !errors.Is(err, deadlock) {
			t.Errorf("%s: %v", what, err)
		}
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
