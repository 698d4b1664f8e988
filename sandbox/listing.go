package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// shownProduct is a product as the API currently shows it.
type shownProduct struct {
	number string
	productState
}

var productFields = fields[shownProduct]{
	"productNumber":                   {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.number, true }},
	"name":                            {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.name, true }},
	"description":                     {kind: textField, sort: true, text: func(shownProduct) (string, bool) { return "", false }},
	"barCode":                         {kind: textField, sort: true, text: func(p shownProduct) (string, bool) { return p.barCode, p.barCode != "" }},
	"lastUpdated":                     {kind: timeField, sort: true, when: func(p shownProduct) (time.Time, bool) { return p.updated, true }},
	"barred":                          {kind: boolField, only: "eq", is: func(p shownProduct) bool { return p.barred }},
	"costPrice":                       {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 0, true }},
	"recommendedPrice":                {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 0, true }},
	"salesPrice":                      {kind: numberField, sort: true, num: func(shownProduct) (float64, bool) { return 125, true }},
	"unit.unitNumber":                 {kind: numberField, num: func(shownProduct) (float64, bool) { return 1, true }},
	"productGroup.productGroupNumber": {kind: numberField, num: func(p shownProduct) (float64, bool) { return float64(group(p.productState)), true }},
}

func group(st productState) int {
	if st.stocked {
		return 1
	}
	return 2
}

func (a *agreement) listProducts(r *http.Request, base string, f *Faults) answer { //nolint:funlen,gocyclo // one branch per parameter and fault
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	match, err := parseFilter(p.query.Get("filter"), productFields)
	if err != nil {
		return a.badFilter(err)
	}
	order, err := parseSort(p.query.Get("sort"), productFields)
	if err != nil {
		return a.badFilter(err)
	}
	// a.order is sorted by number: in that order only the page's products are copied.
	ordered := order == nil || p.query.Get("sort") == "productNumber"
	everything := p.query.Get("filter") == ""
	first, beyond := p.skip*p.size, (p.skip+1)*p.size
	now := time.Now()
	a.mu.Lock()
	var kept []shownProduct
	all, matches := 0, 0
	rest := a.order
	if everything && ordered && !a.deleted && !a.settled.After(now) {
		// Only the page's products need to be visited.
		for _, product := range rest[min(first, len(rest)):min(beyond, len(rest))] {
			kept = append(kept, shownProduct{product.number, product.truth()})
		}
		all, matches, rest = len(rest), len(rest), nil
	}
	for _, product := range rest {
		st, ok := product.shown(now)
		if !ok {
			continue
		}
		all++
		onPage := !ordered || matches >= first && matches < beyond
		if everything && !onPage {
			matches++
			continue
		}
		if shown := (shownProduct{product.number, *st}); match(shown) {
			if onPage {
				kept = append(kept, shown)
			}
			matches++
		}
	}
	inventory := a.inventory
	a.mu.Unlock()
	if everything {
		all -= int(min(1, f.Truncate) * float64(all))
		matches = min(all, matches)
	}
	from, to := p.bounds(matches)
	if !ordered {
		slices.SortStableFunc(kept, order)
		kept = kept[from:]
	}
	page := kept[:a.half(f, from, to)-from]
	if len(page) == 1 && slices.Contains(f.Poison, page[0].number) {
		return a.sandbox.internalError()
	}
	write := newProductWriter(base, inventory, f)
	const usual = 1200 // bytes of an item
	body := append(make([]byte, 0, usual*(1+len(page))), `{"collection":[`...)
	for i, m := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = write.append(body, m, false)
	}
	body = append(body, `],"metaData":`...)
	body = append(body, encode(map[string]any{"create": map[string]any{"description": "Create a new product", "href": base + "/products", "httpMethod": "post"}})...)
	body = append(body, `,"pagination":`...)
	body = append(body, encode(p.pagination(base, "/products", matches, all))...)
	body = append(body, `,"self":`...)
	body = append(body, encode(p.link(base, "/products", p.skip))...)
	return rawAnswer(200, append(body, '}'))
}

func (a *agreement) oneProduct(segment, base string, f *Faults) answer {
	number, err := unescapeNumber(segment)
	if err != nil {
		a.violate("/products/%s: %v", segment, err)
		return a.sandbox.notFound()
	}
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.products[number]
	if p == nil {
		return a.sandbox.notFound()
	}
	st, ok := p.shown(now)
	if !ok {
		return a.sandbox.notFound()
	}
	if slices.Contains(f.Poison, number) {
		return a.sandbox.internalError()
	}
	return rawAnswer(200, newProductWriter(base, a.inventory, f).append(nil, shownProduct{number, *st}, true))
}

func renderGroup(base string, g int, inventoryEnabled bool) map[string]any {
	self := fmt.Sprintf("%s/product-groups/%d", base, g)
	return map[string]any{"productGroupNumber": g, "name": "Varer m/moms", "inventoryEnabled": inventoryEnabled,
		"salesAccounts": self + "/sales-accounts", "products": self + "/products", "self": self}
}

func (a *agreement) groups(r *http.Request, base string) answer {
	p, bad := a.page(r)
	if bad != nil {
		return *bad
	}
	a.mu.Lock()
	inventory := a.inventory
	a.mu.Unlock()
	var items []any
	for g := 1; g <= 2; g++ {
		items = append(items, renderGroup(base, g, inventory && g == 1))
	}
	from, to := p.bounds(len(items))
	return jsonAnswer(200, map[string]any{"collection": items[from:to], "pagination": p.pagination(base, "/product-groups", len(items), len(items)),
		"self": p.link(base, "/product-groups", p.skip)})
}
