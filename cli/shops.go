package cli

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"lagerd/act"
	"lagerd/config"
	"lagerd/lang"
	"lagerd/plan"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
	"lagerd/webhook"
)

type shopsCmd struct {
	Add          addCmd          `cmd:"" help:"Add a shop and print what its owner pastes into e-conomic."`
	List         listCmd         `cmd:"" help:"List the shops."`
	Show         showCmd         `cmd:"" help:"Show a shop's settings and state."`
	Set          setCmd          `cmd:"" help:"Change a shop's settings."`
	Pause        pauseCmd        `cmd:"" help:"Pause a shop; hints are kept."`
	Resume       resumeCmd       `cmd:"" help:"Resume a paused shop; retry a held one now."`
	Remove       removeCmd       `cmd:"" help:"Remove a shop and everything stored for it."`
	Instructions instructionsCmd `cmd:"" help:"Print what the shop's owner pastes into e-conomic again."`
	RotateCode   rotateCodeCmd   `cmd:"" help:"Create a new integration code, or retire the old one."`
	Places       placesCmd       `cmd:"" help:"List the places of a shop's Rackbeat account."`
	Grant        grantCmd        `cmd:"" help:"Let an account of the database see a shop in the views."`
	Revoke       revokeCmd       `cmd:"" help:"Take a shop from an account again."`
	Readers      readersCmd      `cmd:"" help:"List which account sees which shop."`
}

// settings are the flags of add and set. An empty flag changes nothing.
type settings struct {
	Stock        string `help:"Keep stock." placeholder:"on|off" enum:"on,off," default:""`
	Figure       string `help:"Which figure is the shop's stock." placeholder:"in_stock|available" enum:"in_stock,available," default:""`
	StockSource  string `help:"Where the stock is kept: economic or rackbeat. Rackbeat needs a key (--rackbeat-key-file)." placeholder:"SOURCE" enum:"economic,rackbeat," default:""`
	Places       string `help:"Places at Rackbeat whose stock counts, as in 1,4. '-' for none: an item's own figure." placeholder:"NUMBERS"`
	Invoices     string `help:"Keep invoices." placeholder:"on|off" enum:"on,off," default:""`
	InvoicesFrom string `help:"First invoice to fetch, by date or by number. A date is 2026-11-23; a number that could be read as one is number:20261123." placeholder:"DATE|NUMBER"`
	OrderField   string `help:"Field of an invoice with the shop's order number. references.other, notes.heading, notes.textLine1 or orderNumber." placeholder:"FIELD" enum:"references.other,notes.heading,notes.textLine1,orderNumber," default:""`
	OrderPattern string `help:"Regular expression that matches the order number. It is applied to --order-field; its group, if it has one, is the order number. '-' for none." placeholder:"REGEXP"`
	WebhookSetup string `help:"Let lagerd set up the shop's webhooks at e-conomic. It does that, or switches them on, when a person runs 'lagerd webhooks' for it." placeholder:"on|off" enum:"on,off," default:""`
	Lang         string `help:"Language of the shop's owner." placeholder:"da|en" enum:"da,en," default:""`
	Email        string `help:"E-mail address of the shop's owner. The owner is told what only the owner can set right. '-' for none." placeholder:"ADDRESS"`
}

func (f settings) apply(s *store.Shop) error {
	setSwitch(&s.StockOn, f.Stock)
	setWord(&s.StockFigure, f.Figure)
	setWord(&s.StockSource, f.StockSource)
	setSwitch(&s.InvoicesOn, f.Invoices)
	setSwitch(&s.WebhookSetup, f.WebhookSetup)
	setWord(&s.OrderField, f.OrderField)
	setWord(&s.Lang, f.Lang)
	if err := errors.Join(f.applyPlaces(s), f.applyEmail(s)); err != nil {
		return err
	}
	if f.InvoicesFrom != "" {
		var err error
		if s.InvoicesFrom, s.InvoicesFromNumber, err = invoicesFrom(f.InvoicesFrom); err != nil {
			return err
		}
	}
	return f.applyOrderPattern(s)
}

// setSwitch and setWord take the value of a flag, unless it was not given.
func setSwitch(to *bool, flag string) {
	if flag != "" {
		*to = flag == "on"
	}
}

func setWord[T ~string](to *T, flag string) {
	if flag != "" {
		*to = T(flag)
	}
}

