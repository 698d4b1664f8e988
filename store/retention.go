package store

import (
	"context"
	"fmt"
	"time"
)

// Prune deletes a shop's history and answered hints from before the given times, at most
// RowsPerPiece of each. more reports that there may be more to delete. Hints may be
// deleted only by the holder of the lease, between passes: a recreated row starts its
// generations again, and a running pass would answer it with a greater one. A zero time
// keeps everything.
func (s *Store) Prune(ctx context.Context, f Fence, history, hints time.Time) (more bool, err error) {
	if old, err := s.anyOld(ctx, f.Shop, history, hints); err != nil || !old {
		return false, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			more = true
			return err
		}
		var answered int64
		if !hints.IsZero() {
			answered = t.exec(s.dialect.deletePiece("hints", oldHints), f.Shop, At(hints))
		}
		var old int64
		if !history.IsZero() {
			old = t.exec(s.dialect.deletePiece("changes", oldChanges), f.Shop, At(history))
		}
		more = max(answered, old) == RowsPerPiece
		return nil
	})
	if err != nil {
		return more, fmt.Errorf("prune %s: %w", f.Shop, err)
	}
	return more, nil
}

const (
	oldHints   = "shop = ? AND open = 0 AND last_at < ?"
	oldChanges = "shop = ? AND committed_at < ?"
)

// anyOld reports whether there is anything to prune. Most shops have nothing.
func (s *Store) anyOld(ctx context.Context, shop string, history, hints time.Time) (old bool, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM hints WHERE "+oldHints+") OR EXISTS (SELECT 1 FROM changes WHERE "+oldChanges+")",
		shop, At(hints), shop, At(history)).Scan(&old)
	if err != nil {
		return false, fmt.Errorf("check what to prune of %s: %w", shop, err)
	}
	return old, nil
}

// PruneRequests deletes requests made before the given time, and rows left behind for
// removed shops.
func (s *Store) PruneRequests(ctx context.Context, before time.Time) error {
	_, err := s.deleteInPieces(ctx, "requests", "requested_at < ?", At(before))
	if err == nil {
		// Webhooks and commands within a second of a shop's removal leave rows without a shop.
		_, err = s.deleteInPieces(ctx, "hints", "last_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "hint_batches", "first_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err != nil {
		return fmt.Errorf("prune old requests: %w", err)
	}
	return nil
}
