package status_test

import (
	"strings"
	"testing"
	"time"

	"lagerd/status"
	"lagerd/store"
)

// TestEverything: webhooks that named no number are told of with the shop, and are no reason to
// act.
func TestEverything(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const want = "3 webhooks that named no number since 2026-11-23 12:00:00 UTC: the next sweep covers them"
	shop := store.Shop{Shop: "shop1", StockSource: store.SourceEconomic}
	v := status.Of(store.ShopStatus{Shop: shop, Holder: "me", Everything: 3, EverythingSince: noon})
	if v.Reason != "" || v.Everything != 3 || !v.EverythingSince.Equal(noon) || v.Marked != 0 {
		t.Errorf("%+v", v)
	}
	told := func(write func(b *strings.Builder) error) bool {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(b.String(), want)
	}
	show := func(v status.Shop) func(b *strings.Builder) error {
		return func(b *strings.Builder) error { return status.WriteShop(b, shop, v, "url", 1000) }
	}
	for what, c := range map[string]struct {
		write func(b *strings.Builder) error
		told  bool
	}{
		"the shop":        {show(v), true},
		"after the sweep": {show(status.Of(store.ShopStatus{Shop: shop})), false},
		"beyond the cap":  {show(status.Of(store.ShopStatus{Shop: shop, Marked: 3, MarkedSince: noon})), false},
	} {
		if told(c.write) != c.told {
			t.Errorf("%s: told %t, expected %t", what, !c.told, c.told)
		}
	}
}
