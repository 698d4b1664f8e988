package reconcile_test

import (
	"maps"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

const (
	losses    = "loss: SELECT number, datetime(lost_us / 1000000, 'unixepoch'), gone FROM recent_losses ORDER BY number"
	heldClock = "held for: SELECT held_us / 1000000 FROM loss_clocks"
	approvals = "approval: SELECT losses, approved_at FROM approvals"
)

// guarded makes the shop one of eight items, too many to be listed at each tick. It may lose two at once, and four within
// the hour.
func guarded(d *desk) {
	sweptShop(d)
	invoicesOff(d)
	d.PageSize = 4
	d.Policy.LossMin, d.Policy.LossWindowMin = 1, 2
	d.exec("UPDATE progress SET items = 8")
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		d.sells(n, "5")
		d.has(n, "5")
	}
}

// changesTo gives items another stock at the source, which change queries show from now on. "gone" removes them.
func (d *desk) changesTo(stock string, numbers ...string) {
	d.changed = numbers
	for _, n := range numbers {
		if stock == "gone" {
			delete(d.items, n)
		} else {
			d.sells(n, stock)
		}
	}
}

// approve gives a person's approval, and the shop the settings that it changes.
func (d *desk) approve(losses int) {
	d.t.Helper()
	must(d.t, d.fixture.Store.Approve(d.t.Context(), d.fixture.Shop, losses, d.now()))
	shop, err := d.fixture.Store.Shop(d.t.Context(), shopName)
	must(d.t, err)
	shop.InvoicesOn = d.fixture.Shop.InvoicesOn
	d.fixture.Shop = shop
	d.Change(new(shop))
}

