package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"lagerd/plan"
)

// ShopCode is the keyed hash of one of a shop's codes: an integration code, which people enter, or
// a header code, which a webhook that lagerd has set up carries in a header.
type ShopCode struct {
	Shop      string    `gorm:"primaryKey"`
	CodeHash  []byte    `gorm:"primaryKey"`
	Kind      plan.Kind // of a header code: what its webhook gives hints about; "": an integration code
	CreatedAt Time
	UsedAt    Time `gorm:"-"` // last recorded use; zero: never used
}

// InHeader reports whether it is a header code.
func (c ShopCode) InHeader() bool { return c.Kind != "" }

// CodeUse is a webhook call with a code.
type CodeUse struct {
	Shop     string
	CodeHash []byte
}

var (
	// ErrTwoCodes is returned when a shop already has two live codes.
	ErrTwoCodes = errors.New("two codes are live already")
	// ErrOneCode is returned when there is no new code to replace.
	ErrOneCode = errors.New("there is only one code, and no new one to replace")
	// ErrCodeInUse is returned instead of replacing a newest code that webhook calls
	// use.
	ErrCodeInUse = errors.New("webhook calls use the newest code")
	// ErrCodeNotInUse is returned instead of retiring the codes that work: no call
	// has used the newest one yet.
	ErrCodeNotInUse = errors.New("no webhook call has used the newest code yet")
	// ErrOldCodeInUse is returned instead of retiring a code that calls have used
	// since the last call with the newest.
	ErrOldCodeInUse = errors.New("webhook calls still use the older code")
)

// Codes returns the hashes of the integration codes and header codes of all shops, oldest first for
// each shop.
func (s *Store) Codes(ctx context.Context) ([]ShopCode, error) {
	return codes(s.db.WithContext(ctx), "")
}

// CodesOf returns the hashes of one shop's integration codes, oldest first.
func (s *Store) CodesOf(ctx context.Context, shop string) ([]ShopCode, error) {
	list, err := codes(s.db.WithContext(ctx), shop)
	return slices.DeleteFunc(list, ShopCode.InHeader), err
}

// HeaderCodesOf returns the hashes of one shop's header codes, oldest first.
func (s *Store) HeaderCodesOf(ctx context.Context, shop string) ([]ShopCode, error) {
	list, err := codes(s.db.WithContext(ctx), shop)
	return slices.DeleteFunc(list, func(c ShopCode) bool { return !c.InHeader() }), err
}

func codes(db *gorm.DB, shop string) ([]ShopCode, error) {
	query := "SELECT c.shop, c.code_hash, c.kind, c.created_at, u.used_at FROM shop_codes c LEFT JOIN code_uses u ON u.shop = c.shop AND u.code_hash = c.code_hash"
	var args []any
	if shop != "" {
		query, args = query+" WHERE c.shop = ?", []any{shop}
	}
	rows, err := db.Raw(query+" ORDER BY c.shop, c.created_at", args...).Rows()
	if err != nil {
		return nil, fmt.Errorf("read the integration codes: %w", err)
	}
	defer rows.Close()
	var list []ShopCode
	for rows.Next() {
		var c ShopCode
		if err := rows.Scan(&c.Shop, &c.CodeHash, &c.Kind, &c.CreatedAt, &c.UsedAt); err != nil {
			return nil, fmt.Errorf("read the integration codes: %w", err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// RecordCodeUses records uses of codes at the given time.
func (s *Store) RecordCodeUses(ctx context.Context, uses []CodeUse, at time.Time) error {
	tail := s.dialect.onConflict("shop, code_hash", overwrite("used_at")...)
	for len(uses) > 0 {
		n := min(len(uses), rowsPerStatement)
		args := make([]any, 0, 3*n)
		for _, u := range uses[:n] {
			args = append(args, u.Shop, u.CodeHash, At(at))
		}
		uses = uses[n:]
		if _, err := s.exec(ctx, "INSERT INTO code_uses (shop, code_hash, used_at) VALUES "+placeholders(n, 3)+tail, args...); err != nil {
			return fmt.Errorf("record the use of %d integration codes: %w", n, err)
		}
	}
	return nil
}

// AddCode stores a second code of a shop, or returns ErrTwoCodes.
func (s *Store) AddCode(ctx context.Context, name string, codeHash []byte, now time.Time) error {
	return s.changeCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		if len(live) >= 2 {
			return fmt.Errorf("rotate the code of %s: %w", name, ErrTwoCodes)
		}
		return createCode(ctx, db, name, codeHash, ActionCodeAdded, now)
	})
}

// ReplaceNewCode replaces the newer of two codes, which no webhook call has used. It
// returns ErrOneCode if there is no second code, and ErrCodeInUse if it has been used.
func (s *Store) ReplaceNewCode(ctx context.Context, name string, codeHash []byte, now time.Time) error {
	return s.changeCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		if len(live) < 2 {
			return fmt.Errorf("replace the new code of %s: %w", name, ErrOneCode)
		}
		newest := live[len(live)-1]
		if !newest.UsedAt.IsZero() {
			return fmt.Errorf("replace the new code of %s: %w", name, ErrCodeInUse)
		}
		if err := deleteCode(db, newest); err != nil {
			return err
		}
		return createCode(ctx, db, name, codeHash, ActionCodeReplaced, now)
	})
}

