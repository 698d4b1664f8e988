package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

const (
	// piecesPerPass limits how long a shop waits for its old rows to be deleted.
	piecesPerPass = 20

	// keepUnknown is how long the answered hints of numbers that do not exist are kept.
	keepUnknown = 24 * time.Hour
	// Whoever sends webhooks of numbers that do not exist leaves a row for each. After manyUnknown
	// of them the shop is pruned each hour, of those that are older than that.
	manyUnknown       = 10_000
	keepUnknownOfMany = time.Hour
)

// pruned is when a shop was last pruned, and what has come since.
type pruned struct {
	at      time.Time
	unknown int // hints answered as of numbers that do not exist
}

func (p *pruned) count(answered []plan.Answer) {
	for _, a := range answered {
		if a.Reason == plan.HintUnknown {
			p.unknown++
		}
	}
}

// keepsUnknown returns for how long such hints are kept now.
func (p *pruned) keepsUnknown() time.Duration {
	if p.unknown < manyUnknown {
		return keepUnknown
	}
	return keepUnknownOfMany
}

// pruneEvery returns how often a shop is pruned of rows that are kept for the given time.
func pruneEvery(keep time.Duration) time.Duration { return min(24*time.Hour, keep/10) }

// prune deletes rows past their retention, from time to time.
func (p *pruned) prune(ctx context.Context, s *Shop) error {
	now, unknown := s.Now(), p.keepsUnknown()
	every := min(pruneEvery(min(s.KeepHistory, s.KeepHints)), unknown)
	if p.at.IsZero() {
		// Not all shops at once after a start, and not only those whose lease is held for long.
		p.at = now.Add(-s.Jitter(every))
	}
	if now.Sub(p.at) < every {
		return nil
	}
	if err := s.stock.losses.forgetOver(ctx); err != nil {
		return err
	}
	listing := s.stock.sweep.listing != nil
	old := store.Ages{History: now.Add(-s.KeepHistory), Hints: now.Add(-s.KeepHints), Unknown: now.Add(-unknown)}
	if listing {
		// It claims hints over many passes: their rows must not be recreated before it answers
		// them.
		old.Hints, old.Unknown = time.Time{}, time.Time{}
	}
	for range piecesPerPass {
		more, err := s.Store.Prune(ctx, s.fence(), old)
		if err != nil {
			return err
		}
		if !more {
			if !listing {
				*p = pruned{at: now}
			}
			return nil
		}
	}
	return nil // the next tick continues
}
