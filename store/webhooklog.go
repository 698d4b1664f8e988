package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"lagerd/plan"
)

// LoggedCall is a call in a shop's webhook log, with what became of its hint.
type LoggedCall struct {
	WebhookCall

	// How the hint of its number was answered, if it was without anything stored.
	Unknown     bool // the source has no such number
	BeforeStart bool // an invoice from before the shop's start
}

// WebhookLog returns all calls that a shop's log has, refused ones included, newest first.
func (s *Store) WebhookLog(ctx context.Context, shop string) ([]LoggedCall, error) {
	fail := func(err error) ([]LoggedCall, error) {
		return nil, fmt.Errorf("read the webhook log of %s: %w", shop, err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT c.slot, c.called_at, c.method, c.remote, c.kind, c.source, c.number, c.status, c.outcome, COALESCE(h.reason, '')"+
		" FROM webhook_calls c LEFT JOIN hints h ON h.shop = c.shop AND h.kind = c.kind AND h.number = c.number AND h.open = 0"+
		" WHERE c.shop = ? ORDER BY c.called_at DESC, c.slot", shop)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []LoggedCall
	for rows.Next() {
		c := LoggedCall{WebhookCall: WebhookCall{Shop: shop}}
		var reason plan.HintReason
		if err := rows.Scan(&c.Slot, &c.CalledAt, &c.Method, &c.Remote, &c.Kind, &c.Source, &c.Number, &c.Status, &c.Outcome, &reason); err != nil {
			return fail(err)
		}
		c.Unknown, c.BeforeStart = reason == plan.HintUnknown, reason == plan.HintBeforeStart
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

// CallGroup are the calls in a shop's webhook log that have a kind, a source, an outcome and a
// status.
type CallGroup struct {
	Kind        plan.Kind
	Source      StockSource
	Outcome     string
	Status      int
	Count       int
	First, Last time.Time
}

// CallGroups returns what the webhook logs of shops have, by shop, in one statement.
func (s *Store) CallGroups(ctx context.Context, shops []string) (map[string][]CallGroup, error) {
	groups := make(map[string][]CallGroup, len(shops))
	err := s.eachOf(ctx, shops, "SELECT shop, kind, source, outcome, status, COUNT(*), MIN(called_at), MAX(called_at) FROM webhook_calls WHERE shop IN %s GROUP BY shop, kind, source, outcome, status", nil, func(rows *sql.Rows) error {
		var shop string
		var g CallGroup
		var first, last Time
		if err := rows.Scan(&shop, &g.Kind, &g.Source, &g.Outcome, &g.Status, &g.Count, &first, &last); err != nil {
			return err
		}
		g.First, g.Last = first.Time, last.Time
		groups[shop] = append(groups[shop], g)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the webhook logs of %d shops: %w", len(shops), err)
	}
	return groups, nil
}

// LastCalls returns when each shop's log had its last call with one of the outcomes, in one
// statement for all shops.
func (s *Store) LastCalls(ctx context.Context, outcomes []string) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	err := s.eachOf(ctx, outcomes, "SELECT shop, MAX(called_at) FROM webhook_calls WHERE outcome IN %s AND shop <> '' GROUP BY shop", nil, func(rows *sql.Rows) error {
		var shop string
		var at Time
		err := rows.Scan(&shop, &at)
		last[shop] = at.Time
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which shops had calls that were not accepted: %w", err)
	}
	return last, nil
}

// AnnouncedBy identifies the changes that one of a shop's webhooks should announce.
type AnnouncedBy struct {
	Shop   string
	Kind   plan.Kind
	Source StockSource
}

// LatestAnnounced returns the latest changes of shops that webhooks should announce, since a time
// and newest first, at most so many of each kind and source, in one statement.
func (s *Store) LatestAnnounced(ctx context.Context, shops []string, since time.Time, latest int) (map[AnnouncedBy][]Announced, error) {
	list := map[AnnouncedBy][]Announced{}
	err := s.eachOf(ctx, shops, "SELECT shop, kind, source, committed_at, webhook FROM (SELECT shop, kind, source, committed_at, webhook,"+
		" ROW_NUMBER() OVER (PARTITION BY shop, kind, source ORDER BY committed_at DESC, token DESC, seq DESC, n DESC) AS place"+
		" FROM changes WHERE shop IN %s AND committed_at >= ? AND webhook <> 'none') AS announced WHERE place <= ? ORDER BY shop, kind, source, place",
		[]any{At(since), latest}, func(rows *sql.Rows) error {
			var by AnnouncedBy
			var at Time
			var one Announced
			if err := rows.Scan(&by.Shop, &by.Kind, &by.Source, &at, &one.Webhook); err != nil {
				return err
			}
			one.CommittedAt = at.Time
			list[by] = append(list[by], one)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read which webhooks of %d shops came: %w", len(shops), err)
	}
	return list, nil
}

// EverAnnounced returns which of the shops have a change of the kind and source whose webhook came,
// as far as the history reaches, in one statement. It may take as long as the shops have changes.
func (s *Store) EverAnnounced(ctx context.Context, shops []string, kind plan.Kind, from StockSource) (map[string]bool, error) {
	ever := map[string]bool{}
	// Not EXISTS, which a server may answer by reading the changes of all shops.
	err := s.eachOf(ctx, shops, "SELECT shop, (SELECT 1 FROM changes c WHERE c.shop = s.shop AND c.kind = '"+string(kind)+"' AND c.source = '"+string(from)+"'"+
		" AND c.webhook IN ('came', 'late') LIMIT 1) FROM shops s WHERE s.shop IN %s", nil, func(rows *sql.Rows) error {
		var shop string
		var one sql.NullInt64
		err := rows.Scan(&shop, &one)
		ever[shop] = one.Valid
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which of %d shops ever had webhooks: %w", len(shops), err)
	}
	return ever, nil
}

// eachOf runs a query whose %s is a list of keys, and passes its rows to scan. Without keys there
// are none.
func (s *Store) eachOf(ctx context.Context, keys []string, query string, args []any, scan func(*sql.Rows) error) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := s.conn.QueryContext(ctx, fmt.Sprintf(query, placeholders(1, len(keys))), append(values(keys), args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
