package webhook_test

import (
	"net/http"
	"strings"
	"testing"

	"lagerd/lang"
	"lagerd/webhook"
)

// browser sends a request as a Danish browser does.
func browser(query string) *http.Request {
	r := request(http.MethodGet, query, "")
	r.Header.Set("Accept-Language", "da-DK,da;q=0.9,en-US;q=0.8,en;q=0.7")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	return r
}

// TestSaysWhatHappensNow: the answer to a recorded call says, in the language of the shop's
// owner, what was received and what happens now: word by word. The caller's Accept-Language has
// no say in it.
func TestSaysWhatHappensNow(t *testing.T) {
	t.Parallel()
	const (
		stock, invoice = "type=stockUpdate&" + creds + "&number=", "type=orderPdf&" + creds + "&number="

		daItem, enItem       = "Success\nModtaget for shop1234: vare A-1\n", "Success\nReceived for shop1234: item A-1\n"
		daInvoice, enInvoice = "Success\nModtaget for shop1234: faktura 20145\n", "Success\nReceived for shop1234: invoice 20145\n"
		daAll                = "Success\nModtaget for shop1234: et webhook uden varenummer\nEt webhook om en ordre nævner ingen vare.\n"
		enAll                = "Success\nReceived for shop1234: a webhook without an item number\nA webhook about an order names no item.\n"
		daTried, enTried     = "Success\nButik og kode er rigtige: shop1234\n", "Success\nShop and code are right: shop1234\n"
		daTrial              = "Rackbeats webhooks modtages på denne adresse. Dette var kun en prøve: intet blev registreret.\n"
		enTrial              = "Rackbeat's webhooks are received at this address. This was only a test: nothing was recorded.\n"

		daStockOff = "Butikkens lager læses ikke for tiden. Spørg din webudbyder, om det er meningen.\n"
		enStockOff = "The shop's stock is not being read at present. Ask your hosting company whether that is intended.\n"
		daPaused   = "Butikken er sat på pause: det, der kommer, læses, når din webudbyder sætter den i gang igen.\n"
		enPaused   = "The shop is paused: what comes is read once your hosting company resumes it.\n"
	)
	item, bill := request(http.MethodGet, stock+"A-1", ""), request(http.MethodGet, invoice+"20145", "")
	for _, c := range []struct {
		name    string
		call    *http.Request
		body    string // of a POST of Rackbeat's
		next    webhook.Next
		da, en  string
		outcome string
	}{
		{"an item", item, "", webhook.NextRead,
			daItem + "Varens lager læses hos e-conomic nu, og butikken har det som regel om få sekunder.\n",
			enItem + "Its stock is being read from e-conomic now, and the shop usually has it within seconds.\n", "recorded"},
		{"an item at Rackbeat", item, "", webhook.NextAtRackbeat,
			daItem + "Varens lager læses hos Rackbeat nu, og butikken har det som regel om få sekunder.\n",
			enItem + "Its stock is being read from Rackbeat now, and the shop usually has it within seconds.\n", "recorded"},
		{"an item of a paused shop", item, "", webhook.NextPaused,
			daItem + "Butikken er sat på pause: varen er noteret, og dens lager læses, når din webudbyder sætter den i gang igen.\n",
			enItem + "The shop is paused: the item is noted, and its stock is read once your hosting company resumes it.\n", "recorded"},
		{"an item of a held shop", item, "", webhook.NextHeld,
			daItem + "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Varen er noteret, og dens lager læses, når der er åbnet igen.\n",
			enItem + "The shop's stock is stopped since something looks wrong: contact your hosting company. The item is noted, and its stock is read once that is settled.\n", "recorded"},
		{"an item of a shop without stock", item, "", webhook.NextOff, daItem + daStockOff, enItem + enStockOff, "recorded"},
		{"an item sent wrongly", request(http.MethodGet, stock+"%22A-1%22", ""), "", webhook.NextRead,
			"Success\nModtaget for shop1234: vare \"A-1\"\nModtaget for shop1234: vare A-1\nVarens lager læses hos e-conomic nu, og butikken har det som regel om få sekunder.\n" +
				"Ret dette: der står anførselstegn omkring det, der blev sendt. Indsæt teksten igen uden dem, præcis som du fik den af din webudbyder.\n",
			"Success\nReceived for shop1234: item \"A-1\"\nReceived for shop1234: item A-1\nIts stock is being read from e-conomic now, and the shop usually has it within seconds.\n" +
				"Put this right: there are quotation marks around what was sent. Enter the data again without them, exactly as your hosting company gave it to you.\n", "quoted"},
		{"&amp;", request(http.MethodGet, strings.ReplaceAll(stock+"A-1", "&", "&amp;"), ""), "", webhook.NextOff,
			daItem + daStockOff + "Ret dette: der står \"&amp;\" eller lignende, hvor der skal stå \"&\". Indsæt URL og tekst igen, præcis som du fik dem af din webudbyder.\n",
			enItem + enStockOff + "Put this right: there is \"&amp;\" or the like instead of \"&\". Enter URL and data again, exactly as your hosting company gave them to you.\n", "html_escaped"},

		{"an invoice", bill, "", webhook.NextRead,
			daInvoice + "Fakturaen og dens PDF hentes hos e-conomic nu, og butikken har dem som regel om få sekunder.\n",
			enInvoice + "The invoice and its PDF are being fetched from e-conomic now, and the shop usually has them within seconds.\n", "recorded"},
		{"an invoice of a paused shop", bill, "", webhook.NextPaused,
			daInvoice + "Butikken er sat på pause: fakturaen er noteret, og hentes, når din webudbyder sætter den i gang igen.\n",
			enInvoice + "The shop is paused: the invoice is noted, and fetched once your hosting company resumes it.\n", "recorded"},
		{"an invoice of a held shop", bill, "", webhook.NextHeld,
			daInvoice + "Butikkens fakturaer er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Fakturaen er noteret, og hentes, når der er åbnet igen.\n",
			enInvoice + "The shop's invoices are stopped since something looks wrong: contact your hosting company. The invoice is noted, and fetched once that is settled.\n", "recorded"},
		{"an invoice whose PDF must wait", bill, "", webhook.NextPDFHeld,
			daInvoice + "Fakturaen hentes hos e-conomic nu, men dens PDF må vente: e-conomic afviser at vise PDF'er. Kontakt din webudbyder.\n",
			enInvoice + "The invoice is being fetched from e-conomic now, but its PDF must wait: e-conomic refuses to show PDFs. Contact your hosting company.\n", "recorded"},
		{"an invoice of a shop without invoices", bill, "", webhook.NextOff,
			daInvoice + "Butikkens fakturaer hentes ikke for tiden. Spørg din webudbyder, om det er meningen.\n",
			enInvoice + "The shop's invoices are not being fetched at present. Ask your hosting company whether that is intended.\n", "recorded"},

		{"an order", nil, `{"event":"order.created"}`, webhook.NextAtRackbeat, daAll + "Alle varer læses igen om lidt.\n", enAll + "All items are read again soon.\n", "everything"},
		{"an order at e-conomic", nil, `{"event":"order.created"}`, webhook.NextRead, daAll + "Alle varer læses igen om lidt.\n", enAll + "All items are read again soon.\n", "everything"},
		{"an order of a paused shop", nil, `{"event":"order.created"}`, webhook.NextPaused,
			daAll + "Butikken er sat på pause: alle varer læses igen, når din webudbyder sætter den i gang igen.\n",
			enAll + "The shop is paused: all items are read again once your hosting company resumes it.\n", "everything"},
		{"an order of a held shop", nil, `{"event":"order.created"}`, webhook.NextHeld,
			daAll + "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder. Alle varer læses igen, når der er åbnet.\n",
			enAll + "The shop's stock is stopped since something looks wrong: contact your hosting company. All items are read again once that is settled.\n", "everything"},
		{"an order of a shop without stock", nil, `{"event":"order.created"}`, webhook.NextOff, daAll + daStockOff, enAll + enStockOff, "everything"},

		{"Rackbeat's address, tried", browser(rackbeat), "", webhook.NextAtRackbeat, daTried + daTrial, enTried + enTrial, "tried"},
		{"Rackbeat's address, tried by a program", request(http.MethodGet, rackbeat, ""), "", webhook.NextAtRackbeat, daTried + daTrial, enTried + enTrial, "tried"},
		{"Rackbeat's address of a paused shop, tried", browser(rackbeat), "", webhook.NextPaused, daTried + daTrial + daPaused, enTried + enTrial + enPaused, "tried"},
		{"Rackbeat's address of a held shop, tried", browser(rackbeat), "", webhook.NextHeld,
			daTried + daTrial + "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.\n",
			enTried + enTrial + "The shop's stock is stopped since something looks wrong: contact your hosting company.\n", "tried"},
		{"Rackbeat's address of a shop without stock, tried", browser(rackbeat), "", webhook.NextOff, daTried + daTrial + daStockOff, enTried + enTrial + enStockOff, "tried"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for l, want := range map[lang.Lang]string{lang.Danish: c.da, lang.English: c.en} {
				e := newEndpoint()
				e.of = webhook.Shop{Lang: l, Stock: c.next, Invoices: c.next}
				r := c.call
				if r == nil {
					r = fromRackbeat(rackbeat, c.body, "")
				}
				if w := e.call(t, r); w.Code != http.StatusOK || w.Body.String() != want || e.calls[0].Outcome != c.outcome {
					t.Errorf("%s: status %d, %s, answer\n%s\nexpected\n%s", l, w.Code, e.calls[0].Outcome, w.Body, want)
				}
			}
		})
	}
}

