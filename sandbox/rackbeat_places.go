package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

// placeIDs are added to a place's number to give its id, where places have one.
const placeIDs = 9000

// place renders a warehouse location. c.mu is held.
func (q request) place(p Place) object {
	of := func(number int64) any {
		switch {
		case number == 0:
			return nil
		case q.f.PlaceIDs:
			return number + placeIDs
		}
		return placeNumber(number)
	}
	top, level := q.account.topOf(p)
	o := object{{"number", placeNumber(p.Number)}, {"name", p.Name}, {"barcode", nil}, {"is_default", p.Number == q.account.places[0].Number},
		{"parent_id", of(p.Parent)}, {"children_count", q.account.childrenOf(p.Number)}, {"toplevel_parent_id", of(top)}, {"nesting_level", level},
		{"created_at", moment(q.account.opened)}, {"updated_at", moment(q.account.opened)}, {"self", fmt.Sprintf("%slocations/%d", q.base, p.Number)}}
	if q.f.PlaceIDs {
		o = append(object{{"id", p.Number + placeIDs}}, o...)
	}
	return o
}

// topOf returns the number of the outermost place around p, 0 if p is not in another, and
// how deep p lies. c.mu is held.
func (c *account) topOf(p Place) (top int64, level int) {
	for p.Parent != 0 {
		level++
		top = p.Parent
		p = c.places[slices.IndexFunc(c.places, func(o Place) bool { return o.Number == top })]
	}
	return top, level
}

func (c *account) childrenOf(number int64) (n int) {
	for _, p := range c.places {
		if p.Parent == number {
			n++
		}
	}
	return n
}

// listPlaces answers a page of the account's places.
func (c *account) listPlaces(q request) answer {
	p, bad := q.page([]string{"number"})
	if bad != nil {
		return *bad
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	places := slices.Clone(c.places)
	if p.order != "" {
		slices.SortFunc(places, func(a, b Place) int { return cmp.Compare(a.Number, b.Number) })
	}
	if p.descending {
		slices.Reverse(places)
	}
	page := c.rows(p, len(places), q.f)
	list := make([]object, 0, page.to-page.from)
	for _, place := range places[page.from:page.to] {
		list = append(list, q.place(place).only(p.fields))
	}
	return q.list(p, "locations", list, len(c.places))
}

// placeNamed returns the place that a path names. c.mu is held.
func (c *account) placeNamed(text string) (Place, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	i := slices.IndexFunc(c.places, func(p Place) bool { return p.Number == n })
	if err != nil || i < 0 {
		return Place{}, false
	}
	return c.places[i], true
}

func (c *account) onePlace(q request) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.placeNamed(q.path[1])
	if !ok {
		return q.notFound()
	}
	return q.answer(http.StatusOK, object{{"location", q.place(p)}})
}

// stockOf answers an item's figures of one place. Orders lie on the first place.
func (c *account) stockOf(q request) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.placeNamed(q.path[1])
	i, found := c.find(q.path[3], q.f)
	if !ok || !found {
		return q.notFound()
	}
	st := itemState{enabled: i.st.enabled, stock: map[int64]amount{p.Number: c.stockAt(i.st, p.Number, q.f)}}
	if p.Number == c.places[0].Number {
		st.ordered, st.purchased = i.st.ordered, i.st.purchased
	}
	return q.answer(http.StatusOK, q.figures(&st, false))
}

// placesOf answers an item's stock at each place.
func (c *account) placesOf(q request) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.find(q.path[1], q.f)
	kind := collections[q.path[0]]
	if !ok || kind != "item" && i.kind != kind {
		return q.notFound()
	}
	return q.answer(http.StatusOK, object{{"product_locations", q.stockByPlace(i, !q.f.OccupiedPlaces)}})
}

// stockByPlace renders an item's stock at each place: of all places, or of those that hold
// some. The account's mu is held.
func (q request) stockByPlace(i shownItem, all bool) []object {
	c := q.account
	uneven := slices.Contains(q.f.UnevenPlaces, "*") || slices.Contains(q.f.UnevenPlaces, i.number)
	list := make([]object, 0, len(c.places))
	for n, p := range c.places {
		stock := c.stockAt(i.st, p.Number, q.f)
		if uneven && n == 0 {
			stock += 100
		}
		if q.f.ZeroStock || !i.st.enabled {
			stock = 0
		}
		if all || stock != 0 {
			list = append(list, object{{"number", placeNumber(p.Number)}, {"name", p.Name}, {"stock_quantity", figure(stock)}})
		}
	}
	return list
}

// checking answers a page of the report of stock by place. Without show_all_locations it
// has the places that hold some, and without locations in fields none.
func (c *account) checking(q request) answer {
	p, bad := q.page([]string{"id", "number", "name"}, "show_all_locations")
	if bad != nil {
		return *bad
	}
	switch {
	case q.f.CheckingOrder == "refused" && p.order != "":
		return q.invalid("order_by", "The report cannot be ordered.")
	case q.f.CheckingOrder == "ignored":
		p.order, p.descending = "", false
	case q.f.CheckingOrder == "backwards":
		p.order, p.descending = "number", true
	}
	c.shift(p)
	all := q.query.Get("show_all_locations")
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := c.sorted(p, "item", q.f)
	page := c.rows(p, len(rows), q.f)
	list := make([]object, 0, page.to-page.from)
	for _, i := range rows[page.from:page.to] {
		list = append(list, q.checked(i, all == "true" || all == "1", p.fields))
	}
	pages := p.pages(len(rows), q.f)
	body := object{{"items", list}, {"pages", pages}}
	if q.f.CheckingTotal {
		body = append(body, object{{"total", len(rows)}, {"limit", p.limit}, {"page", p.number}}...)
	}
	return q.answer(q.partial(pages), body)
}

// checked renders a row of the report.
func (q request) checked(i shownItem, all bool, fields []string) object {
	o := object{{"number", itemNumber(i.number)}, {"name", i.st.name}, {"type", i.kind}, {"barcode", orNull(i.st.barcode)}}
	for _, m := range q.figures(i.st, slices.Contains(q.f.Poison, i.number)) {
		if m.name == "stock_quantity" || m.name == "available_quantity" && q.f.CheckingFigure {
			o = append(o, m)
		}
	}
	if slices.Contains(fields, "locations") {
		o = append(o, member{"locations", q.stockByPlace(i, all)})
	}
	return o.only(fields)
}
