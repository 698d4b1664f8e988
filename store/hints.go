package store

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"lagerd/plan"
)

// HintRecord is a hint to record, or several of one number merged.
type HintRecord struct {
	Shop   string
	Kind   plan.Kind
	Number string
	Cause  plan.Cause
	At     time.Time // of the last hint

	FirstAt time.Time // of the first hint; zero: At
	DueAt   time.Time // zero: at once
	Tries   int       // reads that showed nothing new
	Reason  plan.HintReason
	Note    string // result of those reads, for people

	Failures int // reads that failed

	More int64 // hints merged in addition to the last
}

// merge merges another hint of the same number.
func (h *HintRecord) merge(at time.Time) {
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

	// Due by every clock: the one that recorded a hint may be minutes ahead of the one
	// that checks what is due.
	dueAtOnce = "1970-01-01 00:00:00.000000"
)

// hintAgain merges a further hint into its number's row: an answered row reopens; an
// open one stays open, keeps its first_at, and is due at the earlier of the two times.
// The generation grows either way, so that a read which began before this hint cannot
// answer it. "open" is set last: the other assignments use its old value.
var hintAgain = []string{
	"seen_gen = seen_gen + new.seen_gen",
	"cause = CASE WHEN open = 1 AND cause = 'operator' THEN cause WHEN open = 1 AND webhook_at IS NOT NULL AND new.cause <> 'operator' THEN cause ELSE new.cause END",
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
		args = append(args, h.Shop, string(h.Kind), h.Number, string(h.Cause), h.firstAt().UTC().Format(timeLayout), at, webhook, webhooks, 1+h.More, true, due, h.Tries, h.Failures, h.Reason, shorten(h.Note, 500))
	}
	return args
}

// RecordHints stores hints; they are committed when it returns nil.
func (s *Store) RecordHints(ctx context.Context, hints []HintRecord) error {
	if args := actions(ctx, asked(hints)); len(args) > 0 {
		err := s.inTx(ctx, func(t *tx) error {
			t.recordHints(hints)
			t.insertRows(insertActions, actionArgs, "", args)
			return nil
		})
		if err != nil {
			return fmt.Errorf("record %d hints: %w", len(hints), err)
		}
		return nil
	}
	tail := s.dialect.onHintAgain()
	for chunk := range slices.Chunk(hints, rowsPerStatement) {
		if _, err := s.exec(ctx, insertHints+" VALUES "+placeholders(len(chunk), newHintArgs)+tail, hintArgs(chunk)...); err != nil {
			return fmt.Errorf("record %d hints: %w", len(chunk), err)
		}
	}
	return nil
}

// asked returns the actions of people who asked for a number.
func asked(hints []HintRecord) []Action {
	var list []Action
	for _, h := range hints {
		if h.Cause == plan.CauseOperator {
			list = append(list, Action{Shop: h.Shop, What: ActionAsked, Kind: h.Kind, Number: h.Number, ActedAt: At(h.At)})
		}
	}
	return list
}

func (t *tx) recordHints(hints []HintRecord) {
	for chunk := range slices.Chunk(hints, rowsPerStatement) { // the arguments of all would be a megabyte
		t.insertRows(insertHints, newHintArgs, t.dialect.onHintAgain(), hintArgs(chunk))
	}
}

func (d dialect) onHintAgain() string { return d.onConflict("shop, kind, number", hintAgain...) }

// Due is a condition on due times: at or before By, or after Beyond. Nothing is
// postponed that far: such a time was written by a clock that was ahead.
type Due struct{ By, Beyond time.Time }

// Includes reports whether something due at t is due.
func (d Due) Includes(t time.Time) bool { return !t.After(d.By) || t.After(d.Beyond) }

// EachOpenHint yields a shop's open hints of a kind that are due, the earliest due first, at most
// limit if that is not 0. It yields an error last.
func (s *Store) EachOpenHint(ctx context.Context, shop string, kind plan.Kind, due Due, limit int) iter.Seq2[plan.Hint, error] {
	query, args := "SELECT number, seen_gen, webhooks, cause, first_at, webhook_at, due_at, tries, failures, refused FROM hints WHERE open = 1 AND shop = ? AND kind = ? AND (due_at <= ? OR due_at > ?)", []any{shop, kind, At(due.By), At(due.Beyond)}
	if limit > 0 {
		query, args = query+" ORDER BY due_at LIMIT ?", append(args, limit)
	}
	return func(yield func(plan.Hint, error) bool) {
		fail := func(err error) { yield(plan.Hint{}, fmt.Errorf("read the open hints of %s: %w", shop, err)) }
		rows, err := s.conn.QueryContext(ctx, query, args...)
		if err != nil {
			fail(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			h := plan.Hint{Kind: kind}
			var first, webhook, due Time
			if err := rows.Scan(&h.Number, &h.Gen, &h.Webhooks, &h.Cause, &first, &webhook, &due, &h.Tries, &h.Failures, &h.Refused); err != nil {
				fail(err)
				return
			}
			h.FirstAt, h.WebhookAt, h.DueAt = first.Time, webhook.Time, due.Time
			if !yield(h, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			fail(err)
		}
	}
}

// CountOpenHints returns how many of a shop's open hints, of any kind, are due.
func (s *Store) CountOpenHints(ctx context.Context, shop string, due Due) (count int, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM hints WHERE open = 1 AND shop = ? AND (due_at <= ? OR due_at > ?)", shop, At(due.By), At(due.Beyond)).Scan(&count)
	if err != nil {
		return 0, fmt.Errorf("count the open hints of %s: %w", shop, err)
	}
	return count, nil
}

// Hint is a hint's row as commands show it.
type Hint struct {
	Shop      string     `gorm:"primaryKey"`
	Kind      plan.Kind  `gorm:"primaryKey"`
	Number    string     `gorm:"primaryKey"`
	SeenGen   int64      // incremented by every hint
	DoneGen   int64      // the generation last answered
	Open      bool       // SeenGen > DoneGen
	Cause     plan.Cause // operator if a person asks; else of the latest webhook, else of the latest hint
	FirstAt   Time       // first hint of this open period
	LastAt    Time
	WebhookAt Time
	Webhooks  int64 // of this open period
	DueAt     Time
	Tries     int
	Failures  int
	Refused   bool            // e-conomic refused the number's last read
	Reason    plan.HintReason // why it was answered without a change, or rereads are pending
	Note      string          // for people
}

// Hints returns the rows of those of the given numbers that have one.
func (s *Store) Hints(ctx context.Context, shop string, kind plan.Kind, numbers []string) ([]Hint, error) {
	var hints []Hint
	err := s.db.WithContext(ctx).Where("shop = ? AND kind = ? AND number IN ?", shop, kind, numbers).Find(&hints).Error
	if err != nil {
		return nil, fmt.Errorf("read hints of %s: %w", shop, err)
	}
	return hints, nil
}

// firstUnlessAwaiting is when an open hint was recorded, unless it is to wait for a listing.
const firstUnlessAwaiting = "CASE WHEN reason = '" + string(plan.HintAwaitsListing) + "' THEN NULL ELSE first_at END"