// TestOwnFieldInABrowser: the data as it is pasted into e-conomic, opened in a browser, is a
// successful test of shop and code. For a program, and with any other field, something is wrong.
func TestOwnFieldInABrowser(t *testing.T) {
	t.Parallel()
	const (
		stock, invoice = "type=stockUpdate&" + creds + "&number=", "type=orderPdf&" + creds + "&number="

		daStock   = "Success\nButik og kode er rigtige: shop1234\nDette var kun en prøve: intet blev registreret. Når e-conomic kalder, sætter det varenummeret ind i stedet for [NUMBER], og varens lager læses med det samme. Skriv et rigtigt varenummer for at se det ske.\n"
		enStock   = "Success\nShop and code are right: shop1234\nThis was only a test: nothing was recorded. When e-conomic calls, it puts the item number in place of [NUMBER], and the item's stock is read at once. Write a real item number to see it happen.\n"
		daInvoice = "Success\nButik og kode er rigtige: shop1234\nDette var kun en prøve: intet blev registreret. Når e-conomic kalder, sætter det fakturanummeret ind i stedet for [INVOICENO], og fakturaen og dens PDF hentes med det samme. Skriv et rigtigt fakturanummer for at se det ske.\n"
		enInvoice = "Success\nShop and code are right: shop1234\nThis was only a test: nothing was recorded. When e-conomic calls, it puts the invoice number in place of [INVOICENO], and the invoice and its PDF are fetched at once. Write a real invoice number to see it happen.\n"
	)
	for _, c := range []struct {
		name   string
		call   *http.Request
		next   webhook.Next
		da, en string // "": 400
	}{
		{"of stock", browser(stock + "[NUMBER]"), webhook.NextRead, daStock, enStock},
		{"of stock, escaped", browser(stock + "%5BNUMBER%5D"), webhook.NextAtRackbeat, daStock, enStock},
		{"of invoices", browser(invoice + "[INVOICENO]"), webhook.NextRead, daInvoice, enInvoice},
		{"of stock of a held shop", browser(stock + "[NUMBER]"), webhook.NextHeld,
			daStock + "Butikkens lager er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.\n",
			enStock + "The shop's stock is stopped since something looks wrong: contact your hosting company.\n"},
		{"of invoices of a held shop", browser(invoice + "[INVOICENO]"), webhook.NextHeld,
			daInvoice + "Butikkens fakturaer er stoppet, fordi noget ser forkert ud: kontakt din webudbyder.\n",
			enInvoice + "The shop's invoices are stopped since something looks wrong: contact your hosting company.\n"},
		{"of invoices whose PDFs must wait", browser(invoice + "[INVOICENO]"), webhook.NextPDFHeld,
			daInvoice + "PDF'er må vente: e-conomic afviser at vise dem. Kontakt din webudbyder.\n",
			enInvoice + "PDFs must wait: e-conomic refuses to show them. Contact your hosting company.\n"},
		{"of invoices of a shop without", browser(invoice + "[INVOICENO]"), webhook.NextOff,
			daInvoice + "Butikkens fakturaer hentes ikke for tiden. Spørg din webudbyder, om det er meningen.\n",
			enInvoice + "The shop's invoices are not being fetched at present. Ask your hosting company whether that is intended.\n"},
		{"by a program", request(http.MethodGet, stock+"[NUMBER]", ""), webhook.NextRead, "", ""},
		{"by e-conomic", request(http.MethodPost, "", stock+"[NUMBER]"), webhook.NextRead, "", ""},
		{"the other's", browser(stock + "[INVOICENO]"), webhook.NextRead, "", ""},
		{"the other's for an invoice", browser(invoice + "[NUMBER]"), webhook.NextRead, "", ""},
		{"another", browser(stock + "[ORDERNO]"), webhook.NextRead, "", ""},
		{"misspelt", browser(stock + "{NUMBER}"), webhook.NextRead, "", ""},
		{"a placeholder", browser(stock + "VARENUMMER"), webhook.NextRead, "", ""},
	} {
		for l, want := range map[lang.Lang]string{lang.Danish: c.da, lang.English: c.en} {
			e := newEndpoint()
			e.of = webhook.Shop{Lang: l, Stock: c.next, Invoices: c.next}
			w := e.call(t, c.call)
			switch logged := e.calls[0]; {
			case len(e.hints) != 0:
				t.Errorf("%s: recorded %v", c.name, e.hints)
			case want == "" && (w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "Success")):
				t.Errorf("%s, %s: status %d, answer %s", c.name, l, w.Code, w.Body)
			case want != "" && (w.Code != http.StatusOK || w.Body.String() != want || logged.Outcome != webhook.OutcomeTried || logged.Number == ""):
				t.Errorf("%s, %s: status %d, journal %+v, answer\n%s\nexpected\n%s", c.name, l, w.Code, logged, w.Body, want)
			}
			if want == "" { // its body has been read
				break
			}
		}
	}
}