// TestGuard: a loss is stored once a second read confirms it; those that are too many within the hour are held
// back, while hints and dry runs go on; few losses end the hold, and so does a person's approval.
func TestGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	d.step("a pass", reconcile.Due{})
	d.changesTo("0", "a", "b")
	d.step("two are shown without stock", aTick)
	d.show(openHints, stock)
	d.step("and are read again", work)
	d.show(openHints, stock, losses)
	d.changesTo("0", "c", "d", "e")
	d.step("three more are", aTick)
	d.show(held, openHints, losses)
	d.sells("f", "6")
	d.webhook("c", "f")
	d.step("a webhook of one of them, and of another that has more", work)
	d.show(hints, "item: SELECT number, stock FROM items WHERE number IN ('c', 'f')")
	d.later(10 * time.Minute)
	d.changed = nil
	d.sells("g", "0")
	d.sells("h", "0")
	d.step("a sweep, which is a dry run", reconcile.Due{Tick: true, Sweep: true, Work: true})
	d.show(held, hints, losses, "item: SELECT number, stock FROM items WHERE number IN ('g', 'h')")
	d.later(time.Minute)
	d.step("a tick soon after", aTick)
	d.changesTo("5", "c", "d", "e", "h")
	d.later(10 * time.Minute)
	d.step("all but one of them are back", reconcile.Due{Tick: true, Work: true})
	d.show(held, heldClock, losses)
	d.step("the sweep that stores that", work)
	d.show(openHints, "item: SELECT number, stock FROM items WHERE number > 'b'")
	d.step("the one is read again", work)
	d.show(losses, "item: SELECT number, stock FROM items WHERE number > 'b'")
	d.changesTo("gone", "c", "d")
	d.step("two are gone", reconcile.Due{Tick: true, Sweep: true})
	d.show(held)
	d.approve(2)
	d.step("a person approves", reconcile.Due{Tick: true, Work: true})
	d.show(held, heldClock, losses, openHints, approvals)
	d.step("they are read again", work)
	d.show(openHints, approvals)
	d.later(time.Minute)
	d.step("also the one whose hint waited", work)
	d.show(stock, losses, approvals)
	d.step("nothing is left", reconcile.Due{Tick: true, Sweep: true})
	d.show(approvals)
	d.saw(`
== a pass
person self
->
== two are shown without stock
tick changes since 11:55:00
-> ticked, again
open: a | 1970-01-01 00:00:00
open: b | 1970-01-01 00:00:00
item: a | 5 | ok | 2026-11-23 09:00:00
item: b | 5 | ok | 2026-11-23 09:00:00
item: c | 5 | ok | 2026-11-23 09:00:00
item: d | 5 | ok | 2026-11-23 09:00:00
item: e | 5 | ok | 2026-11-23 09:00:00
item: f | 5 | ok | 2026-11-23 09:00:00
item: g | 5 | ok | 2026-11-23 09:00:00
item: h | 5 | ok | 2026-11-23 09:00:00
== and are read again
hint items a b
told: changed stock a at 12:00:03, changed stock b at 12:00:03
info: stored changes=2 missed_webhooks=2
-> 2 changes
no open
item: a | 0 | ok | 12:00:02
item: b | 0 | ok | 12:00:02
item: c | 5 | ok | 2026-11-23 09:00:00
item: d | 5 | ok | 2026-11-23 09:00:00
item: e | 5 | ok | 2026-11-23 09:00:00
item: f | 5 | ok | 2026-11-23 09:00:00
item: g | 5 | ok | 2026-11-23 09:00:00
item: h | 5 | ok | 2026-11-23 09:00:00
loss: a | 12:00:03 | 0
loss: b | 12:00:03 | 0
== three more are
tick changes since 11:55:00
warning: read held back: it would take away too much stock items=8 losses=3 reason=within_window taken=2
warning: held detail=a reconciliation would take away the stock of 3 more items: with the 2 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
hold: stock | losses | a reconciliation would take away the stock of 3 more items: with the 2 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:00:04
no open
loss: a | 12:00:03 | 0
loss: b | 12:00:03 | 0
== a webhook of one of them, and of another that has more
person self
hint items c f
told: changed stock f at 12:00:06
info: stored cause=webhook kind=stock new_stock=6 number=f old_stock=5 webhook=came what=stock
-> 1 changes
hint: a | answered | sweep | 1 | 0 | 0 | 0 |  |  |
hint: b | answered | sweep | 1 | 0 | 0 | 0 |  |  |
hint: c | open | webhook | 1 | 0 | 0 | 0 | 12:10:06 | held_back | held back with the shop's other losses: see 'lagerd diff'
hint: f | answered | webhook | 1 | 0 | 0 | 0 |  |  |
item: c | 5
item: f | 6
== a sweep, which is a dry run
sweep items
->
hold: stock | losses | a reconciliation would take away the stock of 4 more items: with the 2 lost within 1h without a webhook, 6 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:00:04
hint: a | answered | sweep | 1 | 0 | 0 | 0 |  |  |
hint: b | answered | sweep | 1 | 0 | 0 | 0 |  |  |
hint: c | open | webhook | 1 | 0 | 0 | 0 | 12:20:07 | held_back | a reconciliation would take away the stock of 4 more items: with the 2 lost within 1h without a webhook, 6 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234'
hint: f | answered | webhook | 1 | 0 | 0 | 0 |  |  |
loss: a | 12:00:03 | 0
loss: b | 12:00:03 | 0
item: g | 5
item: h | 5
== a tick soon after
->
== all but one of them are back
sweep items
info: hold ended reason=losses scope=stock seen=few losses
-> ticked, again
no hold
held for: 1264
loss: a | 12:00:03 | 0
loss: b | 12:00:03 | 0
== the sweep that stores that
sweep items
told: changed stock g at 12:21:09
info: stored cause=sweep kind=stock new_stock=0 number=g old_stock=5 webhook=missed what=stock
-> 1 changes
open: c | 12:22:09
item: c | 5
item: d | 5
item: e | 5
item: f | 6
item: g | 0
item: h | 5
== the one is read again
->
loss: a | 12:00:03 | 0
loss: b | 12:00:03 | 0
loss: g | 12:00:05 | 0
item: c | 5
item: d | 5
item: e | 5
item: f | 6
item: g | 0
item: h | 5
== two are gone
sweep items
warning: read held back: it would take away too much stock items=8 losses=2 reason=within_window taken=3
warning: held detail=a reconciliation would take away the stock of 2 more items: with the 3 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
hold: stock | losses | a reconciliation would take away the stock of 2 more items: with the 3 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:21:10
== a person approves
person self
sweep items
info: hold ended reason=losses scope=stock seen=approval
-> ticked, again
no hold
held for: 1264
no loss
open: c | 12:22:09
open: d | 1970-01-01 00:00:00
approval: 2 | 12:21:10
== they are read again
hint item d
told: changed stock d at 12:21:13
info: stored cause=sweep kind=stock number=d old_stock=5 webhook=none what=gone
-> 1 changes
open: c | 12:22:09
approval: 1 | 12:21:10
== also the one whose hint waited
hint item c
told: changed stock c at 12:22:14
info: stored cause=webhook kind=stock number=c old_stock=5 webhook=came what=gone
-> 1 changes
item: a | 0 | ok | 12:00:02
item: b | 0 | ok | 12:00:02
item: c | none | gone | 12:22:13
item: d | none | gone | 12:21:12
item: e | 5 | ok | 2026-11-23 09:00:00
item: f | 6 | ok | 12:00:05
item: g | 0 | ok | 12:21:08
item: h | 5 | ok | 2026-11-23 09:00:00
no loss
approval: 1 | 12:21:10
== nothing is left
sweep items
-> ticked
no approval
`)
}

