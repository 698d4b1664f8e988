package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"

	"lagerd/plan"
)

// Approval is a person's permission for a reconciliation of a shop to take away the
// stock of that many items.
type Approval struct {
	Losses int // 0: none
	At     time.Time
}

// ErrNotApproved is returned when the shop's hold is no longer the one that a person
// approved.
var ErrNotApproved = errors.New("the shop's settings or its hold have changed since its losses were shown: look again")

// Approve stores a person's approval of that many losses of the shop. shop is as it was
// before its losses were read: if its settings, its agreement or its hold have changed
// since, Approve stores nothing and returns ErrNotApproved. Like new settings, an
// approval restarts the shop's pass.
func (s *Store) Approve(ctx context.Context, shop Shop, losses int, now time.Time) error {
	err := s.changeShops(ctx, func(db *gorm.DB, generation int64) error {
		present, err := oneShop(db, shop.Shop)
		if err != nil {
			return err
		}
		var held int64
		if err := db.Table("holds").Where("shop = ? AND scope = ? AND reason = ?", shop.Shop, plan.ScopeStock, plan.HeldLosses).Count(&held).Error; err != nil {
			return err
		}
		if present.Generation != shop.Generation || held == 0 {
			return ErrNotApproved
		}
		err = db.Exec("INSERT INTO approvals (shop, losses, approved_at) VALUES (?,?,?)"+
			s.dialect.onConflict("shop", overwrite("losses", "approved_at")...), shop.Shop, losses, At(now)).Error
		if err != nil {
			return err
		}
		if err := act(ctx, db, Action{Shop: shop.Shop, What: ActionApproved, Detail: strconv.Itoa(losses), ActedAt: At(now)}); err != nil {
			return err
		}
		return saveShop(db, &present, generation, now)
	})
	if err != nil {
		return fmt.Errorf("store the approval for %s: %w", shop.Shop, err)
	}
	return nil
}

const approvalSince = "SELECT COALESCE(MAX(losses), 0) AS losses, MAX(approved_at) AS approved_at FROM approvals WHERE shop = ? AND losses > 0 AND approved_at >= ?"

// Approved returns the shop's approval, unless it is older than since.
func (s *Store) Approved(ctx context.Context, shop string, since time.Time) (Approval, error) {
	var a Approval
	var at Time
	if err := s.conn.QueryRowContext(ctx, approvalSince, shop, At(since)).Scan(&a.Losses, &at); err != nil {
		return a, fmt.Errorf("read the approval for %s: %w", shop, err)
	}
	a.At = at.Time
	return a, nil
}
