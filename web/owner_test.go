package web_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/store"
	"lagerd/web"
)

// writer writes what a lagerd stores of a shop.
type writer struct {
	s     *site
	fence store.Fence
}

// writerOf takes the lease of a shop.
func (s *site) writerOf(name string) *writer {
	s.t.Helper()
	shop, err := s.store.Shop(s.t.Context(), name)
	must(s.t, err)
	must(s.t, s.store.Beat(s.t.Context(), store.Instance{Instance: "me", Host: "stock1", BeatAt: store.At(s.now()), StartedAt: store.At(s.now())}))
	must(s.t, s.store.TakeLeases(s.t.Context(), []string{name}, "", "me", s.now()))
	lease, err := s.store.Lease(s.t.Context(), name)
	must(s.t, err)
	return &writer{s, store.Fence{Shop: name, Dataset: shop.Dataset, StockDataset: shop.StockDataset, Generation: shop.Generation, Token: lease.Token, StockSource: store.SourceEconomic}}
}

func (w *writer) apply(a store.Applied) {
	w.s.t.Helper()
	w.fence.Seq++
	_, err := w.s.store.Apply(w.s.t.Context(), w.fence, a, w.s.now())
	must(w.s.t, err)
}

// item stores an item, and that its stock changed to it from one less.
func (w *writer) item(number, name, stock string) {
	w.s.t.Helper()
	is := decimal.RequireFromString(stock)
	row := plan.Row{Item: plan.Item{Number: number, Name: name, InventoryEnabled: true, Figures: plan.Figures{InStock: decimal.NewNullDecimal(is)}}, State: plan.StateOK, Stock: decimal.NewNullDecimal(is),
		Version: plan.Version{Token: w.fence.Token, At: w.s.now()}, FirstSeenAt: w.s.now().Add(-time.Hour), ChangedAt: w.s.now()}
	before := is.Sub(decimal.New(1, 0))
	w.apply(store.Applied{Items: []plan.Row{row}, Changes: []plan.Change{{Kind: plan.KindStock, Number: number, What: plan.WhatStock, OldStock: decimal.NewNullDecimal(before), NewStock: row.Stock,
		OldState: plan.StateOK, NewState: plan.StateOK, Cause: plan.CauseTick, Webhook: plan.WebhookMissed, ObservedAt: w.s.now(), EconomicAt: w.s.now().Add(-time.Minute)}}})
}

// invoice stores an invoice, with its PDF unless that is nil.
func (w *writer) invoice(number int64, order string, pdf []byte) {
	w.s.t.Helper()
	a := store.Applied{Invoices: []plan.InvoiceRow{{Invoice: plan.Invoice{Number: number, Date: "2026-11-20", Currency: "DKK", Gross: decimal.NewNullDecimal(decimal.RequireFromString("1234.5")), RecipientName: "Kunde " + order},
		ShopOrder: order, FoundAt: w.s.now()}}}
	if pdf != nil {
		a.PDFs = []store.PDF{{Number: number, Data: pdf, SHA256: strings.Repeat("0", 64)}}
	}
	w.apply(a)
}

// call stores a call in the shop's webhook log.
func (s *site) call(shop string, slot int, kind plan.Kind, number string, status int, outcome string) {
	s.t.Helper()
	must(s.t, s.store.PutWebhookCalls(s.t.Context(), []store.WebhookCall{{Shop: shop, Slot: slot, CalledAt: store.At(s.now()), Method: "GET", Remote: "192.0.2.7", Kind: kind, Number: number, Status: status, Outcome: outcome}}))
}

// danishOwnerOf is ownerOf with a Danish browser.
func (s *site) danishOwnerOf(shop string) *browser {
	s.t.Helper()
	b := s.ownerOf(shop)
	b.headers["Accept-Language"] = "da-DK,da;q=0.9,en;q=0.8"
	return b
}

