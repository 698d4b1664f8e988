package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"lagerd/act"
	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/secret"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type checkCmd struct {
	Shop   []string `help:"Only this shop's agreement. May be repeated." placeholder:"SHOP"`
	Grants bool     `help:"Print the statements that make lagerd's database and account on a server; check nothing." xor:"form"`
	JSON   bool     `help:"As JSON." xor:"form"`

	Offline bool `help:"Only the configuration and its secrets, wherever the file lies; nothing is opened or called."`
	Quiet   bool `help:"With --offline: print only what is wrong." short:"q"`
}

func (checkCmd) Help() string {
	return "Read-only. Makes two calls to e-conomic per shop, and a few to Rackbeat if its stock is there. Exits with 1 if anything is FAILED, including held shops; a paused shop is not a failure, nor is a WARNING."
}

func (cmd checkCmd) Run(c *call) error {
	r := report{w: c.Stdout, quiet: cmd.Quiet}
	if cmd.JSON {
		r.json = []finding{}
	}
	if cmd.Offline {
		return cmd.offline(c, &r)
	}
	cfg, err := c.load()
	if err != nil {
		return err // all of it, with lines and keys
	}
	if cmd.Grants {
		return printGrants(c, cfg)
	}
	r.configuration(c.config, cfg)
	token := cfg.Economic.AppSecretToken
	if token.IsZero() {
		r.bad("app secret token", config.NoAppToken(cfg.Economic))
	} else {
		r.good("app secret token", "found")
	}
	s := checkDatabase(c.ctx, &r, cfg)
	if s == nil {
		return r.end()
	}
	defer s.Close()
	checkDatabaseClock(c.ctx, &r, s)
	checkReaders(c.ctx, &r, s)
	keys, err := masterKey(c.ctx, cfg, s, false)
	r.result("master key", err, "found")
	alive, err := checkRunning(c.ctx, &r, cfg, s, keys)
	if err != nil {
		return err
	}
	if keys != nil {
		if err := checkSealed(c.ctx, &r, cfg, s, keys, alive); err != nil {
			return err
		}
	}
	if err := cmd.shops(c.ctx, &r, cfg, s, keys, alive); err != nil {
		return err
	}
	return r.end()
}

// offline checks the configuration as the service would read it, and opens nothing.
func (cmd checkCmd) offline(c *call, r *report) error {
	if len(cmd.Shop) > 0 || cmd.Grants {
		return errors.New("--offline looks at the configuration alone: leave out --shop and --grants")
	}
	if c.noFile != nil {
		return c.noFile
	}
	cfg, err := config.LoadOffline(c.config, c.Env)
	if err != nil {
		return err
	}
	r.configuration(c.config, cfg)
	unseen := map[string]bool{}
	for _, p := range cfg.Unseen {
		unseen[p.Key] = true
		r.warn("not checked", "%s: run `sudo lagerd check --offline`", p)
	}
	switch {
	case !cfg.Economic.AppSecretToken.IsZero():
		r.good("app secret token", "found")
	case !unseen["economic.app_secret_token_file"]:
		r.warn("app secret token", "none: lagerd starts without it and reads nothing: %s", cfg.Economic.TokenMissing())
	}
	if !cfg.Key.IsZero() {
		r.good("master key", "found")
	}
	if err := r.end(); err != nil {
		return exitError(exitConfig)
	}
	return nil
}

// grantsOfEmbedded is the database and the account that `check --grants` names where none is
// configured yet: those of the manual.
const grantsOfEmbedded = "lagerd@tcp(localhost)/lagerd"

// printGrants prints what makes lagerd's database and account. Either may be missing, so the
// database need not be reachable.
func printGrants(c *call, cfg config.Config) error {
	address := cfg.Database.DSN.Reveal()
	var s *store.Store
	var err error
	if cfg.Database.DSN.IsZero() {
		address = grantsOfEmbedded
		fmt.Fprintln(c.Stderr, "Note: no server is configured (database.dsn): these are for a database and an account lagerd")
	} else if s, err = openDatabase(c.ctx, cfg, true, readsFor); err != nil {
		fmt.Fprintf(c.Stderr, "Note: the account's host is not known: %s\n", terminal.Line(err.Error()))
		s = nil
	} else {
		defer s.Close()
	}
	grants, err := store.GrantsFor(c.ctx, address, s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.Stdout, grantsText(grants))
	return err
}

