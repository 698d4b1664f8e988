package cli

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"

	"lagerd/config"
	"lagerd/economic"
	"lagerd/reconcile/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

type shopsCmd struct {
	Add        addCmd        `cmd:"" help:"Add a shop and print what to paste into e-conomic."`
	List       listCmd       `cmd:"" help:"List the shops."`
	Show       showCmd       `cmd:"" help:"Show a shop's settings and state."`
	Set        setCmd        `cmd:"" help:"Change a shop's settings."`
	Pause      pauseCmd      `cmd:"" help:"Pause a shop; hints are kept meanwhile."`
	Resume     resumeCmd     `cmd:"" help:"Let a paused shop go on; try one that lagerd paused at once."`
	Remove     removeCmd     `cmd:"" help:"Remove a shop and everything stored for it."`
	RotateCode rotateCodeCmd `cmd:"" help:"Make a new integration code, or retire the old one."`
}

// settings are the flags of add and set. An empty one changes nothing.
type settings struct {
	Stock        string `help:"Keep stock: on or off." enum:"on,off," default:""`
	Figure       string `help:"Which figure is the shop's stock: in_stock or available." enum:"in_stock,available," default:""`
	StockSource  string `help:"Where the stock is kept: economic, or rackbeat (not read yet)." enum:"economic,rackbeat," default:""`
	Invoices     string `help:"Keep invoices: on or off." enum:"on,off," default:""`
	InvoicesFrom string `help:"First invoice to fetch: a date (2026-11-23) or an invoice number." placeholder:"DATE|NUMBER"`
	OrderField   string `help:"Where the shop's order number stands: references.other, notes.heading, notes.textLine1 or orderNumber." enum:"references.other,notes.heading,notes.textLine1,orderNumber," default:""`
	OrderPattern string `help:"Regular expression that finds the order number in that field; its group if it has one. '-' for none." placeholder:"REGEXP"`
}

func (f settings) apply(s *store.Shop) error {
	if f.Stock != "" {
		s.StockOn = f.Stock == "on"
	}
	if f.Figure != "" {
		s.StockFigure = plan.Figure(f.Figure)
	}
	if f.StockSource != "" {
		s.StockSource = store.StockSource(f.StockSource)
	}
	if f.Invoices != "" {
		s.InvoicesOn = f.Invoices == "on"
	}
	if f.InvoicesFrom != "" {
		s.InvoicesFrom, s.InvoicesFromNumber = "", 0
		if n, err := strconv.ParseInt(f.InvoicesFrom, 10, 64); err == nil && n >= 1 {
			s.InvoicesFromNumber = n
		} else if _, err := time.Parse(time.DateOnly, f.InvoicesFrom); err == nil {
			s.InvoicesFrom = f.InvoicesFrom
		} else {
			return fmt.Errorf("--invoices-from %q: expected a date such as 2026-11-23, or an invoice number from 1", f.InvoicesFrom)
		}
	}
	if f.OrderField != "" {
		s.OrderField = plan.OrderField(f.OrderField)
	}
	switch {
	case f.OrderPattern == "-":
		s.OrderPattern = ""
	case f.OrderPattern != "":
		re, err := regexp.Compile(f.OrderPattern)
		if err != nil {
			return fmt.Errorf("--order-pattern: %w", err)
		}
		if re.NumSubexp() > 1 {
			return fmt.Errorf("--order-pattern %q: expected at most one group, got %d", f.OrderPattern, re.NumSubexp())
		}
		if len(f.OrderPattern) > 255 {
			return errors.New("--order-pattern: expected at most 255 bytes")
		}
		s.OrderPattern = f.OrderPattern
	}
	return nil
}

// shopName is what a shop may be called: it stands in a URL and in a form.
var shopName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// integrationCode is what a code of a shop's own may look like: it is pasted
// into a form as it is.
var integrationCode = regexp.MustCompile(`^[A-Za-z0-9._~-]{8,128}$`)

type addCmd struct {
	Shop           string `arg:"" help:"The shop's name, as in username=shop1234."`
	GrantTokenFile string `help:"File with the agreement's grant token; '-' for standard input. Asked for on a terminal." placeholder:"FILE"`
	CodeFile       string `help:"File with an integration code to keep, for a shop that moves here with its webhooks. Without it a new one is made." placeholder:"FILE"`
	settings
}

