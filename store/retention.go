package store

import (
	"context"
	"fmt"
	"time"
)

// Prune deletes what a shop need not keep: history, and answered hints, from
// before the given times. Hints may be deleted only by the holder of the
// lease, between passes: a row that is made anew counts its generations from
// the start, and a pass under way would answer it by a greater one.
func (s *Store) Prune(ctx context.Context, f Fence, history, hints time.Time) error {
	err := s.inTx(ctx, func(t *tx) error {
		_, err := t.fence(f)
		return err
	})
	if err == nil {
		_, err = s.deleteInPieces(ctx, "hints", "shop = ? AND open = 0 AND last_at < ?", f.Shop, At(hints))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "changes", "shop = ? AND committed_at < ?", f.Shop, At(history))
	}
	if err != nil {
		return fmt.Errorf("prune what is kept for %s: %w", f.Shop, err)
	}
	return nil
}

// PruneRequests deletes requests made before the given time, and what was left
// for shops that have been removed.
func (s *Store) PruneRequests(ctx context.Context, before time.Time) error {
	_, err := s.deleteInPieces(ctx, "requests", "requested_at < ?", At(before))
	if err == nil {
		// Webhooks in the second after a shop's removal leave hints of no shop.
		_, err = s.deleteInPieces(ctx, "hints", "last_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err != nil {
		return fmt.Errorf("prune old requests: %w", err)
	}
	return nil
}
