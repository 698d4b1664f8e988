package store

import (
	"context"
	"fmt"
	"time"
)

// RefusedCalls are calls of the webhook endpoint that name a shop and have a wrong code, or a
// wrong token of Rackbeat's.
type RefusedCalls struct {
	Shop       string `gorm:"primaryKey"`
	Day        string // UTC date of Calls: the latest with any
	Calls      int64
	LastAt     Time
	LastRemote string // the address of the caller or its proxy
}

// On returns how many calls were refused on the day of a time.
func (r RefusedCalls) On(now time.Time) int64 {
	if r.Day != now.UTC().Format(time.DateOnly) {
		return 0
	}
	return r.Calls
}

// AddRefusedCalls adds calls to those of the same day, in one transaction. It skips shops that
// do not exist. Calls count twice if a commit's answer was lost.
func (s *Store) AddRefusedCalls(ctx context.Context, list []RefusedCalls) error {
	tail := s.dialect.onConflict("shop", append([]string{"calls = CASE WHEN refused_calls.day = new.day THEN refused_calls.calls + new.calls ELSE new.calls END"},
		overwrite("day", "last_at", "last_remote")...)...)
	err := s.inTx(ctx, func(t *tx) error {
		for _, r := range list {
			t.exec("INSERT INTO refused_calls (shop, day, calls, last_at, last_remote) SELECT shop, ?, ?, ?, ? FROM shops WHERE shop = ?"+tail,
				r.Day, r.Calls, r.LastAt, clip(r.LastRemote, 64), r.Shop)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count the refused calls of %d shops: %w", len(list), err)
	}
	return nil
}