// grantsText returns the statements as they are printed and as docs/operators.md has them.
func grantsText(grants store.Grants) string {
	return fmt.Sprintf(`-- As the server's administrator, with a password of your own in place of '…'.
-- '%%' is any host: write the one that lagerd logs in from, if you know it.
%s
%s
-- Running, and lagerd shops grant, which prints the statements for a reader's account:
%s
-- Migrating, in addition: a start with database.migrate: auto, lagerd migrate, lagerd
-- move, and lagerd shops grant --enforce. Readers of the views read with the privileges
-- of the account that created them: it has to stay, with the line above.
%s
`, grants.Database, grants.Account, grants.Running, grants.Migrating)
}

// checkDatabase checks the database and returns it, or nil if it cannot be used.
func checkDatabase(ctx context.Context, r *report, cfg config.Config) *store.Store {
	s, err := openDatabase(ctx, cfg, true, readsFor)
	if err != nil {
		r.bad("database", err)
		return nil
	}
	r.good("database", "%s answers", s.Server())
	switch err := s.CheckSchema(ctx); {
	case errors.Is(err, store.ErrOldSchema) && (s.Embedded() || cfg.Database.Migrate == config.MigrateAuto):
		if failed := s.CanMigrate(ctx); failed != nil {
			r.bad("schema", fmt.Errorf("%w: `lagerd run` cannot migrate it: %w", err, failed))
			break
		}
		r.warn("schema", "%v: the next start of `lagerd run` migrates it; nothing more is checked until then", err)
	case err != nil:
		r.bad("schema", err)
	default:
		r.good("schema", "up to date")
		for _, f := range s.Inspect(ctx, int64(cfg.PDF.MaxBytes)) {
			r.result(f.What, f.Err, f.Good)
		}
		return s
	}
	_ = s.Close()
	return nil
}

// shops checks the shops' stored state and, if the secrets are available, their
// agreements.
func (cmd checkCmd) shops(ctx context.Context, r *report, cfg config.Config, s *store.Store, keys *secret.Keys, alive map[string]store.Instance) error {
	asked, err := askingWith(cfg, s, keys)
	if err != nil {
		return err
	}
	rackbeats, err := acting(cfg, s, nil).Rackbeat()
	if err != nil {
		return err
	}
	defer func() {
		if err := rackbeats.Close(ctx); err != nil {
			r.warn("calls to Rackbeat", "what was booked and not made counts as made: %v", err)
		}
	}()
	list, err := s.Status(ctx, "")
	if err != nil {
		return err
	}
	wanted, err := cmd.wanted(ctx, s)
	if err != nil {
		return err
	}
	for _, st := range list {
		if len(wanted) == 0 || wanted[st.Shop.Shop] {
			checkState(r, st, alive, cfg)
			if st.Shop.Paused() && !wanted[st.Shop.Shop] {
				continue
			}
			checkNotices(r, st)
			checkMixed(ctx, r, s, st)
			if asked == nil {
				continue
			}
			checkShop(ctx, r, cfg, s, asked, keys, st)
			checkAccount(ctx, r, cfg, rackbeats, keys, st, list)
			if err := asked.AddCalls(ctx, st.Shop.Shop); err != nil {
				r.bad("shop "+st.Shop.Shop, err)
			}
		}
	}
	checkRefusals(r)
	checkRackbeat(r, cfg.Rackbeat, list)
	if len(list) == 0 {
		r.good("shops", "none yet: add one with `lagerd shops add`")
	}
	return nil
}

// askingWith returns what asks e-conomic, nil if the secrets for it are not available.
func askingWith(cfg config.Config, s *store.Store, keys *secret.Keys) (*act.Economic, error) {
	if keys == nil || cfg.Economic.AppSecretToken.IsZero() {
		return nil, nil //nolint:nilnil // it is checked without e-conomic then
	}
	return acting(cfg, s, nil).Economic()
}

// wanted returns the shops that are to be checked; none: all.
func (cmd checkCmd) wanted(ctx context.Context, s *store.Store) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range cmd.Shop {
		if _, err := s.Shop(ctx, name); err != nil {
			return nil, err
		}
		wanted[name] = true
	}
	return wanted, nil
}

