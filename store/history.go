package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// Change is a row of a shop's history as commands show it.
type Change struct {
	Shop         string
	Token        int64 // of the lease under which it was found
	Seq          int64 // of the transaction under that lease
	N            int   // of the change within the transaction
	Kind         plan.Kind
	Number       string
	What         plan.What
	OldStock     *string
	NewStock     *string
	OldInStock   *string
	NewInStock   *string
	OldAvailable *string
	NewAvailable *string
	OldState     plan.State
	NewState     plan.State
	Cause        plan.Cause
	Webhook      plan.Webhook
	EconomicAt   Time
	HintedAt     Time
	ObservedAt   Time
	CommittedAt  Time
	RenumberedTo string
	Source       StockSource // where it was read
}

// Changes returns a shop's history since the given time, oldest first: of the given
// numbers, or of all if there are none, and at most limit changes, the latest ones.
func (s *Store) Changes(ctx context.Context, shop string, kind plan.Kind, numbers []string, since time.Time, limit int) ([]Change, error) {
	db := s.db.WithContext(ctx).Where("shop = ? AND committed_at >= ?", shop, At(since))
	if kind != "" {
		db = db.Where("kind = ?", kind)
	}
	if len(numbers) > 0 {
		db = db.Where("number IN ?", numbers)
	}
	var list []Change
	if err := db.Order("committed_at DESC, token DESC, seq DESC, n DESC").Limit(limit).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", shop, err)
	}
	slices.Reverse(list)
	return list, nil
}

// Position is a place in a shop's history: changes after it were committed after it
// was read, independent of any clock.
type Position struct{ Token, Seq int64 }

// Position returns the end of a shop's history.
func (s *Store) Position(ctx context.Context, shop string) (Position, error) {
	var p Position
	err := s.conn.QueryRowContext(ctx, "SELECT token, applied_seq FROM leases WHERE shop = ?", shop).Scan(&p.Token, &p.Seq)
	if err != nil {
		return p, fmt.Errorf("read the end of the history of %s: %w", shop, err)
	}
	return p, nil
}

// ChangesAfter returns a shop's history after a position, oldest first and at most
// limit changes: of the given numbers, or of all if there are none.
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
