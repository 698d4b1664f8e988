package reconcile_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

const (
	marks    = "mark: SELECT kind, hints, first_at FROM hint_marks ORDER BY id"
	webhooks = "change: SELECT number, what, cause, webhook FROM changes ORDER BY token, seq, n"
)

// capped is a swept shop that may have so few open hints of numbers that are not stored.
func capped(d *desk) {
	sweptShop(d)
	d.HintCaps = plan.HintCaps{Unknown: 1, Invoices: 1, OldInvoices: 1}
	d.fixture.Shop.InvoicesFrom, d.fixture.Shop.InvoicesFromNumber = "", 100
}

// called records webhooks of invoices.
func (d *desk) called(numbers ...string) {
	d.t.Helper()
	var list []store.HintRecord
	for _, n := range numbers {
		list = append(list, store.HintRecord{Shop: shopName, Kind: plan.KindInvoice, Number: n, Cause: plan.CauseWebhook, At: d.now()})
	}
	must(d.t, d.fixture.Store.RecordWebhooks(d.t.Context(), list))
}

// TestMarkedStock: of numbers that are not stored only as many are read alone as the cap admits.
// The next sweep, which is due as usual, stores the others, and calls none of them missed.
func TestMarkedStock(t *testing.T) {
	t.Parallel()
	d := newDesk(t, invoicesOff, capped)
	d.sells("new", "4")
	d.webhook("u1", "new", "u2")
	d.step("webhooks", reconcile.Due{Work: true})
	d.show(openHints, stock, marks)
	d.later(time.Minute)
	d.step("a tick", reconcile.Due{Tick: true})
	d.show(stock, marks)
	d.later(9 * time.Minute)
	d.step("the sweep", reconcile.Due{Tick: true})
	d.show(stock, webhooks, marks)
	d.sells("new", "5")
	d.step("another sweep", reconcile.Due{Sweep: true})
	d.show(webhooks)
	d.saw(`
== webhooks
person self
unknown item u1
told: 2 webhooks marked, 0 too old
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=2 too_old=0
->
no open
no item
mark: stock | 2 | 12:00:00
== a tick
tick changes since 11:55:00
-> ticked
no item
mark: stock | 2 | 12:00:00
== the sweep
sweep items
told: changed stock new at 12:10:04
info: stored cause=sweep kind=stock new_stock=4 number=new webhook=none what=created
-> ticked, 1 changes
item: new | 4 | ok | 12:10:03
change: new | created | sweep | none
no mark
== another sweep
sweep items
told: changed stock new at 12:10:05
info: stored cause=sweep kind=stock new_stock=5 number=new old_stock=4 webhook=missed what=stock
-> 1 changes
change: new | created | sweep | none
change: new | stock | sweep | missed
`)
}

// TestMarkedChange: while a shop is marked, a change cannot be said to have had no webhook.
func TestMarkedChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t, invoicesOff, capped)
	d.sells("a", "4")
	d.step("read", reconcile.Due{Sweep: true})
	d.webhook("u1", "u2")
	d.sells("a", "3")
	d.changed = []string{"a"}
	d.step("a tick finds it", reconcile.Due{Tick: true, Work: true})
	d.show(webhooks, marks)
	d.sells("a", "2")
	d.step("the sweep", reconcile.Due{Sweep: true})
	d.show(webhooks, marks)
	d.sells("a", "1")
	d.step("afterwards", reconcile.Due{Tick: true})
	d.show(webhooks)
	d.saw(`
== read
person self
sweep items
told: changed stock a at 12:00:02
info: stored cause=sweep kind=stock new_stock=4 number=a webhook=none what=created
-> 1 changes
== a tick finds it
tick items
told: 1 webhooks marked, 0 too old, changed stock a at 12:00:03
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=1 too_old=0
info: stored cause=sweep kind=stock new_stock=3 number=a old_stock=4 webhook=none what=stock
-> ticked, 1 changes
change: a | created | sweep | none
change: a | stock | sweep | none
no mark
== the sweep
sweep items
told: changed stock a at 12:00:04
info: stored cause=sweep kind=stock new_stock=2 number=a old_stock=3 webhook=missed what=stock
-> 1 changes
change: a | created | sweep | none
change: a | stock | sweep | none
change: a | stock | sweep | missed
no mark
== afterwards
tick items
told: changed stock a at 12:00:05
info: stored cause=sweep kind=stock new_stock=1 number=a old_stock=2 webhook=missed what=stock
-> ticked, 1 changes
change: a | created | sweep | none
change: a | stock | sweep | none
change: a | stock | sweep | missed
change: a | stock | sweep | missed
`)
}

