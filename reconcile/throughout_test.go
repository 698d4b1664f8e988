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
)

// TestUnreadableThroughout: of a listing of which most items cannot be understood a handful is
// asked for alone and the rest is stored; what is stored is not confirmed, and a warning says
// how many there are. Hints of the others fail without a read, except a person's. Once most can
// be read again, all of that ends.
func TestUnreadableThroughout(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small)
	d.sells("c", "7")
	d.books(1)
	bad := func(numbers ...int) {
		d.unread = nil
		for _, n := range numbers {
			number := fmt.Sprint("u", n)
			d.unread = append(d.unread, plan.Unreadable{Number: number, Err: errors.New("its figure is a text")})
			d.refused["item "+number] = failed(plan.ClassNumber, "its figure is a text")
		}
	}
	for n := range 9 {
		d.has(fmt.Sprint("u", n), "1")
	}
	const told = "hint: SELECT number, CASE WHEN open THEN 'open' ELSE 'answered' END, cause, failures, reason FROM hints WHERE kind = 'stock' ORDER BY number"
	bad(0, 1, 2, 3, 4, 5, 6, 7, 8)
	d.hinted(plan.KindStock, plan.CauseWebhook, "u7")
	d.step("most are texts", aTick)
	d.show(told, warned, held, "item: SELECT number, stock FROM items WHERE number IN ('c', 'u0') ORDER BY number")
	d.hinted(plan.KindStock, plan.CauseWebhook, "u5", "u8")
	d.hinted(plan.KindStock, plan.CauseOperator, "u6")
	d.step("some are hinted at", work)
	d.show(told)
	d.clock = d.clock.Add(time.Minute)
	d.step("a tick", aTick)
	d.take()
	d.step("a takeover", work)
	d.clock = d.clock.Add(time.Minute)
	bad(3)
	for _, n := range []int{0, 1, 2, 4, 5, 6, 7, 8} {
		d.sells(fmt.Sprint("u", n), "1")
		delete(d.refused, fmt.Sprint("item u", n))
	}
	d.step("all but one are figures again", aTick)
	d.show(told, warned, held)
	d.saw(`
== most are texts
person self
tick invoices above 0
tick items
invoice PDF 1
told: changed invoice 1 at 12:00:02, bad item, bad item, bad item, bad item, bad item, bad item, bad item, bad item, bad item, changed stock c at 12:00:03, PDF of 8 bytes
info: stored cause=tick kind=invoice number=1 webhook=missed what=booked
warning: unreadable item error=its figure is a text kind=stock number=u0
warning: unreadable item error=its figure is a text kind=stock number=u1
warning: unreadable item error=its figure is a text kind=stock number=u2
warning: unreadable item error=its figure is a text kind=stock number=u3
warning: unreadable item error=its figure is a text kind=stock number=u4
warning: an answer was not stored in part kind=stock number= warning=3 more that cannot be read: its figure is a text
info: stored cause=sweep kind=stock new_stock=7 number=c webhook=none what=created
warning: more items of a listing cannot be read than are asked for alone: what is stored of them stays, and is not confirmed items=9
-> again, 2 changes
hint: u0 | open | tick | 0 |
hint: u1 | open | tick | 0 |
hint: u2 | open | tick | 0 |
hint: u3 | open | tick | 0 |
hint: u4 | open | tick | 0 |
hint: u7 | open | webhook | 1 | failed
warning: stock |  | 3 more that cannot be read: its figure is a text
no hold
item: c | 7
item: u0 | 1
== some are hinted at
person items u6 u0 u1 u2 u3 u4
person item u6
hint item u0
hint item u1
hint item u2
hint item u3
warning: read failed: postponed error=its figure is a text failures=1 kind=stock number=u6
warning: read failed: postponed error=its figure is a text failures=1 kind=stock number=u0
warning: read failed: postponed error=its figure is a text failures=1 kind=stock number=u1
warning: read failed: postponed error=its figure is a text failures=1 kind=stock number=u2
warning: read failed: postponed error=its figure is a text failures=1 kind=stock number=u3
->
hint: u0 | open | tick | 1 | failed
hint: u1 | open | tick | 1 | failed
hint: u2 | open | tick | 1 | failed
hint: u3 | open | tick | 1 | failed
hint: u4 | open | tick | 0 | awaits_listing
hint: u5 | open | webhook | 1 | failed
hint: u6 | open | operator | 1 | failed
hint: u7 | open | webhook | 1 | failed
hint: u8 | open | webhook | 1 | failed
== a tick
tick invoices above 1
tick items
person item u6
hint item u0
hint item u1
hint item u2
hint item u3
told: bad item, bad item, bad item, bad item, bad item, bad item, bad item, bad item, bad item
warning: read failed: postponed error=its figure is a text failures=2 kind=stock number=u6
warning: read failed: postponed error=its figure is a text failures=2 kind=stock number=u0
warning: read failed: postponed error=its figure is a text failures=2 kind=stock number=u1
warning: read failed: postponed error=its figure is a text failures=2 kind=stock number=u2
warning: read failed: postponed error=its figure is a text failures=2 kind=stock number=u3
->
== a takeover
person self
->
== all but one are figures again
tick invoices above 1
tick items
hint item u3
told: bad item
warning: read failed: postponed error=its figure is a text failures=3 kind=stock number=u3
-> ticked
hint: u0 | answered | tick | 2 |
hint: u1 | answered | tick | 2 |
hint: u2 | answered | tick | 2 |
hint: u3 | open | tick | 3 | failed
hint: u4 | answered | tick | 0 |
hint: u5 | open | webhook | 0 |
hint: u6 | answered | operator | 2 |
hint: u7 | open | webhook | 0 |
hint: u8 | open | webhook | 0 |
no warning
no hold
`)
}

