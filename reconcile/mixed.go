package reconcile

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// comparison compares what is stored with a sweep of the invoices, page by page: an
// earlier lagerd kept a former agreement's invoices under the numbers of the next.
type comparison struct {
	after    int64  // numbers up to here have been compared
	dateFrom string // only invoices from that date on are listed; "": all
	mixed    []plan.Mixed
	unsorted bool // the listing is not by number, or not each has one: nothing is concluded from it
}

const (
	// mostMixed bounds how many are named: one is enough to know.
	mostMixed = 1000
	// surfacing is how long an invoice that a hint has shown may be lacking in the
	// listings, which may lag behind.
	surfacing = time.Hour
)

// add compares a page, on which there are numbers of invoices that could not be understood
// beside those that were. With the last one it returns those that are mixed; nil where
// nothing is compared or concluded.
func (c *comparison) add(ctx context.Context, from *store.Store, dataset store.Dataset, page invoicesPage, unread []int64, last bool) (*[]plan.Mixed, error) {
	if c == nil {
		return nil, nil
	}
	listed, upTo := page.Observed, int64(math.MaxInt64)
	if !last {
		upTo = c.after
		for _, i := range listed {
			upTo = max(upTo, i.Number)
		}
	}
	if len(listed) > 0 && slices.MinFunc(listed, byNumber).Number <= c.after && !last {
		c.unsorted = true // pages have shifted, or e-conomic sorts otherwise
	}
	// Any that is stored may be one whose number cannot be read.
	c.unsorted = c.unsorted || slices.ContainsFunc(page.Unreadable, nameless)
	if !c.unsorted && len(c.mixed) < mostMixed && upTo > c.after {
		stored, err := from.InvoicesBetween(ctx, dataset, c.after+1, upTo, page.Began.Add(-surfacing))
		if err != nil {
			return nil, err
		}
		mixed := plan.MixedInvoices(listed, unread, stored, c.dateFrom)
		c.mixed = append(c.mixed, mixed[:min(len(mixed), mostMixed-len(c.mixed))]...)
		c.after = upTo
	}
	if !last || c.unsorted {
		return nil, nil
	}
	return &c.mixed, nil
}

func byNumber(a, b plan.Invoice) int { return cmp.Compare(a.Number, b.Number) }
