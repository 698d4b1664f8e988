package reconcile

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/reconcile/plan"
)

// StockSource is where a shop's stock figures are read. e-conomic's products
// are the one there is; Rackbeat's API is to be the next. Every read says when
// it began, and a figure it does not know is absent, never zero.
type StockSource interface {
	// Item reads one item. An item that does not exist is an observation
	// with Found false, not an error.
	Item(ctx context.Context, p economic.Priority, number string) (plan.Observation, error)

	// Hinted reads several items together. Items that do not exist are left
	// out of the pages.
	Hinted(ctx context.Context, p economic.Priority, numbers []string) iter.Seq2[page, error]

	// Together returns how many of the numbers, counted from the first, can
	// be read by one call of Hinted; 0 where the first must be read alone.
	Together(numbers []string) int

	// Changed reads the items that changed at or after the given time, the
	// latest change first: what changes while the pages are turned moves to the
	// front, so it pushes others onto the next page, never past it.
	Changed(ctx context.Context, p economic.Priority, since time.Time) iter.Seq2[page, error]

	// Listing reads one page of everything there is, by number; link is ""
	// for the first page, else the Next of the page before.
	Listing(ctx context.Context, p economic.Priority, link string) (page, error)
}

// page is one page of observations.
type page struct {
	observations []plan.Observation
	bad          []economic.BadItem // items that could not be understood
	results      int                // items in the whole listing, as e-conomic counts them
	next         string             // "": the last page
	began        time.Time
	serverDate   time.Time // by the server's clock; zero if it did not say
}

// size returns how many items the page carried, understood or not.
func (p page) size() int { return len(p.observations) + len(p.bad) }

func numbersOf(observations []plan.Observation) []string {
	numbers := make([]string, len(observations))
	for i := range observations {
		numbers[i] = observations[i].Item.Number
	}
	return numbers
}

// products is e-conomic's own stock: GET /products and its inventory block.
type products struct {
	client    *economic.Client
	agreement *economic.Agreement
	pageSize  int
}

func (s products) Item(ctx context.Context, p economic.Priority, number string) (plan.Observation, error) {
	read, err := s.agreement.Product(ctx, p, number)
	if economic.KindOf(err) == economic.KindNotFound {
		return plan.Observation{Item: plan.Item{Number: number}, Began: read.Began}, nil
	}
	if err != nil {
		return plan.Observation{}, err
	}
	item, err := toItem(read.Value)
	return plan.Observation{Item: item, Found: true, Began: read.Began}, err
}

func (s products) Together(numbers []string) int {
	n := s.client.FitNumbers(numbers)
	for i, number := range numbers[:n] {
		if !economic.Filterable(number) {
			return i
		}
	}
	return n
}

func (s products) Hinted(ctx context.Context, p economic.Priority, numbers []string) iter.Seq2[page, error] {
	return s.pages(ctx, p, economic.ProductsQuery{Numbers: numbers, PageSize: s.pageSize})
}

func (s products) Changed(ctx context.Context, p economic.Priority, since time.Time) iter.Seq2[page, error] {
	return s.pages(ctx, p, economic.ProductsQuery{UpdatedSince: since, PageSize: s.pageSize})
}

func (s products) pages(ctx context.Context, p economic.Priority, q economic.ProductsQuery) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		read, err := s.agreement.Products(ctx, p, q)
		for {
			if err != nil {
				yield(page{}, err)
				return
			}
			if !yield(toPage(read), nil) || read.Next == "" {
				return
			}
			read, err = s.agreement.NextProducts(ctx, p, read.Next)
		}
	}
}

func (s products) Listing(ctx context.Context, p economic.Priority, link string) (page, error) {
	if link == "" {
		read, err := s.agreement.Products(ctx, p, economic.ProductsQuery{PageSize: s.pageSize})
		return toPage(read), err
	}
	read, err := s.agreement.NextProducts(ctx, p, link)
	return toPage(read), err
}

func toPage(read economic.Page[economic.Product]) page {
	p := page{bad: read.Bad, results: read.Results, next: read.Next, began: read.Began, serverDate: read.ServerDate,
		observations: make([]plan.Observation, 0, len(read.Items))}
	for _, product := range read.Items {
		item, err := toItem(product)
		if err != nil {
			p.bad = append(p.bad, economic.BadItem{Number: product.Number, Err: err})
			continue
		}
		p.observations = append(p.observations, plan.Observation{Item: item, Found: true, Began: read.Began})
	}
	return p
}

