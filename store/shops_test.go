package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

// TestShopsInFull: the list of all shops has every setting that reading one shop returns.
func TestShopsInFull(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		addShop(t, s, "shop2")
		must(t, s.AddShop(ctx, store.Shop{Shop: "shop1", GrantToken: []byte{3}, StockFigure: plan.FigureAvailable, StockSource: store.SourceRackbeat,
			InvoicesFromNumber: 77, OrderField: plan.OrderInOtherReference, OrderPattern: "(.*)", Lang: lang.English}, hashOf("code"), noon))
		must(t, s.SetShop(ctx, "shop1", noon.Add(time.Hour), func(shop *store.Shop) error {
			shop.PausedAt, shop.PauseReason = store.At(noon), "stocktaking"
			return nil
		}))
		list, err := s.Shops(ctx)
		must(t, err)
		var want []store.Shop
		for _, name := range []string{"shop1", "shop2"} {
			shop, err := s.Shop(ctx, name)
			must(t, err)
			want = append(want, shop)
		}
		if diff := cmp.Diff(want, list); diff != "" {
			t.Error(diff)
		}
		if list[0].Lang != lang.English || list[1].Lang != lang.Danish {
			t.Errorf("the owners read %q and, unless said otherwise, %q", list[0].Lang, list[1].Lang)
		}
	})
}
