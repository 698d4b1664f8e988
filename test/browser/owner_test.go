package browser

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/store"
)

// trade stores an item whose stock has changed, and an invoice with its PDF.
func (s *site) trade(shop string) {
	s.Helper()
	is, err := s.store.Shop(s.Context(), shop)
	must(s.T, err)
	lease, err := s.store.Lease(s.Context(), shop)
	must(s.T, err)
	now := time.Now()
	figure := decimal.NewNullDecimal(decimal.RequireFromString("2.5"))
	row := plan.Row{Item: plan.Item{Number: "0571527051", Name: "Ærteskål, blå", InventoryEnabled: true, Figures: plan.Figures{InStock: figure}}, State: plan.StateOK, Stock: figure,
		Version: plan.Version{Token: lease.Token, At: now}, FirstSeenAt: now.Add(-time.Hour), ChangedAt: now}
	_, err = s.store.Apply(s.Context(), store.Fence{Shop: shop, Dataset: is.Dataset, StockDataset: is.StockDataset, Generation: is.Generation, Token: lease.Token, Seq: 1, StockSource: store.SourceEconomic}, store.Applied{
		Items: []plan.Row{row},
		Changes: []plan.Change{{Kind: plan.KindStock, Number: row.Number, What: plan.WhatStock, OldStock: decimal.NewNullDecimal(decimal.New(4, 0)), NewStock: figure, OldState: plan.StateOK, NewState: plan.StateOK,
			Cause: plan.CauseTick, Webhook: plan.WebhookMissed, ObservedAt: now, EconomicAt: now.Add(-time.Minute)}},
		Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: 41, Date: "2026-11-20", Currency: "DKK", Gross: decimal.NewNullDecimal(decimal.New(1250, 0))}, ShopOrder: "1001", FoundAt: now}},
		PDFs:     []store.PDF{{Number: 41, Data: []byte("%PDF-1.7 a page"), SHA256: fmt.Sprintf("%064d", 0)}},
	}, now)
	must(s.T, err)
}

// call stores a call of a webhook.
func (s *site) call(shop string, slot, status int, number, outcome string) {
	s.Helper()
	must(s.T, s.store.PutWebhookCalls(s.Context(), []store.WebhookCall{{Shop: shop, Slot: slot, CalledAt: store.At(time.Now()), Method: "POST", Remote: "192.0.2.7", Kind: plan.KindStock, Number: number, Status: status, Outcome: outcome}}))
}

// words are what an owner reads and presses, in a language.
type words struct {
	wishes                                               string
	well, search, went, missed, read, asked              string
	newCode, once, copied, waiting, fault, received, pdf string
}

// TestOwner: an owner finds why an item has its stock, makes a code and copies a webhook, sees calls
// arrive, gets a PDF, and reaches nothing of another shop; in both languages, on a desktop and on a
// phone, with axe-core on every page.
func TestOwner(t *testing.T) {
	for _, w := range []words{
		{"da-DK", "Alt er i orden.", "Søg", "Lageret gik fra 4 til 2,5.", "Der kom intet webhook om det.", "Læs varen igen nu", "lagerd er bedt om at læse det nu",
			"Lav en ny kode", "vises kun denne ene gang", "Kopieret", "Venter på et kald", "e-conomic har ikke sat nummeret ind", "virker (0571527051", "Hent PDF"},
		{"en-GB", "All is well.", "Search", "The stock went from 4 to 2.5.", "No webhook had come for it.", "Read this item again now", "lagerd is asked to read it now",
			"Make a new code", "shown only once", "Copied", "Waiting for a call", "e-conomic did not fill in the number", "work (0571527051", "Download PDF"},
	} {
		for _, z := range sizes {
			t.Run(w.wishes+"/"+z.name, func(t *testing.T) {
				s := open(t)
				s.trade("shop2345")
				s.exec("INSERT INTO items (shop, number, name, barred, inventory_enabled, in_stock, stock, state, observed_token, observed_at, first_seen_at, changed_at) VALUES ('shop3456', 'OTHERS-1', 'x', 0, 1, 7, 7, 'ok', 1, '2026-11-20 12:00:00.000000', '2026-11-20 12:00:00.000000', '2026-11-20 12:00:00.000000')")
				owner(s, s.browse(z, w.wishes), w)
			})
		}
	}
}

