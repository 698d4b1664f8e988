package store

import (
	"context"
	"fmt"
)

// InvoicesWithoutPDF returns the stored invoices whose PDF is not stored yet, by
// number.
func (s *Store) InvoicesWithoutPDF(ctx context.Context, dataset Dataset) ([]Invoice, error) {
	var list []Invoice
	if err := s.db.WithContext(ctx).Where("shop = ? AND pdf_state <> 'stored'", dataset).Order("number").Find(&list).Error; err != nil {
		return nil, fmt.Errorf("read the invoices of %s without a PDF: %w", dataset, err)
	}
	return list, nil
}
