package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	errNoProduct = errors.New("no such product")
	errExists    = errors.New("the number already exists, or does not have 1 to 25 characters")
)

// Event types of the webhooks API. Only INVOICE_BOOKED is documented; the other is a
// guess, so clients read it from /EventTypes.
const (
	inventoryUpdated = "INVENTORY_UPDATED"
	invoiceBooked    = "INVOICE_BOOKED"
)

// change changes a product's true state and fires its webhook.
func (a *agreement) change(kind, number string, how func(*productState)) error {
	a.mu.Lock()
	p := a.products[number]
	if p == nil || p.truth().deleted {
		a.mu.Unlock()
		return fmt.Errorf("%s %q: %w", kind, number, errNoProduct)
	}
	before := p.truth()
	st := before
	how(&st)
	a.put(p, st)
	if a.faults().FrozenUpdated {
		p.versions[len(p.versions)-1].state.updated = before.updated
	}
	a.trades++
	a.mu.Unlock()
	a.sandbox.events.add(Event{Agreement: a.number, Kind: kind, Number: number})
	if st.stocked && (st.inStock != before.inStock || st.ordered != before.ordered) {
		a.fire(inventoryUpdated, number)
	}
	return nil
}

// move changes a product's stock by an amount.
func (a *agreement) move(kind, number string, by amount) error {
	if a.rackbeat.Load() != nil {
		return errKeptAtRackbeat
	}
	return a.change(kind, number, func(st *productState) { st.inStock += by })
}

// bar bars a product from being sold.
func (a *agreement) bar(number string) error {
	if err := a.change("bar", number, func(st *productState) { st.barred = true }); err != nil {
		return err
	}
	if c := a.rackbeat.Load(); c != nil {
		return c.bar(number)
	}
	return nil
}

// create adds a product. With a Rackbeat account the stock is there: products go from
// e-conomic to Rackbeat.
func (a *agreement) create(number, name string, inStock amount) error {
	c := a.rackbeat.Load()
	st := productState{name: name, stocked: true, inStock: inStock}
	if c != nil {
		st.inStock = 0
	}
	if err := a.insert(number, st); err != nil {
		return err
	}
	if c != nil {
		c.create(number, name, inStock)
	}
	return nil
}

// insert adds a product, or revives a deleted one of that number.
func (a *agreement) insert(number string, st productState) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if number == "" || len([]rune(number)) > 25 {
		return fmt.Errorf("create %q: %w", number, errExists)
	}
	if p := a.products[number]; p != nil {
		if !p.truth().deleted {
			return fmt.Errorf("create %q: %w", number, errExists)
		}
		a.put(p, st)
		return nil
	}
	p := &product{number: number}
	a.put(p, st)
	a.add(p)
	a.sandbox.events.add(Event{Agreement: a.number, Kind: "create", Number: number})
	return nil
}

// remove deletes a product, at Rackbeat too. It fires none of the known webhooks.
func (a *agreement) remove(kind, number string) (productState, error) {
	was, err := a.removeProduct(kind, number)
	if c := a.rackbeat.Load(); c != nil && err == nil {
		c.remove(number)
	}
	return was, err
}

func (a *agreement) removeProduct(kind, number string) (productState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.products[number]
	if p == nil || p.truth().deleted {
		return productState{}, fmt.Errorf("%s %q: %w", kind, number, errNoProduct)
	}
	was := p.truth()
	st := was
	st.deleted = true
	a.put(p, st)
	a.sandbox.events.add(Event{Agreement: a.number, Kind: kind, Number: number})
	return was, nil
}

// rename changes a product's number: the old one is gone.
func (a *agreement) rename(from, to string) error {
	a.mu.Lock()
	p := a.products[to]
	taken := p != nil && !p.truth().deleted
	a.mu.Unlock()
	if taken || to == "" || len([]rune(to)) > 25 {
		return fmt.Errorf("rename to %q: %w", to, errExists)
	}
	was, err := a.removeProduct("rename", from)
	if err != nil {
		return err
	}
	if err := a.insert(to, was); err != nil {
		return err
	}
	if c := a.rackbeat.Load(); c != nil {
		c.insert(to, c.remove(from))
		c.fire(productUpdated, to)
	}
	return nil
}

// invoice is a booked invoice or credit note.
type invoice struct {
	number     int64
	date, due  string
	orderRef   string
	refField   string
	creditNote bool
	lines      []line
	net, vat   amount
	booked     time.Time
	readable   time.Time // from then on the API lists it
	pdfAt      time.Time // from then on its PDF is available
	pdf        []byte
	customer   int
}

type line struct {
	number   string
	quantity amount
	price    amount
}

func (i *invoice) gross() amount { return i.net + i.vat }

func (i *invoice) pdfSHA256() string {
	sum := sha256.Sum256(i.pdf)
	return hex.EncodeToString(sum[:])
}

// booking is a request to book an invoice.
type booking struct {
	OrderRef   string    `json:"orderRef"`
	RefField   string    `json:"refField"`
	Lines      []bookAt  `json:"lines"`
	CreditNote bool      `json:"creditNote"`
	WithNumber int64     `json:"withNumber"`
	Date       string    `json:"date"`
	PDFLate    *Duration `json:"pdfLate"`
	Surfaces   *Duration `json:"surfaces"` // how long until the API lists it
}

type bookAt struct {
	Number   string `json:"number"`
	Quantity amount `json:"quantity"`
	Price    amount `json:"price"`
}

