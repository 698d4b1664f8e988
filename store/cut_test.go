package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"lagerd/plan"
	"lagerd/store"
)

// cutting is a driver that ends one query's result with an error after some rows, like a
// server or network that fails while sending a result.
type cutting struct {
	path  string
	asked *atomic.Int64 // queries so far
	cut   *atomic.Int64 // number of the query to cut
	rows  *atomic.Int64 // rows before the cut
}

var errCut = errors.New("the connection broke in the middle of an answer")

func (c cutting) Connect(context.Context) (driver.Conn, error) {
	conn, err := (&sqlite.Driver{}).Open(c.path)
	return cuttingConn{conn, c}, err
}

func (c cutting) Driver() driver.Driver { return &sqlite.Driver{} }

type cuttingConn struct {
	driver.Conn
	c cutting
}

func (c cuttingConn) Prepare(query string) (driver.Stmt, error) {
	stmt, err := c.Conn.Prepare(query)
	return cuttingStmt{stmt, c.c}, err
}

type cuttingStmt struct {
	driver.Stmt
	c cutting
}

func (s cuttingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	if s.c.asked.Add(1) != s.c.cut.Load() {
		return rows, nil
	}
	return &cuttingRows{rows, s.c.rows.Load()}, nil
}

func (s cuttingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

type cuttingRows struct {
	driver.Rows
	left int64
}

func (r *cuttingRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return errCut
	}
	r.left--
	return r.Rows.Next(dest)
}

