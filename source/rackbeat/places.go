package rackbeat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
)

// CheckChoice returns an error that says why a shop cannot sell by the sum of these places, nil if
// it can. all are the places of the warehouse.
func CheckChoice(all []rackbeat.Place, choice []string, figure plan.Figure) error {
	return placesOf(all).check(choice, figure)
}

// places are the places of a warehouse by their numbers. None is inside itself.
type places map[string]rackbeat.Place

func placesOf(all []rackbeat.Place) places {
	in := make(places, len(all))
	for _, place := range all {
		in[place.Number] = place
	}
	return in
}

func (in places) check(choice []string, figure plan.Figure) error {
	if figure == plan.FigureAvailable {
		return errors.New("what is available is not known by place: sell by what is in stock there (in_stock), or choose no places")
	}
	for i, number := range choice {
		if _, exists := in[number]; !exists {
			return fmt.Errorf("place %q: the warehouse has no place of this number", number)
		}
		if slices.Contains(choice[:i], number) {
			return fmt.Errorf("place %q is chosen twice", number)
		}
		for _, other := range choice {
			if in.within(number, other) {
				return fmt.Errorf("place %q is inside place %q, which is chosen too: what is in it would count twice", number, other)
			}
		}
	}
	return nil
}

// within reports whether a place is inside another.
func (in places) within(number, other string) bool {
	for around := in[number].Parent; around != ""; around = in[around].Parent {
		if around == other {
			return true
		}
	}
	return false
}

// placesFresh is how long the places of a warehouse are believed to be the same. Every listing
// of a shop that chose places reads them again.
const placesFresh = 10 * time.Minute

// prepare reads the places of the warehouse if the shop has chosen some, and checks the choice:
// places may have been moved since.
func (s *stock) prepare(ctx context.Context, p source.Priority, anew bool) error {
	if s.chosen == nil {
		return nil
	}
	in := s.known.freshPlaces(s.account.Now())
	if anew || in == nil {
		all, err := s.account.Places(ctx, p)
		if err != nil {
			return failed(err)
		}
		in = placesOf(all)
		s.known.setPlaces(in, s.account.Now())
	}
	if err := in.check(s.chosen.places, s.figure); err != nil {
		return &source.Error{Class: plan.ClassChoice, Err: fmt.Errorf("stock by place: %w", err)}
	}
	return nil
}

// placed is what is in the places of an item.
type placed struct {
	own     *decimal.Decimal // of the whole item, as the same answer has it if it does
	in      []rackbeat.PlaceStock
	unsound error     // a field of it is unreadable
	began   time.Time // of the read

	report bool // it is from the report of stock by place

	unlisted   bool // the report does not show the item
	incomplete bool // nor perhaps others that it has
}

// showsInner reports whether a place that is inside another is listed.
func (item *placed) showsInner(tree places) bool {
	return slices.ContainsFunc(item.in, func(p rackbeat.PlaceStock) bool { return tree[p.Number].Parent != "" })
}

var (
	errUnknownPlace = errors.New("it is not in the list of places")
	errUnlisted     = errors.New("the report of stock by place does not show the item")
)