// TestNothingIsReadable: if no item of a listing can be understood, stock is held, hints wait,
// and only listings are tried; invoices go on. An item that can be read ends the hold.
func TestNothingIsReadable(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, func(d *desk) { d.fixture.Shop.InvoicesOn = true })
	for n := range 7 {
		d.unread = append(d.unread, plan.Unreadable{Number: fmt.Sprint("u", n), Err: errors.New("its figure is a text")})
		d.refused[fmt.Sprint("item u", n)] = failed(plan.ClassNumber, "its figure is a text")
	}
	was := d.items
	d.items = map[string]plan.Observation{}
	d.exec("UPDATE items SET number = 'u' || CASE number WHEN 'a' THEN 1 ELSE 2 END")
	d.step("all are texts", aTick)
	d.show(held, "hint: SELECT number, due_at, failures, reason FROM hints WHERE open AND kind = 'stock' ORDER BY number")
	d.books(1)
	d.hinted(plan.KindStock, plan.CauseWebhook, "u1")
	d.step("a tick soon after", aTick)
	d.show(held, "hint: SELECT number, due_at, failures, reason FROM hints WHERE open AND kind = 'stock' ORDER BY number")
	d.clock = d.clock.Add(time.Minute)
	d.step("a tick later", aTick)
	d.items = was
	d.unread = d.unread[1:3]
	d.clock = d.clock.Add(time.Minute)
	d.step("most can be read", aTick)
	d.show(held)
	d.saw(`
== all are texts
person self
tick invoices above 0
tick items
told: bad item, bad item, bad item, bad item, bad item, bad item, bad item
warning: unreadable item error=its figure is a text kind=stock number=u0
warning: unreadable item error=its figure is a text kind=stock number=u1
warning: unreadable item error=its figure is a text kind=stock number=u2
warning: unreadable item error=its figure is a text kind=stock number=u3
warning: unreadable item error=its figure is a text kind=stock number=u4
warning: an answer was not stored in part kind=stock number= warning=2 more that cannot be read: its figure is a text
warning: more items of a listing cannot be read than are asked for alone: what is stored of them stays, and is not confirmed items=7
warning: held detail=none of 7 items can be read, e.g. "u0": its figure is a text reason=unreadable scope=stock
-> again
hold: stock | unreadable | none of 7 items can be read, e.g. "u0": its figure is a text | 12:00:03
hint: u0 | 1970-01-01 00:00:00 | 0 |
hint: u1 | 1970-01-01 00:00:00 | 0 |
hint: u2 | 1970-01-01 00:00:00 | 0 |
hint: u3 | 1970-01-01 00:00:00 | 0 |
hint: u4 | 1970-01-01 00:00:00 | 0 |
== a tick soon after
tick invoices above 0
invoice PDF 1
told: changed invoice 1 at 12:00:04, PDF of 8 bytes
info: stored cause=tick kind=invoice number=1 webhook=missed what=booked
-> 1 changes
hold: stock | unreadable | none of 7 items can be read, e.g. "u0": its figure is a text | 12:00:03
hint: u0 | 12:10:03 | 0 | part_held
hint: u1 | 12:10:03 | 0 | part_held
hint: u2 | 12:10:03 | 0 | part_held
hint: u3 | 12:10:03 | 0 | part_held
hint: u4 | 12:10:03 | 0 | part_held
== a tick later
tick invoices above 1
sweep items
told: bad item, bad item, bad item, bad item, bad item, bad item, bad item
->
== most can be read
tick invoices above 1
sweep items
told: bad item, bad item, changed stock a at 12:02:08, changed stock b at 12:02:08
info: hold ended reason=unreadable scope=stock seen=item
info: stored changes=2 missed_webhooks=0
-> ticked, 2 changes
no hold
`)
}

