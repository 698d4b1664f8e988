package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"lagerd/lang"
	"lagerd/plan"
)

// StockSource is where a shop's stock figures are read.
type StockSource string

// The stock sources. The stock of a shop that is at Rackbeat and has no key is not read;
// its status says so.
const (
	SourceEconomic StockSource = "economic"
	SourceRackbeat StockSource = "rackbeat"
)

// Name returns the source's name as people know it.
func (s StockSource) Name() string {
	if s == SourceRackbeat {
		return "Rackbeat"
	}
	return "e-conomic"
}

// Shop is a tenant and its settings.
type Shop struct {
	Shop               string `gorm:"primaryKey"`
	GrantToken         []byte // sealed
	StockOn            bool
	StockFigure        plan.Figure
	StockSource        StockSource
	RackbeatKey        []byte  // sealed; empty: none, then stock at Rackbeat is not read
	RackbeatTokenHash  []byte  // SHA-256 of the tokens that Rackbeat's webhooks have in a header, one after the other; empty: none is expected
	Places             string  // whose stock at Rackbeat counts, by number and ascending: 1,4; empty: an item's own figure
	StockDataset       Dataset // where items are stored: Dataset unless ReadsRackbeat; see Store.ChangeStockSource
	InvoicesOn         bool
	InvoicesFrom       string // a date, or "" if a number is given
	InvoicesFromNumber int64
	OrderField         plan.OrderField
	OrderPattern       string
	PausedAt           Time // by a person; zero: not paused
	PauseReason        string
	WebhookSetup       bool      // lagerd may set up and switch on the shop's webhooks at e-conomic, when a person says so
	Lang               lang.Lang // of its owner
	Email              string    // of its owner; "": the owner is told nothing by mail
	NotifyOrigin       string    // of the address of the owner's webhook, as it is shown: https://hooks.example.dk; "": there is none
	NotifyHook         []byte    // sealed: the owner's webhook, see notify.Hook
	Dataset            Dataset   // of the accepted agreement, where invoices are stored; see Store.AcceptAgreement
	Generation         int64     // grows with every change to any shop; also in the lease's row, see Fence
	CreatedAt          Time
	UpdatedAt          Time

	// SealedWith is the check value of the master key that has sealed the secrets which a change
	// stores. It is not stored.
	SealedWith []byte `gorm:"-"`
}

// SameAs reports whether s and o are the same shop: false if a shop was removed and
// another of the same name added.
func (s Shop) SameAs(o Shop) bool { return s.Shop == o.Shop && s.CreatedAt.Equal(o.CreatedAt.Time) }

// Unchanged reports whether o is the shop as s has it. Each change gives a shop another generation,
// except that a rekeying seals its secrets anew.
func (s Shop) Unchanged(o Shop) bool {
	return s.Shop == o.Shop && s.Generation == o.Generation && slices.EqualFunc(s.Sealed(), o.Sealed(), Sealed.same)
}

// Paused reports whether a person has paused the shop.
func (s Shop) Paused() bool { return !s.PausedAt.IsZero() }

// ReadsStock reports whether the shop's stock is read anywhere.
func (s Shop) ReadsStock() bool {
	return s.StockOn && (s.StockSource == SourceEconomic || s.ReadsRackbeat())
}

// ReadsRackbeat reports whether the shop's stock is read at Rackbeat: one that is there
// and has no key is not read at all.
func (s Shop) ReadsRackbeat() bool {
	return s.StockSource == SourceRackbeat && len(s.RackbeatKey) > 0
}

var (
	// ErrNoShop is returned when no shop of that name exists.
	ErrNoShop = errors.New("no such shop: see `lagerd shops list`")
	// ErrShopExists is returned when a shop of that name already exists.
	ErrShopExists = errors.New("the shop already exists: change it with `lagerd shops set`")
)

