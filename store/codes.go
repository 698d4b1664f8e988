package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
)

// ShopCode is the keyed hash of one of a shop's integration codes.
type ShopCode struct {
	Shop      string `gorm:"primaryKey"`
	CodeHash  []byte `gorm:"primaryKey"`
	CreatedAt Time
	UsedAt    Time `gorm:"-"` // when a call with it was last noted; zero: never
}

// CodeUse says that a webhook was called with a code.
type CodeUse struct {
	Shop     string
	CodeHash []byte
}

var (
	// ErrTwoCodes is returned where a shop has two live codes already.
	ErrTwoCodes = errors.New("two codes are live already")
	// ErrOneCode is returned where there is no new code to be replaced.
	ErrOneCode = errors.New("there is one code only, and no new one beside it")
	// ErrCodeInUse is returned where the newest code would be replaced, and calls
	// come with it.
	ErrCodeInUse = errors.New("webhooks are called with the newest code")
	// ErrCodeNotInUse is returned where the codes that work would be retired: no
	// call has come with the newest one yet.
	ErrCodeNotInUse = errors.New("no webhook has been called with the newest code yet")
	// ErrOldCodeInUse is returned where a code would be retired with which calls
	// have come since the last one with the newest.
	ErrOldCodeInUse = errors.New("webhooks are still called with the older code")
)

// Codes returns the code hashes of all shops, those of a shop from the oldest on.
func (s *Store) Codes(ctx context.Context) ([]ShopCode, error) {
	return codes(s.db.WithContext(ctx), "")
}

// CodesOf returns the code hashes of one shop, from the oldest on.
func (s *Store) CodesOf(ctx context.Context, shop string) ([]ShopCode, error) {
	return codes(s.db.WithContext(ctx), shop)
}

func codes(db *gorm.DB, shop string) ([]ShopCode, error) {
	query := "SELECT c.shop, c.code_hash, c.created_at, u.used_at FROM shop_codes c LEFT JOIN code_uses u ON u.shop = c.shop AND u.code_hash = c.code_hash"
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
		if err := rows.Scan(&c.Shop, &c.CodeHash, &c.CreatedAt, &c.UsedAt); err != nil {
			return nil, fmt.Errorf("read the integration codes: %w", err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// RecordCodeUses stores that codes were used at the given time.
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
			return fmt.Errorf("note that %d integration codes are used: %w", n, err)
		}
	}
	return nil
}

// AddCode stores another code of a shop, or returns ErrTwoCodes.
func (s *Store) AddCode(ctx context.Context, name string, codeHash []byte, now time.Time) error {
	return s.changeCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		if len(live) >= 2 {
			return fmt.Errorf("rotate the code of %s: %w", name, ErrTwoCodes)
		}
		return db.Create(&ShopCode{Shop: name, CodeHash: codeHash, CreatedAt: At(now)}).Error
	})
}

// ReplaceNewCode stores a code in the place of the newest of two, with which no
// webhook has been called. It returns ErrOneCode or ErrCodeInUse.
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
		return db.Create(&ShopCode{Shop: name, CodeHash: codeHash, CreatedAt: At(now)}).Error
	})
}

// RetireOldCodes deletes all codes of a shop but the newest and returns how
// many there were. Unless it is to be done whatever the codes' use, it returns
// ErrCodeNotInUse where no webhook has been called with the newest one, and
// ErrOldCodeInUse where one has been called with an older one since.
func (s *Store) RetireOldCodes(ctx context.Context, name string, whatever bool) (retired int, err error) {
	err = s.changeCodes(ctx, name, func(db *gorm.DB, live []ShopCode) error {
		retired = max(0, len(live)-1)
		if retired > 0 && live[retired].UsedAt.IsZero() && !whatever {
			return fmt.Errorf("retire the old code of %s: %w", name, ErrCodeNotInUse)
		}
		for _, c := range live[:retired] {
			if c.UsedAt.After(live[retired].UsedAt.Time) && !whatever {
				return fmt.Errorf("retire the old code of %s: %w", name, ErrOldCodeInUse)
			}
			if err := deleteCode(db, c); err != nil {
				return err
			}
		}
		return nil
	})
	return retired, err
}

// changeCodes runs fn with a shop's codes, from the oldest on, in a transaction
// that moves the shops' generation.
func (s *Store) changeCodes(ctx context.Context, name string, fn func(db *gorm.DB, live []ShopCode) error) error {
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
