package sandbox

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// item is a product or a lot (a bill of materials) with its earlier versions, since reads
// may lag behind.
type item struct {
	id       int64
	number   string
	kind     string // product, lot
	created  time.Time
	versions []itemVersion // oldest first; the last is the truth
}

type itemVersion struct {
	readable time.Time // from then on the API shows it
	state    itemState
}

// itemState is never modified once it is in a version.
type itemState struct {
	name, barcode string
	barred        bool
	enabled       bool             // its stock is kept
	stock         map[int64]amount // by place, without the places in it
	ordered       amount           // by customers
	purchased     amount           // from suppliers
	updated       time.Time
	deleted       time.Time // zero: it is not
}

func (i *item) truth() *itemState { return &i.versions[len(i.versions)-1].state }

// shown returns the state that the API shows at a time, nil if there is none yet.
func (i *item) shown(now time.Time) *itemState {
	for n := len(i.versions) - 1; n >= 0; n-- {
		if v := &i.versions[n]; !v.readable.After(now) {
			return &v.state
		}
	}
	return nil
}

func (st *itemState) total() (sum amount) {
	for _, a := range st.stock {
		sum += a
	}
	return sum
}

// friendlyNumber returns an item's urlfriendly_number: what it is for other characters than
// a slash is not known.
func friendlyNumber(number string) string { return strings.ReplaceAll(number, "/", "_") }

func collateItems(a, b *item) int { return collateNumbers(a.number, b.number) }

// add adds an item. c.mu is held.
func (c *account) add(i *item) {
	c.index(i)
	at, _ := slices.BinarySearchFunc(c.byNumber, i, collateItems)
	c.byNumber = slices.Insert(c.byNumber, at, i)
}

// index gives an item its id, and makes it one that find finds. c.mu is held, or c is new.
func (c *account) index(i *item) {
	i.id = int64(len(c.byID) + 1)
	c.items[i.number] = i
	if f := friendlyNumber(i.number); f != i.number {
		c.friendly[f] = i
	}
	c.byID = append(c.byID, i)
}

// put sets an item's true state. The API shows it after the read lag. c.mu is held.
func (c *account) put(i *item, st itemState) {
	now := time.Now() // visibility does not depend on ClockSkew
	i.versions = append(i.versions, itemVersion{readable: now.Add(time.Duration(c.faults().ReadLag)), state: st})
	for len(i.versions) > 1 && !i.versions[1].readable.After(now) {
		i.versions = i.versions[1:]
	}
}

// stockAt returns an item's stock at a place, together with that of the places in it unless
// a fault leaves them out. c.mu is held.
func (c *account) stockAt(st *itemState, place int64, f *RackbeatFaults) amount {
	sum := st.stock[place]
	if f.OwnPlaces {
		return sum
	}
	for _, p := range c.places {
		if p.Parent == place {
			sum += c.stockAt(st, p.Number, f)
		}
	}
	return sum
}

// shownItem is an item as the API currently shows it.
type shownItem struct {
	*item
	st *itemState
}

// visible returns the items that a list shows. c.mu is held.
func (c *account) visible(order []*item, kind string, f *RackbeatFaults) []shownItem {
	now := time.Now()
	list := make([]shownItem, 0, len(order))
	for _, i := range order {
		st := i.shown(now)
		if st == nil || !st.deleted.IsZero() && f.Deleted != "listed" || kind != "item" && i.kind != kind {
			continue
		}
		list = append(list, shownItem{i, st})
	}
	return list[:len(list)-int(min(1, f.Truncate)*float64(len(list)))]
}

// itemOrders are the properties that lists of items can be ordered by. Without one they are
// ordered by id.
var itemOrders = map[string]func(a, b shownItem) int{
	"id":     func(a, b shownItem) int { return cmp.Compare(a.id, b.id) },
	"number": func(a, b shownItem) int { return collateNumbers(a.number, b.number) },
	"name": func(a, b shownItem) int {
		return strings.Compare(strings.ToLower(a.st.name), strings.ToLower(b.st.name))
	},
	"created_at":     func(a, b shownItem) int { return a.created.Compare(b.created) },
	"updated_at":     func(a, b shownItem) int { return a.st.updated.Compare(b.st.updated) },
	"stock_quantity": func(a, b shownItem) int { return cmp.Compare(a.st.total(), b.st.total()) },
}

