package store

import (
	"context"
	"fmt"
	"time"
)

// Approve notes that a person accepts that a reconciliation of the shop takes
// away the stock of so many items.
func (s *Store) Approve(ctx context.Context, shop string, losses int, now time.Time) error {
	_, err := s.exec(ctx, "INSERT INTO approvals (shop, losses, approved_at) VALUES (?,?,?)"+
		s.dialect.onConflict("shop", overwrite("losses", "approved_at")...), shop, losses, At(now))
	if err != nil {
		return fmt.Errorf("store the approval for %s: %w", shop, err)
	}
	return nil
}

// Approved returns how many losses are approved for the shop since the given
// time, 0 if none are.
func (s *Store) Approved(ctx context.Context, shop string, since time.Time) (losses int, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(losses), 0) FROM approvals WHERE shop = ? AND approved_at >= ?", shop, At(since)).Scan(&losses)
	if err != nil {
		return 0, fmt.Errorf("read the approval for %s: %w", shop, err)
	}
	return losses, nil
}
