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

// paged makes the shop one of three pages, one of which is read in each pass.
func paged(d *desk) {
	sweptShop(d)
	d.PageSize, d.page, d.ListingTurn, d.fixture.Shop.InvoicesOn = 2, 2, 0, false
	d.exec("UPDATE progress SET items = 6")
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		d.sells(n, "5")
		d.has(n, "5")
	}
}

// TestRequests: a request for a tick is answered by its pass, one for a sweep by the sweep that
// starts after it, with the changes found since; a request is merged only once.
func TestRequests(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged)
	d.step("a pass", reconcile.Due{})
	d.requested("tick", store.WantTick)
	d.requested("sweep", store.WantSweep)
	d.step("without news", aTick)
	d.show(requests)
	d.step("both", work)
	d.show(requests)
	d.requested("next", store.WantSweep)
	d.sells("c", "6")
	d.step("another sweep has to wait", work)
	d.sells("f", "6")
	d.step("the last page", work)
	d.show(requests)
	d.step("the next sweep", work)
	d.step("its second page", work)
	d.step("its last page", work)
	d.show(requests)
	d.refused["changes since 11:55:00"] = failed(plan.ClassInterrupted, "broken")
	d.requested("failing", store.WantTick)
	d.step("a pass that fails", work)
	d.show(requests)
	d.saw(`
== a pass
person self
->
== without news
tick changes since 11:55:00
-> ticked
request: sweep | open | 0 |
request: tick | open | 0 |
== both
sweep items
-> ticked, again, listing
request: sweep | open | 0 |
request: tick | 12:00:03 | 0 |
== another sweep has to wait
sweep items from 2
told: changed stock c at 12:00:04
info: stored cause=sweep kind=stock new_stock=6 number=c old_stock=5 webhook=missed what=stock
-> again, listing, 1 changes
== the last page
sweep items from 4
told: changed stock f at 12:00:05
info: stored cause=sweep kind=stock new_stock=6 number=f old_stock=5 webhook=missed what=stock
-> again, 1 changes
request: next | open | 0 |
request: sweep | 12:00:05 | 2 |
request: tick | 12:00:03 | 0 |
== the next sweep
sweep items
-> ticked, again, listing
== its second page
sweep items from 2
-> again, listing
== its last page
sweep items from 4
->
request: next | 12:00:08 | 0 |
request: sweep | 12:00:05 | 2 |
request: tick | 12:00:03 | 0 |
== a pass that fails
tick changes since 11:55:00
-> failed: broken
request: failing | 12:00:09 | 0 | broken
request: next | 12:00:08 | 0 |
request: sweep | 12:00:05 | 2 |
request: tick | 12:00:03 | 0 |
`)
}

// TestRequestsOfASweepThatStops: who waits for a sweep is told when it stops for long, and who
// waits for the next one too; the sweep goes on.
func TestRequestsOfASweepThatStops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stop func(d *desk)
		want []string // the requests after the first and second pass
		then []string
	}{
		"the day is spent": {func(d *desk) {
			d.spent = true
			d.refused["items from 2"] = &source.Error{Class: plan.ClassDay, Err: errors.New("spent"), RetryAfter: time.Hour}
		}, []string{"next | cut short: it waits until 2026-11-20 13:00:03 UTC: spent", "sweep | cut short: it waits until 2026-11-20 13:00:03 UTC: spent"}, nil},
		"the sweeps' share is spent for now": {func(d *desk) {
			d.refused["items from 2"] = &source.Error{Class: plan.ClassDay, Err: errors.New("spent"), RetryAfter: time.Hour}
		}, []string{"next | open", "sweep | open"}, []string{"next | open", "sweep | open"}},
		"one page fails": {func(d *desk) {
			d.refused["items from 2"] = failed(plan.ClassHanging, "silence")
		}, []string{"next | open", "sweep | open"}, []string{"next | silence", "sweep | silence"}},
		"the shop is held": {func(d *desk) {
			d.refused["items from 2"], d.refused["self"] = failed(plan.ClassShop, "refused"), failed(plan.ClassShop, "refused")
		}, []string{"next | open", "sweep | refused; refused"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, paged)
			d.requested("sweep", store.WantSweep)
			d.step("the first page", work)
			d.requested("next", store.WantSweep)
			c.stop(d)
			const outcome = "SELECT request, CASE WHEN done_at IS NULL THEN 'open' ELSE failure END FROM requests ORDER BY request"
			d.step("the second", work)
			d.are(outcome, c.want...)
			if c.then != nil {
				d.step("again", work)
				d.are(outcome, c.then...)
			}
			clear(d.refused)
			d.spent = false
			d.later(2 * time.Hour)
			d.step("it goes on", reconcile.Due{Work: true, Requested: true})
			if d.asked[len(d.asked)-1] != "sweep items from 2" && name != "the shop is held" {
				t.Errorf("asked for %q", d.asked)
			}
		})
	}
}

