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
	"lagerd/plan"
	"lagerd/store"
)

const enteredAtRackbeat = `Dansk: log på Rackbeat som administrator, og find Webhooks under indstillingerne. Opret et webhook for hver af disse hændelser, alle med denne URL:

  Hændelse:     inventory.changed
  Hændelse:     product.created
  Hændelse:     product.updated
  Hændelse:     order.created
  URL:          https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs

Slå Rackbeats egen forbindelse til webshoppen fra: to programmer må ikke skrive det samme lager.

English: log in to Rackbeat as administrator, and find Webhooks in the settings. Create a webhook for each of these events, all with this URL:

  Event:        inventory.changed
  Event:        product.created
  Event:        product.updated
  Event:        order.created
  URL:          https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs

Switch off Rackbeat's own link to the webshop: two programs must not write the same stock.

Test i en browser: åbn URL'en; der skal stå Success. / Test in a browser: open the URL; it must say Success.

Findes siden ikke, så læg Rackbeats nøgle i filen rackbeat-key, og kør dette. / Without that page, put Rackbeat's key into the file rackbeat-key, and run this.

  umask 077
  sed 's/^/Authorization: Bearer /' rackbeat-key >rackbeat-header
  for event in inventory.changed product.created product.updated order.created; do
    printf '{"event":"%s","url":"%s","is_active":true}' "$event" 'https://lager.example.com/webhooks.php?type=rackbeatStock&username=shop1234&password=7w2m9k4x8c3v6b1n5q0zhjfdgs' |
      curl -sS --fail-with-body -H @rackbeat-header -H 'Content-Type: application/json' --data-binary @- https://app.rackbeat.com/api/webhooks
  done

Rackbeat viser hvert webhooks token, når det oprettes: læg dem i en fil, et pr. linje, så afviser lagerd kald uden. / Rackbeat shows each webhook's token when it is created: put them into a file, one a line, and lagerd refuses calls without.

  lagerd shops set shop1234 --rackbeat-webhook-token-file FILE
`

// TestAtRackbeat: what a shop's owner enters at Rackbeat, word by word. A shop that sells what is
// in stock needs no webhook for orders; where the code is not known, it is said who has it.
func TestAtRackbeat(t *testing.T) {
	t.Parallel()
	shop := atRackbeat{shop: "shop1234", code: "7w2m9k4x8c3v6b1n5q0zhjfdgs", url: "https://lager.example.com/webhooks.php", api: "https://app.rackbeat.com/api/", figure: plan.FigureAvailable}
	written := func(r atRackbeat) string {
		var b strings.Builder
		if err := r.write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if diff := cmp.Diff(enteredAtRackbeat, written(shop)); diff != "" {
		t.Error(diff)
	}
	inStock := shop
	inStock.figure = plan.FigureInStock
	want := strings.NewReplacer("  Hændelse:     order.created\n", "", "  Event:        order.created\n", "", " order.created;", ";").Replace(enteredAtRackbeat)
	if diff := cmp.Diff(want, written(inStock)); diff != "" {
		t.Errorf("in stock: %s", diff)
	}
	codeless := shop
	codeless.code = ""
	want = strings.ReplaceAll(enteredAtRackbeat, shop.code, "CODE")
	want = strings.Replace(want, "it must say Success.\n", "it must say Success.\n\nCODE er butikkens kode, som blev vist, da den blev lavet; `lagerd shops rotate-code shop1234` laver en ny. / "+
		"CODE is the shop's code, which was shown when it was made; `lagerd shops rotate-code shop1234` makes a new one.\n", 1)
	if diff := cmp.Diff(want, written(codeless)); diff != "" {
		t.Errorf("without the code: %s", diff)
	}
	if err := shop.write(full{}); !errors.Is(err, errFull) {
		t.Errorf("to a full disk: %v", err)
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
	var text strings.Builder
	shop := atRackbeat{shop: "shop1234", code: code, url: "https://lager.example.com/webhooks.php", api: server.URL + "/api/", figure: plan.FigureAvailable}
	if err := shop.write(&text); err != nil {
		t.Fatal(err)
	}
	_, commands, _ := strings.Cut(text.String(), "run this.\n")
	commands, _, _ = strings.Cut(commands, "Rackbeat viser")
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
	mu.Lock()
	defer mu.Unlock()
	if want := shop.events(); !slices.Equal(made, want) {
		t.Errorf("made webhooks for %v, expected %v", made, want)
	}
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	if err != nil || len(arguments) == 0 || strings.Contains(string(arguments), key) || strings.Contains(string(arguments), code) {
		t.Errorf("curl's arguments: %s, %v", arguments, err)
	}
}

// TestPaste: a shop whose stock is kept at Rackbeat enters the invoices' webhook at e-conomic, and
// those of stock at Rackbeat.
func TestPaste(t *testing.T) {
	t.Parallel()
	cfg := config.Config{Webhook: config.Webhook{PublicURL: "https://lager.example.com/webhooks.php"}, Rackbeat: config.Rackbeat{URL: "https://app.rackbeat.com/api/"}}
	for source, want := range map[store.StockSource]struct{ has, lacks []string }{
		store.SourceEconomic: {[]string{"type=stockUpdate&", "type=orderPdf&", "number=VARENUMMER"}, []string{"ackbeat"}},
		store.SourceRackbeat: {[]string{"type=orderPdf&", "type=rackbeatStock&", "order.created", "https://app.rackbeat.com/api/webhooks\n"}, []string{"type=stockUpdate", "VARENUMMER"}},
	} {
		var b strings.Builder
		if err := paste(&b, store.Shop{Shop: "shop1234", StockSource: source, StockFigure: plan.FigureAvailable}, "code", cfg); err != nil {
			t.Fatal(err)
		}
		for _, text := range want.has {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s: %q is missing in\n%s", source, text, b.String())
			}
		}
		for _, text := range want.lacks {
			if strings.Contains(b.String(), text) {
				t.Errorf("%s: %q is in\n%s", source, text, b.String())
			}
		}
		if err := paste(full{}, store.Shop{StockSource: source}, "code", cfg); !errors.Is(err, errFull) {
			t.Errorf("%s, to a full disk: %v", source, err)
		}
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
