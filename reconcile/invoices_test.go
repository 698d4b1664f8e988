package reconcile_test

import (
	"errors"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

var (
	aTick  = reconcile.Due{Tick: true}
	aSweep = reconcile.Due{Sweep: true}
	work   = reconcile.Due{Work: true}
	asked  = reconcile.Due{Tick: true, Work: true, Requested: true}
)

// readShop makes the shop one whose invoices have been read up to number 10, and whose stock is
// off.
func readShop(d *desk) {
	stockOff(d)
	sweptShop(d)
	d.exec("UPDATE progress SET invoice_cursor = 10")
}

// TestInvoicesBegin: a shop begins with a date or a number, only once all of it is stored.
func TestInvoicesBegin(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, func(d *desk) { d.invoicePage = 2 })
	d.books(2, 3, 5, 6)
	d.booked[2] = plan.Invoice{Number: 2, Date: "2026-10-31"}
	d.hinted(plan.KindInvoice, plan.CauseOperator, "5")
	d.exec("UPDATE hints SET due_at = '2026-11-20 12:00:30.000000', failures = 1") // postponed
	d.refused["invoices newest"] = failed(plan.ClassInterrupted, "broken")
	d.step("the newest cannot be read", aTick)
	delete(d.refused, "invoices newest")
	d.show(window, sweptAt)
	d.refused["invoices dated 2026-11-01 from 2"] = failed(plan.ClassInterrupted, "broken")
	d.step("nor the second page", work)
	d.show(invoices, window, sweptAt)
	clear(d.refused)
	d.books(7)
	d.step("all of it is read", work)
	d.show(invoices, changes, hints, window, sweptAt)
	d.step("nothing is due", work)
	d.saw(`
== the newest cannot be read
person self
invoice invoices newest
-> failed: broken
window: 0 | no gaps
swept: never | 0 | never | no cursor | 0
== nor the second page
invoice invoices newest
invoice invoices dated 2026-11-01
invoice invoices dated 2026-11-01 from 2
invoice PDF 5
invoice PDF 3
told: changed invoice 3 at 12:00:04, changed invoice 5 at 12:00:04, PDF of 8 bytes, PDF of 8 bytes
info: stored changes=2 missed_webhooks=0
-> 2 changes, failed: broken
invoice: 3 | W-3 | sweep | 12:00:03 | 1 | stored |  | 0 | 0 |
invoice: 5 | W-5 | operator | 12:00:03 | 1 | stored |  | 0 | 0 |
window: 0 | no gaps
swept: never | 0 | never | no cursor | 0
== all of it is read
invoice invoices newest
invoice invoices dated 2026-11-01
invoice invoices dated 2026-11-01 from 2
invoice PDF 6
invoice PDF 7
told: changed invoice 6 at 12:00:08, changed invoice 7 at 12:00:08, PDF of 8 bytes, PDF of 8 bytes
info: stored changes=2 missed_webhooks=0
-> 2 changes
invoice: 3 | W-3 | sweep | 12:00:03 | 1 | stored |  | 0 | 0 |
invoice: 5 | W-5 | operator | 12:00:03 | 1 | stored |  | 0 | 0 |
invoice: 6 | W-6 | sweep | 12:00:07 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:07 | 1 | stored |  | 0 | 0 |
change: invoice | 3 | booked | sweep | none | 12:00:03
change: invoice | 5 | booked | operator | none | 12:00:03
change: invoice | 6 | booked | sweep | none | 12:00:07
change: invoice | 7 | booked | sweep | none | 12:00:07
hint: 5 | answered | operator | 1 | 0 | 1 | 0 |  |  |
window: 7 | no gaps
swept: 12:00:06 | 1 | never | no cursor | 0
== nothing is due
->
`)
}

