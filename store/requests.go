package store

import (
	"context"
	"fmt"
	"time"
)

// What an operator's request asks of a shop.
const (
	WantTick  = "tick"
	WantSweep = "sweep"
)

// Request asks whichever lagerd holds a shop's lease for a tick or a sweep.
type Request struct {
	Request     string `gorm:"primaryKey"` // a UUID
	Shop        string
	What        string
	RequestedAt Time
	DoneAt      Time // zero: not done yet
	Changes     int64
	Failure     string // why it failed; "" if it did not
}

// AddRequests stores requests.
func (s *Store) AddRequests(ctx context.Context, requests []Request) error {
	if len(requests) == 0 {
		return nil
	}
	if err := s.db.WithContext(ctx).CreateInBatches(requests, rowsPerStatement).Error; err != nil {
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

// FinishRequest marks a request as done, if its shop's lease is still held
// under the token. failure is "" if it succeeded.
func (s *Store) FinishRequest(ctx context.Context, r Request, token int64, now time.Time, changes int, failure string) error {
	_, err := s.exec(ctx, "UPDATE requests SET done_at = ?, changes = ?, failure = ? WHERE request = ? AND done_at IS NULL"+
		" AND EXISTS (SELECT 1 FROM leases WHERE leases.shop = requests.shop AND leases.token = ?)", At(now), changes, cause(failure, 500), r.Request, token)
	if err != nil {
		return fmt.Errorf("finish the request %s: %w", r.Request, err)
	}
	return nil
}

// Requests returns the requests of the given ids, those that exist.
func (s *Store) Requests(ctx context.Context, ids []string) ([]Request, error) {
	var list []Request
	if err := s.db.WithContext(ctx).Where("request IN ?", ids).Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return list, nil
}
