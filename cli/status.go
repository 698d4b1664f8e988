package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"lagerd/config"
	"lagerd/plan"
	"lagerd/status"
	"lagerd/store"
)

type statusCmd struct {
	Shop string `arg:"" optional:"" help:"Only this shop."`
	JSON bool   `help:"As JSON."`
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
	shops, err := statusOf(c.ctx, s, cfg, cmd.Shop)
	if err != nil {
		return err
	}
	// A lagerd that cannot write looks as if none were running.
	if err := s.ReadOnly(c.ctx); err != nil {
		fmt.Fprintf(c.Stderr, "Warning: %v\n", err)
	}
	if cmd.JSON {
		return status.WriteJSON(c.Stdout, shops)
	}
	if len(shops) == 0 {
		_, err := fmt.Fprintln(c.Stdout, "No shops yet: add one with `lagerd shops add`.")
		return err
	}
	return status.WriteTable(c.Stdout, shops, now())
}

// statusOf returns the state of the named shop, or of all if name is "", as far as the
// database shows it.
func statusOf(ctx context.Context, s *store.Store, cfg config.Config, name string) ([]status.Shop, error) {
	living, err := living(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	list, err := s.Status(ctx, name)
	if err != nil {
		return nil, err
	}
	shops := shown(list, living, cfg)
	if name != "" && len(shops) == 1 && shops[0].HeldFor(plan.ScopeShop, plan.HeldTokenRefused) {
		// The other shops' state shows whether this shop's token or the app's is refused.
		all, err := statusOf(ctx, s, cfg, "")
		if err != nil {
			return nil, err
		}
		shops = slices.DeleteFunc(all, func(v status.Shop) bool { return v.Shop != name })
	}
	return shops, nil
}

func shown(list []store.ShopStatus, living map[string]store.Instance, cfg config.Config) []status.Shop {
	shops := make([]status.Shop, len(list))
	for i, st := range list {
		shops[i] = status.Of(st)
		shops[i].AddShortOfCalls(status.ShortOfCalls(st, limitsOf(cfg), now()))
		shops[i].AddTroubles(append(status.Troubles(st, paceOf(cfg), now()), status.WrongCodes(st, now()), status.Access(st, cfg.Economic.AppPublicToken)))
	}
	status.SuspectAppToken(shops)
	status.Attend(shops, living)
	return shops
}

// limitsOf returns how many calls the configuration allows.
func limitsOf(cfg config.Config) status.CallLimits {
	return status.CallLimits{EconomicDaily: cfg.Economic.DailyCalls, RackbeatDaily: cfg.Rackbeat.DailyCalls, RackbeatPerMinute: cfg.Rackbeat.CallsPerMinute}
}

// paceOf returns the pace that the configuration requires of a lagerd.
func paceOf(cfg config.Config) status.Pace {
	p := status.Pace{SweepEvery: cfg.Reconcile.SweepEvery, NextTick: func(t time.Time) time.Time { return t }}
	if schedule, err := cron.ParseStandard(cfg.Reconcile.Schedule); err == nil { // always: the configuration is validated
		p.NextTick = func(t time.Time) time.Time { return schedule.Next(t.UTC()) }
	}
	return p
}