// TestInvoicesBeginAtANumber: a shop that begins with a number reads nothing below it.
func TestInvoicesBeginAtANumber(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, func(d *desk) {
		d.fixture.Shop.InvoicesFrom, d.fixture.Shop.InvoicesFromNumber, d.invoicePage = "", 3, 2
	})
	d.books(2, 3, 5, 6, 8)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "6")
	d.exec("UPDATE hints SET due_at = '2026-11-20 12:05:00.000000'") // postponed
	d.refused["invoices above 2"] = failed(plan.ClassInterrupted, "broken")
	d.step("the first page cannot be read", aTick)
	clear(d.refused)
	d.step("the first tick", aTick)
	d.show(invoices, changes, window, sweptAt)
	d.clock = time.Date(2026, 11, 21, 11, 59, 58, 0, time.UTC) // two calls earlier
	d.step("a second less than a day after the sweep began", aTick)
	d.step("a day after it, without a tick", reconcile.Due{})
	d.step("with a tick", aTick)
	d.show(sweptAt)
	d.fixture.Shop.InvoicesFromNumber = 0
	d.take()
	d.step("from the first number", aSweep)
	d.saw(`
== the first page cannot be read
person self
invoice invoices above 2
-> failed: broken
== the first tick
invoice invoices above 2
invoice invoices above 2 from 2
invoice PDF 6
invoice PDF 3
invoice PDF 5
invoice PDF 8
told: changed invoice 3 at 12:00:03, changed invoice 5 at 12:00:03, changed invoice 6 at 12:00:04, changed invoice 8 at 12:00:04, PDF of 8 bytes, PDF of 8 bytes, PDF of 8 bytes, PDF of 8 bytes
info: stored changes=2 missed_webhooks=0
info: stored changes=2 missed_webhooks=0
-> ticked, 4 changes
invoice: 3 | W-3 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 5 | W-5 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 6 | W-6 | webhook | 12:00:03 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | sweep | 12:00:03 | 1 | stored |  | 0 | 0 |
change: invoice | 3 | booked | sweep | none | 12:00:02
change: invoice | 5 | booked | sweep | none | 12:00:02
change: invoice | 6 | booked | webhook | came | 12:00:03
change: invoice | 8 | booked | sweep | none | 12:00:03
window: 8 | 4-4 7-7
swept: 12:00:02 | 1 | never | no cursor | 0
== a second less than a day after the sweep began
person self
tick invoices above 8 4-4 7-7
-> ticked
== a day after it, without a tick
->
== with a tick
tick invoices above 8
-> ticked
swept: 12:00:02 | 1 | never | no cursor | 0
== from the first number
person self
tick invoices above 8
sweep invoices above 0
sweep invoices above 0 from 2
sweep invoices above 0 from 4
invoice PDF 2
told: changed invoice 2 at 12:00:04, PDF of 8 bytes
info: stored cause=sweep kind=invoice number=2 webhook=missed what=booked
-> 1 changes
`)
}

// TestOldInvoicesByNumber: a webhook of an invoice before the first number costs no call. A person
// gets it, and the webhook that comes meanwhile does not change that.
func TestOldInvoicesByNumber(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, func(d *desk) {
		d.fixture.Shop.InvoicesFrom, d.fixture.Shop.InvoicesFromNumber = "", 100
	})
	d.books(7, 8, 100)
	d.step("the first tick", aTick)
	d.called("7", "8", "7")
	d.step("webhooks of two", work)
	d.show(hints, invoices)
	d.are("SELECT old_invoice_hints FROM progress", "3")
	d.called("8")
	d.hinted(plan.KindInvoice, plan.CauseOperator, "8")
	d.step("a webhook of one that a person asks for", work)
	d.show(invoices)
	d.saw(`
== the first tick
person self
invoice invoices above 99
invoice PDF 100
told: changed invoice 100 at 12:00:02, PDF of 10 bytes
info: stored cause=sweep kind=invoice number=100 webhook=none what=booked
-> ticked, 1 changes
== webhooks of two
told: 0 webhooks marked, 3 too old
info: webhooks of invoices before the shop's start: answered, and not fetched kind=invoice webhooks=3
->
hint: 7 | answered | webhook | 2 | 0 | 0 | 0 |  | before_start | from before the shop's start: only a person's request fetches it
hint: 8 | answered | webhook | 1 | 0 | 0 | 0 |  | before_start | from before the shop's start: only a person's request fetches it
invoice: 100 | W-100 | sweep | 12:00:01 | 1 | stored |  | 0 | 0 |
== a webhook of one that a person asks for
person invoice 8
invoice PDF 8
told: changed invoice 8 at 12:00:03, PDF of 8 bytes
info: stored cause=webhook kind=invoice number=8 webhook=came what=booked
-> 1 changes
invoice: 8 | W-8 | webhook | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 100 | W-100 | sweep | 12:00:01 | 1 | stored |  | 0 | 0 |
`)
}

