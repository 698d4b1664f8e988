package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// lease is a shop with its lease, written to with its present settings.
type lease struct {
	t     *testing.T
	s     *store.Store
	name  string
	token int64
	seq   int64
}

func (l *lease) apply(a store.Applied) {
	l.t.Helper()
	l.seq++
	must(l.t, commit(l.t.Context(), l.s, fenceOf(l.t, l.s, l.name, l.token, l.seq), a, noon))
}

// item stores an item, with the change that it is.
func (l *lease) item(number, stock string) {
	l.t.Helper()
	l.apply(store.Applied{Items: []plan.Row{itemRow(number, stock, l.token)},
		Changes: []plan.Change{{Kind: plan.KindStock, Number: number, What: plan.WhatStock, Cause: plan.CauseTick, Webhook: plan.WebhookMissed, ObservedAt: noon}}})
}

// over makes the views show what is read now.
func (l *lease) over() {
	l.t.Helper()
	l.seq++
	f := fenceOf(l.t, l.s, l.name, l.token, l.seq)
	must(l.t, commit(l.t.Context(), l.s, f, changedOver(f, noon), noon))
}

func (l *lease) shop() store.Shop {
	l.t.Helper()
	shop, err := l.s.Shop(l.t.Context(), l.name)
	must(l.t, err)
	return shop
}

func (l *lease) shows(what string, items ...string) {
	l.t.Helper()
	if got := shown(l.t, l.s); !slices.Equal(got, items) {
		l.t.Errorf("%s: the items shown are %q, expected %q", what, got, items)
	}
}

func toRackbeat(account int64, places string) store.StockChange {
	return store.StockChange{Source: store.SourceRackbeat, Account: account, Key: []byte("sealed"), Places: places}
}

// TestChangeStockSource: items of one source, account or choice of places are never shown
// with another's, in whatever order a shop moves between them, and each move can be taken
// back. Invoices stay.
func TestChangeStockSource(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		change := func(to store.StockChange) {
			t.Helper()
			must(t, s.ChangeStockSource(ctx, "shop1", to, noon.Add(time.Duration(l.seq)*time.Minute)))
		}
		economic := store.StockChange{Source: store.SourceEconomic}
		l.apply(store.Applied{Progress: store.Patch{AgreementNumber: new(int64(1)), ItemsCursor: new(store.At(noon)), SweptAt: new(store.At(noon)), Items: new(int64(2)), Suspicion: new("all_zero")},
			Window: &plan.Window{Cursor: 9}})
		l.item("a", "1")
		l.apply(store.Applied{Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: 9, Date: "2026-11-20", Currency: "DKK"}, FoundAt: noon}}})
		l.apply(store.Applied{Warnings: []store.Warning{{Kind: plan.KindStock, Number: "a", Text: "odd"}, {Kind: plan.KindInvoice, Number: "9", Text: "odd"}},
			Losses: plan.LossChange{Lost: []plan.StoredLoss{{Number: "lost", At: noon}}}})
		approve(t, s, "shop1", l.token, l.seq+1, 5, noon)
		l.seq++
		l.apply(store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeInvoices, Reason: plan.HeldForbidden, Since: noon}}})

		change(toRackbeat(4711, ""))
		l.shows("moved", "a 1 ok")
		p, err := s.Progress(ctx, "shop1")
		must(t, err)
		if p.StockAccount != 4711 || !p.ItemsCursor.IsZero() || !p.SweptAt.IsZero() || p.Items != 0 || p.Suspicion != "" {
			t.Errorf("progress of stock after the move: %+v", p)
		}
		if p.AgreementNumber != 1 || p.InvoiceCursor != 9 || len(p.Holds) != 0 { // they are found again, in the scope that they have now
			t.Errorf("progress of invoices after the move: %+v", p)
		}
		if warnings, err := s.Warnings(ctx, "shop1"); err != nil || len(warnings) != 1 || warnings[0].Kind != plan.KindInvoice {
			t.Errorf("warnings after the move: %+v, %v", warnings, err)
		}
		first := l.shop()
		if !first.ReadsRackbeat() || first.Dataset != "shop1" || first.StockDataset == "shop1" {
			t.Errorf("after the move: %+v", first)
		}
		m, err := s.LossMemory(ctx, "shop1", first.StockDataset, noon.Add(-time.Hour))
		if err != nil || len(m.Losses) != 0 || m.Approved.Losses != 0 {
			t.Errorf("losses after the move: %+v, %v", m, err)
		}
		l.item("a", "7")
		l.shows("reading", "a 1 ok")
		l.over()
		l.shows("changed over", "a 7 ok")

		// Another choice of places is read on its own.
		change(toRackbeat(0, "1,4"))
		if shop := l.shop(); shop.StockDataset == first.StockDataset || shop.Places != "1,4" {
			t.Errorf("with places: %+v", shop)
		}
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.StockAccount != 4711 {
			t.Errorf("account with places: %d, %v", p.StockAccount, err)
		}
		l.item("a", "3")
		l.over()
		l.shows("with places", "a 3 ok")
		change(toRackbeat(0, ""))
		if shop := l.shop(); shop.StockDataset != first.StockDataset {
			t.Errorf("without places again: %+v", shop)
		}
		l.over()
		l.shows("without places again", "a 7 ok")

		// Another account, and back.
		change(toRackbeat(5000, ""))
		l.item("b", "8")
		l.over()
		l.shows("another account", "b 8 ok")
		change(toRackbeat(4711, ""))
		l.over()
		l.shows("the first account again", "a 7 ok")

		// Taken back, and moved again with the key that is stored.
		change(economic)
		if shop := l.shop(); shop.StockDataset != "shop1" || shop.ReadsRackbeat() || string(shop.RackbeatKey) != "sealed" {
			t.Errorf("taken back: %+v", shop)
		}
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.StockAccount != 0 {
			t.Errorf("account at e-conomic: %d, %v", p.StockAccount, err)
		}
		l.over()
		l.shows("taken back", "a 1 ok")
		change(store.StockChange{Source: store.SourceRackbeat, Account: 4711})
		if shop := l.shop(); shop.StockDataset != first.StockDataset {
			t.Errorf("moved again: %+v", shop)
		}
		l.item("c", "9")

		var from []string
		for _, row := range s.Rows(ctx, "SELECT number, source FROM changes WHERE shop = 'shop1' ORDER BY seq") {
			from = append(from, strings.Join(row, " "))
		}
		if want := []string{"a economic", "a rackbeat", "a rackbeat", "b rackbeat", "c rackbeat"}; !slices.Equal(from, want) {
			t.Errorf("the history is from %q, expected %q", from, want)
		}
		if n := len(s.Rows(ctx, "SELECT invoice_number FROM shop_invoices WHERE shop = 'shop1'")); n != 1 {
			t.Errorf("%d invoices are shown after all moves", n)
		}

		must(t, s.RemoveShop(ctx, "shop1"))
		for _, table := range []string{"items", "recent_losses", "stock_accounts", "shops"} {
			if rows := s.Rows(ctx, "SELECT shop FROM "+table); len(rows) != 0 {
				t.Errorf("left in %s: %q", table, rows)
			}
		}
	})
}

