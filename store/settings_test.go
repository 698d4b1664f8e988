package store_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

// aShop is a shop with a value in every setting.
func aShop() store.Shop {
	return store.Shop{Shop: "shop1234", Lang: lang.English, Email: "mette@example.dk", NotifyOrigin: "https://hooks.example.dk", NotifyHook: []byte("sealed 4"), WebhookSetup: true, GrantToken: []byte("sealed 1"), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceRackbeat, RackbeatKey: []byte("sealed 2"),
		RackbeatTokenHash: bytes.Repeat([]byte("x"), 64), Places: "1,4", StockDataset: "@7", InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, OrderPattern: `#(\d+)`,
		PausedAt: store.At(noon), PauseReason: "stocktaking", Dataset: "shop1234", Generation: 7, CreatedAt: store.At(noon), UpdatedAt: store.At(noon)}
}

func TestChangedSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		change func(*store.Shop)
		want   string
	}{
		{"WebhookSetup", func(s *store.Shop) { s.WebhookSetup = false }, "webhook-setup: on → off"},
		{"Email", func(s *store.Shop) { s.Email = "" }, "email: mette@example.dk → -"},
		{"NotifyOrigin", func(s *store.Shop) { s.NotifyOrigin, s.NotifyHook = "", nil }, "notify-url: https://hooks.example.dk → -"},
		{"NotifyHook", func(s *store.Shop) { s.NotifyHook = []byte("sealed 5") }, "notify-url: (new)"},
		{"Lang", func(s *store.Shop) { s.Lang = lang.Danish }, "lang: en → da"},
		{"GrantToken", func(s *store.Shop) { s.GrantToken = []byte("sealed 3") }, "grant-token: (new)"},
		{"StockOn", func(s *store.Shop) { s.StockOn = false }, "stock: on → off"},
		{"StockFigure", func(s *store.Shop) { s.StockFigure = plan.FigureAvailable }, "figure: in_stock → available"},
		{"StockSource", func(s *store.Shop) { s.StockSource = store.SourceEconomic }, "stock-source: rackbeat → economic"},
		{"RackbeatKey", func(s *store.Shop) { s.RackbeatKey = []byte("sealed 3") }, "rackbeat-key: (new)"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = bytes.Repeat([]byte("y"), 64) }, "rackbeat-webhook-token: (new)"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = bytes.Repeat([]byte("x"), 96) }, "rackbeat-webhook-token: 2 → 3"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = nil }, "rackbeat-webhook-token: 2 → -"},
		{"Places", func(s *store.Shop) { s.Places = "" }, "places: 1,4 → -"},
		{"InvoicesOn", func(s *store.Shop) { s.InvoicesOn = false }, "invoices: on → off"},
		{"InvoicesFrom", func(s *store.Shop) { s.InvoicesFrom = "2026-12-01" }, "invoices-from: 2026-11-01 → 2026-12-01"},
		{"InvoicesFromNumber", func(s *store.Shop) { s.InvoicesFrom, s.InvoicesFromNumber = "", 5 }, "invoices-from: 2026-11-01 → number 5"},
		{"OrderField", func(s *store.Shop) { s.OrderField = plan.OrderInHeading }, "order-field: references.other → notes.heading"},
		{"OrderPattern", func(s *store.Shop) { s.OrderPattern = "" }, `order-pattern: #(\d+) → -`},
	} {
		after := aShop()
		c.change(&after)
		if list := store.ChangedSettings(aShop(), after); len(list) != 1 || list[0].String() != c.want {
			t.Errorf("%s: %v, expected %s", c.field, list, c.want)
		}
	}
	if list := store.ChangedSettings(aShop(), aShop()); len(list) != 0 {
		t.Errorf("nothing has changed: %v", list)
	}
}

// TestEverySettingIsTold: a setting that is added to a shop is told when it changes.
func TestEverySettingIsTold(t *testing.T) {
	t.Parallel()
	untold := []string{"Shop", "StockDataset", "Dataset", "Generation", "CreatedAt", "UpdatedAt", "PausedAt", "PauseReason", "SealedWith", "InvoicesFromNumber"} // the last only where there is no date
	of := reflect.TypeFor[store.Shop]()
	for n := range of.NumField() {
		name := of.Field(n).Name
		after := aShop()
		reflect.ValueOf(&after).Elem().Field(n).SetZero()
		if told := len(store.ChangedSettings(aShop(), after)) > 0; told == slices.Contains(untold, name) {
			t.Errorf("a change of %s is told: %t", name, told)
		}
	}
}