// TestInvoicesOff: hints of invoices are answered with the reason, and nothing is fetched.
func TestInvoicesOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop, invoicesOff)
	d.hasInvoice(3, "2026-11-20", "pending", "")
	d.exec("UPDATE invoices SET work_due_at = '1970-01-01 00:00:00.000000'")
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "11")
	d.step("a tick", reconcile.Due{Tick: true, Work: true})
	d.show(hints)
	d.saw(`
== a tick
person self
-> ticked
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  | invoices_off | invoices are off for this shop
`)
}

// TestBookedInvoices: a tick reads what is above the cursor, and the gaps in turn.
func TestBookedInvoices(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop, func(d *desk) { d.invoicePage, d.rangesFit = 1, 1 })
	d.step("no tick", work)
	d.books(11, 13, 15)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "13")
	d.step("a tick", reconcile.Due{Tick: true, Work: true})
	d.show(invoices, changes, hints, window)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "11")
	d.step("a webhook comes late", work)
	d.show(changes)
	d.step("the first gap", aTick)
	d.books(14)
	d.step("the second gap", aTick)
	d.show(window)
	d.books(16)
	d.unreadInvoices = []plan.Unreadable{{Number: "18", Err: errors.New("its date")}, {Err: errors.New("its number")}, {Number: "15", Err: errors.New("stored")}}
	d.refused["invoices above 15 12-12 from 1"] = failed(plan.ClassInterrupted, "broken")
	d.step("one cannot be understood", aTick)
	d.show(hints, warned, window)
	d.announced = 1
	d.step("fewer come than were announced", aTick)
	d.show(window)
	d.announced = 0
	d.later(time.Hour)
	d.step("an hour later", aTick)
	d.show(window)
	d.show(hints)
	d.saw(`
== no tick
person self
->
== a tick
tick invoices above 10
tick invoices above 10 from 1
tick invoices above 10 from 2
invoice PDF 11
invoice PDF 13
invoice PDF 15
told: changed invoice 11 at 12:00:02, changed invoice 13 at 12:00:03, changed invoice 15 at 12:00:04, PDF of 9 bytes, PDF of 9 bytes, PDF of 9 bytes
info: stored cause=tick kind=invoice number=11 webhook=missed what=booked
info: stored cause=webhook kind=invoice number=13 webhook=came what=booked
info: stored cause=tick kind=invoice number=15 webhook=missed what=booked
-> ticked, 3 changes
invoice: 11 | W-11 | tick | 12:00:01 | 1 | stored |  | 0 | 0 |
invoice: 13 | W-13 | webhook | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 15 | W-15 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
change: invoice | 11 | booked | tick | missed | 12:00:01
change: invoice | 13 | booked | webhook | came | 12:00:02
change: invoice | 15 | booked | tick | missed | 12:00:03
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
window: 15 | 12-12 14-14
== a webhook comes late
->
change: invoice | 11 | booked | tick | late | 12:00:01
change: invoice | 13 | booked | webhook | came | 12:00:02
change: invoice | 15 | booked | tick | missed | 12:00:03
== the first gap
tick invoices above 15 12-12
-> ticked
== the second gap
tick invoices above 15 14-14
invoice PDF 14
told: changed invoice 14 at 12:00:06, PDF of 9 bytes
info: stored cause=tick kind=invoice number=14 webhook=missed what=booked
-> ticked, 1 changes
window: 15 | 12-12
== one cannot be understood
tick invoices above 15 12-12
invoice PDF 16
told: bad item, bad item, changed invoice 16 at 12:00:07, PDF of 9 bytes
warning: unreadable invoices error=its date invoices=2 kind=invoice number=18
warning: an answer was not stored in part kind=invoice number= warning=1 without a number that can be read: its number
info: stored cause=tick kind=invoice number=16 webhook=missed what=booked
-> ticked, again, 1 changes
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 18 | open | tick | 1 | 0 | 1 | 0 | 12:00:22 | failed | its date
warning: invoice |  | 1 without a number that can be read: its number
window: 16 | 12-12
== fewer come than were announced
tick invoices above 16 12-12
-> failed: shop shop1234: e-conomic announced 3 invoices and sent 2: they are read again
window: 16 | 12-12
== an hour later
person self
tick invoices above 16 12-12
told: bad item, bad item
warning: unreadable invoices error=its date invoices=2 kind=invoice number=18
-> ticked
window: 16 | no gaps
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 18 | open | tick | 1 | 0 | 2 | 0 | 13:00:35 | failed | its date
`)
}

