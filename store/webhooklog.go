package store

import (
	"context"
	"fmt"
	"time"

	"lagerd/plan"
)

// LoggedCall is a call in a shop's webhook log, with what became of its hint.
type LoggedCall struct {
	WebhookCall

	Unknown bool // the hint was answered: the source has no such number
}

// WebhookLog returns all calls that a shop's log has, refused ones included, newest first.
func (s *Store) WebhookLog(ctx context.Context, shop string) ([]LoggedCall, error) {
	fail := func(err error) ([]LoggedCall, error) {
		return nil, fmt.Errorf("read the webhook log of %s: %w", shop, err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT c.slot, c.called_at, c.method, c.remote, c.kind, c.number, c.status, c.outcome, h.number IS NOT NULL"+
		" FROM webhook_calls c LEFT JOIN hints h ON h.shop = c.shop AND h.kind = c.kind AND h.number = c.number AND h.open = 0 AND h.reason = ?"+
		" WHERE c.shop = ? ORDER BY c.called_at DESC, c.slot", plan.HintUnknown, shop)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []LoggedCall
	for rows.Next() {
		c := LoggedCall{WebhookCall: WebhookCall{Shop: shop}}
		if err := rows.Scan(&c.Slot, &c.CalledAt, &c.Method, &c.Remote, &c.Kind, &c.Number, &c.Status, &c.Outcome, &c.Unknown); err != nil {
			return fail(err)
		}
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

// Announced is a change of the kind that a webhook should announce, and what happened to its
// webhook.
type Announced struct {
	CommittedAt time.Time
	Webhook     plan.Webhook
}

// Announcements are a shop's changes of a kind that webhooks should announce, since a time.
type Announcements struct {
	Came, Late, Missed int64       // how many, by what happened to the webhook
	Latest             []Announced // newest first

	Ever bool // a webhook of the kind has come at any time, as far as the history reaches
}

// Announcements returns a shop's changes of a kind that webhooks should announce, since a time and
// as far as they were read from the source; of the latest at most so many are returned one by one.
func (s *Store) Announcements(ctx context.Context, shop string, kind plan.Kind, from StockSource, since time.Time, latest int) (Announcements, error) {
	const which = " FROM changes WHERE shop = ? AND committed_at >= ? AND kind = ? AND source = ? AND webhook <> 'none'"
	args := []any{shop, At(since), kind, from}
	var a Announcements
	fail := func(err error) (Announcements, error) {
		return Announcements{}, fmt.Errorf("read which webhooks of %s came: %w", shop, err)
	}
	err := s.conn.QueryRowContext(ctx, "SELECT COALESCE(SUM(webhook = 'came'), 0), COALESCE(SUM(webhook = 'late'), 0), COALESCE(SUM(webhook = 'missed'), 0)"+which, args...).Scan(&a.Came, &a.Late, &a.Missed)
	if err != nil {
		return fail(err)
	}
	if a.Ever = a.Came+a.Late > 0; !a.Ever {
		err := s.conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM changes WHERE shop = ? AND kind = ? AND source = ? AND webhook IN ('came', 'late'))", shop, kind, from).Scan(&a.Ever)
		if err != nil {
			return fail(err)
		}
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT committed_at, webhook"+which+" ORDER BY committed_at DESC, token DESC, seq DESC, n DESC LIMIT ?", append(args, latest)...)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		var at Time
		var one Announced
		if err := rows.Scan(&at, &one.Webhook); err != nil {
			return fail(err)
		}
		one.CommittedAt = at.Time
		a.Latest = append(a.Latest, one)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return a, nil
}