// TestNumberInABrowser: a call that a person makes is recorded and answered like e-conomic's; only the
// log knows that it says nothing about e-conomic.
func TestNumberInABrowser(t *testing.T) {
	t.Parallel()
	const query = "type=stockUpdate&" + creds + "&number="
	for number, want := range map[string]string{"0571527051": webhook.OutcomeFromBrowser, "a%26amp%3Bb": webhook.OutcomeHTMLEscaped} {
		e, person := newEndpoint(), newEndpoint()
		its, theirs := e.call(t, request(http.MethodGet, query+number, "")), person.call(t, browser(query+number))
		if its.Code != http.StatusOK || its.Body.String() != theirs.Body.String() || len(e.hints) == 0 || len(person.hints) != len(e.hints) {
			t.Errorf("%s: status %d, %d and %d hints, answers\n%s\n%s", number, its.Code, len(e.hints), len(person.hints), its.Body, theirs.Body)
		}
		if e.calls[0].Outcome == webhook.OutcomeFromBrowser || person.calls[0].Outcome != want {
			t.Errorf("%s: logged as %s and %s", number, e.calls[0].Outcome, person.calls[0].Outcome)
		}
		if e.byPerson != 0 || person.byPerson != 1 {
			t.Errorf("%s: %d and %d calls were told to be a person's", number, e.byPerson, person.byPerson)
		}
	}
	behind := newEndpoint() // a proxy that adds a language
	r := request(http.MethodGet, query+"0571527051", "")
	r.Header.Set("Accept-Language", "da")
	r.Header.Set("Accept", "*/*")
	if behind.call(t, r); behind.calls[0].Outcome != webhook.OutcomeRecorded || behind.byPerson != 0 {
		t.Errorf("a program's call with a language is logged as %s", behind.calls[0].Outcome)
	}
}