// TestInvoicesAreSwept: a sweep lists everything at its own priority, answers hints, and waits
// for the day's budget unless a person asks.
func TestInvoicesAreSwept(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop, func(d *desk) { d.invoicePage = 2 })
	d.books(8, 9, 10)
	d.hasInvoice(9, "2026-11-20", "stored", "")
	d.exec("UPDATE invoices SET lines_read = 1, work_due_at = NULL, found_at = '2026-11-19 12:00:00.000000'")
	d.hasInvoice(4, "2026-11-20", "stored", "")
	d.hasInvoice(10, "2026-11-19", "stored", "")
	d.exec("UPDATE invoices SET lines_read = 1, work_due_at = NULL, found_at = '2026-11-20 10:59:00.000000' WHERE number <> 9")
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "9")
	d.refused["invoices dated 2026-11-01"] = failed(plan.ClassDay, "spent")
	d.step("the day is spent", aSweep)
	d.show(hints, sweptAt)
	d.later(24 * time.Hour)
	d.step("a tick's sweep waits", aTick)
	d.show(sweptAt)
	d.refused["invoices dated 2026-11-01"] = failed(plan.ClassInterrupted, "broken")
	d.step("a sweep that fails", aTick)
	clear(d.refused)
	d.step("the next tick sweeps", aTick)
	d.show(sweptAt, hints, changes, "mixed: SELECT number, reason FROM mixed_invoices ORDER BY number")
	d.step("the next one does not", aTick)
	d.unreadInvoices = []plan.Unreadable{{Err: errors.New("its number")}}
	d.announced = 1
	d.step("fewer come than were announced", aSweep)
	d.announced = 0
	d.step("one has no number", aSweep)
	d.show(warned)
	d.unreadInvoices = nil
	d.books(7)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "7")
	d.exec("UPDATE hints SET due_at = ?", store.At(d.clock.Add(5*time.Minute))) // postponed
	d.step("all have one", aSweep)
	d.show(warned, hints, changes)
	d.saw(`
== the day is spent
person self
tick invoices above 10
sweep invoices dated 2026-11-01
-> short: spent
hint: 9 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
swept: 12:00:00 | 1 | 12:00:00 | 12:00:00 | 5000
== a tick's sweep waits
person self
tick invoices above 10
sweep invoices dated 2026-11-01
-> ticked
swept: 12:00:00 | 1 | 12:00:00 | 12:00:00 | 5000
== a sweep that fails
tick invoices above 10
sweep invoices dated 2026-11-01
-> failed: broken
== the next tick sweeps
tick invoices above 10
sweep invoices dated 2026-11-01
sweep invoices dated 2026-11-01 from 2
invoice PDF 8
told: changed invoice 8 at 12:00:10, PDF of 8 bytes
info: stored cause=sweep kind=invoice number=8 webhook=missed what=booked
-> ticked, 1 changes
swept: 2026-11-21 12:00:09 | 1 | 12:00:00 | 12:00:00 | 5000
no hint
change: invoice | 8 | booked | sweep | missed | 2026-11-21 12:00:09
mixed: 4 | e-conomic does not list it
mixed: 10 | its date is 2026-11-19, and 2026-11-20 at e-conomic
== the next one does not
tick invoices above 10
-> ticked
== fewer come than were announced
tick invoices above 10
-> failed: shop shop1234: e-conomic announced 2 invoices and sent 1: they are read again
== one has no number
tick invoices above 10
sweep invoices dated 2026-11-01
sweep invoices dated 2026-11-01 from 2
told: bad item, bad item
warning: unreadable invoices error=its number invoices=1 kind=invoice number=
warning: an answer was not stored in part kind=invoice number= warning=1 without a number that can be read: its number
warning: unreadable invoices error=its number invoices=1 kind=invoice number=
->
warning: invoice |  | 1 without a number that can be read: its number
== all have one
tick invoices above 10
sweep invoices dated 2026-11-01
sweep invoices dated 2026-11-01 from 2
invoice PDF 7
told: changed invoice 7 at 12:00:18, PDF of 8 bytes
info: stored cause=sweep kind=invoice number=7 webhook=missed what=booked
-> 1 changes
no warning
hint: 7 | open | webhook | 1 | 0 | 0 | 0 | 2026-11-21 12:05:16 |  |
change: invoice | 8 | booked | sweep | missed | 2026-11-21 12:00:09
change: invoice | 7 | booked | sweep | missed | 2026-11-21 12:00:17
`)
}

