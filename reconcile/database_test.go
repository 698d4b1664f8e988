package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/store"
)

// TestDatabaseFails: whatever the database does not do fails the pass, and the next one makes up
// for it.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	tick := reconcile.Due{Tick: true, Work: true}
	hold := func(scope, reason string) func(d *desk) {
		return func(d *desk) {
			d.exec("INSERT INTO holds (shop, scope, reason, detail, since) VALUES ('shop1234', ?, ?, 'no', ?)", scope, reason, store.At(d.clock))
		}
	}
	hint := func(kind plan.Kind, number string) func(d *desk) {
		return func(d *desk) { d.hinted(kind, plan.CauseWebhook, number) }
	}
	refuse := func(call string, class plan.Class) func(d *desk) {
		return func(d *desk) { d.refused[call] = failed(class, "no") }
	}
	sells := func(d *desk) { d.sells("a", "5") }
	for name, c := range map[string]struct {
		set    []func(d *desk)
		broken string // a table that is missing, or "BEFORE … ON table" for what is rejected
		due    reconcile.Due
	}{
		"invoices are off, a hint":           {[]func(d *desk){readShop, invoicesOff, hint(plan.KindInvoice, "1")}, "UPDATE ON hints", tick},
		"invoices are held, a hint":          {[]func(d *desk){readShop, hint(plan.KindInvoice, "1"), hold("invoices", "forbidden"), refuse("invoice 1", plan.ClassPart)}, "UPDATE ON hints", tick},
		"hints of invoices":                  {[]func(d *desk){readShop}, "hints", tick},
		"no number":                          {[]func(d *desk){readShop, hint(plan.KindInvoice, "x")}, "UPDATE ON hints", work},
		"which invoices are stored":          {[]func(d *desk){stockOff, func(d *desk) { d.books(1) }}, "invoices", tick},
		"which hinted invoices are":          {[]func(d *desk){readShop, hint(plan.KindInvoice, "1")}, "invoices", work},
		"which hinted invoices are, held":    {[]func(d *desk){readShop, hint(plan.KindInvoice, "1"), hold("invoices", "forbidden")}, "invoices", work},
		"new invoices":                       {[]func(d *desk){readShop, func(d *desk) { d.books(11) }}, "INSERT ON invoices", tick},
		"a hinted invoice":                   {[]func(d *desk){readShop, func(d *desk) { d.books(5) }, hint(plan.KindInvoice, "5")}, "INSERT ON invoices", work},
		"hinted invoices":                    {[]func(d *desk){readShop, func(d *desk) { d.books(5, 6) }, hint(plan.KindInvoice, "5"), hint(plan.KindInvoice, "6")}, "INSERT ON invoices", work},
		"a stored invoice that is hinted":    {[]func(d *desk){readShop, func(d *desk) { d.lacks(5, false, true) }, hint(plan.KindInvoice, "5")}, "UPDATE ON hints", work},
		"an invoice is odd":                  {[]func(d *desk){readShop, hint(plan.KindInvoice, "5"), refuse("invoice 5", plan.ClassNumber)}, "UPDATE ON hints", work},
		"mixed invoices":                     {[]func(d *desk){readShop, func(d *desk) { d.books(5); d.lacks(5, false, false) }}, "mixed_invoices", aSweep},
		"a hold of invoices":                 {[]func(d *desk){readShop, refuse("invoices above 10", plan.ClassPart)}, "INSERT ON holds", tick},
		"the end of one":                     {[]func(d *desk){readShop, hold("invoices", "forbidden")}, "DELETE ON holds", tick},
		"what PDFs are missing":              {[]func(d *desk){readShop}, "invoices", reconcile.Due{}},
		"what PDFs are missing, held":        {[]func(d *desk){readShop, hold("pdf", "forbidden")}, "invoices", reconcile.Due{}},
		"a PDF is postponed":                 {[]func(d *desk){readShop, func(d *desk) { d.lacks(1, false, true) }, refuse("PDF 1", plan.ClassNumber)}, "UPDATE ON invoices", work},
		"stock is off, a hint":               {[]func(d *desk){readShop, hint(plan.KindStock, "a")}, "UPDATE ON hints", tick},
		"stock is held, a hint":              {[]func(d *desk){sweptShop, invoicesOff, hold("stock", "forbidden"), hint(plan.KindStock, "a"), refuse("item a", plan.ClassPart)}, "UPDATE ON hints", work},
		"a hinted item":                      {[]func(d *desk){sweptShop, invoicesOff, sells, hint(plan.KindStock, "a")}, "INSERT ON items", work},
		"hinted items":                       {[]func(d *desk){sweptShop, invoicesOff, sells, hint(plan.KindStock, "a"), hint(plan.KindStock, "b")}, "INSERT ON items", work},
		"an item is odd":                     {[]func(d *desk){sweptShop, invoicesOff, hint(plan.KindStock, "a"), refuse("item a", plan.ClassNumber)}, "UPDATE ON hints", work},
		"stored items":                       {[]func(d *desk){sweptShop, invoicesOff, hint(plan.KindStock, "a")}, "items", work},
		"changed items":                      {[]func(d *desk){sweptShop, invoicesOff, sells, func(d *desk) { d.changed = []string{"a"} }}, "INSERT ON items", tick},
		"listed items":                       {[]func(d *desk){sweptShop, invoicesOff, sells}, "INSERT ON items", aSweep},
		"the end of a sweep":                 {[]func(d *desk){sweptShop, invoicesOff, sells, func(d *desk) { d.has("a", "5") }}, "UPDATE ON progress", aSweep},
		"a hint that a listing shows absent": {[]func(d *desk){sweptShop, invoicesOff, sells, func(d *desk) { d.has("a", "5") }, hint(plan.KindStock, "no")}, "UPDATE ON hints", aSweep},
		"a hold of stock":                    {[]func(d *desk){sweptShop, invoicesOff, refuse("changes since 11:55:00", plan.ClassPart)}, "INSERT ON holds", tick},
		"no inventory":                       {[]func(d *desk){sweptShop, invoicesOff, func(d *desk) { d.sells("a", "") }}, "INSERT ON holds", aSweep},
		"open requests":                      {[]func(d *desk){readShop}, "requests", work},
		"an answered request":                {[]func(d *desk){readShop, func(d *desk) { d.requested("r", store.WantTick) }}, "UPDATE ON requests", work},
		"the progress":                       {[]func(d *desk){readShop}, "progress", tick},
		"the losses":                         {[]func(d *desk){readShop}, "recent_losses", tick},
		"the warnings":                       {[]func(d *desk){readShop}, "warnings", tick},
		"the first agreement":                {[]func(d *desk){readShop, func(d *desk) { d.exec("UPDATE progress SET agreement_number = 0") }}, "UPDATE ON progress", reconcile.Due{}},
		"the end of the shop's hold":         {[]func(d *desk){readShop, hold("shop", "token_refused")}, "DELETE ON holds", tick},
		"webhooks":                           {[]func(d *desk){readShop, func(d *desk) { d.webhook("a") }}, "INSERT ON hints", work},
		"old rows": {[]func(d *desk){readShop, hint(plan.KindStock, "a"), func(d *desk) {
			d.exec("UPDATE hints SET open = 0, done_gen = 1, last_at = '2026-01-01 00:00:00.000000'")
		}}, "DELETE ON hints", tick},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, c.set...)
			ends := "DROP TRIGGER broken"
			if strings.Contains(c.broken, " ON ") {
				d.exec("CREATE TRIGGER broken BEFORE " + c.broken + " BEGIN SELECT RAISE(ABORT, 'broken'); END")
			} else {
				d.exec(fmt.Sprintf("ALTER TABLE %s RENAME TO broken", c.broken))
				ends = "ALTER TABLE broken RENAME TO " + c.broken
			}
			if _, err := d.RunOnce(t.Context(), c.due); err == nil || !strings.Contains(err.Error(), "broken") && !strings.Contains(err.Error(), "no such table") {
				t.Errorf("the pass: %v, after %q", err, d.asked)
			}
			d.exec(ends)
			d.later(time.Second)
			if _, err := d.RunOnce(t.Context(), c.due); err != nil {
				t.Errorf("the next: %v", err)
			}
		})
	}
}

