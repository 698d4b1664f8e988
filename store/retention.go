package store

import (
	"context"
	"fmt"
	"time"

	"lagerd/plan"
)

// Ages are the times before which a shop's rows are deleted. A zero time keeps everything.
type Ages struct {
	History time.Time // changes, what people did, and obstacles
	Hints   time.Time // answered hints
	Unknown time.Time // answered hints of numbers that do not exist
}

// Prune deletes a shop's history, actions, obstacles and answered hints from before the given times, at most
// RowsPerPiece of each. more reports that there may be more to delete. Hints may be
// deleted only by the holder of the lease, between passes: a recreated row starts its
// generations again, and a running pass would answer it with a greater one.
func (s *Store) Prune(ctx context.Context, f Fence, old Ages) (more bool, err error) {
	if is, err := s.anyOld(ctx, f.Shop, old); err != nil || !is {
		return false, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		done, err := t.fence(f)
		if err != nil || done {
			more = true
			return err
		}
		most := int64(0)
		for _, p := range []struct {
			table, where string
			before       time.Time
		}{{"hints", oldHints, old.Hints}, {"hints", oldUnknown, old.Unknown}, {"changes", oldChanges, old.History}, {"actions", oldActions, old.History}, {"obstacles", oldObstacles, old.History}} {
			if !p.before.IsZero() {
				most = max(most, t.exec(s.dialect.deletePiece(p.table, p.where), f.Shop, At(p.before)))
			}
		}
		more = most == RowsPerPiece
		return nil
	})
	if err != nil {
		return more, fmt.Errorf("prune %s: %w", f.Shop, err)
	}
	return more, nil
}

const (
	oldHints   = "shop = ? AND open = 0 AND last_at < ?"
	oldUnknown = "shop = ? AND open = 0 AND reason = '" + string(plan.HintUnknown) + "' AND last_at < ?"
	oldChanges = "shop = ? AND committed_at < ?"
	oldActions = "shop = ? AND acted_at < ?"

	oldObstacles = "shop = ? AND last_at < ?"
)

// anyOld reports whether there is anything to prune. Most shops have nothing.
func (s *Store) anyOld(ctx context.Context, shop string, than Ages) (old bool, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM hints WHERE "+oldHints+") OR EXISTS (SELECT 1 FROM hints WHERE "+oldUnknown+") OR EXISTS (SELECT 1 FROM changes WHERE "+oldChanges+") OR EXISTS (SELECT 1 FROM actions WHERE "+oldActions+") OR EXISTS (SELECT 1 FROM obstacles WHERE "+oldObstacles+")",
		shop, At(than.Hints), shop, At(than.Unknown), shop, At(than.History), shop, At(than.History), shop, At(than.History)).Scan(&old)
	if err != nil {
		return false, fmt.Errorf("check what to prune of %s: %w", shop, err)
	}
	return old, nil
}

// PruneRequests deletes requests made before the given time, and rows left behind for
// removed shops, their agreements and their accounts.
func (s *Store) PruneRequests(ctx context.Context, before time.Time) error {
	_, err := s.deleteInPieces(ctx, "requests", "requested_at < ?", At(before))
	if err == nil {
		// Webhooks and commands within a second of a shop's removal leave rows without a shop.
		_, err = s.deleteInPieces(ctx, "hints", "last_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "hint_batches", "first_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "hint_marks", "first_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "actions", "acted_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	if err == nil {
		_, err = s.deleteInPieces(ctx, "obstacles", "last_at < ? AND shop NOT IN (SELECT shop FROM shops)", At(before))
	}
	for _, to := range services {
		if in := to.ledger(); err == nil {
			_, err = s.deleteInPieces(ctx, in.table, "calls_day < ? AND (blocked_until IS NULL OR blocked_until < ?) AND "+in.account+" NOT IN (SELECT "+in.ofShop+" FROM progress)",
				before.UTC().Format(time.DateOnly), At(before))
		}
	}
	if err != nil {
		return fmt.Errorf("prune old requests: %w", err)
	}
	return nil
}
