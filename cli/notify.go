package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/lang"
	"lagerd/notify"
	"lagerd/status"
	"lagerd/store"
	"lagerd/terminal"
)

type notifyCmd struct {
	Shop  string `arg:"" optional:"" help:"Only this shop's owner."`
	Test  bool   `help:"Send a test now: to the operator, or to the shop's owner; and call the heartbeat's address."`
	Limit int    `help:"How many of the latest messages to show." default:"20"`
	JSON  bool   `help:"The messages as JSON."`
}

func (notifyCmd) Help() string {
	return "Shows the latest messages and what became of them. --test sends one now, on each channel that the section notify of the configuration has, and exits with 1 if one of them fails."
}

func (cmd notifyCmd) Run(c *call) error {
	if cmd.JSON && cmd.Test {
		return errors.New("--json shows messages, and --test sends one: give either")
	}
	if cmd.Limit < 1 {
		return fmt.Errorf("--limit %d: expected a number from 1", cmd.Limit)
	}
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	shop := store.Shop{Lang: lang.English}
	if cmd.Shop != "" {
		if shop, err = s.Shop(c.ctx, cmd.Shop); err != nil {
			return err
		}
	}
	if cmd.Test {
		return cmd.test(c, cfg, s, shop)
	}
	list, err := s.Messages(c.ctx, cmd.Shop, cmd.Limit)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return status.WriteJSON(c.Stdout, notify.ShownOf(list))
	}
	return showMessages(c.Stdout, list, c.columns)
}

// showMessages lists messages, the latest first.
func showMessages(w io.Writer, list []store.Message, columns int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "Nobody has been told anything in the last 30 days.")
		return err
	}
	table := terminal.NewTable(terminal.Column{Name: "DECIDED (UTC)"}, terminal.Column{Name: "STATE"}, terminal.Column{Name: "TRIES", Right: true}, terminal.Column{Name: "TO"})
	for _, m := range list {
		var content notify.Content
		about := ""
		if err := json.Unmarshal(m.Content, &content); err == nil {
			about = notify.TextOf(content, m.ID, lang.English).Subject
		}
		to := m.Address
		if m.Channel == store.ChannelWebhook {
			to = hookName(m)
		}
		table.Row(m.DecidedAt.UTC().Format(timeShown), string(m.State), strconv.Itoa(m.Claims), to)
		table.Note(about)
		if m.Error != "" {
			table.Note("last error: " + m.Error)
		}
	}
	return table.Write(w, columns)
}

// hookName names the webhook that a message goes to.
func hookName(m store.Message) string {
	if m.Audience == store.AudienceOwner {
		return "the webhook of " + m.Shop
	}
	return "notify.webhook_url"
}

// ownersToTest returns where a shop's owner is told. mail says that mail can be sent.
func ownersToTest(shop store.Shop, mail bool) ([]notify.Address, error) {
	addresses := notify.OwnersAddresses(shop, mail)
	switch {
	case len(addresses) > 0:
		return addresses, nil
	case shop.Email != "":
		return nil, errors.New("no mail is sent: set notify.smtp_host and notify.from in the configuration")
	}
	return nil, fmt.Errorf("%[1]s has neither an e-mail address of its owner nor a webhook: set one with `lagerd shops set %[1]s --email ADDRESS` or `--notify-url URL`", shop.Shop)
}

// test sends a test to everybody that is told, and reports how each fared.
func (cmd notifyCmd) test(c *call, cfg config.Config, s *store.Store, shop store.Shop) error {
	out, err := engine.NewOut(cfg, version(), func(shop string, sealed []byte) (string, error) {
		keys, err := loadKey(cfg, "webhook")
		if err != nil {
			return "", err
		}
		return keys.OpenHook(shop, sealed)
	})
	if err != nil {
		return err
	}
	if out.PageOf, err = c.pageOf(cfg, s); err != nil {
		return err
	}
	content := notify.Content{Audience: store.AudienceOperator, At: now().UTC(), Began: []notify.Event{}, Over: []notify.Event{}, Test: true}
	addresses := engine.Addresses(cfg)
	if cmd.Shop != "" {
		content.Audience, content.Shop = store.AudienceOwner, shop.Shop
		if addresses, err = ownersToTest(shop, out.Mailer != nil); err != nil {
			return err
		}
	}
	heartbeat := cmd.Shop == "" && cfg.Notify.HeartbeatURL != ""
	if len(addresses) == 0 && !heartbeat {
		return errors.New("nobody is to be told anything: set notify.to, notify.webhook_url or notify.heartbeat_url in the configuration")
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	failed := false
	report := func(to string, err error) {
		if err != nil {
			failed = true
			fmt.Fprintf(c.Stdout, "%s: FAILED: %s\n", terminal.Escape(to), terminal.Line(out.Hidden.In(err.Error())))
			return
		}
		fmt.Fprintf(c.Stdout, "%s: sent\n", terminal.Escape(to))
	}
	for _, a := range addresses {
		m := store.Message{ID: uuid.NewString(), Audience: content.Audience, Shop: content.Shop, Channel: a.Channel, Address: a.Mail, Content: text}
		to := a.Mail
		if a.Channel == store.ChannelWebhook {
			to = hookName(m)
		}
		report(to, sendTest(c.ctx, out, m, shop))
	}
	if heartbeat {
		ctx, cancel := context.WithTimeout(c.ctx, testsFor)
		defer cancel()
		report("notify.heartbeat_url", out.Caller.Heartbeat(ctx))
	}
	if failed {
		return exitError(exitFailed)
	}
	return nil
}

// pageOf returns what makes links to shops' pages for mail, nil if there is no page.
func (c *call) pageOf(cfg config.Config, s *store.Store) (func(ctx context.Context, shop string) (notify.Page, error), error) {
	if !cfg.Web.On() {
		return nil, nil //nolint:nilnil // there is no page
	}
	links, err := c.links(c.ctx, cfg, s)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, shop string) (notify.Page, error) {
		link, err := links.New(ctx, shop)
		return notify.Page{URL: link.URL, Expires: link.Expires}, err
	}, nil
}

// testsFor is how long a test may take.
const testsFor = 30 * time.Second

func sendTest(ctx context.Context, out notify.Out, m store.Message, shop store.Shop) error {
	ctx, cancel := context.WithTimeout(ctx, testsFor)
	defer cancel()
	return out.Send(ctx, m, shop, now(), func() error { return nil })
}
