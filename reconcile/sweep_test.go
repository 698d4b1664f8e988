package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lagerd/plan"
	"lagerd/reconcile"
	"lagerd/source"
	"lagerd/store"
)

// TestSweepWaits: a sweep reads as many pages as the budget has to spare, waits until it has more, and for the next day if
// its share is spent. A burst waits for neither, and its hints for the end of the listing.
func TestSweepWaits(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn, d.itemsFit = time.Minute, 1 })
	d.step("a pass", reconcile.Due{})
	d.spare = 1
	d.step("a page to spare", reconcile.Due{Sweep: true})
	d.spare = 0
	d.step("none", work)
	d.spare = 1
	d.later(time.Minute - time.Second)
	d.step("a second too early", work)
	d.later(time.Second)
	d.step("a minute later", work)
	d.spare = 2
	d.step("the last one", work)
	d.refused["items from 2"] = &source.Error{Class: plan.ClassDay, Err: errors.New("spent"), RetryAfter: time.Hour}
	d.step("the share is spent at the second page", reconcile.Due{Sweep: true})
	delete(d.refused, "items from 2")
	d.step("a pass meanwhile", work)
	d.webhook("a")
	d.step("a hint meanwhile", work)
	d.webhook("a", "b", "c", "d", "e")
	d.sells("e", "7")
	d.refused["items from 4"] = failed(plan.ClassInterrupted, "broken")
	d.step("a burst", work)
	delete(d.refused, "items from 4")
	d.show(openHints)
	d.webhook("b", "f")
	d.step("the rest of the pages", work)
	d.show(openHints)
	d.step("the hints that have waited", work)
	d.show("hint: SELECT number, open, tries FROM hints ORDER BY number")
	d.saw(`
== a pass
person self
->
== a page to spare
sweep items
-> again, listing
== none
-> again, listing
== a second too early
-> listing
== a minute later
sweep items from 2
-> again, listing
== the last one
sweep items from 4
->
== the share is spent at the second page
sweep items
sweep items from 2
info: sweep waits for the budget until=2026-11-20 12:11:06 +0000 UTC
-> listing
== a pass meanwhile
-> listing
== a hint meanwhile
hint item a
-> listing
== a burst
hint items from 2
hint items from 4
-> listing, failed: broken
open: a | 1970-01-01 00:00:00
open: b | 1970-01-01 00:00:00
open: c | 1970-01-01 00:00:00
open: d | 1970-01-01 00:00:00
open: e | 1970-01-01 00:00:00
== the rest of the pages
hint items from 4
told: changed stock e at 12:01:10
info: stored cause=sweep kind=stock new_stock=7 number=e old_stock=5 webhook=missed what=stock
-> again, 1 changes
open: a | 1970-01-01 00:00:00
open: b | 1970-01-01 00:00:00
open: c | 1970-01-01 00:00:00
open: d | 1970-01-01 00:00:00
open: e | 1970-01-01 00:00:00
open: f | 1970-01-01 00:00:00
== the hints that have waited
hint items
hint items from 2
hint items from 4
-> again
hint: a | 1 | 1
hint: b | 1 | 1
hint: c | 1 | 1
hint: d | 1 | 1
hint: e | 1 | 1
hint: f | 1 | 1
`)
}

