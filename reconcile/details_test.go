package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// TestUnreadableItemsInARow: after a handful of items in a row that cannot be understood the others
// wait for a listing; one that is read, or fails otherwise, begins a new row.
func TestUnreadableItemsInARow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fifth error
		want  int // of nine are asked for
	}{
		"all are odd":          {failed(plan.ClassNumber, "odd"), 5},
		"the fifth is read":    {nil, 9},
		"the fifth is refused": {failed(plan.ClassPart, "no role"), 9},
	} {
		d := newDesk(t, sweptShop, invoicesOff, func(d *desk) { d.itemsFit = 0 })
		var numbers []string
		for n := range 9 {
			number := fmt.Sprint("n", n)
			numbers = append(numbers, number)
			d.has(number, "5")
			d.sells(number, "5")
			d.refused["item "+number] = failed(plan.ClassNumber, "odd")
		}
		if d.refused["item n4"] = c.fifth; c.fifth == nil {
			delete(d.refused, "item n4")
		}
		d.hinted(plan.KindStock, plan.CauseWebhook, numbers...)
		d.step(name, work)
		asked := slices.DeleteFunc(d.asked, func(what string) bool { return !strings.HasPrefix(what, "hint item n") })
		if len(asked) != c.want {
			t.Errorf("%s: asked for %q, expected %d", name, asked, c.want)
		}
	}
}

// TestRetriesHideNoNewPDF: behind as many retries as a pass fetches there may be the PDF of a new
// invoice.
func TestRetriesHideNoNewPDF(t *testing.T) {
	t.Parallel()
	const perPass = 40
	d := newDesk(t, readShop)
	for n := range int64(perPass + 1) {
		d.lacks(n+1, false, true)
	}
	d.exec("UPDATE invoices SET lines_read = 1")
	d.exec("UPDATE invoices SET work_tries = 5 WHERE number <= ?", perPass)
	d.spare = 0
	report, err := d.RunOnce(t.Context(), work)
	must(t, err)
	if !report.Again {
		t.Errorf("the retries have to wait, and nothing else is looked for: %+v", report)
	}
	d.step("the next pass", work)
	if !slices.Contains(d.asked, fmt.Sprint("invoice PDF ", perPass+1)) {
		t.Errorf("asked for %q", d.asked)
	}
}

// TestSweptSince: a sweep is as old as its first page, which every later change may have missed.
func TestSweptSince(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn = time.Minute })
	d.step("a pass", reconcile.Due{})
	d.later(time.Minute - time.Second)
	d.step("a sweep of three pages", reconcile.Due{Sweep: true})
	d.are("SELECT swept_at FROM progress", "12:01:00")
}

// TestWaitsOfSpentCalls: hints that the budget has no calls for wait for as long as it says, within
// bounds, and invoices that are not stored likewise.
func TestWaitsOfSpentCalls(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]time.Duration{0: time.Second, time.Millisecond: time.Second, 3 * time.Minute: 3 * time.Minute, time.Hour: 10 * time.Minute} {
		spent := &source.Error{Class: plan.ClassDay, Err: fmt.Errorf("spent for %s", after), RetryAfter: after}
		stock := newDesk(t, sweptShop, invoicesOff)
		stock.has("a", "1")
		stock.refused["item a"] = spent
		stock.hinted(plan.KindStock, plan.CauseWebhook, "a")
		invoices := newDesk(t, sweptShop, stockOff)
		invoices.refused["invoices 41-41 43-43"] = spent
		invoices.hinted(plan.KindInvoice, plan.CauseWebhook, "41", "43")
		for kind, d := range map[plan.Kind]*desk{plan.KindStock: stock, plan.KindInvoice: invoices} {
			d.step("a pass", work)
			due := store.At(d.now().Add(want)).Format(time.TimeOnly)
			for _, row := range d.rows("SELECT substr(due_at, 12, 8) FROM hints WHERE open AND reason <> ''") {
				if row != due {
					t.Errorf("%s, told to wait for %s: due at %s, expected %s", kind, after, row, due)
				}
			}
			if n := len(d.rows("SELECT 1 FROM hints WHERE open AND reason <> ''")); n == 0 {
				t.Errorf("%s, told to wait for %s: no hint waits", kind, after)
			}
		}
	}
}

// TestSweepTellsWhoWasBlind: what a sweep finds of an item that was updated within the window of the
// change queries, overlap included, they would have found too.
func TestSweepTellsWhoWasBlind(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn = time.Minute })
	d.step("a pass", reconcile.Due{})
	cursor := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for number, updated := range map[string]time.Time{"a": cursor, "b": cursor.Add(-5 * time.Minute), "c": cursor.Add(-5*time.Minute - time.Second)} {
		d.sells(number, "6")
		o := d.items[number]
		o.Item.UpdatedAt = updated
		d.items[number] = o
	}
	d.step("a sweep", reconcile.Due{Sweep: true})
	d.are("SELECT number, cause FROM changes ORDER BY number", "a | tick", "b | tick", "c | sweep")
}

