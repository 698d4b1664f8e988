package economic

import (
	"lagerd/economic"
	"lagerd/source"
	"lagerd/source/remote"
)

// Service is e-conomic, whose accounts are agreements. It is a source.Service.
type Service struct {
	remote.Accounts
	Client   *economic.Client
	PageSize int // 0: the largest e-conomic allows
}

// Budget implements source.Service.
func (s *Service) Budget(shop string, agreement int64, made source.Made, former source.StockBudget) source.Budget {
	var was *remote.Part
	if p, ok := former.(*part); ok {
		was = &p.Part
	}
	return &part{service: s, Part: s.Join(shop, agreement, made, was)}
}

// part is a shop's part in its agreement's Budget. It is a source.Budget.
type part struct {
	remote.Part
	service *Service
}

func (b *part) Account(token string) source.Account {
	s := b.service
	return Account{Client: s.Client, Agreement: s.Client.AgreementOf(token, b.By), PageSize: s.PageSize}
}

func (b *part) StockAccount(token string) source.StockAccount { return b.Account(token) }

func (b *part) Close() { b.service.Leave(&b.Part) }
