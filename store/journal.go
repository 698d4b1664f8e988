package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"lagerd/plan"
)

// WebhookCall is a call to the webhook endpoint, without secrets.
type WebhookCall struct {
	Shop       string `gorm:"primaryKey"` // "" if no shop was authenticated
	Slot       int    `gorm:"primaryKey"` // below 0: of the ring of the calls with a wrong code that name the shop
	CalledAt   Time
	Method     string
	Remote     string
	Kind       plan.Kind
	Source     StockSource // whose webhook its type is; "": unknown
	Number     string
	Status     int
	Outcome    string
	DurationUS int64 `gorm:"column:duration_us"`
}

// PutWebhookCalls writes calls to their shops' logs. A log is a ring buffer: the caller
// assigns the slots, and a call overwrites the one in its slot.
func (s *Store) PutWebhookCalls(ctx context.Context, calls []WebhookCall) error {
	const columns = 11
	tail := s.dialect.onConflict("shop, slot", overwrite("called_at", "method", "remote", "kind", "source", "number", "status", "outcome", "duration_us")...)
	for len(calls) > 0 {
		n := min(len(calls), rowsPerStatement)
		args := make([]any, 0, n*columns)
		for _, c := range calls[:n] {
			args = append(args, c.Shop, c.Slot, c.CalledAt, clip(c.Method, 8), clip(c.Remote, 64), c.Kind, c.Source, clip(c.Number, 64), c.Status, c.Outcome, c.DurationUS)
		}
		calls = calls[n:]
		if _, err := s.exec(ctx, "INSERT INTO webhook_calls (shop, slot, called_at, method, remote, kind, source, number, status, outcome, duration_us) VALUES "+placeholders(n, columns)+tail, args...); err != nil {
			return fmt.Errorf("write %d calls to the webhook log: %w", n, err)
		}
	}
	return nil
}

// CallsNaming returns the calls in a shop's log that name a number, oldest first.
func (s *Store) CallsNaming(ctx context.Context, shop string, kind plan.Kind, number string, since time.Time) ([]WebhookCall, error) {
	var list []WebhookCall
	err := s.db.WithContext(ctx).Where("shop = ? AND kind = ? AND number = ? AND called_at >= ?", shop, kind, number, At(since)).Order("called_at, slot").Find(&list).Error
	if err != nil {
		return nil, fmt.Errorf("read the webhook log of %s: %w", shop, err)
	}
	return list, nil
}

// CallsKept returns how many calls a shop's log has, without those with a wrong code, and when the
// oldest of them came.
func (s *Store) CallsKept(ctx context.Context, shop string) (calls int, oldest time.Time, err error) {
	var at Time
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*), MIN(called_at) FROM webhook_calls WHERE shop = ? AND slot >= 0", shop).Scan(&calls, &at)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read how far the webhook log of %s reaches back: %w", shop, err)
	}
	return calls, at.Time, nil
}

// LatestCalls returns of each of the shops its latest call, and the latest of those with a wrong code:
// their shops, slots and times.
func (s *Store) LatestCalls(ctx context.Context, shops []string) ([]WebhookCall, error) {
	var list []WebhookCall
	err := s.eachOf(ctx, shops, "SELECT c.shop, c.slot, c.called_at FROM webhook_calls c JOIN"+
		" (SELECT shop, slot < 0 AS refused, MAX(called_at) AS latest FROM webhook_calls WHERE shop IN %s GROUP BY shop, slot < 0) AS l"+
		" ON l.shop = c.shop AND l.refused = (c.slot < 0) AND l.latest = c.called_at", nil, func(rows *sql.Rows) error {
		var c WebhookCall
		if err := rows.Scan(&c.Shop, &c.Slot, &c.CalledAt); err != nil {
			return err
		}
		list = append(list, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the latest webhook calls: %w", err)
	}
	return list, nil
}

// WebhookCalls returns a shop's latest calls, newest first.
func (s *Store) WebhookCalls(ctx context.Context, shop string, limit int) ([]WebhookCall, error) {
	var list []WebhookCall
	if err := s.db.WithContext(ctx).Where("shop = ?", shop).Order("called_at DESC").Limit(limit).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the webhook log of %s: %w", shop, err)
	}
	return list, nil
}
