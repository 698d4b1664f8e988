package rackbeat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/rackbeat"
	"lagerd/source"
)

// stock is an account's stock. It is a source.Stock.
type stock struct {
	account *rackbeat.Account
	known   *known
	figure  plan.Figure // required; "": none
	chosen  *chosen     // nil: the shop has chosen no places
}

// Can returns Rackbeat's capabilities.
func (s *stock) Can() source.Capabilities {
	return source.Capabilities{Name: "Rackbeat", Figures: figures, Places: true}
}

// figures maps the figures that a shop can sell by to their names in Rackbeat's answer.
var figures = map[plan.Figure]string{plan.FigureInStock: "stock_quantity", plan.FigureAvailable: "available_quantity"}

// Together returns 0: Rackbeat's listing cannot be filtered by numbers.
func (s *stock) Together([]string) int { return 0 }

// Cursor returns was: Rackbeat has no change query that is known to show changed stock.
func (s *stock) Cursor(was time.Time, _ source.Times, _ time.Duration) time.Time { return was }

// Item reads one item, and what is in the places if the shop has chosen some.
func (s *stock) Item(ctx context.Context, p source.Priority, number string) (plan.Observation, error) {
	if err := s.prepare(ctx, p, false); err != nil {
		return plan.Observation{}, err
	}
	friendly := s.known.friendlyOf(number)
	if rackbeat.NeedsFriendly(number) && friendly == "" {
		return s.find(ctx, p, number, nil)
	}
	read, err := s.account.Item(ctx, p, number, friendly)
	if rackbeat.KindOf(err) == rackbeat.KindNotFound {
		s.known.forget(number) // it may get another
		return absent(number, read.Began), nil
	}
	if _, other := errors.AsType[*rackbeat.OtherItemError](err); other {
		s.known.forget(number) // it may be that item's by now
		return s.find(ctx, p, number, err)
	}
	if err != nil {
		return plan.Observation{}, failed(err)
	}
	return s.alone(ctx, p, &read.Value, read.Began)
}

// alone returns a read of an item as an observation.
func (s *stock) alone(ctx context.Context, p source.Priority, item *rackbeat.Item, began time.Time) (plan.Observation, error) {
	if s.chosen == nil || item.InStock == nil {
		observation, err := s.observation(item, began, nil)
		return observation, failed(err)
	}
	s.known.learn([]rackbeat.Item{*item}, s.account.Now())
	in, err := s.account.ItemPlaces(ctx, p, item.Number, s.known.friendlyOf(item.Number))
	if err != nil {
		return plan.Observation{}, failed(err)
	}
	placed := s.known.placed(in.Value, false)
	row := s.chosen.rowOf(s.known.tree(), placed)
	row.own = item.InStock
	observation, err := s.observation(item, began, &row)
	return observation, failed(err)
}

func absent(number string, began time.Time) plan.Observation {
	return plan.Observation{Item: plan.Item{Number: number}, Began: began}
}

// Items reads one page of all items. If the shop has chosen places, it reads as much of the report of
// stock by place as the page takes after it, one page in each call.
func (s *stock) Items(ctx context.Context, p source.Priority, q source.ItemsQuery, link source.Link) (source.Page[plan.Observation], error) {
	if len(q.Numbers) > 0 || !q.Since.IsZero() {
		return source.Page[plan.Observation]{}, failed(errors.New("list some items: Rackbeat lists all of them"))
	}
	number, goesOn, err := pageOf(link)
	if err != nil {
		return source.Page[plan.Observation]{}, failed(err)
	}
	if err := s.prepare(ctx, p, number == 1 && !goesOn); err != nil {
		return source.Page[plan.Observation]{}, err
	}
	if s.chosen != nil {
		return s.itemsByPlace(ctx, p, number, goesOn)
	}
	read, err := s.list(ctx, p, number)
	if err != nil {
		return source.Page[plan.Observation]{}, failed(err)
	}
	return s.page(&read, number, nil), nil
}

// goOn marks a link that goes on with a page, of which a part has been read.
const goOn = "+"

// pageOf returns the number of the page that a link leads to, counted from 1, and whether it goes on
// with that page.
func pageOf(link source.Link) (number int, goesOn bool, err error) {
	if link == "" {
		return 1, false, nil
	}
	text, goesOn := strings.CutSuffix(string(link), goOn)
	number, err = strconv.Atoi(text)
	if err != nil || number < 1 {
		return 0, false, fmt.Errorf("page %q: expected its number", plan.Clip(string(link), 40))
	}
	return number, goesOn, nil
}

// list reads a page of items, ordered by number if Rackbeat orders them by that, and keeps what it
// shows of the URL-friendly numbers.
func (s *stock) list(ctx context.Context, p source.Priority, number int) (rackbeat.Page[rackbeat.Item], error) {
	q := rackbeat.ItemsQuery{Page: number, Unordered: s.known.isUnordered()}
	read, err := s.account.Items(ctx, p, q)
	if e, ok := errors.AsType[*rackbeat.Error](err); ok && e.Status == http.StatusUnprocessableEntity && !q.Unordered {
		q.Unordered = true
		if read, err = s.account.Items(ctx, p, q); err == nil {
			s.known.setUnordered()
		}
	}
	if err == nil {
		s.known.learn(read.Items, s.account.Now())
	}
	return read, err
}

