package reconcile_test

import (
	"testing"
	"time"

	"lagerd/plan"
)

// TestPDFsThatNeverCome: of PDFs that earlier tries did not get, only as many are asked for as
// their share of calls has; the others wait, and that of a new invoice does not. In the end they are
// asked for once a day. A webhook makes
// one due at once, and what its tries have been is kept; a person begins anew.
func TestPDFsThatNeverCome(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	for n := range int64(5) {
		d.lacks(n+1, false, true)
		d.refused["PDF "+string(rune('1'+n))] = failed(plan.ClassNumber, "no PDF yet")
	}
	d.exec("UPDATE invoices SET lines_read = 1, pdf_state = 'pending', work_tries = 5, work_error = 'before' WHERE number < 5")
	d.spare = 2
	const work1 = "invoice: SELECT number, COALESCE(work_due_at, ''), work_tries, work_error FROM invoices ORDER BY number"
	d.step("five are due", work)
	d.show(work1)
	d.step("none is due", work)
	d.spare = 1000
	d.hinted(plan.KindInvoice, plan.CauseWebhook, "3")
	d.hinted(plan.KindInvoice, plan.CauseOperator, "4")
	d.step("one has a webhook, a person asks for another", work)
	d.show(work1)
	d.exec("UPDATE invoices SET work_tries = 30 WHERE number = 2")
	d.clock = d.clock.Add(48 * time.Hour)
	d.step("two days later", work)
	d.show(work1)
	d.step("a day has not passed", work)
	d.saw(`
== five are due
person self
pdf PDF 1
pdf PDF 2
invoice PDF 5
warning: fetch of an invoice failed: postponed error=no PDF yet failures=6 kind=invoice number=1
warning: fetch of an invoice failed: postponed error=no PDF yet failures=6 kind=invoice number=2
warning: fetch of an invoice failed: postponed error=no PDF yet failures=1 kind=invoice number=5
->
invoice: 1 | 12:05:26 | 6 | no PDF yet
invoice: 2 | 12:05:26 | 6 | no PDF yet
invoice: 3 | 12:10:01 | 5 | before
invoice: 4 | 12:10:01 | 5 | before
invoice: 5 | 12:00:16 | 1 | no PDF yet
== none is due
->
== one has a webhook, a person asks for another
pdf PDF 3
invoice PDF 4
warning: fetch of an invoice failed: postponed error=no PDF yet failures=6 kind=invoice number=3
warning: fetch of an invoice failed: postponed error=no PDF yet failures=1 kind=invoice number=4
->
invoice: 1 | 12:05:26 | 6 | no PDF yet
invoice: 2 | 12:05:26 | 6 | no PDF yet
invoice: 3 | 12:05:26 | 6 | no PDF yet
invoice: 4 | 12:00:16 | 1 | no PDF yet
invoice: 5 | 12:00:16 | 1 | no PDF yet
== two days later
person self
pdf PDF 4
pdf PDF 5
pdf PDF 1
pdf PDF 2
pdf PDF 3
warning: fetch of an invoice failed: postponed error=no PDF yet failures=2 kind=invoice number=4
warning: fetch of an invoice failed: postponed error=no PDF yet failures=2 kind=invoice number=5
warning: fetch of an invoice failed: postponed error=no PDF yet failures=7 kind=invoice number=1
warning: fetch of an invoice failed: postponed error=no PDF yet failures=31 kind=invoice number=2
warning: fetch of an invoice failed: postponed error=no PDF yet failures=7 kind=invoice number=3
->
invoice: 1 | 2026-11-22 12:10:47 | 7 | no PDF yet
invoice: 2 | 2026-11-23 12:00:07 | 31 | no PDF yet
invoice: 3 | 2026-11-22 12:10:47 | 7 | no PDF yet
invoice: 4 | 2026-11-22 12:00:27 | 2 | no PDF yet
invoice: 5 | 2026-11-22 12:00:27 | 2 | no PDF yet
== a day has not passed
->
`)
}