// TestGuardOverManyPasses: a listing that is held back ends; a dry run takes account of what is read during it, and ends
// with an approval, which a person's request finds.
func TestGuardOverManyPasses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded, func(d *desk) { d.page, d.ListingTurn = 4, 0 })
	d.step("a pass", reconcile.Due{})
	for _, n := range []string{"a", "b", "c"} {
		d.sells(n, "0")
	}
	d.step("a sweep, three of whose first page are lost", reconcile.Due{Sweep: true})
	d.step("it has ended", work)
	d.later(10 * time.Minute)
	d.step("a dry run", aTick)
	d.sells("b", "5")
	d.webhook("b", "a")
	d.step("one of them is back meanwhile", work)
	d.show(held, hints)
	d.step("the sweep that stores the others", work)
	d.step("its last page", work)
	d.show("item: SELECT number, stock FROM items WHERE number < 'd'", losses)
	for _, n := range []string{"e", "f", "g", "h"} {
		d.sells(n, "0")
	}
	d.step("another sweep", reconcile.Due{Sweep: true})
	d.step("its last page, with losses", work)
	d.show(held)
	d.later(10 * time.Minute)
	d.step("a dry run again", reconcile.Due{Tick: true, Sweep: true})
	d.exec("INSERT INTO approvals (shop, losses, approved_at) VALUES (?, 4, ?)", shopName, store.At(d.now().Add(-24*time.Hour-time.Second)))
	d.step("approved too long ago", reconcile.Due{Tick: true, Work: true, Requested: true})
	d.step("a dry run once more", reconcile.Due{Tick: true, Sweep: true})
	d.exec("UPDATE approvals SET approved_at = ?", store.At(d.now()))
	d.step("nobody asks", work)
	d.step("and once more", reconcile.Due{Tick: true, Sweep: true})
	d.step("a person has approved, and asks", reconcile.Due{Tick: true, Work: true, Requested: true})
	d.show(held, losses)
	d.step("the last page", work)
	d.show("item: SELECT number, stock FROM items WHERE number > 'd'", losses, approvals)
	d.saw(`
== a pass
person self
->
== a sweep, three of whose first page are lost
sweep items
warning: read held back: it would take away too much stock items=8 losses=3 reason=at_once taken=0
warning: held detail=a reconciliation would take away the stock of 3 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
== it has ended
person self
->
== a dry run
sweep items
-> again, listing
== one of them is back meanwhile
hint items a b
sweep items from 4
info: hold ended reason=losses scope=stock seen=few losses
-> again
no hold
hint: a | open | webhook | 1 | 0 | 0 | 0 | 12:20:05 | held_back | held back with the shop's other losses: see 'lagerd diff'
hint: b | open | webhook | 1 | 1 | 0 | 0 | 12:11:05 |  |
== the sweep that stores the others
sweep items
told: changed stock a at 12:10:07, changed stock c at 12:10:07
info: stored changes=2 missed_webhooks=1
-> again, listing, 2 changes
== its last page
sweep items from 4
->
item: a | 0
item: b | 5
item: c | 0
loss: c | 12:10:07 | 0
== another sweep
sweep items
-> again, listing
== its last page, with losses
sweep items from 4
warning: read held back: it would take away too much stock items=8 losses=4 reason=within_window taken=1
warning: held detail=a reconciliation would take away the stock of 4 more items: with the 1 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
hold: stock | losses | a reconciliation would take away the stock of 4 more items: with the 1 lost within 1h without a webhook, 5 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:10:10
== a dry run again
person self
sweep items
-> again, listing
== approved too long ago
sweep items from 4
->
== a dry run once more
sweep items
-> again, listing
== nobody asks
sweep items from 4
->
== and once more
sweep items
-> again, listing
== a person has approved, and asks
sweep items
info: hold ended reason=losses scope=stock seen=approval
-> ticked, again, listing
no hold
no loss
== the last page
sweep items from 4
told: changed stock e at 12:20:18, changed stock f at 12:20:18, changed stock g at 12:20:18, changed stock h at 12:20:18
info: stored changes=4 missed_webhooks=4
-> 4 changes
item: e | 0
item: f | 0
item: g | 0
item: h | 0
no loss
no approval
`)
}

