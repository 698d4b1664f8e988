package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"lagerd/plan"
)

// TestUnknownNumbers: of hinted numbers that are not stored only as many are asked for alone as
// the allowance has, the oldest first; the others wait for the next listing, which they bring
// forward, and which answers them without rereads. A person's are always asked for, and so are
// stored ones.
func TestUnknownNumbers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff)
	d.spare = 2
	d.has("known", "1")
	d.sells("known", "2")
	d.sells("new", "3")
	d.exec("UPDATE progress SET items = 1000")
	d.hinted(plan.KindStock, plan.CauseWebhook, "u1")
	d.hinted(plan.KindStock, plan.CauseInvoice, "u2")
	d.hinted(plan.KindStock, plan.CauseWebhook, "new", "u3", "known")
	d.hinted(plan.KindStock, plan.CauseOperator, "asked")
	d.step("more than the allowance", work)
	d.show("hint: SELECT number, CASE WHEN open THEN 'open' ELSE 'answered' END, due_at, reason FROM hints ORDER BY number")
	d.clock = d.clock.Add(10 * time.Second)
	d.step("not due yet", work)
	d.clock = d.clock.Add(80 * time.Second)
	d.step("a tick, with a listing", aTick)
	d.show("hint: SELECT number, CASE WHEN open THEN 'open' ELSE 'answered' END, reason FROM hints ORDER BY number")
	d.saw(`
== more than the allowance
person self
person items asked known
person item asked
unknown item new
unknown item u1
told: changed stock known at 12:00:02, changed stock new at 12:00:04
info: stored cause=webhook kind=stock new_stock=2 number=known old_stock=1 webhook=came what=stock
info: stored cause=webhook kind=stock new_stock=3 number=new webhook=came what=created
-> 2 changes
hint: asked | answered | 1970-01-01 00:00:00 | unknown
hint: known | answered | 1970-01-01 00:00:00 |
hint: new | answered | 1970-01-01 00:00:00 |
hint: u1 | answered | 1970-01-01 00:00:00 | unknown
hint: u2 | open | 12:10:01 | awaits_listing
hint: u3 | open | 12:10:01 | awaits_listing
== not due yet
->
== a tick, with a listing
sweep items
-> ticked
hint: asked | answered | unknown
hint: known | answered |
hint: new | answered |
hint: u1 | answered | unknown
hint: u2 | answered | unknown
hint: u3 | answered | unknown
`)
}

// TestShortOfCalls: what hints get no calls for is no failure: it waits, the tick counts, and a
// person is told.
func TestShortOfCalls(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff)
	d.exec("UPDATE progress SET items = 1000")
	for n := range 3 {
		number := fmt.Sprint("k", n)
		d.has(number, "1")
		d.sells(number, "2")
		d.refused["item "+number] = failed(plan.ClassDay, "no calls")
	}
	d.refused["items k0 k1 k2"] = failed(plan.ClassDay, "no calls")
	d.hinted(plan.KindStock, plan.CauseWebhook, "k0", "k1", "k2")
	d.step("a tick", aTick)
	d.show("hint: SELECT number, due_at, reason, failures FROM hints WHERE open ORDER BY number")
	d.exec("UPDATE hints SET due_at = '1970-01-01 00:00:00.000000'")
	asked := work
	asked.Requested = true
	d.step("a person asks", asked)
	d.show("hint: SELECT number, due_at, reason, failures FROM hints WHERE open ORDER BY number")
	d.saw(`
== a tick
person self
tick changes since 11:55:00
hint items k0 k1 k2
-> ticked
hint: k0 | 12:00:04 | short_of_calls | 0
hint: k1 | 12:00:04 | short_of_calls | 0
hint: k2 | 12:00:04 | short_of_calls | 0
== a person asks
hint items k0 k1 k2
-> short: no calls
hint: k0 | 1970-01-01 00:00:00 | short_of_calls | 0
hint: k1 | 1970-01-01 00:00:00 | short_of_calls | 0
hint: k2 | 1970-01-01 00:00:00 | short_of_calls | 0
`)
}
