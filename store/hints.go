package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// HintRecord is one hint to be recorded, or several that say the same.
type HintRecord struct {
	Shop   string
	Kind   plan.Kind
	Number string
	Cause  plan.Cause
	At     time.Time // of the last

	FirstAt time.Time // of the first; zero: At
	DueAt   time.Time // zero: at once
	Tries   int       // reads that have shown nothing new
	Reason  plan.HintReason
	Note    string // what came of them, for people

	Failures int // reads that have failed

	More int64 // how many beside the last
}

// again adds a hint that says the same.
func (h *HintRecord) again(at time.Time) {
	h.FirstAt = h.firstAt()
	if at.Before(h.FirstAt) {
		h.FirstAt = at
	}
	if at.After(h.At) {
		h.At = at
	}
	h.More++
}

func (h *HintRecord) firstAt() time.Time {
	if h.FirstAt.IsZero() {
		return h.At
	}
	return h.FirstAt
}

const (
	insertHints = "INSERT INTO hints (shop, kind, number, cause, first_at, last_at, webhook_at, webhooks, seen_gen, open, due_at, tries, failures, reason, note)"
	newHintArgs = 15

	// By every clock, for the one that recorded a hint may be minutes ahead of the one
	// that looks for what is due.
	dueAtOnce = "1970-01-01 00:00:00.000000"
)

// hintAgain is what a further hint does to a number's row: an answered one
// opens anew; an open one stays open, keeps when it was first told of, and is
// due as soon as either. The generation grows either way, so that a read which began
// before this hint cannot answer it. "open" is set last: the others look at it.
var hintAgain = []string{
	"seen_gen = seen_gen + new.seen_gen",
	"cause = CASE WHEN open = 1 AND webhook_at IS NOT NULL THEN cause ELSE new.cause END",
	"first_at = CASE WHEN open = 1 THEN first_at ELSE new.first_at END",
	"webhooks = CASE WHEN open = 1 THEN webhooks + new.webhooks ELSE new.webhooks END",
	"webhook_at = CASE WHEN open = 1 THEN COALESCE(new.webhook_at, webhook_at) ELSE new.webhook_at END",
	"last_at = new.last_at",
	"due_at = CASE WHEN open = 1 AND due_at < new.due_at THEN due_at ELSE new.due_at END",
	"tries = new.tries",
	"failures = new.failures",
	"refused = 0",
	"reason = new.reason",
	"note = new.note",
	"open = 1",
}

func hintArgs(hints []HintRecord) []any {
	args := make([]any, 0, len(hints)*newHintArgs)
	for _, h := range hints {
		at := h.At.UTC().Format(timeLayout)
		var webhook any
		webhooks := int64(0)
		if h.Cause == plan.CauseWebhook {
			webhook, webhooks = at, 1+h.More
		}
		due := dueAtOnce
		if !h.DueAt.IsZero() {
			due = h.DueAt.UTC().Format(timeLayout)
		}
		args = append(args, h.Shop, string(h.Kind), h.Number, string(h.Cause), h.firstAt().UTC().Format(timeLayout), at, webhook, webhooks, 1+h.More, true, due, h.Tries, h.Failures, h.Reason, cause(h.Note, 500))
	}
	return args
}

// RecordHints stores hints; when it returns nil they are committed.
func (s *Store) RecordHints(ctx context.Context, hints []HintRecord) error {
	tail := s.dialect.onHintAgain()
	for chunk := range slices.Chunk(hints, rowsPerStatement) {
		if _, err := s.exec(ctx, insertHints+" VALUES "+placeholders(len(chunk), newHintArgs)+tail, hintArgs(chunk)...); err != nil {
			return fmt.Errorf("record %d hints: %w", len(chunk), err)
		}
	}
	return nil
}

func (t *tx) recordHints(hints []HintRecord) {
	for chunk := range slices.Chunk(hints, rowsPerStatement) { // the arguments of all would be a megabyte
		t.insertRows(insertHints, newHintArgs, t.dialect.onHintAgain(), hintArgs(chunk))
	}
}

func (d dialect) onHintAgain() string { return d.onConflict("shop, kind, number", hintAgain...) }

