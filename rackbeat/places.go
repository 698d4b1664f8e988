package rackbeat

import (
	"fmt"
	"strconv"

	"github.com/shopspring/decimal"

	"lagerd/rest"
)

const (
	// mostPlaces is how many places a warehouse has at most.
	mostPlaces = 20_000
	// mostStocks is how many figures by place a page of the report has at most.
	mostStocks = 100_000
)

// rawPlace is a place as sent.
type rawPlace struct {
	number, name, id, parent string // id and parent: "" if absent
	inside                   []rawPlace
}

// placesRead counts the places of an answer.
type placesRead struct{ n int }

// place reads a place of a listing. Rackbeat lists all places, or those at the top with the others
// inside them, as the older description of its API has them (child_locations).
func (c *placesRead) place(r *rest.Reader) (rawPlace, error) {
	var number, name, id, parent, children rest.Value
	var inside []rawPlace
	var failed error
	child := func() {
		if !r.AtMost(mostPlaces, "child_locations", c.n) {
			return
		}
		c.n++
		p, err := c.place(r)
		if err != nil && failed == nil {
			failed = rest.Under(fmt.Sprintf(".child_locations[%d]", len(inside)), err)
		}
		inside = append(inside, p)
	}
	kind := r.Object(func(member []byte) {
		switch string(member) {
		case "number":
			number = r.Value()
		case "name":
			name = r.Value()
		case "id":
			id = r.Value()
		case "parent_id":
			parent = r.Value()
		case "child_locations":
			inside, failed = nil, nil
			children = r.List(child)
		}
	})
	if err := rest.IsObject(kind); err != nil {
		return rawPlace{}, err
	}
	var f rest.Fields
	p := rawPlace{number: numberOf(&f, "number", number), name: f.Text("name", name), inside: inside}
	if !rest.Absent(id) {
		p.id = numberOf(&f, "id", id)
	}
	if !rest.Absent(parent) {
		p.parent = numberOf(&f, "parent_id", parent)
	}
	f.List("child_locations", children)
	if err := f.Err(); err != nil {
		return rawPlace{}, rest.Under(".", err)
	}
	return p, failed
}

