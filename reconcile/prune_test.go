package reconcile_test

import (
	"testing"
	"time"

	"lagerd/reconcile"
	"lagerd/store"
)

// TestPruned: rows past their retention are deleted with a tick, each day or each tenth of the
// retention, and never the hints that a running listing claims.
func TestPruned(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) {
		d.KeepHints, d.KeepHistory, d.DailyCalls = 10*time.Hour, 20*time.Hour, 5 // calls for a sweep a day
	})
	left := "left: SELECT (SELECT COUNT(*) FROM hints), (SELECT COUNT(*) FROM changes)"
	old := func(ago time.Duration) {
		at := store.At(d.clock.Add(-ago))
		d.exec("DELETE FROM hints")
		d.exec("DELETE FROM changes")
		d.exec("INSERT INTO hints (shop, kind, number, seen_gen, done_gen, open, cause, first_at, last_at, due_at) VALUES ('shop1234', 'stock', 'old', 1, 1, 0, 'webhook', ?, ?, ?)", at, at, at)
		d.exec("INSERT INTO changes (shop, token, seq, n, kind, number, what, cause, webhook, observed_at, committed_at) VALUES ('shop1234', 1, 1, 1, 'stock', 'old', 'stock', 'tick', 'none', ?, ?)", at, at)
	}
	old(21 * time.Hour)
	d.step("no tick", work)
	d.show(left)
	d.step("the first tick", aTick)
	d.show(left)
	old(21 * time.Hour)
	d.clock = time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC).Add(-time.Second)
	d.step("not yet an hour later", aTick)
	d.show(left)
	old(15 * time.Hour)
	d.step("an hour later, hints are kept for less", aTick)
	d.show(left)
	d.later(time.Hour)
	old(21 * time.Hour)
	d.step("while a listing runs, hints stay", reconcile.Due{Tick: true, Sweep: true})
	d.show(left)
	d.step("its second page", work)
	d.step("its third page", work)
	d.step("the tick after its end", aTick)
	d.show(left)
	d.saw(`
== no tick
person self
->
left: 1 | 1
== the first tick
tick changes since 11:55:00
-> ticked
left: 0 | 0
== not yet an hour later
tick changes since 11:55:00
-> ticked
left: 1 | 1
== an hour later, hints are kept for less
person self
tick changes since 12:54:59
-> ticked
left: 0 | 1
== while a listing runs, hints stay
person self
sweep items
-> ticked, again, listing
left: 1 | 0
== its second page
sweep items from 2
-> again, listing
== its third page
sweep items from 4
->
== the tick after its end
tick changes since 12:54:59
-> ticked
left: 0 | 0
`)
}

// TestPrunedUnknown: answered hints of numbers that do not exist are kept for a day, others for
// as long as it is configured.
func TestPrunedUnknown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, paged, func(d *desk) {
		d.KeepHints, d.KeepHistory, d.DailyCalls = 2400*time.Hour, 2400*time.Hour, 5 // calls for a sweep a day
	})
	insert := func(number, reason string, ago time.Duration) {
		at := store.At(d.clock.Add(-ago))
		d.exec("INSERT INTO hints (shop, kind, number, seen_gen, done_gen, open, cause, first_at, last_at, due_at, reason) VALUES ('shop1234', 'stock', ?, 1, 1, 0, 'webhook', ?, ?, ?, ?)", number, at, at, at, reason)
	}
	insert("a", "unknown", 25*time.Hour)
	insert("b", "unknown", 23*time.Hour)
	insert("c", "", 25*time.Hour)
	left := "left: SELECT GROUP_CONCAT(number) FROM hints"
	d.step("a tick", aTick)
	d.show(left)
	d.later(23 * time.Hour / 2)
	d.step("12 hours later", aTick)
	d.show(left)
	d.later(23*time.Hour/2 + 10*time.Minute)
	d.step("within a day", aTick)
	d.show(left)
	d.later(time.Hour)
	d.step("a day later, a sweep begins", aTick)
	d.show(left)
	d.step("its second page", work)
	d.step("its third page", work)
	d.step("a tick after it", aTick)
	d.show(left)
	d.saw(`
== a tick
person self
tick changes since 11:55:00
-> ticked
left: b,c
== 12 hours later
person self
tick changes since 11:55:00
-> ticked
left: b,c
== within a day
person self
tick changes since 23:25:03
-> ticked
left: b,c
== a day later, a sweep begins
person self
sweep items
-> ticked, again, listing
left: b,c
== its second page
sweep items from 2
-> again, listing
== its third page
sweep items from 4
->
== a tick after it
tick changes since 11:05:05
-> ticked
left: c
`)
}