// TestAnswersThatBreakOff: every read returns an error if its result is cut, and never a
// partial result: the missing rows would count as not stored, not hinted at, not due.
func TestAnswersThatBreakOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lagerd.db")
	must(t, open(t, store.Options{Path: path}).Migrate(t.Context()))
	c := cutting{path, new(atomic.Int64), new(atomic.Int64), new(atomic.Int64)}
	s := open(t, store.Options{Embedded: sql.OpenDB(c)})
	fill(t, s)
	later := due(noon.Add(time.Hour))
	for name, read := range map[string]func(ctx context.Context) (any, error){
		"Items": func(ctx context.Context) (any, error) { return s.Items(ctx, "shop1", []string{"a", "b", "c"}) },
		"ItemsBetween": func(ctx context.Context) (any, error) {
			rows, all, err := s.ItemsBetween(ctx, "shop1", "a", "c", 10)
			return []any{rows, all}, err
		},
		"PresentNumbers": func(ctx context.Context) (any, error) {
			var numbers []string
			for number, err := range s.PresentNumbers(ctx, "shop1") {
				if err != nil {
					return nil, err
				}
				numbers = append(numbers, number)
			}
			return numbers, nil
		},
		"OpenHints": func(ctx context.Context) (any, error) { return s.OpenHints(ctx, "shop1", plan.KindStock, later) },
		"Hints": func(ctx context.Context) (any, error) {
			return s.Hints(ctx, "shop1", plan.KindStock, []string{"a", "b", "c"})
		},
		"CountOpenHints": func(ctx context.Context) (any, error) { return s.CountOpenHints(ctx, "shop1", later) },
		"Totals":         func(ctx context.Context) (any, error) { return s.Totals(ctx) },
		"Packed":         func(ctx context.Context) (any, error) { return s.Packed(ctx, "shop1", 1000) },
		"News":           func(ctx context.Context) (any, error) { return s.News(ctx, later, later) },
		"Progress":       func(ctx context.Context) (any, error) { return s.Progress(ctx, "shop1") },
		"LossMemory":     func(ctx context.Context) (any, error) { return s.LossMemory(ctx, "shop1", "shop1", noon) },
		"Approved":       func(ctx context.Context) (any, error) { return s.Approved(ctx, "shop1", noon) },
		"Warnings":       func(ctx context.Context) (any, error) { return s.Warnings(ctx, "shop1") },
		"OpenRequests":   func(ctx context.Context) (any, error) { return s.OpenRequests(ctx, "shop1") },
		"Requests":       func(ctx context.Context) (any, error) { return s.Requests(ctx, []string{"r1", "r2", "r3"}) },
		"StoredInvoices": func(ctx context.Context) (any, error) { return s.StoredInvoices(ctx, "shop1", []int64{1, 2, 3}) },
		"InvoicesToFetch": func(ctx context.Context) (any, error) {
			return s.InvoicesToFetch(ctx, "shop1", later, true, true, 10)
		},
		"PDFsToTry":          func(ctx context.Context) (any, error) { return s.PDFsToTry(ctx, "shop1", 3) },
		"Invoices":           func(ctx context.Context) (any, error) { return s.Invoices(ctx, "shop1", []string{"1", "2", "3"}) },
		"InvoicesWithoutPDF": func(ctx context.Context) (any, error) { return s.InvoicesWithoutPDF(ctx, "shop1") },
		"InvoicesBetween": func(ctx context.Context) (any, error) {
			return s.InvoicesBetween(ctx, "shop1", 1, 3, noon.Add(time.Hour))
		},
		"MixedInvoices":   func(ctx context.Context) (any, error) { return s.MixedInvoices(ctx, "shop1") },
		"Leases":          func(ctx context.Context) (any, error) { return s.Leases(ctx) },
		"AnyFree":         func(ctx context.Context) (any, error) { return s.AnyFree(ctx) },
		"Instances":       func(ctx context.Context) (any, error) { return s.Instances(ctx) },
		"Shop":            func(ctx context.Context) (any, error) { return s.Shop(ctx, "shop1") },
		"Shops":           func(ctx context.Context) (any, error) { return s.Shops(ctx) },
		"ShopsGeneration": func(ctx context.Context) (any, error) { return s.ShopsGeneration(ctx) },
		"ShopsOf":         func(ctx context.Context) (any, error) { return s.ShopsOf(ctx, 7) },
		"Codes":           func(ctx context.Context) (any, error) { return s.Codes(ctx) },
		"CodesOf":         func(ctx context.Context) (any, error) { return s.CodesOf(ctx, "shop1") },
		"AppTokens":       func(ctx context.Context) (any, error) { return s.AppTokens(ctx) },
		"Agreements":      func(ctx context.Context) (any, error) { return s.Agreements(ctx, "shop1") },
		"StockAccounts":   func(ctx context.Context) (any, error) { return s.StockAccounts(ctx, "shop1") },
		"Losses": func(ctx context.Context) (any, error) {
			losses, present, err := s.Losses(ctx, "shop1", "shop2")
			return []any{losses, present}, err
		},
		"MissingItems": func(ctx context.Context) (any, error) { return s.MissingItems(ctx, "shop2", "shop1") },
		"Changes": func(ctx context.Context) (any, error) {
			return s.Changes(ctx, "shop1", plan.KindStock, nil, time.Time{}, 10)
		},
		"WebhookCalls": func(ctx context.Context) (any, error) { return s.WebhookCalls(ctx, "shop1", 10) },
		"Status":       func(ctx context.Context) (any, error) { return s.Status(ctx, "") },
	} {
		c.cut.Store(0)
		before := c.asked.Load()
		want, err := read(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for query := range c.asked.Load() - before {
			failed := false
			for rows := range int64(5) {
				c.rows.Store(rows)
				c.cut.Store(c.asked.Load() + 1 + query)
				got, err := read(t.Context())
				switch {
				case err != nil:
					failed = true
				case !reflect.DeepEqual(got, want):
					t.Errorf("%s: with the result of query %d cut after %d rows it returns\n%v, expected an error or\n%v", name, query+1, rows, got, want)
				}
			}
			if !failed {
				t.Errorf("%s: no error with the result of query %d cut", name, query+1)
			}
		}
	}
}

