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
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/webhook"
)

type shopsCmd struct {
	Add        addCmd        `cmd:"" help:"Add a shop and print what to paste into e-conomic."`
	List       listCmd       `cmd:"" help:"List the shops."`
	Show       showCmd       `cmd:"" help:"Show a shop's settings and state."`
	Set        setCmd        `cmd:"" help:"Change a shop's settings."`
	Pause      pauseCmd      `cmd:"" help:"Pause a shop; hints are kept."`
	Resume     resumeCmd     `cmd:"" help:"Resume a paused shop; retry a held one now."`
	Remove     removeCmd     `cmd:"" help:"Remove a shop and everything stored for it."`
	RotateCode rotateCodeCmd `cmd:"" help:"Create a new integration code, or retire the old one."`
}

// settings are the flags of add and set. An empty flag changes nothing.
type settings struct {
	Stock        string `help:"Keep stock: on or off." enum:"on,off," default:""`
	Figure       string `help:"Which figure is the shop's stock: in_stock or available." enum:"in_stock,available," default:""`
	StockSource  string `help:"Where the stock is kept: economic, or rackbeat (not read yet)." enum:"economic,rackbeat," default:""`
	Invoices     string `help:"Keep invoices: on or off." enum:"on,off," default:""`
	InvoicesFrom string `help:"First invoice to fetch: a date (2026-11-23) or an invoice number (number:20261123 if it could be read as a date)." placeholder:"DATE|NUMBER"`
	OrderField   string `help:"Field with the shop's order number: references.other, notes.heading, notes.textLine1 or orderNumber." enum:"references.other,notes.heading,notes.textLine1,orderNumber," default:""`
	OrderPattern string `help:"Regular expression that matches the order number in that field; its group, if it has one. '-' for none." placeholder:"REGEXP"`
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
		var err error
		if s.InvoicesFrom, s.InvoicesFromNumber, err = invoicesFrom(f.InvoicesFrom); err != nil {
			return err
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

// invoicesFrom parses the date or the number from which a shop's invoices are fetched.
// Eight digits that form a date are ambiguous, and an error.
func invoicesFrom(text string) (date string, number int64, err error) {
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return text, 0, nil
	}
	digits, named := strings.CutPrefix(text, "number:")
	number, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 1 || digits[0] == '+' {
		return "", 0, fmt.Errorf("--invoices-from %q: expected a date such as 2026-11-23, or an invoice number from 1", text)
	}
	if named {
		return "", number, nil
	}
	for _, layout := range []string{"20060102", "02012006"} {
		const earliest, latest = 1980, 2099
		if at, err := time.Parse(layout, digits); err == nil && at.Year() >= earliest && at.Year() <= latest {
			return "", 0, fmt.Errorf("--invoices-from %[1]s: is that a date or an invoice number? Use %[2]s for the date, or number:%[1]s for the invoice", digits, at.Format(time.DateOnly))
		}
	}
	return "", number, nil
}

// shopName matches valid shop names: they are used in a URL and in a form.
var shopName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// integrationCode matches valid codes from --code-file: they are pasted into a form
// unescaped.
var integrationCode = regexp.MustCompile(`^[A-Za-z0-9._~-]{8,128}$`)

type addCmd struct {
	Shop           string `arg:"" help:"The shop's name, as in username=shop1234."`
	GrantTokenFile string `help:"File with the agreement's grant token; '-' for standard input. Default: prompt on the terminal." placeholder:"FILE"`
	Offline        bool   `help:"Do not check the token and the settings with e-conomic first."`
	CodeFile       string `help:"File with an existing integration code, for a shop that moves here with its webhooks. Default: a new code." placeholder:"FILE"`
	settings
}

func (cmd addCmd) Run(c *call) error { //nolint:funlen,gocyclo // the steps of adding a shop, in order
	if !shopName.MatchString(cmd.Shop) {
		return fmt.Errorf("shop name %q: expected 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit", cmd.Shop)
	}
	cfg, s, err := c.openOrCreate()
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := masterKey(c.ctx, cfg, s, true)
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
	grant, err := c.readToken("Grant token of the agreement: ", cmd.GrantTokenFile, cfg)
	if err != nil {
		return err
	}
	if shop.GrantToken, err = keys.Seal(cmd.Shop, grant); err != nil {
		return err
	}
	code := secret.NewCode(rand.Reader)
	if cmd.CodeFile != "" {
		raw, err := c.readSecret("", cmd.CodeFile)
		if err == nil {
			code, err = secret.Pasted(raw)
		}
		if err != nil {
			return fmt.Errorf("--code-file: %w", err)
		}
		if !integrationCode.MatchString(code) {
			return errors.New("--code-file: expected 8 to 128 letters, digits, '.', '_', '~' or '-': the code is part of a URL")
		}
	}
	var asked *asking
	var agreement int64
	if !cmd.Offline {
		if asked, agreement, err = cmd.ask(c, cfg, s, shop, grant); err != nil {
			return fmt.Errorf("%s was not added: %w (--offline adds it unchecked)", cmd.Shop, err)
		}
	}
	hash := keys.HashCode(cmd.Shop, code)
	if err := s.AddShop(c.ctx, shop, hash[:], now()); err != nil {
		return err
	}
	if !cmd.Offline {
		if err := errors.Join(s.SaveAgreementNumber(c.ctx, cmd.Shop, agreement), asked.addCalls(c.ctx, s, cmd.Shop)); err != nil {
			return err
		}
	}
	noted := saveKeyCheck(c.ctx, s, keys, cmd.Shop)
	fmt.Fprintf(c.Stdout, "%s is added.\n\n", cmd.Shop)
	return errors.Join(paste(c.Stdout, cmd.Shop, code, webhookURL(cfg)), c.warnOfURL(cfg), noted)
}

// warnOfURL warns if the webhook URL that was just shown may not work.
func (c *call) warnOfURL(cfg config.Config) error {
	var errs []error
	for _, what := range webhookURLWarnings(cfg) {
		_, err := fmt.Fprintln(c.Stderr, "Warning:", what)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ask checks with e-conomic whether the shop can work, shows the result, and returns the
// agreement's number.
func (cmd addCmd) ask(c *call, cfg config.Config, s *store.Store, shop store.Shop, grant string) (*asking, int64, error) {
	asked, err := newAsking(cfg)
	if err != nil {
		return nil, 0, err
	}
	f, err := asked.ask(c.ctx, shop, grant)
	if err != nil {
		return nil, 0, err
	}
	f.show(c.Stdout)
	also, err := alsoOf(c.ctx, s, shop.Shop, f.self.AgreementNumber)
	if also != "" {
		fmt.Fprintf(c.Stdout, "  Note: %s\n", also)
	}
	return asked, f.self.AgreementNumber, err
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

Test i en browser: indsæt et rigtigt varenummer; der skal stå Success. / Test in a browser: insert a real item number; it must say Success.

  %[1]s?type=stockUpdate&username=%[4]s&password=%[5]s&number=VARENUMMER

Koden vises kun denne ene gang. / The code is shown only once.
`, url, stock, pdf, shop, code)
	return err
}

type listCmd struct{}

func (listCmd) Run(c *call) error {
	_, s, err := c.openToRead()
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
	Calls int    `help:"Number of latest webhook calls to show." default:"10"`
}

func (cmd showCmd) Run(c *call) error {
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	list, err := statusOf(c.ctx, s, cfg, cmd.Shop)
	if err != nil {
		return err
	}
	calls, err := s.WebhookCalls(c.ctx, cmd.Shop, cmd.Calls)
	if err != nil {
		return err
	}
	codes, err := s.CodesOf(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	for _, v := range list {
		if err := status.WriteShop(c.Stdout, shop, v, webhookURL(cfg)); err != nil {
			return err
		}
	}
	if err := status.WriteCodes(c.Stdout, codes); err != nil {
		return err
	}
	return errors.Join(status.WriteCalls(c.Stdout, calls, webhook.ToDo), c.warnOfURL(cfg))
}

type setCmd struct {
	Shop            string `arg:"" help:"The shop."`
	GrantTokenFile  string `help:"File with a new grant token; '-' for standard input." placeholder:"FILE"`
	GrantToken      bool   `help:"Prompt for a new grant token on the terminal."`
	AcceptAgreement bool   `help:"Accept that the token is for a different agreement than before; shows it and prompts."`
	Offline         bool   `help:"Store a new grant token without checking it with e-conomic."`
	consent
	settings
}

func (cmd setCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := cmd.consent.check(cmd.AcceptAgreement); err != nil {
		return err
	}
	if cmd.AcceptAgreement && cmd.Offline {
		return errors.New("--accept-agreement needs e-conomic's answer, which --offline skips: remove one")
	}
	grant, sealed, err := cmd.grant(c, cfg, s)
	if err != nil {
		return err
	}
	accepted := int64(0)
	if grant != "" && !cmd.Offline {
		if accepted, err = cmd.ask(c, cfg, s, grant); err != nil {
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
	if accepted != 0 {
		if err := s.AcceptAgreement(c.ctx, cmd.Shop, accepted, now()); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "%s is agreement %d from now on.\n", cmd.Shop, accepted)
	}
	if sealed != nil { // it may be the first token that this key decrypts
		if _, err := masterKey(c.ctx, cfg, s, false); err != nil {
			return err
		}
	}
	return askTick(c.ctx, s, cmd.Shop)
}

// grant returns the grant token to check with e-conomic, or "" if there is none: a new
// one, with its sealed form, or, with --accept-agreement alone, the stored one.
func (cmd setCmd) grant(c *call, cfg config.Config, s *store.Store) (grant string, sealed []byte, err error) {
	fresh := cmd.GrantTokenFile != "" || cmd.GrantToken
	if !fresh && !cmd.AcceptAgreement {
		return "", nil, nil
	}
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return "", nil, err
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return "", nil, err
	}
	if !fresh {
		if grant, err = keys.Open(cmd.Shop, shop.GrantToken); err != nil {
			err = fmt.Errorf("%w: store its grant token again with --grant-token-file", err)
		}
		return grant, nil, err
	}
	if grant, err = c.readToken("New grant token of the agreement: ", cmd.GrantTokenFile, cfg); err != nil {
		return "", nil, err
	}
	sealed, err = keys.Seal(cmd.Shop, grant)
	return grant, sealed, err
}

// ask checks with e-conomic whether the shop can work with the token, and shows the
// result. It returns the agreement that a person has accepted, or 0 if the shop has it
// already.
func (cmd setCmd) ask(c *call, cfg config.Config, s *store.Store, grant string) (accepted int64, err error) {
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return 0, err
	}
	if err := cmd.settings.apply(&shop); err != nil {
		return 0, err
	}
	progress, err := s.Progress(c.ctx, cmd.Shop)
	if err != nil {
		return 0, err
	}
	asked, err := newAsking(cfg)
	if err != nil {
		return 0, err
	}
	f, err := asked.ask(c.ctx, shop, grant)
	if err := errors.Join(err, asked.addCalls(c.ctx, s, cmd.Shop)); err != nil {
		return 0, fmt.Errorf("nothing was changed for %s: %w%s", cmd.Shop, err, cmd.unasked())
	}
	f.show(c.Stdout)
	also, err := alsoOf(c.ctx, s, cmd.Shop, f.self.AgreementNumber)
	if err != nil {
		return 0, err
	}
	if also != "" {
		fmt.Fprintf(c.Stdout, "  Note: %s\n", also)
	}
	was := progress.AgreementNumber
	switch {
	case was == 0 || was == f.self.AgreementNumber:
		if cmd.AcceptAgreement {
			fmt.Fprintf(c.Stdout, "  %s has no other agreement: nothing to accept\n", cmd.Shop)
		}
		return 0, nil
	case !cmd.AcceptAgreement:
		return 0, fmt.Errorf("nothing was changed for %s: the token answers for agreement %d, %s, and the shop is agreement %d: if the change is intended, add --accept-agreement%s",
			cmd.Shop, f.self.AgreementNumber, companyName(f.self), was, cmd.unasked())
	}
	return f.self.AgreementNumber, cmd.consent.ask(c, cmd.Shop, was, f.self)
}

// unasked returns how to store a token unchecked, if that is possible.
func (cmd setCmd) unasked() string {
	if cmd.AcceptAgreement {
		return ""
	}
	return " (--offline stores the token unchecked)"
}

// askTick requests a tick of a shop, which also retries a held one.
func askTick(ctx context.Context, s *store.Store, shop string) error {
	return s.AddRequests(ctx, []store.Request{{Request: uuid.NewString(), Shop: shop, What: store.WantTick, RequestedAt: store.At(now())}})
}

type pauseCmd struct {
	Shop   string `arg:"" help:"The shop."`
	Reason string `help:"Reason to show in the shop's status." default:"paused by a person"`
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
	Yes  bool   `help:"Do not prompt."`
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
	Shop       string `arg:"" help:"The shop."`
	RetireOld  bool   `help:"Retire the old code, once e-conomic uses the new one." xor:"what"`
	ReplaceNew bool   `help:"Replace the newest code, which was lost before it was entered at e-conomic." xor:"what"`
	Yes        bool   `help:"With --retire-old: even if webhook calls still use the old code."`
}

func (cmd rotateCodeCmd) Run(c *call) error {
	if cmd.Yes && !cmd.RetireOld {
		return errors.New("--yes requires --retire-old")
	}
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.RetireOld {
		retired, err := s.RetireOldCodes(c.ctx, cmd.Shop, cmd.Yes)
		if err != nil {
			return cmd.explained(c.ctx, s, err)
		}
		_, err = fmt.Fprintf(c.Stdout, "%d old code(s) of %s retired.\n", retired, cmd.Shop)
		return err
	}
	if err := cmd.possible(c.ctx, s); err != nil {
		return cmd.explained(c.ctx, s, err)
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return err
	}
	// Show the code before storing it: if that fails, nothing has changed.
	code := secret.NewCode(rand.Reader)
	if err := paste(c.Stdout, cmd.Shop, code, webhookURL(cfg)); err != nil {
		return fmt.Errorf("nothing was changed: the new code of %s could not be shown: %w", cmd.Shop, err)
	}
	put := s.AddCode
	if cmd.ReplaceNew {
		put = s.ReplaceNewCode
	}
	hash := keys.HashCode(cmd.Shop, code)
	if err := put(c.ctx, cmd.Shop, hash[:], now()); err != nil {
		return fmt.Errorf("the code above was not stored and will never be valid: %w", cmd.explained(c.ctx, s, err))
	}
	_, err = fmt.Fprintf(c.Stdout, "\n%[1]s has this new code. The old one stays valid until `lagerd shops rotate-code %[1]s --retire-old`.\n", cmd.Shop)
	return errors.Join(err, c.warnOfURL(cfg))
}

// possible returns an error if a new code cannot be stored.
func (cmd rotateCodeCmd) possible(ctx context.Context, s *store.Store) error {
	if _, err := s.Shop(ctx, cmd.Shop); err != nil {
		return err
	}
	live, err := s.CodesOf(ctx, cmd.Shop)
	switch {
	case err != nil:
		return err
	case !cmd.ReplaceNew && len(live) >= 2:
		err = store.ErrTwoCodes
	case cmd.ReplaceNew && len(live) < 2:
		err = store.ErrOneCode
	case cmd.ReplaceNew && !live[len(live)-1].UsedAt.IsZero():
		err = store.ErrCodeInUse
	default:
		return nil
	}
	return fmt.Errorf("%s: %w", cmd.Shop, err)
}

// explained appends to an error the codes' use and what to do.
func (cmd rotateCodeCmd) explained(ctx context.Context, s *store.Store, err error) error {
	var todo string
	switch {
	case errors.Is(err, store.ErrTwoCodes):
		todo = "if e-conomic has the newer one, retire the older with --retire-old; if the newer one was lost before it was entered there, use --replace-new"
	case errors.Is(err, store.ErrOneCode):
		todo = fmt.Sprintf("`lagerd shops rotate-code %s` creates one", cmd.Shop)
	case errors.Is(err, store.ErrCodeInUse):
		todo = "it is not lost: retire the older one with --retire-old"
	case errors.Is(err, store.ErrCodeNotInUse):
		todo = "webhooks would be refused: enter it at e-conomic, test it with the test URL, then retire the older one; if it was lost, use --replace-new; --yes retires the older one anyway"
	case errors.Is(err, store.ErrOldCodeInUse):
		todo = "e-conomic still has it, perhaps in one of the two webhooks: enter the newer one there, and retire the older one after a webhook call with the newer; --yes retires it anyway"
	default:
		return err
	}
	live, listErr := s.CodesOf(ctx, cmd.Shop)
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	return fmt.Errorf("%w (%s): %s", err, strings.Join(status.Codes(live), "; "), todo)
}

// readToken reads a grant token, and returns an error for anything that cannot be one.
func (c *call) readToken(prompt, file string, cfg config.Config) (string, error) {
	raw, err := c.readSecret(prompt, file)
	if err != nil {
		return "", err
	}
	token, err := secret.Token(raw, secret.GrantTokenHeader)
	if err != nil {
		return "", fmt.Errorf("the grant token: %w", err)
	}
	// Only the public demo has the same text for both.
	if app := cfg.Economic.AppSecretToken.Reveal(); token == app && token != "demo" {
		return "", errors.New("the grant token: this is the app's secret token; the grant token is the one the agreement's super-user gets when granting the app access")
	}
	return token, nil
}

// readSecret reads a secret from a file, from standard input ("-"), or from a prompt on
// the terminal.
func (c *call) readSecret(prompt, file string) (raw []byte, err error) {
	const most = 64 << 10
	switch {
	case file == "-":
		raw, err = io.ReadAll(io.LimitReader(c.Stdin, most))
	case file != "":
		var f *os.File
		if f, err = os.Open(file); err == nil {
			raw, err = io.ReadAll(io.LimitReader(f, most))
			err = errors.Join(err, f.Close())
		}
	case c.Stdin != nil && term.IsTerminal(int(c.Stdin.Fd())):
		fmt.Fprint(c.Stderr, prompt)
		raw, err = term.ReadPassword(int(c.Stdin.Fd()))
		fmt.Fprintln(c.Stderr)
	default:
		return nil, errors.New("no terminal to ask on: pass the secret with --grant-token-file FILE, or '-' for standard input")
	}
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	return raw, nil
}
