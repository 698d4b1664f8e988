package web

import (
	"lagerd/lang"
)

// operatorRoutes adds the operators' pages.
func (p *Page) operatorRoutes(operators func(pattern string, h handler)) {
	operators("GET /{$}", p.shops)
}

// shops shows all shops.
func (p *Page) shops(v *visit) error {
	list, err := p.Store.Shops(v.r.Context())
	if err != nil {
		return err
	}
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Shop
	}
	return p.show(v, sheet{Name: "shops", Title: lang.Text{Danish: "Butikker", English: "Shops"}, Data: names})
}