func (f settings) applyOrderPattern(s *store.Shop) error {
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

func (f settings) applyEmail(s *store.Shop) error {
	switch {
	case f.Email == "-":
		s.Email = ""
	case f.Email != "":
		if !config.IsMailAddress(f.Email) {
			return fmt.Errorf("--email %q: expected an e-mail address such as mette@example.dk, or - for none", f.Email)
		}
		s.Email = f.Email
	}
	return nil
}

// longestPlaces is how long the numbers of a shop's places may be, in bytes.
const longestPlaces = 255

func (f settings) applyPlaces(s *store.Shop) error {
	switch {
	case f.Places == "-":
		s.Places = ""
	case f.Places != "":
		numbers, err := store.PlaceNumbers(f.Places)
		if err != nil {
			return fmt.Errorf("--places: %w", err)
		}
		if s.Places = store.JoinPlaces(numbers); len(s.Places) > longestPlaces {
			return fmt.Errorf("--places: expected at most %d bytes, got %d", longestPlaces, len(s.Places))
		}
		if s.StockSource != store.SourceRackbeat {
			return errors.New("--places is for a shop whose stock is kept in Rackbeat: add --stock-source rackbeat")
		}
	}
	if s.StockSource == store.SourceRackbeat && s.Places != "" && s.StockFigure == plan.FigureAvailable {
		// No listing with the available stock of each place is known.
		return fmt.Errorf("places %s with the figure available: Rackbeat tells what is available of an item, not of a place: use --figure in_stock, or --places - for the item's own figure", s.Places)
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
var integrationCode = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)

type addCmd struct {
	Shop           string `arg:"" help:"The shop's name, as in username=shop1234."`
	GrantTokenFile string `help:"File with the agreement's grant token. '-' for standard input. Default: prompt on the terminal." placeholder:"FILE"`
	Offline        bool   `help:"Do not check the tokens and settings first. Otherwise e-conomic and Rackbeat are asked."`
	CodeFile       string `help:"File with an existing integration code. For a shop that moves here with its webhooks. Default: a new code." placeholder:"FILE"`
	rackbeatFiles
	notifyFlags
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
	keys, err := c.masterKey(cfg, s, true)
	if err != nil {
		return err
	}
	shop := store.Shop{
		Shop: cmd.Shop, StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: now().UTC().Format(time.DateOnly), OrderField: plan.OrderInOtherReference, Lang: lang.Danish,
	}
	if err := cmd.settings.apply(&shop); err != nil {
		return err
	}
	if _, err := s.Shop(c.ctx, cmd.Shop); err == nil {
		return fmt.Errorf("add %s: %w", cmd.Shop, store.ErrShopExists)
	}
	hook, err := cmd.hook(keys, shop, false)
	if err != nil {
		return err
	}
	hook.store(&shop)
	if err := oneFromInput(cmd.GrantTokenFile, cmd.CodeFile, cmd.RackbeatKeyFile, cmd.RackbeatWebhookTokenFile); err != nil {
		return err
	}
	grant, err := c.readToken("Grant token of the agreement: ", cmd.GrantTokenFile, cfg, shop.Lang)
	if err != nil {
		return err
	}
	key, err := cmd.rackbeatFiles.read(c, keys, cfg, &shop)
	if err != nil {
		return err
	}
	if shop.GrantToken, err = keys.Seal(secret.GrantToken, cmd.Shop, grant); err != nil {
		return err
	}
	c.sealedWith(&shop)
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
			return errors.New("--code-file: expected at most 128 letters, digits, '.', '_', '~' or '-': the code is part of a URL")
		}
		if err := secret.CheckCode(cmd.Shop, code); err != nil {
			return fmt.Errorf("--code-file: %w: add the shop without it, and enter the new code at e-conomic", err)
		}
	}
	var asked *act.Economic
	var agreement, account int64
	if !cmd.Offline {
		if asked, agreement, err = cmd.ask(c, cfg, s, shop, grant); err == nil && key != "" {
			account, err = c.askRackbeat(cfg, s, shop, key)
		}
		if err != nil {
			return fmt.Errorf("%s was not added: %w (--offline adds it unchecked)", cmd.Shop, err)
		}
	}
	if err := hook.show(c, cmd.Shop); err != nil {
		return err
	}
	hash := keys.HashCode(cmd.Shop, code)
	if err := s.AddShop(c.ctx, shop, hash[:], now()); err != nil {
		return hook.failed(err)
	}
	if !cmd.Offline {
		if err := errors.Join(s.SaveAgreementNumber(c.ctx, cmd.Shop, agreement), s.SaveStockAccount(c.ctx, cmd.Shop, account), asked.AddCalls(c.ctx, cmd.Shop)); err != nil {
			return err
		}
	}
	noted := saveKeyCheck(c.ctx, s, keys, cmd.Shop)
	fmt.Fprintf(c.Stdout, "%s is added.\n\n", cmd.Shop)
	return errors.Join(instructions{shop: shop, code: code, cfg: cfg}.write(c.Stdout), c.noteLang(shop), c.warnOfURL(cfg), c.noteKey(shop), noReader(c, s, cmd.Shop), noted)
}