// Due says what is due: what was put off until By, or until after Beyond. Nobody
// puts anything off for so long: whoever did had a clock that was ahead.
type Due struct{ By, Beyond time.Time }

// Includes reports whether what was put off until t is due.
func (d Due) Includes(t time.Time) bool { return !t.After(d.By) || t.After(d.Beyond) }

// OpenHints returns a shop's open hints of a kind that are due.
func (s *Store) OpenHints(ctx context.Context, shop string, kind plan.Kind, due Due) (map[string]plan.Hint, error) {
	query := "SELECT number, seen_gen, webhooks, cause, first_at, webhook_at, due_at, tries, failures, refused FROM hints WHERE open = 1 AND shop = ? AND kind = ? AND (due_at <= ? OR due_at > ?)"
	rows, err := s.conn.QueryContext(ctx, query, shop, kind, At(due.By), At(due.Beyond))
	if err != nil {
		return nil, fmt.Errorf("read the open hints of %s: %w", shop, err)
	}
	defer rows.Close()
	hints := map[string]plan.Hint{}
	for rows.Next() {
		h := plan.Hint{Kind: kind}
		var first, webhook, due Time
		if err := rows.Scan(&h.Number, &h.Gen, &h.Webhooks, &h.Cause, &first, &webhook, &due, &h.Tries, &h.Failures, &h.Refused); err != nil {
			return nil, fmt.Errorf("read the open hints of %s: %w", shop, err)
		}
		h.FirstAt, h.WebhookAt, h.DueAt = first.Time, webhook.Time, due.Time
		hints[h.Number] = h
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the open hints of %s: %w", shop, err)
	}
	return hints, nil
}

// CountOpenHints returns how many of a shop's open hints, of any kind, are due.
func (s *Store) CountOpenHints(ctx context.Context, shop string, due Due) (count int, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM hints WHERE open = 1 AND shop = ? AND (due_at <= ? OR due_at > ?)", shop, At(due.By), At(due.Beyond)).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count the open hints of %s: %w", shop, err)
	}
	return count, nil
}

// Hint is a hint's row, as people look at it.
type Hint struct {
	Shop      string     `gorm:"primaryKey"`
	Kind      plan.Kind  `gorm:"primaryKey"`
	Number    string     `gorm:"primaryKey"`
	SeenGen   int64      // grows with every hint
	DoneGen   int64      // the generation last answered
	Open      bool       // SeenGen > DoneGen
	Cause     plan.Cause // of the latest hint, a webhook's before others'
	FirstAt   Time       // first hint of this open period
	LastAt    Time
	WebhookAt Time
	Webhooks  int64 // of this open period
	DueAt     Time
	Tries     int
	Failures  int
	Refused   bool            // e-conomic refused the number when it was last read
	Reason    plan.HintReason // why it was answered without a change, or is read again
	Note      string          // for people
}

// Hints returns the rows of the given numbers, those that exist.
func (s *Store) Hints(ctx context.Context, shop string, kind plan.Kind, numbers []string) ([]Hint, error) {
	var hints []Hint
	err := s.db.WithContext(ctx).Where("shop = ? AND kind = ? AND number IN ?", shop, kind, numbers).Find(&hints).Error
	if err != nil {
		return nil, fmt.Errorf("read hints of %s: %w", shop, err)
	}
	return hints, nil
}

// OpenHintsTotal returns how many hints are open over all shops, those that wait
// to be unpacked among them, and when the oldest was recorded; zero if none is.
func (s *Store) OpenHintsTotal(ctx context.Context) (open int64, oldest time.Time, err error) {
	var first Time
	err = s.conn.QueryRowContext(ctx, "SELECT COALESCE(SUM(hints), 0), MIN(first_at) FROM ("+
		"SELECT COUNT(*) AS hints, MIN(first_at) AS first_at FROM hints WHERE open = 1 AND shop IN (SELECT shop FROM shops)"+
		" UNION ALL SELECT SUM(hints), MIN(first_at) FROM hint_batches WHERE set_aside = 0 AND shop IN (SELECT shop FROM shops)) AS open_hints").Scan(&open, &first)
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("count the open hints: %w", err)
	}
	return open, first.Time, nil
}
