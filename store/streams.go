package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
)

// PieceOfStream is how many rows one statement of a stream reads: enough that its start costs
// nothing, and so few that neither the server nor a slow reader holds it open for long.
const PieceOfStream = 2000

// stream yields rows piece by piece. next reads the rows after the given one, nil for the first;
// fewer than a whole piece are the last.
func stream[R any](piece int, next func(after *R) ([]R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		var last *R
		for {
			rows, err := next(last)
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(rows) < piece {
				return
			}
			last = &rows[len(rows)-1]
		}
	}
}

// EachItem yields the items of a dataset by number, in byte order, and with places also what is
// in each of the chosen places. It reads them in pieces, each with one statement: every item that
// is stored when it begins comes once, as it is when its piece is read. It yields an error last.
func (s *Store) EachItem(ctx context.Context, dataset Dataset, places bool, piece int) iter.Seq2[plan.Row, error] {
	read := s.itemsAfter
	if places {
		read = s.placedItemsAfter
	}
	return stream(piece, func(after *plan.Row) ([]plan.Row, error) {
		where, args := "shop = ?", []any{dataset}
		if after != nil {
			where, args = where+" AND number > ?", append(args, after.Number)
		}
		list, err := read(ctx, "SELECT "+itemColumns+" FROM items WHERE "+where+" ORDER BY number LIMIT ?", append(args, piece), dataset)
		if err != nil {
			return nil, fmt.Errorf("read the items of %s: %w", dataset, err)
		}
		return list, nil
	})
}

func (s *Store) itemsAfter(ctx context.Context, query string, args []any, _ Dataset) (list []plan.Row, err error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	err = eachItem(rows, func(r *plan.Row) { list = append(list, *r) })
	return list, err
}

// placedItemsAfter reads the same items with their places. It is one statement, so that the
// places of an item add up to its stock.
func (s *Store) placedItemsAfter(ctx context.Context, query string, args []any, dataset Dataset) (list []plan.Row, err error) {
	rows, err := s.conn.QueryContext(ctx, "SELECT i."+strings.ReplaceAll(itemColumns, ", ", ", i.")+", p.place, p.in_stock FROM ("+query+") AS i"+
		" LEFT JOIN item_places p ON p.shop = ? AND p.number = i.number ORDER BY i.number, p.place", append(args, dataset)...)
	if err != nil {
		return nil, err
	}
	var place sql.NullString
	var in decimal.NullDecimal
	err = eachItem(rows, func(r *plan.Row) {
		if len(list) == 0 || list[len(list)-1].Number != r.Number {
			list = append(list, *r)
		}
		if place.Valid && in.Valid {
			last := &list[len(list)-1]
			last.Places = append(last.Places, plan.PlaceStock{Place: place.String, InStock: in.Decimal})
		}
	}, &place, &in)
	return list, err
}

// EachInvoice yields the invoices of a dataset by number. It reads them in pieces, as EachItem
// does.
func (s *Store) EachInvoice(ctx context.Context, dataset Dataset, piece int) iter.Seq2[Invoice, error] {
	return stream(piece, func(after *Invoice) ([]Invoice, error) {
		db := s.db.WithContext(ctx).Where("shop = ?", dataset)
		if after != nil {
			db = db.Where("number > ?", after.Number)
		}
		var list []Invoice
		if err := db.Order("number").Limit(piece).Find(&list).Error; err != nil {
			return nil, fmt.Errorf("read the invoices of %s: %w", dataset, err)
		}
		return list, nil
	})
}

const changeColumns = "shop, token, seq, n, kind, number, what, old_stock, new_stock, old_in_stock, new_in_stock, old_available, new_available," +
	" old_state, new_state, cause, webhook, economic_at, hinted_at, observed_at, committed_at, renumbered_to, source"

// EachChange yields a shop's history since the given time, or from its beginning if that is zero,
// oldest first. It reads in pieces, and exactly what was stored when the position was read, except
// what is pruned meanwhile: a change is never written again. It yields an error last.
func (s *Store) EachChange(ctx context.Context, shop string, since time.Time, until Position, piece int) iter.Seq2[Change, error] {
	return stream(piece, func(after *Change) ([]Change, error) {
		query, args := changesAfter(shop, since, until, after, piece)
		list, err := s.scanChanges(ctx, query, args)
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", shop, err)
		}
		return list, nil
	})
}

// changesAfter returns the query for a piece of a shop's history. It reads a range of the index
// changes_committed in order: "token + 0" keeps SQLite from reading the whole history by the
// primary key, and sorting it.
func changesAfter(shop string, since time.Time, until Position, after *Change, piece int) (query string, args []any) {
	where, args := "shop = ? AND (token + 0 < ? OR token + 0 = ? AND seq <= ?) AND committed_at >= ?", []any{shop, until.Token, until.Token, until.Seq}
	switch {
	case after != nil:
		where += " AND (committed_at > ? OR token + 0 > ? OR token + 0 = ? AND (seq > ? OR seq = ? AND n > ?))"
		args = append(args, after.CommittedAt, after.CommittedAt, after.Token, after.Token, after.Seq, after.Seq, after.N)
	case since.IsZero():
		args = append(args, At(time.Unix(0, 0)))
	default:
		args = append(args, At(since))
	}
	return "SELECT " + changeColumns + " FROM changes WHERE " + where + " ORDER BY committed_at, token, seq, n LIMIT ?", append(args, piece)
}

// scanChanges does not use gorm: a history may have millions of rows.
func (s *Store) scanChanges(ctx context.Context, query string, args []any) ([]Change, error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []Change
	for rows.Next() {
		var c Change
		if err := rows.Scan(&c.Shop, &c.Token, &c.Seq, &c.N, &c.Kind, &c.Number, &c.What, &c.OldStock, &c.NewStock, &c.OldInStock, &c.NewInStock, &c.OldAvailable, &c.NewAvailable,
			&c.OldState, &c.NewState, &c.Cause, &c.Webhook, &c.EconomicAt, &c.HintedAt, &c.ObservedAt, &c.CommittedAt, &c.RenumberedTo, &c.Source); err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// ErrNoPDF is returned if an invoice's PDF is not stored.
var ErrNoPDF = errors.New("no PDF is stored")

// PDF returns the PDF of an invoice, or ErrNoPDF.
func (s *Store) PDF(ctx context.Context, dataset Dataset, number int64) (pdf []byte, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT pdf FROM invoice_pdfs WHERE shop = ? AND number = ?", dataset, number).Scan(&pdf)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoPDF
	}
	if err != nil {
		return nil, fmt.Errorf("read the PDF of invoice %d of %s: %w", number, dataset, err)
	}
	return pdf, nil
}