// ownersPages are all pages of an owner that are read, with a query that shows something.
var ownersPages = []string{"/shop", "/shop/set-up", "/shop/webhooks", "/shop/webhooks/test?since=0", "/shop/changes", "/shop/items", "/shop/items?search=a", "/shop/items?search=nothing", "/shop/invoices", "/shop/invoices?search=41",
	"/shop/why?kind=stock&number=A-1", "/shop/why?kind=invoice&number=41", "/shop/charts"}

// TestOwnersPages: each page in both languages, complete, below 100 KB even if a shop is full of long
// names, and with nothing on it that the policy would not let run.
func TestOwnersPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	w := s.writerOf("shop1")
	w.item("A-1", "Ærteskål", "2.5")
	for n := range 120 {
		w.item(fmt.Sprintf("A-%03d-%s", n, strings.Repeat("x", 50)), strings.Repeat("Æ<b>&\"", 50), "3")
		w.invoice(int64(n+1), strings.Repeat("o", 200), []byte("%PDF-1.7"))
		s.call("shop1", n, plan.KindStock, strings.Repeat("y", 64), 400, "merge_field")
	}
	for language, b := range map[string]*browser{"da": s.danishOwnerOf("shop1"), "en": s.ownerOf("shop1")} {
		for _, path := range ownersPages {
			got := b.get(path)
			b.expect(language+" "+path, got, http.StatusOK, path, `<html lang="`+language+`">`, "</html>", "<h1>")
			if len(got.body) > 100_000 {
				t.Errorf("%s in %s has %d bytes", path, language, len(got.body))
			}
			for _, no := range []string{" style=", "<style", "onclick=", "<script>", "<b>", "javascript:", "http-equiv", "{{", "%!"} {
				if strings.Contains(got.body, no) {
					t.Errorf("%s in %s has %s", path, language, no)
				}
			}
			headings(t, language+" "+path, got.body)
		}
	}
}

// headings fails the test unless the headings of a page begin with one h1 and leave out no level.
func headings(t *testing.T, page, body string) {
	t.Helper()
	last, firsts := 0, 0
	for rest := body; ; {
		_, after, found := strings.Cut(rest, "<h")
		if !found {
			break
		}
		rest = after
		level := int(after[0] - '0')
		if level < 1 || level > 6 || after[1] != '>' {
			continue
		}
		if level > last+1 {
			t.Errorf("%s: h%d after h%d", page, level, last)
		}
		if level == 1 {
			firsts++
		}
		last = level
	}
	if firsts != 1 {
		t.Errorf("%s has %d h1", page, firsts)
	}
	for _, table := range strings.Split(body, "<table")[1:] {
		if !strings.Contains(strings.Split(table, "</table>")[0], "<caption") {
			t.Errorf("%s has a table without a caption", page)
		}
	}
}

// TestOwnerFindsWhy: from the first page by a search to why an item has its stock, in Danish with
// Danish time and decimals, and in English.
func TestOwnerFindsWhy(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.writerOf("shop1").item("A-1", "Ærteskål", "2.5")
	b := s.danishOwnerOf("shop1")
	b.expect("the overview", b.get("/shop"), http.StatusOK, "/shop", "Lageret gik fra 1,5 til 2,5.", "Ærteskål", "23. november 2026 kl. 13.00.00")
	b.expect("a search", b.get("/shop/items?search=%C3%A6rte"), http.StatusOK, "/shop/items?search=%C3%A6rte", `<a href="/shop/why?kind=stock&amp;number=A-1">`, "2,5")
	b.expect("exactly", b.get("/shop/items?search=A-1"), http.StatusOK, "/shop/items?search=A-1", "Præcis dette nummer")
	b.expect("nearly", b.get("/shop/items?search=A-01"), http.StatusOK, "/shop/items?search=A-01", "Mente du:", `<a href="/shop/why?kind=stock&amp;number=A-1">`)
	got := b.get("/shop/why?kind=stock&number=A-1")
	b.expect("why", got, http.StatusOK, "/shop/why?kind=stock&number=A-1", "2,5 på lager", "Den faste kontrol fandt det. Der kom intet webhook om det.", "Mandag den 23. november 2026", "13:00:00", "Læs varen igen nu")
	if strings.Contains(got.body, "`lagerd") || strings.Contains(got.body, "<pre") {
		t.Errorf("the page has what is for operators:\n%s", got.body)
	}
	b.headers["Accept-Language"] = "en"
	b.expect("in English", b.get("/shop/why?kind=stock&number=A-1"), http.StatusOK, "/shop/why?kind=stock&number=A-1", "2.5 in stock", "Monday 23 November 2026 (CET)", "Read this item again now")
	b.expect("the switch", b.post("/language", "language", "da", "to", "/shop/why?kind=stock&number=A-1"), http.StatusOK, "/shop/why?kind=stock&number=A-1", "Læs varen igen nu")
}

