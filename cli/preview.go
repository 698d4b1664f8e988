package cli

import (
	"context"
	"errors"
	"fmt"

	"lagerd/act"
	"lagerd/config"
	"lagerd/reconcile"
	"lagerd/source"
	economicsource "lagerd/source/economic"
	"lagerd/status"
	"lagerd/store"
)

// preview shows what would change for the shop's software if its stock were read as it is to be
// from now on, and returns nil if a person, or a script with --yes, agrees. It asks nothing of a
// shop of which no item is stored, or whose stock is not read.
func (cmd setCmd) preview(c *call, cfg config.Config, s *store.Store, n newStock) error {
	if cmd.Offline || !n.changesItems() {
		return nil
	}
	st, err := acting(cfg, s, nil).Status(c.ctx, cmd.Shop)
	if err != nil {
		return err
	}
	if some, err := hasItems(c.ctx, s, st.Progress.ItemsDataset); err != nil || !some {
		return err
	}
	seen, err := cmd.compare(c, cfg, s, st, n)
	if err != nil {
		return fmt.Errorf("nothing was changed for %s: compare its items with those to come: %w (--offline changes it without a comparison)", cmd.Shop, err)
	}
	if err := status.WritePreview(c.Stdout, seen, n.from(), n.with(), c.columns); err != nil {
		return fmt.Errorf("write what would change for %s: %w", cmd.Shop, err)
	}
	if cmd.Yes {
		return nil
	}
	return c.confirm(n.question(), "not changed",
		"if this is right, run the command again with --yes")
}

func hasItems(ctx context.Context, s *store.Store, dataset store.Dataset) (bool, error) {
	for _, err := range s.PresentNumbers(ctx, dataset) {
		return err == nil, err
	}
	return false, nil
}

// compare compares what is stored with the items where the stock is to be read, unless a signal
// interrupts it. An error says what to do.
func (cmd setCmd) compare(c *call, cfg config.Config, s *store.Store, st store.ShopStatus, n newStock) (reconcile.Preview, error) {
	ctx, stop := c.interruptible(c.ctx)
	defer stop()
	meter := c.meter()
	defer meter.End()
	d := reconcile.Diff{Store: s, Shop: n.shop, Progress: st.Progress, Tell: meter.Show}
	seen, err := n.list(ctx, cfg, d, st)
	if ctx.Err() != nil {
		return seen, errors.New("interrupted")
	}
	return seen, act.Advised(err, cfg, n.shop)
}

// list lists the items where the stock is to be read. Its calls are booked, also those before an
// error.
func (n newStock) list(ctx context.Context, cfg config.Config, d reconcile.Diff, st store.ShopStatus) (seen reconcile.Preview, err error) {
	if n.shop.ReadsRackbeat() {
		var asked *act.Rackbeat
		if asked, err = acting(cfg, d.Store, nil).Rackbeat(); err != nil {
			return seen, err
		}
		defer func() { err = errors.Join(err, asked.Close(ctx)) }()
		d.Stock = asked.Open(n.key, store.Progress{StockAccount: n.account}).Account
	} else {
		var asked *act.Economic
		if asked, err = acting(cfg, d.Store, nil).Economic(); err != nil {
			return seen, err
		}
		defer func() { err = errors.Join(err, asked.AddAllCalls(ctx, n.shop.Shop)) }()
		if n.agreement != 0 {
			st.Progress.AgreementNumber = n.agreement // whose calls they are
		}
		if d.Account, err = accountOf(ctx, asked, cfg, d.Store, st, n.grant); err != nil {
			return seen, err
		}
	}
	over := n.moves || n.agreement != 0 && !n.shop.ReadsRackbeat() || st.Progress.ItemsDataset != st.Shop.StockDataset
	return d.Preview(ctx, &cfg.Reconcile.Policy, over, now())
}

// accountOf returns the account at e-conomic that a shop's stock is to be read from: that of the
// grant token, or of the stored one if grant is "". It asks e-conomic whether the stored token is
// still for the shop's agreement.
func accountOf(ctx context.Context, a *act.Economic, cfg config.Config, s *store.Store, st store.ShopStatus, grant string) (source.Account, error) {
	stored := grant == ""
	if stored {
		keys, err := masterKey(ctx, cfg, s, false)
		if err != nil {
			return nil, err
		}
		if grant, err = act.OpenGrant(keys, st.Shop); err != nil {
			return nil, err
		}
	}
	account := economicsource.Account{Client: a.Client, Agreement: a.Client.Agreement(grant, a.Budget(st.Progress))}
	if !stored {
		return account, nil
	}
	self, err := account.Self(ctx, source.PriorityPerson)
	if err != nil {
		return nil, err
	}
	if was := st.Progress.AgreementNumber; was != 0 && was != self.AgreementNumber {
		return nil, fmt.Errorf("its grant token answers for agreement %d, and the shop is agreement %d: run `lagerd shops set %s --accept-agreement` first if that is intended, else store the right token with --grant-token-file", self.AgreementNumber, was, st.Shop.Shop)
	}
	return account, nil
}
