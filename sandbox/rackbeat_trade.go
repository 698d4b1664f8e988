package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

var (
	errKeptAtRackbeat = errors.New("this agreement's stock is kept at Rackbeat: trade there (/sandbox/agreements/N/rackbeat/…)")
	errNoPlace        = errors.New("no such place")
	errNoOrder        = errors.New("no such open order")
)

// salesOrder is a customer's order that has not been shipped.
type salesOrder struct {
	number  int64
	invoice booking // when it is shipped
}

// change changes an item's true state and fires an event's webhook. Only stock
// transactions are inventory.changed; event may be "".
func (c *account) change(kind, number, event string, how func(*itemState) error) error {
	c.mu.Lock()
	i := c.items[number]
	if i == nil || !i.truth().deleted.IsZero() {
		c.mu.Unlock()
		return fmt.Errorf("%s %q at Rackbeat: %w", kind, number, errNoProduct)
	}
	st := *i.truth()
	st.stock = maps.Clone(st.stock)
	if err := how(&st); err != nil {
		c.mu.Unlock()
		return fmt.Errorf("%s %q at Rackbeat: %w", kind, number, err)
	}
	f := c.faults()
	if event == productUpdated || !f.FrozenUpdated {
		st.updated = f.now().Truncate(time.Second)
	}
	c.put(i, st)
	c.stat.Trades++
	c.mu.Unlock()
	c.sandbox().events.add(Event{Agreement: c.agreement.number, Kind: "rackbeat " + kind, Number: number})
	if event != "" {
		c.fire(event, number)
	}
	return nil
}

// place returns the number of a place, that of the first for 0. c.mu is held.
func (c *account) place(number int64) (int64, error) {
	if number == 0 {
		return c.places[0].Number, nil
	}
	if !slices.ContainsFunc(c.places, func(p Place) bool { return p.Number == number }) {
		return 0, fmt.Errorf("%w: %d", errNoPlace, number)
	}
	return number, nil
}

// movement is a stock transaction. A place of 0 is the first.
type movement struct {
	Number   string `json:"number"`
	Quantity amount `json:"quantity"`
	Place    int64  `json:"place"`
	To       int64  `json:"to"` // of a transfer
}

// move changes an item's stock at a place.
func (c *account) move(kind string, m movement) error {
	return c.change(kind, m.Number, inventoryChanged, func(st *itemState) error {
		at, err := c.place(m.Place)
		st.stock[at] += m.Quantity
		return err
	})
}

// receive takes in goods that were perhaps ordered from a supplier.
func (c *account) receive(m movement) error {
	return c.change("receive", m.Number, inventoryChanged, func(st *itemState) error {
		at, err := c.place(m.Place)
		st.stock[at] += m.Quantity
		st.purchased = max(0, st.purchased-m.Quantity)
		return err
	})
}

func (c *account) transfer(m movement) error {
	return c.change("transfer", m.Number, inventoryChanged, func(st *itemState) error {
		from, err := c.place(m.Place)
		to, missing := c.place(m.To)
		st.stock[from] -= m.Quantity
		st.stock[to] += m.Quantity
		return errors.Join(err, missing)
	})
}

// purchase orders goods from a supplier.
func (c *account) purchase(m movement) error {
	return c.change("purchase", m.Number, "", func(st *itemState) error { st.purchased += m.Quantity; return nil })
}

// stocktaking sets what an item has: at one place, or in all by what lies at the first.
type stocktaking struct {
	Number    string  `json:"number"`
	InStock   *amount `json:"inStock"`
	Available *amount `json:"available"`
	Place     int64   `json:"place"`
}

func (c *account) adjust(q stocktaking) error {
	event := inventoryChanged
	if q.InStock == nil {
		event = "" // orders are no stock transactions
	}
	return c.change("adjust", q.Number, event, func(st *itemState) error {
		at, err := c.place(q.Place)
		switch {
		case q.InStock != nil && q.Place == 0:
			st.stock[at] += *q.InStock - st.total()
		case q.InStock != nil:
			st.stock[at] = *q.InStock
		}
		if q.Available != nil {
			st.ordered = st.total() - *q.Available
		}
		return err
	})
}

// enabling says whether an item's stock is kept.
type enabling struct {
	Number  string `json:"number"`
	Enabled bool   `json:"enabled"`
}

func (c *account) enable(q enabling) error {
	return c.change("enable", q.Number, productUpdated, func(st *itemState) error { st.enabled = q.Enabled; return nil })
}

func (c *account) bar(number string) error {
	return c.change("bar", number, productUpdated, func(st *itemState) error { st.barred = true; return nil })
}

// create adds an item, with its stock at the first place.
func (c *account) create(number, name string, inStock amount) {
	c.insert(number, itemState{name: name, enabled: true, stock: map[int64]amount{c.firstPlace(): inStock}})
	c.fire(productCreated, number)
}

func (c *account) firstPlace() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.places[0].Number
}

// insert adds an item, or revives a deleted one of that number.
func (c *account) insert(number string, st itemState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st.updated, st.deleted = c.faults().now().Truncate(time.Second), time.Time{}
	i := c.items[number]
	if i == nil {
		i = &item{number: number, kind: "product", created: st.updated}
		c.add(i)
	}
	c.put(i, st)
}

