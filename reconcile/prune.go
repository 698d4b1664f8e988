package reconcile

import (
	"context"
	"time"
)

// piecesPerPass limits how long a shop waits for its old rows to be deleted.
const piecesPerPass = 20

// pruneEvery returns how often a shop is pruned of rows that are kept for the given time.
func pruneEvery(keep time.Duration) time.Duration { return min(24*time.Hour, keep/10) }

// prune deletes rows past their retention, from time to time.
func (s *Shop) prune(ctx context.Context) error {
	now := s.Now()
	every := pruneEvery(min(s.KeepHistory, s.KeepHints))
	if s.pruned.IsZero() {
		// Not all shops at once after a start, and not only those whose lease is held for long.
		s.pruned = now.Add(-s.Jitter(every))
	}
	if now.Sub(s.pruned) < every {
		return nil
	}
	if err := s.stock.losses.forgetOver(ctx); err != nil {
		return err
	}
	hints, listing := now.Add(-s.KeepHints), s.stock.sweep.listing != nil
	if listing {
		// It claims hints over many passes: their rows must not be recreated before it answers
		// them.
		hints = time.Time{}
	}
	for range piecesPerPass {
		more, err := s.Store.Prune(ctx, s.fence(), now.Add(-s.KeepHistory), hints)
		if err != nil {
			return err
		}
		if !more {
			if !listing {
				s.pruned = now
			}
			return nil
		}
	}
	return nil // the next tick continues
}
