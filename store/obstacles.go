package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

	"lagerd/plan"
)

// ObstacleWhat says what an obstacle was.
type ObstacleWhat string

// What kept lagerd from reading something.
const (
	ObstacleReads  ObstacleWhat = "reads"  // of a hinted number, which failed
	ObstaclePDF    ObstacleWhat = "pdf"    // tries at an invoice's lines and PDF, which failed
	ObstaclePasses ObstacleWhat = "passes" // of the shop, which failed since a good tick
	ObstacleHold   ObstacleWhat = "hold"   // a hold that has ended
)

// Obstacle is what kept lagerd from reading a number or part of a shop for a while. Holds in force
// are none yet: Progress has those.
type Obstacle struct {
	Shop     string
	What     ObstacleWhat
	Kind     plan.Kind // of Number
	Number   string    // "": the shop
	Scope    plan.Scope
	OpenedAt Time // reads: when the hint came; passes: the last good tick; hold: since when
	Reason   plan.Reason
	Detail   string // of a hold, or the last error
	Times    int    // how many failed
	BeganAt  Time   // when the first failed, or the hold began
	LastAt   Time   // when the last failed, or the hold ended
}

const (
	obstacleColumns = "shop, what, kind, number, scope, opened_at, reason, detail, times, began_at, last_at"
	obstacleArgs    = 11
	insertObstacles = "INSERT INTO obstacles (" + obstacleColumns + ")"
)

// onObstacleAgain turns an INSERT of an obstacle into an upsert.
func (d dialect) onObstacleAgain(set ...string) string {
	return d.onConflict("shop, what, kind, number, scope, opened_at", append(set, overwrite("reason", "detail", "last_at")...)...)
}

// Obstacles returns what kept lagerd from reading a number, or part of its shop, and began since
// the given time, oldest first: at most limit obstacles, the latest ones.
func (s *Store) Obstacles(ctx context.Context, shop string, kind plan.Kind, number string, since time.Time, limit int) ([]Obstacle, error) {
	var list []Obstacle
	err := s.db.WithContext(ctx).Raw("SELECT "+obstacleColumns+" FROM obstacles WHERE shop = ? AND last_at >= ? AND began_at >= ? AND (number = '' OR kind = ? AND number = ?)"+
		" ORDER BY began_at DESC, what DESC, scope DESC LIMIT ?", shop, At(since), At(since), kind, number, limit).Scan(&list).Error
	if err != nil {
		return nil, fmt.Errorf("read what kept lagerd from reading %s of %s: %w", number, shop, err)
	}
	slices.Reverse(list)
	return list, nil
}

// keepFailures keeps which reads of a transaction failed. Without a failure it does nothing.
func (t *tx) keepFailures(shop string, a Applied, now time.Time) {
	for _, kind := range []plan.Kind{plan.KindStock, plan.KindInvoice} {
		for chunk := range slices.Chunk(failedReads(a, kind), rowsPerStatement) {
			t.keepFailedReads(shop, kind, chunk, now)
		}
	}
	var args []any
	for _, w := range a.Work {
		if !w.Keep && w.Error != "" {
			args = append(args, shop, ObstaclePDF, plan.KindInvoice, strconv.FormatInt(w.Number, 10), "", notNull, "", shorten(w.Error, 500), w.Tries, At(now), At(now))
		}
	}
	// An invoice that is fetched once more, after it was stored, begins anew.
	t.insertRows(insertObstacles, obstacleArgs, t.dialect.onObstacleAgain("began_at = CASE WHEN new.times = 1 THEN new.began_at ELSE began_at END", "times = new.times"), args)
}

// failedReads returns the hints of a kind whose read failed, or was a failure the last time and is
// postponed for that again.
func failedReads(a Applied, kind plan.Kind) []HintRecord {
	var list []HintRecord
	for _, r := range a.Rereads {
		if r.Kind == kind && r.Failures > 0 && (r.Reason == plan.HintFailed || r.Reason == plan.HintForbidden) {
			list = append(list, HintRecord{Number: r.Number, Failures: r.Failures, Note: r.Note})
		}
	}
	for _, h := range a.Hints {
		if h.Kind == kind && h.Failures > 0 {
			list = append(list, h)
		}
	}
	return list
}

// keepFailedReads keeps those reads that failed now: their hints' rows, which are written later,
// count fewer failures.
func (t *tx) keepFailedReads(shop string, kind plan.Kind, failed []HintRecord, now time.Time) {
	open := t.openHints(shop, kind, failed)
	args := make([]any, 0, len(failed)*obstacleArgs)
	for _, h := range failed {
		row, is := open[h.Number]
		switch {
		case is && row.failures >= h.Failures:
			continue
		case !is:
			row.firstAt = At(h.firstAt())
		}
		if row.firstAt.IsZero() {
			continue // another holder has answered it
		}
		args = append(args, shop, ObstacleReads, kind, h.Number, "", row.firstAt, "", shorten(h.Note, 500), 1, At(now), At(now))
	}
	t.insertRows(insertObstacles, obstacleArgs, t.dialect.onObstacleAgain("times = times + new.times"), args)
}

type openHint struct {
	firstAt  Time
	failures int
}

func (t *tx) openHints(shop string, kind plan.Kind, list []HintRecord) map[string]openHint {
	open := map[string]openHint{}
	if t.err != nil {
		return open
	}
	args := []any{shop, kind}
	for _, h := range list {
		args = append(args, h.Number)
	}
	rows, err := t.conn.QueryContext(t.ctx, "SELECT number, first_at, failures FROM hints WHERE open = 1 AND shop = ? AND kind = ? AND number IN "+placeholders(1, len(list)), args...)
	if err != nil {
		t.err = err
		return open
	}
	defer rows.Close()
	for rows.Next() && t.err == nil {
		var number string
		var h openHint
		t.err = rows.Scan(&number, &h.firstAt, &h.failures)
		open[number] = h
	}
	if t.err == nil {
		t.err = rows.Err()
	}
	return open
}

// keepFailedPass keeps that a pass of the shop failed. Passes that fail without a good tick between
// them are one obstacle.
func (t *tx) keepFailedPass(shop, failure string, now time.Time) {
	t.exec(insertObstacles+" SELECT shop, ?, '', '', '', COALESCE(tick_at, ?), '', ?, 1, ?, ? FROM progress WHERE shop = ?"+t.dialect.onObstacleAgain("times = times + new.times"),
		ObstaclePasses, notNull, shorten(failure, 500), At(now), At(now), shop)
}

// endedHolds is the statement that keeps the holds that a condition selects, before they are
// deleted. Its arguments are ObstacleHold, the time and those of the condition.
func (d dialect) endedHolds(where string) string {
	return insertObstacles + " SELECT shop, ?, '', '', scope, since, reason, detail, 1, since, ? FROM holds WHERE " + where + d.onObstacleAgain()
}

// deleteHolds deletes the holds that a condition selects, for a person's command, and keeps them.
func (s *Store) deleteHolds(db *gorm.DB, now time.Time, where string, args ...any) error {
	if err := db.Exec(s.dialect.endedHolds(where), append([]any{ObstacleHold, At(now)}, args...)...).Error; err != nil {
		return err
	}
	return db.Exec("DELETE FROM holds WHERE "+where, args...).Error
}