// TestAskedWhileTheDayIsSpent: who asks while the running sweep waits for the next day's calls gets the
// tick that goes with a request, and is told until when the sweep waits.
func TestAskedWhileTheDayIsSpent(t *testing.T) {
	t.Parallel()
	for spent, want := range map[bool]string{
		true:  "late | cut short: it waits until 2026-11-20 13:00:04 UTC: spent",
		false: "late | open", // for now: it waits for the running sweep to end
	} {
		d := newDesk(t, paged)
		d.step("a pass", reconcile.Due{})
		d.spent = spent
		d.refused["items from 2"] = &source.Error{Class: plan.ClassDay, Err: errors.New("spent"), RetryAfter: time.Hour}
		d.step("the first page", aSweep)
		d.step("the second", work)
		d.requested("late", store.WantSweep)
		d.step("a person asks", work)
		if ticked := slices.Contains(d.asked, "tick changes since 11:55:00"); ticked != spent {
			t.Errorf("the day is spent %t: asked for %q", spent, d.asked)
		}
		d.are("SELECT request, CASE WHEN done_at IS NULL THEN 'open' ELSE failure END FROM requests", want)
	}
}

// TestAskedOfAShopThatIsHeldMeanwhile: who waits for a sweep is told of the hold that keeps it from
// going on, although the sweep itself was not refused.
func TestAskedOfAShopThatIsHeldMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.fixture.Shop.InvoicesOn = true })
	d.requested("sweep", store.WantSweep)
	d.step("the first page", work)
	d.spare = 0 // the second one waits
	refused := failed(plan.ClassShop, "refused")
	d.refused["self"], d.refused["invoices above 0"] = refused, refused
	d.step("a tick, in which the token is refused", reconcile.Due{Tick: true, Work: true})
	d.are("SELECT request, CASE WHEN done_at IS NULL THEN 'open' ELSE failure END FROM requests", "sweep | refused; refused")
}

