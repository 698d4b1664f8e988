package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lagerd/plan"
)

// FindItems returns at most limit of a dataset's items whose numbers come after the given one, by
// number in byte order. With a text it returns those that have it in their number or name, in any
// case; without, all. A text that few items have reads the whole dataset.
func (s *Store) FindItems(ctx context.Context, dataset Dataset, text, after string, limit int) ([]plan.Row, error) {
	where, args := "shop = ? AND number > ?", []any{dataset, after}
	if text != "" {
		has, its := itemHas(text)
		where, args = where+" AND "+has, append(args, its...)
	}
	list, err := s.itemsAfter(ctx, "SELECT "+itemColumns+" FROM items WHERE "+where+" ORDER BY number LIMIT ?", append(args, limit), dataset)
	if err != nil {
		return nil, fmt.Errorf("search the items of %s: %w", dataset, err)
	}
	return list, nil
}

// itemHas returns the condition that an item has a text in its number, spaces aside, or in its name.
// SQLite knows the case of ASCII letters alone: the text is looked for in the forms in which it is
// usually written.
func itemHas(text string) (condition string, args []any) {
	lower, upper := strings.ToLower(text), strings.ToUpper(text)
	first, size := utf8.DecodeRuneInString(lower)
	forms := []string{lower, upper, string(unicode.ToUpper(first)) + lower[size:]}
	slices.Sort(forms)
	var conditions []string
	for _, form := range slices.Compact(forms) {
		conditions = append(conditions, "LOWER(name) LIKE ? ESCAPE '!'", "REPLACE(LOWER(number), ' ', '') LIKE ? ESCAPE '!'")
		args = append(args, having(form), having(strings.ReplaceAll(form, " ", "")))
	}
	return "(" + strings.Join(conditions, " OR ") + ")", args
}

// having returns the pattern of texts that have a text in them.
func having(text string) string {
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text) + "%"
}

// LatestInvoices returns at most limit of a dataset's invoices with numbers below the given one, the
// highest first; 0: of all. With a text it returns those whose order number it is.
func (s *Store) LatestInvoices(ctx context.Context, dataset Dataset, order string, below int64, limit int) ([]Invoice, error) {
	db := s.db.WithContext(ctx).Where("shop = ?", dataset)
	if below > 0 {
		db = db.Where("number < ?", below)
	}
	if order != "" {
		db = db.Where("order_number = ?", order)
	}
	var list []Invoice
	if err := db.Order("number DESC").Limit(limit).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the latest invoices of %s: %w", dataset, err)
	}
	return list, nil
}

// LatestChanges returns at most limit changes of a shop's history that come before the given one,
// newest first; nil: of all.
func (s *Store) LatestChanges(ctx context.Context, shop string, before *Change, limit int) ([]Change, error) {
	query, args := latestChanges(shop, before, limit)
	list, err := s.scanChanges(ctx, query, args)
	if err != nil {
		return nil, fmt.Errorf("read the latest changes of %s: %w", shop, err)
	}
	return list, nil
}

// latestChanges returns the query of LatestChanges. As that of changesAfter, it reads a range of the
// index changes_committed in order.
func latestChanges(shop string, before *Change, limit int) (query string, args []any) {
	where, args := "shop = ?", []any{shop}
	if before != nil {
		where += " AND committed_at <= ? AND (committed_at < ? OR token + 0 < ? OR token + 0 = ? AND (seq < ? OR seq = ? AND n < ?))"
		args = append(args, before.CommittedAt, before.CommittedAt, before.Token, before.Token, before.Seq, before.Seq, before.N)
	}
	return "SELECT " + changeColumns + " FROM changes WHERE " + where + " ORDER BY committed_at DESC, token DESC, seq DESC, n DESC LIMIT ?", append(args, limit)
}

