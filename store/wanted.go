package store

import (
	"context"
	"fmt"
	"time"
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
