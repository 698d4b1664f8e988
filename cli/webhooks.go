package cli

import (
	"errors"
	"fmt"
	"time"

	"lagerd/act"
	"lagerd/config"
	"lagerd/lang"
	"lagerd/status"
	"lagerd/store"
)

type webhooksCmd struct {
	Shop     string        `arg:"" help:"The shop."`
	Lang     lang.Lang     `help:"Language of what the shop's owner reads." placeholder:"en|da" enum:"en,da" default:"en"`
	Since    time.Duration `help:"How far back to count changes." default:"168h"`
	JSON     bool          `help:"As JSON." xor:"what"`
	Offline  bool          `help:"Do not ask e-conomic. Otherwise it shows which webhooks lagerd has set up there."`
	Wait     bool          `help:"Wait for the next call, and show each as it comes." xor:"what"`
	Type     string        `help:"With --wait: only for a call of this type. stockUpdate, orderPdf or rackbeatStock." placeholder:"TYPE" enum:"stockUpdate,orderPdf,rackbeatStock," default:""`
	Timeout  time.Duration `help:"With --wait: longest time to wait." default:"10m"`
	SetUp    bool          `help:"Set up the shop's webhooks at e-conomic. The shop has to allow it." xor:"what"`
	SwitchOn bool          `help:"Switch webhooks on that e-conomic has switched off. Only those that lagerd has set up, and if the shop allows it." xor:"what"`
}

func (webhooksCmd) Help() string {
	return "The calls that have come decide how webhooks fare. e-conomic shows an app only the webhooks that it has set up itself, so one that a person entered is not visible there. " +
		"--set-up and --switch-on are the only commands with which lagerd changes anything at e-conomic; they need `lagerd shops set SHOP --webhook-setup on`, and an app with the role SuperUser."
}

func (cmd webhooksCmd) Run(c *call) error {
	switch {
	case cmd.Type != "" && !cmd.Wait:
		return errors.New("--type requires --wait")
	case cmd.Timeout <= 0:
		return fmt.Errorf("--timeout %s: expected a time such as 10m", cmd.Timeout)
	case cmd.Offline && (cmd.SetUp || cmd.SwitchOn):
		return errors.New("--offline asks e-conomic nothing, and --set-up and --switch-on change something there: remove one")
	case cmd.Since <= 0:
		return fmt.Errorf("--since %s: expected a time such as 168h", cmd.Since)
	}
	open := c.openToRead
	if cmd.SetUp || cmd.SwitchOn {
		open = c.open
	}
	cfg, s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	shop, err := s.Shop(c.ctx, cmd.Shop)
	switch {
	case err != nil:
		return err
	case cmd.Wait:
		return cmd.wait(c, s, shop)
	case cmd.SetUp, cmd.SwitchOn:
		return cmd.change(c, cfg, s, shop)
	}
	return cmd.show(c, cfg, s, shop)
}

// show shows how the webhooks fare.
func (cmd webhooksCmd) show(c *call, cfg config.Config, s *store.Store, shop store.Shop) error {
	v := status.ShopWebhooks{Shop: shop.Shop, Since: now().Add(-cmd.Since).UTC().Truncate(time.Second)}
	log, err := s.WebhookLog(c.ctx, shop.Shop)
	if err != nil {
		return err
	}
	for _, t := range status.WebhookTypes(shop) {
		changes, err := s.Announcements(c.ctx, shop.Shop, t.Kind(), t.Source(), v.Since, status.WebhooksJudged)
		if err != nil {
			return err
		}
		v.Webhooks = append(v.Webhooks, status.HealthOfWebhooks(t, status.CountWebhooks(t, shop, log, changes), cmd.Lang))
	}
	if err := cmd.addSeen(c, cfg, s, shop, v.Webhooks); err != nil {
		return err
	}
	if cmd.JSON {
		return v.WriteJSON(c.Stdout)
	}
	return v.Write(c.Stdout, cmd.Lang)
}

// addSeen adds what e-conomic shows of its webhooks. Whatever keeps it from showing them is said
// there, and stops nothing else.
func (cmd webhooksCmd) addSeen(c *call, cfg config.Config, s *store.Store, shop store.Shop, list []status.WebhookHealth) error {
	hooks, err := c.openHooks(cfg, s, shop, cmd.Offline)
	if err == nil {
		err = hooks.Read(c.ctx)
		if booked := hooks.AddAllCalls(c.ctx, shop.Shop); booked != nil {
			return booked
		}
	}
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	for i, h := range list {
		switch {
		case h.Type == status.WebhookRackbeat || h.State == status.WebhooksOff:
		case err != nil:
			list[i].AtEconomic = new(status.NotAsked(err.Error(), cmd.Lang))
		default:
			seen, _ := hooks.Seeing.Of(h.Type, cmd.Lang)
			list[i].AtEconomic = &seen
		}
	}
	return nil
}

// openHooks opens the webhooks of a shop's agreement, or returns why they cannot be asked for.
func (c *call) openHooks(cfg config.Config, s *store.Store, shop store.Shop, offline bool) (*act.Webhooks, error) {
	if offline {
		return nil, errors.New("--offline")
	}
	if err := act.CanAskForWebhooks(cfg); err != nil {
		return nil, err
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return nil, err
	}
	return acting(cfg, s, keys).Webhooks(c.ctx, shop)
}

// change sets webhooks up at e-conomic, or switches them on.
func (cmd webhooksCmd) change(c *call, cfg config.Config, s *store.Store, shop store.Shop) error {
	if err := act.CanSetUpWebhooks(cfg, shop); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	hooks, err := c.openHooks(cfg, s, shop, false)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	changed, err := hooks.Change(c.ctx, cmd.SetUp)
	for _, one := range changed {
		fmt.Fprintf(c.Stdout, "%s: %s.\n", one.Type, one.Said)
	}
	return errors.Join(err, hooks.AddAllCalls(c.ctx, shop.Shop), c.warnOfURL(cfg))
}
