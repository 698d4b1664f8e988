package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lagerd/plan"
	"lagerd/store"
)

// In some seeds shops move: to another agreement, whose token a person stores and whose number
// he accepts, or by being removed and added again at once. No row and no PDF of one company may
// ever belong to another.

// moved is the result of a person's command.
type moved struct {
	move
	err error
}

// move takes a shop from one agreement to another.
type move struct {
	shop     string
	from, to *shop
	again    bool              // by removing the shop and adding it again
	stock    store.StockSource // where its stock is read from then on, if only that moves; from and to are then the same
}

// spares is the number of agreements without a shop at first.
const spares = 2

// scheduleMoves plans when shops move.
func (w *world) scheduleMoves() {
	var next func()
	next = func() {
		w.sim.after(w.sim.between(5*time.Second, 60*time.Second), "fault: a shop moves", func() {
			w.startMove()
			next()
		})
	}
	next()
}

func (w *world) startMove() {
	s := w.sim
	var free, taken []*shop
	for _, x := range w.shops {
		switch {
		case x.name == "":
			free = append(free, x)
		case !w.moving[x.name]:
			taken = append(taken, x)
		}
	}
	if len(free) == 0 || len(taken) == 0 {
		return
	}
	m := move{from: taken[s.rng.IntN(len(taken))], to: free[s.rng.IntN(len(free))], again: s.profile.removes && s.rng.IntN(2) == 0}
	m.shop = m.from.name
	m.to.name = m.shop // until the command is done, both have this name
	w.moving[m.shop] = true
	s.oracle.noteAccounts()
	w.command(m)
}

// command executes a person's command on one of the machines, repeating it until it succeeds.
func (w *world) command(m move) {
	s := w.sim
	var able []*instance
	for _, i := range s.instances {
		if !i.dead && !i.stopping {
			able = append(able, i)
		}
	}
	if len(able) == 0 {
		s.after(5*time.Second, "a person tries again", func() { w.command(m) })
		return
	}
	i := able[s.rng.IntN(len(able))]
	pause := s.between(0, 20*time.Second)
	s.tracef("%s moves from %d to %d (again %t)", m.shop, m.from.agreement, m.to.agreement, m.again)
	go func() {
		ctx, cancel := context.WithTimeout(s.people, 40*time.Second)
		defer cancel()
		done := moved{m, m.run(ctx, i, pause)}
		s.mu.Lock()
		s.moves = append(s.moves, done)
		s.mu.Unlock()
		s.wake()
	}()
}

func (m move) run(ctx context.Context, i *instance, pause time.Duration) error {
	if m.stock != "" {
		return i.store.ChangeStockSource(ctx, m.shop, m.stockChange(i.sim), i.now())
	}
	if !m.again {
		err := i.store.SetShop(ctx, m.shop, i.now(), func(shop *store.Shop) error {
			shop.GrantToken = []byte(m.to.grant)
			return nil
		})
		if err != nil {
			return err
		}
		// Meanwhile the person learns that it is another agreement.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		return i.store.AcceptAgreement(ctx, m.shop, int64(m.to.agreement), i.now())
	}
	if err := i.store.RemoveShop(ctx, m.shop); err != nil && !errors.Is(err, store.ErrNoShop) {
		return err
	}
	shop := store.Shop{Shop: m.shop, GrantToken: []byte(m.to.grant), StockOn: true, StockFigure: plan.FigureInStock, StockSource: store.SourceEconomic,
		InvoicesOn: true, InvoicesFrom: "2000-01-01", OrderField: plan.OrderInOtherReference}
	return i.store.AddShop(ctx, shop, []byte(fmt.Sprintf("%032d", m.to.agreement)), i.now())
}

// settle records the end of a command.
func (w *world) settle(m moved) {
	s := w.sim
	if m.err != nil && !errors.Is(m.err, store.ErrShopExists) {
		s.after(s.between(time.Second, 5*time.Second), "a person tries again", func() { w.command(m.move) })
		return
	}
	if m.stock != "" {
		s.counts["stock moved to "+string(m.stock)]++
		delete(w.moving, m.shop)
		return
	}
	what := "moved to another agreement"
	if m.again {
		what = "removed and added again"
	}
	s.counts[what]++
	m.from.name, m.from.approved = "", false
	delete(w.moving, m.shop)
}

