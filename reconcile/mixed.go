package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
)

// surfacing is how long the listings, which may lag, may lack an invoice that a hint has shown.
const surfacing = time.Hour

// compare compares a page of a sweep with the stored invoices, to find those of a former
// agreement, which an earlier lagerd kept under the same numbers. unread are the numbers on the
// page that could not be understood. With the last page it returns the mixed invoices; nil if
// nothing was compared or can be concluded.
func (i *invoices) compare(ctx context.Context, c *plan.Comparison, page invoicesPage, unread []int64, last bool) (*[]plan.Mixed, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // nil means no conclusion
	}
	if from, to, ok := c.Next(page.Observed, page.Unreadable, last); ok {
		stored, err := i.Store.InvoicesBetween(ctx, i.shop.Dataset, from, to, page.Began.Add(-surfacing))
		if err != nil {
			return nil, err
		}
		c.Add(page.Observed, unread, stored, to)
	}
	mixed, ok := c.Mixed()
	if !last || !ok {
		return nil, nil //nolint:nilnil // nil means no conclusion
	}
	return &mixed, nil
}
