package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"lagerd/act"
	"lagerd/config"
	"lagerd/lang"
	"lagerd/store"
)

type instructionsCmd struct {
	Shop    string `arg:"" help:"The shop."`
	NewCode bool   `help:"Make a new code for it; the old one stays valid until it is retired."`
	Lang    string `help:"The text's language: da or en. Default: the shop's." enum:"da,en," default:""`
}

func (instructionsCmd) Help() string {
	return "Prints what the shop's owner enters at e-conomic, and at Rackbeat if the stock is kept there. lagerd stores no code, so the text has CODE in its place; --new-code makes a new one. Once a webhook call with the new code has come, `lagerd shops rotate-code SHOP --retire-old` retires the old one."
}

func (cmd instructionsCmd) Run(c *call) error {
	if cmd.NewCode {
		return newCode{shop: cmd.Shop, lang: lang.Lang(cmd.Lang)}.run(c)
	}
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	if cmd.Lang != "" {
		shop.Lang = lang.Lang(cmd.Lang)
	}
	return errors.Join(instructions{shop: shop, cfg: cfg}.write(c.Stdout), c.noteCode(shop.Shop), c.warnOfURL(cfg))
}

// noteCode tells how to get instructions with a code.
func (c *call) noteCode(shop string) error {
	_, err := fmt.Fprintf(c.Stderr, "Note: CODE stands for the shop's code, which the owner has: lagerd stores none. If it is lost, `lagerd shops instructions %s --new-code` makes another one beside it\n", shop)
	return err
}

// noteLang tells how to get the instructions in the owner's other language.
func (c *call) noteLang(shop store.Shop) error {
	other, name := lang.English, "English"
	if shop.Lang == lang.English {
		other, name = lang.Danish, "Danish"
	}
	_, err := fmt.Fprintf(c.Stderr, "Note: `lagerd shops instructions %s --lang %s` prints it in %s\n", shop.Shop, other, name)
	return err
}

// showRackbeat prints what to enter at Rackbeat, if that may have changed, or if the shop's stock can
// be read there from now on: the events depend on the figure.
func (cmd setCmd) showRackbeat(c *call, cfg config.Config, s *store.Store, before store.Shop) error {
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil || shop.StockSource != store.SourceRackbeat {
		return err
	}
	if cmd.StockSource == "" && cmd.Figure == "" && (before.ReadsRackbeat() || !shop.ReadsRackbeat()) {
		return nil
	}
	i := instructions{shop: shop, cfg: cfg}
	_, err = io.WriteString(c.Stdout, strings.Join([]string{i.atRackbeat(), i.aboutCode()}, "\n"))
	return errors.Join(err, c.noteCode(cmd.Shop), c.noteLang(shop), c.warnOfURL(cfg))
}

// instructions are what a shop's owner is sent, in the owner's language: what to enter at
// e-conomic (Indstillinger → Udvidelser → Webhooks; e-conomic.com/developer/working-with-web-hooks)
// and, if the shop's stock is kept there, at Rackbeat.
type instructions struct {
	shop store.Shop
	code string // "": only the owner has it
	cfg  config.Config
}

func (i instructions) write(w io.Writer) error {
	parts := []string{i.atEconomic()}
	if i.shop.StockSource == store.SourceRackbeat {
		parts = append(parts, i.atRackbeat())
	}
	parts = append(parts, i.aboutCode())
	if access := i.values().Access; access != "" {
		parts = append(parts, fmt.Sprintf(aboutAccess.In(i.shop.Lang), access))
	}
	_, err := io.WriteString(w, strings.Join(parts, "\n"))
	return err
}

// values returns what the text says.
func (i instructions) values() act.Instructions {
	return act.InstructionsOf(i.cfg, i.shop, i.code, i.shop.Lang)
}

// atEconomic returns the webhooks of stock and invoices, or that of invoices alone if the shop's
// stock is kept elsewhere, and how to test them.
func (i instructions) atEconomic() string {
	l := i.shop.Lang
	var forms []any
	var tries strings.Builder
	tries.WriteByte('\n')
	for _, w := range i.values().Webhooks {
		forms = append(forms, fmt.Sprintf(webhookForm.In(l), w.Kind.In(l), w.Name.In(l), w.URL, w.Data))
		fmt.Fprintf(&tries, "  %s\n", w.Try)
	}
	if len(forms) == 1 {
		return fmt.Sprintf(oneWebhook.In(l), forms...) + "\n" + tryOne.In(l) + tries.String()
	}
	return fmt.Sprintf(twoWebhooks.In(l), forms...) + "\n" + tryTwo.In(l) + tries.String()
}

