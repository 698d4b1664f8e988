package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/store"
)

// What the owner of a shop is sent, word by word. shop1234's invoices are at e-conomic.
const (
	enteredAtEconomicDa = `Log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret disse to:

  Type:         Varelager opdateret
  Navn:         Automatisk lageropdatering
  URL:          https://lager.example.com/webhooks.php?
  Sendte data:  type=stockUpdate&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[NUMBER]

  Type:         Faktura bogført
  Navn:         Automatisk PDF-faktura
  URL:          https://lager.example.com/webhooks.php?
  Sendte data:  type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[INVOICENO]

[NUMBER] og [INVOICENO] skal blive stående: e-conomic sætter selv nummeret ind.

Test i en browser: åbn disse adresser med et af dine varenumre i stedet for VARENUMMER og nummeret på en ny faktura i stedet for FAKTURANUMMER. Der skal stå Success, og hvad der sker nu.

  https://lager.example.com/webhooks.php?type=stockUpdate&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=VARENUMMER
  https://lager.example.com/webhooks.php?type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=FAKTURANUMMER
`
	enteredAtEconomicEn = `Log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create these two:

  Type:         Inventory updated
  Name:         Automatic stock update
  URL:          https://lager.example.com/webhooks.php?
  Sent data:    type=stockUpdate&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[NUMBER]

  Type:         Invoice booked
  Name:         Automatic invoice PDF
  URL:          https://lager.example.com/webhooks.php?
  Sent data:    type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[INVOICENO]

Leave [NUMBER] and [INVOICENO] as they are: e-conomic fills in the number.

Test in a browser: open these addresses with one of your item numbers in place of ITEMNUMBER and the number of a new invoice in place of INVOICENUMBER. It must say Success, and what happens now.

  https://lager.example.com/webhooks.php?type=stockUpdate&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=ITEMNUMBER
  https://lager.example.com/webhooks.php?type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=INVOICENUMBER
`
	invoicesAtEconomicDa = `Log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret dette:

  Type:         Faktura bogført
  Navn:         Automatisk PDF-faktura
  URL:          https://lager.example.com/webhooks.php?
  Sendte data:  type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[INVOICENO]

[INVOICENO] skal blive stående: e-conomic sætter selv nummeret ind.

Test i en browser: åbn denne adresse med nummeret på en ny faktura i stedet for FAKTURANUMMER. Der skal stå Success, og hvad der sker nu.

  https://lager.example.com/webhooks.php?type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=FAKTURANUMMER
`
	invoicesAtEconomicEn = `Log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create this one:

  Type:         Invoice booked
  Name:         Automatic invoice PDF
  URL:          https://lager.example.com/webhooks.php?
  Sent data:    type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=[INVOICENO]

Leave [INVOICENO] as it is: e-conomic fills in the number.

Test in a browser: open this address with the number of a new invoice in place of INVOICENUMBER. It must say Success, and what happens now.

  https://lager.example.com/webhooks.php?type=orderPdf&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs&number=INVOICENUMBER
`
	commandsAtRackbeat = `
  umask 077
  sed 's/^/Authorization: Bearer /' rackbeat-key >rackbeat-header
  for event in inventory.changed product.created product.updated order.created; do
    printf '{"event":"%s","url":"%s","is_active":true}' "$event" 'https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs' |
      curl -sS --fail-with-body -H @rackbeat-header -H 'Content-Type: application/json' --data-binary @- https://app.rackbeat.com/api/webhooks
  done
`
	enteredAtRackbeatDa = `Log på Rackbeat som administrator, og find Webhooks under indstillingerne. Opret et webhook for hver af disse hændelser, alle med denne URL:

  Hændelse:     inventory.changed
  Hændelse:     product.created
  Hændelse:     product.updated
  Hændelse:     order.created
  URL:          https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs

Slå Rackbeats egen forbindelse til webshoppen fra: to programmer må ikke skrive det samme lager.

Test i en browser: åbn URL'en. Der skal stå Success.

Findes siden ikke, så opretter din webudbyder dem: læg Rackbeats nøgle i filen rackbeat-key, og kør dette.
` + commandsAtRackbeat + `
Rackbeat viser hvert webhooks token, når det oprettes. Giv dem alle til din webudbyder, som lægger dem i en fil, et pr. linje: så afviser lagerd kald uden.

  lagerd shops set shop1234 --rackbeat-webhook-token-file FILE
`
	enteredAtRackbeatEn = `Log in to Rackbeat as administrator, and find Webhooks in the settings. Create a webhook for each of these events, all with this URL:

  Event:        inventory.changed
  Event:        product.created
  Event:        product.updated
  Event:        order.created
  URL:          https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs

Switch off Rackbeat's own link to the webshop: two programs must not write the same stock.

Test in a browser: open the URL. It must say Success.

Without that page your hosting company creates them: put Rackbeat's key into the file rackbeat-key, and run this.
` + commandsAtRackbeat + `
Rackbeat shows each webhook's token when it is created. Give all of them to your hosting company, which puts them into a file, one a line: lagerd then refuses calls without.

  lagerd shops set shop1234 --rackbeat-webhook-token-file FILE
`
	codeShownDa   = "\nKoden, der står efter password=, vises kun denne ene gang. Del den ikke med andre.\n"
	codeShownEn   = "\nThe code, which follows password=, is shown only once. Do not share it.\n"
	codeUnknownDa = "\nSkriv butikkens kode i stedet for CODE: den står efter password= i de webhooks, du allerede har. Er den væk, så bed din webudbyder om en ny.\n"
	codeUnknownEn = "\nWrite the shop's code in place of CODE: it follows password= in the webhooks that you already have. If it is lost, ask your hosting company for a new one.\n"
	accessDa      = "\nSkal adgangen til dit e-conomic gives igen, så åbn denne adresse som superbruger, og send det token, som e-conomic viser, til din webudbyder på en sikker måde, ikke i en almindelig mail.\n" +
		"\n  https://secure.e-conomic.com/secure/api1/requestaccess.aspx?appPublicToken=Sb7kPq2xWz94&locale=da-DK\n"
	accessEn = "\nIf access to your e-conomic has to be granted again, open this address as super-user, and send the token that e-conomic shows to your hosting company in a safe way, not in an ordinary e-mail.\n" +
		"\n  https://secure.e-conomic.com/secure/api1/requestaccess.aspx?appPublicToken=Sb7kPq2xWz94&locale=en-GB\n"
)