// Limits of what the store keeps exactly.
const (
	longestNumber = 64 // characters; e-conomic's own limit is 25
	mostDecimals  = 4  // e-conomic publishes 2
	mostDigits    = 15 // before them
	longestName   = 300
	longestCode   = 64
)

func toItem(p economic.Product) (plan.Item, error) {
	item := plan.Item{
		Number: p.Number, Name: clip(p.Name, longestName), BarCode: clip(p.BarCode, longestCode),
		Barred: p.Barred, UpdatedAt: p.LastUpdated,
		InventoryEnabled: p.InventoryEnabled != nil && *p.InventoryEnabled,
	}
	if n := len([]rune(p.Number)); n == 0 || n > longestNumber {
		return item, fmt.Errorf("item number %q: expected 1 to %d characters, got %d", p.Number, longestNumber, n)
	}
	if p.Inventory == nil {
		return item, nil
	}
	for _, f := range []struct {
		name string
		from *decimal.Decimal
		to   *decimal.NullDecimal
	}{
		{"inStock", p.Inventory.InStock, &item.Figures.InStock},
		{"available", p.Inventory.Available, &item.Figures.Available},
		{"orderedByCustomers", p.Inventory.OrderedByCustomers, &item.Figures.OrderedByCustomers},
		{"orderedFromSuppliers", p.Inventory.OrderedFromSuppliers, &item.Figures.OrderedFromSuppliers},
	} {
		var err error
		if *f.to, err = exact(f.from); err != nil {
			return item, fmt.Errorf("item %q: inventory.%s: %w", p.Number, f.name, err)
		}
	}
	return item, nil
}

// exact returns the decimal as the store can keep it without loss.
func exact(d *decimal.Decimal) (decimal.NullDecimal, error) {
	if d == nil {
		return decimal.NullDecimal{}, nil
	}
	if e := d.Exponent(); -mostDecimals <= e && e <= 0 && d.NumDigits() <= mostDigits {
		return decimal.NewNullDecimal(*d), nil // as nearly all are, and told without computing
	}
	if !d.Equal(d.Truncate(mostDecimals)) || d.Abs().GreaterThanOrEqual(decimal.New(1, mostDigits)) {
		return decimal.NullDecimal{}, fmt.Errorf("expected a number with at most %d decimals and %d digits before them, got %s", mostDecimals, mostDigits, clip(d.String(), 40))
	}
	return decimal.NewNullDecimal(*d), nil
}

// clip shortens a text that is kept for people to so many characters.
func clip(s string, characters int) string {
	if len(s) <= characters {
		return s
	}
	if r := []rune(s); len(r) > characters {
		return string(r[:characters])
	}
	return s
}

func toInvoice(i economic.Invoice) (plan.Invoice, error) {
	inv := plan.Invoice{
		Number: i.Number, Date: i.Date, DueDate: i.DueDate, Currency: i.Currency,
		CustomerNumber: i.CustomerNumber, RecipientName: i.RecipientName, OtherReference: i.OtherReference,
		Heading: i.Heading, TextLine1: i.TextLine1, OrderNumber: i.OrderNumber, PDFLink: i.PDF,
	}
	if len([]rune(i.Currency)) > 3 {
		return inv, fmt.Errorf("invoice %d: currency: expected three letters, got %q", i.Number, clip(i.Currency, 40))
	}
	for _, f := range []struct {
		name string
		from *decimal.Decimal
		to   *decimal.NullDecimal
	}{
		{"netAmount", i.Net, &inv.Net}, {"vatAmount", i.VAT, &inv.VAT}, {"grossAmount", i.Gross, &inv.Gross},
		{"roundingAmount", i.Rounding, &inv.Rounding},
		{"netAmountInBaseCurrency", i.NetBase, &inv.NetBase}, {"grossAmountInBaseCurrency", i.GrossBase, &inv.GrossBase},
	} {
		var err error
		if *f.to, err = exact(f.from); err != nil {
			return inv, fmt.Errorf("invoice %d: %s: %w", i.Number, f.name, err)
		}
	}
	return inv, nil
}

// AssessPage reads the first page of an agreement's items and counts those
// that carry stock figures, for a check before anything is stored.
func AssessPage(ctx context.Context, client *economic.Client, agreement *economic.Agreement) (plan.Assessment, error) {
	var a plan.Assessment
	p, err := products{client: client, agreement: agreement}.Listing(ctx, economic.PriorityHint, "")
	for _, o := range p.observations {
		a.Add(o.Item)
	}
	return a, err
}
