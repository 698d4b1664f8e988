package economic

import (
	"context"

	"lagerd/economic"
	"lagerd/plan"
	"lagerd/source"
)

// Service is e-conomic. It is a source.Service.
type Service struct {
	Client   *economic.Client
	Budgets  economic.BudgetOptions // for each agreement
	PageSize int                    // 0: the largest e-conomic allows
}

// Budget implements source.Service.
func (s *Service) Budget(made source.BudgetState) source.Budget {
	b := economic.NewBudget(s.Budgets)
	b.Restore(economic.BudgetState(made))
	return budget{s, b}
}

// budget is an agreement's source.Budget.
type budget struct {
	service *Service
	calls   *economic.Budget
}

func (b budget) Spare(p source.Priority) int  { return b.calls.Spare(priority(p)) }
func (b budget) Spent(p source.Priority) bool { return b.calls.Spent(priority(p)) }

func (b budget) State() source.BudgetState { return source.BudgetState(b.calls.State()) }

func (b budget) Account(token string) source.Account {
	s := b.service
	return Account{Client: s.Client, Agreement: s.Client.Agreement(token, b.calls), PageSize: s.PageSize}
}

// Account is an agreement at e-conomic. It is a source.Account.
type Account struct {
	Client    *economic.Client
	Agreement *economic.Agreement // of the Client
	PageSize  int                 // 0: the largest e-conomic allows
}

// Self reads who the agreement is.
func (a Account) Self(ctx context.Context, p source.Priority) (source.Self, error) {
	self, err := a.Agreement.Self(ctx, priority(p))
	return source.Self{AgreementNumber: self.AgreementNumber, CompanyName: self.CompanyName}, failed(err)
}

// Stock returns a reader of the agreement's products.
func (a Account) Stock(figure plan.Figure) source.Stock { return products{a, figure} }

// Invoices returns a reader of the agreement's booked invoices.
func (a Account) Invoices(order plan.OrderField) source.Invoices { return invoices{a, order} }

// priority returns the e-conomic client's counterpart of p.
func priority(p source.Priority) economic.Priority {
	switch p {
	case source.PriorityHint:
		return economic.PriorityHint
	case source.PriorityInvoice:
		return economic.PriorityInvoice
	case source.PriorityTick:
		return economic.PriorityTick
	case source.PrioritySweep:
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
