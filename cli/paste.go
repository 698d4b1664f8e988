package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/store"
	"lagerd/webhook"
)

// paste prints what the shop's owner enters at e-conomic and, if the shop's stock is kept there,
// at Rackbeat.
func paste(w io.Writer, shop store.Shop, code string, cfg config.Config) error {
	e := atEconomic{shop: shop.Shop, code: code, url: webhookURL(cfg)}
	if shop.StockSource != store.SourceRackbeat {
		return e.write(w)
	}
	err := e.writeInvoices(w)
	return errors.Join(err, pasteRackbeat(w, shop, code, cfg))
}

// pasteRackbeat prints what the shop's owner enters at Rackbeat. code is "" if it is not known.
func pasteRackbeat(w io.Writer, shop store.Shop, code string, cfg config.Config) error {
	return atRackbeat{shop: shop.Shop, code: code, url: webhookURL(cfg), api: cfg.Rackbeat.URL, figure: shop.StockFigure}.write(w)
}

// showRackbeat prints what to enter at Rackbeat, if that may have changed: the events depend on
// the figure.
func (cmd setCmd) showRackbeat(c *call, cfg config.Config, s *store.Store) error {
	if cmd.StockSource == "" && cmd.Figure == "" {
		return nil
	}
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil || shop.StockSource != store.SourceRackbeat {
		return err
	}
	return errors.Join(pasteRackbeat(c.Stdout, shop, "", cfg), c.warnOfURL(cfg))
}

// atEconomic is what a shop's owner enters at e-conomic (Indstillinger → Udvidelser → Webhooks;
// e-conomic.com/developer/working-with-web-hooks).
type atEconomic struct{ shop, code, url string }

// write prints the webhooks of stock and invoices.
func (e atEconomic) write(w io.Writer) error {
	stock := fmt.Sprintf("type=stockUpdate&username=%s&password=%s&number=[NUMBER]", e.shop, e.code)
	pdf := fmt.Sprintf("type=orderPdf&username=%s&password=%s&number=[INVOICENO]", e.shop, e.code)
	_, err := fmt.Fprintf(w, `Dansk: log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret disse to:

  Type:         Varelager opdateret
  Navn:         Automatisk lageropdatering
  URL:          %[1]s?
  Sendte data:  %[2]s

  Type:         Faktura bogført
  Navn:         Automatisk PDF-faktura
  URL:          %[1]s?
  Sendte data:  %[3]s

English: log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create these two:

  Type:         Inventory updated
  Name:         Automatic stock update
  URL:          %[1]s?
  Sent data:    %[2]s

  Type:         Invoice booked
  Name:         Automatic invoice PDF
  URL:          %[1]s?
  Sent data:    %[3]s

Test i en browser: indsæt et rigtigt varenummer; der skal stå Success. / Test in a browser: insert a real item number; it must say Success.

  %[1]s?type=stockUpdate&username=%[4]s&password=%[5]s&number=VARENUMMER

Koden vises kun denne ene gang. / The code is shown only once.
`, e.url, stock, pdf, e.shop, e.code)
	return err
}

// writeInvoices prints the webhook of invoices alone, of a shop whose stock is kept elsewhere.
func (e atEconomic) writeInvoices(w io.Writer) error {
	_, err := fmt.Fprintf(w, `Dansk: log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret dette:

  Type:         Faktura bogført
  Navn:         Automatisk PDF-faktura
  URL:          %[1]s?
  Sendte data:  %[2]s

English: log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create this one:

  Type:         Invoice booked
  Name:         Automatic invoice PDF
  URL:          %[1]s?
  Sent data:    %[2]s

Koden vises kun denne ene gang. / The code is shown only once.

`, e.url, fmt.Sprintf("type=orderPdf&username=%s&password=%s&number=[INVOICENO]", e.shop, e.code))
	return err
}

// atRackbeat is what a shop's owner enters at Rackbeat.
type atRackbeat struct {
	shop   string
	code   string // "": only the owner has it
	url    string // that e-conomic and Rackbeat call
	api    string // Rackbeat's, with a slash at its end
	figure plan.Figure
}

// events returns the events of the webhooks. A new order changes what is available, and not what
// is in stock.
func (r atRackbeat) events() []string {
	events := []string{"inventory.changed", "product.created", "product.updated"}
	if r.figure == plan.FigureAvailable {
		events = append(events, "order.created")
	}
	return events
}

// fields returns the webhooks' values, a line each.
func (r atRackbeat) fields(event, address string) string {
	var b strings.Builder
	for _, e := range r.events() {
		fmt.Fprintf(&b, "  %-13s %s\n", event+":", e)
	}
	fmt.Fprintf(&b, "  %-13s %s", "URL:", address)
	return b.String()
}

// write prints what to enter at Rackbeat: for its page, and as commands, since it is unknown
// whether every account has that page. The commands have neither the key nor the code among
// a program's arguments, which others on the machine could see.
func (r atRackbeat) write(w io.Writer) error {
	code, codeless := r.code, ""
	if code == "" {
		code = "CODE"
		codeless = fmt.Sprintf(`
CODE er butikkens kode, som blev vist, da den blev lavet; %[1]slagerd shops rotate-code %[2]s%[1]s laver en ny. / CODE is the shop's code, which was shown when it was made; %[1]slagerd shops rotate-code %[2]s%[1]s makes a new one.
`, "`", r.shop)
	}
	address := fmt.Sprintf("%s?type=%s&username=%s&password=%s", r.url, webhook.TypeRackbeat, r.shop, code)
	_, err := fmt.Fprintf(w, `Dansk: log på Rackbeat som administrator, og find Webhooks under indstillingerne. Opret et webhook for hver af disse hændelser, alle med denne URL:

%[1]s

Slå Rackbeats egen forbindelse til webshoppen fra: to programmer må ikke skrive det samme lager.

English: log in to Rackbeat as administrator, and find Webhooks in the settings. Create a webhook for each of these events, all with this URL:

%[2]s

Switch off Rackbeat's own link to the webshop: two programs must not write the same stock.

Test i en browser: åbn URL'en; der skal stå Success. / Test in a browser: open the URL; it must say Success.
%[3]s
Findes siden ikke, så læg Rackbeats nøgle i filen rackbeat-key, og kør dette. / Without that page, put Rackbeat's key into the file rackbeat-key, and run this.

  umask 077
  sed 's/^/Authorization: Bearer /' rackbeat-key >rackbeat-header
  for event in %[4]s; do
    printf '{"event":"%%s","url":"%%s","is_active":true}' "$event" '%[5]s' |
      curl -sS --fail-with-body -H @rackbeat-header -H 'Content-Type: application/json' --data-binary @- %[6]swebhooks
  done

Rackbeat viser hvert webhooks token, når det oprettes: læg dem i en fil, et pr. linje, så afviser lagerd kald uden. / Rackbeat shows each webhook's token when it is created: put them into a file, one a line, and lagerd refuses calls without.

  lagerd shops set %[7]s --rackbeat-webhook-token-file FILE
`, r.fields("Hændelse", address), r.fields("Event", address), codeless, strings.Join(r.events(), " "), strings.ReplaceAll(address, "'", "%27"), r.api, r.shop)
	return err
}
