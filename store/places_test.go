package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// inPlace returns what is in a place, as stored by a read at noon plus so many hours.
func inPlace(number, place, stock string, hours int) plan.PlaceRow {
	return plan.PlaceRow{Number: number, PlaceStock: plan.PlaceStock{Place: place, InStock: decimal.RequireFromString(stock)}, ChangedAt: noon.Add(time.Duration(hours) * time.Hour)}
}

// byPlace returns what the view shows.
func byPlace(t *testing.T, s *store.Store) (list []string) {
	t.Helper()
	for _, row := range s.Rows(t.Context(), "SELECT item_number, place, in_stock, changed_at FROM shop_stock_places WHERE shop = 'shop1' ORDER BY item_number, place") {
		stock, err := decimal.NewFromString(row[2])
		must(t, err)
		_, clock, _ := strings.Cut(strings.ReplaceAll(row[3], "T", " "), " ")
		list = append(list, fmt.Sprintf("%s/%s: %s %.2s", row[0], row[1], stock, clock))
	}
	return list
}

// TestStockByPlace: what is in each place is stored, read and shown with its item, and ends with
// it.
func TestStockByPlace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		shows := func(what string, want ...string) {
			t.Helper()
			if got := byPlace(t, s); !slices.Equal(got, want) {
				t.Errorf("%s: the view shows %q, expected %q", what, got, want)
			}
		}
		l.apply(store.Applied{Items: []plan.Row{itemRow("a", "5", l.token)}})
		shows("a shop without places")
		must(t, s.ChangeStockSource(ctx, "shop1", toRackbeat(1, "4,10"), noon))
		numbers := []string{"A", "a", "a ", "b", "none"}
		var first store.Applied
		for _, number := range numbers {
			first.Items = append(first.Items, itemRow(number, "5", l.token))
			if number != "none" {
				first.Places = append(first.Places, inPlace(number, "10", "3.5", 0), inPlace(number, "4", "1.5", 0))
			}
		}
		l.apply(first)
		shows("before the changeover")
		l.over()
		must(t, s.Exec(ctx, "UPDATE progress SET items_since = NULL"))
		shows("after it", "A/4: 1.5 12", "A/10: 3.5 12", "a/4: 1.5 12", "a/10: 3.5 12", "a /4: 1.5 12", "a /10: 3.5 12", "b/4: 1.5 12", "b/10: 3.5 12")

		dataset := l.shop().StockDataset
		read := func(ranged bool, numbers ...string) string {
			t.Helper()
			rows, err := s.Items(ctx, dataset, numbers)
			must(t, err)
			must(t, s.AddPlaces(ctx, dataset, rows, ranged))
			var list []string
			for _, number := range slices.Sorted(slices.Values(numbers)) {
				for _, in := range rows[number].Places {
					list = append(list, fmt.Sprintf("%s/%s: %s", number, in.Place, in.InStock))
				}
			}
			return strings.Join(list, ", ")
		}
		const some = "A/4: 1.5, A/10: 3.5, b/4: 1.5, b/10: 3.5"
		for _, ranged := range []bool{false, true} {
			for asked, want := range map[string]string{"A b": some, "A none b": some, "none": "", "": "", "a": "a/4: 1.5, a/10: 3.5"} {
				if got := read(ranged, strings.Fields(asked)...); got != want {
					t.Errorf("of %q (a range: %t) %q is stored, expected %q", asked, ranged, got, want)
				}
			}
			if got, want := read(ranged, "a", "a "), "a/4: 1.5, a/10: 3.5, a /4: 1.5, a /10: 3.5"; got != want {
				t.Errorf("numbers that differ by a space (a range: %t): %q, expected %q", ranged, got, want)
			}
		}

		l.apply(store.Applied{Items: []plan.Row{itemRow("A", "5", l.token), itemRow("b", "5", l.token)}, Unplaced: []string{"b", "a ", "a"},
			Places: []plan.PlaceRow{inPlace("A", "4", "-2", 2), inPlace("b", "4", "5", 3)}})
		shows("after a transfer, and a figure that is gone", "A/4: -2 14", "A/10: 3.5 12", "b/4: 5 15")
		must(t, s.SetShop(ctx, "shop1", noon, func(shop *store.Shop) error { shop.StockOn = false; return nil }))
		shows("while stock is off")
		must(t, s.SetShop(ctx, "shop1", noon, func(shop *store.Shop) error { shop.StockOn = true; return nil }))

		must(t, s.ChangeStockSource(ctx, "shop1", toRackbeat(1, "4"), noon))
		l.apply(store.Applied{Items: []plan.Row{itemRow("A", "-2", l.token)}, Places: []plan.PlaceRow{inPlace("A", "4", "-2", 4)}})
		shows("until another choice of places is read", "A/4: -2 14", "A/10: 3.5 12", "b/4: 5 15")
		l.over()
		must(t, s.Exec(ctx, "UPDATE progress SET items_since = '2026-11-23 17:00:00.000000'"))
		shows("with that choice, from when it is shown", "A/4: -2 17")
		must(t, s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceEconomic}, noon))
		l.over()
		shows("away from Rackbeat")
		must(t, s.RemoveShop(ctx, "shop1"))
		if left := s.Rows(ctx, "SELECT shop, number FROM item_places"); len(left) > 0 {
			t.Errorf("left of a removed shop: %v", left)
		}
	})
}