// TestOwnerSeesOneShop: another shop's items, invoices and PDFs are not there, whatever the address
// says.
func TestOwnerSeesOneShop(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addShop("shop2")
	w := s.writerOf("shop2")
	w.item("SECRET-1", "veiled name", "7")
	w.invoice(41, "veiled-order", []byte("%PDF-veiled"))
	s.call("shop2", 1, plan.KindStock, "SECRET-1", 200, "recorded")
	b := s.ownerOf("shop1")
	for path, status := range map[string]int{"/shop/why?kind=stock&number=SECRET-1": 404, "/shop/why?kind=invoice&number=41": 404, "/shop/invoices/41/pdf": 404, "/shop/invoices/0/pdf": 404, "/shop/invoices/x/pdf": 404,
		"/shop/why?kind=stock&number=SECRET-1&shop=shop2": 404, "/shop/items?search=secret&shop=shop2": 200, "/shop/items?search=SECRET-1": 200, "/shop/items?search=SECRET-01": 200, "/shop/changes": 200, "/shop/invoices?search=veiled-order": 200,
		"/shop/invoices?search=41": 200, "/shop/webhooks": 200, "/shop/webhooks/test?since=0": 200, "/shop/charts": 200, "/shop": 200, "/shops/shop2": 200} {
		got := b.get(path)
		if got.status != status {
			t.Errorf("%s: %d, expected %d", path, got.status, status)
		}
		body := strings.ReplaceAll(got.body, `value="veiled-order"`, "")
		body = strings.ReplaceAll(body, "search=veiled-order", "")
		body = strings.ReplaceAll(body, "<bdi>veiled-order</bdi>", "") // what was searched for
		for _, no := range []string{"veiled", "%PDF", ">7<", "192.0.2.7"} {
			if strings.Contains(body, no) {
				t.Errorf("%s shows %s:\n%s", path, no, got.body)
			}
		}
	}
	for _, path := range []string{"/shop/items", "/shop/invoices/41/pdf", "/shop/charts/delay.svg", "/shop/events", "/shop/set-up"} {
		if got := s.browser().get(path); got.status != http.StatusForbidden {
			t.Errorf("a stranger at %s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/shop/read", "/shop/set-up/code", "/shop/set-up/retire"} {
		if got := s.browser().post(path, "number", "A-1", "kind", "stock"); got.status != http.StatusForbidden {
			t.Errorf("a stranger posts %s: %d", path, got.status)
		}
		b.headers["Sec-Fetch-Site"] = "cross-site"
		if got := b.post(path, "number", "A-1", "kind", "stock"); got.status != http.StatusForbidden {
			t.Errorf("from another site: %s: %d", path, got.status)
		}
		delete(b.headers, "Sec-Fetch-Site")
	}
}

// TestHostileItems: whatever numbers and names hold is text, and each number's link leads to it.
func TestHostileItems(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	w := s.writerOf("shop1")
	for _, number := range []string{`<script>alert(1)</script>`, `"onmouseover="alert(1)`, `../../shops/shop2`, "\u202eabc", "😀", `A&amp;B`, `{{.Shop}}`, `javascript:alert(1)`, `#x?y=1&z`, strings.Repeat("Ø", 64), `'; DROP TABLE items; --`, `%2e%2e%2f`} {
		w.item(number, strings.Repeat(number, 4), "1")
		b := s.ownerOf("shop1")
		path := "/shop/why?kind=stock&number=" + url.QueryEscape(number)
		got := b.get(path)
		b.expect(number, got, http.StatusOK, path, "1 in stock")
		link := "/shop/why?" + strings.ReplaceAll(url.Values{"kind": {"stock"}, "number": {number}}.Encode(), "&", "&amp;")
		found := b.get("/shop/items?search=" + url.QueryEscape(number))
		changes := b.get("/shop/changes")
		for what, body := range map[string]string{"the story": got.body, "the search": found.body, "the changes": changes.body} {
			if strings.Contains(body, "<script>alert") || strings.Contains(body, `"onmouseover="`) || strings.Contains(body, `href="javascript:`) {
				t.Errorf("%q is not text in %s", number, what)
			}
		}
		if !strings.Contains(found.body, strings.ReplaceAll(link, "+", "&#43;")) {
			t.Errorf("%q has no link in the search:\n%s", number, found.body)
		}
	}
}

// TestOwnerReads: a button has an item read, as the link's; a shop may ask so often in an hour, and
// the refusal says when again.
func TestOwnerReads(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.addShop("shop2")
	s.writerOf("shop1").item("A-1", "a", "1")
	b := s.ownerOf("shop1")
	if got := b.get("/shop/read"); got.status == http.StatusOK {
		t.Error("reading is a GET")
	}
	b.expect("once", b.post("/shop/read", "number", "A-1", "kind", "stock"), http.StatusOK, "/shop/why?kind=stock&number=A-1&asked=1", "lagerd is asked to read it now", "Somebody with the shop&#39;s link asked lagerd to read the item", "lagerd reads it")
	hints, err := s.store.Hints(t.Context(), "shop1", plan.KindStock, []string{"A-1"})
	must(t, err)
	if len(hints) != 1 || hints[0].Cause != plan.CauseOperator {
		t.Errorf("the hints are %+v", hints)
	}
	actions, err := s.store.Actions(t.Context(), "shop1", store.AnyAction(), noon.Add(-time.Hour), 10)
	must(t, err)
	if last := actions[len(actions)-1]; !strings.HasPrefix(last.Account, "link ") || last.Command != "page" || last.What != store.ActionAsked || last.Number != "A-1" {
		t.Errorf("recorded %+v", last)
	}
	s.pass(10 * time.Minute)
	for n := range 29 {
		if got := b.post("/shop/read", "number", fmt.Sprint(n), "kind", "invoice"); n > 0 && got.status != http.StatusNotFound { // asked for; not stored yet
			t.Fatalf("number %d: %d", n, got.status)
		}
	}
	s.pass(time.Second)
	for n := range 2 {
		got := b.post("/shop/read", "number", "A-1", "kind", "stock")
		if n == 0 {
			continue // 0 is no invoice's number, so one more was left
		}
		b.expect("too often", got, http.StatusTooManyRequests, "/shop/read", "30 numbers an hour", "at 14:00 Danish time")
		if got.header.Get("Retry-After") != "3000" {
			t.Errorf("Retry-After: %s", got.header.Get("Retry-After"))
		}
	}
	if got := s.ownerOf("shop2").post("/shop/read", "number", "A-1", "kind", "stock"); got.status == http.StatusTooManyRequests {
		t.Error("another shop is limited too")
	}
	s.pass(50 * time.Minute)
	b.expect("later", b.post("/shop/read", "number", "A-1", "kind", "stock"), http.StatusOK, "/shop/why?kind=stock&number=A-1&asked=1")
}

// TestPDF: the stored bytes, as a file with a safe name, and none where none is stored.
func TestPDF(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	w := s.writerOf("shop1")
	pdf := append([]byte("%PDF-1.7\n"), bytes.Repeat([]byte{0, 255, 13, 10, '\''}, 600_000)...) // three pieces
	w.invoice(41, "1001", pdf)
	w.invoice(42, "1002", nil)
	b := s.ownerOf("shop1")
	got := b.get("/shop/invoices/41/pdf")
	if got.body != string(pdf) || got.status != http.StatusOK {
		t.Errorf("%d, %d bytes", got.status, len(got.body))
	}
	for name, want := range map[string]string{"Content-Type": "application/pdf", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Cache-Control": "no-store",
		"Content-Disposition": `attachment; filename="shop1-faktura-41.pdf"`, "Content-Length": fmt.Sprint(len(pdf))} {
		if is := got.header.Get(name); is != want {
			t.Errorf("%s is %q, expected %q", name, is, want)
		}
	}
	b.expect("without a PDF", b.get("/shop/invoices/42/pdf"), http.StatusNotFound, "/shop/invoices/42/pdf", "Page not found")
	b.expect("the list", b.get("/shop/invoices"), http.StatusOK, "/shop/invoices", `<a href="/shop/invoices/41/pdf">`, "still being fetched", "1,234.50 DKK", "20 Nov 2026")
	b.expect("by order number", b.get("/shop/invoices?search=1001"), http.StatusOK, "/shop/invoices?search=1001", `<a href="/shop/invoices/41/pdf">`)
	b.expect("by number", b.get("/shop/invoices?search=42"), http.StatusOK, "/shop/invoices?search=42", "Kunde 1002")
	b.expect("its story", b.get("/shop/why?kind=invoice&number=41"), http.StatusOK, "/shop/why?kind=invoice&number=41", "Download the PDF", "order number")
	b.headers["Accept-Language"] = "da"
	b.expect("in Danish", b.get("/shop/invoices"), http.StatusOK, "/shop/invoices", "1.234,50 DKK", "20. november 2026")
}

// TestSetUp: the page shows what is entered, makes a code that works and is shown once, and lets the
// old one go once calls have the new one.
func TestSetUp(t *testing.T) {
	t.Parallel()
	s := open(t, func(o *web.Options) {
		o.Config = func() config.Config {
			c := config.Default()
			c.Webhook.PublicURL, c.Economic.AppPublicToken = "https://lager.example.dk/webhooks.php", "publictoken"
			return c
		}
	})
	s.addShop("shop1")
	b := s.danishOwnerOf("shop1")
	b.expect("at first", b.get("/shop/set-up"), http.StatusOK, "/shop/set-up", "https://lager.example.dk/webhooks.php?", "type=stockUpdate&amp;username=shop1&amp;password=CODE&amp;number=[NUMBER]",
		"type=orderPdf&amp;username=shop1&amp;password=CODE&amp;number=[INVOICENO]", "Varelager opdateret", "Faktura bogført", "number=VARENUMMER", "publictoken", `data-copy="stockUpdate-url"`, "Lav en ny kode")
	if got := b.get("/shop/set-up"); strings.Contains(got.body, `data-copy="stockUpdate-data"`) || strings.Contains(got.body, `data-copy="orderPdf-try"`) {
		t.Error("a text that has no code yet can be copied")
	}
	code := func(got answer) string {
		t.Helper()
		_, after, _ := strings.Cut(got.body, "username=shop1&amp;password=")
		code, _, _ := strings.Cut(after, "&amp;")
		if len(code) != 26 || strings.Contains(got.body, "password=CODE") || got.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the code is %q, Cache-Control %s", code, got.header.Get("Cache-Control"))
		}
		return code
	}
	s.pass(time.Second) // codes are ordered by when they were made
	after := func() string {
		t.Helper()
		codes, err := s.store.CodesOf(t.Context(), "shop1")
		must(t, err)
		return fmt.Sprint(codes[len(codes)-1].CreatedAt.UnixMicro())
	}
	begun := after()
	b.expect("the form", b.get("/shop/set-up"), http.StatusOK, "/shop/set-up", `name="after" value="`+begun+`"`, "De to webhooks skal indeholde en hemmelig kode")
	made := b.post("/shop/set-up/code", "after", begun)
	b.expect("made", made, http.StatusOK, "/shop/set-up/code", "Den vises kun denne ene gang", "Hold siden her åben", `target="_blank"`, `data-copy="stockUpdate-data"`, `data-copy="orderPdf-try"`)
	if strings.Contains(made.body, "Den gamle kode virker stadig") || strings.Contains(made.body, "virker ikke mere") || strings.Contains(made.body, `action="/language"`) {
		t.Errorf("a first code:\n%s", made.body)
	}
	first := code(made)
	if got := b.get("/shop/set-up"); strings.Contains(got.body, first) || !strings.Contains(got.body, "Der blev lavet en ny kode") {
		t.Errorf("after it was made:\n%s", got.body)
	}
	s.pass(time.Second)
	b.expect("loaded again", b.post("/shop/set-up/code", "after", begun), http.StatusConflict, "/shop/set-up/code", "Koden er allerede lavet")
	b.expect("without a form", b.post("/shop/set-up/code"), http.StatusConflict, "/shop/set-up/code", "Koden er allerede lavet")
	if codes, err := s.store.CodesOf(t.Context(), "shop1"); err != nil || len(codes) != 2 || !bytes.Equal(codes[1].CodeHash, hashOf(s, first)) {
		t.Errorf("loading the page again has made a code: %d, %v", len(codes), err)
	}
	again := b.post("/shop/set-up/code", "after", after())
	b.expect("in place of the first", again, http.StatusOK, "/shop/set-up/code", "virker ikke mere: har du sat den ind i e-conomic, så udskift den")
	second := code(again)
	codes, err := s.store.CodesOf(t.Context(), "shop1")
	must(t, err)
	if hash := s.keys.HashCode("shop1", second); len(codes) != 2 || !bytes.Equal(codes[1].CodeHash, hash[:]) || first == second {
		t.Errorf("%d codes", len(codes))
	}
	b.expect("too early", b.post("/shop/set-up/retire"), http.StatusConflict, "/shop/set-up/retire", "e-conomic har endnu ikke kaldt med den nye kode")
	must(t, s.store.RecordCodeUses(t.Context(), []store.CodeUse{{Shop: "shop1", CodeHash: codes[1].CodeHash}}, s.now()))
	s.pass(time.Second)
	s.call("shop1", 1, plan.KindStock, "A-1", 200, "recorded")
	s.call("shop1", 2, plan.KindInvoice, "41", 200, "from_browser") // which says nothing about e-conomic
	inUse := b.get("/shop/set-up")
	b.expect("in use", inUse, http.StatusOK, "/shop/set-up", "Slå den gamle kode fra", "<strong>Webhooks om fakturaer:</strong> e-conomic har ikke kaldt, siden den nye kode blev lavet")
	if strings.Contains(inUse.body, "<strong>Webhooks om lager:</strong>") {
		t.Error("the webhooks that came are called silent")
	}
	must(t, s.store.RecordCodeUses(t.Context(), []store.CodeUse{{Shop: "shop1", CodeHash: codes[0].CodeHash}}, s.now().Add(time.Minute)))
	b.expect("still in use", b.post("/shop/set-up/code", "after", after()), http.StatusConflict, "/shop/set-up/code", "Den gamle kode bruges endnu")
	must(t, s.store.RecordCodeUses(t.Context(), []store.CodeUse{{Shop: "shop1", CodeHash: codes[1].CodeHash}}, s.now().Add(2*time.Minute)))
	b.expect("retired", b.post("/shop/set-up/retire"), http.StatusOK, "/shop/set-up", "Lav en ny kode")
	if codes, err = s.store.CodesOf(t.Context(), "shop1"); err != nil || len(codes) != 1 {
		t.Errorf("%d codes, %v", len(codes), err)
	}
	for _, e := range s.log.AllEntries() {
		if line, err := e.String(); err != nil || strings.Contains(line, first) || strings.Contains(line, second) {
			t.Errorf("logged: %s %v", line, err)
		}
	}
}

func hashOf(s *site, code string) []byte {
	hash := s.keys.HashCode("shop1", code)
	return hash[:]
}

// TestTryWebhooks: the page for tests waits, shows a call that arrives, live too, and says what was
// wrong with one that is not in order.
func TestTryWebhooks(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	s.writerOf("shop1")
	s.call("shop1", 1, plan.KindStock, "OLD", 200, "recorded")
	s.pass(time.Minute)
	b := s.danishOwnerOf("shop1")
	got := b.get("/shop/webhooks/test")
	b.expect("begun", got, http.StatusOK, fmt.Sprintf("/shop/webhooks/test?since=%d", s.now().UnixMicro()), "Venter på et kald", "ret lagerbeholdningen af en vare i e-conomic", `data-events="/shop/events"`)
	if strings.Contains(got.body, "OLD") {
		t.Error("it shows a call from before")
	}
	s.pass(time.Second)
	next := listen(t, b, "/shop/events")
	next() // at once
	s.call("shop1", 2, plan.KindStock, "[NUMBER]", 400, "merge_field")
	next()
	b.expect("without a number", b.get(got.path), http.StatusOK, got.path, "Ikke modtaget.", "e-conomic har ikke sat nummeret ind", "typen skal være »Varelager opdateret«", "Venter på et kald")
	s.pass(time.Second)
	s.call("shop1", 3, plan.KindStock, "A-1", 200, "recorded")
	next()
	b.expect("received", b.get(got.path), http.StatusOK, got.path, "Venter på et kald", `Webhooks om lager: <span class="state good">virker</span> (<bdi>A-1</bdi>`, "Webhooks om fakturaer: <span class=\"state warn\">intet kald endnu", "Et kald er kommet: webhooks om lager A-1. Modtaget.", `<a href="/shop/why?kind=stock&amp;number=A-1">`)
	s.pass(time.Second)
	s.call("shop1", -1, "", "", 403, "refused")
	b.expect("refused", b.get(got.path), http.StatusOK, got.path, "Forkert butik eller kode.", "Et kald er kommet: det siger ikke, hvad det handler om. Ikke modtaget.")
	s.pass(time.Second)
	s.call("shop1", 4, plan.KindStock, "A-1", 200, "html_escaped")
	b.expect("received, but not as it should be", b.get(got.path), http.StatusOK, got.path, "(<bdi>A-1</bdi>", "Modtaget. Ret dette")
	b.expect("their health", b.get("/shop/webhooks"), http.StatusOK, "/shop/webhooks", "<h2>Webhooks om lager</h2>", "kommer frem", "kommer med forkert brugernavn eller kode", "Faktura bogført", "OLD")
	s.call("shop1", 5, plan.KindInvoice, "7", 200, "recorded")
	b.expect("both", b.get(got.path), http.StatusOK, got.path, "Det virker. Du er færdig.", "Webhooks om fakturaer: <span class=\"state good\">virker</span> (<bdi>7</bdi>")
}

// listen opens a stream of events and returns a func that waits for the next.
func listen(t *testing.T, b *browser, path string) (next func()) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+path, nil)
	must(t, err)
	client := &http.Client{Jar: b.client.Jar}
	got, err := client.Do(r)
	must(t, err)
	t.Cleanup(func() { _ = got.Body.Close() })
	if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream: %d %s", got.StatusCode, got.Header.Get("Content-Type"))
	}
	const event = "event: changed\ndata: .\n\n"
	return func() {
		t.Helper()
		text := make([]byte, len(event))
		timer := time.AfterFunc(10*time.Second, func() { _ = got.Body.Close() })
		defer timer.Stop()
		for n := 0; n < len(text); {
			m, err := got.Body.Read(text[n:])
			if n += m; err != nil {
				t.Fatalf("no event: %v", err)
			}
		}
		if string(text) != event {
			t.Fatalf("an event %q", text)
		}
	}
}