// RetireOldCodes deletes all codes of a shop except the newest and returns how many it
// deleted. Unless force is set, it returns ErrCodeNotInUse if no webhook call has used
// the newest code, and ErrOldCodeInUse if a call has used an older one since.
func (s *Store) RetireOldCodes(ctx context.Context, name string, force bool, now time.Time) (retired int, err error) {
	err = s.changeCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		retired = max(0, len(live)-1)
		if retired > 0 && live[retired].UsedAt.IsZero() && !force {
			return fmt.Errorf("retire the old code of %s: %w", name, ErrCodeNotInUse)
		}
		for _, c := range live[:retired] {
			if c.UsedAt.After(live[retired].UsedAt.Time) && !force {
				return fmt.Errorf("retire the old code of %s: %w", name, ErrOldCodeInUse)
			}
			if err := deleteCode(db, c); err != nil {
				return err
			}
		}
		if retired == 0 {
			return nil
		}
		return act(ctx, db, Action{Shop: name, What: ActionCodeRetired, ActedAt: At(now)})
	})
	return retired, err
}

// HeaderCodesPerKind is how many header codes a shop has of a kind at most: that of its webhook, and
// the one that is to replace it.
const HeaderCodesPerKind = 2

// AddHeaderCode stores a header code for a shop's webhook of a kind. Of the earlier ones of that
// kind it keeps the one used last, or else the newest: e-conomic may go on calling with it.
func (s *Store) AddHeaderCode(ctx context.Context, name string, kind plan.Kind, codeHash []byte, now time.Time) error {
	return s.changeAllCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		live = slices.DeleteFunc(live, func(c ShopCode) bool { return c.Kind != kind || bytes.Equal(c.CodeHash, codeHash) })
		slices.SortStableFunc(live, func(a, b ShopCode) int { return a.UsedAt.Compare(b.UsedAt.Time) })
		for _, c := range live[:max(0, len(live)-HeaderCodesPerKind+1)] {
			if err := deleteCode(db, c); err != nil {
				return err
			}
		}
		// The answer to an earlier try's commit may have been lost.
		return db.Clauses(clause.OnConflict{DoNothing: true}).Create(&ShopCode{Shop: name, CodeHash: codeHash, Kind: kind, CreatedAt: At(now)}).Error
	})
}

// KeepHeaderCode deletes a shop's header codes of a kind, except the one with this hash.
func (s *Store) KeepHeaderCode(ctx context.Context, name string, kind plan.Kind, codeHash []byte) error {
	return s.changeAllCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		for _, c := range live {
			if c.Kind != kind || bytes.Equal(c.CodeHash, codeHash) {
				continue
			}
			if err := deleteCode(db, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// DropHeaderCode deletes one header code.
func (s *Store) DropHeaderCode(ctx context.Context, name string, codeHash []byte) error {
	return s.changeAllCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		at := slices.IndexFunc(live, func(c ShopCode) bool { return c.InHeader() && bytes.Equal(c.CodeHash, codeHash) })
		if at < 0 {
			return nil
		}
		return deleteCode(db, live[at])
	})
}

func createCode(ctx context.Context, db *gorm.DB, shop string, hash []byte, what ActionWhat, now time.Time) error {
	if err := db.Create(&ShopCode{Shop: shop, CodeHash: hash, CreatedAt: At(now)}).Error; err != nil {
		return err
	}
	return act(ctx, db, Action{Shop: shop, What: what, ActedAt: At(now)})
}

// changeCodes is changeAllCodes with the integration codes alone.
func (s *Store) changeCodes(ctx context.Context, name string, fn func(db *gorm.DB, live []ShopCode) error) error {
	return s.changeAllCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		return fn(db, slices.DeleteFunc(live, ShopCode.InHeader))
	})
}

// changeAllCodes runs fn with a shop's codes, oldest first, in a transaction that
// increments the shops' generation.
func (s *Store) changeAllCodes(ctx context.Context, name string, fn func(db *gorm.DB, live []ShopCode) error) error {
	return s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		if _, err := oneShop(db, name); err != nil {
			return err
		}
		live, err := codes(db, name)
		if err != nil {
			return err
		}
		return fn(db, live)
	})
}

func deleteCode(db *gorm.DB, c ShopCode) error {
	if err := db.Exec("DELETE FROM code_uses WHERE shop = ? AND code_hash = ?", c.Shop, c.CodeHash).Error; err != nil {
		return err
	}
	return db.Exec("DELETE FROM shop_codes WHERE shop = ? AND code_hash = ?", c.Shop, c.CodeHash).Error
}