// page returns a page of items as observations; rows is what the report shows of them.
//
//	item                               becomes
//	once on the page                   an observation, or unreadable
//	once, deleted_at is set            an observation that it does not exist
//	twice or more, whatever they say   unreadable, each of them: which one is meant?
//
// Numbers are unique (Rackbeat's documentation), and a page is of one moment. On different
// pages the later one counts: rows shift onto later pages as others are added before them.
func (s *stock) page(read *rackbeat.Page[rackbeat.Item], number int, rows map[string]*row) source.Page[plan.Observation] {
	page := source.Page[plan.Observation]{Announced: read.Total, Began: read.Began, ServerDate: read.ServerDate,
		Observed: make([]plan.Observation, 0, len(read.Items))}
	for _, bad := range read.Bad {
		page.Unreadable = append(page.Unreadable, plan.Unreadable{Number: bad.Number, Err: bad.Err})
	}
	times := make(map[string]int, len(read.Items))
	for i := range read.Items {
		times[read.Items[i].Number]++
	}
	for i := range read.Items {
		item := &read.Items[i]
		if n := times[item.Number]; n > 1 {
			err := fmt.Errorf("number: expected each item once on a page, got %q %d times", item.Number, n)
			page.Unreadable = append(page.Unreadable, plan.Unreadable{Number: item.Number, Err: err})
			continue
		}
		observation, err := s.listed(item, read.Began, rows)
		if err != nil {
			page.Unreadable = append(page.Unreadable, plan.Unreadable{Number: item.Number, Err: err})
			continue
		}
		page.Observed = append(page.Observed, observation)
	}
	if number < read.Pages {
		page.Next = source.Link(strconv.Itoa(number + 1))
	}
	return page
}

// listed returns an item of a page as an observation.
func (s *stock) listed(item *rackbeat.Item, began time.Time, rows map[string]*row) (plan.Observation, error) {
	switch {
	case item.Deleted:
		return absent(item.Number, began), nil
	case s.chosen == nil || item.InStock == nil:
		return s.observation(item, began, nil)
	}
	in := rows[item.Number]
	if in.began.Before(began) {
		began = in.began // it is no newer than its older half
	}
	return s.observation(item, began, in)
}

// observation returns an item as an observation, or an error if a required field is unreadable:
// the figure that the shop sells by. in is what is in its places; nil: that does not count.
func (s *stock) observation(i *rackbeat.Item, began time.Time, in *row) (plan.Observation, error) {
	obs := plan.Observation{Found: true, Began: began, Item: plan.Item{
		Number: i.Number, Name: plan.Clip(i.Name, source.LongestName), BarCode: plan.Clip(i.Barcode, source.LongestCode),
		Barred: i.Barred, InventoryEnabled: i.InventoryEnabled != nil && *i.InventoryEnabled,
	}}
	if i.UpdatedAt.Zoned { // else it would be told hours off
		obs.Item.UpdatedAt = i.UpdatedAt.At
	}
	var doubts source.Doubts
	for _, u := range i.Unsound {
		doubts.Add(fields[u.Field], u.Err)
	}
	exactly := func(field plan.Fields, name string, from *decimal.Decimal) decimal.NullDecimal {
		d, err := source.Exact(from)
		if err != nil {
			doubts.Add(field, fmt.Errorf("%s: %w", name, err))
		}
		return d
	}
	obs.Item.Figures.InStock = exactly(plan.FieldInStock, figures[plan.FigureInStock], i.InStock)
	if s.chosen == nil { // the others are not known by place
		obs.Item.Figures.Available = exactly(plan.FieldAvailable, figures[plan.FigureAvailable], i.Available)
		obs.Item.Figures.OrderedByCustomers = exactly(plan.FieldOrderedByCustomers, "in_order_quantity", i.InOrder)
		obs.Item.Figures.OrderedFromSuppliers = exactly(plan.FieldOrderedFromSuppliers, "purchased_quantity", i.Purchased)
	}
	if in != nil {
		sum, each, err := s.chosen.sum(in)
		if err != nil {
			doubts.Add(plan.FieldInStock, err)
		}
		if errors.Is(err, errUnknownPlace) {
			s.known.outdatePlaces()
		}
		obs.Item.Figures.InStock, obs.Places = exactly(plan.FieldInStock, "the sum of the places", sum), each
	}
	if s.figure != "" && doubts.Fields().Has(plan.FieldOf(s.figure)) {
		return obs, doubts.Of(plan.FieldOf(s.figure))
	}
	obs.Unknown, obs.Warning = doubts.Fields(), doubts.Text()
	return obs, nil
}

// fields maps the fields of Rackbeat's answer to those of an item. Others are not stored. While it
// is not known whether Rackbeat keeps an item's stock, its figures cannot be believed.
var fields = map[string]plan.Fields{
	"name": plan.FieldName, "barcode": plan.FieldBarCode, "is_barred": plan.FieldBarred, "updated_at": plan.FieldUpdatedAt,
	"inventory_enabled": plan.FieldInventoryEnabled | plan.FieldsOfInventory,
	"stock_quantity":    plan.FieldInStock, "available_quantity": plan.FieldAvailable,
	"in_order_quantity": plan.FieldOrderedByCustomers, "purchased_quantity": plan.FieldOrderedFromSuppliers,
}