// TestOneShopsStreams: one shop cannot take the streams of all.
func TestOneShopsStreams(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, shop := range []string{"shop1", "shop2"} {
		s.addShop(shop)
		s.writerOf(shop)
	}
	b := s.ownerOf("shop1")
	for range 4 {
		listen(t, b, "/shop/events")()
	}
	if got := b.get("/shop/events"); got.status != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", got.status)
	}
	listen(t, s.ownerOf("shop2"), "/shop/events")()
}

// TestOwnersStatements: a page takes as many statements whatever the shop holds and however many
// others there are, and none of them is about another shop.
func TestOwnersStatements(t *testing.T) {
	t.Parallel()
	counts := map[string][]int{}
	for _, size := range []int{1, 60} {
		s, w := openWatched(t)
		for n := range size {
			s.addShop(fmt.Sprintf("other%d", n))
		}
		s.addShop("shop1")
		writes := s.writerOf("shop1")
		writes.item("A-1", "a", "1")
		writes.invoice(41, "1", []byte("%PDF"))
		for n := range size {
			writes.item(fmt.Sprint("A-2", n), "a", "1")
			writes.invoice(int64(100+n), "1", []byte("%PDF"))
			s.call("shop1", n, plan.KindStock, "A-1", 200, "recorded")
		}
		b := s.ownerOf("shop1")
		w.statements()
		for _, path := range append(ownersPages, "/shop/invoices/41/pdf") {
			if got := b.get(path); got.status != http.StatusOK {
				t.Errorf("%s: %d", path, got.status)
			}
			list := w.statements()
			counts[path] = append(counts[path], len(list))
			for _, statement := range list {
				if !strings.Contains(statement, "shop = ?") && !strings.Contains(statement, "shop IN (?)") && !strings.Contains(statement, "FROM `instances`") && !strings.Contains(statement, "FROM instances") &&
					!strings.Contains(statement, "FROM web_ended") && !strings.Contains(statement, "FROM `stock_accounts`") {
					t.Errorf("%s: a statement that is not about the shop: %s", path, statement)
				}
			}
		}
	}
	for path, n := range counts {
		if len(n) != 2 || n[0] != n[1] || n[0] == 0 || n[0] > 45 {
			t.Errorf("%s takes %v statements", path, n)
		}
	}
	t.Log(counts)
}

