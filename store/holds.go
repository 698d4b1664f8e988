package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lagerd/plan"
)

// hold is a row of the holds table.
type hold struct {
	Shop   string
	Scope  plan.Scope
	Reason plan.Reason
	Detail string
	Since  Time
}

// holds returns the holds of the selected shops, by shop.
func (s *Store) holds(ctx context.Context, of selection) (map[string]plan.Holds, error) {
	var rows []hold
	if err := s.db.WithContext(ctx).Table("holds").Where(of.in("shop"), of.args...).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the holds: %w", err)
	}
	byShop := map[string]plan.Holds{}
	for _, r := range rows {
		byShop[r.Shop], _ = byShop[r.Shop].With(plan.Hold{Scope: r.Scope, Reason: r.Reason, Detail: r.Detail, Since: r.Since.Time})
	}
	return byShop, nil
}

// Held returns the holds of every shop that has any, by shop, without their details and times.
func (s *Store) Held(ctx context.Context) (map[string]plan.Holds, error) {
	fail := func(err error) (map[string]plan.Holds, error) { return nil, fmt.Errorf("read what is held: %w", err) }
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, scope, reason FROM holds")
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	held := map[string]plan.Holds{}
	for rows.Next() {
		var shop string
		var h plan.Hold
		if err := rows.Scan(&shop, &h.Scope, &h.Reason); err != nil {
			return fail(err)
		}
		held[shop], _ = held[shop].With(h)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return held, nil
}

// putHolds writes holds, each replacing the hold of its scope, and returns them together
// with those of the other scopes.
func (t *tx) putHolds(shop string, holds []plan.Hold, others plan.Holds) plan.Holds {
	for _, h := range holds {
		h.Detail = shorten(h.Detail, 500)
		t.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES (?,?,?,?,?)"+
			t.dialect.onConflict("shop, scope", overwrite("reason", "detail", "since")...), shop, h.Scope, h.Reason, h.Detail, At(h.Since))
		others, _ = others.Without(h.Scope).With(h)
	}
	return others
}

func (t *tx) endHolds(shop string, scopes []plan.Scope, now time.Time) {
	for _, scope := range scopes {
		t.exec(t.dialect.endedHolds("shop = ? AND scope = ?"), ObstacleHold, At(now), shop, scope)
		t.exec("DELETE FROM holds WHERE shop = ? AND scope = ?", shop, scope)
	}
}

// InForce returns those of the shop's holds that stop something. A hold of a part that is
// switched off stops nothing, and would otherwise ask for a person forever.
func (s Shop) InForce(holds plan.Holds) plan.Holds {
	return slices.DeleteFunc(slices.Clone(holds), func(h plan.Hold) bool {
		switch h.Scope {
		case plan.ScopeStock:
			return !s.ReadsStock()
		case plan.ScopeInvoices, plan.ScopePDFs:
			return !s.InvoicesOn
		case plan.ScopeShop:
		}
		return false
	})
}