// TestGuardOfAnEmptyListing: an agreement that shows nothing at all is held, however few items the shop has, until it
// shows some.
func TestGuardOfAnEmptyListing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded, func(d *desk) { d.Policy.LossMin, d.Policy.LossWindowMin, d.PageSize = 20, 50, 100 })
	all := maps.Clone(d.items)
	clear(d.items)
	d.step("an empty listing", aTick)
	d.later(time.Minute)
	d.step("another", aTick)
	d.show(held, openHints)
	maps.Copy(d.items, all)
	delete(d.items, "a")
	d.later(time.Minute)
	d.step("all but one are back", aTick)
	d.show(held, openHints, losses)
	d.step("a listing", work)
	d.show(openHints)
	d.step("that one is read", work)
	d.show(stock, losses)
	d.saw(`
== an empty listing
person self
tick items
warning: read held back: it would take away too much stock items=8 losses=8 reason=empty_listing taken=0
warning: held detail=a reconciliation would take away the stock of 8 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
== another
person self
tick items
->
hold: stock | losses | a reconciliation would take away the stock of 8 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:00:02
no open
== all but one are back
tick items
info: hold ended reason=losses scope=stock seen=few losses
-> ticked, again
no hold
no open
no loss
== a listing
sweep items
-> again
open: a | 1970-01-01 00:00:00
== that one is read
hint item a
told: changed stock a at 12:02:07
info: stored cause=sweep kind=stock number=a old_stock=5 webhook=none what=gone
-> 1 changes
item: a | none | gone | 12:02:06
item: b | 5 | ok | 2026-11-23 09:00:00
item: c | 5 | ok | 2026-11-23 09:00:00
item: d | 5 | ok | 2026-11-23 09:00:00
item: e | 5 | ok | 2026-11-23 09:00:00
item: f | 5 | ok | 2026-11-23 09:00:00
item: g | 5 | ok | 2026-11-23 09:00:00
item: h | 5 | ok | 2026-11-23 09:00:00
loss: a | 12:02:07 | 1
`)
}

