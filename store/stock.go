package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"lagerd/plan"
)

// StockAccount is an account of a stock source other than e-conomic, with a choice of places,
// that a shop's items are or were read from, and the dataset they are stored in.
type StockAccount struct {
	Dataset    Dataset `gorm:"primaryKey"`
	Shop       string
	Source     StockSource
	Account    int64  // 0: not known yet
	Places     string // as in Shop
	AcceptedAt Time
}

// StockAccounts returns the accounts that a shop's items are or were read from, in the order
// of their acceptance. Agreements with e-conomic are not among them.
func (s *Store) StockAccounts(ctx context.Context, shop string) ([]StockAccount, error) {
	var list []StockAccount
	if err := s.db.WithContext(ctx).Where("shop = ?", shop).Order("accepted_at, dataset").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the stock accounts of %s: %w", shop, err)
	}
	return list, nil
}

// ItemsSource returns where the items that the views show were read: during a changeover, not
// where the shop's stock is read now.
func (s *Store) ItemsSource(ctx context.Context, st ShopStatus) (StockSource, error) {
	accounts, err := s.StockAccounts(ctx, st.Shop.Shop)
	if err != nil {
		return "", err
	}
	for _, a := range accounts {
		if a.Dataset == st.Progress.ItemsDataset {
			return a.Source, nil
		}
	}
	return SourceEconomic, nil
}

// SaveStockAccount stores the account that a new shop's key for its stock source is for. It keeps
// an account that is stored already.
func (s *Store) SaveStockAccount(ctx context.Context, shop string, account int64) error {
	_, err := s.exec(ctx, "UPDATE progress SET stock_account = ? WHERE shop = ? AND stock_account = 0", account, shop)
	if err != nil {
		return fmt.Errorf("save the stock account of %s: %w", shop, err)
	}
	return nil
}

// startStock gives a new shop the dataset of its items. Which account its key is for is
// known once Rackbeat has answered.
func startStock(db *gorm.DB, shop *Shop) error {
	shop.StockDataset = shop.Dataset
	if !shop.ReadsRackbeat() {
		return nil
	}
	// Not the shop's name: the agreement's items are stored there if the shop moves to them.
	shop.StockDataset = newDataset(shop.Generation)
	return db.Create(&StockAccount{Shop: shop.Shop, Source: shop.StockSource, Places: shop.Places, Dataset: shop.StockDataset, AcceptedAt: shop.CreatedAt}).Error
}

// ReadsLike reports whether the stock of both is read from the same source and, at Rackbeat, the
// same places.
func (s Shop) ReadsLike(o Shop) bool {
	return s.ReadsRackbeat() == o.ReadsRackbeat() && (!s.ReadsRackbeat() || s.Places == o.Places)
}

// PlaceNumbers returns the numbers of a text such as 1,4: ascending, without blanks and each only
// once, as in Shop.Places. An empty text has none.
func PlaceNumbers(text string) ([]int64, error) {
	if text == "" {
		return nil, nil
	}
	var list []int64
	for part := range strings.SplitSeq(text, ",") {
		number, err := strconv.ParseUint(strings.TrimSpace(part), 10, 63)
		if err != nil || number == 0 {
			return nil, fmt.Errorf("places %q: expected numbers from 1 such as 1,4, got %q", text, part)
		}
		list = append(list, int64(number))
	}
	slices.Sort(list)
	for n := range len(list) - 1 {
		if list[n] == list[n+1] {
			return nil, fmt.Errorf("places %q: place %d is named twice", text, list[n])
		}
	}
	return list, nil
}

// ChosenPlaces returns the numbers of the places whose stock counts, none if it is an item's own
// figure.
func (s Shop) ChosenPlaces() []string {
	if s.Places == "" {
		return nil
	}
	return strings.Split(s.Places, ",")
}

// JoinPlaces is the reverse of PlaceNumbers.
func JoinPlaces(numbers []int64) string {
	texts := make([]string, len(numbers))
	for n, number := range numbers {
		texts[n] = strconv.FormatInt(number, 10)
	}
	return strings.Join(texts, ",")
}

// StockChange says where a shop's stock is read from now on.
type StockChange struct {
	Source  StockSource
	Account int64  // at Source, unless that is e-conomic; 0: not known yet, or the same as before
	Key     []byte // sealed; empty: the stored one stays
	Places  string // as in Shop

	// Set changes other settings in the same transaction; nil: none.
	Set func(*Shop) error
}