// sum returns what is in the chosen places, in all and in each:
//
//	the places that are listed for the item             a chosen place that is not listed holds
//	do not add up to the item's own figure              unknown, and so do the others
//	do, some inside it, and some with others in them    unknown: it should be listed
//	do, some inside it, but none with others in them    what those inside it hold
//	do, and those in the listed place around it too     nothing
//	do, and inner: such lists show places in others     nothing
//	do, otherwise                                       unknown
//
// Whether a place's figure includes those inside it is not documented. If it does, the outermost
// of the listed places add up; if it does not, they fall short, and the item is doubted. A report
// that leaves out items without stock shows nothing of an item whose own figure is zero.
func (c *chosen) sum(tree places, item *placed, inner bool) (*decimal.Decimal, []plan.PlaceStock, error) {
	listed, own, err := item.listed(tree)
	if err != nil {
		return nil, nil, err
	}
	found := shelves{tree: tree, listed: listed, within: map[string]decimal.Decimal{"": {}}, inner: inner}
	for number, holds := range listed {
		around := found.above(number)
		found.within[around] = found.within[around].Add(holds)
		found.nested = found.nested || around != ""
	}
	if !found.within[""].Equal(own) {
		return nil, nil, fmt.Errorf("stock by place: the places hold %s, the item %s", found.within[""], own)
	}
	var all decimal.Decimal
	each := make([]plan.PlaceStock, 0, len(c.places))
	for _, number := range c.places {
		holds, ok := found.hold(number)
		if !ok {
			return nil, nil, fmt.Errorf("stock by place: what is in place %q is not listed, and may be something", number)
		}
		all = all.Add(holds)
		each = append(each, plan.PlaceStock{Place: number, InStock: holds})
	}
	return &all, each, nil
}

// shelves are the places that are listed for an item, and what is in them. All of the outermost
// together hold all of it.
type shelves struct {
	tree   places
	listed map[string]decimal.Decimal
	within map[string]decimal.Decimal // what the outermost listed places inside a listed one hold; "": all
	nested bool                       // some are inside others
	inner  bool                       // such lists show places inside others
}

// above returns the innermost listed place around a place, "" if there is none.
func (s *shelves) above(number string) string {
	around := s.tree[number].Parent
	for ; around != ""; around = s.tree[around].Parent {
		if _, is := s.listed[around]; is {
			break
		}
	}
	return around
}

// hold returns what is in a place, if that is known.
func (s *shelves) hold(number string) (holds decimal.Decimal, ok bool) {
	if holds, ok = s.listed[number]; ok {
		return holds, true
	}
	some := false // are inside it
	for other, in := range s.listed {
		if s.tree.within(other, number) {
			some, holds = true, holds.Add(in)
		}
	}
	around := s.above(number)
	switch {
	case some:
		return holds, !s.nested
	case around == "":
		return holds, true
	}
	return holds, s.inner || s.within[around].Equal(s.listed[around])
}

// listed returns what is in each listed place, and in all of them by the item's own figure.
func (item *placed) listed(tree places) (listed map[string]decimal.Decimal, own decimal.Decimal, err error) {
	switch {
	case item.unsound != nil:
		return nil, own, item.unsound
	case item.unlisted && (item.incomplete || !item.own.IsZero()):
		return nil, own, errUnlisted
	}
	exactly := func(name string, from *decimal.Decimal) (decimal.Decimal, error) {
		d, err := source.Exact(from)
		if err == nil && !d.Valid {
			err = errors.New("expected a number, got nothing")
		}
		if err != nil {
			err = fmt.Errorf("stock by place: %s: %w", name, err)
		}
		return d.Decimal, err
	}
	if own, err = exactly("stock_quantity", item.own); err != nil {
		return nil, own, err
	}
	listed = make(map[string]decimal.Decimal, len(item.in))
	for _, place := range item.in {
		if _, exists := tree[place.Number]; !exists {
			return nil, own, fmt.Errorf("stock by place: place %q: %w", place.Number, errUnknownPlace)
		}
		if _, twice := listed[place.Number]; twice {
			return nil, own, fmt.Errorf("stock by place: place %q is listed twice", place.Number)
		}
		if listed[place.Number], err = exactly(fmt.Sprintf("place %q", place.Number), place.InStock); err != nil {
			return nil, own, err
		}
	}
	return listed, own, nil
}

// chosen are the places that a shop has chosen, and what a listing has read of the report of
// stock by place. That report is a listing of its own, beside that of the items: mostly its pages
// show the same items, but its order and what it leaves out are not documented. So with each page of
// items as many of its pages are read as it takes to show them all, at most each once.
type chosen struct {
	places []string

	mu         sync.Mutex
	served     int                // page of items that was listed last
	rows       map[string]*placed // by item number: read and not used yet; nil: no listing runs
	next       int                // page of the report to read next
	left       int                // its pages that have not been read; below 0: not known
	incomplete bool               // an entry of it was unreadable
}

