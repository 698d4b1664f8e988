package reconcile

import (
	"context"
	"maps"
	"slices"

	"lagerd/plan"
	"lagerd/source"
)

// compared is what one listing of all items showed, beside what is stored.
type compared struct {
	found  map[string]plan.Difference
	listed int // items on it
	stored int // items that are stored and not gone
	unread int // of those, items that it shows and that could not be understood
	pages  int

	assessment plan.Assessment
	told       Differences // what was noted, and what could not be understood
}

// list compares everything page by page, and then what the complete listing did not show.
func (d itemsDiff) list(ctx context.Context) (*compared, error) {
	stock := d.stock() // one for the listing: a source may read ahead of its pages
	name := stock.Can().Name
	c := &compared{found: map[string]plan.Difference{}, told: Differences{Shop: d.Shop.Shop}}
	seen, unread := map[string]struct{}{}, map[string]struct{}{}
	came := 0
	for p, err := range source.Pages("items", func(link source.Link) (itemsPage, error) {
		return withRetry(ctx, func() (itemsPage, error) {
			return stock.Items(ctx, source.PriorityPerson, source.ItemsQuery{}, link)
		})
	}) {
		if err != nil {
			return nil, cutShort(name, err)
		}
		c.pages++
		came += p.Size()
		d.tell("items read at "+name, came, p.Announced)
		for _, o := range p.Observed {
			seen[o.Item.Number] = struct{}{}
			delete(unread, o.Item.Number)
		}
		for _, b := range p.Unreadable {
			seen[b.Number], unread[b.Number] = struct{}{}, struct{}{}
			delete(c.found, b.Number)
		}
		if err := d.comparePage(ctx, c, p); err != nil {
			return nil, err
		}
	}
	c.listed = len(seen)
	if err := d.compareMissing(ctx, c, seen, unread); err != nil {
		return nil, err
	}
	switch c.assessment.Verdict() {
	case plan.VerdictNoInventory:
		c.told.note("none of %s's %d items carries a stock figure: is the stock really kept there, and may lagerd read it? A reconciliation leaves the stored stock unchanged", name, c.assessment.Items)
	case plan.VerdictAllZero:
		c.told.note("every stock figure at %s is zero: is the stock really kept there?", name)
	case plan.VerdictOK, plan.VerdictEmpty:
	}
	return c, nil
}

// comparePage compares the items of a page with their stored rows.
func (d itemsDiff) comparePage(ctx context.Context, c *compared, p itemsPage) error {
	numbers := make([]string, len(p.Observed))
	for n, o := range p.Observed {
		numbers[n] = o.Item.Number
		delete(c.found, o.Item.Number) // pages shift during the listing: the last one to show an item counts
		if o.Found {
			c.assessment.Add(o.Item)
		}
		c.told.partial(plan.KindStock, o.Item.Number, o.Warning, o.Unknown)
	}
	c.told.unreadable(plan.KindStock, p.Unreadable...)
	rows, err := d.rows(ctx, numbers)
	if err != nil {
		return err
	}
	for _, difference := range plan.Diff(p.Observed, rows, d.Shop.StockFigure) {
		c.found[difference.Number] = difference
	}
	return nil
}

// compareMissing adds the stored items that a listing did not show, and counts those stored.
func (d itemsDiff) compareMissing(ctx context.Context, c *compared, seen, unread map[string]struct{}) error {
	var numbers []string
	for number, err := range d.Store.PresentNumbers(ctx, d.Progress.ItemsDataset) {
		if err != nil {
			return err
		}
		c.stored++
		if _, listed := seen[number]; !listed {
			numbers = append(numbers, number)
		}
		if _, bad := unread[number]; bad {
			c.unread++
		}
	}
	rows, err := d.rows(ctx, numbers)
	if err != nil {
		return err
	}
	absent := make([]plan.Observation, len(numbers))
	for n, number := range numbers {
		absent[n].Item.Number = number
	}
	for _, difference := range plan.Diff(absent, rows, d.Shop.StockFigure) {
		c.found[difference.Number] = difference
	}
	return nil
}

// differences returns what differs, losses first, then by number.
func (c *compared) differences() []plan.Difference {
	return slices.SortedFunc(maps.Values(c.found), lossesFirst)
}

// split returns the losses among the differences, and all others.
func (c *compared) split() (losses, others []plan.Difference) {
	for _, difference := range c.found {
		if difference.Loss {
			losses = append(losses, difference)
		} else {
			others = append(others, difference)
		}
	}
	return losses, others
}

// report adds what the listing showed to the result, apart from the differences.
func (c *compared) report(out *Differences) {
	out.Stock.AtEconomic, out.Stock.Stored = c.listed, c.stored
	out.Notes = append(out.Notes, c.told.Notes...)
	out.Unreadable = append(out.Unreadable, c.told.Unreadable...)
	out.fieldNotes += c.told.fieldNotes
}
