package economic

import (
	"context"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// Account is an agreement at e-conomic. It is a source.Account.
type Account struct {
	Client    *economic.Client
	Agreement *economic.Agreement // of the Client
	PageSize  int                 // 0: the largest e-conomic allows
}

// Self reads who the agreement is.
func (a Account) Self(ctx context.Context, p source.Priority) (source.Self, error) {
	self, err := a.Agreement.Self(ctx, p)
	return source.Self{AgreementNumber: self.AgreementNumber, CompanyName: self.CompanyName}, failed(err)
}

// Stock returns a reader of the agreement's products.
func (a Account) Stock(figure plan.Figure, _ ...string) source.Stock { return products{a, figure} }

// Invoices returns a reader of the agreement's booked invoices.
func (a Account) Invoices(order plan.OrderField) source.Invoices { return invoices{a, order} }

func unreadable(bad []economic.BadItem) []plan.Unreadable {
	if len(bad) == 0 {
		return nil
	}
	list := make([]plan.Unreadable, len(bad))
	for i, b := range bad {
		list[i] = plan.Unreadable{Number: b.Number, Err: b.Err}
	}
	return list
}
