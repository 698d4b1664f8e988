package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
)

// The kinds of operators' requests.
const (
	WantTick  = "tick"
	WantSweep = "sweep"
)

// Request asks the holder of a shop's lease for a tick or a sweep.
type Request struct {
	Request     string `gorm:"primaryKey"` // a UUID
	Shop        string
	What        string
	RequestedAt Time
	DoneAt      Time // zero: not done yet
	Changes     int64
	Failure     string // "" if it succeeded
}

// AddRequests stores requests.
func (s *Store) AddRequests(ctx context.Context, requests []Request) error {
	if len(requests) == 0 {
		return nil
	}
	done := make([]Action, len(requests))
	for i, r := range requests {
		done[i] = Action{Shop: r.Shop, What: ActionAsked, Detail: r.What, ActedAt: r.RequestedAt}
	}
	err := s.db.WithContext(ctx).Transaction(func(db *gorm.DB) error {
		if err := db.CreateInBatches(requests, rowsPerStatement).Error; err != nil {
			return err
		}
		return act(ctx, db, done...)
	})
	if err != nil {
		return explain(fmt.Errorf("store the request: %w", err))
	}
	return nil
}

// OpenRequests returns a shop's requests that are not done, oldest first.
func (s *Store) OpenRequests(ctx context.Context, shop string) ([]Request, error) {
	var list []Request
	if err := s.db.WithContext(ctx).Where("done_at IS NULL AND shop = ?", shop).Order("requested_at").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the requests for %s: %w", shop, err)
	}
	return list, nil
}

// FinishRequests marks requests of the fence's shop as done. failure is "" if they
// succeeded. If the lease was lost, or the settings changed, it returns ErrFenced or
// ErrSettingsChanged and the requests stay open for the next pass: without the fence
// here, a pass that changed nothing would not notice.
func (s *Store) FinishRequests(ctx context.Context, f Fence, requests []Request, now time.Time, changes int, failure string) error {
	if len(requests) == 0 {
		return nil
	}
	err := s.inFencedTx(ctx, f, func(t *tx) error {
		for chunk := range slices.Chunk(requests, rowsPerStatement) {
			args := []any{At(now), changes, shorten(failure, 500), f.Shop}
			for _, r := range chunk {
				args = append(args, r.Request)
			}
			t.exec("UPDATE requests SET done_at = ?, changes = ?, failure = ? WHERE done_at IS NULL AND shop = ? AND request IN "+placeholders(1, len(chunk)), args...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("finish requests of %s: %w", f.Shop, err)
	}
	return nil
}

// Requests returns those of the requests with the given ids that exist.
func (s *Store) Requests(ctx context.Context, ids []string) ([]Request, error) {
	var list []Request
	if err := s.db.WithContext(ctx).Where("request IN ?", ids).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return list, nil
}
