package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/term"

	"lagerd/config"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
	"lagerd/web"
)

type webCmd struct {
	Passwd    webPasswdCmd    `cmd:"" help:"Set the password with which an operator signs in on the page, or remove it."`
	Operators webOperatorsCmd `cmd:"" help:"List who signs in on the page with a password."`
	Link      webLinkCmd      `cmd:"" help:"Make a link with which a shop's owner opens the page."`
	Revoke    webRevokeCmd    `cmd:"" help:"Revoke all links to a shop's page."`
}

type webPasswdCmd struct {
	Name         string `arg:"" optional:"" help:"The operator, as lagerd why shows who did what." default:"operator"`
	PasswordFile string `help:"File with the password; '-' for standard input." placeholder:"FILE" xor:"what"`
	Remove       bool   `help:"Remove the password instead." xor:"what"`
}

func (webPasswdCmd) Help() string {
	return fmt.Sprintf("Prompts for the password. It has %d to %d characters; only its Argon2id hash is stored. The operator's sessions end, at every lagerd.", secret.ShortestPassword, secret.LongestPassword)
}

func (cmd webPasswdCmd) Run(c *call) error {
	if !web.GoodName(cmd.Name) {
		return fmt.Errorf("%q: expected a name of 1 to 64 characters", cmd.Name)
	}
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.Remove {
		if err := s.RemoveWebOperator(c.ctx, cmd.Name); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.Stdout, "%s no longer signs in on the page with a password; open sessions have ended.\n", terminal.Escape(cmd.Name))
		return err
	}
	password, err := cmd.read(c)
	if err != nil {
		return err
	}
	hash, err := secret.HashPassword(password)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if err := s.SetWebOperator(c.ctx, store.WebOperator{Name: cmd.Name, Password: hash, Stamp: rand.Text(), ChangedAt: store.At(now())}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s signs in on the page with this password from now on; open sessions have ended.\n", terminal.Escape(cmd.Name))
	return err
}

// read reads the password from the file, or twice from the terminal.
func (cmd webPasswdCmd) read(c *call) (string, error) {
	if cmd.PasswordFile == "" && (c.Stdin == nil || !term.IsTerminal(int(c.Stdin.Fd()))) {
		return "", errors.New("no terminal to ask on: pass the password with --password-file FILE, or '-' for standard input")
	}
	first, err := c.readSecret("Password: ", cmd.PasswordFile)
	if err != nil || cmd.PasswordFile != "" {
		return strings.TrimRight(string(first), "\r\n"), err
	}
	second, err := c.readSecret("Again: ", "")
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two differ: nothing was changed")
	}
	return string(first), err
}

type webOperatorsCmd struct{}

func (webOperatorsCmd) Run(c *call) error {
	_, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.WebOperators(c.ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(c.Stdout, "Nobody signs in on the page with a password: `lagerd web passwd` sets one.")
		return err
	}
	t := terminal.NewTable(terminal.Column{Name: "NAME"}, terminal.Column{Name: "PASSWORD SET (UTC)"})
	for _, o := range list {
		t.Row(terminal.Escape(o.Name), o.ChangedAt.Format(time.DateTime))
	}
	return t.Write(c.Stdout, c.columns)
}

type webLinkCmd struct {
	Shop    string        `arg:"" help:"The shop."`
	Expires time.Duration `help:"How long the link can be opened. Default: web.link of the configuration." placeholder:"5m"`
	JSON    bool          `help:"As JSON."`
}

func (webLinkCmd) Help() string {
	return "Whoever has the link sees the shop's page, and nothing else, until the link expires or is revoked. It can be opened any number of times; the session that it opens lasts for web.session. With --json --expires 5m, a hosting company's own panel can sign owners in: it sends the browser to the url."
}

// longestLink is how long a link can be opened at most.
const longestLink = 365 * 24 * time.Hour

func (cmd webLinkCmd) Run(c *call) error {
	if cmd.Expires < 0 || cmd.Expires > longestLink {
		return fmt.Errorf("--expires %s: expected a time such as 5m, %s at most", cmd.Expires, longestLink)
	}
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	links, err := c.links(c.ctx, cfg, s)
	if err != nil {
		return err
	}
	if cmd.Expires > 0 {
		links.Lasts = cmd.Expires
	}
	link, err := links.New(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return status.WriteJSON(c.Stdout, link)
	}
	fmt.Fprintln(c.Stdout, link.URL)
	_, err = fmt.Fprintf(c.Stderr, "Note: it opens the page of %s until %s UTC; `lagerd web revoke %[1]s` revokes it before. In records it is link %[3]s.\n", cmd.Shop, link.Expires.Format(time.DateTime), link.Link)
	return err
}

// links returns what makes links to the configured page.
func (c *call) links(ctx context.Context, cfg config.Config, s *store.Store) (web.Links, error) {
	if !cfg.Web.On() {
		return web.Links{}, errors.New("there is no page to link to: set web.listen, and web.public_url to the address at which browsers reach it")
	}
	keys, err := masterKey(ctx, cfg, s, false)
	if err != nil {
		return web.Links{}, err
	}
	return web.Links{Store: s, Keys: keys, Address: cfg.Web.Address(), Lasts: cfg.Web.Link, Now: now}, nil
}

type webRevokeCmd struct {
	Shop string `arg:"" help:"The shop."`
}

func (webRevokeCmd) Help() string {
	return "Ends the sessions that they opened too, at every lagerd. Links made afterwards are good."
}

func (cmd webRevokeCmd) Run(c *call) error {
	_, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := (web.Links{Store: s, Now: now}).Revoke(c.ctx, cmd.Shop); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "All links to the page of %[1]s are revoked, and its sessions have ended. `lagerd web link %[1]s` makes a new one.\n", cmd.Shop)
	return err
}
