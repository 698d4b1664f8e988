package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

// grantCmd names the accounts that see a shop in the views.
type grantCmd struct {
	Shop    string `arg:"" optional:"" help:"The shop."`
	Account string `help:"User name of the account, without its host." placeholder:"NAME"`
	All     bool   `help:"The account sees all shops, those added later too."`
	Host    string `help:"Host that the account logs in from. It is in the statements printed." default:"%"`
	Enforce bool   `help:"From now on each account sees only its own shops. Its own are those that it was granted."`
	Yes     bool   `help:"With --enforce: do not prompt."`
}

func (grantCmd) Help() string {
	return "Lets an account of the MySQL or MariaDB server see one shop, or all (--all), in the views shop_stock, shop_stock_places and shop_invoices, and prints what the server's administrator runs to create it. An installation from before readers were known shows every shop to every account that may read the views, until `lagerd shops grant --enforce`."
}

func (cmd grantCmd) check() error {
	switch {
	case cmd.Enforce && (cmd.Shop != "" || cmd.All || cmd.Account != ""):
		return errors.New("--enforce stands alone: grant the accounts first")
	case cmd.Enforce:
		return nil
	case cmd.Yes:
		return errors.New("--yes requires --enforce")
	}
	return oneOrAll(cmd.Shop, cmd.All, cmd.Account)
}

// oneOrAll returns an error unless an account and either a shop or --all are given.
func oneOrAll(shop string, all bool, account string) error {
	switch {
	case shop == "" && !all:
		return errors.New("expected a shop, or --all")
	case shop != "" && all:
		return errors.New("expected a shop or --all, got both")
	case account == "":
		return errors.New("expected --account NAME: the user name with which the shop's software logs in to the database server")
	}
	return nil
}

func (cmd grantCmd) Run(c *call) error {
	if err := cmd.check(); err != nil {
		return err
	}
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.Enforce {
		return cmd.enforce(c, s)
	}
	sees := cmd.Shop
	if cmd.All {
		sees = "all shops"
		err = s.GrantReaderOfAll(c.ctx, cmd.Account, now())
	} else {
		err = s.GrantReader(c.ctx, cmd.Account, cmd.Shop, now())
	}
	if err != nil {
		return err
	}
	enforced, err := s.ReadersEnforced(c.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stdout, "%s sees %s.\n", cmd.Account, sees)
	if !enforced {
		fmt.Fprintln(c.Stdout, notEnforced)
	}
	fmt.Fprintf(c.Stdout, "\nThe administrator of the MySQL or MariaDB server runs, for an account that does not exist yet with a password of its own:\n\n")
	for _, statement := range s.GrantsForReader(cmd.Account, cmd.Host) {
		fmt.Fprintln(c.Stdout, "  "+statement)
	}
	_, err = fmt.Fprint(c.Stdout, "\nand gives it no other privilege on this database. Whoever logs in under this name, from whatever host, sees the same.\n")
	return errors.Join(err, warnOfHosts(c, s, cmd.Account))
}

const notEnforced = "Not in force yet: until `lagerd shops grant --enforce` every account that may read the views sees all shops."

// warnOfHosts warns if the account's name exists for several hosts: all of them see the
// same.
func warnOfHosts(c *call, s *store.Store, account string) error {
	accounts, _, ok := s.ServerAccounts(c.ctx)
	if hosts := hostsOf(accounts)[account]; ok && len(hosts) > 1 {
		_, err := fmt.Fprintf(c.Stderr, "Warning: the server has %s for the hosts %s: all of them see the same\n", account, strings.Join(hosts, ", "))
		return err
	}
	return nil
}

func hostsOf(accounts []store.ServerAccount) map[string][]string {
	hosts := map[string][]string{}
	for _, a := range accounts {
		hosts[a.User] = append(hosts[a.User], a.Host)
	}
	return hosts
}

func (cmd grantCmd) enforce(c *call, s *store.Store) error {
	list, err := s.Readers(c.ctx, "")
	if err != nil {
		return err
	}
	enforced, err := s.ReadersEnforced(c.ctx)
	if err != nil {
		return err
	}
	if enforced {
		_, err := fmt.Fprintln(c.Stdout, "Readers are enforced already: each account sees only what it was granted.")
		return err
	}
	without, err := s.ShopsWithoutReader(c.ctx)
	if err != nil {
		return err
	}
	if err := writeReaders(c.Stdout, list, c.columns); err != nil {
		return err
	}
	if len(without) > 0 {
		fmt.Fprintf(c.Stdout, "No account will see: %s\n", firstOf(without))
	}
	if err := cmd.ask(c); err != nil {
		return err
	}
	if err := s.EnforceReaders(c.ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, "Readers are enforced: each account sees only what it was granted.")
	return err
}

func (cmd grantCmd) ask(c *call) error {
	if cmd.Yes {
		return nil
	}
	return c.confirm("Any other account sees nothing from then on. Enforce it?", "not enforced",
		"if these are all, run `lagerd shops grant --enforce --yes`")
}