// listItems answers a page of items, products or lots.
func (c *account) listItems(q request) answer {
	p, bad := q.page(slices.Collect(maps.Keys(itemOrders)), "updated_at_from", "updated_at_to")
	if bad != nil {
		return *bad
	}
	match, bad := q.updatedBetween()
	if bad != nil {
		return *bad
	}
	c.shift(p)
	name := q.path[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := slices.DeleteFunc(c.sorted(p, collections[name], q.f), func(i shownItem) bool { return !match(i.st.updated) })
	page := c.rows(p, len(rows), q.f)
	list := make([]object, 0, page.to-page.from)
	for _, i := range rows[page.from:page.to] {
		list = append(list, q.item(i, true).only(p.fields))
	}
	return q.list(p, name, list, len(rows))
}

// sorted returns the items that a list shows in the order that was asked for. c.mu is held.
func (c *account) sorted(p listPage, kind string, f *RackbeatFaults) []shownItem {
	order := c.byID
	if p.order == "number" {
		order = c.byNumber
	}
	rows := c.visible(order, kind, f)
	if p.order != "" && p.order != "number" {
		slices.SortStableFunc(rows, itemOrders[p.order])
	}
	if p.descending {
		slices.Reverse(rows)
	}
	return rows
}

// updatedBetween returns the condition of updated_at_from and updated_at_to. Whether items
// take them is not known.
func (q request) updatedBetween() (func(time.Time) bool, *answer) {
	from, to := time.Time{}, time.Unix(1<<40, 0)
	for name, into := range map[string]*time.Time{"updated_at_from": &from, "updated_at_to": &to} {
		text := q.query.Get(name)
		if text == "" {
			continue
		}
		t, err := time.Parse(time.DateTime, text)
		if err != nil || !q.f.Filters {
			return nil, q.refuse(name, "The "+name+" field is invalid.")
		}
		*into = t
	}
	return func(t time.Time) bool { return !t.Before(from) && !t.After(to) }, nil
}

// item renders an item.
func (q request) item(i shownItem, inList bool) object {
	st := i.st
	self := q.base + i.kind + "s/" + url.PathEscape(friendlyNumber(i.number))
	o := object{
		{"id", i.id}, {"number", itemNumber(i.number)}, {"urlfriendly_number", itemNumber(friendlyNumber(i.number))},
		{"type", i.kind}, {"name", st.name}, {"barcode", orNull(st.barcode)},
	}
	o = append(o, q.figures(st, inList && slices.Contains(q.f.Poison, i.number))...)
	return append(o, object{
		{"is_barred", st.barred}, {"inventory_enabled", st.enabled}, {"default_location_id", placeNumber(q.account.places[0].Number)},
		{"variation_id", nil}, {"created_at", moment(i.created)}, {"updated_at", moment(st.updated)}, {"deleted_at", moment(st.deleted)}, {"self", self},
	}...)
}

// figures renders an item's figures; a poisoned one's stock is no number.
func (q request) figures(st *itemState, poisoned bool) object {
	stock, ordered, purchased := st.total(), st.ordered, st.purchased
	if q.f.ZeroStock || !st.enabled {
		stock, ordered, purchased = 0, 0, 0
	}
	o := object{
		{"stock_quantity", figure(stock)}, {"in_order_quantity", figure(ordered)}, {"available_quantity", figure(stock - ordered)},
		{"purchased_quantity", figure(purchased)}, {"used_in_production_quantity", figure(0)},
	}
	switch q.f.Figures {
	case "absent":
		return nil
	case "null":
		for i := range o {
			o[i].value = nil
		}
	}
	if poisoned {
		o[0].value = "x"
	}
	return o
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// find returns the item that a path names, by its number or its urlfriendly_number, as the
// API shows it. c.mu is held.
func (c *account) find(name string, f *RackbeatFaults) (shownItem, bool) {
	i := c.items[name]
	if i == nil {
		i = c.friendly[name]
	}
	if i == nil {
		return shownItem{}, false
	}
	st := i.shown(time.Now())
	if st == nil || !st.deleted.IsZero() && (f.Deleted == "" || f.Deleted == "gone") {
		return shownItem{}, false
	}
	return shownItem{i, st}, true
}

// oneItem answers an item, a product or a lot.
func (c *account) oneItem(q request) answer {
	names, bad := q.known("fields")
	if bad != nil {
		return *bad
	}
	other := c.strikes(q.f.OtherItem, "otherItem")
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.find(q.path[1], q.f)
	kind := collections[q.path[0]]
	switch {
	case !ok || kind != "item" && i.kind != kind:
		return q.notFound()
	case slices.Contains(q.f.Poison, i.number):
		return q.problem(http.StatusInternalServerError, "Server Error")
	}
	if list := c.visible(c.byID, kind, q.f); other && len(list) > 1 {
		at := slices.IndexFunc(list, func(o shownItem) bool { return o.item == i.item })
		i = list[(at+1)%len(list)]
	}
	return q.answer(http.StatusOK, object{{kind, q.item(i, false).only(names)}})
}