// TestReloadsAfterUnknownOutcome: a transaction that failed may have been committed all the same,
// so what is stored counts from then on, not what was in memory. Without a failure nothing is
// reloaded: nobody else writes a shop's progress.
func TestReloadsAfterUnknownOutcome(t *testing.T) {
	t.Parallel()
	for fails, want := range map[bool]string{true: "tick changes since 11:55:30", false: "tick changes since 11:55:00"} {
		d := newDesk(t, sweptShop, invoicesOff)
		tick, other := reconcile.Due{Tick: true, Work: true}, store.At(d.clock.Add(30*time.Second))
		if _, err := d.RunOnce(t.Context(), tick); err != nil {
			t.Fatal(err)
		}
		d.exec("UPDATE progress SET items_cursor = ?", other) // as if committed
		if fails {
			d.sells("a", "5")
			d.changed = []string{"a"}
			d.exec("CREATE TRIGGER broken BEFORE INSERT ON items BEGIN SELECT RAISE(ABORT, 'broken'); END")
			if _, err := d.RunOnce(t.Context(), tick); err == nil {
				t.Fatal("the write did not fail")
			}
			d.exec("DROP TRIGGER broken")
		}
		d.asked = nil
		if _, err := d.RunOnce(t.Context(), tick); err != nil || !slices.Contains(d.asked, want) {
			t.Errorf("a write fails: %t; then asked for %q (%v), expected %q", fails, d.asked, err, want)
		}
	}
}