// TestRefusalsInBothLanguages: what a caller without a shop is told, word by word.
func TestRefusalsInBothLanguages(t *testing.T) {
	t.Parallel()
	wrong := "type=stockUpdate&username=" + shop + "&password=wrong&number=7"
	for _, c := range []struct {
		name, method, query string
		calls               int // so many of the same before
		want                lang.Text
	}{
		{"a wrong code", http.MethodGet, wrong, 0, lang.Text{Danish: "Forkert butik eller kode. Kopiér teksten igen, præcis som du fik den af din webudbyder.\n",
			English: "Wrong shop or code. Copy the text again, exactly as your hosting company gave it to you.\n"}},
		{"too many wrong codes", http.MethodGet, wrong, 30, lang.Text{Danish: "Forkert butik eller kode, og det er sket for tit. Vent et minut, og kopiér så teksten igen, præcis som du fik den af din webudbyder.\n",
			English: "Wrong shop or code, and it has happened too often. Wait a minute, then copy the text again, exactly as your hosting company gave it to you.\n"}},
		{"the word that stands for a code", http.MethodGet, "type=stockUpdate&username=" + shop + "&password=CODE&number=7", 0, lang.Text{
			Danish:  "Efter password= står der stadig CODE: skriv butikkens hemmelige kode i stedet for. Har du den ikke, så lav en ny på butikkens side, eller bed din webudbyder om en.\n",
			English: "After password= it still says CODE: write the shop's secret code in its place. If you do not have it, make a new one on the shop's page, or ask your hosting company for one.\n"}},
		{"another method", http.MethodPut, wrong, 0, lang.Text{Danish: "Brug GET eller POST.\n", English: "Use GET or POST.\n"}},
	} {
		for header, l := range map[string]lang.Lang{"": lang.Danish, "da,en;q=0.5": lang.Danish, "en,da;q=0.5": lang.English} {
			e := newEndpoint()
			e.of.Lang = lang.English
			for range c.calls {
				e.call(t, request(c.method, c.query, ""))
			}
			r := request(c.method, c.query, "")
			r.Header.Set("Accept-Language", header)
			if got := e.call(t, r).Body.String(); got != c.want.In(l) {
				t.Errorf("%s, accepting %q: %q, expected %q", c.name, header, got, c.want.In(l))
			}
		}
	}
}