var (
	twoWebhooks = lang.Text{
		Danish: `Log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret disse to:

%s
%s
[NUMBER] og [INVOICENO] skal blive stående: e-conomic sætter selv nummeret ind.
`,
		English: `Log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create these two:

%s
%s
Leave [NUMBER] and [INVOICENO] as they are: e-conomic fills in the number.
`}
	oneWebhook = lang.Text{
		Danish: `Log på e-conomic som superbruger. Alle indstillinger → Udvidelser → Webhooks → Nyt webhook. Opret dette:

%s
[INVOICENO] skal blive stående: e-conomic sætter selv nummeret ind.
`,
		English: `Log in to e-conomic as super-user. All settings → Extensions → Webhooks → New webhook. Create this one:

%s
Leave [INVOICENO] as it is: e-conomic fills in the number.
`}
	webhookForm = lang.Text{
		Danish: `  Type:         %s
  Navn:         %s
  URL:          %s
  Sendte data:  %s
`,
		English: `  Type:         %s
  Name:         %s
  URL:          %s
  Sent data:    %s
`}
	tryTwo = lang.Text{
		Danish: `Test i en browser: åbn disse adresser med et af dine varenumre i stedet for VARENUMMER og nummeret på en ny faktura i stedet for FAKTURANUMMER. Der skal stå Success, og hvad der sker nu.
`,
		English: `Test in a browser: open these addresses with one of your item numbers in place of ITEMNUMBER and the number of a new invoice in place of INVOICENUMBER. It must say Success, and what happens now.
`}
	tryOne = lang.Text{
		Danish: `Test i en browser: åbn denne adresse med nummeret på en ny faktura i stedet for FAKTURANUMMER. Der skal stå Success, og hvad der sker nu.
`,
		English: `Test in a browser: open this address with the number of a new invoice in place of INVOICENUMBER. It must say Success, and what happens now.
`}
	aboutAccess = lang.Text{
		Danish: `Skal adgangen til dit e-conomic gives igen, så åbn denne adresse som superbruger, og send det token, som e-conomic viser, til din webudbyder på en sikker måde, ikke i en almindelig mail.

  %s
`,
		English: `If access to your e-conomic has to be granted again, open this address as super-user, and send the token that e-conomic shows to your hosting company in a safe way, not in an ordinary e-mail.

  %s
`}
)

// aboutCode returns what the owner should know about the code.
func (i instructions) aboutCode() string {
	if i.code == "" {
		return codeUnknown.In(i.shop.Lang)
	}
	return codeShown.In(i.shop.Lang)
}

var (
	codeShown = lang.Text{
		Danish:  "Koden, der står efter password=, vises kun denne ene gang. Del den ikke med andre.\n",
		English: "The code, which follows password=, is shown only once. Do not share it.\n"}
	codeUnknown = lang.Text{
		Danish:  "Skriv butikkens kode i stedet for CODE: den står efter password= i de webhooks, du allerede har. Er den væk, så bed din webudbyder om en ny.\n",
		English: "Write the shop's code in place of CODE: it follows password= in the webhooks that you already have. If it is lost, ask your hosting company for a new one.\n"}
)

// atRackbeat returns what to enter at Rackbeat: for its page, and as commands, since it is unknown
// whether every account has that page. The commands have neither the key nor the code among
// a program's arguments, which others on the machine could see.
func (i instructions) atRackbeat() string {
	l, at := i.shop.Lang, i.values().Rackbeat
	var fields strings.Builder
	for _, e := range at.Events {
		fmt.Fprintf(&fields, "  %-13s %s\n", rackbeatEvent.In(l), e)
	}
	fmt.Fprintf(&fields, "  %-13s %s\n", "URL:", at.URL)
	commands := fmt.Sprintf(rackbeatCommands, strings.Join(at.Events, " "), strings.ReplaceAll(at.URL, "'", "%27"), strings.TrimRight(i.cfg.Rackbeat.URL, "/"))
	return fmt.Sprintf(rackbeatText.In(l), fields.String(), commands, i.shop.Shop)
}

var (
	rackbeatEvent = lang.Text{Danish: "Hændelse:", English: "Event:"}
	rackbeatText  = lang.Text{
		Danish: `Log på Rackbeat som administrator, og find Webhooks under indstillingerne. Opret et webhook for hver af disse hændelser, alle med denne URL:

%s
Slå Rackbeats egen forbindelse til webshoppen fra: to programmer må ikke skrive det samme lager.

Test i en browser: åbn URL'en. Der skal stå Success.

Findes siden ikke, så opretter din webudbyder dem: læg Rackbeats nøgle i filen rackbeat-key, og kør dette.

%s
Rackbeat viser hvert webhooks token, når det oprettes. Giv dem alle til din webudbyder, som lægger dem i en fil, et pr. linje: så afviser lagerd kald uden.

  lagerd shops set %s --rackbeat-webhook-token-file FILE
`,
		English: `Log in to Rackbeat as administrator, and find Webhooks in the settings. Create a webhook for each of these events, all with this URL:

%s
Switch off Rackbeat's own link to the webshop: two programs must not write the same stock.

Test in a browser: open the URL. It must say Success.

Without that page your hosting company creates them: put Rackbeat's key into the file rackbeat-key, and run this.

%s
Rackbeat shows each webhook's token when it is created. Give all of them to your hosting company, which puts them into a file, one a line: lagerd then refuses calls without.

  lagerd shops set %s --rackbeat-webhook-token-file FILE
`}
)

const rackbeatCommands = `  umask 077
  sed 's/^/Authorization: Bearer /' rackbeat-key >rackbeat-header
  for event in %s; do
    printf '{"event":"%%s","url":"%%s","is_active":true}' "$event" '%s' |
      curl -sS --fail-with-body -H @rackbeat-header -H 'Content-Type: application/json' --data-binary @- %s/webhooks
  done
`