// TestHintedInvoices: what becomes of each hint, and how few calls that takes.
func TestHintedInvoices(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, func(d *desk) { d.rangesFit, d.invoicePage = 2, 1 })
	d.exec("UPDATE progress SET invoice_cursor = 10, swept_at = '2026-11-20 11:59:00.000000'")
	d.books(3, 4, 5, 6)
	d.lines[3] = []string{"a", "b"}
	d.hasInvoice(1, "2026-11-20", "pending", "no PDF")
	d.exec("UPDATE invoices SET lines_read = 1, work_due_at = '2026-11-20 13:00:00.000000', found_at = '2026-11-20 11:00:00.000000'")
	d.hinted(plan.KindInvoice, plan.CauseOperator, "x", "0", "-1", "99999999999999999999", "1", "3")
	d.step("one is unknown", work)
	d.show(hints, invoices, changes)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "4", "5", "6", "7", "1")
	d.unreadInvoices = []plan.Unreadable{{Number: "8", Err: errors.New("its date")}}
	d.hinted(plan.KindInvoice, plan.CauseOperator, "8")
	d.step("several are", work)
	d.show(hints, invoices, changes)
	d.later(time.Minute)
	d.step("a minute later", work)
	d.later(5 * time.Minute)
	d.step("five minutes later", work)
	d.show(hints)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "20")
	d.refused["invoice 20"] = failed(plan.ClassNumber, "it is odd")
	d.step("one cannot be read", work)
	d.refused["invoice 20"] = failed(plan.ClassHanging, "silence")
	d.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000' WHERE number = '20'")
	d.step("it hangs", work)
	clear(d.refused)
	d.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000' WHERE number = '20'")
	d.step("it does not exist", work)
	d.show("hint: SELECT number, tries, failures, due_at, reason, note FROM hints WHERE number = '20'")
	d.unreadInvoices = append(d.unreadInvoices, plan.Unreadable{Number: "21", Err: errors.New("its sum")})
	d.lines[21] = []string{"c"}
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "21")
	d.step("one cannot be understood", work)
	d.show("hint: SELECT number, tries, failures, due_at, reason, note FROM hints WHERE number IN ('21', 'c')")
	d.hinted(plan.KindInvoice, plan.CauseOperator, "1")
	d.exec("UPDATE invoices SET lines_read = 0, work_due_at = '2026-11-20 23:00:00.000000' WHERE number = 1")
	d.step("one that is stored, with a tick", aTick)
	d.show("invoice: SELECT number, lines_read, COALESCE(work_due_at, '') FROM invoices WHERE number = 1")
	d.saw(`
== one is unknown
person self
person invoice 3
unknown item a
unknown item b
invoice PDF 3
invoice PDF 1
told: changed invoice 3 at 12:00:02, PDF of 8 bytes, PDF of 8 bytes
info: stored cause=operator kind=invoice number=3 webhook=missed what=booked
-> again, 1 changes
hint: -1 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 0 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 1 | answered | operator | 1 | 0 | 0 | 0 |  |  |
hint: 3 | answered | operator | 1 | 0 | 0 | 0 |  |  |
hint: 99999999999999999999 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: x | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: a | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
hint: b | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 | W-3 | operator | 12:00:01 | 1 | stored |  | 0 | 0 |
change: invoice | 3 | booked | operator | missed | 12:00:01
== several are
person invoice 8
unknown invoices 4-4 5-5
unknown invoices 4-4 5-5 from 1
unknown invoices 6-6 7-7
invoice lines 4
invoice PDF 4
invoice lines 5
invoice PDF 5
invoice lines 6
invoice PDF 6
told: bad item, changed invoice 4 at 12:00:07, changed invoice 5 at 12:00:07, changed invoice 6 at 12:00:08, PDF of 8 bytes, PDF of 8 bytes, PDF of 8 bytes
warning: unreadable invoices error=its date invoices=1 kind=invoice number=8
info: stored changes=2 missed_webhooks=0
info: stored cause=webhook kind=invoice number=6 webhook=came what=booked
-> 3 changes
hint: -1 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 0 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 1 | answered | webhook | 2 | 0 | 0 | 0 |  |  |
hint: 3 | answered | operator | 1 | 0 | 0 | 0 |  |  |
hint: 4 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 5 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 6 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 7 | open | webhook | 1 | 1 | 0 | 0 | 12:01:08 | unknown | e-conomic has no booked invoice with this number
hint: 8 | open | operator | 1 | 0 | 1 | 0 | 12:00:20 | failed | its date
hint: 99999999999999999999 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: x | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: a | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
hint: b | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 | W-3 | operator | 12:00:01 | 1 | stored |  | 0 | 0 |
invoice: 4 | W-4 | webhook | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 5 | W-5 | webhook | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 6 | W-6 | webhook | 12:00:07 | 1 | stored |  | 0 | 0 |
change: invoice | 3 | booked | operator | missed | 12:00:01
change: invoice | 4 | booked | webhook | came | 12:00:05
change: invoice | 5 | booked | webhook | came | 12:00:05
change: invoice | 6 | booked | webhook | came | 12:00:07
== a minute later
person invoice 8
unknown invoice 7
told: bad item
warning: unreadable invoices error=its date invoices=1 kind=invoice number=8
->
== five minutes later
person invoice 8
unknown invoice 7
told: bad item
warning: unreadable invoices error=its date invoices=1 kind=invoice number=8
->
hint: -1 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 0 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 1 | answered | webhook | 2 | 0 | 0 | 0 |  |  |
hint: 3 | answered | operator | 1 | 0 | 0 | 0 |  |  |
hint: 4 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 5 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 6 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 7 | answered | webhook | 1 | 2 | 0 | 0 |  | unknown | e-conomic has no booked invoice with this number
hint: 8 | open | operator | 1 | 0 | 3 | 0 | 12:06:56 | failed | its date
hint: 99999999999999999999 | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: x | answered | operator | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: a | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
hint: b | answered | invoice | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
== one cannot be read
unknown invoice 20
warning: read failed: postponed error=it is odd failures=1 kind=invoice number=20
->
== it hangs
unknown invoice 20
warning: read failed: postponed error=silence failures=2 kind=invoice number=20
-> stopped, failed: silence
== it does not exist
unknown invoice 20
->
hint: 20 | 1 | 0 | 12:07:15 | unknown | e-conomic has no booked invoice with this number
== one cannot be understood
unknown invoice 21
told: bad item
warning: unreadable invoices error=its sum invoices=1 kind=invoice number=21
->
hint: 21 | 0 | 1 | 12:06:31 | failed | its sum
== one that is stored, with a tick
tick invoices above 10
tick changes since 11:55:00
invoice lines 1
told: bad item
warning: unreadable invoices error=its sum invoices=1 kind=invoice number=21
-> ticked
invoice: 1 | 1 |
`)
}