// book books an invoice, changes the stock of its lines and fires the webhooks of both.
// A credit note returns the goods.
func (a *agreement) book(b booking) (int64, error) { //nolint:funlen,gocyclo // one branch per field of a booking
	now := a.now()
	f := a.faults()
	inv := &invoice{date: b.Date, orderRef: b.OrderRef, refField: b.RefField, creditNote: b.CreditNote, booked: now, customer: 1000 + len(b.OrderRef)}
	if inv.date == "" {
		inv.date = now.Format(time.DateOnly)
	}
	day, err := time.Parse(time.DateOnly, inv.date)
	if err != nil {
		return 0, fmt.Errorf("book: date: %w", err)
	}
	inv.due = day.AddDate(0, 0, 14).Format(time.DateOnly)
	at := time.Now()
	inv.readable, inv.pdfAt = at.Add(time.Duration(f.ReadLag)), at.Add(time.Duration(f.PDFLag))
	if a.sandbox.chance(f.LateInvoice) {
		inv.readable = at.Add(time.Duration(f.InvoiceLag))
	}
	if b.PDFLate != nil {
		inv.pdfAt = at.Add(time.Duration(*b.PDFLate))
	}
	if b.Surfaces != nil {
		inv.readable = at.Add(time.Duration(*b.Surfaces))
	}
	sign := amount(1)
	if b.CreditNote {
		sign = -1
	}
	for _, l := range b.Lines {
		if l.Price == 0 {
			l.Price = 12_500
		}
		inv.lines = append(inv.lines, line{number: l.Number, quantity: sign * l.Quantity, price: l.Price})
		inv.net += sign * l.Quantity.times(l.Price)
	}
	inv.vat = inv.net / 4

	a.mu.Lock()
	for _, l := range inv.lines {
		if p := a.products[l.number]; p == nil || p.truth().deleted {
			a.mu.Unlock()
			return 0, fmt.Errorf("book: line %q: %w", l.number, errNoProduct)
		}
	}
	inv.number = b.WithNumber
	if inv.number == 0 {
		for a.invoices[a.nextInvoice] != nil { // booked with a chosen number
			a.nextInvoice++
		}
		inv.number = a.nextInvoice
	}
	if inv.number < 1 || a.invoices[inv.number] != nil {
		a.mu.Unlock()
		return 0, fmt.Errorf("book: invoice number %d: %w", inv.number, errExists)
	}
	if b.WithNumber == 0 {
		for a.nextInvoice++; a.invoices[a.nextInvoice] != nil; a.nextInvoice++ {
		}
	}
	inv.pdf = invoicePDF(a.number, inv, a.sandbox.o.PDFSize)
	a.invoices[inv.number] = inv
	place, _ := slices.BinarySearch(a.numbers, inv.number)
	a.numbers = slices.Insert(a.numbers, place, inv.number)
	a.mu.Unlock()

	kind := "book"
	if b.CreditNote {
		kind = "credit"
	}
	a.sandbox.events.add(Event{Agreement: a.number, Kind: kind, Number: fmt.Sprint(inv.number)})
	a.fire(invoiceBooked, fmt.Sprint(inv.number))
	if a.rackbeat.Load() != nil {
		return inv.number, nil // the goods have left there
	}
	for _, l := range inv.lines {
		if err := a.move("deliver", l.number, -l.quantity); err != nil {
			return inv.number, err
		}
	}
	return inv.number, nil
}

// randomTrade makes a random trade of a shop's day.
func (a *agreement) randomTrade() error {
	if c := a.rackbeat.Load(); c != nil {
		return c.randomTrade()
	}
	s := a.sandbox
	number := a.anyProduct()
	if number == "" {
		return errNoProduct
	}
	quantity := amount(1+s.intn(5)) * 100
	if s.intn(5) == 0 {
		quantity = amount(1 + s.intn(500))
	}
	switch dice := s.intn(100); {
	case dice < 55:
		return a.move("sell", number, -quantity)
	case dice < 70:
		return a.move("restock", number, quantity*amount(1+s.intn(20)))
	case dice < 78:
		by := amount(s.intn(3)) * 100
		return a.change("order", number, func(st *productState) { st.ordered = by })
	case dice < 82:
		return a.change("adjust", number, func(st *productState) { st.inStock = 0 })
	default:
		b := booking{OrderRef: fmt.Sprint(10_000 + s.intn(90_000)), CreditNote: dice >= 96}
		for range 1 + s.intn(3) {
			if n := a.anyProduct(); n != "" {
				b.Lines = append(b.Lines, bookAt{Number: n, Quantity: amount(1+s.intn(4)) * 100, Price: amount(1000 + s.intn(100_000))})
			}
		}
		_, err := a.book(b)
		return err
	}
}

// anyProduct returns a random product that can be sold.
func (a *agreement) anyProduct() string {
	a.mu.Lock()
	n := len(a.order)
	a.mu.Unlock()
	for range 100 {
		if n == 0 {
			break
		}
		i := a.sandbox.intn(n)
		a.mu.Lock()
		p := a.order[i]
		st := p.truth()
		a.mu.Unlock()
		if st.stocked && !st.barred && !st.deleted {
			return p.number
		}
	}
	return ""
}

// tradeOn makes random trades at a rate until ctx is done.
func (s *Sandbox) tradeOn(ctx context.Context, perSecond float64) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if list := s.list(); len(list) > 0 {
				_ = list[s.intn(len(list))].randomTrade()
			}
		}
	}
}
