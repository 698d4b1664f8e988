package cli

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

var noonOf23 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// aShop is a shop with a value in every setting.
func aShop() store.Shop {
	return store.Shop{Shop: "shop1234", Lang: lang.English, WebhookSetup: true, GrantToken: []byte("sealed 1"), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceRackbeat, RackbeatKey: []byte("sealed 2"),
		RackbeatTokenHash: bytes.Repeat([]byte("x"), 64), Places: "1,4", StockDataset: "@7", InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference, OrderPattern: `#(\d+)`,
		PausedAt: store.At(noonOf23), PauseReason: "stocktaking", Dataset: "shop1234", Generation: 7, CreatedAt: store.At(noonOf23), UpdatedAt: store.At(noonOf23)}
}

func TestChangedSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		change func(*store.Shop)
		want   string
	}{
		{"WebhookSetup", func(s *store.Shop) { s.WebhookSetup = false }, "webhook set-up: allowed → not allowed"},
		{"Lang", func(s *store.Shop) { s.Lang = lang.Danish }, "language: en → da"},
		{"GrantToken", func(s *store.Shop) { s.GrantToken = []byte("sealed 3") }, "grant token: stored anew"},
		{"StockOn", func(s *store.Shop) { s.StockOn = false }, "stock: on → off"},
		{"StockFigure", func(s *store.Shop) { s.StockFigure = plan.FigureAvailable }, "figure: in_stock → available"},
		{"StockSource", func(s *store.Shop) { s.StockSource = store.SourceEconomic }, "stock source: rackbeat → economic"},
		{"RackbeatKey", func(s *store.Shop) { s.RackbeatKey = []byte("sealed 3") }, "Rackbeat key: stored anew"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = bytes.Repeat([]byte("y"), 64) }, "tokens of Rackbeat's webhooks: stored anew"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = bytes.Repeat([]byte("x"), 96) }, "tokens of Rackbeat's webhooks: 2 → 3"},
		{"RackbeatTokenHash", func(s *store.Shop) { s.RackbeatTokenHash = nil }, "tokens of Rackbeat's webhooks: 2 → none"},
		{"Places", func(s *store.Shop) { s.Places = "" }, "places: 1,4 → none"},
		{"InvoicesOn", func(s *store.Shop) { s.InvoicesOn = false }, "invoices: on → off"},
		{"InvoicesFrom", func(s *store.Shop) { s.InvoicesFrom = "2026-12-01" }, "invoices from: 2026-11-01 → 2026-12-01"},
		{"InvoicesFromNumber", func(s *store.Shop) { s.InvoicesFrom, s.InvoicesFromNumber = "", 5 }, "invoices from: 2026-11-01 → number 5"},
		{"OrderField", func(s *store.Shop) { s.OrderField = plan.OrderInHeading }, "order field: references.other → notes.heading"},
		{"OrderPattern", func(s *store.Shop) { s.OrderPattern = "\x1b[2J" }, `order pattern: #(\d+) → \u001b[2J`},
		{"PausedAt", func(s *store.Shop) { s.PausedAt = store.Time{} }, "paused since: 2026-11-23 12:00:00 UTC → none"},
		{"PauseReason", func(s *store.Shop) { s.PauseReason = "" }, "pause reason: stocktaking → none"},
	} {
		after := aShop()
		c.change(&after)
		var b strings.Builder
		if err := tellChanged(&b, "shop1234", changedSettings(aShop(), after)); err != nil || b.String() != "shop1234 is changed:\n  "+c.want+"\n" {
			t.Errorf("%s: %v: %s, expected %s", c.field, err, b.String(), c.want)
		}
	}
	var b strings.Builder
	if err := tellChanged(&b, "shop1234", changedSettings(aShop(), aShop())); err != nil || b.String() != "shop1234 has these settings already: nothing was changed.\n" {
		t.Errorf("%v: %s", err, b.String())
	}
}

// TestEverySettingIsTold: a setting that is added to a shop is told when it changes.
func TestEverySettingIsTold(t *testing.T) {
	t.Parallel()
	untold := []string{"Shop", "StockDataset", "Dataset", "Generation", "CreatedAt", "UpdatedAt", "InvoicesFromNumber"} // the last only where there is no date
	of := reflect.TypeFor[store.Shop]()
	for n := range of.NumField() {
		name := of.Field(n).Name
		if slices.Contains(untold, name) {
			continue
		}
		after := aShop()
		reflect.ValueOf(&after).Elem().Field(n).SetZero()
		if len(changedSettings(aShop(), after)) == 0 {
			t.Errorf("a change of %s is not told", name)
		}
	}
}

func TestPausedAndResumed(t *testing.T) {
	t.Parallel()
	paused := aShop()
	running := paused
	running.PausedAt, running.PauseReason = store.Time{}, ""
	other := paused
	other.PauseReason = "moving\n"
	for _, c := range []struct{ got, want string }{
		{pausedText(running, paused), "shop1234 is paused (stocktaking): its hints are kept; `lagerd shops resume shop1234` continues."},
		{pausedText(paused, paused), "shop1234 is already paused, since 2026-11-23 12:00:00 UTC (stocktaking): nothing was changed."},
		{pausedText(paused, other), `shop1234 is still paused, since 2026-11-23 12:00:00 UTC. Reason: stocktaking → moving\n`},
		{resumedText(paused, running), "shop1234 goes on. It was paused since 2026-11-23 12:00:00 UTC (stocktaking)."},
		{resumedText(running, running), "shop1234 was not paused: nothing was changed. What is held is tried again now."},
	} {
		if c.got != c.want {
			t.Errorf("%s\nexpected %s", c.got, c.want)
		}
	}
}