// TestMarkOfFailedSweep: a sweep that fails leaves the marks to the next one, also of another
// holder.
func TestMarkOfFailedSweep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, invoicesOff, capped)
	d.sells("a", "4")
	d.webhook("u1", "u2")
	d.refused["items"] = failed(plan.ClassInterrupted, "no page")
	d.step("a sweep fails", reconcile.Due{Sweep: true, Work: true})
	d.show(marks)
	clear(d.refused)
	d.take() // a crash
	d.step("the next holder's", reconcile.Due{Sweep: true})
	d.show(marks)
	d.saw(`
== a sweep fails
person self
sweep items
told: 1 webhooks marked, 0 too old
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=1 too_old=0
-> listing, failed: no page
mark: stock | 1 | 12:00:00
== the next holder's
person self
sweep items
told: changed stock a at 12:00:04
info: stored cause=sweep kind=stock new_stock=4 number=a webhook=none what=created
-> 1 changes
no mark
`)
}

// TestMarkedInvoices: marked invoices are swept before the day is over.
func TestMarkedInvoices(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, capped)
	d.books(100, 101)
	d.called("100", "101", "7", "8", "9")
	d.step("webhooks", reconcile.Due{Work: true})
	d.show(openHints, marks, "old: SELECT old_invoice_hints FROM progress")
	d.later(9 * time.Minute)
	d.step("a tick", reconcile.Due{Tick: true})
	d.show(marks)
	d.later(time.Minute)
	d.refused["invoices above 99"] = failed(plan.ClassInterrupted, "no page")
	d.step("a failed sweep", reconcile.Due{Tick: true})
	d.show(marks)
	clear(d.refused)
	d.later(time.Minute)
	d.step("the sweep", reconcile.Due{Tick: true})
	d.show(marks, webhooks)
	d.later(20 * time.Minute)
	d.step("none is due", reconcile.Due{Tick: true})
	d.saw(`
== webhooks
person self
unknown invoices 7-7 100-100
invoice PDF 100
told: 1 webhooks marked, 2 too old, changed invoice 100 at 12:00:02, PDF of 10 bytes
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=1 too_old=2
info: stored cause=webhook kind=invoice number=100 webhook=came what=booked
-> 1 changes
open: 7 | 12:01:02
mark: invoice | 1 | 12:00:00
old: 2
== a tick
tick invoices above 0
unknown invoice 7
invoice PDF 101
told: changed invoice 101 at 12:09:03, PDF of 10 bytes
info: stored cause=tick kind=invoice number=101 webhook=none what=booked
-> ticked, 1 changes
mark: invoice | 1 | 12:00:00
== a failed sweep
tick invoices above 101 1-99
sweep invoices above 99
-> failed: no page
mark: invoice | 1 | 12:00:00
== the sweep
tick invoices above 101 1-99
sweep invoices above 99
-> ticked
no mark
change: 100 | booked | webhook | came
change: 101 | booked | tick | none
== none is due
tick invoices above 101 1-99
unknown invoice 7
-> ticked
`)
}

// TestManyLines: the items on an invoice's lines become hints in pieces, and no more of those that
// are not stored than the cap admits, however the lines are read.
func TestManyLines(t *testing.T) {
	t.Parallel()
	const most = 2*store.RowsPerPiece + 50
	for name, read := range map[string]func(d *desk){
		"with the invoice":  func(d *desk) { d.hinted(plan.KindInvoice, plan.CauseWebhook, "100") },
		"after the invoice": func(*desk) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, capped, func(d *desk) {
				d.PageSize = 1
				d.HintCaps = plan.HintCaps{Unknown: most, Invoices: 1, OldInvoices: 1}
			})
			d.exec("UPDATE progress SET items = 2") // lines tell: a tick does not list all items
			for n := range most + 7 {
				d.lines[100] = append(d.lines[100], fmt.Sprintf("item-%d", n))
			}
			d.exec("CREATE TABLE written (seq INTEGER)")
			d.exec("CREATE TRIGGER hint_written AFTER INSERT ON hints WHEN new.kind = 'stock' BEGIN INSERT INTO written SELECT applied_seq FROM leases; END")
			d.books(100)
			read(d)
			d.step("the invoice", reconcile.Due{Tick: true, Work: true})
			d.are("SELECT COUNT(*) FROM written", strconv.Itoa(most))
			d.are("SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM written GROUP BY seq)", strconv.Itoa(store.RowsPerPiece))
			d.are("SELECT kind, hints FROM hint_marks", "stock | 7")
		})
	}
}

// TestMarksOfUnusedParts end with their hints.
func TestMarksOfUnusedParts(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, invoicesOff, capped)
	d.called("100", "101")
	d.webhook("a", "b")
	d.step("webhooks", reconcile.Due{Work: true})
	d.show(openHints, marks)
	d.saw(`
== webhooks
person self
told: 2 webhooks marked, 0 too old
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=2 too_old=0
->
no open
no mark
`)
}

