package reconcile_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// lacks stores an invoice that lacks its lines, its PDF, or both.
func (d *desk) lacks(number int64, lines, pdf bool) {
	d.t.Helper()
	state := map[bool]string{true: "pending", false: "stored"}[pdf]
	d.hasInvoice(number, "2026-11-20", state, "")
	d.exec("UPDATE invoices SET work_tries = 0, lines_read = ?, work_due_at = '1970-01-01 00:00:00.000000', found_at = '2026-11-20 11:00:00.000000' WHERE number = ?", !lines, number)
}

const pdfData = "PDF: SELECT p.number, p.pdf, i.pdf_size, i.pdf_sha256, i.pdf_stored_at FROM invoice_pdfs p JOIN invoices i ON i.number = p.number ORDER BY p.number"

// TestInvoicesAreCompleted: the lines of an invoice become hints, and its PDF is stored; each is
// read once, and one that fails does not block the other.
func TestInvoicesAreCompleted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	d.exec("UPDATE progress SET items = 101") // one more than a page
	d.lacks(1, true, true)
	d.lacks(2, false, true)
	d.lacks(3, true, false)
	d.lines[1], d.lines[3] = []string{"a", "b"}, []string{"b"}
	d.refused["lines 3"] = failed(plan.ClassNumber, "odd lines")
	d.refused["PDF 1"] = failed(plan.ClassNumber, "no PDF yet")
	d.step("a pass", work)
	d.show(invoices, hints, pdfData)
	d.step("nothing is due", work)
	d.later(15 * time.Second)
	d.step("15 seconds later", work)
	d.show(invoices)
	d.later(time.Minute)
	clear(d.refused)
	d.step("they can be read", work)
	d.show(invoices, "hint: SELECT number, cause, seen_gen, webhooks FROM hints ORDER BY number")
	d.exec("UPDATE invoices SET lines_read = 0, work_due_at = '1970-01-01 00:00:00.000000' WHERE number = 1")
	d.exec("UPDATE progress SET items = 100")
	d.take()
	d.step("a tick lists all items", work)
	d.show(invoices)
	d.saw(`
== a pass
person self
invoice lines 1
invoice PDF 1
invoice PDF 2
invoice lines 3
told: PDF of 8 bytes
warning: fetch of an invoice failed: postponed error=no PDF yet failures=1 kind=invoice number=1
warning: fetch of an invoice failed: postponed error=odd lines failures=1 kind=invoice number=3
-> again
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 0 | no PDF yet
invoice: 2 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 |  | tick | 11:00:00 | 0 | stored | 12:00:16 | 1 | 0 | odd lines
hint: a | open | invoice | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
hint: b | open | invoice | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
PDF: 2 | [80 68 70 32 111 102 32 50] | 8 | 04295d6fb47caaac841587a061c81eb9471cd8e125beddb383157b1db08f2ea0 | 12:00:01
== nothing is due
unknown item a
unknown item b
->
== 15 seconds later
pdf PDF 1
pdf lines 3
warning: fetch of an invoice failed: postponed error=no PDF yet failures=2 kind=invoice number=1
warning: fetch of an invoice failed: postponed error=odd lines failures=2 kind=invoice number=3
->
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 12:00:43 | 2 | 0 | no PDF yet
invoice: 2 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 |  | tick | 11:00:00 | 0 | stored | 12:00:43 | 2 | 0 | odd lines
== they can be read
pdf PDF 1
pdf lines 3
told: PDF of 8 bytes
-> again
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 2 | 0 |
invoice: 2 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 |  | tick | 11:00:00 | 1 | stored |  | 2 | 0 |
hint: a | invoice | 1 | 0
hint: b | invoice | 2 | 0
== a tick lists all items
person self
unknown item b
->
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 2 | 0 |
invoice: 2 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 3 |  | tick | 11:00:00 | 1 | stored |  | 2 | 0 |
`)
}

