package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gorm.io/gorm"

	"lagerd/plan"
)

// Dataset is the key of what was read for one shop from one agreement, or of the items read
// from one account of another stock source. The dataset of a shop's first agreement has the
// shop's name; the type keeps the two from being mixed up.
type Dataset string

// Datasets says where a shop's items and its invoices are stored.
type Datasets struct{ Items, Invoices Dataset }

func (d Datasets) of(kind plan.Kind) Dataset {
	if kind == plan.KindStock {
		return d.Items
	}
	return d.Invoices
}

// Datasets returns where the shop's items and invoices are stored.
func (s Shop) Datasets() Datasets { return Datasets{Items: s.StockDataset, Invoices: s.Dataset} }

// Agreement is one of the agreements of a shop that has had more than one, with the
// dataset in which its figures, invoices and PDFs are stored.
type Agreement struct {
	Shop            string `gorm:"primaryKey"`
	AgreementNumber int64  `gorm:"primaryKey"`
	Dataset         Dataset
	AcceptedAt      Time
}

// Agreements returns the agreements of a shop that has had more than one, in the
// order of their acceptance.
func (s *Store) Agreements(ctx context.Context, shop string) ([]Agreement, error) {
	var list []Agreement
	if err := s.db.WithContext(ctx).Where("shop = ?", shop).Order("accepted_at, agreement_number").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the agreements of %s: %w", shop, err)
	}
	return list, nil
}

// datasets returns all dataset keys that may hold rows of a shop, even one that has
// been removed.
func (s *Store) datasets(ctx context.Context, shop string) ([]string, error) {
	agreements, err := s.Agreements(ctx, shop)
	if err != nil {
		return nil, err
	}
	accounts, err := s.StockAccounts(ctx, shop)
	if err != nil {
		return nil, err
	}
	list := []string{shop}
	for _, a := range agreements {
		list = append(list, string(a.Dataset))
	}
	for _, a := range accounts {
		list = append(list, string(a.Dataset))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// newDataset returns a dataset that has never been used. No shop name starts with @, and no
// generation is used twice.
func newDataset(generation int64) Dataset {
	return Dataset("@" + strconv.FormatInt(generation, 10))
}

// AcceptAgreement switches a shop to the agreement that its token now answers for, in
// one small transaction. From then on everything read is stored in that agreement's own
// dataset. Invoices and PDFs of the former agreement leave the views at once; its items
// stay until those of the new one have been read and Progress.ItemsDataset names them.
// An agreement that the shop has had before gets its stored dataset back. Accepting the
// current agreement again only ends the shop's holds. If the shop's stock is read elsewhere,
// its items, and what holds or was approved for its stock, stay as they are.
func (s *Store) AcceptAgreement(ctx context.Context, name string, agreement int64, now time.Time) error {
	if agreement <= 0 {
		return fmt.Errorf("accept an agreement for %s: agreement %d: expected a number above 0", name, agreement)
	}
	err := s.changeShops(ctx, func(db *gorm.DB, generation int64) error {
		shop, err := oneShop(db, name)
		if err != nil {
			return err
		}
		var former int64
		if err := db.Raw("SELECT agreement_number FROM progress WHERE shop = ?", name).Scan(&former).Error; err != nil {
			return err
		}
		holds, args := "shop = ?", []any{name}
		if shop.ReadsRackbeat() {
			holds, args = holds+" AND scope <> ?", append(args, plan.ScopeStock)
		}
		if err := s.deleteHolds(db, now, holds, args...); err != nil {
			return err
		}
		if former != agreement {
			if shop.Dataset, err = s.changeDataset(db, shop, former, agreement, generation, now); err != nil {
				return err
			}
			if !shop.ReadsRackbeat() {
				shop.StockDataset = shop.Dataset
				if err := s.resetStock(db, name, 0, now); err != nil {
					return err
				}
			}
		}
		if err := act(ctx, db, Action{Shop: name, What: ActionAccepted, Detail: strconv.FormatInt(agreement, 10), ActedAt: At(now)}); err != nil {
			return err
		}
		return saveShop(db, &shop, generation, now)
	})
	if err != nil {
		return fmt.Errorf("accept agreement %d for %s: %w", agreement, name, err)
	}
	return nil
}

// changeDataset resets the progress of a shop's invoices for another agreement and returns
// that agreement's dataset.
func (s *Store) changeDataset(db *gorm.DB, shop Shop, former, agreement, generation int64, now time.Time) (Dataset, error) {
	record := func(number int64, dataset Dataset) error {
		return db.Exec("INSERT INTO agreements (shop, agreement_number, dataset, accepted_at) VALUES (?,?,?,?)"+
			s.dialect.onConflict("shop, agreement_number", "accepted_at = new.accepted_at"), shop.Shop, number, dataset, At(now)).Error
	}
	if former != 0 {
		var known int64
		if err := db.Model(&Agreement{}).Where("shop = ? AND agreement_number = ?", shop.Shop, former).Count(&known).Error; err != nil {
			return "", err
		}
		if known == 0 {
			err := db.Create(&Agreement{Shop: shop.Shop, AgreementNumber: former, Dataset: shop.Dataset, AcceptedAt: shop.CreatedAt}).Error
			if err != nil {
				return "", err
			}
		}
	}
	var list []Agreement
	if err := db.Where("shop = ? AND agreement_number = ?", shop.Shop, agreement).Find(&list).Error; err != nil {
		return "", err
	}
	dataset := newDataset(generation)
	switch {
	case len(list) == 1:
		dataset = list[0].Dataset
	case former == 0:
		dataset = shop.Dataset // nothing has been read of any agreement yet
	}
	if err := record(agreement, dataset); err != nil {
		return "", err
	}
	if err := db.Exec("DELETE FROM invoice_gaps WHERE shop = ?", shop.Shop).Error; err != nil {
		return "", err
	}
	if err := db.Exec("DELETE FROM warnings WHERE shop = ? AND kind = ?", shop.Shop, plan.KindInvoice).Error; err != nil {
		return "", err
	}
	err := db.Exec("UPDATE progress SET agreement_number = ?, invoice_cursor = 0, invoices_begun = ?, invoices_swept_at = NULL,"+
		" failures = 0, failure = '' WHERE shop = ?", agreement, false, shop.Shop).Error
	return dataset, err
}

// Losses counts the items whose stock is lost by changing from the former dataset to
// next: those with a figure other than zero in the former and none, or zero, in next.
// present is how many items of the former are not gone. (plan.Row has the same rule for
// two rows.)
func (s *Store) Losses(ctx context.Context, former, next Dataset) (losses, present int, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(CASE WHEN f.stock IS NOT NULL AND (n.stock IS NULL OR f.stock + 0 <> 0 AND n.stock + 0 = 0) OR n.state IS NULL OR n.state = ? THEN 1 ELSE 0 END), 0)"+
		" FROM items f LEFT JOIN items n ON n.shop = ? AND n.number = f.number WHERE f.shop = ? AND f.state <> ?",
		plan.StateGone, next, former, plan.StateGone).Scan(&present, &losses)
	if err != nil {
		return 0, 0, fmt.Errorf("compare the items of %s with those of %s: %w", former, next, err)
	}
	return losses, present, nil
}