// remove deletes an item. No event of that is known.
func (c *account) remove(number string) (was itemState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.items[number]
	if i == nil || !i.truth().deleted.IsZero() {
		return itemState{enabled: true, stock: map[int64]amount{}}
	}
	was = *i.truth()
	st := was
	st.deleted = c.faults().now().Truncate(time.Second)
	c.put(i, st)
	return was
}

// order takes a customer's order and returns its number.
func (c *account) order(b booking) (int64, error) {
	if err := c.have(b.Lines); err != nil {
		return 0, fmt.Errorf("order: %w", err)
	}
	c.mu.Lock()
	c.ordered++
	o := &salesOrder{number: c.ordered, invoice: b}
	if b.OrderRef == "" {
		o.invoice.OrderRef = strconv.FormatInt(o.number, 10)
	}
	c.orders = append(c.orders, o)
	c.mu.Unlock()
	event := ""
	if c.faults().OrderChanges {
		event = inventoryChanged
	}
	for _, l := range b.Lines {
		if err := c.change("order", l.Number, event, func(st *itemState) error { st.ordered += l.Quantity; return nil }); err != nil {
			return o.number, err
		}
	}
	c.fire(orderCreated, strconv.FormatInt(o.number, 10))
	return o.number, nil
}

// have returns an error unless all lines' items exist.
func (c *account) have(lines []bookAt) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range lines {
		if i := c.items[l.Number]; i == nil || !i.truth().deleted.IsZero() {
			return fmt.Errorf("line %q: %w", l.Number, errNoProduct)
		}
	}
	return nil
}

// shipping is an order to be shipped; the oldest one for 0.
type shipping struct {
	Order int64 `json:"order"`
}

// ship ships an open order: its goods leave the first place, and Rackbeat has the invoice
// booked at e-conomic. It returns the number of the invoice.
func (c *account) ship(q shipping) (int64, error) {
	c.mu.Lock()
	at := slices.IndexFunc(c.orders, func(o *salesOrder) bool { return q.Order == 0 || o.number == q.Order })
	if at < 0 {
		c.mu.Unlock()
		return 0, fmt.Errorf("ship order %d: %w", q.Order, errNoOrder)
	}
	o := c.orders[at]
	c.orders = slices.Delete(c.orders, at, at+1)
	first := c.places[0].Number
	c.mu.Unlock()
	b := o.invoice
	b.Lines = slices.DeleteFunc(slices.Clone(b.Lines), func(l bookAt) bool {
		return c.change("ship", l.Number, inventoryChanged, func(st *itemState) error {
			st.stock[first] -= l.Quantity
			st.ordered -= l.Quantity
			return nil
		}) != nil // deleted meanwhile
	})
	return c.agreement.book(b)
}

// sell sells goods at once: an order, its shipment and its invoice, whose number it returns.
// A credit note takes them back.
func (c *account) sell(b booking) (int64, error) {
	if !b.CreditNote {
		n, err := c.order(b)
		if err != nil {
			return 0, err
		}
		return c.ship(shipping{Order: n})
	}
	if err := c.have(b.Lines); err != nil {
		return 0, fmt.Errorf("credit: %w", err)
	}
	for _, l := range b.Lines {
		if err := c.move("return", movement{Number: l.Number, Quantity: l.Quantity}); err != nil {
			return 0, err
		}
	}
	return c.agreement.book(b)
}

// randomTrade makes a random trade of a shop's day.
func (c *account) randomTrade() error {
	s := c.sandbox()
	number := c.anyItem()
	if number == "" {
		return errNoProduct
	}
	m := movement{Number: number, Quantity: amount(1+s.intn(5)) * 100}
	switch dice := s.intn(100); {
	case dice < 30:
		_, err := c.order(c.randomOrder())
		return err
	case dice < 55 && c.open() > 0:
		_, err := c.ship(shipping{})
		return err
	case dice < 75:
		_, err := c.sell(c.randomOrder())
		return err
	case dice < 78:
		b := c.randomOrder()
		b.CreditNote = true
		_, err := c.sell(b)
		return err
	case dice < 82:
		return c.purchase(m)
	case dice < 90:
		m.Quantity *= amount(1 + s.intn(20))
		return c.receive(m)
	case dice < 95:
		c.mu.Lock()
		m.To = c.places[s.intn(len(c.places))].Number
		c.mu.Unlock()
		return c.transfer(m)
	}
	stock := amount(s.intn(50_000))
	return c.adjust(stocktaking{Number: number, InStock: &stock})
}

func (c *account) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.orders)
}

func (c *account) randomOrder() booking {
	s := c.sandbox()
	b := booking{OrderRef: fmt.Sprint(10_000 + s.intn(90_000))}
	for range 1 + s.intn(3) {
		if n := c.anyItem(); n != "" {
			b.Lines = append(b.Lines, bookAt{Number: n, Quantity: amount(1+s.intn(4)) * 100, Price: amount(1000 + s.intn(100_000))})
		}
	}
	return b
}

// anyItem returns a random item that can be sold.
func (c *account) anyItem() string {
	for range 100 {
		c.mu.Lock()
		if len(c.byNumber) == 0 {
			c.mu.Unlock()
			return ""
		}
		i := c.byNumber[c.sandbox().intn(len(c.byNumber))]
		st := i.truth()
		c.mu.Unlock()
		if st.enabled && !st.barred && st.deleted.IsZero() {
			return i.number
		}
	}
	return ""
}
