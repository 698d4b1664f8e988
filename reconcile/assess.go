package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"lagerd/plan"
	"lagerd/source"
)

// AssessPage reads the first page of a source's items and counts those with stock figures, as a
// check before anything is stored. It returns an error if no item has a figure and some have
// one that could not be understood, and if the only page has fewer items than the listing
// announced.
func AssessPage(ctx context.Context, stock source.Stock) (plan.Assessment, error) {
	var a plan.Assessment
	p, err := firstPage(ctx, stock)
	if err != nil {
		return a, err
	}
	var doubt error
	for _, u := range p.Unreadable {
		doubt = cmp.Or(doubt, u.Err)
	}
	for _, o := range p.Observed {
		if !o.Found {
			continue
		}
		a.Add(o.Item)
		if o.Unknown.Has(plan.FieldsOfInventory) {
			doubt = cmp.Or(doubt, errors.New(o.Warning))
		}
	}
	if a.WithFigures == 0 && doubt != nil {
		return a, fmt.Errorf("no stock figure on the first page can be read: %w", doubt)
	}
	if p.Next == "" {
		err = plan.Complete("items", p.Announced, p.Size())
	}
	if err != nil {
		err = fmt.Errorf("%s %w: its listing is cut short, so nothing can be concluded from it", stock.Can().Name, err)
	}
	return a, err
}

// firstPage reads the first page of a source's items to its end.
func firstPage(ctx context.Context, stock source.Stock) (itemsPage, error) {
	for link := source.Link(""); ; {
		p, err := stock.Items(ctx, source.PriorityPerson, source.ItemsQuery{}, link)
		if err != nil || !p.Unfinished {
			return p, err
		}
		link = p.Next
	}
}