// TestHintedItems: hinted numbers are read together, failed ones last, and alone where that
// tells more.
func TestHintedItems(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff, func(d *desk) { d.itemsFit = 2 })
	for _, n := range []string{"a", "b", "c", "d", "e"} {
		d.sells(n, "5")
		d.has(n, "4")
	}
	d.others = []string{"e"}
	d.hinted(plan.KindStock, plan.CauseWebhook, "c")
	d.later(time.Second)
	d.hinted(plan.KindStock, plan.CauseWebhook, "b", "a", "no", "d")
	d.exec("UPDATE hints SET failures = 1 WHERE number = 'a'")
	d.step("a pass", work)
	d.show(hints, stock)
	d.exec("DELETE FROM hints")
	d.hinted(plan.KindStock, plan.CauseWebhook, "a", "b", "c", "d")
	d.exec("UPDATE items SET stock = '3', in_stock = '3'")
	d.refused["items a b"] = failed(plan.ClassInterrupted, "broken")
	d.refused["item b"] = failed(plan.ClassNumber, "odd")
	d.step("together they cannot be read", work)
	d.show(hints)
	d.exec("DELETE FROM hints")
	d.hinted(plan.KindStock, plan.CauseWebhook, "a", "b", "c", "d")
	clear(d.refused)
	d.refused["items a b"], d.refused["item a"] = failed(plan.ClassHanging, "silence"), failed(plan.ClassHanging, "silence")
	d.step("together they hang", work)
	d.step("one hangs alone", work)
	d.show(openHints)
	d.step("the others are read alone once more", work)
	d.exec("DELETE FROM hints")
	d.hinted(plan.KindStock, plan.CauseWebhook, "a", "b", "c", "d")
	clear(d.refused)
	d.step("and together again", work)
	d.saw(`
== a pass
person self
hint items c b
hint items d a
unknown item no
told: changed stock c at 12:00:03, changed stock b at 12:00:03, changed stock d at 12:00:04, changed stock a at 12:00:04
info: stored changes=2 missed_webhooks=0
info: stored changes=2 missed_webhooks=0
-> 4 changes
hint: a | answered | webhook | 1 | 0 | 1 | 0 |  |  |
hint: b | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: c | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: d | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: no | answered | webhook | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
item: a | 5 | ok | 12:00:03
item: b | 5 | ok | 12:00:02
item: c | 5 | ok | 12:00:02
item: d | 5 | ok | 12:00:03
item: e | 4 | ok | 2026-11-23 09:00:00
== together they cannot be read
hint items a b
hint item a
hint item b
hint item c
hint item d
told: changed stock a at 12:00:07, changed stock c at 12:00:09, changed stock d at 12:00:10
info: stored cause=webhook kind=stock new_stock=5 number=a old_stock=3 webhook=came what=stock
warning: read failed: postponed error=odd failures=1 kind=stock number=b
info: stored cause=webhook kind=stock new_stock=5 number=c old_stock=3 webhook=came what=stock
info: stored cause=webhook kind=stock new_stock=5 number=d old_stock=3 webhook=came what=stock
-> 3 changes
hint: a | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: b | open | webhook | 1 | 0 | 1 | 0 | 12:00:23 | failed | odd
hint: c | answered | webhook | 1 | 0 | 0 | 0 |  |  |
hint: d | answered | webhook | 1 | 0 | 0 | 0 |  |  |
== together they hang
hint items a b
-> stopped, failed: silence
== one hangs alone
hint item a
warning: read failed: postponed error=silence failures=1 kind=stock number=a
-> stopped, failed: silence
open: a | 12:00:27
open: b | 1970-01-01 00:00:00
open: c | 1970-01-01 00:00:00
open: d | 1970-01-01 00:00:00
== the others are read alone once more
hint item b
hint item c
hint item d
told: changed stock b at 12:00:13
info: stored cause=webhook kind=stock new_stock=5 number=b old_stock=3 webhook=came what=stock
-> 1 changes
== and together again
hint items a b
hint items c d
->
`)
}

// TestItemsInARow: numbers without a usable answer stop the reads after three in a row, refused
// ones hold the stock.
func TestItemsInARow(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff, func(d *desk) { d.itemsFit = 0 })
	for _, n := range []string{"a", "b", "c", "d", "e", "f"} {
		d.sells(n, "5")
		d.has(n, "5")
		d.refused["item "+n] = failed(plan.ClassInterrupted, "broken "+n)
	}
	all := []string{"a", "b", "c", "d", "e", "f"}
	again := func() {
		d.exec("DELETE FROM hints")
		d.hinted(plan.KindStock, plan.CauseOperator, all...)
	}
	again()
	d.step("six fail", work)
	again()
	delete(d.refused, "item c")
	d.refused["item f"] = failed(plan.ClassNumber, "odd")
	d.step("one succeeds between", work)
	d.show(openHints)
	again()
	for _, n := range all {
		d.refused["item "+n] = failed(plan.ClassPart, "refused "+n)
	}
	d.step("all are refused", work)
	d.show(openHints, held)
	again()
	d.step("held", work)
	d.show("hint: SELECT number, due_at, note FROM hints")
	d.later(10 * time.Minute)
	delete(d.refused, "item a")
	d.hinted(plan.KindStock, plan.CauseOperator, "g")
	d.refused["item g"] = failed(plan.ClassPart, "refused g")
	d.step("the next try", work)
	d.show(openHints, held)
	d.saw(`
== six fail
person self
person item a
person item b
person item c
warning: read failed: postponed error=broken a failures=1 kind=stock number=a
warning: read failed: postponed error=broken b failures=1 kind=stock number=b
-> failed: broken c
== one succeeds between
person item a
person item b
person item c
person item d
person item e
person item f
warning: read failed: postponed error=broken a failures=1 kind=stock number=a
warning: read failed: postponed error=broken b failures=1 kind=stock number=b
warning: read failed: postponed error=broken d failures=1 kind=stock number=d
warning: read failed: postponed error=broken e failures=1 kind=stock number=e
warning: read failed: postponed error=odd failures=1 kind=stock number=f
->
open: a | 12:00:20
open: b | 12:00:21
open: d | 12:00:23
open: e | 12:00:24
open: f | 12:00:25
== all are refused
person item a
person item b
person item c
warning: read failed: postponed error=refused a failures=1 kind=stock number=a
warning: read failed: postponed error=refused b failures=1 kind=stock number=b
warning: read failed: postponed error=refused c failures=1 kind=stock number=c
warning: held detail=refused c reason=forbidden scope=stock
->
open: a | 12:00:26
open: b | 12:00:27
open: c | 12:00:28
open: d | 1970-01-01 00:00:00
open: e | 1970-01-01 00:00:00
open: f | 1970-01-01 00:00:00
hold: stock | forbidden | refused c | 12:00:13
== held
->
hint: a | 12:10:13 | waits, as stock: forbidden: refused c
hint: b | 12:10:13 | waits, as stock: forbidden: refused c
hint: c | 12:10:13 | waits, as stock: forbidden: refused c
hint: d | 12:10:13 | waits, as stock: forbidden: refused c
hint: e | 12:10:13 | waits, as stock: forbidden: refused c
hint: f | 12:10:13 | waits, as stock: forbidden: refused c
== the next try
person item g
warning: read failed: postponed error=refused g failures=1 kind=stock number=g
->
open: a | 12:10:13
open: b | 12:10:13
open: c | 12:10:13
open: d | 12:10:13
open: e | 12:10:13
open: f | 12:10:13
open: g | 12:10:29
hold: stock | forbidden | refused g | 12:00:13
`)
}

