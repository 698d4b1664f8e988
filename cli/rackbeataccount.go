package cli

import (
	"context"
	"fmt"
	"time"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/engine"
	"lagerd/rackbeat"
	rackbeatsource "lagerd/source/rackbeat"
	"lagerd/store"
)

// askingRackbeat makes a command's calls to Rackbeat.
type askingRackbeat struct {
	commandCalls
	client *rackbeat.Client
}

func newAskingRackbeat(cfg config.Config, s *store.Store) (*askingRackbeat, error) {
	client, err := engine.NewRackbeat(cfg, rackbeat.Options{Now: now})
	if err != nil {
		return nil, err
	}
	calls := newCommandCalls(s, store.ServiceRackbeat, budget.Options{DailyCalls: cfg.Rackbeat.DailyCalls, PerMinute: cfg.Rackbeat.CallsPerMinute})
	return &askingRackbeat{calls, client}, nil
}

// close returns the calls that were booked and not made, even if ctx has ended, and closes the
// connections.
func (a *askingRackbeat) close(ctx context.Context) error {
	defer a.client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return a.giveBack(ctx)
}

// open opens the account of a shop's key.
func (a *askingRackbeat) open(key string, p store.Progress) rackbeatAccount {
	b := a.budget(p.StockAccount, budget.State{Day: p.StockCallsDay, Calls: int(p.StockCalls)})
	return a.with(key, b)
}

func (a *askingRackbeat) with(key string, b *budget.Budget) rackbeatAccount {
	raw := a.client.Account(key, b, nil)
	return rackbeatAccount{a, key, b, raw, rackbeatsource.NewAccount(raw)}
}

// rackbeatAccount is the account that a command reads a shop's stock from.
type rackbeatAccount struct {
	*askingRackbeat
	key     string
	granted *budget.Budget
	raw     *rackbeat.Account
	account rackbeatsource.Account
}

// openRackbeat opens the account of a shop whose stock is read at Rackbeat. Close it.
func openRackbeat(cfg config.Config, s *store.Store, shop store.Shop, p store.Progress) (rackbeatAccount, error) {
	keys, err := loadKey(cfg, "Rackbeat key")
	if err != nil {
		return rackbeatAccount{}, err
	}
	key, err := keys.OpenRackbeat(shop.Shop, shop.RackbeatKey)
	if err != nil {
		return rackbeatAccount{}, fmt.Errorf("%w: store its Rackbeat key again with `lagerd shops set %s --rackbeat-key-file …`", err, shop.Shop)
	}
	asked, err := newAskingRackbeat(cfg, s)
	if err != nil {
		return rackbeatAccount{}, err
	}
	return asked.open(key, p), nil
}

// self asks whose the key is, in one call, and continues within that account's budget. An error
// says what to do.
func (a *rackbeatAccount) self(ctx context.Context) (rackbeat.Self, error) {
	self, err := a.raw.Self(ctx, budget.PriorityPerson)
	if err != nil {
		return rackbeat.Self{}, fmt.Errorf("%w: %s", err, toDoAtRackbeat(err))
	}
	*a = a.with(a.key, a.learned(self.ID, a.granted))
	return self, nil
}