// TestManyPDFs: a pass fetches at most fetchesPerPass, and says that there is more; without news
// it does not look again.
func TestManyPDFs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	for n := range 41 {
		d.lacks(int64(n+1), false, true)
	}
	d.exec("UPDATE invoices SET lines_read = 1")
	count := "stored: SELECT COUNT(*) FROM invoices WHERE pdf_state = 'stored'"
	pass := func(name string, due reconcile.Due) {
		t.Helper()
		d.asked, d.told, d.logged = nil, nil, nil
		report, err := d.RunOnce(t.Context(), due)
		d.write("== %s: %d calls, again %t, %v", name, len(d.asked), report.Again, err)
		d.show(count)
	}
	d.refused["PDF 40"] = failed(plan.ClassBusy, "limited")
	pass("the last is limited", reconcile.Due{})
	d.exec("UPDATE invoices SET pdf_state = 'pending', work_due_at = '1970-01-01 00:00:00.000000'")
	d.exec("DELETE FROM invoice_pdfs")
	clear(d.refused)
	pass("the next, without news", reconcile.Due{})
	pass("the next", reconcile.Due{})
	d.lacks(42, false, true)
	pass("without news", reconcile.Due{})
	pass("with news", work)
	d.saw(`
== the last is limited: 41 calls, again false, limited
stored: 39
== the next, without news: 40 calls, again true, <nil>
stored: 40
== the next: 1 calls, again false, <nil>
stored: 41
== without news: 0 calls, again false, <nil>
stored: 41
== with news: 1 calls, again false, <nil>
stored: 42
`)
}

// TestPDFFailures: what the class of an error stops, and whether the invoice is postponed.
func TestPDFFailures(t *testing.T) {
	t.Parallel()
	const due, postponed = "pending | 1970-01-01 00:00:00 | 0 | 0 | ", "pending | 12:00:16 | 1 | 0 | "
	for _, c := range []struct {
		class plan.Class
		row   string // of the invoice
		came  string
		stops bool // no further PDF is asked for
	}{
		{plan.ClassNumber, postponed + "it is number", "->", false},
		{plan.ClassInterrupted, postponed + "it is interrupted", "->", false},
		{plan.ClassHanging, postponed + "it is hanging", "-> stopped, failed: it is hanging", true},
		{plan.ClassBusy, postponed + "it is busy", "-> stopped, failed: it is busy", true},
		{plan.ClassDay, due, "->", false},
		{plan.ClassPart, "pending | 12:00:16 | 1 | 1 | forbidden: it is part", "->", false},
		{plan.ClassShop, "pending | 12:00:17 | 1 | 1 | forbidden: it is narrow", "->", false}, // /self is well
	} {
		t.Run(string(c.class), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, readShop)
			d.step("a pass that reads /self", reconcile.Due{})
			for n := range 6 {
				d.lacks(int64(n+1), false, true)
			}
			if c.class == plan.ClassShop {
				d.take() // /self is read again
				d.agreement = 7
			}
			d.refused["PDF 2"] = &source.Error{Class: c.class, Err: fmt.Errorf("it is %s", c.class), Narrowed: &source.Error{Class: plan.ClassPart, Err: errors.New("it is narrow")}}
			if c.stops { // the third may be under way when the second fails
				d.before["PDF 3"] = func() {
					for len(d.rows("SELECT 1 FROM invoices WHERE number = 2 AND work_tries = 1")) == 0 {
						runtime.Gosched()
					}
				}
			}
			d.journal = nil
			d.step("a pass", work)
			if came := d.journal[len(d.journal)-1]; came != c.came {
				t.Errorf("the pass: %q, expected %q", came, c.came)
			}
			d.are("SELECT pdf_state, work_due_at, work_tries, work_refused, work_error FROM invoices WHERE number = 2", c.row)
			d.are("SELECT scope FROM holds")
			if stopped := !slices.Contains(d.asked, "invoice PDF 4"); stopped != c.stops && c.class != plan.ClassDay { // how many are under way then is left to chance
				t.Errorf("stopped: %t, after %q", stopped, d.asked)
			}
		})
	}
}