// TestHintsOfASweep: hinted numbers that do not exist are answered by a sweep; those that it cannot tell are read after it,
// unless they are due later.
func TestHintsOfASweep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn = time.Minute })
	d.step("a pass", reconcile.Due{})
	delete(d.items, "a")
	delete(d.items, "b")
	d.unread = []plan.Unreadable{{Number: "u", Err: errors.New("odd")}, {Number: "v", Err: errors.New("odd too")}}
	d.hinted(plan.KindStock, plan.CauseOperator, "a", "b", "u", "v", "x", "y", "c")
	d.exec("UPDATE hints SET due_at = ? WHERE number IN ('b', 'v', 'y')", store.At(d.now().Add(5*time.Minute)))
	d.step("a sweep", reconcile.Due{Sweep: true, Work: true})
	d.show(hints, "item: SELECT number, state FROM items WHERE number < 'd'")
	d.saw(`
== a pass
person self
->
== a sweep
sweep items
sweep items from 2
person item a
person item u
told: bad item, bad item, changed stock a at 12:00:04
info: stored cause=operator kind=stock number=a old_stock=5 webhook=none what=gone
-> again, 1 changes
hint: a | answered | operator | 1 | 0 | 0 | 0 |  | gone | this item no longer exists
hint: b | open | operator | 1 | 0 | 0 | 0 | 12:05:01 |  |
hint: c | answered | operator | 1 | 0 | 0 | 0 |  |  |
hint: u | answered | operator | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
hint: v | open | operator | 1 | 0 | 0 | 0 | 12:05:01 |  |
hint: x | answered | operator | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
hint: y | answered | operator | 1 | 0 | 0 | 0 |  | unknown | there is no item with this number
item: a | gone
item: b | ok
item: c | ok
`)
}

// TestSweepOfNewItems: an item that is gone points to the only new one like it, whichever page showed that.
func TestSweepOfNewItems(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged)
	d.step("a pass", reconcile.Due{})
	named := func(number, name string) {
		o := d.items["c"]
		o.Item.Number, o.Item.Name = number, name
		d.items[number] = o
	}
	d.exec("UPDATE items SET name = 'Bottle' WHERE number = 'e'")
	delete(d.items, "e")
	named("aa", "Bottle")
	d.step("a sweep", reconcile.Due{Sweep: true})
	d.step("its second page", work)
	d.step("its last page", work)
	d.step("the missing one is read", work)
	d.show("item: SELECT number, state, renumbered_to FROM items WHERE number IN ('aa', 'e')", changes)
	d.saw(`
== a pass
person self
->
== a sweep
sweep items
told: changed stock aa at 12:00:02
info: stored cause=sweep kind=stock new_stock=5 number=aa webhook=none what=created
-> again, listing, 1 changes
== its second page
sweep items from 2
-> again, listing
== its last page
sweep items from 4
-> again
== the missing one is read
hint item e
told: changed stock e at 12:00:05
info: stored cause=sweep kind=stock number=e old_stock=5 webhook=none what=gone
-> 1 changes
item: e | gone | aa
item: aa | ok |
change: stock | aa | created | sweep | none | 12:00:01
change: stock | e | gone | sweep | none | 12:00:04
`)
}

// TestAllZero: an agreement whose figures are all zero is suspicious, which is logged once and ends with a figure.
func TestAllZero(t *testing.T) {
	t.Parallel()
	const suspicion = "suspicion: SELECT suspicion, items FROM progress"
	d := newDesk(t, small, invoicesOff)
	d.exec("UPDATE items SET stock = 0, in_stock = 0")
	d.sells("a", "0")
	d.sells("b", "0")
	d.step("a sweep", reconcile.Due{Sweep: true})
	d.show(suspicion)
	d.step("another", reconcile.Due{Sweep: true})
	d.sells("b", "1")
	d.step("a figure", reconcile.Due{Sweep: true})
	d.show(suspicion)
	d.saw(`
== a sweep
person self
sweep items
warning: every stock figure is zero: is the stock really kept where it is read? reason=all_zero
->
suspicion: all_zero | 2
== another
sweep items
->
== a figure
sweep items
told: changed stock b at 12:00:04
info: stored cause=sweep kind=stock new_stock=1 number=b old_stock=0 webhook=missed what=stock
-> 1 changes
suspicion:  | 2
`)
}