// TestStockAccountNotKnown: a key that was stored without asking Rackbeat gets the dataset of
// its account once that is known, and never another account's.
func TestStockAccountNotKnown(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		change := func(to store.StockChange) {
			t.Helper()
			must(t, s.ChangeStockSource(ctx, "shop1", to, noon))
		}
		change(toRackbeat(0, ""))
		first := l.shop()
		// Asked before anything was read: nothing is to be read anew.
		change(toRackbeat(4711, ""))
		if shop := l.shop(); shop.StockDataset != first.StockDataset {
			t.Errorf("with the account known: %q, expected %q", shop.StockDataset, first.StockDataset)
		}
		// Another key of the same account.
		change(toRackbeat(0, ""))
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.StockAccount != 4711 || l.shop().StockDataset != first.StockDataset {
			t.Errorf("with another key: account %d, %v", p.StockAccount, err)
		}
		// Moved again without asking; a pass learns that it is another account.
		change(store.StockChange{Source: store.SourceEconomic})
		change(toRackbeat(0, ""))
		unasked := l.shop()
		if unasked.StockDataset == first.StockDataset {
			t.Error("an account that is not known has the dataset of one that is")
		}
		l.apply(store.Applied{Progress: store.Patch{StockAccount: new(int64(5000))}})
		change(store.StockChange{Source: store.SourceEconomic})
		for account, want := range map[int64]store.Dataset{4711: first.StockDataset, 5000: unasked.StockDataset} {
			change(toRackbeat(account, ""))
			if shop := l.shop(); shop.StockDataset != want {
				t.Errorf("account %d has the dataset %q, expected %q", account, shop.StockDataset, want)
			}
		}
	})
}