// HourOfChanges counts what a shop's history has of an hour.
type HourOfChanges struct {
	Hour                  time.Time
	Changes, Missed, Late int64 // all, and those found without their webhook, or before it

	// From the webhook that led to a change, or else from its time at the source, to the commit: of
	// how many changes that is known, how long it took altogether, and for one at most. A change that
	// no webhook announces does not count: that of an item found first may be years old.
	Delays  int64
	Delay   time.Duration
	Longest time.Duration
}

// ChangesByHour counts a shop's history from a time on, by hour. It reads the latest changes alone,
// at most so many of them.
func (s *Store) ChangesByHour(ctx context.Context, shop string, since time.Time, most int) ([]HourOfChanges, error) {
	took := "TIMESTAMPDIFF(MICROSECOND, from_at, committed_at)"
	if s.dialect.isSQLite() {
		took = "CAST(ROUND((julianday(committed_at) - julianday(from_at)) * 86400e6) AS INTEGER)"
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT hour, COUNT(*), SUM(webhook = 'missed'), SUM(webhook = 'late'), COUNT(took), COALESCE(SUM(took), 0), COALESCE(MAX(took), 0) FROM ("+
		"SELECT SUBSTR(committed_at, 1, 13) AS hour, webhook, CASE WHEN webhook <> 'none' AND from_at <= committed_at THEN "+took+" END AS took FROM ("+
		"SELECT committed_at, webhook, COALESCE(hinted_at, economic_at) AS from_at FROM changes WHERE shop = ? AND committed_at >= ? ORDER BY committed_at DESC LIMIT ?"+
		") AS latest) AS timed GROUP BY hour ORDER BY hour", shop, At(since), most)
	fail := func(err error) ([]HourOfChanges, error) {
		return nil, fmt.Errorf("count the changes of %s: %w", shop, err)
	}
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []HourOfChanges
	for rows.Next() {
		var h HourOfChanges
		var hour string
		var took, longest int64
		if err := rows.Scan(&hour, &h.Changes, &h.Missed, &h.Late, &h.Delays, &took, &longest); err != nil {
			return fail(err)
		}
		if h.Hour, err = time.ParseInLocation("2006-01-02 15", hour, time.UTC); err != nil {
			return fail(err)
		}
		h.Delay, h.Longest = time.Duration(took)*time.Microsecond, time.Duration(longest)*time.Microsecond
		list = append(list, h)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// PieceOfPDF returns at most so many bytes of an invoice's PDF, from an offset on, or ErrNoPDF: a
// whole one may be large.
func (s *Store) PieceOfPDF(ctx context.Context, dataset Dataset, number int64, offset, size int) (piece []byte, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT SUBSTR(pdf, ?, ?) FROM invoice_pdfs WHERE shop = ? AND number = ?", offset+1, size, dataset, number).Scan(&piece)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoPDF
	}
	if err != nil {
		return nil, fmt.Errorf("read the PDF of invoice %d of %s: %w", number, dataset, err)
	}
	return piece, nil
}

// Asked are the numbers that were asked for, as actions.
type Asked struct {
	Count int
	First time.Time // zero: none
}

// AskedSince returns how often accounts whose names begin so have asked for numbers of a shop since a
// time.
func (s *Store) AskedSince(ctx context.Context, shop, accounts string, since time.Time) (a Asked, err error) {
	var first Time
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*), MIN(acted_at) FROM actions WHERE shop = ? AND acted_at > ? AND what = ? AND number <> '' AND account LIKE ? ESCAPE '!'",
		shop, At(since), ActionAsked, having(accounts)[1:]).Scan(&a.Count, &first)
	if err != nil {
		return a, fmt.Errorf("count what was asked for of %s: %w", shop, err)
	}
	a.First = first.Time
	return a, nil
}

// LatestCall returns when the latest call of a shop's webhook log came, zero if there is none.
func (s *Store) LatestCall(ctx context.Context, shop string) (time.Time, error) {
	var at Time
	if err := s.conn.QueryRowContext(ctx, "SELECT MAX(called_at) FROM webhook_calls WHERE shop = ?", shop).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("read the webhook log of %s: %w", shop, err)
	}
	return at.Time, nil
}
