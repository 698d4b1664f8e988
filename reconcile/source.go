package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
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
	figure    plan.Figure // without which an item is of no use; "": none
}

func (s products) Item(ctx context.Context, p economic.Priority, number string) (plan.Observation, error) {
	read, err := s.agreement.Product(ctx, p, number)
	if economic.KindOf(err) == economic.KindNotFound {
		return plan.Observation{Item: plan.Item{Number: number}, Began: read.Began}, nil
	}
	if err != nil {
		return plan.Observation{}, err
	}
	return toObservation(&read.Value, s.figure, read.Began)
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
			if !yield(toPage(read, s.figure), nil) || read.Next == "" {
				return
			}
			read, err = s.agreement.NextProducts(ctx, p, read.Next)
		}
	}
}

func (s products) Listing(ctx context.Context, p economic.Priority, link string) (page, error) {
	if link == "" {
		read, err := s.agreement.Products(ctx, p, economic.ProductsQuery{PageSize: s.pageSize})
		return toPage(read, s.figure), err
	}
	read, err := s.agreement.NextProducts(ctx, p, link)
	return toPage(read, s.figure), err
}

func toPage(read economic.Page[economic.Product], figure plan.Figure) page {
	p := page{bad: read.Bad, results: read.Results, next: read.Next, began: read.Began, serverDate: read.ServerDate,
		observations: make([]plan.Observation, 0, len(read.Items))}
	for i := range read.Items {
		observation, err := toObservation(&read.Items[i], figure, read.Began)
		if err != nil {
			p.bad = append(p.bad, economic.BadItem{Number: read.Items[i].Number, Err: err})
			continue
		}
		p.observations = append(p.observations, observation)
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

// toObservation returns what a read said about an item, or an error where it does not
// tell what is needed: a number that can be kept, and the figure that the shop sells by.
func toObservation(p *economic.Product, figure plan.Figure, began time.Time) (plan.Observation, error) {
	obs := plan.Observation{Found: true, Began: began, Item: plan.Item{
		Number: p.Number, Name: clip(p.Name, longestName), BarCode: clip(p.BarCode, longestCode),
		Barred: p.Barred, UpdatedAt: p.LastUpdated,
		InventoryEnabled: p.InventoryEnabled != nil && *p.InventoryEnabled,
	}}
	if n := len([]rune(p.Number)); n == 0 || n > longestNumber {
		return obs, fmt.Errorf("item number %q: expected 1 to %d characters, got %d", p.Number, longestNumber, n)
	}
	doubts := doubts{}
	for _, u := range p.Unsound {
		doubts.add(productFields[u.Field], u.Err)
	}
	if p.Inventory != nil {
		exactly := func(field plan.Fields, name string, from *decimal.Decimal) decimal.NullDecimal {
			d, err := exact(from)
			if err != nil {
				doubts.add(field, fmt.Errorf("inventory.%s: %w", name, err))
			}
			return d
		}
		obs.Item.Figures = plan.Figures{
			InStock:              exactly(plan.FieldInStock, "inStock", p.Inventory.InStock),
			Available:            exactly(plan.FieldAvailable, "available", p.Inventory.Available),
			OrderedByCustomers:   exactly(plan.FieldOrderedByCustomers, "orderedByCustomers", p.Inventory.OrderedByCustomers),
			OrderedFromSuppliers: exactly(plan.FieldOrderedFromSuppliers, "orderedFromSuppliers", p.Inventory.OrderedFromSuppliers),
		}
	}
	if figure != "" && doubts.fields.Has(plan.FieldOf(figure)) {
		return obs, doubts.of(plan.FieldOf(figure))
	}
	obs.Unknown, obs.Warning = doubts.fields, doubts.text()
	return obs, nil
}

// productFields are the fields of an item by the path that e-conomic's answer has them
// at. What is not among them is not kept.
var productFields = map[string]plan.Fields{
	"name": plan.FieldName, "barCode": plan.FieldBarCode, "barred": plan.FieldBarred, "lastUpdated": plan.FieldUpdatedAt,
	"productGroup": plan.FieldInventoryEnabled, "productGroup.inventoryEnabled": plan.FieldInventoryEnabled,
	"inventory": plan.FieldsOfInventory, "inventory.inStock": plan.FieldInStock, "inventory.available": plan.FieldAvailable,
	"inventory.orderedByCustomers": plan.FieldOrderedByCustomers, "inventory.orderedFromSuppliers": plan.FieldOrderedFromSuppliers,
}

// doubts gathers what of an item or invoice cannot be understood.
type doubts struct {
	fields plan.Fields
	each   []doubt
}

type doubt struct {
	field plan.Fields
	err   error
}

func (d *doubts) add(field plan.Fields, err error) {
	d.fields |= field
	d.each = append(d.each, doubt{field, err})
}

// of returns the first error about a field.
func (d *doubts) of(field plan.Fields) error {
	for _, each := range d.each {
		if each.field.Has(field) {
			return each.err
		}
	}
	return nil
}

// longestWarning is how many characters of a warning are kept.
const longestWarning = 500

// text returns the doubts in one line, "" if there are none.
func (d *doubts) text() string {
	if len(d.each) == 0 {
		return ""
	}
	list := make([]string, len(d.each))
	for i, each := range d.each {
		list[i] = each.err.Error()
	}
	return clip(strings.Join(list, "; "), longestWarning)
}

// exact returns the decimal as the store can keep it without loss. What e-conomic's own
// computing with floats has left behind the last decimal is rounded.
func exact(d *decimal.Decimal) (decimal.NullDecimal, error) {
	if d == nil {
		return decimal.NullDecimal{}, nil
	}
	if e := d.Exponent(); -mostDecimals <= e && e <= 0 && d.NumDigits() <= mostDigits {
		return decimal.NewNullDecimal(*d), nil // as nearly all are, and told without computing
	}
	rounded := d.Round(mostDecimals)
	if d.Sub(rounded).Abs().GreaterThan(noise) || rounded.Abs().GreaterThanOrEqual(decimal.New(1, mostDigits)) {
		return decimal.NullDecimal{}, fmt.Errorf("expected a number with at most %d decimals and %d digits before them, got %s", mostDecimals, mostDigits, clip(d.String(), 40))
	}
	return decimal.NewNullDecimal(rounded), nil
}

// noise is what a number may have behind its last decimal and still leave no doubt which
// number is meant: 6.9999999999999996 is 7. It is a hundred-thousandth of that decimal,
// and a float64 is finer up to some millions.
var noise = decimal.New(1, -9)

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

// toInvoice returns an invoice as it is stored, or an error where it does not tell what
// is needed: its number, whether it is a credit note, and the field in which the shop
// looks for its order number.
func toInvoice(i economic.Invoice, order plan.OrderField) (plan.Invoice, error) {
	inv := plan.Invoice{
		Number: i.Number, Date: i.Date, DueDate: i.DueDate, Currency: i.Currency,
		CustomerNumber: i.CustomerNumber, RecipientName: i.RecipientName, OtherReference: i.OtherReference,
		Heading: i.Heading, TextLine1: i.TextLine1, OrderNumber: i.OrderNumber, PDFLink: i.PDF,
	}
	doubts := doubts{}
	for _, u := range i.Unsound {
		doubts.add(invoiceField(u.Field, order), u.Err)
	}
	if len([]rune(i.Currency)) > 3 {
		inv.Currency = ""
		doubts.add(invoiceOther, fmt.Errorf("currency: expected three letters, got %q", clip(i.Currency, 40)))
	}
	for _, f := range []struct {
		field plan.Fields
		name  string
		from  *decimal.Decimal
		to    *decimal.NullDecimal
	}{
		{invoiceAmount, "netAmount", i.Net, &inv.Net}, {invoiceAmount, "grossAmount", i.Gross, &inv.Gross},
		{invoiceOther, "vatAmount", i.VAT, &inv.VAT}, {invoiceOther, "roundingAmount", i.Rounding, &inv.Rounding},
		{invoiceOther, "netAmountInBaseCurrency", i.NetBase, &inv.NetBase}, {invoiceOther, "grossAmountInBaseCurrency", i.GrossBase, &inv.GrossBase},
	} {
		var err error
		if *f.to, err = exact(f.from); err != nil {
			doubts.add(f.field, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if doubts.fields.Has(invoiceOrder) {
		return inv, doubts.of(invoiceOrder)
	}
	if doubts.fields.Has(invoiceAmount) && !inv.TellsKind() {
		return inv, doubts.of(invoiceAmount)
	}
	inv.Warning = doubts.text()
	return inv, nil
}

// What a field of an invoice is to lagerd.
const (
	invoiceOrder  plan.Fields = 1 << iota // it holds the shop's order number
	invoiceAmount                         // it tells a credit note from an invoice
	invoiceOther
)

// invoiceField returns what a field is, by its path in e-conomic's answer, in a shop that
// has its order number in order.
func invoiceField(path string, order plan.OrderField) plan.Fields {
	in := string(cmp.Or(order, plan.OrderInOtherReference))
	block, _, _ := strings.Cut(in, ".")
	switch path {
	case in, block:
		return invoiceOrder
	case "netAmount", "grossAmount":
		return invoiceAmount
	}
	return invoiceOther
}

// AssessPage reads the first page of an agreement's items and counts those
// that carry stock figures, for a check before anything is stored. Where none does
// and some have one that cannot be understood, that is the error; and so is a page that
// has fewer items than the listing is said to have, with none after it.
func AssessPage(ctx context.Context, client *economic.Client, agreement *economic.Agreement) (plan.Assessment, error) {
	var a plan.Assessment
	p, err := products{client: client, agreement: agreement}.Listing(ctx, economic.PriorityHint, "")
	var doubt error
	for _, b := range p.bad {
		doubt = cmp.Or(doubt, b.Err)
	}
	for _, o := range p.observations {
		a.Add(o.Item)
		if o.Unknown.Has(plan.FieldsOfInventory) {
			doubt = cmp.Or(doubt, errors.New(o.Warning))
		}
	}
	if err == nil && a.WithFigures == 0 && doubt != nil {
		err = fmt.Errorf("no stock figure on the first page can be understood: %w", doubt)
	}
	if err == nil && p.next == "" && p.size() < p.results {
		err = fmt.Errorf("e-conomic announced %d items and sent %d: its listing is cut short, and nothing is concluded from one like it", p.results, p.size())
	}
	return a, err
}