// TestDiffAsks: a comparison of all invoices asks for those that a sweep and a tick ask for.
func TestDiffAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(d *desk)
		want []string
	}{
		"from a number":    {func(d *desk) { d.fixture.Shop.InvoicesFrom, d.fixture.Shop.InvoicesFromNumber = "", 10 }, []string{"person invoices above 9"}},
		"from the first":   {func(d *desk) { d.fixture.Shop.InvoicesFrom, d.fixture.Shop.InvoicesFromNumber = "", 0 }, []string{"person invoices above 0"}},
		"from a date":      {func(d *desk) { d.Progress.InvoicesBegun = false }, []string{"person invoices dated 2026-11-01"}},
		"a date, read too": {func(d *desk) { d.Progress.InvoicesBegun, d.Progress.InvoiceCursor = true, 12 }, []string{"person invoices dated 2026-11-01", "person invoices above 12"}},
	} {
		d := newDesk(t, stockOff)
		d.fixture.Shop.InvoicesFrom = "2026-11-01"
		c.set(d)
		diff := reconcile.Diff{Store: d.fixture.Store, Account: desktop{d}, Shop: d.fixture.Shop, Progress: d.Progress}
		_, err := diff.Read(t.Context(), nil, nil)
		must(t, err)
		got := slices.DeleteFunc(d.asked, func(what string) bool { return !strings.Contains(what, "invoices") })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: it asks for %q, expected %q", name, got, c.want)
		}
	}
}

// TestDryRunsAreSweeps: while losses are held back, a dry run is not repeated at each tick because the
// last sweep that was stored is old.
func TestDryRunsAreSweeps(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn, d.LossMin = time.Minute, 1 })
	d.exec("UPDATE progress SET swept_at = '2026-11-17 12:00:00.000000'")
	d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', 'stock', 'losses', 'no', ?)", store.At(d.clock))
	for _, n := range []string{"c", "d", "e"} {
		d.sells(n, "0")
	}
	for n, want := range []bool{true, false, false} {
		d.step("a tick", aTick)
		if got := slices.Contains(d.asked, "sweep items"); got != want {
			t.Errorf("tick %d asks for %q", n+1, d.asked)
		}
		d.later(time.Minute)
	}
}

// TestBeginningThatIsAnnouncedTooLow: as long as a page follows, the numbers on the first one are not
// all, whatever was announced: what is below them is no gap.
func TestBeginningThatIsAnnouncedTooLow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, stockOff, func(d *desk) { d.invoicePage, d.announced = 2, -3 })
	d.books(11, 12, 13, 14, 15)
	d.before["invoices dated 2026-11-01"] = func() { d.announced = 0 }
	d.step("a tick", aTick)
	d.are("SELECT invoice_cursor FROM progress", "15")
	d.are("SELECT from_number, to_number FROM invoice_gaps")
}

// TestInvoicesWaitTheirTurn: of more invoices than fit in a transaction, for which there are no calls,
// each transaction's are due after the one before.
func TestInvoicesWaitTheirTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, stockOff)
	d.step("a pass", reconcile.Due{})
	var numbers []string
	for n := range 3*store.RowsPerPiece + 1 {
		numbers = append(numbers, fmt.Sprint(n+1))
	}
	d.hinted(plan.KindInvoice, plan.CauseWebhook, numbers...)
	d.refused[""] = &source.Error{Class: plan.ClassDay, Err: errors.New("spent"), RetryAfter: 4 * time.Minute}
	d.step("all are hinted at", work)
	d.are("SELECT due_at, COUNT(*) FROM hints GROUP BY due_at", "12:04:02 | 1000", "12:08:02 | 1000", "12:10:02 | 1001") // at most RetryMax
}

// TestRenumbered: an item that is gone points to the only new one like it that the last read with new
// items has shown.
func TestRenumbered(t *testing.T) {
	t.Parallel()
	appears := func(d *desk, number, name string) {
		o := d.items["c"]
		o.Item.Number, o.Item.Name = number, name
		d.items[number] = o
	}
	shows := func(numbers ...string) func(d *desk) {
		return func(d *desk) {
			for _, n := range numbers {
				appears(d, n, "Bottle")
			}
			d.changed = numbers
			d.step("a change query", aTick)
		}
	}
	for name, c := range map[string]struct {
		reads []func(d *desk)
		want  string
	}{
		"none is new":                      {nil, ""},
		"a change query has shown one":     {[]func(d *desk){shows("aa")}, "aa"},
		"and the next one nothing new":     {[]func(d *desk){shows("aa"), shows("aa")}, "aa"},
		"or nothing":                       {[]func(d *desk){shows("aa"), shows()}, "aa"},
		"and the next one another":         {[]func(d *desk){shows("aa"), func(d *desk) { appears(d, "x", "Cup"); d.changed = []string{"x"}; d.step("a change query", aTick) }}, ""},
		"on two of its pages":              {[]func(d *desk){shows("aa", "ab", "ac")}, ""},
		"a sweep has shown one":            {[]func(d *desk){func(d *desk) { appears(d, "aa", "Bottle"); d.step("a sweep", aSweep) }}, "aa"},
		"a sweep, and then a change query": {[]func(d *desk){func(d *desk) { appears(d, "aa", "Bottle"); d.step("a sweep", aSweep) }, shows()}, "aa"},
		"a sweep, and then another":        {[]func(d *desk){func(d *desk) { appears(d, "aa", "Bottle"); d.step("a sweep", aSweep) }, func(d *desk) { d.step("a sweep", aSweep) }}, "aa"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, paged, func(d *desk) { d.ListingTurn = time.Minute })
			d.step("a pass", reconcile.Due{})
			d.exec("UPDATE items SET name = 'Bottle' WHERE number = 'e'")
			o := d.items["e"]
			o.Item.Name = "Bottle"
			d.items["e"] = o
			for _, read := range c.reads {
				read(d)
			}
			delete(d.items, "e")
			d.webhook("e")
			d.step("it is missing", work)
			d.step("it is gone", work)
			d.are("SELECT state, COALESCE(renumbered_to, '') FROM items WHERE number = 'e'", "gone | "+c.want)
			d.are("SELECT COALESCE(renumbered_to, '') FROM changes WHERE what = 'gone'", c.want)
		})
	}
}
