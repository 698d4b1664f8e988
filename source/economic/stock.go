package economic

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// products is e-conomic's own stock: GET /products and its inventory block.
type products struct {
	account Account
	figure  plan.Figure // required; "": none
}

// Can returns e-conomic's capabilities.
func (s products) Can() source.Capabilities {
	return source.Capabilities{Name: "e-conomic", Changes: true, Resolution: resolution, Figures: figures}
}

// figures maps the figures that a shop can sell by to their paths in e-conomic's answer.
var figures = map[plan.Figure]string{plan.FigureInStock: "inventory.inStock", plan.FigureAvailable: "inventory.available"}

// Item reads one item.
func (s products) Item(ctx context.Context, p source.Priority, number string) (plan.Observation, error) {
	read, err := s.account.Agreement.Product(ctx, p, number)
	if economic.KindOf(err) == economic.KindNotFound {
		return plan.Observation{Item: plan.Item{Number: number}, Began: read.Began}, nil
	}
	if err != nil {
		return plan.Observation{}, failed(err)
	}
	observation, err := toObservation(&read.Value, s.figure, read.Began)
	return observation, failed(err)
}

// Together returns how many of the numbers fit in one filter. Not every number can be
// filtered by, and the length of the URL is limited.
func (s products) Together(numbers []string) int { return s.account.Client.FitNumbers(numbers) }

// Items reads one page of items.
func (s products) Items(ctx context.Context, p source.Priority, q source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	if link != "" {
		read, err := s.account.Agreement.NextProducts(ctx, p, string(link))
		return toPage(read, s.figure), failed(err)
	}
	read, err := s.account.Agreement.Products(ctx, p, economic.ProductsQuery{UpdatedSince: q.Since, Numbers: q.Numbers, PageSize: s.account.PageSize})
	return toPage(read, s.figure), failed(err)
}

func toPage(read economic.Page[economic.Product], figure plan.Figure) source.Page[plan.Observation] {
	p := source.Page[plan.Observation]{Unreadable: unreadable(read.Bad), Announced: read.Results, Next: source.Link(read.Next),
		Began: read.Began, ServerDate: read.ServerDate, Observed: make([]plan.Observation, 0, len(read.Items))}
	for i := range read.Items {
		observation, err := toObservation(&read.Items[i], figure, read.Began)
		if err != nil {
			p.Unreadable = append(p.Unreadable, plan.Unreadable{Number: shown(read.Items[i].Number), Err: err})
			continue
		}
		p.Observed = append(p.Observed, observation)
	}
	return p
}

// shown returns an item's number as errors and the log may show it: one that is too long to store
// stays too long.
func shown(number string) string { return plan.Clip(number, source.LongestNumber+1) }

// toObservation returns a read of an item as an observation, or an error if a required
// field is unreadable: a number that can be stored, or the figure that the shop sells by.
func toObservation(p *economic.Product, figure plan.Figure, began time.Time) (plan.Observation, error) {
	obs := plan.Observation{Found: true, Began: began, Item: plan.Item{
		Number: p.Number, Name: plan.Clip(p.Name, source.LongestName), BarCode: plan.Clip(p.BarCode, source.LongestCode),
		Barred: p.Barred, UpdatedAt: p.LastUpdated,
		InventoryEnabled: p.InventoryEnabled != nil && *p.InventoryEnabled,
	}}
	if n := len([]rune(p.Number)); n == 0 || n > source.LongestNumber {
		return obs, fmt.Errorf("item number %q: expected 1 to %d characters, got %d", shown(p.Number), source.LongestNumber, n)
	}
	var doubts source.Doubts
	for _, u := range p.Unsound {
		doubts.Add(productFields[u.Field], u.Err)
	}
	if p.Inventory != nil {
		exactly := func(field plan.Fields, name string, from *decimal.Decimal) decimal.NullDecimal {
			d, err := source.Exact(from)
			if err != nil {
				doubts.Add(field, fmt.Errorf("%s: %w", name, err))
			}
			return d
		}
		obs.Item.Figures = plan.Figures{
			InStock:              exactly(plan.FieldInStock, figures[plan.FigureInStock], p.Inventory.InStock),
			Available:            exactly(plan.FieldAvailable, figures[plan.FigureAvailable], p.Inventory.Available),
			OrderedByCustomers:   exactly(plan.FieldOrderedByCustomers, "inventory.orderedByCustomers", p.Inventory.OrderedByCustomers),
			OrderedFromSuppliers: exactly(plan.FieldOrderedFromSuppliers, "inventory.orderedFromSuppliers", p.Inventory.OrderedFromSuppliers),
		}
	}
	if figure != "" && doubts.Fields().Has(plan.FieldOf(figure)) {
		return obs, doubts.Of(plan.FieldOf(figure))
	}
	obs.Unknown, obs.Warning = doubts.Fields(), doubts.Text()
	return obs, nil
}

// productFields maps paths in e-conomic's answer to the fields of an item. Other paths
// are not stored.
var productFields = map[string]plan.Fields{
	"name": plan.FieldName, "barCode": plan.FieldBarCode, "barred": plan.FieldBarred, "lastUpdated": plan.FieldUpdatedAt,
	"productGroup": plan.FieldInventoryEnabled, "productGroup.inventoryEnabled": plan.FieldInventoryEnabled,
	"inventory": plan.FieldsOfInventory, "inventory.inStock": plan.FieldInStock, "inventory.available": plan.FieldAvailable,
	"inventory.orderedByCustomers": plan.FieldOrderedByCustomers, "inventory.orderedFromSuppliers": plan.FieldOrderedFromSuppliers,
}
