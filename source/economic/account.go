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
	PageSize  int                 // 0: as many as e-conomic allows
}

// Self reads whose agreement it is.
func (a Account) Self(ctx context.Context, p source.Priority) (source.Self, error) {
	self, err := a.Agreement.Self(ctx, Priority(p))
	return source.Self{AgreementNumber: self.AgreementNumber, CompanyName: self.CompanyName}, failed(err)
}

// Stock reads the agreement's products.
func (a Account) Stock(figure plan.Figure) source.Stock { return products{a, figure} }

// Invoices reads the agreement's booked invoices.
func (a Account) Invoices(order plan.OrderField) source.Invoices { return invoices{a, order} }

// Priority returns the priority by which e-conomic's client knows one.
func Priority(p source.Priority) economic.Priority {
	switch p {
	case source.PriorityHint:
		return economic.PriorityHint
	case source.PriorityInvoice:
		return economic.PriorityInvoice
	case source.PriorityTick:
		return economic.PriorityTick
	}
	return economic.PrioritySweep
}

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
