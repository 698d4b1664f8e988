package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"lagerd/config"
	"lagerd/economic/webhooksapi"
	"lagerd/lang"
	"lagerd/secret"
	"lagerd/status"
	"lagerd/store"
)

type webhooksCmd struct {
	Shop     string        `arg:"" help:"The shop."`
	Lang     lang.Lang     `help:"Language of what the shop's owner reads: en or da." enum:"en,da" default:"en"`
	Since    time.Duration `help:"How far back to count changes." default:"168h"`
	JSON     bool          `help:"As JSON." xor:"what"`
	Offline  bool          `help:"Do not ask e-conomic which webhooks lagerd has set up there."`
	Wait     bool          `help:"Wait for the next call, and show each as it comes." xor:"what"`
	Type     string        `help:"With --wait: only for a call of this type: stockUpdate, orderPdf or rackbeatStock." enum:"stockUpdate,orderPdf,rackbeatStock," default:""`
	Timeout  time.Duration `help:"With --wait: longest time to wait." default:"10m"`
	SetUp    bool          `help:"Set up the shop's webhooks at e-conomic, if the shop allows it." xor:"what"`
	SwitchOn bool          `help:"Switch on webhooks that lagerd has set up and e-conomic has switched off, if the shop allows it." xor:"what"`
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
		err = hooks.read(c.ctx)
		if booked := hooks.book(c.ctx, s, shop.Shop); booked != nil {
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
			seen, _ := hooks.seeing.Of(h.Type, cmd.Lang)
			list[i].AtEconomic = &seen
		}
	}
	return nil
}

// hooksAtEconomic are a shop's webhooks in e-conomic's webhooks API.
type hooksAtEconomic struct {
	*asking
	*webhooksapi.Agreement
	seeing status.Seeing
	keys   *secret.Keys
}

// openHooks opens the webhooks of a shop's agreement, or returns why they cannot be asked for.
func (c *call) openHooks(cfg config.Config, s *store.Store, shop store.Shop, offline bool) (*hooksAtEconomic, error) {
	usual := config.Default().Economic
	switch {
	case offline:
		return nil, errors.New("--offline")
	case cfg.Economic.WebhooksURL == usual.WebhooksURL && cfg.Economic.RESTURL != usual.RESTURL:
		return nil, errors.New("economic.rest_url is another address than e-conomic's own, and economic.webhooks_url is not set")
	}
	public, err := url.Parse(webhookURL(cfg))
	if err != nil {
		return nil, errors.New("webhook.public_url is not a URL")
	}
	keys, err := masterKey(c.ctx, cfg, s, false)
	if err != nil {
		return nil, err
	}
	grant, err := openGrant(keys, shop)
	if err != nil {
		return nil, err
	}
	asked, err := newAsking(cfg, s)
	if err != nil {
		return nil, err
	}
	progress, err := s.Progress(c.ctx, shop.Shop)
	if err != nil {
		return nil, err
	}
	client, err := webhooksapi.New(webhooksapi.Options{URL: cfg.Economic.WebhooksURL, AppSecretToken: cfg.Economic.AppSecretToken.Reveal(),
		Timeout: cfg.Economic.Timeout, UserAgent: "lagerd/" + version(), Now: now, Observe: func() { asked.calls.Add(1) }})
	if err != nil {
		return nil, err
	}
	agreement := client.Agreement(webhooksapi.Access{Grant: grant, Budget: asked.agreement(progress), MayWrite: shop.WebhookSetup})
	return &hooksAtEconomic{asked, agreement, status.Seeing{Shop: shop.Shop, Public: public}, keys}, nil
}

// read reads what is set up, in two calls.
func (h *hooksAtEconomic) read(ctx context.Context) (err error) {
	if h.seeing.Types, err = h.EventTypes(ctx); err == nil {
		h.seeing.Hooks, err = h.Webhooks(ctx)
	}
	if err != nil && webhooksapi.KindOf(err) == webhooksapi.KindUnauthorized {
		err = fmt.Errorf("%w: %s", err, "have the agreement's super-user grant the app access again, and store the new token with `lagerd shops set "+h.seeing.Shop+" --grant-token-file …`")
	}
	return err
}