// checkAccount checks the account of a shop whose stock is in Rackbeat, among all shops.
func checkAccount(ctx context.Context, r *report, cfg config.Config, asked *act.Rackbeat, keys *secret.Keys, st store.ShopStatus, shops []store.ShopStatus) {
	name := "shop " + st.Shop.Shop
	if !st.Shop.StockOn || !st.Shop.ReadsRackbeat() {
		return
	}
	key, err := keys.OpenRackbeat(st.Shop.Shop, st.Shop.RackbeatKey)
	if err != nil {
		r.bad(name, fmt.Errorf("%w: store it again with `lagerd shops set %s --rackbeat-key-file …`", err, st.Shop.Shop))
		return
	}
	at := asked.Open(key, st.Progress)
	self, err := at.Self(ctx)
	switch known := st.Progress.StockAccount; {
	case err != nil:
		r.bad(name, err)
		return
	case known != 0 && known != self.ID:
		r.bad(name, fmt.Errorf("its Rackbeat key answers for %s, and its stock is read from account %d: if the change is intended, run `lagerd shops set %s --rackbeat-key-file … --accept-account %d`", accountName(self), known, st.Shop.Shop, self.ID))
		return
	}
	r.good(name, "Rackbeat %s", accountName(self))
	said := ""
	assessment, err := reconcile.AssessPage(ctx, at.Account.Stock(st.Shop.StockFigure, st.Shop.ChosenPlaces()...))
	switch {
	case source.Has(err, plan.ClassChoice):
		err = fmt.Errorf("%w: choose again with `lagerd shops set %[2]s --places LIST`: `lagerd shops places %[2]s` lists what there is", err, st.Shop.Shop)
	case err == nil:
		said, err = assessedAtRackbeat(assessment, st.Shop)
	}
	r.result(name, err, said)
	public, err := url.Parse(act.WebhookURL(cfg))
	if err != nil {
		r.bad(name, fmt.Errorf("webhook.public_url: %w", err))
		return
	}
	hooks, err := at.Raw.Webhooks(ctx, budget.PriorityPerson)
	checkHooks(r, name, hookCheck{shop: st.Shop, public: public, shops: shops, at: self.ID}, hooks, err)
}

// checkRackbeat warns if Rackbeat is not told who calls, and if the calls of a day do not last a day at
// the pace of those a minute.
func checkRackbeat(r *report, cfg config.Rackbeat, list []store.ShopStatus) {
	if !slices.ContainsFunc(list, func(st store.ShopStatus) bool { return st.Shop.ReadsRackbeat() }) {
		return
	}
	const minutes = 24 * 60
	if all := cfg.CallsPerMinute * minutes; cfg.DailyCalls < all {
		r.warn("rackbeat.daily_calls", "%d calls a day are fewer than %d a minute make (%d): listings are spread over the day, so that stock whose webhook is lost comes later. Set it to %[3]d or more",
			cfg.DailyCalls, cfg.CallsPerMinute, all)
	}
	if cfg.Contact == "" {
		r.warn("rackbeat.contact", "no e-mail address is set: Rackbeat's own client says that an address may be restricted whose calls name no contact")
	}
}

// checkShop checks the shop's agreement at e-conomic, and whether it has stock figures.
func checkShop(ctx context.Context, r *report, cfg config.Config, s *store.Store, asked *act.Economic, keys *secret.Keys, st store.ShopStatus) {
	name := "shop " + st.Shop.Shop
	grant, err := act.OpenGrant(keys, st.Shop)
	if err != nil {
		r.bad(name, err)
		return
	}
	agreement := asked.Client.Agreement(grant, asked.Budget(st.Progress))
	before := now()
	self, err := agreement.Self(ctx, budget.PriorityPerson)
	checkClock(r, "e-conomic's", self.ServerDate, before.Truncate(time.Second), now())
	if economic.KindOf(err) == economic.KindUnauthorized {
		if r.refused == nil {
			r.refused = map[string]bool{}
		}
		agreement := st.Shop.Shop
		if st.Progress.AgreementNumber != 0 {
			agreement = fmt.Sprint(st.Progress.AgreementNumber)
		}
		r.refused[agreement] = true
	}
	if err != nil {
		r.bad(name, fmt.Errorf("%w: %s", err, act.WhatToDo(err, cfg, st.Shop)))
		return
	}
	r.accepted = true
	known := st.Progress.AgreementNumber
	if known != 0 && known != self.AgreementNumber {
		r.bad(name, fmt.Errorf("the token answers for agreement %d, %s, and the shop is agreement %d: if the change is intended, run `lagerd shops set %s --accept-agreement`", self.AgreementNumber, companyName(self), known, st.Shop.Shop))
		return
	}
	r.good(name, "agreement %d, %s", self.AgreementNumber, companyName(self))
	switch also, err := alsoOf(ctx, s, st.Shop.Shop, self.AgreementNumber); {
	case err != nil:
		r.bad(name, err)
	case also != "":
		r.warn(name, "%s", also)
	}
	if !st.Shop.StockOn || st.Shop.StockSource != store.SourceEconomic {
		return
	}
	assessment, err := reconcile.AssessPage(ctx, economicsource.Account{Client: asked.Client, Agreement: agreement}.Stock(""))
	if err != nil {
		r.bad(name, err)
		return
	}
	switch said, doubtful, err := assessed(assessment, "lagerd shops set "+st.Shop.Shop+" --stock-source rackbeat --rackbeat-key-file FILE", "--stock off"); {
	case err != nil:
		r.bad(name, err)
	case doubtful:
		r.warn(name, "%s", said)
	default:
		r.good(name, "%s", said)
	}
}

