package rackbeat

import (
	"sync"

	"lagerd/rackbeat"
	"lagerd/source"
	"lagerd/source/remote"
)

// Service is Rackbeat. It is a source.StockService.
type Service struct {
	remote.Accounts
	Client *rackbeat.Client

	mu    sync.Mutex
	known map[int64]*known // by account, of this lagerd's shops
}

// Budget implements source.StockService.
func (s *Service) Budget(shop string, account int64, made source.Made, former source.StockBudget) source.StockBudget {
	var was *remote.Part
	if p, ok := former.(*part); ok {
		was = &p.Part
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &part{service: s, known: s.knownOf(account), Part: s.Join(shop, account, made, was)}
}

// knownOf returns what is known of an account, for all of its shops. s.mu is held.
func (s *Service) knownOf(account int64) *known {
	if k := s.known[account]; k != nil {
		return k
	}
	k := &known{}
	if account != 0 {
		if s.known == nil {
			s.known = map[int64]*known{}
		}
		s.known[account] = k
	}
	return k
}

// part is a shop's part in its account's Budget. It is a source.StockBudget.
type part struct {
	remote.Part
	service *Service
	known   *known
}

func (p *part) StockAccount(key string) source.StockAccount {
	return newAccount(p.service.Client.Account(key, p.All, p.By), p.known)
}

func (p *part) Close() {
	s := p.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Leave(&p.Part) {
		delete(s.known, p.Number)
	}
}
