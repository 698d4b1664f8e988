package reconcile

import (
	"context"
	"time"

	"lagerd/plan"
)

// surfacing is how long an invoice that a hint has shown may be lacking in the
// listings, which may lag behind.
const surfacing = time.Hour

// compare compares a page of a sweep with what is stored: an earlier lagerd kept a former
// agreement's invoices under the numbers of the next. unread are the numbers on it of those
// that could not be understood. With the last page it returns those that are mixed; nil
// where nothing is compared or concluded.
func (i *invoices) compare(ctx context.Context, c *plan.Comparison, page invoicesPage, unread []int64, last bool) (*[]plan.Mixed, error) {
	if c == nil {
		return nil, nil
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
		return nil, nil
	}
	return &mixed, nil
}