func (cmd addCmd) Run(c *call) error {
	if !shopName.MatchString(cmd.Shop) {
		return fmt.Errorf("shop name %q: expected 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit", cmd.Shop)
	}
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	shop := store.Shop{
		Shop: cmd.Shop, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: now().UTC().Format(time.DateOnly), OrderField: plan.OrderInOtherReference,
	}
	if err := cmd.settings.apply(&shop); err != nil {
		return err
	}
	if _, err := s.Shop(c.ctx, cmd.Shop); err == nil {
		return fmt.Errorf("add %s: %w", cmd.Shop, store.ErrShopExists)
	}
	grant, err := c.readSecret("Grant token of the agreement: ", cmd.GrantTokenFile)
	if err != nil {
		return err
	}
	if shop.GrantToken, err = keys.Seal(cmd.Shop, grant); err != nil {
		return err
	}
	code := secret.NewCode(rand.Reader)
	if cmd.CodeFile != "" {
		if code, err = c.readSecret("", cmd.CodeFile); err != nil {
			return err
		}
		if !integrationCode.MatchString(code) {
			return errors.New("--code-file: expected 8 to 128 letters, digits, '.', '_', '~' or '-': the code stands in a URL")
		}
	}
	hash := keys.HashCode(cmd.Shop, code)
	if err := s.AddShop(c.ctx, shop, hash[:], now()); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%s is added.\n\n", cmd.Shop)
	return paste(c.Stdout, cmd.Shop, code, webhookURL(cfg))
}