// ChangeStockSource makes a shop's stock be read elsewhere, in one small transaction. From then
// on its items are stored in a dataset of that account; an account that the shop has had before
// gets its stored dataset back, and so does e-conomic, so that a move can be taken back. The
// views show the former items until the new ones have been read and Progress.ItemsDataset names
// them. What holds the stock of the former account, and losses approved there, end. Invoices
// are not touched. With the source, account and places that the shop has already, only its key
// changes, and what holds its stock ends.
//
// Another choice of places counts as another account: each figure then has another meaning. In
// one dataset, the shop's software would see figures of both meanings until all are read
// again, and the loss guard would judge the change of meaning page by page, as if stock were
// lost. With a dataset of its own it judges all items at once, before any is shown, and the
// former losses are not counted with the new ones.
func (s *Store) ChangeStockSource(ctx context.Context, name string, c StockChange, now time.Time) error {
	err := s.changeShops(ctx, func(db *gorm.DB, generation int64) error {
		shop, err := oneShop(db, name)
		if err != nil {
			return err
		}
		before := shop
		if c.Set != nil {
			if err := c.Set(&shop); err != nil {
				return err
			}
		}
		shop.StockSource, shop.Places = c.Source, c.Places
		if len(c.Key) > 0 {
			shop.RackbeatKey = c.Key
		}
		if shop.StockSource == SourceRackbeat && !shop.ReadsRackbeat() {
			return errors.New("expected a key")
		}
		if err := sealedInForce(db, before, shop); err != nil {
			return err
		}
		if err := s.moveStock(db, &shop, before, c.Account, generation, now); err != nil {
			return err
		}
		if err := actOnSettings(ctx, db, before, shop, now); err != nil {
			return err
		}
		return saveShop(db, &shop, generation, now)
	})
	if err != nil {
		return fmt.Errorf("change where the stock of %s is read: %w", name, err)
	}
	return nil
}

// moveStock gives a shop the dataset of the account that its stock is read from now.
func (s *Store) moveStock(db *gorm.DB, shop *Shop, before Shop, account, generation int64, now time.Time) error {
	var former int64
	if err := db.Raw("SELECT stock_account FROM progress WHERE shop = ?", shop.Shop).Scan(&former).Error; err != nil {
		return err
	}
	same := shop.ReadsLike(before)
	switch {
	case !shop.ReadsRackbeat():
		account = 0
	case before.ReadsRackbeat() && account == 0:
		account = former
	}
	if same && account == former {
		return s.deleteHolds(db, now, "shop = ? AND scope = ?", shop.Shop, plan.ScopeStock)
	}
	if shop.ReadsRackbeat() != before.ReadsRackbeat() {
		// What e-conomic refuses holds another scope from now on: the next passes find it again.
		if err := s.deleteHolds(db, now, "shop = ?", shop.Shop); err != nil {
			return err
		}
	}
	if before.ReadsRackbeat() {
		err := db.Exec("UPDATE stock_accounts SET account = ? WHERE dataset = ? AND account = 0", former, before.StockDataset).Error
		if err != nil {
			return err
		}
	}
	if err := s.resetStock(db, shop.Shop, account, now); err != nil {
		return err
	}
	if !shop.ReadsRackbeat() {
		shop.StockDataset = shop.Dataset
		return nil
	}
	if !same || former != 0 { // else nothing has been read with the former key yet
		shop.StockDataset = newDataset(generation)
	}
	return s.acceptAccount(db, shop, account, now)
}

// acceptAccount stores that a shop's items are read from an account. They are stored in the
// dataset of that account if the shop has had it before, otherwise in the shop's present one.
func (s *Store) acceptAccount(db *gorm.DB, shop *Shop, account int64, now time.Time) error {
	var known []StockAccount
	err := db.Where("shop = ? AND source = ? AND account = ? AND account <> 0 AND places = ?", shop.Shop, shop.StockSource, account, shop.Places).
		Order("accepted_at DESC, dataset").Limit(1).Find(&known).Error
	if err != nil {
		return err
	}
	if len(known) > 0 {
		shop.StockDataset = known[0].Dataset
	}
	return db.Exec("INSERT INTO stock_accounts (dataset, shop, source, account, places, accepted_at) VALUES (?,?,?,?,?,?)"+
		s.dialect.onConflict("dataset", overwrite("account", "accepted_at")...), shop.StockDataset, shop.Shop, shop.StockSource, account, shop.Places, At(now)).Error
}

// resetStock makes a shop's stock be read from the beginning, from that account, and ends what
// was decided about the stock of the former one. It leaves the items that are stored, and which
// of them are shown.
func (s *Store) resetStock(db *gorm.DB, shop string, account int64, now time.Time) error {
	if err := s.deleteHolds(db, now, "shop = ? AND scope = ?", shop, plan.ScopeStock); err != nil {
		return err
	}
	for _, step := range []struct {
		query string
		args  []any
	}{
		{"DELETE FROM approvals WHERE shop = ?", []any{shop}},
		{"DELETE FROM warnings WHERE shop = ? AND kind = ?", []any{shop, plan.KindStock}},
		{"UPDATE progress SET suspicion = '', items = 0, items_cursor = NULL, swept_at = NULL, stock_account = ? WHERE shop = ?", []any{account, shop}},
	} {
		if err := db.Exec(step.query, step.args...).Error; err != nil {
			return err
		}
	}
	return nil
}