// sent returns the instructions of a shop that sells what is available, with a code.
func sent(source store.StockSource, l lang.Lang) instructions {
	return instructions{
		shop: store.Shop{Shop: "shop1234", StockSource: source, StockFigure: plan.FigureAvailable, Lang: l}, code: "7w2m9k4x8c3v6b1n5q0zhjfdgs",
		cfg: config.Config{Webhook: config.Webhook{PublicURL: "https://lager.example.com/webhooks.php"}, Rackbeat: config.Rackbeat{URL: "https://app.rackbeat.com/api/"}},
	}
}

// TestInstructions: what a shop's owner is sent, word by word in both languages. A shop whose stock
// is kept at Rackbeat enters the invoices' webhook at e-conomic, and those of stock at Rackbeat;
// one that sells what is in stock needs none of orders. Where the code is not known, it is said
// where it is. The address at which access is granted is there if the app's public token is known.
func TestInstructions(t *testing.T) {
	t.Parallel()
	granted := func(i instructions) instructions { i.cfg.Economic.AppPublicToken = "Sb7kPq2xWz94"; return i }
	codeless := func(i instructions) instructions { i.code = ""; return i }
	inStock := func(i instructions) instructions { i.shop.StockFigure = plan.FigureInStock; return i }
	noCode := strings.NewReplacer("7w2m9k4x8c3v6b1n5q0zhjfdgs", "CODE")
	noOrders := strings.NewReplacer("  Hændelse:     order.created\n", "", "  Event:        order.created\n", "", " order.created;", ";")
	da, en := sent(store.SourceEconomic, lang.Danish), sent(store.SourceEconomic, lang.English)
	rackbeatDa, rackbeatEn := sent(store.SourceRackbeat, lang.Danish), sent(store.SourceRackbeat, lang.English)
	const atBothDa, atBothEn = invoicesAtEconomicDa + "\n" + enteredAtRackbeatDa, invoicesAtEconomicEn + "\n" + enteredAtRackbeatEn
	for _, c := range []struct {
		name string
		sent instructions
		want string
	}{
		{"Danish", da, enteredAtEconomicDa + codeShownDa},
		{"English", en, enteredAtEconomicEn + codeShownEn},
		{"of a shop from before there were languages", sent(store.SourceEconomic, ""), enteredAtEconomicDa + codeShownDa},
		{"Danish, with access", granted(da), enteredAtEconomicDa + codeShownDa + accessDa},
		{"English, with access", granted(en), enteredAtEconomicEn + codeShownEn + accessEn},
		{"Danish, again", granted(codeless(da)), noCode.Replace(enteredAtEconomicDa) + codeUnknownDa + accessDa},
		{"English, again", codeless(en), noCode.Replace(enteredAtEconomicEn) + codeUnknownEn},
		{"Danish, at Rackbeat", rackbeatDa, atBothDa + codeShownDa},
		{"English, at Rackbeat", granted(rackbeatEn), atBothEn + codeShownEn + accessEn},
		{"Danish, at Rackbeat, in stock", inStock(rackbeatDa), noOrders.Replace(atBothDa) + codeShownDa},
		{"English, at Rackbeat, in stock", inStock(rackbeatEn), noOrders.Replace(atBothEn) + codeShownEn},
		{"Danish, at Rackbeat, again", codeless(rackbeatDa), noCode.Replace(atBothDa) + codeUnknownDa},
		{"English, at Rackbeat, again", codeless(rackbeatEn), noCode.Replace(atBothEn) + codeUnknownEn},
	} {
		var b strings.Builder
		if err := c.sent.write(&b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if err := c.sent.write(full{}); !errors.Is(err, errFull) {
			t.Errorf("%s, to a full disk: %v", c.name, err)
		}
	}
}

// TestCommandsForRackbeat: the printed commands, run as they are, make a webhook for each event
// with the key from the file. Neither the key nor the code is an argument of curl's.
func TestCommandsForRackbeat(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("NOT TESTED: the commands for Rackbeat: there is no curl")
	}
	const key, code, address = "eyJ0eXAi.OiJKV1Qi-LCJhbGci", "7w2m9k4x8c3v6b1n5q0zhjfdgs", "https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs"
	var mu sync.Mutex
	var made []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var hook struct {
			Event  string `json:"event"`
			URL    string `json:"url"`
			Active bool   `json:"is_active"`
		}
		if err := json.NewDecoder(r.Body).Decode(&hook); err != nil || hook.URL != address || !hook.Active {
			t.Errorf("%+v, %v", hook, err)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/api/webhooks" || r.Header.Get("Authorization") != "Bearer "+key || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
		mu.Lock()
		defer mu.Unlock()
		made = append(made, hook.Event)
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	shop := sent(store.SourceRackbeat, lang.English)
	for _, base := range []string{"/api/", "/api"} { // rackbeat.url may end either way
		made = nil
		shop.cfg.Rackbeat.URL = server.URL + base
		runCommands(t, curl, shop, key, code)
		if want := shop.values().Rackbeat.Events; !slices.Equal(made, want) {
			t.Errorf("%s: made webhooks for %v, expected %v", base, made, want)
		}
	}
}

// runCommands runs the printed commands. Neither secret may be an argument.
func runCommands(t *testing.T, curl string, shop instructions, key, code string) {
	t.Helper()
	_, commands, _ := strings.Cut(shop.atRackbeat(), "run this.\n")
	commands, _, _ = strings.Cut(commands, "Rackbeat shows")
	dir := t.TempDir()
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{"rackbeat-key": {key + "\n", 0o600}, "curl": {"#!/bin/sh\necho \"$@\" >>arguments\nexec '" + curl + "' --noproxy '*' \"$@\"\n", 0o700}} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	sh := exec.CommandContext(t.Context(), "sh", "-eu", "-c", commands)
	sh.Dir, sh.Env = dir, []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir}
	if said, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	if err != nil || len(arguments) == 0 || strings.Contains(string(arguments), key) || strings.Contains(string(arguments), code) {
		t.Errorf("curl's arguments: %s, %v", arguments, err)
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
