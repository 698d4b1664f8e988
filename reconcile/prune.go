package reconcile

import (
	"context"
	"time"
)

// piecesPerPass bounds how long a shop waits for its old rows to be deleted.
const piecesPerPass = 20

// pruneEvery returns how often a shop is pruned of what is kept for so long.
func pruneEvery(keep time.Duration) time.Duration { return min(24*time.Hour, keep/10) }

// prune deletes what need not be kept, now and then.
func (s *Shop) prune(ctx context.Context) error {
	now := s.Now()
	every := pruneEvery(min(s.KeepHistory, s.KeepHints))
	if s.pruned.IsZero() {
		// Not all shops at once after a start, and not only those whose lease is
		// held for long.
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
		// It has hints in hand, over many passes: none of their rows may be made anew
		// before it answers them.
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
	return nil // the next tick goes on
}
