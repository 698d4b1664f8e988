package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
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
	explain := func(query string, args []any) []string {
		rows, err := s.conn.QueryContext(ctx, map[bool]string{true: "EXPLAIN QUERY PLAN ", false: "EXPLAIN "}[s.dialect.isSQLite()]+query, args...)
		if err != nil {
			return []string{err.Error()}
		}
		var steps []string
		for _, row := range texts(rows) {
			steps = append(steps, strings.Join(row, " "))
		}
		return steps
	}
	news = explain(s.dialect.dueInvoices(due))
	return news, explain(invoicesToFetch(dataset, due, true, true, 100))
}
