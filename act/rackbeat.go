package act

import (
	"context"
	"fmt"
	"time"

	"lagerd/budget"
	"lagerd/engine"
	"lagerd/rackbeat"
	rackbeatsource "lagerd/source/rackbeat"
	"lagerd/store"
)

// Rackbeat makes a person's calls to Rackbeat.
type Rackbeat struct {
	accountCalls
	client *rackbeat.Client
}

// Rackbeat returns what makes calls to Rackbeat. Close it.
func (a Act) Rackbeat() (*Rackbeat, error) {
	client, err := engine.NewRackbeat(a.Config, rackbeat.Options{Now: a.Now})
	if err != nil {
		return nil, err
	}
	calls := a.newCalls(store.ServiceRackbeat, budget.Options{DailyCalls: a.Config.Rackbeat.DailyCalls, PerMinute: a.Config.Rackbeat.CallsPerMinute})
	return &Rackbeat{calls, client}, nil
}

// Close returns the calls that were booked and not made, even if ctx has ended, and closes the
// connections.
func (r *Rackbeat) Close(ctx context.Context) error {
	defer r.client.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return r.giveBack(ctx)
}

// Open opens the account of a shop's key.
func (r *Rackbeat) Open(key string, p store.Progress) RackbeatAccount {
	b := r.budget(p.StockAccount, budget.State{Day: p.StockCallsDay, Calls: int(p.StockCalls)})
	return r.with(key, b)
}

func (r *Rackbeat) with(key string, b *budget.Budget) RackbeatAccount {
	raw := r.client.Account(key, b, nil)
	return RackbeatAccount{Rackbeat: r, key: key, granted: b, Raw: raw, Account: rackbeatsource.NewAccount(raw)}
}

// RackbeatAccount is the account that a person reads a shop's stock from.
type RackbeatAccount struct {
	*Rackbeat
	key     string
	granted *budget.Budget
	Raw     *rackbeat.Account
	Account rackbeatsource.Account
}

// OpenRackbeat opens the account of a shop whose stock is read at Rackbeat. Close it.
func (a Act) OpenRackbeat(shop store.Shop, p store.Progress) (RackbeatAccount, error) {
	key, err := a.Keys.OpenRackbeat(shop.Shop, shop.RackbeatKey)
	if err != nil {
		return RackbeatAccount{}, fmt.Errorf("%w: store its Rackbeat key again with `lagerd shops set %s --rackbeat-key-file …`", err, shop.Shop)
	}
	r, err := a.Rackbeat()
	if err != nil {
		return RackbeatAccount{}, err
	}
	return r.Open(key, p), nil
}

// Self asks whose the key is, in one call, and continues within that account's budget. An error
// says what to do.
func (a *RackbeatAccount) Self(ctx context.Context) (rackbeat.Self, error) {
	self, err := a.Raw.Self(ctx, budget.PriorityPerson)
	if err != nil {
		return rackbeat.Self{}, fmt.Errorf("%w: %s", err, ToDoAtRackbeat(err))
	}
	*a = a.with(a.key, a.learned(self.ID, a.granted))
	return self, nil
}
