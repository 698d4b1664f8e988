package reconcile

import (
	"context"
	"errors"

	"lagerd/plan"
	"lagerd/source"
)

// accounts opens what a shop's tokens give access to.
type accounts struct{ *Shop }

// open opens the shop's accounts, each within its budget. It returns an error if none can
// be opened: a token that cannot be decrypted holds what is read with it.
func (s accounts) open(ctx context.Context) error {
	err := s.openAgreement(ctx)
	if s.stock.by == s.identity {
		return err
	}
	stockErr := s.openStockAccount(ctx)
	if outdated(err) || outdated(stockErr) || err != nil && stockErr != nil {
		return errors.Join(err, stockErr)
	}
	return nil
}

// openAgreement opens the shop's agreement.
func (s accounts) openAgreement(ctx context.Context) error {
	s.joinAgreement()
	grant, err := s.Open(s.shop.Shop, s.shop.GrantToken)
	if err != nil {
		return errors.Join(err, s.holdUnopened(ctx, err))
	}
	account := s.agreement.Account(grant)
	s.identity.account, s.invoices.source = account, account.Invoices(s.shop.OrderField)
	if s.stock.by == s.identity {
		s.stock.source = account.Stock(s.shop.StockFigure)
	}
	return nil
}

// holdUnopened holds what is read from e-conomic, since the agreement cannot be opened. Without the
// app's token nobody knows whether e-conomic still refuses the shop's: such a hold ends.
func (s accounts) holdUnopened(ctx context.Context, err error) error {
	if !errors.Is(err, ErrNoAppToken) {
		return s.identity.holdPart(ctx, plan.HeldTokenUnreadable, err.Error())
	}
	return errors.Join(s.identity.endHolds(ctx, plan.SeenNoAppToken), s.identity.holdPart(ctx, plan.HeldNoAppToken, err.Error()))
}

// joinAgreement joins the budget of the shop's agreement.
func (s accounts) joinAgreement() {
	number := s.progress.AgreementNumber
	s.calls.join(number, madeFor(s.progress), func(made source.Made, former source.StockBudget) source.StockBudget {
		s.agreement = s.Source.Budget(s.shop.Shop, number, made, former)
		return s.agreement
	})
}

// openStockAccount opens the account of the stock's own source.
func (s accounts) openStockAccount(ctx context.Context) error {
	by, number := s.stock.by, s.progress.StockAccount
	s.stock.calls.join(number, stockMade(s.progress), func(made source.Made, former source.StockBudget) source.StockBudget {
		return s.Rackbeat.Budget(s.shop.Shop, number, made, former)
	})
	key, err := s.OpenRackbeat(s.shop.Shop, s.shop.RackbeatKey)
	if err != nil {
		return errors.Join(err, by.holdPart(ctx, plan.HeldTokenUnreadable, err.Error()))
	}
	account := s.stock.budget.StockAccount(key)
	by.account, s.stock.source = account, account.Stock(s.shop.StockFigure, s.shop.ChosenPlaces()...)
	return nil
}