func owner(s *site, b *tab, w words) {
	s.Helper()
	link, err := s.links.New(s.Context(), "shop2345")
	must(s.T, err)
	name := "owner-" + w.wishes[:2] + "-"
	b.do("open the link", chromedp.Navigate(link.URL), chromedp.WaitVisible("#search"))
	b.sees(w.well)
	b.check(name + "overview")

	b.do("search", chromedp.SendKeys("#search", "ærte"))
	b.press(w.search, "0571527051")
	b.check(name + "items")
	b.do("open the item", chromedp.Click(`//a[.="0571527051"]`))
	b.sees(w.went)
	b.sees(w.missed)
	b.check(name + "why")
	b.press(w.read, w.asked)

	b.do("open the set-up", chromedp.Click(`//nav//a[@href="/shop/set-up"]`), chromedp.WaitVisible("#stockUpdate-data"))
	b.check(name + "set-up")
	b.press(w.newCode, w.once)
	b.check(name + "set-up-code")
	value[bool](b, "navigator.clipboard.writeText = async (text) => { window.copied = text; }, true")
	b.do("copy", chromedp.Click(`button[data-copy="stockUpdate-data"]`))
	b.sees(w.copied)
	if copied, shown := value[string](b, "window.copied"), value[string](b, "document.getElementById('stockUpdate-data').textContent"); copied != shown || len(copied) < len("type=stockUpdate&username=shop2345&password=&number=[NUMBER]")+26 {
		b.Errorf("copied %q of %q", copied, shown)
	}
	b.check(name + "set-up-copied")

	// It opens beside the page that has the code. Here it takes its place.
	if !value[bool](b, `(a => { const beside = a.target === "_blank"; a.target = ""; return beside; })(document.querySelector('a[href="/shop/webhooks/test"]'))`) {
		b.Error("the test takes the place of the code")
	}
	b.do("begin a test", chromedp.Click(`//a[@href="/shop/webhooks/test"]`))
	b.sees(w.waiting)
	value[bool](b, "window.sameDocument = true")
	s.call("shop2345", 1, 400, "[NUMBER]", "merge_field")
	b.sees(w.fault)
	s.call("shop2345", 2, 200, "0571527051", "recorded")
	b.sees(w.received)
	if !value[bool](b, "window.sameDocument === true") {
		b.Error("the page was loaded again")
	}
	b.check(name + "test")
	b.do("open the webhooks", chromedp.Click(`//nav//a[@href="/shop/webhooks"]`), chromedp.WaitVisible("#health"))
	b.check(name + "webhooks")

	b.do("open the invoices", chromedp.Click(`//nav//a[@href="/shop/invoices"]`))
	b.sees(w.pdf)
	b.check(name + "invoices")
	if got := value[string](b, "fetch('/shop/invoices/41/pdf').then(async r => r.status + ' ' + r.headers.get('content-type') + ' ' + await r.text())"); got != "200 application/pdf %PDF-1.7 a page" {
		b.Errorf("the PDF: %s", got)
	}
	b.do("open the changes", chromedp.Click(`//nav//a[@href="/shop/changes"]`))
	b.sees(w.went)
	b.check(name + "changes")
	b.do("open the plots", chromedp.Click(`//nav//a[@href="/shop/charts"]`), chromedp.WaitVisible("img"))
	if !value[bool](b, "Promise.all([...document.images].map(i => i.decode())).then(() => document.images.length === 3)") {
		b.Error("the plots are not shown")
	}
	b.check(name + "plots")
	for _, path := range []string{"/shop/why?kind=stock&number=OTHERS-1", "/shop/invoices/42/pdf", "/shops/shop3456"} {
		if got := value[string](b, fmt.Sprintf("fetch(%q, {redirect: 'manual'}).then(async r => r.status + ' ' + (await r.text()).includes('>7<'))", path)); got != "404 false" && got != "0 false" {
			b.Errorf("%s: %s", path, got)
		}
	}
}