// TestHintedInvoicesFail: if several invoices cannot be read in one call, the class of the error
// says what follows.
func TestHintedInvoicesFail(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	d.books(11, 12, 13)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "11", "12", "13")
	d.refused["invoices 11-11 12-12 13-13"] = failed(plan.ClassInterrupted, "broken")
	d.step("interrupted", work)
	d.show(hints)
	d.refused["invoices 11-11 12-12 13-13"] = failed(plan.ClassPart, "refused")
	d.refused["invoice 12"] = failed(plan.ClassPart, "refused too")
	d.step("refused: one by one", work)
	d.show(hints, held, invoices)
	clear(d.refused)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "14", "15")
	d.announced = 1
	d.step("fewer come than were announced", work)
	d.show(hints)
	d.announced = 0
	d.books(15)
	d.unreadInvoices = []plan.Unreadable{{Err: errors.New("its number")}}
	d.exec("UPDATE hints SET tries = 2 WHERE number = '14'") // the last time that it may be unknown
	d.step("one has no number", work)
	d.show(hints)
	d.saw(`
== interrupted
person self
unknown invoices 11-11 12-12 13-13
-> failed: broken
hint: 11 | open | webhook | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
hint: 12 | open | webhook | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
hint: 13 | open | webhook | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
== refused: one by one
unknown invoices 11-11 12-12 13-13
unknown invoice 13
unknown invoice 12
unknown invoice 11
invoice PDF 11
invoice PDF 13
told: changed invoice 13 at 12:00:04, changed invoice 11 at 12:00:06, PDF of 9 bytes, PDF of 9 bytes
info: stored cause=webhook kind=invoice number=13 webhook=came what=booked
warning: read failed: postponed error=refused too failures=1 kind=invoice number=12
info: stored cause=webhook kind=invoice number=11 webhook=came what=booked
-> 2 changes
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 12 | open | webhook | 1 | 0 | 1 | 1 | 12:00:20 | forbidden | forbidden: refused too
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
no hold
invoice: 11 | W-11 | webhook | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 13 | W-13 | webhook | 12:00:03 | 1 | stored |  | 0 | 0 |
== fewer come than were announced
unknown invoices 14-14 15-15
->
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 12 | open | webhook | 1 | 0 | 1 | 1 | 12:00:20 | forbidden | forbidden: refused too
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 14 | open | webhook | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
hint: 15 | open | webhook | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
== one has no number
unknown invoices 14-14 15-15
invoice PDF 15
told: bad item, bad item, changed invoice 15 at 12:00:08, PDF of 9 bytes
warning: unreadable invoices error=its number invoices=2 kind=invoice number=
info: stored cause=webhook kind=invoice number=15 webhook=came what=booked
-> 1 changes
hint: 11 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 12 | open | webhook | 1 | 0 | 1 | 1 | 12:00:20 | forbidden | forbidden: refused too
hint: 13 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 14 | open | webhook | 1 | 2 | 1 | 0 | 12:00:23 | failed | its number
hint: 15 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
`)
}

