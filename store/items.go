package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"slices"
	"strings"

	"lagerd/plan"
)

const itemColumns = "number, name, bar_code, barred, inventory_enabled, in_stock, available, ordered_by_customers, ordered_from_suppliers, stock, state, economic_updated_at, observed_token, observed_at, first_seen_at, changed_at, renumbered_to"

// Items returns the rows of those of the given numbers that are stored.
func (s *Store) Items(ctx context.Context, dataset Dataset, numbers []string) (map[string]plan.Row, error) {
	found := make(map[string]plan.Row, len(numbers))
	for len(numbers) > 0 {
		n := min(len(numbers), 2*rowsPerStatement)
		args := make([]any, 0, n+1)
		args = append(args, dataset)
		for _, number := range numbers[:n] {
			args = append(args, number)
		}
		numbers = numbers[n:]
		rows, err := s.conn.QueryContext(ctx, "SELECT "+itemColumns+" FROM items WHERE shop = ? AND number IN "+placeholders(1, n), args...)
		if err != nil {
			return nil, fmt.Errorf("read the items of %s: %w", dataset, err)
		}
		if err := scanItems(rows, found); err != nil {
			return nil, fmt.Errorf("read the items of %s: %w", dataset, err)
		}
	}
	return found, nil
}

// KnownItems returns those of the given numbers that are stored, gone or not.
func (s *Store) KnownItems(ctx context.Context, dataset Dataset, numbers []string) (map[string]struct{}, error) {
	known := make(map[string]struct{}, len(numbers))
	fail := func(err error) error { return fmt.Errorf("read the item numbers of %s: %w", dataset, err) }
	for piece := range slices.Chunk(numbers, 2*rowsPerStatement) {
		args := make([]any, 0, len(piece)+1)
		args = append(args, dataset)
		for _, number := range piece {
			args = append(args, number)
		}
		rows, err := s.conn.QueryContext(ctx, "SELECT number FROM items WHERE shop = ? AND number IN "+placeholders(1, len(piece)), args...)
		if err != nil {
			return nil, fail(err)
		}
		if err := scanNumbers(rows, known); err != nil {
			return nil, fail(err)
		}
	}
	return known, nil
}

func scanNumbers(rows *sql.Rows, into map[string]struct{}) error {
	defer rows.Close()
	var number string
	for rows.Next() {
		if err := rows.Scan(&number); err != nil {
			return err
		}
		into[number] = struct{}{}
	}
	return rows.Err()
}

// ItemsBetween returns the stored rows of all numbers from first to last, compared byte
// by byte, both included. If there are more than limit, or the database cannot query the
// range, it returns nil and false. A row costs half of what it costs with Items.
func (s *Store) ItemsBetween(ctx context.Context, dataset Dataset, first, last string, limit int) (map[string]plan.Row, bool, error) {
	if !rangeable(first, last) {
		return nil, false, nil
	}
	rows, err := s.keptQuery(ctx, "SELECT "+itemColumns+" FROM items WHERE shop = ? AND number BETWEEN ? AND ? LIMIT ?", dataset, first, last, limit+1)
	found := make(map[string]plan.Row, limit)
	if err == nil {
		err = scanItems(rows, found)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the items of %s: %w", dataset, err)
	}
	if len(found) > limit {
		return nil, false, nil
	}
	return found, true, nil
}

// rangeable reports whether the database can query a range of numbers.
func rangeable(first, last string) bool {
	// MariaDB 10.11 finds nothing between 'a' and 'a\t', and no 'a ' between 'a' and
	// 'a ': its optimizer compares a range's ends as if both were padded with spaces.
	rest, longer := strings.CutPrefix(last, first)
	return !longer || rest == "" || rest[0] > ' '
}

func scanItems(rows *sql.Rows, into map[string]plan.Row) error {
	return eachItem(rows, func(r *plan.Row) { into[r.Number] = *r })
}

// eachItem passes the item of each row to put, which may keep a copy. A row may have further
// columns, which are scanned into more.
func eachItem(rows *sql.Rows, put func(*plan.Row), more ...any) error {
	defer rows.Close()
	var r plan.Row
	var updated, observed, first, changed Time
	columns := append([]any{&r.Number, &r.Name, &r.BarCode, &r.Barred, &r.InventoryEnabled,
		&r.Figures.InStock, &r.Figures.Available, &r.Figures.OrderedByCustomers, &r.Figures.OrderedFromSuppliers,
		&r.Stock, &r.State, &updated, &r.Version.Token, &observed, &first, &changed, &r.RenumberedTo}, more...)
	for rows.Next() {
		r = plan.Row{}
		if err := rows.Scan(columns...); err != nil {
			return err
		}
		r.UpdatedAt, r.Version.At, r.FirstSeenAt, r.ChangedAt = updated.Time, observed.Time, first.Time, changed.Time
		put(&r)
	}
	return rows.Err()
}

// PresentNumbers yields the numbers of a dataset's items that are not gone. It streams
// them, since there may be hundreds of thousands. It yields an error last.
func (s *Store) PresentNumbers(ctx context.Context, dataset Dataset) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		fail := func(err error) { yield("", fmt.Errorf("read the item numbers of %s: %w", dataset, err)) }
		rows, err := s.conn.QueryContext(ctx, "SELECT number FROM items WHERE shop = ? AND state <> ?", dataset, plan.StateGone)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var number string
			if err := rows.Scan(&number); err != nil {
				fail(err)
				return
			}
			if !yield(number, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

func (t *tx) putItems(dataset Dataset, items []plan.Row) {
	const columns = 18
	args := make([]any, 0, len(items)*columns)
	at := timeFormatter()
	for _, r := range items {
		args = append(args, dataset, r.Number, r.Name, r.BarCode, r.Barred, r.InventoryEnabled,
			r.Figures.InStock, r.Figures.Available, r.Figures.OrderedByCustomers, r.Figures.OrderedFromSuppliers,
			r.Stock, r.State, At(r.UpdatedAt), r.Version.Token, at(r.Version.At), at(r.FirstSeenAt), at(r.ChangedAt), r.RenumberedTo)
	}
	t.insertRows("INSERT INTO items (shop, "+itemColumns+")", columns,
		t.dialect.onConflict("shop, number", overwrite("name", "bar_code", "barred", "inventory_enabled", "in_stock", "available",
			"ordered_by_customers", "ordered_from_suppliers", "stock", "state", "economic_updated_at", "observed_token", "observed_at",
			"first_seen_at", "changed_at", "renumbered_to")...), args)
}
