package reconcile

import (
	"context"
	"fmt"
	"regexp"

	"lagerd/plan"
	"lagerd/source"
)

// AskItem asks what the source of the shop's stock says of an item now: in one call, or in two if
// the shop has chosen places. It tries once.
func (d Diff) AskItem(ctx context.Context, number string) (plan.Observation, error) {
	return d.stock().Item(ctx, source.PriorityPerson, number)
}

// AskInvoice asks e-conomic for a booked invoice, in one call, and returns it with the shop's order
// number; nil if there is none. It tries once.
func (d Diff) AskInvoice(ctx context.Context, number int64) (inv *plan.Invoice, order string, err error) {
	page, _, err := d.invoices().Invoice(ctx, source.PriorityPerson, number)
	switch {
	case err != nil:
		return nil, "", err
	case len(page.Unreadable) > 0:
		return nil, "", fmt.Errorf("invoice %d: %w", number, page.Unreadable[0].Err)
	case len(page.Observed) == 0:
		return nil, "", nil
	}
	rule := plan.OrderRule{Field: d.Shop.OrderField}
	if d.Shop.OrderPattern != "" {
		if rule.Pattern, err = regexp.Compile(d.Shop.OrderPattern); err != nil {
			return nil, "", fmt.Errorf("order pattern %q: %w", d.Shop.OrderPattern, err)
		}
	}
	return &page.Observed[0], rule.OrderNumber(page.Observed[0]), nil
}