// checkIdentity checks that everything stored belongs to the agreement that the shop had when
// it was read. A dataset has one agreement from its acceptance on, for ever.
func (o *oracle) checkIdentity() {
	db := o.sim.db
	owners := map[string]int{}
	for _, row := range db.mustQuery("SELECT dataset, agreement_number FROM agreements UNION SELECT s.dataset, p.agreement_number FROM shops s JOIN progress p ON p.shop = s.shop WHERE p.agreement_number <> 0") {
		dataset, agreement := row[0].(string), int(row[1].(int64))
		if was, known := owners[dataset]; known && was != agreement {
			o.violate("identity: the dataset %s belongs to agreement %d and to %d", dataset, was, agreement)
		}
		owners[dataset] = agreement
	}
	living := map[string]bool{}
	for _, row := range db.mustQuery("SELECT dataset FROM shops UNION SELECT items_dataset FROM progress UNION SELECT dataset FROM agreements WHERE shop IN (SELECT shop FROM shops)") {
		living[row[0].(string)] = true
	}
	of := func(dataset, what string) *shop {
		if !living[dataset] {
			return nil // its shop is being removed
		}
		agreement, known := owners[dataset]
		if !known {
			o.violate("identity: %s of %s is stored, and no agreement is accepted", what, dataset)
			return nil
		}
		return o.sim.world.shops[slices.IndexFunc(o.sim.world.shops, func(x *shop) bool { return x.agreement == agreement })]
	}
	for _, row := range db.mustQuery("SELECT shop, number, stock, state FROM items") {
		number, stock := row[1].(string), figure(row[2])
		x := of(row[0].(string), "item "+number)
		if x == nil || row[3] == "gone" && stock == "" {
			continue
		}
		it := x.items[number]
		if it == nil || !slices.ContainsFunc(it.revisions, func(r revision) bool { return r.figure() == stock }) {
			o.violate("identity: item %q of %s is %q, which agreement %d never sent", number, row[0], stock, x.agreement)
		}
	}
	for _, row := range db.mustQuery("SELECT i.shop, i.number, i.order_number, b.pdf FROM invoices i LEFT JOIN invoice_pdfs b ON b.shop = i.shop AND b.number = i.number") {
		x := of(row[0].(string), fmt.Sprint("invoice ", row[1]))
		if x == nil {
			continue
		}
		inv := x.invoices[row[1].(int64)]
		if inv == nil || inv.order != row[2].(string) {
			o.violate("identity: invoice %d of %s has the order %q, which is not agreement %d's", row[1], row[0], row[2], x.agreement)
		}
		if pdf, ok := row[3].([]byte); ok && !bytes.Contains(pdf, fmt.Appendf(nil, "Aftale %d ", x.agreement)) {
			o.violate("identity: the PDF of invoice %d of %s is not agreement %d's", row[1], row[0], x.agreement)
		}
	}
}

// movedDiffers describes how a shop that may have moved differs from e-conomic, "" if it does
// not.
func (o *oracle) movedDiffers(x *shop) string {
	row := o.sim.db.mustQuery("SELECT s.stock_dataset, p.items_dataset, p.agreement_number, s.dataset FROM shops s JOIN progress p ON p.shop = s.shop WHERE s.shop = ?", x.name)
	switch {
	case len(row) == 0:
		return "it is not there"
	case row[0][2] != o.sim.world.number(x):
		return fmt.Sprintf("its agreement is %d, expected %d", row[0][2], o.sim.world.number(x))
	case row[0][0] != row[0][1]:
		return "its items have not changed over"
	}
	return o.shopDiffers(x, row[0][3].(string), row[0][0].(string))
}

// everything returns the items that lagerd may request from an agreement: its own and, if shops
// move, those of all others, since a shop's old hints may name them.
func (w *world) everything(x *shop) map[string]*item {
	if !w.sim.profile.moves {
		return x.items
	}
	all := map[string]*item{}
	for _, other := range w.shops {
		maps.Copy(all, other.items)
	}
	return all
}
