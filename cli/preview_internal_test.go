package cli

import (
	"testing"

	"lagerd/plan"
	"lagerd/store"
)

// TestNewStock: what is compared and asked about, and how.
func TestNewStock(t *testing.T) {
	t.Parallel()
	at := func(change func(*store.Shop)) store.Shop {
		shop := store.Shop{Shop: "shop1234", StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic}
		change(&shop)
		return shop
	}
	economic := at(func(*store.Shop) {})
	keyless := at(func(s *store.Shop) { s.StockSource = store.SourceRackbeat })
	rackbeat := at(func(s *store.Shop) { s.StockSource, s.RackbeatKey = store.SourceRackbeat, []byte("k") })
	available := at(func(s *store.Shop) { *s = rackbeat; s.StockFigure = plan.FigureAvailable })
	off := at(func(s *store.Shop) { *s = available; s.StockOn = false })
	for name, c := range map[string]struct {
		n        newStock
		with     string
		question string // "": it is not asked
	}{
		"moved":            {newStock{before: economic, shop: rackbeat, moves: true, account: 7}, "the stock from there", "Read the stock of shop1234 from Rackbeat (account 7) from now on?"},
		"moved, by figure": {newStock{before: economic, shop: available, moves: true, account: 7}, "the figure available from there", "Read the stock of shop1234 from Rackbeat (account 7), by the figure available, from now on?"},
		"moved back":       {newStock{before: rackbeat, shop: economic, moves: true}, "the stock from there", "Read the stock of shop1234 from e-conomic from now on?"},
		"figure":           {newStock{before: rackbeat, shop: available, account: 7}, "the figure available", "Use the figure available as the stock of shop1234 from now on?"},
		"nothing":          {newStock{before: rackbeat, shop: rackbeat, account: 7}, "", ""},
		"without a key":    {newStock{before: economic, shop: keyless}, "", ""},
		"stock is off":     {newStock{before: rackbeat, shop: off, account: 7}, "", ""},
	} {
		if got := c.n.changesItems(); got != (c.question != "") {
			t.Errorf("%s: changes items: %t", name, got)
		}
		if c.question != "" && (c.n.with() != c.with || c.n.question() != c.question) {
			t.Errorf("%s: %q, %q", name, c.n.with(), c.n.question())
		}
	}
}
