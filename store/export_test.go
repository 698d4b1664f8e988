package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"lagerd/plan"
)

// Exec runs a test's statement.
func (s *Store) Exec(ctx context.Context, query string) error {
	_, err := s.exec(ctx, query)
	return err
}

// Count returns how many rows of a shop a table holds, -1 after an error.
func (s *Store) Count(ctx context.Context, table, shop string) int {
	var n int
	if err := s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+table+" WHERE shop = ?", shop).Scan(&n); err != nil {
		return -1
	}
	return n
}

// Strings returns the first row of a query as strings, or the error as one.
func (s *Store) Strings(ctx context.Context, query string) []string {
	rows := s.Rows(ctx, query)
	if len(rows) == 0 {
		return make([]string, 10)
	}
	return rows[0]
}

// Rows returns the rows of a query as strings, "" for NULL, or the error as one.
func (s *Store) Rows(ctx context.Context, query string) [][]string {
	rows, err := s.conn.QueryContext(ctx, query)
	if err != nil {
		return [][]string{{err.Error()}}
	}
	return texts(rows)
}

func texts(rows *sql.Rows) [][]string {
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return [][]string{{err.Error()}}
	}
	var list [][]string
	for rows.Next() {
		texts, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range texts {
			into[i] = &texts[i]
		}
		if err := rows.Scan(into...); err != nil {
			return [][]string{{err.Error()}}
		}
		row := make([]string, len(columns))
		for i, text := range texts {
			row[i] = text.String
		}
		list = append(list, row)
	}
	return list
}

// On returns a store of the MySQL dialect on a test's connection.
func On(conn *sql.DB) *Store {
	db, err := gorm.Open(gormmysql.New(gormmysql.Config{Conn: conn, SkipInitializeWithVersion: true}),
		&gorm.Config{SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: logger.Discard})
	if err != nil {
		panic(err)
	}
	return &Store{db: db, conn: conn, dialect: dialect{name: "mysql", collation: "utf8mb4_nopad_bin"}, jitter: func(most time.Duration) time.Duration { return most }}
}

// Conn returns the connections that the store uses.
func (s *Store) Conn() *sql.DB { return s.conn }

// Plan returns the database's query plans, step by step, for finding shops with due
// invoices, and the invoices of one to fetch.
func (s *Store) Plan(ctx context.Context, dataset Dataset, due Due) (news, fetch []string) {
	query, args := s.dialect.dueInvoices(due)
	news = s.explain(ctx, query, args)
	query, args = invoicesToFetch(dataset, due, true, true, 100)
	return news, s.explain(ctx, query, args)
}

// PlanOfHistory returns the database's query plan, step by step, for a piece of a shop's history.
func (s *Store) PlanOfHistory(ctx context.Context, shop string, until Position, after *Change) []string {
	query, args := changesAfter(shop, time.Time{}, until, after, 100)
	return s.explain(ctx, query, args)
}

func (s *Store) explain(ctx context.Context, query string, args []any) (steps []string) {
	rows, err := s.conn.QueryContext(ctx, map[bool]string{true: "EXPLAIN QUERY PLAN ", false: "EXPLAIN "}[s.dialect.isSQLite()]+query, args...)
	if err != nil {
		return []string{err.Error()}
	}
	for _, row := range texts(rows) {
		steps = append(steps, strings.Join(row, " "))
	}
	return steps
}

// BeforeReaders returns a database to the schema from before readers, with the views that
// show every shop.
func (s *Store) BeforeReaders(ctx context.Context) error {
	views, err := s.views()
	if err != nil {
		return err
	}
	for _, statement := range []string{"DROP TABLE readers, readers_of_all", "DELETE FROM meta WHERE name IN ('readers_enforced', 'readers_changed')",
		"DELETE FROM goose_db_version WHERE version_id >= 13", views["shop_stock"], views["shop_invoices"], views["shop_stock_places"]} {
		if err := s.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// OpenHints returns a shop's open hints of a kind that are due, by number.
func (s *Store) OpenHints(ctx context.Context, shop string, kind plan.Kind, due Due) (map[string]plan.Hint, error) {
	hints := map[string]plan.Hint{}
	for h, err := range s.EachOpenHint(ctx, shop, kind, due, 0) {
		if err != nil {
			return nil, err
		}
		hints[h.Number] = h
	}
	return hints, nil
}