// TestAskedWhileNothingIsReadable: a person who asks has stock tried at once that is held as
// unreadable.
func TestAskedWhileNothingIsReadable(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, invoicesOff)
	for n := range 7 {
		d.unread = append(d.unread, plan.Unreadable{Number: fmt.Sprint("u", n), Err: errors.New("its figure is a text")})
	}
	d.items = map[string]plan.Observation{}
	d.step("all are texts", aTick)
	d.are(held[len("hold: "):], `stock | unreadable | none of 7 items can be read, e.g. "u0": its figure is a text | 12:00:02`)
	d.step("a tick soon after", aTick)
	if len(d.asked) > 0 {
		t.Errorf("soon after, a tick asks for %q", d.asked)
	}
	d.step("a person asks", reconcile.Due{Tick: true, Requested: true})
	if !slices.Contains(d.asked, "sweep items") {
		t.Errorf("a person asks, and %q is asked for", d.asked)
	}
}

// TestUnreadableChanges: a change query with more unreadable items than are asked for alone brings
// the next sweep forward, which tells more: as soon as the calls allow.
func TestUnreadableChanges(t *testing.T) {
	t.Parallel()
	for bad, soon := range map[int]bool{plan.UnreadAlone: false, plan.UnreadAlone + 1: true} {
		d := newDesk(t, sweptShop, invoicesOff)
		for n := range bad {
			d.unread = append(d.unread, plan.Unreadable{Number: fmt.Sprint("u", n), Err: errors.New("its figure is a text")})
		}
		d.step("a tick", aTick)
		d.unread = nil
		d.later(time.Minute)
		d.step("a minute later", aTick)
		if slices.Contains(d.asked, "sweep items") {
			t.Errorf("%d: a minute later already it asks for %q", bad, d.asked)
		}
		d.later(7 * time.Minute)
		d.step("once calls are left for a sweep", aTick)
		if slices.Contains(d.asked, "sweep items") != soon {
			t.Errorf("%d: then it asks for %q", bad, d.asked)
		}
	}
}

// TestLongNumberThatCannotBeRead: an item that cannot be understood is asked for alone if its number
// is one that a hint can have.
func TestLongNumberThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for length, asked := range map[int]bool{1: true, source.LongestNumber: true, source.LongestNumber + 1: false} {
		d := newDesk(t, small, invoicesOff)
		number := strings.Repeat("ø", length)
		d.unread = []plan.Unreadable{{Number: number, Err: errors.New("odd")}}
		d.step("a tick", aTick)
		d.step("a pass", work)
		if got := slices.Contains(d.asked, "hint item "+number) || len(d.rows("SELECT 1 FROM hints")) > 0; got != asked {
			t.Errorf("a number of %d characters: asked for %q", length, d.asked)
		}
	}
}