// TestSweepThatIsGivenUp: hints that wait for a listing bring the next one forward as well, if that
// one is given up.
func TestSweepThatIsGivenUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.ListingTurn = time.Minute })
	d.step("a pass", reconcile.Due{})
	d.spare = 0
	d.hinted(plan.KindStock, plan.CauseWebhook, "x")
	d.step("a number that is not stored", work)
	d.are("SELECT number, reason FROM hints WHERE open", "x | awaits_listing")
	d.spare = 1000
	d.refused["items from 2"] = failed(plan.ClassNumber, "odd")
	for n, fails := range []bool{true, true, false} {
		if !fails {
			delete(d.refused, "items from 2")
		}
		d.later(2 * time.Minute)
		d.step("a tick", aTick)
		if !slices.Contains(d.asked, "sweep items from 2") {
			t.Errorf("tick %d asks for %q", n+1, d.asked)
		}
	}
	d.are("SELECT number, open, reason FROM hints", "x | 0 | unknown")
	d.later(2 * time.Minute)
	d.step("nothing waits", aTick)
	if slices.Contains(d.asked, "sweep items") {
		t.Errorf("nothing waits, and it asks for %q", d.asked)
	}
}

// TestHintsBesideAListingThatFails: hints wait for the end of a listing that a burst waits for only
// as long as its pages come: nobody knows how long they fail.
func TestHintsBesideAListingThatFails(t *testing.T) {
	t.Parallel()
	for broken, want := range map[bool][]string{false: nil, true: {"hint item f"}} {
		d := newDesk(t, paged, func(d *desk) { d.itemsFit = 1 })
		d.step("a pass", reconcile.Due{})
		d.step("a sweep", reconcile.Due{Sweep: true})
		d.webhook("a", "b", "c", "d")
		if broken {
			d.refused["items from 2"] = failed(plan.ClassInterrupted, "broken")
		}
		for _, n := range []string{"a", "b", "c", "d"} {
			d.sells(n, "6")
		}
		d.changed = []string{"a", "b", "c", "d"}
		d.step("a burst", work)
		if broken {
			d.step("a tick, whose change query answers it", aTick)
			d.are("SELECT number FROM hints WHERE open")
		}
		d.webhook("f")
		d.step("a hint", work)
		got := slices.DeleteFunc(d.asked, func(what string) bool { return !strings.Contains(what, " item ") })
		if !slices.Equal(got, want) {
			t.Errorf("broken %t: asked for %q, expected %q", broken, got, want)
		}
	}
}

// TestHintsAfterAListing: what has waited for the end of a listing is read in the pass after it, which
// follows at once.
func TestHintsAfterAListing(t *testing.T) {
	t.Parallel()
	for waits, hinted := range map[bool][]string{false: nil, true: {"a", "b", "c", "d"}} {
		d := newDesk(t, paged, func(d *desk) { d.itemsFit = 1 })
		d.step("a pass", reconcile.Due{})
		d.step("a sweep", aSweep)
		d.webhook(hinted...)
		d.step("the second page", work)
		report, err := d.RunOnce(t.Context(), work)
		must(t, err)
		if report.Listing || report.Again != waits {
			t.Errorf("hints wait %t: after the last page: %+v", waits, report)
		}
	}
}

// TestHeldBackDuringASweep: a read that is held back ends the running sweep, whose other pages would
// be stored without what they take away, and which would count as complete.
func TestHeldBackDuringASweep(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.LossMin, d.LossPercent = 1, 25 })
	d.step("a pass", reconcile.Due{})
	d.later(time.Minute)
	d.step("a sweep", reconcile.Due{Sweep: true})
	for _, n := range []string{"c", "d", "e"} {
		d.sells(n, "0")
	}
	d.changed = []string{"c", "d", "e"}
	d.step("a tick", aTick)
	if d.Holds().Codes() != "stock: losses" || slices.ContainsFunc(d.asked, func(what string) bool { return strings.HasPrefix(what, "sweep items") }) {
		t.Errorf("held: %q, asked for %q", d.Holds().Codes(), d.asked)
	}
	for range 3 {
		d.step("a pass", work)
	}
	d.are("SELECT swept_at FROM progress", "12:00:00")
}