// nest returns the places with their parents. parent_id names a place by its id, which not all
// clients show, or else by its number: places in Rackbeat's clients are known by that alone.
func nest(raw []rawPlace) ([]Place, error) {
	var places []Place
	var parents []string // parent_id by place, "" where the place is inside another in the answer
	byID, byNumber := map[string]string{}, map[string]int{}
	var add func(list []rawPlace, around string) error
	add = func(list []rawPlace, around string) error {
		for i := range list {
			p := &list[i]
			if _, twice := byNumber[p.number]; twice {
				return &rest.FieldError{Path: "locations", Want: "each place once", Got: strconv.Quote(p.number) + " twice"}
			}
			byNumber[p.number] = len(places)
			if p.id != "" {
				byID[p.id] = p.number
			}
			parent := p.parent
			if around != "" {
				parent = ""
			}
			places, parents = append(places, Place{Number: p.number, Name: p.name, Parent: around}), append(parents, parent)
			if err := add(p.inside, p.number); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(raw, ""); err != nil {
		return nil, err
	}
	for i, parent := range parents {
		if parent == "" {
			continue
		}
		number, known := byID[parent]
		if len(byID) == 0 {
			_, known = byNumber[parent]
			number = parent
		}
		switch {
		case known:
			places[i].Parent = number
		case parent != "0": // as PHP sends none
			return nil, &rest.FieldError{Path: "locations", Want: "the place " + strconv.Quote(parent) + " around " + strconv.Quote(places[i].Number), Got: "nothing"}
		}
	}
	if err := checkNesting(places, byNumber); err != nil {
		return nil, err
	}
	return places, nil
}

// checkNesting returns an error if a place is inside itself.
func checkNesting(places []Place, byNumber map[string]int) error {
	seen := make([]int, len(places)) // by which walk to the top, counted from 1
	for i := range places {
		for at := i; seen[at] == 0; {
			if seen[at] = i + 1; places[at].Parent == "" {
				break
			}
			next := byNumber[places[at].Parent]
			if seen[next] == i+1 {
				return &rest.FieldError{Path: "locations", Want: "places inside one another", Got: strconv.Quote(places[at].Number) + " inside itself"}
			}
			at = next
		}
	}
	return nil
}

// stock reads what is in one place, at path.
func (c *placesRead) stock(r *rest.Reader, f *rest.Fields, path string, named bool) (PlaceStock, bool) {
	var number, name, inStock rest.Value
	kind := r.Object(func(member []byte) {
		switch string(member) {
		case "number":
			number = r.Value()
		case "name":
			name = r.Value()
		case "stock_quantity":
			inStock = r.Value()
		}
	})
	if r.Failed() {
		return PlaceStock{}, false
	}
	var in rest.Fields
	in.Required("", "an object", kind)
	in.Object("", kind)
	p := PlaceStock{}
	if in.Err() == nil {
		p.Number = numberOf(&in, ".number", number)
		p.InStock = in.FigureOrTextIn(new(decimal.Decimal), ".stock_quantity", inStock)
		if named {
			p.Name = in.Text(".name", name)
		}
	}
	f.Add(path, in.Failed()...)
	return p, in.Err() == nil
}

// decodeItemPlaces reads the answer about the places of an item.
func decodeItemPlaces(got answer) ([]PlaceStock, error) {
	const key = "product_locations" // for lots too, as Rackbeat's client has it
	var list, pages rest.Value
	var places []PlaceStock
	var count placesRead
	var f rest.Fields
	err := rest.Decode(wholeAnswer, got.Content, func(r *rest.Reader) rest.Value {
		return r.Object(func(name []byte) {
			switch string(name) {
			case key:
				list = r.List(func() {
					if !r.AtMost(PageSize, key, count.n) {
						return
					}
					if p, ok := count.stock(r, &f, fmt.Sprintf("%s[%d]", key, count.n), true); ok {
						places = append(places, p)
					}
					count.n++
				})
			case "pages":
				pages = r.Value()
			}
		})
	})
	if err != nil {
		return nil, err
	}
	f.Required(key, "a list", list)
	f.List(key, list)
	if n := whole(&f, "pages", pages, 0); n > 1 {
		f.Fail("pages", "one", pages)
	}
	return places, f.Err()
}

// ReportSize returns how many items a page of the report of stock by place may have in a warehouse of
// so many places.
func ReportSize(places int) int { return min(max(mostStocks/max(places, 1), 1), PageSize) }

// stockByPlace reads an item of the report.
func (c *placesRead) stockByPlace(r *rest.Reader) (StockByPlace, error) {
	var number, inStock, locations rest.Value
	var list []PlaceStock
	var unread rest.Fields
	kind := r.Object(func(name []byte) {
		switch string(name) {
		case "number":
			number = r.Value()
		case "stock_quantity":
			inStock = r.Value()
		case "locations":
			list, unread = nil, rest.Fields{}
			index := 0
			locations = r.List(func() {
				if !r.AtMost(mostStocks, "locations", c.n) {
					return
				}
				c.n++
				if p, ok := c.stock(r, &unread, "locations["+strconv.Itoa(index)+"]", false); ok {
					list = append(list, p)
				}
				index++
			})
		}
	})
	if err := rest.IsObject(kind); err != nil {
		return StockByPlace{}, err
	}
	var f rest.Fields
	s := StockByPlace{Number: numberOf(&f, "number", number), Places: list}
	if err := f.Err(); err != nil {
		return StockByPlace{}, rest.Under(".", err)
	}
	s.InStock = f.FigureOrTextIn(new(decimal.Decimal), "stock_quantity", inStock)
	f.Required("locations", "a list", locations)
	f.List("locations", locations)
	f.Add("", unread.Failed()...)
	s.Unsound = f.Unsound()
	return s, nil
}