// TestInvoicesHeld: an agreement that refuses invoices is tried by the newest hint, and the
// other hints wait for the next try.
func TestInvoicesHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	d.books(11, 12, 13)
	d.hasInvoice(14, "2026-11-20", "stored", "")
	d.exec("UPDATE invoices SET lines_read = 1, work_due_at = NULL, found_at = '2026-11-20 11:00:00.000000'")
	d.refused["invoices above 10"] = failed(plan.ClassPart, "no role")
	d.step("refused", aTick)
	d.show(held)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "11", "12", "14", "x", "0", "99999999999999999999")
	d.later(time.Minute)
	d.step("a hint", reconcile.Due{Tick: true, Work: true})
	d.show(hints)
	d.later(10*time.Minute - 3*time.Second)
	for _, n := range []string{"invoice 11", "invoice 12"} {
		d.refused[n] = failed(plan.ClassPart, "no role for "+n)
	}
	d.step("the next try", work)
	d.show(hints, held)
	d.step("a person asks", asked)
	d.show(hints, held)
	d.later(10 * time.Minute)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "12")
	d.step("one that was refused before, hinted again", work)
	d.later(10 * time.Minute)
	d.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000' WHERE number = '12'")
	d.take()
	d.step("or by another holder", work)
	d.refused["invoice 13"] = failed(plan.ClassHanging, "silence")
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "13")
	d.step("the newest hangs", asked)
	clear(d.refused)
	d.step("it is granted", asked)
	d.show(hints, held, invoices)
	d.saw(`
== refused
person self
tick invoices above 10
warning: held detail=no role reason=forbidden scope=invoices
-> ticked
hold: invoices | forbidden | no role | 12:00:02
== a hint
-> ticked
hint: 0 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 11 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 12 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 14 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 99999999999999999999 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: x | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
== the next try
hint invoice 12
hint invoice 11
warning: read failed: postponed error=no role for invoice 12 failures=1 kind=invoice number=12
warning: read failed: postponed error=no role for invoice 11 failures=1 kind=invoice number=11
->
hint: 0 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 11 | open | webhook | 1 | 0 | 1 | 1 | 12:11:16 | forbidden | forbidden: no role for invoice 11
hint: 12 | open | webhook | 1 | 0 | 1 | 1 | 12:11:15 | forbidden | forbidden: no role for invoice 12
hint: 14 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 99999999999999999999 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: x | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hold: invoices | forbidden | no role | 12:00:02
== a person asks
tick invoices above 10
-> ticked
hint: 0 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 11 | open | webhook | 1 | 0 | 1 | 1 | 12:11:16 | forbidden | forbidden: no role for invoice 11
hint: 12 | open | webhook | 1 | 0 | 1 | 1 | 12:11:15 | forbidden | forbidden: no role for invoice 12
hint: 14 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: 99999999999999999999 | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hint: x | open | webhook | 1 | 0 | 0 | 0 | 12:10:02 | part_held | waits, as invoices: forbidden: no role
hold: invoices | forbidden | no role | 12:00:02
== one that was refused before, hinted again
hint invoice 12
unknown invoice 11
warning: read failed: postponed error=no role for invoice 12 failures=1 kind=invoice number=12
warning: read failed: postponed error=no role for invoice 11 failures=2 kind=invoice number=11
->
== or by another holder
person self
hint invoice 12
unknown invoice 11
warning: read failed: postponed error=no role for invoice 12 failures=2 kind=invoice number=12
warning: read failed: postponed error=no role for invoice 11 failures=3 kind=invoice number=11
->
== the newest hangs
hint invoice 13
warning: read failed: postponed error=silence failures=1 kind=invoice number=13
-> stopped, failed: silence
== it is granted
tick invoices above 10
told: changed invoice 11 at 12:31:09, changed invoice 12 at 12:31:09, changed invoice 13 at 12:31:09
info: hold ended reason=forbidden scope=invoices seen=invoices read
info: stored changes=3 missed_webhooks=0
-> ticked, 3 changes
hint: 0 | answered | webhook | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: 11 | answered | webhook | 1 | 0 | 3 | 0 |  |  |
hint: 12 | answered | webhook | 2 | 0 | 2 | 0 |  |  |
hint: 13 | answered | webhook | 1 | 0 | 1 | 0 |  |  |
hint: 14 | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: 99999999999999999999 | answered | webhook | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
hint: x | answered | webhook | 1 | 0 | 0 | 0 |  | no_number | not an invoice number: expected a whole number from 1
no hold
invoice: 11 | W-11 | webhook | 12:31:08 | 0 | pending | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 12 | W-12 | webhook | 12:31:08 | 0 | pending | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 13 | W-13 | webhook | 12:31:08 | 0 | pending | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 14 |  | tick | 11:00:00 | 1 | stored |  | 3 | 0 |
`)
}