// TestGuardOfAnotherFigure: a shop that sells by what is available loses that, also in a dry run.
func TestGuardOfAnotherFigure(t *testing.T) {
	t.Parallel()
	available := func(d *desk, stock string, numbers ...string) {
		for _, n := range numbers {
			o := d.items[n]
			o.Item.Figures.Available = decimal.NewNullDecimal(decimal.RequireFromString(stock))
			d.items[n] = o
		}
	}
	d := newDesk(t, guarded, func(d *desk) {
		d.fixture.Shop.StockFigure, d.PageSize = plan.FigureAvailable, 100
		d.exec("UPDATE items SET available = 5, in_stock = 5")
		available(d, "5", "a", "b", "c", "d", "e", "f", "g", "h")
	})
	available(d, "0", "a", "b", "c")
	d.step("three are not available", aTick)
	d.step("nor are they then", aTick)
	d.show(held, "item: SELECT number, stock FROM items WHERE number < 'd'")
	d.saw(`
== three are not available
person self
tick items
warning: read held back: it would take away too much stock items=8 losses=3 reason=at_once taken=0
warning: held detail=a reconciliation would take away the stock of 3 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' reason=losses scope=stock
->
== nor are they then
person self
tick items
->
hold: stock | losses | a reconciliation would take away the stock of 3 of 8 items: check 'lagerd diff shop1234'; if that is right, run 'lagerd approve shop1234' | 12:00:02
item: a | 5
item: b | 5
item: c | 5
`)
}

// TestRefusedWhileHeld: a part that is held for another reason keeps that when the source refuses it, says in its report
// that it is refused, and is tried as rarely as if it were held for that, until a read succeeds.
func TestRefusedWhileHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t, guarded)
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES (?, 'stock', 'losses', 'many', ?)", shopName, store.At(d.now()))
	d.refused["items"] = failed(plan.ClassPart, "no access")
	d.step("a dry run is refused", reconcile.Due{Tick: true, Sweep: true})
	d.show(held)
	d.webhook("a")
	d.step("a hint", work)
	d.show(hints)
	d.later(10*time.Minute - time.Second)
	d.step("just before the next try", aTick)
	d.later(time.Second)
	d.refused["item a"] = failed(plan.ClassPart, "no access to a")
	d.step("the next try", reconcile.Due{Tick: true, Work: true})
	d.show(hints)
	clear(d.refused)
	d.requested("r1", store.WantTick)
	d.step("a person asks", work)
	d.show(held, hints, requests)
	d.step("and all is as before", aTick)
	d.saw(`
== a dry run is refused
person self
sweep items
-> short: no access
hold: stock | losses | many | 12:00:00
== a hint
-> short: no access
hint: a | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as stock: losses: many
== just before the next try
-> short: no access
== the next try
hint item a
warning: read failed: postponed error=no access to a failures=1 kind=stock number=a
-> short: no access
hint: a | open | webhook | 1 | 0 | 1 | 1 | 12:10:18 | forbidden | forbidden: no access to a
== a person asks
sweep items
info: hold ended reason=losses scope=stock seen=few losses
-> ticked, again
no hold
hint: a | open | webhook | 1 | 0 | 1 | 1 | 12:10:18 | forbidden | forbidden: no access to a
request: r1 | 12:10:04 | 0 |
== and all is as before
sweep items
-> ticked
`)
}

// TestSelfIsAskedOnce: whose a refused token is, is asked once in a pass, also if that fails.
func TestSelfIsAskedOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	d.step("a pass", reconcile.Due{})
	d.books(11)
	d.refused["lines 11"], d.refused["PDF 11"] = failed(plan.ClassShop, "refused"), failed(plan.ClassShop, "refused")
	d.refused["self"] = failed(plan.ClassInterrupted, "broken")
	d.step("self fails", aTick)
	d.show(held, invoices)
	delete(d.refused, "self")
	d.step("self answers", work)
	d.show(held, invoices)
	d.saw(`
== a pass
person self
->
== self fails
tick invoices above 0
tick changes since 11:55:00
invoice lines 11
invoice PDF 11
person self
told: changed invoice 11 at 12:00:02
info: stored cause=tick kind=invoice number=11 webhook=missed what=booked
-> stopped, 1 changes, failed: refused; broken; refused
no hold
invoice: 11 | W-11 | tick | 12:00:01 | 0 | pending | 1970-01-01 00:00:00 | 0 | 0 |
== self answers
invoice lines 11
invoice PDF 11
person self
warning: fetch of an invoice failed: postponed error=refused; refused failures=1 kind=invoice number=11
->
no hold
invoice: 11 | W-11 | tick | 12:00:01 | 0 | pending | 12:00:20 | 1 | 0 | refused; refused
`)
}