// TestManyHintedItems: a pass reads so many filters, then plans again; a request waits for all.
func TestManyHintedItems(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff, func(d *desk) { d.itemsFit = 2 })
	var numbers []string
	for n := range 22 {
		numbers = append(numbers, fmt.Sprintf("n%02d", n))
		d.sells(numbers[n], "5")
		d.has(numbers[n], "4")
	}
	for _, c := range []struct {
		due    reconcile.Due
		calls  int
		open   string
		report reconcile.Report
	}{
		{work, 1 + 10, "2", reconcile.Report{Changes: 20, Again: true, Tried: true}},
		{reconcile.Due{}, 1, "0", reconcile.Report{Changes: 2, Tried: true}},
		{reconcile.Due{Work: true, Requested: true}, 11, "0", reconcile.Report{Changes: 22, Tried: true}},
	} {
		if c.due.Work {
			d.exec("DELETE FROM hints")
			d.exec("UPDATE items SET stock = '4', in_stock = '4'")
			d.hinted(plan.KindStock, plan.CauseWebhook, numbers...)
		}
		d.asked = nil
		report, err := d.RunOnce(t.Context(), c.due)
		if err != nil || report != c.report || len(d.asked) != c.calls {
			t.Errorf("%+v: %d calls, %+v, %v: expected %d, %+v", c.due, len(d.asked), report, err, c.calls, c.report)
		}
		d.are("SELECT COUNT(*) FROM hints WHERE open", c.open)
	}
}

