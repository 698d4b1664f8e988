package store

import (
	"context"
	"fmt"
	"time"

	"lagerd/plan"
)

// Warning says which fields of an item or an invoice could not be parsed, while the rest
// of it is stored.
type Warning struct {
	Kind    plan.Kind
	Number  string // "": those whose number cannot be parsed
	Text    string // "": the warning has ended
	FirstAt Time   // when it was first found; set only on reads
}

// MostWarnings limits a shop's warnings: that many have a single cause.
const MostWarnings = 1000

// Warnings returns a shop's warnings.
func (s *Store) Warnings(ctx context.Context, shop string) ([]Warning, error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT kind, number, warning, first_at FROM warnings WHERE shop = ? ORDER BY kind, number", shop)
	if err != nil {
		return nil, fmt.Errorf("read the warnings of %s: %w", shop, err)
	}
	defer rows.Close()
	var list []Warning
	for rows.Next() {
		var w Warning
		if err := rows.Scan(&w.Kind, &w.Number, &w.Text, &w.FirstAt); err != nil {
			return nil, fmt.Errorf("read the warnings of %s: %w", shop, err)
		}
		list = append(list, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the warnings of %s: %w", shop, err)
	}
	return list, nil
}

// putWarnings stores warnings and deletes those that have ended.
func (t *tx) putWarnings(shop string, warnings []Warning, now time.Time) {
	const columns = 5
	var args []any
	ended := map[plan.Kind][]any{}
	for _, w := range warnings {
		if w.Text == "" {
			ended[w.Kind] = append(ended[w.Kind], w.Number)
			continue
		}
		args = append(args, shop, w.Kind, w.Number, shorten(w.Text, 500), At(now))
	}
	t.insertRows("INSERT INTO warnings (shop, kind, number, warning, first_at)", columns,
		t.dialect.onConflict("shop, kind, number", "warning = new.warning"), args)
	for _, kind := range []plan.Kind{plan.KindInvoice, plan.KindStock} {
		for numbers := ended[kind]; len(numbers) > 0; {
			n := min(len(numbers), rowsPerStatement)
			t.exec("DELETE FROM warnings WHERE shop = ? AND kind = ? AND number IN "+placeholders(1, n), append([]any{shop, kind}, numbers[:n]...)...)
			numbers = numbers[n:]
		}
	}
}

// Notice summarizes a problem with a shop's items or invoices: how many, and the first.
type Notice struct {
	Kind   plan.Kind
	Count  int64
	Number string    // of the first
	Text   string    // about it
	Since  time.Time // when the first of the rows came; zero: not known
}

// notices passes put, for each shop and kind in a table, the number of rows and the
// first row's number and text. The conditions rows and one select the rows and the shop.
func (s *Store) notices(ctx context.Context, table, text, rows, one string, args []any, put func(shop string, n Notice)) error {
	found, err := s.conn.QueryContext(ctx, "SELECT each_one.shop, each_one.kind, first_one.notices, each_one.number, each_one."+text+", first_one.since FROM "+table+" each_one JOIN"+
		" (SELECT shop, kind, COUNT(*) AS notices, MIN(number) AS number, MIN(first_at) AS since FROM "+table+" WHERE "+rows+" AND "+one+" GROUP BY shop, kind) first_one"+
		" ON each_one.shop = first_one.shop AND each_one.kind = first_one.kind AND each_one.number = first_one.number ORDER BY each_one.shop, each_one.kind", args...)
	if err != nil {
		return err
	}
	defer found.Close()
	for found.Next() {
		var shop string
		var n Notice
		var since Time
		if err := found.Scan(&shop, &n.Kind, &n.Count, &n.Number, &n.Text, &since); err != nil {
			return err
		}
		n.Since = since.Time
		put(shop, n)
	}
	return found.Err()
}
