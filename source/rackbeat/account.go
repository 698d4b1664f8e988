package rackbeat

import (
	"context"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
)

// Account is an account at Rackbeat. It is a source.StockAccount.
type Account struct {
	account *rackbeat.Account
	known   *known
}

// NewAccount returns the account that a client gives access to, for a command: a lagerd's shops
// have theirs from a Service.
func NewAccount(a *rackbeat.Account) Account { return newAccount(a, &known{}) }

func newAccount(a *rackbeat.Account, k *known) Account { return Account{a, k} }

// Self reads who the account belongs to.
func (a Account) Self(ctx context.Context, p source.Priority) (source.Self, error) {
	self, err := a.account.Self(ctx, p)
	return source.Self{AgreementNumber: self.ID, CompanyName: self.Name}, failed(err)
}

// Stock returns a reader of the account's items: of their own figure, or of the sum of places.
func (a Account) Stock(figure plan.Figure, places ...string) source.Stock {
	s := &stock{account: a.account, known: a.known, figure: figure}
	if len(places) > 0 {
		s.chosen = &chosen{places: places}
	}
	return s
}

// Places reads the places of the warehouse.
func (a Account) Places(ctx context.Context, p source.Priority) ([]rackbeat.Place, error) {
	places, err := a.account.Places(ctx, p)
	return places, failed(err)
}
