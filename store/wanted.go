package store

import (
	"context"
	"fmt"
	"time"

	"lagerd/reconcile/plan"
)

// ShopsWithRequests returns the shops for which an operator's request is open.
func (s *Store) ShopsWithRequests(ctx context.Context) ([]string, error) {
	var shops []string
	if err := s.db.WithContext(ctx).Raw("SELECT DISTINCT shop FROM requests WHERE done_at IS NULL").Scan(&shops).Error; err != nil {
		return nil, fmt.Errorf("find the shops with requests: %w", err)
	}
	return shops, nil
}

// OpenHintsTotal returns how many hints are open over all shops and when the
// oldest was recorded; zero if none is.
func (s *Store) OpenHintsTotal(ctx context.Context) (open int64, oldest time.Time, err error) {
	var first Time
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*), MIN(first_at) FROM hints WHERE open = 1").Scan(&open, &first)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count the open hints: %w", err)
	}
	return open, first.Time, nil
}

// ForgetAgreement lets a shop's token answer for another agreement than the
// one it answered for before.
func (s *Store) ForgetAgreement(ctx context.Context, shop string) error {
	_, err := s.exec(ctx, "UPDATE progress SET agreement_number = 0 WHERE shop = ?", shop)
	if err != nil {
		return fmt.Errorf("forget the agreement of %s: %w", shop, err)
	}
	return nil
}

// Position is a place in a shop's history: what comes after it was committed
// after it was taken, whatever any clock says.
type Position struct{ Token, Seq int64 }

// Position returns where a shop's history stands.
func (s *Store) Position(ctx context.Context, shop string) (Position, error) {
	var p Position
	err := s.conn.QueryRowContext(ctx, "SELECT token, applied_seq FROM leases WHERE shop = ?", shop).Scan(&p.Token, &p.Seq)
	if err != nil {
		return p, fmt.Errorf("read where the history of %s stands: %w", shop, err)
	}
	return p, nil
}

// ChangesAfter returns a shop's history after a position, oldest first, of
// the given numbers or of all where there are none, at most limit.
func (s *Store) ChangesAfter(ctx context.Context, shop string, p Position, kind plan.Kind, numbers []string, limit int) ([]Change, error) {
	db := s.db.WithContext(ctx).Where("shop = ? AND (token > ? OR token = ? AND seq > ?)", shop, p.Token, p.Token, p.Seq)
	if len(numbers) > 0 {
		db = db.Where("kind = ? AND number IN ?", kind, numbers)
	}
	var list []Change
	if err := db.Order("token, seq, n").Limit(limit).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", shop, err)
	}
	return list, nil
}