// TestAddShopAtRackbeat: the items of a shop that begins at Rackbeat are not stored where its
// agreement's would be.
func TestAddShopAtRackbeat(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		shop := store.Shop{Shop: "shop1", GrantToken: []byte{1}, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceRackbeat,
			RackbeatKey: []byte("sealed"), RackbeatTokenHash: []byte("hash"), Places: "2", InvoicesOn: true, InvoicesFrom: "2026-11-01", OrderField: plan.OrderInOtherReference}
		must(t, s.AddShop(ctx, shop, []byte("01234567890123456789012345678901"), noon))
		must(t, s.SaveStockAccount(ctx, "shop1", 4711))
		must(t, s.SaveStockAccount(ctx, "shop1", 5000))
		must(t, s.TakeLeases(ctx, []string{"shop1"}, "", "me", noon))
		leases, err := s.Leases(ctx)
		must(t, err)
		l := &lease{t: t, s: s, name: "shop1", token: leases[0].Token}
		added := l.shop()
		all, err := s.Shops(ctx)
		must(t, err)
		if p, err := s.Progress(ctx, "shop1"); err != nil || p.ItemsDataset != added.StockDataset || p.StockAccount != 4711 {
			t.Errorf("progress %+v, %v", p, err)
		}
		for _, x := range []store.Shop{added, all[0]} {
			if x.Dataset != "shop1" || x.StockDataset == x.Dataset || x.StockDataset == "" || string(x.RackbeatKey) != "sealed" || string(x.RackbeatTokenHash) != "hash" || x.Places != "2" {
				t.Errorf("added as %+v", x)
			}
		}
		l.item("a", "5")
		l.shows("at Rackbeat", "a 5 ok")
		must(t, s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceEconomic}, noon))
		l.item("b", "6")
		l.over()
		l.shows("at e-conomic", "b 6 ok")
		must(t, s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceRackbeat, Account: 4711, Places: "2"}, noon))
		l.over()
		l.shows("back", "a 5 ok")
		must(t, s.RemoveShop(ctx, "shop1"))
		if rows := s.Rows(ctx, "SELECT shop FROM items"); len(rows) != 0 {
			t.Errorf("items left: %q", rows)
		}
		addShop(t, s, "shop1")
	})
}

// TestAgreementOfShopAtRackbeat: another agreement changes what is read of invoices, and
// nothing of stock that is read elsewhere.
func TestAgreementOfShopAtRackbeat(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		l.apply(store.Applied{Progress: store.Patch{AgreementNumber: new(int64(1))}})
		must(t, s.ChangeStockSource(ctx, "shop1", toRackbeat(4711, ""), noon))
		l.item("a", "7")
		l.over()
		swept := store.Patch{SweptAt: new(store.At(noon)), Items: new(int64(1)), InvoicesBegun: new(true)}
		l.apply(store.Applied{Progress: swept, Warnings: []store.Warning{{Kind: plan.KindStock, Number: "a", Text: "odd"}}})
		approve(t, s, "shop1", l.token, l.seq+1, 5, noon)
		l.seq++
		l.apply(store.Applied{Holds: []plan.Hold{{Scope: plan.ScopeInvoices, Reason: plan.HeldForbidden, Since: noon}}})
		before := l.shop()

		must(t, s.AcceptAgreement(ctx, "shop1", 2, noon))
		shop := l.shop()
		if shop.Dataset == before.Dataset || shop.StockDataset != before.StockDataset {
			t.Errorf("accepted: invoices in %q, items in %q", shop.Dataset, shop.StockDataset)
		}
		p, err := s.Progress(ctx, "shop1")
		must(t, err)
		if p.AgreementNumber != 2 || p.InvoicesBegun || p.StockAccount != 4711 || p.SweptAt.IsZero() || p.Items != 1 || len(p.Holds) != 1 || p.Holds[0].Scope != plan.ScopeStock {
			t.Errorf("progress %+v", p)
		}
		if a, err := s.Approved(ctx, "shop1", noon.Add(-time.Hour)); err != nil || a.Losses != 5 {
			t.Errorf("approved %+v, %v", a, err)
		}
		if warnings, err := s.Warnings(ctx, "shop1"); err != nil || len(warnings) != 1 {
			t.Errorf("warnings %+v, %v", warnings, err)
		}
		l.shows("accepted", "a 7 ok")

		// Back at e-conomic, it is the accepted agreement's stock.
		must(t, s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceEconomic}, noon))
		if shop := l.shop(); shop.StockDataset != shop.Dataset {
			t.Errorf("back: invoices in %q, items in %q", shop.Dataset, shop.StockDataset)
		}
		must(t, s.AcceptAgreement(ctx, "shop1", 1, noon))
		if shop := l.shop(); shop.Dataset != "shop1" || shop.StockDataset != "shop1" {
			t.Errorf("back at the first agreement: invoices in %q, items in %q", shop.Dataset, shop.StockDataset)
		}
	})
}

