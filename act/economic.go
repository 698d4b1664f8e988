package act

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lagerd/budget"
	"lagerd/config"
	"lagerd/economic"
	"lagerd/engine"
	"lagerd/secret"
	"lagerd/store"
)

// Economic makes a person's calls to e-conomic.
type Economic struct {
	accountCalls
	Client *economic.Client
	act    Act
	calls  atomic.Int64 // made so far
}

// Economic returns what makes calls to e-conomic.
func (a Act) Economic() (*Economic, error) {
	if a.Config.Economic.AppSecretToken.IsZero() {
		return nil, config.NoAppToken(a.Config.Economic)
	}
	e := &Economic{accountCalls: a.newCalls(store.ServiceEconomic, budget.Options{DailyCalls: a.Config.Economic.DailyCalls, Concurrency: a.Config.Economic.Concurrency}), act: a}
	client, err := engine.NewClient(a.Config, economic.Options{UserAgent: "lagerd/" + a.Version, Observe: func(economic.Call) { e.calls.Add(1) }})
	e.Client = client
	return e, err
}

// Budget returns the budget of a shop's agreement.
func (e *Economic) Budget(p store.Progress) *budget.Budget {
	day, calls, _ := p.CallsOf()
	return e.budget(p.AgreementNumber, budget.State{Day: day, Calls: calls})
}

// Unknown returns a budget for the first calls to an agreement whose number is not known.
func (e *Economic) Unknown() *budget.Budget { return e.budget(0, budget.State{}) }

// Learned returns the budget of an agreement, to which the calls were made that unknown granted.
func (e *Economic) Learned(agreement int64, unknown *budget.Budget) *budget.Budget {
	return e.learned(agreement, unknown)
}

// AddCalls adds the calls made so far to the shop's calls of the day, and returns those that were
// booked and not made.
func (e *Economic) AddCalls(ctx context.Context, shop string) error {
	err := e.giveBack(ctx)
	if calls := int(e.calls.Swap(0)); calls > 0 {
		err = errors.Join(err, e.act.Store.AddCommandCalls(ctx, shop, e.act.Now().UTC().Format(time.DateOnly), calls))
	}
	return err
}

// AddAllCalls is AddCalls for whoever may have been interrupted: those calls count too.
func (e *Economic) AddAllCalls(ctx context.Context, shop string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return e.AddCalls(ctx, shop)
}

// OpenGrant returns the grant token that is stored of a shop.
func OpenGrant(keys *secret.Keys, shop store.Shop) (string, error) {
	grant, err := keys.OpenGrant(shop.Shop, shop.GrantToken)
	if err != nil {
		return "", fmt.Errorf("%w: store its grant token again with `lagerd shops set %s --grant-token-file …`", err, shop.Shop)
	}
	return grant, nil
}