// TestCharts: plots with a text and a table, and figures by Danish day.
func TestCharts(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.addShop("shop1")
	w := s.writerOf("shop1")
	w.item("A-1", "a", "1")
	s.pass(11*time.Hour + 30*time.Minute) // 23.30 UTC is the next day in Denmark
	for n := range 3 {
		w.item("A-2", "a", fmt.Sprint(n))
	}
	b := s.danishOwnerOf("shop1")
	got := b.get("/shop/charts")
	b.expect("the page", got, http.StatusOK, "/shop/charts", "Ændringer i de seneste 30 dage: 4. Flest den 24. november: 3.", "Ændringer uden webhook i de seneste 30 dage: 4.", "I gennemsnit 60,0 sek., længst 60,0 sek.",
		`<th scope="row">24. november</th><td class="number" data-label="Ændringer">3</td>`, `<th scope="row">23. november</th><td class="number" data-label="Ændringer">1</td>`, `alt="Kurve: Ændringer. Ændringer i de seneste 30 dage: 4.`)
	for _, file := range []string{"delay.svg", "changes.svg", "missed.svg"} {
		got := b.get("/shop/charts/" + file)
		if got.status != http.StatusOK || got.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(got.body, "<svg") || !strings.Contains(got.body, ">24/11<") || len(got.body) > 50_000 ||
			strings.Contains(got.body, "<script") || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v %d bytes", file, got.status, got.header, len(got.body))
		}
	}
	if got := b.get("/shop/charts/other.svg"); got.status != http.StatusNotFound {
		t.Errorf("another file: %d", got.status)
	}
	w.item("A-3", "a", "5")
	b.expect("kept for a while", b.get("/shop/charts"), http.StatusOK, "/shop/charts", "Ændringer i de seneste 30 dage: 4.")
	s.pass(3 * time.Minute)
	b.expect("read again", b.get("/shop/charts"), http.StatusOK, "/shop/charts", "Ændringer i de seneste 30 dage: 5.")
}