// firstOf names the first of many.
func firstOf(names []string) string {
	const shown = 5
	text := strings.Join(names[:min(shown, len(names))], ", ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

type revokeCmd struct {
	Shop    string `arg:"" optional:"" help:"The shop."`
	Account string `help:"User name of the account, without its host." placeholder:"NAME"`
	All     bool   `help:"The account sees all shops, and is to see none."`
	Host    string `help:"Host that the account logs in from. It is in the statements printed." default:"%"`
}

func (cmd revokeCmd) Run(c *call) error {
	if err := oneOrAll(cmd.Shop, cmd.All, cmd.Account); err != nil {
		return err
	}
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.RevokeReader(c.ctx, cmd.Account, cmd.Shop); err != nil {
		return err
	}
	enforced, err := s.ReadersEnforced(c.ctx)
	if err != nil {
		return err
	}
	if enforced {
		fmt.Fprintf(c.Stdout, "%s sees no shop any more.\n", cmd.Account)
	} else {
		fmt.Fprintf(c.Stdout, "%s is revoked.\n%s\n", cmd.Account, notEnforced)
	}
	fmt.Fprint(c.Stdout, "\nThe administrator of the MySQL or MariaDB server runs:\n\n")
	for _, statement := range s.RevokesForReader(cmd.Account, cmd.Host) {
		fmt.Fprintln(c.Stdout, "  "+statement)
	}
	return nil
}

type readersCmd struct {
	Shop string `arg:"" optional:"" help:"Only the accounts that see this shop."`
	JSON bool   `help:"As JSON."`
}

// readerJSON is an account in the JSON of `lagerd shops readers`.
type readerJSON struct {
	Account string `json:"account"`
	Shop    string `json:"shop"` // which it sees; "": all shops
}

func (cmd readersCmd) Run(c *call) error {
	_, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.Shop != "" {
		if _, err := s.Shop(c.ctx, cmd.Shop); err != nil {
			return err
		}
	}
	list, err := s.Readers(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	if cmd.JSON {
		shown := make([]readerJSON, len(list))
		for n, r := range list {
			shown[n] = readerJSON(r)
		}
		err = status.WriteJSON(c.Stdout, shown)
	} else {
		err = writeReaders(c.Stdout, list, c.columns)
	}
	if err != nil {
		return err
	}
	enforced, err := s.ReadersEnforced(c.ctx)
	if err == nil && !enforced {
		_, err = fmt.Fprintln(c.Stderr, notEnforced)
	}
	return err
}

func writeReaders(w io.Writer, list []store.Reader, columns int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no account has been granted a shop yet")
		return err
	}
	table := terminal.NewTable(terminal.Column{Name: "ACCOUNT"}, terminal.Column{Name: "SEES"})
	for _, r := range list {
		if r.Shop == "" {
			r.Shop = "all shops"
		}
		table.Row(r.Account, r.Shop)
	}
	return table.Write(w, columns)
}

// checkReaders reports who sees which shop in the views.
func checkReaders(ctx context.Context, r *report, s *store.Store) {
	if s.Embedded() {
		return
	}
	const what = "readers of the views"
	enforced, err := s.ReadersEnforced(ctx)
	if err != nil {
		r.bad(what, err)
		return
	}
	without, err := s.ShopsWithoutReader(ctx)
	switch {
	case err != nil:
		r.bad(what, err)
	case !enforced:
		r.warn(what, "every account that may read them sees all shops: name each shop's account with `lagerd shops grant SHOP --account NAME`, then run `lagerd shops grant --enforce`")
	case len(without) > 0:
		r.warn(what, "no account sees %s: name one with `lagerd shops grant SHOP --account NAME`", firstOf(without))
	default:
		r.good(what, "each sees its own shop")
	}
	checkAccounts(ctx, r, s, what)
}

// checkAccounts reports accounts of the server that could see another reader's shop.
func checkAccounts(ctx context.Context, r *report, s *store.Store, what string) {
	accounts, proxies, ok := s.ServerAccounts(ctx)
	if !ok { // usual: lagerd needs no right to look at them
		return
	}
	list, err := s.Readers(ctx, "")
	if err != nil {
		r.bad(what, err)
		return
	}
	hosts := hostsOf(accounts)
	for _, reader := range list {
		if of := hosts[reader.Account]; len(of) > 1 {
			r.warn(what, "the server has %s for the hosts %s: all of them see the same: if they are not one shop's, rename one", reader.Account, strings.Join(of, ", "))
		}
	}
	for _, host := range hosts[""] {
		r.warn(what, "the server has an anonymous account ''@'%s': whoever logs in as it may take a reader's name: drop it (DROP USER ''@'%s')", host, host)
	}
	for _, p := range proxies {
		r.warn(what, "'%s'@'%s' logs in as a proxy for another account: it sees what its own name, not the other's, was granted", p.User, p.Host)
	}
}