// TestMarkOfUnchangedListing: also a listing that shows what the last one showed ends the marks.
func TestMarkOfUnchangedListing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, invoicesOff, capped, func(d *desk) { d.HintCaps = plan.HintCaps{} })
	d.sells("a", "4")
	d.step("read", reconcile.Due{Sweep: true})
	d.step("a tick", reconcile.Due{Tick: true})
	d.webhook("u1")
	d.step("a webhook", reconcile.Due{Work: true})
	d.show(marks)
	d.step("a tick", reconcile.Due{Tick: true})
	d.show(marks)
	d.saw(`
== read
person self
sweep items
told: changed stock a at 12:00:02
info: stored cause=sweep kind=stock new_stock=4 number=a webhook=none what=created
-> 1 changes
== a tick
tick items
-> ticked
== a webhook
told: 1 webhooks marked, 0 too old
warning: more hints of unknown numbers than are kept: the next sweep covers them, except invoices before the shop's start marked=1 too_old=0
->
mark: stock | 1 | 12:00:03
== a tick
tick items
-> ticked
no mark
`)
}

// TestEverything: webhooks that name no number lead to a sweep as soon as the pace of sweeps
// allows, and to no more than one, however many come. What it finds is not called missed, and
// nobody is warned of too many webhooks.
func TestEverything(t *testing.T) {
	t.Parallel()
	const marks = "mark: SELECT kind, hints, everything, first_at FROM hint_marks ORDER BY id"
	d := newDesk(t, invoicesOff)
	large := func() { // 50 pages, of the 10,000 a day that sweeps may read: one in seven minutes
		d.exec("UPDATE progress SET items = 5000")
		d.take()
		d.step("taken", reconcile.Due{})
	}
	d.sells("a", "4")
	d.step("read", reconcile.Due{Sweep: true})
	large()
	d.sells("a", "3")
	d.webhook("", "", "")
	d.step("webhooks", reconcile.Due{Work: true})
	d.webhook("")
	d.step("one more", reconcile.Due{Work: true})
	d.show(openHints, marks)
	d.later(6 * time.Minute)
	d.step("a tick, too soon", reconcile.Due{Tick: true})
	d.show(stock, marks)
	d.later(2 * time.Minute)
	d.step("the sweep", reconcile.Due{Tick: true})
	d.show(webhooks, marks)
	large()
	d.webhook("")
	d.later(6 * time.Minute)
	d.step("another, too soon", reconcile.Due{Tick: true, Work: true})
	d.show(marks)
	d.later(2 * time.Minute)
	d.step("another sweep", reconcile.Due{Tick: true})
	d.show(marks)
	large()
	d.later(9 * time.Minute)
	d.step("none is due", reconcile.Due{Tick: true})
	d.saw(`
== read
person self
sweep items
->
== taken
person self
->
== webhooks
->
== one more
->
no open
mark: stock | 4 | 4 | 12:00:03
== a tick, too soon
tick changes since 11:55:01
-> ticked
item: a | 4 | ok | 12:00:01
mark: stock | 4 | 4 | 12:00:03
== the sweep
sweep items
told: changed stock a at 12:08:05
info: stored cause=sweep kind=stock new_stock=3 number=a old_stock=4 webhook=none what=stock
-> ticked, 1 changes
change: a | stock | sweep | none
no mark
== taken
person self
->
== another, too soon
tick changes since 12:03:04
-> ticked
mark: stock | 1 | 1 | 12:08:06
== another sweep
sweep items
-> ticked
no mark
== taken
person self
->
== none is due
tick changes since 12:11:07
-> ticked
`)
}

// TestEverythingDuringASweep: a listing does not deal with a webhook that names no number and came
// after its first page was asked for; the next one does, though it shows nothing new.
func TestEverythingDuringASweep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, invoicesOff)
	d.sells("a", "4")
	d.step("read", reconcile.Due{Sweep: true})
	d.before["items"] = func() { d.webhook("") }
	d.step("a tick", reconcile.Due{Tick: true, Work: true})
	d.step("the pass after it", reconcile.Due{Work: true})
	d.show(marks)
	d.step("a tick", reconcile.Due{Tick: true})
	d.show(marks)
	d.saw(`
== read
person self
sweep items
->
== a tick
tick items
-> ticked
== the pass after it
->
mark: stock | 1 | 12:00:02
== a tick
tick items
-> ticked
no mark
`)
}

// TestEverythingOfUnusedStock: a shop whose stock is not read forgets such webhooks.
func TestEverythingOfUnusedStock(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, invoicesOff)
	d.webhook("")
	d.step("webhooks", reconcile.Due{Work: true})
	d.show(openHints, marks)
	d.saw(`
== webhooks
person self
->
no open
no mark
`)
}
