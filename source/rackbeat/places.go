package rackbeat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// placed is what an answer shows to be in the places of an item.
type placed struct {
	in    []rackbeat.PlaceStock
	inner bool // such answers show places inside others
}

// showsInner reports whether a place that is inside another is listed.
func (item *placed) showsInner(tree places) bool {
	return slices.ContainsFunc(item.in, func(p rackbeat.PlaceStock) bool { return tree[p.Number].Parent != "" })
}

var (
	errUnknownPlace = errors.New("it is not in the list of places")
	errUnlisted     = errors.New("the report of stock by place does not show the item")
	errNotKept      = errors.New("the report of stock by place shows the items in another order than the listing, and more than could be kept until the listing shows them")
)

// row is what is in the places of an item, reduced to what a shop sells by: a report may have to be
// read whole before the listing shows its items.
type row struct {
	own     *decimal.Decimal // of the whole item, as the same answer has it if it does
	all     decimal.Decimal  // in the outermost of the listed places together
	each    string           // in each chosen place, in their order, with spaces between them
	unknown string           // a chosen place of which it is not known what is in it; "": none
	err     error            // nothing of this is known: a field is unreadable, or the row is missing

	began time.Time // of the read
}

// rowOf returns the row of an item.
func (c *chosen) rowOf(tree places, item *placed) row {
	listed, err := item.listed(tree)
	if err != nil {
		return row{err: err}
	}
	found := shelves{tree: tree, listed: listed, within: map[string]decimal.Decimal{"": {}}, inner: item.inner}
	for number, holds := range listed {
		around := found.above(number)
		found.within[around] = found.within[around].Add(holds)
		found.nested = found.nested || around != ""
	}
	r := row{all: found.within[""]}
	each := make([]string, 0, len(c.places))
	for _, number := range c.places {
		holds, ok := found.hold(number)
		if !ok {
			r.unknown = number
			return r
		}
		each = append(each, holds.String())
	}
	r.each = strings.Join(each, " ")
	return r
}

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
func (c *chosen) sum(r *row) (*decimal.Decimal, []plan.PlaceStock, error) {
	if r.err != nil {
		return nil, nil, r.err
	}
	own, err := exactly("stock_quantity", r.own)
	switch {
	case err != nil:
		return nil, nil, err
	case !r.all.Equal(own):
		return nil, nil, fmt.Errorf("stock by place: the places hold %s, the item %s", r.all, own)
	case r.unknown != "":
		return nil, nil, fmt.Errorf("stock by place: what is in place %q is not listed, and may be something", r.unknown)
	}
	var all decimal.Decimal
	each := make([]plan.PlaceStock, 0, len(c.places))
	for text := range strings.FieldsSeq(r.each) {
		holds, err := decimal.NewFromString(text)
		if err != nil {
			return nil, nil, fmt.Errorf("stock by place: %w", err)
		}
		all = all.Add(holds)
		each = append(each, plan.PlaceStock{Place: c.places[len(each)], InStock: holds})
	}
	return &all, each, nil
}

// exactly returns a figure that must be there.
func exactly(name string, from *decimal.Decimal) (decimal.Decimal, error) {
	d, err := source.Exact(from)
	if err == nil && !d.Valid {
		err = errors.New("expected a number, got nothing")
	}
	if err != nil {
		err = fmt.Errorf("stock by place: %s: %w", name, err)
	}
	return d.Decimal, err
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

// listed returns what is in each listed place.
func (item *placed) listed(tree places) (map[string]decimal.Decimal, error) {
	listed := make(map[string]decimal.Decimal, len(item.in))
	for _, place := range item.in {
		if _, exists := tree[place.Number]; !exists {
			return nil, fmt.Errorf("stock by place: place %q: %w", plan.Clip(place.Number, source.LongestNumber), errUnknownPlace)
		}
		if _, twice := listed[place.Number]; twice {
			return nil, fmt.Errorf("stock by place: place %q is listed twice", place.Number)
		}
		holds, err := exactly(fmt.Sprintf("place %q", place.Number), place.InStock)
		if err != nil {
			return nil, err
		}
		listed[place.Number] = holds
	}
	return listed, nil
}

// placed returns what an answer shows of an item. Answers like it, and itself, may have shown that
// places inside others are listed.
func (k *known) placed(in []rackbeat.PlaceStock, report bool) *placed {
	k.mu.Lock()
	defer k.mu.Unlock()
	item := &placed{in: in}
	shown := &k.innerAlone
	if report {
		shown = &k.innerInReport
	}
	*shown = *shown || item.showsInner(k.places)
	item.inner = *shown
	return item
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
