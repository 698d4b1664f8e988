package cli

import (
	"errors"
	"fmt"

	"lagerd/act"
	"lagerd/config"
	"lagerd/secret"
	"lagerd/store"
)

type setCmd struct {
	Shop            string `arg:"" help:"The shop."`
	GrantTokenFile  string `help:"File with a new grant token. '-' for standard input." placeholder:"FILE"`
	GrantToken      bool   `help:"Prompt for a new grant token on the terminal." rare:""`
	AcceptAgreement bool   `help:"Accept that the token is for a different agreement than before; shows it and prompts." rare:""`
	AcceptAccount   int64  `help:"Accept that the Rackbeat key is for a different account than before: the account's number." placeholder:"NUMBER" rare:""`
	Offline         bool   `help:"Store a new grant token, Rackbeat key, source, figure or choice of places without checking it there, and without showing what would change." rare:""`
	NewNotifySecret bool   `help:"Make another secret that signs the webhooks to --notify-url, and show it once. The former one is of no use from then on." rare:""`
	consent
	rackbeatFiles
	notifyFlags
	settings
}

func (setCmd) Help() string {
	return "Another source of the stock, another account or other places there, and another figure change the stock of many items at once. So this first lists the items there, shows what would change and what the loss guard will do, and prompts; without a terminal, and without --yes, it changes nothing. A large account takes a call for each thousand items."
}

func (cmd setCmd) Run(c *call) error {
	cfg, s, err := c.open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := cmd.check(); err != nil {
		return err
	}
	grant, sealed, err := cmd.grant(c, cfg, s)
	if err != nil {
		return err
	}
	stock, err := cmd.stock(c, cfg, s)
	if err != nil {
		return err
	}
	accepted := int64(0)
	if grant != "" && !cmd.Offline {
		if accepted, err = cmd.ask(c, cfg, s, grant); err != nil {
			return err
		}
	}
	stock.grant, stock.agreement = grant, accepted
	if err := cmd.preview(c, cfg, s, stock); err != nil {
		return err
	}
	hook, err := cmd.hook(c, cfg, s)
	if err != nil {
		return err
	}
	var before store.Shop
	err = stock.store(c.ctx, s, func(shop *store.Shop) error {
		before = *shop
		if sealed != nil {
			shop.GrantToken = sealed
		}
		hook.store(shop)
		c.sealedWith(shop)
		return cmd.settings.apply(shop)
	})
	if err != nil {
		return hook.failed(err)
	}
	if accepted != 0 {
		if err := s.AcceptAgreement(c.ctx, cmd.Shop, accepted, now()); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "%s is agreement %d from now on.\n", cmd.Shop, accepted)
	}
	return errors.Join(noteKey(c, cfg, s, sealed), cmd.tell(c, s, before, accepted), stock.show(c), cmd.showRackbeat(c, cfg, s, before), c.askTick(s, cfg, cmd.Shop))
}

// noteKey stores the master key's check value if a token was sealed: it may be the first that this
// key decrypts.
func noteKey(c *call, cfg config.Config, s *store.Store, sealed []byte) error {
	if sealed == nil {
		return nil
	}
	_, err := masterKey(c.ctx, cfg, s, false)
	return err
}

// hook returns the webhook that the shop's owner is to have, whose secret it has shown.
func (cmd setCmd) hook(c *call, cfg config.Config, s *store.Store) (newHook, error) {
	if cmd.NotifyURL == nil && !cmd.NewNotifySecret {
		return newHook{}, nil
	}
	shop, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return newHook{}, err
	}
	keys, err := c.masterKey(cfg, s, false)
	if err != nil {
		return newHook{}, err
	}
	hook, err := cmd.notifyFlags.hook(keys, shop, cmd.NewNotifySecret)
	if err != nil {
		return hook, fmt.Errorf("nothing was changed for %s: %w", cmd.Shop, err)
	}
	return hook, hook.show(c, cmd.Shop)
}

// tell tells which settings have changed, or that none has, unless an accepted agreement has been
// told of.
func (cmd setCmd) tell(c *call, s *store.Store, before store.Shop, accepted int64) error {
	after, err := s.Shop(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	changed := store.ChangedSettings(before, after)
	if len(changed) == 0 && accepted != 0 {
		return nil
	}
	return tellChanged(c.Stdout, cmd.Shop, changed)
}

// check returns an error if flags contradict each other.
func (cmd setCmd) check() error {
	if cmd.AcceptAgreement && cmd.Offline {
		return errors.New("--accept-agreement needs e-conomic's answer, which --offline skips: remove one")
	}
	return errors.Join(cmd.consent.check(cmd.AcceptAgreement, cmd.mayChangeItems()), oneFromInput(cmd.GrantTokenFile, cmd.RackbeatKeyFile, cmd.RackbeatWebhookTokenFile))
}

// mayChangeItems reports whether the flags may change which items the shop has, or their stock.
func (cmd setCmd) mayChangeItems() bool {
	return cmd.StockSource != "" || cmd.Figure != "" || cmd.Places != "" || cmd.RackbeatKeyFile != "" || cmd.AcceptAccount != 0
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
	keys, err := c.masterKey(cfg, s, false)
	if err != nil {
		return "", nil, err
	}
	if !fresh {
		grant, err = act.OpenGrant(keys, shop)
		return grant, nil, err
	}
	if grant, err = c.readToken("New grant token of the agreement: ", cmd.GrantTokenFile, cfg, shop.Lang); err != nil {
		return "", nil, err
	}
	sealed, err = keys.Seal(secret.GrantToken, cmd.Shop, grant)
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
	asked, err := acting(cfg, s, nil).Economic()
	if err != nil {
		return 0, err
	}
	f, err := askAgreement(c.ctx, asked, cfg, shop, grant)
	if err := errors.Join(err, asked.AddCalls(c.ctx, cmd.Shop)); err != nil {
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

// askTick requests a tick of a shop, which also retries a held one, and notes if no lagerd runs to
// carry it out. Who asks has done something that is recorded already.
func (c *call) askTick(s *store.Store, cfg config.Config, shop string) error {
	if err := acting(cfg, s, nil).AskTick(c.ctx, shop); err != nil {
		return err
	}
	return c.warnIfNoneRuns(s, cfg)
}