// TestInvoicesHeldWithoutHints: without a hint, a tick tries the invoices again.
func TestInvoicesHeldWithoutHints(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	d.books(11)
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'invoices', 'forbidden', 'as it was', ?)", store.At(d.clock))
	d.refused["invoices above 10"] = failed(plan.ClassPart, "no role")
	d.step("a new holder tries at once", aTick)
	d.show(held)
	d.step("and no more", aTick)
	d.later(10 * time.Minute)
	clear(d.refused)
	d.step("until it is time", aTick)
	d.show(held, invoices)
	d.step("from then on each tick reads", aTick)
	d.saw(`
== a new holder tries at once
person self
tick invoices above 10
-> ticked
hold: invoices | forbidden | no role | 12:00:00
== and no more
-> ticked
== until it is time
tick invoices above 10
invoice PDF 11
told: changed invoice 11 at 12:10:03, PDF of 9 bytes
info: hold ended reason=forbidden scope=invoices seen=invoices read
info: stored cause=tick kind=invoice number=11 webhook=missed what=booked
-> ticked, 1 changes
no hold
invoice: 11 | W-11 | tick | 12:10:02 | 1 | stored |  | 0 | 0 |
== from then on each tick reads
tick invoices above 11
-> ticked
`)
}

// TestInvoicesBeginWhileHeld: the first answer ends the hold, whatever follows.
func TestInvoicesBeginWhileHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff)
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'invoices', 'forbidden', 'as it was', ?)", store.At(d.clock))
	d.books(4, 5)
	d.unreadInvoices = []plan.Unreadable{{Err: errors.New("its number")}} // any number may be taken
	d.refused["invoices dated 2026-11-01"] = failed(plan.ClassInterrupted, "broken")
	d.step("the first pass", aTick)
	d.show(held)
	clear(d.refused)
	d.step("the second", aTick)
	d.show(window)
	d.saw(`
== the first pass
person self
invoice invoices newest
invoice invoices dated 2026-11-01
info: hold ended reason=forbidden scope=invoices seen=invoices read
-> failed: broken
no hold
== the second
invoice invoices newest
invoice invoices dated 2026-11-01
invoice PDF 4
invoice PDF 5
told: bad item, changed invoice 4 at 12:00:05, changed invoice 5 at 12:00:05, PDF of 8 bytes, PDF of 8 bytes
warning: unreadable invoices error=its number invoices=1 kind=invoice number=
warning: an answer was not stored in part kind=invoice number= warning=1 without a number that can be read: its number
info: stored changes=2 missed_webhooks=0
-> ticked, 2 changes
window: 5 | no gaps
`)
}