// TestTokensInBothLanguages: what is said about a missing token of Rackbeat's, word by word.
func TestTokensInBothLanguages(t *testing.T) {
	t.Parallel()
	first := lang.Text{
		Danish:  "Afvist: headeren Rackbeat-Webhook-Token mangler, eller har et andet token end dem, din webudbyder har fået. Giv din webudbyder det token, som Rackbeat viste, da dette webhook blev oprettet.\n",
		English: "Refused: the header Rackbeat-Webhook-Token is missing, or holds another token than those your hosting company has. Give your hosting company the token that Rackbeat showed when this webhook was created.\n"}
	limited := lang.Text{
		Danish:  "Afvist: headeren Rackbeat-Webhook-Token mangler eller er forkert, og det er sket for tit. Giv din webudbyder det token, som Rackbeat viste, da dette webhook blev oprettet.\n",
		English: "Refused: the header Rackbeat-Webhook-Token is missing or wrong, and it has happened too often. Give your hosting company the token that Rackbeat showed when this webhook was created.\n"}
	for _, l := range []lang.Lang{lang.Danish, lang.English} {
		e := newEndpoint()
		e.of.Lang = l
		for n := range 31 {
			want := first
			if n == 30 {
				want = limited
			}
			r := request(http.MethodPost, rackbeat, `{"item":"7"}`)
			if got := e.call(t, r).Body.String(); got != want.In(l) {
				t.Errorf("%s, call %d: %q, expected %q", l, n, got, want.In(l))
			}
		}
	}
}