// AddShop stores a new shop with its first code. Its owner reads Danish unless Lang is set.
func (s *Store) AddShop(ctx context.Context, shop Shop, codeHash []byte, now time.Time) error {
	shop.CreatedAt, shop.UpdatedAt = At(now), At(now)
	shop.Lang = cmp.Or(shop.Lang, lang.Danish)
	again := false
	return s.changeShops(ctx, func(db *gorm.DB, generation int64) error {
		first := !again
		again = true
		exists, err := existsShop(db, shop.Shop)
		if err != nil {
			return err
		}
		if exists {
			var same int64 // 1 if the previous try was committed and its answer lost
			err := db.Model(&ShopCode{}).Where("shop = ? AND code_hash = ?", shop.Shop, codeHash).Count(&same).Error
			if err == nil && (first || same == 0) {
				err = fmt.Errorf("add %s: %w", shop.Shop, ErrShopExists)
			}
			return err
		}
		if err := mayBeAdded(db, shop); err != nil {
			return err
		}
		shop.Generation, shop.Dataset = generation, Dataset(shop.Shop)
		if err := startStock(db, &shop); err != nil {
			return err
		}
		created := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&shop)
		if created.Error != nil {
			return created.Error
		}
		if created.RowsAffected == 0 {
			return fmt.Errorf("add %s: %w", shop.Shop, ErrShopExists)
		}
		if err := db.Create(&ShopCode{Shop: shop.Shop, CodeHash: codeHash, CreatedAt: At(now)}).Error; err != nil {
			return err
		}
		// A shop of that name may have been removed: a pass still running on it must not
		// hold a token that is issued again.
		err = db.Exec("INSERT INTO leases (shop, token, generation) SELECT ?, value + 1, ? FROM meta WHERE name = ?", shop.Shop, generation, removedToken).Error
		if err != nil {
			return err
		}
		if err := db.Exec("INSERT INTO progress (shop, items_dataset) VALUES (?, ?)", shop.Shop, shop.StockDataset).Error; err != nil {
			return err
		}
		return added(ctx, db, shop.Shop, now)
	})
}

// mayBeAdded returns an error if rows of a removed shop of that name remain, or if its secrets were
// not sealed with the key in force.
func mayBeAdded(db *gorm.DB, shop Shop) error {
	for _, table := range slices.Concat(datasetTables, shopTables) {
		var left int64
		if err := db.Raw("SELECT COUNT(*) FROM (SELECT 1 FROM "+table+" WHERE shop = ? LIMIT 1) AS rows_left", shop.Shop).Scan(&left).Error; err != nil {
			return err
		}
		if left > 0 {
			return fmt.Errorf("add %s: rows of a removed shop of that name remain in %s: delete them with `lagerd shops remove %[1]s --yes`", shop.Shop, table)
		}
	}
	return sealedInForce(db, Shop{}, shop)
}

// added shows a new shop to the readers of all, and records who added it.
func added(ctx context.Context, db *gorm.DB, shop string, now time.Time) error {
	if err := addToReadersOfAll(db, shop, now); err != nil {
		return err
	}
	return act(ctx, db, Action{Shop: shop, What: ActionAdded, ActedAt: At(now)})
}

// removedToken names the greatest fencing token of any removed shop.
const removedToken = "removed_token"

// SetShop changes a shop's settings with the given function.
func (s *Store) SetShop(ctx context.Context, name string, now time.Time, change func(*Shop) error) error {
	return s.changeShops(ctx, func(db *gorm.DB, generation int64) error {
		shop, err := oneShop(db, name)
		if err != nil {
			return err
		}
		before := shop
		if err := change(&shop); err != nil {
			return err
		}
		if !shop.ReadsLike(before) || !bytes.Equal(shop.RackbeatKey, before.RackbeatKey) {
			return fmt.Errorf("change the settings of %s: another stock source, key or choice of places: expected ChangeStockSource", name)
		}
		if err := sealedInForce(db, before, shop); err != nil {
			return err
		}
		if shop.InvoicesFrom != before.InvoicesFrom || shop.InvoicesFromNumber != before.InvoicesFromNumber {
			// Invoices start again from there; stored ones stay.
			if err := db.Exec("UPDATE progress SET invoices_begun = ? WHERE shop = ?", false, name).Error; err != nil {
				return err
			}
		}
		if err := actOnSettings(ctx, db, before, shop, now); err != nil {
			return err
		}
		return saveShop(db, &shop, generation, now)
	})
}