// fill stores three rows of everything that the reads return, mostly for shop1.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	at := noon.Format("2006-01-02 15:04:05.000000")
	for n, shop := range []string{"shop1", "shop2", "shop3"} {
		must(t, s.AddShop(ctx, store.Shop{Shop: shop, GrantToken: []byte{1, 2}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
			InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference}, fmt.Appendf(nil, "%032d", n), noon))
		must(t, s.SaveAgreementNumber(ctx, shop, 7))
		must(t, s.Beat(ctx, store.Instance{Instance: fmt.Sprint("instance", n), Host: "host", StartedAt: store.At(noon), BeatAt: store.At(noon)}))
		must(t, s.SaveAppToken(ctx, fmt.Sprint("instance", n), "hash", noon))
	}
	must(t, s.AddCode(ctx, "shop1", fmt.Appendf(nil, "%032d", 9), noon))
	must(t, s.TakeLeases(ctx, []string{"shop1"}, "", "me", noon))
	leases, err := s.Leases(ctx)
	must(t, err)
	token := leases[0].Token
	a := store.Applied{}
	for n, number := range []string{"a", "b", "c"} {
		must(t, s.RecordHints(ctx, []store.HintRecord{hint("shop1", number, plan.CauseWebhook, noon)}))
		must(t, s.RecordWebhooks(ctx, []store.HintRecord{hint("shop1", number, plan.CauseWebhook, noon)}))
		must(t, s.AddRequests(ctx, []store.Request{{Request: fmt.Sprint("r", n+1), Shop: "shop1", What: store.WantTick, RequestedAt: store.At(noon)}}))
		a.Items = append(a.Items, itemRow(number, "1", token))
		a.Changes = append(a.Changes, plan.Change{Kind: plan.KindStock, Number: number, What: plan.WhatStock, Cause: plan.CauseTick, ObservedAt: noon})
		for _, statement := range []string{
			"INSERT INTO invoices (shop, number, credit_note, invoice_date, currency, net, gross, found_at, committed_at, cause, work_due_at, work_tries, work_error, pdf_state) " +
				"VALUES ('shop1', %[2]d, 0, '2026-11-20', 'DKK', '1.00', '1.25', '%[3]s', '%[3]s', 'tick', '%[3]s', 3, 'no', 'pending')",
			"INSERT INTO invoice_gaps VALUES ('shop1', 1%[2]d0, 1%[2]d5, '%[3]s')",
			"INSERT INTO recent_losses VALUES ('shop1', '%[1]s', %[2]d, 0)",
			"INSERT INTO warnings VALUES ('shop1', 'stock', '%[1]s', 'odd', '%[3]s')",
			"INSERT INTO mixed_invoices VALUES ('shop1', %[2]d, 'other', '%[3]s')",
			"INSERT INTO agreements VALUES ('shop1', 1%[2]d, '@%[2]d', '%[3]s')",
			"INSERT INTO stock_accounts VALUES ('@1%[2]d', 'shop1', 'rackbeat', %[2]d, '', '%[3]s')",
			"INSERT INTO webhook_calls VALUES ('shop1', %[2]d, '%[3]s', 'POST', '::1', 'stock', '%[1]s', 200, 'ok', 5, 'economic')",
		} {
			must(t, s.Exec(ctx, fmt.Sprintf(statement, number, n+1, at)))
		}
	}
	must(t, commit(ctx, s, store.Fence{Shop: "shop1", Dataset: "shop1", StockDataset: "shop1", Generation: 1, Token: token, Seq: 1}, a, noon))
	for _, scope := range []string{"shop", "stock", "invoices"} {
		must(t, s.Exec(ctx, "INSERT INTO holds VALUES ('shop1', '"+scope+"', 'forbidden', 'no', '"+at+"')"))
	}
	must(t, s.Exec(ctx, "INSERT INTO approvals VALUES ('shop1', 5, '"+at+"')"))
}