// TestLimitedWhileTheDayIsSpent: a 429 is what the pass failed with, even if other calls failed
// for lack of tokens.
func TestLimitedWhileTheDayIsSpent(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop, func(d *desk) { d.PDFConcurrency = 2 })
	d.lacks(1, false, true)
	d.lacks(2, false, true)
	d.refused["PDF 1"], d.refused["PDF 2"] = failed(plan.ClassDay, "no tokens"), failed(plan.ClassBusy, "limited")
	under := make(chan struct{})
	d.before["PDF 1"], d.before["PDF 2"] = func() { <-under }, func() { close(under) }
	report, err := d.RunOnce(t.Context(), work)
	if err == nil || err.Error() != "limited\nno tokens" || !report.Stopped {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestLinesFailures: after some errors of its lines, the PDF of an invoice is not asked for.
func TestLinesFailures(t *testing.T) {
	t.Parallel()
	for class, calls := range map[plan.Class]string{
		plan.ClassNumber: "lines 1, PDF 1", plan.ClassInterrupted: "lines 1, PDF 1", plan.ClassPart: "lines 1, PDF 1",
		plan.ClassHanging: "lines 1", plan.ClassBusy: "lines 1", plan.ClassDay: "lines 1",
	} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, sweptShop)
			d.lacks(1, true, true)
			d.refused["lines 1"] = failed(class, "no")
			_, _ = d.RunOnce(t.Context(), work)
			if got := strings.ReplaceAll(strings.Join(d.asked[1:], ", "), "invoice ", ""); got != calls {
				t.Errorf("asked for %q, expected %q", got, calls)
			}
		})
	}
}

// TestPDFsHeld: three refused PDFs in a row hold the PDFs and nothing else, and the newest ends
// that.
func TestPDFsHeld(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	for n := range 3 {
		d.lacks(int64(n+1), false, true)
		d.refused[fmt.Sprint("PDF ", n+1)] = failed(plan.ClassPart, fmt.Sprint("refused ", n+1))
	}
	d.refused["PDF 4"] = failed(plan.ClassPart, "refused 4")
	d.step("three are refused", work)
	d.show(invoices, held)
	d.lacks(4, true, true)
	d.lines[4] = []string{"a"}
	d.step("lines are read still", work)
	d.show(invoices)
	d.later(10 * time.Minute)
	d.step("the next try", work)
	d.show(held)
	d.later(10 * time.Minute)
	delete(d.refused, "PDF 3")
	d.step("one can be read", reconcile.Due{})
	d.show(held, invoices)
	d.saw(`
== three are refused
person self
invoice PDF 1
invoice PDF 2
invoice PDF 3
warning: fetch of an invoice failed: postponed error=refused 1 failures=1 kind=invoice number=1
warning: fetch of an invoice failed: postponed error=refused 2 failures=1 kind=invoice number=2
warning: held detail=refused 3 reason=forbidden scope=pdf
warning: fetch of an invoice failed: postponed error=refused 3 failures=1 kind=invoice number=3
->
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 1
invoice: 2 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 2
invoice: 3 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 3
hold: pdf | forbidden | refused 3 | 12:00:01
== lines are read still
invoice lines 4
-> again
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 1
invoice: 2 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 2
invoice: 3 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 1 | forbidden: refused 3
invoice: 4 |  | tick | 11:00:00 | 1 | pending | 1970-01-01 00:00:00 | 0 | 0 |
== the next try
unknown item a
invoice PDF 4
pdf PDF 3
pdf PDF 2
warning: fetch of an invoice failed: postponed error=refused 4 failures=1 kind=invoice number=4
warning: fetch of an invoice failed: postponed error=refused 3 failures=2 kind=invoice number=3
warning: fetch of an invoice failed: postponed error=refused 2 failures=2 kind=invoice number=2
->
hold: pdf | forbidden | refused 2 | 12:00:01
== one can be read
pdf PDF 4
pdf PDF 1
pdf PDF 3
pdf PDF 2
told: PDF of 8 bytes
warning: fetch of an invoice failed: postponed error=refused 4 failures=2 kind=invoice number=4
warning: fetch of an invoice failed: postponed error=refused 1 failures=2 kind=invoice number=1
info: hold ended reason=forbidden scope=pdf seen=PDF read
warning: fetch of an invoice failed: postponed error=refused 2 failures=3 kind=invoice number=2
->
no hold
invoice: 1 |  | tick | 11:00:00 | 1 | pending | 12:20:27 | 2 | 1 | forbidden: refused 1
invoice: 2 |  | tick | 11:00:00 | 1 | pending | 12:20:47 | 3 | 1 | forbidden: refused 2
invoice: 3 |  | tick | 11:00:00 | 1 | stored |  | 2 | 0 |
invoice: 4 |  | tick | 11:00:00 | 1 | pending | 12:20:27 | 2 | 1 | forbidden: refused 4
`)
}

