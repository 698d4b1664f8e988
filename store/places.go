package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"lagerd/plan"
)

// AddPlaces adds to the rows of a dataset's items what is in the places that the shop has
// chosen. ranged says that they are all that are stored from the lowest number to the highest,
// as ItemsBetween returns them: then it is one statement.
func (s *Store) AddPlaces(ctx context.Context, dataset Dataset, rows map[string]plan.Row, ranged bool) error {
	if len(rows) == 0 {
		return nil
	}
	numbers := make([]string, 0, len(rows))
	for number := range rows {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	if first, last := numbers[0], numbers[len(numbers)-1]; ranged && rangeable(first, last) {
		list, err := s.keptQuery(ctx, placesOf+"BETWEEN ? AND ? ORDER BY number, place", dataset, first, last)
		return addPlaces(dataset, rows, list, err)
	}
	for chunk := range slices.Chunk(numbers, 2*rowsPerStatement) {
		args := []any{dataset}
		for _, number := range chunk {
			args = append(args, number)
		}
		list, err := s.conn.QueryContext(ctx, placesOf+"IN "+placeholders(1, len(chunk))+" ORDER BY number, place", args...)
		if err := addPlaces(dataset, rows, list, err); err != nil {
			return err
		}
	}
	return nil
}

const placesOf = "SELECT number, place, in_stock FROM item_places WHERE shop = ? AND number "

func addPlaces(dataset Dataset, rows map[string]plan.Row, list *sql.Rows, err error) error {
	fail := func(err error) error { return fmt.Errorf("read the stock by place of %s: %w", dataset, err) }
	if err != nil {
		return fail(err)
	}
	defer list.Close()
	for list.Next() {
		var number string
		var in plan.PlaceStock
		if err := list.Scan(&number, &in.Place, &in.InStock); err != nil {
			return fail(err)
		}
		if row, known := rows[number]; known {
			row.Places = append(row.Places, in)
			rows[number] = row
		}
	}
	if err := list.Err(); err != nil {
		return fail(err)
	}
	return nil
}

// putPlaces writes what differs of the stock by place, in a few statements. An item whose
// figures are all deleted may get others.
func (t *tx) putPlaces(dataset Dataset, deleted []string, places []plan.PlaceRow) {
	for chunk := range slices.Chunk(deleted, rowsPerStatement) {
		args := []any{dataset}
		for _, number := range chunk {
			args = append(args, number)
		}
		t.exec("DELETE FROM item_places WHERE shop = ? AND number IN "+placeholders(1, len(chunk)), args...)
	}
	const columns = 5
	args := make([]any, 0, len(places)*columns)
	for _, p := range places {
		args = append(args, dataset, p.Number, p.Place, p.InStock, At(p.ChangedAt))
	}
	t.insertRows("INSERT INTO item_places (shop, number, place, in_stock, changed_at)", columns,
		t.dialect.onConflict("shop, number, place", overwrite("in_stock", "changed_at")...), args)
}
