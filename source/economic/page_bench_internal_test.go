package economic

import (
	"fmt"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// BenchmarkUnchangedPage plans 1,000 items that equal their stored rows, which is most of
// what a sweep does.
func BenchmarkUnchangedPage(b *testing.B) {
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var read economic.Page[economic.Product]
	read.Began, read.Results = began, 1000
	stored := map[string]plan.Row{}
	for n := range 1000 {
		figure := func(s string) *decimal.Decimal {
			d := decimal.RequireFromString(s)
			return &d
		}
		product := economic.Product{
			Number: fmt.Sprintf("item-%04d", n), Name: fmt.Sprint("Trøje nr. ", n), BarCode: "5701234567890", LastUpdated: began.Add(-time.Hour),
			Inventory: &economic.Inventory{
				InStock: figure(fmt.Sprint(n+1, ".0")), Available: figure(fmt.Sprint(n, ".0")),
				OrderedByCustomers: figure("1.0"), OrderedFromSuppliers: figure("0.00"),
			},
		}
		read.Items = append(read.Items, product)
		observation, err := toObservation(&product, plan.FigureInStock, began)
		if err != nil {
			b.Fatal(err)
		}
		item := observation.Item
		// As the database returns them.
		for _, d := range []*decimal.NullDecimal{&item.Figures.InStock, &item.Figures.Available, &item.Figures.OrderedByCustomers, &item.Figures.OrderedFromSuppliers} {
			*d = decimal.NewNullDecimal(decimal.RequireFromString(d.Decimal.StringFixed(source.MostDecimals)))
		}
		stored[item.Number] = plan.Row{Item: item, State: plan.StateOK, Stock: item.Figures.InStock, Version: plan.Version{Token: 1, At: began.Add(-time.Hour)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		p := toPage(read, plan.FigureInStock)
		out := plan.Items(plan.ItemsInput{Figure: plan.FigureInStock, Token: 1, Cause: plan.CauseSweep, Observations: p.Observed, Stored: stored, Now: began})
		if len(p.Unreadable)+len(out.Rows)+len(out.Changes)+len(out.Suspected)+out.Stale > 0 {
			b.Fatalf("%d bad, %+v", len(p.Unreadable), out)
		}
	}
}
