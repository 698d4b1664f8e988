package sandboxtest

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/shopspring/decimal"
)

// Truth is what an agreement of the sandbox holds, wherever its stock is kept.
type Truth struct {
	Products []struct {
		Number    string           `json:"number"`
		InStock   *decimal.Decimal `json:"inStock"`
		Available *decimal.Decimal `json:"available"`
		Barred    bool             `json:"barred"`
		Inventory bool             `json:"inventory"`
	} `json:"products"`
	Invoices []struct {
		Number     int64           `json:"number"`
		CreditNote bool            `json:"creditNote"`
		OrderRef   string          `json:"orderRef"`
		Gross      decimal.Decimal `json:"gross"`
		PDFSHA256  string          `json:"pdfSHA256"`
	} `json:"invoices"`
}

// RackbeatTruth is what an agreement's Rackbeat account holds. An item's figures by place
// include the places in them.
type RackbeatTruth struct {
	Account int64 `json:"account"`
	Items   []struct {
		Number    string                     `json:"number"`
		Barred    bool                       `json:"barred"`
		Enabled   bool                       `json:"enabled"`
		Stock     decimal.Decimal            `json:"stock"`
		Ordered   decimal.Decimal            `json:"ordered"`
		Available decimal.Decimal            `json:"available"`
		Purchased decimal.Decimal            `json:"purchased"`
		Places    map[string]decimal.Decimal `json:"places"`
	} `json:"items"`
}

// Differences compares what a shop's own software reads with the truth, and describes each
// difference. It returns an error if the database cannot be read.
func Differences(ctx context.Context, db *sql.DB, is Truth, shop string) ([]string, error) {
	stock, err := stockDifferences(ctx, db, is, shop)
	if err != nil {
		return nil, fmt.Errorf("read the stock of %s: %w", shop, err)
	}
	invoices, err := invoiceDifferences(ctx, db, is, shop)
	if err != nil {
		return nil, fmt.Errorf("read the invoices of %s: %w", shop, err)
	}
	return append(stock, invoices...), nil
}

func stockDifferences(ctx context.Context, db *sql.DB, is Truth, shop string) (diff []string, err error) {
	type stock struct {
		figure decimal.NullDecimal
		state  string
	}
	stored := map[string]stock{}
	rows, err := db.QueryContext(ctx, "SELECT item_number, stock, state FROM shop_stock WHERE shop = ?", shop)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var number string
		var st stock
		if err := rows.Scan(&number, &st.figure, &st.state); err != nil {
			return nil, err
		}
		stored[number] = st
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, p := range is.Products {
		st, ok := stored[p.Number]
		delete(stored, p.Number)
		switch {
		case !ok:
			diff = append(diff, fmt.Sprintf("item %q is missing", p.Number))
		case !p.Inventory && (st.figure.Valid || st.state != "no_inventory"):
			diff = append(diff, fmt.Sprintf("item %q has no inventory block but stock %v, state %s", p.Number, st.figure.Decimal, st.state))
		case p.Inventory && (!st.figure.Valid || !st.figure.Decimal.Equal(*p.InStock)):
			diff = append(diff, fmt.Sprintf("item %q: stock %v (known: %t), expected %v", p.Number, st.figure.Decimal, st.figure.Valid, p.InStock))
		case p.Inventory && p.Barred != (st.state == "barred"):
			diff = append(diff, fmt.Sprintf("item %q: state %s, barred %t", p.Number, st.state, p.Barred))
		}
	}
	for number, st := range stored {
		if st.state != "gone" || st.figure.Valid {
			diff = append(diff, fmt.Sprintf("item %q is gone, but state %s, stock %v", number, st.state, st.figure.Decimal))
		}
	}
	return diff, nil
}

func invoiceDifferences(ctx context.Context, db *sql.DB, is Truth, shop string) (diff []string, err error) {
	type invoice struct{ kind, order, gross, hash string }
	stored := map[int64]invoice{}
	rows, err := db.QueryContext(ctx, "SELECT invoice_number, kind, order_number, gross, pdf_sha256, pdf FROM shop_invoices WHERE shop = ?", shop)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var v invoice
		var gross decimal.Decimal
		var pdf []byte
		if err := rows.Scan(&n, &v.kind, &v.order, &gross, &v.hash, &pdf); err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(pdf); v.hash != "" && hex.EncodeToString(sum[:]) != v.hash {
			diff = append(diff, fmt.Sprintf("invoice %d: the PDF is not the one its hash tells of", n))
		}
		v.gross = gross.String()
		stored[n] = v
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, inv := range is.Invoices {
		want := invoice{"invoice", inv.OrderRef, inv.Gross.String(), inv.PDFSHA256}
		if inv.CreditNote {
			want.kind = "credit_note"
		}
		if got := stored[inv.Number]; got != want {
			diff = append(diff, fmt.Sprintf("invoice %d: %+v, expected %+v", inv.Number, got, want))
		}
		delete(stored, inv.Number)
	}
	for n := range stored {
		diff = append(diff, fmt.Sprintf("invoice %d is not at e-conomic", n))
	}
	return diff, nil
}