// mostRows is how many items of the report wait for their page of items at most.
const mostRows = 250_000

// rowsOf returns what is in the places of the items of a page that have a figure. size is that of
// the pages of the report.
func (c *chosen) rowsOf(ctx context.Context, p source.Priority, account *rackbeat.Account, size, number int, read *rackbeat.Page[rackbeat.Item]) (map[string]*placed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil || number == 1 || number != c.served+1 {
		c.rows, c.served, c.left, c.incomplete = map[string]*placed{}, number-1, -1, false
		c.next = (number-1)*rackbeat.PageSize/size + 1 // where the same items are, if both have the same order
	}
	lacking := func(i rackbeat.Item) bool { return i.InStock != nil && !i.Deleted && c.rows[i.Number] == nil }
	for c.left != 0 && slices.ContainsFunc(read.Items, lacking) {
		if err := c.readReport(ctx, p, account, size); err != nil {
			return nil, err
		}
	}
	c.served = number
	found := make(map[string]*placed, len(read.Items))
	for i := range read.Items {
		item := &read.Items[i]
		row := c.rows[item.Number]
		if row == nil {
			row = &placed{own: item.InStock, unlisted: true, incomplete: c.incomplete, began: read.Began}
		}
		if row.own == nil {
			row.own = item.InStock
		}
		found[item.Number] = row
	}
	for number := range found {
		delete(c.rows, number)
	}
	if number >= read.Pages {
		c.rows = nil
	}
	return found, nil
}

// readReport reads the next page of the report, the first after the last.
func (c *chosen) readReport(ctx context.Context, p source.Priority, account *rackbeat.Account, size int) error {
	read, err := account.StockByPlace(ctx, p, c.next, size)
	if err != nil {
		return err
	}
	if c.left < 0 {
		c.left = read.Pages
	}
	if c.next > read.Pages { // it has fewer than the items
		c.next, c.left = 1, min(c.left, read.Pages)
		return nil
	}
	c.left--
	c.next = c.next%read.Pages + 1
	c.incomplete = c.incomplete || len(read.Bad) > 0
	for i := range read.Items {
		item := &read.Items[i]
		row := &placed{own: item.InStock, in: item.Places, began: read.Began, report: true}
		switch _, twice := c.rows[item.Number]; {
		case twice:
			row.unsound = fmt.Errorf("the report of stock by place shows item %q more than once", item.Number)
		case len(item.Unsound) > 0:
			row.unsound = fmt.Errorf("stock by place: %w", item.Unsound[0].Err)
		case len(c.rows) >= mostRows:
			return fmt.Errorf("the report of stock by place shows more than %d items that the listing of items does not", mostRows)
		}
		c.rows[item.Number] = row
	}
	return nil
}

// inner reports whether an answer like this one, or this one itself, has shown a place that is
// inside another.
func (k *known) inner(item *placed) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	shown := &k.innerAlone
	if item.report {
		shown = &k.innerInReport
	}
	*shown = *shown || item.showsInner(k.places)
	return *shown
}

func (k *known) tree() places {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.places
}

// freshPlaces returns the places, nil if they must be read again.
func (k *known) freshPlaces(now time.Time) places {
	k.mu.Lock()
	defer k.mu.Unlock()
	if age := now.Sub(k.placesAt); k.placesAt.IsZero() || age < 0 || age >= placesFresh {
		return nil
	}
	return k.places
}

func (k *known) setPlaces(in places, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.places, k.placesAt = in, now
}

// outdatePlaces has the places read again before they are needed.
func (k *known) outdatePlaces() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.placesAt = time.Time{}
}
