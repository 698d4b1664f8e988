package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// LossMemory is the loss guard's persistent state of a shop.
type LossMemory struct {
	Approved Approval      // of losses not stored yet
	Held     time.Duration // total time the shop was held: losses do not age meanwhile
	Losses   []plan.StoredLoss
}

// LossMemory returns the loss guard's state of a shop and its dataset, with the approval
// if it is not older than approvedSince. It runs one statement, two if there are recent
// losses.
func (s *Store) LossMemory(ctx context.Context, shop string, dataset Dataset, approvedSince time.Time) (LossMemory, error) {
	var m LossMemory
	var heldUS int64
	var remembered bool
	var approvedAt Time
	err := s.conn.QueryRowContext(ctx, "SELECT a.losses, a.approved_at, (SELECT COALESCE(MAX(held_us), 0) FROM loss_clocks WHERE shop = ?), EXISTS (SELECT 1 FROM recent_losses WHERE shop = ?)"+
		" FROM ("+approvalSince+") AS a", dataset, dataset, shop, At(approvedSince)).Scan(&m.Approved.Losses, &approvedAt, &heldUS, &remembered)
	if err != nil {
		return m, fmt.Errorf("read the recent losses of %s: %w", shop, err)
	}
	m.Approved.At, m.Held = approvedAt.Time, time.Duration(heldUS)*time.Microsecond
	if !remembered {
		return m, nil
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT number, lost_us, gone FROM recent_losses WHERE shop = ?", dataset)
	if err != nil {
		return m, fmt.Errorf("read the recent losses of %s: %w", shop, err)
	}
	defer rows.Close()
	for rows.Next() {
		var l plan.StoredLoss
		var lostUS int64
		if err := rows.Scan(&l.Number, &lostUS, &l.Gone); err != nil {
			return m, fmt.Errorf("read the recent losses of %s: %w", shop, err)
		}
		l.At = time.UnixMicro(lostUS).UTC()
		m.Losses = append(m.Losses, l)
	}
	if err := rows.Err(); err != nil {
		return m, fmt.Errorf("read the recent losses of %s: %w", shop, err)
	}
	return m, nil
}

// changeLosses deletes before it inserts: a number may be lost again.
func (t *tx) changeLosses(f Fence, c plan.LossChange) {
	for chunk := range slices.Chunk(c.Forgotten, rowsPerStatement) {
		args := []any{f.StockDataset}
		for _, number := range chunk {
			args = append(args, number)
		}
		t.exec("DELETE FROM recent_losses WHERE shop = ? AND number IN "+placeholders(1, len(chunk)), args...)
	}
	const columns = 4
	args := make([]any, 0, len(c.Lost)*columns)
	for _, l := range c.Lost {
		args = append(args, f.StockDataset, l.Number, l.At.UnixMicro(), l.Gone)
	}
	t.insertRows("INSERT INTO recent_losses (shop, number, lost_us, gone)", columns,
		t.dialect.onConflict("shop, number", overwrite("lost_us", "gone")...), args)
	if c.Held != 0 {
		t.exec("INSERT INTO loss_clocks (shop, held_us) VALUES (?,?)"+t.dialect.onConflict("shop", overwrite("held_us")...), f.StockDataset, c.Held.Microseconds())
	}
	if c.Approved > 0 {
		t.exec("UPDATE approvals SET losses = CASE WHEN losses > ? THEN losses - ? ELSE 0 END WHERE shop = ?", c.Approved, c.Approved, f.Shop)
	}
}
