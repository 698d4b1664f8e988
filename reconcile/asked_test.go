package reconcile_test

import (
	"errors"
	"testing"

	"lagerd/plan"
)

// TestInvoicesNotAskedFor: where e-conomic ignores the filters, what it sends besides is not
// stored, by none of the reads, and takes no number out of a gap; a warning tells of it until a
// sweep shows none. What is hinted is stored, whatever its date.
func TestInvoicesNotAskedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff)
	d.books(1, 2, 3, 4, 7)
	for n := range int64(3) {
		d.booked[n+1] = plan.Invoice{Number: n + 1, Date: "2026-10-31"}
	}
	d.unreadInvoices = []plan.Unreadable{{Number: "5", Err: errors.New("its date")}}
	d.ignoresFilters = true
	d.step("a shop begins", aTick)
	d.show(invoices, hints, warned, window)
	d.books(8)
	d.step("a tick", aTick)
	d.show(invoices, hints, warned, window)
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "1", "2", "3")
	d.step("webhooks of three before the start", work)
	d.show(invoices, hints)
	d.hinted(plan.KindInvoice, plan.CauseOperator, "1", "2")
	d.step("two that a person asks for", work)
	d.show(invoices, window)
	d.step("a sweep", aSweep)
	d.show(invoices, warned)
	d.ignoresFilters = false
	d.unreadInvoices = nil
	d.step("a sweep without them", aSweep)
	d.show(invoices, warned)
	d.saw(`
== a shop begins
person self
invoice invoices newest
invoice invoices dated 2026-11-01
invoice PDF 4
invoice PDF 7
told: changed invoice 4 at 12:00:03, changed invoice 7 at 12:00:03, PDF of 8 bytes, PDF of 8 bytes
warning: an answer was not stored in part kind=invoice number= warning=4 that lagerd did not ask for, and does not store: e.g. invoice 1 of 2026-10-31
info: stored changes=2 missed_webhooks=0
-> ticked, 2 changes
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
no hint
warning: invoice |  | 4 that lagerd did not ask for, and does not store: e.g. invoice 1 of 2026-10-31
window: 7 | 6-6
== a tick
tick invoices above 7 6-6
invoice PDF 8
told: changed invoice 8 at 12:00:04, PDF of 8 bytes
info: stored cause=tick kind=invoice number=8 webhook=missed what=booked
-> ticked, 1 changes
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
no hint
warning: invoice |  | 4 that lagerd did not ask for, and does not store: e.g. invoice 1 of 2026-10-31
window: 8 | 6-6
== webhooks of three before the start
unknown invoices 1-1 2-2 3-3
told: 0 webhooks marked, 3 too old
warning: e-conomic sent invoices that were not asked for: they are not stored date=2026-11-20 invoices=4 kind=invoice number=4
info: webhooks of invoices before the shop's start: answered, and not fetched kind=invoice webhooks=3
->
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
hint: 1 | answered | webhook | 1 | 0 | 0 | 0 |  | before_start | from before the shop's start: only a person's request fetches it
hint: 2 | answered | webhook | 1 | 0 | 0 | 0 |  | before_start | from before the shop's start: only a person's request fetches it
hint: 3 | answered | webhook | 1 | 0 | 0 | 0 |  | before_start | from before the shop's start: only a person's request fetches it
== two that a person asks for
person invoices 1-1 2-2
invoice PDF 1
invoice PDF 2
told: changed invoice 1 at 12:00:06, changed invoice 2 at 12:00:06, PDF of 8 bytes, PDF of 8 bytes
warning: e-conomic sent invoices that were not asked for: they are not stored date=2026-10-31 invoices=5 kind=invoice number=3
info: stored changes=2 missed_webhooks=2
-> 2 changes
invoice: 1 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 2 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
window: 8 | 6-6
== a sweep
tick invoices above 8 6-6
sweep invoices dated 2026-11-01
->
invoice: 1 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 2 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
warning: invoice |  | 2 that lagerd did not ask for, and does not store: e.g. invoice 3 of 2026-10-31
== a sweep without them
tick invoices above 8 6-6
sweep invoices dated 2026-11-01
->
invoice: 1 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 2 |  | operator | 12:00:05 | 1 | stored |  | 0 | 0 |
invoice: 4 | W-4 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 7 | W-7 | sweep | 12:00:02 | 1 | stored |  | 0 | 0 |
invoice: 8 | W-8 | tick | 12:00:03 | 1 | stored |  | 0 | 0 |
no warning
`)
}

// TestInvoicesBeginWithoutTheHighest: a shop does not begin while e-conomic does not show the
// highest number, since everything above would count as booked later.
func TestInvoicesBeginWithoutTheHighest(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, func(d *desk) { d.invoicePage = 2 })
	d.announced = 3
	d.step("none of three came", aTick)
	d.show(window)
	d.announced = 0
	d.books(1, 2, 3, 4)
	for n := range int64(3) {
		d.booked[n+1] = plan.Invoice{Number: n + 1, Date: "2026-10-31"}
	}
	d.ignoresSort = true
	d.step("the lowest came", work)
	d.show(window)
	d.ignoresSort = false
	d.step("the highest came", work)
	d.show(invoices, window)
	d.step("a tick", aTick)
	d.saw(`
== none of three came
person self
invoice invoices newest
-> failed: shop shop1234: e-conomic: announced 3 invoices and sent 0: the invoices are asked for again
window: 0 | no gaps
== the lowest came
invoice invoices newest
-> failed: shop shop1234: e-conomic: asked for invoices, the highest number first, and they came in another order: the invoices are asked for again
window: 0 | no gaps
== the highest came
invoice invoices newest
invoice invoices dated 2026-11-01
invoice PDF 4
told: changed invoice 4 at 12:00:05, PDF of 8 bytes
info: stored cause=sweep kind=invoice number=4 webhook=none what=booked
-> 1 changes
invoice: 4 | W-4 | sweep | 12:00:04 | 1 | stored |  | 0 | 0 |
window: 4 | no gaps
== a tick
tick invoices above 4
-> ticked
`)
}