// TestChangedItems: a change query looks back from the cursor, which moves with the last page of
// a complete one.
func TestChangedItems(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sweptShop, invoicesOff, func(d *desk) { d.page = 1 })
	cursor := "cursor: SELECT items_cursor FROM progress"
	for _, n := range []string{"a", "b", "c"} {
		d.sells(n, "5")
		d.has(n, "4")
	}
	d.hinted(plan.KindStock, plan.CauseWebhook, "b")
	d.exec("UPDATE hints SET due_at = '2026-11-20 12:05:00.000000'")
	d.changed = []string{"a", "b"}
	d.refused["changes since 11:55:00 from 1"] = failed(plan.ClassInterrupted, "broken")
	d.step("the second page fails", aTick)
	d.show(cursor, stock)
	clear(d.refused)
	d.step("both are read", aTick)
	d.show(cursor, hints, changes)
	d.changed = nil
	d.clock = time.Date(2026, 11, 20, 12, 4, 59, 0, time.UTC)
	d.step("nothing has changed", aTick)
	d.step("for as long as the overlap", aTick)
	d.show(cursor)
	o := d.items["c"]
	o.Item.UpdatedAt = d.clock
	d.items["c"] = o
	d.changed = []string{"c"}
	d.step("what is later moves it at once", aTick)
	d.show(cursor)
	d.later(2 * time.Minute)
	d.announced = 1
	d.step("fewer come than were announced", aTick)
	d.show(cursor)
	o = d.items["a"]
	o.Item.UpdatedAt = d.clock // a complete one would move it
	d.items["a"] = o
	d.announced, d.changed = 0, []string{"a", "b", "c"}
	d.before["changes since 12:00:01 from 1"] = func() { d.changed = []string{"a", "b"} }
	d.step("it becomes shorter", aTick)
	d.show(cursor)
	d.unread = []plan.Unreadable{{Number: "x", Err: errors.New("its stock")}, {Err: errors.New("its number")}, {Number: strings.Repeat("y", 300), Err: errors.New("too long")}}
	d.changed = nil
	d.hinted(plan.KindStock, plan.CauseOperator, "x")
	d.exec("UPDATE hints SET due_at = ? WHERE number = 'x'", store.At(d.clock.Add(5*time.Minute)))
	d.step("some cannot be understood, one of them hinted", reconcile.Due{Tick: true, Work: true})
	d.exec("DELETE FROM hints")
	d.step("and not hinted", aTick)
	d.show(hints, warned)
	d.unread = nil
	d.refused["item x"] = failed(plan.ClassNumber, "its stock")
	d.step("it is read alone", work)
	d.show(hints, warned)
	d.refused["changes since 12:00:01"] = failed(plan.ClassPart, "no role")
	d.hinted(plan.KindStock, plan.CauseOperator, "a")
	d.step("refused", aTick)
	d.show(held)
	d.saw(`
== the second page fails
person self
tick changes since 11:55:00
tick changes since 11:55:00 from 1
told: changed stock a at 12:00:02
info: stored cause=sweep kind=stock new_stock=5 number=a old_stock=4 webhook=missed what=stock
-> 1 changes, failed: broken
cursor: 12:00:00
item: a | 5 | ok | 12:00:01
item: b | 4 | ok | 2026-11-23 09:00:00
item: c | 4 | ok | 2026-11-23 09:00:00
== both are read
tick changes since 11:55:00
tick changes since 11:55:00 from 1
told: changed stock b at 12:00:05
info: stored cause=webhook kind=stock new_stock=5 number=b old_stock=4 webhook=came what=stock
-> ticked, 1 changes
cursor: 12:00:00
hint: b | answered | webhook | 1 | 0 | 0 | 0 |  |  |
change: stock | a | stock | sweep | missed | 12:00:01
change: stock | b | stock | webhook | came | 12:00:04
== nothing has changed
tick changes since 11:55:00
-> ticked
== for as long as the overlap
tick changes since 11:55:00
-> ticked
cursor: 12:05:00
== what is later moves it at once
tick changes since 12:00:00
told: changed stock c at 12:05:02
info: stored cause=tick kind=stock new_stock=5 number=c old_stock=4 webhook=missed what=stock
-> ticked, 1 changes
cursor: 12:05:01
== fewer come than were announced
tick changes since 12:00:01
-> failed: shop shop1234: the desk announced 2 changed items and sent 1: the cursor stays
cursor: 12:05:01
== it becomes shorter
tick changes since 12:00:01
tick changes since 12:00:01 from 1
tick changes since 12:00:01 from 2
-> ticked
cursor: 12:05:01
== some cannot be understood, one of them hinted
tick changes since 12:00:01
told: bad item, bad item, bad item
warning: unreadable item error=its stock kind=stock number=x
warning: unreadable item error=too long kind=stock number=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
warning: an answer was not stored in part kind=stock number= warning=1 without a number that can be read: its number
-> ticked, again
== and not hinted
tick changes since 12:00:01
told: bad item, bad item, bad item
warning: unreadable item error=its stock kind=stock number=x
warning: unreadable item error=too long kind=stock number=yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
-> ticked, again
hint: x | open | tick | 1 | 0 | 0 | 0 | 1970-01-01 00:00:00 |  |
warning: stock |  | 1 without a number that can be read: its number
== it is read alone
hint item x
warning: read failed: postponed error=its stock failures=1 kind=stock number=x
->
hint: x | open | tick | 1 | 0 | 1 | 0 | 12:07:24 | failed | its stock
warning: stock |  | 1 without a number that can be read: its number
== refused
tick changes since 12:00:01
warning: held detail=no role reason=forbidden scope=stock
->
hold: stock | forbidden | no role | 12:07:10
`)
}

