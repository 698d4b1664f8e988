package chaos_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// The audit records every write of a row of items. A writer has locked the shop's lease row
// before, so the ids of one shop's writes are in the order of the writes. The trigger reads the
// lease with a lock, so that the transaction's snapshot does not hide what another has
// committed meanwhile.
var audit = []string{
	`CREATE TABLE chaos_writes (
  id          BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shop        VARCHAR(64)   NOT NULL,
  number      VARCHAR(64)   NOT NULL,
  token       BIGINT        NOT NULL,
  observed_at DATETIME(6)   NOT NULL,
  stock       DECIMAL(19,4) NULL,
  state       VARCHAR(16)   NOT NULL,
  lease_token BIGINT        NULL
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin`,
	strings.ReplaceAll(auditTrigger, "EVENT", "INSERT"),
	strings.ReplaceAll(auditTrigger, "EVENT", "UPDATE"),
}

const auditTrigger = `CREATE TRIGGER chaos_EVENT AFTER EVENT ON items FOR EACH ROW
INSERT INTO chaos_writes (shop, number, token, observed_at, stock, state, lease_token)
VALUES (NEW.shop, NEW.number, NEW.observed_token, NEW.observed_at, NEW.stock, NEW.state,
  (SELECT l.token FROM leases l WHERE l.shop = NEW.shop LOCK IN SHARE MODE))`

func startAudit(ctx context.Context, db *sql.DB) error {
	for _, statement := range audit {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("set up the audit of writes: %w", err)
		}
	}
	return nil
}

// audited is the result of the audit.
type audited struct {
	writes int
	tokens int      // leases with writes
	stale  []string // older observations written over newer ones
	fenced []string // writes without holding the lease
	lost   []string // figures taken from items that always had one
	wrong  []string // counters with a stock that e-conomic never had
}

// readAudit judges all writes. known returns the highest stock that a counter
// has had, 0 for other items.
func readAudit(ctx context.Context, db *sql.DB, known func(shop, number string) int) (audited, error) {
	var a audited
	rows, err := db.QueryContext(ctx, "SELECT id, shop, number, token, observed_at, stock, state, lease_token FROM chaos_writes ORDER BY shop, id")
	if err != nil {
		return a, fmt.Errorf("read the audit: %w", err)
	}
	defer rows.Close()
	type seen struct {
		token int64
		at    time.Time
		stock decimal.NullDecimal
	}
	inShop := ""
	var token int64
	var items map[string]seen
	for rows.Next() {
		var id int64
		var shop, number, state string
		var now seen
		var lease sql.NullInt64
		if err := rows.Scan(&id, &shop, &number, &now.token, &now.at, &now.stock, &state, &lease); err != nil {
			return a, fmt.Errorf("read the audit: %w", err)
		}
		if shop != inShop {
			inShop, token, items = shop, 0, map[string]seen{}
		}
		a.writes++
		if now.token != token {
			a.tokens++
		}
		if now.token < token {
			a.stale = append(a.stale, fmt.Sprintf("write %d: %s %q under token %d after token %d", id, shop, number, now.token, token))
		}
		token = max(token, now.token)
		if !lease.Valid || lease.Int64 != now.token {
			a.fenced = append(a.fenced, fmt.Sprintf("write %d: %s %q under token %d, the lease had %d", id, shop, number, now.token, lease.Int64))
		}
		before, again := items[number]
		if again && before.token == now.token && now.at.Before(before.at) {
			a.stale = append(a.stale, fmt.Sprintf("write %d: %s %q: observed at %s after %s, token %d", id, shop, number, now.at, before.at, now.token))
		}
		if again && before.stock.Valid && !now.stock.Valid {
			a.lost = append(a.lost, fmt.Sprintf("write %d: %s %q: state %s, and its stock %s is gone", id, shop, number, state, before.stock.Decimal))
		}
		if highest := known(shop, number); highest > 0 && now.stock.Valid {
			if again && before.stock.Valid && now.stock.Decimal.LessThan(before.stock.Decimal) {
				a.stale = append(a.stale, fmt.Sprintf("write %d: %s %q: counted down from %s to %s", id, shop, number, before.stock.Decimal, now.stock.Decimal))
			}
			if !now.stock.Decimal.IsInteger() || now.stock.Decimal.IntPart() < 1 || now.stock.Decimal.IntPart() > int64(highest) {
				a.wrong = append(a.wrong, fmt.Sprintf("write %d: %s %q: %s, though it was only ever 1 to %d", id, shop, number, now.stock.Decimal, highest))
			}
		}
		items[number] = now
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return a, fmt.Errorf("read the audit: %w", err)
	}
	return a, nil
}