// saveShop stores a shop's settings with their generation, also in its lease: a pass
// that began with other settings can write no more.
func saveShop(db *gorm.DB, shop *Shop, generation int64, now time.Time) error {
	shop.Generation, shop.UpdatedAt = generation, At(now)
	if err := db.Save(shop).Error; err != nil {
		return err
	}
	return db.Exec("UPDATE leases SET generation = ? WHERE shop = ?", generation, shop.Shop).Error
}

// RemoveShop deletes a shop and everything stored for it, PDFs included. It deletes the
// shop itself first, so that every lagerd stops working on it.
func (s *Store) RemoveShop(ctx context.Context, name string) error { //nolint:gocyclo // one statement per table
	if name == "" { // which stands for all shops among the readers
		return fmt.Errorf("%q: %w", name, ErrNoShop)
	}
	existed := false
	err := s.changeShops(ctx, func(db *gorm.DB, _ int64) error {
		exists, err := existsShop(db, name)
		if err != nil {
			return err
		}
		existed = existed || exists                   // an earlier try may have been committed and its answer lost
		if err := countReaderChange(db); err != nil { // no reader is granted meanwhile
			return err
		}
		err = db.Exec("UPDATE meta SET value = (SELECT MAX(token) FROM leases WHERE shop = ?) WHERE name = ? AND value < (SELECT MAX(token) FROM leases WHERE shop = ?)", name, removedToken, name).Error
		if err != nil {
			return err
		}
		for _, table := range []string{"leases", "progress", "code_uses", "shop_codes", "refused_calls", "web_links", "readers", "readers_of_all", "shops"} {
			if err := db.Exec("DELETE FROM "+table+" WHERE shop = ?", name).Error; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Delete what an earlier, interrupted removal left, too.
	left := false
	remove := func(table, shop string) error {
		n, err := s.deleteInPieces(ctx, table, "shop = ?", shop)
		if err != nil {
			return fmt.Errorf("remove the rows of %s: %w", name, err)
		}
		left = left || n > 0
		return nil
	}
	datasets, err := s.datasets(ctx, name)
	if err != nil {
		return err
	}
	for _, dataset := range datasets {
		for _, table := range datasetTables {
			if err := remove(table, dataset); err != nil {
				return err
			}
		}
	}
	for _, table := range shopTables {
		if err := remove(table, name); err != nil {
			return err
		}
	}
	if !existed && !left {
		return fmt.Errorf("%s: %w", name, ErrNoShop)
	}
	return nil
}

// Tables that may be large are cleared after the shop is gone: datasetTables are keyed
// by dataset in the column shop, shopTables by the shop itself. The agreements and the
// accounts come last: they list the datasets that an interrupted removal has left.
var (
	datasetTables = []string{"items", "item_places", "invoice_pdfs", "invoices", "mixed_invoices", "recent_losses", "loss_clocks"}
	shopTables    = []string{"hints", "hint_batches", "hint_marks", "changes", "invoice_gaps", "requests", "approvals", "holds", "warnings", "webhook_calls", "actions", "obstacles", "incidents", "messages", "agreements", "stock_accounts"}
)

// existsShop reports whether the shop exists. Any other error must end the caller's
// transaction: after a conflict the server has already ended it, and each further
// statement would be committed on its own.
func existsShop(db *gorm.DB, name string) (bool, error) {
	_, err := oneShop(db, name)
	if errors.Is(err, ErrNoShop) {
		return false, nil
	}
	return err == nil, err
}

// deleteInPieces deletes all matching rows, RowsPerPiece at a time.
func (s *Store) deleteInPieces(ctx context.Context, table, where string, args ...any) (deleted int64, err error) {
	query := s.dialect.deletePiece(table, where)
	for {
		n, err := s.exec(ctx, query, args...)
		deleted += n
		if err != nil || n < RowsPerPiece {
			return deleted, err
		}
	}
}

// Shop returns one shop, or ErrNoShop.
func (s *Store) Shop(ctx context.Context, name string) (Shop, error) {
	return oneShop(s.db.WithContext(ctx), name)
}

func oneShop(db *gorm.DB, name string) (Shop, error) {
	var shop Shop
	err := db.Where("shop = ?", name).Take(&shop).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return shop, fmt.Errorf("%s: %w", name, ErrNoShop)
	}
	return shop, err
}

// Shops returns all shops by name.
func (s *Store) Shops(ctx context.Context) ([]Shop, error) { return s.shopsWhere(ctx, "1 = 1") }

// shopsWhere returns the shops that the condition selects, by name.
func (s *Store) shopsWhere(ctx context.Context, where string, args ...any) ([]Shop, error) {
	fail := func(err error) ([]Shop, error) { return nil, fmt.Errorf("read the shops: %w", err) }
	// Not with gorm: with thousands of shops its reflection takes most of the startup time.
	rows, err := s.conn.QueryContext(ctx, "SELECT shop, grant_token, stock_on, stock_figure, stock_source, rackbeat_key, rackbeat_token_hash, places, stock_dataset,"+
		" invoices_on, invoices_from, invoices_from_number, order_field, order_pattern, paused_at, pause_reason, lang, email, notify_origin, notify_hook, webhook_setup, dataset, generation, created_at, updated_at FROM shops WHERE "+where+" ORDER BY shop", args...)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var shops []Shop
	for rows.Next() {
		var x Shop
		if err := rows.Scan(&x.Shop, &x.GrantToken, &x.StockOn, &x.StockFigure, &x.StockSource, &x.RackbeatKey, &x.RackbeatTokenHash, &x.Places, &x.StockDataset,
			&x.InvoicesOn, &x.InvoicesFrom, &x.InvoicesFromNumber, &x.OrderField, &x.OrderPattern, &x.PausedAt, &x.PauseReason, &x.Lang, &x.Email, &x.NotifyOrigin, &x.NotifyHook, &x.WebhookSetup, &x.Dataset, &x.Generation, &x.CreatedAt, &x.UpdatedAt); err != nil {
			return fail(err)
		}
		shops = append(shops, x)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return shops, nil
}

const shopsGeneration = "shops_generation"

// ShopsGeneration returns a number that grows whenever any shop, setting or code
// changes: one cheap read tells a lagerd whether to reload them.
func (s *Store) ShopsGeneration(ctx context.Context) (int64, error) {
	var generation int64
	err := s.conn.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = ?", shopsGeneration).Scan(&generation)
	if err != nil {
		return 0, fmt.Errorf("read the shops' generation: %w", err)
	}
	return generation, nil
}

// changeShops runs fn in a transaction that increments the shops' generation. It refuses an embedded
// database that was moved since it was opened: a command may have waited for a person's answer.
func (s *Store) changeShops(ctx context.Context, fn func(db *gorm.DB, generation int64) error) error {
	return s.retry(ctx, func() error {
		return s.db.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			if err := db.Exec("UPDATE meta SET value = value + 1 WHERE name = ?", shopsGeneration).Error; err != nil {
				return err
			}
			var generation int64
			if err := db.Raw("SELECT value FROM meta WHERE name = ?", shopsGeneration).Scan(&generation).Error; err != nil {
				return err
			}
			if s.dialect.isSQLite() {
				var version int64
				if err := db.Raw("SELECT MAX(version_id) FROM " + goose.DefaultTablename).Scan(&version).Error; err != nil {
					return err
				}
				if version == closed {
					return s.whyClosed(ctx)
				}
			}
			if err := fn(db, generation); err != nil {
				return err
			}
			return s.moved()
		})
	})
}