// TestStockThatIsNotRead: hints are answered with the reason.
func TestStockThatIsNotRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  func(d *desk)
		hint string
		came string
	}{
		"off":      {stockOff, "answered | stock_off | stock is off for this shop", "-> ticked"},
		"Rackbeat": {func(d *desk) { d.fixture.Shop.StockSource = store.SourceRackbeat }, "answered | rackbeat | the shop's stock is kept in Rackbeat, and no key for it is stored", "-> ticked"},
		"no figure": {func(d *desk) { d.figures = false; d.fixture.Shop.StockFigure = "" }, "open |  | ",
			"-> failed: shop shop1234: the desk has no figure \"\": choose another with 'lagerd shops set shop1234 --figure …'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, sweptShop, invoicesOff, c.set)
			d.sells("a", "5")
			d.hinted(plan.KindStock, plan.CauseWebhook, "a")
			d.step("a tick", reconcile.Due{Tick: true, Work: true})
			if came := d.journal[len(d.journal)-1]; came != c.came {
				t.Errorf("got %q, expected %q", came, c.came)
			}
			d.are("SELECT CASE WHEN open THEN 'open' ELSE 'answered' END, reason, note FROM hints", c.hint)
		})
	}
}

// TestNoInventory: an agreement without stock figures is held, its hints are answered, and a
// figure ends that.
func TestNoInventory(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, invoicesOff)
	d.sells("a", "")
	d.sells("b", "")
	d.hinted(plan.KindStock, plan.CauseWebhook, "a")
	d.step("a sweep", reconcile.Due{Sweep: true, Work: true})
	d.show(held, hints, stock)
	d.hinted(plan.KindStock, plan.CauseWebhook, "b")
	d.step("a hint", reconcile.Due{Tick: true, Work: true})
	d.show("hint: SELECT number, open, reason, note FROM hints WHERE number = 'b'")
	d.later(10 * time.Minute)
	d.step("the next try", aTick)
	d.requested("r1", store.WantTick)
	d.step("a person asks", work)
	d.sells("b", "7")
	d.requested("r2", store.WantTick)
	d.step("another does", work)
	d.show(requests)
	d.show(held, stock)
	d.saw(`
== a sweep
person self
sweep items
warning: held detail=none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?) reason=no_inventory scope=stock
->
hold: stock | no_inventory | none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?) | 12:00:02
hint: a | answered | webhook | 1 | 0 | 0 | 0 |  | no_inventory | none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)
item: a | 1 | ok | 2026-11-23 09:00:00
item: b | 2 | ok | 2026-11-23 09:00:00
== a hint
->
hint: b | 0 | no_inventory | none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)
== the next try
sweep items
->
== a person asks
sweep items
->
== another does
sweep items
told: changed stock b at 12:10:05
info: hold ended reason=no_inventory scope=stock seen=figures
info: stored cause=sweep kind=stock new_stock=7 number=b old_stock=2 webhook=missed what=stock
-> ticked, again, 1 changes
request: r1 | 12:10:04 | 0 | held: stock: no_inventory: none of 2 items carries a stock figure (0 claim to keep stock): the agreement has no inventory module, or keeps its stock elsewhere (Rackbeat?)
request: r2 | 12:10:05 | 1 |
no hold
item: a | 1 | ok | 2026-11-23 09:00:00
item: b | 7 | ok | 12:10:04
`)
}

// TestWarningEndsWithTheNextListing: a warning that a single read left behind ends with the next
// tick's listing, although that is identical to the last one stored.
func TestWarningEndsWithTheNextListing(t *testing.T) {
	t.Parallel()
	const warnings = "SELECT number, warning FROM warnings"
	d := newDesk(t, invoicesOff)
	d.sells("a", "5")
	for range 3 { // the last one is identical
		d.step("a tick", reconcile.Due{Tick: true, Work: true})
		d.later(time.Minute)
	}
	sound := d.items["a"]
	odd := sound
	odd.Warning, odd.Unknown = "barCode: expected a string, got number 5", plan.FieldBarCode
	d.items["a"] = odd
	d.hinted(plan.KindStock, plan.CauseInvoice, "a")
	d.step("the item on an invoice's line", work)
	d.are(warnings, "a | barCode: expected a string, got number 5")
	d.items["a"] = sound
	d.step("the next tick", reconcile.Due{Tick: true, Work: true})
	d.are(warnings)
}