// TestInvoicesHeldButNotPDFs: while invoices are refused, PDFs are fetched and lines wait.
func TestInvoicesHeldButNotPDFs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop)
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'invoices', 'forbidden', 'no', ?)", store.At(d.clock))
	d.refused["invoices above 0"] = failed(plan.ClassPart, "no role")
	d.lacks(1, true, true)
	d.lacks(2, true, false)
	d.step("a tick", reconcile.Due{Tick: true, Work: true})
	d.show(invoices)
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'pdf', 'forbidden', 'no', ?)", store.At(d.clock))
	d.lacks(3, true, true)
	d.refused["PDF 3"] = failed(plan.ClassPart, "no")
	d.take()
	d.step("both are held", reconcile.Due{Tick: true, Work: true})
	d.show(invoices)
	d.saw(`
== a tick
person self
tick invoices above 0
tick changes since 11:55:00
invoice PDF 1
told: PDF of 8 bytes
-> ticked
invoice: 1 |  | tick | 11:00:00 | 0 | stored | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 2 |  | tick | 11:00:00 | 0 | stored | 1970-01-01 00:00:00 | 0 | 0 |
== both are held
person self
tick invoices above 0
tick changes since 11:55:00
invoice PDF 3
warning: fetch of an invoice failed: postponed error=no failures=1 kind=invoice number=3
-> ticked
invoice: 1 |  | tick | 11:00:00 | 0 | stored | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 2 |  | tick | 11:00:00 | 0 | stored | 1970-01-01 00:00:00 | 0 | 0 |
invoice: 3 |  | tick | 11:00:00 | 0 | pending | 12:00:21 | 1 | 1 | forbidden: no
`)
}

// TestPDFsThatTheDatabaseRejects: only the rejected one is postponed.
func TestPDFsThatTheDatabaseRejects(t *testing.T) {
	t.Parallel()
	d := newDesk(t, readShop)
	d.lacks(1, false, true)
	d.lacks(2, false, true)
	d.lacks(3, false, true)
	d.exec("CREATE TRIGGER reject BEFORE INSERT ON invoice_pdfs WHEN new.number = 2 BEGIN SELECT RAISE(ABORT, 'too large'); END")
	d.step("a pass", work)
	d.show(invoices)
	d.exec("DROP TRIGGER reject")
	d.later(time.Minute)
	d.step("later", work)
	d.show(invoices)
	d.saw(`
== a pass
person self
invoice PDF 1
invoice PDF 2
invoice PDF 3
told: PDF of 8 bytes, PDF of 8 bytes
warning: fetch of an invoice failed: postponed error=apply changes of shop1234: constraint failed: too large (1811) failures=1 kind=invoice number=2
->
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 2 |  | tick | 11:00:00 | 1 | pending | 12:00:16 | 1 | 0 | apply changes of shop1234: constraint failed: too large (1811)
invoice: 3 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
== later
pdf PDF 2
told: PDF of 8 bytes
->
invoice: 1 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
invoice: 2 |  | tick | 11:00:00 | 1 | stored |  | 1 | 0 |
invoice: 3 |  | tick | 11:00:00 | 1 | stored |  | 0 | 0 |
`)
}