// MissingItems returns the former dataset's rows of items that dataset lacks, by number,
// at most RowsPerPiece.
func (s *Store) MissingItems(ctx context.Context, dataset, former Dataset) ([]plan.Row, error) {
	numbers, err := s.numbers(ctx, "SELECT f.number FROM items f LEFT JOIN items n ON n.shop = ? AND n.number = f.number"+
		" WHERE f.shop = ? AND f.state <> ? AND n.number IS NULL ORDER BY f.number LIMIT ?", dataset, former, plan.StateGone, RowsPerPiece)
	if err != nil {
		return nil, fmt.Errorf("find items of %s that %s lacks: %w", former, dataset, err)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	rows, err := s.Items(ctx, former, numbers)
	if err != nil {
		return nil, err
	}
	lacking := make([]plan.Row, len(numbers))
	for i, number := range numbers {
		lacking[i] = rows[number]
	}
	return lacking, nil
}

func (s *Store) numbers(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var numbers []string
	for rows.Next() {
		var number string
		if err := rows.Scan(&number); err != nil {
			return nil, err
		}
		numbers = append(numbers, number)
	}
	return numbers, rows.Err()
}

// FormerInvoices returns the stored invoices with that number of the shop's former
// agreements, by agreement number.
func (s *Store) FormerInvoices(ctx context.Context, shop Shop, number string) (map[int64]Invoice, error) {
	agreements, err := s.Agreements(ctx, shop.Shop)
	if err != nil {
		return nil, err
	}
	found := map[int64]Invoice{}
	for _, a := range agreements {
		if a.Dataset == shop.Dataset {
			continue
		}
		list, err := s.Invoices(ctx, a.Dataset, []string{number})
		if err != nil {
			return nil, err
		}
		if len(list) == 1 {
			found[a.AgreementNumber] = list[0]
		}
	}
	return found, nil
}

// InvoicesBetween returns the immutable fields of the stored invoices from first to
// last, both included, that were found before the given time.
func (s *Store) InvoicesBetween(ctx context.Context, dataset Dataset, first, last int64, foundBefore time.Time) ([]plan.Invoice, error) {
	fail := func(err error) ([]plan.Invoice, error) {
		return nil, fmt.Errorf("read the invoices %d to %d of %s: %w", first, last, dataset, err)
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT number, invoice_date, currency, net, gross FROM invoices"+
		" WHERE shop = ? AND number BETWEEN ? AND ? AND found_at < ? ORDER BY number", dataset, first, last, At(foundBefore))
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	var list []plan.Invoice
	for rows.Next() {
		var i plan.Invoice
		var date Date
		if err := rows.Scan(&i.Number, &date, &i.Currency, &i.Net, &i.Gross); err != nil {
			return fail(err)
		}
		i.Date = string(date)
		list = append(list, i)
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return list, nil
}

func (t *tx) putMixed(dataset Dataset, mixed *[]plan.Mixed, now time.Time) {
	if mixed == nil {
		return
	}
	t.exec("DELETE FROM mixed_invoices WHERE shop = ?", dataset)
	args := make([]any, 0, 4*len(*mixed))
	for _, m := range *mixed {
		args = append(args, dataset, m.Number, clip(m.Reason, 500), At(now))
	}
	t.insertRows("INSERT INTO mixed_invoices (shop, number, reason, found_at)", 4, "", args)
}

// MixedInvoices returns the stored invoices of a dataset that, by the last sweep of its
// invoices, are not its agreement's.
func (s *Store) MixedInvoices(ctx context.Context, dataset Dataset) ([]plan.Mixed, error) {
	var list []plan.Mixed
	err := s.db.WithContext(ctx).Raw("SELECT number, reason FROM mixed_invoices WHERE shop = ? ORDER BY number", dataset).Scan(&list).Error
	if err != nil {
		return nil, fmt.Errorf("read the mixed-up invoices of %s: %w", dataset, err)
	}
	return list, nil
}