// paste prints what the shop owner enters at e-conomic (Indstillinger →
// Udvidelser → Webhooks; e-conomic.com/developer/working-with-web-hooks).
func paste(w io.Writer, shop, code, url string) error {
	stock := fmt.Sprintf("type=stockUpdate&username=%s&password=%s&number=[NUMBER]", shop, code)
	pdf := fmt.Sprintf("type=orderPdf&username=%s&password=%s&number=[INVOICENO]", shop, code)
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

Test i en browser: indsæt et rigtigt varenummer; der skal stå Success. / Test in a browser: put in a real item number; it must say Success.

  %[1]s?type=stockUpdate&username=%[4]s&password=%[5]s&number=VARENUMMER

Koden vises kun denne ene gang. / The code is shown only this once.
`, url, stock, pdf, shop, code)
	return err
}

// webhookURL returns what e-conomic is to call.
func webhookURL(cfg config.Config) string {
	if cfg.Webhook.PublicURL != "" {
		return strings.TrimSuffix(cfg.Webhook.PublicURL, "?")
	}
	return "http://" + cfg.Webhook.Listen + "/webhooks.php"
}

type listCmd struct{}

func (listCmd) Run(c *call) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shops, err := s.Shops(c.ctx)
	if err != nil {
		return err
	}
	for _, shop := range shops {
		if _, err := fmt.Fprintln(c.Stdout, shop.Shop); err != nil {
			return err
		}
	}
	return nil
}

type showCmd struct {
	Shop  string `arg:"" help:"The shop."`
	Calls int    `help:"How many of its latest webhook calls to show." default:"10"`
}

func (cmd showCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	list, err := s.Status(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	calls, err := s.WebhookCalls(c.ctx, cmd.Shop, cmd.Calls)
	if err != nil {
		return err
	}
	for _, st := range list {
		if err := status.WriteShop(c.Stdout, shop, status.Of(st), webhookURL(cfg)); err != nil {
			return err
		}
	}
	return status.WriteCalls(c.Stdout, calls)
}

type setCmd struct {
	Shop            string `arg:"" help:"The shop."`
	GrantTokenFile  string `help:"File with a new grant token; '-' for standard input." placeholder:"FILE"`
	GrantToken      bool   `help:"Ask for a new grant token on the terminal."`
	AcceptAgreement bool   `help:"Accept that the token answers for another agreement than before."`
	settings
}

func (cmd setCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	var sealed []byte
	if cmd.GrantTokenFile != "" || cmd.GrantToken {
		keys, err := loadKeys(cfg)
		if err != nil {
			return err
		}
		grant, err := c.readSecret("New grant token of the agreement: ", cmd.GrantTokenFile)
		if err != nil {
			return err
		}
		if sealed, err = keys.Seal(cmd.Shop, grant); err != nil {
			return err
		}
	}
	err = s.SetShop(c.ctx, cmd.Shop, now(), func(shop *store.Shop) error {
		if sealed != nil {
			shop.GrantToken = sealed
		}
		return cmd.settings.apply(shop)
	})
	if err != nil {
		return err
	}
	if cmd.AcceptAgreement {
		if err := cmd.acceptAgreement(c, cfg, s); err != nil {
			return err
		}
	}
	return askTick(c.ctx, s, cmd.Shop)
}

// acceptAgreement accepts the agreement for which the shop's token answers.
func (cmd setCmd) acceptAgreement(c *call, cfg config.Config, s *store.Store) error {
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	grant, err := keys.Open(shop.Shop, shop.GrantToken)
	if err != nil {
		return err
	}
	client, err := economic.New(economic.Options{RESTURL: cfg.Economic.RESTURL, AppSecretToken: cfg.Economic.AppSecretToken.Reveal(),
		Timeout: time.Duration(cfg.Economic.Timeout), UserAgent: "lagerd/" + version()})
	if err != nil {
		return err
	}
	self, err := client.Agreement(grant, economic.NewBudget(economic.BudgetOptions{})).Self(c.ctx, economic.PriorityHint)
	if err != nil {
		return fmt.Errorf("ask whose token shop %s has: %w", shop.Shop, err)
	}
	return s.AcceptAgreement(c.ctx, shop.Shop, self.AgreementNumber, now())
}

// askTick has a shop tried at once, also one that lagerd has paused.
func askTick(ctx context.Context, s *store.Store, shop string) error {
	return s.AddRequests(ctx, []store.Request{{Request: uuid.NewString(), Shop: shop, What: store.WantTick, RequestedAt: store.At(now())}})
}

type pauseCmd struct {
	Shop   string `arg:"" help:"The shop."`
	Reason string `help:"Why, for whoever looks next." default:"paused by a person"`
}

func (cmd pauseCmd) Run(c *call) error {
	return c.setShop(cmd.Shop, func(shop *store.Shop) error {
		if len([]rune(cmd.Reason)) > 255 {
			return errors.New("--reason: expected at most 255 characters")
		}
		shop.PausedAt, shop.PauseReason = store.At(now()), cmd.Reason
		return nil
	})
}

type resumeCmd struct {
	Shop string `arg:"" help:"The shop."`
}

func (cmd resumeCmd) Run(c *call) error {
	return c.setShop(cmd.Shop, func(shop *store.Shop) error {
		shop.PausedAt, shop.PauseReason = store.Time{}, ""
		return nil
	})
}

func (c *call) setShop(name string, change func(*store.Shop) error) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.SetShop(c.ctx, name, now(), change); err != nil {
		return err
	}
	shop, err := s.Shop(c.ctx, name)
	if err != nil || shop.Paused() {
		return err
	}
	return askTick(c.ctx, s, name)
}

type removeCmd struct {
	Shop string `arg:"" help:"The shop."`
	Yes  bool   `help:"Do not ask."`
}

func (cmd removeCmd) Run(c *call) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if !cmd.Yes {
		fmt.Fprintf(c.Stderr, "Remove %s with its stock, history, invoices and PDFs? Type the shop's name: ", cmd.Shop)
		line, err := bufio.NewReader(c.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		if strings.TrimSpace(line) != cmd.Shop {
			return errors.New("nothing was removed")
		}
	}
	if err := s.RemoveShop(c.ctx, cmd.Shop); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s is removed.\n", cmd.Shop)
	return err
}

type rotateCodeCmd struct {
	Shop      string `arg:"" help:"The shop."`
	RetireOld bool   `help:"Retire the old code, once e-conomic uses the new one."`
}

func (cmd rotateCodeCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.RetireOld {
		retired, err := s.RetireOldCodes(c.ctx, cmd.Shop)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%d old code(s) of %s retired.\n", retired, cmd.Shop)
		return err
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return err
	}
	code := secret.NewCode(rand.Reader)
	hash := keys.HashCode(cmd.Shop, code)
	if err := s.AddCode(c.ctx, cmd.Shop, hash[:], now()); err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%s has a new code. The old one stays good until `lagerd shops rotate-code %s --retire-old`.\n\n", cmd.Shop, cmd.Shop)
	return paste(c.Stdout, cmd.Shop, code, webhookURL(cfg))
}

// readSecret reads a secret from a file, from standard input ("-"), or, on a
// terminal, by asking.
func (c *call) readSecret(prompt, file string) (string, error) {
	var raw []byte
	var err error
	switch {
	case file == "-":
		raw, err = io.ReadAll(io.LimitReader(c.Stdin, 4096))
	case file != "":
		raw, err = os.ReadFile(file)
	case c.Stdin != nil && term.IsTerminal(int(c.Stdin.Fd())):
		fmt.Fprint(c.Stderr, prompt)
		raw, err = term.ReadPassword(int(c.Stdin.Fd()))
		fmt.Fprintln(c.Stderr)
	default:
		return "", errors.New("no terminal to ask on: give the secret with --grant-token-file FILE, or '-' for standard input")
	}
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" || len(text) > 300 || strings.ContainsAny(text, "\r\n\x00") {
		return "", errors.New("read the secret: expected one line of 1 to 300 bytes")
	}
	return text, nil
}