// noReader tells that no account sees a new shop yet.
func noReader(c *call, s *store.Store, shop string) error {
	enforced, err := s.ReadersEnforced(c.ctx)
	if err != nil || !enforced {
		return err
	}
	list, err := s.Readers(c.ctx, shop)
	if err != nil || len(list) > 0 {
		return err
	}
	_, err = fmt.Fprintf(c.Stderr, "Note: no account of the database server sees %[1]s yet: name its software's with `lagerd shops grant %[1]s --account NAME`\n", shop)
	return err
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
func (cmd addCmd) ask(c *call, cfg config.Config, s *store.Store, shop store.Shop, grant string) (*act.Economic, int64, error) {
	asked, err := acting(cfg, s, nil).Economic()
	if err != nil {
		return nil, 0, err
	}
	f, err := askAgreement(c.ctx, asked, cfg, shop, grant)
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

type listCmd struct {
	JSON bool `help:"As JSON, with the settings of each."`
}

func (cmd listCmd) Run(c *call) error {
	_, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shops, err := s.Shops(c.ctx)
	if err != nil {
		return err
	}
	if cmd.JSON {
		list := make([]status.Settings, len(shops))
		for i, shop := range shops {
			list[i] = status.SettingsOf(shop)
		}
		return status.WriteJSON(c.Stdout, list)
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
	JSON  bool   `help:"As JSON."`
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
	v, err := statusOf(c.ctx, s, cfg, cmd.Shop)
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
	inHeader, err := s.HeaderCodesOf(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	codes = append(codes, inHeader...)
	if cmd.JSON {
		return status.WriteJSON(c.Stdout, status.ShownOf(shop, v, act.WebhookURL(cfg), codes, calls))
	}
	if err := status.WriteShop(c.Stdout, shop, v, act.WebhookURL(cfg), c.columns); err != nil {
		return err
	}
	if err := status.WriteCodes(c.Stdout, codes); err != nil {
		return err
	}
	return errors.Join(status.WriteCalls(c.Stdout, calls, webhook.ToDo, c.columns), c.warnOfURL(cfg))
}

type pauseCmd struct {
	Shop   string `arg:"" help:"The shop."`
	Reason string `help:"Reason to show in the shop's status. Default: paused by a person, or, of a paused shop, the one it has."`
}

func (cmd pauseCmd) Run(c *call) error {
	if len([]rune(cmd.Reason)) > 255 {
		return errors.New("--reason: expected at most 255 characters")
	}
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	before, after, err := acting(cfg, s, nil).Pause(c.ctx, cmd.Shop, cmd.Reason)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, pausedText(before, after))
	return err
}

// pausedText says what pause changed.
func pausedText(before, after store.Shop) string {
	since, reason := shownTime(after.PausedAt), terminal.Escape(after.PauseReason)
	switch {
	case !before.Paused():
		return fmt.Sprintf("%[1]s is paused (%[2]s): its hints are kept; `lagerd shops resume %[1]s` continues.", after.Shop, reason)
	case before.PauseReason != after.PauseReason:
		return fmt.Sprintf("%s is still paused, since %s. Reason: %s → %s", after.Shop, since, terminal.Escape(orNone(before.PauseReason)), reason)
	}
	return fmt.Sprintf("%s is already paused, since %s (%s): nothing was changed.", after.Shop, since, reason)
}

type resumeCmd struct {
	Shop string `arg:"" help:"The shop."`
}

func (cmd resumeCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	before, after, err := acting(cfg, s, nil).Resume(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, resumedText(before, after))
	return errors.Join(err, c.warnIfNoneRuns(s, cfg))
}

// resumedText says what resume changed.
func resumedText(before, after store.Shop) string {
	if !before.Paused() {
		return after.Shop + " was not paused: nothing was changed. What is held is tried again now."
	}
	return fmt.Sprintf("%s goes on. It was paused since %s (%s).", after.Shop, shownTime(before.PausedAt), terminal.Escape(before.PauseReason))
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