// checkNotices reports what of the shop cannot be read, or only in part.
func checkNotices(r *report, st store.ShopStatus) {
	unread, warnings := status.Of(st).Notices()
	for _, text := range unread {
		r.bad("shop "+st.Shop.Shop, errors.New(text))
	}
	for _, text := range warnings {
		r.warn("shop "+st.Shop.Shop, "%s", text)
	}
}

// checkMixed reports stored invoices of another agreement: before lagerd had a dataset
// per agreement, accepting a new one left the former one's invoices in place.
func checkMixed(ctx context.Context, r *report, s *store.Store, st store.ShopStatus) {
	name := "shop " + st.Shop.Shop
	mixed, err := s.MixedInvoices(ctx, st.Shop.Dataset)
	switch {
	case err != nil:
		r.bad(name, err)
	case len(mixed) > 0:
		const shown = 5
		var list []string
		for _, m := range mixed[:min(shown, len(mixed))] {
			list = append(list, fmt.Sprintf("%d (%s)", m.Number, m.Reason))
		}
		if more := len(mixed) - shown; more > 0 {
			list = append(list, fmt.Sprintf("and %d more", more))
		}
		r.bad(name, fmt.Errorf("%d stored invoices are not agreement %d's but probably those of one that the shop had before: %s: their PDFs may be another company's: to fetch everything again, run `lagerd shops remove %s`, then `lagerd shops add`",
			len(mixed), st.Progress.AgreementNumber, strings.Join(list, ", "), st.Shop.Shop))
	}
}

func orDefaults(file string) string {
	if file == "" {
		return "no file: defaults and environment"
	}
	return file
}

// report prints one line per check and counts the failed ones.
type report struct {
	w      io.Writer
	json   []finding // printed at the end instead of lines; nil: lines are printed
	quiet  bool      // only failures are printed
	failed int

	clocks   map[string]bool // those already reported as off
	refused  map[string]bool // agreements that answered 401
	accepted bool            // at least one agreement answered
}

// finding is the JSON of a check's result.
type finding struct {
	Result string `json:"result"` // ok, warning, failed
	Check  string `json:"check"`
	Shop   string `json:"shop,omitempty"`
	Text   string `json:"text"`
}

// The results of a check, as in JSON.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultFailed  = "failed"
)

func (r *report) found(result, what, text string) {
	if r.json != nil {
		shop, ofShop := strings.CutPrefix(what, "shop ")
		if !ofShop {
			shop = ""
		}
		r.json = append(r.json, finding{Result: result, Check: what, Shop: shop, Text: text})
		return
	}
	if r.quiet && result != resultFailed {
		return
	}
	word := result
	if result != resultOK {
		word, text = strings.ToUpper(result), terminal.Line(text)
	}
	fmt.Fprintf(r.w, "%-7s %s: %s\n", word, what, terminal.Escape(text))
}

// configuration reports a configuration that is valid, and what may be wrong in it.
func (r *report) configuration(file string, cfg config.Config) {
	r.good("configuration", "%s", orDefaults(file))
	for _, w := range cfg.Warnings {
		r.warn("configuration", "%s", w)
	}
	for _, what := range webhookURLWarnings(cfg) {
		r.warn("webhook URL", "%s", what)
	}
}

func (r *report) good(what, format string, args ...any) {
	r.found(resultOK, what, fmt.Sprintf(format, args...))
}

func (r *report) bad(what string, err error) {
	r.failed++
	if bad, ok := errors.AsType[*config.Errors](err); ok && len(bad.Problems) == 1 {
		err = errors.New(bad.Problems[0].String())
	}
	r.found(resultFailed, what, err.Error())
}

// warn prints a possible problem, which does not count as a failure.
func (r *report) warn(what, format string, args ...any) {
	r.found(resultWarning, what, fmt.Sprintf(format, args...))
}

func (r *report) result(what string, err error, good string) {
	if err != nil {
		r.bad(what, err)
		return
	}
	r.good(what, "%s", good)
}

func (r *report) end() error {
	if r.json != nil {
		if err := status.WriteJSON(r.w, r.json); err != nil {
			return err
		}
	}
	if r.failed > 0 {
		return fmt.Errorf("%d check(s) failed", r.failed)
	}
	return nil
}
