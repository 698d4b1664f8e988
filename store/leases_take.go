package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// TakeLeases takes those of the shops that are still held by the given holder
// ("": by nobody), each with a greater token. Which were taken, and with what
// token, is told by Leases.
func (s *Store) TakeLeases(ctx context.Context, shops []string, from, instance string, now time.Time) error {
	for chunk := range slices.Chunk(shops, rowsPerStatement) {
		args := []any{instance, At(now), from}
		for _, shop := range chunk {
			args = append(args, shop)
		}
		_, err := s.exec(ctx, "UPDATE leases SET holder = ?, token = token + 1, applied_seq = 0, taken_at = ? WHERE holder = ? AND shop IN "+placeholders(1, len(chunk)), args...)
		if err != nil {
			return fmt.Errorf("take the leases of %d shops: %w", len(chunk), err)
		}
	}
	return nil
}