// TestChangeStockSourceRefuses: what would store items in the wrong place is an error, and
// changes nothing.
func TestChangeStockSourceRefuses(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		token := addShop(t, s, "shop1")
		set := func(change func(*store.Shop)) func() error {
			return func() error {
				return s.SetShop(ctx, "shop1", noon, func(x *store.Shop) error { change(x); return nil })
			}
		}
		if err := s.ChangeStockSource(ctx, "none", toRackbeat(1, ""), noon); !errors.Is(err, store.ErrNoShop) {
			t.Errorf("of no shop: %v", err)
		}
		odd := errors.New("odd")
		refused := map[string]func() error{
			"without a key": func() error {
				return s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceRackbeat, Account: 1}, noon)
			},
			"with a setting that is refused": func() error {
				return s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceRackbeat, Key: []byte{1}, Set: func(*store.Shop) error { return odd }}, noon)
			},
			"a key among the settings": set(func(x *store.Shop) { x.RackbeatKey = []byte{1} }),
		}
		for what, change := range refused {
			if change() == nil {
				t.Errorf("%s: no error", what)
			}
		}
		if shop, err := s.Shop(ctx, "shop1"); err != nil || shop.StockSource != store.SourceEconomic || len(shop.RackbeatKey) != 0 {
			t.Errorf("after what was refused: %+v, %v", shop, err)
		}
		f := fenceOf(t, s, "shop1", token, 1)
		must(t, s.ChangeStockSource(ctx, "shop1", store.StockChange{Source: store.SourceRackbeat, Account: 1, Key: []byte{1}, Places: "1",
			Set: func(x *store.Shop) error { x.OrderPattern = "x"; return nil }}, noon))
		if shop, err := s.Shop(ctx, "shop1"); err != nil || shop.OrderPattern != "x" || shop.Places != "1" {
			t.Errorf("changed to %+v, %v", shop, err)
		}
		if err := commit(ctx, s, f, store.Applied{Items: []plan.Row{itemRow("a", "1", token)}}, noon); !errors.Is(err, store.ErrSettingsChanged) {
			t.Errorf("a pass that began before the move wrote: %v", err)
		}
		for what, change := range map[string]func() error{
			"other places among the settings":   set(func(x *store.Shop) { x.Places = "2" }),
			"another source among the settings": set(func(x *store.Shop) { x.StockSource = store.SourceEconomic }),
		} {
			if change() == nil {
				t.Errorf("%s: no error", what)
			}
		}
		must(t, set(func(x *store.Shop) { x.StockOn, x.RackbeatTokenHash = false, []byte("hash") })())
	})
}

// TestStockMigration: what was stored before is e-conomic's, and the migration can be run again.
func TestStockMigration(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		l := &lease{t: t, s: s, name: "shop1", token: addShop(t, s, "shop1")}
		l.apply(store.Applied{Progress: store.Patch{AgreementNumber: new(int64(1))}})
		must(t, s.AcceptAgreement(ctx, "shop1", 2, noon))
		l.item("a", "1")
		// As an older lagerd left them.
		must(t, s.Exec(ctx, "UPDATE shops SET stock_dataset = ''"))
		must(t, s.Exec(ctx, "DELETE FROM changes"))
		must(t, s.Exec(ctx, "INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at)"+
			" VALUES ('shop1', 1, 1, 0, 'stock', 'a', 'stock', 'tick', 'missed', '2026-11-23 12:00:00', '2026-11-23 12:00:00')"))
		again := func() {
			t.Helper()
			must(t, s.Exec(ctx, "DELETE FROM goose_db_version WHERE version_id >= 16"))
			must(t, s.Migrate(ctx))
		}
		again()
		if shop := l.shop(); shop.StockDataset != shop.Dataset || shop.Dataset == "shop1" || len(shop.RackbeatKey) != 0 || shop.Places != "" {
			t.Errorf("migrated to %+v", shop)
		}
		if row := s.Strings(ctx, "SELECT source FROM changes"); row[0] != "economic" {
			t.Errorf("the history is from %q", row[0])
		}
		must(t, s.ChangeStockSource(ctx, "shop1", toRackbeat(4711, "1"), noon))
		before := l.shop()
		again()
		if after := l.shop(); after.StockDataset != before.StockDataset || after.Places != "1" {
			t.Errorf("migrated again to %+v", after)
		}
	})
}

func TestPlaceNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "1": "1", "4,1": "1,4", "4 , 1": "1,4", "007": "7", "9223372036854775807": "9223372036854775807"} {
		numbers, err := store.PlaceNumbers(text)
		if got := store.JoinPlaces(numbers); got != want || err != nil {
			t.Errorf("%q: %q, %v, expected %q", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		",": `got ""`, "1,": `got ""`, "0": `got "0"`, "-1": `got "-1"`, "+1": `got "+1"`, "a": `got "a"`, "1;4": `got "1;4"`, "1.5": `got "1.5"`,
		"1,4,1": "place 1 is named twice", "1,01": "place 1 is named twice", "9223372036854775808": "expected numbers",
	} {
		if numbers, err := store.PlaceNumbers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, expected an error with %q", text, numbers, err, want)
		}
	}
}