// TestHintsOfADryRun: while losses are held back, a listing that shows them still postpones the hints
// that are due, and no others.
func TestHintsOfADryRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.LossMin, d.LossPercent, d.ListingTurn = 1, 25, time.Minute })
	d.step("a pass", reconcile.Due{})
	for _, n := range []string{"c", "d", "e"} {
		d.sells(n, "0")
	}
	d.changed = []string{"c", "d", "e"}
	d.step("a tick", aTick)
	if d.Holds().Codes() != "stock: losses" {
		t.Fatalf("held: %q", d.Holds().Codes())
	}
	d.hinted(plan.KindStock, plan.CauseWebhook, "a", "b")
	d.exec("UPDATE hints SET due_at = '2026-11-20 12:05:00.000000' WHERE number = 'b'")
	d.later(time.Second)
	d.step("a dry run", reconcile.Due{Sweep: true, Work: true})
	d.are("SELECT number, reason, substr(due_at, 12, 5) FROM hints WHERE number IN ('a', 'b') ORDER BY number", "a | held_back | 12:10", "b |  | 12:05")
}

// TestWarningOfAnUnchangedItem: a warning that a read of one item stores ends with the next listing,
// although that shows the same as the one before.
func TestWarningOfAnUnchangedItem(t *testing.T) {
	t.Parallel()
	d := newDesk(t, small, invoicesOff)
	for range 3 { // the last two are stored whole and show nothing new
		d.step("a tick", aTick)
	}
	sound := d.items["a"]
	odd := sound
	odd.Unknown, odd.Warning = plan.FieldBarCode, "an odd bar code"
	d.items["a"] = odd
	d.hinted(plan.KindStock, plan.CauseOperator, "a")
	d.step("a person asks for it", work)
	d.are("SELECT number, warning FROM warnings", "a | an odd bar code")
	d.items["a"] = sound
	d.step("a tick", aTick)
	d.are("SELECT number, warning FROM warnings")
}

// TestFirstSweepSaysOfHowMany: the first page of a first sweep stores how many items there are, before
// the sweep ends. Later ones leave that as it was.
func TestFirstSweepSaysOfHowMany(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) { d.exec("UPDATE progress SET swept_at = NULL"); d.spare = 1 })
	const announced = "SELECT items_announced, swept_at IS NULL FROM progress"
	d.are(announced, "0 | 1")
	d.step("the first page", reconcile.Due{Sweep: true})
	d.are(announced, "6 | 1")
	for range 3 {
		d.step("another page", work)
	}
	d.are(announced, "6 | 0")
	d.sells("g", "5")
	for range 5 {
		d.step("a later sweep", reconcile.Due{Sweep: true})
	}
	d.are("SELECT items_announced, items FROM progress", "6 | 7")
}

// TestHintsBringAListingForward: hints for which the budget has no call wait for the next listing,
// which is made soon.
func TestHintsBringAListingForward(t *testing.T) {
	t.Parallel()
	spent := failed(plan.ClassDay, "spent")
	for name, c := range map[string]struct {
		set  func(d *desk)
		want bool
	}{
		"no hint waits":                  {func(*desk) {}, false},
		"its number was read":            {func(d *desk) { d.webhook("a") }, false},
		"no call is left for its number": {func(d *desk) { d.webhook("a"); d.refused["item a"] = spent }, true},
		"its number is not stored":       {func(d *desk) { d.webhook("x"); d.spare = 0 }, true},
	} {
		d := newDesk(t, paged)
		d.step("a pass", reconcile.Due{})
		c.set(d)
		d.step(name, work)
		d.spare = 1000
		d.later(2 * time.Minute)
		d.step("a tick", aTick)
		if listed := slices.Contains(d.asked, "sweep items"); listed != c.want {
			t.Errorf("%s: the tick asks for %q", name, d.asked)
		}
	}
}
