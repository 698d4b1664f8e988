package cli

import (
	"cmp"
	"context"
	"fmt"

	"lagerd/config"
	"lagerd/engine"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

type statusCmd struct {
	Shop  string `arg:"" optional:"" help:"Only this shop, in full."`
	All   bool   `help:"List all shops, however many there are."`
	Nodes bool   `help:"Show the nodes of one shop's installation too. With --json: an object of needs, nodes and shops instead of an array of shops."`
	JSON  bool   `help:"As JSON."`
}

func (statusCmd) Help() string {
	return "Begins with what needs a person. Exits with 3 if anything does, with 0 if nothing does."
}

func (cmd statusCmd) Run(c *call) error {
	cfg, s, err := c.openToRead()
	if err != nil {
		return err
	}
	defer s.Close()
	if cmd.Shop != "" {
		if _, err := s.Shop(c.ctx, cmd.Shop); err != nil {
			return err
		}
	}
	o, listed, err := cmd.overview(c.ctx, s, cfg)
	if err != nil {
		return err
	}
	if err := cmd.write(c, o, listed); err != nil {
		return err
	}
	if len(o.Needs) > 0 {
		return exitError(exitNeeds)
	}
	return nil
}

// overview returns what is to be shown, and whether shops are to be listed one by one: only then
// it counts what is stored of each.
func (cmd statusCmd) overview(ctx context.Context, s *store.Store, cfg config.Config) (o status.Overview, listed bool, err error) {
	l, err := look(ctx, s, cfg, cmd.Shop)
	if err != nil {
		return o, false, err
	}
	if listed = cmd.All || cmd.JSON || len(l.Shops) <= status.Listed; listed && cmd.Shop == "" {
		if err := s.AddStored(ctx, l.Shops); err != nil {
			return o, false, err
		}
	}
	if err := s.ReadOnly(ctx); err != nil {
		l.ReadOnly = err.Error()
	}
	if o = l.Overview(); cmd.Shop != "" {
		o = o.Only(cmd.Shop)
	}
	return o, listed, nil
}

func (cmd statusCmd) write(c *call, o status.Overview, listed bool) error {
	paper := status.Paper{Columns: c.columns, Now: now()}
	switch {
	case cmd.JSON && cmd.Nodes:
		return status.WriteJSON(c.Stdout, o)
	case cmd.JSON:
		return status.WriteJSON(c.Stdout, o.Shops)
	case cmd.Shop == "" && len(o.Shops) == 0:
		if err := o.WriteNeeds(c.Stdout, paper); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.Stdout, "No shops yet: add one with `lagerd shops add`."); err != nil {
			return err
		}
		return o.WriteNodes(c.Stdout, paper)
	case cmd.Shop == "":
		return o.Write(c.Stdout, paper, listed)
	}
	if err := o.WriteOne(c.Stdout, paper); err != nil || !cmd.Nodes {
		return err
	}
	return o.WriteNodes(c.Stdout, paper)
}

// look reads what the database shows of the named shop, or if name is "" of all, without what is
// stored of each.
func look(ctx context.Context, s *store.Store, cfg config.Config, name string) (status.Look, error) {
	l := engine.LookOf(cfg)
	var err error
	if l.Living, err = living(ctx, s, cfg); err != nil {
		return l, err
	}
	if l.NoAppToken, err = tokenMissing(ctx, s, cfg, l.Living); err != nil {
		return l, err
	}
	if l.Instances, err = s.Instances(ctx); err != nil {
		return l, err
	}
	if l.Holdings, err = s.Holdings(ctx); err != nil {
		return l, err
	}
	if name == "" {
		l.Shops, err = s.Overview(ctx)
	} else {
		l.Shops, err = shopAndOthers(ctx, s, name)
	}
	if err != nil {
		return l, err
	}
	l.Incidents, err = s.OpenIncidents(ctx, status.WebhookIncidents()...)
	l.Now = now()
	return l, err
}

// tokenMissing returns what to do if a lagerd that runs has no app's token, "" if all have one. While
// none runs, the next one will have what this command finds.
func tokenMissing(ctx context.Context, s *store.Store, cfg config.Config, living map[string]store.Instance) (string, error) {
	used, err := s.AppTokens(ctx)
	if err != nil {
		return "", err
	}
	lacks := len(living) == 0 && cfg.Economic.AppSecretToken.IsZero()
	for name := range living {
		hash, known := used[name]
		lacks = lacks || known && hash == store.NoAppToken
	}
	if !lacks {
		return "", nil
	}
	return cmp.Or(cfg.Economic.TokenMissing(), "the file has been filled since that lagerd started: run `systemctl restart lagerd`"), nil
}

// shopAndOthers returns the status of a shop, and of all others if they are needed to tell whether
// its own token or the app's is refused.
func shopAndOthers(ctx context.Context, s *store.Store, name string) ([]store.ShopStatus, error) {
	one, err := s.Status(ctx, name)
	if err != nil || len(one) != 1 || !one[0].Progress.Holds.Has(plan.ScopeShop, plan.HeldTokenRefused) {
		return one, err
	}
	all, err := s.Overview(ctx)
	for i := range all {
		if all[i].Shop.Shop == name {
			all[i] = one[0]
		}
	}
	return all, err
}

// statusOf returns the state of the named shop, as far as the database shows it.
func statusOf(ctx context.Context, s *store.Store, cfg config.Config, name string) (status.Shop, error) {
	l, err := look(ctx, s, cfg, name)
	if err != nil {
		return status.Shop{}, err
	}
	return named(ctx, s, l, name)
}

// named returns the state of the named shop.
func named(ctx context.Context, s *store.Store, l status.Look, name string) (status.Shop, error) {
	o := l.Overview().Only(name)
	if len(o.Shops) == 0 {
		_, err := s.Shop(ctx, name)
		return status.Shop{}, cmp.Or(err, fmt.Errorf("read the status of %s: it was removed meanwhile", name))
	}
	return o.Shops[0], nil
}
