package store

import (
	"context"
	"fmt"
	"time"
)

// Clock returns the database server's time. ok is false for the embedded database,
// which uses this machine's clock.
func (s *Store) Clock(ctx context.Context) (now time.Time, ok bool, err error) {
	if s.dialect.isSQLite() {
		return time.Time{}, false, nil
	}
	var at Time
	if err := s.conn.QueryRowContext(ctx, "SELECT UTC_TIMESTAMP(6)").Scan(&at); err != nil {
		return time.Time{}, false, fmt.Errorf("read the database's clock: %w", err)
	}
	return at.Time, true, nil
}
